"""The transistors of cells in a netlist: a subcircuit for each kind, and an instance in every cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spicecim.cell_choice import CompactTransistor, GatedCell, OneTransistor, WordLines
from spicecim.devices.behavioral import SPICE
from spicecim.devices.expressions import ordered, symbol, unified
from spicecim.devices.printing import wrapped
from spicecim.devices.transistor import Transistor
from spicecim.errors import SubcircuitError
from spicecim.netlist.drivers import source_text
from spicecim.netlist.elaborated.flatten import Library
from spicecim.netlist.environment import CheckedText, plain_text
from spicecim.netlist.kinds import kinds_of
from spicecim.netlist.spice_lines import read_section
from spicecim.outside import real_path
from spicecim.pdk import PdkTransistor
from spicecim.testbench import Testbench
from spicecim.veriloga.model_cards import CompiledModule, compiled_modules

_NAME = "ekv_transistor"
_PDK_NAME = "pdk_transistor"
WORD_LINE = "word"
"""What the names of the word lines' nodes begin with; in a subcircuit for circuits of one's own they are ports."""
_NODES = {"vd": "v(d)", "vg": "v(g)", "vs": "v(s)"}
_PDK_NODES = {"drain": "d", "gate": "g", "source": "s", "bulk": "0", "ground": "0"}
_AMBIENT = 300.15
"""Temperature (K) of ngspice where none is given."""


@dataclass(frozen=True)
class Transistors:
    """The transistors of a testbench for the templates: none, where cells are a memristor alone.

    Attributes
    ----------
    context
        Variables of the templates.
    libraries
        Shared libraries that ngspice must load before.
    """

    context: Mapping[str, Any]
    libraries: tuple[Path, ...] = ()


_NONE = Transistors(
    {"transistor_title": "", "transistor_models": [], "transistor_kinds": [], "transistors": [], "word_lines": []}
)


class Instance(NamedTuple):
    """A transistor in the netlist: its name, its nodes (drain, gate, source) and its kind."""

    name: str
    nodes: str
    kind: str


def inner_node(name: str) -> str:
    """Node between memristor and transistor of a cell."""
    return f"t_{name}"


def transistors_of(testbench: Testbench, row_nodes: list[list[str]], column_nodes: list[list[str]]) -> Transistors:
    """Return what the templates need of the transistors and word lines of a testbench.

    Parameters
    ----------
    testbench
        The testbench.
    row_nodes, column_nodes
        Names of the nodes that each cell is connected to, row by row.

    Raises
    ------
    SubcircuitError, VerilogAError, CompilerError
        If the transistor of a PDK cannot be taken.
    """
    cell, word_lines = testbench.cell, testbench.word_lines
    if cell is None or word_lines is None:
        return _NONE
    drivers = _drivers(cell, word_lines, testbench.shape)
    if not isinstance(cell, OneTransistor):
        return Transistors({**_NONE.context, "word_lines": drivers})
    kinds, which = kinds_of(cell.transistor.arrays())
    name = _PDK_NAME if isinstance(cell.transistor, PdkTransistor) else _NAME
    names = [name if which is None else f"{name}_{number}" for number in range(len(kinds))]
    nodes = row_nodes if cell.source_line == "rows" else column_nodes
    instances = []
    for row, column in np.ndindex(testbench.shape):
        at = f"{row}_{column}"
        gate = f"{WORD_LINE}_{cell.gate_of(row, column)}"
        kind = names[0 if which is None else which[row, column]]
        instances.append(Instance(at, f"{inner_node(at)} {gate} {nodes[row][column]}", kind))
    if isinstance(cell.transistor, PdkTransistor):
        written = _pdk(testbench, cell.transistor, kinds, names)
    else:
        written = _compact(testbench, cell.transistor, kinds, names)
    context = {**written.context, "transistors": instances, "word_lines": drivers}
    return Transistors(context, written.libraries)


def _compact(
    testbench: Testbench, transistor: CompactTransistor, kinds: list[dict[str, float]], names: list[str]
) -> Transistors:  # fmt: skip
    values = transistor.values(testbench.analysis.temperature)
    lines = [_source(Transistor(**(values | own))) for own in kinds]
    title = "between the node of each cell's memristor and its source line; they have no gate current"
    return Transistors(
        {
            "transistor_title": CheckedText(title), "transistor_models": [],
            "transistor_kinds": list(zip(names, lines, strict=True)),
        }
    )  # fmt: skip


def _pdk(
    testbench: Testbench, transistor: PdkTransistor, kinds: list[dict[str, float]], names: list[str]
) -> Transistors:  # fmt: skip
    folder = Path(transistor.pdk)
    modules: dict[str, CompiledModule] = {}
    for file in transistor.verilog_a:
        modules |= compiled_modules(_inside(folder, file), folder)
    lines = read_section(folder / transistor.lib, transistor.corner or "", folder, "cell.transistor.lib")
    temperature = testbench.analysis.temperature
    library = Library(
        lines, "cell.transistor.subcircuit", transistor.lib, _AMBIENT if temperature is None else temperature, modules
    )
    ports = library.ports(transistor.subcircuit)
    if len(ports) != len(transistor.ports):
        raise SubcircuitError(
            f"cell.transistor.ports: names {len(transistor.ports)} ports, and {transistor.subcircuit} has "
            f"{len(ports)}: {' '.join(ports)}"
        )
    nodes = [_PDK_NODES.get(role, f"open_{number}") for number, role in enumerate(transistor.ports)]
    flat = [
        library.flat(transistor.subcircuit, transistor.parameters | own, nodes, name, "cell.transistor.parameters")
        for name, own in zip(names, kinds, strict=True)
    ]
    title = f"subcircuit {transistor.subcircuit} of {Path(transistor.lib).name}, {transistor.corner or 'no corner'}"
    return Transistors(
        {
            "transistor_title": plain_text(title),
            "transistor_models": [model for each in flat for model in each.models],
            "transistor_kinds": [(name, each.elements) for name, each in zip(names, flat, strict=True)],
        },
        tuple(dict.fromkeys(library for each in flat for library in each.libraries)),
    )


def _inside(folder: Path, file: str) -> Path:
    """The path of a Verilog-A file of a folder; `SubcircuitError` if it is outside of it."""
    try:
        path = real_path(folder / file)
        inside = path.is_relative_to(real_path(folder))
    except (OSError, ValueError) as error:
        raise SubcircuitError(f"cell.transistor.verilog_a: {file} cannot be read: {error}") from None
    if not inside:
        raise SubcircuitError(f"cell.transistor.verilog_a: {file} is outside of the folder {folder}, which is refused")
    return path


def _source(transistor: Transistor) -> list[CheckedText]:
    """The current of a transistor between its nodes d and s, by the potentials of d, g and s."""
    (current,) = unified([transistor.current(*map(symbol, _NODES))])
    names = {id(part): _NODES[part.name] for part in ordered([current]) if part.operation == "symbol"}
    return [CheckedText(line) for line in wrapped(f"Bdrain d s I = {SPICE.text(current, names)}", following="+ ")]


def _drivers(cell: GatedCell, word_lines: WordLines, shape: tuple[int, int]) -> list[tuple[int, CheckedText | int]]:
    """Number of each word line, and what its source puts out."""
    return [
        (line, 0 if line in word_lines.grounded else source_text(word_lines.drive, line, "word_lines.drive"))
        for line in range(cell.word_lines(shape))
    ]
