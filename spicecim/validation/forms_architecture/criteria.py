"""Claims as data: what is published, a criterion that can fail, and the verdict by what is measured."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from spicecim.fields import Section
from spicecim.outside import read_text
from spicecim.yaml_text import parse_yaml

Verdict = Literal["holds", "holds in part", "does not hold"]

Range = tuple[float, float]
"""The least and the most of what is measured over assumptions."""

_CLAIMS = Path(__file__).with_name("claims.yaml")


class Criterion(Section):
    """When a claim holds; one of the three."""

    within: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    at_least: float | Literal["published"] | None = None
    at_most: float | Literal["published"] | None = None

    @model_validator(mode="after")
    def _check_one(self) -> Criterion:
        if sum(getattr(self, name) is not None for name in type(self).model_fields) != 1:
            raise ValueError("must be one of within, at_least and at_most")
        return self

    def allowed(self, published: float) -> Range:
        """Return the least and the most that is allowed."""
        if self.within is not None:
            low, high = sorted((published * (1 - self.within), published * (1 + self.within)))
            return low, high
        if self.at_least is not None:
            return (published if self.at_least == "published" else self.at_least, float("inf"))
        return (float("-inf"), published if self.at_most == "published" else float(self.at_most or 0.0))

    @property
    def text(self) -> str:
        """The criterion in words."""
        if self.within is not None:
            return f"within {100 * self.within:g} % of what is published"
        name, bound = ("at least", self.at_least) if self.at_least is not None else ("at most", self.at_most)
        return f"{name} what is published" if bound == "published" else f"{name} {bound:g}"


class StatedClaim(Section):
    """A claim as it is stated, before anything is measured."""

    id: str
    claim: str
    source: str
    definition: str
    published: float | dict[str, float]
    criterion: Criterion
    reason: str = ""

    def published_for(self, what: str) -> float:
        """Return what is published of something that was measured."""
        return self.published[what] if isinstance(self.published, dict) else self.published


@dataclass(frozen=True)
class JudgedClaim:
    """A claim with what was measured of it.

    Attributes
    ----------
    id, claim, source, definition
        What is claimed, where, and what exactly was measured.
    criterion
        When it holds, in words.
    verdict
        Whether it does.
    published, measured
        Numbers by what they are of; a pair is the least and the most over assumptions.
    met
        Of each number that was measured, whether the criterion is met: yes, in part, no.
    reason
        Why, where that needs words.
    """

    id: str
    claim: str
    source: str
    definition: str
    criterion: str
    verdict: Verdict
    published: dict[str, float]
    measured: dict[str, float | Range]
    met: dict[str, str]
    reason: str


@functools.cache
def stated_claims() -> dict[str, StatedClaim]:
    """Return the claims by their ids."""
    claims = [StatedClaim(**values) for values in parse_yaml(read_text(_CLAIMS, "DESIGN_BYTES"))]
    return {claim.id: claim for claim in claims}


def judge(claim: StatedClaim, measured: Mapping[str, float | Range]) -> JudgedClaim:
    """Judge a claim by its criterion.

    Parameters
    ----------
    claim
        The claim.
    measured
        Numbers, or ranges, by what they are of: what the claim has published numbers for, if it has several.
    """
    if isinstance(claim.published, dict) and set(claim.published) != set(measured):
        raise KeyError(f"{claim.id}: measured {sorted(measured)}, published {sorted(claim.published)}")
    met = {what: _met(value, *claim.criterion.allowed(claim.published_for(what))) for what, value in measured.items()}
    verdict: Verdict = "holds in part"
    if set(met.values()) == {"yes"}:
        verdict = "holds"
    elif set(met.values()) == {"no"}:
        verdict = "does not hold"
    published = {what: claim.published_for(what) for what in measured}
    return JudgedClaim(
        claim.id, claim.claim, claim.source, claim.definition, claim.criterion.text, verdict, published,
        dict(measured), met, claim.reason,
    )  # fmt: skip


def _met(value: Any, low: float, high: float) -> str:
    least, most = value if isinstance(value, tuple) else (value, value)
    if low <= least and most <= high:
        return "yes"
    return "no" if most < low or least > high else "in part"


def number_text(value: float | Range) -> str:
    """Write a number, or a range."""
    return " to ".join(f"{part:.4g}" for part in (value if isinstance(value, tuple) else (value,)))


def claims_page(claims: list[JudgedClaim]) -> str:
    """Return the claims as a page in Markdown: a line per claim, and the details below it."""
    lines = ["| claim | verdict | published | measured |", "| --- | --- | --- | --- |"]
    for claim in claims:
        first = next(iter(claim.measured))
        more = f" and {len(claim.measured) - 1} more" if len(claim.measured) > 1 else ""
        lines.append(
            f"| [{claim.claim}](#{claim.id}) | **{claim.verdict}** | {number_text(claim.published[first])} | "
            f"{number_text(claim.measured[first])}{more} |"
        )
    for claim in claims:
        lines += ["", f"## {claim.id}", "", f"{claim.claim}.", ""]
        lines += [f"- source: {claim.source}", f"- measured: {claim.definition}", f"- criterion: {claim.criterion}"]
        lines += [f"- verdict: **{claim.verdict}**" + (f"; {claim.reason}" if claim.reason else ""), ""]
        lines += ["| | published | measured | met |", "| --- | --- | --- | --- |"]
        lines += [
            f"| {what} | {number_text(claim.published[what])} | {number_text(value)} | {claim.met[what]} |"
            for what, value in claim.measured.items()
        ]
    return "\n".join(lines) + "\n"
