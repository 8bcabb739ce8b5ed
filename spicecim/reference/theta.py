"""Theta, the integral of the voltage factor over time, which is what moves the states of a row, as a function of time.

Between breaks of a row's drive the factor is smooth. There it is a series of Legendre polynomials on panels, each
halved until its series has ended, and so is its integral: it costs the same whatever the number of instants
(L. N. Trefethen, Approximation Theory and Approximation Practice, extended ed., SIAM (2019),
doi:10.1137/1.9781611975949, chapters 17 to 19).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from spicecim.devices.device import Device
from spicecim.drives import ramps
from spicecim.fields import FloatArray
from spicecim.reference.drive import CellVoltages
from spicecim.reference.flow_map import DENSITY, Flows, flows
from spicecim.reference.guards import check_finite, check_time

_DEGREE = 11
_GAUSS_NODES, _GAUSS_WEIGHTS = np.polynomial.legendre.leggauss(_DEGREE + 1)
_FIT = ((np.arange(_DEGREE + 1) + 0.5) * legendre.legvander(_GAUSS_NODES, _DEGREE)).T * _GAUSS_WEIGHTS
"""Coefficients (degree + 1, node) of a series by values at Gauss's nodes."""
_INTEGRAL = legendre.legint(np.eye(_DEGREE + 1), lbnd=-1)
"""Coefficients (degree + 1, degree + 2) of a series to those of its integral from the start of the panel."""
_PANELS_A_PERIOD = 8
_ENDED = 1e-13
"""Integral of a series' two highest degrees over a panel, relative to the row's largest factor over the segment."""
_BLOCK = 200_000
"""Panels that are fitted at once, to bound the memory."""


@dataclass(frozen=True)
class RowTheta:
    """Integrals of the voltage factor of every row since the break before.

    Attributes
    ----------
    breaks
        Instants (row, break) between which the factor is smooth, as in `CellVoltages`.
    start
        Start of each panel (panel,), s, in the order of rows, then time.
    since
        The same, counted from the break before (panel,), s.
    width
        Width of each panel (panel,), s.
    segment
        Segment between breaks that each panel lies in (panel,).
    first
        Index of the first panel of each row, and one beyond the last (row + 1,).
    series
        Legendre coefficients (panel, degree) of the integral since the break before.
    total
        Integral over each segment of each row (row, segment).
    """

    breaks: FloatArray
    start: FloatArray
    since: FloatArray
    width: FloatArray
    segment: NDArray[np.int_]
    first: NDArray[np.int_]
    series: FloatArray
    total: FloatArray

    def at(self, time: FloatArray) -> tuple[NDArray[np.int_], FloatArray]:
        """Return the segment that increasing instants (time,) lie in, and the integral since its start, (row, time)."""
        rows = len(self.first) - 1
        panel = np.empty((rows, len(time)), dtype=int)
        for row in range(rows):
            starts = self.start[self.first[row] : self.first[row + 1]]
            panel[row] = self.first[row] + np.maximum(np.searchsorted(starts, time, side="right") - 1, 0)
        segment = self.segment[panel]
        begin = np.take_along_axis(self.breaks, segment, axis=1)
        place = 2.0 * (time - begin - self.since.take(panel)) / self.width.take(panel) - 1.0
        return segment, _evaluate(self.series, panel, np.clip(place, -1.0, 1.0))


def row_theta(device: Device, voltages: CellVoltages) -> RowTheta:
    """Integrate the voltage factor of a device over the voltages of all rows.

    Parameters
    ----------
    device
        The device.
    voltages
        The voltages of the rows, each of them a cell, with breaks where the voltage factor is not smooth.
    """
    counts, breaks = voltages.segments, voltages.breaks[voltages.rows]
    row, segment = np.repeat(np.arange(len(counts)), counts), ramps(counts)
    lengths = np.diff(np.where(np.isfinite(breaks), breaks, 0.0), axis=1)
    length = lengths[row, segment]
    parts = np.maximum(np.ceil(length / (voltages.periods[row] / _PANELS_A_PERIOD) * (1.0 - 1e-12)), 1.0).astype(int)
    width = np.repeat(length / parts, parts)
    panels = _Panels(np.repeat(row, parts), np.repeat(segment, parts), ramps(parts) * width, width)
    largest = np.zeros(lengths.shape)
    done = []
    # The integral over a panel is at most the width times the largest factor: halving comes to an end.
    while len(panels.row):
        series, peak = _fit(device, voltages, panels)
        check_finite(peak, series)
        np.maximum.at(largest, (panels.row, panels.segment), peak)
        tail = np.abs(series[:, -2:]).sum(axis=1) * panels.width
        halved = tail > _ENDED * (largest * lengths)[panels.row, panels.segment]
        done.append((panels.part(~halved), series[~halved]))
        panels = panels.part(halved).halves()
    return _joined(voltages, [panels for panels, _ in done], np.concatenate([series for _, series in done]))


class _Panels(NamedTuple):
    """Row, segment, time since the start of the segment (s), and width (s) of each panel (panel,)."""

    row: NDArray[np.int_]
    segment: NDArray[np.int_]
    since: FloatArray
    width: FloatArray

    def part(self, chosen: NDArray[Any]) -> _Panels:
        return _Panels(self.row[chosen], self.segment[chosen], self.since[chosen], self.width[chosen])

    def halves(self) -> _Panels:
        half = 0.5 * self.width
        return _Panels(
            np.tile(self.row, 2),
            np.tile(self.segment, 2),
            np.concatenate([self.since, self.since + half]),
            np.tile(half, 2),
        )


def _fit(device: Device, voltages: CellVoltages, panels: _Panels) -> tuple[FloatArray, FloatArray]:
    """Legendre coefficients (panel, degree + 1) of the voltage factor, and its largest magnitude (panel,)."""
    series, peak = np.empty((len(panels.row), _DEGREE + 1)), np.empty(len(panels.row))
    for start in range(0, len(panels.row), _BLOCK):
        check_time(start, len(panels.row), "panels of the drive")
        block = slice(start, start + _BLOCK)
        since = panels.since[block, None] + 0.5 * panels.width[block, None] * (1.0 + _GAUSS_NODES)
        factor = device.drive(voltages.voltage(panels.row[block], panels.segment[block], since))
        series[block], peak[block] = factor @ _FIT.T, np.abs(factor).max(axis=1)
    return series, peak


def _joined(voltages: CellVoltages, parts: list[_Panels], series: FloatArray) -> RowTheta:
    """Put the panels in order, and add up their integrals from the start of each segment on."""
    row, segment, since, width = (np.concatenate(values) for values in zip(*parts, strict=True))
    order = np.lexsort((since, segment, row))
    panels = _Panels(row, segment, since, width).part(order)
    integral = 0.5 * panels.width[:, None] * (series[order] @ _INTEGRAL.T)
    step = integral.sum(axis=1)
    begins = np.flatnonzero(panels.since == 0.0)
    before = np.cumsum(step) - step
    integral[:, 0] += before - np.repeat(before[begins], np.diff(begins, append=len(step)))
    breaks = voltages.breaks[voltages.rows]
    total = np.zeros((len(breaks), breaks.shape[1] - 1))
    total[panels.row[begins], panels.segment[begins]] = np.add.reduceat(step, begins)
    return RowTheta(
        breaks,
        start=breaks[panels.row, panels.segment] + panels.since,
        since=panels.since,
        width=panels.width,
        segment=panels.segment,
        first=np.searchsorted(panels.row, np.arange(len(breaks) + 1)),
        series=integral,
        total=total,
    )


def _evaluate(series: FloatArray, panel: NDArray[np.int_], place: FloatArray) -> FloatArray:
    """Evaluate the series of panels (...,) at places (...,) between -1 and 1, by Legendre's recurrence."""
    degrees = np.ascontiguousarray(series.T)
    value = degrees[0].take(panel) + degrees[1].take(panel) * place
    before, current = np.ones_like(place), place
    for degree in range(2, len(degrees)):
        before, current = current, ((2.0 - 1.0 / degree) * place) * current - (1.0 - 1.0 / degree) * before
        value += degrees[degree].take(panel) * current
    return np.asarray(value)


def row_states(
    device: Device, total: FloatArray, segment: NDArray[np.int_], theta: FloatArray, initial: FloatArray
) -> tuple[FloatArray, float]:
    """Follow the states of devices on rows.

    Parameters
    ----------
    device
        The device.
    total
        Integral of the voltage factor over each segment of each row's drive (row, segment), as in `RowTheta`.
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
    groups = _Groups(total, segment)
    # With time last, neighbors lie side by side in the tables too, which makes these twice as fast.
    found = np.empty((initial.shape[1], segment.size))
    start, coarse_start, error = initial.T, initial.T, fine.error
    for number, way in enumerate(total.T):
        check_time(number, total.shape[1], "segments of the drive")
        still = groups.instants(number, 0)
        found[:, still] = start.take(groups.row[still], axis=1)
        end = start.copy()
        for sign, flow in ((1, fine.rising), (-1, fine.falling)):
            moving = np.flatnonzero(sign * way > 0.0)
            if not len(moving):
                continue
            position = np.empty_like(start)
            position[:, moving] = flow.position(start[:, moving])
            end[:, moving] = flow.move(position[:, moving], sign * way[moving])
            chosen = groups.instants(number, sign)
            # of a series, an integral that should be zero may have either sign
            since = np.maximum(sign * theta.ravel()[groups.order[chosen]], 0.0)
            found[:, chosen] = flow.move(position.take(groups.row[chosen], axis=1), since)
        start, coarse_start = end, _ends(coarse, coarse_start, way)
        error = max(error, float(np.abs(device.x_from_state(start) - device.x_from_state(coarse_start)).max()))
    return found.take(groups.inverse, axis=1).reshape(-1, rows, instants), error


class _Groups:
    """Instants (row, time) in groups of one segment and one direction, one after the other.

    Attributes
    ----------
    order
        Indices of the instants in the order of their groups.
    row
        Row of each instant in that order.
    inverse
        Place of each instant in that order.
    """

    def __init__(self, total: FloatArray, segment: NDArray[np.int_]) -> None:
        key = (3 * segment + 1 + np.take_along_axis(np.sign(total).astype(int), segment, axis=1)).ravel()
        self.order = np.argsort(key, kind="stable")
        self.row = self.order // segment.shape[1]
        self.inverse = np.empty_like(self.order)
        self.inverse[self.order] = np.arange(len(key))
        counts = np.bincount(key, minlength=3 * total.shape[1])
        self._ends = np.concatenate([[0], np.cumsum(counts)]).tolist()

    def instants(self, segment: int, sign: int) -> slice:
        """Places in the order of those in a segment in which the state rises, falls or stands still."""
        key = 3 * segment + 1 + sign
        return slice(self._ends[key], self._ends[key + 1])


def _ends(motions: Flows, start: FloatArray, total: FloatArray) -> FloatArray:
    """States (device, row) at the end of a segment over which the voltage factor has the integral `total` (row,)."""
    end = start.copy()
    for sign, flow in ((1.0, motions.rising), (-1.0, motions.falling)):
        moving = np.flatnonzero(sign * total > 0.0)
        if len(moving):
            end[:, moving] = flow.move(flow.position(start[:, moving]), sign * total[moving])
    return end
