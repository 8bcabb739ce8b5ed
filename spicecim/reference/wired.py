"""A crossbar with resistive wires over time: the network at every instant, and the states that its voltages move.

In every time step the voltages over the cells are polynomials through instants at which the network is solved. The
states follow these polynomials (see `motion`), the currents follow the states, and the network the
currents: the round is repeated, with one factorisation of the network for as long as it converges. The last round is at
the instants between as well, which tells how far the polynomials are off, and with all of them the states are moved
once more: the difference is the estimate of the error of the step.

What becomes of these errors in later steps is found by a second crossbar, to whose states they are added, on the same
steps: its distance from the first is followed by the same equations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from spicecim.devices.device import Device
from spicecim.drives import Drive
from spicecim.errors import ConvergenceError
from spicecim.fields import FloatArray
from spicecim.reference.balance import ROUNDS, SLOW, Balance
from spicecim.reference.clock import check_time
from spicecim.reference.excitation import CellVoltages, row_breaks
from spicecim.reference.motion import CollocatedMotion, Interpolation, Motion, lobatto
from spicecim.reference.network import Network
from spicecim.reference.overflow import JUST_BEYOND, check_finite
from spicecim.reference.threads import one_thread

TOLERANCE = 1e-6
"""Allowed error of x in a step. That of the voltages between the instants at which the network is solved may be
`_VOLTAGE_SHARE` times as much, relative to the drive's largest: it acts by its mean over the step alone."""
_VOLTAGE_SHARE = 100.0
DEGREE = 4

_SETTLED = 1e-3
"""Change of the voltages that a further round within a step would make, relative to their allowed error."""
_STEPS_A_PERIOD = 8
_FIRST_STEP = 1.0 / 8
"""First step, and the first after a break, relative to the longest."""
_SMALLEST_STEP = 1e-13
"""Step relative to the duration below which there is no solution."""
_SAFETY, _MOST_GROWTH, _MOST_SHRINKAGE = 0.8, 2.0, 0.1
_FARTHEST_GUESS = 2.0
"""Ratio of a step to the last beyond which the last polynomial is no guess for it."""
_TOGETHER = 16
"""Instants asked for that are solved at once, if there is no reason not to."""
_BLOCK = 1 << 20
"""Most cells times instants that are handed on at once, to bound the memory."""
_ONE_STEP = 0.1
"""Most that one of Newton's steps changes the second crossbar's voltages by, relative to the drive's largest: where a
device switches, the slopes of the first crossbar do not serve it."""
_MOST_MISSED = 1e-3
"""Voltage that a cell may be off by, relative to the drive's largest, before it counts as no solution: where the
network multiplies a change of its voltage a billion times, more than rounding is left."""


class WiredWaveforms(NamedTuple):
    """Waveforms of a crossbar with wires; arrays are (time, row, column)."""

    states: FloatArray
    """State variables."""
    v_cell: FloatArray
    """Voltage over each cell (V)."""
    i_cell: FloatArray
    """Current through each cell (A)."""
    error: float
    """Largest error of x of any cell at any time: an estimate (see `Course`)."""
    report: str
    """How the solution was found."""


class Course(NamedTuple):
    """How the states of a crossbar with wires were followed."""

    error: float
    """Estimate of the largest error of x of any cell at any time: the estimates of all steps, summed or, if that is
    more, carried on by the equations."""
    current_error: FloatArray
    """What becomes of it in the currents of the columns, at most at any end of a step (column,), ampere."""
    report: str
    """How the solution was found."""


Sink = Callable[[slice, FloatArray, FloatArray, FloatArray], None]
"""Takes a range of instants and the states, voltages (V) and currents (A) of the cells there (instant, row, column)."""


@dataclass
class _Step:
    """A step that was solved.

    The voltages over the cells are values (node, row, column) of polynomials: at the instants of the rounds, and with
    those between.
    """

    v: FloatArray
    finer_v: FloatArray
    wanted_states: FloatArray
    """States at the instants asked for in the step, as many as one block holds (instant, row, column)."""
    coarse_state: FloatArray
    """States at the end by the polynomials without the instants between (row, column)."""
    end_state: FloatArray
    error: FloatArray
    """Estimated error of x, the largest in the step (row, column)."""
    excess: float
    """Largest estimate relative to what is allowed."""


class _NoConvergence(Exception):
    """The rounds do not converge in a step of this length."""


def wired_waveforms(
    device: Device,
    network: Network,
    drive: Drive,
    duration: float,
    initial: FloatArray,
    instants: FloatArray,
    *,
    tolerance: float = TOLERANCE,
) -> WiredWaveforms:
    """Follow a crossbar with wires, and keep the waveforms of all cells; parameters are those of `follow_wired`."""
    states, v_cell, i_cell = (np.empty((len(instants), *initial.shape)) for _ in range(3))

    def keep(chosen: slice, some_states: FloatArray, some_v: FloatArray, some_i: FloatArray) -> None:
        states[chosen], v_cell[chosen], i_cell[chosen] = some_states, some_v, some_i

    course = follow_wired(device, network, drive, duration, initial, instants, keep, tolerance=tolerance)
    return WiredWaveforms(states, v_cell, i_cell, course.error, course.report)


@one_thread
def follow_wired(
    device: Device,
    network: Network,
    drive: Drive,
    duration: float,
    initial: FloatArray,
    instants: FloatArray,
    sink: Sink,
    *,
    tolerance: float = TOLERANCE,
) -> Course:
    """Follow a crossbar with wires, and hand on its waveforms in blocks of instants.

    Parameters
    ----------
    device
        The device of every cell.
    network
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
        Allowed error of x in a step.

    Raises
    ------
    ConvergenceError
        If the network has no solution, or none that steps of any length would find.
    """
    run = _Run(device, network, drive, duration, initial, instants, sink, tolerance)
    for segment in range(len(run.breaks) - 1):
        run.follow(segment)
    balance = run.balance
    report = (
        f"{run.steps} steps, {run.rejected} more rejected, {balance.factorisations} factorisations, "
        f"{balance.solutions} network solutions, residual {run.largest_residual:.2g} V at most"
    )
    return Course(max(float(run.error.max()), run.largest_distance), run.current_error, report)


@dataclass
class _Run:
    """The progress of a run."""

    device: Device
    network: Network
    drive: Drive
    duration: float
    initial: FloatArray
    instants: FloatArray
    sink: Sink
    tolerance: float
    steps: int = field(default=0, init=False)
    rejected: int = field(default=0, init=False)
    largest_residual: float = field(default=0.0, init=False)
    """Largest voltage that a cell at an instant asked for is off by, of what its current and the wires leave it (V)."""
    largest_distance: float = field(default=0.0, init=False)
    """Largest distance of x of the second crossbar from the first."""

    def __post_init__(self) -> None:
        rows = np.arange(len(self.initial))
        self.breaks = row_breaks(self.drive, (), self.duration)
        self._voltages = CellVoltages(self.drive, rows, np.broadcast_to(self.breaks, (len(rows), len(self.breaks))))
        self._motion: Motion | CollocatedMotion = (
            Motion(self.device) if self.device.separable else CollocatedMotion(self.device)
        )
        self._rule, self._fine_rule = Interpolation(lobatto(DEGREE)), Interpolation(lobatto(DEGREE), between=True)
        # a drive that is zero throughout has no scale, and needs none
        self._scale = self.drive.largest_voltage() or 1.0
        self._allowed = _VOLTAGE_SHARE * self.tolerance * self._scale
        self.balance = Balance(self.device, self.network, self._scale)
        self._longest = float(self.drive.periods().min()) / _STEPS_A_PERIOD
        self._length = _FIRST_STEP * self._longest
        self._rate = SLOW
        self._state = self.initial.copy()
        self.error = np.zeros(self.initial.shape)
        self.current_error = np.zeros(self.initial.shape[1])
        self._second_state = self._state.copy()
        self._v = self._rest()
        self._second_v = self._v.copy()
        self._written = self._passed = 0
        self._block = max(_BLOCK // self.initial.size, 1)
        self._waiting: list[tuple[FloatArray, FloatArray, FloatArray]] = []
        if self.instants[0] == 0.0:
            self._keep(self._drive_at(0, np.zeros(1)), self._v[None].copy(), self._state[None].copy())
            self._passed = 1
            self._hand_on()

    def follow(self, segment: int) -> None:
        """Go from one break of the drive to the next."""
        room = float(self.breaks[segment + 1] - self.breaks[segment])
        since, last = 0.0, None
        last_length = 0.0
        self._length = min(self._length, max(_FIRST_STEP * self._longest, _FIRST_STEP * room))
        while since < room:
            check_time(self.breaks[segment] + since, self.duration)
            length = min(self._length, self._longest)
            left = room - since
            lands = length >= left * (1.0 - 1e-9)
            # Two even steps rather than a long one and a remainder.
            length = left if lands else min(length, 0.5 * left)
            if length < _SMALLEST_STEP * self.duration and not lands:
                v = JUST_BEYOND * self._v
                check_finite(self.device.current(v, self._state), self.device.rate(v, self._state))
                reached = self.breaks[segment] + since
                raise ConvergenceError(
                    f"the reference engine found no solution of the crossbar beyond {reached:g} s "
                    f"of {self.duration:g} s"
                )
            ends = self.breaks[segment + 1] if lands else self.breaks[segment] + since + length
            until = int(np.searchsorted(self.instants, ends, side="right"))
            wanted = self.instants[self._passed : until] - self.breaks[segment]
            places = np.clip((wanted - since) / length, 1e-15, 1.0)
            try:
                step = self._attempt(segment, since, length, last, last_length, places[: self._block])
            except _NoConvergence:
                self.rejected += 1
                self._length = 0.25 * length
                continue
            factor = float(np.clip(_SAFETY * step.excess ** (-1.0 / (DEGREE + 1)), _MOST_SHRINKAGE, _MOST_GROWTH))
            if step.excess > 1.0:
                self.rejected += 1
                self._length = min(factor, 0.5) * length
                continue
            self._length = max(factor * length, self._length) if lands else factor * length
            self._passed = until
            for start in range(0, len(wanted), self._block):
                some = slice(start, start + self._block)
                states = (
                    step.wanted_states
                    if start == 0
                    else self._states(self._fine_rule, step.finer_v, length, self._state, places[some])
                )
                v = self._fine_rule.values(places[some]) @ step.finer_v.reshape(len(step.finer_v), -1)
                self._keep(self._drive_at(segment, wanted[some]), v.reshape(states.shape), states)
            self._move_second(self._drive_at(segment, np.array([since + length])), length, step)
            self._state, self._v = step.end_state, step.v[-1]
            self.error += step.error
            self.steps += 1
            last, last_length = step, length
            since = room if lands else since + length
        self._hand_on()

    def _attempt(
        self, segment: int, since: float, length: float, last: _Step | None, last_length: float, wanted: FloatArray
    ) -> _Step:
        rule, fine = self._rule, self._fine_rule
        drive = self._drive_at(segment, since + length * fine.nodes)
        v = np.empty((len(rule.nodes), *self._v.shape))
        v[0] = self._v
        if last is not None and length <= _FARTHEST_GUESS * last_length:
            matrix = rule.values(1.0 + rule.nodes[1:] * length / last_length)
            v[1:] = (matrix @ last.v.reshape(len(last.v), -1)).reshape(v[1:].shape)
        else:
            v[1:] = self._v
        finer, coarse_states, defect = self._settle(drive, v, length)
        # inside the step too: a stop that is met hides at the end what was off before
        places, found = np.unique(np.concatenate([wanted, fine.nodes[1:]]), return_inverse=True)
        states = self._states(fine, finer, length, self._state, places)[found]
        inside = states[len(wanted) :]
        error = np.abs(self.device.x_from_state(inside) - self.device.x_from_state(coarse_states)).max(axis=0)
        missed = self._motion.missed_at_peaks(fine, finer.reshape(len(finer), -1), length, self._state.ravel())
        excess = max(max(float(error.max()), missed) / self.tolerance, defect / self._allowed, 1e-10)
        if not np.isfinite(excess):
            raise _NoConvergence
        return _Step(v, finer, states[: len(wanted)], coarse_states[-1], inside[-1], error, excess)

    def _settle(self, drive: FloatArray, v: FloatArray, length: float) -> tuple[FloatArray, FloatArray, float]:
        """Repeat the round of states, currents and voltages until the voltages `v` at the nodes stand still.

        Returns the voltages at the nodes and between, the states there by the voltages at the nodes alone, and how far
        these are off between.
        """
        rule, fine, balance = self._rule, self._fine_rule, self.balance
        allowed = _SETTLED * self._allowed
        before, fresh = np.inf, False
        for _ in range(ROUNDS):
            # this round's change and the next one's, if all goes on as it did
            everywhere = before * self._rate**2 <= allowed
            places, driven = (fine.nodes, drive) if everywhere else (rule.nodes, drive[::2])
            tried = (rule.values(places) @ v.reshape(len(v), -1)).reshape(-1, *self._v.shape)
            states = self._states(rule, v, length, self._state, places[1:])
            change = balance.correction(driven[1:], tried[1:], states)
            largest = _largest(change[1::2] if everywhere else change)
            rate = largest / before if before else 0.0
            if rate > 0.9 and fresh:
                raise _NoConvergence
            if rate > SLOW and not fresh and rate * largest > allowed:
                middle = len(states) // 2 - 1
                balance.factorise(tried[middle + 1], states[middle])
                change, fresh = balance.correction(driven[1:], tried[1:], states), True
                rate = SLOW
            v[1:] -= change[1::2] if everywhere else change
            if everywhere and rate * largest <= allowed:
                finer = np.concatenate([tried[:1], tried[1:] - change])
                between = (rule.values(fine.nodes[1::2]) @ v.reshape(len(v), -1)).reshape(-1, *self._v.shape)
                return finer, states, _largest(between - finer[1::2])
            if np.isfinite(before):
                self._rate = rate
            before = largest
        raise _NoConvergence

    def _states(
        self, rule: Interpolation, v: FloatArray, length: float, start: FloatArray, places: FloatArray
    ) -> FloatArray:
        """States (place, row, column) at places in a step, by voltages at the nodes of a rule."""
        states = self._motion.states(rule, v.reshape(len(v), -1), length, start.ravel(), places)
        return states.reshape(-1, *start.shape)

    def _move_second(self, drive: FloatArray, length: float, step: _Step) -> None:
        """Move the second crossbar over a step of the first.

        Between its ends, its voltages differ from those of the first linearly: an estimate need not be closer.
        """
        before, state_before = self._second_v - self._v, self._second_state - self._state
        after = self._second_v_near(drive, step.v[-1] + before, step.coarse_state + state_before) - step.v[-1]
        v = step.v + before + self._rule.nodes[:, None, None] * (after - before)
        moved = self._states(self._rule, v, length, self._second_state, np.ones(1))[0]
        # where there is no solution, the distance is as before
        moved = np.where(np.isfinite(moved), moved, step.coarse_state + state_before)
        added = step.end_state - step.coarse_state
        self._second_state = moved + 2.0 * added
        self._second_v = self._second_v_near(drive, v[-1], self._second_state)
        distance = self.device.x_from_state(self._second_state) - self.device.x_from_state(step.end_state)
        self.largest_distance = max(self.largest_distance, float(np.abs(distance).max()))
        current = self.device.current(self._second_v, self._second_state) - self.device.current(
            step.v[-1], step.end_state
        )
        self.current_error = np.maximum(self.current_error, np.abs(current.sum(axis=0)))

    def _second_v_near(self, drive: FloatArray, v: FloatArray, state: FloatArray) -> FloatArray:
        """Voltages of the second crossbar at the end of a step, by its states and a guess."""
        change = self.balance.correction(drive, v[None], state[None])[0]
        return np.asarray(v - np.nan_to_num(np.clip(change, -_ONE_STEP * self._scale, _ONE_STEP * self._scale)))

    def _rest(self) -> FloatArray:
        """Solve for the voltages at time 0, from cells without current on."""
        drive = self._drive_at(0, np.zeros(1))[0]
        v = np.repeat(drive[:, None], self._state.shape[1], axis=1)
        check_finite(self.device.current(v, self._state))
        return self.balance.solve(drive, v, self._state, 0.0)

    def _drive_at(self, segment: int, since: FloatArray) -> FloatArray:
        """Voltages of the row drivers (instant, row) at instants since the start of a segment."""
        rows = np.arange(len(self.initial))
        each = np.broadcast_to(since, (len(rows), len(since)))
        return np.asarray(self._voltages.voltage(rows, np.full(len(rows), segment), each).T)

    def _keep(self, drive: FloatArray, v: FloatArray, states: FloatArray) -> None:
        """Keep what is known of instants asked for until there are enough of them."""
        self._waiting.append((drive, v, states))
        if sum(len(part) for part, _, _ in self._waiting) >= min(_TOGETHER, self._block):
            self._hand_on()

    def _hand_on(self) -> None:
        """Solve the network at the instants that wait, and hand them on."""
        if not self._waiting:
            return
        drive, v, states = (np.concatenate(parts) for parts in zip(*self._waiting, strict=True))
        self._waiting = []
        for start in range(0, len(v), self._block):
            some = slice(start, start + self._block)
            chosen = slice(self._written, self._written + len(v[some]))
            check_time(self.instants[chosen.start], self.duration)
            self.balance.solve_all(drive[some], v[some], states[some], self.instants[chosen])
            current = self.device.current(v[some], states[some])
            residual = float(np.abs(self.network.residual(drive[some], v[some], current)).max())
            if not residual <= _MOST_MISSED * self._scale:
                raise ConvergenceError(
                    f"the reference engine found no solution of the crossbar at {self.instants[chosen][0]:g} s to "
                    f"{self.instants[chosen][-1]:g} s: voltages are {residual:g} V off"
                )
            self.largest_residual = max(self.largest_residual, residual)
            self.sink(chosen, states[some], v[some], current)
            self._written = chosen.stop


def _largest(change: FloatArray) -> float:
    """Largest magnitude."""
    largest = float(np.abs(change).max())
    if not np.isfinite(largest):
        raise _NoConvergence
    return largest
