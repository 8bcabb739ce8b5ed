"""The table of numbers in a text file: its columns with their headings, whatever stands around it."""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from typing import NamedTuple

import numpy as np

from spicecim.errors import InputError
from spicecim.fields import FloatArray

_DELIMITERS = ("\t", ";", ",", None)
"""Between values; None is any white space."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eEdD][+-]?\d+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_MISSING = re.compile(r"[+-]?(nan|inf|infinity|n/a|overflow|ovrflw|--?)?", re.IGNORECASE)
_CLOCK = re.compile(r"(?:(\d{1,2}):)?(\d{1,2}):(\d{2}(?:[.,]\d*)?)")
"""A time of day, or minutes and seconds."""
_UNIT = re.compile(r"[munpfkµμ]?(s|sec|V|A|Volts?|Amps?|Ohms?|Ω|W|Hz|°?C|K)")
_NO_TABLE = "has no table of numbers with two columns at least"


class Table(NamedTuple):
    """Columns of numbers.

    Attributes
    ----------
    headings
        Of each column; empty texts where the file has none.
    blocks
        Arrays (row, column), one for each stretch of rows between blank lines or repeated headings.
    lines
        Number of the line, from 1, of each row of the blocks.
    """

    headings: list[str]
    blocks: list[FloatArray]
    lines: list[list[int]]


def read_table(text: str) -> Table:
    """Find the table of numbers in a text.

    Raises
    ------
    InputError
        If there is none, or a row has another number of values than the others.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    # EasyEXPERT of Keysight says of each line what it is
    labeled = any(line.lower().startswith("datavalue") for line in lines)
    form = _format([line.partition(",")[2] for line in lines if line.lower().startswith("datavalue")] or lines)
    blocks: list[list[list[float]]] = [[]]
    places: list[list[int]] = [[]]
    above: list[list[str]] = []
    headings: list[str] = []
    for number, line in enumerate(lines, 1):
        cells = _cells(line, form.delimiter)
        if labeled:
            if not cells or cells[0].lower() not in ("dataname", "datavalue"):
                continue
            cells = cells[1:]
        numeric = sum(_is_number(cell, form.decimal_comma) for cell in cells)
        known = numeric + sum(bool(_MISSING.fullmatch(cell)) for cell in cells)
        if numeric >= 2 and len(cells) != form.width and numeric >= len(cells) - 1:
            raise InputError(
                f"line {number}: has {len(cells)} values where the others have {form.width}: columns of unequal length"
            )
        # within a table a text may stand for a value, which is told if its column is wanted; none begins so
        needed = form.numeric - bool(blocks[-1])
        if len(cells) == form.width and numeric >= 1 and (known == len(cells) or numeric >= max(2, needed)):
            blocks[-1].append([_value(cell, form.decimal_comma) for cell in cells])
            places[-1].append(number)
            if not headings:
                headings = _headings(above, form.width)
        elif blocks[-1]:
            blocks.append([])
            places.append([])
        elif len(cells) >= form.width:
            above.append(cells[: form.width])
    filled = [index for index, block in enumerate(blocks) if block]
    if not filled:
        raise InputError(_NO_TABLE)
    return Table(headings, [np.array(blocks[index]) for index in filled], [places[index] for index in filled])


def _headings(above: list[list[str]], width: int) -> list[str]:
    """Headings from the lines of texts above a table: the last with several, and the units where a line holds these."""
    units = [""] * width
    for cells in reversed(above):
        named = [cell for cell in cells if cell]
        if len(named) < 2:
            continue
        if not any(units) and all(_UNIT.fullmatch(cell.strip("[]()")) for cell in named):
            units = [cell.strip("[]()") for cell in cells]
            continue
        return [f"{cell} [{unit}]" if unit else cell for cell, unit in zip(cells, units, strict=True)]
    # one line of V, A, s: these are names
    return units


class _Format(NamedTuple):
    """What most lines of a table agree with."""

    delimiter: str | None
    decimal_comma: bool
    width: int
    """Columns."""
    numeric: int
    """Columns that hold numbers."""


def _format(lines: list[str]) -> _Format:
    best, most = None, 0.0
    for comma in (False, True):
        for delimiter in _DELIMITERS:
            shapes: Counter[tuple[int, int]] = Counter()
            for line in lines:
                cells = _cells(line, delimiter)
                # a comma between numbers that is none of theirs leaves them without one, unless they are quoted
                if comma and delimiter == "," and '"' not in line:
                    continue
                numeric = sum(_is_number(cell, comma) for cell in cells)
                if numeric >= 2:
                    shapes[len(cells), numeric] += 1
            if shapes:
                (width, numeric), count = shapes.most_common(1)[0]
                # of decimal commas, taken for delimiters, some of the pieces are numbers
                if count * numeric / width > most:
                    best, most = _Format(delimiter, comma, width, numeric), count * numeric / width
    if best is None:
        raise InputError(_NO_TABLE)
    return best


def _cells(line: str, delimiter: str | None) -> list[str]:
    line = line.strip(" ").lstrip("#%").lstrip(" ")
    if '"' in line and delimiter is not None:
        try:
            parts = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
        except csv.Error:  # a text beyond what a cell may hold
            parts = line.split(delimiter)
    else:
        parts = line.split(delimiter)
    cells = [cell.strip().strip('"').strip() for cell in parts]
    while len(cells) > 1 and not cells[-1]:
        cells.pop()
    return cells if any(cells) else []


def _is_number(cell: str, decimal_comma: bool) -> bool:
    return bool(_NUMBER.fullmatch(cell) or (decimal_comma and _DECIMAL_COMMA.fullmatch(cell)) or _CLOCK.fullmatch(cell))


def _value(cell: str, decimal_comma: bool) -> float:
    """Value of a cell; NaN where it is none, which is told if its column is wanted."""
    if decimal_comma:
        cell = cell.replace(",", ".")
    if clock := _CLOCK.fullmatch(cell):
        hours, minutes, seconds = clock.groups()
        return 3600.0 * int(hours or 0) + 60.0 * int(minutes) + float(seconds.replace(",", "."))
    return float(cell.lower().replace("d", "e")) if _NUMBER.fullmatch(cell) else math.nan
