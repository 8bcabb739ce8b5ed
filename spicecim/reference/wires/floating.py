"""Lines whose ends have no given potential: they float, or end in an amplifier. The potentials are unknowns.

With f the potentials of these lines, the residual m(p, f) of a network whose lines are all driven (see `network` and
`capacitance`) is that of lines driven by f, and what a line gives is what its end takes:

    m(p, f) = 0,    b(p, f) + t(f, o) = 0,

b the sum of what cells and capacitances draw from a line, t what its end draws: nothing where it floats. Capacitances
count in b, so that a floating line keeps its charge; at rest only cells do, and the line is where their currents
cancel. A line's amplifier has its output o as a further unknown, with the two equations of `spicecim.amplifiers`.

The linear system is solved by that of the driven lines and a Schur complement of as many rows as there are lines of
unknown potential and outputs (R. W. Cottle, Linear Algebra Appl. 8 (1974), doi:10.1016/0024-3795(74)90066-4).
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import scipy

from spicecim.errors import ConvergenceError
from spicecim.fields import FloatArray
from spicecim.lines import Lines, named_line
from spicecim.reference.wires.capacitance import CapacitiveNetwork, Ends
from spicecim.reference.wires.network import Network
from spicecim.reference.wires.nodal import TOO_FAR_APART, Blocks
from spicecim.testbench import Crossbar

_NO_PATH = 4.0 * float(np.finfo(float).eps)
"""Pivot of a line's potential, relative to the largest conductance in its row, that is rounding: nothing holds the line
and the ones before it."""


class FloatingNetwork(Network):
    """A `Network` with lines of unknown potential, which follow its unknowns, and after these the outputs.

    Parameters
    ----------
    crossbar
        Resistances and capacitances.
    shape
        Rows and columns.
    lines
        Which lines float, and the amplifiers.

    Attributes
    ----------
    free
        Numbers of the lines of unknown potential (free,).
    amplifiers
        Those of lines; None where there are none.
    known
        Number of unknowns before the potentials of these lines.
    ohm
        What makes the currents of these lines voltages (free,), of the size of what their cells miss.
    """

    def __init__(self, crossbar: Crossbar, shape: tuple[int, int], lines: Lines) -> None:
        super().__init__(crossbar, shape)
        self.free, self.amplifiers = np.flatnonzero(lines.free), lines.amplifiers
        self._floating = np.flatnonzero(lines.floating)
        sensed = np.empty(0, dtype=int) if self.amplifiers is None else self.amplifiers.lines
        self.sensed = np.searchsorted(self.free, sensed)
        """Places among the free lines of those with an amplifier (amplifier,)."""
        self._references = sensed
        self.ohm = np.ones(len(self.free))
        self.each_driven = self.each
        """Shape of the unknowns before, as the factors without free lines take them."""
        self.known = int(np.prod(self.each))
        self.each = (self.known + len(self.free) + len(sensed),)

    @property
    def floats(self) -> bool:
        """Whether a line floats, and not all of unknown potential end in amplifiers."""
        return self._floating.size > 0

    def weigh(self, volt: float, currents: FloatArray) -> None:
        """Set `ohm` by what all cells (cell, ...) draw at a voltage (A)."""
        drawn = np.abs(self.drawn_from_lines(np.abs(currents)[None]))[0]
        with np.errstate(divide="ignore"):
            ohm = volt / drawn
        self.ohm = np.where(np.isfinite(ohm), ohm, 1.0)

    def line_voltages(self, drive: FloatArray, p: FloatArray) -> FloatArray:
        """Voltages (m, line) at the ends of all lines by those of the drivers (m, line) and the unknowns."""
        voltages = np.array(drive)
        voltages[:, self.free] = p[:, self.known : self.known + len(self.free)]
        return voltages

    def outputs(self, p: FloatArray) -> FloatArray:
        if self.amplifiers is None:
            return super().outputs(p)
        outputs = np.zeros((len(p), sum(self.shape)))
        outputs[:, self.amplifiers.lines] = p[:, self.known + len(self.free) :]
        return outputs

    def terminals(self, drive: FloatArray, p: FloatArray) -> FloatArray:
        return super().terminals(self.line_voltages(drive, p), p[:, : self.known])

    def misses(self, drive: FloatArray, p: FloatArray, currents: FloatArray, slopes: FloatArray | None) -> FloatArray:
        drawn = currents if slopes is None else currents + self.charging(slopes)
        missed = self.missed_by(self.line_voltages(drive, p), p[:, : self.known], drawn)
        balance = self.drawn_from_lines(drawn)
        if self.amplifiers is None:
            return np.concatenate([missed, self.ohm * balance], axis=1)
        amplifiers, (f, o) = self.amplifiers, self._ends_of(p)
        taken, output = (f - o) / amplifiers.resistance, o + amplifiers.gain * (f - drive[:, self._references])
        if slopes is not None:
            f_slope, o_slope = self._ends_of(slopes)
            taken += amplifiers.capacitance * (f_slope - o_slope)
            output += amplifiers.time_constant * o_slope
        balance[:, self.sensed] += taken
        return np.concatenate([missed, self.ohm * balance, output], axis=1)

    def _ends_of(self, p: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Inputs and outputs (m, amplifier) of the amplifiers by the unknowns (m, unknown); slopes go the same way."""
        return p[:, self.known + self.sensed], p[:, self.known + len(self.free) :]

    def charging(self, slopes: FloatArray) -> FloatArray | float:
        """What capacitances draw at the cells' terminals by derivatives of the unknowns (m, unknown), ampere."""
        return 0.0

    def start(self, drive: FloatArray) -> FloatArray:
        connected = np.delete(drive, self._floating)
        lines = drive.copy()
        lines[self._floating] = 0.5 * (connected.min() + connected.max())
        return np.concatenate([super().start(lines), lines[self.free], np.zeros(len(self.sensed))])

    def ends(self, currents: FloatArray) -> Ends:
        return self.cleared(*super().ends(currents))

    def drawn_from_lines(self, currents: Blocks) -> Blocks:
        """Currents (m, free) that are drawn from the free lines by those of the cells."""
        rows, columns = super().ends(currents)
        return np.asarray(np.concatenate([rows, -columns], axis=1)[:, self.free])

    def missed_potentials(self, currents: FloatArray, conductances: FloatArray) -> float:
        """By how much the potentials of floating lines are off (V), roughly, by currents and conductances (m, cell).

        Changes of all unknowns by a linearization at other conductances do not tell.
        """
        some = np.isin(self.free, self._floating)
        drawn, held = (np.abs(self.drawn_from_lines(part))[:, some] for part in (currents, np.abs(conductances)))
        with np.errstate(divide="ignore", invalid="ignore"):
            off = np.where(drawn > 0.0, drawn / held, 0.0)
        return float(off.max(initial=0.0))

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
        rows[..., self._floating[self._floating < count]] = 0.0
        columns[..., self._floating[self._floating >= count] - count] = 0.0
        return rows, columns

    def linear_currents(self, shift: complex, admittance: Blocks, lines: FloatArray, p: Blocks) -> Blocks:
        """Currents of linearized cells, and of what stores, by voltages of lines (m, line) and unknowns (m, known)."""
        return np.asarray(admittance.reshape(-1) * p)


class FloatingCapacitiveNetwork(FloatingNetwork, CapacitiveNetwork):  # type: ignore[misc]  # factors of other kinds
    """A `CapacitiveNetwork` with lines of unknown potential."""

    def at_cells(self, values: FloatArray) -> FloatArray:
        return self.terminals(np.zeros((len(values), sum(self.shape))), values)

    def charging(self, slopes: FloatArray) -> FloatArray:
        # what a driver that moves draws is none of a free line's
        return self.storage * self.at_cells(slopes)

    def end_currents(
        self, currents: FloatArray, drive: FloatArray, p: FloatArray, slopes: Ends, shift: float
    ) -> Ends:  # fmt: skip
        return self.cleared(*super().end_currents(currents, drive, p, slopes, shift))

    def longest_time(self) -> float:
        # a floating line discharges through its cells, and an amplifier settles, which may take long
        dynamic = self.amplifiers is not None and self.amplifiers.dynamic
        return np.inf if self.storage.any() or dynamic else 0.0

    def linear_currents(self, shift: complex, admittance: Blocks, lines: FloatArray, p: Blocks) -> Blocks:
        v = CapacitiveNetwork.terminals(self, lines, p)
        return np.asarray(np.einsum("nab,mnb->mna", admittance + shift * self.storage[:, :, None] * np.eye(2), v))


class FloatingFactors:
    """The factors of the network without free lines, and the Schur complement of these and of outputs."""

    def __init__(self, network: FloatingNetwork, driven: Any, shift: complex, admittance: Blocks) -> None:
        self._network, self._driven = network, driven
        self._linear = shift, admittance
        count = len(network.free)
        unit = np.zeros((count, sum(network.shape)))
        unit[np.arange(count), network.free] = 1.0
        none = np.zeros((count, network.known))
        by_line = network.missed_by(unit, none, network.linear_currents(*self._linear, unit, none))
        self._moved = -self._correction(by_line)
        """What the unknowns (free, known) move by with the potential of each free line."""
        matrix = network.drawn_from_lines(network.linear_currents(*self._linear, unit, self._moved)).T
        if network.amplifiers is not None:
            matrix = _with_outputs(network, shift, matrix)
        if not np.isfinite(matrix).all():
            raise ConvergenceError(TOO_FAR_APART)
        diagonal = np.abs(np.diagonal(matrix))
        alone = np.flatnonzero(diagonal[:count] == 0.0)
        if len(alone):
            line = named_line(int(network.free[alone[0]]), network.shape)
            raise ConvergenceError(f"{line} floats, and none of its cells conducts: its potential is undefined")
        self._scale = np.abs(matrix).max(axis=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", scipy.linalg.LinAlgWarning)  # of a pivot that is zero
            self._factors = scipy.linalg.lu_factor(matrix / self._scale[:, None])
        pivots = np.abs(np.diagonal(self._factors[0]))[:count]
        if len(apart := np.flatnonzero(pivots <= _NO_PATH)):
            line = named_line(int(network.free[apart[0]]), network.shape)
            raise ConvergenceError(
                f"{line} floats, and its cells conduct to other lines that float alone, as far as digits tell: "
                "the potential of these lines is undefined"
            )

    def correction(self, missed: Blocks) -> Blocks:
        """What to take off the unknowns (m, unknown) for what they miss."""
        network = self._network
        count = len(network.free)
        own, ends = missed[:, : network.known], missed[:, network.known :]
        alone = self._correction(own)
        none = np.zeros((len(missed), sum(network.shape)))
        drawn = network.drawn_from_lines(network.linear_currents(*self._linear, none, alone))
        left = np.concatenate([ends[:, :count] / network.ohm - drawn, ends[:, count:]], axis=1)
        found = scipy.linalg.lu_solve(self._factors, (left / self._scale).T).T
        return np.concatenate([alone + found[:, :count] @ self._moved, found], axis=1)

    def _correction(self, missed: Blocks) -> Blocks:
        each = missed.reshape(len(missed), *self._network.each_driven)
        return np.asarray(self._driven.correction(each).reshape(missed.shape))


def _with_outputs(network: FloatingNetwork, shift: complex, matrix: Blocks) -> Blocks:
    """The matrix (free + amplifier,) of lines and outputs by that of the lines alone (free, free)."""
    amplifiers, count = network.amplifiers, len(matrix)
    assert amplifiers is not None
    feedback, lag = amplifiers.admittance(shift), amplifiers.lag(shift)
    total = count + len(network.sensed)
    both = np.zeros((total, total), dtype=np.result_type(matrix, type(shift)))
    both[:count, :count] = matrix
    inputs, outputs = network.sensed, np.arange(count, total)
    both[inputs, inputs] += feedback
    both[inputs, outputs] -= feedback
    both[outputs, inputs] = amplifiers.gain
    both[outputs, outputs] = lag
    return both
