"""The functions that a SPICE file defines: what they become when ngspice puts their text in the place of a call.

ngspice copies a function's text, with the arguments' texts in it, wherever it is called: twenty lines that call each
other twice would fill a memory. So the length of what comes out is computed before.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

from spicecim import limits
from spicecim.netlist.spice_lines import Line
from spicecim.outside import exceeds

_FUNCTION = re.compile(r"\.func\s+(\w+)\s*\(([^()]*)\)\s*=?\s*(.+)", re.IGNORECASE)
_TOKEN = re.compile(r"(?P<call>[a-z_]\w*)\s*\(|[a-z_]\w*|[^a-z_\s]", re.IGNORECASE)


class Function(NamedTuple):
    """A ``.func`` line: name and arguments in lower case, and the expression as it stands."""

    line: Line
    name: str
    arguments: list[str]
    expression: str


Length = Counter[str]
"""Length of an expression: characters of its own (key ""), and how often each argument stands in it."""


def read_function(line: Line) -> Function:
    """Read a ``.func`` line; raises `SubcircuitError` if it has another form."""
    found = _FUNCTION.match(line.text)
    if found is None:
        line.refuse(".func needs name(arguments) {expression}")
    arguments = [word.strip().lower() for word in found[2].split(",")]
    return Function(line, found[1].lower(), arguments, found[3])


def called_first(calls: Mapping[str, set[str]], lines: Mapping[str, Line]) -> list[str]:
    """Return the names of functions, each behind those of `lines` that it calls.

    Raises
    ------
    SubcircuitError
        If a function calls itself: with its line.
    """
    try:
        return list(TopologicalSorter({name: calls[name] & {*lines} for name in lines}).static_order())
    except CycleError as error:
        name = error.args[1][0]
        lines[name].refuse(f"the function {name} calls itself")


def lengths(functions: Mapping[str, Function]) -> dict[str, tuple[list[str], Length]]:
    """Return the arguments and the length of each function, with the functions that it calls put in their places.

    Raises
    ------
    SubcircuitError
        If a function calls itself, or becomes too long.
    """
    calls = {
        name: {found["call"].lower() for found in _TOKEN.finditer(function.expression) if found["call"]}
        for name, function in functions.items()
    }
    known: dict[str, tuple[list[str], Length]] = {}
    for name in called_first(calls, {name: function.line for name, function in functions.items()}):
        function = functions[name]
        length = _length(function.expression, set(function.arguments), known)
        _check(function.line, length)
        known[name] = function.arguments, length
    return known


def check_length(line: Line, known: Mapping[str, tuple[list[str], Length]]) -> None:
    """Raise `SubcircuitError` if a line becomes too long when functions are put in their places."""
    if known:
        _check(line, _length(line.text, set(), known))


def _check(line: Line, length: Length) -> None:
    if length.total() > limits.SUBCIRCUIT_CHARACTERS:
        line.refuse(exceeds("SUBCIRCUIT_CHARACTERS", "characters, with the functions that it calls in their places"))


def _length(text: str, arguments: set[str], known: Mapping[str, tuple[list[str], Length]]) -> Length:
    open_calls: list[tuple[str, list[Length]]] = [("", [Counter()])]
    for found in _TOKEN.finditer(text):
        token = found[0].lower()
        callee, parts = open_calls[-1]
        if found["call"] or token == "(":
            open_calls.append(((found["call"] or "").lower(), [Counter()]))
        elif token == ")" and len(open_calls) > 1:
            open_calls.pop()
            open_calls[-1][1][-1].update(_called(callee, parts, known))
        elif token == "," and len(open_calls) > 1:
            parts.append(Counter())
        else:
            parts[-1].update({token: 1} if token in arguments else {"": len(token)})
    while len(open_calls) > 1:  # parentheses that do not match are ngspice's to refuse
        callee, parts = open_calls.pop()
        open_calls[-1][1][-1].update(_called(callee, parts, known))
    return open_calls[0][1][0]


def _called(callee: str, parts: list[Length], known: Mapping[str, tuple[list[str], Length]]) -> Length:
    """Length of a call, whose arguments have the lengths `parts`."""
    length: Length = Counter()
    if callee not in known:
        length[""] = len(callee) + len(parts) + 1
        for part in parts:
            length.update(part)
        return length
    arguments, own = known[callee]
    length[""] = own[""] + 2
    for argument, part in zip(arguments, parts, strict=False):
        for name, count in part.items():
            length[name] += own[argument] * count
    return length
