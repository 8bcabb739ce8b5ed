"""What a row's drive does to the states of its cells: its breaks, and the integral of the voltage factor over time."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spicecim.devices import SeparableDevice
from spicecim.drives import Drive, SineDrive
from spicecim.fields import FloatArray

_INTERVALS_A_PERIOD = 16
_GAUSS_NODES, _GAUSS_WEIGHTS = np.polynomial.legendre.leggauss(10)
_ROUNDING = 1e-14
"""Distance of instants, relative to the duration, below which they are one."""
_BLOCK = 100_000
"""Intervals that are evaluated at once, to bound the memory."""


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
    if isinstance(drive, SineDrive):
        crossings = [_sine_crossings(drive, level, duration) for level in levels]
    else:
        voltages = drive.voltage(corners)[:, 0]
        crossings = [_line_crossings(corners, voltages, level) for level in levels]
    breaks = np.unique(np.concatenate([corners, *crossings]))
    breaks = breaks[(breaks >= 0) & (breaks <= duration)]
    # Instants a rounding error apart are one.
    kept: FloatArray = breaks[np.append(True, np.diff(breaks) > _ROUNDING * duration)]
    kept[-1] = duration
    return kept


def integrate_factor(device: SeparableDevice, drive: Drive, time: FloatArray) -> FloatArray:
    """Integrate the voltage factor of a device over a single row's drive.

    By Gauss's rule of ten points over intervals of at most a sixteenth of a period, which leaves the error of rounding.

    Parameters
    ----------
    device
        The device.
    drive
        A drive of one row.
    time
        Increasing instants (s), with all those among them at which the voltage factor is not smooth.

    Returns
    -------
    numpy.ndarray
        Integral from each instant to the next (len(time) - 1,).
    """
    longest = float(drive.periods().min()) / _INTERVALS_A_PERIOD
    parts = np.maximum(np.ceil(np.diff(time) / longest * (1 - 1e-12)), 1).astype(int)
    edges = np.repeat(time[:-1], parts) + ramps(parts) * np.repeat(np.diff(time) / parts, parts)
    widths = np.repeat(np.diff(time) / parts, parts)
    integrals = np.empty(len(edges))
    for start in range(0, len(edges), _BLOCK):
        block = slice(start, start + _BLOCK)
        instants = edges[block, None] + 0.5 * widths[block, None] * (1.0 + _GAUSS_NODES)
        factor = device.voltage_factor(drive.voltage(instants.ravel())[:, 0]).reshape(instants.shape)
        integrals[block] = 0.5 * widths[block] * (factor @ _GAUSS_WEIGHTS)
    return np.add.reduceat(integrals, np.concatenate([[0], np.cumsum(parts)[:-1]]))


def ramps(counts: NDArray[np.int_]) -> NDArray[np.int_]:
    """Return 0, 1, ..., n - 1 for every n of `counts`, one after the other."""
    return np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)


def _sine_crossings(drive: SineDrive, level: float, duration: float) -> FloatArray:
    amplitude, frequency = float(drive.amplitude[0]), float(drive.frequency[0])
    if amplitude == 0 or abs(level - drive.offset[0]) >= abs(amplitude):
        return np.empty(0)
    angle = math.asin((level - float(drive.offset[0])) / amplitude)
    before = float(drive.phase[0]) / (2 * math.pi)
    cycles = np.arange(math.floor(before) - 1, math.ceil(before + frequency * duration) + 2)
    angles = np.concatenate([angle + 2 * math.pi * cycles, math.pi - angle + 2 * math.pi * cycles])
    return np.asarray((angles - drive.phase[0]) / (2 * math.pi * frequency))


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


def cell_voltages(drive: Drive, rows: NDArray[np.int_], levels: Iterable[float], duration: float) -> CellVoltages:
    """Return the voltages of cells on `rows` (cell,), with breaks where their row's drive crosses levels (V)."""
    levels, count = tuple(levels), int(rows.max()) + 1
    breaks = [row_breaks(row_drive(drive, row), levels, duration) for row in range(count)]
    padded = np.full((count, max(map(len, breaks))), np.inf)
    for row, instants in enumerate(breaks):
        padded[row, : len(instants)] = instants
    return CellVoltages(drive, rows, padded)
