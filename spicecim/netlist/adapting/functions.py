"""What the functions of other simulators are in ngspice: a table of expressions.

The meanings are those of the simulators' manuals; what ngspice itself computes was measured with version 46. Its
`pwr` and `pow` are not used, because a negative base gives another sign in a parameter than in a source. Its `u` is
0.5 at 0, and its `pwl` goes on in a straight line beyond the ends.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

from spicecim.netlist import spice_dialect
from spicecim.netlist.adapting.expressions import (
    Binary,
    Call,
    Choice,
    Dialect,
    Expression,
    Name,
    Number,
    Unary,
    number,
)

ZERO, ONE, HALF = number(0), number(1), number(0.5)

CONSTANTS = {"e": math.e, **{name: float(value) for name, value in spice_dialect.CONSTANTS.items()}}
"""Constants by the names that LTspice has for them; values of the SI (2019)."""
OF_DIALECT: dict[Dialect, tuple[str, ...]] = {
    "ngspice": ("pi", "e"),
    "ltspice": tuple(CONSTANTS),
    "pspice": ("pi", "e"),
    "hspice": (),
}
THERMAL = CONSTANTS["boltz"] / CONSTANTS["echarge"]
"""Volt per kelvin."""

_COMPARED = {"<", ">", "<=", ">=", "==", "!=", "&&", "||", "^"}


def is_boolean(tree: Expression) -> bool:
    """Tell if an expression is 0 or 1 by its form."""
    match tree:
        case Binary(operator, _, _):
            return operator in _COMPARED
        case Unary("!", _):
            return True
        case Number(value=value):
            return value in (0, 1)
    return False


def never_negative(tree: Expression) -> bool:
    """Tell if an expression cannot be negative by its form."""
    match tree:
        case Number(value=value):
            return value >= 0
        case Call("abs" | "exp" | "sqrt" | "cosh" | "u" | "uramp", _):
            return True
        case Call("max", arguments):
            return any(never_negative(argument) for argument in arguments)
        case Call("min", arguments):
            return all(never_negative(argument) for argument in arguments)
        case Binary("**", left, right):
            return never_negative(left) or (constant(right) or 1) % 2 == 0
        case Binary("+" | "/", left, right):
            return never_negative(left) and never_negative(right)
        case Binary("*", left, right):
            return left == right or (never_negative(left) and never_negative(right))
        case Choice(_, then, otherwise):
            return never_negative(then) and never_negative(otherwise)
    return is_boolean(tree)


def constant(tree: Expression, values: Mapping[str, float] = MappingProxyType({})) -> float | None:
    """Return the value of an expression of numbers and of names in lower case with values; None for another."""
    match tree:
        case Number(value=value):
            return value
        case Name():
            return values.get(tree.key)
        case Unary("-" | "+" as sign, operand):
            inner = constant(operand, values)
            return None if inner is None else (-inner if sign == "-" else inner)
        case Binary("+" | "-" | "*" | "/" as operator, left, right):
            a, b = constant(left, values), constant(right, values)
            if a is None or b is None or (operator == "/" and b == 0):
                return None
            return {"+": a + b, "-": a - b, "*": a * b}[operator] if operator != "/" else a / b
    return None


def even_if_whole(tree: Expression) -> bool:
    """Tell if an expression is an even number times something."""
    match tree:
        case Binary("*", left, right):
            return any((constant(side) or 1) % 2 == 0 for side in (left, right))
    return False


def step(x: Expression) -> Expression:
    """1 above 0, and 0 elsewhere."""
    return Choice(Binary(">", x, ZERO), ONE, ZERO)


def truth(x: Expression) -> Expression:
    """What LTspice takes a number for where it needs true or false."""
    return x if is_boolean(x) else Binary(">", x, HALF)


def magnitude_power(base: Expression, exponent: Expression) -> Expression:
    """``|base| ** exponent``."""
    return Binary("**", base if never_negative(base) else Call("abs", (base,)), exponent)


def signed_power(base: Expression, exponent: Expression) -> Expression:
    """``|base| ** exponent`` with the sign of the base."""
    power = magnitude_power(base, exponent)
    return power if never_negative(base) else Binary("*", Call("sgn", (base,)), power)


def real_power(base: Expression, exponent: Expression) -> Expression:
    """Real part of a power, also of a negative base: exact for whole exponents."""
    turned = Binary("*", magnitude_power(base, exponent), Call("cos", (Binary("*", number(math.pi), exponent),)))
    return Choice(Binary("<", base, ZERO), turned, Binary("**", base, exponent))


def _table(x: Expression, *points: Expression) -> Expression:
    """Straight lines between points, and constant beyond them."""
    return Call("pwl", (Call("min", (Call("max", (x, points[0])), points[-2])), *points))


def _median(x: Expression, a: Expression, b: Expression) -> Expression:
    low, high = constant(a), constant(b)
    if low is not None and high is not None:
        return _clipped(x, a, b) if low <= high else _clipped(x, b, a)
    lower, upper = Call("min", (a, b)), Call("max", (a, b))
    return _clipped(x, lower, upper)


def _clipped(x: Expression, low: Expression, high: Expression) -> Expression:
    return Call("min", (Call("max", (x, low)), high))


def _truncated(x: Expression) -> Expression:
    return Choice(Binary("<", x, ZERO), Call("ceil", (x,)), Call("floor", (x,)))


def _angle(y: Expression, x: Expression) -> Expression:
    right = Call("atan", (Binary("/", y, x),))
    half_turn = Choice(Binary("<", y, ZERO), number(-math.pi), number(math.pi))
    upright = Binary("*", Call("sgn", (y,)), number(math.pi / 2))
    left = Choice(Binary("<", x, ZERO), Binary("+", right, half_turn), upright)
    return Choice(Binary(">", x, ZERO), right, left)


def _length(x: Expression, y: Expression) -> Expression:
    return Call("sqrt", (Binary("+", Binary("*", x, x), Binary("*", y, y)),))


def _as(name: str) -> Callable[..., Expression]:
    return lambda *arguments: Call(name, arguments)


Builder = Callable[..., Expression]
_LT_PS, _OTHERS = ("ltspice", "pspice"), ("ltspice", "pspice", "hspice")
_ALL = ("ngspice", *_OTHERS)

_TABLE: list[tuple[str, tuple[str, ...], int, Builder]] = [
    *(
        (name, _ALL, 1, _as(name))
        for name in (
            *("abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "cos", "cosh", "exp", "floor", "log"),
            *("log10", "nint", "sgn", "sin", "sinh", "sqrt", "tan", "tanh"),
        )
    ),
    ("ln", ("ngspice", "ltspice"), 1, _as("ln")),
    ("min", _ALL, 2, _as("min")),
    ("max", _ALL, 2, _as("max")),
    ("ddt", _ALL, 1, _as("ddt")),
    ("pow", ("ngspice",), 2, _as("pow")),
    ("pwr", ("ngspice",), 2, _as("pwr")),
    ("u", ("ngspice",), 1, _as("u")),
    ("pwl", ("ngspice",), 0, _as("pwl")),
    ("ternary_fcn", ("ngspice",), 3, Choice),
    ("uramp", ("ngspice", "ltspice"), 1, lambda x: Call("max", (x, ZERO))),
    ("if", ("ltspice",), 3, lambda condition, then, otherwise: Choice(truth(condition), then, otherwise)),
    ("if", ("pspice",), 3, Choice),
    ("stp", _LT_PS, 1, step),
    ("u", ("ltspice",), 1, step),
    ("limit", ("ltspice",), 3, _median),
    ("limit", ("pspice",), 3, _clipped),
    ("table", _LT_PS, 0, _table),
    ("pwr", _LT_PS, 2, magnitude_power),
    ("pwrs", _LT_PS, 2, signed_power),
    ("pwr", ("hspice",), 2, signed_power),
    ("int", _OTHERS, 1, _truncated),
    ("round", ("ltspice",), 1, _as("nint")),
    ("trunc", _OTHERS, 1, _truncated),
    ("buf", ("ltspice",), 1, lambda x: Choice(truth(x), ONE, ZERO)),
    ("inv", ("ltspice",), 1, lambda x: Choice(truth(x), ZERO, ONE)),
    ("fabs", _OTHERS, 1, _as("abs")),
    ("sign", _OTHERS, 1, _as("sgn")),
    ("sign", ("hspice",), 2, lambda x, y: Choice(Binary("<", y, ZERO), Unary("-", Call("abs", (x,))),
                                                 Call("abs", (x,)))),
    ("hypot", _OTHERS, 2, _length),
    ("atan2", _OTHERS, 2, _angle),
    *((f"arc{name}", _LT_PS, 1, _as(f"a{name}")) for name in ("sin", "cos", "tan")),
    ("cbrt", ("ltspice",), 1, lambda x: signed_power(x, number(1 / 3))),
    ("square", _LT_PS, 1, lambda x: Binary("*", x, x)),
]  # fmt: skip

FUNCTIONS: dict[tuple[str, str, int], Builder] = {
    (dialect, name, count): build for name, dialects, count, build in _TABLE for dialect in dialects
}
"""By dialect, name and number of arguments (0: any), what a function is in ngspice."""

NOT_IN_PARAMETERS = {"u", "pwl", "ddt", "sdt", "idt"}
"""Functions that ngspice knows in sources alone."""


def thermal_voltage(temperature: Expression) -> Expression:
    """Thermal voltage (V) of a temperature in degrees Celsius."""
    return Binary("*", number(THERMAL), Binary("+", temperature, number(273.15)))


TEMPERATURE = Name("temper")
