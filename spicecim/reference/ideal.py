"""A crossbar with ideal wires, of cells that are integrated: each sees its row's driver, and knows of no other.

Cells of a row that start alike stay alike and are followed once (see `independent`; for cells whose rate separates,
`separable`). Where a row has many different initial states, they are followed from Chebyshev nodes alone, ever more of
them, until what lies between is known: its currents and states are then polynomials in the initial state
(L. N. Trefethen, Approximation Theory and Approximation Practice, extended ed., SIAM (2019),
doi:10.1137/1.9781611975949, chapters 5 and 8), and the column currents a product of matrices. Where the cells do not
depend on the initial state so smoothly, each is followed by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BarycentricInterpolator

from spicecim.accuracy import current_errors
from spicecim.devices.cell import Cell
from spicecim.drives import Drive
from spicecim.fields import FloatArray
from spicecim.reference.drive import cell_voltages
from spicecim.reference.error_estimates import COARSE, Errors
from spicecim.reference.independent import TOLERANCE, integrate
from spicecim.reference.record import Record, SomeColumns
from spicecim.reference.step_control import Statistics

_INTERPOLATED = 10.0
"""Allowed error of x, and of the current relative to the row's peak, of the next to last number of nodes, relative to
the tolerance of the steps."""
_FEWEST_NODES = 9
_FALLING = 0.1
"""Ratio of the errors of successive numbers of nodes above which cells do not depend smoothly on the initial state."""
_BLOCK = 4_000_000
"""Cells and instants that are followed at once, to bound the memory."""


class CellWaveforms(NamedTuple):
    """Waveforms of cells (time, cell)."""

    states: FloatArray
    """State variables."""
    current: FloatArray
    """Currents from row to column (A)."""
    coarse_states: FloatArray
    """State variables of a run at `COARSE` times the tolerance."""
    current_error: FloatArray
    """How far the current of that run is off (A)."""
    statistics: Statistics
    """Steps of the finer run."""
    further: FloatArray | None = None
    """Further states (time, cell, m), of cells with any."""

    def each(self, function: Callable[..., FloatArray], *arguments: Any) -> CellWaveforms:
        """Return what a function makes of all waveforms."""
        states, current, coarse_states, current_error = (function(part, *arguments) for part in self[:4])
        return CellWaveforms(states, current, coarse_states, current_error, self.statistics)


def cell_waveforms(
    cell: Cell, drive: Drive, duration: float, rows: NDArray[np.int_], initial: FloatArray, instants: FloatArray,
    tolerance: float = TOLERANCE, name: Callable[[int], str] = "cell {}".format, further: FloatArray | None = None,
) -> CellWaveforms:  # fmt: skip
    """Follow cells, twice at once.

    Parameters
    ----------
    cell
        The equations of the cells.
    drive
        The drive of all rows.
    duration
        End of the drive (s).
    rows
        Row of each cell (cell,).
    initial
        State variables at time 0 (cell,).
    instants
        Increasing instants (s) between 0 and the duration.
    tolerance
        Allowed error of a step (see `integrate`) of the finer run.
    name
        What a cell is called in an error, by its index.
    further
        What each cell starts with beside its state (cell, m), if there is anything.

    Raises
    ------
    ConvergenceError
        If a cell has no solution.
    """
    count = len(rows)
    both = cell.of_cells(np.tile(np.arange(count), 2))
    twice = cell_voltages(drive, np.tile(rows, 2), both.voltage_breaks(), duration, peaks=True)
    start = cell.start(twice.start()[:count], initial, further)
    run = integrate(
        both, twice, np.tile(start, (2, 1)), instants, tolerance=np.repeat([tolerance, COARSE * tolerance], count),
        name=lambda index: name(index % count),
    )  # fmt: skip
    states, fine, coarse = run.unknowns[..., cell.state_index], slice(count), slice(count, None)
    statistics = Statistics(int(run.steps[fine].sum()), int(run.rejected_steps[fine].sum()))
    difference = run.current[:, fine] - run.current[:, coarse]
    also = None if further is None else run.unknowns[:, fine][..., list(cell.further)]
    return CellWaveforms(states[:, fine], run.current[:, fine], states[:, coarse], difference, statistics, also)


def follow_integrated(record: Record | SomeColumns, tolerance: float) -> tuple[Errors, Statistics]:
    """Integrate cells, write them to a record, and return the estimated errors and what it took.

    Parameters
    ----------
    record
        What is asked for.
    tolerance
        Allowed error of a step relative to the scale of each unknown, or to the unknown where that is larger.

    Raises
    ------
    ConvergenceError
        If a cell has no solution.
    """
    rows, columns = record.initial.shape
    run = _Run(record, tolerance)
    some = min(columns, max(1, _BLOCK // len(record.instants)))
    some_rows = max(1, _BLOCK // (len(record.instants) * some))
    for row in range(0, rows, some_rows):
        for first in range(0, columns, some):
            run.follow(np.arange(row, min(row + some_rows, rows)), slice(first, min(first + some, columns)))
    coarse = record.i_column - run.current_error
    current = current_errors(record.instants, record.i_column, coarse, record.drive.cycle())
    # runs that take the same steps do not differ
    return Errors(max(run.error, tolerance), max(float(current.max()), tolerance)), run.statistics


class _Run:
    """What all parts of a run share, and the largest error and the statistics so far."""

    def __init__(self, record: Record | SomeColumns, tolerance: float) -> None:
        self.record, self.device, self.initial, self.tolerance = record, record.device, record.initial, tolerance
        self.cell: Cell = record.device.cell()
        self.error, self.statistics = 0.0, Statistics()
        self.current_error = np.zeros_like(record.i_column)

    def follow(self, rows: NDArray[np.int_], columns: slice) -> None:
        """Follow the cells of some rows and columns."""
        if self.record.device.varies:
            self._follow_all(rows, columns)
            return
        if self.record.further is not None:
            self._follow_each(rows, columns, self.record.further[rows, columns])
            return
        starts = [np.unique(self.initial[row, columns]) for row in rows]
        smooth = self._interpolate(rows, starts, columns)
        left = [number for number in range(len(rows)) if number not in smooth]
        if not left:
            return
        lengths = [len(starts[number]) for number in left]
        cells = self._cells(np.repeat(rows[left], lengths), np.concatenate([starts[number] for number in left]))
        parts = zip(*(np.split(part, np.cumsum(lengths)[:-1], axis=1) for part in cells[:4]), strict=True)
        for number, part in zip(left, parts, strict=True):
            which = np.searchsorted(starts[number], self.initial[rows[number], columns])
            self._write(int(rows[number]), columns, part[0][:, which], part[1][:, which])
            self.current_error[:, columns] += part[3][:, which]
        self._keep_error(cells)

    def _follow_all(self, rows: NDArray[np.int_], columns: slice) -> None:
        """Follow cells of which each has parameters of its own."""
        numbers = np.arange(self.initial.size).reshape(self.initial.shape)[rows, columns]
        each = np.repeat(rows, numbers.shape[1])
        further = None if self.record.further is None else self.record.further[rows, columns].reshape(len(each), -1)
        cells = self._cells(each, self.initial[rows, columns].ravel(), further, numbers.ravel())
        states, current, off = (part.reshape(-1, *numbers.shape) for part in (cells.states, cells.current, cells[3]))
        also = None if cells.further is None else cells.further.reshape(*states.shape, -1)
        self.record.add_cells(slice(int(rows[0]), int(rows[-1]) + 1), columns, states, current, also)
        self.current_error[:, columns] += off.sum(axis=1)
        self._keep_error(cells, numbers.ravel())

    def _follow_each(self, rows: NDArray[np.int_], columns: slice, further: FloatArray) -> None:
        """Follow cells that start with more than a state, those that start alike in a row once."""
        initial = self.initial[rows, columns]
        count = initial.shape[1]
        keys = np.concatenate([np.repeat(rows, count)[:, None], initial.reshape(-1, 1)], axis=1)
        keys = np.concatenate([keys, further.reshape(len(keys), -1)], axis=1)
        # what is not a number is not equal to itself
        _, first, which = np.unique(np.nan_to_num(keys), axis=0, return_index=True, return_inverse=True)
        starts = keys[first]
        cells = self._cells(starts[:, 0].astype(int), starts[:, 1], starts[:, 2:])
        assert cells.further is not None
        parts = (part[:, which.ravel()] for part in (cells.states, cells.current, cells.current_error, cells.further))
        states, current, off, also = (part.reshape(len(part), *initial.shape, *part.shape[2:]) for part in parts)
        some = slice(int(rows[0]), int(rows[-1]) + 1)
        self.record.add_cells(some, columns, states, current, also)
        self.current_error[:, columns] += off.sum(axis=1)
        self._keep_error(cells)

    def _interpolate(self, rows: NDArray[np.int_], starts: list[FloatArray], columns: slice) -> set[int]:
        """Follow rows of many different initial states from Chebyshev nodes; return the numbers of those done."""
        count = _FEWEST_NODES
        tried = [number for number, values in enumerate(starts) if len(values) >= 4 * count]
        done: set[int] = set()
        ends = np.array([(values[0], values[-1]) for values in starts])
        known: CellWaveforms | None = None
        before = np.full(len(tried), np.inf)
        while tried:
            fresh = _chebyshev(count) if known is None else _chebyshev(count)[1::2]
            middle, half = ends[tried].mean(axis=1), 0.5 * np.diff(ends[tried], axis=1)[:, 0]
            nodes = middle[:, None] + half[:, None] * fresh
            cells = self._cells(np.repeat(rows[tried], len(fresh)), nodes.ravel())
            found = cells.each(np.reshape, (-1, len(tried), len(fresh)))
            if known is None:
                known, count = found, 2 * count - 1
                continue
            between = _weights(_chebyshev((count + 1) // 2), fresh)
            error = self._difference(found, known.each(np.matmul, between.T))
            states, current, coarse_states, current_error = map(_interleaved, known[:4], found[:4])
            known = CellWaveforms(states, current, coarse_states, current_error, found.statistics)
            smooth = error <= _INTERPOLATED * self.tolerance
            for place in np.flatnonzero(smooth):
                number = tried[place]
                at = (self.initial[rows[number], columns] - middle[place]) / half[place]
                weights = _weights(_chebyshev(count), at)
                row = known.each(np.take, place, 1)
                self._write(int(rows[number]), columns, row.states @ weights.T, row.current @ weights.T)
                self.current_error[:, columns] += row.current_error @ weights.T
                self._keep_error(row)
                self.error = max(self.error, float(error[place]))
                done.add(number)
            worth = np.array([len(starts[number]) >= 2 * (2 * count - 1) for number in tried])
            going = ~smooth & worth & (error <= _FALLING * before)
            tried = [number for number, goes in zip(tried, going, strict=True) if goes]
            known = known.each(np.take, np.flatnonzero(going), 1)
            count, before = 2 * count - 1, error[going]
        return done

    def _difference(self, one: CellWaveforms, other: CellWaveforms) -> FloatArray:
        """Largest difference (row,) of x, and of the current relative to the peak."""
        x, other_x = (self.device.x_from_state(cells.states) for cells in (one, other))
        peak = np.maximum(np.abs(one.current).max(axis=(0, 2)), np.finfo(float).tiny)
        current = np.abs(one.current - other.current).max(axis=(0, 2)) / peak
        return np.asarray(np.maximum(np.abs(x - other_x).max(axis=(0, 2)), current))

    def _cells(
        self, rows: NDArray[np.int_], starts: FloatArray, further: FloatArray | None = None,
        numbers: NDArray[np.int_] | None = None,
    ) -> CellWaveforms:  # fmt: skip
        """Integrate cells on rows (cell,) from initial states (cell,), and what else they start with (cell, m).

        Where each has parameters of its own, they are those of these `numbers` (cell,).
        """

        def name(index: int) -> str:
            if numbers is not None:
                return f"the cell of row {rows[index]}, column {numbers[index] % self.initial.shape[1]}"
            columns = np.flatnonzero(self.initial[rows[index]] == starts[index])
            place = f", column {columns[0]}" if len(columns) else f" with the initial state variable {starts[index]:g}"
            return f"the cell of row {rows[index]}{place}"

        record, device, cell = self.record, self.device, self.cell
        if numbers is not None:
            device, cell = device.of_cells(numbers), cell.of_cells(numbers)
        duration = record.testbench.duration
        cells = cell_waveforms(
            cell, record.drive, duration, rows, starts, record.instants, self.tolerance, name, further
        )
        self.statistics += cells.statistics
        if device.explicit:
            # It follows from the state alone. Charges of a module add to its current.
            return cells._replace(current=device.current(self.record.v_row[:, rows], cells.states))
        return cells

    def _keep_error(self, cells: CellWaveforms, numbers: NDArray[np.int_] | None = None) -> None:
        device = self.device if numbers is None else self.device.of_cells(numbers)
        x, coarse = (device.x_from_state(states) for states in (cells.states, cells.coarse_states))
        self.error = max(self.error, float(np.abs(x - coarse).max()))

    def _write(self, row: int, columns: slice, states: FloatArray, current: FloatArray) -> None:
        self.record.add_cells(slice(row, row + 1), columns, states[:, None], current[:, None])


def _chebyshev(count: int) -> FloatArray:
    """Chebyshev nodes (count,) from -1 to 1, both among them; every second one of an odd count is a set of these."""
    return np.asarray(-np.cos(np.pi * np.arange(count) / (count - 1)))


def _weights(nodes: FloatArray, places: FloatArray) -> FloatArray:
    """Matrix (place, node) from values at nodes to those of the polynomial through them."""
    return np.asarray(BarycentricInterpolator(nodes, np.eye(len(nodes)))(places))


def _interleaved(old: FloatArray, new: FloatArray) -> FloatArray:
    """Values (time, row, node) at nodes that stand in turn, one of the old ones first and last."""
    both = np.empty((*old.shape[:2], old.shape[2] + new.shape[2]))
    both[..., ::2], both[..., 1::2] = old, new
    return both
