"""A subcircuit of another dialect line by line: read, given ngspice's meaning, and written where that changed it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from spicecim.netlist.adapting.expressions import Call, Expression, Name, Number, Probe, rebuilt, walk
from spicecim.netlist.adapting.functions import constant
from spicecim.netlist.adapting.integrals import Names, meters, moving, resistor_as_source, without_integrals
from spicecim.netlist.adapting.meaning import Function, Scope, has_integral
from spicecim.netlist.adapting.starts import Start, starts
from spicecim.netlist.adapting.statements import (
    Assignment,
    Definition,
    Element,
    Initial,
    Model,
    Slot,
    Statement,
    header_parameters,
    read_statements,
    stands,
    text_of,
)
from spicecim.netlist.spice_blocks import DEFINITIONS, INITIAL, LEFT_OUT, OPTIONS, Block, check_options
from spicecim.netlist.spice_dialect import RANDOM_OF_NGSPICE, RESERVED, TAKEN_FUNCTIONS
from spicecim.netlist.spice_functions import called_first
from spicecim.netlist.spice_lines import Line

_DROPPED = LEFT_OUT - INITIAL | {".global"}
_GROUNDS = {"gnd!", "gnd"}


@dataclass
class AdaptedBlock:
    """A subcircuit for ngspice.

    Attributes
    ----------
    block
        What it was.
    header, lines
        Its .subckt line, and those after it: each with the place of what it came from.
    blocks
        Subcircuits within it.
    statements
        What the lines are.
    starts
        Its hidden states.
    """

    block: Block
    header: Line
    lines: list[Line]
    blocks: list[AdaptedBlock]
    statements: list[Statement]
    starts: list[Start] = field(default_factory=list)


Note = Callable[[Line, str], None]


def defined_scope(statements: list[Statement], outer: Scope, more: list[str]) -> Scope:
    """Return the scope of statements, with further parameters, and give their functions their meaning."""
    names = {*(name.lower() for name in more), *(one.name.lower() for one in statements if isinstance(one, Assignment))}
    definitions = {one.name.lower(): one for one in statements if isinstance(one, Definition)}
    taken = {name: f"{name}_" for name in names if name in RESERVED}
    taken |= {name: f"{name}_" for name in definitions if name in TAKEN_FUNCTIONS | RANDOM_OF_NGSPICE}
    for one in statements:
        if isinstance(one, Assignment | Definition) and one.name.lower() in taken:
            outer.note(one.line, f"{one.name} is renamed {taken[one.name.lower()]}: ngspice has its own by that name")
    functions = dict(outer.functions)
    scope = replace(outer, parameters=outer.parameters | names, renamed={**outer.renamed, **taken}, functions=functions)
    calls = {name: _called(one.slot.tree) for name, one in definitions.items()}
    for name in called_first(calls, {name: one.line for name, one in definitions.items()}):
        one = definitions[name]
        arguments = tuple(argument.lower() for argument in one.arguments)
        renamed = {old: new for old, new in scope.renamed.items() if old not in arguments}
        inside = replace(scope, parameters=scope.parameters | {*arguments}, renamed=renamed)
        one.slot.tree = inside.meaning(one.line, one.slot.tree)
        functions[name] = Function(arguments, one.slot.tree)
    # ngspice has no integrals: a function with one is written into its callers
    statements[:] = [one for one in statements if not (isinstance(one, Definition) and has_integral(one.slot.tree))]
    return scope


def _called(tree: Expression) -> set[str]:
    return {part.function for part in walk(tree) if isinstance(part, Call)}


def definition_lines(lines: list[Line], outer: Scope) -> tuple[list[Line], Scope]:
    """Adapt .param, .func and .model lines that stand outside of subcircuits."""
    statements = [one for line in lines for one in read_statements(line, outer.dialect, outer.caret)]
    scope = defined_scope(statements, outer, [])
    before = _texts(statements)
    _give_meaning(statements, scope, {})
    return _written(statements, before, scope), scope


def adapt_block(block: Block, outer: Scope, foreign_nodes: set[str], *, wanted: bool) -> AdaptedBlock:
    """Adapt a subcircuit.

    Parameters
    ----------
    block
        The subcircuit.
    outer
        What is known around it.
    foreign_nodes
        Nodes in lower case that a .global line makes one in all subcircuits.
    wanted
        Whether it is the one that a testbench calls, so that its parameters must be reached from outside.
    """
    note = outer.note
    header = header_parameters(block.header, outer.dialect, outer.caret)
    original = [(one.name, one.slot.text()) for one in header]
    statements: list[Statement] = []
    for line in block.lines:
        command = line.words[0]
        if command in OPTIONS:
            check_options(line)
        if command in _DROPPED | OPTIONS:
            note(line, f"{command} is left out")
        elif command.startswith(".") and command not in DEFINITIONS | INITIAL:
            line.refuse(f"{command} is not understood in a subcircuit")
        else:
            statements += read_statements(line, outer.dialect, outer.caret)
    raw = _texts(statements)
    scope = defined_scope(statements, outer, [one.name for one in header])
    for one in header:
        one.slot.tree = scope.meaning(one.line, one.slot.tree, parameter=True)
    ports = [port.lower() for port in block.ports]
    _give_meaning(statements, scope, _ground(ports, foreign_nodes))
    found: list[Start] = []
    statements = _as_circuits(statements, block.ports, note)
    if wanted:
        statements = _reached(header, statements, note)
        found = starts(header, statements, block.ports)
        for start in found:
            if start.note:
                note(block.header, start.note)
    inner = [adapt_block(one, scope, foreign_nodes, wanted=False) for one in block.blocks.values()]
    lines = _written(statements, raw, scope)
    now = [(scope.name(one.name), one.slot.text()) for one in header]
    text = block.header.text
    bare = text.count("{") != sum(not isinstance(one.slot.tree, Number) for one in header)
    if now != original or "'" in text or bare or block.header.words[0] != ".subckt":
        text = " ".join([".subckt", block.name, *block.ports, *(f"{name}={value}" for name, value in now)])
    return AdaptedBlock(block, block.header._replace(text=text), lines, inner, statements, found)


def _ground(ports: list[str], foreign_nodes: set[str]) -> dict[str, str | None]:
    """Return what nodes become: 0 for the names of ground, None for nodes of the author's whole circuit."""
    nodes: dict[str, str | None] = dict.fromkeys(foreign_nodes - set(ports))
    return {**nodes, **{name: "0" for name in _GROUNDS if name not in ports}}


def _give_meaning(statements: list[Statement], scope: Scope, nodes: dict[str, str | None]) -> None:
    def node(line: Line, name: str) -> str:
        found = nodes.get(name.lower(), name)
        if found is None:
            line.refuse(f"{name} is a node of the author's whole circuit (.global); make it a port of the subcircuit")
        return found

    def meant(line: Line, slot: Slot, *, parameter: bool) -> None:
        tree = scope.meaning(line, slot.tree, parameter=parameter)
        slot.tree = rebuilt(
            tree,
            lambda part: (
                replace(part, nodes=tuple(node(line, name) for name in part.nodes))
                if isinstance(part, Probe) and part.kind == "v"
                else part
            ),
        )

    for one in statements:
        match one:
            case Element():
                if one.kind == "x":  # what it calls has its parameters renamed too
                    one.keys = {f"{key}_" if key.lower() in RESERVED else key: one.keys[key] for key in one.keys}
                one.nodes = [node(one.line, name) for name in one.nodes]
                for slot in one.slots():
                    meant(one.line, slot, parameter=not (slot.source or moving(slot)))
            case Initial():
                for slot in one.nodes.values():
                    meant(one.line, slot, parameter=True)
            case Model():
                for slot in (part for part in one.rest if isinstance(part, Slot)):
                    meant(one.line, slot, parameter=True)
            case Assignment():
                meant(one.line, one.slot, parameter=True)


def _as_circuits(statements: list[Statement], ports: list[str], note: Note) -> list[Statement]:
    """Write what ngspice has no words for as circuits."""
    names = Names(statements, ports)
    extra: dict[int, list[Element]] = {}
    elements = [one for one in statements if isinstance(one, Element)]
    for element in elements:
        done = resistor_as_source(element)
        if done:
            note(element.line, done)
        added = without_integrals(element, names)
        if added:
            note(element.line, f"an integral by time is the voltage of {added[0].nodes[0]}, a capacitor and a source")
            extra[id(element)] = added
    everything = [one for element in elements for one in [*extra.get(id(element), []), element]]
    for element, source in meters(everything, names):
        note(element.line, f"the current of {element.name} is that of {source.name}, a source of 0 V behind it")
        extra.setdefault(id(element), []).append(source)
    return [one for statement in statements for one in [*extra.get(id(statement), []), statement]]


def _reached(header: list[Assignment], statements: list[Statement], note: Note) -> list[Statement]:
    """Move parameters that are set to numbers within the subcircuit to its .subckt line."""
    own = {one.name.lower() for one in header}
    kept: list[Statement] = []
    moved: dict[Line, list[str]] = {}
    for one in statements:
        if not isinstance(one, Assignment):
            kept.append(one)
            continue
        if isinstance(one.slot.tree, Name) and one.slot.tree.key == one.name.lower() in own:
            note(one.line, f"{one.name} is set to itself: left out")
            continue
        if one.name.lower() in own:
            one.line.refuse(f"sets {one.name}, which is a parameter of the .subckt line; rename one of them")
        if constant(one.slot.tree) is None:
            kept.append(one)
            continue
        own.add(one.name.lower())
        header.append(one)
        moved.setdefault(one.line, []).append(one.name)
    for line, names in moved.items():
        note(line, f"moved to the .subckt line, where they can be set from outside: {', '.join(names)}")
    return kept


def _texts(statements: list[Statement]) -> dict[Line, list[str]]:
    """Return what is written for each line."""
    texts: dict[Line, list[str]] = {}
    for one in statements:
        texts.setdefault(one.line, []).append(text_of(one))
    return texts


def _written(statements: list[Statement], before: dict[Line, list[str]], scope: Scope) -> list[Line]:
    """Write statements: those of a line that mean the same to ngspice stay as they stand there."""
    by_line: dict[Line, list[Statement]] = {}
    for one in statements:
        by_line.setdefault(one.line, []).append(one)
    lines: list[Line] = []
    for line, group in by_line.items():
        for one in group:
            if isinstance(one, Assignment | Definition):
                one.name = scope.name(one.name)
        if before[line] == [text_of(one) for one in group] and stands(line, group):
            lines.append(line)
            continue
        others = [one for one in group if not isinstance(one, Assignment)]
        parameters = [text_of(one) for one in group if isinstance(one, Assignment)]
        texts = [*([f".param {' '.join(parameters)}"] if parameters else []), *(text_of(one) for one in others)]
        lines += [line._replace(text=text) for text in texts]
    return lines
