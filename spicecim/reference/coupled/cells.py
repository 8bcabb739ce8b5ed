"""How the cells of a crossbar follow potentials that are polynomials of time over a step.

The state of an explicit device is a functional of its voltage: by tables of its flow, split at kinks (see `flow_map`),
or by collocation of its own. Steps need not end at its kinks, and for the wires such a cell is a resistor whose state
is known. A Verilog-A module has unknowns and charges of its own: they are collocated with the wires (see
`collocation`), and their kinks are kinks of the polynomials.

Arrays are (place, cell, ...). Potentials v are the voltages over cells (place, cell), or those of row and column
(place, cell, 2) where what a cell gives its column need not be what it takes from its row; currents are alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from spicecim.devices.cell import ENDS, Cell, CellSlopes, CellTerms, WiredCell, voltage_over
from spicecim.devices.device import Device
from spicecim.fields import FloatArray
from spicecim.reference.collocation import Places, Rule, defects, evaluate, radau, solve, solve_columns, solve_stages
from spicecim.reference.guards import NoConvergence
from spicecim.reference.tables.flow_map import FlowMotion, peaks
from spicecim.reference.tables.kinks import evaluate as evaluate_polynomial
from spicecim.reference.wires.capacitance import CapacitiveNetwork
from spicecim.reference.wires.network import Network
from spicecim.reference.wires.nodal import Blocks

if TYPE_CHECKING:
    from spicecim.reference.coupled.step import Course, Linearized, State

_IMPLICIT_SHARE = 0.1
"""Allowed error of the unknowns of modules, relative to the tolerance: it is the error of the stages themselves."""
_POTENTIAL_SHARE = 100.0
"""Allowed error of potentials that move states by their mean over the step alone, relative to the tolerance."""
_LEFT_SHARE = 0.3
"""Allowed error of the same where they are solved for once more, relative to the tolerance."""
_SETTLED, _IMPLICIT_SETTLED = 0.1, 2e-3
"""Last change of the potentials at the stages, relative to the tolerance."""
_STAGES_SETTLED = 0.1
"""Allowed error of the modules' stages relative to that of their unknowns."""
_MOTION_SETTLED = 3e-8
"""Allowed error of a collocated state before its last correction, relative to its scale: it squares what is left."""
_FARTHEST_GUESS = 2.0
"""Ratio of a step to the last up to which that is extrapolated."""
_LEAST_PLACE = 1e-15
"""Place in a step where a state is taken to be that of the start."""


class Allowed(NamedTuple):
    """Allowed errors of a step."""

    y: FloatArray
    """Of the cells' unknowns (cell, k)."""
    potential: float
    """Of the potentials between the stages (V)."""
    left: float
    """Of what is left of that where the equations are solved once more (V)."""
    settled: float
    """Of the last change of those at the stages (V)."""


class Terms(NamedTuple):
    """What the equations of the cells say at the stages of a step, as far as they have such parts."""

    currents: FloatArray
    """Currents into the cells (stage, cell, ...), ampere."""
    resistive: Any = None
    """Resistive parts of the residuals (stage, cell, k)."""
    reactive: Any = None
    """Reactive parts, with those at the start (stage + 1, cell, k)."""
    charge: Any = None
    """Charges of the currents, with those at the start (stage + 1, cell, 2)."""
    charge_currents: Any = None
    """Derivatives of `charge` by time at the stages (stage, cell, 2)."""


class Reply(NamedTuple):
    """What cells answer to potentials at places in a step, corrected by the implicit Euler method."""

    currents: FloatArray
    """Currents into the cells (place, cell, ...), ampere."""
    corrected: FloatArray
    """The same with the unknowns that they would have at these potentials."""
    alone: Any = None
    """What to take off their unknowns for that (place, cell, k), where they have any."""
    own: Any = None
    """Derivatives of their residuals by their unknowns (place, cell, k, k)."""


class Cells(Protocol):
    """Cells over time steps."""

    explicit: bool
    """Whether the potentials determine the states, and both the currents."""

    def start(self, v: FloatArray, states: FloatArray) -> FloatArray:
        """Unknowns (cell, k) at time 0 with these states (cell,) and potentials (cell, ...)."""

    def initial_terms(self, v: FloatArray, y: FloatArray) -> Terms:
        """Evaluate the equations at one instant: arrays without stages."""

    def state(self, y: FloatArray) -> FloatArray:
        """State variables (...) among unknowns (..., k)."""

    def further(self, y: FloatArray) -> FloatArray:
        """What cells start with beside their states (..., m) among unknowns (..., k)."""

    def scales(self, y: FloatArray) -> FloatArray:
        """Magnitudes (cell, k) that changes of the unknowns count relative to."""

    def held(self, v: FloatArray, states: FloatArray) -> tuple[FloatArray, Blocks]:
        """Currents (cell, ...) at rest with the states (cell,) held, and the admittances there."""

    def linear(self, time: float, v: FloatArray, y: FloatArray) -> LinearCells | Conductances:
        """Linearize at one instant."""

    def allowed(self, y: FloatArray, scale: float, tolerance: float) -> Allowed:
        """Return the allowed errors of a step from unknowns y (cell, k), with a scale of voltages (V)."""

    def stages(
        self, start: State, length: float, where: Places, v: FloatArray, guess: FloatArray, allowed: Allowed,
        checked: bool,
    ) -> tuple[FloatArray, FloatArray]:  # fmt: skip
        """Unknowns (stage, cell, k) at the stages for potentials v (stage, cell, ...).

        And of explicit cells at the checks, if these are to be `checked`.

        Raises
        ------
        NoConvergence
            If there is no solution.
        """

    def terms(self, start: State, length: float, where: Places, v: FloatArray, y: FloatArray) -> Terms:
        """Evaluate the equations at the stages."""

    def reply(self, course: Course, linear: Linearized, where: Places, v: FloatArray, y: FloatArray) -> Reply:
        """Evaluate the equations at places in a solved step, with the derivatives by time of its polynomials."""

    def follow(self, linear: Linearized, reply: Reply, change: FloatArray, network: Network) -> FloatArray:
        """What to take off the unknowns (place, cell, k) along with a change of the network's (place, unknown)."""

    def at(self, course: Course, where: Places) -> FloatArray:
        """Unknowns (place, cell, k) at places in a solved step."""

    def kinks(self, v: FloatArray, y: FloatArray) -> FloatArray:
        """What changes its sign where a step had better end (place, cell, kink), as the equations are not smooth."""

    def kink_magnitudes(self, scale: float) -> FloatArray:
        """What the magnitudes of these may be (kink,), with a scale of voltages (V)."""

    def settling_time(self, state: State, cell: int) -> float:
        """Time constant (s) of a cell's state, which a hard stop makes short; infinite where none is known."""


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
        return Conductances(g if v.ndim == 1 else g[:, None, None] * (ENDS[:, None] * ENDS))

    def allowed(self, y: FloatArray, scale: float, tolerance: float) -> Allowed:
        least = tolerance * scale
        return Allowed(np.full((1, 1), tolerance), _POTENTIAL_SHARE * least, _LEFT_SHARE * least, _SETTLED * least)

    def stages(
        self, start: State, length: float, where: Places, v: FloatArray, guess: FloatArray, allowed: Allowed,
        checked: bool,
    ) -> tuple[FloatArray, FloatArray]:  # fmt: skip
        voltages = self._over(np.concatenate([start.v[None], v]))
        places = self._places if checked else self._rule.stages
        states = self.motion.states(self._rule, voltages, length, start.y[:, 0], places)[:, :, None]
        if checked:
            states = states[self._found]
        return states[: len(v)], states[len(v) :]

    def terms(self, start: State, length: float, where: Places, v: FloatArray, y: FloatArray) -> Terms:
        return Terms(self._currents(v, y))

    def reply(self, course: Course, linear: Linearized, where: Places, v: FloatArray, y: FloatArray) -> Reply:
        currents = self._currents(v, y)
        return Reply(currents, currents)

    def follow(self, linear: Linearized, reply: Reply, change: FloatArray, network: Network) -> FloatArray:
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
        finer[::2], finer[1::2] = self._over(course.v), self._over(v[self._middles])
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
        return self.device.switching(self._over(v), y[..., 0])

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
        return np.asarray(self.device.current(v[..., 0] - v[..., 1], y[..., 0])[..., None] * ENDS)

    @staticmethod
    def _over(v: FloatArray) -> FloatArray:
        """Voltages (place, cell) over cells by potentials (place, cell, ...)."""
        return v if v.ndim == 2 else np.asarray(v[..., 0] - v[..., 1])


class ImplicitCells(Cells):
    """Any cells, by collocation of their unknowns.

    Parameters
    ----------
    cell
        The equations of every cell, by the potentials of its row and column.
    rule
        The collocation of the steps.
    further
        What each cell starts with beside its state (cell, m), NaN for what is in equilibrium; None for nothing.
    """

    explicit = False

    def __init__(self, cell: WiredCell, rule: Rule, further: FloatArray | None) -> None:
        self.cell, self._rule, self._further = cell, rule, further
        self._still = [cell.state_index]
        if further is not None:
            self._still += np.array(cell.further)[~np.isnan(further).any(axis=0)].tolist()

    def start(self, v: FloatArray, states: FloatArray) -> FloatArray:
        return self.cell.start(v, states, self._further)

    def initial_terms(self, v: FloatArray, y: FloatArray) -> Terms:
        terms = self.cell.terms(np.zeros(len(v)), v, y)
        return Terms(terms.current, terms.flow, terms.charge.copy(), terms.current_charge.copy())

    def state(self, y: FloatArray) -> FloatArray:
        return y[..., self.cell.state_index]

    def further(self, y: FloatArray) -> FloatArray:
        return y[..., list(self.cell.further)]

    def scales(self, y: FloatArray) -> FloatArray:
        return np.maximum(self.cell.scale, np.abs(y))

    def held(self, v: FloatArray, states: FloatArray) -> tuple[FloatArray, Blocks]:
        y, time = self.start(v, states), np.zeros(len(v))
        slopes = self.cell.linear(time, v, y)
        own, drive = slopes.flow_y.copy(), slopes.flow_v.copy()
        # in place of the states' equations: they do not move
        own[:, self._still], drive[:, self._still] = np.eye(own.shape[1])[self._still], 0.0
        return self.cell.terms(time, v, y).current, slopes.current_v - slopes.current_y @ np.linalg.solve(own, drive)

    def linear(self, time: float, v: FloatArray, y: FloatArray) -> LinearCells:
        return LinearCells(self.cell.linear(np.full(len(v), time), v, y))

    def allowed(self, y: FloatArray, scale: float, tolerance: float) -> Allowed:
        least = _IMPLICIT_SHARE * tolerance
        return Allowed(least * self.scales(y), least * scale, least * scale, _IMPLICIT_SETTLED * tolerance * scale)

    def stages(
        self, start: State, length: float, where: Places, v: FloatArray, guess: FloatArray, allowed: Allowed,
        checked: bool,
    ) -> tuple[FloatArray, FloatArray]:  # fmt: skip
        count = len(start.y)
        y, converged = solve_stages(
            self.cell, self._rule, np.repeat(where.time[None], count, axis=0), np.full(count, length), v.swapaxes(0, 1),
            start.reactive, guess.swapaxes(0, 1), _STAGES_SETTLED * allowed.y,
        )  # fmt: skip
        if not converged.all():
            raise NoConvergence
        return y.swapaxes(0, 1), guess[:0]

    def terms(self, start: State, length: float, where: Places, v: FloatArray, y: FloatArray) -> Terms:
        found = self._evaluate(where, v, y)
        charge = np.concatenate([start.charge[None], found.current_charge])
        charge_currents = combine(self._rule.slope / length, charge[1:] - charge[0])
        reactive = np.concatenate([start.reactive[None], found.charge])
        return Terms(found.current + charge_currents, found.flow, reactive, charge, charge_currents)

    def reply(self, course: Course, linear: Linearized, where: Places, v: FloatArray, y: FloatArray) -> Reply:
        terms, known, shift = self._evaluate(where, v, y), course.terms, linear.shift
        own = terms.flow_jacobian + shift * terms.charge_jacobian
        off = terms.flow - combine(where.slopes, known.resistive)
        off += shift * (terms.charge - combine(where.values, known.reactive))
        currents = terms.current + combine(where.slopes, known.charge_currents)
        currents += shift * (terms.current_charge - combine(where.values, known.charge))
        alone = solve(own, off)
        corrected = currents - np.einsum("nak,mnk->mna", linear.implicit.response(shift), alone)
        return Reply(currents, corrected, alone, own)

    def follow(self, linear: Linearized, reply: Reply, change: FloatArray, network: Network) -> FloatArray:
        assert isinstance(network, CapacitiveNetwork)
        moved = np.einsum("nka,mna->mnk", linear.implicit.drive(linear.shift), network.at_cells(change))
        return np.asarray(reply.alone - solve(reply.own, moved))

    def at(self, course: Course, where: Places) -> FloatArray:
        return combine(where.values, course.y)

    def missed_at_peaks(self, course: Course, allowed: Allowed, begin: float) -> float:
        """Error of the unknowns where the voltages peak, between all places, relative to the allowed.

        `begin` is the start of the step (s).
        """
        which, place = peaks(self._rule, course.v[:, :, 0] - course.v[:, :, 1])
        v = np.einsum("ms,sma->ma", self._rule.values(place), course.v[:, which])
        time = begin + place * course.length
        y, resistive, reactive = (
            part[:, which].swapaxes(0, 1) for part in (course.y, course.terms.resistive, course.terms.reactive)
        )
        missed = defects(self.cell.of_cells(which), self._rule, place, time, v, course.length, y, resistive, reactive)
        return float((missed / allowed.y[which]).max(initial=0.0))

    def kinks(self, v: FloatArray, y: FloatArray) -> FloatArray:
        return np.asarray((v[..., 0] - v[..., 1])[..., None] - np.atleast_2d(self.cell.voltage_breaks()))

    def kink_magnitudes(self, scale: float) -> FloatArray:
        return np.array([scale])

    def settling_time(self, state: State, cell: int) -> float:
        return np.inf

    def _evaluate(self, where: Places, v: FloatArray, y: FloatArray) -> CellTerms:
        places, cells = y.shape[:2]
        cell = self.cell.of_cells(np.tile(np.arange(cells), places))
        return evaluate(cell, np.broadcast_to(where.time[:, None], y.shape[:2]), v, y)


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


@dataclass(frozen=True)
class LinearCells:
    """Cells linearized at one instant, whose d/dt is a factor: the Laplace variable `shift` (1/s)."""

    slopes: CellSlopes

    def drive(self, shift: complex) -> Blocks:
        """What the potentials add to the equations of the unknowns (cell, k, 2)."""
        return self.slopes.flow_v + shift * self.slopes.charge_v

    def response(self, shift: complex) -> Blocks:
        """What the unknowns add to the currents (cell, 2, k)."""
        return self.slopes.current_y + shift * self.slopes.current_charge_y

    def direct(self, shift: complex) -> Blocks:
        """What the potentials add to the currents (cell, 2, 2) with the unknowns held."""
        return self.slopes.current_v + shift * self.slopes.current_charge_v

    def admittance(self, shift: complex) -> Blocks:
        """Currents into row and column by their potentials (cell, 2, 2), the unknowns following: siemens."""
        own = self.slopes.flow_y + shift * self.slopes.charge_y
        return np.asarray(self.direct(shift) - self.response(shift) @ solve_columns(own, self.drive(shift)))


def combine(matrix: FloatArray, values: FloatArray) -> FloatArray:
    """Apply a matrix (m, n) to values (n, ...)."""
    return np.asarray((matrix @ values.reshape(len(values), -1)).reshape(len(matrix), *values.shape[1:]))
