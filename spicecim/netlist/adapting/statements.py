"""The lines of a subcircuit as statements whose expressions are trees."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from spicecim.netlist.adapting.expressions import Call, Caret, Dialect, Expression, Number, Parser, Probe, walk, written
from spicecim.netlist.spice_lines import Line

_OTHERWISE = re.compile(r"'|~|(?<!&)&(?!&)|(?<!\|)\|(?!\|)|[-+*/^]\s*[-+]\s*[a-z_({]", re.IGNORECASE)
"""Spellings that ngspice does not have, everywhere at least: ``2*-a`` is none in a parameter."""

_TERMINALS = dict.fromkeys("rclbviegdhf", 2) | {"s": 4, "w": 2, "j": 3, "z": 3, "m": 4, "q": 3, "t": 4}
_BEHAVIORAL = {"value": "value", "vol": "value", "cur": "value", "v": "v", "i": "i"}
_UNKNOWN_KEYS = {
    "rpar", "cpar", "rser", "lser", "tripdv", "tripdt", "laplace", "window", "nfft", "mtol", "freq", "delay", "poly",
    "max", "min", "scale", "abs", "m",
}  # fmt: skip


@dataclass
class Slot:
    """An expression in a line; `source` if it is computed during the run."""

    tree: Expression
    source: bool = False

    def text(self) -> str:
        """Return it as a value: a number, or an expression in braces."""
        return self.tree.text if isinstance(self.tree, Number) else f"{{{written(self.tree)}}}"


@dataclass
class Element:
    """A circuit element.

    Attributes
    ----------
    line
        Where it stands.
    name, nodes
        Its name and nodes.
    value
        What stands after the nodes without a key, or None.
    keys
        Values by key, in lower case: ``ic`` of a capacitor, ``i`` or ``v`` of a B source, parameters of an instance.
    rest
        What else stands there, raw text and expressions.
    """

    line: Line
    name: str
    nodes: list[str]
    value: Slot | None = None
    keys: dict[str, Slot] = field(default_factory=dict)
    rest: list[str | Slot] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """First letter of its name in lower case."""
        return self.name[0].lower()

    def slots(self) -> list[Slot]:
        """Return all its expressions."""
        rest = [part for part in self.rest if isinstance(part, Slot)]
        return [*([self.value] if self.value else []), *self.keys.values(), *rest]

    def text(self) -> str:
        """Write it for ngspice."""
        words = [self.name, *self.nodes]
        if self.value:
            words.append(self.value.text())
        for key, slot in self.keys.items():
            bare = self.kind == "b" and key in ("i", "v")
            shown = key.upper() if bare or key == "ic" else key
            words.append(f"{shown}={written(slot.tree) if bare else slot.text()}")
        rest = "".join(part if isinstance(part, str) else part.text() for part in self.rest)
        return " ".join(" ".join([*words, rest]).split())


@dataclass
class Assignment:
    """One ``name=value`` of a ``.param`` line."""

    line: Line
    name: str
    slot: Slot


@dataclass
class Definition:
    """A ``.func``: name and arguments as they stand."""

    line: Line
    name: str
    arguments: list[str]
    slot: Slot


@dataclass
class Initial:
    """Voltages that a ``.ic`` or ``.nodeset`` line sets."""

    line: Line
    nodes: dict[str, Slot]


@dataclass
class Model:
    """A ``.model`` line: raw text and expressions."""

    line: Line
    rest: list[str | Slot]

    def text(self) -> str:
        """Write it for ngspice."""
        return "".join(part if isinstance(part, str) else part.text() for part in self.rest)


Statement = Element | Assignment | Definition | Initial | Model


def read_statements(line: Line, dialect: Dialect, caret: Caret | None) -> list[Statement]:
    """Read a line of a subcircuit; raises `SubcircuitError` for what is not understood."""
    command = line.words[0]
    place = len(line.text.split(None, 1)[0])
    parser = Parser(line, dialect, caret, place)
    if command in (".param", ".params"):
        return list(_parameters(parser))
    if command == ".func":
        return [_function(parser, parser.word())]
    if command in (".ic", ".nodeset"):
        return [_initial(parser)]
    if command == ".model":
        return [Model(line, _generic(parser, 0))]
    return [_element(parser)]


def header_parameters(line: Line, dialect: Dialect, caret: Caret | None) -> list[Assignment]:
    """Return the parameters of a .subckt line."""
    return _plain_parameters(Parser(line, dialect, caret, _before_parameters(line.text)))


def _parameters(parser: Parser) -> list[Assignment | Definition]:
    found: list[Assignment | Definition] = []
    while parser.peek():
        parser.take(",")
        name = parser.word()
        if not name:
            parser.refuse("a parameter needs name=value")
        if parser.peek() == "(":
            found.append(_function(parser, name))
        else:
            parser.need("=")
            found.append(Assignment(parser.line, name, Slot(parser.delimited())))
    return found


def _function(parser: Parser, name: str) -> Definition:
    if not name:
        parser.refuse(".func needs name(arguments) {expression}")
    parser.need("(")
    arguments = []
    while not parser.take(")"):
        arguments.append(parser.word() or parser.refuse("an argument is missing"))
        parser.take(",")
    parser.take("=")
    return Definition(parser.line, name, arguments, Slot(parser.delimited(), source=True))


def _initial(parser: Parser) -> Initial:
    nodes: dict[str, Slot] = {}
    while parser.peek():
        probe = parser.expression()
        if not isinstance(probe, Probe) or probe.kind != "v" or len(probe.nodes) != 1:
            parser.refuse(f"{parser.line.words[0]} needs V(node)=value")
        parser.need("=")
        nodes[probe.nodes[0]] = Slot(parser.delimited())
    return Initial(parser.line, nodes)


def _generic(parser: Parser, begin: int) -> list[str | Slot]:
    """Read raw text with expressions in braces and quotes, and bare ones after an equals sign, from a place on."""
    text = parser.line.text
    parts: list[str | Slot] = []
    for found in re.finditer(r"[{']|=(?=\s*[A-Za-z(])", text):
        if found.start() < begin:
            continue
        start = found.end() if found[0] == "=" else found.start()
        parser.place = start
        parts += [text[begin:start], Slot(parser.delimited())]
        begin = parser.place
    return [*parts, text[begin:]]


def _element(parser: Parser) -> Element:
    line = parser.line
    name, *words = line.text.split()
    kind = name[0].lower()
    if kind == "x":
        return _instance(parser)
    count = _TERMINALS.get(kind)
    if count is None or len(words) < count:
        line.refuse(f"{name} is no element that is understood")
    element = Element(line, name, words[:count])
    place = re.match(rf"\S+(\s+\S+){{{count}}}", line.text)
    parser.place = place.end() if place else 0
    if kind in "rclb":
        _value_and_keys(parser, element)
    elif kind in "eg":
        _source(parser, element)
    else:
        element.rest = _generic(parser, parser.place)
    return element


def _instance(parser: Parser) -> Element:
    line = parser.line
    place = _before_parameters(line.text)
    name, *nodes = re.sub(r"\sparams:\s*$", "", line.text[:place], flags=re.IGNORECASE).split()
    parser.place = place
    keys = {one.name: one.slot for one in _plain_parameters(parser)}
    return Element(line, name, nodes, keys=keys)


def _before_parameters(text: str) -> int:
    """Return where the parameters of a .subckt line or of an instance begin."""
    found = re.search(r"\sparams:|\s(?=[A-Za-z_]\w*\s*=)", text, re.IGNORECASE)
    return found.end() if found else len(text)


def _plain_parameters(parser: Parser) -> list[Assignment]:
    found = _parameters(parser)
    return [one if isinstance(one, Assignment) else one.line.refuse("a function has no place here") for one in found]


def _value_and_keys(parser: Parser, element: Element) -> None:
    """Read ``[value] [key=value ...]`` of a resistor, capacitor, inductor or B source."""
    source = element.kind == "b"
    while parser.peek():
        begin = parser.place
        key = parser.word().lower()
        if key and parser.take("="):
            if key in _UNKNOWN_KEYS:
                parser.place = begin
                parser.refuse(f"{key} of {element.name} is not understood; take it out, or build it of elements")
            element.keys[key] = Slot(parser.delimited(), source=source and key in ("i", "v"))
        elif element.value is None and not source:
            parser.place = begin
            element.value = Slot(parser.delimited())
        else:
            parser.place = begin
            parser.refuse(f"{element.name} is not understood")
    if source and [*element.keys] not in (["i"], ["v"]):
        parser.refuse(f"{element.name} needs I=expression or V=expression, and nothing else")


def _source(parser: Parser, element: Element) -> None:
    """Read an E or G source: of an expression, of a table, or of a voltage."""
    begin = parser.place
    key = parser.word().lower()
    if key in _BEHAVIORAL and key not in ("v", "i"):
        parser.take("=")
        element.keys["value"] = Slot(parser.delimited(), source=True)
    elif key == "table":
        parser.take("=")
        arguments = [parser.delimited()]
        parser.take("=")
        while parser.peek() in ("(", ","):
            parser.take(",")
            parser.need("(")
            for closing in (",", ")"):
                arguments.append(parser.expression())
                parser.take(closing) or parser.refuse(f"{closing!r} is missing")
        element.keys["value"] = Slot(Call("table", tuple(arguments)), source=True)
    else:
        words = parser.line.text[begin:].split(None, 2)
        if len(words) < 3 or key in ("poly", "laplace", "freq", "chebyshev", "vcr", "pwl", "vcvs", "vccs", "opamp"):
            parser.place = begin
            parser.refuse(f"{element.name} is not understood; write it as a B source")
        element.nodes += words[:2]
        before = re.compile(r"\s*\S+\s+\S+").match(parser.line.text, begin)
        parser.place = before.end() if before else begin
        element.value = Slot(parser.delimited())
    if parser.peek():
        parser.refuse(f"the rest of {element.name} is not understood")


def probes(slot: Slot) -> list[Probe]:
    """Return the voltages and currents that an expression reads."""
    return [part for part in walk(slot.tree) if isinstance(part, Probe)]


def text_of(one: Statement) -> str:
    """Write a statement for ngspice; of a .param line, what one assignment is."""
    match one:
        case Element() | Model():
            return one.text()
        case Assignment(_, name, slot):
            return f"{name}={slot.text()}"
        case Definition(_, name, arguments, slot):
            return f".func {name}({', '.join(arguments)}) {{{written(slot.tree)}}}"
        case Initial(line, nodes):
            values = " ".join(f"v({node})={slot.text()}" for node, slot in nodes.items())
            return f"{line.words[0]} {values}"


def slots_of(one: Statement) -> list[Slot]:
    """Return the expressions of a statement."""
    match one:
        case Element():
            return one.slots()
        case Model(_, rest):
            return [part for part in rest if isinstance(part, Slot)]
        case Assignment() | Definition():
            return [one.slot]
        case Initial(_, nodes):
            return [*nodes.values()]


def stands(line: Line, group: list[Statement]) -> bool:
    """Tell if ngspice takes a line as it stands, where all its expressions mean the same there."""
    text, first = line.text, group[0]
    if _OTHERWISE.search(text) or text.count("?") > 1:
        return False
    if line.words[0] == ".params" or (isinstance(first, Definition) and line.words[0] != ".func"):
        return False
    if isinstance(first, Element) and first.kind == "b":
        return "{" not in text
    if isinstance(first, Element | Initial):
        return text.count("{") == sum(not isinstance(slot.tree, Number) for slot in slots_of(first))
    return True
