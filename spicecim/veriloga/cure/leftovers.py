"""What is left in a module whose states are in nodes: what nothing reads goes; what is still remembered is found."""

from __future__ import annotations

from pathlib import Path

from spicecim.veriloga.cure.following import Follower, bodies_of, moving_variables
from spicecim.veriloga.cure.numbers import default_values
from spicecim.veriloga.cure.parsing import read_syntax
from spicecim.veriloga.cure.syntax import Assign, Block, Event, If, Statement
from spicecim.veriloga.cure.terms import make, number, parts, rebuilt
from spicecim.veriloga.cure.text import Text
from spicecim.veriloga.cure.values import StepSource
from spicecim.veriloga.declarations import read_declarations, tokenize


def without_leftovers(path: Path, text: str, module: str, idle: set[str], step: frozenset[str]) -> str:
    """Return a text without assignments, variables and a step that nothing reads any more.

    Parameters
    ----------
    module
        The module that is changed.
    idle
        Variables that go where nothing reads them.
    step
        Parameters that do.
    """
    while True:
        current = Text(path, text)
        declaration = read_declarations(current.source)[module]
        syntax = read_syntax(current.source, declaration)
        read: set[str] = set()
        for statement in syntax.statements():
            for term in statement.expressions():
                read |= {leaf.text for leaf in term.leaves if leaf.op == "name"}
                read |= {part.text for part in parts(term) if part.op == "name"}
        edits: dict[tuple[int, int], str] = {}
        bodies = bodies_of(syntax)
        # one of these ends an `analog`, but for a start, which goes with it
        outermost = {item for _, item in syntax.blocks if not (isinstance(item, Event) and item.is_start)}
        for statement in syntax.statements():
            useless = isinstance(statement, Assign) and statement.name in idle - read
            empty = isinstance(statement, If | Event | Block) and _is_empty(statement) and statement not in outermost
            if useless or (empty and not (isinstance(statement, Block) and statement in bodies)):
                edits[statement.start, statement.end] = ";" if statement in bodies else ""
        if not edits:
            return _without_declarations(current, module, idle - read, set(step - read))
        text = current.edited(edits)


def _without_declarations(text: Text, module: str, variables: set[str], parameters: set[str]) -> str:
    """The text without the declarations of what is not used."""
    tokens = tokenize(text.source)
    edits: dict[tuple[int, int], str] = {}
    index = 0
    inside = False
    while index < len(tokens):
        word = tokens[index].text
        if word in ("module", "macromodule"):
            inside = tokens[index + 1].text == module
        if word == "function":
            while tokens[index].text != "endfunction":
                index += 1
        if inside and word in ("real", "integer", "parameter") and tokens[index + 1].text != "(":
            end = index
            while tokens[end].text != ";":
                end += 1
            span = tokens[index].start, tokens[end].end
            if word == "parameter":
                named = [token.text for token, equals in zip(tokens[index:end], tokens[index + 1 : end], strict=False)
                         if equals.text == "="]  # fmt: skip
                used = {token.text for place, token in enumerate(tokens) if not index <= place <= end}
                if len(named) == 1 and named[0] in parameters - used:
                    edits[span] = ""
            elif all(token.text == "," or token.text.isidentifier() for token in tokens[index + 1 : end]):
                names = [token.text for token in tokens[index + 1 : end] if token.text != ","]
                kept = [name for name in names if name not in variables]
                if kept != names:
                    edits[span] = f"{word} {', '.join(kept)};" if kept else ""
            index = end
        index += 1
    return text.edited(edits)


def remembered(path: Path, text: str, module: str) -> list[str]:
    """Return the variables that a text reads before it assigns them, with its parameters' defaults."""
    current = Text(path, text)
    declaration = read_declarations(current.source)[module]
    syntax = read_syntax(current.source, declaration)
    followed = Follower(
        current.source,
        syntax,
        starting=False,
        known={},
        moving=moving_variables(syntax),
        step=StepSource(),
        means=False,
    ).follow()
    known = {
        make("name", text=key): number(value)
        for key, value in default_values(declaration).items()
        if not isinstance(value, str)
    }
    waiting = [item.value for item in followed.contributions]
    waiting += [condition for item in followed.contributions for condition in item.conditions]
    found: list[str] = []
    while waiting:
        for leaf in rebuilt(waiting.pop(), known).leaves:
            if leaf.op == "memory" and leaf.text not in found:
                found.append(leaf.text)
    return found


def _is_empty(statement: Statement) -> bool:
    """Whether a statement holds nothing that does anything."""
    if isinstance(statement, Block | If | Event):
        return all(_is_empty(item) for item in statement.inside())
    return False
