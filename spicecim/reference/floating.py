"""Lines that float: their potentials are unknowns of the network, and what balances them is their charge.

With f the potentials of the floating lines, the residual m(p, f) of a network whose lines are all driven (see `network`
and `capacitance`) is that of lines driven by f, and into none of the floating lines flows a current:

    m(p, f) = 0,    b(p, f) = 0,

b the sum of what cells and capacitances draw from a line. Capacitances count in it, so that a floating line keeps its
charge; at rest only cells do, and the line is where their currents cancel. The linear system is solved by that of the
driven lines and a Schur complement of as many rows as lines float (R. W. Cottle, Linear Algebra Appl. 8 (1974),
doi:10.1016/0024-3795(74)90066-4).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from spicecim.errors import ConvergenceError
from spicecim.fields import FloatArray
from spicecim.lines import named_line
from spicecim.reference.capacitance import CapacitiveNetwork, Ends
from spicecim.reference.network import Network
from spicecim.reference.nodal import TOO_FAR_APART, Blocks
from spicecim.testbench import Crossbar


class FloatingNetwork(Network):
    """A `Network` with lines that float; their potentials follow its unknowns.

    Parameters
    ----------
    crossbar
        Resistances and capacitances.
    shape
        Rows and columns.
    floating
        Whether a line floats (row + column,).

    Attributes
    ----------
    floating
        Numbers of the floating lines (floating,).
    known
        Number of unknowns before those of the floating lines.
    ohm
        What makes the currents of the floating lines voltages (floating,), of the size of what their cells miss.
    """

    def __init__(self, crossbar: Crossbar, shape: tuple[int, int], floating: NDArray[np.bool_]) -> None:
        super().__init__(crossbar, shape)
        self.floating = np.flatnonzero(floating)
        self.ohm = np.ones(len(self.floating))
        self.each_driven = self.each
        """Shape of the unknowns before, as the factors without floating lines take them."""
        self.known = int(np.prod(self.each))
        self.each = (self.known + len(self.floating),)

    def weigh(self, volt: float, currents: FloatArray) -> None:
        """Set `ohm` by what all cells (cell, ...) draw at a voltage (A)."""
        drawn = np.abs(self.drawn_from_lines(np.abs(currents)[None]))[0]
        with np.errstate(divide="ignore"):
            ohm = volt / drawn
        self.ohm = np.where(np.isfinite(ohm), ohm, 1.0)

    def line_voltages(self, drive: FloatArray, p: FloatArray) -> FloatArray:
        """Voltages (m, line) at the ends of all lines by those of the drivers (m, line) and the unknowns."""
        voltages = np.array(drive)
        voltages[:, self.floating] = p[:, self.known :]
        return voltages

    def terminals(self, drive: FloatArray, p: FloatArray) -> FloatArray:
        return super().terminals(self.line_voltages(drive, p), p[:, : self.known])

    def misses(self, drive: FloatArray, p: FloatArray, currents: FloatArray, slopes: FloatArray | None) -> FloatArray:
        drawn = currents if slopes is None else currents + self.charging(slopes)
        missed = self.missed_by(self.line_voltages(drive, p), p[:, : self.known], drawn)
        return np.concatenate([missed, self.ohm * self.drawn_from_lines(drawn)], axis=1)

    def charging(self, slopes: FloatArray) -> FloatArray | float:
        """What capacitances draw at the cells' terminals by derivatives of the unknowns (m, unknown), ampere."""
        return 0.0

    def start(self, drive: FloatArray) -> FloatArray:
        connected = np.delete(drive, self.floating)
        lines = drive.copy()
        lines[self.floating] = f = 0.5 * (connected.min() + connected.max())
        return np.concatenate([super().start(lines), np.full(len(self.floating), f)])

    def ends(self, currents: FloatArray) -> Ends:
        return self.cleared(*super().ends(currents))

    def drawn_from_lines(self, currents: Blocks) -> Blocks:
        """Currents (m, floating) that are drawn from the floating lines by those of the cells; zero in a solution."""
        rows, columns = super().ends(currents)
        return np.asarray(np.concatenate([rows, -columns], axis=1)[:, self.floating])

    def factorize(self, shift: complex, admittance: Blocks) -> FloatingFactors:  # type: ignore[override]
        """Factorize at d/dt = shift, with admittances of the cells.

        Raises
        ------
        ConvergenceError
            If conductances are too far apart for the digits of a float, or a line floats of which no cell conducts.
        """
        return FloatingFactors(self, super().factorize(shift, admittance), shift, admittance)

    def cleared(self, rows: FloatArray, columns: FloatArray) -> Ends:
        """The currents of lines (m, row) and (m, column), without what rounding leaves of those that float."""
        count = rows.shape[-1]
        rows[..., self.floating[self.floating < count]] = 0.0
        columns[..., self.floating[self.floating >= count] - count] = 0.0
        return rows, columns

    def linear_currents(self, shift: complex, admittance: Blocks, lines: FloatArray, p: Blocks) -> Blocks:
        """Currents of linearized cells, and of what stores, by voltages of lines (m, line) and unknowns (m, known)."""
        return np.asarray(admittance.reshape(-1) * p)


class FloatingCapacitiveNetwork(FloatingNetwork, CapacitiveNetwork):  # type: ignore[misc]  # factors of other kinds
    """A `CapacitiveNetwork` with lines that float."""

    def at_cells(self, values: FloatArray) -> FloatArray:
        return self.terminals(np.zeros((len(values), sum(self.shape))), values)

    def charging(self, slopes: FloatArray) -> FloatArray:
        # what a driver that moves draws is none of a floating line's
        return self.segment * self.at_cells(slopes)

    def end_currents(
        self, currents: FloatArray, drive: FloatArray, p: FloatArray, slopes: Ends, shift: float
    ) -> Ends:  # fmt: skip
        return self.cleared(*super().end_currents(currents, drive, p, slopes, shift))

    def longest_time(self) -> float:
        # a floating line discharges through its cells, which may take long
        return np.inf if self.segment else 0.0

    def linear_currents(self, shift: complex, admittance: Blocks, lines: FloatArray, p: Blocks) -> Blocks:
        v = CapacitiveNetwork.terminals(self, lines, p)
        return np.asarray(np.einsum("nab,mnb->mna", admittance + shift * self.segment * np.eye(2), v))


class FloatingFactors:
    """The factors of the network without floating lines, and the Schur complement of these."""

    def __init__(self, network: FloatingNetwork, driven: Any, shift: complex, admittance: Blocks) -> None:
        self._network, self._driven = network, driven
        self._linear = shift, admittance
        count = len(network.floating)
        unit = np.zeros((count, sum(network.shape)))
        unit[np.arange(count), network.floating] = 1.0
        none = np.zeros((count, network.known))
        by_line = network.missed_by(unit, none, network.linear_currents(*self._linear, unit, none))
        self._moved = -self._correction(by_line)
        """What the unknowns (floating, known) move by with the potential of each floating line."""
        drawn = network.drawn_from_lines(network.linear_currents(*self._linear, unit, self._moved))
        self._scale = np.abs(np.diagonal(drawn))
        if not np.isfinite(drawn).all():
            raise ConvergenceError(TOO_FAR_APART)
        alone = np.flatnonzero(self._scale == 0.0)
        if len(alone):
            line = named_line(int(network.floating[alone[0]]), network.shape)
            raise ConvergenceError(f"{line} floats, and none of its cells conducts: its potential is undefined")
        self._factors = scipy.linalg.lu_factor(drawn.T / self._scale[:, None])

    def correction(self, missed: Blocks) -> Blocks:
        """What to take off the unknowns (m, unknown) for what they miss."""
        network = self._network
        own, balance = missed[:, : network.known], missed[:, network.known :] / network.ohm
        alone = self._correction(own)
        none = np.zeros((len(missed), sum(network.shape)))
        left = balance - network.drawn_from_lines(network.linear_currents(*self._linear, none, alone))
        f = scipy.linalg.lu_solve(self._factors, (left / self._scale).T).T
        return np.concatenate([alone + f @ self._moved, f], axis=1)

    def _correction(self, missed: Blocks) -> Blocks:
        each = missed.reshape(len(missed), *self._network.each_driven)
        return np.asarray(self._driven.correction(each).reshape(missed.shape))
