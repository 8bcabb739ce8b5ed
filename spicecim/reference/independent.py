"""Cells that do not see each other, each on its own clock, by Radau IIA steps for whatever equations.

A kink in one cell does not cost steps in another; what is common is the evaluation. The step sets the error of the
polynomials between its ends too (see `collocation`), which is why any number of instants can be asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spicecim.devices.cell import Cell
from spicecim.drives import ramps
from spicecim.errors import ConvergenceError
from spicecim.fields import FloatArray
from spicecim.reference.collocation import Step, attempt_step, basis, basis_slope, evaluate, radau
from spicecim.reference.drive import ROUNDING, CellVoltages
from spicecim.reference.guards import JUST_BEYOND, check_finite, check_time
from spicecim.reference.step_control import Statistics, StepControl

TOLERANCE = 1e-10
"""Allowed error of a step relative to the scale of each unknown, or to the unknown where that is larger."""
STAGES = 5

_SETTLING = 3
"""Newton's steps to settle: from within the tolerance two are enough."""

_BLOCK = 200_000
"""Cells and instants that are evaluated at once, to bound the memory."""


@dataclass(frozen=True)
class Trajectories:
    """Cells over time.

    Attributes
    ----------
    unknowns
        Unknowns (time, cell, k).
    current
        Current (time, cell) into the row terminal, with the derivative of its charge (A). At a corner of the drive
        it is the one before.
    statistics
        Steps of all cells.
    """

    unknowns: FloatArray
    current: FloatArray
    statistics: Statistics


def integrate(
    cell: Cell,
    voltages: CellVoltages,
    initial: FloatArray,
    instants: FloatArray,
    *,
    tolerance: float = TOLERANCE,
    stages: int = STAGES,
    name: Callable[[int], str] = "cell {}".format,
) -> Trajectories:
    """Follow cells from time 0 to the end of their drives.

    Parameters
    ----------
    cell
        The equations.
    voltages
        What the cells see, with the breaks to step onto.
    initial
        Unknowns at time 0 (cell, k), consistent.
    instants
        Increasing instants (s) between 0 and the duration.
    tolerance
        Allowed error of a step relative to the scale of each unknown, or to the unknown where that is larger.
    stages
        Stages of the Radau rule.
    name
        What a cell is called in an error, by its index.

    Raises
    ------
    ConvergenceError
        If a cell has no solution within the tolerance.
    """
    # What is not finite fails its step.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        run = _Run(cell, voltages, initial, instants, stages)
        while len(active := np.flatnonzero(run.segment < voltages.segments)):
            run.advance(active, tolerance, name)
        run.unknowns[instants == 0.0] = initial  # to the last digit
        # at time 0 the drive has stood still before
        run.displacement[instants == 0.0] = 0.0
        current = run.resistive_current() + run.displacement
    steps = int(run.steps.sum())
    return Trajectories(run.unknowns, current, Statistics(steps, int(run.attempts.sum()) - steps))


class _Run:
    """The progress of every cell, and its waveforms so far."""

    def __init__(
        self, cell: Cell, voltages: CellVoltages, initial: FloatArray, instants: FloatArray, stages: int
    ) -> None:
        count = len(initial)
        self.cell, self.voltages, self.instants, self.rule = cell, voltages, instants, radau(stages)
        self.breaks = voltages.breaks[voltages.rows]
        self.duration = float(self.breaks[0, voltages.segments[0]])
        self.control = StepControl(stages + 1, safety=0.9)
        self.longest = self.control.longest(voltages.periods, self.duration)
        self.most_attempts = self.control.most_attempts(self.longest, self.duration, voltages.segments)
        # The segment that each cell is in, and the time since its start.
        self.segment, self.since = np.zeros(count, dtype=int), np.zeros(count)
        self.length = self.control.first * self.longest
        self.y = initial.copy()
        first = evaluate(cell, np.zeros((count, 1)), voltages.start()[:, None], initial[:, None])
        # A copy, because a cell may give its unknowns themselves as charges.
        self.charge = first.charge[:, 0].copy()
        self.peak = np.zeros(count)
        self.steps, self.attempts = np.zeros(count, dtype=int), np.zeros(count, dtype=int)
        # The last polynomial of each cell, as a guess for the next step: its start in the segment, its length.
        self.polynomial = np.zeros((count, stages + 1, initial.shape[1]))
        self.polynomial[:, 0] = initial
        self.polynomial_start, self.polynomial_length = np.zeros(count), np.full(count, np.inf)
        self.written = np.zeros(count, dtype=int)
        self.unknowns = np.empty((len(instants), *initial.shape))
        self.displacement = np.empty((len(instants), count))

    def advance(self, active: NDArray[np.int_], tolerance: float, name: Callable[[int], str]) -> None:
        """Attempt a step of the cells that are not at their end."""
        rule, since, segment = self.rule, self.since[active], self.segment[active]
        begin = self.breaks[active, segment]
        check_time(float((begin + since).min()), self.duration)
        room = self.breaks[active, segment + 1] - begin - since
        length, lands = self.control.landing(self.length[active], self.longest[active], room)
        instants = since[:, None] + np.concatenate([rule.checks, rule.stages]) * length[:, None]
        step = attempt_step(
            self.cell,
            rule,
            begin[:, None] + instants,
            length,
            self.voltages.voltage(active, segment, instants),
            (self.y[active], self.charge[active]),
            since == 0.0,
            self._guess(active, since, length),
            self.peak[active],
            np.finfo(float).eps * (since + self.voltages.periods[active]),
            tolerance,
        )
        accepted = step.error <= 1.0
        self._plan(active, length, step.error, accepted & lands)
        self._keep_polynomials(active, since, length, step, accepted & lands)
        self._move(active[accepted], length[accepted], lands[accepted], _part(step, accepted))
        self.attempts[active] += 1
        self._check_progress(active, name)

    def _plan(
        self, active: NDArray[np.int_], length: FloatArray, error: FloatArray, at_break: NDArray[np.bool_]
    ) -> None:
        """Choose the length of the next steps; beyond a break, from what was planned before the break cut it."""
        anew = self.control.after_break(self.length[active], self.longest[active], 0.0)
        self.length[active] = np.where(at_break, anew, self.control.next_length(length, error))

    def _guess(self, active: NDArray[np.int_], since: FloatArray, length: FloatArray) -> FloatArray:
        """Unknowns at the nodes (cell, stage, k) by the last polynomial, or held."""
        last = self.polynomial_length[active]
        place = ((since - self.polynomial_start[active])[:, None] + self.rule.stages * length[:, None]) / last[:, None]
        held = ~(place[:, -1] <= 1.0 + self.control.farthest_guess)
        place[held] = 0.0
        guess = basis(place, len(self.rule.stages)) @ self.polynomial[active]
        guess[held] = self.y[active[held], None]
        return np.asarray(guess)

    def _keep_polynomials(
        self,
        active: NDArray[np.int_],
        since: FloatArray,
        length: FloatArray,
        step: Step,
        at_break: NDArray[np.bool_],
    ) -> None:
        solved = np.isfinite(step.error)
        self.polynomial[active[solved]] = step.polynomial[solved]
        self.polynomial_start[active] = since
        # Beyond a break, and where there was no solution, no guess is better than the present value.
        self.polynomial_length[active] = np.where(solved & ~at_break, length, np.nan)

    def _move(self, cells: NDArray[np.int_], length: FloatArray, lands: NDArray[np.bool_], step: Step) -> None:
        """Go to the end of accepted steps, and write what the instants on the way want."""
        segment = self.segment[cells]
        start = self.breaks[cells, segment] + self.since[cells]
        ends = np.where(lands, self.breaks[cells, segment + 1], start + length)
        # An instant that misses a break by rounding is meant to be the break, where the slope of a charge may jump.
        missed = np.where(lands, np.minimum(ROUNDING * self.duration, 1e-3 * length), 0.0)
        self._write(cells, start, length, ends + missed, step)
        self.since[cells] = np.where(lands, 0.0, self.since[cells] + length)
        self.segment[cells] += lands
        self.y[cells], self.charge[cells] = step.end, step.end_charge
        self.peak[cells] = np.maximum(self.peak[cells], step.current)
        self.steps[cells] += 1

    def _write(
        self, cells: NDArray[np.int_], start: FloatArray, length: FloatArray, ends: FloatArray, step: Step
    ) -> None:
        """Evaluate the polynomials at the instants that the steps passed."""
        until = np.searchsorted(self.instants, ends, side="right")
        counts = until - self.written[cells]
        which = np.repeat(np.arange(len(cells)), counts)
        instants = np.repeat(self.written[cells], counts) + ramps(counts)
        place = (self.instants[instants] - start[which]) / length[which]
        degree = len(self.rule.stages)
        self.unknowns[instants, cells[which]] = np.einsum("md,mdk->mk", basis(place, degree), step.polynomial[which])
        slopes = np.einsum("md,md->m", basis_slope(place, 2 * degree), step.charge_polynomial[which])
        self.displacement[instants, cells[which]] = slopes / length[which]
        self.written[cells] = until

    def _check_progress(self, active: NDArray[np.int_], name: Callable[[int], str]) -> None:
        tiny = self.control.too_small(self.length[active], self.since[active], self.duration)
        stuck = tiny | (self.attempts[active] > self.most_attempts[active])
        if stuck.any():
            worst = active[stuck][0]
            self._check_overflow(int(worst))
            reached = self.breaks[worst, self.segment[worst]] + self.since[worst]
            raise ConvergenceError(
                f"the reference engine found no solution beyond {reached:g} s of {self.duration:g} s "
                f"in {name(int(worst))}"
            )

    def _check_overflow(self, index: int) -> None:
        """Raise `InputError` if a cell's equations overflow just beyond where it is."""
        one = np.array([index])
        v = JUST_BEYOND * self.voltages.voltage(one, self.segment[one], self.since[one, None])
        terms = evaluate(self.cell, np.zeros((1, 1)), v, self.y[one, None])
        check_finite(terms.current, terms.flow)

    def resistive_current(self) -> FloatArray:
        """Resistive current (time, cell) at the instants, with the unknowns settled there."""
        count = len(self.y)
        block = max(1, _BLOCK // count)
        parts = []
        for start in range(0, len(self.instants), block):
            time = self.instants[start : start + block]
            check_time(time[0], self.duration)
            v = self.voltages.drive.voltage(time)[:, self.voltages.rows]
            everywhere = np.broadcast_to(time[:, None], v.shape)
            self.unknowns[start : start + block] = _settled(
                self.cell, everywhere, v, self.unknowns[start : start + block]
            )
            parts.append(evaluate(self.cell, everywhere, v, self.unknowns[start : start + block]).current)
        return np.concatenate(parts)


def _settled(cell: Cell, time: FloatArray, v: FloatArray, y: FloatArray) -> FloatArray:
    """Unknowns (time, cell, k) with the algebraic ones solved for to rounding, the others as they are.

    Within the tolerance, the drop across a contact of a microohm would be an error of the current as large as itself.
    """
    if y.shape[-1] == 1:
        return y
    settled = y.copy()
    for _ in range(_SETTLING):
        terms = evaluate(cell, time, v, settled)
        algebraic = ~terms.charge_jacobian.any(axis=(0, 1, 3))
        slopes = terms.flow_jacobian[..., algebraic, :][..., algebraic]
        try:
            steps = -np.linalg.solve(slopes, terms.flow[..., algebraic, None])[..., 0]
        except np.linalg.LinAlgError:
            return y
        settled[..., algebraic] += np.where(np.isfinite(steps), steps, 0.0)
    return settled


def _part(step: Step, chosen: NDArray[np.bool_]) -> Step:
    return Step(*(getattr(step, field)[chosen] for field in Step.__dataclass_fields__))
