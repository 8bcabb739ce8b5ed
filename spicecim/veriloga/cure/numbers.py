"""Terms as numbers, at values of parameters, potentials and states."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from spicecim.errors import VerilogAError
from spicecim.veriloga.cure.functions import FUNCTIONS, THERMAL_VOLTAGE
from spicecim.veriloga.cure.terms import Term
from spicecim.veriloga.declarations import ModuleDeclaration
from spicecim.veriloga.evaluation import TEMPERATURE
from spicecim.veriloga.expressions import CONSTANTS, OPERATORS, SIGNS, ExpressionError

_MOVED = 0.93
"""Factor of a parameter's value that makes another one."""
_FROM_ZERO = 0.03


class NotKnown(ValueError):
    """A term that holds something without a value."""


class Numbers:
    """Values of terms.

    Parameters
    ----------
    parameters
        Values of parameters.
    functions
        Functions of the module and of the language.
    """

    def __init__(self, parameters: Mapping[str, Any], functions: Mapping[str, Callable[..., float]]) -> None:
        self._names = {
            "$temperature": TEMPERATURE, "$vt": THERMAL_VOLTAGE, "$mfactor": 1.0, **CONSTANTS, **parameters
        }  # fmt: skip
        self._own = frozenset(parameters)
        self._functions = functions

    def moved(self, names: Iterable[str] | None = None) -> Numbers:
        """Return the same with other values of real parameters: of those that are named, or of all."""
        moved = Numbers({}, self._functions)
        moved._names = {
            key: (value * _MOVED or _FROM_ZERO)
            if isinstance(value, float) and key in self._own and (names is None or key in names)
            else value
            for key, value in self._names.items()
        }
        moved._own = self._own
        return moved

    def __call__(self, term: Term, values: Mapping[Term, float] | None = None, access: float = 0.0) -> float:
        """Return the value of a term.

        Parameters
        ----------
        values
            Of terms that take the place of a value: memories, integrals, the step.
        access
            Value of every potential and flow.

        Raises
        ------
        NotKnown
            If the term holds anything else.
        """
        seen: dict[Term, Any] = dict(values or {})

        def of(item: Term) -> Any:
            if item not in seen:
                seen[item] = self._of(item, of, access)
            return seen[item]

        try:
            return float(of(term))
        except (ArithmeticError, TypeError, ValueError, RecursionError) as error:
            raise NotKnown(str(error)) from None

    def _of(self, item: Term, of: Callable[[Term], Any], access: float) -> Any:
        op, args = item.op, item.args
        if op == "number":
            return item.value
        if op == "text":
            return item.text.strip('"')
        if op == "name" and item.text in self._names:
            return self._names[item.text]
        if op == "call":
            function = self._functions.get(item.text) or FUNCTIONS.get(item.text.removeprefix("$"))
            if function is not None:
                return function(*(of(arg) for arg in args))
            if all(arg.op == "name" for arg in args):
                return access
        if op == "?:":
            return of(args[1]) if of(args[0]) else of(args[2])
        if op in OPERATORS and len(args) == 2:
            return OPERATORS[op][1](of(args[0]), of(args[1]))
        if op in SIGNS and len(args) == 1:
            return SIGNS[op](of(args[0]))
        raise NotKnown(item.text or op)


def default_values(declaration: ModuleDeclaration) -> dict[str, Any]:
    """Return the default of every parameter; raises `VerilogAError` for one that is no constant."""
    values: dict[str, Any] = {}
    for item in declaration.parameters.values():
        try:
            value = item.default.evaluate(values)
        except ExpressionError as error:
            raise VerilogAError(f"{item.place}: default of {item.name}: {error}") from None
        values[item.name] = value if item.type == "string" else int(value) if item.type == "integer" else float(value)
    return values
