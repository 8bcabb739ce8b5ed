"""A device whose parameters are arrays: its rate and current with their derivatives, for many candidates at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from spicecim.devices import Memristor
from spicecim.devices.equations import inner_voltages
from spicecim.devices.expressions import Program, derivative, substituted, symbol, symbols_of
from spicecim.devices.traced import trace
from spicecim.errors import UnsupportedError
from spicecim.fields import FloatArray

SERIES = "series_resistance"
"""Name of the resistance (ohm) between the source and the device, which is fitted as a parameter is."""

_LEAST_SIZE = 1e-3
"""Volts per unit of excess of a limited current, at a voltage of zero."""
_DIFFERENCE = 1e-4
"""Relative change for the derivatives of the initial state, by a rule whose error is of its fourth power."""


class Slopes(NamedTuple):
    """A function of the state and of parameters, with its derivatives: by the state, and by each parameter first."""

    value: FloatArray
    by_state: FloatArray
    by_parameter: FloatArray


class Linear(NamedTuple):
    """A rate (1/s) near a state and an inner voltage: the balance of the inner voltage is followed."""

    rate: FloatArray
    by_state: FloatArray
    missed: Any
    """By how much the inner voltage (V) is to change with the state as it is; 0 where there is none."""
    inner_by_state: Any


class System(Protocol):
    """What the integrator asks of a device with parameters `p` (parameter, ...), beside which `v` and `s` broadcast.

    `u` is the inner voltage, what else has to be solved for at a voltage and a state. `limit` is the current (A) at
    which the source holds the current, infinite where it does not.
    """

    span: float
    """Range of the state variable for its errors to count relative to."""

    def start(self, x: FloatArray, p: FloatArray) -> Slopes:
        """Return the state variable of normalized states; the derivative `by_state` is that by x."""

    def inner(self, v: FloatArray, s: FloatArray, p: FloatArray, limit: FloatArray) -> FloatArray:
        """Inner voltages (V), NaN where there is none."""

    def linear(self, v: FloatArray, s: FloatArray, u: FloatArray, p: FloatArray, limit: FloatArray) -> Linear:
        """Rate at inner voltages that need not fit."""

    def slopes(
        self, function: str, v: FloatArray, s: FloatArray, u: FloatArray, p: FloatArray, limit: FloatArray
    ) -> Slopes:
        """``"rate"`` (1/s) or ``"current"`` (A) with all derivatives, at inner voltages that fit."""

    def device_voltage(self, v: FloatArray, s: FloatArray, u: FloatArray, p: FloatArray) -> FloatArray:
        """Voltage (V) over the device alone."""


class TracedSystem:
    """A model of the library with free parameters, traced: its derivatives are exact.

    Behind a series resistance, or where the source limits the current, the voltage over the device is an unknown of its
    own between zero and the source's; so is the inner voltage of a model that has one.

    Parameters
    ----------
    model
        Class of the model.
    values
        Values of all its parameters, and of `SERIES`.
    free
        Names of those that are arrays.
    limited
        Whether the source limits the current.

    Raises
    ------
    UnsupportedError
        If a model has further states, or has an inner voltage and is behind a limit; or if its current shows the outer
        voltage and is behind a resistance.
    """

    def __init__(
        self, model: type[Memristor], values: Mapping[str, Any], free: Sequence[str], limited: bool = False
    ) -> None:
        if model.states:
            raise UnsupportedError(
                f"model: {model.name} has further states ({', '.join(model.states)}); a fit takes models of one"
            )
        self._model, self._values, self._free = model, {**values}, [*free]
        resistance = symbol(SERIES) if SERIES in free else float(values.get(SERIES, 0.0))
        own: Any = {name: symbol(name) if name in free else value for name, value in values.items() if name != SERIES}
        current, rate, balance, _ = trace(model.model_construct(**own))
        v, u = symbol("v"), symbol("u")
        behind = SERIES in free or bool(values.get(SERIES, 0.0))
        self._inner = bool(model.inner) or behind or limited
        over_device: Any = v
        if model.inner and limited:
            raise UnsupportedError(f"{model.name}: has an inner voltage; behind a current limit that is not supported")
        if model.inner and behind:
            if "v" in symbols_of(current):
                raise UnsupportedError(
                    f"{SERIES}: the current of {model.name} is a function of the voltage and of an inner one; such a "
                    "model is not supported behind a resistance"
                )
            over_device = v - resistance * current
            rate, balance = (substituted(part, {"v": over_device}) for part in (rate, balance))
        elif self._inner and not model.inner:
            over_device = u
            current, rate = (substituted(part, {"v": u}) for part in (current, rate))
            balance = u + resistance * current - v
            if limited:
                # the size makes a voltage of a current's excess; where it is 0, its equation would hold for any current
                limit, size = symbol("limit"), np.abs(v) + _LEAST_SIZE
                # the source gives its voltage or its current: the smaller of what either would put on the device
                high = np.maximum(balance, (current / limit - 1.0) * size)
                balance = np.where(v >= 0.0, high, np.minimum(balance, (current / limit + 1.0) * size))
        inputs = ["v", "s", "u", "limit", *free]
        self._balance = Program([balance, derivative(balance, "u")], inputs)
        self._voltage = Program([over_device], inputs)
        followed = [derivative(rate, "u"), balance, derivative(balance, "u"), derivative(balance, "s")]
        of_inner = followed if self._inner else []
        self._rate = Program([rate, derivative(rate, "s"), *of_inner], inputs)
        of_balance = [derivative(balance, name) for name in ("u", "s", *free)] if self._inner else []
        self._full = {
            name: Program([part, *(derivative(part, by) for by in ("u", "s", *free)), *of_balance], inputs)
            for name, part in (("rate", rate), ("current", current))
        }
        nominal = model.model_construct(**{name: value for name, value in values.items() if name != SERIES})
        self.span = nominal.span()

    def linear(self, v: FloatArray, s: FloatArray, u: FloatArray, p: FloatArray, limit: FloatArray) -> Linear:
        rate, by_state, *of_inner = self._rate(v, s, u, limit, *p)
        if not self._inner:
            return Linear(rate, by_state, 0.0, 0.0)
        by_inner, missed, of_u, of_s = of_inner
        change, follow = -missed / of_u, -of_s / of_u
        return Linear(rate + by_inner * change, by_state + by_inner * follow, change, follow)

    def slopes(
        self, function: str, v: FloatArray, s: FloatArray, u: FloatArray, p: FloatArray, limit: FloatArray
    ) -> Slopes:
        value, by_u, *slopes = self._full[function](v, s, u, limit, *p)
        if self._inner:
            half = len(slopes) // 2
            slopes, balance_u, of_balance = slopes[:half], slopes[half], slopes[half + 1 :]
            slopes = [slope - by_u * other / balance_u for slope, other in zip(slopes, of_balance, strict=True)]
        return Slopes(value, slopes[0], np.array(slopes[1:]).reshape(-1, *value.shape))

    def device_voltage(self, v: FloatArray, s: FloatArray, u: FloatArray, p: FloatArray) -> FloatArray:
        return self._voltage(v, s, u, np.inf, *p)[0]

    def inner(self, v: FloatArray, s: FloatArray, p: FloatArray, limit: FloatArray) -> FloatArray:
        shape = np.broadcast_shapes(v.shape, s.shape)
        if not self._inner:
            return np.zeros(shape)
        v, s, limit = (np.broadcast_to(part, shape).ravel() for part in (v, s, limit))
        p = np.broadcast_to(p, (len(p), *shape)).reshape(len(p), len(v))
        found = inner_voltages(lambda at, u: self._balance(v[at], s[at], u, limit[at], *p[:, at]), v)
        return found.reshape(shape)

    def start(self, x: FloatArray, p: FloatArray) -> Slopes:
        given = dict(zip(self._free, p, strict=True))

        def state(x: FloatArray, changed: Mapping[str, FloatArray]) -> FloatArray:
            values = {name: changed.get(name, value) for name, value in self._values.items() if name != SERIES}
            return np.asarray(self._model.model_construct(**values).state_from_x(x))

        def slope(center: FloatArray, width: FloatArray, of: Any) -> FloatArray:
            near = of(center + width) - of(center - width)
            far = of(center + 2.0 * width) - of(center - 2.0 * width)
            return np.asarray((8.0 * near - far) / (12.0 * width))

        with np.errstate(all="ignore"):
            by_x = slope(x, _DIFFERENCE * np.minimum(x, 1.0 - x), lambda at: state(at, given))
            by_parameter = [
                slope(value, _DIFFERENCE * np.abs(value), lambda at, name=name: state(x, {**given, name: at}))
                if name != SERIES and (value != 0.0).all()
                else np.zeros_like(x)
                for name, value in given.items()
            ]
            value = state(x, given)
        return Slopes(value, np.where(np.isfinite(by_x), by_x, 0.0), np.array(by_parameter).reshape(-1, len(x)))
