"""States of the cells of rows over time, by tabulated flow along each row's flux."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spicecim.devices.device import Device
from spicecim.fields import FloatArray
from spicecim.reference.clock import check_time
from spicecim.reference.flow import DENSITY, Flows, flows


def row_states(
    device: Device, total: FloatArray, segment: NDArray[np.int_], theta: FloatArray, initial: FloatArray
) -> tuple[FloatArray, float]:
    """Follow the states of devices on rows.

    Parameters
    ----------
    device
        The device.
    total
        Integral of the voltage factor over each segment of each row's drive (row, segment), as in `RowFlux`.
    segment
        Segment that the instants lie in (row, time).
    theta
        Integral since the start of the segment at the instants (row, time).
    initial
        State variables at time 0 (row, device).

    Returns
    -------
    states : numpy.ndarray
        State variables at the instants (device, row, time).
    error : float
        Estimated error of x: the largest difference at any break that tables half as dense make, or the tables' own
        error where that is larger. The error of the tables half as dense is 64 times that of the tables used.
    """
    fine, coarse = flows(device), flows(device, DENSITY // 2)
    rows, instants = segment.shape
    order, ends = _by_segment(segment, total.shape[1])
    # With time last, neighbours lie side by side in the tables too, which makes these twice as fast.
    states = np.empty((initial.shape[1], segment.size))
    start, coarse_start, error = initial.T, initial.T, fine.error
    for number, way in enumerate(total.T):
        check_time(number, total.shape[1], "segments of the drive")
        chosen = order[ends[number] : ends[number + 1]]
        states[:, chosen], start = _moved(fine, start, way, chosen // instants, theta.ravel()[chosen])
        _, coarse_start = _moved(coarse, coarse_start, way)
        error = max(error, float(np.abs(device.x_from_state(start) - device.x_from_state(coarse_start)).max()))
    return states.reshape(-1, rows, instants), error


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
