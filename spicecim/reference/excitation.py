"""One row's voltage as a function of time, and the instants between which it is smooth and keeps between two levels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np

from spicecim.drives import Drive, SineDrive
from spicecim.fields import FloatArray


def row_voltage(drive: Drive, row: int) -> Callable[[float], float]:
    """Return the voltage (V) of a row as a function of one instant (s)."""
    if isinstance(drive, SineDrive):
        offset, amplitude = float(drive.offset[row]), float(drive.amplitude[row])
        angular, phase = 2.0 * math.pi * float(drive.frequency[row]), float(drive.phase[row])
        return lambda time: offset + amplitude * math.sin(angular * time + phase)
    return lambda time: float(drive.voltage(np.array([time]))[0, row])


def row_breaks(drive: Drive, row: int, levels: Iterable[float], duration: float) -> FloatArray:
    """Return 0, the duration and, between them, the corners of a row's voltage and its crossings of the levels (V)."""
    corners = np.concatenate([[0.0], drive.corners(duration), [duration]])
    if isinstance(drive, SineDrive):
        crossings = [_sine_crossings(drive, row, level, duration) for level in levels]
    else:
        voltages = drive.voltage(corners)[:, row]
        crossings = [_line_crossings(corners, voltages, level) for level in levels]
    breaks = np.unique(np.concatenate([corners, *crossings]))
    breaks = breaks[(breaks >= 0) & (breaks <= duration)]
    # Instants a rounding error apart are one: an integrator could not step between them.
    apart = np.append(True, np.diff(breaks) > 1e-14 * duration)
    kept: FloatArray = breaks[apart]
    kept[-1] = duration
    return kept


def _sine_crossings(drive: SineDrive, row: int, level: float, duration: float) -> FloatArray:
    amplitude, frequency = float(drive.amplitude[row]), float(drive.frequency[row])
    if amplitude == 0 or abs(level - drive.offset[row]) >= abs(amplitude):
        return np.empty(0)
    angle = math.asin((level - float(drive.offset[row])) / amplitude)
    cycles = np.arange(-1 - math.ceil(abs(drive.phase[row]) / (2 * math.pi)), frequency * duration + 2)
    cycles = np.concatenate([cycles, cycles + math.floor(abs(drive.phase[row]) / (2 * math.pi)) + 1])
    angles = np.concatenate([angle + 2 * math.pi * cycles, math.pi - angle + 2 * math.pi * cycles])
    return np.asarray((angles - drive.phase[row]) / (2 * math.pi * frequency))


def _line_crossings(time: FloatArray, voltage: FloatArray, level: float) -> FloatArray:
    before, after = voltage[:-1] - level, voltage[1:] - level
    crossed = before * after < 0
    fraction = before[crossed] / (before[crossed] - after[crossed])
    return np.asarray(time[:-1][crossed] + fraction * np.diff(time)[crossed])
