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
"""The least and the most of what is measured, over assumptions or over a confidence interval."""

Measured = dict[str, float | Range]
"""Numbers, or ranges, by what they are of."""


class Criterion(Section):
    """When a claim holds: one of `within`, `at_least` and `at_most`."""

    within: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    at_least: float | Literal["published"] | None = None
    at_most: float | Literal["published"] | None = None
    every: bool = Field(default=False, description="whether one number that misses it refutes the claim")

    @model_validator(mode="after")
    def _check_one(self) -> Criterion:
        if sum(bound is not None for bound in (self.within, self.at_least, self.at_most)) != 1:
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

    def verdict(self, met: set[str]) -> Verdict:
        """Return the verdict on numbers of which some meet the criterion, some in part, some not."""
        if met == {"yes"}:
            return "holds"
        if met == {"no"} or (self.every and "no" in met):
            return "does not hold"
        return "holds in part"

    @property
    def text(self) -> str:
        """The criterion in words."""
        if self.within is not None:
            text = f"within {100 * self.within:g} % of what is published"
        else:
            name, bound = ("at least", self.at_least) if self.at_least is not None else ("at most", self.at_most)
            text = f"{name} what is published" if bound == "published" else f"{name} {bound:g}"
        return f"{text}, without exception" if self.every else text


class StatedClaim(Section):
    """A claim as it is stated, before anything is measured.

    `published` of a claim that no publication makes is what this project asks for.
    """

    id: str
    claim: str
    source: str
    definition: str
    published: float | dict[str, float]
    criterion: Criterion
    ranges: str = "over what is assumed"
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
        Numbers by what they are of; a pair is the least and the most, and `ranges` says of what.
    met
        Of each number that was measured, whether the criterion is met: yes, in part, no.
    details
        What else was measured, that the verdict does not depend on.
    ranges
        What a pair of numbers is the range of.
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
    measured: Measured
    met: dict[str, str]
    details: Measured
    ranges: str
    reason: str


@functools.cache
def stated_claims(file: Path) -> dict[str, StatedClaim]:
    """Return the claims of a file by their ids, in its order."""
    claims = [StatedClaim(**values) for values in parse_yaml(read_text(file, "DESIGN_BYTES"))]
    found = {claim.id: claim for claim in claims}
    if len(found) < len(claims):
        raise ValueError(f"{file}: two claims have the same id")
    return found


def judge(
    claim: StatedClaim, measured: Mapping[str, float | Range], details: Mapping[str, float | Range] | None = None
) -> JudgedClaim:
    """Judge a claim by its criterion.

    Parameters
    ----------
    claim
        The claim.
    measured
        Numbers, or ranges, by what they are of: what the claim has published numbers for, if it has several. A number
        that could not be measured is NaN, and does not meet the criterion.
    details
        What else was measured.

    Raises
    ------
    KeyError
        If nothing was measured, or something else than what is published.
    """
    if not measured or (isinstance(claim.published, dict) and set(claim.published) != set(measured)):
        raise KeyError(f"{claim.id}: measured {sorted(measured)}, published {claim.published}")
    met = {what: _met(value, *claim.criterion.allowed(claim.published_for(what))) for what, value in measured.items()}
    return JudgedClaim(
        id=claim.id,
        claim=claim.claim,
        source=claim.source,
        definition=claim.definition,
        criterion=claim.criterion.text,
        verdict=claim.criterion.verdict(set(met.values())),
        published={what: claim.published_for(what) for what in measured},
        measured=dict(measured),
        met=met,
        details=dict(details or {}),
        ranges=claim.ranges,
        reason=claim.reason,
    )


def _met(value: Any, low: float, high: float) -> str:
    least, most = value if isinstance(value, tuple) else (value, value)
    if low <= least and most <= high:
        return "yes"
    return "in part" if most >= low and least <= high else "no"
