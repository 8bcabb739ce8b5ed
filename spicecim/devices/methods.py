"""What is put around the methods of a model: stops, arrays in place of what is like them, and checks of results."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np

from spicecim.devices.equations import equations_of
from spicecim.devices.expressions import Expression
from spicecim.errors import ModelError
from spicecim.places import named

if TYPE_CHECKING:
    from spicecim.devices.memristor import Memristor


of_memristor: ContextVar[type[Memristor] | None] = ContextVar("of_memristor", default=None)
"""The model whose equations are asked for at a voltage of its own, of a class that has it in series with a selector."""

_OF_PARTS = ("drive", "motion", "balance")
"""Methods that are not functions of the voltage and the states."""


def stopped(rate: Callable[..., Any]) -> Callable[..., Any]:
    """Let the hard stops act on a rate that is written without them, once: a subclass may build on that of its base."""

    @functools.wraps(rate)
    def bounded(self: Memristor, v: Any, s: Any, *inner: Any) -> Any:
        free = _one_value(rate, rate(self, v, s, *inner))
        if getattr(type(self).rate, "__wrapped__", None) is not bounded:
            return free
        rising = self.rises(v)
        return free * self.room(s, free > 0 if rising is None else rising)

    return bounded


def _one_value(method: Callable[..., Any], result: Any) -> Any:
    """Return what a method of equations gives, if it is an expression, a number or an array of numbers."""
    if isinstance(result, Expression) or (isinstance(result, np.ndarray | np.generic) and result.dtype.kind in "biuf"):
        return result
    if not isinstance(result, float | int):
        several = ": the rate of a further state is a method of its own" if isinstance(result, tuple | list) else ""
        raise ModelError(f"{named(method)} returns {type(result).__name__}; it must return one value{several}")
    return result


def on_arrays(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let the method of equations of a name take all that is like an array, and see that its result is of their shape.

    A function that a class takes for the method may have another name, or none. Of voltages and states alone, further
    states are where they start, and the inner voltage is that there.
    """

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def equation(self: Memristor, *values: Any) -> Any:
            arrays: list[Any] = [
                value if isinstance(value, Expression | bool) else np.asarray(value, dtype=float) for value in values
            ]
            if name not in _OF_PARTS and len(arrays) == 2:
                arrays += map(np.asarray, self.further_values())
            own = method
            if name not in _OF_PARTS and self.inner and len(arrays) == 2 + len(self.states):
                alone = of_memristor.get()
                if alone is None:
                    arrays.append(equations_of(self).inner(*arrays))
                else:
                    # one of its equations asks for another: at that voltage, and not behind the selector
                    own = getattr(alone, name).__wrapped__
            result = _one_value(method, own(self, *arrays))
            if any(isinstance(value, Expression) for value in arrays):
                if isinstance(result, np.ndarray) and result.ndim:
                    raise ModelError(f"{named(method)} returns an array; it must return one value")
                return result
            shape = np.broadcast(*arrays).shape
            if np.shape(result) != shape:
                # an equation may leave out the voltage, the state or both
                try:
                    result = np.broadcast_to(result, shape)
                except ValueError:
                    raise ModelError(f"{named(method)} returns the shape {np.shape(result)}, and not {shape}") from None
            return np.asarray(result, dtype=float)

        return equation

    return decorate


def of_arrays(method: Callable[..., Any]) -> Callable[..., Any]:
    """Let a method that takes states to others take all that is like an array, and give arrays."""

    @functools.wraps(method)
    def converted(self: Memristor, values: Any) -> Any:
        if isinstance(values, Expression):
            return method(self, values)
        return np.asarray(method(self, np.asarray(values, dtype=float)), dtype=float)

    return converted
