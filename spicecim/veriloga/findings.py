"""What a check of a Verilog-A model found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]

_ORDER = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One finding.

    Attributes
    ----------
    severity
        An ``error`` gives wrong currents or none, a ``warning`` may, and a ``note`` tells what to know of the model.
    code
        What kind of finding it is, for scripts.
    message
        What was found, with the numbers.
    place
        File and line, or None if it was found by probing the equations.
    cure
        What to do about it.
    """

    severity: Severity
    code: str
    message: str
    place: str | None
    cure: str


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Order findings by severity, each kind in the order that it came in."""
    return tuple(sorted(findings, key=lambda finding: _ORDER.index(finding.severity)))
