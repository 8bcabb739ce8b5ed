"""A crossbar with ideal wires: every cell sees its row's driver and virtual ground, and knows of no other.

Cells of a row that start alike stay alike and are followed once.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from spicecim.devices.device import Device
from spicecim.drives import Drive
from spicecim.fields import FloatArray
from spicecim.reference.clock import check_time
from spicecim.reference.errors import Errors, relative_to_peaks
from spicecim.reference.excitation import cell_voltages
from spicecim.reference.flux import row_flux
from spicecim.reference.record import Record
from spicecim.reference.states import row_states

_X = np.linspace(0.0, 1.0, 101)
"""States at which it is looked how much the current depends on them."""
_BLOCK = 250_000
"""Cells and instants that are evaluated at once: what a processor's cache holds."""


def follow_flowing(device: Device, drive: Drive, duration: float, initial: FloatArray, record: Record) -> Errors:
    """Follow the cells of a device whose rate separates, write them to a record, and return the estimated errors.

    Parameters
    ----------
    device
        The device of every cell.
    drive
        The drive of all rows.
    duration
        End of the drive (s).
    initial
        State variables at time 0 (row, column).
    record
        Where the waveforms go.
    """
    rows, columns = initial.shape
    voltages = cell_voltages(drive, np.arange(rows), device.voltage_breaks(), duration)
    starts, which = _distinct(initial)
    shared = 2 * starts.shape[1] <= columns and not record.keeps_cells
    if not shared:
        starts = initial
    flux = row_flux(device, voltages)
    segment, theta = flux.at(record.instants)
    error = 0.0
    for some_rows, some in _blocks(starts.shape, len(record.instants)):
        check_time(some_rows.start, rows, "rows")
        states, part_error = row_states(
            device, flux.total[some_rows], segment[some_rows], theta[some_rows], starts[some_rows, some]
        )
        error = max(error, part_error)
        current = device.current(record.v_row[:, some_rows].T, states)
        if shared:
            cells = (which[some_rows] == np.arange(starts.shape[1])[some, None, None]).astype(float)
            i_row = np.einsum("krt,kr->tr", current, cells.sum(axis=2))
            record.add_currents(some_rows, i_row, np.tensordot(current, cells, axes=((0, 1), (0, 1))))
        else:
            record.write_cells(slice(None), some_rows, some, states.T, current.T)
    # the error of x at the largest voltage of each row, where the current depends on it most
    steepest = np.abs(np.diff(device.current(_peaks(record.v_row), device.state_from_x(_X)), axis=-1)).max(axis=(0, 2))
    current = np.full(columns, error * float(steepest.sum()) * (len(_X) - 1))
    return Errors(error, relative_to_peaks(current, record.i_column))


def _peaks(v_row: FloatArray) -> FloatArray:
    """Lowest and highest voltage of each row (end, row, 1)."""
    return np.stack([v_row.min(axis=0), v_row.max(axis=0)])[:, :, None]


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


def _blocks(shape: tuple[int, ...], instants: int) -> Iterator[tuple[slice, slice]]:
    """Rows and devices that fit together in the memory allowed."""
    rows, devices = shape
    some = min(devices, max(1, _BLOCK // instants))
    some_rows = min(rows, max(1, _BLOCK // (instants * some)))
    for row in range(0, rows, some_rows):
        for first in range(0, devices, some):
            yield slice(row, min(row + some_rows, rows)), slice(first, min(first + some, devices))
