"""The waveforms of a crossbar at the instants asked for, block by block as the steps pass them.

Within a step the polynomials are a guess. The equations are solved once more at every instant asked for: Kirchhoff's
laws hold there to rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from spicecim.errors import ConvergenceError
from spicecim.fields import FloatArray
from spicecim.reference.clock import check_time
from spicecim.reference.course import Course, Places
from spicecim.reference.displacement import Ends, end_currents
from spicecim.reference.following import Follower
from spicecim.reference.row_voltages import RowVoltages
from spicecim.reference.step import Correction, Linearised, correct
from spicecim.reference.wiring import Wiring

_SETTLED = 1e-12
"""Last change at the instants asked for, relative to the scales."""
_ROUNDS, _MOST_CUTS = 25, 20
"""Newton's steps, and halvings of each."""
_ROUNDING = 1e-14
"""Distance of instants, relative to the duration, below which they are one."""
_BLOCK = 100_000
"""Cells and instants that are evaluated at once, to bound the memory."""


class Block(NamedTuple):
    """Waveforms of a crossbar at some instants."""

    states: FloatArray
    """State variables (time, row, column)."""
    i_cell: FloatArray
    """Currents into the cells' rows (time, row, column), ampere."""
    v_row_node: FloatArray
    """Voltages of the row wires at the cells (time, row, column)."""
    v_column_node: FloatArray
    """Voltages of the column wires at the cells (time, row, column)."""
    i_row: FloatArray
    """Currents out of the row drivers (time, row), ampere."""
    i_column: FloatArray
    """Currents into the sense nodes (time, column), ampere."""


Sink = Callable[[slice, Block], None]
"""Takes a range of instants and the waveforms there."""


@dataclass
class Readout:
    """What was asked for of a run, and how far it has come."""

    cells: Follower
    wiring: Wiring
    rows: RowVoltages
    duration: float
    """End of the drive (s)."""
    instants: FloatArray
    """Increasing instants (s) between 0 and the duration."""
    sink: Sink
    scale: float
    """That of voltages (V)."""
    tolerance: float
    """Largest change that may be left where it cannot be less, relative to the scales."""
    largest_residual: float = field(default=0.0, init=False)
    """Largest voltage that a node at an instant asked for is off by, of what the currents leave it (V)."""
    peaks: Ends = field(init=False)
    """Largest currents at the instants handed on of drivers (row,) and sense nodes (column,), ampere."""
    passed: int = field(default=0, init=False)
    """Number of instants handed on."""

    def __post_init__(self) -> None:
        rows, columns = self.wiring.shape
        self.peaks = np.zeros(rows), np.zeros(columns)

    def rest(self, states: FloatArray, v: FloatArray, currents: FloatArray) -> None:
        """Hand on time 0, if it was asked for: states (cell,), potentials and currents (cell, 2)."""
        if self.instants[0] == 0.0:
            self._hand_on(slice(0, 1), states[None], v[None], currents[None], self.wiring.ends(currents[None]))

    def step(self, segment: int, since: float, end: float, lands: bool, course: Course, linear: Linearised) -> None:
        """Hand on the instants of a step that starts `since` the start of a segment, to which `end` (s) belongs."""
        # An instant that misses a break by rounding is meant to be the break, where the slope of a charge may jump.
        missed = min(_ROUNDING * self.duration, 1e-3 * course.length) if lands else 0.0
        until = int(np.searchsorted(self.instants, end + missed, side="right"))
        block = max(1, _BLOCK // len(course.y))
        for first in range(self.passed, until, block):
            chosen = slice(first, min(first + block, until))
            check_time(self.instants[first], self.duration)
            after = self.instants[chosen] - self.rows.breaks[segment]
            at = np.clip((after - since) / course.length, 0.0, 1.0)
            where = self.rows.places(segment, since, course.length, at)
            y, nodes = self.cells.at(course, where), where.values @ course.nodes
            found = self._settle(course, linear, where, y, nodes)
            ends = end_currents(self.wiring, found, where.drive, nodes, self.rows.slopes(segment, after), linear.shift)
            v = self.wiring.potentials(where.drive, nodes)
            self._hand_on(chosen, y[..., self.cells.cell.state_index].T, v, found.currents, ends)

    def _hand_on(
        self, chosen: slice, states: FloatArray, v: FloatArray, currents: FloatArray, ends: Ends
    ) -> None:  # fmt: skip
        each = (-1, *self.wiring.shape)
        block = Block(
            states=states.reshape(each),
            i_cell=currents[:, :, 0].reshape(each),
            v_row_node=v[:, :, 0].reshape(each),
            v_column_node=v[:, :, 1].reshape(each),
            i_row=ends[0],
            i_column=ends[1],
        )
        self.sink(chosen, block)
        i_row, i_column = self.peaks
        self.peaks = np.maximum(i_row, np.abs(ends[0]).max(axis=0)), np.maximum(i_column, np.abs(ends[1]).max(axis=0))
        self.passed = chosen.stop

    def _settle(
        self, course: Course, linear: Linearised, where: Places, y: FloatArray, nodes: FloatArray
    ) -> Correction:  # fmt: skip
        """Solve for unknowns `y` (cell, place, k) and potentials `nodes` (place, node) at places in a step."""
        guess = y.copy(), nodes.copy()
        found, left = self._rounds(course, linear, where, y, nodes)
        if not left <= self.tolerance:
            # one linearisation does not serve all
            y[:], nodes[:] = guess
            parts = []
            for number in range(len(nodes)):
                one = slice(number, number + 1)
                alone = Places(*(part[one] for part in where))
                parts.append(self._afresh(course, alone, y[:, one], nodes[one]))
            by_cell, *by_place = zip(*parts, strict=True)
            found = Correction(np.concatenate(by_cell, axis=1), *(np.concatenate(each) for each in by_place))
        self.largest_residual = max(self.largest_residual, float(np.abs(found.nodes).max(initial=0.0)))
        return found

    def _rounds(
        self, course: Course, linear: Linearised, where: Places, y: FloatArray, nodes: FloatArray
    ) -> tuple[Correction, float]:
        """Correct unknowns and potentials while that makes them better.

        Returns the last correction, which is not made, and how large it is relative to the scales.
        """
        before = np.inf
        for _ in range(_ROUNDS):
            found = correct(self.cells.cell, self.wiring, course, linear, where, y, nodes)
            largest = self._size(course, found)
            if not _SETTLED < largest <= 0.5 * before:
                break
            y -= found.y
            nodes -= found.nodes
            before = largest
        return found, largest

    def _afresh(self, course: Course, where: Places, y: FloatArray, nodes: FloatArray) -> Correction:
        """Correct unknowns and potentials at one place by Newton's method with damped steps."""
        cell, before = self.cells.cell, np.inf
        for _ in range(_ROUNDS):
            check_time(where.time[0], self.duration)
            v = self.wiring.potentials(where.drive, nodes)[0]
            linear = Linearised(cell, self.wiring, where.time[0], v, y[:, 0], course.length)
            found = correct(cell, self.wiring, course, linear, where, y, nodes)
            largest = self._size(course, found)
            if largest <= self.tolerance and not _SETTLED < largest <= 0.5 * before:
                return found
            before, missed = largest, np.abs(found.missed).max(initial=0.0)
            for share in 0.5 ** np.arange(_MOST_CUTS):
                tried = y - share * found.y, nodes - share * found.nodes
                left = correct(cell, self.wiring, course, linear, where, *tried).missed
                if np.abs(left).max(initial=0.0) <= max((1.0 - 0.1 * share) * missed, _SETTLED * self.scale):
                    break
            y[:], nodes[:] = tried
        raise ConvergenceError(
            f"the reference engine found no solution of the crossbar at {where.time[0]:g} s of {self.duration:g} s"
        )

    def _size(self, course: Course, found: Correction) -> float:
        """Largest change relative to the scales."""
        scales = np.maximum(self.cells.cell.scale, np.abs(course.y[:, 0]))[:, None]
        return float(np.max([(np.abs(found.y) / scales).max(), np.abs(found.nodes).max(initial=0.0) / self.scale]))
