"""How well the instants of a run resolve what is measured of it.

What is measured is measured again with every second instant left out; the corners of the drive stay. The difference
bounds the error where a curve is smooth or jumps between two instants. It does not show what happens between two
instants and leaves no trace at either.
"""

from __future__ import annotations

import warnings

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from spicecim.accuracy import LEAST_SHARE
from spicecim.errors import AccuracyWarning
from spicecim.fields import FloatArray

_ROUNDING = 1e-9


def corners_among(time: FloatArray, corners: FloatArray) -> NDArray[np.bool_]:
    """Whether each instant (s) is one of the corners (s), up to rounding."""
    if not len(corners):
        return np.zeros(len(time), dtype=bool)
    after = np.minimum(np.searchsorted(corners, time), len(corners) - 1)
    nearest = np.minimum(np.abs(time - corners[after]), np.abs(time - corners[np.maximum(after - 1, 0)]))
    return np.asarray(nearest <= _ROUNDING * (time[-1] - time[0]))


def every_second(time: FloatArray, corners: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
    """Whether each instant is kept where every second is left out, but neither an end nor a corner."""
    kept = np.ones(len(time), dtype=bool)
    free = np.ones(len(time), dtype=bool) if corners is None else ~corners
    free[[0, -1]] = False
    kept[np.flatnonzero(free)[::2]] = False
    return kept


def relative_error(value: xr.DataArray, coarse: xr.DataArray, scale: xr.DataArray) -> float:
    """Largest difference of two measurements relative to a scale; where that is next to nothing, to the largest."""
    least = LEAST_SHARE * float(abs(scale).max()) or 1.0
    return float((abs(value - coarse) / np.maximum(abs(scale), least)).max())


def warn_of_grid(error: float, accuracy: float, what: str, stacklevel: int) -> None:
    """Warn with `AccuracyWarning` if an error of the grid is above the accuracy; `stacklevel` 2 is the caller."""
    if error > accuracy:
        warnings.warn(
            f"the instants resolve {what} to {error:.1e} only, and {accuracy:g} is asked for; take more of them "
            "(analysis.points_per_period, or time= of the reference engine)",
            AccuracyWarning,
            stacklevel=stacklevel,
        )
