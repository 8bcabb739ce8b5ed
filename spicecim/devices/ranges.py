"""Between which numbers the parts of an expression lie, whatever its symbols are: interval arithmetic."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Any

import numpy as np

from spicecim.devices.expressions import COMPARISONS, Expression, apply, ordered

Range = tuple[float, float]
_ANY: Range = (-inf, inf)
_RISING = ("exp", "sinh", "tanh", "arctan", "arcsin", "arcsinh", "log", "log1p", "sqrt")
_LEAST = {"sqrt": 0.0, "log": 0.0, "log1p": -1.0, "arcsin": -1.0}
"""Least arguments of functions that do not take all numbers."""
_MOST = {"arcsin": 1.0}


def ranges_of(expressions: Iterable[Any]) -> dict[int, Range]:
    """Least and largest value of every part of the expressions, by its identity; wider where that is not plain."""
    ranges: dict[int, Range] = {}
    with np.errstate(all="ignore"):
        for part in ordered(expressions):
            found = _range(part, [ranges[id(o)] if isinstance(o, Expression) else (o, o) for o in part.operands])
            ranges[id(part)] = _ANY if np.isnan(found).any() else found
    return ranges


def _range(part: Expression, operands: list[Range]) -> Range:
    operation = part.operation
    if operation in _RISING:
        low, high = np.clip(operands[0], _LEAST.get(operation, -inf), _MOST.get(operation, inf))
        return apply(operation, low), apply(operation, high)
    if operation in (*COMPARISONS, "logical_and", "logical_or", "logical_not"):
        return 0.0, 1.0
    match operation, operands:
        case "negative", [(low, high)]:
            return -high, -low
        case "absolute", [(low, high)]:
            return max(low, -high, 0.0), max(-low, high)
        case "cosh", [(low, high)]:
            return apply("cosh", max(low, -high, 0.0)), apply("cosh", max(-low, high))
        case "add", [a, b]:
            return a[0] + b[0], a[1] + b[1]
        case "subtract", [a, b]:
            return a[0] - b[1], a[1] - b[0]
        case "multiply", [a, b]:
            low, high = _product(a, b)
            return (max(low, 0.0), high) if part.operands[0] is part.operands[1] else (low, high)
        case "divide", [a, b]:
            return _product(a, _reciprocal(b))
        case (("maximum" | "minimum"), [a, b]):
            choose = max if operation == "maximum" else min
            return choose(a[0], b[0]), choose(a[1], b[1])
        case "where", [_, a, b]:
            return min(a[0], b[0]), max(a[1], b[1])
        case "power", [(low, _), _] if low >= 0.0:
            return 0.0, inf
    return _ANY


def _product(a: Range, b: Range) -> Range:
    corners = [x * y if x and y else 0.0 for x in a for y in b]
    return min(corners), max(corners)


def _reciprocal(of: Range) -> Range:
    low, high = of
    if low >= 0.0:
        return 1.0 / high if high else inf, 1.0 / low if low else inf
    if high <= 0.0:
        return 1.0 / high if high else -inf, 1.0 / low
    return _ANY
