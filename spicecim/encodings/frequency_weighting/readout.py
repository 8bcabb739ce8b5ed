"""Readouts of a column whose rows run at frequencies of their own, and which of them add.

A sum of products needs a readout of the column's current that is the sum of the readouts of its cells. With ideal wires
the current is the sum of the cells' currents; whether a readout is additive is a property of the readout.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from spicecim.drives import SineDrive
from spicecim.errors import InputError, MeasurementError
from spicecim.fields import FloatArray
from spicecim.measure import in_phase_current, mean_current
from spicecim.measure.windows import average, in_window, rectified_average
from spicecim.waveforms import check_waveforms, testbench_of

_SAME = 1e-9
"""Relative difference of frequencies below which they are one tone."""
_MOST_CYCLES = 1_000_000


def sequential_rectified(waveforms: xr.Dataset) -> xr.DataArray:
    """Sum over rows of the mean magnitude of each cell's current (column,), A, each over the row's first cycle.

    This is what a rectifier and an accumulator read when the rows are driven one after the other, each for one cycle:
    with ideal wires a row at rest adds nothing. Additive by construction, because only one row flows at a time. The
    rectified mean of a column whose rows flow at once is not: magnitudes of a sum are not the sum of magnitudes.

    Parameters
    ----------
    waveforms
        A run with a sine drive, ideal wires and ``probe: cells``.
    """
    return _sequential(waveforms, rectified=True)


def sequential_mean(waveforms: xr.Dataset) -> xr.DataArray:
    """Sum over rows of each cell's mean current (column,), A, each over the row's first cycle.

    As `sequential_rectified` without the rectifier: the device's own hysteresis rectifies. The sign is that of the half
    cycle that comes first.
    """
    return _sequential(waveforms, rectified=False)


def _sequential(waveforms: xr.Dataset, rectified: bool) -> xr.DataArray:
    check_waveforms(waveforms, "i_cell")
    drive = _sine(waveforms)
    if not testbench_of(waveforms).crossbar.ideal:
        raise MeasurementError(
            "a readout row by row needs ideal wires: behind others, rows at once are not rows in turn"
        )
    rows = []
    for row in waveforms["row"].values:
        current = in_window(waveforms["i_cell"].sel(row=row, drop=True), (0.0, 1.0 / float(drive.frequency[row])))
        sign = 1.0 if rectified else float(np.sign(drive.amplitude[row]))
        rows.append(sign * (rectified_average(current) if rectified else average(current)))
    total = xr.concat(rows, dim="row").sum("row")
    return total.assign_attrs(units="A", long_name="sum of the rows' mean currents")


def in_phase_sum(waveforms: xr.Dataset) -> xr.DataArray:
    """Demodulate each column by the sum of all row tones at once (column,), A: ``2 <i sum(sin(2 pi f t))>``.

    Linear in the current, and so additive over cells exactly, whatever they do. Each cell adds its own in-phase
    amplitude, and what its harmonics leave at the other tones: see `crosstalk`. Rows of one frequency share a tone,
    which counts once. The run must last for whole cycles of every tone; a tone starts with the sign of its amplitude.
    """
    drive = _sine(waveforms)
    first = _first_of_each_tone(drive)
    signs = xr.DataArray(np.sign(drive.amplitude[first]), dims="row")
    tones = in_phase_current(waveforms).isel(row=first).drop_vars("row")
    return (tones * signs).sum("row").assign_attrs(units="A", long_name="in-phase current of all tones")


def dc_sum(waveforms: xr.Dataset) -> xr.DataArray:
    """Mean current of each column (column,), A.

    Linear in the current, and so additive over cells exactly, at any frequencies. It carries a weight only where the
    hysteresis self-rectifies, and is zero for a state that comes back the way it went, as in drift.
    """
    return mean_current(waveforms)


def crosstalk(waveforms: xr.Dataset) -> xr.DataArray:
    """What the tones of other rows read of each cell (row, column), A: the part of `in_phase_sum` that is not its own.

    Parameters
    ----------
    waveforms
        A run with a sine drive and ``probe: cells`` that holds whole cycles of every tone.
    """
    check_waveforms(waveforms, "i_cell")
    drive = _sine(waveforms)
    first = _first_of_each_tone(drive)
    found = []
    for row in range(len(drive.frequency)):
        alone = waveforms.drop_vars("i_column").assign(i_column=waveforms["i_cell"].isel(row=row, drop=True))
        tones = in_phase_current(alone)
        others = [other for other in first if not np.isclose(drive.frequency[other], drive.frequency[row], _SAME, 0.0)]
        signs = xr.DataArray(np.sign(drive.amplitude[others]), dims="row")
        found.append((tones.isel(row=others).drop_vars("row") * signs).sum("row"))
    return xr.concat(found, dim="row").assign_attrs(units="A", long_name="crosstalk between tones")


@dataclass(frozen=True)
class FrequencyPlan:
    """Frequencies that share a window of whole cycles, none a harmonic of another.

    Attributes
    ----------
    window
        Length of the window (s).
    cycles
        Whole cycles of each row in it (row,).
    wanted
        Frequencies that were asked for (row,), Hz.
    """

    window: float
    cycles: NDArray[np.int_]
    wanted: FloatArray

    @property
    def frequency(self) -> FloatArray:
        """Frequencies of the plan (row,), Hz."""
        return self.cycles / self.window

    @property
    def error(self) -> float:
        """Largest relative distance of a frequency from what was asked for."""
        return float(np.abs(self.frequency / self.wanted - 1.0).max())


def plan_frequencies(wanted: ArrayLike, tolerance: float = 1e-3) -> FrequencyPlan:
    """Choose a common window and whole cycles of it near wanted frequencies.

    A cell's current has all harmonics of its row's tone, so a tone must not be a multiple of another. Rows that ask for
    the same frequency share a tone. The window is the shortest one of whole cycles of the slowest tone that meets the
    tolerance.

    Parameters
    ----------
    wanted
        Frequencies (row,), Hz.
    tolerance
        Allowed relative distance from them.

    Raises
    ------
    InputError
        If the frequencies are not above zero, or no window meets the tolerance.
    """
    frequency = np.asarray(wanted, dtype=float)
    if frequency.ndim != 1 or not frequency.size or not (np.isfinite(frequency).all() and (frequency > 0).all()):
        raise InputError("wanted: must be a list of frequencies above 0 Hz")
    if not 0.0 < tolerance < 1.0:
        raise InputError(f"tolerance: must be a share between 0 and 1; it is {tolerance:g}")
    tones, which = _tones(frequency)
    slowest = 1 if len(tones) == 1 else 2
    while slowest * tones[-1] / tones[0] <= _MOST_CYCLES:
        window = slowest / tones[0]
        cycles = _apart(tones * window)
        # the error of the slowest is spread over all
        window *= float(np.median(cycles / (tones * window)))
        plan = FrequencyPlan(window, cycles[which], frequency)
        if plan.error <= tolerance:
            return plan
        slowest += 1
    raise InputError(
        f"tolerance: no window of up to {_MOST_CYCLES} cycles keeps {len(tones)} tones from {tones[0]:g} to "
        f"{tones[-1]:g} Hz apart to {tolerance:g}"
    )


def _tones(frequency: FloatArray) -> tuple[FloatArray, NDArray[np.int_]]:
    """Different frequencies, increasing (tone,), and the tone of each row (row,)."""
    order = np.argsort(frequency)
    steps = np.concatenate([[True], np.diff(frequency[order]) > _SAME * frequency[order][1:]])
    which = np.empty(len(frequency), dtype=int)
    which[order] = np.cumsum(steps) - 1
    return frequency[order][steps], which


def _apart(cycles: FloatArray) -> NDArray[np.int_]:
    """Different whole numbers near increasing `cycles`, none a multiple of another."""
    chosen: list[int] = []
    for value in cycles:
        nearest = max(1, round(float(value)))
        candidates = (nearest + offset for distance in range(_MOST_CYCLES) for offset in {-distance, distance})
        chosen.append(next(n for n in candidates if n > 0 and not any(n % m == 0 or m % n == 0 for m in chosen)))
    return np.array(chosen)


def _first_of_each_tone(drive: SineDrive) -> list[int]:
    """One row of each different frequency that is driven."""
    driven = np.flatnonzero(drive.amplitude != 0)
    if not driven.size:
        raise MeasurementError("an in-phase readout needs a row whose amplitude is not 0")
    _, which = _tones(drive.frequency[driven])
    return [int(driven[index]) for index in np.unique(which, return_index=True)[1]]


def _sine(waveforms: xr.Dataset) -> SineDrive:
    drive = testbench_of(waveforms).drive
    if not isinstance(drive, SineDrive):
        kind = "none" if drive is None else drive.kind
        raise MeasurementError(f"rows that are told apart by frequency need a sine drive, not {kind}")
    return drive
