"""The voltage sources of the row drivers: a function of time that ngspice has, and its numbers."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

from spicecim.drives import Drive, Source
from spicecim.errors import InputError
from spicecim.netlist.environment import CheckedText, spice_text

_FUNCTIONS = get_args(get_type_hints(Source)["function"])
_NUMBERS_A_LINE = 8


def source_text(drive: Drive, row: int, field: str = "drive") -> CheckedText:
    """Return what a row's voltage source puts out as netlist text, on continued lines where it is long.

    Raises
    ------
    InputError
        If the drive gives no function that ngspice has, or something that is not a finite number.
    """
    source: Any = drive.source(row)
    place = f"{field}: {type(drive).__name__}.source({row})"
    if not isinstance(source, Source) or source.function not in _FUNCTIONS:
        raise InputError(
            f"{place} must return a Source with one of the functions {', '.join(_FUNCTIONS)}; it is {source!r}"
        )
    try:
        numbers = [spice_text(value if isinstance(value, int) else float(value)) for value in source.values]
    except (TypeError, ValueError) as error:
        raise InputError(f"{place} must hold finite numbers: {error}") from None
    lines = [" ".join(numbers[i : i + _NUMBERS_A_LINE]) for i in range(0, len(numbers), _NUMBERS_A_LINE)]
    joined = "\n+ ".join(lines)
    return CheckedText(f"{source.function}({joined})")
