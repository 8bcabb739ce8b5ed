"""The claims of a validation as a page for people: a line per claim, and everything behind it below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spicecim.validation.claims import JudgedClaim, Range

_LISTED = 3
"""Numbers that a line lists; of more it gives the least and the most, or the first."""


def number_text(value: float | Range) -> str:
    """Write a number, or a range."""
    # no power of ten where plain digits are as short
    parts = [
        f"{part:.6g}" if 1e4 <= abs(part) < 1e6 else f"{part:.4g}"
        for part in (value if isinstance(value, tuple) else (value,))
    ]
    return " to ".join(dict.fromkeys(parts))


def published_text(claim: JudgedClaim) -> str:
    """Write what is published on one line: the number, or the first of several."""
    return _listed(claim.published, alike=len(set(claim.published.values())) == 1)


def measured_text(claim: JudgedClaim) -> str:
    """Write what was measured on one line: up to three numbers, or the least and the most of what is of one kind."""
    return _listed(claim.measured, alike=len(set(claim.published.values())) == 1)


def _listed(numbers: Mapping[str, float | Range], alike: bool) -> str:
    values = list(numbers.values())
    if len(values) <= _LISTED:
        return ", ".join(dict.fromkeys(number_text(value) for value in values))
    if not alike:
        return f"{number_text(values[0])} and {len(values) - 1} more"
    ends = [end for value in values for end in (value if isinstance(value, tuple) else (value,))]
    text = number_text((min(ends), max(ends)))
    return text if min(ends) == max(ends) else f"{text} ({len(values)} numbers)"


def claims_page(
    claims: Sequence[JudgedClaim],
    title: str = "Claims",
    figures: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
) -> str:
    """Return claims as a page in Markdown.

    Parameters
    ----------
    claims
        The claims.
    title
        Heading of the page.
    figures
        Names of figures beside the page, without their suffix.
    settings
        Settings of the run, by name.
    """
    lines = [f"# {title}", "", *claims_table(claims), "", *_settings(settings or {})]
    for claim in claims:
        lines += _details(claim)
    for name in figures:
        caption = name.replace("_", " ")
        lines += ["", f"## Figure: {caption}", "", f"![{caption}]({name}.png)"]
    return "\n".join(lines) + "\n"


def claims_table(claims: Sequence[JudgedClaim]) -> list[str]:
    """Return the lines of a table with a row per claim."""
    rows = [
        f"| [{_cell(claim.claim)}](#{claim.id}) | **{claim.verdict}** | {published_text(claim)} | "
        f"{measured_text(claim)} |"
        for claim in claims
    ]
    return ["| claim | verdict | published | measured |", "| --- | --- | --- | --- |", *rows]


def _settings(settings: Mapping[str, Any]) -> list[str]:
    if not settings:
        return []
    return ["Settings: " + "; ".join(f"{name.replace('_', ' ')} {value}" for name, value in settings.items()) + "."]


def _details(claim: JudgedClaim) -> list[str]:
    lines = ["", f"## {claim.id}", "", f"{claim.claim}.", ""]
    lines += [f"- source: {claim.source}", f"- measured: {claim.definition}", f"- criterion: {claim.criterion}"]
    if any(isinstance(value, tuple) for value in (*claim.measured.values(), *claim.details.values())):
        lines += [f"- ranges: {claim.ranges}"]
    lines += [f"- verdict: **{claim.verdict}**" + (f"; {claim.reason}" if claim.reason else ""), ""]
    lines += ["| | published | measured | met |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {_cell(what)} | {number_text(claim.published[what])} | {number_text(value)} | {claim.met[what]} |"
        for what, value in claim.measured.items()
    ]
    if claim.details:
        lines += ["", "<details><summary>What else was measured</summary>", "", "| | measured |", "| --- | --- |"]
        lines += [f"| {_cell(what)} | {number_text(value)} |" for what, value in claim.details.items()]
        lines += ["", "</details>"]
    return lines


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
