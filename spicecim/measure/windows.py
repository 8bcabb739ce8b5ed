"""Windows of time, and integrals over them on instants that need not be evenly spaced."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import xarray as xr

from spicecim.errors import MeasurementError
from spicecim.fields import FloatArray

Window = tuple[float, float]
Waveform = TypeVar("Waveform", xr.DataArray, xr.Dataset)

_ROUNDING = 1e-9

LEAST_PER_PERIOD = 4
"""Instants in a period of a frequency that is measured. Two tell it from its multiples; with twice as many, every
second of them still do, which is how the error is estimated."""


def in_window(values: Waveform, window: Window | None) -> Waveform:
    """Return the part of a waveform or dataset within a window (start, stop) in seconds; None is all of it.

    Where an end of the window falls between two instants, the waveform is joined by a straight line there.

    Raises
    ------
    MeasurementError
        If the window is empty or goes beyond the waveform.
    """
    if window is None:
        return values
    time = values["time"].values
    start, stop = checked_window(time, window)
    inside = time[(time > start) & (time < stop)]
    return values.interp(time=np.concatenate([[start], inside, [stop]]), assume_sorted=True)


def checked_window(time: FloatArray, window: Window | None) -> Window:
    """Return the start and stop (s) of a window within the instants `time` (s); None is all of them.

    Raises
    ------
    MeasurementError
        If the window is empty or goes beyond the instants.
    """
    if window is None:
        return float(time[0]), float(time[-1])
    start, stop = map(float, window)
    slack = _ROUNDING * (time[-1] - time[0])
    if not (time[0] - slack <= start < stop <= time[-1] + slack):
        raise MeasurementError(
            f"window ({start:g}, {stop:g}) s is not within the waveform, {time[0]:g} to {time[-1]:g} s"
        )
    return max(start, float(time[0])), min(stop, float(time[-1]))


def integrate(values: xr.DataArray) -> xr.DataArray:
    """Integrate a waveform over its instants (s) by the trapezoidal rule."""
    return values.integrate("time")


def average(values: xr.DataArray) -> xr.DataArray:
    """Average a waveform over its instants by the trapezoidal rule."""
    time = values["time"].values
    return integrate(values) / float(time[-1] - time[0])


def rectified_average(values: xr.DataArray) -> xr.DataArray:
    """Average the magnitude of a waveform that is a straight line between its instants, through zero too."""
    axis = values.get_axis_num("time")
    data, time = np.moveaxis(values.values, axis, 0), values["time"].values
    steps = np.diff(time).reshape(-1, *[1] * (data.ndim - 1))
    mean = (steps * mean_magnitude(data[:-1], data[1:])).sum(axis=0) / (time[-1] - time[0])
    return values.isel(time=0, drop=True).copy(data=mean)


def mean_magnitude(start: FloatArray, end: FloatArray) -> FloatArray:
    """Mean of the magnitude along straight lines from `start` to `end`."""
    sums = np.abs(start) + np.abs(end)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        through_zero = sums * (0.5 - (np.abs(start) / sums) * (np.abs(end) / sums))
    return np.asarray(np.where(np.sign(start) * np.sign(end) < 0, through_zero, 0.5 * sums))


def check_whole_cycles(duration: float, frequencies: FloatArray) -> None:
    """Raise `MeasurementError` unless `duration` (s) holds a whole number of cycles of every frequency (Hz)."""
    cycles = duration * np.atleast_1d(frequencies)
    broken = np.flatnonzero((np.abs(cycles - np.round(cycles)) > 1e-6 * np.maximum(cycles, 1)) | (np.round(cycles) < 1))
    if broken.size:
        raise MeasurementError(
            f"the window of {duration:g} s does not hold whole cycles of {np.atleast_1d(frequencies)[broken[0]]:g} Hz "
            f"(it holds {cycles[broken[0]]:g}); choose a common multiple of the periods"
        )


def check_sampling(time: FloatArray, frequency: float) -> None:
    """Raise `MeasurementError` unless the instants (s) are close enough to tell a frequency (Hz) from others."""
    longest = float(np.diff(time).max())
    if longest * frequency * LEAST_PER_PERIOD > 1.0 + _ROUNDING:
        raise MeasurementError(
            f"the instants are up to {longest:g} s apart, too far to measure {frequency:g} Hz: it needs "
            f"{LEAST_PER_PERIOD} in each period, {1.0 / (LEAST_PER_PERIOD * frequency):g} s apart at most"
        )
