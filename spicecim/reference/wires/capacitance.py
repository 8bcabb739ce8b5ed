"""The wires of a crossbar with their capacitances, around cells of which each has currents into its row and column.

With p the potentials of the nodes, C their capacitances, u those of the drivers and i the currents into the terminals
of the cells,

    p + Z (i + C dp/dt) = Z Y u,

Z the inverse of the nodal conductances Y of the wires. Along the wires Z is running sums (see `network`), so that this
residual is known to rounding whatever the resistances. With d/dt = s and the cells' admittances A, what solves it is a
sparse factorization of Y + K with K = s C + A (see `nodal`),

    inverse(1 + Z K) = 1 - inverse(Y + K) K.

Of the currents of drivers and sense nodes the capacitances draw a part: its errors, and when it settles, stand here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.linalg import SuperLU

from spicecim.fields import FloatArray
from spicecim.reference.guards import one_thread
from spicecim.reference.wires.network import Network
from spicecim.reference.wires.nodal import Blocks
from spicecim.testbench import Crossbar

CURRENT_SHARE = 0.1
"""The tolerance of the states relative to that of the currents of drivers and sense nodes."""
_NOISE = 1e3 * np.finfo(float).eps
"""Rounding of a derivative by time over the stages, and of a drop over a resistance, relative to the voltages."""
_RESOLVED = 1e-10
"""What a line's cells make of a voltage that is told from none, relative to the voltages: of a line that floats behind
them, what charges it may be less."""
_DECAYED = 40.0
"""Time constants after which nothing is left."""

Ends = tuple[FloatArray, FloatArray]
"""Currents of drivers (..., row) and sense nodes (..., column), ampere."""


class CapacitiveNetwork(Network):
    """Resistances and capacitances of a crossbar's wires, drivers and sense nodes.

    A capacitance stands at each cell's node of the row wire and at that of the column wire, to ground.

    Parameters
    ----------
    crossbar
        The resistances and the capacitance of a segment.
    shape
        Rows and columns.
    """

    stores = True

    def __init__(self, crossbar: Crossbar, shape: tuple[int, int]) -> None:
        super().__init__(crossbar, shape)
        self.storage = self.wires.storage
        """Capacitance of the wires at the cells' terminals (cell, 2), farad."""
        ends = self.nodal.ends.ravel()
        self.unknowns = self.nodal.nodes
        self.each = (self.unknowns,)
        places = np.flatnonzero(ends >= 0)
        self._at_cells = csr_array((np.ones(len(places)), (places, ends[places])), shape=(len(ends), self.unknowns))
        self._at_nodes = csr_array(self._at_cells.T)
        _, first = np.unique(ends[places], return_index=True)
        self._first = places[first]
        """For each node the first of the cells' terminals (cell, 2) that it connects."""
        self.end_conductances = tuple(
            np.divide(1.0, ohm, out=np.zeros_like(ohm), where=ohm > 0.0)
            for ohm in (self.wires.row_steps[:, 0], self.wires.column_steps[-1])
        )
        """Conductances (siemens) from drivers to their first cells (row,) and from the last cells to their sense nodes
        (column,), or 0 where there is no resistance."""
        self._line_storage = self.wires.row_capacitance * shape[1], self.wires.column_capacitance * shape[0]
        """Capacitances of all of a row (row,) and of a column (column,), farad."""
        self._at_ends = [np.flatnonzero(ends < 0) for ends in self.nodal.ends.T]
        """Cells whose row, and whose column, is no node but the end of a wire without resistance."""

    def at_cells(self, values: FloatArray) -> FloatArray:
        """Values of the unknowns (m, unknown) at the cells' terminals (m, cell, 2); 0 where a potential is known."""
        return self._of_nodes(values)

    def _of_nodes(self, values: FloatArray) -> FloatArray:
        return np.asarray((self._at_cells @ values.T).T.reshape(len(values), -1, 2))

    def terminals(self, drive: FloatArray, p: FloatArray) -> FloatArray:
        """Potentials of the cells' terminals (m, cell, 2) by those of drivers (m, line) and nodes (m, node).

        Derivatives by time go the same way.
        """
        potentials = self._of_nodes(p)
        rows = drive[:, : self.shape[0]]
        of_rows, of_columns = self._at_ends
        potentials[:, of_rows, 0] = rows[:, of_rows // self.shape[1]]
        if drive.shape[1] > self.shape[0]:
            potentials[:, of_columns, 1] = drive[:, self.shape[0] + of_columns % self.shape[1]]
        return potentials

    def misses(self, drive: FloatArray, p: FloatArray, currents: FloatArray, slopes: FloatArray | None) -> FloatArray:
        """Voltages (m, node) by which the nodes miss what the currents leave of the drivers'.

        Parameters
        ----------
        drive
            Voltages of the drivers (m, line).
        p
            Potentials of the nodes (m, node).
        currents
            Currents into the cells' rows and columns (m, cell, 2), ampere.
        slopes
            Derivatives of `p` by time (m, node), if the capacitances count.
        """
        return self.missed_by(drive, p, currents if slopes is None else currents + self.storage * self.at_cells(slopes))

    def missed_by(self, drive: FloatArray, p: FloatArray, currents: FloatArray) -> FloatArray:
        """Return the same by all that is drawn at the terminals (m, cell, 2), what capacitances take included."""
        drawn = currents.reshape(len(p), *self.shape, 2)
        rows = self.voltage_at_rows(drive, drawn[..., 0])
        columns = self.voltage_at_columns(drive, -drawn[..., 1])
        left = np.stack([rows, columns], axis=-1).reshape(len(p), -1)
        return np.asarray(p - left[:, self._first])

    def start(self, drive: FloatArray) -> FloatArray:
        """Unknowns (node,) with the drivers at voltages (line,) and without currents."""
        none = np.zeros((1, self.unknowns))
        return np.asarray(-self.missed_by(drive[None], none, np.zeros((1, self.shape[0] * self.shape[1], 2)))[0])

    def ends(self, currents: FloatArray) -> Ends:
        """Currents out of drivers (m, row) and into sense nodes (m, column) by those drawn at terminals (m, cell, 2).

        They are what cells and capacitances draw together.
        """
        each = currents.reshape(-1, *self.shape, 2)
        return each[..., 0].sum(axis=2), -each[..., 1].sum(axis=1)

    @one_thread
    def factorize(self, shift: complex, admittance: Blocks) -> CapacitiveFactors:  # type: ignore[override]
        """Factorize the nodal equations at d/dt = shift, with admittances (cell, 2, 2) of the cells.

        Raises
        ------
        ConvergenceError
            If resistances and admittances are too far apart for the digits of a float.
        """
        factors = self.nodal.factorize(shift, admittance) if self.unknowns else None
        return CapacitiveFactors(self, shift, admittance, factors)

    def drawn(self, shift: complex, admittance: Blocks, p: Blocks) -> Blocks:
        """Currents (m, node) that cells and capacitances draw at potentials (m, node)."""
        into_cells = np.einsum("nab,mnb->mna", admittance, self._of_nodes(p)).reshape(len(p), -1)
        return np.asarray((self._at_nodes @ into_cells.T).T + shift * self.nodal.capacitance * p)

    def end_currents(
        self, currents: FloatArray, drive: FloatArray, p: FloatArray, slopes: Ends, shift: float
    ) -> Ends:  # fmt: skip
        """Currents out of drivers (m, row) and into sense nodes (m, column), ampere.

        Parameters
        ----------
        currents
            Currents into the cells (m, cell, 2).
        drive, p
            Voltages of the drivers (m, line) and potentials of the nodes (m, node).
        slopes
            Derivatives of both by time.
        shift
            The d/dt (1/s) by which they were corrected.
        """
        sums = self.ends(currents + self.storage * self.terminals(*slopes))
        drops = self._through_ends(self.terminals(drive, p), self.line_voltages(drive, p))
        # the sum has the rounding of a derivative by time, the drop that of a difference of potentials
        rows, columns = (
            np.where((conductance > 0.0) & (conductance < shift * storage), drop, total)
            for total, drop, conductance, storage in zip(
                sums, drops, self.end_conductances, self._line_storage, strict=True
            )
        )
        return rows, columns

    def current_error(
        self, p: FloatArray, carried: FloatArray, shift: float, conductance: FloatArray, scale: float, peaks: Ends
    ) -> float:  # fmt: skip
        """Largest error of a current of drivers or sense nodes relative to its peak, as far as it can be known.

        Parameters
        ----------
        p
            What a correction takes off the potentials (m, node).
        carried
            What it takes off the currents (m, cell, 2) at the cells' terminals, those into capacitances included.
        shift
            The d/dt of the correction (1/s).
        conductance
            What the cells conduct at these terminals (cell, 2), siemens.
        scale
            That of voltages (V).
        peaks
            Largest currents, relative to which errors count.
        """
        worst = 0.0
        drops = self._through_ends(self.at_cells(p), self.line_voltages(np.zeros((len(p), sum(self.shape))), p))
        unknown = self.ends(scale * (_NOISE * shift * self.storage + _RESOLVED * np.abs(conductance))[None])
        for peak, total, drop, at_end, line in zip(
            peaks, self.ends(carried), drops, self.end_conductances, unknown, strict=True
        ):
            behind = at_end > 0.0
            missed = np.where(behind, np.minimum(np.abs(total), np.abs(drop)), np.abs(total))
            line = np.where(behind, np.minimum(np.abs(line), _NOISE * scale * at_end), np.abs(line))
            missed = np.maximum(missed - line, 0.0)
            # without a current there is no error of it
            worst = max(worst, float(np.divide(missed, peak, out=np.zeros_like(missed), where=missed > 0).max()))
        return worst

    def _through_ends(self, potentials: FloatArray, drive: FloatArray) -> Ends:
        """Return the same currents by the drops over the first and last resistances of the wires."""
        each = potentials.reshape(-1, *self.shape, 2)
        source, sense = self.end_conductances
        rows, columns = drive[:, : self.shape[0]], drive[:, self.shape[0] :]
        return source * (rows - each[:, :, 0, 0]), sense * (each[:, -1, :, 1] - (columns if columns.size else 0.0))

    def longest_time(self) -> float:
        """Upper bound (s) of the time constants of the wires, between cells that dissipate.

        The largest sum of a row of ``Z C``, which bounds the delay of every node (W. C. Elmore, J. Appl. Phys. 19
        (1948), doi:10.1063/1.1697872).
        """
        drops = self.missed_by(np.zeros((1, self.shape[0])), np.zeros((1, self.unknowns)), self.storage[None])
        return float(np.abs(drops).max(initial=0.0))

    def layer(self, jump: float, own: FloatArray, peaks: Ends, instants: FloatArray, tolerance: float) -> Layer:
        """Find whether what capacitances draw from a break on has to be resolved.

        At a break the slope of the drive jumps. What the capacitances draw follows within the time constants, which may
        be far below a step, whose polynomial would take it to have always been so. That matters to the instants asked
        for in that time, if the current counts beside the peaks.

        Parameters
        ----------
        jump
            Change of the drive's slope (V/s).
        own
            Capacitances of the cells at their terminals (cell, 2), farad.
        peaks
            Largest currents, relative to which errors count.
        instants
            Instants asked for, since the break (s).
        tolerance
            Allowed error of x in a step.
        """
        if not self.unknowns:
            return NO_LAYER
        capacitance = self.storage + own
        counts = max(
            float(np.divide(np.abs(current[0]), peak, out=np.zeros_like(peak), where=current[0] != 0).max())
            for current, peak in zip(self.ends(jump * capacitance[None]), peaks, strict=True)
        )
        # those of cells are not bounded by the wires'
        length = np.inf if own.any() else _DECAYED * self.longest_time()
        if counts <= tolerance / CURRENT_SHARE or not ((instants > 0.0) & (instants <= length)).any():
            return NO_LAYER
        # Gershgorin's circles bound the rates (R. S. Varga, Springer (2004), doi:10.1007/978-3-642-17798-9)
        at_nodes = self._at_nodes @ capacitance.ravel()
        # a node without a capacitance follows at once
        stores = at_nodes > 0.0
        rates = 2.0 * self.nodal.wire_conductance[stores] / at_nodes[stores]
        fastest = rates[np.isfinite(rates)].max(initial=0.0)
        return Layer(1.0 / fastest if fastest else np.inf, length)


class Layer(NamedTuple):
    """What a corner of the drive sets off in the wires."""

    shortest: float
    """Shortest time constant of wires and cells (s), infinite where the layer does not count."""
    length: float
    """Time (s) after which all has decayed, 0 where the layer does not count."""


NO_LAYER = Layer(np.inf, 0.0)


class CapacitiveFactors:
    """The nodal equations factorized at one d/dt."""

    def __init__(
        self, network: CapacitiveNetwork, shift: complex, admittance: Blocks, factors: SuperLU | None
    ) -> None:  # fmt: skip
        self._network, self._shift, self._admittance, self._factors = network, shift, admittance, factors

    def correction(self, missed: Blocks) -> Blocks:
        """What to take off the potentials (m, node) for voltages (m, node) that they miss."""
        if self._factors is None:
            return missed
        right = self._network.drawn(self._shift, self._admittance, missed)
        return np.asarray(missed - self._factors.solve(np.ascontiguousarray(right.T)).T)
