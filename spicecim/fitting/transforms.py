"""Parameters as numbers without bounds, in which a search moves and in which a spread is symmetric."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, logit

from spicecim.errors import InputError

KINDS = ("linear", "log", "logit", "logit of log")


@dataclass(frozen=True)
class Transform:
    """How a parameter becomes a number that may take any value.

    Attributes
    ----------
    kind
        ``log`` of what has one bound at zero, ``logit`` of what has two bounds, ``logit of log`` of what has two that
        are far apart, or ``linear``.
    low, high
        Bounds, infinite where there are none.
    size
        Of a linear one, its unit; its sign is that of a logarithm's parameter.
    """

    kind: str
    low: float = -math.inf
    high: float = math.inf
    size: float = 1.0

    @classmethod
    def of(cls, first: float, low: float, high: float) -> Transform:
        """Return the transform of a parameter by its first value and its bounds."""
        if math.isfinite(low) and math.isfinite(high):
            wide = low * high > 0.0 and not 0.1 < low / high < 10.0
            return cls("logit of log" if wide else "logit", low, high)
        if (low >= 0.0 and first > 0.0) or (high <= 0.0 and first < 0.0):
            return cls("log", low, high, math.copysign(1.0, first))
        return cls("linear", low, high, abs(first) or 1.0)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Transform:
        """Return the transform of `to_dict`; raises `InputError` if it is none."""
        try:
            low, high = values.get("low"), values.get("high")
            found = cls(
                values["kind"], -math.inf if low is None else float(low), math.inf if high is None else float(high),
                float(values.get("size", 1.0)),
            )  # fmt: skip
        except (AttributeError, KeyError, TypeError, ValueError):
            raise InputError(f"transforms: must have kind, low, high and size; one is {values!r}") from None
        if found.kind not in KINDS:
            raise InputError(f"transforms: the kind must be one of {', '.join(KINDS)}; it is {found.kind!r}")
        if found.kind.startswith("logit") and not (math.isfinite(found.low) and found.low < found.high < math.inf):
            raise InputError(f"transforms: a {found.kind} needs two bounds; they are {found.low:g} and {found.high:g}")
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain values; a bound that is infinite is None."""
        bounds = {name: getattr(self, name) for name in ("low", "high")}
        finite = {name: value if math.isfinite(value) else None for name, value in bounds.items()}
        return {"kind": self.kind, **finite, "size": self.size}

    def value(self, q: Any) -> Any:
        """Value of the parameter at a number."""
        match self.kind:
            case "log":
                with np.errstate(over="ignore"):  # an infinite value is that of a candidate far off
                    return math.copysign(1.0, self.size) * np.exp(q)
            case "logit":
                return self.low + (self.high - self.low) * expit(q)
            case "logit of log":
                return self.low * (self.high / self.low) ** expit(q)
        return q * self.size

    def slope(self, q: Any) -> Any:
        """Derivative of the value."""
        match self.kind:
            case "log":
                return self.value(q)
            case "logit":
                return (self.high - self.low) * expit(q) * expit(-q)
            case "logit of log":
                return self.value(q) * math.log(self.high / self.low) * expit(q) * expit(-q)
        return np.full_like(q, self.size)

    def number(self, value: Any) -> Any:
        """Number at a value of the parameter."""
        match self.kind:
            case "log":
                return np.log(np.abs(value))
            case "logit":
                return logit((np.asarray(value) - self.low) / (self.high - self.low))
            case "logit of log":
                return logit(np.log(np.asarray(value) / self.low) / math.log(self.high / self.low))
        return np.asarray(value) / self.size
