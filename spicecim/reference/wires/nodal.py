"""Nodal equations of a crossbar's wires, drivers and sense nodes: numbering, sparse pattern, factorization.

Kirchhoff's current law at the nodes of unknown potential p (C.-W. Ho, A. E. Ruehli, P. A. Brennan, The modified nodal
approach to network analysis, IEEE Trans. Circuits Syst. 22 (1975), doi:10.1109/TCS.1975.1084079), with d/dt = s:

    (Y + s C + A) p = right side,

Y the conductances of the wires, C the capacitances of the nodes, A the admittances of the cells. Factorized by SuperLU
(J. W. Demmel and others, SIAM J. Matrix Anal. Appl. 20 (1999), doi:10.1137/S0895479895291765).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array
from scipy.sparse.linalg import SuperLU, splu

from spicecim.errors import ConvergenceError
from spicecim.fields import FloatArray
from spicecim.parasitics import Parasitics

TOO_FAR_APART = "the resistances of wires, drivers, sense nodes and cells are too far apart for the digits of a float"

Blocks = NDArray[Any]
"""Arrays of numbers that are complex where d/dt is."""


class NodalEquations:
    """The equations of the resistances and capacitances of a crossbar.

    Attributes
    ----------
    nodes
        Number of nodes of unknown potential.
    ends
        Nodes (cell, 2) of each cell's row and column; -1 is a known potential.
    incidence
        Matrix (node, cell): 1 where a cell takes its current, -1 where it gives it.
    capacitance
        Capacitance of each node (node,), farad: one to ground for each cell's end.
    """

    def __init__(self, wires: Parasitics) -> None:
        row_wires = _wires(wires.row_steps, 0)
        # From the sense node on, a column wire is as a row wire from its driver on.
        column_wires = _wires(wires.column_steps[::-1].T, row_wires.number)
        self.nodes = row_wires.number + column_wires.number
        row_nodes, column_nodes = row_wires.nodes.ravel(), column_wires.nodes[:, ::-1].T.ravel()
        self.ends = np.stack([row_nodes, column_nodes], axis=1)
        cell, known = np.arange(len(self.ends)), self.ends >= 0
        places = np.where(known, self.ends, 0)
        signs = np.where(known, [1.0, -1.0], 0.0)
        self.incidence = csr_array(
            (signs[known], (places[known], np.stack([cell, cell], axis=1)[known])), shape=(self.nodes, len(self.ends))
        )
        self.capacitance = np.bincount(self.ends[known], wires.storage[known], minlength=self.nodes)
        # Every element is a block of 2 x 2 entries at the nodes of its ends.
        start = np.concatenate([row_wires.start, column_wires.start])
        end = np.concatenate([row_wires.end, column_wires.end])
        conductance = np.concatenate([row_wires.conductance, column_wires.conductance])
        pairs = np.concatenate([np.stack([start, end], axis=1), self.ends])
        row, column = (np.broadcast_to(part, (len(pairs), 2, 2)) for part in (pairs[:, :, None], pairs[:, None]))
        unknown = (row >= 0) & (column >= 0)
        self._blocks = unknown[len(conductance) :]
        # The pattern, and the place in it of every entry.
        diagonal = np.arange(self.nodes)
        entries = np.concatenate([column[unknown] * self.nodes + row[unknown], diagonal * (self.nodes + 1)])
        pattern, slots = np.unique(entries, return_inverse=True)
        self._indices = pattern % max(self.nodes, 1)
        self._starts = np.searchsorted(pattern, self.nodes * np.arange(self.nodes + 1))
        split = np.count_nonzero(unknown[: len(conductance)])
        values = (conductance[:, None, None] * [[1.0, -1.0], [-1.0, 1.0]])[unknown[: len(conductance)]]
        self._fixed: FloatArray = np.bincount(slots[:split], values, minlength=len(pattern)).astype(float)
        self._slots, self._diagonal = slots[split : len(slots) - self.nodes], slots[len(slots) - self.nodes :]

    @property
    def wire_conductance(self) -> FloatArray:
        """What the wires conduct from each node (node,), siemens."""
        return self._fixed[self._diagonal]

    def factorize(self, shift: complex, admittance: Blocks, *, symmetric: bool = False) -> SuperLU:
        """Factorize the equations at d/dt = shift (1/s) with admittances (cell, 2, 2) of the cells, siemens.

        Raises
        ------
        ConvergenceError
            If conductances are too far apart for the digits of a float.
        """
        entries = admittance[self._blocks]
        data: Blocks = self._fixed + np.bincount(self._slots, entries.real, minlength=len(self._fixed))
        if np.iscomplexobj(entries) or isinstance(shift, complex):
            data = data + 1j * np.bincount(self._slots, entries.imag, minlength=len(self._fixed))
        data[self._diagonal] += shift * self.capacitance
        matrix = csc_array((data, self._indices, self._starts), shape=(self.nodes, self.nodes))
        try:
            # The matrix is diagonally dominant, but for cells with a negative slope: its diagonal serves as pivots.
            return splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": symmetric})
        except RuntimeError:
            raise ConvergenceError(TOO_FAR_APART) from None


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


def _wires(steps: FloatArray, first: int) -> _Wires:
    """Number the nodes of wires from `first` on; `steps` (wire, place) are the resistances before each place.

    A place behind no resistance shares the node of the place before.
    """
    resistive = steps > 0.0
    number = np.cumsum(resistive, axis=1)
    before = first + np.cumsum(number[:, -1]) - number[:, -1]
    nodes = np.where(number > 0, before[:, None] + number - 1, -1)
    start = np.hstack([np.full((len(steps), 1), -1), nodes[:, :-1]])
    return _Wires(nodes, int(resistive.sum()), start[resistive], nodes[resistive], 1.0 / steps[resistive])
