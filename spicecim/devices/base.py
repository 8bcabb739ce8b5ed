"""What a memristor model is: parameters with units and bounds, a current, and the rate of change of one state.

A model has two faces. People see `x`, the normalised state between 0 (high resistance) and 1 (low resistance). The
engines integrate `s`, the state variable of the model's own choice, which is a node voltage in the netlist. The two may
differ, because an equation that is ill conditioned in `x` (``1 - x`` below the resolution of a float) can be harmless
in another variable.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, ClassVar, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from spicecim.errors import QuantityError
from spicecim.problems import FieldError
from spicecim.quantities import UNITS, parse_quantity

FloatArray = NDArray[np.float64]

STOP_WIDTH = 1e-6
"""Distance, relative to a hard stop, over which it acts, so that the rate is continuous."""


def parameter(unit: str, description: str, default: Any = ..., **bounds: Any) -> Any:
    """Declare a model parameter: a pydantic field with its SI unit, its meaning and its bounds (``gt``, ``ge``...)."""
    return Field(default, description=description, json_schema_extra={"unit": unit}, **bounds)


def _parse_number(value: Any) -> float:
    number = parse_quantity(value)
    if number and not _SMALLEST <= abs(number) <= _LARGEST:
        raise QuantityError(f"must be 0, or between {_SMALLEST:g} and {_LARGEST:g} in magnitude")
    return number


_SMALLEST, _LARGEST = 1e-30, 1e30
"""Magnitudes of parameters in SI units: products of a few of them and their squares are within the range of a float."""

Number = Annotated[float, BeforeValidator(_parse_number)]


class Device(BaseModel):
    """A memristor model with its parameters; subclasses hold the equations.

    All methods are vectorised: `v` (volt, from the row to the column terminal) and `s` broadcast against each other.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    subcircuit: ClassVar[str]
    """Template of the behavioural subcircuit, in ``netlist_templates/``."""

    def stops(self) -> tuple[float, float] | None:
        """Lower and upper hard stop, both above zero, between which `s` runs freely; None if its rate bounds it."""
        return None

    def voltage_breaks(self) -> tuple[float, ...]:
        """Voltages (volt) at which the current or the rate is not smooth in `v`: integrators step onto them."""
        return (0.0,)

    def verilog_a_parameters(self) -> dict[str, float | int]:
        """Values of the parameters of the same names in the model's Verilog-A module, ``models/NAME.va``.

        Verilog-A has no choice by name: a parameter that is one of several texts becomes its place among them, from 0.
        """
        values: dict[str, float | int] = {}
        for name, info in type(self).model_fields.items():
            value = getattr(self, name)
            values[name] = get_args(info.annotation).index(value) if isinstance(value, str) else value
        return values

    @model_validator(mode="before")
    @classmethod
    def _read_quantities(cls, values: Any) -> Any:
        """Read texts in the unit of their parameter, and let no truth value pass for a number."""
        if not isinstance(values, dict):
            return values
        read = dict(values)
        for name, value in values.items():
            extra = cls.model_fields[name].json_schema_extra if name in cls.model_fields else None
            unit = str(extra["unit"]) if isinstance(extra, dict) else ""
            try:
                if isinstance(value, bool):
                    raise QuantityError(f"{value!r} is not a number")
                if isinstance(value, str) and unit in UNITS and unit:
                    read[name] = parse_quantity(value, unit)
            except QuantityError as error:
                raise FieldError(name, str(error)) from None
        return read

    @abstractmethod
    def state_from_x(self, x: ArrayLike) -> FloatArray:
        """State variable `s` of the normalised state `x`."""

    @abstractmethod
    def x_from_state(self, s: ArrayLike) -> FloatArray:
        """Normalised state `x` of the state variable `s`."""

    @abstractmethod
    def current(self, v: ArrayLike, s: ArrayLike) -> FloatArray:
        """Current (ampere) into the row terminal."""

    @abstractmethod
    def rate(self, v: ArrayLike, s: ArrayLike) -> FloatArray:
        """ds/dt (1/s), with stops: zero at v = 0, and at a bound that `s` moves towards."""

    def _inside(self, s: ArrayLike) -> FloatArray:
        """`s` between its stops: a time step may end a little beyond one, where the device is as at the stop."""
        s = np.asarray(s, dtype=float)
        stops = self.stops()
        return s if stops is None else np.asarray(np.clip(s, *stops))

    def _room(self, s: ArrayLike, rising: ArrayLike) -> FloatArray | float:
        """Factor of the rate that stops `s`.

        A model with hard stops slows down linearly over the last `STOP_WIDTH` (relative to the stop) before the one
        that it moves towards, and leaves a stop at full speed: the state is bounded by its own equation and never
        locks.
        """
        stops = self.stops()
        if stops is None:
            return 1.0
        lower, upper = stops
        room = np.where(rising, 1.0 - np.asarray(s) / upper, np.asarray(s) / lower - 1.0)
        return np.asarray(np.clip(room / STOP_WIDTH, 0.0, 1.0))


class SeparableDevice(Device):
    """A model whose rate separates into a factor of the voltage and one of the state, ``ds/dt = g(v) f(s)``.

    f may differ between the two directions of motion.
    """

    @abstractmethod
    def voltage_factor(self, v: ArrayLike) -> FloatArray:
        """g(v), whose sign is the direction in which `s` moves. Unit: that of ds/dt over that of `state_factor`."""

    @abstractmethod
    def state_factor(self, s: ArrayLike, rising: bool) -> FloatArray:
        """f(s) of a rising or a falling `s`, without stops: positive, and zero at a bound that it moves towards."""

    @abstractmethod
    def state_nodes(self, density: int) -> FloatArray:
        """Increasing states over the whole range of `s`, close enough to describe `state_factor` between them.

        Its kinks are among them. `density` tells how close: half of it, half as many nodes.
        """

    def rate(self, v: ArrayLike, s: ArrayLike) -> FloatArray:
        g = self.voltage_factor(v)
        rising = g > 0
        free = g * np.where(rising, self.state_factor(s, True), self.state_factor(s, False))
        return np.asarray(free * self._room(s, rising))


def graded_nodes(density: int, kinks: tuple[float, ...] = ()) -> FloatArray:
    """States from 0 to 1, evenly spaced in the middle and ever closer towards either bound, with the kinks among them.

    Towards a bound each halving of the distance has `density` nodes, down to the resolution of a float, because a
    state factor may fall to zero there.
    """
    step = 1.0 / 32
    tail = step * 2.0 ** -(np.arange(48 * density + 1) / density)
    middle = np.linspace(step, 1.0 - step, 30 * density + 1)[1:-1]
    # a node next to a kink would make an interval too short to divide by
    middle = middle[np.all(np.abs(middle[:, None] - np.array([*kinks, -1.0])) > 1e-9, axis=1)]
    return np.asarray(np.unique(np.concatenate([[0.0, 1.0], tail, middle, 1.0 - tail, kinks])))
