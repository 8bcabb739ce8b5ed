"""One time step of a whole crossbar: cells and wires solved together at the stages of a collocation rule.

For given potentials of the wires the cells are followed one by one (see `explicit_cells`, `implicit_cells`). What their
currents then leave of the drivers' voltages corrects the potentials, by Newton's method with one linearization for all
stages (Hairer and Wanner, see `collocation`, section IV.8): where something stores charge, the stages fall apart in the
eigenbasis of the rule's matrix into crossbars with d/dt = s a number, some of them complex; where nothing does, all
stages are one network, and its factors serve steps of any length.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from spicecim.devices.device import Device
from spicecim.errors import ConvergenceError
from spicecim.fields import FloatArray
from spicecim.reference.collocation import Places, Rule, lobatto, radau
from spicecim.reference.coupled.cells import Allowed, combine
from spicecim.reference.coupled.co_content import solve_increasing
from spicecim.reference.coupled.course import Course, State, Terms
from spicecim.reference.coupled.explicit_cells import ExplicitCells
from spicecim.reference.coupled.implicit_cells import ImplicitCells, LinearCells
from spicecim.reference.guards import NoConvergence
from spicecim.reference.wires.capacitance import CapacitiveNetwork
from spicecim.reference.wires.floating import FloatingCapacitiveNetwork, FloatingNetwork
from spicecim.reference.wires.network import Network
from spicecim.testbench import Testbench

DEGREE, STAGES = 4, 5
"""Degree of the polynomials where nothing stores charge, and stages of the Radau rule where something does."""
_ROUNDS = 25
SLOW = 0.1
"""Ratio of successive changes from which on the crossbar is linearized anew."""
_STUCK = 0.9
_ROUNDING = 1e-13
"""Change relative to the largest potential, below which it is rounding and need not be less than the one before."""
_ROUGHLY = 10.0
"""Estimated error of a floating line's potential, relative to the last change that is allowed, beyond which stages are
solved one by one."""


@dataclass(frozen=True)
class System:
    """What is solved: cells, the wires around them, and the polynomials of the steps."""

    cells: ExplicitCells | ImplicitCells
    network: Network
    rule: Rule
    checks: FloatArray
    """Places at which the equations are looked at away from the stages."""

    @property
    def resistive_floating(self) -> bool:
        """Whether lines float among explicit cells, and nothing stores charge: see `co_content`."""
        network = self.network
        return self.cells.explicit and not network.stores and isinstance(network, FloatingNetwork) and network.floats


def system(device: Device, testbench: Testbench, crossbars: int | None = None) -> System:
    """Choose how the crossbar of a testbench is solved, or several of them that differ in the device's cells alone."""
    crossbar, shape = testbench.crossbar, testbench.shape
    lines = testbench.lines()
    stores = not device.explicit or crossbar.parasitics().storing or lines.dynamic
    network: Network
    if lines.free.any():
        network = (FloatingCapacitiveNetwork if stores else FloatingNetwork)(crossbar, shape, lines)
    else:
        network = CapacitiveNetwork(crossbar, shape) if stores else Network(crossbar, shape, crossbars)
    rule = radau(STAGES) if stores else lobatto(DEGREE)
    checks = rule.checks if stores else rule.middles
    cells: ExplicitCells | ImplicitCells
    if device.explicit:
        cells = ExplicitCells(device, int(np.prod(network.cells)), rule, checks)
    else:
        further = device.further_start(shape, crossbar.states)
        each = None if further is None else further.reshape(-1, further.shape[-1])
        cells = ImplicitCells(device.cell(), rule, each)
    if isinstance(network, FloatingNetwork):
        volt = testbench.lines().largest_voltage() or 1.0
        v = np.full(crossbar.state.size, volt)
        v = np.stack([v, np.zeros_like(v)], axis=1) if stores else v
        network.weigh(volt, cells.held(v, device.state_from_x(crossbar.state).ravel())[0])
    return System(cells, network, rule, checks)


class Linearized:
    """A crossbar linearized at one instant, for steps of one length or, where nothing stores, of any.

    Raises
    ------
    ConvergenceError
        If conductances are too far apart for the digits of a float.
    """

    def __init__(self, system: System, time: float, v: FloatArray, y: FloatArray, length: float) -> None:
        self._network, self._rule, self.length = system.network, system.rule, length
        self.cells = system.cells.linear(time, v, y)
        self.shift = float(self._rule.modes.values[0].real / length) if self._network.stores else 0.0
        """d/dt of the real mode (1/s)."""
        self._real = self._network.factorize(self.shift, self.cells.admittance(self.shift))
        self.rate = SLOW
        """Ratio of the last successive changes that it made."""

    def serves(self, length: float) -> bool:
        """Whether it is one for steps of a length."""
        return self.length == length or not self._network.stores

    def correction(self, missed: FloatArray) -> FloatArray:
        """What to take off unknowns (m, unknown) for voltages that they miss, each by itself."""
        return self._real.correction(missed.reshape(len(missed), *self._network.each)).reshape(missed.shape)

    def stages_correction(self, missed: FloatArray) -> FloatArray:
        """The same at the stages (stage, unknown), whose derivatives by time depend on each other."""
        if not self._network.stores:
            return self.correction(missed)
        modes = self._rule.modes
        parts = modes.inverse @ missed
        change = np.outer(modes.vectors[:, 0], self.correction(parts[:1].real)[0]).real
        for mode, factors in enumerate(self._complex, start=1):
            change += 2.0 * np.outer(modes.vectors[:, mode], factors.correction(parts[mode : mode + 1])[0]).real
        return np.asarray(change)

    @cached_property
    def _complex(self) -> list[Any]:
        shifts = self._rule.modes.values[1:] / self.length
        return [self._network.factorize(complex(shift), self.cells.admittance(shift)) for shift in shifts]


class Solved(NamedTuple):
    """A solved step."""

    course: Course
    linear: Linearized
    """Its linearization."""
    checks: FloatArray
    """Unknowns of explicit cells at the checks (check, cell, k), by the potentials of the last round."""
    off: FloatArray | None
    """How far the polynomials of the network's unknowns are off there (check, unknown), if that is known."""


class Correction(NamedTuple):
    """How far cells and wires are from their equations at places in a step, and what they carry there."""

    y: FloatArray
    """What to take off the unknowns of the cells (place, cell, k)."""
    p: FloatArray
    """What to take off those of the network (place, unknown)."""
    missed: FloatArray
    """Voltages (place, unknown) by which these miss what the currents leave of the drivers'."""
    currents: FloatArray
    """Currents into the cells (place, cell, ...) before."""
    slopes: Any
    """Derivatives of the unknowns of the network by time (place, unknown) before, where it stores."""


def solve_step(
    system: System,
    start: State,
    length: float,
    places: tuple[Places, Places],
    guess: tuple[FloatArray, FloatArray],
    allowed: Allowed,
    linear: Linearized | None,
    linearized: Callable[[float, FloatArray, FloatArray], Linearized],
) -> Solved:
    """Solve a step.

    Where nothing stores charge, the network is solved at the checks along with the last round: that costs hardly more.

    Parameters
    ----------
    system
        What is solved.
    start
        Where it starts.
    length
        Length of the step (s).
    places
        The stages and the checks.
    guess
        Unknowns of the cells (stage, cell, k) and the network (stage, unknown) at the stages to begin with.
    allowed
        Allowed errors.
    linear
        A linearization for this length to begin with, if there is one.
    linearized
        Gives another, at an instant, potentials (cell, ...) and unknowns (cell, k).

    Raises
    ------
    NoConvergence
        If no solution is found.
    """
    p = guess[1]
    try:
        solved = _solve_together(system, start, length, places, guess, allowed, linear, linearized)
        if not system.resistive_floating:
            return solved
        p = solved.course.p[1:]
        if missed_potentials(system, solved.course.v[1:], solved.course.y[1:]) <= _ROUGHLY * allowed.settled:
            return solved
    except NoConvergence:
        if not system.resistive_floating:
            raise
    # a cell that opens within the step makes a line float from one potential to another: no linearization serves both
    return _solve_one_by_one(system, start, length, places, p, allowed, linearized)


def missed_potentials(system: System, v: FloatArray, y: FloatArray) -> float:
    """By how much floating lines miss their potentials (V), with voltages v and unknowns y of the cells (place, cell).

    See `FloatingNetwork.missed_potentials`.
    """
    cells, network = system.cells, system.network
    assert isinstance(cells, ExplicitCells)
    assert isinstance(network, FloatingNetwork)
    states = cells.state(y)
    return network.missed_potentials(cells.device.current(v, states), cells.device.slope("current", "v", v, states))


def _solve_together(
    system: System, start: State, length: float, places: tuple[Places, Places], guess: tuple[FloatArray, FloatArray],
    allowed: Allowed, linear: Linearized | None, linearized: Callable[[float, FloatArray, FloatArray], Linearized],
) -> Solved:  # fmt: skip
    """Solve a step by one linearization for all stages."""
    cells, network, rule = system.cells, system.network, system.rule
    stages, checked = places
    everywhere = Places(*(np.concatenate(parts) for parts in zip(stages, checked, strict=True)))
    count, (y, p) = rule.degree, guess
    before, fresh = np.inf, False
    volts = max(float(np.abs(part).max(initial=0.0)) for part in (stages.drive, start.p, p))
    rounding = min(_ROUNDING * volts, allowed.settled)
    for _ in range(_ROUNDS):
        # this round's change and the next one's, if all goes on as it did
        last = not network.stores and linear is not None and before * linear.rate**2 <= allowed.settled
        where, tried = stages, p
        if last:
            where, tried = everywhere, np.concatenate([p, checked.values @ np.concatenate([start.p[None], p])])
        v = network.terminals(where.drive, tried)
        y, checks = cells.stages(start, length, stages, v[:count], y, allowed, last or network.stores)
        if np.isnan(y).any() or np.isnan(checks).any():
            raise NoConvergence
        terms = cells.terms(start, length, stages, v, np.concatenate([y, checks]) if last else y)
        if linear is None:
            linear, fresh = linearized(float(stages.time[count // 2]), v[count // 2], y[count // 2]), True
        slopes = rule.slope @ (p - start.p) / length if network.stores else None
        missed = network.misses(where.drive, tried, terms.currents, slopes)
        change = linear.stages_correction(missed)
        largest = _largest(change[:count])
        rate = largest / before if before and largest > rounding else 0.0
        # What an explicit cell carries is known once the potentials are: they are better with this last change, by what
        # the changes to come would add up to.
        expected = largest
        if cells.explicit:
            expected = rate * largest / (1.0 - rate) if rate < 1.0 else np.inf
        if np.isfinite(before) and expected <= allowed.settled and (last or network.stores):
            off = None
            if cells.explicit:
                p = p - change[:count]
                v = network.terminals(stages.drive, p)
                slopes = rule.slope @ (p - start.p) / length if network.stores else None
            if last:
                terms = Terms(terms.currents[:count])
                off = checked.values @ np.concatenate([start.p[None], p]) - (tried[count:] - change[count:])
            course = Course(
                length, np.concatenate([start.y[None], y]), np.concatenate([start.p[None], p]),
                np.concatenate([start.v[None], v]), terms, slopes,
            )  # fmt: skip
            return Solved(course, linear, checks, off)
        if rate > _STUCK and fresh:
            raise NoConvergence
        if rate > SLOW and not fresh and (expected if cells.explicit else rate * largest) > allowed.settled:
            linear, fresh = linearized(float(stages.time[count // 2]), v[count // 2], y[count // 2]), True
            change = linear.stages_correction(missed)
            largest = _largest(change[:count])
        elif np.isfinite(before):
            linear.rate = rate
        p = p - change[:count]
        before = largest
    raise NoConvergence


def _solve_one_by_one(
    system: System, start: State, length: float, places: tuple[Places, Places], guess: FloatArray, allowed: Allowed,
    linearized: Callable[[float, FloatArray, FloatArray], Linearized],
) -> Solved:  # fmt: skip
    """Solve a step in which nothing stores charge: stage by stage and check by check, states and potentials in turn."""
    cells, network, rule = system.cells, system.network, system.rule
    assert isinstance(cells, ExplicitCells)
    stages, checked = places
    where = Places(*(np.concatenate(parts) for parts in zip(stages, checked, strict=True)))
    count, scale, before = rule.degree, float(np.abs(where.drive).max()) or 1.0, np.inf
    p = np.concatenate([guess, checked.values @ np.concatenate([start.p[None], guess])])
    for _ in range(_ROUNDS):
        v = network.terminals(where.drive, p)
        y, checks = cells.stages(start, length, stages, v[:count], start.y[None], allowed, True)
        states = np.concatenate([y, checks])[..., 0]
        if np.isnan(states).any():
            raise NoConvergence
        try:
            found, _ = solve_increasing(cells, network, where.drive, states, v, scale)
        except ConvergenceError:
            raise NoConvergence from None
        change = _largest(found - p)
        if change <= allowed.settled:
            break
        if change > _STUCK * before:
            raise NoConvergence
        p, before = found, change
    else:
        raise NoConvergence
    known = np.concatenate([start.p[None], p[:count]])
    course = Course(
        length, np.concatenate([start.y[None], y]), known, np.concatenate([start.v[None], v[:count]]),
        Terms(cells.terms(start, length, stages, v[:count], y).currents), None,
    )  # fmt: skip
    linear = linearized(float(stages.time[count // 2]), v[count // 2], y[count // 2])
    return Solved(course, linear, checks, checked.values @ known - p[count:])


def correct(
    system: System, course: Course, linear: Linearized, where: Places, y: FloatArray, p: FloatArray,
    *, settled: bool = False,
) -> Correction:  # fmt: skip
    """Compare unknowns of cells (place, cell, k) and network (place, unknown) in a step with the equations there.

    The derivatives by time are those of the polynomials, and an implicit Euler step over a part of the step takes care
    of what differs from it: what is faster than the step is corrected as if it had no charge, and what is slower
    hardly. Of the polynomial itself this is the estimate of its error, wherever a kink lies (see `collocation`).

    Where they are known to be `settled`, what is to be taken off the network's is not asked for, and zero.
    """
    cells, network = system.cells, system.network
    v = network.terminals(where.drive, p)
    reply = cells.reply(course, linear.cells, linear.shift, where, v, y)
    slopes = None
    if network.stores:
        slopes = combine(where.slopes, course.slopes) + linear.shift * (p - combine(where.values, course.p))
    missed = network.misses(where.drive, p, reply.corrected, slopes)
    change = np.zeros_like(missed) if settled else linear.correction(missed)
    return Correction(
        cells.follow(linear.cells, linear.shift, reply, change, network), change, missed, reply.currents, slopes
    )


def carried(network: CapacitiveNetwork, linear: Linearized, found: Correction) -> FloatArray:
    """What a correction takes off the currents (place, cell, 2), those into the capacitances included."""
    shift, cells = linear.shift, linear.cells
    own = cells.direct(shift) + shift * network.storage[:, :, None] * np.eye(2)
    change = np.einsum("nab,mnb->mna", own, network.at_cells(found.p))
    if isinstance(cells, LinearCells):
        change += np.einsum("nak,mnk->mna", cells.response(shift), found.y)
    return np.asarray(change)


def _largest(change: FloatArray) -> float:
    """Largest magnitude.

    Raises
    ------
    NoConvergence
        If it is not finite.
    """
    largest = float(np.abs(change).max(initial=0.0))
    if not np.isfinite(largest):
        raise NoConvergence
    return largest
