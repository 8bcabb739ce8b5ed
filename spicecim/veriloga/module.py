"""A compiled Verilog-A module: OpenVAF's intermediate form as plain data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

Kind = Literal["real", "int", "bool", "string"]

INTEGER_OPERATIONS = {"iadd", "isub", "imul", "idiv", "irem", "ishl", "ishr", "ixor", "iand", "ior", "inot", "ineg"}
COMPARISONS = {f"{kind}{relation}" for kind in "if" for relation in ("lt", "le", "gt", "ge", "eq", "ne")}
COMPARISONS |= {"seq", "sne", "beq", "bne", "bnot"}
CASTS: dict[str, Kind] = {"ifcast": "real", "bfcast": "real", "ficast": "int", "bicast": "int"}
CASTS |= {"ibcast": "bool", "fbcast": "bool"}
REAL_BINARY = {"fadd", "fsub", "fmul", "fdiv", "frem", "hypot", "atan2", "pow"}
REAL_UNARY = {"fneg", "sqrt", "exp", "ln", "log", "floor", "ceil", "sin", "cos", "tan", "asin", "acos", "atan"}
REAL_UNARY |= {"sinh", "cosh", "tanh", "asinh", "acosh", "atanh"}


ZERO = "v3"
"""OpenVAF's name for the constant 0.0."""


@dataclass(frozen=True)
class Instruction:
    """One instruction; `callback` names what a call calls."""

    opcode: str
    result: str
    operands: tuple[str, ...]
    blocks: tuple[str, ...]
    """Of a phi, the block each operand comes from; of a branch, the blocks it leads to, the one if true first."""
    callback: str = ""


@dataclass(frozen=True)
class Argument:
    """An argument of a function: what its value stands for (``voltage``, ``param``, ``cached``...) and of what."""

    value: str
    kind: str
    name: str


@dataclass(frozen=True)
class Function:
    """A function in static single assignment form.

    Attributes
    ----------
    blocks
        Instructions of each block, the entry first. A block without a branch at its end returns.
    constants
        Values of constants, numbers, truth values and texts, by name.
    kinds
        Kind of every value.
    """

    arguments: tuple[Argument, ...]
    blocks: Mapping[str, tuple[Instruction, ...]]
    constants: Mapping[str, float | int | bool | str]
    kinds: Mapping[str, Kind]


@dataclass(frozen=True)
class Node:
    """An unknown of the module: a node's potential, a branch's current, or an equation's implicit value.

    Attributes
    ----------
    reference
        Name of the node that the potential is counted from; empty for the ground.
    """

    name: str
    kind: str
    terminal: bool
    units: str
    residual_units: str
    reference: str = ""


@dataclass(frozen=True)
class Parameter:
    """A parameter; `instance` tells whether each device may have its own value."""

    name: str
    type: str
    units: str
    description: str
    instance: bool
    aliases: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """Names of the values of `evaluate` that are a residual or an entry of the Jacobian; empty where it is zero."""

    row: int
    column: int
    resistive: str
    reactive: str


@dataclass(frozen=True)
class Module:
    """A module.

    ``evaluate`` takes potentials and parameters to residuals and their derivatives; ``setup`` is run before it, once
    for each set of parameters, and gives the values of ``cache`` (from the name in `setup` to those in `evaluate`). Of
    values of setup that have the same names in `evaluate`, any that is worked out will do: they are equal.

    Attributes
    ----------
    residuals
        Of each node; `column` is -1.
    collapses
        Pairs of nodes that may become one, by the callback that says so in `setup`; None stands for the ground.
    small_signal
        Values of `evaluate` that are zero but for small-signal analyses.
    """

    name: str
    nodes: tuple[Node, ...]
    parameters: tuple[Parameter, ...]
    evaluate: Function
    setup: Function
    cache: Mapping[str, tuple[str, ...]]
    residuals: tuple[Entry, ...]
    jacobian: tuple[Entry, ...]
    collapses: Mapping[str, tuple[int, int | None]]
    small_signal: frozenset[str]

    @property
    def terminals(self) -> tuple[str, ...]:
        """Names of the terminals, in order."""
        return tuple(node.name for node in self.nodes if node.terminal)

    @property
    def native_names(self) -> dict[str, str]:
        """Names of the parameters in ngspice, where upper and lower case are the same and some names are taken."""
        lower = [re.sub(r"\W", "_", parameter.name.lower()) for parameter in self.parameters]
        return {
            parameter.name: f"p_{name}" if lower.count(name) == 1 else f"p_{name}_{index}"
            for index, (parameter, name) in enumerate(zip(self.parameters, lower, strict=True))
        }

    def node(self, name: str) -> int:
        """Index of a node by name; raises KeyError."""
        for index, node in enumerate(self.nodes):
            if node.name == name:
                return index
        raise KeyError(name)

    def arranged(self, order: Sequence[int]) -> Module:
        """Return the module with these nodes alone, in this order."""
        place = {old: new for new, old in enumerate(order)}

        def moved(entries: Sequence[Entry]) -> tuple[Entry, ...]:
            return tuple(
                replace(entry, row=place[entry.row], column=place.get(entry.column, -1))
                for entry in entries
                if entry.row in place and (entry.column in place or entry.column < 0)
            )

        return replace(
            self,
            nodes=tuple(self.nodes[index] for index in order),
            residuals=moved(self.residuals),
            jacobian=moved(self.jacobian),
            collapses={
                hint: (place[one], None if other is None else place.get(other))
                for hint, (one, other) in self.collapses.items()
            },
        )

    def exposed(self, name: str) -> Module:
        """Return the module with an internal node made a further terminal, after its own."""
        index = self.node(name)
        if self.nodes[index].terminal:
            return self
        nodes = list(self.nodes)
        nodes[index] = replace(nodes[index], terminal=True)
        terminals = len(self.terminals)
        order = [*range(terminals), index, *(i for i in range(terminals, len(nodes)) if i != index)]
        return replace(self, nodes=tuple(nodes)).arranged(order)

    def unknown(self, argument: Argument) -> tuple[tuple[int, int], ...] | None:
        """Unknowns that an argument of `evaluate` is the sum of, by their indices with their signs; None for others.

        Raises
        ------
        KeyError
            If the argument is of a node or branch that the module does not have.
        """
        if argument.value in self.small_signal:
            return ()
        if argument.kind == "voltage":
            one, _, other = argument.name[2:-1].partition(",")
            signs: dict[int, int] = {}
            for name, sign in ((one, 1), (other, -1)):
                for index in self._potential(name):
                    signs[index] = signs.get(index, 0) + sign
            return tuple((index, sign) for index, sign in signs.items() if sign)
        if argument.kind == "current":
            return ((self.node(f"flow({argument.name[2:-1]})"), 1),)
        if argument.kind == "implicit_unknown":
            return ((self.node(f"implicit_equation_{argument.name.removeprefix('inode')}"), 1),)
        return None

    def _potential(self, name: str) -> list[int]:
        """Indices of the unknowns whose sum is the potential of a node; none for one that was left out: it is zero."""
        found = []
        while (index := self._index(name)) >= 0:
            found.append(index)
            name = self.nodes[index].reference
        return found

    def _index(self, name: str) -> int:
        """Index of a node; -1 for one that was left out."""
        return next((index for index, node in enumerate(self.nodes) if node.name == name), -1)


def result_kind(instruction: Instruction, kinds: Mapping[str, Kind]) -> Kind | None:
    """Kind of an instruction's result, or None if it depends on operands whose kind is not known yet."""
    opcode = instruction.opcode
    if opcode in CASTS:
        return CASTS[opcode]
    if opcode in COMPARISONS:
        return "bool"
    if opcode in INTEGER_OPERATIONS or opcode == "clog2":
        return "int"
    if opcode in REAL_BINARY or opcode in REAL_UNARY or opcode == "call":
        return "real"
    known: list[Any] = [kinds[operand] for operand in instruction.operands if operand in kinds]
    return known[0] if known else None
