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
    start, stop = map(float, window)
    time = values["time"].values
    slack = _ROUNDING * (time[-1] - time[0])
    if not (time[0] - slack <= start < stop <= time[-1] + slack):
        raise MeasurementError(
            f"window ({start:g}, {stop:g}) s is not within the waveform, {time[0]:g} to {time[-1]:g} s"
        )
    start, stop = max(start, float(time[0])), min(stop, float(time[-1]))
    inside = time[(time > start) & (time < stop)]
    return values.interp(time=np.concatenate([[start], inside, [stop]]), assume_sorted=True)


def integrate(values: xr.DataArray) -> xr.DataArray:
    """Integrate a waveform over its instants (s) by the trapezoidal rule."""
    return values.integrate("time")


def average(values: xr.DataArray) -> xr.DataArray:
    """Average a waveform over its instants by the trapezoidal rule."""
    time = values["time"].values
    return integrate(values) / float(time[-1] - time[0])


def check_whole_cycles(duration: float, frequencies: FloatArray) -> None:
    """Raise `MeasurementError` unless `duration` (s) holds a whole number of cycles of every frequency (Hz)."""
    cycles = duration * np.atleast_1d(frequencies)
    broken = np.flatnonzero((np.abs(cycles - np.round(cycles)) > 1e-6 * np.maximum(cycles, 1)) | (np.round(cycles) < 1))
    if broken.size:
        raise MeasurementError(
            f"the window of {duration:g} s does not hold whole cycles of {np.atleast_1d(frequencies)[broken[0]]:g} Hz "
            f"(it holds {cycles[broken[0]]:g}); choose a common multiple of the periods"
        )
