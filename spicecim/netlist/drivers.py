"""The voltage sources of the drivers of lines: a function of time that ngspice has, and its numbers."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

from spicecim.drives import Drive, Source
from spicecim.errors import InputError
from spicecim.netlist.environment import CheckedText, spice_text
from spicecim.testbench import Testbench

SourceValue = CheckedText | int
"""What a voltage source puts out: a function of time, or 0 V."""

_FUNCTIONS = get_args(get_type_hints(Source)["function"])
_NUMBERS_A_LINE = 8


def line_sources(testbench: Testbench) -> dict[int, SourceValue]:
    """What is put out to each line that does not float, by its number, the columns after the rows.

    It is what the line is at, or the reference of its amplifier.
    """
    (rows, columns), found = testbench.shape, dict[int, SourceValue]()
    column_drive = None if testbench.columns is None else testbench.columns.drive
    for section, drive, field, first, count in (
        (testbench.rows, testbench.drive, "drive", 0, rows),
        (testbench.columns, column_drive, "columns.drive", rows, columns),
    ):
        grounded, floating = ((), ()) if section is None else (section.grounded, section.floating)
        for line in range(count):
            if line not in floating:
                found[first + line] = 0 if drive is None or line in grounded else source_text(drive, line, field)
    return found


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
