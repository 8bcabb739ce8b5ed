"""What is kept of a run: its waveforms at the instants asked for, whichever way its cells were followed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spicecim.devices.device import Device
from spicecim.drives import Drive
from spicecim.fields import FloatArray
from spicecim.lines import LineDrive, column_waveforms
from spicecim.physics import States
from spicecim.reference.guards import check_finite
from spicecim.reference.wires.network import Network
from spicecim.testbench import Testbench
from spicecim.waveforms import outputs_by_name, state_variable

Columns = slice | NDArray[np.int_]
"""Some columns: side by side, or by their numbers."""
_EVERY = slice(None)


class Block(NamedTuple):
    """Waveforms of a crossbar at some instants; of several, those of cells and currents are (time, crossbar, ...)."""

    states: FloatArray
    """State variables (time, row, column)."""
    i_cell: FloatArray
    """Currents into the cells' rows (time, row, column), ampere."""
    i_row: FloatArray
    """Currents out of the row drivers (time, row), ampere."""
    i_column: FloatArray
    """Currents into the sense nodes (time, column), ampere."""
    lines: FloatArray
    """Voltages at the ends of the lines (time, line), as the drive has them or, where they float, as found."""
    outputs: FloatArray
    """Outputs of the lines' amplifiers (time, line), volt; without lines where there are none."""
    potentials: tuple[FloatArray, FloatArray] | None
    """Voltages of the row and column wires at the cells (time, row, column); None where the currents tell them."""
    further: FloatArray
    """Further states of the cells (time, row, column, m)."""

    def of_crossbar(self, number: int) -> Block:
        """Those of one of several."""
        names = "states", "i_cell", "i_row", "i_column", "further"
        return self._replace(**{name: getattr(self, name)[:, number] for name in names})


class Record:
    """The waveforms of a run, written part by part, in any order.

    Parameters
    ----------
    testbench
        What is run.
    device
        Its device.
    labels
        Instants asked for (time,), s.
    like
        That of another run: what is the same is not worked out anew.

    Attributes
    ----------
    testbench, device, labels
        As given.
    instants
        The labels, none beyond the duration: ngspice's last may miss it by rounding.
    initial
        State variables at time 0 (row, column).
    further
        What the cells start with beside these (row, column, m), NaN for what is in equilibrium; None for nothing.
    drive
        The drive of the lines (see `spicecim.lines.Lines`).
    v_row
        Voltages of the row drivers (time, row).
    v_column
        Voltages of the sense nodes (time, column); without columns where all are at virtual ground.
    i_column
        Currents of the columns so far (time, column), ampere.
    keeps_cells
        Whether cells are asked for.
    """

    def __init__(
        self, testbench: Testbench, device: Device, labels: FloatArray, like: Record | None = None
    ) -> None:  # fmt: skip
        self.testbench, self.device, self.labels = testbench, device, labels
        instants = self.instants = np.minimum(labels, testbench.duration)
        self.initial = device.state_from_x(testbench.crossbar.state)
        self.further = device.further_start(testbench.shape, testbench.crossbar.states)
        rows, columns = testbench.shape
        self._lines = testbench.lines()
        self.drive = self._lines.drive
        if like and np.array_equal(like.instants, instants) and self.drive.same_as(like.drive):
            voltages = np.concatenate([like.v_row, like.v_column], axis=1)
        else:
            voltages = self.drive.voltage(instants)
        self.v_row: FloatArray = voltages[:, :rows]
        self.v_column: FloatArray = voltages[:, rows:]
        self._i_row, self.i_column = np.zeros((len(instants), rows)), np.zeros((len(instants), columns))
        self._nodes: tuple[FloatArray, FloatArray] | None = None
        self._outputs = np.zeros((len(instants), rows + columns if self._lines.amplifiers is not None else 0))
        self.keeps_cells = testbench.analysis.probe == "cells"
        if self.keeps_cells:
            self._states, self._i_cell = (np.empty((len(instants), rows, columns)) for _ in range(2))
            self._shown = list(device.further_units())
            self._further = np.empty((*self._states.shape, len(self._shown)))

    def parts(self) -> list[Record | SomeColumns]:
        """Columns that see the same waveform, where wires are ideal: the record itself where all do."""
        if not isinstance(self.drive, LineDrive):
            return [self]
        return [SomeColumns(self, drive, columns) for drive, columns in column_waveforms(self.drive)]

    def add_currents(self, rows: slice, i_row: FloatArray, i_column: FloatArray, columns: Columns = _EVERY) -> None:
        """Add to the currents of some rows (time, row) and of columns (time, column), ampere."""
        self._i_row[:, rows] += i_row
        self.i_column[:, columns] += i_column

    def add_cells(
        self, rows: slice, columns: Columns, states: FloatArray, i_cell: FloatArray, further: FloatArray | None = None
    ) -> None:
        """Take the state variables and currents (A) of some cells (time, row, column), and add to the currents.

        `further` are the further states (time, row, column, m) of cells that have any.
        """
        self._i_row[:, rows] += i_cell.sum(axis=2)
        self.i_column[:, columns] += i_cell.sum(axis=1)
        if self.keeps_cells:
            self._states[:, rows, columns] = states
            self._i_cell[:, rows, columns] = i_cell
            if further is not None:
                self._further[:, rows, columns] = further[..., : len(self._shown)]

    def add_lines(
        self, row: NDArray[np.int_], column: NDArray[np.int_], states: FloatArray, i_cell: FloatArray
    ) -> None:  # fmt: skip
        """Take the state variables and currents (A) of cells (cell, time) in rows and columns (cell,)."""
        for number, lines in ((0, row), (1, column)):
            total = (self._i_row, self.i_column)[number]
            np.add.at(total.T, lines, i_cell)
        if self.keeps_cells:
            self._states[:, row, column], self._i_cell[:, row, column] = states.T, i_cell.T

    def write(self, instants: slice, block: Block) -> None:
        """Take everything at some instants."""
        self._i_row[instants], self.i_column[instants] = block.i_row, block.i_column
        self._outputs[instants] = block.outputs
        if self._lines.free.any():
            rows = self.v_row.shape[1]
            self.v_row[instants], self.v_column[instants] = block.lines[:, :rows], block.lines[:, rows:]
        if self.keeps_cells:
            self._states[instants], self._i_cell[instants] = block.states, block.i_cell
            self._further[instants] = block.further[..., : len(self._shown)]
            if block.potentials is not None:
                if self._nodes is None:
                    self._nodes = np.empty_like(self._i_cell), np.empty_like(self._i_cell)
                for nodes, some in zip(self._nodes, block.potentials, strict=True):
                    nodes[instants] = some

    def variables(self) -> dict[str, FloatArray]:
        """Return the waveforms by the names of `spicecim.waveforms.VARIABLES`.

        Raises
        ------
        InputError
            If a current is not finite.
        """
        check_finite(self._i_row, self.i_column)
        variables = {"v_row": self.v_row, "i_row": self._i_row, "i_column": self.i_column}
        if not self._lines.plain:
            variables["v_column"] = self.v_column
        variables |= outputs_by_name(self._lines, self.testbench.shape, self._outputs)
        if self.keeps_cells:
            v_row_node, v_column_node = self._nodes or self._voltages_of_nodes()
            x = self.device.x_from_state(self._states)
            variables |= {"v_cell": v_row_node - v_column_node, "i_cell": self._i_cell, "x": x}
            variables |= {state_variable(name): self._further[..., place] for place, name in enumerate(self._shown)}
            if not self.testbench.crossbar.ideal:
                variables |= {"v_row_node": v_row_node, "v_column_node": v_column_node}
        return variables

    def states(self) -> States | None:
        """Return the state variables; None where the testbench does not ask for cells."""
        if not self.keeps_cells:
            return None
        cells = self._states.reshape(len(self.instants), -1)
        return States(cells, np.arange(cells.shape[1]))

    def _voltages_of_nodes(self) -> tuple[FloatArray, FloatArray]:
        """Voltages of the row and column wires at the cells (time, row, column), by the cells' currents."""
        network = Network(self.testbench.crossbar, self.testbench.shape)
        lines = np.concatenate([self.v_row, self.v_column], axis=1)
        return network.voltage_at_rows(lines, self._i_cell), network.voltage_at_columns(lines, self._i_cell)


class SomeColumns:
    """Columns of a `Record` that all see the same waveform: their cells see the rows' voltages against it.

    Its attributes are those of the record, of its columns alone.
    """

    def __init__(self, record: Record, drive: Drive, columns: NDArray[np.int_]) -> None:
        self._record, self.drive, self._columns = record, drive, columns
        self.testbench, self.instants = record.testbench, record.instants
        self.device = record.device.of_cells(np.arange(record.initial.size).reshape(record.initial.shape)[:, columns])
        self.keeps_cells, self.initial = record.keeps_cells, record.initial[:, columns]
        self.further = None if record.further is None else record.further[:, columns]
        self.v_row: FloatArray = record.v_row - record.v_column[:, columns[:1]]

    @property
    def i_column(self) -> FloatArray:
        """Currents of the columns so far (time, column), ampere."""
        return self._record.i_column[:, self._columns]

    def add_currents(self, rows: slice, i_row: FloatArray, i_column: FloatArray) -> None:
        """As `Record.add_currents`."""
        self._record.add_currents(rows, i_row, i_column, self._columns)

    def add_cells(
        self, rows: slice, columns: slice, states: FloatArray, i_cell: FloatArray, further: FloatArray | None = None
    ) -> None:
        """As `Record.add_cells`."""
        self._record.add_cells(rows, self._columns[columns], states, i_cell, further)

    def add_lines(
        self, row: NDArray[np.int_], column: NDArray[np.int_], states: FloatArray, i_cell: FloatArray
    ) -> None:  # fmt: skip
        """As `Record.add_lines`."""
        self._record.add_lines(row, self._columns[column], states, i_cell)
