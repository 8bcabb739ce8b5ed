"""The cells of a crossbar with ideal wires, integrated over time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spicecim.devices.cell import Cell
from spicecim.drives import Drive
from spicecim.fields import FloatArray
from spicecim.reference.excitation import cell_voltages
from spicecim.reference.integrator import TOLERANCE, integrate

_COARSE = 30.0
"""Ratio of the tolerances of the two runs that are compared."""


class CellWaveforms(NamedTuple):
    """Waveforms of all cells, and how far the states of a coarser run are off."""

    states: FloatArray
    """State variables (time, row, column)."""
    current: FloatArray
    """Current from row to column (time, row, column), ampere."""
    coarse_states: FloatArray
    """State variables of a run at `_COARSE` times the tolerance (time, row, column)."""


def cell_waveforms(
    cell: Cell, drive: Drive, duration: float, initial: FloatArray, instants: FloatArray
) -> CellWaveforms:
    """Follow the cells of a crossbar.

    Parameters
    ----------
    cell
        The equations of every cell.
    drive
        The drive of all rows.
    duration
        End of the drive (s).
    initial
        State variables at time 0 (row, column).
    instants
        Increasing instants (s) between 0 and the duration.

    Raises
    ------
    ConvergenceError
        If a cell has no solution.
    """
    rows = np.broadcast_to(np.arange(len(initial))[:, None], initial.shape)
    # Cells of a row that start alike stay alike.
    _, first, which = np.unique(
        np.stack([rows.ravel(), initial.ravel()], axis=1), axis=0, return_index=True, return_inverse=True
    )
    columns = initial.shape[1]
    voltages = cell_voltages(drive, rows.ravel()[first], cell.voltage_breaks(), duration)
    start = cell.start(voltages.start(), initial.ravel()[first])

    def name(index: int) -> str:
        return f"the cell of row {first[index] // columns}, column {first[index] % columns}"

    fine, coarse = (
        integrate(cell, voltages, start, instants, tolerance=tolerance, name=name)
        for tolerance in (TOLERANCE, _COARSE * TOLERANCE)
    )
    states, coarse_states, current = (
        values[:, which.ravel()].reshape(-1, *initial.shape)
        for values in (cell.state(fine.unknowns), cell.state(coarse.unknowns), fine.current)
    )
    return CellWaveforms(states, current, coarse_states)
