"""What is fitted: parameters within their bounds, as unknowns that may take any number."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import logit

from spicecim.errors import InputError
from spicecim.fields import FloatArray
from spicecim.fitting.transforms import Transform

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
    def transform(self) -> Transform:
        """How the parameter becomes a number."""
        return Transform.of(self.first, self.low, self.high)

    def value(self, q: Any) -> Any:
        """Value of the parameter at the unknown's number."""
        return self.transform.value(q)

    def slope(self, q: Any) -> Any:
        """Derivative of the value."""
        return self.transform.slope(q)

    def start(self) -> float:
        """Number of the first value, a little inside the bounds."""
        q = float(self.transform.number(self.first))
        return float(np.clip(q, -8.0, 8.0)) if self.transform.kind.startswith("logit") else q

    def spread(self, unit_interval: FloatArray) -> FloatArray:
        """Numbers to begin from, by places between 0 and 1."""
        if self.transform.kind.startswith("logit") and (self.searched or self.name.startswith("x0")):
            return np.asarray(logit(_EDGE + (1.0 - 2.0 * _EDGE) * unit_interval))
        width = math.log(_FACTOR) if self.transform.kind != "linear" else 1.0
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
