"""The derivative of an update by the time step, where the step is zero: the rate of what is updated."""

from __future__ import annotations

from spicecim.veriloga.cure.terms import (
    COMPARISONS,
    ONE,
    STEP,
    ZERO,
    Term,
    add,
    at_once,
    call,
    choose,
    divide,
    make,
    multiply,
    negative,
    number,
    subtract,
)


class NoSlope(ValueError):
    """A function of the time step whose derivative is not known."""


def rate_of(update: Term) -> Term:
    """Return the derivative of a term by the time step at a step of zero.

    Raises
    ------
    NoSlope
        If a function of the step has no derivative that is known.
    """
    return _slope(update, {})


def _slope(term: Term, seen: dict[Term, Term]) -> Term:
    if term is STEP:
        return ONE
    if STEP not in term.leaves:
        return ZERO
    if term not in seen:
        seen[term] = _by_rule(term, seen)
    return seen[term]


def _by_rule(term: Term, seen: dict[Term, Term]) -> Term:
    args = term.args
    if term.op == "?:":
        return choose(at_once(args[0]), _slope(args[1], seen), _slope(args[2], seen))
    if term.op in COMPARISONS or term.op in ("&&", "||", "!"):
        return ZERO
    slopes = [_slope(arg, seen) for arg in args]
    values = [at_once(arg) for arg in args]
    if term.op == "call":
        return _of_function(term, values, slopes)
    if len(args) == 1 and term.op in "+-":
        return negative(slopes[0]) if term.op == "-" else slopes[0]
    if term.op == "+":
        return add(*slopes)
    if term.op == "-":
        return subtract(*slopes)
    if term.op == "*":
        return add(multiply(slopes[0], values[1]), multiply(values[0], slopes[1]))
    if term.op == "/":
        own = divide(slopes[0], values[1])
        return subtract(own, divide(multiply(values[0], slopes[1]), multiply(values[1], values[1])))
    if term.op == "**":
        return _of_power(values, slopes)
    raise NoSlope(f"the time step goes through {term.op}")


def _of_power(values: list[Term], slopes: list[Term]) -> Term:
    base, exponent = values
    by_base = multiply(multiply(exponent, call("pow", base, subtract(exponent, ONE))), slopes[0])
    return add(by_base, multiply(multiply(call("pow", base, exponent), call("ln", base)), slopes[1]))


def _of_function(term: Term, values: list[Term], slopes: list[Term]) -> Term:
    function, value = term.text.removeprefix("$"), values[0] if values else ZERO
    if function == "pow":
        return _of_power(values, slopes)
    if function in ("min", "max"):
        first = make("<" if function == "min" else ">", *values)
        return choose(first, slopes[0], slopes[1])
    own = at_once(term)
    known = {
        "exp": lambda: own,
        "limexp": lambda: own,
        "ln": lambda: divide(ONE, value),
        "log": lambda: divide(ONE, multiply(value, call("ln", number(10.0)))),
        "sqrt": lambda: divide(number(0.5), own),
        "sin": lambda: call("cos", value),
        "cos": lambda: negative(call("sin", value)),
        "sinh": lambda: call("cosh", value),
        "cosh": lambda: call("sinh", value),
        "tanh": lambda: subtract(ONE, multiply(own, own)),
        "atan": lambda: divide(ONE, add(ONE, multiply(value, value))),
        "abs": lambda: choose(make("<", value, ZERO), number(-1.0), ONE),
    }
    if function not in known:
        raise NoSlope(f"the time step goes through {term.text}")
    return multiply(slopes[0], known[function]())
