"""Currents of the columns: what a column's readout would see."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from spicecim.drives import SineDrive
from spicecim.errors import MeasurementError
from spicecim.measure.windows import Window, average, check_whole_cycles, in_window, integrate
from spicecim.waveforms import check_waveforms, testbench_of


def mean_current(waveforms: xr.Dataset, window: Window | None = None) -> xr.DataArray:
    """Mean of each column's current (A) over a window: what the hysteresis rectifies by itself."""
    return _labelled(average(_column_current(waveforms, window)), "A", "mean column current")


def rectified_mean_current(waveforms: xr.Dataset, window: Window | None = None) -> xr.DataArray:
    """Mean of the magnitude of each column's current (A) over a window."""
    return _labelled(average(abs(_column_current(waveforms, window))), "A", "rectified mean column current")


def charge(waveforms: xr.Dataset, window: Window | None = None) -> xr.DataArray:
    """Charge (C) that each column's sense node takes in a window."""
    return _labelled(integrate(_column_current(waveforms, window)), "C", "charge of the column")


def in_phase_current(waveforms: xr.Dataset, window: Window | None = None) -> xr.DataArray:
    """Part of each column's current that is in phase with each row's sinusoid.

    ``2 <i sin(2 pi f t + phase)>`` over the window: the amplitude (A) that a synchronous demodulator at the row's
    frequency f reads. Times half the row's amplitude it is the power that the row's tone spends in the column.

    Parameters
    ----------
    waveforms
        A run with a sine drive.
    window
        Start and stop (s); it must hold whole cycles of every row.

    Returns
    -------
    xarray.DataArray
        Amplitudes (row, column) in ampere. A current that comes from other rows counts too where their frequency, or a
        multiple of it, is the row's.

    Raises
    ------
    MeasurementError
        If the drive is no sine or the window does not hold whole cycles.
    """
    current = _column_current(waveforms, window)
    drive = testbench_of(waveforms).drive
    if not isinstance(drive, SineDrive):
        raise MeasurementError(f"an in-phase current needs a sine drive, not {drive.kind}")
    time = current["time"].values
    rows = waveforms["row"].values  # a dataset may hold some of the rows only
    check_whole_cycles(time[-1] - time[0], drive.frequency[rows])
    angle = 2.0 * math.pi * drive.frequency[rows] * time[:, None] + drive.phase[rows]
    tones = xr.DataArray(np.sin(angle), dims=("time", "row"), coords={"time": time, "row": waveforms["row"]})
    product = xr.concat([average(current * tones.isel(row=row)) for row in range(tones.sizes["row"])], dim="row")
    return _labelled(2.0 * product, "A", "in-phase column current").transpose("row", "column")


def harmonics(waveforms: xr.Dataset, frequency: float, count: int = 5, window: Window | None = None) -> xr.DataArray:
    """Fourier coefficients of each column's current at multiples of a frequency.

    Parameters
    ----------
    waveforms
        A run of either engine.
    frequency
        Fundamental (Hz); the window must hold whole cycles of it.
    count
        Number of harmonics above the mean.
    window
        Start and stop (s).

    Returns
    -------
    xarray.DataArray
        Complex amplitudes (harmonic, column) in ampere, harmonic 0 being the mean: the current is
        ``Re(sum of amplitude exp(2 pi j harmonic frequency t))``.
    """
    current = _column_current(waveforms, window)
    time = current["time"].values
    check_whole_cycles(time[-1] - time[0], np.array([frequency]))
    coefficients = []
    for harmonic in range(count + 1):
        phasor = xr.DataArray(
            np.exp(-2j * math.pi * harmonic * frequency * time), dims="time", coords={"time": current["time"]}
        )
        coefficients.append((1.0 if harmonic == 0 else 2.0) * average(current * phasor))
    return _labelled(xr.concat(coefficients, dim="harmonic"), "A", "harmonic of the column current").assign_coords(
        harmonic=np.arange(count + 1)
    )


def _column_current(waveforms: xr.Dataset, window: Window | None) -> xr.DataArray:
    check_waveforms(waveforms, "i_column")
    return in_window(waveforms["i_column"], window)


def _labelled(values: xr.DataArray, units: str, long_name: str) -> xr.DataArray:
    return values.assign_attrs(units=units, long_name=long_name)
