"""Values of the expressions of a SPICE file that are computed before a run: of parameters, as ngspice computes them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

from spicecim.netlist.adapting.expressions import Binary, Call, Choice, Expression, Name, Number, Unary
from spicecim.netlist.spice_dialect import CHANCE
from spicecim.netlist.spice_lines import Line

_MOST_LEVELS = 200
"""Parameters and functions that name each other in a chain."""
_MOST_CALLS = 10_000
"""Calls of the file's functions in one expression, with those in the functions and parameters that it names."""
_MIL = re.compile(r"[\d.]mil", re.IGNORECASE)


def _nearest(x: float) -> float:
    return float(round(x))


def _logarithm(x: float) -> float:
    return math.log(x)


_FUNCTIONS: dict[str, Callable[..., float]] = {
    "abs": abs, "sqrt": math.sqrt, "exp": math.exp, "ln": _logarithm, "log": _logarithm, "log10": math.log10,
    "sin": math.sin, "cos": math.cos, "tan": math.tan, "asin": math.asin, "acos": math.acos, "atan": math.atan,
    "arctan": math.atan, "sinh": math.sinh, "cosh": math.cosh, "tanh": math.tanh, "floor": math.floor,
    "ceil": math.ceil, "nint": _nearest, "int": math.trunc, "min": min, "max": max,
    "sgn": lambda x: float(x > 0) - float(x < 0), "ternary_fcn": lambda a, b, c: b if a else c,
}  # fmt: skip
_ARGUMENTS = {"min": 2, "max": 2, "pow": 2, "pwr": 2, "ternary_fcn": 3}
"""How many a function takes, if not one."""
_BINARY: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b,
    "%": lambda a, b: a - b * math.trunc(a / b), "==": lambda a, b: a == b, "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b, "<=": lambda a, b: a <= b, ">=": lambda a, b: a >= b,
    "&&": lambda a, b: bool(a) and bool(b), "||": lambda a, b: bool(a) or bool(b),
}  # fmt: skip


class Values:
    """Parameters that are known where an expression stands, each computed when it is first asked for.

    Parameters
    ----------
    known
        Values that are given by names in lower case, which go before those that are defined.
    outer
        What is known around.
    """

    def __init__(self, known: Mapping[str, float], outer: Values | None = None) -> None:
        self._expressions: dict[str, tuple[Line, Expression]] = {}
        self._functions: dict[str, tuple[list[str], Expression]] = {}
        self._outer = outer
        self._known = dict(known)
        self._open: list[str] = []
        self._read: set[str] = set()
        self._calls = 0

    def define(self, name: str, line: Line, tree: Expression) -> None:
        """Take over a parameter, by its name in lower case; the last line that defines it counts, as in ngspice.

        Raises
        ------
        SubcircuitError
            If a condition has read the parameter before: which value it means then is not the same everywhere.
        """
        if name in self._read:
            line.refuse(f"the parameter {name} is defined behind a condition that depends on it; move it before")
        self._expressions[name] = line, tree

    def define_function(self, name: str, arguments: list[str], tree: Expression) -> None:
        """Take over a function, by its name in lower case."""
        self._functions[name] = arguments, tree

    def of(self, line: Line, tree: Expression) -> float:
        """Return the value of an expression that stands in a line.

        Raises
        ------
        SubcircuitError
            If a name or function is unknown, draws a random number, or what comes out is no finite number.
        """
        self._calls = 0
        try:
            return self._of(line, tree, {}, 0)
        except RecursionError:
            line.refuse("depends on too many parameters, functions and operators that stand within each other")

    def _of(self, line: Line, tree: Expression, arguments: Mapping[str, float], level: int) -> float:
        if level > _MOST_LEVELS:
            line.refuse(f"has more than {_MOST_LEVELS} functions that call each other")

        def inner(part: Expression) -> float:
            return self._of(line, part, arguments, level)

        match tree:
            case Number(text, value, foreign):
                # a mil is 25.4e-6 in an element and 1e-3 in a parameter of ngspice
                if foreign or _MIL.search(text):
                    line.refuse(f"{text}: write the number without this scale factor")
                return value
            case Name(text):
                return arguments[tree.key] if tree.key in arguments else self._named(line, text.lower())
            case Unary(operator, operand):
                value = inner(operand)
                return {"-": -value, "+": value, "!": float(not value)}[operator]
            case Choice(condition, then, otherwise):
                return inner(then) if inner(condition) else inner(otherwise)
            case Binary("**", left, right):
                return self._power(line, inner(left), inner(right))
            case Binary(operator, left, right) if operator in _BINARY:
                return self._computed(line, operator, _BINARY[operator], [inner(left), inner(right)])
            case Call("pow" | "pwr", (left, right)):
                return self._power(line, inner(left), inner(right))
            case Call(name, parts):
                return self._called(line, name, [inner(part) for part in parts], level)
        return line.refuse("an expression of voltages and currents is no number")

    def function(self, name: str) -> tuple[list[str], Expression] | None:
        """Return a function of the file by its name in lower case; None if there is none."""
        if name in self._functions:
            return self._functions[name]
        return None if self._outer is None else self._outer.function(name)

    def _named(self, line: Line, name: str) -> float:
        self._read.add(name)
        if name in self._known:
            return self._known[name]
        if name not in self._expressions:
            if self._outer is None:
                line.refuse(f"the parameter {name} is missing")
            return self._outer._named(line, name)
        if name in self._open or len(self._open) > _MOST_LEVELS:
            line.refuse(f"the parameter {name} depends on itself, or on more than {_MOST_LEVELS} others in a chain")
        self._open.append(name)
        try:
            self._known[name] = self.of(*self._expressions[name])
        finally:
            self._open.pop()
        return self._known[name]

    def _called(self, line: Line, name: str, values: list[float], level: int) -> float:
        own = self.function(name)
        if own is not None:
            arguments, tree = own
            if len(arguments) != len(values):
                line.refuse(f"{name}() takes {len(arguments)} arguments; it has {len(values)}")
            self._calls += 1
            if self._calls > _MOST_CALLS:
                line.refuse(f"calls functions of the file more than {_MOST_CALLS:,} times")
            return self._of(line, tree, dict(zip(arguments, values, strict=True)), level + 1)
        if name in CHANCE:
            line.refuse(f"{name}: a model must not depend on chance; take a section without, and draw with sc.vary")
        if name not in _FUNCTIONS and name not in _ARGUMENTS:
            line.refuse(f"the function {name}() is not known")
        wanted = _ARGUMENTS.get(name, 1)
        if len(values) != wanted:
            line.refuse(f"{name}() takes {wanted} argument{'s' * (wanted > 1)}; it has {len(values)}")
        return self._computed(line, f"{name}()", _FUNCTIONS[name], values)

    def _power(self, line: Line, base: float, exponent: float) -> float:
        if base < 0.0:
            line.refuse("a power of a negative number is computed in different ways by different simulators")
        return self._computed(line, "a power", lambda a, b: a**b, [base, exponent])

    @staticmethod
    def _computed(line: Line, what: str, function: Callable[..., float], values: list[float]) -> float:
        try:
            result = float(function(*values))
        except (ArithmeticError, ValueError, TypeError) as error:
            line.refuse(f"{what} of {', '.join(f'{value:g}' for value in values)}: {error}")
        if not math.isfinite(result):
            line.refuse(f"{what} of {', '.join(f'{value:g}' for value in values)} is no finite number")
        return result
