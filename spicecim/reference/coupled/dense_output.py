"""Dense output: the waveforms of a crossbar at the instants asked for.

Within a step the polynomials are a guess. The equations are solved once more at every instant asked for: Kirchhoff's
laws hold there to rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from spicecim.errors import ConvergenceError
from spicecim.fields import FloatArray
from spicecim.reference.collocation import Places
from spicecim.reference.coupled.co_content import solve_increasing
from spicecim.reference.coupled.course import Course, State
from spicecim.reference.coupled.explicit_cells import ExplicitCells
from spicecim.reference.coupled.step import Correction, Linearized, System, correct, missed_potentials
from spicecim.reference.drive import ROUNDING, LineVoltages
from spicecim.reference.guards import check_time
from spicecim.reference.newton import SETTLED, Unknowns, solve_damped
from spicecim.reference.record import Block
from spicecim.reference.wires.capacitance import CapacitiveNetwork, Ends

_ROUNDS = 25
_SLOW = 0.3
"""Ratio of successive changes from which on the crossbar is linearized anew."""
_STUCK = 0.5
_LEAST_RATE = 1e-3
"""The same below which a ratio tells nothing of the next."""
_BLOCK = 1 << 20
"""Most cells times instants that are evaluated at once, to bound the memory."""
_TOGETHER = 16
"""Instants that are solved at once where nothing stores charge, if there is no reason not to."""
_MOST_MISSED = 1e-3
"""Voltage that a cell may be off by, relative to the drive's largest, before it counts as no solution: where the
network multiplies a change of its voltage a billion times, more than rounding is left."""


class _Waiting(NamedTuple):
    """What is known of instants that wait to be solved together."""

    where: Places
    y: FloatArray
    p: FloatArray


@dataclass
class DenseOutput:
    """What was asked for of a run, and how far it has come."""

    system: System
    rows: LineVoltages
    duration: float
    """End of the drive (s)."""
    instants: FloatArray
    """Increasing instants (s) between 0 and the duration."""
    sink: Callable[[slice, Block], None]
    """Takes a range of instants and the waveforms there."""
    scale: float
    """That of voltages (V)."""
    tolerance: float
    """Allowed error of x in a step."""
    largest_residual: float = field(default=0.0, init=False)
    """Largest voltage that the network at an instant asked for is off by, of what the currents leave it (V)."""
    peaks: Ends = field(init=False)
    """Largest currents at the instants handed on of drivers (..., row) and sense nodes (..., column), ampere."""
    passed: int = field(default=0, init=False)
    """Number of instants that steps have passed."""

    def __post_init__(self) -> None:
        self.peaks = np.zeros(()), np.zeros(())
        self._block = max(1, _BLOCK // int(np.prod(self.system.network.cells)))
        self._enough = 0.1 * self.tolerance
        self._waiting: list[_Waiting] = []
        self._written = 0
        self._last: tuple[Course, Linearized]

    def start(self, state: State, currents: FloatArray) -> None:
        """Hand on time 0, if it was asked for: with currents (cell, ...) at rest."""
        if self.instants[0] == 0.0:
            self.passed = 1
            ends = self.system.network.ends(currents[None])
            lines = self.system.network.line_voltages(self.rows.start()[None], state.p[None])
            self._hand_on(state.y[None], state.v[None], currents[None], ends, lines, state.p[None])

    def wanted(self, segment: int, since: float, end: float, lands: bool, length: float) -> FloatArray:
        """Places of the first instants asked for, as many as one block holds, in a step that ends at `end` (s)."""
        # An instant that misses a break by rounding is meant to be the break, where the slope of a charge may jump.
        missed = min(ROUNDING * self.duration, 1e-3 * length) if lands else 0.0
        until = int(np.searchsorted(self.instants, end + missed, side="right"))
        after = self.instants[self.passed : until] - self.rows.breaks[segment]
        return np.asarray(np.clip((after - since) / length, 0.0, 1.0))

    def step(self, segment: int, since: float, wanted: FloatArray, course: Course, linear: Linearized) -> None:
        """Take the places that are wanted of a step that starts `since` the start of a segment."""
        system, self._last = self.system, (course, linear)
        for first in range(0, len(wanted), self._block):
            at = wanted[first : first + self._block]
            check_time(self.instants[self.passed], self.duration)
            where = self.rows.places(system.rule, segment, since, course.length, at)
            y = system.cells.at(course, where)
            p = where.values @ course.p
            if course.finer_v is not None and not system.network.stores:
                p[:, : course.finer_v.shape[1]] = system.rule.finer.values(at) @ course.finer_v
            self.passed += len(at)
            if system.network.stores:
                slopes = self.rows.slopes(segment, since + course.length * at)
                self._solve(where, y, p, course, linear, slopes)
                continue
            waiting = sum(len(part.p) for part in self._waiting) + len(at)
            if waiting > self._block:
                self.end_segment()
            self._waiting.append(_Waiting(where, y, p))
            if waiting >= min(_TOGETHER, self._block):
                self.end_segment()

    def end_segment(self) -> None:
        """Solve what waits, by the last linearization."""
        if self._waiting:
            wheres, y, p = zip(*self._waiting, strict=True)
            where = Places(*(np.concatenate(parts) for parts in zip(*wheres, strict=True)))
            self._waiting = []
            self._solve(where, np.concatenate(y), np.concatenate(p), *self._last, None)

    def finish(self) -> None:
        """Check that all has been handed on."""
        assert self._written == len(self.instants)

    def _solve(
        self, where: Places, y: FloatArray, p: FloatArray, course: Course, linear: Linearized, slopes: Any
    ) -> None:
        """Solve the equations at places, and hand on what is found; `slopes` (place, row) are those of the drivers."""
        network = self.system.network
        found = self._settle(course, linear, where, y, p)
        if self.system.resistive_floating:
            v = network.terminals(where.drive, p)
            if missed_potentials(self.system, v, y) > self._enough * self.scale:
                found = self._settle_floating(course, linear, where, y, p)
        residual = float(np.abs(found.missed).max(initial=0.0))
        if not residual <= _MOST_MISSED * self.scale:
            raise ConvergenceError(
                f"the reference engine found no solution of the crossbar at {where.time[0]:g} s to "
                f"{where.time[-1]:g} s: voltages are {residual:g} V off"
            )
        self.largest_residual = max(self.largest_residual, residual)
        if isinstance(network, CapacitiveNetwork):
            ends = network.end_currents(found.currents, where.drive, p, (slopes, found.slopes), linear.shift)
        else:
            ends = network.ends(found.currents)
        lines = network.line_voltages(where.drive, p)
        self._hand_on(y, network.terminals(where.drive, p), found.currents, ends, lines, p)

    def _hand_on(
        self, y: FloatArray, v: FloatArray, currents: FloatArray, ends: Ends, lines: FloatArray, p: FloatArray
    ) -> None:
        each, stores = (-1, *self.system.network.cells), self.system.network.stores
        block = Block(
            states=self.system.cells.state(y).reshape(each),
            i_cell=(currents[:, :, 0] if stores else currents).reshape(each),
            i_row=ends[0],
            i_column=ends[1],
            lines=lines,
            outputs=self.system.network.outputs(p),
            potentials=(v[:, :, 0].reshape(each), v[:, :, 1].reshape(each)) if stores else None,
            further=_by_cell(self.system.cells.further(y), each),
        )
        self.sink(slice(self._written, self._written + len(y)), block)
        self._written += len(y)
        i_row, i_column = self.peaks
        self.peaks = np.maximum(i_row, np.abs(ends[0]).max(axis=0)), np.maximum(i_column, np.abs(ends[1]).max(axis=0))

    def _settle(
        self, course: Course, linear: Linearized, where: Places, y: FloatArray, p: FloatArray
    ) -> Correction:  # fmt: skip
        """Solve for unknowns of the cells `y` (place, cell, k) and of the network `p` (place, unknown) at places.

        Both are corrected in place. Returns the last correction, which is not made.
        """
        guess = y.copy(), p.copy()
        before, fresh, middle = np.full(len(p), np.inf), False, len(p) // 2
        for _ in range(_ROUNDS):
            found = correct(self.system, course, linear, where, y, p)
            sizes = self._sizes(course, found)
            size, last = sizes.max(), before.max()
            if size <= SETTLED or (fresh and not size <= _STUCK * last):
                break
            if not fresh and not size <= _SLOW * last:
                # the instants asked for do not change the steps: those keep their linearization
                v = self.system.network.terminals(where.drive, p)[middle]
                linear, fresh = Linearized(self.system, where.time[middle], v, y[middle], course.length), True
                found = correct(self.system, course, linear, where, y, p)
                sizes = self._sizes(course, found)
            y -= found.y
            p -= found.p
            # the slowest of them is hidden by others as long as these are further off
            left = sizes * np.maximum(sizes / np.maximum(before, SETTLED), _LEAST_RATE)
            if np.isfinite(last) and left.max() <= SETTLED:
                return correct(self.system, course, linear, where, y, p, settled=True)
            before = sizes
        if size <= SETTLED:
            return found
        y[:], p[:] = guess
        if self.system.resistive_floating:
            with suppress(ConvergenceError):
                return self._settle_floating(course, linear, where, y, p)
        if len(p) == 1:
            return self._afresh(course, where, y, p)
        # one linearization does not serve all: beside a hard stop a cell conducts otherwise at each of them
        halves = [
            self._settle(course, linear, Places(*(part[half] for part in where)), y[half], p[half])
            for half in (slice(middle), slice(middle, None))
        ]
        joined: list[Any] = [None if each[0] is None else np.concatenate(each) for each in zip(*halves, strict=True)]
        return Correction(*joined)

    def _settle_floating(
        self, course: Course, linear: Linearized, where: Places, y: FloatArray, p: FloatArray
    ) -> Correction:  # fmt: skip
        """Solve, as `_settle`, for potentials at which cells may just open: each place by linearizations of its own."""
        cells, network = self.system.cells, self.system.network
        assert isinstance(cells, ExplicitCells)
        v = network.terminals(where.drive, p)
        p[:], _ = solve_increasing(cells, network, where.drive, cells.state(y), v, self.scale)
        return correct(self.system, course, linear, where, y, p, settled=True)

    def _afresh(self, course: Course, where: Places, y: FloatArray, p: FloatArray) -> Correction:
        """Solve at one place, as `_settle`, by Newton's method with damped steps."""

        def linearized(unknowns: Unknowns) -> Linearized:
            check_time(where.time[0], self.duration)
            y, p = unknowns
            v = self.system.network.terminals(where.drive, p)[0]
            return Linearized(self.system, where.time[0], v, y[0], course.length)

        linear = linearized((y, p))

        def missed(unknowns: Unknowns) -> FloatArray:
            return correct(self.system, course, linear, where, *unknowns).missed

        def correction(unknowns: Unknowns) -> tuple[Unknowns, float]:
            nonlocal linear
            linear = linearized(unknowns)
            found = correct(self.system, course, linear, where, *unknowns)
            return (found.y, found.p), float(self._sizes(course, found)[0])

        try:
            y[:], p[:] = solve_damped((y, p), missed, correction, self.scale, enough=self._enough)
        except ConvergenceError as error:
            raise ConvergenceError(f"{error} at {where.time[0]:g} s") from None
        return correct(self.system, course, linear, where, y, p)

    def _sizes(self, course: Course, found: Correction) -> FloatArray:
        """Largest change at each place (place,), relative to the scales."""
        largest = np.abs(found.p).max(axis=1, initial=0.0) / self.scale
        if self.system.cells.explicit:
            return np.asarray(largest)
        of_cells = np.abs(found.y) / self.system.cells.scales(course.y[0])
        return np.asarray(np.maximum(largest, of_cells.max(axis=(1, 2))))


def _by_cell(values: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Values (time, cell, m) by the row and the column of the cells; `shape` is (time, row, column)."""
    return values.reshape(len(values), *shape[1:], values.shape[-1])
