"""A published claim, and what was measured of it in either engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from spicecim.quantities import format_quantity

Verdict = Literal["holds", "holds in part", "does not hold", "not measured"]


@dataclass(frozen=True)
class Measurement:
    """A number that was measured.

    Attributes
    ----------
    what
        What was measured, and where: a device, an encoding, a size.
    unit
        SI unit, "" for a number without, "%" for percent, "points" for differences of percentages.
    ngspice
        The value from ngspice; None if it was not measured there.
    reference
        The value from the reference engine or from exact arithmetic; None if it was not measured there.
    """

    what: str
    unit: str = ""
    ngspice: float | None = None
    reference: float | None = None

    def text(self, engine: Literal["ngspice", "reference"]) -> str:
        """Return the value of an engine for people to read, "" if there is none."""
        value = self.ngspice if engine == "ngspice" else self.reference
        if value is None:
            return ""
        if isinstance(value, int) and self.unit == "":
            return str(value)
        if self.unit in ("", "%", "points"):
            return f"{value:.4g} {self.unit}".rstrip()
        return format_quantity(value, self.unit)


@dataclass(frozen=True)
class Claim:
    """A claim of a publication beside what was measured.

    Attributes
    ----------
    claim
        What the publication says.
    source
        Where it says so.
    definition
        What exactly was measured here, where the publication leaves it open.
    measurements
        What came out.
    verdict
        Whether the claim holds.
    reason
        Why, and the conditions under which it would hold if it does not.
    """

    claim: str
    source: str
    definition: str
    measurements: tuple[Measurement, ...]
    verdict: Verdict
    reason: str


def claims_markdown(claims: list[Claim]) -> str:
    """Return claims as a table in Markdown, a line per measurement."""
    lines = [
        "| claim | source | definition used here | measured | ngspice | reference engine | verdict | reason |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for claim in claims:
        for number, measurement in enumerate(claim.measurements or (Measurement("nothing"),)):
            first = number == 0
            cells = [
                *((claim.claim, claim.source, claim.definition) if first else ("", "", "")),
                measurement.what,
                measurement.text("ngspice"),
                measurement.text("reference"),
                *((f"**{claim.verdict}**", claim.reason) if first else ("", "")),
            ]
            lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines) + "\n"
