"""What a power is between the instants of a run, and its integral.

Where lines are driven by straight lines (pulses, samples), voltages and currents are taken as straight lines between
the instants, and so a power as a parabola: on the edges of a pulse it is far from a straight line. Where all are
driven by sinusoids, which turn smoothly, the power itself is taken as a straight line: over whole cycles the
trapezoidal rule is exact for it but for rounding.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from spicecim.drives import SineDrive
from spicecim.fields import FloatArray
from spicecim.measure.grid import corners_among, every_second
from spicecim.waveforms import testbench_of

_LIKE = 3.0
"""Ratio of the lengths of two steps up to which a parabola through their ends says something of both."""

HALFWAY, CORNER = "halfway", "corner"
"""Coordinates over the time of a power: whether a point stands halfway between two instants, and at a corner."""


def product(waveforms: xr.Dataset, one: xr.DataArray, other: xr.DataArray) -> xr.DataArray:
    """Multiply two waveforms of a run, at its instants and halfway between them.

    Parameters
    ----------
    waveforms
        The run, for its drive.
    one, other
        Waveforms over its instants.

    Returns
    -------
    xarray.DataArray
        Their product over twice the time points less one, with the coordinates `HALFWAY` and `CORNER`.
    """
    one, other = xr.broadcast(one.transpose("time", ...), other)
    a, b, time = one.values, other.values, one["time"].values
    bench = testbench_of(waveforms) if "testbench" in waveforms.attrs else None
    values = np.empty((2 * len(time) - 1, *a.shape[1:]))
    values[::2] = a * b
    if bench is not None and isinstance(bench.lines().drive, SineDrive):
        values[1::2] = 0.5 * (values[:-1:2] + values[2::2])
    else:
        values[1::2] = 0.25 * (a[:-1] + a[1:]) * (b[:-1] + b[1:])
    halfway, corner = np.zeros(len(values), dtype=bool), np.zeros(len(values), dtype=bool)
    halfway[1::2] = True
    if bench is not None:
        corner[::2] = corners_among(time, bench.lines().drive.corners(bench.duration))
    instants = np.empty(len(values))
    instants[::2], instants[1::2] = time, 0.5 * (time[:-1] + time[1:])
    coordinates = {name: value for name, value in one.coords.items() if "time" not in value.dims}
    return xr.DataArray(
        values, dims=one.dims,
        coords={
            "time": ("time", instants, one["time"].attrs), HALFWAY: ("time", halfway), CORNER: ("time", corner),
            **coordinates,
        },
    )  # fmt: skip


class Course:
    """A waveform as a parabola over each of its steps, and its integral.

    Parameters
    ----------
    time
        Ends of the steps (s) (step + 1,).
    ends, middle
        Values at the ends (step + 1, ...) and halfway (step, ...).
    """

    def __init__(self, time: FloatArray, ends: FloatArray, middle: FloatArray) -> None:
        self.time, self.ends, self.middle = time, ends, middle
        whole = self._steps(np.diff(time)) * (ends[:-1] + 4.0 * middle + ends[1:]) / 6.0
        self._before = np.concatenate([np.zeros_like(ends[:1]), np.cumsum(whole, axis=0)])

    def value(self, instants: FloatArray) -> FloatArray:
        """Values (instant, ...) at any instants (s) within the steps."""
        step, s = self._within(instants)
        start, linear, square = self._coefficients(step)
        return np.asarray(start + s * (linear + s * square))

    def integral(self, instants: FloatArray) -> FloatArray:
        """Integrals (instant, ...) from the first instant to others (s)."""
        step, s = self._within(instants)
        start, linear, square = self._coefficients(step)
        part = s * (start + s * (linear / 2.0 + s * square / 3.0))
        return np.asarray(self._before[step] + self._steps(np.diff(self.time)[step]) * part)

    def coarser(self, corners: np.ndarray) -> Course:
        """Make one step of every two that are of like length, but across no corner, by a parabola through their ends.

        The integral of a parabola stays what it is. Where the values jump within one of the two steps, it changes by a
        third of the most that it can be wrong by.
        """
        kept = every_second(self.time, corners)
        left_out = np.flatnonzero(~kept)
        ratio = (self.time[left_out] - self.time[left_out - 1]) / (self.time[left_out + 1] - self.time[left_out])
        unlike = left_out[(ratio > _LIKE) | (ratio < 1.0 / _LIKE)]
        kept[unlike] = True
        places = np.flatnonzero(kept)
        middle = self.middle[places[:-1]]
        joined = np.flatnonzero(np.diff(places) > 1)
        before, at, after = places[joined], places[joined] + 1, places[joined + 1]
        share = self._steps((self.time[at] - self.time[before]) / (self.time[after] - self.time[before]))
        straight = self.ends[before] + share * (self.ends[after] - self.ends[before])
        bulge = (self.ends[at] - straight) / (4.0 * share * (1.0 - share))
        middle[joined] = 0.5 * (self.ends[before] + self.ends[after]) + bulge
        return Course(self.time[places], self.ends[places], middle)

    def _within(self, instants: FloatArray) -> tuple[np.ndarray, FloatArray]:
        """Step of each instant and how far it is in it, from 0 to 1."""
        step = np.clip(np.searchsorted(self.time, instants, side="right") - 1, 0, len(self.time) - 2)
        s = (instants - self.time[step]) / np.diff(self.time)[step]
        return step, self._steps(np.clip(s, 0.0, 1.0))

    def _coefficients(self, step: np.ndarray) -> tuple[FloatArray, FloatArray, FloatArray]:
        start, middle, end = self.ends[step], self.middle[step], self.ends[step + 1]
        return start, 4.0 * middle - 3.0 * start - end, 2.0 * (start + end) - 4.0 * middle

    def _steps(self, values: FloatArray) -> FloatArray:
        return values.reshape(-1, *[1] * (self.ends.ndim - 1))


def course_of(values: xr.DataArray) -> tuple[Course, np.ndarray]:
    """Return the course of a waveform, and which of its ends of steps are corners.

    A waveform without points halfway goes in straight lines.
    """
    values = values.transpose("time", ...)
    if HALFWAY not in values.coords:
        data, time = values.values, values["time"].values
        return Course(time, data, 0.5 * (data[:-1] + data[1:])), np.zeros(len(time), dtype=bool)
    halfway = values[HALFWAY].values
    data, time = values.values[~halfway], values["time"].values[~halfway]
    return Course(time, data, values.values[halfway]), values[CORNER].values[~halfway]
