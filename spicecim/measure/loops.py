"""Pinched hysteresis: what is measured of a v-i loop, given as voltage and current over one cycle."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spicecim.errors import MeasurementError
from spicecim.fields import FloatArray
from spicecim.measure.windows import mean_magnitude


class LobeAreas(NamedTuple):
    """Signed areas (V A) of the lobes at positive and negative voltage."""

    positive: float
    negative: float


def lobe_areas(v: ArrayLike, i: ArrayLike) -> LobeAreas:
    """Return the areas enclosed by a loop at positive and at negative voltage.

    An area is positive where the loop runs counter-clockwise in the (v, i) plane: at positive voltage if the current is
    larger on the way down, as in a device that switches on there, at negative voltage if it is larger on the way back
    to zero.

    Parameters
    ----------
    v, i
        Voltage (V) and current (A) along one cycle, in order of time (point,).

    Examples
    --------
    >>> import numpy as np
    >>> import spicecim as sc
    >>> time = np.linspace(0.0, 1.0, 1001)
    >>> v = np.sin(2 * np.pi * time)
    >>> i = v * (2 + np.cos(2 * np.pi * time)) * 1e-3  # conducts more before the peak of v than after it
    >>> areas = sc.measure.lobe_areas(v, i)
    >>> round(areas.positive * 1e3, 3), round(areas.negative * 1e3, 3)  # a third of 2 mVA each
    (-0.667, 0.667)
    """
    v, i = _split_at_zero(*_loop(v, i))
    middle, area = 0.5 * (v[1:] + v[:-1]), -0.5 * (i[1:] + i[:-1]) * np.diff(v)
    return LobeAreas(float(area[middle > 0].sum()), float(area[middle < 0].sum()))


def pinch_offset(v: ArrayLike, i: ArrayLike) -> float:
    """Largest magnitude of the current where the voltage crosses zero, relative to the current's peak.

    Where no point lies on the crossing, the current there is the median of three estimates: on the straight line across
    it, and continued by a straight line from the two points on either side. A device that conducts differently in
    either direction spoils the first, one that switches right at the crossing one of the others.

    Examples
    --------
    >>> import numpy as np
    >>> import spicecim as sc
    >>> time = np.linspace(0.0, 1.0, 1001)
    >>> v = np.sin(2 * np.pi * time)
    >>> sc.measure.pinch_offset(v, 1e-3 * v) < 1e-12
    True
    >>> round(sc.measure.pinch_offset(v, 1e-3 * (v + 0.1)), 3)  # a current that flows at 0 V
    0.091
    """
    v, i = _loop(v, i)
    peak = np.abs(i).max()
    on_zero = i[v == 0.0]
    crossed = np.flatnonzero(v[:-1] * v[1:] < 0)
    crossed = crossed[(crossed >= 1) & (crossed <= len(v) - 3)]
    estimates = [
        _at_zero(v, i, crossed + first, crossed + second) for first, second in ((0, 1), (-1, 0), (2, 1))
    ]  # fmt: skip
    offsets = np.concatenate([on_zero, np.median(estimates, axis=0)])
    if not offsets.size or peak == 0.0:
        raise MeasurementError("a pinch needs a voltage that crosses zero, and a current: is the amplitude 0?")
    return float(np.abs(offsets).max() / peak)


def effective_conductance(time: ArrayLike, v: ArrayLike, i: ArrayLike) -> float:
    """Mean ``|i|`` over mean ``|v|`` (S): what a rectifying readout sees of a device.

    Examples
    --------
    >>> import numpy as np
    >>> import spicecim as sc
    >>> time = np.linspace(0.0, 1.0, 1001)
    >>> v = np.sin(2 * np.pi * time)
    >>> round(sc.measure.effective_conductance(time, v, 2e-3 * v), 6)
    0.002
    """
    v, i = _loop(v, i)
    instants = np.asarray(time, dtype=float)
    steps = np.diff(instants)
    return float(steps @ mean_magnitude(i[:-1], i[1:]) / (steps @ mean_magnitude(v[:-1], v[1:])))


def in_phase_conductance(time: ArrayLike, v: ArrayLike, i: ArrayLike) -> float:
    """Mean v i over mean v^2 (S): what a synchronous demodulator sees of a device under a sinusoid.

    Examples
    --------
    >>> import numpy as np
    >>> import spicecim as sc
    >>> time = np.linspace(0.0, 1.0, 1001)
    >>> v = np.sin(2 * np.pi * time)
    >>> i = 2e-3 * v + 5e-3 * np.cos(2 * np.pi * time)  # what is out of phase does not count
    >>> round(sc.measure.in_phase_conductance(time, v, i), 6)
    0.002
    """
    v, i = _loop(v, i)
    instants = np.asarray(time, dtype=float)
    return float(np.trapezoid(v * i, instants) / np.trapezoid(v * v, instants))


def peak_frequency(frequency: ArrayLike, area: ArrayLike) -> float:
    """Return the frequency (Hz) at which the magnitude of the lobe area is largest, of those given.

    Examples
    --------
    >>> import spicecim as sc
    >>> sc.measure.peak_frequency([1.0, 2.0, 4.0], [1e-6, -3e-6, 2e-6])
    2.0
    """
    frequencies = np.asarray(frequency, dtype=float)
    return float(frequencies[int(np.abs(np.asarray(area, dtype=float)).argmax())])


def log_log_slope(frequency: ArrayLike, area: ArrayLike) -> float:
    """Slope of log(area) against log(frequency) above the peak, by least squares; NaN with less than two points there.

    A memristor's lobe area tends to 1/f (slope -1) at high frequency, where the state hardly moves.

    Examples
    --------
    >>> import spicecim as sc
    >>> round(sc.measure.log_log_slope([1.0, 2.0, 4.0, 8.0], [4e-6, 2e-6, 1e-6, 0.5e-6]), 6)
    -1.0
    """
    frequencies, areas = np.asarray(frequency, dtype=float), np.abs(np.asarray(area, dtype=float))
    above = (frequencies > peak_frequency(frequencies, areas)) & (areas > 0)
    if above.sum() < 2:
        return float("nan")
    return float(np.polyfit(np.log(frequencies[above]), np.log(areas[above]), 1)[0])


def _loop(v: ArrayLike, i: ArrayLike) -> tuple[FloatArray, FloatArray]:
    v, i = np.asarray(v, dtype=float), np.asarray(i, dtype=float)
    if v.ndim != 1 or v.shape != i.shape or len(v) < 3:
        raise MeasurementError(f"a loop needs voltages and currents of one length; they have {v.shape} and {i.shape}")
    return v, i


def _at_zero(v: FloatArray, i: FloatArray, first: NDArray[np.intp], second: NDArray[np.intp]) -> FloatArray:
    """Current at v = 0 on the straight line through two points."""
    return np.asarray(i[second] - v[second] * (i[second] - i[first]) / (v[second] - v[first]))


def _split_at_zero(v: FloatArray, i: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Put a point onto every crossing of v = 0, its current on the straight line between the neighbors."""
    crossed = np.flatnonzero(v[:-1] * v[1:] < 0)
    fraction = v[crossed] / (v[crossed] - v[crossed + 1])
    current = i[crossed] + fraction * (i[crossed + 1] - i[crossed])
    return np.insert(v, crossed + 1, 0.0), np.insert(i, crossed + 1, current)
