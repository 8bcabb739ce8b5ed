"""Currents of the columns: what a column's readout would see.

Every measurement has the attribute ``grid_error``: how well the instants resolve it, relative to the mean magnitude of
the column's current. Above the testbench's ``analysis.accuracy`` that is an `AccuracyWarning`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

import numpy as np
import xarray as xr

from spicecim.drives import SineDrive
from spicecim.errors import MeasurementError
from spicecim.fields import FloatArray
from spicecim.measure.grid import corners_among, every_second, relative_error, warn_of_grid
from spicecim.measure.windows import (
    Window,
    average,
    check_sampling,
    check_whole_cycles,
    in_window,
    integrate,
    rectified_average,
)
from spicecim.testbench import DEFAULT_ACCURACY
from spicecim.waveforms import check_waveforms, testbench_of


def mean_current(waveforms: xr.Dataset, window: Window | None = None) -> xr.DataArray:
    """Mean of each column's current (A) over a window: what the hysteresis rectifies by itself.

    Examples
    --------
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "resistor", "parameters": {"Ron": "1k", "Roff": "10k"}},
    ...     crossbar={"state": [[1.0]]},
    ...     drive={"kind": "sine", "amplitude": 0.1, "frequency": 1e3},
    ...     analysis={"probe": "cells"},
    ... )
    >>> run = sc.simulate(bench, engine="reference")
    >>> abs(float(sc.measure.mean_current(run)[0])) < 1e-12  # an ohmic cell rectifies nothing
    True
    """
    return _measured(waveforms, window, average, "A", "mean column current")


def rectified_mean_current(waveforms: xr.Dataset, window: Window | None = None) -> xr.DataArray:
    """Mean of the magnitude of each column's current (A) over a window.

    Examples
    --------
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "resistor", "parameters": {"Ron": "1k", "Roff": "10k"}},
    ...     crossbar={"state": [[1.0]]},
    ...     drive={"kind": "sine", "amplitude": 0.1, "frequency": 1e3},
    ...     analysis={"probe": "cells"},
    ... )
    >>> run = sc.simulate(bench, engine="reference")
    >>> round(float(sc.measure.rectified_mean_current(run)[0]) * 1e6, 1)  # 2 / pi of 100 uA
    63.7
    """
    return _measured(waveforms, window, rectified_average, "A", "rectified mean column current")


def charge(waveforms: xr.Dataset, window: Window | None = None) -> xr.DataArray:
    """Charge (C) that each column's sense node takes in a window.

    Examples
    --------
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "resistor", "parameters": {"Ron": "1k", "Roff": "10k"}},
    ...     crossbar={"state": [[1.0]]},
    ...     drive={"kind": "sine", "amplitude": 0.1, "frequency": 1e3},
    ...     analysis={"probe": "cells"},
    ... )
    >>> run = sc.simulate(bench, engine="reference")
    >>> half = sc.measure.charge(run, window=(0, 0.5e-3))
    >>> round(float(half[0]) * 1e9, 1)  # 100 uA / (pi f)
    31.8
    """
    return _measured(waveforms, window, integrate, "C", "charge of the column")


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
        If the drive is no sine, the window does not hold whole cycles, or the instants are too far apart.

    Examples
    --------
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "resistor", "parameters": {"Ron": "1k", "Roff": "10k"}},
    ...     crossbar={"state": [[1.0], [0.0]]},
    ...     drive={"kind": "sine", "amplitude": 0.1, "frequency": [1e3, 2e3]},
    ...     analysis={"probe": "cells"},
    ... )
    >>> run = sc.simulate(bench, engine="reference")
    >>> (sc.measure.in_phase_current(run).values.ravel() * 1e6).round(1)  # 1 kohm and 10 kohm
    array([100.,  10.])
    """
    drive = _sine_of(waveforms)
    rows = waveforms["row"]  # a dataset may hold some of the rows only
    tones = [(float(drive.frequency[row]), float(drive.phase[row])) for row in rows.values]
    demodulated = _demodulated(waveforms, window, tones).rename(tone="row")
    return demodulated.drop_vars(["frequency", "phase"]).assign_coords(row=rows)


def tone_current(waveforms: xr.Dataset, window: Window | None = None) -> xr.DataArray:
    """Part of each column's current that is in phase with each tone that the rows are driven with.

    As `in_phase_current`, but a tone that several rows share stands once: the sum over the tones is the column's own
    current in phase.

    Returns
    -------
    xarray.DataArray
        Amplitudes (tone, column) in ampere, with the coordinates ``frequency`` (Hz) and ``phase`` (rad) over the tones.

    Raises
    ------
    MeasurementError
        As `in_phase_current`, and if rows have the same frequency and other phases: which one is in phase is not told.

    Examples
    --------
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "resistor", "parameters": {"Ron": "1k", "Roff": "10k"}},
    ...     crossbar={"state": [[1.0], [0.0]]},
    ...     drive={"kind": "sine", "amplitude": 0.1, "frequency": 1e3},
    ...     analysis={"probe": "cells"},
    ... )
    >>> run = sc.simulate(bench, engine="reference")
    >>> round(float(sc.measure.tone_current(run).sum()) * 1e6, 1)  # both rows share the tone
    110.0
    """
    drive = _sine_of(waveforms)
    rows = [row for row in waveforms["row"].values if drive.amplitude[row] != 0.0] or list(waveforms["row"].values)
    tones = list(dict.fromkeys((float(drive.frequency[row]), float(drive.phase[row])) for row in rows))
    shared = [frequency for frequency, count in Counter(frequency for frequency, _ in tones).items() if count > 1]
    if shared:
        raise MeasurementError(
            f"rows have the frequency {shared[0]:g} Hz in several phases; none of them is the column's"
        )
    return _demodulated(waveforms, window, tones)


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

    Examples
    --------
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "resistor", "parameters": {"Ron": "1k", "Roff": "10k"}},
    ...     crossbar={"state": [[1.0]]},
    ...     drive={"kind": "sine", "amplitude": 0.1, "frequency": 1e3},
    ...     analysis={"probe": "cells"},
    ... )
    >>> run = sc.simulate(bench, engine="reference")
    >>> found = sc.measure.harmonics(run, frequency=1e3, count=3)
    >>> (abs(found).values.ravel() * 1e6).round(2)  # the mean, the tone, and no harmonics of an ohmic cell
    array([  0., 100.,   0.,   0.])
    """
    _check_tones(waveforms, window, np.array([frequency]), highest=count * frequency)

    def coefficients(current: xr.DataArray) -> xr.DataArray:
        turns = frequency * current["time"]
        parts = [
            (1.0 if harmonic == 0 else 2.0) * average(current * np.exp(-2j * math.pi * harmonic * turns))
            for harmonic in range(count + 1)
        ]
        return xr.concat(parts, dim="harmonic").assign_coords(harmonic=np.arange(count + 1))

    return _measured(waveforms, window, coefficients, "A", "harmonic of the column current")


def _column_current(waveforms: xr.Dataset, window: Window | None) -> xr.DataArray:
    check_waveforms(waveforms, "i_column")
    return in_window(waveforms["i_column"], window)


def _sine_of(waveforms: xr.Dataset) -> SineDrive:
    drive = testbench_of(waveforms).drive
    if not isinstance(drive, SineDrive):
        raise MeasurementError(
            f"an in-phase current needs a sine drive of the rows, not {'none' if drive is None else drive.kind}"
        )
    return drive


def _demodulated(waveforms: xr.Dataset, window: Window | None, tones: list[tuple[float, float]]) -> xr.DataArray:
    """Amplitudes (tone, column) of the columns' currents in phase with sinusoids of frequencies (Hz) and phases."""
    frequency, phase = np.array(tones).T
    _check_tones(waveforms, window, frequency, highest=float(frequency.max()))

    def amplitudes(current: xr.DataArray) -> xr.DataArray:
        turns = current["time"]
        parts = [2.0 * average(current * np.sin(2.0 * math.pi * f * turns + start)) for f, start in tones]
        return xr.concat(parts, dim="tone")

    measured = _measured(waveforms, window, amplitudes, "A", "in-phase column current").transpose("tone", "column")
    return measured.assign_coords(frequency=("tone", frequency), phase=("tone", phase))


def _check_tones(waveforms: xr.Dataset, window: Window | None, frequencies: FloatArray, highest: float) -> None:
    time = _column_current(waveforms, window)["time"].values
    check_whole_cycles(time[-1] - time[0], frequencies)
    check_sampling(time, highest)


def _measured(
    waveforms: xr.Dataset, window: Window | None, of: Callable[[xr.DataArray], xr.DataArray], units: str, long_name: str
) -> xr.DataArray:
    """Measure the column currents, and how well their instants resolve that: relative to the mean magnitude."""
    current = _column_current(waveforms, window)
    value, time = of(current), current["time"].values
    accuracy, corners = DEFAULT_ACCURACY, np.empty(0)
    if "testbench" in waveforms.attrs:
        bench = testbench_of(waveforms)
        accuracy, corners = bench.analysis.accuracy, bench.lines().drive.corners(bench.duration)
    coarse = of(current.isel(time=every_second(time, corners_among(time, corners))))
    scale = rectified_average(current) * (float(time[-1] - time[0]) if units == "C" else 1.0)
    error = relative_error(value, coarse, scale)
    warn_of_grid(error, accuracy, f"the {long_name}", stacklevel=4)
    return value.assign_attrs(units=units, long_name=long_name, grid_error=error)
