"""Expressions of Verilog-A as terms that share what they have in common, built with the plain rules of algebra."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from weakref import WeakValueDictionary

from spicecim.veriloga.expressions import OPERATORS
from spicecim.veriloga.expressions import number as number_value

_KNOWN: WeakValueDictionary[tuple[str, str, tuple[Term, ...]], Term] = WeakValueDictionary()

COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


class Term:
    """An expression. Two terms are equal only if they are the same object: `make` returns the one that there is.

    Attributes
    ----------
    op
        ``number``, ``text``, ``name``, ``call`` (of a function, a system function or an access such as ``V``), an
        operator with one, two or three operands, or what takes the place of a value: ``memory`` (a variable's value
        from the last step), ``integral`` (of an `idt`), ``step`` (the time step), ``opaque`` (not followed).
    text
        The number, name or function.
    """

    __slots__ = ("__weakref__", "_leaves", "args", "op", "text")

    def __init__(self, op: str, text: str, args: tuple[Term, ...]) -> None:
        self.op, self.text, self.args = op, text, args
        self._leaves: frozenset[Term] | None = None

    @property
    def leaves(self) -> frozenset[Term]:
        """All terms without operands in this one, and all calls."""
        if self._leaves is None:
            below = frozenset().union(*(arg.leaves for arg in self.args))
            self._leaves = below | {self} if not self.args or self.op == "call" else below
        return self._leaves

    def has(self, op: str) -> bool:
        """Whether a leaf of this kind is in the term."""
        return any(leaf.op == op for leaf in self.leaves)

    @property
    def value(self) -> float | int | None:
        """The number that a term is, or None."""
        return number_value(self.text) if self.op == "number" else None


def make(op: str, *args: Term, text: str = "") -> Term:
    """Return the term of an operator or leaf, as it stands."""
    key = (op, text, args)
    found = _KNOWN.get(key)
    if found is None:
        found = _KNOWN[key] = Term(op, text, args)
    return found


def number(value: float | int) -> Term:
    """Return a number."""
    if value < 0 or (isinstance(value, float) and math.copysign(1.0, value) < 0 and value):
        return make("-", number(-value))
    text = repr(value)
    return make("number", text=text)


def name(text: str) -> Term:
    """Return the value of a parameter or variable by name."""
    return make("name", text=text)


ZERO, ONE = number(0.0), number(1.0)
STEP = make("step", text="step")
TIME = name("$abstime")


def literal(term: Term) -> float | int | None:
    """The number that a term is, with its sign; None for any other."""
    if term.op == "-" and len(term.args) == 1 and term.args[0].op == "number":
        value = term.args[0].value
        return None if value is None else -value
    return term.value


def build(op: str, *args: Term, text: str = "") -> Term:
    """Return a term, simplified where that is plain."""
    simple = _SIMPLER.get(op)
    if simple and (found := simple(*args)) is not None:
        return found
    if op in COMPARISONS:
        return _compared(op, *args)
    if op == "call":
        return _called(text, args)
    return make(op, *args, text=text)


def add(a: Term, b: Term) -> Term:
    """Return a + b."""
    return build("+", a, b)


def subtract(a: Term, b: Term) -> Term:
    """Return a - b."""
    return build("-", a, b)


def multiply(a: Term, b: Term) -> Term:
    """Return a b."""
    return build("*", a, b)


def divide(a: Term, b: Term) -> Term:
    """Return a / b."""
    return build("/", a, b)


def negative(a: Term) -> Term:
    """Return -a."""
    return build("-", a)


def choose(condition: Term, yes: Term, no: Term) -> Term:
    """Return `yes` where a condition holds, else `no`."""
    return build("?:", condition, yes, no)


def call(function: str, *args: Term) -> Term:
    """Return the value of a function."""
    return build("call", *args, text=function)


def _sum(a: Term, b: Term) -> Term | None:
    one, other = literal(a), literal(b)
    if one is not None and other is not None:
        return number(one + other)
    if one == 0:
        return b
    if other == 0:
        return a
    if b.op == "-" and len(b.args) == 1:
        return subtract(a, b.args[0])
    for x, y in ((a, b), (b, a)):
        if y.op == "-" and len(y.args) == 2 and y.args[1] is x:
            return y.args[0]
    return None


def _minus(a: Term, b: Term | None = None) -> Term | None:
    if b is None:
        if a.op == "-" and len(a.args) == 1:
            return a.args[0]
        return a if literal(a) == 0 else None
    one, other = literal(a), literal(b)
    if one is not None and other is not None:
        return number(one - other)
    if a is b:
        return ZERO
    if other == 0:
        return a
    if one == 0:
        return negative(b)
    if b.op == "-" and len(b.args) == 2 and b.args[0] is a:
        return b.args[1]
    if a.op == "+" and a.args[0] is b:
        return a.args[1]
    if a.op == "+" and len(a.args) == 2 and a.args[1] is b:
        return a.args[0]
    if b.op == "-" and len(b.args) == 1:
        return add(a, b.args[0])
    return None


def _product(a: Term, b: Term) -> Term | None:
    one, other = literal(a), literal(b)
    if one == 0 or other == 0:
        return ZERO
    if one is not None and other is not None:
        return number(one * other)
    if one == 1:
        return b
    if other == 1:
        return a
    if one == -1:
        return negative(b)
    if other == -1:
        return negative(a)
    if b.op == "/" and b.args[1] is a:
        return b.args[0]
    if a.op == "/" and a.args[1] is b:
        return a.args[0]
    return None


def _quotient(a: Term, b: Term) -> Term | None:
    one, other = literal(a), literal(b)
    if one == 0:
        return ZERO
    if other == 1:
        return a
    if isinstance(one, float) and isinstance(other, float) and other:
        return number(one / other)
    if a.op == "*" and b in a.args:
        return a.args[1] if a.args[0] is b else a.args[0]
    return ONE if a is b else None


def _choice(condition: Term, yes: Term, no: Term) -> Term | None:
    known = literal(condition)
    if known is not None:
        return yes if known else no
    return yes if yes is no else None


def _not(a: Term) -> Term | None:
    known = literal(a)
    return None if known is None else number(int(not known))


def _both(a: Term, b: Term) -> Term | None:
    for one, other in ((a, b), (b, a)):
        known = literal(one)
        if known is not None:
            return other if known else number(0)
    return None


def _either(a: Term, b: Term) -> Term | None:
    for one, other in ((a, b), (b, a)):
        known = literal(one)
        if known is not None:
            return number(1) if known else other
    return None


_SIMPLER: Mapping[str, Callable[..., Term | None]] = {
    "+": lambda a, b=None: a if b is None else _sum(a, b),
    "-": _minus,
    "*": _product,
    "/": _quotient,
    "?:": _choice,
    "!": _not,
    "&&": _both,
    "||": _either,
}

_SMALLEST_TIME = 1e-12
"""Seconds: a comparison of the time with less asks for the start."""


def _compared(op: str, a: Term, b: Term) -> Term:
    one, other = literal(a), literal(b)
    if one is not None and other is not None:
        return number(_decided(op, one, other))
    for x, y, relation in ((a, b, op), (b, a, _MIRRORED[op])):
        # the step and, once a run goes on, the time are above zero
        limit = literal(y)
        if x is STEP and limit is not None and limit >= 0:
            return number(int(relation in (">", ">=", "!=")))
        if x is TIME and limit is not None and 0 <= limit <= _SMALLEST_TIME:
            return number(int(relation in (">", ">=", "!=")))
    if STEP in a.leaves or STEP in b.leaves:
        difference = subtract(a, b)
        if difference is STEP or (difference.op == "-" and difference.args == (STEP,)):
            return number(_decided(op, 1.0 if difference is STEP else -1.0, 0.0))
    return make(op, a, b)


def _decided(op: str, a: float, b: float) -> int:
    _, compare = OPERATORS[op]
    return int(compare(a, b))


_FIXED = {"exp": (0, 1.0), "limexp": (0, 1.0), "sqrt": (0, 0.0), "sinh": (0, 0.0), "tanh": (0, 0.0), "ln": (1, 0.0)}
_FIXED |= {"cosh": (0, 1.0), "abs": (0, 0.0), "sin": (0, 0.0), "cos": (0, 1.0), "tan": (0, 0.0), "atan": (0, 0.0)}


def _called(function: str, args: tuple[Term, ...]) -> Term:
    plain = function.removeprefix("$")
    if plain in _FIXED and len(args) == 1 and literal(args[0]) == _FIXED[plain][0]:
        return number(_FIXED[plain][1])
    if plain == "pow" and len(args) == 2 and literal(args[1]) in (0, 1):
        return args[0] if literal(args[1]) == 1 else ONE
    if plain in ("min", "max") and len(args) == 2 and args[0] is args[1]:
        return args[0]
    return make("call", *args, text=function)


def rebuilt(term: Term, replace: Mapping[Term, Term], seen: dict[Term, Term] | None = None) -> Term:
    """Return a term with others in the place of some, simplified."""
    seen = {} if seen is None else seen
    if term in replace:
        return replace[term]
    if not term.args:
        return term
    if term not in seen:
        args = tuple(rebuilt(arg, replace, seen) for arg in term.args)
        seen[term] = build(term.op, *args, text=term.text)
    return seen[term]


def at_once(term: Term) -> Term:
    """Return a term for a time step of zero. What asks whether there is a step has been answered before."""
    return rebuilt(term, {STEP: ZERO})


def parts(term: Term) -> Iterator[Term]:
    """Every term in a term, once each, the operands first."""
    seen: set[Term] = set()

    def walk(item: Term) -> Iterator[Term]:
        if item in seen:
            return
        seen.add(item)
        for arg in item.args:
            yield from walk(arg)
        yield item

    yield from walk(term)


def written(term: Term, names: Mapping[Term, str] | None = None, level: int = 0) -> str:
    """Write a term as Verilog-A; those in `names` by these names."""
    names = names or {}
    if term in names:
        return names[term]
    if term.op == "call":
        return f"{term.text}({', '.join(written(arg, names) for arg in term.args)})"
    if not term.args:
        return term.text
    if term.op == "?:":
        condition, yes, no = term.args
        text = f"{written(condition, names, 1)} ? {written(yes, names, 1)} : {written(no, names)}"
        return f"({text})" if level else text
    if len(term.args) == 1:
        text = f"{term.op}{written(term.args[0], names, 12)}"
        return f"({text})" if level else text
    own, _ = OPERATORS[term.op]
    left, right = (written(arg, names, own + side) for side, arg in enumerate(term.args))
    gap = "" if own >= 10 else " "
    text = f"{left}{gap}{term.op}{gap}{right}"
    return f"({text})" if own < level else text
