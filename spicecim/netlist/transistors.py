"""The transistors of cells in a netlist: behavioral subcircuits, one for each kind, and an instance in every cell."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from spicecim.cell_choice import OneTransistor, WordLines
from spicecim.devices.behavioral import SPICE
from spicecim.devices.expressions import ordered, symbol, unified
from spicecim.devices.printing import wrapped
from spicecim.devices.transistor import Transistor
from spicecim.netlist.drivers import source_text
from spicecim.netlist.environment import CheckedText
from spicecim.netlist.kinds import kinds_of
from spicecim.testbench import Testbench

_NAME = "ekv_transistor"
WORD_LINE = "word"
"""What the names of the word lines' nodes begin with; in a subcircuit for circuits of one's own they are ports."""
_NODES = {"vd": "v(d)", "vg": "v(g)", "vs": "v(s)"}
NO_TRANSISTORS: dict[str, Any] = {"transistor_kinds": [], "transistors": [], "word_lines": []}
"""Variables of the templates for cells of a memristor alone."""


class Instance(NamedTuple):
    """A transistor in the netlist: its name, its nodes (drain, gate, source) and its kind."""

    name: str
    nodes: str
    kind: str


def inner_node(name: str) -> str:
    """Node between memristor and transistor of a cell."""
    return f"t_{name}"


def transistor_context(
    testbench: Testbench, row_nodes: list[list[str]], column_nodes: list[list[str]]
) -> dict[str, Any]:
    """Return the template variables for the transistors and word lines of a testbench.

    Parameters
    ----------
    testbench
        The testbench.
    row_nodes, column_nodes
        Names of the nodes that each cell is connected to, row by row.
    """
    cell, word_lines = testbench.cell, testbench.word_lines
    if cell is None or word_lines is None:
        return NO_TRANSISTORS
    values = cell.transistor.values(testbench.analysis.temperature)
    arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
    kinds, which = kinds_of(arrays)
    nodes = row_nodes if cell.source_line == "rows" else column_nodes
    instances = []
    for row, column in np.ndindex(testbench.shape):
        name = f"{row}_{column}"
        gate = f"{WORD_LINE}_{cell.gate_of(row, column)}"
        kind = _NAME if which is None else f"{_NAME}_{which[row, column]}"
        instances.append(Instance(name, f"{inner_node(name)} {gate} {nodes[row][column]}", kind))
    return {
        "transistor_kinds": [
            (_NAME if which is None else f"{_NAME}_{number}", _source(Transistor(**(values | own))))
            for number, own in enumerate(kinds)
        ],
        "transistors": instances,
        "word_lines": _drivers(cell, word_lines, testbench.shape),
    }


def _source(transistor: Transistor) -> list[CheckedText]:
    """The current of a transistor between its nodes d and s, by the potentials of d, g and s."""
    (current,) = unified([transistor.current(*map(symbol, _NODES))])
    names = {id(part): _NODES[part.name] for part in ordered([current]) if part.operation == "symbol"}
    return [CheckedText(line) for line in wrapped(f"Bdrain d s I = {SPICE.text(current, names)}", following="+ ")]


def _drivers(cell: OneTransistor, word_lines: WordLines, shape: tuple[int, int]) -> list[tuple[int, CheckedText | int]]:
    """Number of each word line, and what its source puts out."""
    return [
        (line, 0 if line in word_lines.grounded else source_text(word_lines.drive, line, "word_lines.drive"))
        for line in range(cell.word_lines(shape))
    ]
