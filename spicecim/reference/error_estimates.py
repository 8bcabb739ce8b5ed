"""Estimated errors of a run: of x, and of the columns' currents relative to their peaks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spicecim.accuracy import current_errors, current_scales, curve_errors
from spicecim.devices.device import Device
from spicecim.fields import FloatArray

COARSE = 30.0
"""Ratio of the tolerances of two runs that are compared."""
_COMPARED = 4_000_000
"""Most cells times instants at which the states of two runs are compared, to bound the memory."""
_PLAIN = 1e-6
"""Error of x at an instant from which on it is asked whether it is one of the time of an edge."""


class Errors(NamedTuple):
    """Estimated errors of a run, as `spicecim.accuracy` defines them."""

    state: float
    """Of x."""
    current: float
    """Of a column's current relative to its peak, the largest."""


def relative_to_peaks(error: FloatArray, i_column: FloatArray) -> float:
    """Largest of the errors of currents (column,), ampere, relative to the peaks of currents (time, column)."""
    return float((error / current_scales(i_column)).max())


class Compared:
    """Two runs: the columns' currents at all instants, x at as many as the memory allows, and how far they differ.

    Parameters
    ----------
    device
        The device of every cell.
    instants
        Instants of both runs (s).
    shape
        Shape of the cells (..., row, column).
    """

    def __init__(self, device: Device, instants: FloatArray, shape: tuple[int, ...]) -> None:
        self._device, self._instants = device, instants
        self._apart = -(-len(instants) * int(np.prod(shape)) // _COMPARED)
        self._x = np.empty((2, -(-len(instants) // self._apart), *shape), dtype=np.float64)
        self._i_column = np.empty((2, len(instants), *shape[:-2], shape[-1]))

    def keep(self, chosen: slice, states: FloatArray, i_column: FloatArray) -> None:
        """Take a block of the present run's states (time, ..., row, column) and currents (time, ..., column; A)."""
        self._i_column[1, chosen] = i_column
        first = -(-chosen.start // self._apart)
        x = self._device.x_from_state(states[first * self._apart - chosen.start :: self._apart])
        self._x[1, first : first + len(x)] = x

    def start_another(self) -> None:
        """Let the run that was kept be the one that the next is compared with."""
        self._x[0], self._i_column[0] = self._x[1], self._i_column[1]

    def errors(self, cycle: float) -> Errors:
        """How far the last two runs differ; an edge's shift counts relative to a time (s)."""
        first, second = self._x.reshape(2, self._x.shape[1], -1)
        apart = np.abs(second - first).max(axis=0)
        asked = np.flatnonzero(apart > _PLAIN)
        if len(asked):
            apart[asked] = curve_errors(self._instants[:: self._apart], second[:, asked], first[:, asked], cycle)
        first, second = self._i_column.reshape(2, len(self._instants), -1)
        current = current_errors(self._instants, second, first, cycle)
        return Errors(float(apart.max()), float(current.max()))
