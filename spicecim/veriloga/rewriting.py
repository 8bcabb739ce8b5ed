"""The two texts that OpenVAF compiles in place of a source, so that its intermediate form tells more than it would."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from spicecim.veriloga.declarations import ModuleDeclaration, closing, tokenize, tokens_of
from spicecim.veriloga.source import Source

if TYPE_CHECKING:
    from spicecim.veriloga.draws import Draw

_FIRST_STEP = "spicecim_first_step"


def instrument(source: Source, modules: dict[str, ModuleDeclaration]) -> tuple[str, dict[str, str]]:
    """Rewrite the preprocessed text so that the intermediate form tells whether a variable is read before it is set.

    OpenVAF lets every variable start at its initial value at every evaluation. Here that value becomes a parameter, so
    a variable whose initial value matters shows as a parameter that is used. Variables that are set once, by their
    declaration or in `@(initial_step)`, are constants and left alone; of others, what `@(initial_step)` sets is taken
    away, because OpenVAF obeys it at every evaluation. The argument of every derivative by time gets a factor of its
    own, a parameter, so that none can be taken for another (see `charges`).

    Returns
    -------
    text : str
        The text.
    names : dict
        For each such parameter, the name of its variable.
    """
    names: dict[str, str] = {}
    edits: list[tuple[int, int, str]] = []
    for module in modules.values():
        declared = []
        for index, variable in enumerate(module.variables):
            set_once = variable.has_initial or variable.name in module.initialized
            if variable.type == "string" or (variable.name not in module.assigned and set_once):
                continue
            parameter = f"spicecim_unset_{index}_{variable.name}"
            names[parameter] = variable.name
            declared.append(f" parameter {variable.type} {parameter} = 0;")
            edits.append((variable.start, variable.end, f"{variable.name} = {parameter}"))
        if module.initialized & module.assigned:
            declared.append(f" parameter integer {_FIRST_STEP} = 0;")
            edits += [(start, end, f"if ({_FIRST_STEP} != 0)") for start, end in module.initial_steps]
        for index, token in enumerate(module.tokens[:-1]):
            if token.text == "ddt" and module.tokens[index + 1].text == "(":
                factor, end = f"spicecim_ddt_{index}", module.tokens[closing(module.tokens, index + 1)]
                declared.append(f" parameter real {factor} = 1;")
                start = module.tokens[index + 1].end
                edits += [(start, start, f"{factor}*("), (end.start, end.start, ")")]
        edits.append((module.header_end, module.header_end, "".join(declared)))
    return _edited(source.text, edits), names


BOUND_STEP = "spicecim:bound_step %g"
"""Text of the message that stands for `$bound_step` in what OpenVAF compiles: the intermediate form drops the real one,
and keeps the operands of messages, in the branch that they stand in."""

MESSAGE_MARK = "spicecim#"
"""Stands, with a number and the name of the message's function, in the text of every message that OpenVAF compiles."""

MESSAGES = {
    "$strobe": "Display",
    "$display": "Display",
    "$write": "Display",
    "$monitor": "Display",
    "$bound_step": "Display",
    "$debug": "Debug",
    "$info": "Info",
    "$warning": "Warn",
    "$error": "Error",
    "$fatal": "Fatal",
}
"""OpenVAF's names for the kinds of messages, by function."""


def prepare(source: Source, modules: dict[str, ModuleDeclaration]) -> str:
    """Return the preprocessed text without bounds, with a message that carries its argument for `$bound_step`.

    Every message gets a text of its own, that says what kind it is: for those that depend on parameters alone,
    OpenVAF's
    intermediate form does not.

    Bounds are checked where values are given. OpenVAF would check those of instance parameters once more, by calls that
    its intermediate form does not name.
    """
    edits = [(start, end, "") for module in modules.values() for start, end in module.bounds]
    tokens = tokenize(source)
    for index, (token, following) in enumerate(itertools.pairwise(tokens)):
        if following.text != "(":
            continue
        mark = f"{MESSAGE_MARK}{index}{token.text}"
        if token.text == "$bound_step":
            edits.append((token.start, following.end, f'$strobe("{BOUND_STEP}{mark}", '))
        elif token.text in MESSAGES:
            # $fatal has a number before its text
            first = tokens[index + (4 if token.text == "$fatal" and tokens[index + 3].text == "," else 2)]
            if first.text.startswith('"'):
                edits.append((first.end - 1, first.end - 1, mark))
            elif first.text != ")" and token.text != "$fatal":
                edits.append((first.start, first.start, f'"{mark}", '))
    return _edited(source.text, edits)


def without_ceil(text: str) -> str:
    """Return a prepared text with -floor(-x) for ceil(x), of which openvaf-r dies."""
    tokens = tokens_of(text)
    edits = []
    for index, (token, following) in enumerate(itertools.pairwise(tokens)):
        if token.text == "ceil" and following.text == "(":
            end = tokens[closing(tokens, index + 1)]
            edits += [(token.start, following.end, "(-floor(-("), (end.start, end.end, ")))")]
    return _edited(text, edits)


def edited(
    source: Source, edits: list[tuple[int, int, str]], draws: Mapping[str, tuple[Draw, ...]] | None = None
) -> Source:
    """Return a source with pieces of its preprocessed text replaced, each line where it was."""
    text = source.text
    kept = [(start, end, new + "\n" * (text.count("\n", start, end) - new.count("\n"))) for start, end, new in edits]
    lines = _edited(text, kept).split("\n")[:-1]
    return replace(source, lines=lines, rewritten=True, draws={**source.draws, **(draws or {})})


def _edited(text: str, edits: list[tuple[int, int, str]]) -> str:
    for start, end, replacement in sorted(edits, reverse=True):
        text = text[:start] + replacement + text[end:]
    return text
