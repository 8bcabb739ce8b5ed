"""How the estimated errors of all steps add up: a second crossbar that carries them."""

from __future__ import annotations

import numpy as np

from spicecim.fields import FloatArray
from spicecim.reference.coupled.course import Course, State
from spicecim.reference.coupled.explicit_cells import ExplicitCells
from spicecim.reference.coupled.step import Linearized, System

_ONE_STEP = 0.1
"""Most that one of Newton's steps changes the companion's voltages by, relative to the drive's largest: where a device
switches, the slopes of the first crossbar do not serve it."""


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
