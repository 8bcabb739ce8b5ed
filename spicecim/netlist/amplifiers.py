"""Amplifiers at lines: those of the library, and subcircuits of one's own, one for all rows and one for all columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from spicecim.amplifiers import SubcircuitAmplifier
from spicecim.errors import SubcircuitError
from spicecim.netlist.drivers import SourceValue
from spicecim.netlist.environment import CheckedText, spice_text
from spicecim.netlist.foreign import read_subcircuit
from spicecim.testbench import Testbench

_PORTS = ("input", "output", "reference")


class Amplifier(NamedTuple):
    """An amplifier of the library in the netlist: its line's name, and what the source of its reference puts out.

    And its gain, its feedback (ohm, farad), and the time constant of its pole (s), 0 without one.
    """

    line: str
    reference: SourceValue
    gain: float
    resistance: float
    capacitance: float
    pole: float


@dataclass(frozen=True)
class OwnAmplifiers:
    """Amplifiers of one's own in the netlist: the lines of their subcircuit, its name, and the lines that have one."""

    text: Sequence[CheckedText]
    name: str
    lines: Sequence[tuple[str, SourceValue]]
    """Name of each line, and what the source of its reference puts out."""


@dataclass(frozen=True)
class _Choice:
    """What `read_subcircuit` asks of a subcircuit."""

    place: str
    subcircuit: str
    name: str | None
    ports: Sequence[str]
    parameters: Mapping[str, Any]
    dialect: str
    initial_parameter: None = None
    is_module: bool = False


def line_name(line: int, rows: int) -> str:
    """Name of a line in the names of the nodes and elements of its amplifier."""
    return f"row_{line}" if line < rows else f"column_{line - rows}"


def known_amplifiers(testbench: Testbench, sources: Mapping[int, SourceValue]) -> list[Amplifier]:
    """Return the amplifiers of the library; `sources` is what is put out, by numbers of lines."""
    found, rows = testbench.lines().amplifiers, testbench.shape[0]
    if found is None:
        return []
    numbers = found.gain, found.resistance, found.capacitance, found.time_constant
    return [
        Amplifier(line_name(line, rows), sources[line], *each)
        for line, *each in zip(found.lines.tolist(), *(values.tolist() for values in numbers), strict=True)
    ]


def own_amplifiers(
    testbench: Testbench, sources: Mapping[int, SourceValue], compatibility: str
) -> list[OwnAmplifiers]:  # fmt: skip
    """Return the amplifiers of one's own.

    A subcircuit and all that it uses stand within one of ours, where no name meets one of another file.

    Parameters
    ----------
    testbench
        The testbench.
    sources
        What is put out, by numbers of lines.
    compatibility
        Mode that ngspice reads the netlist in, for the device.

    Raises
    ------
    SubcircuitError
        If a subcircuit cannot be used as it stands.
    """
    found, (rows, columns), lines = [], testbench.shape, testbench.lines()
    for name, section, first, count in (("row", testbench.rows, 0, rows), ("column", testbench.columns, rows, columns)):
        sense = None if section is None else section.sense
        sensed = [line for line in lines.sensed.tolist() if first <= line < first + count]
        if not isinstance(sense, SubcircuitAmplifier) or not sensed:
            continue
        if compatibility:
            raise SubcircuitError(
                f"{name}s.sense.subcircuit: the device makes ngspice read the netlist in the compatibility mode "
                f"{compatibility}, and an amplifier is one of ngspice's own dialect"
            )
        at_lines = [(line_name(line, rows), sources[line]) for line in sensed]
        found.append(OwnAmplifiers(_written(sense, name), _subcircuit_name(name), at_lines))
    return found


def _subcircuit_name(name: str) -> str:
    return f"{name}_amplifier"


def _written(section: SubcircuitAmplifier, name: str) -> list[CheckedText]:
    """The lines of the subcircuit of all rows, or of all columns."""
    choice = _Choice(
        f"{name}s.sense", section.subcircuit, section.name, section.ports, section.parameters, section.dialect
    )  # fmt: skip
    found = read_subcircuit(choice)
    nodes = [
        role if role in _PORTS else "0" if role == "ground" else f"open_{place}"
        for place, role in enumerate(section.ports)
    ]
    values = [f"{parameter}={spice_text(value)}" for parameter, value in section.parameters.items()]
    lines = [
        f".subckt {_subcircuit_name(name)} {' '.join(_PORTS)}", found.text,
        f"Xown {' '.join(nodes)} {found.name} {' '.join(values)}",
        # a port that the subcircuit does not have is at its potential
        *(f"Ropen_{role} {role} 0 1e12" for role in _PORTS if role not in section.ports),
        f".ends {_subcircuit_name(name)}",
    ]  # fmt: skip
    return [CheckedText(line) for line in lines]
