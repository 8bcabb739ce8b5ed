"""Follows the statements of a module once, with terms for values: what each variable becomes of what it was.

On the way it notes how the text has to change so that the time step is zero: what only the step moves stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from spicecim.veriloga.cure.syntax import Assign, Block, Case, Contribute, Event, If, Loop, Statement, Syntax, Task
from spicecim.veriloga.cure.terms import STEP, ZERO, Term, at_once, build, choose, literal, make, number, parts, written
from spicecim.veriloga.cure.values import DRAWS, Integral, StepSource, Values
from spicecim.veriloga.source import Source

_MOST_ROUNDS = 1000
"""Rounds of a loop that are followed one by one."""
_QUIET_TASKS = ("$bound_step", "$discontinuity")


class Contribution(NamedTuple):
    """A contribution, its value, and the conditions that it stands under."""

    statement: Contribute
    value: Term
    conditions: tuple[Term, ...]


@dataclass
class Followed:
    """What following the statements gave.

    Attributes
    ----------
    values
        What each variable is at the end.
    contributions, integrals
        In the order of the text.
    boundaries
        Values of all variables behind each statement that is always obeyed, by where it ends.
    edits
        New texts by place, for a time step of zero.
    lines
        Line at which each variable is assigned last.
    notes
        What was assumed, each once.
    """

    values: dict[str, Term] = field(default_factory=dict)
    contributions: list[Contribution] = field(default_factory=list)
    integrals: list[Integral] = field(default_factory=list)
    boundaries: list[tuple[int, dict[str, Term]]] = field(default_factory=list)
    edits: dict[tuple[int, int], str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def bodies_of(syntax: Syntax) -> set[Statement]:
    """Statements that stand where there has to be one: where nothing is left of it, a semicolon is."""
    return {
        body
        for statement in syntax.statements()
        if not isinstance(statement, Block)
        for body in statement.inside()
    }  # fmt: skip


def assigned_names(statement: Statement, *, at_start: bool = True) -> set[str]:
    """Variables that a statement assigns, itself or in what it holds; those of an `@(initial_step)` if asked."""
    if isinstance(statement, Event) and statement.is_start and not at_start:
        return set()
    own = {statement.name} if isinstance(statement, Assign) else set()
    return own.union(*(assigned_names(item, at_start=at_start) for item in statement.inside()))


def moving_variables(syntax: Syntax) -> frozenset[str]:
    """Variables that are assigned somewhere but in an `@(initial_step)`."""
    return frozenset().union(*(assigned_names(statement, at_start=False) for _, statement in syntax.blocks))


class Follower(Values):
    """Follows a module's statements.

    Parameters
    ----------
    moving
        Variables that are assigned elsewhere than at the start: what the start gives them is their first value.
    """

    def __init__(
        self, source: Source, syntax: Syntax, *, starting: bool, known: Mapping[str, Term], moving: frozenset[str],
        step: StepSource, means: bool,
    ) -> None:  # fmt: skip
        super().__init__(source, syntax, starting=starting, known=known, step=step, means=means)
        self._moving = moving
        self._found = Followed(integrals=self._integrals)
        self._conditions: list[Term] = []
        self._bodies = bodies_of(syntax)
        self._remembering = False

    def follow(self) -> Followed:
        """Follow all analog blocks.

        Raises
        ------
        VerilogAError
            For what is not understood, with its line.
        """
        for variable, kind in self._syntax.types.items():
            given = self._syntax.initial.get(variable)
            if self._starting:
                start = number(0) if kind == "integer" else ZERO
            else:
                start = self._known.get(variable, make("memory", text=variable))
            self._env[variable] = start
            if given is not None and (self._starting or variable not in self._moving):
                self._env[variable] = self.value(given)
        for _, statement in self._syntax.blocks:
            self._obey(statement)
        self._found.values = self._env
        return self._found

    # statements

    def _obey(self, statement: Statement) -> None:
        if isinstance(statement, Block):
            for item in statement.body:
                self._obey(item)
        elif isinstance(statement, Assign):
            self._assign(statement)
        elif isinstance(statement, Contribute):
            value = self._checked(statement.value, statement.line)
            self._found.contributions.append(Contribution(statement, value, tuple(self._conditions)))
            kept = self._kept(statement.value)
            if kept is not statement.value:
                head = f"{statement.access}({', '.join(statement.nodes)})"
                self._edit(statement, f"{head} <+ {written(kept)};")
        elif isinstance(statement, If):
            self._if(statement)
        elif isinstance(statement, Case):
            self._case(statement)
        elif isinstance(statement, Loop):
            self._loop(statement)
        elif isinstance(statement, Event):
            self._event(statement)
        elif isinstance(statement, Task) and statement.name in _QUIET_TASKS:
            self._edit(statement, "")
            if statement.name == "$bound_step":
                self._note("$bound_step is left out: the simulator's own error control sees the state now")
        if self._always and not self._quiet and not isinstance(statement, Block):
            self._found.boundaries.append((statement.end, dict(self._env)))

    def _assign(self, statement: Assign) -> None:
        target = statement.name
        if self._remembering and target in self._moving:
            return
        if target not in self._env:
            raise self.problem(statement.line, f"{target} is assigned, and is no variable of the module")
        value = self._checked(statement.value, statement.line)
        if self._syntax.types.get(target) == "integer" and not self._quiet and STEP in value.leaves:
            raise self.problem(statement.line, f"the integer {target} takes a value that the time step moves")
        kept = self._kept(statement.value)
        if kept is not statement.value:
            itself = kept.op == "name" and kept.text == target
            end = ";" if self._source.text[statement.end - 1] == ";" else ""
            self._edit(statement, "" if itself else f"{target} = {written(kept)}{end}")
        self._env[target] = value
        self._seen.clear()
        if not self._quiet:
            self._found.lines[target] = statement.line

    def _checked(self, expression: Term, line: int) -> Term:
        """The value of an expression, if it divides by no time step and draws nothing that is kept."""
        try:
            value = self.value(expression)
        except RecursionError:
            raise self.problem(line, "an expression is nested too deep to be followed") from None
        for part in parts(value):
            if part.op == "/" and STEP in part.args[1].leaves and literal(at_once(part.args[1])) == 0:
                raise self.problem(
                    line,
                    f"{written(part)[:80]} divides by the time step: a derivative by time that is taken by hand; "
                    "write ddt(...) for it",
                )
        return value

    def _if(self, statement: If) -> None:
        condition = self._checked(statement.condition, statement.line)
        known = literal(condition)
        if known is not None and literal(statement.condition) is None:
            taken = statement.yes if known else statement.no
            if taken is None:
                self._edit(statement, "")
                return
            self._edit_between(statement.start, taken.start)
            self._edit_between(taken.end, statement.end)
            self._obey(taken)
            return
        kept = self._kept(statement.condition)
        if kept is not statement.condition:
            text = self._source.text
            opening = text.index("(", statement.start)
            closing = text.rindex(")", statement.start, statement.yes.start)
            if not self._quiet:
                self._put((opening + 1, closing), written(kept), statement.line)
        self._branches(condition, lambda: self._obey(statement.yes), lambda: self._obey_if_any(statement.no))

    def _branches(self, condition: Term, yes: Callable[[], None], no: Callable[[], None]) -> None:
        """Obey either under a condition, and join what they give."""
        before, always = dict(self._env), self._always
        self._always = False
        ends = []
        for obey, held in ((yes, condition), (no, build("!", condition))):
            self._env = dict(before)
            self._seen.clear()
            self._conditions.append(held)
            obey()
            self._conditions.pop()
            ends.append(self._env)
        self._env = {key: choose(condition, ends[0][key], ends[1][key]) for key in before}
        self._seen.clear()
        self._always = always

    def _case(self, statement: Case) -> None:
        value = self._checked(statement.value, statement.line)
        default = next((item for labels, item in statement.items if not labels), None)
        items = [(labels, item) for labels, item in statement.items if labels]

        def obey(position: int) -> None:
            if position == len(items):
                self._obey_if_any(default)
                return
            labels, item = items[position]
            condition = build("==", value, self.value(labels[0]))
            for label in labels[1:]:
                condition = build("||", condition, build("==", value, self.value(label)))
            known = literal(condition)
            if known is None:
                self._branches(condition, lambda: self._obey(item), lambda: obey(position + 1))
            elif known:
                self._obey(item)
            else:
                obey(position + 1)

        obey(0)

    def _obey_if_any(self, statement: Statement | None) -> None:
        if statement is not None:
            self._obey(statement)

    def _loop(self, statement: Loop) -> None:
        always, self._always = self._always, False
        self._obey_if_any(statement.first)
        rounds = None
        if statement.kind == "repeat" and (count := literal(self.value(statement.condition))) is not None:
            rounds = int(count)
        done = 0
        while True:
            condition = self.value(statement.condition)
            known = (done < rounds) if rounds is not None else literal(condition)
            if known is None:
                self._unknown_rounds(statement)
                break
            if not known:
                break
            if done >= _MOST_ROUNDS:
                raise self.problem(statement.line, f"a loop is not followed for more than {_MOST_ROUNDS} rounds")
            self._obey(statement.body)
            self._obey_if_any(statement.next)
            done += 1
        self._always = always

    def _unknown_rounds(self, statement: Loop) -> None:
        """Follow a loop whose rounds depend on values: what it assigns comes, in no known way, from what it reads."""
        before = dict(self._env)
        self._obey(statement.body)
        self._obey_if_any(statement.next)
        for key in assigned_names(statement):
            sources = (before[key], self._env[key], self.value(statement.condition))
            if any(STEP in item.leaves for item in sources):
                raise self.problem(
                    statement.line,
                    f"{key} moves by the time step in a loop whose rounds depend on values; a fixed number of rounds "
                    "can be followed",
                )
            leaves = sorted(frozenset().union(*(item.leaves for item in sources)), key=written)
            self._env[key] = make("opaque", *leaves, text=f"{key}:{statement.start}")
        self._seen.clear()

    def _event(self, statement: Event) -> None:
        if statement.is_start:
            if self._starting:
                self._obey(statement.body)
            else:
                self._remember(statement)
            return
        if statement.events == ("timer",) and len(statement.args) > 1 and self.value(statement.args[1]) is STEP:
            self._note(
                f"@(timer) at {self._source.place(statement.line)} is obeyed at every instant, not once per period"
            )
            self._edit_between(statement.start, statement.body.start)
            self._obey(statement.body)
            return
        if assigned_names(statement) and statement.events != ("final_step",):
            names = ", ".join(sorted(assigned_names(statement)))
            raise self.problem(
                statement.line,
                f"{names}: assigned at @({' or '.join(statement.events)}), where it jumps: that is no rate, and no "
                "node can hold it",
            )
        self._edit(statement, "")

    def _remember(self, statement: Event) -> None:
        """Leave out of an `@(initial_step)` what gives a state its first value; the rest is obeyed at every instant."""

        def drop(item: Statement) -> None:
            if isinstance(item, Assign) and item.name in self._moving:
                self._edit(item, "")
            for inner in item.inside():
                drop(inner)

        names = assigned_names(statement)
        drop(statement.body)
        if names and names <= self._moving:
            self._edit(statement, "")
            return
        self._remembering = True
        self._obey(statement.body)
        self._remembering = False
        for key in sorted(names - self._moving):
            for leaf in self._env[key].leaves:
                if leaf.op == "call" and (self._is_access(leaf.text) or leaf.text in DRAWS):
                    what = "is drawn at random" if leaf.text in DRAWS else f"remembers {written(leaf)}"
                    raise self.problem(
                        statement.line,
                        f"{key} {what} at the start, once for a whole run; make it a parameter",
                    )

    # texts

    def _edit(self, statement: Statement, text: str) -> None:
        empty = ";" if statement in self._bodies else ""
        self._put((statement.start, statement.end), text or empty, statement.line)

    def _edit_between(self, start: int, end: int) -> None:
        if start < end:
            self._put((start, end), "", 0)

    def _put(self, place: tuple[int, int], text: str, line: int) -> None:
        if self._quiet:
            return
        if self._found.edits.setdefault(place, text) != text:
            raise self.problem(line, "a loop changes what the time step does from round to round")

    def _note(self, text: str) -> None:
        if text not in self._found.notes:
            self._found.notes.append(text)
