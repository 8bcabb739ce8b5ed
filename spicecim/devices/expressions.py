"""Equations as data: numpy functions of symbols are traced into expressions, which are differentiated and evaluated.

A method that a model writes for arrays, ``v / (self.Roff - (self.Roff - self.Ron) * s)``, is called with symbols in
their place. Numpy hands its operators and functions to `Expression`, which writes down what was asked for. So there is
one definition of an equation, and Verilog-A, SPICE, derivatives and kinks are made from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import NDArray

from spicecim.errors import ModelError
from spicecim.places import current_line

FloatArray = NDArray[np.float64]


class Expression(NDArrayOperatorsMixin):
    """A symbol, or an operation on operands that are expressions or floats.

    Two expressions are the same if they are one object; `Program` finds equal ones.
    """

    __slots__ = ("name", "operands", "operation")
    __hash__ = object.__hash__
    __array_priority__ = 1000.0

    def __init__(self, operation: str, operands: tuple[Any, ...] = (), name: str = "") -> None:
        self.operation = operation
        self.operands = operands
        self.name = name
        """Of a symbol its name; of an operation the local variable that a method kept it in, if any."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if method != "__call__" or ufunc.nout != 1 or options:
            raise _untranslatable(f"numpy.{ufunc.__name__}.{method}" if method != "__call__" else ufunc.__name__)
        return apply(_UFUNCS.get(ufunc.__name__, ufunc.__name__), *inputs)

    def __array_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...], options: dict[str, Any]
    ) -> Any:
        if function is np.where and len(args) == 3 and not options:
            return where(*args)
        if function is np.clip and len(args) == 3 and not options:
            value, lower, upper = args
            return apply("minimum", apply("maximum", value, lower), upper)
        raise _untranslatable(f"numpy.{function.__name__}")

    def __bool__(self) -> bool:
        raise ModelError(
            f"{_line()}: branches on a value that depends on the voltage or a state; use numpy.where, maximum, minimum "
            "or clip, which hold for arrays too"
        )

    def __float__(self) -> float:
        raise ModelError(f"{_line()}: makes a plain number of a value that depends on the voltage or a state")

    __int__ = __index__ = __float__

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise ModelError(
            f"{_line()}: makes an array of a value that depends on the voltage or a state; the arguments are arrays "
            "already"
        )

    def __iter__(self) -> Any:
        raise ModelError(f"{_line()}: goes through the entries of an array; write the equation for the whole of it")

    def __getitem__(self, _: Any) -> Any:
        raise ModelError(f"{_line()}: takes an entry of an array; write the equation for the whole of it")


def symbol(name: str) -> Expression:
    """Return a symbol: a voltage, a state or a parameter."""
    return Expression("symbol", name=name)


class _Operation(NamedTuple):
    """How an operation is evaluated, and its derivative: from the operands, their derivatives and the result."""

    evaluate: Callable[..., Any]
    derivative: Callable[..., Any]


def geometric_sum(ratio: Any, count: Any) -> Any:
    """``1 + ratio + ... + ratio**(count - 1)``, without the cancellation of its closed form near a ratio of 1.

    A function of its own beside numpy's, for equations that are traced.

    Parameters
    ----------
    ratio
        Array or expression.
    count
        Number of terms, an integer from 1 on.
    """
    if isinstance(ratio, Expression) or isinstance(count, Expression):
        return apply("geometric_sum", ratio, count)
    total: Any = np.ones_like(np.asarray(ratio, dtype=float))
    for _ in range(int(count) - 1):
        total = 1.0 + ratio * total
    return total


def _geometric_slope(ratio: Any, count: Any) -> Any:
    """Derivative of `geometric_sum` by its ratio, for a whole count."""
    if isinstance(count, Expression):
        raise ModelError("geometric_sum: its derivative needs the number of terms")
    slope: Any = 0.0
    for term in range(int(count) - 1, 0, -1):
        slope = slope * ratio + float(term)
    return slope


_OPERATIONS: dict[str, _Operation] = {
    "add": _Operation(np.add, lambda a, b, da, db, r: da + db),
    "subtract": _Operation(np.subtract, lambda a, b, da, db, r: da - db),
    "multiply": _Operation(np.multiply, lambda a, b, da, db, r: da * b + a * db),
    "divide": _Operation(np.divide, lambda a, b, da, db, r: (da - r * db) / b),
    "negative": _Operation(np.negative, lambda a, da, r: -da),
    "power": _Operation(
        np.power,
        # at a base of 0 the power is 0 whatever the exponent; the logarithm of a negative one stays NaN
        lambda a, b, da, db, r: (
            b * apply("power", a, b - 1.0) * da + (r * np.log(a + 1e-300) * db if _varies(db) else 0.0)
        ),
    ),
    "exp": _Operation(np.exp, lambda a, da, r: r * da),
    "log": _Operation(np.log, lambda a, da, r: da / a),
    "log1p": _Operation(np.log1p, lambda a, da, r: da / (1.0 + a)),
    "sqrt": _Operation(np.sqrt, lambda a, da, r: 0.5 * da / r),
    "sinh": _Operation(np.sinh, lambda a, da, r: np.cosh(a) * da),
    "cosh": _Operation(np.cosh, lambda a, da, r: np.sinh(a) * da),
    "tanh": _Operation(np.tanh, lambda a, da, r: (1.0 - r * r) * da),
    "sin": _Operation(np.sin, lambda a, da, r: np.cos(a) * da),
    "cos": _Operation(np.cos, lambda a, da, r: -np.sin(a) * da),
    "arctan": _Operation(np.arctan, lambda a, da, r: da / (1.0 + a * a)),
    "arcsin": _Operation(np.arcsin, lambda a, da, r: da / np.sqrt(1.0 - a * a)),
    "arcsinh": _Operation(np.arcsinh, lambda a, da, r: da / np.sqrt(1.0 + a * a)),
    "absolute": _Operation(np.absolute, lambda a, da, r: where(a >= 0.0, da, -da)),
    "maximum": _Operation(np.maximum, lambda a, b, da, db, r: where(a >= b, da, db)),
    "minimum": _Operation(np.minimum, lambda a, b, da, db, r: where(a <= b, da, db)),
    "where": _Operation(np.where, lambda c, a, b, dc, da, db, r: where(c, da, db)),
    "geometric_sum": _Operation(geometric_sum, lambda a, n, da, dn, r: _geometric_slope(a, n) * da),
    "greater": _Operation(np.greater, lambda *_: 0.0),
    "greater_equal": _Operation(np.greater_equal, lambda *_: 0.0),
    "less": _Operation(np.less, lambda *_: 0.0),
    "less_equal": _Operation(np.less_equal, lambda *_: 0.0),
    "logical_and": _Operation(np.logical_and, lambda *_: 0.0),
    "logical_or": _Operation(np.logical_or, lambda *_: 0.0),
    "logical_not": _Operation(np.logical_not, lambda *_: 0.0),
}

OPERATIONS = frozenset(_OPERATIONS)
"""Names of the operations that an expression may hold."""

COMPARISONS = ("greater", "greater_equal", "less", "less_equal")

_UFUNCS = {"true_divide": "divide", "abs": "absolute", "bitwise_and": "logical_and", "bitwise_or": "logical_or"}
_UFUNCS |= {"invert": "logical_not", "fabs": "absolute"}
_COMPOSED: dict[str, Callable[..., Any]] = {
    "positive": lambda a: a,
    "square": lambda a: a * a,
    "reciprocal": lambda a: 1.0 / a,
    "expm1": lambda a: 2.0 * np.exp(0.5 * a) * np.sinh(0.5 * a),
    "sign": lambda a: where(a > 0.0, 1.0, where(a < 0.0, -1.0, 0.0)),
    "heaviside": lambda a, at_zero: where(a > 0.0, 1.0, where(a < 0.0, 0.0, at_zero)),
    "float_power": lambda a, b: a**b,
}
"""Functions of numpy that are written with the others."""


def apply(operation: str, *operands: Any) -> Any:
    """Return an operation on operands, worked out where all are numbers, and simplified where one is 0 or 1."""
    if operation in _COMPOSED:
        return _COMPOSED[operation](*operands)
    if operation not in _OPERATIONS:
        raise _untranslatable(f"numpy.{operation}")
    values = tuple(_operand(value) for value in operands)
    if not any(isinstance(value, Expression) for value in values):
        return float(_OPERATIONS[operation].evaluate(*values))
    return _simplified(operation, values)


def where(condition: Any, value: Any, other: Any) -> Any:
    """Return one of two values by a condition; the value itself where both are the same number."""
    if not isinstance(condition, Expression):
        return value if condition else other
    value, other = _operand(value), _operand(other)
    if not isinstance(value, Expression) and not isinstance(other, Expression) and value == other:
        return value
    return Expression("where", (condition, value, other))


def _simplified(operation: str, values: tuple[Any, ...]) -> Any:
    first, last = values[0], values[-1]
    match operation:
        case "add" if _is(first, 0.0):
            return last
        case "add" | "subtract" if _is(last, 0.0):
            return first
        case "subtract" if _is(first, 0.0):
            return apply("negative", last)
        case "multiply" if _is(first, 0.0) or _is(last, 0.0):
            return 0.0
        case "multiply" if _is(first, 1.0):
            return last
        case "multiply" | "divide" | "power" if _is(last, 1.0):
            return first
        case "divide" if _is(first, 0.0):
            return 0.0
        case "power" if _is(last, 0.0):
            return 1.0
        case "geometric_sum" if _is(last, 1.0):
            return 1.0
    return Expression(operation, values)


def _is(value: Any, number: float) -> bool:
    return not isinstance(value, Expression) and value == number


def _varies(value: Any) -> bool:
    return isinstance(value, Expression) or value != 0.0


def _operand(value: Any) -> Any:
    if isinstance(value, Expression):
        return value
    if isinstance(value, bool | np.bool_):
        return bool(value)
    try:
        if np.ndim(value) == 0:
            return float(value)
    except (TypeError, ValueError):
        pass
    raise ModelError(
        f"{_line()}: mixes an array or {type(value).__name__} into an equation; only numbers can stand there"
    )


def derivative(expression: Any, by: str) -> Any:
    """Return the derivative of an expression by the symbol of a name; at a kink that of one side."""
    slopes: dict[int, Any] = {}
    for part in ordered([expression]):
        if part.operation == "symbol":
            slope: Any = 1.0 if part.name == by else 0.0
        else:
            of_operands = [slopes[id(o)] if isinstance(o, Expression) else 0.0 for o in part.operands]
            if not any(_varies(value) for value in of_operands):
                slope = 0.0
            else:
                slope = _OPERATIONS[part.operation].derivative(*part.operands, *of_operands, part)
        slopes[id(part)] = slope
    return slopes[id(expression)] if isinstance(expression, Expression) else 0.0


def symbols_of(expression: Any) -> frozenset[str]:
    """Names of the symbols that an expression depends on."""
    return frozenset(part.name for part in ordered([expression]) if part.operation == "symbol")


def kinks(expressions: Iterable[Any]) -> list[Expression]:
    """Return what changes its sign where one of the expressions is not smooth: the difference of what is compared."""
    found = []
    for part in ordered(expressions):
        difference: Any = None
        if part.operation in (*COMPARISONS, "maximum", "minimum"):
            difference = part.operands[0] - part.operands[1]
        elif part.operation == "absolute":
            difference = part.operands[0]
        if isinstance(difference, Expression):
            found.append(difference)
    return list(dict.fromkeys(unified(found)))


def ordered(expressions: Iterable[Any]) -> list[Expression]:
    """Every part of the expressions once, operands before what is made of them."""
    order: list[Expression] = []
    seen: set[int] = set()
    for expression in expressions:
        stack = [(expression, False)] if isinstance(expression, Expression) else []
        while stack:
            part, visited = stack.pop()
            if visited:
                order.append(part)
            elif id(part) not in seen:
                seen.add(id(part))
                stack.append((part, True))
                stack += [(operand, False) for operand in part.operands if isinstance(operand, Expression)]
    return order


def unified(expressions: Sequence[Any]) -> list[Any]:
    """Return the expressions with equal parts made one object, which has the name of the first part that has one."""
    places: dict[int, Any] = {}
    known: dict[Any, Expression] = {}
    for part in ordered(expressions):
        operands = tuple(places[id(o)] if isinstance(o, Expression) else o for o in part.operands)
        if part.operation == "where" and operands[1] is operands[2]:
            places[id(part)] = operands[1]
            continue
        symbol_name = part.name if part.operation == "symbol" else ""
        key = (part.operation, symbol_name, *(id(o) if isinstance(o, Expression) else repr(o) for o in operands))
        one = known.setdefault(key, Expression(part.operation, operands, part.name))
        one.name = one.name or part.name
        places[id(part)] = one
    return [places[id(e)] if isinstance(e, Expression) else e for e in expressions]


def uses_of(expressions: Sequence[Any]) -> dict[int, int]:
    """How often each part of the expressions is an operand, or one of them, by its identity."""
    uses: dict[int, int] = {}
    for operand in [*expressions, *(operand for part in ordered(expressions) for operand in part.operands)]:
        uses[id(operand)] = uses.get(id(operand), 0) + 1
    return uses


class Program:
    """Expressions as a list of instructions that is run on arrays; equal parts are worked out once.

    Parameters
    ----------
    outputs
        Expressions or numbers.
    inputs
        Names of the symbols, in the order of the arguments of a call.
    """

    def __init__(self, outputs: Sequence[Any], inputs: Sequence[str]) -> None:
        outputs = unified(outputs)
        parts = ordered(outputs)
        operands = [o for part in parts for o in part.operands] + [*outputs]
        self._numbers = [*{repr(o): o for o in operands if not isinstance(o, Expression)}.values()]
        places: dict[Any, int] = {repr(o): len(inputs) + at for at, o in enumerate(self._numbers)}
        self._steps: list[tuple[Callable[..., Any], Callable[[list[Any]], Any]]] = []
        for part in parts:
            if part.operation == "symbol":
                places[id(part)] = inputs.index(part.name)
                continue
            at = [places[_key(o)] for o in part.operands]
            places[id(part)] = len(inputs) + len(self._numbers) + len(self._steps)
            take = itemgetter(*at) if len(at) > 1 else itemgetter(slice(at[0], at[0] + 1))
            self._steps.append((_OPERATIONS[part.operation].evaluate, take))
        self._outputs = [places[_key(o)] for o in outputs]

    def __call__(self, *values: Any) -> list[FloatArray]:
        """Evaluate the outputs at arrays that broadcast against each other; each is of their common shape.

        They are read-only: an output may be an input, or the same array as another output.
        """
        registers = [*values, *self._numbers]
        for evaluate, take in self._steps:
            registers.append(evaluate(*take(registers)))
        shape = np.broadcast_shapes(*(np.shape(value) for value in values))
        return [_read_only(registers[o], shape) for o in self._outputs]


def _read_only(value: Any, shape: tuple[int, ...]) -> FloatArray:
    array: FloatArray = np.asarray(value, dtype=float)
    if array.shape != shape:
        return np.broadcast_to(array, shape)
    view = array.view()  # several times as fast as `broadcast_to`
    view.flags.writeable = False
    return view


def _key(operand: Any) -> Any:
    """What tells an operand from others: a part from equal ones, and 0.0 from -0.0."""
    return id(operand) if isinstance(operand, Expression) else repr(operand)


def _untranslatable(function: str) -> ModelError:
    known = ", ".join(sorted(set(_OPERATIONS) - {"negative", "logical_and", "logical_or", "logical_not"}))
    return ModelError(f"{_line()}: {function} has no translation; known are arithmetic, comparisons and {known}")


def _line() -> str:
    return current_line() or "the equation"


def substituted(expression: Any, values: Mapping[str, Any]) -> Any:
    """Return an expression with symbols replaced, and what becomes a number worked out."""
    new: dict[int, Any] = {}
    for part in ordered([expression]):
        if part.operation == "symbol":
            new[id(part)] = values.get(part.name, part)
            continue
        operands = [new[id(o)] if isinstance(o, Expression) else o for o in part.operands]
        made = where(*operands) if part.operation == "where" else apply(part.operation, *operands)
        new[id(part)] = made
    return new[id(expression)] if isinstance(expression, Expression) else expression
