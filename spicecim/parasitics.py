"""The parasitics of a crossbar's wires as arrays, whether they were given as one number or line by line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from spicecim.fields import FloatArray


@dataclass(frozen=True)
class Parasitics:
    """Resistances (ohm) and capacitances (farad) of wires, drivers and sense nodes.

    Attributes
    ----------
    rows
        Resistance of the segment of row wire before each cell (row, column).
    columns
        Resistance of the segment of column wire after each cell (row, column).
    sources
        Resistance of each row driver (row,).
    senses
        Resistance from each column wire to its sense node (column,).
    row_capacitance, column_capacitance
        Capacitance to ground of a segment of each row (row,) and of each column (column,).
    """

    rows: FloatArray
    columns: FloatArray
    sources: FloatArray
    senses: FloatArray
    row_capacitance: FloatArray
    column_capacitance: FloatArray

    @property
    def resistive(self) -> bool:
        """Whether there is any resistance."""
        return any(part.any() for part in (self.rows, self.columns, self.sources, self.senses))

    @property
    def storing(self) -> bool:
        """Whether there is any capacitance."""
        return bool(self.row_capacitance.any() or self.column_capacitance.any())

    @property
    def row_steps(self) -> FloatArray:
        """Resistance (row, column) that each cell's row wire has more than that of the cell before, or the driver."""
        steps = self.rows.copy()
        steps[:, 0] += self.sources
        return steps

    @property
    def column_steps(self) -> FloatArray:
        """Resistance (row, column) that each cell's column wire has more than that of the cell below, or the end."""
        steps = self.columns.copy()
        steps[-1] += self.senses
        return steps

    @property
    def storage(self) -> FloatArray:
        """Capacitance to ground at each cell's row wire and at its column wire (cell, 2), cells row by row."""
        shape = self.rows.shape
        rows = np.broadcast_to(self.row_capacitance[:, None], shape)
        return np.stack([rows, np.broadcast_to(self.column_capacitance, shape)], axis=-1).reshape(-1, 2)


def per_line(value: Any, lines: int) -> FloatArray:
    """Return a number, or an array with one per line, as an array of its own (line,)."""
    return np.array(np.broadcast_to(value, lines), dtype=float)


def per_segment(value: Any, shape: tuple[int, int], axis: int) -> FloatArray:
    """Return a number, or an array per line or per segment, as an array (row, column); lines count along `axis`."""
    given = np.asarray(value, dtype=float)
    if given.ndim == 1:
        given = np.expand_dims(given, 1 - axis)
    return np.array(np.broadcast_to(given, shape))
