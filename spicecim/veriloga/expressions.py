"""Constant expressions of Verilog-A: defaults and bounds of parameters."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TOKEN = re.compile(
    r"""\s*(?: (?P<number>(?:\d[\d_]*\.?[\d_]*|\.\d+)(?:[eE][-+]?\d+|[TGMKkmunpfa](?![A-Za-z0-9_]))?)
             | (?P<string>"(?:\\.|[^"\\])*")
             | (?P<name>[`$]?[A-Za-z_][\w$]*)
             | (?P<symbol>\(\*|\*\)|<\+|\*\*|<<|>>|<=|>=|==|!=|&&|\|\||\^~|~\^|'\{|.) )""",
    re.VERBOSE | re.DOTALL,
)

_LONGEST = 200
"""Characters of an expression that are shown."""

_SCALES = {"T": 12, "G": 9, "M": 6, "K": 3, "k": 3, "m": -3, "u": -6, "n": -9, "p": -12, "f": -15, "a": -18}
"""Powers of ten."""

CONSTANTS = {
    "`M_PI": math.pi,
    "`M_TWO_PI": 2.0 * math.pi,
    "`M_PI_2": math.pi / 2.0,
    "`M_PI_4": math.pi / 4.0,
    "`M_1_PI": 1.0 / math.pi,
    "`M_2_PI": 2.0 / math.pi,
    "`M_2_SQRTPI": 2.0 / math.sqrt(math.pi),
    "`M_E": math.e,
    "`M_LOG2E": math.log2(math.e),
    "`M_LOG10E": math.log10(math.e),
    "`M_SQRT1_2": math.sqrt(0.5),
    "`M_LN2": math.log(2.0),
    "`M_LN10": math.log(10.0),
    "`M_SQRT2": math.sqrt(2.0),
    "`P_Q": 1.602176462e-19,
    "`P_C": 2.99792458e8,
    "`P_K": 1.3806503e-23,
    "`P_H": 6.62606876e-34,
    "`P_EPS0": 8.854187817e-12,
    "`P_U0": 4.0e-7 * math.pi,
    "`P_CELSIUS0": 273.15,
}
"""Macros of the standard header ``constants.vams`` (Verilog-AMS language reference manual 2.4, annex D)."""

OPERATORS: dict[str, tuple[int, Callable[[Any, Any], Any]]] = {
    "||": (1, lambda a, b: int(bool(a) or bool(b))),
    "&&": (2, lambda a, b: int(bool(a) and bool(b))),
    "|": (3, lambda a, b: _bits(operator.or_, a, b)),
    "^": (4, lambda a, b: _bits(operator.xor, a, b)),
    "^~": (4, lambda a, b: ~_bits(operator.xor, a, b)),
    "~^": (4, lambda a, b: ~_bits(operator.xor, a, b)),
    "&": (5, lambda a, b: _bits(operator.and_, a, b)),
    "==": (6, lambda a, b: int(a == b)),
    "!=": (6, lambda a, b: int(a != b)),
    "<": (7, lambda a, b: int(a < b)),
    "<=": (7, lambda a, b: int(a <= b)),
    ">": (7, lambda a, b: int(a > b)),
    ">=": (7, lambda a, b: int(a >= b)),
    "<<": (8, lambda a, b: _bits(lambda a, b: a << b if 0 <= b < 32 else 0, a, b)),
    ">>": (8, lambda a, b: _bits(lambda a, b: (a & 0xFFFFFFFF) >> b if 0 <= b < 32 else 0, a, b)),
    "+": (9, lambda a, b: _number(a + b)),
    "-": (9, lambda a, b: _number(a - b)),
    "*": (10, lambda a, b: _number(a * b)),
    "/": (10, lambda a, b: _quotient(a, b)),
    "%": (10, lambda a, b: a - b * _quotient(a, b) if _integers(a, b) else math.fmod(a, b)),
    "**": (11, math.pow),
}
"""Precedence of each operator with two operands, and what it does."""


def _integers(*values: Any) -> bool:
    return all(isinstance(value, int) for value in values)


def _number(value: Any) -> Any:
    """Wrap an integer to 32 bits."""
    return (value + 2**31) % 2**32 - 2**31 if isinstance(value, int) else value


def _bits(function: Callable[[int, int], int], a: Any, b: Any) -> int:
    if not _integers(a, b):
        raise TypeError("bits of a real number")
    return int(_number(function(a, b)))


def _quotient(a: Any, b: Any) -> Any:
    """Quotient; of two integers towards zero."""
    if not _integers(a, b):
        return a / b
    quotient = abs(a) // abs(b)
    return _number(quotient if (a < 0) == (b < 0) else -quotient)


_FUNCTIONS: dict[str, Callable[..., float]] = {
    **{name: getattr(math, name) for name in ("exp", "sqrt", "sin", "cos", "tan", "asin", "acos", "atan", "sinh")},
    **{name: getattr(math, name) for name in ("cosh", "tanh", "asinh", "acosh", "atanh", "hypot", "atan2", "pow")},
    "ln": math.log,
    "log": math.log10,
    "log10": math.log10,
    "abs": abs,
    "min": min,
    "max": max,
    "floor": lambda a: float(math.floor(a)),
    "ceil": lambda a: float(math.ceil(a)),
}


SIGNS: dict[str, Callable[[Any], Any]] = {
    "-": lambda value: _number(-value),
    "+": lambda value: value,
    "!": lambda value: int(not value),
    "~": lambda value: ~value,
}
"""What each operator with one operand does."""


class ExpressionError(ValueError):
    """An expression that is not constant, or not understood."""


@dataclass(frozen=True)
class Expression:
    """A constant expression as its tokens."""

    tokens: tuple[str, ...]

    def __str__(self) -> str:
        text = "".join(self.tokens)
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."

    def evaluate(self, names: Mapping[str, Any]) -> Any:
        """Return the value, a number or a text, where `names` holds the values of parameters.

        Raises
        ------
        ExpressionError
            If it is not a constant expression, or cannot be evaluated.
        """
        try:
            value, rest = _parse(self.tokens, 0, names)
        except (ArithmeticError, ValueError, TypeError, IndexError) as error:
            raise ExpressionError(f"{self} cannot be evaluated: {error}") from None
        if rest:
            raise ExpressionError(f"{self} is not a constant expression")
        return value


def number(text: str) -> float | int:
    """Value of a Verilog-A number, such as ``1.5k``."""
    digits = text.replace("_", "")
    if digits[-1] in _SCALES:
        return float(f"{digits[:-1]}e{_SCALES[digits[-1]]}")
    return int(digits) if digits.isdigit() else float(digits)


def _parse(tokens: Sequence[str], level: int, names: Mapping[str, Any]) -> tuple[Any, Sequence[str]]:
    """Evaluate the longest expression of operators above `level` at the front of the tokens."""
    left, tokens = _operand(tokens, names)
    while tokens and tokens[0] in OPERATORS and OPERATORS[tokens[0]][0] > level:
        precedence, function = OPERATORS[tokens[0]]
        right, tokens = _parse(tokens[1:], precedence, names)
        left = function(left, right)
    if level == 0 and tokens and tokens[0] == "?":
        yes, tokens = _parse(tokens[1:], 0, names)
        _expect(tokens, ":")
        no, tokens = _parse(tokens[1:], 0, names)
        left = yes if left else no
        if any(isinstance(value, float) for value in (yes, no)):
            left = float(left)
    return left, tokens


def _operand(tokens: Sequence[str], names: Mapping[str, Any]) -> tuple[Any, Sequence[str]]:
    token, rest = tokens[0], tokens[1:]
    if token in SIGNS:
        value, rest = _operand(rest, names)
        return SIGNS[token](value), rest
    if token == "(":
        value, rest = _parse(rest, 0, names)
        _expect(rest, ")")
        return value, rest[1:]
    if token.startswith('"'):
        return token[1:-1], rest
    if token[0].isdigit() or token[0] == ".":
        return number(token), rest
    if token.removeprefix("$") in _FUNCTIONS and rest and rest[0] == "(":
        arguments = []
        while rest[0] != ")":
            value, rest = _parse(rest[1:], 0, names)
            arguments.append(value)
            if rest[0] not in (",", ")"):
                raise ValueError(f"{rest[0]!r} in the arguments of {token}")
        return _FUNCTIONS[token.removeprefix("$")](*arguments), rest[1:]
    if token == "inf":
        return math.inf, rest
    for table in (names, CONSTANTS):
        if token in table:
            return table[token], rest
    raise ValueError(f"{token!r} is not known")


def _expect(tokens: Sequence[str], symbol: str) -> None:
    if not tokens or tokens[0] != symbol:
        raise ValueError(f"{symbol!r} is missing")
