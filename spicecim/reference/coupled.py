"""A crossbar over time with all that its wires have, and any cells: one system of differential and algebraic equations.

Radau IIA steps take cells and wires together (see `step`), so that time constants of the wires far below the step cost
nothing once they have settled. Where the drive has a corner, the steps resolve what the capacitances draw then, if it
counts beside the other currents. Steps set the error of the polynomials between their ends too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from spicecim.drives import Drive
from spicecim.errors import ConvergenceError
from spicecim.fields import FloatArray
from spicecim.reference.clock import check_time
from spicecim.reference.course import RULE, STAGES, Allowed, Course, NoConvergence, State
from spicecim.reference.crossings import first_crossing
from spicecim.reference.displacement import CURRENT_SHARE, Ends, Layer, current_error, layer
from spicecim.reference.following import Follower
from spicecim.reference.motion import Interpolation
from spicecim.reference.overflow import JUST_BEYOND, check_finite
from spicecim.reference.radau import basis
from spicecim.reference.readout import Readout, Sink
from spicecim.reference.rest import rest
from spicecim.reference.row_voltages import RowVoltages
from spicecim.reference.stages import defects
from spicecim.reference.step import Linearised, correct, solve_step
from spicecim.reference.threads import one_thread
from spicecim.reference.wiring import Wiring

TOLERANCE = 1e-8
"""Allowed error of a step, of the cells' unknowns relative to their scale (or to themselves, if larger) and of the
wires' potentials relative to the drive's largest voltage."""

_LEAST_PEAK = 1e-3
"""Peak of a current relative to the largest of all below which it counts as that much."""
_STEPS_A_PERIOD = 16
"""The longest step does not pass over what a drive does in a period."""
_FIRST_STEP = 1.0 / 32
"""First step, and the first after a break, relative to the longest."""
_SMALLEST_STEP = 4.0 * np.finfo(float).eps
"""Step, relative to the time since the last break, that changes nothing."""
_NO_TIME = 1e-9
"""Time since the last break, relative to the duration, below which it counts as that much."""
_STEPS_A_LONGEST = 2000
"""Attempts for each of the longest steps and breaks in the duration, beyond which the integration gets nowhere."""
_SAFETY, _MOST_GROWTH, _LEAST_SHRINKAGE, _MOST_SHRINKAGE = 0.85, 4.0, 0.5, 0.05
_KEPT = 1.3
"""Growth below which a step keeps its length, and with it the factorisations."""
_LEFT = 3.0
"""Error left by an implicit Euler step, relative to the ratio of a time constant to it."""
_FARTHEST_GUESS = 2.0
"""Ratio of a step to the last beyond which the last polynomial is no guess for it."""


class Outcome(NamedTuple):
    """What is to be said of a run."""

    peaks: Ends
    """Largest currents of the drivers (row,) and sense nodes (column,) at the instants asked for, or `_LEAST_PEAK` of
    the largest of all (A)."""
    report: str
    """How the solution was found."""


@one_thread
def follow_coupled(
    cells: Follower,
    wiring: Wiring,
    drive: Drive,
    duration: float,
    initial: FloatArray,
    instants: FloatArray,
    sink: Sink,
    *,
    tolerance: float = TOLERANCE,
    peaks: Ends | None = None,
) -> Outcome:
    """Follow a crossbar, and hand on its waveforms in blocks of instants.

    Parameters
    ----------
    cells
        The cells, and how they are followed.
    wiring
        The wires.
    drive
        The drive of all rows.
    duration
        End of the drive (s).
    initial
        State variables at time 0 (row, column).
    instants
        Increasing instants (s) between 0 and the duration.
    sink
        Takes the waveforms, block by block in the order of time.
    tolerance
        Allowed error of a step.
    peaks
        Largest currents of drivers (row,) and sense nodes (column,), ampere, which errors of these count relative to;
        without them they do not count.

    Raises
    ------
    ConvergenceError
        If there is no solution, or none that steps of any length would find.
    """
    # What is not finite fails its step.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        run = _Run(cells, wiring, drive, duration, initial, instants, sink, tolerance, peaks)
        for segment in range(len(run.breaks) - 1):
            run.follow(segment)
    report = (
        f"{run.steps} steps, {run.rejected} more rejected, {run.factorisations} factorisations, "
        f"residual {run.readout.largest_residual:.2g} V at most"
    )
    least = _LEAST_PEAK * max(run.largest, *(part.max() for part in run.readout.peaks))
    rows, columns = (np.maximum(part, least) for part in run.readout.peaks)
    return Outcome((rows, columns), report)


@dataclass
class _Run:
    """The progress of a run."""

    cells: Follower
    wiring: Wiring
    drive: Drive
    duration: float
    initial: FloatArray
    instants: FloatArray
    sink: Sink
    tolerance: float
    peaks: Ends | None
    steps: int = field(default=0, init=False)
    rejected: int = field(default=0, init=False)
    factorisations: int = field(default=0, init=False)
    largest: float = field(default=0.0, init=False)
    """Largest current that the cells of a row or column took together in any step (A)."""

    def __post_init__(self) -> None:
        self._rows = RowVoltages(self.drive, len(self.initial), self.duration)
        self.breaks = self._rows.breaks
        # a drive that is zero throughout has no scale, and needs none
        self._scale = self.drive.largest_voltage() or 1.0
        self._longest = min(float(self.drive.periods().min()) / _STEPS_A_PERIOD, self.duration)
        self._length = _FIRST_STEP * self._longest
        self._most = _STEPS_A_LONGEST * (self.duration / self._longest + len(self.breaks))
        self._longest_time = self.wiring.longest_time()
        self._linear: Linearised | None = None
        self._interpolation = Interpolation(np.append(0.0, RULE.nodes))
        self.readout = Readout(
            self.cells, self.wiring, self._rows, self.duration, self.instants, self.sink, self._scale, self.tolerance
        )
        states, drive = self.initial.ravel(), self._rows.start()
        nodes = rest(self.cells.cell, self.wiring, drive, states, self._scale)
        v = self.wiring.potentials(drive[None], nodes[None])[0]
        y = self.cells.cell.start(v, states)
        terms = self.cells.cell.terms(np.zeros(len(states)), v, y)
        check_finite(terms.current, terms.flow)
        self._state = State(y, terms.charge.copy(), terms.current_charge.copy(), nodes, v)
        # before time 0 the drive has stood still
        self.readout.rest(states, v, terms.current)

    def follow(self, segment: int) -> None:
        """Go from one break of the drive to the next."""
        begin = float(self.breaks[segment])
        room = float(self.breaks[segment + 1]) - begin
        since, last = 0.0, None
        beyond = 0.0  # what was planned before a crossing cut it
        self._length = min(max(self._length, _FIRST_STEP * min(self._longest, room)), _FIRST_STEP * self._longest)
        self._layer = Layer(np.inf, 0.0)
        if self.peaks:
            self._layer = layer(
                self.cells.cell, self.wiring, self._rows, segment, self._state, self._scale, self.peaks, self.instants,
                self.tolerance,
            )  # fmt: skip
        self._length = min(self._length, self._layer.shortest)
        while since < room:
            check_time(begin + since, self.duration)
            length = min(self._length, self._longest)
            left = room - since
            lands = length >= left * (1.0 - 1e-9)
            # Two even steps rather than a long one and a remainder.
            length = left if lands else min(length, left if beyond else 0.5 * left)
            tiny = length < _SMALLEST_STEP * max(since, _NO_TIME * self.duration)
            if (tiny and not lands) or self.steps + self.rejected > self._most:
                beyond_v, y = JUST_BEYOND * self._state.v, self._state.y
                terms = self.cells.cell.terms(np.full(len(y), begin + since), beyond_v, y)
                check_finite(terms.current, terms.flow)
                raise ConvergenceError(
                    f"the reference engine found no solution of the crossbar beyond {begin + since:g} s "
                    f"of {self.duration:g} s"
                )
            try:
                course, linear, error = self._attempt(segment, since, length, last)
            except NoConvergence:
                self.rejected += 1
                self._length = 0.25 * length
                continue
            factor = float(np.clip(_SAFETY * error ** (-1.0 / (STAGES + 1)), _MOST_SHRINKAGE, _MOST_GROWTH))
            if error > 1.0:
                self.rejected += 1
                crossing = first_crossing(
                    self.cells.voltage_breaks(), self.wiring, self._rows, segment, since, course
                )  # fmt: skip
                beyond = max(beyond, length) if crossing else 0.0
                self._length = length * (crossing or min(factor, _LEAST_SHRINKAGE))
                continue
            self._length = max(factor * length, beyond, self._length if lands else 0.0)
            if 1.0 <= factor < _KEPT and not beyond and not lands:
                self._length = length
            beyond = 0.0
            end = self.breaks[segment + 1] if lands else begin + since + length
            self.readout.step(segment, since, end, lands, course, linear)
            self._state, self.steps, last = course.end, self.steps + 1, course
            since = room if lands else since + length

    def _attempt(
        self, segment: int, since: float, length: float, last: Course | None
    ) -> tuple[Course, Linearised, float]:
        """Solve a step; also its error relative to what is allowed."""
        cell, wiring = self.cells.cell, self.wiring
        allowed = self.cells.allowed(self._state.y, self._scale, self.tolerance)
        linear = self._linear
        if linear is not None and linear.length != length:
            linear = None

        def linearised(time: float, v: FloatArray, y: FloatArray) -> Linearised:
            self.factorisations += 1
            try:
                return Linearised(cell, wiring, time, v, y, length)
            except ConvergenceError:
                # where a step too long has led to
                raise NoConvergence from None

        course, linear = solve_step(
            self.cells, wiring, self._state, length, self._rows.places(segment, since, length, RULE.nodes),
            self._guess(length, last), allowed, linear, linearised,
        )  # fmt: skip
        self._linear = linear
        where = self._rows.places(segment, since, length, RULE.checks)
        nodes = where.values @ course.nodes
        found = correct(cell, wiring, course, linear, where, self.cells.at(course, where), nodes)
        course, off = self.cells.refined(course, where, wiring.potentials(where.drive, nodes - found.nodes))
        # At the instants asked for, what the wires follow at once is found afresh.
        left = 1.0
        if self.cells.immediate and since >= self._layer.length:
            left = min(_LEFT * self._longest_time * linear.shift, 1.0)
        off_nodes = np.abs(found.nodes).max(initial=0.0)
        errors = [
            (np.abs(found.y) / allowed.y[:, None]).max(),
            (np.abs(off) / allowed.y[:, None]).max(initial=0.0),
            self._missed_at_peaks(segment, since, course, allowed),
            off_nodes / allowed.potential,
            left * off_nodes / allowed.left,
        ]
        if self.peaks:
            missed = current_error(wiring, found, linear.shift, self._scale, self.peaks)
            errors.append(left * missed * CURRENT_SHARE / self.tolerance)
        error = float(np.max(errors))
        if not np.isfinite(error):
            raise NoConvergence
        self.largest = max(self.largest, *(float(np.abs(part).max()) for part in wiring.ends(found.currents)))
        return course, linear, max(error, 1e-10)

    def _missed_at_peaks(self, segment: int, since: float, course: Course, allowed: Allowed) -> float:
        """Error of the unknowns where the voltages peak, between stages and checks, relative to the allowed."""
        if self.cells.immediate:
            return 0.0  # their levels are known, and met at the peaks too
        which, place = self._interpolation.peaks(course.v[:, :, 0] - course.v[:, :, 1])
        v = np.einsum("ms,sma->ma", RULE.values(place), course.v[:, which])
        time = self.breaks[segment] + since + place * course.length
        missed = defects(
            self.cells.cell, RULE, place, time, v, course.length, course.y[which], course.flow[which],
            course.charge[which],
        )  # fmt: skip
        return float((missed / allowed.y[which]).max(initial=0.0))

    def _guess(self, length: float, last: Course | None) -> tuple[FloatArray, FloatArray]:
        """Unknowns (cell, stage, k) and potentials (stage, node) at the stages by the last polynomial, or held."""
        if last is None or length > _FARTHEST_GUESS * last.length:
            return np.repeat(self._state.y[:, None], STAGES, axis=1), np.repeat(self._state.nodes[None], STAGES, axis=0)
        matrix = basis(1.0 + RULE.nodes * length / last.length, STAGES) @ RULE.fit
        return matrix @ last.y, matrix @ last.nodes
