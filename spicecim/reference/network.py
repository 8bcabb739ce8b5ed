"""The wires of a crossbar, its row drivers and its sense nodes: a linear network around the cells.

A row wire runs from its driver (source resistance first) past columns 0, 1, ..., a column wire from row 0 down to its
sense node (sense resistance last); each cell has one segment of row wire before it and one of column wire after it. A
wire without resistance is one node. With v the voltages over the cells, i their currents and u the voltages of their
row drivers, the network is

    v + Z i = u,

Z the resistances that the cells share on the way from the drivers to the sense nodes. Z i is one small matrix product
along either kind of wire, all of its terms alike in sign, so that this residual is known to rounding whatever the
resistances. What solves it is a sparse
factorisation of the nodal equations ``J = Y + B' G B``, Y the conductances of the wires, B the incidence of the cells
and G their (differential) conductances: by Z = B inverse(Y) B',

    inverse(1 + Z G) = 1 - B inverse(J) B' G.

A factorisation for other conductances than the present ones corrects v too, in several steps.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csc_array, csr_array
from scipy.sparse.linalg import SuperLU, splu

from spicecim.errors import ConvergenceError, InputError
from spicecim.fields import FloatArray
from spicecim.reference.ladder import LadderFactors, NotPositive, Wire
from spicecim.reference.threads import one_thread
from spicecim.testbench import Crossbar

_RESIDUAL = 1e-11
"""Residual of a static solution relative to its largest voltage."""
_CORRECTIONS = 6
"""Most corrections of a static solution; one nearly always does."""
_DENSE = 8_000_000
"""Most numbers in the dense blocks of a `LadderFactors`: beyond, a sparse factorisation is faster and takes less."""
_TOGETHER = 4
"""Inputs that SuperLU solves for at once: a wider block leaves the cache, and takes ten times as long for 128 x 128."""
_TOO_FAR_APART = "the resistances of wires, drivers, sense nodes and cells are too far apart for the digits of a float"


class StaticSolution(NamedTuple):
    """A crossbar of ohmic cells at rest; the leading dimensions are those of the inputs."""

    i_column: FloatArray
    """Current into each column's sense node (..., column), ampere."""
    i_row: FloatArray
    """Current out of each row driver (..., row), ampere."""
    i_cell: FloatArray
    """Current through each cell from row to column (..., row, column), ampere."""
    v_cell: FloatArray
    """Voltage over each cell (..., row, column), volt."""
    v_row_node: FloatArray
    """Voltage of the row wire at each cell (..., row, column), volt."""
    v_column_node: FloatArray
    """Voltage of the column wire at each cell (..., row, column), volt."""


def solve_static(crossbar: Crossbar, conductance: ArrayLike, v_row: ArrayLike) -> StaticSolution:
    """Solve a crossbar of ohmic cells.

    Parameters
    ----------
    crossbar
        Its resistances; its states and capacitance do not matter.
    conductance
        Conductance of each cell (row, column), siemens, not negative.
    v_row
        Voltages of the row drivers (row,), or of several inputs (..., row), volt. Many inputs at once share one
        factorisation.

    Raises
    ------
    InputError
        If a conductance or voltage is no such number, or the shapes do not fit.
    ConvergenceError
        If the resistances are too far apart for the digits of a float.
    """
    g, v = np.asarray(conductance, dtype=float), np.asarray(v_row, dtype=float)
    if g.ndim != 2 or not g.size or not (np.isfinite(g) & (g >= 0.0)).all():
        raise InputError("conductance: must be finite numbers of at least 0 siemens (row, column)")
    if not v.ndim or v.shape[-1] != len(g) or not np.isfinite(v).all():
        raise InputError(f"v_row: must be finite voltages (..., row) of {len(g)} rows; it has shape {v.shape}")
    return LinearCrossbar(Network(crossbar, g.shape), g).solve(v)


class Network:
    """The resistances of a crossbar's wires, drivers and sense nodes.

    Parameters
    ----------
    crossbar
        The resistances.
    shape
        Rows and columns.
    """

    def __init__(self, crossbar: Crossbar, shape: tuple[int, int]) -> None:
        self.shape = shape
        self._crossbar = crossbar
        rows, columns = shape
        self._rows = Wire(crossbar.wire_row, crossbar.source_resistance)
        self._columns = Wire(crossbar.wire_column, crossbar.sense_resistance)
        # A product with these is faster than running sums, up to thousands of cells a wire.
        self._shared_by_row = _shared(self._rows, columns)
        self._shared_by_column = _shared(self._columns, rows)[::-1, ::-1].copy()

    @property
    def nodes(self) -> int:
        """Number of nodes of unknown potential."""
        return self._nodal.nodes

    @property
    def incidence(self) -> csr_array:
        """Matrix (node, cell): 1 where a cell takes its current, -1 where it gives it."""
        return self._nodal.incidence

    @property
    def ends(self) -> NDArray[np.int_]:
        """Nodes (cell, 2) of each cell's row and column; -1 is a known potential."""
        return self._nodal.ends

    def wires(self) -> csc_array:
        """Nodal conductances (node, node) of the wires alone, siemens."""
        return self._nodal.matrix(np.zeros(self.shape))

    @cached_property
    def _nodal(self) -> _NodalEquations:
        return _NodalEquations(self._crossbar, self.shape)

    def voltage_at_rows(self, v_row: FloatArray, i_cell: FloatArray) -> FloatArray:
        """Voltages of the row wires at the cells (..., row, column) by those of the drivers (..., row)."""
        if not any(self._rows):
            return np.broadcast_to(v_row[..., None], i_cell.shape)
        return v_row[..., None] - i_cell @ self._shared_by_row

    def voltage_at_columns(self, i_cell: FloatArray) -> FloatArray:
        """Voltages of the column wires at the cells (..., row, column)."""
        if not any(self._columns):
            return np.zeros(i_cell.shape)
        return np.asarray(self._shared_by_column @ i_cell)

    def residual(self, v_row: FloatArray, v_cell: FloatArray, i_cell: FloatArray) -> FloatArray:
        """Voltages (..., row, column) by which those of the cells miss what their currents leave of the drivers'."""
        return v_cell - self.voltage_at_rows(v_row, i_cell) + self.voltage_at_columns(i_cell)

    @one_thread
    def factorise(self, conductance: FloatArray) -> Factors | LadderFactors:
        """Factorise the nodal equations with (differential) conductances (row, column) of the cells.

        Raises
        ------
        ConvergenceError
            If the conductances are too far apart for the digits of a float.
        """
        if not any(self._rows + self._columns) or conductance.size * min(self.shape) <= _DENSE:
            # a device whose current falls with its voltage makes equations that pivots alone can solve
            with suppress(NotPositive):
                return LadderFactors(self._rows, self._columns, conductance)
        matrix = self._nodal.matrix(conductance)
        try:
            # The matrix is symmetric and positive definite: its diagonal serves as pivots in any order.
            factors = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
        except RuntimeError:
            raise ConvergenceError(_TOO_FAR_APART) from None
        return Factors(self, conductance, factors)


class Factors:
    """The factorised network at some conductances of the cells."""

    def __init__(self, network: Network, conductance: FloatArray, factors: SuperLU) -> None:
        self._network, self._conductance, self._factors = network, conductance, factors

    def correction(self, residual: FloatArray) -> FloatArray:
        """Return what to take off the cells' voltages for a residual of theirs: inverse(1 + Z G) of it.

        Both are (..., row, column).
        """
        incidence = self._network.incidence
        currents = (self._conductance * residual).reshape(-1, incidence.shape[1])
        potentials = incidence @ currents.T
        for start in range(0, potentials.shape[1], _TOGETHER):
            few = slice(start, start + _TOGETHER)
            potentials[:, few] = self._factors.solve(potentials[:, few])
        return np.asarray(residual - (incidence.T @ potentials).T.reshape(residual.shape))


class LinearCrossbar:
    """A crossbar of ohmic cells, factorised once for any number of inputs.

    Parameters
    ----------
    network
        The wires.
    conductance
        Conductance of each cell (row, column), siemens.
    """

    def __init__(self, network: Network, conductance: FloatArray) -> None:
        self._network, self._conductance = network, conductance
        self._factors = network.factorise(conductance)

    @one_thread
    def solve(self, v_row: FloatArray) -> StaticSolution:
        """Solve for voltages of the row drivers (..., row), volt.

        Raises
        ------
        ConvergenceError
            If the resistances are too far apart for the digits of a float.
        """
        network = self._network
        v = np.zeros((*v_row.shape[:-1], *network.shape))
        largest = np.abs(v_row).max(initial=0.0)
        for _ in range(_CORRECTIONS):
            v = v - self._factors.correction(network.residual(v_row, v, self._conductance * v))
            i = self._conductance * v
            if np.abs(network.residual(v_row, v, i)).max(initial=0.0) <= _RESIDUAL * largest:
                return StaticSolution(
                    i_column=i.sum(axis=-2),
                    i_row=i.sum(axis=-1),
                    i_cell=i,
                    v_cell=v,
                    v_row_node=network.voltage_at_rows(v_row, i),
                    v_column_node=network.voltage_at_columns(i),
                )
        raise ConvergenceError(_TOO_FAR_APART)


class _NodalEquations:
    """Kirchhoff's current law at the nodes of unknown potential, for the resistances of a crossbar."""

    def __init__(self, crossbar: Crossbar, shape: tuple[int, int]) -> None:
        rows, columns = shape
        row_wires = _wires(rows, columns, crossbar.wire_row, crossbar.source_resistance, 0)
        # From the sense node on, a column wire is as a row wire from its driver on.
        column_wires = _wires(columns, rows, crossbar.wire_column, crossbar.sense_resistance, row_wires.number)
        self.nodes = row_wires.number + column_wires.number
        row_nodes, column_nodes = row_wires.nodes.ravel(), column_wires.nodes[:, ::-1].T.ravel()
        self.ends = np.stack([row_nodes, column_nodes], axis=1)
        fixed = _entries(
            np.concatenate([row_wires.start, column_wires.start]),
            np.concatenate([row_wires.end, column_wires.end]),
        )
        cells = _entries(row_nodes, column_nodes)
        self.incidence = _incidence(row_nodes, column_nodes, self.nodes)
        # The pattern of the nodal equations, and the place in it of every entry.
        places = np.concatenate([fixed.column * self.nodes + fixed.row, cells.column * self.nodes + cells.row])
        pattern, slots = np.unique(places, return_inverse=True)
        self._indices = pattern % max(self.nodes, 1)
        self._starts = np.searchsorted(pattern, self.nodes * np.arange(self.nodes + 1))
        self._cells, self._cell_slots = cells, slots[len(fixed.row) :]
        wires = np.concatenate([row_wires.conductance, column_wires.conductance])
        self._fixed = np.bincount(
            slots[: len(fixed.row)], fixed.sign * wires[fixed.element], minlength=len(pattern)
        )  # fmt: skip

    def matrix(self, conductance: FloatArray) -> csc_array:
        """Matrix (node, node) with conductances (row, column) of the cells."""
        values = self._cells.sign * conductance.ravel()[self._cells.element]
        data = self._fixed + np.bincount(self._cell_slots, values, minlength=len(self._fixed))
        return csc_array((data, self._indices, self._starts), shape=(self.nodes, self.nodes))


class _Wires(NamedTuple):
    """Parallel wires: resistors between their nodes, -1 for a known potential."""

    nodes: NDArray[np.int_]
    """Node at each place of each wire (wire, place)."""
    number: int
    """Number of nodes."""
    start: NDArray[np.int_]
    end: NDArray[np.int_]
    """Nodes of the resistors (resistor,)."""
    conductance: FloatArray
    """Conductance of the resistors (resistor,), siemens."""


def _shared(wire: Wire, places: int) -> FloatArray:
    """Resistance (place, place) on the way from the terminal to both of two places of a wire, ohm."""
    number = np.arange(1.0, places + 1.0)
    return np.asarray(wire.terminal + wire.segment * np.minimum(number[:, None], number))


def _wires(wires: int, places: int, segment: float, terminal: float, first: int) -> _Wires:
    """Number the nodes of wires from `first` on; a segment before every place, and a resistance before the wire."""
    if segment:
        nodes = first + np.arange(wires * places).reshape(wires, places)
        # The node between the terminal's resistance and the first segment has nothing else on it.
        before = np.hstack([np.full((wires, 1), -1), nodes[:, :-1]])
        conductance = np.full((wires, places), 1.0 / segment)
        conductance[:, 0] = 1.0 / (terminal + segment)
        return _Wires(nodes, wires * places, before.ravel(), nodes.ravel(), conductance.ravel())
    if terminal:
        ends = first + np.arange(wires)
        nodes = np.repeat(ends[:, None], places, axis=1)
        return _Wires(nodes, wires, np.full(wires, -1), ends, np.full(wires, 1.0 / terminal))
    none = np.empty(0, dtype=int)
    return _Wires(np.full((wires, places), -1), 0, none, none, np.empty(0))


class _Entries(NamedTuple):
    """Entries that two-terminal elements have in the nodal equations."""

    row: NDArray[np.int_]
    column: NDArray[np.int_]
    sign: FloatArray
    element: NDArray[np.int_]


def _incidence(row_nodes: NDArray[np.int_], column_nodes: NDArray[np.int_], nodes: int) -> csr_array:
    """Matrix (node, cell): 1 where a cell takes its current, -1 where it gives it; -1 is a known potential."""
    cell = np.tile(np.arange(len(row_nodes)), 2)
    node = np.concatenate([row_nodes, column_nodes])
    sign = np.repeat([1.0, -1.0], len(row_nodes))
    unknown = node >= 0
    return csr_array((sign[unknown], (node[unknown], cell[unknown])), shape=(nodes, len(row_nodes)))


def _entries(start: NDArray[np.int_], end: NDArray[np.int_]) -> _Entries:
    """Entries of elements between nodes; -1 is a known potential, which has no equation."""
    element = np.tile(np.arange(len(start)), 4)
    row, column = np.concatenate([start, end, start, end]), np.concatenate([start, end, end, start])
    sign = np.repeat([1.0, 1.0, -1.0, -1.0], len(start))
    unknown = (row >= 0) & (column >= 0)
    return _Entries(row[unknown], column[unknown], sign[unknown], element[unknown])
