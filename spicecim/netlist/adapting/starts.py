"""Where states start: initial values in a subcircuit as parameters of its .subckt line, which reach it from outside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from spicecim.netlist.adapting.expressions import Expression, Name, Unary, number, walk
from spicecim.netlist.adapting.functions import constant
from spicecim.netlist.adapting.statements import Assignment, Element, Initial, Slot, Statement, slots_of


@dataclass(frozen=True)
class Start:
    """A state's node that is no port, and how its start is set.

    Attributes
    ----------
    node
        The node.
    parameter
        Parameter of the .subckt line that sets it; None if none does.
    values
        The parameter's values at which the node starts at 0 and at 1 V, with the other defaults.
    note
        What was done; empty if nothing was.
    integral
        Whether the node is that of an integral by time (`sdt`, `idt`), which often is only shown.
    scaled
        Whether the parameter's default is a state between 0 and 1 by these values. If not, 0 and 1 V mean nothing: the
        state is a resistance, or counts in units of its own.
    """

    node: str
    parameter: str | None
    values: tuple[float, float] = (0.0, 1.0)
    note: str = ""
    integral: bool = False
    scaled: bool = True


def starts(header: list[Assignment], statements: list[Statement], ports: list[str]) -> list[Start]:
    """Give every hidden state a parameter of the .subckt line that sets where it starts, where it has none."""
    elements = [statement for statement in statements if isinstance(statement, Element)]
    found = []
    for capacitor in elements:
        node = _state_node(capacitor, elements)
        if node is not None and node.lower() not in {port.lower() for port in ports}:
            found.append(_start(capacitor, node, header, statements))
    return found


def _state_node(capacitor: Element, elements: list[Element]) -> str | None:
    """Return the node of a capacitor to ground that a current source charges, or that has an initial value."""
    if capacitor.kind != "c" or (capacitor.nodes[0] == "0") == (capacitor.nodes[1] == "0"):
        return None
    if capacitor.nodes[0] == "0":  # ngspice heeds the initial value of a capacitor from a node to 0 only
        capacitor.nodes.reverse()
        if "ic" in capacitor.keys:
            capacitor.keys["ic"] = Slot(Unary("-", capacitor.keys["ic"].tree))
    node = capacitor.nodes[0]
    charged = any(
        node.lower() in (name.lower() for name in element.nodes[:2])
        and (element.kind in "gif" or (element.kind == "b" and "i" in element.keys))
        for element in elements
    )
    return node if charged or "ic" in capacitor.keys else None


def _start(capacitor: Element, node: str, header: list[Assignment], statements: list[Statement]) -> Start:
    integral = capacitor.name.lower().startswith(("csdt_", "cidt_"))
    slot, owner = capacitor.keys.get("ic"), None
    for statement in statements:
        if isinstance(statement, Initial) and statement.line.words[0] == ".ic":
            for name, initial in statement.nodes.items():
                if name.lower() == node.lower():
                    slot, owner = initial, statement
    tree = slot.tree if slot else number(0)
    known = {one.name.lower(): one for one in header}
    if isinstance(tree, Name) and tree.key in known:
        return _scaled(Start(node, known[tree.key].name, integral=integral), _defaults(header))
    value = constant(tree)
    if value is None:
        return _by_expression(node, tree, known, statements)
    if integral and len([one for one in statements if isinstance(one, Element) and one.kind == "c"]) > 1:
        return Start(node, None, integral=True)
    parameter = _new_name(node, {*known, *_all_names(statements)})
    header.append(Assignment(capacitor.line, parameter, Slot(number(value))))
    if owner is None:
        capacitor.keys["ic"] = Slot(Name(parameter))
    else:
        assert slot is not None
        slot.tree = Name(parameter)
    note = f"the new parameter {parameter} sets where the state {node} starts{'' if slot else ', which is 0 V else'}"
    return Start(node, parameter, note=note, integral=integral)


def _by_expression(node: str, tree: Expression, known: Mapping[str, Assignment], statements: list[Statement]) -> Start:
    """Return the start by a parameter that the initial value alone depends on, if there is one."""
    values = _defaults([*known.values(), *(one for one in statements if isinstance(one, Assignment))])
    in_use = [part.key for part in _expressions(statements) if isinstance(part, Name)]
    own = [part.key for part in walk(tree) if isinstance(part, Name)]
    for name in dict.fromkeys(own):
        if name not in known or in_use.count(name) > own.count(name):
            continue
        line = [constant(tree, {**values, name: at}) for at in (0.0, 1.0, 2.0)]
        if None in line:
            continue
        at_0, at_1, at_2 = (value for value in line if value is not None)
        slope = at_1 - at_0
        if slope and abs(at_2 - at_1 - slope) <= 1e-9 * abs(slope):
            ends = _plain(-at_0 / slope), _plain((1.0 - at_0) / slope)
            return _scaled(Start(node, known[name].name, ends), values)
    return Start(node, None)


def _scaled(start: Start, defaults: Mapping[str, float]) -> Start:
    """Return a start with whether its values are a scale, and a note of what to do if they are none."""
    assert start.parameter is not None
    default = defaults.get(start.parameter.lower())
    if default is None or min(start.values) <= default <= max(start.values):
        return start
    note = (
        f"{start.parameter}, {default:g} by default, sets where the state {start.node} starts, which is not between 0 "
        f"and 1; give initial_parameter: {start.parameter} and initial, its values at x = 0 and at x = 1"
    )
    return replace(start, scaled=False, note=note)


def _defaults(assignments: list[Assignment]) -> dict[str, float]:
    """Values of parameters that follow from numbers and from each other, whatever their order."""
    values: dict[str, float] = {}
    while True:
        found = {one.name.lower(): constant(one.slot.tree, values) for one in assignments}
        fresh = {name: value for name, value in found.items() if value is not None and name not in values}
        if not fresh:
            return values
        values |= fresh


def _plain(value: float) -> float:
    """A number without the last digits, which are rounding, and without a sign of zero."""
    return float(f"{value:.10g}") + 0.0


def _expressions(statements: list[Statement]) -> list[Expression]:
    return [part for one in statements for slot in slots_of(one) for part in walk(slot.tree)]


def _all_names(statements: list[Statement]) -> set[str]:
    return {part.key for part in _expressions(statements) if isinstance(part, Name)}


def _new_name(node: str, taken: set[str]) -> str:
    stem = re.sub(r"\W", "_", node)
    names = [f"{stem}0", f"{stem}_start", *(f"start_{stem}_{count}" for count in range(1, 100))]
    return next(name for name in names if name.lower() not in taken and re.match(r"[A-Za-z_]", name))
