"""The netlist of a testbench, and the names of the vectors that its waveforms are read from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from spicecim.errors import InputError, UnsupportedError
from spicecim.netlist.environment import netlist_environment
from spicecim.netlist.subcircuit import subcircuit_context
from spicecim.testbench import Testbench

RELATIVE_TOLERANCE = 1e-7
"""reltol of ngspice. At 1e-6, the steps that it allows at a threshold cost up to 3e-4 of a current's peak."""

_VECTORS_A_LINE = 8


class Cell(NamedTuple):
    """A cell in the netlist: its nodes, its initial state, and whether a current meter stands before it."""

    name: str
    row_node: str
    column_node: str
    state_node: str
    p: str
    meter: bool
    state: float


@dataclass(frozen=True)
class CrossbarNetlist:
    """A netlist with its testbench.

    Attributes
    ----------
    text
        The netlist.
    vectors
        For each variable of the waveforms, the names of the vectors that it is read from, in the order of its (row,
        column) dimensions. Variable ``s`` holds the state variables of the cells; the currents of ``i_row`` count into
        the source.
    """

    testbench: Testbench
    text: str
    vectors: dict[str, list[str]]

    @property
    def sha256(self) -> str:
        """SHA-256 of the text, as hexadecimal text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def render_netlist(testbench: Testbench) -> str:
    """Return the netlist of a testbench, the text that ngspice gets."""
    return crossbar_netlist(testbench).text


def crossbar_netlist(testbench: Testbench) -> CrossbarNetlist:
    """Build the netlist of a testbench.

    Raises
    ------
    UnsupportedError
        If the device asks for the backend ``osdi``: its models are not compiled yet.
    """
    if testbench.device.backend == "osdi":
        raise UnsupportedError(
            "device.backend: osdi needs compiled Verilog-A models, which this version does not have; "
            "use auto or behavioral"
        )
    rows, columns = testbench.shape
    device = testbench.device.build()
    cells = _cells(testbench, device.state_from_x(testbench.crossbar.state))
    vectors = _vectors(testbench, cells)
    saved = list(dict.fromkeys(vector for names in vectors.values() for vector in names))
    single = rows == columns == 1 and testbench.crossbar.ideal
    largest_voltage = testbench.drive.largest_voltage()
    with np.errstate(over="ignore"):
        extremes = device.current([-largest_voltage, largest_voltage], device.state_from_x(1.0))
    largest_current = float(np.abs(extremes).max())
    if not np.isfinite(largest_current):
        raise InputError(f"drive: at {largest_voltage:g} V the device's current is beyond the range of a float")
    context: dict[str, Any] = {
        **subcircuit_context(testbench.device, device),
        "title": f"spicecim crossbar of {rows} x {columns} cells",
        "digest": testbench.digest(),
        "testbench": testbench,
        "rows": rows,
        "columns": columns,
        "cells": cells,
        "resistors": _resistors(testbench),
        "capacitors": _capacitors(testbench),
        "drive": testbench.drive,
        "phase_degrees": np.degrees(testbench.drive.phase) if testbench.drive.kind == "sine" else (),
        "duration": testbench.duration,
        "largest_step": testbench.largest_step,
        "reltol": RELATIVE_TOLERANCE,
        # Absolute tolerances far below the signal, whose scale differs by orders of magnitude between devices.
        "abstol": max(1e-3 * RELATIVE_TOLERANCE * largest_current, 1e-24),
        "vntol": 1e-3 * RELATIVE_TOLERANCE,
        "saved_lines": [saved[i : i + _VECTORS_A_LINE] for i in range(0, len(saved), _VECTORS_A_LINE)],
    }
    template = "single_device.cir.j2" if single else "crossbar.cir.j2"
    return CrossbarNetlist(testbench, netlist_environment().get_template(template).render(context), vectors)


def _row_node(testbench: Testbench, row: int, column: int) -> str:
    """Node of a row wire at a column; without resistance a wire is one node, the driver's."""
    if testbench.crossbar.wire_row:
        return f"row_{row}_{column}"
    return f"feed_{row}" if testbench.crossbar.source_resistance else f"in_{row}"


def _column_node(testbench: Testbench, row: int, column: int) -> str:
    """Node of a column wire at a row; without resistance a wire is one node, the sense node."""
    if testbench.crossbar.wire_column:
        return f"col_{row}_{column}"
    return f"out_{column}" if testbench.crossbar.sense_resistance else f"sense_{column}"


def _cells(testbench: Testbench, states: Any) -> list[Cell]:
    meter = testbench.analysis.probe == "cells"
    cells = []
    for (row, column), state in np.ndenumerate(states):
        name = f"{row}_{column}"
        row_node = _row_node(testbench, row, column)
        p = f"p_{name}" if meter else row_node
        cells.append(Cell(name, row_node, _column_node(testbench, row, column), f"s_{name}", p, meter, float(state)))
    return cells


def _resistors(testbench: Testbench) -> list[tuple[str, str, str, float]]:
    """Every resistance that is not zero: name, two nodes, ohm."""
    crossbar, (rows, columns) = testbench.crossbar, testbench.shape
    resistors = []
    for row in range(rows):
        node = f"in_{row}"
        if crossbar.source_resistance:
            node, before = f"feed_{row}", node
            resistors.append((f"source_{row}", before, node, crossbar.source_resistance))
        for column in range(columns if crossbar.wire_row else 0):
            node, before = _row_node(testbench, row, column), node
            resistors.append((f"row_{row}_{column}", before, node, crossbar.wire_row))
    for column in range(columns):
        node = f"sense_{column}"
        if crossbar.sense_resistance:
            node, after = f"out_{column}", node
            resistors.append((f"sense_{column}", node, after, crossbar.sense_resistance))
        for row in reversed(range(rows if crossbar.wire_column else 0)):
            node, after = _column_node(testbench, row, column), node
            resistors.append((f"col_{row}_{column}", node, after, crossbar.wire_column))
    return resistors


def _capacitors(testbench: Testbench) -> list[tuple[str, str, float]]:
    """Every capacitance to ground: name, node, farad. Segments that share a node are one capacitor."""
    if not testbench.crossbar.wire_capacitance:
        return []
    segments: dict[str, int] = {}
    for row, column in np.ndindex(*testbench.shape):
        for node in (_row_node(testbench, row, column), _column_node(testbench, row, column)):
            segments[node] = segments.get(node, 0) + 1
    return [(node, node, count * testbench.crossbar.wire_capacitance) for node, count in segments.items()]


def _vectors(testbench: Testbench, cells: list[Cell]) -> dict[str, list[str]]:
    rows, columns = testbench.shape
    vectors = {
        "v_row": [f"v(in_{row})" for row in range(rows)],
        "i_row": [f"i(vrow_{row})" for row in range(rows)],
        "i_column": [f"i(vsense_{column})" for column in range(columns)],
    }
    if testbench.analysis.probe == "cells":
        vectors["v_row_node"] = [f"v({cell.row_node})" for cell in cells]
        vectors["v_column_node"] = [f"v({cell.column_node})" for cell in cells]
        vectors["i_cell"] = [f"i(vcell_{cell.name})" for cell in cells]
        vectors["s"] = [f"v({cell.state_node})" for cell in cells]
    return vectors
