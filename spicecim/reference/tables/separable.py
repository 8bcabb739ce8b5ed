"""Crossbars with ideal wires, of cells whose rate separates: by tables of their flow (see `flow_map`), without steps.

Cells of a row that start alike stay alike and are followed once. Rows of several crossbars whose devices move alike,
whatever else they differ in, are followed in one pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spicecim.fields import FloatArray
from spicecim.reference.drive import cell_voltages
from spicecim.reference.error_estimates import Errors, relative_to_peaks
from spicecim.reference.guards import check_time
from spicecim.reference.record import Record, SomeColumns
from spicecim.reference.tables.flow_map import flows
from spicecim.reference.tables.theta import row_states, row_theta

_X = np.linspace(0.0, 1.0, 101)
"""States at which it is looked how much the current depends on them."""
_CACHED = 250_000
"""Cells and instants whose currents are evaluated at once: what a processor's cache holds."""
_TOGETHER = 1_000_000
"""Cells and instants that are followed at once, to bound the memory."""


def follow_separable(records: Sequence[Record | SomeColumns]) -> list[Errors]:
    """Follow cells whose rate separates, write them to the records, and return the estimated errors of each.

    What is written to a record does not depend on the others.
    """
    crossbars = [(_VariedCrossbar if record.device.varies else _Crossbar)(record) for record in records]
    done, rows = 0, sum(len(crossbar.starts) for crossbar in crossbars)
    for parts in _packed(crossbars):
        check_time(done, rows, "rows")
        totals, segment, theta, starts = zip(*(part.crossbar.given(part) for part in parts), strict=True)
        device = parts[0].crossbar.record.device.mover()
        found = row_states(device, _padded(totals), *map(np.concatenate, (segment, theta, starts)))
        ends = np.cumsum([len(each) for each in starts])[:-1]
        each_states, each_error = (np.split(values, ends, axis=-2 + (values.ndim == 1)) for values in found)
        for part, states, error in zip(parts, each_states, each_error, strict=True):
            part.crossbar.take(part, states, error)
            done += len(error) if part.devices.start == 0 else 0
    return [crossbar.errors() for crossbar in crossbars]


class _Crossbar:
    """What is known of a crossbar, and the largest error so far.

    Attributes
    ----------
    record
        What is asked for.
    starts
        State variables at time 0 of the devices that are followed (row, device).
    flows
        The tables of its device, the same as those of others that move alike.
    """

    def __init__(self, record: Record | SomeColumns) -> None:
        device, bench = record.device, record.testbench
        rows, columns = record.initial.shape
        self.record, self.flows = record, flows(device)
        starts, self._which = _distinct(record.initial)
        self._shared = 2 * starts.shape[1] <= columns and not record.keeps_cells
        self.starts = starts if self._shared else record.initial
        voltages = cell_voltages(record.drive, np.arange(rows), device.voltage_breaks(), bench.duration)
        thetas = row_theta(device, voltages)
        self._total, (self._segment, self._theta) = thetas.total, thetas.at(record.instants)
        self._error = 0.0

    def parts(self) -> Iterator[_Part]:
        """Rows and devices that fit together in the memory allowed."""
        (rows, devices), instants = self.starts.shape, len(self.record.instants)
        some = min(devices, max(1, _CACHED // instants))
        some_rows = min(rows, max(1, _CACHED // (instants * some)))
        for row in range(0, rows, some_rows):
            for first in range(0, devices, some):
                chosen = slice(row, min(row + some_rows, rows)), slice(first, min(first + some, devices))
                yield _Part(self, *chosen)

    def given(self, part: _Part) -> tuple[FloatArray, NDArray[np.int_], FloatArray, FloatArray]:
        """Integrals over segments, segments and integrals at instants, and states at time 0: see `row_states`."""
        rows = part.rows
        return self._total[rows], self._segment[rows], self._theta[rows], self.starts[rows, part.devices]

    def take(self, part: _Part, states: FloatArray, error: FloatArray) -> None:
        """Write states (device, row, time) of a part, and their currents; errors of x are (row,)."""
        record, rows, devices = self.record, part.rows, part.devices
        self._error = max(self._error, float(error.max()))
        current = record.device.current(record.v_row[:, rows].T, states)
        if not self._shared:
            record.add_cells(rows, devices, states.T, current.T)
            return
        numbers = np.arange(self.starts.shape[1])[devices, None, None]
        cells = (self._which[rows] == numbers).astype(float)
        i_row = np.einsum("krt,kr->tr", current, cells.sum(axis=2))
        record.add_currents(rows, i_row, np.tensordot(current, cells, axes=((0, 1), (0, 1))))

    def errors(self) -> Errors:
        """Estimated errors: of x, and of the currents at the largest voltage of each row, where they depend on it."""
        device, v_row = self.record.device, self.record.v_row
        peaks = np.stack([v_row.min(axis=0), v_row.max(axis=0)])[:, :, None]
        steepest = np.abs(np.diff(device.current(peaks, device.state_from_x(_X)), axis=-1)).max(axis=(0, 2))
        current = np.full(self.record.initial.shape[1], self._error * float(steepest.sum()) * (len(_X) - 1))
        return Errors(self._error, relative_to_peaks(current, self.record.i_column))


class _VariedCrossbar(_Crossbar):
    """A crossbar of cells that have parameters of their own: each cell has the place of a row, with one device."""

    def __init__(self, record: Record | SomeColumns) -> None:
        device, bench = record.device, record.testbench
        rows, self._columns = record.initial.shape
        self.record, self.flows = record, flows(device.mover())
        self.starts = record.initial.reshape(-1, 1)
        self._row = np.repeat(np.arange(rows), self._columns)
        cells = device.of_cells(np.arange(len(self._row)))
        thetas = row_theta(cells, cell_voltages(record.drive, self._row, cells.voltage_breaks(), bench.duration))
        self._total, (self._segment, self._theta) = thetas.total, thetas.at(record.instants)
        self._error = 0.0

    def take(self, part: _Part, states: FloatArray, error: FloatArray) -> None:
        """Write states (1, cell, time) of a part, and their currents; errors of x are (cell,)."""
        self._error = max(self._error, float(error.max()))
        numbers = np.arange(len(self._row))[part.rows]
        row = self._row[numbers]
        device = self.record.device.of_cells(numbers[:, None])
        current = device.current(self.record.v_row[:, row].T, states[0])
        self.record.add_lines(row, numbers % self._columns, states[0], current)

    def errors(self) -> Errors:
        """Estimated errors (see `_Crossbar.errors`)."""
        device, v_row = self.record.device.of_cells(np.arange(len(self._row))[:, None]), self.record.v_row
        peaks = np.stack([v_row.min(axis=0), v_row.max(axis=0)])[:, self._row, None]
        change = np.abs(np.diff(device.current(peaks, device.state_from_x(_X)), axis=-1)).max(axis=(0, 2))
        steepest = change.reshape(-1, self._columns).sum(axis=0)
        return Errors(self._error, relative_to_peaks(self._error * steepest * (len(_X) - 1), self.record.i_column))


class _Part(NamedTuple):
    """Some rows and devices of a crossbar."""

    crossbar: _Crossbar
    rows: slice
    devices: slice

    @property
    def size(self) -> int:
        """Devices and instants."""
        return int(self.crossbar.starts[self.rows, self.devices].size) * len(self.crossbar.record.instants)


def _packed(crossbars: Sequence[_Crossbar]) -> Iterator[list[_Part]]:
    """Parts that are followed together: of devices that move alike, as many to a row and at as many instants."""
    packs: dict[tuple[object, int, int], list[_Part]] = {}
    for crossbar in crossbars:
        for part in crossbar.parts():
            devices = crossbar.starts[part.rows, part.devices].shape[1]
            key = crossbar.flows, devices, len(crossbar.record.instants)
            if key in packs and part.size + sum(each.size for each in packs[key]) > _TOGETHER:
                yield packs.pop(key)
            packs.setdefault(key, []).append(part)
    yield from packs.values()


def _padded(totals: Sequence[FloatArray]) -> FloatArray:
    """Integrals (row, segment) of all, with segments of no length where some have fewer."""
    segments = max(total.shape[1] for total in totals)
    return np.concatenate([np.pad(total, ((0, 0), (0, segments - total.shape[1]))) for total in totals])


def _distinct(initial: FloatArray) -> tuple[FloatArray, NDArray[np.int_]]:
    """Return the distinct states of each row (row, k), the last repeated where a row has fewer, and each cell's k."""
    order = np.argsort(initial, axis=1)
    ordered = np.take_along_axis(initial, order, axis=1)
    number = np.cumsum(np.diff(ordered, axis=1, prepend=ordered[:, :1]) > 0.0, axis=1)
    which = np.empty_like(order)
    np.put_along_axis(which, order, number, axis=1)
    starts = np.repeat(ordered[:, -1:], number[:, -1].max() + 1, axis=1)
    np.put_along_axis(starts, which, initial, axis=1)
    return starts, which
