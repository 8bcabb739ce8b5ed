"""States of the cells of rows over time, by tabulated flow along each row's flux."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spicecim.devices import SeparableDevice
from spicecim.fields import FloatArray
from spicecim.reference.excitation import CellVoltages
from spicecim.reference.flow import DENSITY, Flows, flows
from spicecim.reference.flux import row_flux


def row_states(
    device: SeparableDevice, voltages: CellVoltages, initial: FloatArray, time: FloatArray
) -> tuple[FloatArray, float]:
    """Follow the states of devices on rows.

    Parameters
    ----------
    device
        The device.
    voltages
        The voltages of the rows, each of them a cell, with breaks where the voltage factor is not smooth.
    initial
        State variables at time 0 (row, device).
    time
        Increasing instants (s) between 0 and the duration.

    Returns
    -------
    states : numpy.ndarray
        State variables at the instants (device, row, time).
    error : float
        Estimated error of x: the largest difference at any break that tables half as dense make, or the tables' own
        error where that is larger. The error of the tables half as dense is 64 times that of the tables used.
    """
    flux = row_flux(device, voltages)
    fine, coarse = flows(device), flows(device, DENSITY // 2)
    segment, theta = flux.at(time)
    order, ends = _by_segment(segment, flux.total.shape[1])
    # With time last, neighbours lie side by side in the tables too, which makes these twice as fast.
    states = np.empty((initial.shape[1], len(initial) * len(time)))
    start, coarse_start, error = initial.T, initial.T, fine.error
    for number, total in enumerate(flux.total.T):
        chosen = order[ends[number] : ends[number + 1]]
        states[:, chosen], start = _moved(fine, start, total, chosen // len(time), theta.ravel()[chosen])
        _, coarse_start = _moved(coarse, coarse_start, total)
        error = max(error, float(np.abs(device.x_from_state(start) - device.x_from_state(coarse_start)).max()))
    return states.reshape(-1, len(initial), len(time)), error


def _by_segment(segment: NDArray[np.int_], segments: int) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """Indices into instants (row, time) in the order of their segments, and where each segment starts among them."""
    order = np.argsort(segment.ravel(), kind="stable")
    return order, np.concatenate([[0], np.cumsum(np.bincount(segment.ravel(), minlength=segments))])


_NOWHERE, _NO_WAY = np.empty(0, dtype=int), np.empty(0)


def _moved(
    motions: Flows,
    start: FloatArray,
    total: FloatArray,
    row: NDArray[np.int_] = _NOWHERE,
    theta: FloatArray = _NO_WAY,
) -> tuple[FloatArray, FloatArray]:
    """States (device, instant) in a segment, and those (device, row) at its end.

    `start` (device, row) are the states at its start, over which the voltage factor, of one sign, has the integral
    `total` (row,); it is `theta` (instant,) up to instants on rows (instant,).
    """
    states, end = start.take(row, axis=1), start.copy()
    for sign, flow in ((1.0, motions.rising), (-1.0, motions.falling)):
        moving = sign * total > 0.0
        if not moving.any():
            continue
        position = np.empty_like(start)
        position[:, moving] = flow.position(start[:, moving])
        end[:, moving] = flow.move(position[:, moving], sign * total[moving])
        chosen = moving[row]
        # of a series, an integral that should be zero may have either sign
        states[:, chosen] = flow.move(position.take(row[chosen], axis=1), np.maximum(sign * theta[chosen], 0.0))
    return states, end
