"""Integrals by time, resistances that move and currents of elements, which ngspice has no words for, as circuits."""

from __future__ import annotations

from collections.abc import Iterator

from spicecim.netlist.adapting.expressions import Binary, Call, Expression, Name, Probe, number, rebuilt, walk
from spicecim.netlist.adapting.meaning import INTEGRALS
from spicecim.netlist.adapting.statements import Element, Initial, Slot, Statement, probes

_METERED = "rcgdif"
"""Kinds of elements that have no current of their own among ngspice's unknowns."""


class Names:
    """Names of elements and nodes that a block does not have yet."""

    def __init__(self, statements: list[Statement], ports: list[str]) -> None:
        self._taken = {port.lower() for port in ports}
        for statement in statements:
            if isinstance(statement, Element):
                self._taken |= {statement.name.lower(), *(node.lower() for node in statement.nodes)}
            if isinstance(statement, Initial):
                self._taken |= {node.lower() for node in statement.nodes}

    def new(self, stem: str) -> str:
        """Return a name that begins so, and keep it."""
        name = next(name for name in _numbered(stem) if name.lower() not in self._taken)
        self._taken.add(name.lower())
        return name


def _numbered(stem: str) -> Iterator[str]:
    yield stem
    count = 2
    while True:
        yield f"{stem}_{count}"
        count += 1


def moving(slot: Slot) -> bool:
    """Tell if an expression changes during a run."""
    return any(
        isinstance(part, Probe)
        or (isinstance(part, Call) and part.function in INTEGRALS)
        or (isinstance(part, Name) and part.key == "time")
        for part in walk(slot.tree)
    )


def resistor_as_source(element: Element) -> str | None:
    """Make a resistor whose resistance moves the source of its current; return what was done."""
    slot = element.value or element.keys.get("r")
    if element.kind == "c" and any(moving(one) for one in element.slots()):
        element.line.refuse(f"the capacitance of {element.name} moves; write its charge as a circuit")
    if element.kind != "r" or slot is None or not moving(slot):
        return None
    if len(element.slots()) > 1:
        element.line.refuse(f"{element.name} has more than a resistance that moves, which is not understood")
    voltage = Probe("v", (element.nodes[0], element.nodes[1]))
    element.name, element.value = f"B{element.name}", None
    element.keys = {"i": Slot(Binary("/", voltage, slot.tree), source=True)}
    return f"the resistance of {element.name[1:]} moves: it is the current source {element.name}"


def without_integrals(element: Element, names: Names) -> list[Element]:
    """Take the integrals by time out of an element; returns a capacitor and a source for each that differs."""
    added: list[Element] = []
    nodes: dict[Expression, str] = {}

    def taken_out(part: Expression) -> Expression:
        if not (isinstance(part, Call) and part.function in INTEGRALS):
            return part
        if part in nodes:  # a function that takes it twice, such as a clip, writes it twice
            return Probe("v", (nodes[part],))
        integrand, *initial = part.arguments
        node = nodes[part] = names.new(f"{part.function}_{element.name}")
        start = {"ic": Slot(initial[0] if initial else number(0))}
        source = {"i": Slot(integrand, source=True)}
        added.append(Element(element.line, f"C{node}", [node, "0"], Slot(number(1)), start))
        added.append(Element(element.line, f"B{node}", ["0", node], keys=source))
        return Probe("v", (node,))

    for slot in element.slots():
        slot.tree = rebuilt(slot.tree, taken_out)
    return added


def meters(elements: list[Element], names: Names) -> list[tuple[Element, Element]]:
    """Put a source of 0 V behind each element whose current is read and which ngspice has no current of.

    Returns
    -------
    list
        The elements, and the source behind each.
    """
    by_name = {element.name.lower(): element for element in elements}
    added: dict[str, tuple[Element, Element]] = {}

    def read(part: Expression) -> Expression:
        if not (isinstance(part, Probe) and part.kind == "i"):
            return part
        name = part.nodes[0].lower()
        element = by_name.get(name) or by_name.get(f"b{name}")
        if element is None:
            user.line.refuse(f"i({part.nodes[0]}): the subcircuit has no element {part.nodes[0]}")
        without = element.kind in _METERED or (element.kind == "b" and "i" in element.keys)
        if not without and element.kind not in "vehlb":
            user.line.refuse(f"i({part.nodes[0]}): an element of several terminals has several currents")
        if not without:
            return part
        if name not in added:
            inner = names.new(f"at_{part.nodes[0]}")
            source = Element(element.line, names.new(f"V{inner}"), [inner, element.nodes[1]], Slot(number(0)))
            element.nodes[1] = inner
            added[name] = element, source
        return Probe("i", (added[name][1].name,))

    for user in elements:
        for slot in user.slots():
            if any(probe.kind == "i" for probe in probes(slot)):
                slot.tree = rebuilt(slot.tree, read)
    return list(added.values())
