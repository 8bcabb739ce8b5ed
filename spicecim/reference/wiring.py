"""The wires of a crossbar with their capacitances, around cells of which each has currents into its row and column.

With p the potentials of the nodes, C their capacitances, u those of the drivers and i the currents into the terminals
of the cells,

    p + Z (i + C dp/dt) = Z Y u,

Z the inverse of the nodal conductances Y of the wires. Along the wires Z is running sums (see `network`), so that this
residual is known to rounding whatever the resistances. With d/dt = s and the cells' admittances A, what solves it is a
sparse factorisation of Y + K with K = s C + A,

    inverse(1 + Z K) = 1 - inverse(Y + K) K.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csc_array, csr_array
from scipy.sparse.linalg import SuperLU, splu

from spicecim.errors import ConvergenceError
from spicecim.fields import FloatArray
from spicecim.reference.network import Network
from spicecim.reference.terminals import Blocks
from spicecim.testbench import Crossbar


class Wiring:
    """Resistances and capacitances of a crossbar's wires, drivers and sense nodes.

    A capacitance stands at each cell's node of the row wire and at that of the column wire, to ground.

    Parameters
    ----------
    crossbar
        The resistances and the capacitance of a segment.
    shape
        Rows and columns.
    """

    def __init__(self, crossbar: Crossbar, shape: tuple[int, int]) -> None:
        self._network = Network(crossbar, shape)
        self.shape, self.nodes = shape, self._network.nodes
        self.segment = crossbar.wire_capacitance
        ends = self._network.ends.ravel()
        places = np.flatnonzero(ends >= 0)
        self._at_cells = csr_array((np.ones(len(places)), (places, ends[places])), shape=(len(ends), self.nodes))
        self._at_nodes = csr_array(self._at_cells.T)
        _, first = np.unique(ends[places], return_index=True)
        self._first = places[first]
        """For each node the first of the cells' terminals (cell, 2) that it connects."""
        self.capacitance = self.segment * np.bincount(ends[places], minlength=self.nodes)
        """Capacitance of each node (node,), farad."""
        self.end_conductances = tuple(
            1.0 / ohm if ohm else 0.0
            for ohm in (
                crossbar.source_resistance + crossbar.wire_row,
                crossbar.sense_resistance + crossbar.wire_column,
            )
        )
        """Conductances (siemens) from a driver to its first cell and from a last cell to its sense node, or 0 if there
        is no resistance."""
        # The pattern of the nodal equations, and the place in it of every entry.
        wires = self._network.wires().tocoo()
        pairs = np.stack(np.broadcast_arrays(self._network.ends[:, :, None], self._network.ends[:, None])).reshape(
            2, -1
        )
        self._wires, self._blocks = wires.data, np.flatnonzero((pairs >= 0).all(axis=0))
        diagonal = np.arange(self.nodes)
        row = np.concatenate([wires.row, diagonal, pairs[0, self._blocks]])
        column = np.concatenate([wires.col, diagonal, pairs[1, self._blocks]])
        pattern, self._slots = np.unique(column * self.nodes + row, return_inverse=True)
        self._indices = pattern % max(self.nodes, 1)
        self._starts = np.searchsorted(pattern, self.nodes * np.arange(self.nodes + 1))
        self._ideal_rows = bool((self._network.ends[:, 0] < 0).all())

    def at_cells(self, values: FloatArray) -> FloatArray:
        """Values of the nodes (m, node) at the cells' terminals (m, cell, 2); 0 where a potential is known."""
        return np.asarray((self._at_cells @ values.T).T.reshape(len(values), -1, 2))

    def potentials(self, drive: FloatArray, nodes: FloatArray) -> FloatArray:
        """Potentials of the cells' terminals (m, cell, 2) by those of drivers (m, row) and nodes (m, node).

        Derivatives by time go the same way.
        """
        potentials = self.at_cells(nodes)
        if self._ideal_rows:
            potentials[:, :, 0] = np.repeat(drive, self.shape[1], axis=1)
        return potentials

    def misses(self, drive: FloatArray, nodes: FloatArray, currents: FloatArray, slopes: FloatArray) -> FloatArray:
        """Voltages (m, node) by which the nodes miss what the currents leave of the drivers'.

        Parameters
        ----------
        drive
            Voltages of the drivers (m, row).
        nodes
            Potentials of the nodes (m, node).
        currents
            Currents into the cells' rows and columns (m, cell, 2), ampere.
        slopes
            Derivatives of `nodes` by time (m, node).
        """
        drawn = (currents + self.segment * self.at_cells(slopes)).reshape(len(nodes), *self.shape, 2)
        rows = self._network.voltage_at_rows(drive, drawn[..., 0])
        columns = self._network.voltage_at_columns(-drawn[..., 1])
        left = np.stack([rows, columns], axis=-1).reshape(len(nodes), -1)
        return np.asarray(nodes - left[:, self._first])

    def drops(self, currents: FloatArray) -> FloatArray:
        """Voltages (m, node) that currents (m, cell, 2) into the cells take from the nodes."""
        none = np.zeros((len(currents), self.nodes))
        return self.misses(np.zeros((len(currents), self.shape[0])), none, currents, none)

    def ends(self, drawn: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Currents out of drivers (m, row) and into sense nodes (m, column) by those drawn at terminals (m, cell, 2).

        They are what cells and capacitances draw together.
        """
        each = drawn.reshape(-1, *self.shape, 2)
        return each[..., 0].sum(axis=2), -each[..., 1].sum(axis=1)

    def through_ends(self, potentials: FloatArray, drive: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the same currents by the drops over the first and last resistances of the wires."""
        each = potentials.reshape(-1, *self.shape, 2)
        source, sense = self.end_conductances
        return source * (drive - each[:, :, 0, 0]), sense * each[:, -1, :, 1]

    def clear_drops(self, shift: float) -> tuple[bool, bool]:
        """Whether those drops, at d/dt = shift, tell the currents of rows and columns better than the sums do."""
        source, sense = self.end_conductances
        rows, columns = self.shape
        return 0.0 < source < shift * columns * self.segment, 0.0 < sense < shift * rows * self.segment

    def shortest_time(self, capacitance: FloatArray) -> float:
        """Lower bound (s) of the time constants, with capacitances at the cells' terminals (cell, 2), farad.

        By Gershgorin's theorem; infinite if no node has a capacitance.
        """
        rates = 2.0 * self._network.wires().diagonal() / np.maximum(self._at_nodes @ capacitance.ravel(), 1e-300)
        fastest = rates[np.isfinite(rates)].max(initial=0.0)
        return 1.0 / fastest if fastest else np.inf

    def longest_time(self) -> float:
        """Upper bound (s) of the time constants of the wires, between cells that dissipate.

        The largest sum of a row of ``Z C`` (see above): what Elmore's delays are at most.
        """
        rows, columns = self.shape
        delays = self.drops(np.full((1, rows * columns, 2), self.segment))
        return float(np.abs(delays).max(initial=0.0))

    def factorise(self, shift: complex, admittance: Blocks) -> Factors:
        """Factorise the nodal equations at d/dt = shift, with admittances (cell, 2, 2) of the cells.

        Raises
        ------
        ConvergenceError
            If resistances and admittances are too far apart for the digits of a float.
        """
        if not self.nodes:
            return Factors(self, shift, admittance, None)
        entries = np.concatenate([self._wires, shift * self.capacitance, admittance.ravel()[self._blocks]])
        data = np.bincount(self._slots, entries.real, minlength=len(self._indices))
        if np.iscomplexobj(entries):
            data = data + 1j * np.bincount(self._slots, entries.imag, minlength=len(self._indices))
        matrix = csc_array((data, self._indices, self._starts), shape=(self.nodes, self.nodes))
        try:
            # diagonally dominant but for cells with a negative slope
            factors = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0)
        except RuntimeError:
            raise ConvergenceError(
                "the resistances of wires, drivers and sense nodes and the cells are too far apart for the digits of "
                "a float"
            ) from None
        return Factors(self, shift, admittance, factors)

    def drawn(self, shift: complex, admittance: Blocks, nodes: Blocks) -> Blocks:
        """Currents (m, node) that cells and capacitances draw at potentials (m, node)."""
        into_cells = np.einsum("nab,mnb->mna", admittance, self.at_cells(nodes)).reshape(len(nodes), -1)
        return np.asarray((self._at_nodes @ into_cells.T).T + shift * self.capacitance * nodes)


class Factors:
    """The nodal equations factorised at one d/dt."""

    def __init__(self, wiring: Wiring, shift: complex, admittance: Blocks, factors: SuperLU | None) -> None:
        self._wiring, self._shift, self._admittance, self._factors = wiring, shift, admittance, factors

    def correction(self, missed: Blocks) -> Blocks:
        """What to take off the potentials (m, node) for voltages (m, node) that they miss."""
        if self._factors is None:
            return missed
        right = self._wiring.drawn(self._shift, self._admittance, missed)
        return np.asarray(missed - self._factors.solve(np.ascontiguousarray(right.T)).T)
