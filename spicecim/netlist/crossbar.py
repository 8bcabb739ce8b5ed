"""The netlist of a testbench, and the names of the vectors that its waveforms are read from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spicecim.cell_choice import OneTransistor
from spicecim.errors import InputError
from spicecim.fields import ABSOLUTE_ZERO
from spicecim.netlist.amplifiers import known_amplifiers, line_name, own_amplifiers
from spicecim.netlist.cell_device import Backend, CrossbarDevice, crossbar_device
from spicecim.netlist.drivers import SourceValue, line_sources
from spicecim.netlist.environment import netlist_environment
from spicecim.netlist.models import kind_name
from spicecim.netlist.transistors import WORD_LINE, inner_node, transistors_of
from spicecim.netlist.wires import LINE_ENDS, Ends, Wires, capacitors, resistors
from spicecim.testbench import Testbench
from spicecim.version import __version__
from spicecim.waveforms import state_variable

FURTHER = state_variable("")
"""What the role of a port with a further state begins with: its variable's name."""
_PORTS = Ends("row", "column")
"""The same in a subcircuit for circuits of one's own, where they are its ports."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_NAMES_A_LINE = 8
_MOST_WATCHED = 16_384
"""Most cells whose states are kept of a run that does not ask for cells: they tell its error, and a state that leaves
its range. Of 64 x 64 cells they cost a tenth of the run's time, and 8 bytes per cell and instant."""


class Cell(NamedTuple):
    """A cell in the netlist: its name, the nodes of its current meter if it has one, those of its ports, its device.

    And what that is given: parameters, its state, what else it starts with, by parameter, and voltages of nodes at time
    0.

    A template unpacks it: of thousands of cells that takes a fraction of the time of looking up attributes.
    """

    name: str
    meter: str
    nodes: str
    kind: str
    parameters: list[tuple[str, float]]
    state: float
    further: list[tuple[str, float | int]]
    initial: list[tuple[str, float]]


@dataclass(frozen=True)
class CrossbarNetlist:
    """A netlist with its testbench.

    Attributes
    ----------
    text
        The netlist.
    vectors
        For each variable of the waveforms, the names of the vectors that it is read from, in the order of its (row,
        column) dimensions. Variable ``s`` holds the state variables of the cells `watched`, if they can be seen; those
        of further states are their own; the currents of ``i_row`` count into the source; ``outputs`` are those of all
        amplifiers, in the order of their lines.
    watched
        Numbers of the cells, row by row, whose states are kept: all, or some that are evenly spread over a large
        crossbar.
    backend
        How ngspice evaluates the device.
    compatibility
        Mode that ngspice must read the netlist in; empty for none.
    libraries
        Shared libraries that ngspice must load before.
    subcircuit
        Name of the subcircuit that the text holds instead of a whole netlist; None where it does not.
    klu
        Whether KLU solves the equations instead of ngspice's older solver.
    """

    testbench: Testbench
    text: str
    vectors: dict[str, list[str]]
    watched: NDArray[np.int_]
    backend: Backend
    compatibility: str
    libraries: tuple[Path, ...]
    subcircuit: str | None = None
    klu: bool = True

    @property
    def sha256(self) -> str:
        """SHA-256 of the text, as hexadecimal text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def library_names(self, stem: str) -> list[str]:
        """Names of files for the compiled models, beside a netlist whose name without a suffix is `stem`."""
        return [f"{stem}{f'_{number}' if number else ''}.osdi" for number in range(len(self.libraries))]

    def loading(self, stem: str) -> str:
        """The text with a control block that loads the compiled models from files beside it, if there are any.

        A subcircuit has a comment instead that says so.
        """
        if not self.libraries:
            return self.text
        names = self.library_names(stem)
        title, rest = self.text.split("\n", 1)
        if self.subcircuit:
            loads = "; ".join(f"pre_osdi {name}" for name in names)
            return "\n".join([title, f"* compiled models are in it: load them first, by {loads}", rest])
        commands = [f"pre_osdi {name}" for name in names]
        return "\n".join([title, ".control", *commands, "set num_threads=1", ".endc", rest])


def crossbar_netlist(
    testbench: Testbench, *, native: bool, subcircuit: str | None = None, klu: bool = True
) -> CrossbarNetlist:
    """Build the netlist of a testbench.

    Parameters
    ----------
    testbench
        The testbench.
    native
        Whether a model of the library is compiled from Verilog-A instead of written as a behavioral subcircuit.
    subcircuit
        Name of a subcircuit for circuits of one's own: the array with its wires alone, without drivers, amplifiers and
        analysis; its ports are the rows and the columns.
    klu
        Whether KLU may solve the equations instead of ngspice's older solver.

    Raises
    ------
    SubcircuitError
        If the device is a SPICE subcircuit that cannot be used as it stands.
    VerilogAError, CompilerError
        If a Verilog-A module cannot be compiled.
    InputError
        If the subcircuit's name is none.
    """
    if subcircuit is not None and not _NAME.fullmatch(subcircuit):
        raise InputError(
            f"subcircuit: must be a name of up to 64 letters, digits and underscores; it is {subcircuit!r}"
        )
    device = crossbar_device(testbench, native=native)
    klu = klu and device.klu
    rows, columns = testbench.shape
    wires = Wires.of(testbench, LINE_ENDS if subcircuit is None else _PORTS)
    watched = _watched(testbench, device)
    vectors = _vectors(testbench, wires, device, watched)
    saved = list(dict.fromkeys(vector for names in vectors.values() for vector in names))
    single = rows == columns == 1 and testbench.crossbar.ideal
    sources, sensed = line_sources(testbench), {*testbench.lines().sensed.tolist()}
    drivers, sense_nodes = _ends(sources, sensed, rows)
    transistors = transistors_of(testbench, _metered(testbench, wires), wires.columns)
    own: dict[str, Any] = {
        "version": __version__,
        "compatibility": device.compatibility,
        "initial_at_node": device.initial_at_node,
        "guess_states": testbench.lines().floating.any() and not device.initial_at_node and "state" in device.ports,
        "title": f"spicecim crossbar of {rows} x {columns} cells",
        "name": subcircuit,
        "ports": _in_lines(_ports(testbench)),
        "digest": testbench.digest(),
        "testbench": testbench,
        "rows": rows,
        "columns": columns,
        "cells": _cells(testbench, wires, device),
        **transistors.context,
        "state_parameter": device.initial_parameter,
        "resistors": resistors(testbench, wires),
        "capacitors": capacitors(testbench, wires),
        "drivers": drivers,
        "sensed_rows": any(line < rows for line in sensed),
        "sense_nodes": sense_nodes,
        "amplifiers": known_amplifiers(testbench, sources),
        "own_amplifiers": own_amplifiers(testbench, sources, device.compatibility),
        "driven_columns": testbench.columns is not None and testbench.columns.drive is not None,
        "duration": testbench.duration,
        "largest_step": testbench.largest_step,
        "klu": klu,
        "celsius": None if testbench.analysis.temperature is None else testbench.analysis.temperature + ABSOLUTE_ZERO,
        "print_step": device.steps.print_step,
        "reltol": device.steps.reltol,
        "trtol": device.steps.trtol,
        "tolerances": device.tolerances.options(),
        "saved_lines": _in_lines(saved),
    }
    context = dict(**device.context, **own)  # a name that is in both is an error
    template = "crossbar.cir.j2"
    if subcircuit is not None:
        template = "crossbar_subcircuit.cir.j2"
    elif single:
        template = "single_device.cir.j2"
    text = netlist_environment().get_template(template).render(context)
    libraries = (*device.libraries, *transistors.libraries)
    return CrossbarNetlist(
        testbench, text, vectors, watched, device.backend, device.compatibility, libraries, subcircuit, klu
    )


def _in_lines(names: list[str]) -> list[list[str]]:
    return [names[i : i + _NAMES_A_LINE] for i in range(0, len(names), _NAMES_A_LINE)]


class _End(NamedTuple):
    """A line that does not float: its number among rows or columns, the node behind its source, what that puts out."""

    number: int
    behind: str
    value: SourceValue


def _ends(sources: Mapping[int, SourceValue], sensed: Set[int], rows: int) -> tuple[list[_End], list[_End]]:
    """The ends of rows and of columns. At an amplifier the source is a current meter to its input."""
    found: tuple[list[_End], list[_End]] = [], []
    for line, value in sources.items():
        of_columns = line >= rows
        behind = (f"input_{line_name(line, rows)}", 0) if line in sensed else ("0", value)
        found[of_columns].append(_End(line - rows * of_columns, *behind))
    return found


def _cells(testbench: Testbench, wires: Wires, device: CrossbarDevice) -> list[Cell]:
    meter, node = testbench.analysis.probe == "cells", inner_node("%(name)s")
    cell_section = testbench.cell
    at_transistor = cell_section.source_line if isinstance(cell_section, OneTransistor) else None
    written = {
        "row": node if at_transistor == "rows" else "p_%(name)s" if meter else "%(row)s",
        "column": node if at_transistor == "columns" else "%(column)s",
        "word": f"{WORD_LINE}_%(word)s",
        "state": "s_%(name)s",
        "ground": "0",
    }
    written |= {port: f"u{index}_%(name)s" for index, port in _further_ports(device)}
    pattern = " ".join(written.get(port, f"open_%(name)s_{index}") for index, port in enumerate(device.ports))
    cells = []
    further = np.empty((*testbench.shape, 0)) if device.further is None else device.further
    ports = [index for index, _ in _further_ports(device)]
    name_of_device, kinds = str(device.context["subcircuit"]), device.kinds
    parameters = [(each, np.broadcast_to(value, testbench.shape)) for each, value in device.parameters.items()]
    for row, (row_nodes, column_nodes, states) in enumerate(
        zip(wires.rows, wires.columns, device.states.tolist(), strict=True)
    ):
        for column, (row_node, column_node, state) in enumerate(zip(row_nodes, column_nodes, states, strict=True)):
            name = f"{row}_{column}"
            word = "" if cell_section is None else cell_section.gate_of(row, column)
            nodes = pattern % {"name": name, "row": row_node, "column": column_node, "word": word}
            given, initial, values = [], [], further[row, column].tolist()
            if device.initial_at_node:
                nodes_of = [f"s_{name}", *(f"u{index}_{name}" for index in ports)]
                initial = list(zip(nodes_of, [state, *values], strict=True))
            else:
                each = zip(device.further_parameters.items(), values, strict=True)
                given = [(parameter, _counted(value, unit)) for (parameter, unit), value in each if not np.isnan(value)]
            kind = kind_name(name_of_device, None if kinds is None else int(kinds[row, column]))
            own = [(parameter, float(values[row, column])) for parameter, values in parameters]
            at_meter = f"{row_node} p_{name}" if meter else ""
            cells.append(Cell(name, at_meter, nodes, kind, own, state, given, initial))
    return cells


def _ports(testbench: Testbench) -> list[str]:
    """Names of the ports of a crossbar as a subcircuit: ends of rows, of columns, and word lines if there are any."""
    rows, columns = testbench.shape
    words = 0 if testbench.cell is None else testbench.cell.word_lines(testbench.shape)
    counts = ((_PORTS.row, rows), (_PORTS.column, columns), (WORD_LINE, words))
    return [f"{noun}_{line}" for noun, count in counts for line in range(count)]


def _metered(testbench: Testbench, wires: Wires) -> list[list[str]]:
    """Names of the nodes of the rows at every cell, row by row, behind its current meter if it has one."""
    if testbench.analysis.probe != "cells":
        return wires.rows
    return [[f"p_{row}_{column}" for column in range(len(nodes))] for row, nodes in enumerate(wires.rows)]


def _counted(value: float, unit: float | None) -> float | int:
    """A value as it is, or as a whole number of a unit, which ngspice reads to the last bit."""
    return value if unit is None else round(value / unit)


def _further_ports(device: CrossbarDevice) -> list[tuple[int, str]]:
    """Number and name of the ports that carry further states."""
    return [(index, port) for index, port in enumerate(device.ports) if port.startswith(FURTHER)]


def _watched(testbench: Testbench, device: CrossbarDevice) -> NDArray[np.int_]:
    cells = testbench.crossbar.state.size
    # a subcircuit from outside need not start where it was told to: all states are wanted to see that it did
    if testbench.analysis.probe == "cells" or device.backend == "subcircuit" or cells <= _MOST_WATCHED:
        return np.arange(cells)
    return np.linspace(0, cells - 1, _MOST_WATCHED).astype(int)


def _vectors(
    testbench: Testbench, wires: Wires, device: CrossbarDevice, watched: NDArray[np.int_]
) -> dict[str, list[str]]:
    (rows, columns), lines = testbench.shape, testbench.lines()
    vectors = {
        "v_row": [f"v(in_{row})" for row in range(rows)],
        "i_row": [f"i(vrow_{row})" for row in np.flatnonzero(~lines.floating[:rows]).tolist()],
        "i_column": [f"i(vsense_{column})" for column in np.flatnonzero(~lines.floating[rows:]).tolist()],
    }
    if not lines.plain:
        vectors["v_column"] = [f"v(sense_{column})" for column in range(columns)]
    if len(lines.sensed):
        vectors["outputs"] = [f"v(output_{line_name(line, rows)})" for line in lines.sensed.tolist()]
    if testbench.analysis.probe == "cells":
        vectors["v_row_node"] = [f"v({node})" for nodes in wires.rows for node in nodes]
        vectors["v_column_node"] = [f"v({node})" for nodes in wires.columns for node in nodes]
        vectors["i_cell"] = [f"i(vcell_{row}_{column})" for row, column in np.ndindex(rows, columns)]
    if "state" in device.ports:
        vectors["s"] = [f"v(s_{number // columns}_{number % columns})" for number in watched.tolist()]
    if testbench.analysis.probe == "cells":
        for index, port in _further_ports(device):
            vectors[port] = [f"v(u{index}_{row}_{column})" for row, column in np.ndindex(rows, columns)]
    return vectors
