"""Two runs of one testbench compared, column by column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from spicecim.accuracy import current_scales
from spicecim.errors import WaveformError
from spicecim.fields import FloatArray
from spicecim.waveforms import check_waveforms


@dataclass(frozen=True)
class Comparison:
    """Errors of each column's current, relative to that column's peak in the second run.

    The peak of a column that carries next to nothing is taken as no less than `spicecim.accuracy` says: a billionth of
    the largest column's, and 1e-15 A. What the engines leave there is rounding.

    Attributes
    ----------
    max_error, rms_error
        Largest and root-mean-square difference over time of each column, relative to its peak (column,).
    peak
        Largest magnitude of each column's current in the second run (A) (column,).
    tolerance
        Largest `max_error` that passes.
    """

    max_error: FloatArray
    rms_error: FloatArray
    peak: FloatArray
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether every column is within the tolerance."""
        return bool((self.max_error <= self.tolerance).all())

    @property
    def worst(self) -> float:
        """Largest `max_error` of all columns."""
        return float(self.max_error.max())


def compare(first: xr.Dataset, second: xr.Dataset, tolerance: float = 1e-4) -> Comparison:
    """Compare the column currents of two runs at the same instants.

    Parameters
    ----------
    first, second
        Runs with the same columns and the same instants: run ngspice first, and the reference engine with
        ``time=spice.time.values``. The mean square weighs each instant by the time around it.
    tolerance
        Largest difference, relative to a column's peak, that passes. The presets of `yakopcic` stay below 1e-4 at the
        default number of points in a period; the steps of ngspice limit it.

    Raises
    ------
    WaveformError
        If the columns or the instants differ.

    Examples
    --------
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "yakopcic", "preset": "oblea"},
    ...     crossbar={"state": [[0.2, 0.5]]},
    ...     drive={"kind": "sine", "amplitude": 0.3, "frequency": 100},
    ... )
    >>> one = sc.simulate(bench, engine="reference")
    >>> other = sc.simulate(bench, engine="reference", time=one.time.values, tolerance=1e-11)
    >>> sc.compare(one, other).worst < 1e-6
    True
    """
    check_waveforms(first, "i_column")
    check_waveforms(second, "i_column")
    a, b = (run["i_column"].transpose("time", "column") for run in (first, second))
    if a.shape != b.shape or not np.array_equal(a["time"].values, b["time"].values):
        raise WaveformError(
            f"the runs have other columns or instants: {dict(a.sizes)} and {dict(b.sizes)}; "
            "run the reference engine with time=spice.time.values"
        )
    time = b["time"].values
    difference, peak = np.abs(a.values - b.values), np.abs(b.values).max(axis=0)
    scale = current_scales(b.values)
    mean_square = np.trapezoid(difference**2, time, axis=0) / (time[-1] - time[0])
    return Comparison(
        max_error=difference.max(axis=0) / scale,
        rms_error=np.sqrt(mean_square) / scale,
        peak=peak,
        tolerance=float(tolerance),
    )
