"""The statements of a Verilog-A module."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from spicecim.veriloga.cure.terms import Term
from spicecim.veriloga.declarations import ModuleDeclaration


@dataclass(frozen=True, eq=False)
class Statement:
    """A statement, with where it stands in the preprocessed text and its line there."""

    start: int
    end: int
    line: int

    def inside(self) -> tuple[Statement, ...]:
        """The statements that this one holds."""
        return ()

    def expressions(self) -> tuple[Term, ...]:
        """The expressions of its own, without those of the statements that it holds."""
        return ()


@dataclass(frozen=True, eq=False)
class Assign(Statement):
    """``name = value``."""

    name: str
    value: Term

    def expressions(self) -> tuple[Term, ...]:
        return (self.value,)


@dataclass(frozen=True, eq=False)
class Contribute(Statement):
    """``access(nodes) <+ value``."""

    access: str
    nodes: tuple[str, ...]
    value: Term

    def expressions(self) -> tuple[Term, ...]:
        return (self.value,)


@dataclass(frozen=True, eq=False)
class If(Statement):
    """``if (condition) yes else no``."""

    condition: Term
    yes: Statement
    no: Statement | None

    def inside(self) -> tuple[Statement, ...]:
        return (self.yes,) if self.no is None else (self.yes, self.no)

    def expressions(self) -> tuple[Term, ...]:
        return (self.condition,)


@dataclass(frozen=True, eq=False)
class Case(Statement):
    """``case (value)`` with its items: the values of each (none: the default) and its statement; and their starts."""

    value: Term
    items: tuple[tuple[tuple[Term, ...], Statement], ...]
    starts: tuple[int, ...]

    def inside(self) -> tuple[Statement, ...]:
        return tuple(statement for _, statement in self.items)

    def expressions(self) -> tuple[Term, ...]:
        return (self.value, *(label for labels, _ in self.items for label in labels))


@dataclass(frozen=True, eq=False)
class Loop(Statement):
    """``for``, ``while`` or ``repeat``; of a ``repeat`` the condition is the count."""

    kind: str
    first: Assign | None
    condition: Term
    next: Assign | None
    body: Statement

    def inside(self) -> tuple[Statement, ...]:
        return tuple(item for item in (self.first, self.body, self.next) if item is not None)

    def expressions(self) -> tuple[Term, ...]:
        return (self.condition,)


@dataclass(frozen=True, eq=False)
class Block(Statement):
    """``begin ... end``. `head` is where its name and what it declares end; the declarations are texts."""

    head: int
    body: tuple[Statement, ...]
    declares: tuple[str, ...] = ()

    def inside(self) -> tuple[Statement, ...]:
        return self.body


@dataclass(frozen=True, eq=False)
class Event(Statement):
    """``@(...) statement``: the names of the events and the arguments of the first."""

    events: tuple[str, ...]
    args: tuple[Term, ...]
    body: Statement

    def inside(self) -> tuple[Statement, ...]:
        return (self.body,)

    def expressions(self) -> tuple[Term, ...]:
        return self.args

    @property
    def is_start(self) -> bool:
        """Whether it is obeyed at the start."""
        return "initial_step" in self.events


@dataclass(frozen=True, eq=False)
class Task(Statement):
    """A call of a system task, such as ``$strobe``."""

    name: str
    args: tuple[Term, ...]

    def expressions(self) -> tuple[Term, ...]:
        return self.args


@dataclass(frozen=True, eq=False)
class Function:
    """An analog function: what it takes, in order, its variables (also its own name) with their types, its body."""

    name: str
    args: tuple[str, ...]
    types: dict[str, str]
    body: Statement
    line: int


@dataclass(frozen=True, eq=False)
class Syntax:
    """The statements of a module.

    Attributes
    ----------
    blocks
        The statement of each ``analog``, with where the ``analog`` stands.
    types
        Type of each variable.
    initial
        Values that declarations give to variables.
    potentials, flows
        Names of the access functions of either kind.
    """

    declaration: ModuleDeclaration
    blocks: tuple[tuple[int, Statement], ...]
    functions: dict[str, Function]
    types: dict[str, str]
    initial: dict[str, Term]
    potentials: frozenset[str]
    flows: frozenset[str]

    def statements(self) -> Iterator[Statement]:
        """All statements of the analog blocks, each before those that it holds."""
        waiting = [statement for _, statement in reversed(self.blocks)]
        while waiting:
            statement = waiting.pop()
            yield statement
            waiting += reversed(statement.inside())
