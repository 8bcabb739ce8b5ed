"""How good a set of levels is, in the terms of a converter: INL, DNL, and how many bits survive uncertainty."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from spicecim.encodings.frequency_weighting.calibration import Calibration
from spicecim.errors import InputError
from spicecim.fields import FloatArray


def integral_nonlinearity(levels: ArrayLike) -> FloatArray:
    """Distance of each level from the straight line through the first and the last, in steps of that line (INL, LSB).

    Levels (..., level) may be conductances, currents or products, in order of the weight.
    """
    values = _levels(levels)
    count = values.shape[-1]
    step = (values[..., -1:] - values[..., :1]) / (count - 1)
    return np.asarray((values - values[..., :1]) / step - np.arange(count))


def differential_nonlinearity(levels: ArrayLike) -> FloatArray:
    """Excess of each step over the mean step, in mean steps (DNL, LSB): -1 is a missing level, less is out of order."""
    return np.diff(integral_nonlinearity(levels), axis=-1)


def effective_bits(levels: ArrayLike, noise: ArrayLike = 0.0) -> float:
    """Effective number of bits of levels that are not where they should be, or not where they were.

    As for a converter (IEEE Std 1241): the full range over the root mean square error, the error of an ideal
    quantizer, a step over the square root of 12, included; levels on a straight line without noise have log2 of their
    number.

    Parameters
    ----------
    levels
        Levels in order (level,), in any unit.
    noise
        Standard deviation of each level (level,) or of all, in the same unit.
    """
    values = _levels(levels)
    count = values.shape[-1]
    step = abs(values[-1] - values[0]) / (count - 1)
    errors = (integral_nonlinearity(values) * step) ** 2 + np.asarray(noise, dtype=float) ** 2
    return math.log2(count) - 0.5 * math.log2(1.0 + 12.0 * float(np.mean(errors)) / step**2)


def level_noise(calibration: Calibration, rate: float = 0.0, frequency: float = 0.0) -> FloatArray:
    """Standard deviation of each level's conductance (level,), S, from relative uncertainties, to first order.

    Parameters
    ----------
    calibration
        The levels.
    rate
        Relative standard deviation of the device's speed.
    frequency
        Relative standard deviation of the frequency. The two are independent, and act alike.
    """
    for name, value in (("rate", rate), ("frequency", frequency)):
        if not 0.0 <= value < 1.0:
            raise InputError(f"{name}: must be a share from 0 to 1; it is {value:g}")
    return np.abs(calibration.sensitivity()) * math.hypot(rate, frequency)


def distinct_levels(calibration: Calibration, uncertainty: float) -> int:
    """Levels that stay apart: as many as fit side by side if each extends an uncertainty to both sides.

    Placed wherever there is room, not evenly. The room is that of the calibration's own levels, which bound the number.

    Parameters
    ----------
    calibration
        Levels, many enough to resolve the band.
    uncertainty
        Relative uncertainty of the device's speed or the frequency, above zero.
    """
    if not 0.0 < uncertainty < 1.0:
        raise InputError(f"uncertainty: must be a share between 0 and 1; it is {uncertainty:g}")
    half = level_noise(calibration, rate=uncertainty)
    count, reached = 0, -np.inf
    for value, width in zip(calibration.conductance, half, strict=True):
        if value - width >= reached:
            count, reached = count + 1, value + width
    return count


def _levels(levels: ArrayLike) -> FloatArray:
    values = np.asarray(levels, dtype=float)
    if (
        values.ndim < 1
        or values.shape[-1] < 2
        or not np.isfinite(values).all()
        or (values[..., -1] == values[..., 0]).any()
    ):
        raise InputError("levels: must be two or more finite numbers, the last other than the first")
    return values
