"""What cells see of the rows' drives: voltages, in segments between breaks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spicecim.drives import Drive, SineDrive
from spicecim.errors import InputError
from spicecim.fields import FloatArray

_ROUNDING = 1e-14
"""Distance of instants, relative to the duration, below which they are one."""
_EDGE = 0.1
"""Change of a sampled voltage, relative to the drive's largest, that is an edge."""


def row_drive(drive: Drive, row: int) -> Drive:
    """Return the drive of one row alone."""
    return drive.model_copy(
        update={"voltages": drive.voltages[row : row + 1]}
        if drive.kind == "samples"
        else {name: value[row : row + 1] for name, value in drive.values().items()}
    )


def row_breaks(drive: Drive, levels: Iterable[float], duration: float) -> FloatArray:
    """Return 0, the duration and, between them, the corners of a single row's drive and its crossings of levels (V)."""
    corners = np.concatenate([[0.0], drive.corners(duration), [duration]])
    _check_edges(drive, corners)
    if isinstance(drive, SineDrive):
        crossings = _sine_crossings(drive, levels, duration)[1]
    else:
        voltages = drive.voltage(corners)[:, 0]
        crossings = np.concatenate([np.empty(0), *(_line_crossings(corners, voltages, level) for level in levels)])
    instants = np.concatenate([corners, crossings])
    return np.asarray(_padded(np.zeros(len(instants), dtype=int), instants, duration)[0])


def _check_edges(drive: Drive, corners: FloatArray) -> None:
    """Raise `InputError` if an edge between corners is so short that both would be one instant."""
    least = _ROUNDING * corners[-1]
    if drive.kind == "pulse":
        edges = np.minimum(drive.rise, drive.fall)
    else:
        rises = np.abs(np.diff(drive.voltage(corners), axis=0)).max(axis=1)
        edges = np.diff(corners)[rises > _EDGE * drive.largest_voltage()]
    shortest = float(np.min(edges, initial=np.inf))
    if len(corners) > 2 and shortest <= least:
        raise InputError(
            f"drive: an edge of {shortest:.3g} s is too short for the digits of a run of {corners[-1]:g} s; "
            f"it must be above {least:.3g} s"
        )


def ramps(counts: NDArray[np.int_]) -> NDArray[np.int_]:
    """Return 0, 1, ..., n - 1 for every n of `counts`, one after the other."""
    return np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)


def _sine_crossings(
    drive: SineDrive, levels: Iterable[float], duration: float
) -> tuple[NDArray[np.int_], FloatArray]:  # fmt: skip
    """Rows and instants (crossing,) at which rows cross levels; some may be before 0 or beyond the duration."""
    amplitude, frequency, phase, offset = (
        values[:, None] for values in (drive.amplitude, drive.frequency, drive.phase, drive.offset)
    )
    height = np.array([*levels]) - offset
    crossed = np.abs(height) < np.abs(amplitude)
    angle = np.arcsin(height[crossed] / np.broadcast_to(amplitude, height.shape)[crossed])
    row = np.nonzero(crossed)[0]
    first = np.floor(phase[row, 0] / (2.0 * math.pi)) - 1.0
    cycles = (np.ceil(phase[row, 0] / (2.0 * math.pi) + frequency[row, 0] * duration) + 2.0 - first).astype(int)
    row, angle, turns = np.repeat(row, cycles), np.repeat(angle, cycles), np.repeat(first, cycles) + ramps(cycles)
    angles = np.concatenate([angle, math.pi - angle]) + 2.0 * math.pi * np.tile(turns, 2)
    row = np.tile(row, 2)
    return row, (angles - phase[row, 0]) / (2.0 * math.pi * frequency[row, 0])


def _sine_peaks(drive: SineDrive, duration: float) -> tuple[NDArray[np.int_], FloatArray]:
    """Rows and instants (peak,) at which rows are highest and lowest, within the duration."""
    first = np.ceil(drive.phase / math.pi - 0.5)
    counts = (np.floor(drive.phase / math.pi + 2.0 * drive.frequency * duration - 0.5) - first + 1.0).astype(int)
    row = np.repeat(np.arange(len(counts)), counts)
    half_turns = first[row] + ramps(counts) + 0.5
    return row, (math.pi * half_turns - drive.phase[row]) / (2.0 * math.pi * drive.frequency[row])


def _padded(row: NDArray[np.int_], instants: FloatArray, duration: float) -> FloatArray:
    """Instants of each row from 0 to the duration in order (row, instant), infinite where a row has fewer.

    0 and the duration are among them; instants a rounding error apart are one.
    """
    within = (instants >= 0.0) & (instants <= duration)
    row, instants = row[within], instants[within]
    order = np.lexsort((instants, row))
    row, instants = row[order], instants[order]
    kept = (np.diff(instants, prepend=-1.0) > _ROUNDING * duration) | (np.diff(row, prepend=-1) > 0)
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
        begin = self.breaks[rows, segment]
        if isinstance(self.drive, SineDrive):
            speed = 2.0 * math.pi * self.drive.frequency[rows]
            angle = np.mod(speed * begin + self.drive.phase[rows], 2.0 * math.pi)[:, None] + speed[:, None] * since
            return np.asarray(self.drive.offset[rows, None] + self.drive.amplitude[rows, None] * np.sin(angle))
        first, last = self.levels[rows, segment], self.levels[rows, segment + 1]
        return np.asarray(first[:, None] + ((last - first) / (self.breaks[rows, segment + 1] - begin))[:, None] * since)

    def slope(self, cells: NDArray[np.int_], segment: NDArray[np.int_], since: FloatArray) -> FloatArray:
        """Derivatives of these voltages by time (cell, instant), V/s."""
        rows = self.rows[cells]
        begin = self.breaks[rows, segment]
        if isinstance(self.drive, SineDrive):
            speed = 2.0 * math.pi * self.drive.frequency[rows]
            angle = np.mod(speed * begin + self.drive.phase[rows], 2.0 * math.pi)[:, None] + speed[:, None] * since
            return np.asarray((self.drive.amplitude[rows] * speed)[:, None] * np.cos(angle))
        rise = self.levels[rows, segment + 1] - self.levels[rows, segment]
        slopes = (rise / (self.breaks[rows, segment + 1] - begin))[:, None]
        return np.broadcast_to(slopes, since.shape)


def drive_slopes(drive: Drive, rows: int, duration: float, instants: FloatArray) -> FloatArray:
    """Derivatives by time (time, row) of the voltages of `rows` drivers at instants (s), V/s.

    At a corner it is the one before, also where the instant misses it by rounding; at time 0 it is zero, because the
    drive has stood still before.
    """
    breaks = row_breaks(drive, (), duration)
    segment = np.clip(np.searchsorted(breaks + _ROUNDING * duration, instants) - 1, 0, len(breaks) - 2)
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
    if isinstance(drive, SineDrive):
        row, instants = _sine_crossings(drive, levels, duration)
        if peaks:
            at_peaks = _sine_peaks(drive, duration)
            row, instants = np.concatenate([row, at_peaks[0]]), np.concatenate([instants, at_peaks[1]])
        ends = np.tile([0.0, duration], len(drive.frequency))
        row = np.concatenate([row, np.repeat(np.arange(len(drive.frequency)), 2)])
        return CellVoltages(drive, rows, _padded(row, np.concatenate([instants, ends]), duration))
    breaks = [row_breaks(row_drive(drive, row), levels, duration) for row in range(int(rows.max()) + 1)]
    padded = np.full((len(breaks), max(map(len, breaks))), np.inf)
    for padded_row, row_instants in zip(padded, breaks, strict=True):
        padded_row[: len(row_instants)] = row_instants
    return CellVoltages(drive, rows, padded)
