"""What clips a state from outside, or stops its rate at a bound: taken off, and remembered as bounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from spicecim.veriloga.cure.terms import STEP, Term, at_once, choose, literal

_UP = (">", ">=")
_DOWN = ("<", "<=")


@dataclass
class Bounds:
    """Lower and upper bounds of a state that were found, in the order in which they were."""

    lower: list[Term] = field(default_factory=list)
    upper: list[Term] = field(default_factory=list)


Near = Callable[[Term, Term], bool]
"""Whether two terms are nearly the same number."""


def unclipped(update: Term, own: Term, near: Near, bounds: Bounds) -> Term:
    """Return a state's update without what clips it.

    Parameters
    ----------
    update
        The value after a step, of the value before it.
    own
        The value before the step.
    near
        Whether a threshold and the value that is set beyond it are nearly the same.
    bounds
        Takes the bounds.
    """

    def free(term: Term) -> bool:
        return own not in term.leaves and STEP not in term.leaves

    def walk(term: Term) -> Term:
        if term.op == "call" and term.text.removeprefix("$") in ("min", "max") and len(term.args) == 2:
            upper = term.text.removeprefix("$") == "min"
            for inner, bound in (term.args, term.args[::-1]):
                if free(bound) and own in inner.leaves:
                    (bounds.upper if upper else bounds.lower).append(bound)
                    return walk(inner)
        if term.op != "?:":
            return term
        condition, yes, no = term.args
        for bound, inner, beyond in ((yes, no, True), (no, yes, False)):
            if not free(bound) or own not in inner.leaves:
                continue
            bare = walk(inner)
            side = _side(condition, {inner, bare, at_once(inner), at_once(bare)}, bound, beyond, near)
            if side:
                (bounds.upper if side > 0 else bounds.lower).append(bound)
                return bare
        return choose(condition, walk(yes), walk(no))

    return walk(update)


def _side(condition: Term, values: set[Term], bound: Term, beyond: bool, near: Near) -> int:
    """1 if a condition asks whether one of some values is above a bound, -1 below, 0 for anything else.

    Where it does not hold, if `beyond` is false.
    """
    for part in conjuncts(condition) if beyond else [condition]:
        for value, limit, up, down in _comparisons(part):
            if value in values and (limit is bound or near(limit, bound)) and (up or down):
                return (1 if up else -1) * (1 if beyond else -1)
    return 0


def _comparisons(term: Term) -> list[tuple[Term, Term, bool, bool]]:
    """Both sides of a comparison either way round, with whether it asks for above or below."""
    if term.op not in (*_UP, *_DOWN):
        return []
    a, b = term.args
    up = term.op in _UP
    return [(a, b, up, not up), (b, a, not up, up)]


def conjuncts(condition: Term) -> list[Term]:
    """The conditions that all hold where one does."""
    if condition.op == "&&":
        return [*conjuncts(condition.args[0]), *conjuncts(condition.args[1])]
    return [condition]


def disjuncts(condition: Term) -> list[Term]:
    """The conditions of which one holds where one does."""
    if condition.op == "||":
        return [*disjuncts(condition.args[0]), *disjuncts(condition.args[1])]
    return [condition]


def unstopped(rate: Term, own: Term, bounds: Bounds) -> Term:
    """Return a rate without what sets it to zero at a bound that it points beyond, and note the bounds.

    A stop in one direction asks for the state and for something else, such as the sign of the voltage. What stops the
    state at a bound whatever its direction is left: it locks there, as its author wrote it.
    """

    def stop(condition: Term) -> bool:
        found: list[tuple[Term, bool]] = []
        for part in disjuncts(condition):
            conditions = conjuncts(part)
            sides = [
                (limit, up)
                for item in conditions
                for value, limit, up, _ in _comparisons(item)
                if value is own and own not in limit.leaves
            ]
            if len(sides) != 1 or len(conditions) < 2:
                return False
            found += sides
        for limit, up in found:
            (bounds.upper if up else bounds.lower).append(limit)
        return bool(found)

    def walk(term: Term) -> Term:
        if term.op != "?:":
            return term
        condition, yes, no = term.args
        if literal(yes) == 0 and stop(condition):
            return walk(no)
        return choose(condition, walk(yes), walk(no))

    return walk(rate)
