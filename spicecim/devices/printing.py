"""Expressions as text: operators by precedence, functions by the names that a language has for them."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from spicecim.devices.expressions import Expression

WIDTH = 118
"""Most characters in a line that is written."""

# a signed operand stands in parentheses: SPICE has no sign after an operator
_INFIX = {
    "logical_or": ("||", 2), "logical_and": ("&&", 3),
    "greater": (">", 4), "greater_equal": (">=", 4), "less": ("<", 4), "less_equal": ("<=", 4),
    "add": ("+", 5), "subtract": ("-", 5), "multiply": ("*", 6), "divide": ("/", 6),
}  # fmt: skip
_TERNARY, _SIGNED, _FACTOR, _ATOM = 1, 4.5, 7, 8
_LARGEST_PRODUCT = 4
"""Whole powers up to this are written as products."""


@dataclass(frozen=True)
class Language:
    """How a language writes expressions.

    Attributes
    ----------
    functions
        Its names of functions, by those of operations.
    number
        Text of a number that is not negative.
    power
        Text of a power from those of the base, not negative, and the exponent, positive.
    geometric_sum
        Text of `geometric_sum` from that of the ratio and from the number of terms.
    least_divisor
        Least number that can be divided by: of smaller ones the reciprocal is a factor.
    """

    functions: Mapping[str, str]
    number: Callable[[float], str]
    power: Callable[[str, str], str]
    geometric_sum: Callable[[str, Any], str]
    least_divisor: float = 0.0

    def text(self, expression: Any, names: Mapping[int, str]) -> str:
        """Write an expression, with a name in place of those parts whose identity has one."""
        return self._write(expression, names)[0]

    def _write(self, part: Any, names: Mapping[int, str]) -> tuple[str, float]:
        """Text and precedence of a part."""
        if not isinstance(part, Expression):
            return (self.number(part), _ATOM) if part >= 0 else (f"-{self.number(-part)}", _SIGNED)
        if id(part) in names:
            return names[id(part)], _ATOM
        operands = part.operands
        constant = part.operation == "divide" and not isinstance(operands[1], Expression)
        if constant and 0.0 < abs(operands[1]) < self.least_divisor:
            return self._write(Expression("multiply", (operands[0], 1.0 / operands[1])), names)
        if part.operation in _INFIX:
            sign, rank = _INFIX[part.operation]
            left = self._at_least(operands[0], rank, names)
            right = self._at_least(operands[1], rank + (part.operation not in ("add", "multiply")), names)
            return f"{left} {sign} {right}" if rank < 6 else f"{left}{sign}{right}", rank
        if part.operation == "where":
            condition, value = (self._at_least(operand, _TERNARY + 1, names) for operand in operands[:2])
            return f"{condition} ? {value} : {self.text(operands[2], names)}", _TERNARY
        if part.operation in ("negative", "logical_not"):
            sign = "-" if part.operation == "negative" else "!"
            return f"{sign}{self._at_least(operands[0], _FACTOR, names)}", _SIGNED
        if part.operation == "power":
            base, exponent = operands
            if not isinstance(exponent, Expression) and exponent in range(1, _LARGEST_PRODUCT + 1):
                return "*".join([self._at_least(base, _FACTOR, names)] * int(exponent)), 6
            return self.power(self._at_least(base, _FACTOR, names), self._at_least(exponent, _FACTOR, names)), _ATOM
        if part.operation == "log1p":
            # with all digits near 0, as ln(1 + a) has not
            (a,) = operands
            return self._write(2.0 * np.arcsinh(0.5 * a / np.sqrt(1.0 + a)), names)
        if part.operation == "geometric_sum":
            return self.geometric_sum(self._at_least(operands[0], _FACTOR, names), operands[1]), _ATOM
        arguments = ", ".join(self.text(operand, names) for operand in operands)
        return f"{self.functions[part.operation]}({arguments})", _ATOM

    def _at_least(self, part: Any, rank: float, names: Mapping[int, str]) -> str:
        text, own = self._write(part, names)
        return text if own >= rank else f"({text})"


def number_text(value: float) -> str:
    """Write a number to its last digit."""
    plain, scientific = repr(float(value)), np.format_float_scientific(float(value), trim="-")
    return plain if len(plain) <= len(scientific) else scientific


def wrapped(text: str, first: str = "", following: str = "") -> list[str]:
    """Break a text at blanks into lines of `WIDTH` characters, with these beginnings."""
    return textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=following, break_long_words=False, break_on_hyphens=False
    )  # fmt: skip
