"""Cells that do not see each other, each on its own clock, by Radau IIA steps for whatever equations.

A kink in one cell does not cost steps in another; what is common is the evaluation, of successive steps of few cells
too. The step sets the error of the
polynomials between its ends too (see `collocation`), which is why any number of instants can be asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

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

_TOGETHER = 256
"""Steps that are attempted at once, of few cells several each: on short arrays, an evaluation takes no less time."""
_PARTS = 8
"""Parts of a part of a rejected step that is rejected again."""
_LAST_PART = 1e-9
"""Part of the way to the end of a rejected step that may be missed."""

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
    steps, rejected_steps
        Steps of each cell (cell,).
    """

    unknowns: FloatArray
    current: FloatArray
    steps: NDArray[np.int_]
    rejected_steps: NDArray[np.int_]

    @property
    def statistics(self) -> Statistics:
        """Steps of all cells."""
        return Statistics(int(self.steps.sum()), int(self.rejected_steps.sum()))


def integrate(
    cell: Cell,
    voltages: CellVoltages,
    initial: FloatArray,
    instants: FloatArray,
    *,
    tolerance: float | FloatArray = TOLERANCE,
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
        Allowed error of a step relative to the scale of each unknown, or to the unknown where that is larger: one for
        all, or one per cell.
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
        run = _Run(cell, voltages, initial, instants, stages, np.broadcast_to(tolerance, len(initial)))
        while len(active := np.flatnonzero(run.segment < voltages.segments)):
            run.advance(active, name)
        run.unknowns[instants == 0.0] = initial  # to the last digit
        # at time 0 the drive has stood still before
        run.displacement[instants == 0.0] = 0.0
        current = run.resistive_current() + run.displacement
    return Trajectories(run.unknowns, current, run.steps, run.attempts - run.steps)


class _Plan(NamedTuple):
    """Steps to be attempted (cell, step)."""

    segment: NDArray[np.int_]
    since: FloatArray
    """Their starts since that of the segment (s)."""
    planned: FloatArray
    """Lengths without breaks (s)."""
    length: FloatArray
    """Lengths (s)."""
    lands: NDArray[np.bool_]
    """Whether they end at the end of their segment."""
    parted: FloatArray
    """The end of the last rejected step since the start of the segment (s), or 0: up to it, steps keep their length."""
    ahead: NDArray[np.bool_]
    """Whether they are before the end of the drive."""

    @property
    def part(self) -> NDArray[np.bool_]:
        """Whether they are parts of a step that was rejected."""
        return self.since < (1.0 - _LAST_PART) * self.parted

    def each(self, function: Callable[[Any], Any]) -> _Plan:
        """Return what a function makes of each array."""
        return _Plan(*(function(part) for part in self))


class _Run:
    """The progress of every cell, and its waveforms so far."""

    def __init__(
        self, cell: Cell, voltages: CellVoltages, initial: FloatArray, instants: FloatArray, stages: int,
        tolerance: FloatArray,
    ) -> None:  # fmt: skip
        count, self.tolerance = len(initial), tolerance
        self.cell, self.voltages, self.instants, self.rule = cell, voltages, instants, radau(stages)
        self.breaks = voltages.own_breaks
        self.duration = float(self.breaks[0, voltages.segments[0]])
        self.control = StepControl(stages + 1, safety=0.9)
        self.longest = self.control.longest(voltages.periods, self.duration)
        self.most_attempts = self.control.most_attempts(self.longest, self.duration, voltages.segments)
        # The segment that each cell is in, and the time since its start.
        self.segment, self.since = np.zeros(count, dtype=int), np.zeros(count)
        self.length = self.control.first * self.longest
        # Steps of each cell that are attempted together, and the ratio of their lengths as far as it is known.
        self.together, self.growth = 1, np.ones(count)
        self.parted = np.zeros(count)
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

    def advance(self, active: NDArray[np.int_], name: Callable[[int], str]) -> None:
        """Attempt the next steps of the cells that are not at their end."""
        check_time(float((self.breaks[active, self.segment[active]] + self.since[active]).min()), self.duration)
        each, chain = np.arange(len(active)), max(1, min(self.together, _TOGETHER // len(active)))
        plan = self._plan(active, chain)
        cells, flat = np.repeat(active, chain), plan.each(np.ravel)
        instants = flat.since[:, None] + np.concatenate([self.rule.checks, self.rule.stages]) * flat.length[:, None]
        step = attempt_step(
            self.cell.of_cells(active),
            self.rule,
            self.breaks[cells, flat.segment][:, None] + instants,
            flat.length,
            self.voltages.voltage(cells, flat.segment, instants),
            (self.y[active], self.charge[active]),
            flat.since == 0.0,
            self._guess(active, plan),
            self.peak[active],
            np.finfo(float).eps * (flat.since + self.voltages.periods[cells]),
            self.tolerance[active],
        )
        following = self._following(active, plan, step.error.reshape(-1, chain))
        # a step counts if it is the one that those before it lead to
        counts = plan.ahead.copy()
        counts[:, 1:] &= plan.planned[:, 1:] == following[:, :-1]
        error = np.where(np.logical_and.accumulate(counts, axis=1), step.error.reshape(-1, chain), np.inf)
        accepted = np.logical_and.accumulate(error <= 1.0, axis=1)
        done = accepted.sum(axis=1)
        # what was not solved behind others may just have had too bad a guess
        rejected = (done == 0) | (done < chain) & np.isfinite(np.append(error, error[:, -1:], axis=1)[each, done])
        last = each * chain + done + rejected - 1
        self._move(active, cells, flat, accepted.ravel(), step)
        self._prepare(active, flat.each(lambda part: part[last]), _part(step, last), rejected, following.ravel()[last])
        self.together = 2 * chain if 2 * done.sum() > done.size * chain else max(1, int(done.mean()))
        if rejected.any():
            self.together = max(self.together, _PARTS)
        self.steps[active] += done
        self.attempts[active] += done + rejected
        self._check_progress(active, name)

    def _plan(self, active: NDArray[np.int_], count: int) -> _Plan:
        """Plan the next steps of cells as if all were accepted; what is beyond their end just fills up."""
        since, segment, planned, parted = (
            part[active] for part in (self.since, self.segment, self.length, self.parted)
        )
        steps = []
        for _ in range(count):
            ahead = segment < self.voltages.segments[active]
            within = np.where(ahead, segment, 0)
            room = self.breaks[active, within + 1] - self.breaks[active, within] - since
            length, lands = self.control.landing(planned, self.longest[active], room)
            step = _Plan(within, since, planned, length, lands, parted, ahead)
            steps.append(step)
            grown = np.minimum(self.growth[active] * length, self.longest[active])
            planned, parted = np.where(lands | step.part, planned, grown), np.where(lands, 0.0, parted)
            since, segment = np.where(lands, 0.0, since + length), segment + lands
        return _Plan(*(np.stack(parts, axis=1) for parts in zip(*steps, strict=True)))

    def _following(self, active: NDArray[np.int_], plan: _Plan, error: FloatArray) -> FloatArray:
        """Lengths (cell, step) to be planned after steps of these errors."""
        accepted, length = error <= 1.0, self.control.next_length(plan.length, error)
        # in a part of a rejected step the error does not fall with the power of the order: a kink is to be looked for
        length = np.where(plan.part & ~accepted, np.minimum(length, plan.length / _PARTS), length)
        # beyond a break, what was planned before the break cut it
        length = np.where(accepted & (plan.lands | plan.part), plan.planned, length)
        return np.asarray(np.minimum(length, self.longest[active, None]))

    def _guess(self, active: NDArray[np.int_], plan: _Plan) -> FloatArray:
        """Unknowns at the stages (step, stage, k): of the first steps by the last polynomials, otherwise held."""
        last, after = self.polynomial_length[active], plan.since[:, 0] - self.polynomial_start[active]
        place = (after[:, None] + self.rule.stages * plan.length[:, :1]) / last[:, None]
        known = np.flatnonzero(place[:, -1] <= 1.0 + self.control.farthest_guess)
        guess = np.tile(self.y[active, None, None], (1, plan.length.shape[1], len(self.rule.stages), 1))
        guess[known, 0] = basis(place[known], len(self.rule.stages)) @ self.polynomial[active[known]]
        return guess.reshape(-1, *guess.shape[2:])

    def _prepare(
        self, active: NDArray[np.int_], plan: _Plan, step: Step, rejected: NDArray[np.bool_], following: FloatArray
    ) -> None:
        """Keep what the next steps are planned and guessed from, by the last of each cell that was tried."""
        free, grows = ~(plan.lands | plan.part), following >= self.control.growth * plan.length
        growth = np.where(free, np.where(grows, self.control.growth, 1.0), self.growth[active])
        self.growth[active] = np.where(rejected, 1.0, growth)
        self.parted[active] = np.where(rejected, plan.since + plan.length, np.where(plan.lands, 0.0, plan.parted))
        self.length[active] = following
        solved, at_break = np.isfinite(step.error), ~rejected & plan.lands
        self.polynomial[active[solved]] = step.polynomial[solved]
        self.polynomial_start[active] = plan.since
        # Beyond a break, and where there was no solution, no guess is better than the present value.
        self.polynomial_length[active] = np.where(solved & ~at_break, plan.length, np.nan)

    def _move(
        self, active: NDArray[np.int_], cells: NDArray[np.int_], plan: _Plan, accepted: NDArray[np.bool_], step: Step
    ) -> None:
        """Go to the end of accepted steps, and write what the instants on the way want."""
        current = np.where(accepted, step.current, 0.0).reshape(len(active), -1).max(axis=1)
        self.peak[active] = np.maximum(self.peak[active], current)
        cells, plan, step = cells[accepted], plan.each(lambda part: part[accepted]), _part(step, accepted)
        start = self.breaks[cells, plan.segment] + plan.since
        ends = np.where(plan.lands, self.breaks[cells, plan.segment + 1], start + plan.length)
        # An instant that misses a break by rounding is meant to be the break, where the slope of a charge may jump.
        missed = np.where(plan.lands, np.minimum(ROUNDING * self.duration, 1e-3 * plan.length), 0.0)
        self._write(cells, start, plan.length, ends + missed, step)
        # of several steps of a cell, the last stays
        self.since[cells] = np.where(plan.lands, 0.0, plan.since + plan.length)
        self.segment[cells] = plan.segment + plan.lands
        self.y[cells], self.charge[cells] = step.end, step.end_charge

    def _write(
        self, cells: NDArray[np.int_], start: FloatArray, length: FloatArray, ends: FloatArray, step: Step
    ) -> None:
        """Evaluate the polynomials at the instants that the steps passed."""
        until = np.searchsorted(self.instants, ends, side="right")
        first = np.diff(cells, prepend=-1) != 0
        begin = np.where(first, self.written[cells], np.roll(until, 1))
        counts = until - begin
        which = np.repeat(np.arange(len(cells)), counts)
        instants = np.repeat(begin, counts) + ramps(counts)
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
        terms = evaluate(self.cell.of_cells(one), np.zeros((1, 1)), v, self.y[one, None])
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
            cell = self.cell.of_cells(np.tile(np.arange(count), len(time)))
            self.unknowns[start : start + block] = _settled(cell, everywhere, v, self.unknowns[start : start + block])
            parts.append(evaluate(cell, everywhere, v, self.unknowns[start : start + block]).current)
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
