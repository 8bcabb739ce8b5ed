"""The wires of a crossbar, its row drivers and its sense nodes: a linear network around the cells.

A row wire runs from its driver (source resistance first) past columns 0, 1, ..., a column wire from row 0 down to its
sense node (sense resistance last); each cell has one segment of row wire before it and one of column wire after it. A
wire without resistance is one node. With v the voltages over the cells, i their currents and u the voltages between
the ends of their lines (those of the row drivers, or from these to the columns' drivers), the network is

    v + Z i = u,

Z the resistances that the cells share on the way from the drivers to the sense nodes. Z i is one small matrix product
along either kind of wire, all of its terms alike in sign, so that this residual is known to rounding whatever the
resistances. A drive (..., line) holds the voltages of the rows' drivers and, where the columns are not all at virtual
ground, those of the columns' behind them. What solves the network is a factorization: a dense one of line after line of
cells (see `ladder`), in a large array of box after box (see `dissection`), or, where wires differ from each other or
there are no positive pivots, a sparse one of the nodal equations
``J = Y + B' G B``, Y the conductances of the wires, B the incidence of the cells and G their (differential)
conductances: by Z = B inverse(Y) B' (W. W. Hager, Updating the inverse of a matrix, SIAM Rev. 31 (1989),
doi:10.1137/1031049),

    inverse(1 + Z G) = 1 - B inverse(J) B' G.

A factorization for other conductances than the present ones corrects v too, in several steps.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property

import numpy as np
from scipy.sparse.linalg import SuperLU

from spicecim.fields import FloatArray
from spicecim.reference.guards import one_thread
from spicecim.reference.wires.dissection import DissectedFactors
from spicecim.reference.wires.ladder import LadderFactors, NotPositive, Wire
from spicecim.reference.wires.nodal import NodalEquations
from spicecim.testbench import Crossbar

_DENSE = 8_000_000
"""Most numbers in the dense blocks of a `LadderFactors`: beyond, nested dissection is faster and takes less."""
_SUMMED = 128
"""Cells of a wire from which on running sums are faster than a product with a matrix."""
_TOGETHER = 4
"""Inputs that SuperLU solves for at once: a wider block leaves the cache, and takes ten times as long for 128 x 128."""


class Network:
    """The resistances of a crossbar's wires, drivers and sense nodes.

    Parameters
    ----------
    crossbar
        The resistances.
    shape
        Rows and columns.
    crossbars
        How many crossbars there are, none of which sees the others; None for the one.

    Attributes
    ----------
    cells
        Shape of the cells: (row, column) or, of several crossbars behind the same drivers, (crossbar, row, column).
    each
        Shape of the unknowns, as the factors take them: here the voltages over the cells.
    """

    stores = False
    """Whether it has capacitances, or cells that have."""

    def __init__(self, crossbar: Crossbar, shape: tuple[int, int], crossbars: int | None = None) -> None:
        self.shape = shape
        self.cells: tuple[int, ...] = shape if crossbars is None else (crossbars, *shape)
        self.each: tuple[int, ...] = self.cells
        self.wires = wires = crossbar.parasitics()
        self._rows = _alike(wires.rows, wires.sources)
        self._columns = _alike(wires.columns, wires.senses)
        self._row_steps, self._column_steps = wires.row_steps, wires.column_steps
        self._resistive = bool(self._row_steps.any()), bool(self._column_steps.any())

    @cached_property
    def nodal(self) -> NodalEquations:
        """The nodal equations of the wires."""
        return NodalEquations(self.wires)

    @cached_property
    def _shared_by_row(self) -> FloatArray | None:
        """Resistances that cells of a row share (place, place); None where running sums serve instead."""
        wire, places = self._rows, self.shape[1]
        return None if wire is None or places > _SUMMED else _shared(wire, places)

    @cached_property
    def _shared_by_column(self) -> FloatArray | None:
        wire, places = self._columns, self.shape[0]
        return None if wire is None or places > _SUMMED else _shared(wire, places)[::-1, ::-1].copy()

    def voltage_at_rows(self, drive: FloatArray, i_cell: FloatArray) -> FloatArray:
        """Voltages of the row wires at the cells (..., row, column) by those of the lines' drivers (..., line)."""
        v_row = drive[..., : self.shape[0]]
        if not self._resistive[0]:
            return np.broadcast_to(v_row[..., None], i_cell.shape)
        if self._shared_by_row is None:
            drops = np.cumsum(i_cell[..., ::-1], axis=-1)[..., ::-1]
            drops *= self._row_steps
            np.cumsum(drops, axis=-1, out=drops)
            return np.subtract(v_row[..., None], drops, out=drops)
        return v_row[..., None] - i_cell @ self._shared_by_row

    def voltage_at_columns(self, drive: FloatArray, i_cell: FloatArray) -> FloatArray:
        """Voltages of the column wires at the cells (..., row, column)."""
        v_column = drive[..., None, self.shape[0] :]
        if not v_column.size:
            return self._above_sense_nodes(i_cell)
        return self._above_sense_nodes(i_cell) + v_column

    def _above_sense_nodes(self, i_cell: FloatArray) -> FloatArray:
        """Voltages of the column wires at the cells (..., row, column) above those of their sense nodes."""
        if not self._resistive[1]:
            return np.zeros(i_cell.shape)
        if self._shared_by_column is None:
            # row by row, five times as fast as numpy's running sum across rows
            voltages = i_cell.copy()
            for row in range(1, self.shape[0]):
                voltages[..., row, :] += voltages[..., row - 1, :]
            voltages *= self._column_steps
            for row in range(self.shape[0] - 2, -1, -1):
                voltages[..., row, :] += voltages[..., row + 1, :]
            return voltages
        return np.asarray(self._shared_by_column @ i_cell)

    def own_resistance(self) -> FloatArray:
        """Resistance of each cell's own way (row, column) from its driver to its sense node, ohm."""
        along, up = np.cumsum(self._row_steps, axis=1), np.cumsum(self._column_steps[::-1], axis=0)
        return np.asarray(along + up[::-1])

    def residual(self, drive: FloatArray, v_cell: FloatArray, i_cell: FloatArray) -> FloatArray:
        """Voltages (..., row, column) by which those of the cells miss what their currents leave of the drivers'."""
        missed = v_cell - self.voltage_at_rows(drive, i_cell)
        missed += self.voltage_at_columns(drive, i_cell)
        return missed

    @one_thread
    def factorize(self, shift: complex, admittance: FloatArray) -> AnyFactors:
        """Factorize the equations with (differential) conductances of the cells, siemens.

        Without capacitances any d/dt is the same.

        Raises
        ------
        ConvergenceError
            If the conductances are too far apart for the digits of a float.
        """
        conductance = admittance.reshape(self.cells)
        # a device whose current falls with its voltage makes equations that pivots alone can solve
        rows, columns = self._rows, self._columns
        if rows is not None and columns is not None:
            with suppress(NotPositive):
                meshed = bool(rows.segment and columns.segment)
                if meshed and conductance.size * min(self.shape) > _DENSE:
                    return DissectedFactors(rows, columns, conductance)
                return LadderFactors(rows, columns, conductance)
        each = [self._sparse(one) for one in conductance.reshape(-1, *self.shape)]
        return each[0] if conductance.ndim == 2 else SeparateFactors(each)

    def _sparse(self, conductance: FloatArray) -> Factors:
        both = conductance.reshape(-1, 1, 1) * [[1.0, -1.0], [-1.0, 1.0]]
        return Factors(self, conductance, self.nodal.factorize(0.0, both, symmetric=True))

    def terminals(self, drive: FloatArray, p: FloatArray) -> FloatArray:
        """Voltages over the cells (m, cell) by the unknowns (m, cell), which they are."""
        return p

    def misses(self, drive: FloatArray, p: FloatArray, currents: FloatArray, slopes: FloatArray | None) -> FloatArray:
        """Return `residual` with the cells in one dimension: (m, cell)."""
        return self.missed_by(drive, p, currents)

    def missed_by(self, drive: FloatArray, p: FloatArray, currents: FloatArray) -> FloatArray:
        """Return the same, which takes no derivatives by time."""
        each = (-1, *self.cells)
        if len(self.cells) > 2:
            drive = drive[:, None]
        return self.residual(drive, p.reshape(each), currents.reshape(each)).reshape(len(p), -1)

    def line_voltages(self, drive: FloatArray, p: FloatArray) -> FloatArray:
        """Voltages (m, line) at the ends of the lines, which are those of the drivers."""
        return drive

    def outputs(self, p: FloatArray) -> FloatArray:
        """Outputs (m, line) of the lines' amplifiers; without lines, as there are none."""
        return np.empty((len(p), 0))

    def across(self, drive: FloatArray) -> FloatArray:
        """Voltages (..., row, column) between the ends of the lines that cells are at."""
        rows, columns = drive[..., : self.shape[0], None], drive[..., None, self.shape[0] :]
        if columns.size:
            return rows - columns
        return np.broadcast_to(rows, (*drive.shape[:-1], *self.shape))

    def start(self, drive: FloatArray) -> FloatArray:
        """Unknowns (cell,) with the drivers at voltages (line,) and without currents."""
        # a copy, to be written into: a view may share what cells share
        return np.broadcast_to(self.across(drive), self.cells).flatten()

    def ends(self, currents: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Currents out of drivers (m, ..., row) and into sense nodes (m, ..., column) by those of cells (m, cell)."""
        each = currents.reshape(-1, *self.cells)
        return each.sum(axis=-1), each.sum(axis=-2)


class Factors:
    """The network factorized as sparse nodal equations at some conductances of the cells."""

    def __init__(self, network: Network, conductance: FloatArray, factors: SuperLU) -> None:
        self._incidence, self._conductance, self._factors = network.nodal.incidence, conductance, factors

    def correction(self, residual: FloatArray) -> FloatArray:
        """Return what to take off the cells' voltages for a residual of theirs: inverse(1 + Z G) of it.

        Both are (..., row, column).
        """
        currents = (self._conductance * residual).reshape(-1, self._incidence.shape[1])
        potentials = self._incidence @ currents.T
        for start in range(0, potentials.shape[1], _TOGETHER):
            few = slice(start, start + _TOGETHER)
            potentials[:, few] = self._factors.solve(potentials[:, few])
        return np.asarray(residual - (self._incidence.T @ potentials).T.reshape(residual.shape))


class SeparateFactors:
    """Those of several crossbars, each factorized by itself."""

    def __init__(self, each: list[Factors]) -> None:
        self._each = each

    def correction(self, residual: FloatArray) -> FloatArray:
        """As `Factors.correction`: both are (input, crossbar, row, column)."""
        corrections = [factors.correction(residual[:, number]) for number, factors in enumerate(self._each)]
        return np.stack(corrections, axis=1)


AnyFactors = Factors | SeparateFactors | LadderFactors | DissectedFactors


def _alike(segments: FloatArray, terminals: FloatArray) -> Wire | None:
    """The resistances of every wire in one direction; None where wires or segments differ."""
    segment, terminal = float(segments[0, 0]), float(terminals[0])
    return Wire(segment, terminal) if (segments == segment).all() and (terminals == terminal).all() else None


def _shared(wire: Wire, places: int) -> FloatArray:
    """Resistance (place, place) on the way from the terminal to both of two places of a wire, ohm."""
    number = np.arange(1.0, places + 1.0)
    return np.asarray(wire.terminal + wire.segment * np.minimum(number[:, None], number))
