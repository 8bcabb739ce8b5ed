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
from spicecim.reference.guards import check_finite, check_time
from spicecim.reference.tables.flow_map import DENSITY, Flow, Flows, flows

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
_STARTS = 1_000_000
"""Devices and segments whose starts are kept until the instants within are followed, to bound the memory."""
_CACHED = 65_536
"""Devices and instants that are evaluated at once: what a processor's cache holds."""


@dataclass(frozen=True)
class RowTheta:
    """Integrals of the voltage factor of every row since the break before.

    Attributes
    ----------
    row
        Row of each panel (panel,), in the order of rows, then time.
    begin
        The break before each panel (panel,), s: between breaks the factor is smooth.
    start
        Start of each panel (panel,), s.
    since
        The same, counted from the break before (panel,), s.
    width
        Width of each panel (panel,), s.
    segment
        Segment between breaks that each panel lies in (panel,).
    first
        Index of the first panel of each row (row,).
    series
        Legendre coefficients (panel, degree) of the integral since the break before.
    total
        Integral over each segment of each row (row, segment).
    """

    row: NDArray[np.int_]
    begin: FloatArray
    start: FloatArray
    since: FloatArray
    width: FloatArray
    segment: NDArray[np.int_]
    first: NDArray[np.int_]
    series: FloatArray
    total: FloatArray

    def at(self, time: FloatArray) -> tuple[NDArray[np.int_], FloatArray]:
        """Return the segment that increasing instants (time,) lie in, and the integral since its start, (row, time)."""
        # the panel of an instant is the last of its row that starts no later
        passed = np.searchsorted(time, self.start)
        begun = np.bincount(self.row * (len(time) + 1) + passed, minlength=len(self.first) * (len(time) + 1))
        panel = begun.reshape(len(self.first), -1)[:, :-1].cumsum(axis=1) - 1 + self.first[:, None]
        place = 2.0 * (time - self.begin.take(panel) - self.since.take(panel)) / self.width.take(panel) - 1.0
        segment = self.segment.take(panel)
        return segment, _evaluate(self.series, panel, np.clip(place, -1.0, 1.0))


def row_theta(device: Device, voltages: CellVoltages) -> RowTheta:
    """Integrate the voltage factor of a device over the voltages of all rows.

    Parameters
    ----------
    device
        The device, or one per row.
    voltages
        The voltages of the rows, each of them a cell, with breaks where the voltage factor is not smooth.
    """
    counts, breaks = voltages.segments, voltages.own_breaks
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
        own = device.of_cells(panels.row[block, None])
        factor = own.drive(voltages.voltage(panels.row[block], panels.segment[block], since))
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
    breaks = voltages.own_breaks
    total = np.zeros((len(breaks), breaks.shape[1] - 1))
    total[panels.row[begins], panels.segment[begins]] = np.add.reduceat(step, begins)
    begin = breaks[panels.row, panels.segment]
    return RowTheta(
        row=panels.row,
        begin=begin,
        start=begin + panels.since,
        since=panels.since,
        width=panels.width,
        segment=panels.segment,
        first=np.searchsorted(panels.row, np.arange(len(breaks))),
        series=integral,
        total=total,
    )


def _evaluate(series: FloatArray, panel: NDArray[np.int_], place: FloatArray) -> FloatArray:
    """Evaluate the series of panels (row, time) at places (row, time) between -1 and 1, by Legendre's recurrence."""
    degrees = np.ascontiguousarray(series.T)
    values = np.empty_like(place)
    some = max(1, _CACHED // (8 * place.shape[1]))  # eight arrays are at work
    for rows in (slice(row, row + some) for row in range(0, len(place), some)):
        x, which = place[rows], panel[rows]
        value = degrees[0].take(which) + degrees[1].take(which) * x
        before, current = np.ones_like(x), x
        for degree in range(2, len(degrees)):
            following = (2.0 - 1.0 / degree) * x
            following *= current
            before *= 1.0 - 1.0 / degree
            following -= before
            before, current = current if degree > 2 else x.copy(), following
            part = degrees[degree].take(which)
            part *= current
            value += part
        values[rows] = value
    return values


def row_states(
    device: Device, total: FloatArray, segment: NDArray[np.int_], theta: FloatArray, initial: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Follow the states of devices on rows.

    Parameters
    ----------
    device
        The device, or one of several that move alike.
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
    error : numpy.ndarray
        Estimated error of x (row,): the largest difference at any break that tables half as dense make, or the tables'
        own error where that is larger. The error of the tables half as dense is 64 times that of the tables used.
    """
    fine, coarse = flows(device), flows(device, DENSITY // 2)
    (rows, instants), (_, devices) = segment.shape, initial.shape
    inside = (segment * rows + np.arange(rows)[:, None]).ravel()  # which segment of which row
    direction = np.sign(total).astype(np.int8).T.ravel().take(inside)
    start, coarse_start, error = initial.T, initial.T, np.full(rows, fine.error)
    # With time last, neighbors lie side by side in the tables too, which makes these twice as fast.
    found, order = np.empty((devices, segment.size)), [np.empty(0, dtype=int)]
    known = 0
    together = max(1, _STARTS // initial.size)
    for first in range(0, total.shape[1], together):
        ways = total.T[first : first + together]
        begins = np.empty((devices, len(ways), rows))
        for number, way in enumerate(ways):
            check_time(first + number, total.shape[1], "segments of the drive")
            begins[:, number], start = _segment(fine, start, way)
            _, coarse_start = _segment(coarse, coarse_start, way)
            apart = np.abs(device.x_from_state(start) - device.x_from_state(coarse_start))
            error = np.maximum(error, apart.max(axis=0))
        present: Any = True
        if len(ways) < total.shape[1]:
            present = (inside >= first * rows) & (inside < (first + together) * rows)
        for sign, flow in _directions(fine):
            chosen = np.flatnonzero((direction == sign) & present)
            begin = begins.reshape(devices, -1), inside.take(chosen) - first * rows
            since = theta.ravel().take(chosen)
            since *= sign
            # of a series, an integral that should be zero may have either sign
            np.maximum(since, 0.0, out=since)
            some = max(1, _CACHED // max(1, len(chosen)))
            for part in (slice(at, at + some) for at in range(0, devices, some)):
                states = begin[0][part].take(begin[1], axis=1)
                found[part, known : known + len(chosen)] = states if flow is None else flow.move(states, since)
            order.append(chosen)
            known += len(chosen)
    inverse = np.empty(segment.size, dtype=int)
    inverse[np.concatenate(order)] = np.arange(segment.size)
    return found.take(inverse, axis=1).reshape(devices, rows, instants), error


def _directions(motions: Flows) -> tuple[tuple[int, Flow | None], ...]:
    """Signs of the voltage factor, and the motion with each."""
    return (1, motions.rising), (-1, motions.falling), (0, None)


def _segment(motions: Flows, start: FloatArray, total: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Follow states (device, row) over a segment over which the voltage factor has the integral `total` (row,).

    Returns the place of each on the flow that moves it, or its state where none does, and the states at the end.
    """
    begin, end = start.copy(), start.copy()
    for sign, flow in _directions(motions):
        moving = np.flatnonzero(sign * total > 0.0)
        if flow is not None and len(moving):
            begin[:, moving] = flow.position(start[:, moving])
            end[:, moving] = flow.move(begin[:, moving], sign * total[moving])
    return begin, end
