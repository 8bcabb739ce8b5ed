"""A device as behavioral sources of ngspice."""

from __future__ import annotations

from math import inf, log2
from typing import TYPE_CHECKING, Any

from spicecim.devices.expressions import COMPARISONS, ordered, unified, uses_of
from spicecim.devices.printing import Language, number_text, wrapped
from spicecim.devices.ranges import ranges_of
from spicecim.devices.states import scales_of
from spicecim.devices.traced import printed, traced

if TYPE_CHECKING:
    from spicecim.devices.memristor import Memristor


_LONG = 5000
"""Characters of all equations beyond which shared parts get nodes, at the price of a larger matrix."""
_SHARED = 40
"""Characters that such a part has at least."""
_LEAST_DIVISOR = 1e-16
"""ngspice 46 adds 1e-32 to every divisor."""
_DIGITS = 11
"""What ngspice 46 keeps of a number in a behavioral source: 1.0000000000001 is read as 1."""


def _geometric_sum(ratio: str, count: Any) -> str:
    """Nested as Horner has it."""
    return "(" + f"1 + {ratio}*(" * (int(count) - 1) + "1" + ")" * (int(count) - 1) + ")"


def _number(value: float) -> str:
    """A number, as a sum of two where it has more digits than ngspice reads in a behavioral source."""
    rough = float(f"{value:.{_DIGITS - 1}e}")
    return number_text(value) if rough == value else f"({number_text(rough)} + {_rest(value - rough)})"


def _rest(value: float) -> str:
    return number_text(value) if value >= 0 else f"(-{number_text(-value)})"


_FUNCTIONS = {
    "exp": "exp", "log": "ln", "sqrt": "sqrt", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "sin": "sin",
    "cos": "cos", "arctan": "atan", "arcsin": "asin", "arcsinh": "asinh", "absolute": "abs",
    "maximum": "max", "minimum": "min",
}  # fmt: skip

SPICE = Language(_FUNCTIONS, _number, lambda base, exponent: f"({base}^{exponent})", _geometric_sum, _LEAST_DIVISOR)


def state_nodes(device: Memristor) -> list[str]:
    """Nodes of a device's further states, whose names ngspice cannot mistake: to it, upper and lower case are one."""
    return [f"state_{number}" for number in range(len(device.states))]


def behavioral_sources(device: Memristor) -> list[str]:
    """Lines between ``.subckt`` and ``.ends``: the current between nodes p and n, the states on s and `state_nodes`."""
    traced_current, traced_rate, traced_balance, further = printed(device, traced(device))
    outputs = unified([traced_current, traced_rate, traced_balance, *further])
    current, rate, balance, *rates = outputs
    nodes = {"v": "v(p,n)", "s": "v(s)", "u": "v(u)"}
    nodes |= {name: f"v({node})" for name, node in zip(device.states, state_nodes(device), strict=True)}
    names = {id(part): nodes[part.name] for part in ordered(outputs) if part.operation == "symbol"}
    lines: list[str] = []
    if _are_long(outputs, names):
        lines = _shared_parts(outputs, names)
    lines += wrapped(f"Bcurrent p n I = {SPICE.text(current, names)}", following="+ ")
    lines += _integrated("", "s", 1.0, rate, names)
    for node, scale, own in zip(state_nodes(device), scales_of(device), rates, strict=True):
        # so that all charges are about 1 C, which suits ngspice's absolute tolerances
        lines += _integrated(f"_{node}", node, 2.0 ** -round(log2(scale)), own, names)
    if device.inner:
        # ngspice asks for a source's value to settle: that of what should vanish is rounding, which never does
        lines += ["Rinner u 0 1", *wrapped(f"Binner 0 u I = v(u) - ({SPICE.text(balance, names)})", following="+ ")]
    return lines


def _integrated(suffix: str, node: str, capacitance: float, rate: Any, names: dict[int, str]) -> list[str]:
    """A capacitor whose voltage moves at a rate."""
    lines = [f"Cstate{suffix} {node} 0 {number_text(capacitance) if capacitance != 1.0 else 1}"]
    if not isinstance(rate, float) or rate:
        factor = "" if capacitance == 1.0 else f"{number_text(capacitance)}*"
        text = SPICE.text(rate, names)
        lines += wrapped(f"Brate{suffix} 0 {node} I = {f'{factor}({text})' if factor else text}", following="+ ")
    return lines


def _shared_parts(outputs: list[Any], names: dict[int, str]) -> list[str]:
    """Sources of nodes that carry what the equations need several times, which get these nodes as their names.

    No more of them than make the equations short enough, those next to voltage and state first: Newton's method takes
    each node as an unknown of its own, and finds the solution the later the more there are.
    """
    lines: list[str] = []
    uses, ranges = uses_of(outputs), ranges_of(outputs)
    for part in ordered(outputs):
        text = SPICE.text(part, names)
        if uses[id(part)] > 1 and len(text) > _SHARED and part.operation not in COMPARISONS:
            node = f"shared_{len(lines)}"
            lines.append(f"B{node} {node} 0 V = {text}")
            names[id(part)] = _between(f"v({node})", *ranges[id(part)])
            if not _are_long(outputs, names):
                break
    return [line for source in lines for line in wrapped(source, following="+ ")]


def _are_long(outputs: list[Any], names: dict[int, str]) -> bool:
    return sum(len(SPICE.text(output, names)) for output in outputs) > _LONG


def _between(text: str, low: float, high: float) -> str:
    """A node's voltage between the bounds of its part: on the way to a solution it has values that this never has."""
    text = f"max({text}, {SPICE.text(low, {})})" if low > -inf else text
    return f"min({text}, {SPICE.text(high, {})})" if high < inf else text
