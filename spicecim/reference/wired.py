"""A crossbar with resistive wires over time: the network at every instant, and the states that its voltages move.

In every time step the voltages over the cells are polynomials through instants at which the network is solved. The
states follow these polynomials (see `motion`), the currents follow the states, and the network the
currents: the round is repeated, with one factorisation of the network for as long as it converges, until the voltages
stand still. The network between those instants then tells how far the polynomials are off, and with these instants too
the states are moved once more: the difference is the estimate of the error of the step.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from spicecim.devices import Device, SeparableDevice
from spicecim.drives import Drive
from spicecim.errors import ConvergenceError, InputError
from spicecim.fields import FloatArray
from spicecim.reference.excitation import CellVoltages, row_breaks
from spicecim.reference.motion import CollocatedMotion, Interpolation, Motion
from spicecim.reference.network import Factors, Network

TOLERANCE = 1e-7
"""Allowed error of x in a step. That of the voltages between the instants at which the network is solved may be
`_VOLTAGE_SHARE` times as much, relative to the drive's largest: it acts by its mean over the step alone."""
_VOLTAGE_SHARE = 100.0
DEGREE = 4

_SETTLED = 0.01
"""Last change of the voltages within a step, relative to their allowed error."""
_BALANCED = 1e-12
"""Last change of the voltages at the instants asked for, relative to the drive's largest voltage."""
_ROUNDS = 25
_SLOW = 0.1
"""Ratio of successive changes from which on the network is factorised anew."""
_BALANCE_ROUNDS, _MOST_CUTS = 100, 20
"""Newton's steps at one instant, and halvings of each."""
_STEPS_A_PERIOD = 8
_FIRST_STEP = 1.0 / 8
"""First step, and the first after a break, relative to the longest."""
_SMALLEST_STEP = 1e-13
"""Step relative to the duration below which there is no solution."""
_SAFETY, _MOST_GROWTH, _MOST_SHRINKAGE = 0.8, 3.0, 0.1
_FARTHEST_GUESS = 2.0
"""Ratio of a step to the last beyond which the last polynomial is no guess for it."""
_QUOTIENT_STEP = 1e-5
"""Step of the difference quotient of the current, relative to the drive's largest voltage: only Newton's method's speed
depends on it."""


class WiredWaveforms(NamedTuple):
    """Waveforms of a crossbar with wires; arrays are (time, row, column)."""

    states: FloatArray
    """State variables."""
    v_cell: FloatArray
    """Voltage over each cell (V)."""
    i_cell: FloatArray
    """Current through each cell (A)."""
    error: float
    """Largest error of x of any cell: its estimates summed over the steps."""
    report: str
    """How the solution was found."""


@dataclass
class _Step:
    """A step that was solved.

    The voltages over the cells are values (node, row, column) of polynomials: at the instants of the rounds, and with
    those between.
    """

    v: FloatArray
    finer_v: FloatArray
    end_state: FloatArray
    end_v: FloatArray
    error: FloatArray
    """Estimated error of x (row, column)."""
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
    """Follow a crossbar with wires.

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
    tolerance
        Allowed error of x in a step.

    Raises
    ------
    ConvergenceError
        If the network has no solution, or none that steps of any length would find.
    """
    run = _Run(device, network, drive, duration, initial, instants, tolerance)
    for segment in range(len(run.breaks) - 1):
        run.follow(segment)
    report = (
        f"{run.steps} steps, {run.rejected} more rejected, {run.factorisations} factorisations, "
        f"{run.solutions} network solutions, residual {run.largest_residual:.2g} V at most"
    )
    return WiredWaveforms(run.states, run.v_cell, run.i_cell, float(run.error.max()), report)


@dataclass
class _Run:
    """The progress of a run, and its waveforms so far."""

    device: Device
    network: Network
    drive: Drive
    duration: float
    initial: FloatArray
    instants: FloatArray
    tolerance: float
    steps: int = field(default=0, init=False)
    rejected: int = field(default=0, init=False)
    factorisations: int = field(default=0, init=False)
    solutions: int = field(default=0, init=False)
    largest_residual: float = field(default=0.0, init=False)
    """Largest voltage that a cell at an instant asked for is off by, of what its current and the wires leave it (V)."""

    def __post_init__(self) -> None:
        rows = np.arange(len(self.initial))
        self.breaks = row_breaks(self.drive, (), self.duration)
        self._voltages = CellVoltages(self.drive, rows, np.broadcast_to(self.breaks, (len(rows), len(self.breaks))))
        self._motion: Motion | CollocatedMotion = (
            Motion(self.device) if isinstance(self.device, SeparableDevice) else CollocatedMotion(self.device)
        )
        self._rule, self._fine_rule = Interpolation(DEGREE), Interpolation(DEGREE, between=True)
        # a drive that is zero throughout has no scale, and needs none
        self._scale = self.drive.largest_voltage() or 1.0
        self._longest = float(self.drive.periods().min()) / _STEPS_A_PERIOD
        self._length = _FIRST_STEP * self._longest
        self._state = self.initial.copy()
        self.error = np.zeros(self.initial.shape)
        self.states, self.v_cell, self.i_cell = (
            np.empty((len(self.instants), *self.initial.shape)) for _ in range(3)
        )  # fmt: skip
        self._v = self._rest()
        self._written = 0
        self._write_start()

    def follow(self, segment: int) -> None:
        """Go from one break of the drive to the next."""
        room = float(self.breaks[segment + 1] - self.breaks[segment])
        since, last = 0.0, None
        last_length = 0.0
        self._length = min(self._length, max(_FIRST_STEP * self._longest, _FIRST_STEP * room))
        while since < room:
            length = min(self._length, self._longest)
            left = room - since
            lands = length >= left * (1.0 - 1e-9)
            # Two even steps rather than a long one and a remainder.
            length = left if lands else min(length, 0.5 * left)
            if length < _SMALLEST_STEP * self.duration and not lands:
                reached = self.breaks[segment] + since
                raise ConvergenceError(
                    f"the reference engine found no solution of the crossbar beyond {reached:g} s "
                    f"of {self.duration:g} s"
                )
            try:
                step = self._attempt(segment, since, length, last, last_length)
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
            ends = self.breaks[segment + 1] if lands else self.breaks[segment] + since + length
            self._write(segment, since, length, ends, step)
            self._state, self._v = step.end_state, step.end_v
            self.error += step.error
            self.steps += 1
            last, last_length = step, length
            since = room if lands else since + length

    def _attempt(
        self, segment: int, since: float, length: float, last: _Step | None, last_length: float
    ) -> _Step:  # fmt: skip
        rule, fine = self._rule, self._fine_rule
        drive = self._drive_at(segment, since + length * fine.nodes)
        v = np.empty((len(rule.nodes), *self._v.shape))
        v[0] = self._v
        if last is not None and length <= _FARTHEST_GUESS * last_length:
            matrix = rule.values(1.0 + rule.nodes[1:] * length / last_length)
            v[1:] = np.einsum("pn,nrc->prc", matrix, last.v)
        else:
            v[1:] = self._v
        self._settle(drive[::2], v, length)
        # the instants between
        start = self._state.ravel()
        flat = v.reshape(len(v), -1)
        states = self._motion.states(rule, flat, length, start, fine.nodes[1:])
        between = (rule.values(fine.nodes[1::2]) @ flat).reshape(-1, *self._v.shape)
        middle_states = states[::2].reshape(between.shape)
        defect = self._correct(drive[1::2], between, middle_states)
        finer = np.empty((len(fine.nodes), *self._v.shape))
        finer[::2], finer[1::2] = v, between - defect
        end = self._motion.states(fine, finer.reshape(len(finer), -1), length, start, np.ones(1))[0]
        error = np.abs(self.device.x_from_state(end) - self.device.x_from_state(states[-1])).reshape(self._v.shape)
        excess = max(
            float(error.max()) / self.tolerance,
            float(np.abs(defect).max()) / (_VOLTAGE_SHARE * self.tolerance * self._scale),
            1e-10,
        )
        if not np.isfinite(excess):
            raise _NoConvergence
        return _Step(v, finer, end.reshape(self._v.shape), v[-1], error, excess)

    def _settle(self, drive: FloatArray, v: FloatArray, length: float) -> None:
        """Repeat the round of states, currents and voltages until the voltages `v` at the nodes stand still."""
        allowed = _SETTLED * _VOLTAGE_SHARE * self.tolerance * self._scale
        places, start = self._rule.nodes[1:], self._state.ravel()
        before, fresh = np.inf, False
        for _ in range(_ROUNDS):
            states = self._motion.states(self._rule, v.reshape(len(v), -1), length, start, places)
            states = states.reshape(-1, *self._v.shape)
            change = self._correct(drive[1:], v[1:], states)
            largest = float(np.abs(change).max())
            if not np.isfinite(largest):
                raise _NoConvergence
            if largest > _SLOW * before:
                if fresh and largest > 0.9 * before:
                    raise _NoConvergence
                if not fresh:
                    middle = len(v) // 2
                    self._factorise(v[middle], states[middle - 1])
                    change, fresh = self._correct(drive[1:], v[1:], states), True
                    largest = float(np.abs(change).max())
            v[1:] -= change
            if largest <= allowed:
                return
            before = largest
        raise _NoConvergence

    def _correct(self, drive: FloatArray, v: FloatArray, states: FloatArray) -> FloatArray:
        """What to take off voltages (instant, row, column) so that the network comes closer to balance."""
        self.solutions += len(v)
        return self._factors.correction(self.network.residual(drive, v, self.device.current(v, states)))

    def _factorise(self, v: FloatArray, states: FloatArray) -> None:
        step = _QUOTIENT_STEP * self._scale
        rise = self.device.current(v + step, states) - self.device.current(v - step, states)
        self._factors: Factors = self.network.factorise(rise / (2.0 * step))
        self.factorisations += 1

    def _rest(self) -> FloatArray:
        """Solve for the voltages at time 0, from cells without current on."""
        drive = self._drive_at(0, np.zeros(1))[0]
        v = np.repeat(drive[:, None], self._state.shape[1], axis=1)
        if not np.isfinite(self.device.current(v, self._state)).all():
            raise InputError("drive: at its voltages a device's current is beyond the range of a float")
        return self._balance(drive, v, self._state, 0.0)

    def _balance(self, drive: FloatArray, v: FloatArray, states: FloatArray, instant: float) -> FloatArray:
        """Solve for the voltages (row, column) at one instant, by Newton's method with damped steps."""
        residual = self.network.residual(drive, v, self.device.current(v, states))
        for _ in range(_BALANCE_ROUNDS):
            self._factorise(v, states)
            change = self._factors.correction(residual)
            self.solutions += 1
            for share in 0.5 ** np.arange(_MOST_CUTS):
                tried = v - share * change
                missed = self.network.residual(drive, tried, self.device.current(tried, states))
                if np.abs(missed).max() <= max((1.0 - 0.1 * share) * np.abs(residual).max(), _BALANCED * self._scale):
                    break
            v, residual = tried, missed
            if not np.isfinite(residual).all():
                break
            if np.abs(change).max() <= _BALANCED * self._scale:
                return np.asarray(v)
        raise ConvergenceError(f"the reference engine found no solution of the crossbar at {instant:g} s")

    def _drive_at(self, segment: int, since: FloatArray) -> FloatArray:
        """Voltages of the row drivers (instant, row) at instants since the start of a segment."""
        rows = np.arange(len(self.initial))
        each = np.broadcast_to(since, (len(rows), len(since)))
        return np.asarray(self._voltages.voltage(rows, np.full(len(rows), segment), each).T)

    def _write_start(self) -> None:
        if self.instants[0] == 0.0:
            self.states[0], self.v_cell[0] = self._state, self._v
            self.i_cell[0] = self.device.current(self._v, self._state)
            self._written = 1

    def _write(self, segment: int, since: float, length: float, end: float, step: _Step) -> None:
        """Move the states to the instants that the step passed, and solve the network there."""
        until = int(np.searchsorted(self.instants, end, side="right"))
        chosen = slice(self._written, until)
        self._written = until
        if chosen.start == chosen.stop:
            return
        after = self.instants[chosen] - self.breaks[segment]
        places = np.clip((after - since) / length, 1e-15, 1.0)
        rule, flat = self._fine_rule, step.finer_v.reshape(len(step.finer_v), -1)
        states = self._motion.states(rule, flat, length, self._state.ravel(), places).reshape(-1, *self._v.shape)
        v = (rule.values(places) @ flat).reshape(states.shape)
        drive = self._drive_at(segment, after)
        self._balance_all(drive, v, states, self.instants[chosen])
        current = self.device.current(v, states)
        residual = float(np.abs(self.network.residual(drive, v, current)).max())
        self.largest_residual = max(self.largest_residual, residual)
        self.states[chosen], self.v_cell[chosen], self.i_cell[chosen] = states, v, current

    def _balance_all(self, drive: FloatArray, v: FloatArray, states: FloatArray, instants: FloatArray) -> None:
        """Correct voltages `v` (instant, row, column) that are nearly right until the network is in balance."""
        before = np.inf
        for _ in range(_ROUNDS):
            change = self._correct(drive, v, states)
            largest = float(np.abs(change).max())
            if not largest <= before:
                break
            v -= change
            if largest <= _BALANCED * self._scale:
                return
            if largest > _SLOW * before:
                self._factorise(v[len(v) // 2], states[len(v) // 2])
            before = largest
        for number, instant in enumerate(instants):
            v[number] = self._balance(drive[number], v[number], states[number], float(instant))
