"""Cells whose current and rate are functions of voltage and state: for the wires, resistors whose state is known.

The state is a functional of the voltage: by tables of its flow, split at kinks (see `tables.flow_map`), or by
collocation of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spicecim.devices.cell import ENDS, Cell, voltage_over
from spicecim.devices.device import Device
from spicecim.fields import FloatArray
from spicecim.reference.collocation import Places, Rule, defects, radau, solve_stages
from spicecim.reference.coupled.cells import Allowed, Cells, LinearizedCells, Reply
from spicecim.reference.coupled.course import Course, State, Terms
from spicecim.reference.tables.flow_map import FlowMotion, peaks
from spicecim.reference.tables.kinks import evaluate as evaluate_polynomial
from spicecim.reference.wires.network import Network
from spicecim.reference.wires.nodal import Blocks

_POTENTIAL_SHARE = 100.0
"""Allowed error of potentials that move states by their mean over the step alone, relative to the tolerance."""
_LEFT_SHARE = 0.3
"""Allowed error of the same where they are solved for once more, relative to the tolerance."""
_SETTLED = 0.1
"""Last change of the potentials at the stages, relative to the tolerance."""
_MOTION_SETTLED = 3e-8
"""Allowed error of a collocated state before its last correction, relative to its scale: it squares what is left."""
_FARTHEST_GUESS = 2.0
"""Ratio of a step to the last up to which that is extrapolated."""
_LEAST_PLACE = 1e-15
"""Place in a step where a state is taken to be that of the start."""


class ExplicitCells(Cells):
    """Devices whose current and rate are functions of voltage and state.

    Parameters
    ----------
    device
        The device of the crossbar's cells.
    cells
        Their number.
    rule
        The polynomials of the steps.
    checks
        Places at which states are wanted beside those at the stages.
    """

    explicit = True

    def __init__(self, device: Device, cells: int, rule: Rule, checks: FloatArray) -> None:
        self.of_crossbar, self._rule, self._number = device, rule, cells
        # arrays are (place, cell) here, and not (row, column)
        self.device = device.of_cells(np.arange(cells))
        self.motion = FlowMotion(self.device, cells) if device.tabulated() else CollocatedMotion(self.device)
        self._span = device.span()
        places = np.maximum(np.concatenate([rule.stages, checks]), _LEAST_PLACE)
        self._places, self._found = np.unique(places, return_inverse=True)
        # of the finer rule's places, those between are checks
        self._middles = np.abs(rule.middles[:, None] - checks).argmin(axis=1)

    def start(self, v: FloatArray, states: FloatArray) -> FloatArray:
        return states[:, None]

    def initial_terms(self, v: FloatArray, y: FloatArray) -> Terms:
        return Terms(self._currents(v, y), self.device.rate(voltage_over(v), y[:, 0]))

    def state(self, y: FloatArray) -> FloatArray:
        return y[..., 0]

    def further(self, y: FloatArray) -> FloatArray:
        return y[..., 1:]

    def scales(self, y: FloatArray) -> FloatArray:
        return np.maximum(self._span, np.abs(y))

    def held(self, v: FloatArray, states: FloatArray) -> tuple[FloatArray, Blocks]:
        return self._currents(v, states[:, None]), self.linear(0.0, v, states[:, None]).admittance(0.0)

    def linear(self, time: float, v: FloatArray, y: FloatArray) -> Conductances:
        g = self.device.slope("current", "v", voltage_over(v), y[:, 0])
        return Conductances(admittances(g, of_ends=v.ndim == 2))

    def allowed(self, y: FloatArray, scale: float, tolerance: float) -> Allowed:
        least = tolerance * scale
        return Allowed(np.full((1, 1), tolerance), _POTENTIAL_SHARE * least, _LEFT_SHARE * least, _SETTLED * least)

    def stages(
        self, start: State, length: float, where: Places, v: FloatArray, guess: FloatArray, allowed: Allowed,
        checked: bool,
    ) -> tuple[FloatArray, FloatArray]:  # fmt: skip
        voltages = voltages_over(np.concatenate([start.v[None], v]))
        places = self._places if checked else self._rule.stages
        states = self.motion.states(self._rule, voltages, length, start.y[:, 0], places)[:, :, None]
        if checked:
            states = states[self._found]
        return states[: len(v)], states[len(v) :]

    def terms(self, start: State, length: float, where: Places, v: FloatArray, y: FloatArray) -> Terms:
        return Terms(self._currents(v, y))

    def reply(
        self, course: Course, linear: LinearizedCells, shift: float, where: Places, v: FloatArray, y: FloatArray
    ) -> Reply:  # fmt: skip
        currents = self._currents(v, y)
        return Reply(currents, currents)

    def follow(
        self, linear: LinearizedCells, shift: float, reply: Reply, change: FloatArray, network: Network
    ) -> FloatArray:  # fmt: skip
        return np.zeros((1, 1, 1))

    def at(self, course: Course, where: Places) -> FloatArray:
        if course.known is not None and np.array_equal(course.known[0], where.at):
            return course.known[1]
        places, found = np.unique(np.maximum(where.at, _LEAST_PLACE), return_inverse=True)
        return self._finer_states(course, places)[found, :, None]

    def refined(
        self, course: Course, checks: FloatArray, v: FloatArray, wanted: FloatArray
    ) -> tuple[Course, FloatArray]:
        """Take account of potentials v (check, cell, ...) that are better than the polynomial's.

        Returns the step, with the unknowns at `wanted` places, and by how much that changes x (cell,) at any place:
        inside the step too, where a stop that is met hides at the end what was off before.

        `checks` are the unknowns there by the step's own polynomial.
        """
        finer = np.empty((2 * len(course.v) - 1, v.shape[1]))
        finer[::2], finer[1::2] = voltages_over(course.v), voltages_over(v[self._middles])
        course = replace(course, finer_v=finer)
        inside = self._rule.finer.stages
        places, found = np.unique(np.concatenate([np.maximum(wanted, _LEAST_PLACE), inside]), return_inverse=True)
        states = self._finer_states(course, places)[found]
        inner = states[len(wanted) :]
        before = np.empty_like(inner)
        before[1::2], before[::2] = course.y[1:, :, 0], checks[self._middles, :, 0]
        off = np.abs(self.device.x_from_state(inner) - self.device.x_from_state(before)).max(axis=0)
        y = np.concatenate([course.y[:1], inner[1::2, :, None]])
        known = wanted, states[: len(wanted), :, None]
        added = y[-1, :, 0] - course.y[-1, :, 0]
        return replace(course, y=y, added=added, known=known, inside=(before, inner)), off

    def missed_at_peaks(self, course: Course) -> float:
        """Estimated error of x for what voltages do between all places."""
        assert course.finer_v is not None
        return self.motion.missed_at_peaks(self._rule.finer, course.finer_v, course.length, course.y[0, :, 0])

    def kinks(self, v: FloatArray, y: FloatArray) -> FloatArray:
        if isinstance(self.motion, FlowMotion):  # met within a step
            return np.empty((*y.shape[:2], 0))
        return self.device.switching(voltages_over(v), y[..., 0])

    def kink_magnitudes(self, scale: float) -> FloatArray:
        cells = np.ones(self._number)
        x, v = np.meshgrid([0.0, 0.5, 1.0], [-scale, scale])
        states = self.device.state_from_x(x.reshape(-1, 1) * cells)
        return np.asarray(np.abs(self.kinks(v.reshape(-1, 1) * cells, states[..., None])).max(axis=(0, 1)))

    def settling_time(self, state: State, cell: int) -> float:
        slope = self.device.slope("rate", "s", voltage_over(state.v), state.y[:, 0])[cell]
        return 1.0 / abs(float(slope)) if slope else np.inf

    def _finer_states(self, course: Course, places: FloatArray) -> FloatArray:
        assert course.finer_v is not None
        return self.motion.states(self._rule.finer, course.finer_v, course.length, course.y[0, :, 0], places)

    def _currents(self, v: FloatArray, y: FloatArray) -> FloatArray:
        if v.ndim == y.ndim - 1:
            return np.asarray(self.device.current(v, y[..., 0]))
        return into_ends(self.device.current(v[..., 0] - v[..., 1], y[..., 0]), of_ends=True)


class CollocatedMotion:
    """How the states of any explicit device follow voltages that are polynomials of time: by Radau collocation.

    The higher the degree of the polynomials, the higher the order; what it does not resolve shows in the difference.
    """

    def __init__(self, device: Device) -> None:
        self._cell = device.cell()
        self._last: tuple[float, Rule, FloatArray] | None = None
        """Length, stages and states (stage + 1, device) of the last solution, to guess the next from."""

    def states(
        self, rule: Rule, v: FloatArray, length: float, start: FloatArray, places: FloatArray
    ) -> FloatArray:  # fmt: skip
        """Follow devices over a step, as `FlowMotion.states`; not a number where there is no solution."""
        stages, values, _, converged = self._solve(rule, v, length, start, self._cell)
        return np.where(converged, stages.values(places) @ values, np.nan)

    def missed_at_peaks(self, rule: Rule, v: FloatArray, length: float, start: FloatArray) -> float:
        """Estimate by how much x is off for what voltages do at their peaks, between all stages.

        A voltage may just reach there what sets the state in motion, a level that may depend on the state.
        """
        found = peaks(rule, v)
        some, which = np.unique(found.interval, return_inverse=True)
        if not len(some):
            return 0.0
        cell = self._cell.of_cells(some)
        stages, values, voltages, _ = self._solve(rule, v[:, some], length, start[some], cell)
        y = values.T[:, :, None]
        inner = y[:, 1:].reshape(-1, 1)
        flow = cell.terms(np.zeros(len(inner)), voltages.ravel(), inner).flow.reshape(y[:, 1:].shape)
        at_peaks = evaluate_polynomial(rule.powers @ v[:, found.interval], found.place)
        missed = defects(
            self._cell.of_cells(found.interval),
            stages,
            found.place,
            np.zeros_like(at_peaks),
            at_peaks,
            length,
            y[which],
            flow[which],
            y[which],
        )
        return float((missed / self._cell.scale).max())

    def _solve(
        self, rule: Rule, v: FloatArray, length: float, start: FloatArray, cell: Cell
    ) -> tuple[Rule, FloatArray, FloatArray, NDArray[np.bool_]]:
        """Stages, states (stage + 1, device) with those at the start, voltages (device, stage), and where they hold."""
        stages = radau(len(rule.places))
        voltages = (rule.values(stages.stages) @ v).T
        allowed = _MOTION_SETTLED * np.maximum(self._cell.scale, np.abs(start[:, None]))
        y, converged = solve_stages(
            cell, stages, np.zeros_like(voltages), np.full(len(start), length), voltages, start[:, None],
            self._guess(stages, length, start)[:, :, None], allowed,
        )  # fmt: skip
        values = np.vstack([start, y[:, :, 0].T])
        if converged.all():
            self._last = length, stages, values
        return stages, values, voltages, converged

    def _guess(self, stages: Rule, length: float, start: FloatArray) -> FloatArray:
        """States (device, stage) by the last solution, if it is one of the same step or the one before, or held."""
        if self._last is not None:
            last_length, last_stages, states = self._last
            if last_length == length and np.array_equal(states[0], start):
                return np.asarray((last_stages.values(stages.stages) @ states).T)
            if length <= _FARTHEST_GUESS * last_length and np.array_equal(states[-1], start):
                return np.asarray((last_stages.values(1.0 + stages.stages * (length / last_length)) @ states).T)
        return np.repeat(start[:, None], stages.degree, axis=1)


@dataclass(frozen=True)
class Conductances:
    """Explicit devices linearized at one instant, with their states held."""

    values: FloatArray
    """Conductances (cell,), or by row and column (cell, 2, 2), siemens."""

    def admittance(self, shift: complex) -> Blocks:
        """Return the same at any d/dt."""
        return self.values

    direct = admittance


def voltages_over(v: FloatArray) -> FloatArray:
    """Voltages (place, cell) over cells of such voltages, or of potentials (place, cell, 2) of row and column."""
    return v if v.ndim == 2 else np.asarray(v[..., 0] - v[..., 1])


def into_ends(currents: FloatArray, *, of_ends: bool) -> FloatArray:
    """Currents (..., cell) of cells, or those into both of their ends (..., cell, 2)."""
    return np.asarray(currents[..., None] * ENDS) if of_ends else currents


def admittances(conductances: FloatArray, *, of_ends: bool) -> FloatArray:
    """Conductances (cell,) of cells, or those by row and column (cell, 2, 2)."""
    return np.asarray(conductances[:, None, None] * (ENDS[:, None] * ENDS)) if of_ends else conductances
