"""Expressions of SPICE files as trees: read in the grammar of a dialect, and written for ngspice."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, NoReturn

from spicecim import limits
from spicecim.netlist.spice_lines import Line
from spicecim.outside import exceeds

Dialect = Literal["ngspice", "ltspice", "pspice", "hspice"]
Caret = Literal["power", "xor"]


@dataclass(frozen=True)
class Number:
    """A number as it stands, and its value; `foreign` if ngspice would read another one."""

    text: str
    value: float
    foreign: bool = False


@dataclass(frozen=True)
class Name:
    """A parameter, a constant or an argument, as it stands."""

    text: str

    @property
    def key(self) -> str:
        """The name in lower case: SPICE makes no difference."""
        return self.text.lower()


@dataclass(frozen=True)
class Probe:
    """A voltage ``v(a)``, ``v(a, b)`` or a current ``i(element)``."""

    kind: str
    nodes: tuple[str, ...]


@dataclass(frozen=True)
class Call:
    """A function, in lower case, of some arguments."""

    function: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True)
class Unary:
    """``-``, ``+`` or ``!`` before an operand."""

    operator: str
    operand: Expression


@dataclass(frozen=True)
class Binary:
    """An operator between two operands; ``^`` is an exclusive or, and a power is ``**``, however it was written."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True)
class Choice:
    """``condition ? then : otherwise``."""

    condition: Expression
    then: Expression
    otherwise: Expression


Expression = Number | Name | Probe | Call | Unary | Binary | Choice

_SCALES = {"t": 1e12, "g": 1e9, "meg": 1e6, "k": 1e3, "mil": 25.4e-6, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12}
_SCALES["f"] = 1e-15
_BINDING = {
    "||": 2, "^": 3, "&&": 4, "==": 5, "!=": 5, "<": 6, ">": 6, "<=": 6, ">=": 6, "+": 7, "-": 7, "*": 8, "/": 8,
    "%": 8, "**": 10,
}  # fmt: skip
_SIGN, _COMPARISON = 9, 6
_SAME = {"|": "||", "&": "&&", "<>": "!=", "~": "!"}
_LOGICAL = {"||", "&&", "^"}
_EQUALITY, _ORDER = {"==", "!="}, {"<", ">", "<=", ">="}

_TOKEN = re.compile(
    r"(?P<number>(\d+\.?\d*|\.\d+)(e[+-]?\d+)?)(?P<unit>\w*)|(?P<name>[a-z_][\w.]*)"
    r"|(?P<operator>\*\*|&&|\|\||[<>=!]=|<>|[-+*/%^<>&|!~?:(){},'=])",
    re.IGNORECASE,
)
_WORD = re.compile(r"[A-Za-z_]\w*")
_PROBE = re.compile(r"([vi])\s*\(([^(){}']*)\)", re.IGNORECASE)
_SCALE = re.compile(r"(t|g|meg|k|mil|m|u|n|p|f)(\d*)", re.IGNORECASE)


class Parser:
    """Reads expressions out of a line, in the grammar of a dialect.

    Parameters
    ----------
    line
        The line, which errors name.
    dialect
        The dialect.
    caret
        What ``^`` is in LTspice and PSpice, where it is said.
    place
        Where in the line's text to begin.
    """

    def __init__(self, line: Line, dialect: Dialect, caret: Caret | None, place: int = 0) -> None:
        self.line, self.dialect, self.place = line, dialect, place
        self._power = {"**", "^"} if dialect in ("ngspice", "hspice") or caret == "power" else {"**"}
        self._grouped: list[Expression] = []
        self._extents = Extents()
        self._nesting = 0

    def refuse(self, reason: str) -> NoReturn:
        """Raise `SubcircuitError` with the place of the line and what stands there."""
        rest = self.line.text[self.place :].strip()
        self.line.refuse(f"{reason}, at {rest[:40]!r}" if rest else f"{reason}, at its end")

    def peek(self) -> str:
        """Return the operator or the first character that comes next; an empty text at the end."""
        self._skip()
        found = _TOKEN.match(self.line.text, self.place)
        if found is None:
            return self.line.text[self.place : self.place + 1]
        return found["operator"] or found[0][:1]

    def take(self, text: str) -> bool:
        """Go past an operator if it comes next."""
        if self.peek() != text:
            return False
        self.place += len(text)
        return True

    def need(self, text: str) -> None:
        """Go past an operator that must come next."""
        if not self.take(text):
            self.refuse(f"{text!r} is missing")

    def word(self) -> str:
        """Go past a name and return it; an empty text if none comes next."""
        self._skip()
        found = _WORD.match(self.line.text, self.place)
        if found is None:
            return ""
        self.place = found.end()
        return found[0]

    def expression(self) -> Expression:
        """Read the longest expression that stands here."""
        return self._choice()

    def delimited(self) -> Expression:
        """Read an expression in braces or quotes, or a bare one."""
        for opening, closing in (("{", "}"), ("'", "'")):
            if self.take(opening):
                tree = self.expression()
                self.need(closing)
                return tree
        return self.expression()

    def _skip(self) -> None:
        while self.place < len(self.line.text) and self.line.text[self.place].isspace():
            self.place += 1

    def _choice(self) -> Expression:
        self._nesting += 1
        if self._nesting > limits.SPICE_NESTING:
            self.refuse(exceeds("SPICE_NESTING", "levels in an expression"))
        tree = self._binary(0)
        if self.take("?"):
            then = self._choice()
            self.need(":")
            tree = self._keep(Choice(tree, then, self._choice()))
        self._nesting -= 1
        return tree

    def _binary(self, least: int) -> Expression:
        tree = self._unary()
        while True:
            operator = self.peek()
            operator = "**" if operator in self._power else _SAME.get(operator, operator)
            if _BINDING.get(operator, 0) <= least:
                return tree
            self.place += len(self.peek())
            right = self._binary(_BINDING[operator])
            self._check_order(operator, tree, right)
            tree = self._keep(Binary(operator, tree, right))

    def _check_order(self, operator: str, *operands: Expression) -> None:
        """Refuse what simulators group in different ways."""
        for operand in operands:
            if not isinstance(operand, Binary) or any(operand is grouped for grouped in self._grouped):
                continue
            # all comparisons bind alike in ngspice
            if operand is operands[1] and operator in _EQUALITY and operand.operator in _ORDER:
                self.refuse(
                    f"{operator} before {operand.operator} is grouped in different ways by different simulators; write "
                    "parentheses"
                )
            if self.dialect == "ngspice":
                continue
            if operator == operand.operator == "**":
                self.refuse("a**b**c is grouped in different ways by different simulators; write parentheses")
            if operator != operand.operator and {operator, operand.operator} <= _LOGICAL:
                self.refuse("& | and ^ are grouped in different ways by different simulators; write parentheses")

    def _unary(self) -> Expression:
        for sign in ("-", "+", "!", "~"):
            if self.take(sign):
                self._nesting += 1
                if self._nesting > limits.SPICE_NESTING:
                    self.refuse(exceeds("SPICE_NESTING", "levels in an expression"))
                # a sign binds less than a power, and more than a product; ! binds more than all
                operand = self._unary() if sign in "!~" else self._binary(_SIGN)
                self._nesting -= 1
                power = isinstance(operand, Binary) and operand.operator == "**"
                if power and self.dialect == "ltspice" and not any(operand is one for one in self._grouped):
                    self.refuse("LTspice's help takes -a**b as (-a)**b, and others as -(a**b); write parentheses")
                return self._keep(Unary(_SAME.get(sign, sign), operand))
        return self._primary()

    def _primary(self) -> Expression:
        self._skip()
        for opening, closing in (("(", ")"), ("{", "}")):
            if self.take(opening):
                tree = self._choice()
                self.need(closing)
                self._grouped.append(tree)
                return tree
        probe = _PROBE.match(self.line.text, self.place)
        if probe:
            self.place = probe.end()
            nodes = tuple(node.strip() for node in probe[2].split(","))
            if not all(nodes) or len(nodes) > (2 if probe[1] in "vV" else 1):
                self.refuse(f"{probe[0]} is no voltage or current")
            return self._keep(Probe(probe[1].lower(), nodes))
        found = _TOKEN.match(self.line.text, self.place)
        if found is None or found["operator"]:
            self.refuse("a value is missing")
        if found["number"]:
            number = self._number(found[0], float(found["number"]), found["unit"])
            self.place = found.end()
            return self._keep(number)
        self.place = found.end()
        if not self.take("("):
            return self._keep(Name(found["name"]))
        arguments = []
        while not self.take(")"):
            arguments.append(self._choice())
            if self.peek() not in (",", ")"):
                self.refuse(f"a parenthesis of {found['name']}() is missing")
            self.take(",")
        return self._keep(Call(found["name"].lower(), tuple(arguments)))

    def _number(self, text: str, value: float, unit: str) -> Number:
        unit = unit.lower()
        if not math.isfinite(value):
            self.refuse(f"{text} is beyond the range of a float")
        if self.dialect == "hspice" and unit.startswith("x"):
            return Number(text, value * 1e6, foreign=True)
        if unit.startswith("a"):  # atto for some, ampere for others
            return Number(text, value * (1e-18 if self.dialect in ("hspice", "ngspice") else 1.0), foreign=True)
        scale = _SCALE.match(unit)
        factor = _SCALES[scale[1]] if scale else 1.0
        digits = scale[2] if scale else ""
        if re.search(r"\d", unit):
            if self.dialect != "ltspice" or not digits or not re.fullmatch(r"\d+", text[: -len(unit)]):
                self.refuse(f"{text} is no number")
            return Number(text, float(f"{text[: -len(unit)]}.{digits}") * factor, foreign=True)
        return Number(text, value * factor)

    def _keep(self, tree: Expression) -> Expression:
        if self._extents.of(tree).depth > limits.SPICE_NESTING:
            self.refuse(exceeds("SPICE_NESTING", "levels in an expression"))
        return tree


class Extent(NamedTuple):
    """How large an expression is: its parts, and the levels of operators and calls within each other."""

    parts: int
    depth: int


class Extents:
    """Extents of expressions that are made from the innermost part on.

    What stands in an expression several times is one object there, of which the extent is computed once: to walk such
    an expression may take longer than anyone waits.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[Expression, Extent]] = {}  # with the expression, so that no other gets its id

    def of(self, tree: Expression) -> Extent:
        """Return the extent of an expression."""
        known = self._known.get(id(tree))
        if known is None:
            inner = [self.of(child) for child in children(tree)]
            extent = Extent(1 + sum(each.parts for each in inner), 1 + max((each.depth for each in inner), default=0))
            known = self._known[id(tree)] = tree, extent
        return known[1]


def number(value: float) -> Number:
    """Return a value as the number that stands for it."""
    return Number(f"{value:g}" if float(f"{value:g}") == value else repr(float(value)), value)


def children(tree: Expression) -> tuple[Expression, ...]:
    """Return what an expression is made of."""
    match tree:
        case Call(_, arguments):
            return arguments
        case Unary(_, operand):
            return (operand,)
        case Binary(_, left, right):
            return left, right
        case Choice(condition, then, otherwise):
            return condition, then, otherwise
    return ()


def walk(tree: Expression) -> Iterator[Expression]:
    """Yield an expression and everything in it."""
    waiting = [tree]
    while waiting:
        part = waiting.pop()
        yield part
        waiting += reversed(children(part))


def rebuilt(tree: Expression, change: Callable[[Expression], Expression]) -> Expression:
    """Return an expression with each of its parts changed, from the innermost on."""
    match tree:
        case Call(function, arguments):
            tree = Call(function, tuple(rebuilt(argument, change) for argument in arguments))
        case Unary(operator, operand):
            tree = Unary(operator, rebuilt(operand, change))
        case Binary(operator, left, right):
            tree = replace(tree, left=rebuilt(left, change), right=rebuilt(right, change))
        case Choice(condition, then, otherwise):
            tree = Choice(rebuilt(condition, change), rebuilt(then, change), rebuilt(otherwise, change))
    return change(tree)


def written(tree: Expression) -> str:
    """Write an expression for ngspice.

    Powers and choices get all the parentheses that they may need: ngspice groups powers from the left, and reads a
    choice within a choice wrongly in parameters.
    """
    match tree:
        case Number(text=text) | Name(text):
            return text
        case Probe(kind, nodes):
            return f"{kind}({','.join(nodes)})"
        case Call(function, arguments):
            return f"{function}({', '.join(written(argument) for argument in arguments)})"
        case Unary(operator, operand):
            return f"{operator}{_operand(operand, _SIGN)}"
        case Binary("**", left, right):
            return f"{_operand(left, 11)}**{_operand(right, 11)}"
        case Binary(operator, left, right):
            # comparisons of comparisons get parentheses, which not every simulator needs
            binding = _BINDING[operator] if _BINDING[operator] > _COMPARISON else _COMPARISON + 1
            return f"{_operand(left, binding)} {operator} {_operand(right, min(binding + 1, _SIGN))}"
        case Choice(condition, then, otherwise):
            return f"({_operand(condition, 2)} ? {_operand(then, 2)} : {_operand(otherwise, 2)})"


def _operand(tree: Expression, least: int) -> str:
    """Write an operand, in parentheses unless it binds at least so strongly."""
    text = written(tree)
    match tree:
        case Binary(operator, _, _):
            return text if _BINDING[operator] >= least else f"({text})"
        case Unary():
            return f"({text})"
        case Number(value=value):
            return text if value >= 0 else f"({text})"
    return text
