"""Instances of modules, which OpenVAF leaves out, as the equations of these modules with names of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NoReturn

from spicecim import limits
from spicecim.errors import VerilogAError
from spicecim.outside import exceeds
from spicecim.veriloga.declarations import DIRECTIONS, DISCIPLINES, Token, closing, ports_of, split_at_commas, tokenize
from spicecim.veriloga.rewriting import edited
from spicecim.veriloga.source import Source
from spicecim.veriloga.spelling import Edit, modules_of

_PARAMETERS = ("parameter", "localparam")
_TYPES = ("real", "integer", "string")
_PRIMITIVES = """\
module resistor(p, n); inout p, n; electrical p, n; parameter real r = 1; analog I(p, n) <+ V(p, n)/r; endmodule
module capacitor(p, n); inout p, n; electrical p, n; parameter real c = 1; analog I(p, n) <+ c*ddt(V(p, n)); endmodule
"""
"""Those of SPICE that every simulator has (Verilog-AMS language reference manual 2.4, annex E)."""


def lower_instances(source: Source, tokens: Sequence[Token]) -> Source:
    """Return a source without instances of modules that it holds, and of resistors and capacitors.

    Raises
    ------
    VerilogAError
        If a module holds itself, or an instance does not fit its module.
    """
    primitives = replace(source, lines=_PRIMITIVES.splitlines(), places=[source.place(1)] * 2)
    known = {module[1].text: module for module in modules_of(tokenize(primitives))}
    own = {module[1].text: module for module in modules_of(tokens)}
    known |= own
    edits: list[Edit] = []
    parts: set[str] = set()
    for module in own.values():
        for start, end, text in _Instances(source, known).found(module, ()):
            edits.append((module[start].start, module[end].end, text))
            parts.add(module[start].text)
    if not edits:
        return source
    return replace(edited(source, edits), parts=frozenset(parts & own.keys()))


class _Instances:
    def __init__(self, source: Source, known: Mapping[str, Sequence[Token]]) -> None:
        self._source, self._known = source, known

    def found(self, module: Sequence[Token], above: tuple[str, ...]) -> Iterator[Edit]:
        """Positions of the first and last token of each instance in a module, and what stands for it."""
        above = (*above, module[1].text)
        if len(above) > limits.VERILOG_A_DEPTH or above[-1] in above[:-1]:
            long = exceeds("VERILOG_A_DEPTH", "modules")
            self._refuse(module[1], f"holds itself, or a chain of modules {long}")
        position = _semicolon(module, 0)
        while position < len(module):
            token, before = module[position], module[position - 1]
            begins = token.text in self._known and before.text in (";", "end", "endfunction", "endcase", "*)")
            # a variable may have the name of a module
            if begins and (module[position + 1].text == "#" or module[position + 1].text.isidentifier()):
                end = _semicolon(module, position)
                yield position, end, self._inlined(module[position:end], above)
                position = end
            position += 1

    def _inlined(self, tokens: Sequence[Token], above: tuple[str, ...]) -> str:
        """Text of the module of an instance, with the instance's nodes and values."""
        child = self._known[tokens[0].text]
        values, position = [], 1
        if tokens[1].text == "#":
            end = closing(tokens, 2)
            values, position = list(split_at_commas(tokens[3:end])), end + 1
        name = tokens[position].text
        if position + 1 >= len(tokens) or tokens[position + 1].text != "(":
            self._refuse(tokens[0], "is no instance that is understood, such as name #(.r(1k)) one(a, b)")
        nodes = list(split_at_commas(tokens[position + 2 : closing(tokens, position + 1)]))
        ports = list(ports_of(child))
        prefix = f"{name}__"
        inner = self._without_instances(child, above)
        renamed = {word: prefix + word for word in _declared(inner)}
        renamed |= self._assigned(tokens[0], ports, nodes, prefix)
        given = self._assigned(tokens[0], _parameters(inner), values, prefix) if values else {}
        open_nodes = [prefix + port for port in ports if renamed.get(port, "") == prefix + port]
        body = " ".join(_statements(inner[_semicolon(inner, 0) + 1 :], set(ports), renamed, given))
        return (f"electrical {', '.join(open_nodes)}; " if open_nodes else "") + body

    def _without_instances(self, child: Sequence[Token], above: tuple[str, ...]) -> Sequence[Token]:
        """A module's tokens with those of its own instances in place of these."""
        tokens: list[Token] = []
        position = 0
        for start, end, text in self.found(child, above):
            line = replace(self._source, lines=[text], places=self._source.places[:1])
            tokens += [*child[position:start], *(token._replace(line=child[start].line) for token in tokenize(line))]
            position = end + 1
        return [*tokens, *child[position:]]

    def _assigned(
        self, instance: Token, names: Sequence[str], given: Sequence[Sequence[Token]], prefix: str
    ) -> dict[str, str]:
        """What is given for each name, in their order or by ``.name(value)``; its own name where nothing is."""
        found = {}
        if len(given) > len(names):
            self._refuse(instance, f"takes {len(names)} ({', '.join(names)}); the instance gives {len(given)}")
        for number, part in enumerate(given):
            name, value = names[number], part
            if part and part[0].text == ".":
                name, value = part[1].text, part[3 : closing(part, 2)]
                if name not in names:
                    self._refuse(instance, f"has no {name}; it has {', '.join(names)}")
            found[name] = " ".join(token.text for token in value) or prefix + name
        return {**{name: prefix + name for name in names if name not in found}, **found}

    def _refuse(self, token: Token, problem: str) -> NoReturn:
        raise VerilogAError(f"{self._source.place(token.line)}: module {token.text} {problem}")


def _semicolon(tokens: Sequence[Token], start: int) -> int:
    return next((place for place in range(start, len(tokens)) if tokens[place].text == ";"), len(tokens) - 1)


def _declarations(tokens: Sequence[Token], words: Sequence[str]) -> Iterator[list[Token]]:
    """First tokens of the parts of declarations that start with one of some words."""
    for position, token in enumerate(tokens):
        if token.text in words and tokens[position + 1].text not in ("(", "function"):
            statement = tokens[position + 1 : _semicolon(tokens, position)]
            while statement and statement[0].text in (*_TYPES, *DISCIPLINES):
                statement = statement[1:]
            yield from (part for part in split_at_commas(statement) if part)


def _parameters(tokens: Sequence[Token]) -> list[str]:
    return [part[0].text for part in _declarations(tokens, ("parameter",))]


def _declared(tokens: Sequence[Token]) -> set[str]:
    """Names that a module declares."""
    words = (*_PARAMETERS, *_TYPES, *DISCIPLINES, "ground")
    found = {part[0].text for part in _declarations(tokens, words)}
    for position, token in enumerate(tokens):
        if token.text == "branch":
            end = closing(tokens, position + 1)
            found |= {word.text for word in tokens[end + 1 : _semicolon(tokens, position)] if word.text != ","}
        elif token.text == "function":
            found.add(tokens[_semicolon(tokens, position) - 1].text)
        elif token.text == ":" and tokens[position - 1].text == "begin":
            found.add(tokens[position + 1].text)
    return found


def _statements(
    tokens: Sequence[Token], ports: set[str], renamed: Mapping[str, str], given: Mapping[str, str]
) -> Iterator[str]:
    """Words of a module's body under other names, without its ports, whose parameters are constants."""
    position = 0
    while position < len(tokens):
        word, end = tokens[position].text, _semicolon(tokens, position)
        in_function = word == "analog" and tokens[position + 1].text == "function"
        if in_function:
            end = next(place for place in range(position, len(tokens)) if tokens[place].text == "endfunction")
            yield from (_renamed(token, renamed) for token in tokens[position : end + 1])
            position = end
        elif word in DIRECTIONS:
            position = end
        elif word in DISCIPLINES:
            own = [token.text for token in tokens[position + 1 : end] if token.text not in (",", *ports)]
            if own:
                yield f"{word} {', '.join(renamed.get(name, name) for name in own)};"
            position = end
        elif word in _PARAMETERS:
            head = position + 2 if tokens[position + 1].text in _TYPES else position + 1
            kind = tokens[position + 1].text if head > position + 1 else "real"
            for part in split_at_commas(tokens[head:end]):
                stop = next((i for i, token in enumerate(part) if token.text in ("from", "exclude")), len(part))
                default = " ".join(_renamed(token, renamed) for token in part[2:stop])
                value = given.get(part[0].text, "")
                own_value = value if value and value != renamed[part[0].text] else default
                yield f"localparam {kind} {renamed[part[0].text]} = ({own_value});"
            position = end
        elif word == "(*":
            position = next(place for place in range(position, len(tokens)) if tokens[place].text == "*)")
        else:
            yield _renamed(tokens[position], renamed)
        position += 1


def _renamed(token: Token, renamed: Mapping[str, str]) -> str:
    return renamed.get(token.text, token.text)
