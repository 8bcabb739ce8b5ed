"""What the ports of a subcircuit are for, by what is connected to them: a device section to begin with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spicecim.netlist.adapting.starts import Start
from spicecim.netlist.adapting.statements import Element, Statement

_GROUNDS = {"gnd", "ground", "vss", "ref"}


def roles(ports: list[str], statements: list[Statement], states: set[str]) -> list[str]:
    """Return a role for every port: the first two others than states are row and column."""
    elements = [statement for statement in statements if isinstance(statement, Element)]
    found: dict[str, str] = {}
    for port in ports:
        attached = [element for element in elements if port.lower() in map(str.lower, element.nodes)]
        if port.lower() in states and "state" not in found.values():
            found[port] = "state"
        elif port.lower() in _GROUNDS:
            found[port] = "ground"
        elif any(_sets_voltage(element, port) for element in attached) or (not attached and len(ports) > 2):
            found[port] = "open"
    free = [port for port in ports if port not in found]
    if len(free) < 2:  # a source may be what drives a terminal
        free = [port for port in ports if found.get(port) != "state"]
    for port, role in zip(free, ("row", "column"), strict=False):
        found[port] = role
    return [found.get(port, "open") for port in ports]


def _sets_voltage(element: Element, port: str) -> bool:
    """Tell if an element is a source that sets the port's voltage against ground."""
    source = element.kind in "evh" or (element.kind == "b" and "v" in element.keys)
    return source and "0" in element.nodes[:2] and port.lower() in map(str.lower, element.nodes[:2])


def state_ports(ports: list[str], statements: list[Statement], called: Mapping[str, set[int]]) -> set[str]:
    """Return the ports in lower case at which a capacitor to ground keeps what a current source gives.

    `called` tells by name which ports of other subcircuits are such ones, counted from 0.
    """
    elements = [statement for statement in statements if isinstance(statement, Element)]
    kept: set[str] = set()
    charged: set[str] = set()
    for element in elements:
        nodes = [node.lower() for node in element.nodes]
        if element.kind == "x":
            inner = {nodes[place] for place in called.get(nodes[-1], ())}
            kept, charged = kept | inner, charged | inner
        elif "0" in nodes[:2]:
            kept |= set(nodes[:2]) if element.kind == "c" else set()
            gives = element.kind in "gi" or (element.kind == "b" and "i" in element.keys)
            charged |= set(nodes[:2]) if gives else set()
    return {port.lower() for port in ports} & kept & charged


def device_section(file: str, name: str | None, ports: list[str], found: list[Start]) -> dict[str, Any]:
    """Return a section `device` of a testbench for the subcircuit."""
    section: dict[str, Any] = {"subcircuit": file}
    if name is not None:
        section["name"] = name
    section["ports"] = ports
    settable = [start for start in found if start.parameter is not None and start.scaled]
    shown = [start for start in settable if not start.integral] or settable
    if "state" not in ports and len({start.parameter for start in shown}) == 1:
        section["initial_parameter"] = shown[0].parameter
        if shown[0].values != (0.0, 1.0):
            section["initial"] = list(shown[0].values)
    return section
