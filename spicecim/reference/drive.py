"""The rows' drives: piecewise smooth voltages with their slopes, in segments between breaks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spicecim.drives import Drive, ramps
from spicecim.errors import InputError
from spicecim.fields import FloatArray
from spicecim.reference.collocation import Places, Rule

ROUNDING = 1e-14
"""Distance of instants, relative to the duration, below which they are one."""


def row_breaks(drive: Drive, levels: Iterable[float], duration: float) -> FloatArray:
    """Return 0, the duration and, between them, the corners of a single row's drive and its crossings of levels (V)."""
    corners = np.concatenate([[0.0], drive.corners(duration), [duration]])
    _check_edges(drive, corners)
    curve = drive.curve()
    if curve is not None:
        crossings = curve.crossings(levels, duration)[1]
    else:
        voltages = drive.voltage(corners)[:, 0]
        crossings = np.concatenate([np.empty(0), *(_line_crossings(corners, voltages, level) for level in levels)])
    instants = np.concatenate([corners, crossings])
    return np.asarray(_padded(np.zeros(len(instants), dtype=int), instants, duration)[0])


def _check_edges(drive: Drive, corners: FloatArray) -> None:
    """Raise `InputError` if an edge between corners is so short that both would be one instant."""
    least = ROUNDING * corners[-1]
    shortest = drive.shortest_edge(corners)
    if len(corners) > 2 and shortest <= least:
        raise InputError(
            f"drive: an edge of {shortest:.3g} s is too short for the digits of a run of {corners[-1]:g} s; "
            f"it must be above {least:.3g} s"
        )


def _padded(row: NDArray[np.int_], instants: FloatArray, duration: float) -> FloatArray:
    """Instants of each row from 0 to the duration in order (row, instant), infinite where a row has fewer.

    0 and the duration are among them; instants a rounding error apart are one.
    """
    within = (instants >= 0.0) & (instants <= duration)
    row, instants = row[within], instants[within]
    order = np.lexsort((instants, row))
    row, instants = row[order], instants[order]
    kept = (np.diff(instants, prepend=-1.0) > ROUNDING * duration) | (np.diff(row, prepend=-1) > 0)
    row, instants = row[kept], instants[kept]
    counts = np.bincount(row)
    padded = np.full((len(counts), int(counts.max())), np.inf)
    padded[row, ramps(counts)] = instants
    padded[np.arange(len(counts)), counts - 1] = duration
    return padded


def _line_crossings(time: FloatArray, voltage: FloatArray, level: float) -> FloatArray:
    before, after = voltage[:-1] - level, voltage[1:] - level
    crossed = before * after < 0
    fraction = before[crossed] / (before[crossed] - after[crossed])
    return np.asarray(time[:-1][crossed] + fraction * np.diff(time)[crossed])


@dataclass(frozen=True)
class CellVoltages:
    """The voltages that cells see, each that of its row, in segments between breaks.

    Time counts from the start of a segment: a ramp of a nanosecond after a second keeps all its digits.

    Attributes
    ----------
    drive
        The drive of all rows.
    rows
        Row of each cell (cell,).
    breaks
        Instants (s) between which each row's voltage and its cells' equations are smooth (row, break), from 0 to the
        duration; infinite where a row has fewer.
    """

    drive: Drive
    rows: NDArray[np.int_]
    breaks: FloatArray

    @cached_property
    def levels(self) -> FloatArray:
        """Voltages at the breaks (row, break)."""
        return np.stack([self.drive.voltage(instants)[:, row] for row, instants in enumerate(self._finite_breaks)])

    @cached_property
    def _finite_breaks(self) -> FloatArray:
        return np.where(np.isfinite(self.breaks), self.breaks, 0.0)

    @cached_property
    def segments(self) -> NDArray[np.int_]:
        """Number of segments of each cell (cell,)."""
        return np.asarray((np.isfinite(self.breaks).sum(axis=1) - 1)[self.rows])

    @cached_property
    def periods(self) -> FloatArray:
        """Period of each cell's row (cell,), s."""
        return np.asarray(self.drive.periods()[self.rows])

    def start(self) -> FloatArray:
        """Voltages at time 0 (cell,)."""
        return np.asarray(self.levels[self.rows, 0])

    def voltage(self, cells: NDArray[np.int_], segment: NDArray[np.int_], since: FloatArray) -> FloatArray:
        """Voltages (cell, instant) of some cells in one segment each, at instants (cell, instant) since its start."""
        rows = self.rows[cells]
        curve = self.drive.curve()
        if curve is not None:
            return curve.smooth(rows, self.breaks[rows, segment], since)
        return self.levels[rows, segment][:, None] + self._rises(rows, segment) * since

    def slope(self, cells: NDArray[np.int_], segment: NDArray[np.int_], since: FloatArray) -> FloatArray:
        """Derivatives of these voltages by time (cell, instant), V/s."""
        rows = self.rows[cells]
        curve = self.drive.curve()
        if curve is not None:
            return curve.smooth_slope(rows, self.breaks[rows, segment], since)
        return np.broadcast_to(self._rises(rows, segment), since.shape)

    def _rises(self, rows: NDArray[np.int_], segment: NDArray[np.int_]) -> FloatArray:
        """Slopes (row, 1) of straight segments, V/s."""
        ends = (rows, segment + 1), (rows, segment)
        rise, duration = (values[ends[0]] - values[ends[1]] for values in (self.levels, self.breaks))
        return np.asarray((rise / duration)[:, None])


def drive_slopes(drive: Drive, duration: float, instants: FloatArray) -> FloatArray:
    """Derivatives by time (time, line) of the voltages of all drivers at instants (s), V/s.

    At a corner it is the one before, also where the instant misses it by rounding; at time 0 it is zero, because the
    drive has stood still before.
    """
    breaks = row_breaks(drive, (), duration)
    rows = drive.voltage([0.0]).shape[1]
    segment = np.clip(np.searchsorted(breaks + ROUNDING * duration, instants) - 1, 0, len(breaks) - 2)
    row = np.repeat(np.arange(rows), len(instants))
    voltages = CellVoltages(drive, row, np.broadcast_to(breaks, (rows, len(breaks))))
    since = np.tile(instants - breaks[segment], rows)[:, None]
    slopes = voltages.slope(np.arange(len(row)), np.tile(segment, rows), since).reshape(rows, -1).T.copy()
    slopes[instants == 0.0] = 0.0
    return slopes


def cell_voltages(
    drive: Drive, rows: NDArray[np.int_], levels: Iterable[float], duration: float, *, peaks: bool = False
) -> CellVoltages:
    """Return the voltages of cells on `rows` (cell,), with breaks where their row's drive crosses levels (V).

    And at its peaks, for steps to end there: they would pass over a level unknown that a peak just reaches.
    """
    levels = tuple(levels)
    curve = drive.curve()
    if curve is not None and not len(drive.corners(duration)):
        row, instants = curve.crossings(levels, duration)
        if peaks:
            at_peaks = curve.peaks(duration)
            row, instants = np.concatenate([row, at_peaks[0]]), np.concatenate([instants, at_peaks[1]])
        ends = np.tile([0.0, duration], len(drive.periods()))
        row = np.concatenate([row, np.repeat(np.arange(len(drive.periods())), 2)])
        return CellVoltages(drive, rows, _padded(row, np.concatenate([instants, ends]), duration))
    breaks = [row_breaks(drive.of_row(row), levels, duration) for row in range(int(rows.max()) + 1)]
    padded = np.full((len(breaks), max(map(len, breaks))), np.inf)
    for padded_row, row_instants in zip(padded, breaks, strict=True):
        padded_row[: len(row_instants)] = row_instants
    return CellVoltages(drive, rows, padded)


class LineVoltages:
    """All drivers of lines at common instants, in segments between the corners of any of them.

    Parameters
    ----------
    drive
        The drive of all lines.
    duration
        End of the drive (s).

    Attributes
    ----------
    breaks
        0, the corners of any line's drive and the duration (s).
    """

    def __init__(self, drive: Drive, duration: float) -> None:
        self.breaks = row_breaks(drive, (), duration)
        self._each = np.arange(drive.voltage([0.0]).shape[1])
        breaks = np.broadcast_to(self.breaks, (len(self._each), len(self.breaks)))
        self._voltages = CellVoltages(drive, self._each, breaks)

    def start(self) -> FloatArray:
        """Voltages at time 0 (row,)."""
        return self._voltages.start()

    def places(self, rule: Rule, segment: int, since: float, length: float, at: FloatArray) -> Places:
        """Places `at` in a step that starts `since` the start of a segment."""
        after = since + length * at
        drive = self._voltages.voltage(*self._at(segment, after)).T
        return Places(at, rule.values(at), rule.slopes(at), self.breaks[segment] + after, drive)

    def slopes(self, segment: int, after: FloatArray) -> FloatArray:
        """Derivatives by time (instant, row) at instants since the start of a segment, V/s."""
        return self._voltages.slope(*self._at(segment, after)).T

    def jump(self, segment: int) -> float:
        """Largest change of a row's slope at the start of a segment (V/s); before time 0 the drive stood still."""
        after = self.slopes(segment, np.zeros(1))
        if not segment:
            return float(np.abs(after).max())
        before = self.slopes(segment - 1, self.breaks[segment : segment + 1] - self.breaks[segment - 1])
        return float(np.abs(after - before).max())

    def _at(self, segment: int, after: FloatArray) -> tuple[NDArray[np.int_], NDArray[np.int_], FloatArray]:
        return self._each, np.full(len(self._each), segment), np.broadcast_to(after, (len(self._each), len(after)))
