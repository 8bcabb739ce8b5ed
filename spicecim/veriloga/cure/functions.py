"""Functions of Verilog-A on floats: what is infinite or not a number is told as that, and raises nothing."""

from __future__ import annotations

import math
from collections.abc import Callable

from spicecim.veriloga.evaluation import TEMPERATURE
from spicecim.veriloga.expressions import CONSTANTS, OPERATORS

BOLTZMANN_BY_CHARGE = CONSTANTS["`P_K"] / CONSTANTS["`P_Q"]
"""V/K."""
THERMAL_VOLTAGE = BOLTZMANN_BY_CHARGE * TEMPERATURE
"""Of ``$vt`` (V)."""
_LARGEST_EXPONENT = 80.0


def _exp(x: float) -> float:
    return math.exp(x) if x < 709.0 else math.inf


def _limexp(x: float) -> float:
    return math.exp(x) if x < _LARGEST_EXPONENT else math.exp(_LARGEST_EXPONENT) * (1.0 + x - _LARGEST_EXPONENT)


def power(x: float, y: float) -> float:
    try:
        value = math.pow(x, y)
    except OverflowError:
        return math.inf
    except (ValueError, ZeroDivisionError):
        return math.nan
    return value


def _guarded(function: Callable[[float], float]) -> Callable[[float], float]:
    def safe(x: float) -> float:
        try:
            return function(x)
        except OverflowError:
            return math.copysign(math.inf, x)
        except ValueError:
            return math.nan

    return safe


def over(a: float, b: float) -> float:
    if b:
        return a / b
    return math.nan if not a or a != a else math.copysign(math.inf, a) * math.copysign(1.0, b)


def remainder(a: float, b: float) -> float:
    try:
        value: float = OPERATORS["%"][1](a, b)
    except ValueError:
        return math.nan
    return value


def rounded(x: float) -> int:
    return math.floor(x + 0.5) if x >= 0 else math.ceil(x - 0.5)


_GUARDED = ("sqrt", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh")
FUNCTIONS: dict[str, Callable[..., float]] = {
    **{name: _guarded(getattr(math, name)) for name in _GUARDED},
    "exp": _exp,
    "limexp": _limexp,
    "ln": lambda x: math.log(x) if x > 0 else (-math.inf if x == 0 else math.nan),
    "log": lambda x: math.log10(x) if x > 0 else (-math.inf if x == 0 else math.nan),
    "log10": lambda x: math.log10(x) if x > 0 else (-math.inf if x == 0 else math.nan),
    "pow": power,
    "min": min,
    "max": max,
    "abs": abs,
    "floor": lambda x: float(math.floor(x)),
    "ceil": lambda x: float(math.ceil(x)),
    "hypot": math.hypot,
    "atan2": math.atan2,
}
"""Functions of the language by name."""

WHOLE = ("min", "max", "abs")
"""Those that give an integer of integers."""
