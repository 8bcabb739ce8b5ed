"""Parameters of a model: how they are declared, with unit, meaning and bounds, and what cannot be one."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Annotated, Any, get_args

import numpy as np
from pydantic import BaseModel, BeforeValidator, Field

from spicecim.devices.names import obstacle
from spicecim.errors import ModelError, QuantityError
from spicecim.places import current_line
from spicecim.problems import FieldError
from spicecim.quantities import UNITS, parse_quantity, shown


def parameter(
    unit: str, meaning: str, default: Any = ..., *, above: str | None = None, below: str | None = None, **bounds: Any
) -> Any:
    """Declare a parameter of a model.

    Parameters
    ----------
    unit
        Its SI unit; empty for a plain number.
    meaning
        What it is, in a few words.
    default
        Its value where none is given; without one it must be.
    above, below
        Name of another parameter that it must be above or below.
    bounds
        ``gt``, ``ge``, ``lt``, ``le``: numbers that it must be above, at least, below or at most.

    Raises
    ------
    ModelError
        If unit or meaning is no text of one line, or the bounds are no finite numbers with something between them.
    """
    for kind, text in (("unit", unit), ("meaning", meaning)):
        if not isinstance(text, str) or not text.isprintable():
            raise ModelError(f"{current_line()}: parameter: {kind} must be a text of one line; it is {shown(text)}")
    _check_bounds(bounds)
    relations = {name: other for name, other in (("above", above), ("below", below)) if other is not None}
    return Field(default, description=meaning, json_schema_extra={"unit": unit, **relations}, **bounds)


def _check_bounds(bounds: Mapping[str, Any]) -> None:
    for kind, bound in bounds.items():
        if kind not in _BOUNDS:
            raise ModelError(f"{current_line()}: parameter: {kind} is no bound; these are {', '.join(_BOUNDS)}")
        if isinstance(bound, bool) or not isinstance(bound, Real) or not np.isfinite(float(bound)):
            raise ModelError(f"{current_line()}: parameter: {kind} must be a finite number; it is {shown(bound)}")
    low = max((bounds[kind] for kind in ("gt", "ge") if kind in bounds), default=-np.inf)
    high = min((bounds[kind] for kind in ("lt", "le") if kind in bounds), default=np.inf)
    if low > high or (low == high and low in (bounds.get("gt"), bounds.get("lt"))):
        given = ", ".join(f"{kind}={bound:g}" for kind, bound in bounds.items())
        raise ModelError(f"{current_line()}: parameter: no number is within {given}")


_BOUNDS = {"gt": np.greater, "ge": np.greater_equal, "lt": np.less, "le": np.less_equal}

_SMALLEST, _LARGEST = 1e-30, 1e30
"""Magnitudes of parameters in SI units: products of a few of them and their squares are within the range of a float."""


def _parse_number(value: Any) -> float:
    number = parse_quantity(value)
    if number and not _SMALLEST <= abs(number) <= _LARGEST:
        raise QuantityError(f"must be 0, or between {_SMALLEST:g} and {_LARGEST:g} in magnitude")
    return number


Number = Annotated[float, BeforeValidator(_parse_number)]
"""Type of a parameter that is a number; a text such as ``"16k"`` is read in the parameter's unit."""


def read_quantities(model: type[BaseModel], values: Any) -> Any:
    """Read texts in the unit of their parameter, and let no truth value pass for a number."""
    if not isinstance(values, dict):
        return values
    read = dict(values)
    for name, value in values.items():
        extra = model.model_fields[name].json_schema_extra if name in model.model_fields else None
        unit = str(extra["unit"]) if isinstance(extra, dict) else ""
        try:
            if isinstance(value, bool):
                raise QuantityError(f"{value!r} is not a number")
            if isinstance(value, str) and unit in UNITS and unit:
                read[name] = parse_quantity(value, unit)
        except QuantityError as error:
            raise FieldError(name, str(error)) from None
    return read


def limits_of(model: type[BaseModel], name: str) -> dict[str, Any]:
    """Bounds of a parameter: ``gt``, ``ge``, ``lt`` and ``le`` as far as there are any."""
    metadata = model.model_fields[name].metadata
    return {kind: getattr(m, kind) for m in metadata for kind in _BOUNDS if hasattr(m, kind)}


def within_bounds(model: type[BaseModel], name: str, values: Any) -> Any:
    """Where values (...) of a parameter, as an array of finite numbers, are what it may be."""
    annotation, magnitude = model.model_fields[name].annotation, np.abs(values)
    good = (values == 0.0) | ((magnitude >= _SMALLEST) & (magnitude <= _LARGEST))
    if choices := get_args(annotation):
        good &= np.isin(values, [choice for choice in choices if not isinstance(choice, str)])
    if annotation is int:
        good &= values == np.round(values)
    for kind, bound in limits_of(model, name).items():
        good &= _BOUNDS[kind](values, bound)
    return good


def problem_of(cls: type[BaseModel], name: str) -> str:
    """What is wrong with a parameter of a class; empty if nothing is."""
    reason = obstacle(name)
    if any(name in vars(base) for base in cls.__mro__) or name in ATTRIBUTES or hasattr(type(cls), name):
        reason = "the class has something else of that name"
    if reason:
        return f"a parameter cannot be named {shown(name)}: {reason}"
    extra = cls.model_fields[name].json_schema_extra
    if not isinstance(extra, dict) or "unit" not in extra or not cls.model_fields[name].description:
        return f"{name} has no unit; declare it by parameter(unit, meaning)"
    for relation in ("above", "below"):
        if extra.get(relation, name) not in cls.model_fields:
            return f"{name} must be {relation} {extra[relation]}, which it lacks"
    if name in _bounding(cls, name):
        return f"{name} must be above or below itself, by what bounds it: {', '.join(_bounding(cls, name))}"
    return ""


ATTRIBUTES = ("name", "title", "source")
"""Texts that every model has."""


def _bounding(cls: type[BaseModel], name: str) -> list[str]:
    """Parameters that bound one, those that bound these, and so on."""
    found: list[str] = []
    waiting = [name]
    while waiting:
        extra: Any = cls.model_fields[waiting.pop()].json_schema_extra or {}
        more = [extra[relation] for relation in ("above", "below") if relation in extra]
        waiting += [other for other in more if other in cls.model_fields and other not in found]
        found += [other for other in more if other not in found]
    return found
