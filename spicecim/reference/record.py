"""What is kept of a run: the rows' and columns' currents, and the cells where the testbench asks for them."""

from __future__ import annotations

import numpy as np

from spicecim.devices.device import Device
from spicecim.fields import FloatArray
from spicecim.physics import States
from spicecim.reference.network import Network
from spicecim.reference.overflow import check_finite
from spicecim.reference.readout import Block
from spicecim.testbench import Testbench


class Record:
    """The waveforms of a run, written part by part, in any order.

    Parameters
    ----------
    testbench
        What is run.
    device
        Its device.
    instants
        Instants (time,), s.
    """

    def __init__(self, testbench: Testbench, device: Device, instants: FloatArray) -> None:
        self._testbench, self._device, self.instants = testbench, device, instants
        rows, columns = testbench.shape
        self.v_row = testbench.drive.voltage(instants)
        self._i_row, self.i_column = np.zeros((len(instants), rows)), np.zeros((len(instants), columns))
        self._nodes: tuple[FloatArray, FloatArray] | None = None
        self.keeps_cells = testbench.analysis.probe == "cells"
        if self.keeps_cells:
            self._states, self._i_cell = (np.empty((len(instants), rows, columns)) for _ in range(2))

    def clear(self) -> None:
        """Forget a run, for another one."""
        self._i_row[:], self.i_column[:] = 0.0, 0.0

    def add_currents(self, rows: slice, i_row: FloatArray, i_column: FloatArray) -> None:
        """Add to the currents of some rows (time, row) and of all columns (time, column), ampere."""
        self._i_row[:, rows] += i_row
        self.i_column += i_column

    def write_cells(self, instants: slice, rows: slice, columns: slice, states: FloatArray, i_cell: FloatArray) -> None:
        """Take the state variables and currents (A) of some cells at some instants (time, row, column)."""
        self._i_row[instants, rows] += i_cell.sum(axis=2)
        self.i_column[instants, columns] += i_cell.sum(axis=1)
        if self.keeps_cells:
            self._states[instants, rows, columns] = states
            self._i_cell[instants, rows, columns] = i_cell

    def add_row_currents(self, i_row: FloatArray) -> None:
        """Add to the currents of all rows (time, row), ampere."""
        self._i_row += i_row

    def write_wires(self, instants: slice, block: Block) -> None:
        """Take everything where the currents of the cells do not tell those of the wires and their voltages."""
        self._i_row[instants], self.i_column[instants] = block.i_row, block.i_column
        if self.keeps_cells:
            self._states[instants], self._i_cell[instants] = block.states, block.i_cell
            if self._nodes is None:
                self._nodes = np.empty_like(self._i_cell), np.empty_like(self._i_cell)
            for nodes, some in zip(self._nodes, (block.v_row_node, block.v_column_node), strict=True):
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
        if self.keeps_cells:
            v_row_node, v_column_node = self._nodes or self._voltages_of_nodes()
            x = self._device.x_from_state(self._states)
            variables |= {"v_cell": v_row_node - v_column_node, "i_cell": self._i_cell, "x": x}
            if not self._testbench.crossbar.ideal:
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
        network = Network(self._testbench.crossbar, self._testbench.shape)
        return network.voltage_at_rows(self.v_row, self._i_cell), network.voltage_at_columns(self._i_cell)
