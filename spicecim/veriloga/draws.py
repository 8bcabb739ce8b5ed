"""Random numbers of a module, `$rdist_normal` and its kin: one draw for each call and instance, from the call's seed.

The standard (Verilog-AMS language reference manual 2.4, clause 9.13) draws when a call is evaluated. In
``@(initial_step)``, and wherever the seed is set just before the call, that gives one number per instance. There a call
becomes the potential of a node of its own, whose equation says that it stays, so that both engines start it from the
same number. Anywhere else a call would draw at every evaluation, of which an integrator makes as many as it likes, or
at every event, of which the equations do not know. Calls are numbered in the order of the text, for each seed that was
set, wherever conditions lead.

The numbers of a seed come from the generator Philox (J. K. Salmon et al., Parallel random numbers: as easy as 1, 2, 3,
SC 2011, doi:10.1145/2063384.2063405), one for each instance, through the inverse of the distribution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.special

from spicecim.devices.expressions import FloatArray
from spicecim.errors import ModelError, VerilogAError
from spicecim.veriloga.declarations import (
    ModuleDeclaration,
    Token,
    closing,
    read_declarations,
    split_at_commas,
    statement_end,
)
from spicecim.veriloga.expressions import Expression, ExpressionError
from spicecim.veriloga.rewriting import edited
from spicecim.veriloga.source import Source

DRAW = "spicecim_draw_"
"""What the name of the node of a draw begins with."""
_INTEGER = "spicecim_rounded"
_QUANTUM = 2.0**-40
"""Draws are multiples of it, which ngspice reads to the last bit: as whole numbers."""

_Quantile = Callable[..., FloatArray]


class _Distribution(NamedTuple):
    arguments: int
    """How many follow the seed."""
    shape: int
    """How many of them, from the first one, the draw itself depends on."""
    quantile: _Quantile
    """Value by probability and these arguments."""
    result: str
    """The call's value from the draw {0} and the arguments."""


def _poisson(p: FloatArray, mean: float) -> FloatArray:
    counts = np.ceil(scipy.special.pdtrik(p, mean))
    below = scipy.special.pdtr(np.maximum(counts - 1.0, 0.0), mean) >= p
    return np.asarray(np.maximum(np.where(below, counts - 1.0, counts), 0.0))


_REAL = {
    "uniform": _Distribution(2, 0, lambda p: p, "(({1}) + (({2}) - ({1}))*{0})"),
    "normal": _Distribution(2, 0, scipy.special.ndtri, "(({1}) + ({2})*{0})"),
    "exponential": _Distribution(1, 0, lambda p: -np.log1p(-p), "(({1})*{0})"),
    "poisson": _Distribution(1, 1, _poisson, "{0}"),
    "chi_square": _Distribution(1, 1, lambda p, k: 2.0 * scipy.special.gammaincinv(0.5 * k, p), "{0}"),
    "t": _Distribution(1, 1, lambda p, k: scipy.special.stdtrit(k, p), "{0}"),
    "erlang": _Distribution(2, 1, lambda p, k: scipy.special.gammaincinv(k, p), "(({2})/({1})*{0})"),
}
_WHOLE = _Distribution(0, 0, lambda p: np.floor(p * 2.0**32) - 2.0**31, _INTEGER + "({0})")

FUNCTIONS = {f"$rdist_{name}": distribution for name, distribution in _REAL.items()}
FUNCTIONS |= {
    f"$dist_{name}": distribution._replace(result=f"{_INTEGER}({distribution.result})")
    for name, distribution in _REAL.items()
}
# both ends of a range of whole numbers are in it
FUNCTIONS["$dist_uniform"] = _REAL["uniform"]._replace(
    result=f"{_INTEGER}(floor(({{1}}) + (({{2}}) - ({{1}}) + 1)*{{0}}))"
)
FUNCTIONS |= {"$random": _WHOLE, "$arandom": _WHOLE}
"""Functions that draw, by name."""


@dataclass(frozen=True)
class Draw:
    """A call that draws.

    Attributes
    ----------
    node
        Node that holds the number.
    function
        Name of the function.
    seed
        Constant expression of its seed.
    earlier
        How many calls draw from the same seed before it.
    shape
        Constant expressions that the distribution depends on.
    common
        Whether all instances get the same number.
    place
        File and line.
    """

    node: str
    function: str
    seed: Expression
    earlier: int
    shape: tuple[Expression, ...]
    common: bool
    place: str

    @property
    def quantum(self) -> float:
        """What every number is a multiple of."""
        return 1.0 if FUNCTIONS[self.function] is _WHOLE else _QUANTUM

    def middle(self, parameters: Mapping[str, Any]) -> float:
        """The median of the numbers."""
        return float(self._numbers(np.array([0.5]), parameters)[0])

    def values(self, count: int, parameters: Mapping[str, Any]) -> FloatArray:
        """Numbers of so many instances (instance,).

        Raises
        ------
        ModelError
            If the seed or the shape of the distribution is not a constant expression of numbers.
        """
        try:
            seed = int(self.seed.evaluate(parameters))
        except (ExpressionError, ValueError, OverflowError) as error:
            raise ModelError(f"parameters: the seed {self.seed} of {self.function} ({self.place}): {error}") from None
        generator = np.random.Philox(key=np.array([seed % 2**64, self.earlier], dtype=np.uint64))
        bits = generator.random_raw(1 if self.common else count)
        numbers = self._numbers(((bits >> np.uint64(11)).astype(float) + 0.5) * 2.0**-53, parameters)
        return np.broadcast_to(numbers, (count,)).copy()

    def _numbers(self, p: FloatArray, parameters: Mapping[str, Any]) -> FloatArray:
        try:
            shape = [float(value.evaluate(parameters)) for value in self.shape]
        except (ExpressionError, ValueError) as error:
            raise ModelError(f"parameters: the distribution of {self.function} ({self.place}): {error}") from None
        numbers = np.round(FUNCTIONS[self.function].quantile(p, *shape) / self.quantum) * self.quantum
        if not np.isfinite(numbers).all():
            given = ", ".join(map(str, shape))
            raise ModelError(f"parameters: {self.function} ({self.place}) has no numbers for {given}")
        return np.asarray(numbers)


def lower_draws(source: Source) -> Source:
    """Return a source whose calls that draw are potentials of nodes, which `Source.draws` describes by module.

    Raises
    ------
    VerilogAError
        If a call would draw at every evaluation, or in a way that cannot be told in advance.
    """
    if not any(name in source.text for name in ("dist_", "random")):
        return source
    edits: list[tuple[int, int, str]] = []
    draws: dict[str, tuple[Draw, ...]] = {}
    for module in read_declarations(source).values():
        reader = _Reader(source, module)
        found = list(reader.read())
        if not found:
            continue
        draws[module.name] = tuple(draw for draw, _ in found)
        edits += [edit for _, edit in found]
        nodes = [draw.node for draw in draws[module.name]]
        declared = f" electrical {', '.join(nodes)};"
        declared += "".join(f" analog I({node}) <+ ddt(V({node}));" for node in nodes)
        if any(_INTEGER in text for _, _, text in edits):
            declared += f" analog function integer {_INTEGER}; input value; real value; {_INTEGER} = value; endfunction"
        edits.append((module.header_end, module.header_end, declared))
    return edited(source, edits, draws=draws) if edits else source


class _Reader:
    """Finds the draws of a module."""

    def __init__(self, source: Source, module: ModuleDeclaration) -> None:
        self._source, self._module, self._body = source, module, module.body
        self._starting = _starting(module)
        self._repeated = _repeated(self._body)
        self._events = list(_events(self._body))
        self._own = {token.start for token in self._body}

    def read(self) -> Iterator[tuple[Draw, tuple[int, int, str]]]:
        """Yield each draw with the edit that takes its call's place."""
        counts: dict[tuple[str, int], int] = {}
        for token in self._module.tokens:
            if token.text in FUNCTIONS and token.start not in self._own:
                self._refuse(token, "in a function is not supported; draw outside, and pass the number")
        number = 0
        for index, token in enumerate(self._body):
            if token.text not in FUNCTIONS:
                continue
            yield self._draw(index, token, number, counts)
            number += 1

    def _draw(
        self, index: int, token: Token, number: int, counts: dict[tuple[str, int], int]
    ) -> tuple[Draw, tuple[int, int, str]]:
        distribution = FUNCTIONS[token.text]
        called = index + 1 < len(self._body) and self._body[index + 1].text == "("
        end = closing(self._body, index + 1) if called else index
        parts = list(split_at_commas(self._body[index + 2 : end])) if called else []
        common = False
        if parts and parts[-1][0].text.startswith('"'):
            common = parts.pop()[0].text == '"global"'
        if len(parts) != 1 + distribution.arguments and (distribution.arguments or len(parts) > 1):
            self._refuse(token, f"takes a seed and {distribution.arguments} arguments; it gets {len(parts)}")
        if index in self._repeated:
            self._refuse(token, "in a loop is not supported: each round draws another number; write one call for each")
        seed, since = self._seed(token, index, parts[0] if parts else [])
        key = " ".join(seed.tokens), since
        counts[key] = counts.get(key, -1) + 1
        texts = [self._text(part) for part in parts[1:]]
        shape = tuple(
            self._resolved(token, part, self._body.index(token)) for part in parts[1 : 1 + distribution.shape]
        )
        node = f"{DRAW}{number}"
        place = str(self._source.place(token.line))
        draw = Draw(node, token.text, seed, counts[key], shape, common, place)
        return draw, (token.start, self._body[end].end, distribution.result.format(f"V({node})", *texts))

    def _seed(self, token: Token, index: int, seed: Sequence[Token]) -> tuple[Expression, int]:
        """The seed as a constant expression, and where it was set (a position in the body); refuses what draws anew."""
        variables = {variable.name for variable in self._module.variables}
        if not seed:
            self._refuse_anew(token, index)
            return Expression(("0",)), -1
        if len(seed) == 1 and seed[0].text in variables:
            name, since = seed[0].text, self._assigned_before(seed[0].text, index)
            if since not in self._starting and index not in self._starting and since < 0:
                self._refuse_anew(token, index)
            if since in self._starting:
                self._refuse_anew(token, index)
            if since < 0:
                return Expression(("0",)), -1
            return self._resolved(token, [self._body[since]], index, name), since
        self._refuse_anew(token, index)
        # each call with a constant for its seed has one of its own
        return self._resolved(token, seed, index), index

    def _refuse_anew(self, token: Token, index: int) -> None:
        if index in self._starting:
            return
        event = next((name for name, places in self._events if index in places), None)
        if event:
            self._refuse(
                token,
                f"draws anew at every @({event}) here, of which the equations do not know; draw in @(initial_step) for "
                "one number per instance, or make it a parameter, which cycle_to_cycle draws anew for every pulse",
            )
        self._refuse(
            token,
            "draws at every evaluation here, of which an integrator makes as many as it likes; draw in "
            "@(initial_step), or set the seed just before, for one number per instance",
        )

    def _assigned_before(self, name: str, index: int) -> int:
        """Position of the variable in the last assignment to it before a position; -1 if there is none."""
        for place in range(index - 1, -1, -1):
            if self._body[place].text == name and self._body[place + 1].text == "=":
                return place
        return -1

    def _resolved(self, call: Token, tokens: Sequence[Token], index: int, name: str = "", depth: int = 0) -> Expression:
        """Tokens with variables replaced by what they were assigned before; a name stands for its assignment."""
        if name:
            place = self._assigned_before(name, index)
            end = next(i for i in range(place, len(self._body)) if self._body[i].text == ";")
            tokens, index = self._body[place + 2 : end], place
        variables = {variable.name for variable in self._module.variables}
        words: list[str] = []
        for token in tokens:
            if token.text not in variables:
                words.append(token.text)
                continue
            if depth > len(variables) or self._assigned_before(token.text, index) < 0:
                self._refuse(call, f"depends on {token.text}, which is not set before from constants and parameters")
            words += ["(", *self._resolved(call, (), index, token.text, depth + 1).tokens, ")"]
        return Expression(tuple(words))

    def _text(self, tokens: Sequence[Token]) -> str:
        return " ".join(token.text for token in tokens)

    def _refuse(self, token: Token, problem: str) -> None:
        raise VerilogAError(f"{self._source.place(token.line)}: {token.text} {problem}")


def _starting(module: ModuleDeclaration) -> set[int]:
    """Positions in the body that are evaluated at the start alone, in `@(initial_step)`."""
    starts = {token.start for statement in module.initial_statements for token in statement}
    return {index for index, token in enumerate(module.body) if token.start in starts}


def _events(body: Sequence[Token]) -> Iterator[tuple[str, range]]:
    """The first event of each `@(...)` other than the start, with the positions of the statement behind it."""
    for index, token in enumerate(body[:-2]):
        if token.text == "@" and body[index + 1].text == "(" and body[index + 2].text != "initial_step":
            yield body[index + 2].text, range(index, statement_end(body, index) + 1)


def _repeated(body: Sequence[Token]) -> set[int]:
    """Positions in loops."""
    found: set[int] = set()
    for index, token in enumerate(body):
        if token.text in ("for", "while", "repeat"):
            found |= set(range(index, statement_end(body, index) + 1))
    return found
