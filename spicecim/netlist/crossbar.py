"""The netlist of a testbench, and the names of the vectors that its waveforms are read from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spicecim.netlist.cell_device import TOLERANCE_SHARE, Backend, CrossbarDevice, crossbar_device
from spicecim.netlist.drivers import source_text
from spicecim.netlist.environment import netlist_environment, plain_text
from spicecim.testbench import Testbench
from spicecim.version import __version__

_VECTORS_A_LINE = 8
_MOST_WATCHED = 16_384
"""Most cells whose states are kept of a run that does not ask for cells: they tell its error, and a state that leaves
its range. Of 64 x 64 cells they cost a tenth of the run's time, and 8 bytes per cell and instant."""

_NOT_IN_QUOTES = frozenset("'`${")


class Cell(NamedTuple):
    """A cell in the netlist.

    `p` is its node behind the current meter, if `meter` says that there is one, or its row node. `nodes` are those of
    its ports in order, `parameters` those of its instance, and `state` its initial state.
    """

    name: str
    row_node: str
    column_node: str
    state_node: str
    p: str
    meter: bool
    nodes: str
    parameters: tuple[tuple[str, float], ...]
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
        column) dimensions. Variable ``s`` holds the state variables of the cells `watched`, if they can be seen; the
        currents of ``i_row`` count into the source.
    watched
        Numbers of the cells, row by row, whose states are kept: all, or some that are evenly spread over a large
        crossbar.
    backend
        How ngspice evaluates the device.
    compatibility
        Mode that ngspice must read the netlist in; empty for none.
    libraries
        Shared libraries that ngspice must load before.
    """

    testbench: Testbench
    text: str
    vectors: dict[str, list[str]]
    watched: NDArray[np.int_]
    backend: Backend
    compatibility: str
    libraries: tuple[Path, ...]

    @property
    def sha256(self) -> str:
        """SHA-256 of the text, as hexadecimal text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def standalone(self) -> str:
        """The text with a control block that loads the libraries, for ngspice without spicecim on this machine."""
        if not self.libraries:
            return self.text
        title, rest = self.text.split("\n", 1)
        commands = [_load_command(library) for library in self.libraries]
        return "\n".join([title, ".control", *commands, "set num_threads=1", ".endc", rest])


def _load_command(library: Path) -> str:
    """Command of ngspice that loads a library: within single quotes, all but a few characters are read as they are."""
    path = str(library)
    if path.isprintable() and not set(path) & _NOT_IN_QUOTES:
        return f"pre_osdi '{path}'"
    return f"* ngspice reads no such path; copy the library here: {plain_text(path)}\npre_osdi ./{library.name}"


def crossbar_netlist(testbench: Testbench, *, native: bool) -> CrossbarNetlist:
    """Build the netlist of a testbench.

    Parameters
    ----------
    testbench
        The testbench.
    native
        Whether a model of the library is compiled from Verilog-A instead of written as a behavioural subcircuit.

    Raises
    ------
    SubcircuitError
        If the device is a SPICE subcircuit that cannot be used as it stands.
    VerilogAError, CompilerError
        If a Verilog-A module cannot be compiled.
    """
    device = crossbar_device(testbench, native=native)
    rows, columns = testbench.shape
    cells = _cells(testbench, device)
    watched = _watched(testbench, device)
    vectors = _vectors(testbench, cells, device, watched)
    saved = list(dict.fromkeys(vector for names in vectors.values() for vector in names))
    single = rows == columns == 1 and testbench.crossbar.ideal
    own: dict[str, Any] = {
        "version": __version__,
        "compatibility": device.compatibility,
        "initial_at_node": device.initial_at_node,
        "title": f"spicecim crossbar of {rows} x {columns} cells",
        "digest": testbench.digest(),
        "testbench": testbench,
        "rows": rows,
        "columns": columns,
        "cells": cells,
        "resistors": _resistors(testbench),
        "capacitors": _capacitors(testbench),
        "drivers": [source_text(testbench.drive, row) for row in range(rows)],
        "duration": testbench.duration,
        "largest_step": testbench.largest_step,
        "print_step": device.steps.print_step,
        "reltol": device.steps.reltol,
        "trtol": device.steps.trtol,
        "abstol": device.current_tolerance,
        "vntol": TOLERANCE_SHARE * device.steps.reltol,
        "saved_lines": [saved[i : i + _VECTORS_A_LINE] for i in range(0, len(saved), _VECTORS_A_LINE)],
    }
    context = dict(**device.context, **own)  # a name that is in both is an error
    template = "single_device.cir.j2" if single else "crossbar.cir.j2"
    text = netlist_environment().get_template(template).render(context)
    return CrossbarNetlist(testbench, text, vectors, watched, device.backend, device.compatibility, device.libraries)


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


def _cells(testbench: Testbench, device: CrossbarDevice) -> list[Cell]:
    meter = testbench.analysis.probe == "cells"
    cells = []
    for (row, column), state in np.ndenumerate(device.states):
        name = f"{row}_{column}"
        row_node, column_node, state_node = (
            _row_node(testbench, row, column), _column_node(testbench, row, column), f"s_{name}"
        )  # fmt: skip
        p = f"p_{name}" if meter else row_node
        connected = {"row": p, "column": column_node, "state": state_node, "ground": "0"}
        nodes = " ".join(
            connected[port] if port != "open" else f"open_{name}_{index}" for index, port in enumerate(device.ports)
        )
        parameters = tuple(device.parameters.items())
        if device.initial_parameter:
            parameters += ((device.initial_parameter, float(state)),)
        cells.append(Cell(name, row_node, column_node, state_node, p, meter, nodes, parameters, float(state)))
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


def _watched(testbench: Testbench, device: CrossbarDevice) -> NDArray[np.int_]:
    cells = testbench.crossbar.state.size
    # a subcircuit from outside need not start where it was told to: all states are wanted to see that it did
    if testbench.analysis.probe == "cells" or device.backend == "subcircuit" or cells <= _MOST_WATCHED:
        return np.arange(cells)
    return np.linspace(0, cells - 1, _MOST_WATCHED).astype(int)


def _vectors(
    testbench: Testbench, cells: list[Cell], device: CrossbarDevice, watched: NDArray[np.int_]
) -> dict[str, list[str]]:
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
    if "state" in device.ports:
        vectors["s"] = [f"v({cells[number].state_node})" for number in watched]
    return vectors
