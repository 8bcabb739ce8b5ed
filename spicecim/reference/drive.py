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
        Instants (s) between which a voltage and the equations of its cells are smooth (line, break), from 0 to the
        duration; infinite where a line has fewer. Cells of a row share a line, unless each has breaks of its own.
    lines
        Line of each cell (cell,): its row, or its own.
    """

    drive: Drive
    rows: NDArray[np.int_]
    breaks: FloatArray
    lines: NDArray[np.int_]

    @cached_property
    def levels(self) -> FloatArray:
        """Voltages at the breaks (line, break)."""
        rows = np.zeros(len(self.breaks), dtype=int)
        rows[self.lines] = self.rows
        each = zip(rows.tolist(), self._finite_breaks, strict=True)
        return np.stack([self.drive.voltage(instants)[:, row] for row, instants in each])

    @cached_property
    def own_breaks(self) -> FloatArray:
        """The breaks of each cell (cell, break)."""
        return np.asarray(self.breaks[self.lines])

    @cached_property
    def _finite_breaks(self) -> FloatArray:
        return np.where(np.isfinite(self.breaks), self.breaks, 0.0)

    @cached_property
    def segments(self) -> NDArray[np.int_]:
        """Number of segments of each cell (cell,)."""
        return np.asarray((np.isfinite(self.breaks).sum(axis=1) - 1)[self.lines])

    @cached_property
    def periods(self) -> FloatArray:
        """Period of each cell's row (cell,), s."""
        return np.asarray(self.drive.periods()[self.rows])

    def start(self) -> FloatArray:
        """Voltages at time 0 (cell,)."""
        return np.asarray(self.levels[self.lines, 0])

    def voltage(self, cells: NDArray[np.int_], segment: NDArray[np.int_], since: FloatArray) -> FloatArray:
        """Voltages (cell, instant) of some cells in one segment each, at instants (cell, instant) since its start."""
        rows, lines = self.rows[cells], self.lines[cells]
        curve = self.drive.curve()
        if curve is not None:
            return curve.smooth(rows, self.breaks[lines, segment], since)
        return self.levels[lines, segment][:, None] + self._rises(lines, segment) * since

    def slope(self, cells: NDArray[np.int_], segment: NDArray[np.int_], since: FloatArray) -> FloatArray:
        """Derivatives of these voltages by time (cell, instant), V/s."""
        rows, lines = self.rows[cells], self.lines[cells]
        curve = self.drive.curve()
        if curve is not None:
            return curve.smooth_slope(rows, self.breaks[lines, segment], since)
        return np.broadcast_to(self._rises(lines, segment), since.shape)

    def _rises(self, lines: NDArray[np.int_], segment: NDArray[np.int_]) -> FloatArray:
        """Slopes (line, 1) of straight segments, V/s."""
        ends = (lines, segment + 1), (lines, segment)
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
    voltages = CellVoltages(drive, row, np.broadcast_to(breaks, (rows, len(breaks))), row)
    since = np.tile(instants - breaks[segment], rows)[:, None]
    slopes = voltages.slope(np.arange(len(row)), np.tile(segment, rows), since).reshape(rows, -1).T.copy()
    slopes[instants == 0.0] = 0.0
    return slopes


def cell_voltages(
    drive: Drive, rows: NDArray[np.int_], levels: tuple[float, ...] | FloatArray, duration: float, *,
    peaks: bool = False,
) -> CellVoltages:  # fmt: skip
    """Return the voltages of cells on `rows` (cell,), with breaks where their row's drive crosses levels (V).

    And at its peaks, for steps to end there: they would pass over a level unknown that a peak just reaches. Levels
    (cell, level) are those of each cell, NaN where one has fewer.
    """
    if isinstance(levels, np.ndarray):
        return _with_own_breaks(drive, rows, levels, duration, peaks)
    curve = drive.curve()
    if curve is not None and not len(drive.corners(duration)):
        row, instants = curve.crossings(levels, duration)
        if peaks:
            at_peaks = curve.peaks(duration)
            row, instants = np.concatenate([row, at_peaks[0]]), np.concatenate([instants, at_peaks[1]])
        ends = np.tile([0.0, duration], len(drive.periods()))
        row = np.concatenate([row, np.repeat(np.arange(len(drive.periods())), 2)])
        return CellVoltages(drive, rows, _padded(row, np.concatenate([instants, ends]), duration), rows)
    breaks = [row_breaks(drive.of_row(row), levels, duration) for row in range(int(rows.max()) + 1)]
    padded = np.full((len(breaks), max(map(len, breaks))), np.inf)
    for padded_row, row_instants in zip(padded, breaks, strict=True):
        padded_row[: len(row_instants)] = row_instants
    return CellVoltages(drive, rows, padded, rows)


def _with_own_breaks(
    drive: Drive, rows: NDArray[np.int_], levels: FloatArray, duration: float, peaks: bool
) -> CellVoltages:  # fmt: skip
    """Voltages of cells that have levels (cell, level) of their own; what is common to a row is worked out once."""
    common = cell_voltages(drive, rows, (), duration, peaks=peaks)
    times, cells = [common.own_breaks.ravel()], [np.repeat(np.arange(len(rows)), common.breaks.shape[1])]
    curve = drive.curve()
    if curve is not None:
        crossed = curve.crossings_of(rows, levels, duration)
        cells.append(crossed[0])
        times.append(crossed[1])
    else:
        corners = np.concatenate([[0.0], drive.corners(duration), [duration]])
        voltages = drive.voltage(corners).T
        before, after = (voltages[rows, None, end] - levels[:, :, None] for end in (slice(-1), slice(1, None)))
        cell, level, edge = np.nonzero(before * after < 0.0)
        before, after = (part[cell, level, edge] for part in (before, after))
        cells.append(cell)
        times.append(corners[edge] + before / (before - after) * np.diff(corners)[edge])
    breaks = _padded(np.concatenate(cells), np.concatenate(times), duration)
    return CellVoltages(drive, rows, breaks, np.arange(len(rows)))


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
        self._voltages = CellVoltages(drive, self._each, breaks, self._each)

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
