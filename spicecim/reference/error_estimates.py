"""Estimated errors of a run: of x, and of the columns' currents relative to their peaks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spicecim.accuracy import current_errors, current_scales, curve_errors
from spicecim.devices.device import Device
from spicecim.fields import FloatArray
from spicecim.reference.coupled.cells import ExplicitCells
from spicecim.reference.coupled.step import Course, Linearized, State, System

COARSE = 30.0
"""Ratio of the tolerances of two runs that are compared."""
_COMPARED = 4_000_000
"""Most cells times instants at which the states of two runs are compared, to bound the memory."""
_PLAIN = 1e-6
"""Error of x at an instant from which on it is asked whether it is one of the time of an edge."""
_ONE_STEP = 0.1
"""Most that one of Newton's steps changes the companion's voltages by, relative to the drive's largest: where a device
switches, the slopes of the first crossbar do not serve it."""


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


class Companion:
    """A second crossbar, to whose states the estimated errors of all steps are added, on the steps of the first.

    Its distance from the first tells what becomes of the errors in later steps: it is followed by the same equations
    (R. D. Skeel, Thirteen ways to estimate global error, Numer. Math. 48 (1986), doi:10.1007/BF01389440: solving for
    the correction). Of explicit cells in a network that stores no charge.

    Attributes
    ----------
    current_error
        Largest distance of the columns' currents (..., column), ampere: at the ends of steps, as the errors are carried
        on, and inside each by its own error.
    current_peak
        Largest of these currents at the ends of steps (..., column), ampere.
    """

    def __init__(self, system: System, cells: ExplicitCells, start: State, scale: float) -> None:
        self._system, self._cells, self._scale = system, cells, scale
        self._p, self._s = start.p.copy(), start.y[:, 0].copy()
        self._sum, self._largest = np.zeros(len(start.v)), 0.0
        self.current_error = self.current_peak = np.zeros(())

    @property
    def error(self) -> float:
        """Largest error of x: the estimates of all steps, summed or, if that is more, carried on by the equations."""
        return max(float(self._sum.max()), self._largest)

    def move(self, start: State, course: Course, linear: Linearized, drive: FloatArray, off: FloatArray) -> None:
        """Move over a step of the first, with the drivers at voltages (1, line) at its end and errors of x (cell,).

        Between its ends, its voltages differ from those of the first linearly: an estimate need not be closer.
        """
        rule, device = self._system.rule, self._cells.device
        before, state_before = self._p - start.p, self._s - start.y[:, 0]
        end = course.y[-1, :, 0]
        coarse = end - course.added
        after = self._near(drive, linear, course.p[-1] + before, coarse + state_before) - course.p[-1]
        p = course.p + before + rule.places[:, None] * (after - before)
        v = p[:, : len(end)]
        moved = self._cells.motion.states(rule, v, course.length, self._s, np.ones(1))[0]
        # where there is no solution, the distance is as before
        moved = np.where(np.isfinite(moved), moved, coarse + state_before)
        self._s = moved + 2.0 * course.added
        self._p = self._near(drive, linear, p[-1], self._s)
        self._sum += off
        distance = float(np.abs(device.x_from_state(self._s) - device.x_from_state(end)).max())
        self._largest = max(self._largest, distance)
        ends = self._system.network.ends
        own, first = (
            ends(device.current(*cells)[None])[1][0] for cells in ((self._p[: len(end)], self._s), (course.v[-1], end))
        )
        # towards a bound the error of a step dies out before its end
        assert course.inside is not None
        assert course.finer_v is not None
        rough, fine = (device.current(course.finer_v[1:], states) for states in course.inside)
        inside = np.abs(ends(fine - rough)[1]).max(axis=0)
        self.current_error = np.maximum(self.current_error, np.maximum(np.abs(own - first), inside))
        self.current_peak = np.maximum(self.current_peak, np.abs(first))

    def _near(self, drive: FloatArray, linear: Linearized, p: FloatArray, s: FloatArray) -> FloatArray:
        """Unknowns of the network at the end of a step, by the states and a guess: by one of Newton's steps.

        The first of them are the voltages over the cells.
        """
        missed = self._system.network.misses(drive, p[None], self._cells.device.current(p[: len(s)], s)[None], None)
        change, most = linear.correction(missed)[0], _ONE_STEP * self._scale
        return np.asarray(p - np.nan_to_num(np.clip(change, -most, most)))
