"""A crossbar over time with all that its wires have, and any cells: one system of differential and algebraic equations.

Radau IIA steps take cells and wires together (see `course`), so that time constants of the wires far below the step
cost nothing once they have settled. Where the drive has a corner, the steps resolve what the capacitances draw then, if
it counts beside the other currents. Steps set the error of the polynomials between their ends too, and at the instants
asked for the equations are solved once more: Kirchhoff's laws hold there to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

from spicecim.devices.cell import Cell
from spicecim.drives import Drive
from spicecim.errors import ConvergenceError, InputError
from spicecim.fields import FloatArray
from spicecim.reference.course import (
    RULE,
    STAGES,
    Allowed,
    Correction,
    Course,
    Linearised,
    NoConvergence,
    Places,
    State,
    correct,
    solve_step,
)  # fmt: skip
from spicecim.reference.displacement import CURRENT_SHARE, current_error, settling_time
from spicecim.reference.radau import basis
from spicecim.reference.rest import rest
from spicecim.reference.row_voltages import RowVoltages
from spicecim.reference.wiring import Wiring

TOLERANCE = 1e-8
"""Allowed error of a step, of the cells' unknowns relative to their scale (or to themselves, if larger) and of the
wires' potentials relative to the drive's largest voltage."""

_LEAST_PEAK = 1e-3
"""Peak of a current relative to the largest of all below which it counts as that much."""
_SETTLED = 1e-12
"""Last change at the instants asked for, relative to the scales."""
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
_FARTHEST_GUESS = 2.0
"""Ratio of a step to the last beyond which the last polynomial is no guess for it."""
_AT_CROSSING = 1e-6
"""Place in a step up to which, and before its end from which, a crossing is that end."""
_SAMPLES = 17
"""Places in a step between which a crossing is looked for."""
_ROUNDING = 1e-14
"""Distance of instants, relative to the duration, below which they are one."""
_ROUNDS = 25
_BLOCK = 100_000
"""Cells and instants that are evaluated at once, to bound the memory."""


class CoupledWaveforms(NamedTuple):
    """Waveforms of a crossbar."""

    states: FloatArray
    """State variables (time, row, column)."""
    i_cell: FloatArray
    """Currents into the cells' rows (time, row, column), ampere."""
    v_row_node: FloatArray
    """Voltages of the row wires at the cells (time, row, column)."""
    v_column_node: FloatArray
    """Voltages of the column wires at the cells (time, row, column)."""
    i_row: FloatArray
    """Currents out of the row drivers (time, row), ampere."""
    i_column: FloatArray
    """Currents into the sense nodes (time, column), ampere."""
    report: str
    """How the solution was found."""

    def peaks(self) -> tuple[FloatArray, FloatArray]:
        """Largest currents of the drivers (row,) and sense nodes (column,), or `_LEAST_PEAK` of the largest (A)."""
        rows, columns = np.abs(self.i_row).max(axis=0), np.abs(self.i_column).max(axis=0)
        least = _LEAST_PEAK * max(rows.max(), columns.max())
        return np.maximum(rows, least), np.maximum(columns, least)


def coupled_waveforms(
    cell: Cell,
    wiring: Wiring,
    drive: Drive,
    duration: float,
    initial: FloatArray,
    instants: FloatArray,
    *,
    tolerance: float = TOLERANCE,
    peaks: tuple[FloatArray, FloatArray] | None = None,
) -> CoupledWaveforms:
    """Follow a crossbar.

    Parameters
    ----------
    cell
        The equations of every cell, by the potentials of its row and column (see `terminals`).
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
        run = _Run(cell, wiring, drive, duration, initial, instants, tolerance, peaks)
        for segment in range(len(run.breaks) - 1):
            run.follow(segment)
    report = (
        f"{run.steps} steps, {run.rejected} more rejected, {run.factorisations} factorisations, "
        f"residual {run.largest_residual:.2g} V at most"
    )
    each = (-1, *initial.shape)
    return CoupledWaveforms(
        states=run.states.reshape(each),
        i_cell=run.i_cell.reshape(each),
        v_row_node=run.potentials[..., 0].reshape(each),
        v_column_node=run.potentials[..., 1].reshape(each),
        i_row=run.i_row,
        i_column=run.i_column,
        report=report,
    )


@dataclass
class _Run:
    """The progress of a run, and its waveforms so far."""

    cell: Cell
    wiring: Wiring
    drive: Drive
    duration: float
    initial: FloatArray
    instants: FloatArray
    tolerance: float
    peaks: tuple[FloatArray, FloatArray] | None
    steps: int = field(default=0, init=False)
    rejected: int = field(default=0, init=False)
    factorisations: int = field(default=0, init=False)
    largest_residual: float = field(default=0.0, init=False)
    """Largest voltage that a node at an instant asked for is off by, of what the currents leave it (V)."""

    def __post_init__(self) -> None:
        self._rows = RowVoltages(self.drive, len(self.initial), self.duration)
        self.breaks = self._rows.breaks
        # a drive that is zero throughout has no scale, and needs none
        self._scale = self.drive.largest_voltage() or 1.0
        self._longest = min(float(self.drive.periods().min()) / _STEPS_A_PERIOD, self.duration)
        self._length = _FIRST_STEP * self._longest
        self._most = _STEPS_A_LONGEST * (self.duration / self._longest + len(self.breaks))
        self._linear: Linearised | None = None
        count, states = self.initial.size, self.initial.ravel()
        number, (rows, columns) = len(self.instants), self.initial.shape
        self.states, self.i_cell = np.empty((number, count)), np.empty((number, count))
        self.potentials = np.empty((number, count, 2))
        self.i_row, self.i_column = np.empty((number, rows)), np.empty((number, columns))
        drive = self._rows.start()
        nodes = rest(self.cell, self.wiring, drive, states, self._scale)
        v = self.wiring.potentials(drive[None], nodes[None])[0]
        y = self.cell.start(v, states)
        terms = self.cell.terms(np.zeros(count), v, y)
        if not (np.isfinite(terms.current).all() and np.isfinite(terms.flow).all()):
            raise InputError("drive: at its voltages a device's current or rate is beyond the range of a float")
        self._state = State(y, terms.charge.copy(), terms.current_charge.copy(), nodes)
        self._written = 0
        if self.instants[0] == 0.0:
            # before time 0 the drive has stood still
            self.states[0], self.i_cell[0], self.potentials[0] = states, terms.current[:, 0], v
            self.i_row[0], self.i_column[0] = self.wiring.ends(terms.current[None])
            self._written = 1

    def follow(self, segment: int) -> None:
        """Go from one break of the drive to the next."""
        begin = float(self.breaks[segment])
        room = float(self.breaks[segment + 1]) - begin
        since, last = 0.0, None
        beyond = 0.0  # what was planned before a crossing cut it
        self._length = min(max(self._length, _FIRST_STEP * min(self._longest, room)), _FIRST_STEP * self._longest)
        if self.peaks:
            time = settling_time(
                self.cell, self.wiring, self._rows, segment, self._state, self._scale, self.peaks, self.tolerance
            )
            self._length = min(self._length, time)
        while since < room:
            length = min(self._length, self._longest)
            left = room - since
            lands = length >= left * (1.0 - 1e-9)
            # Two even steps rather than a long one and a remainder.
            length = left if lands else min(length, left if beyond else 0.5 * left)
            tiny = length < _SMALLEST_STEP * max(since, _NO_TIME * self.duration)
            if (tiny and not lands) or self.steps + self.rejected > self._most:
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
                crossing = self._crossing(segment, since, course)
                beyond = max(beyond, length) if crossing else 0.0
                self._length = length * (crossing or min(factor, _LEAST_SHRINKAGE))
                continue
            self._length = max(factor * length, beyond, self._length if lands else 0.0)
            if 1.0 <= factor < _KEPT and not beyond and not lands:
                self._length = length
            beyond = 0.0
            end = self.breaks[segment + 1] if lands else begin + since + length
            self._write(segment, since, end, lands, course, linear)
            self._state, self.steps, last = course.end, self.steps + 1, course
            since = room if lands else since + length

    def _attempt(
        self, segment: int, since: float, length: float, last: Course | None
    ) -> tuple[Course, Linearised, float]:
        """Solve a step; also its error relative to what is allowed."""
        allowed = Allowed(
            self.tolerance * np.maximum(self.cell.scale, np.abs(self._state.y)), self.tolerance * self._scale
        )
        linear = self._linear
        if linear is not None and linear.length != length:
            linear = None

        def linearised(time: float, v: FloatArray, y: FloatArray) -> Linearised:
            self.factorisations += 1
            return Linearised(self.cell, self.wiring, time, v, y, self._scale, length)

        course, linear = solve_step(
            self.cell, self.wiring, self._state, length, self._rows.places(segment, since, length, RULE.nodes),
            self._guess(length, last), allowed, linear, linearised,
        )  # fmt: skip
        self._linear = linear
        where = self._rows.places(segment, since, length, RULE.checks)
        error = self._error(correct(self.cell, self.wiring, course, linear, where, *course.at(where)), allowed, linear)
        if not np.isfinite(error):
            raise NoConvergence
        return course, linear, max(error, 1e-10)

    def _error(self, found: Correction, allowed: Allowed, linear: Linearised) -> float:
        errors = [
            (np.abs(found.y) / allowed.y[:, None]).max(),
            np.abs(found.nodes).max(initial=0.0) / allowed.potential,
        ]
        if self.peaks:
            off = current_error(self.wiring, found, linear.shift, self._scale, self.peaks)
            errors.append(off * CURRENT_SHARE / self.tolerance)
        return float(max(errors))

    def _crossing(self, segment: int, since: float, course: Course) -> float:
        """First place in a step where a cell's voltage crosses one at which its equations are not smooth, or 0."""

        def voltages(at: FloatArray) -> FloatArray:
            where = self._rows.places(segment, since, course.length, at)
            v = self.wiring.potentials(where.drive, where.values @ course.nodes)
            return np.asarray(v[:, :, 0] - v[:, :, 1])

        samples = np.concatenate([[_AT_CROSSING], np.linspace(0.0, 1.0, _SAMPLES)[1:]])
        v, found = voltages(samples), 1.0
        for level in self.cell.voltage_breaks():
            above = v > level
            for index, which in np.argwhere(above[1:] != above[:-1]):
                if samples[index] >= found:
                    break
                ends = samples[index : index + 2]
                root = brentq(lambda at, n, level: voltages(np.array([at]))[0, n] - level, *ends, args=(which, level))
                found = min(found, float(root))
        return found if _AT_CROSSING < found < 1.0 - _AT_CROSSING else 0.0

    def _guess(self, length: float, last: Course | None) -> tuple[FloatArray, FloatArray]:
        """Unknowns (cell, stage, k) and potentials (stage, node) at the stages by the last polynomial, or held."""
        if last is None or length > _FARTHEST_GUESS * last.length:
            return np.repeat(self._state.y[:, None], STAGES, axis=1), np.repeat(self._state.nodes[None], STAGES, axis=0)
        matrix = basis(1.0 + RULE.nodes * length / last.length, STAGES) @ RULE.fit
        return matrix @ last.y, matrix @ last.nodes

    def _write(
        self, segment: int, since: float, end: float, lands: bool, course: Course, linear: Linearised
    ) -> None:  # fmt: skip
        """Solve the equations at the instants that the step passed."""
        # An instant that misses a break by rounding is meant to be the break, where the slope of a charge may jump.
        missed = min(_ROUNDING * self.duration, 1e-3 * course.length) if lands else 0.0
        until = int(np.searchsorted(self.instants, end + missed, side="right"))
        block = max(1, _BLOCK // self.initial.size)
        for first in range(self._written, until, block):
            chosen = slice(first, min(first + block, until))
            at = np.clip((self.instants[chosen] - self.breaks[segment] - since) / course.length, 0.0, 1.0)
            where = self._rows.places(segment, since, course.length, at)
            y, nodes = course.at(where)
            found = self._settle(course, linear, where, y, nodes)
            slopes = self._rows.slopes(segment, self.instants[chosen] - self.breaks[segment])
            drawn = self.wiring.segment * self.wiring.potentials(slopes, found.slopes)
            self.states[chosen], self.i_cell[chosen] = self.cell.state(y).T, found.currents[:, :, 0]
            self.potentials[chosen] = self.wiring.potentials(where.drive, nodes)
            sums = self.wiring.ends(found.currents + drawn)
            drops = self.wiring.through_ends(self.potentials[chosen], where.drive)
            # the sum has the rounding of a derivative by time, the drop that of a difference of potentials
            for current, total, drop, clear in zip(
                (self.i_row, self.i_column), sums, drops, self.wiring.clear_drops(linear.shift), strict=True
            ):
                current[chosen] = drop if clear else total
        self._written = until

    def _settle(
        self, course: Course, linear: Linearised, where: Places, y: FloatArray, nodes: FloatArray
    ) -> Correction:  # fmt: skip
        """Solve for unknowns `y` (cell, place, k) and potentials `nodes` (place, node) at places in a step."""
        scales = np.maximum(self.cell.scale, np.abs(self._state.y))[:, None]
        before = np.inf
        for _ in range(_ROUNDS):
            found = correct(self.cell, self.wiring, course, linear, where, y, nodes)
            off = np.abs(found.nodes).max(initial=0.0)
            largest = float(max((np.abs(found.y) / scales).max(), off / self._scale))
            if largest <= _SETTLED or largest > 0.5 * before:
                break
            y -= found.y
            nodes -= found.nodes
            before = largest
        if not largest <= self.tolerance:
            raise ConvergenceError(
                f"the reference engine found no solution of the crossbar between {where.time[0]:g} s and "
                f"{where.time[-1]:g} s of {self.duration:g} s"
            )
        self.largest_residual = max(self.largest_residual, off)
        return found
