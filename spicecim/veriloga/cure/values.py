"""What expressions of a module are worth, as terms of parameters, potentials, and what variables were a step ago."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from spicecim.errors import VerilogAError
from spicecim.veriloga.cure.syntax import Statement, Syntax
from spicecim.veriloga.cure.terms import STEP, TIME, ZERO, Term, at_once, build, literal, make, name, number, written
from spicecim.veriloga.source import Source

_DEEPEST = 20
"""Calls of functions inside each other."""
AT_START = {"static", "ic", "dc", "op", "nodeset"}
"""Analyses that the first step of a run is."""
_MEANS = {"uniform": None, "normal": 1, "exponential": 1, "poisson": 1, "chi_square": 1, "t": 0, "erlang": 2}
DRAWS = {f"${kind}_{name}": place for name, place in _MEANS.items() for kind in ("rdist", "dist")}
DRAWS |= {"$random": 0, "$arandom": 0}
"""Functions that draw at random, with the argument that is their mean.

None: the middle of the two after the seed; 0: none of them, the mean is zero.
"""


@dataclass(frozen=True)
class StepSource:
    """What stands for the time step beside differences of the time.

    Attributes
    ----------
    names
        Parameters and variables that are a fixed step.
    value
        A number in the text that is one.
    """

    names: frozenset[str] = frozenset()
    value: float | None = None


class Integral(NamedTuple):
    """An `idt`: the call, its variable in the text that is written, its rate, its start, and where it stands."""

    expression: Term
    name: str
    rate: Term
    initial: Term
    place: str


class Values(ABC):
    """Values of expressions, where variables have the values that they have.

    Parameters
    ----------
    starting
        Whether it is the first step of a run, from variables that are zero, or any later one.
    known
        What the value from the last step is, of variables of which that is known already.
    means
        Whether the mean takes the place of a random draw.
    """

    def __init__(
        self,
        source: Source,
        syntax: Syntax,
        *,
        starting: bool,
        known: Mapping[str, Term],
        step: StepSource,
        means: bool,
    ) -> None:
        self._source, self._syntax, self._step = source, syntax, step
        self._starting, self._means, self._known = starting, means, known
        self._constants = {key for key, value in known.items() if literal(value) is not None}
        self._env: dict[str, Term] = {}
        self._seen: dict[Term, Term] = {}
        self._quiet = 0
        self._always = True
        self._calls: dict[Term, Term] = {}
        self._integrals: list[Integral] = []

    def problem(self, line: int, text: str) -> VerilogAError:
        """Return an error at a line of the preprocessed text."""
        return VerilogAError(f"{self._source.place(line)}: {text}")

    @abstractmethod
    def _obey(self, statement: Statement) -> None:
        """Follow a statement of a function."""

    def _is_access(self, text: str) -> bool:
        return text in self._syntax.potentials or text in self._syntax.flows

    def value(self, expression: Term) -> Term:
        """The value of an expression, as a term of parameters, potentials, and what variables were."""
        found = self._seen.get(expression)
        if found is None:
            found = self._seen[expression] = self._worked_out(expression)
        return found

    def _worked_out(self, expression: Term) -> Term:
        op, text = expression.op, expression.text
        if op == "number":
            return STEP if self._step.value is not None and expression.value == self._step.value else expression
        if op == "name":
            if text == "$abstime" or text == "$realtime":
                return ZERO if self._starting else TIME
            if text in self._step.names:
                return STEP
            return self._env.get(text, expression)
        if op == "call":
            return self._call(expression)
        return build(op, *(self.value(arg) for arg in expression.args), text=text)

    def _call(self, expression: Term) -> Term:
        text = expression.text
        if self._is_access(text):
            return expression
        if text in ("analysis", "$analysis"):
            asked = {arg.text.strip('"') for arg in expression.args}
            return number(int(bool(asked & AT_START) if self._starting else "tran" in asked))
        if text in DRAWS and self._means:
            return self.value(self._mean(expression))
        if text == "idt":
            return self._integral(expression)
        args = tuple(self.value(arg) for arg in expression.args)
        if text in self._syntax.functions and (self._starting or any(STEP in arg.leaves for arg in args)):
            return self._inside(expression, args)
        return build("call", *args, text=text)

    @staticmethod
    def _mean(expression: Term) -> Term:
        place = DRAWS[expression.text]
        if place == 0:
            return ZERO
        if place is None:
            return make("*", number(0.5), make("+", *expression.args[1:3]))
        return expression.args[place]

    def _integral(self, expression: Term) -> Term:
        if expression not in self._calls:
            if len(expression.args) > 2:
                raise VerilogAError(
                    f"{self._syntax.declaration.place}: {written(expression)[:80]} is set back by an event: that is no "
                    "rate, and no node can hold it"
                )
            own = f"integral_{len(self._calls)}"
            while own in self._syntax.types or own in self._syntax.declaration.parameters:
                own += "_"
            self._calls[expression] = make("integral", text=own)
            rate = self.value(expression.args[0])
            initial = self.value(expression.args[1]) if len(expression.args) > 1 else ZERO
            places = self._syntax.declaration.calls.get("idt", [])
            place = places[min(len(self._calls), len(places)) - 1]
            self._integrals.append(Integral(expression, own, rate, initial, str(place)))
            if self._starting:
                self._calls[expression] = initial
        return self._calls[expression]

    def _inside(self, expression: Term, args: tuple[Term, ...]) -> Term:
        """The value of a function of the module, by following what it does."""
        function = self._syntax.functions[expression.text]
        if self._quiet >= _DEEPEST:
            raise self.problem(function.line, f"function {function.name} calls itself")
        outer, seen, always = self._env, self._seen, self._always
        self._env = {key: number(0) if kind == "integer" else ZERO for key, kind in function.types.items()}
        self._env.update(zip(function.args, args, strict=False))
        self._seen, self._always = {}, False
        self._quiet += 1
        self._obey(function.body)
        self._quiet -= 1
        value = self._env[function.name]
        self._env, self._seen, self._always = outer, seen, always
        return value

    def _kept(self, expression: Term) -> Term:
        """An expression as it has to be written where the time step is zero."""
        value = self.value(expression)
        if STEP in value.leaves and literal(at_once(value)) is not None:
            return at_once(value)
        if expression.op == "name":
            constant = expression.text in self._constants
            return self._known[expression.text] if constant and value is self._known[expression.text] else expression
        if expression.op == "call":
            if expression.text == "idt":
                return name(value.text) if value.op == "integral" else expression
            if expression.text in DRAWS and self._means:
                return self._mean(expression)
            if self._is_access(expression.text):
                return expression
        kept = tuple(self._kept(arg) for arg in expression.args)
        return expression if kept == expression.args else build(expression.op, *kept, text=expression.text)
