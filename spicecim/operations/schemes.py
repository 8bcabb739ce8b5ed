"""What lines are at while some cells are selected: V/2, V/3, and unselected lines grounded or floating.

The selected cells have V, from their row to their column. The voltages of V/2 and V/3 are given about 0 V: a voltage
that all lines have in common changes no cell, and moves no energy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spicecim.fields import FloatArray

Scheme = Literal["v/2", "v/3", "grounded", "floating", "word_lines"]
"""``v/2``: half-selected cells have half of the voltage, all others none. ``v/3``: all unselected cells have a third.
``grounded``: selected columns and all unselected lines at 0 V, so that the cells of a selected row all have the whole
voltage: the scheme of a read. ``floating``: nothing drives unselected lines.
``word_lines``: of cells with transistors, the only one (see `spicecim.operations.gated`)."""

SCHEMES: tuple[Scheme, ...] = ("v/2", "v/3", "grounded", "floating", "word_lines")


@dataclass(frozen=True)
class LineLevels:
    """Voltages (V) during a pulse."""

    selected_row: float
    selected_columns: FloatArray
    """One per selected column."""
    other_rows: float
    other_columns: float
    floating: bool
    """Whether the other lines float."""


def line_levels(scheme: Scheme, voltages: FloatArray) -> LineLevels:
    """Return what lines are at when the cells of selected columns get `voltages` (selected column,), of one sign."""
    most = float(voltages[np.argmax(np.abs(voltages))])
    row = most if scheme in ("grounded", "floating") else most / 2
    third = most / 6 if scheme == "v/3" else 0.0
    return LineLevels(row, row - voltages, -third, third, scheme == "floating")


def selected_cells(shape: tuple[int, int], rows: tuple[int, ...], columns: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return which cells (row, column) lie on selected rows and columns."""
    selected = np.zeros(shape, dtype=bool)
    selected[np.ix_(rows, columns)] = True
    return selected
