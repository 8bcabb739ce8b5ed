"""Confidence intervals of means and of differences of means, at 95 %."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t

from spicecim.validation.claims import Range

_CONFIDENCE = 0.95


def mean_interval(values: ArrayLike) -> Range:
    """Interval of the mean of values, Student's; of one value, that value twice.

    Examples
    --------
    >>> low, high = mean_interval([1.0, 2.0, 3.0])
    >>> round(low, 3), round(high, 3)
    (-0.484, 4.484)
    """
    return difference_interval(values, [0.0])


def difference_interval(one: ArrayLike, other: ArrayLike) -> Range:
    """Interval of the mean of one minus the mean of the other, each with a variance of its own.

    B. L. Welch, Biometrika 34 (1947), doi:10.1093/biomet/34.1-2.28. Of a single value the variance is taken as 0: it is
    not drawn.
    """
    both = [np.asarray(values, dtype=float).ravel() for values in (one, other)]
    first, second = both
    middle = float(first.mean() - second.mean())
    shares = np.array(
        [float(values.var(ddof=1)) / len(values) if len(values) > 1 else 0.0 for values in (first, second)]
    )
    if shares.sum() == 0.0:
        return middle, middle
    degrees = sum(share**2 / (len(values) - 1) for share, values in zip(shares, both, strict=True) if share > 0)
    half = float(t.ppf(0.5 + 0.5 * _CONFIDENCE, shares.sum() ** 2 / degrees) * np.sqrt(shares.sum()))
    return middle - half, middle + half
