"""What is derived from the equations of a device: its derivatives, and where they are not smooth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy
from numpy.typing import NDArray

from spicecim.devices.device import Slopes
from spicecim.devices.expressions import (
    Expression,
    FloatArray,
    Program,
    derivative,
    kinks,
    substituted,
    symbol,
    symbols_of,
)
from spicecim.devices.states_cell import StateProgram, StateTerms
from spicecim.devices.traced import traced
from spicecim.errors import ModelError

if TYPE_CHECKING:
    from spicecim.devices.memristor import Memristor

_LARGEST_VOLTAGE = 1e3
"""Of those (V) at which kinks are looked for. Those that lie at a parameter's value are found wherever they are."""
_SAMPLES = 2000
"""Of each sign of the voltage, over 12 decades; of states over their range."""
_MOST_ITERATIONS = 200
"""Each halves the bounds at least, in the end."""
_SAME = 1e-9
"""Relative distance of two kinks that are one."""


class Equations:
    """The equations of a device, traced, and what follows from them.

    Attributes
    ----------
    outputs
        Expressions of the symbols ``v``, ``s``, ``u`` and the names of further states, or numbers if constant.
    voltage_breaks
        Voltages (V) at which they are not smooth whatever the state is.
    state_breaks
        States inside their range at which `Memristor.motion` is not smooth.
    switching
        Expressions that change their sign where current or rate are not smooth, at voltages that depend on the state.
    motion_is_constant
        Whether a separable rate does not depend on the state between the stops.
    """

    def __init__(self, device: Memristor) -> None:
        self.outputs = traced(device)
        s = symbol("s")
        current, rate, balance, further = self.outputs
        differences = kinks([current, rate, balance, *further])
        by_voltage = [difference for difference in differences if symbols_of(difference) == {"v"}]
        self.voltage_breaks = _distinct([root for difference in by_voltage for root in _voltages(difference)])
        self.switching = [difference for difference in differences if not symbols_of(difference) <= {"v"}]
        self.motion_is_constant = True
        self.state_breaks: tuple[float, ...] = ()
        if device.separable:
            motions = [device.motion(s, rising) for rising in (False, True)]
            self.motion_is_constant = not any(isinstance(motion, Expression) for motion in motions)
            low, high = sorted(float(value) for value in device.state_from_x([0.0, 1.0]))
            found = [root for difference in kinks(motions) for root in _states(difference, low, high)]
            self.state_breaks = _distinct(found)
        self._single: dict[str, Program] = {}
        self._has_inner, self._states = bool(device.inner), tuple(device.states)
        # a step asks for current, rate and slopes at the same voltages and states
        self._last_inner: tuple[tuple[FloatArray, ...], FloatArray] | None = None

    @cached_property
    def _slopes(self) -> Program:
        return Program([derivative(f, by) for f in self.outputs[:3] for by in "vsu"], ["v", "s", "u"])

    @cached_property
    def _balance(self) -> Program:
        balance = self.outputs.balance
        return Program([balance, derivative(balance, "u")], ["v", "s", *self._states, "u"])

    @cached_property
    def _all_states(self) -> StateProgram:
        return StateProgram(self.outputs, self._states, (), self._has_inner)

    def state_terms(self, v: FloatArray, y: FloatArray) -> StateTerms:
        """Evaluate the equations of all states at voltages (n,) and states (n, k), with their derivatives."""
        return self._all_states(v, y, self.inner(v, *y.T) if self._has_inner else 0.0)

    def slopes(self, v: Any, s: Any) -> Slopes:
        """Evaluate the derivatives at voltages and states that broadcast against each other."""
        v, s = np.asarray(v, dtype=float), np.asarray(s, dtype=float)
        u = self.inner(v, s) if self._has_inner else 0.0
        return combined_slopes(self._slopes(v, s, u), self._has_inner)

    def slope(self, function: str, by: str, v: Any, s: Any) -> FloatArray:
        """Evaluate one of these derivatives alone, which costs a fraction of all: of ``"rate"`` by ``"s"``, say."""
        if self._has_inner:
            return np.asarray(getattr(self.slopes(v, s), f"{function}_{by}"))
        name = f"{function}_{by}"
        if name not in self._single:
            self._single[name] = Program([derivative(getattr(self.outputs, function), by)], ["v", "s"])
        return self._single[name](np.asarray(v, dtype=float), np.asarray(s, dtype=float))[0]

    @cached_property
    def _motion(self) -> Program:
        current, rate = self.outputs[:2]
        return Program([current, rate, derivative(rate, "s")], ["v", "s"])

    def motion_terms(self, v: FloatArray, s: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Evaluate current, rate and the rate's derivative by the state, without an inner voltage, in one pass."""
        current, rate, slope = self._motion(v, s)
        return current, rate, slope

    @cached_property
    def _differences(self) -> Program:
        return Program(self.switching, ["v", "s", "u"])

    def differences(self, v: FloatArray, s: FloatArray) -> FloatArray:
        """Evaluate `switching` (..., kink) at voltages and states of one shape."""
        u = self.inner(v, s) if self._has_inner else np.zeros(np.shape(v))
        return stacked(self._differences(v, s, u), np.shape(v))

    def inner(self, *values: FloatArray) -> FloatArray:
        """Inner voltages at voltages, states and the values of further states.

        Raises
        ------
        ModelError
            If the balance is not finite, or there is no solution between 0 and v.
        """
        last = self._last_inner  # read once: another thread may put another in its place
        if last is None or not all(map(np.array_equal, last[0], values)):
            last = self._last_inner = tuple(map(np.array, values)), solved_balance(self._balance, values)
        return last[1]


def stacked(values: Sequence[FloatArray], shape: tuple[int, ...]) -> FloatArray:
    """Values of one shape as an array (..., value), be there any or not."""
    return np.stack(values, axis=-1) if values else np.empty((*shape, 0))


def combined_slopes(found: Sequence[FloatArray], has_inner: bool) -> Slopes:
    """Return the slopes of current and rate from the derivatives of current, rate and balance, each by v, s and u."""
    current, rate, balance = found[:3], found[3:6], found[6:]
    if not has_inner:
        return Slopes(*current[:2], *rate[:2])
    # the inner voltage follows: balance(v, s, u(v, s)) = 0
    by_v, by_s = -balance[0] / balance[2], -balance[1] / balance[2]
    return Slopes(*(part for f in (current, rate) for part in (f[0] + f[2] * by_v, f[1] + f[2] * by_s)))


def solved_balance(
    balance: Program, values: Sequence[FloatArray], given: Sequence[FloatArray] = ()
) -> FloatArray:  # fmt: skip
    """Return the inner voltages at voltages, states and further ones, which broadcast against each other.

    `balance` is evaluated at these, the inner voltage and, where they are given, parameters that points have of their
    own.

    Raises
    ------
    ModelError
        If the balance is not finite, or there is no solution between 0 and the voltage.
    """
    shape = np.broadcast_shapes(*map(np.shape, values))
    flat, own = ([np.broadcast_to(part, shape).ravel() for part in parts] for parts in (values, given))
    found = inner_voltages(lambda at, u: balance(*(part[at] for part in flat), u, *(part[at] for part in own)), flat[0])
    if np.isnan(found).any():
        at = int(np.isnan(found).argmax())
        raise ModelError(
            f"no inner voltage was found at v = {flat[0][at]:g} V with the state variable at {flat[1][at]:g}"
        )
    return found.reshape(shape)


def inner_voltages(
    balance: Callable[[NDArray[np.int_], FloatArray], Sequence[FloatArray]], v: FloatArray
) -> FloatArray:
    """Solve for voltages between 0 and v (n,) by Newton's method between bounds that close in on the solution.

    `balance` takes which of the points are asked for (m,) and voltages there, and returns what is to become zero and
    its derivative. NaN where there is no solution.
    """
    low, high = np.minimum(v, 0.0), np.maximum(v, 0.0)
    every = np.arange(len(v))
    with np.errstate(all="ignore"):
        sign = np.sign(balance(every, high)[0])
        found = np.where(sign == 0.0, high, np.nan)
        left = every[sign != 0.0]
        low, high, sign = (each[left] for each in (low, high, sign))
        u, last = np.zeros(len(left)), np.full(len(left), np.inf)
        for _ in range(_MOST_ITERATIONS):
            if not len(left):
                break
            missed, slope = balance(left, u)
            above = missed * sign >= 0.0
            low, high = np.where(above, low, u), np.where(above, u, high)
            step = -missed / slope
            least = np.maximum(4.0 * np.finfo(float).eps * np.abs(u), np.finfo(float).tiny)
            settled = (missed == 0.0) | (high - low <= least) | (np.isfinite(slope) & (np.abs(step) <= least))
            found[left[settled]] = np.where(np.isnan(missed), np.nan, u)[settled]
            # steps that do not shrink lead nowhere: those across a kink, or of what is rounding
            trusted = (u + step >= low) & (u + step <= high) & (np.abs(step) <= 0.5 * last)
            # the solution may be decades closer to 0 than the bounds
            middle = np.where(low * high > 0.0, np.sign(high) * np.sqrt(low * high), 0.5 * (low + high))
            following = np.where(trusted, u + step, middle)
            last = np.abs(following - u)
            going = ~settled
            low, high, sign, left = (each[going] for each in (low, high, sign, left))
            u, last = following[going], last[going]
    return found


@lru_cache(maxsize=256)
def equations_of(device: Memristor) -> Equations:
    """Return the equations of a device, traced once."""
    return Equations(device)


def _voltages(difference: Expression) -> list[float]:
    """Voltages at which a function of the voltage alone is zero, or begins or ceases to be."""
    slope = derivative(difference, "v")
    if not isinstance(slope, Expression):
        return [-float(substituted(difference, {"v": 0.0})) / slope] if slope else []
    magnitudes = np.geomspace(1e-9, _LARGEST_VOLTAGE, _SAMPLES)
    return _roots(difference, "v", np.concatenate([-magnitudes[::-1], [0.0], magnitudes]))


def _states(difference: Expression, low: float, high: float) -> list[float]:
    """States between two bounds at which a function of the state is zero."""
    if symbols_of(difference) != {"s"}:
        return []
    slope = derivative(difference, "s")
    if not isinstance(slope, Expression):
        roots = [-float(substituted(difference, {"s": 0.0})) / slope] if slope else []
    else:
        roots = _roots(difference, "s", np.linspace(low, high, _SAMPLES))
    return [root for root in roots if low < root < high]


def _roots(function: Expression, of: str, places: FloatArray) -> list[float]:
    """Places at which a function changes its sign, or begins or ceases to be zero."""
    program = Program([function], [of])
    with np.errstate(all="ignore"):
        signs = np.sign(program(places)[0])
    roots = []
    for index in np.flatnonzero(signs[1:] != signs[:-1]):
        ends, first, last = places[index : index + 2], signs[index], signs[index + 1]
        if not np.isfinite(first + last):
            continue
        if first and last:
            roots.append(float(scipy.optimize.brentq(lambda at: float(program(at)[0]), *ends, xtol=1e-300, rtol=1e-15)))
        else:
            roots.append(_edge(program, ends))
    return roots


def _edge(program: Program, ends: FloatArray) -> float:
    """Place between two, at one of which a function is zero, from which on it is not."""
    zero, other = (float(end) for end in (ends if program(ends[0])[0] == 0.0 else ends[::-1]))
    while True:
        middle = 0.5 * (zero + other)
        if middle in (zero, other):
            return zero
        if program(middle)[0] == 0.0:
            zero = middle
        else:
            other = middle


def _distinct(values: list[float]) -> tuple[float, ...]:
    """Sort values, and leave out those that are another but for rounding."""
    found: list[float] = []
    for value in values:
        if all(abs(value - other) > _SAME * max(abs(value), abs(other)) for other in found):
            found.append(value + 0.0)
    return tuple(sorted(found))


@lru_cache(maxsize=32)
def graded_nodes(density: int, low: float, high: float, breaks: tuple[float, ...]) -> FloatArray:
    """States from a lower to an upper bound, evenly spaced in the middle and ever closer towards either.

    Towards a bound each halving of the distance has `density` nodes, down to the resolution of a float, because a
    factor of the rate may fall to zero there. The breaks are among them. Equal arguments give one array.
    """
    step = 1.0 / 32
    tail = step * 2.0 ** -(np.arange(48 * density + 1) / density)
    middle = np.linspace(step, 1.0 - step, 30 * density + 1)[1:-1]
    inside = (np.array(breaks) - low) / (high - low)
    # a node next to a kink would make an interval too short to divide by
    middle = middle[np.all(np.abs(middle[:, None] - np.array([*inside, -1.0])) > 1e-9, axis=1)]
    places = np.unique(np.concatenate([[0.0, 1.0], tail, middle, 1.0 - tail]))
    nodes = np.asarray(np.unique(np.concatenate([low + (high - low) * places, breaks])))
    nodes.flags.writeable = False
    return nodes
