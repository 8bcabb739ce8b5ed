"""The table of numbers in a text file: its columns with their headings, whatever stands around it."""

from __future__ import annotations

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
        If there is none, a row has another number of values than the others, or a value is missing or no number.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    delimiter, decimal_comma, width = _format(lines)
    blocks: list[list[list[float]]] = [[]]
    places: list[list[int]] = [[]]
    headings: list[str] = []
    before: list[str] = []
    skipped = 0
    for number, line in enumerate(lines, 1):
        cells = _cells(line, delimiter)
        data = cells
        if cells and cells[0].lower() in ("datavalue", "data"):
            data, skipped = cells[1:], 1
        kinds = [_is_number(cell, decimal_comma) or bool(_MISSING.fullmatch(cell)) for cell in data]
        numeric = sum(_is_number(cell, decimal_comma) for cell in data)
        if numeric >= 2 and len(data) != width and numeric >= len(data) - 1:
            raise InputError(
                f"line {number}: has {len(data)} values where the others have {width}: columns of unequal length"
            )
        if numeric >= 1 and len(data) == width and (all(kinds) or numeric >= max(2, width - 1)):
            blocks[-1].append([_value(cell, decimal_comma, number, place) for place, cell in enumerate(data)])
            places[-1].append(number)
            if not headings and before:
                headings = before[skipped:] if len(before) == width + skipped else before
            continue
        if blocks[-1]:
            blocks.append([])
            places.append([])
        elif len(cells) in (width, width + 1):
            before = cells
    filled = [index for index, block in enumerate(blocks) if block]
    if not filled:
        raise InputError("has no table of numbers with two columns at least")
    headings = headings if len(headings) == width else [""] * width
    return Table(headings, [np.array(blocks[index]) for index in filled], [places[index] for index in filled])


def _format(lines: list[str]) -> tuple[str | None, bool, int]:
    """Delimiter, whether numbers have a decimal comma, and columns: what most lines agree with."""
    best: tuple[int, str | None, bool, int] = (0, None, False, 0)
    for comma in (False, True):
        for delimiter in _DELIMITERS:
            if comma and delimiter == ",":
                continue
            widths: Counter[int] = Counter()
            for line in lines:
                cells = _cells(line, delimiter)
                if cells and cells[0].lower() in ("datavalue", "data"):
                    cells = cells[1:]
                if len(cells) >= 2 and sum(_is_number(cell, comma) for cell in cells) >= max(2, len(cells) - 1):
                    widths[len(cells)] += 1
            if widths and (found := widths.most_common(1)[0])[1] > best[0]:
                best = (found[1], delimiter, comma, found[0])
    if not best[0]:
        raise InputError("has no table of numbers with two columns at least")
    return best[1], best[2], best[3]


def _cells(line: str, delimiter: str | None) -> list[str]:
    cells = [cell.strip().strip('"').strip() for cell in line.split(delimiter)]
    while len(cells) > 1 and not cells[-1]:
        cells.pop()
    return cells if any(cells) else []


def _is_number(cell: str, decimal_comma: bool) -> bool:
    return bool(_NUMBER.fullmatch(cell) or (decimal_comma and _DECIMAL_COMMA.fullmatch(cell)))


def _value(cell: str, decimal_comma: bool, line: int, place: int) -> float:
    if not _is_number(cell, decimal_comma):
        # a column that is not wanted may hold texts; NaN in one that is, is told there
        return float("nan")
    return float((cell.replace(",", ".") if decimal_comma else cell).lower().replace("d", "e"))
