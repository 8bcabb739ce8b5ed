"""What is checked of a device: of its class when it is registered, of every device that is built, and of each run."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np

from spicecim.devices.expressions import FloatArray, Program
from spicecim.devices.memristor import Memristor, symbolic_variants
from spicecim.devices.names import obstacle
from spicecim.devices.parameters import ATTRIBUTES
from spicecim.devices.states import check_states, rate_of, scales_of
from spicecim.devices.traced import trace, traced
from spicecim.errors import ModelError
from spicecim.places import line_of, named
from spicecim.quantities import shown

_VOLTAGES = np.array([[-1.9], [-0.62], [-0.21], [-0.011], [0.0], [0.013], [0.19], [0.58], [2.1]])
"""At which numpy's results are compared with those of the traced equations (V)."""
_X = np.array([0.0, 0.13, 0.5, 0.86, 1.0])
_SAME = 1e-6
"""Relative difference of two results that are the same but for rounding."""
_BEYOND = 0.1
"""Distance from the start, over the scale, up to which further states are tried."""
_INSIDE = np.linspace(0.0, 1.0, 65)[1:-1]


def check_model(name: str, model: Any) -> None:
    """Raise `ModelError` if something is not a device model of a name, or its equations cannot be traced."""
    if not (isinstance(model, type) and issubclass(model, Memristor)):
        raise ModelError(f"{f'{name}: ' if name else ''}must be a subclass of Memristor; it is {named(model)}")
    for attribute in ATTRIBUTES:
        text = getattr(model, attribute, None)
        if not isinstance(text, str):
            raise ModelError(f"{named(model)}: {attribute} is missing")
        if not text.isprintable():
            raise ModelError(f"{named(model)}: {attribute} must be a text of one line; it is {shown(text)}")
    if reason := obstacle(model.name):
        raise ModelError(f"{named(model)}: its name cannot be {shown(model.name)}: {reason}")
    if model.name != name:
        raise ModelError(f"{named(model)}: its name is {model.name}, and it is to be known as {shown(name)}")
    with _told_of(model):
        check_states(model)
        if model.states and model.separable:
            raise ModelError("of a class with states the rate is no product of drive and motion; write rate")
    needed = ["current", *(["motion"] if model.separable else ["rate"]), *(["balance"] if model.inner else [])]
    needed += map(rate_of, model.states)
    missing = [method for method in needed if getattr(model, method, None) is getattr(Memristor, method, None)]
    if missing:
        raise ModelError(f"{named(model)}: lacks {' and '.join(missing)}")
    for method in ("current", "rate", *map(rate_of, model.states)):
        _check_arguments(model, method)
    with _told_of(model):
        for variant in symbolic_variants(model):
            _check_pair(variant.device.stops())
            trace(variant.device)


def _check_arguments(model: type[Memristor], method: str) -> None:
    """Raise `ModelError` if an equation takes more than a voltage, the states and the inner voltage."""
    function = inspect.unwrap(getattr(model, method))
    given = ["v", "s", *model.states, *(["u"] if model.inner else [])]
    needed = [
        each.name
        for each in inspect.signature(function).parameters.values()
        if each.default is each.empty and each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]
    if len(needed) > 1 + len(given):  # with the device itself
        raise ModelError(
            f"{named(function)}: {method} takes {', '.join(needed[1:])}, and gets {', '.join(given)}; a further state "
            "is declared in states of the class"
        )


def check_preset(device: Memristor) -> None:
    """Raise `ModelError` if the states of a device do not lead back to its x, or an equation gives no numbers."""
    x = np.array([0.25, 0.5, 0.75])
    with _told_of(type(device)), np.errstate(all="ignore"):
        s = device.state_from_x(x)
        back = device.x_from_state(s)
        if s.shape != x.shape or back.shape != x.shape or not np.allclose(back, x, atol=1e-6):
            raise ModelError(f"x_from_state gives {back} of the states of x = {x}")
    check_device(device)
    with _told_of(type(device)), np.errstate(all="ignore"):
        for name in ("current", "rate", *map(rate_of, device.states)):
            _check_numbers(name, _VOLTAGES, x, getattr(device, name)(_VOLTAGES, s))


def check_device(device: Memristor) -> None:
    """Raise `ModelError` if the methods of a device are not those that were traced, or do not fit each other.

    Every device that is built comes through here: what is compared is worked out once for equal ones.
    """
    with _told_of(type(device)), np.errstate(all="ignore"):
        points, expected = _expected(device)
        names = ["current", "rate", *(["balance"] if device.inner else []), *map(rate_of, device.states)]
        for name, traced_values in zip(names, expected, strict=True):
            _compare(name, getattr(device, name)(*points), traced_values, points)


@lru_cache(maxsize=256)
def _expected(device: Memristor) -> tuple[tuple[FloatArray, ...], list[FloatArray]]:
    """Voltages, states, further states and inner voltages, and what the traced equations give there."""
    s = _checked_states(device)
    if device.separable:
        _check_motion(device)
    further = [
        start + _BEYOND * scale * _X for start, scale in zip(device.further_values(), scales_of(device), strict=True)
    ]
    current, rate, balance, rates = traced(device)
    outputs, inputs, points = [current, rate, *rates], ["v", "s", *device.states], (_VOLTAGES, s, *further)
    if device.inner:
        outputs, inputs, points = [current, rate, balance, *rates], [*inputs, "u"], (*points, 0.6 * _VOLTAGES)
    return points, Program(outputs, inputs)(*points)


def _checked_states(device: Memristor) -> FloatArray:
    """States at `_X`, of which the first and the last are at the stops, if there are any."""
    s: FloatArray = device.state_from_x(_X)
    stops: Any = device.stops()
    if stops is None:
        return s
    _check_pair(stops)
    ends, given = np.sort(s[[0, -1]]), np.array(stops, dtype=float)
    if not np.isfinite(given).all() or given[0] >= given[1]:
        raise _no_stops(stops)
    if not np.allclose(given, ends, rtol=_SAME, atol=_SAME * (ends[1] - ends[0])):
        raise ModelError(
            f"stops must be the states of x = 0 and x = 1, {ends[0]:g} and {ends[1]:g}; it gives {given[0]:g} and "
            f"{given[1]:g}"
        )
    return s


def _check_pair(stops: Any) -> None:
    if stops is not None and not (isinstance(stops, tuple | list | np.ndarray) and len(stops) == 2):
        raise _no_stops(stops)


def _no_stops(stops: Any) -> ModelError:
    return ModelError(f"stops must be a lower and an upper state, or None; it gives {shown(stops)}")


def _check_motion(device: Memristor) -> None:
    """See that the sign of a separable rate is that of its drive."""
    s = device.state_from_x(_INSIDE)
    for rising in (False, True):
        motion = device.motion(s, rising)
        if not np.all(motion >= 0.0) or not motion.any():
            worst = int(np.argmin(np.nan_to_num(motion, nan=-np.inf)))
            raise ModelError(
                f"motion must be positive between the bounds, for the sign of drive is the direction; it is "
                f"{motion[worst]:g} at x = {_INSIDE[worst]:g} with rising = {rising}"
            )


def _check_numbers(name: str, v: FloatArray, x: FloatArray, values: FloatArray) -> None:
    wrong = np.argwhere(np.isnan(values))
    if len(wrong):
        row, column = wrong[0]
        raise ModelError(
            f"{name} is not a number (NaN) at v = {v[row, 0]:g} V and x = {x[column]:g}; let it be one at "
            "every voltage, as by numpy.maximum or numpy.abs around the argument of a root or logarithm"
        )


def _compare(name: str, found: FloatArray, expected: FloatArray, points: tuple[FloatArray, ...]) -> None:
    """Raise `ModelError` if a method gives other values than were traced, wherever both are finite."""
    if np.array_equal(found, expected):
        return
    known = np.isfinite(found) & np.isfinite(expected)
    largest = np.where(known, np.abs(expected), 0.0).max(axis=-1, keepdims=True)
    same = ~known | (np.abs(found - expected) <= _SAME * np.abs(expected) + 1e-3 * _SAME * largest)
    if not same.all():
        row, column = np.argwhere(~same)[0]
        raise ModelError(
            f"{name} gives {found[row, column]:g} of arrays at v = {points[0][row, 0]:g} V and s = "
            f"{points[1][column]:g}, and {expected[row, column]:g} as it was traced for ngspice; it must not tell "
            "arrays from other arguments, and what it reads must not change: make it a parameter, or define the class "
            "again"
        )


@contextmanager
def _told_of(model: type[Memristor]) -> Iterator[None]:
    """Name the class in errors, and the line of whatever its methods raise."""
    try:
        yield
    except ModelError as error:
        raise ModelError(f"{named(model)}: {error}") from None
    except Exception as error:  # whatever the methods of a model raise
        place = line_of(error)
        where = f", at {place}" if place else ""
        raise ModelError(f"{named(model)}: {type(error).__name__}: {error}{where}") from error
