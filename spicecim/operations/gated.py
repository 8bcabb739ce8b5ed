"""Operations on cells with transistors: word lines select, and no cell but the selected ones has a voltage over it.

All lines are at 0 V or above, as the substrate of an n-channel transistor asks. While a row is at the voltage of a SET,
a selected column is at 0 V, and a column that is not selected at the voltage of the row. Of a RESET the row is at 0 V.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spicecim.cell_choice import GatedCell
from spicecim.errors import InputError
from spicecim.fields import FloatArray


class GatedLevels(NamedTuple):
    """Voltages of all lines at the instants of a pulse."""

    rows: FloatArray
    """(row, time), V."""
    columns: FloatArray
    """(column, time), V."""
    word_lines: FloatArray
    """(word line, time), V."""


def gated_levels(
    cell: GatedCell,
    shape: tuple[int, int],
    selected: tuple[tuple[int, ...], tuple[int, ...]],
    voltages: FloatArray,
    gate: float,
    whole: FloatArray,
    own: FloatArray,
) -> GatedLevels:
    """Return what all lines are at.

    Word lines along rows: those of the selected rows are on, and each selected column ends its pulse by itself. Word
    lines along columns: those of the selected columns are on, each until its own pulse ends.

    Parameters
    ----------
    cell
        The cell.
    shape
        Rows and columns.
    selected
        Numbers of the selected rows and columns.
    voltages
        Voltages over the selected cells, from row to column, of one sign (selected column,).
    gate
        Voltage of a word line that is on (V).
    whole
        Shape of the longest pulse, from 0 to 1 (time,).
    own
        Those of the columns' pulses (selected column, time).

    Raises
    ------
    InputError
        If the columns have different voltages and the word lines run along them: the unselected rows stand at what the
        columns are at.
    """
    rows, columns = list(selected[0]), list(selected[1])
    row = max(float(voltages.max()), 0.0) * whole
    levels = GatedLevels(*(np.zeros((count, len(whole))) for count in (*shape, cell.word_lines(shape))))
    levels.columns[:] = row
    if cell.gates == "rows":
        levels.word_lines[rows] = gate
        levels.rows[rows] = row
        levels.columns[columns] = row - voltages[:, None] * own
        return levels
    if np.ptp(voltages):
        raise InputError(
            "voltage: must be the same in all selected columns where word lines run along columns (cell.gates); select "
            "one column after the other"
        )
    others = row - voltages[0] * whole
    levels.rows[:], levels.columns[columns] = others, others
    levels.rows[rows] = row
    levels.word_lines[columns] = gate * own_gates(own)
    return levels


def own_gates(own: FloatArray) -> FloatArray:
    """Shapes (line, time) of gates that are on from the start, and go off as their pulses end."""
    return np.maximum.accumulate(own[:, ::-1], axis=1)[:, ::-1]
