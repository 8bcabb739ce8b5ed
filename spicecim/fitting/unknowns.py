"""What is fitted: parameters within their bounds, as unknowns that may take any number."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, logit

from spicecim.errors import InputError
from spicecim.fields import FloatArray

_FACTOR = 3.0
"""By which the search goes from a parameter's first value in either direction, where no bounds are given."""
_EDGE = 0.02
"""Share of a bounded range at either end that the search leaves out."""


@dataclass(frozen=True)
class Unknown:
    """One free parameter and how it is transformed.

    Attributes
    ----------
    name, unit
        Of the parameter.
    first
        Value that the search starts from.
    low, high
        Bounds, infinite where there are none.
    searched
        Whether the whole range between the bounds is searched.
    """

    name: str
    unit: str
    first: float
    low: float = -math.inf
    high: float = math.inf
    searched: bool = False

    @property
    def transform(self) -> str:
        """``log`` of what has one bound at zero, ``logit`` of what has two bounds, or ``linear``."""
        if math.isfinite(self.low) and math.isfinite(self.high):
            wide = self.low * self.high > 0.0 and not 0.1 < self.low / self.high < 10.0
            return "logit of log" if wide else "logit"
        if (self.low >= 0.0 and self.first > 0.0) or (self.high <= 0.0 and self.first < 0.0):
            return "log"
        return "linear"

    def value(self, q: Any) -> Any:
        """Value of the parameter at the unknown's number."""
        match self.transform:
            case "log":
                with np.errstate(over="ignore"):  # an infinite value is that of a candidate far off
                    return math.copysign(1.0, self.first) * np.exp(q)
            case "logit":
                return self.low + (self.high - self.low) * expit(q)
            case "logit of log":
                return self.low * (self.high / self.low) ** expit(q)
        return q * self._size

    def slope(self, q: Any) -> Any:
        """Derivative of the value."""
        match self.transform:
            case "log":
                return self.value(q)
            case "logit":
                return (self.high - self.low) * expit(q) * expit(-q)
            case "logit of log":
                return self.value(q) * math.log(self.high / self.low) * expit(q) * expit(-q)
        return np.full_like(q, self._size)

    def number(self, value: Any) -> Any:
        """Number of the unknown at the parameter's value."""
        match self.transform:
            case "log":
                return np.log(np.abs(value))
            case "logit":
                return logit((np.asarray(value) - self.low) / (self.high - self.low))
            case "logit of log":
                return logit(np.log(np.asarray(value) / self.low) / math.log(self.high / self.low))
        return np.asarray(value) / self._size

    @property
    def _size(self) -> float:
        return abs(self.first) or 1.0

    def start(self) -> float:
        """Number of the first value, a little inside the bounds."""
        q = float(self.number(self.first))
        return float(np.clip(q, -8.0, 8.0)) if self.transform.startswith("logit") else q

    def spread(self, unit_interval: FloatArray) -> FloatArray:
        """Numbers to begin from, by places between 0 and 1."""
        if self.transform.startswith("logit") and (self.searched or self.name.startswith("x0")):
            return np.asarray(logit(_EDGE + (1.0 - 2.0 * _EDGE) * unit_interval))
        width = math.log(_FACTOR) if self.transform != "linear" else 1.0
        return np.asarray(self.start() + width * (2.0 * unit_interval - 1.0))


def read_bounds(name: str, given: Any, first: float, limits: tuple[float, float]) -> tuple[float, float]:
    """Bounds of a parameter: those given, within those of its model.

    Raises
    ------
    InputError
        If they are no two numbers in increasing order, or the first value is not between them.
    """
    try:
        low, high = (float(value) for value in given)
    except (TypeError, ValueError):
        raise InputError(f"bounds of {name}: must be two numbers; they are {given!r}") from None
    if not (low < high and max(low, limits[0]) < min(high, limits[1])):
        raise InputError(
            f"bounds of {name}: must increase and lie between {limits[0]:g} and {limits[1]:g}; they are {low:g} and "
            f"{high:g}"
        )
    low, high = max(low, limits[0]), min(high, limits[1])
    if not low < first < high:
        raise InputError(f"bounds of {name}: {low:g} and {high:g} do not hold its first value, {first:g}")
    return low, high
