"""A device model as one class: parameters with units and bounds, a state, a current and a rate.

A model has two faces. People see `x`, the normalized state between 0 (high resistance) and 1 (low resistance). The
engines integrate `s`, the state variable of the model's own choice, which is a node voltage in the netlist. The two may
differ, because an equation that is ill conditioned in `x` (``1 - x`` below the resolution of a float) can be harmless
in another variable.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, PydanticUserError, model_validator
from pydantic_core import SchemaError

from spicecim.devices.cell import ExplicitCell, WiredCell
from spicecim.devices.device import Device, Slopes
from spicecim.devices.equations import equations_of, graded_nodes
from spicecim.devices.expressions import FloatArray, symbol
from spicecim.devices.methods import of_arrays, on_arrays, stopped
from spicecim.devices.parameters import problem_of, read_quantities
from spicecim.devices.states import State, rate_of, scales_of, values_at_start
from spicecim.devices.states_cell import StatesCell, StateTerms
from spicecim.errors import ModelError
from spicecim.places import current_line
from spicecim.problems import FieldError

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass as _Metaclass
else:
    _Metaclass = type(BaseModel)

STOP_WIDTH = 1e-6
"""Distance in x over which a hard stop acts, so that the rate is continuous."""


_EQUATIONS = ("current", "rate", "drive", "motion", "balance")
"""Beside the rates of further states."""
_CONVERSIONS = ("state_from_x", "x_from_state")


def _methods_outside(cls: type[Memristor], names: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """Methods that a class, or a base of it that is no device, defines anew: they are as their author wrote them."""
    for name in names:
        for base in cls.__mro__:
            if name in vars(base):
                if base is cls or not issubclass(base, Device):
                    yield name, vars(base)[name]
                break


def _separable(cls: type[Memristor]) -> bool:
    """Whether `drive` and `motion` make the rate: what is defined last, they or `rate`, counts."""
    for base in cls.__mro__:
        if base is Memristor:
            break
        parts = [name for name in ("drive", "motion") if name in vars(base)]
        # one of `Memristor` was put there, see below
        own_rate = vars(base).get("rate", Memristor.rate) is not Memristor.rate
        if parts and own_rate:
            raise ModelError(
                f"class {base.__name__} ({current_line()}): defines rate and {' and '.join(parts)}; the rate is "
                "the product of drive and motion where there are these, so leave one or the other out"
            )
        if parts or own_rate:
            return bool(parts)
    return False


class _Definition(_Metaclass):
    """Of a class that pydantic refuses, says which it is, and where."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> Any:
        try:
            with warnings.catch_warnings():
                # of a parameter that hides what the class needs there is an error
                warnings.filterwarnings("ignore", "Field name .* shadows an attribute", UserWarning)
                return super().__new__(mcs, name, bases, namespace, **options)
        except (PydanticUserError, SchemaError, NameError, TypeError) as error:
            reason = str(error).splitlines()[0]
            raise ModelError(f"class {name} ({current_line()}): {reason}") from None


class Memristor(Device, BaseModel, metaclass=_Definition):
    """Base class of device models: a subclass holds the parameters and the equations of one model.

    A subclass gives ``name``, ``title`` and ``source`` (the citation), declares its parameters by `parameter`, and
    writes `current` and either `rate` or, where the rate is a product of a function of the voltage and one of the
    state, `drive` and `motion`. These methods take float arrays that broadcast against each other and consist of
    arithmetic, comparisons and functions of numpy, without branches on their arguments (`numpy.where`, `maximum`,
    `minimum` and `clip` instead): they are evaluated as they stand by the reference engine, and traced for everything
    else (see `spicecim.devices.expressions`).

    The state variable ``s`` is x itself unless `state_from_x` and `x_from_state` say otherwise. A model without an
    equation that bounds it gives hard stops.

    Examples
    --------
    >>> import numpy as np
    >>> import spicecim as sc
    >>> from spicecim.devices.parameters import Number, parameter
    >>> class Threshold(sc.Memristor):
    ...     name, title, source = "threshold", "Ohmic cell that moves above a threshold", "an example"
    ...     Ron: Number = parameter("ohm", "resistance at x = 1", gt=0)
    ...     Roff: Number = parameter("ohm", "resistance at x = 0", above="Ron")
    ...     speed: Number = parameter("1/(V s)", "speed of x above the threshold", gt=0)
    ...     Vt: Number = parameter("V", "threshold (a magnitude)", gt=0)
    ...
    ...     def stops(self):
    ...         return 0.0, 1.0
    ...
    ...     def current(self, v, s):
    ...         return v / (self.Roff - (self.Roff - self.Ron) * self.inside(s))
    ...
    ...     def rate(self, v, s):
    ...         return self.speed * (v - np.clip(v, -self.Vt, self.Vt))
    >>> device = Threshold(Ron="1k", Roff="10k", speed=1e3, Vt=0.5)
    >>> device.rate([-1.0, 0.2, 1.0], 0.5)
    array([-500.,    0.,  500.])
    >>> device.voltage_breaks()
    (-0.5, 0.5)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]

    explicit: ClassVar[bool] = True

    ambient: ClassVar[str] = ""
    """Name of the parameter that is the ambient temperature (K), of a model that has one."""

    inner: ClassVar[str] = ""
    """What the voltage `u` of an inner node is, of a model whose current is not an explicit function: the equations
    then take it as their last argument, and `balance` is zero at it."""
    steep_balance: ClassVar[bool] = False
    """Whether `balance` is steep at u = 0 and flat beyond, as that of a selector: a circuit simulator then gets its
    tangent at 0 on the side that has no solution."""

    states: ClassVar[Mapping[str, State]] = {}
    """Further states by name, which the equations take after `s`; the rate of each is a method ``rate_NAME``."""

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        super().__pydantic_init_subclass__(**options)
        for name in cls.model_fields:
            if problem := problem_of(cls, name):
                raise ModelError(f"class {cls.__name__} ({current_line()}): {problem}")
        cls.separable = _separable(cls)
        further = map(rate_of, cls.states) if isinstance(cls.states, Mapping) else ()
        cls.explicit = not cls.states
        for name, method in _methods_outside(cls, (*_EQUATIONS, *further)):
            setattr(cls, name, on_arrays(name)(stopped(method) if name == "rate" else method))
        for name, method in _methods_outside(cls, _CONVERSIONS):
            setattr(cls, name, of_arrays(method))
        if cls.separable:
            cls.rate = Memristor.rate  # type: ignore[method-assign]  # that of a base may be another

    @of_arrays
    def state_from_x(self, x: ArrayLike) -> FloatArray:
        """State variable `s` of the normalized state `x`."""
        return x  # type: ignore[return-value]

    @of_arrays
    def x_from_state(self, s: ArrayLike) -> FloatArray:
        """Normalized state `x` of the state variable `s`."""
        return s  # type: ignore[return-value]

    @on_arrays("rate")
    def rate(self, v: Any, s: Any) -> Any:
        """ds/dt (1/s). A subclass writes it without stops; they act on what it returns."""
        drive, rising = self.drive(v), self.rises(v)
        rising = drive > 0 if rising is None else rising
        # a subclass may build its rate on this one: then the stops act on that
        return (
            drive
            * np.where(rising, self.motion(s, True), self.motion(s, False))
            * (self.room(s, rising) if self.separable else 1.0)
        )

    def balance(self, v: Any, s: Any, u: Any) -> Any:
        """Voltage (V) by which `u` is beyond the inner voltage: zero there alone, and that lies between 0 and v.

        It rises with `u`, about 1 V per volt. Where a current grows exponentially with the voltage that drives it,
        take the logarithm and compare voltages, so that Newton's method comes from ``u = 0`` to the solution.
        """
        raise NotImplementedError

    def rises(self, v: Any) -> Any:
        """Condition on the voltage under which `s` rises, where that is plain; None to go by the sign of the rate."""
        return None

    def inside(self, s: Any) -> Any:
        """`s` between its stops: a time step may end a little beyond one, where the device is as at the stop."""
        stops = self.stops()
        return s if stops is None else np.clip(s, *stops)

    def room(self, s: Any, rising: Any) -> Any:
        """Factor of the rate before the stop that `s` moves towards: 1, falling to 0 over the stop's width.

        A state leaves a stop at full speed: it is bounded by its own equation and never locks.
        """
        stops = self.stops()
        if stops is None:
            return 1.0
        lower, upper = stops
        at_lower, at_upper = self.stop_widths()
        ahead = np.where(rising, (upper - s) / at_upper, (s - lower) / at_lower)
        return np.clip(ahead, 0.0, 1.0)

    def stop_widths(self) -> tuple[Any, Any]:
        """Distances in `s` over which the lower and the upper stop act: `STOP_WIDTH` in x, if `s` is linear in x.

        A model of another state variable overrides this: where `s` changes little over x, an equal share of the range
        of `s` would be a large one of x, or of the current.
        """
        lower, upper = self.stops()  # type: ignore[misc]
        width = STOP_WIDTH * (upper - lower)
        return width, width

    def voltage_breaks(self) -> tuple[float, ...]:
        return equations_of(self).voltage_breaks

    def switching(self, v: Any, s: Any) -> FloatArray:
        return equations_of(self).differences(v, s)

    def state_nodes(self, density: int) -> FloatArray:
        equations = equations_of(self)
        low, high = sorted(float(s) for s in self.state_from_x([0.0, 1.0]))
        if equations.motion_is_constant:
            return np.array([low, high])
        return graded_nodes(density, low, high, equations.state_breaks)

    def cell(self) -> WiredCell:
        if self.states:
            return StatesCell(self, np.array([self.span(), *scales_of(self)]))
        return ExplicitCell(self)

    def further_values(self) -> list[Any]:
        return [
            getattr(self, state.start) if isinstance(state.start, str) else state.start
            for state in self.states.values()
        ]

    def further_units(self) -> dict[str, str]:
        return {name: state.unit for name, state in self.states.items()}

    def further_start(self, shape: tuple[int, int], given: Mapping[str, FloatArray]) -> FloatArray | None:
        if not self.states:
            return super().further_start(shape, given)
        starts = dict(zip(self.states, self.further_values(), strict=True))
        return values_at_start(starts, shape, given, f"the states of {self.name}")

    def state_terms(self, v: FloatArray, y: FloatArray) -> StateTerms:
        return equations_of(self).state_terms(v, y)

    def slopes(self, v: Any, s: Any) -> Slopes:
        return equations_of(self).slopes(v, s)

    def slope(self, function: str, by: str, v: Any, s: Any) -> FloatArray:
        return equations_of(self).slope(function, by, v, s)

    def motion_terms(self, v: Any, s: Any) -> tuple[FloatArray, FloatArray, FloatArray]:
        if self.inner:
            return super().motion_terms(v, s)
        return equations_of(self).motion_terms(v, s)

    @classmethod
    def units(cls) -> dict[str, str]:
        """Units of the parameters by their names."""
        return {name: str(info.json_schema_extra["unit"]) for name, info in cls.model_fields.items()}  # type: ignore[index]

    def described(self) -> dict[str, Any]:
        """Plain values of the parameters by name, for a file."""
        return self.model_dump(mode="json")

    def values(self) -> dict[str, float | int]:
        """Values of the parameters; one of several texts becomes its place among them, from 0."""
        found: dict[str, float | int] = {}
        for name, info in type(self).model_fields.items():
            value = getattr(self, name)
            found[name] = get_args(info.annotation).index(value) if isinstance(value, str) else value
        return found

    @model_validator(mode="before")
    @classmethod
    def _read_quantities(cls, values: Any) -> Any:
        return read_quantities(cls, values)

    @model_validator(mode="after")
    def _check_relations(self) -> Memristor:
        for name, info in type(self).model_fields.items():
            extra = info.json_schema_extra
            assert isinstance(extra, dict)
            for relation in ("above", "below"):
                other = str(extra.get(relation, ""))
                if not other:
                    continue
                distance = getattr(self, name) - getattr(self, other)
                if not (distance > 0 if relation == "above" else distance < 0):
                    given = (f"{each} = {getattr(self, each):g} {extra['unit']}".strip() for each in (other, name))
                    raise FieldError(name, f"must be {relation} {other}; given {' and '.join(given)}")
        return self


class Variant(NamedTuple):
    """A device whose parameters are symbols, but for those that are one of several texts: their places and texts."""

    choices: dict[str, tuple[int, str]]
    device: Memristor


def symbolic_variants(model: type[Memristor]) -> Iterator[Variant]:
    """Every choice of the parameters that are one of several texts; one variant where there are none."""
    texts = {name: texts_of(model, name) for name in model.model_fields if texts_of(model, name)}
    for chosen in itertools.product(*(enumerate(options) for options in texts.values())):
        choices = dict(zip(texts, chosen, strict=True))
        values: Any = {name: choices[name][1] if name in choices else symbol(name) for name in model.model_fields}
        yield Variant(choices, model.model_construct(**values))


def texts_of(model: type[Memristor], name: str) -> tuple[str, ...]:
    """Texts that a parameter is one of; none if it is a number."""
    choices = get_args(model.model_fields[name].annotation)
    return choices if choices and all(isinstance(choice, str) for choice in choices) else ()
