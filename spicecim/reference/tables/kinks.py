"""Where voltages that are polynomials of time pass levels, and the integral of a function with kinks there.

Roots by Newton's method, safeguarded by bisection (R. P. Brent, Algorithms for Minimization without Derivatives,
Prentice-Hall (1973), chapters 3 and 4); integrals between them by Gauss's rule of four points.

A voltage may pass a level between two places and come back: its peak is looked for wherever the slope changes its sign.
Polynomials are coefficients (power of ``2 place - 1``, interval), each over an interval of a step from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from spicecim.fields import FloatArray

GAUSS_NODES, GAUSS_WEIGHTS = (0.5 * part for part in np.polynomial.legendre.leggauss(4))
GAUSS_NODES = GAUSS_NODES + 0.5
_CLOSE = 1e-6
"""Last of Newton's steps to a crossing or a peak. The rate is continuous there: an error counts by its square."""
_MOST_REFINEMENTS = 30
"""Most of these steps. Beside a peak, where the slope vanishes, each but the last few halves the distance."""
_AT_CROSSING = 1e-6
"""Place in a step up to which, and before its end from which, a crossing is that end."""
_NO_SIGN = 1e-9
"""Distance from a kink, relative to what it may be, below which it is rounding."""
_SAMPLES = 17
"""Places in a step between which its first crossing is looked for."""

Numbers = NDArray[np.int_]


class Peaks(NamedTuple):
    """Peaks, high or low ones."""

    interval: Numbers
    """Numbers of the intervals among all (peak,)."""
    place: FloatArray
    """Places of the peaks (peak,)."""


class Crossing(NamedTuple):
    """Where a cell's equations are not smooth."""

    place: float
    """Place in a step."""
    cell: int
    """Number of the cell."""


def first_crossing(
    distances: Callable[[FloatArray], FloatArray], magnitudes: FloatArray, end: float = 1.0
) -> Crossing | None:
    """First place up to an end where a distance (place, cell, kink), given at places (place,), changes its sign.

    One that is next to nothing beside the magnitudes (kink,) that they may have has no sign: a state rests at its stop.
    """
    samples = end * np.concatenate([[_AT_CROSSING], np.linspace(0.0, 1.0, _SAMPLES)[1:]])
    values = distances(samples)
    side = np.sign(values) * (np.abs(values) > _NO_SIGN * magnitudes)
    changes = side[1:] * side[:-1] < 0.0
    index = int(changes.any(axis=(1, 2)).argmax())
    begin, until, found = float(samples[index]), float(samples[index + 1]), None
    for cell, kink in np.argwhere(changes[index]):

        def distance(at: float, cell: int = cell, kink: int = kink) -> float:
            return float(distances(np.array([at]))[0, cell, kink])

        if found is None or distance(until) * side[index, cell, kink] <= 0.0:
            until = float(brentq(distance, begin, until))
            found = Crossing(until, int(cell))
    return found if found is not None and found.place < 1.0 - _AT_CROSSING else None


def find_peaks(polynomial: FloatArray, begin: FloatArray, end: FloatArray) -> Peaks:
    """Find the peaks between the ends of intervals (interval,)."""
    slope = derivative(polynomial)
    first, last = evaluate(slope, begin), evaluate(slope, end)
    turns = np.flatnonzero(first * last < 0)
    if not len(turns):
        return Peaks(turns, begin[:0])
    slope, begin, end = slope[:, turns], begin[turns], end[turns]
    rise, curvature = last[turns] - first[turns], derivative(slope)
    place = begin - (end - begin) * first[turns] / rise
    return Peaks(turns, _root(slope, curvature, 0.0, rise, place, begin, end))


def passed(levels: FloatArray, values: FloatArray) -> Numbers:
    """Number of levels (level, interval), increasing, that values (..., interval) are not below."""
    return np.asarray(sum(values >= level for level in levels), dtype=int)


def peaks_across(
    levels: FloatArray, polynomial: FloatArray, begin: FloatArray, end: FloatArray
) -> tuple[Peaks, Numbers]:  # fmt: skip
    """Find the peaks that pass levels (level, interval) which neither end of their interval does.

    And the number of levels below each.
    """
    peaks = find_peaks(polynomial, begin, end)
    chosen = peaks.interval
    if not len(chosen):
        return peaks, chosen
    side, one, other = (
        passed(levels[:, chosen], evaluate(polynomial[:, chosen], at))
        for at in (peaks.place, begin[chosen], end[chosen])
    )
    passes = (side > np.maximum(one, other)) | (side < np.minimum(one, other))
    return Peaks(chosen[passes], peaks.place[passes]), side[passes]


def integrals_across(
    function: Callable[[FloatArray], FloatArray],
    levels: FloatArray,
    polynomial: FloatArray,
    begin: FloatArray,
    end: FloatArray,
    sides: tuple[Numbers, Numbers],
    peak: str = "",
) -> FloatArray:
    """Integrals (2, interval) of a function of polynomials over intervals in which they pass levels.

    Before and after the change of sign at level 0, if there is one.

    Parameters
    ----------
    function
        The function, smooth between the levels.
    levels
        The levels (level, interval), increasing; of those that are infinite, none is passed.
    polynomial
        The polynomials.
    begin, end
        Ends of the intervals (interval,).
    sides
        Number of levels below the polynomial at either end (interval,). Where rounding makes them the same, the
        interval is split at a level that it touches, which changes nothing.
    peak
        Which end is a peak, ``"begin"`` or ``"end"``, if one is.
    """
    first, last = sides
    most = max(1, int(np.abs(last - first).max()))
    # from level to level in the order that they are passed; an interval that passes fewer has its last ones twice
    before = np.minimum(np.arange(most)[:, None], np.maximum(np.abs(last - first) - 1, 0))
    numbers = np.where(last > first, first + before, first - 1 - before)
    heights = np.take_along_axis(levels, np.clip(numbers, 0, len(levels) - 1), axis=0)
    low, high = evaluate(polynomial, begin), evaluate(polynomial, end)
    # an interval may seem to pass a level by the rounding of its ends alone
    share = np.clip((heights - low) / np.where(high == low, np.inf, high - low), 0.0, 1.0)
    if peak:
        # there the polynomial is a parabola
        share = np.sqrt(share) if peak == "begin" else 1.0 - np.sqrt(1.0 - share)
    guess = begin + (end - begin) * share
    root = _root(polynomial, derivative(polynomial), heights, high - low, guess, begin, end)
    cuts = np.concatenate([begin[None], np.maximum.accumulate(root, axis=0), end[None]])
    pieces = np.diff(cuts, axis=0)
    where = cuts[:-1, None] + pieces[:, None] * GAUSS_NODES[:, None]
    integrals = pieces * (GAUSS_WEIGHTS @ function(evaluate(polynomial, where)))
    after = np.zeros(integrals.shape, dtype=bool)
    after[1:] = np.logical_or.accumulate(heights == 0.0, axis=0)
    return np.stack([np.where(after, 0.0, integrals).sum(axis=0), np.where(after, integrals, 0.0).sum(axis=0)])


def _root(
    polynomial: FloatArray,
    slope: FloatArray,
    height: FloatArray | float,
    rise: FloatArray,
    root: FloatArray,
    begin: FloatArray,
    end: FloatArray,
) -> FloatArray:
    """Newton's method to where polynomials that rise by `rise` from end to end are at a height, from a guess.

    By bisection where it leads out of the ends known so far, as it does from beyond a peak.
    """
    sign = np.sign(rise)
    low, high = np.broadcast_to(begin, root.shape), np.broadcast_to(end, root.shape)
    for _ in range(_MOST_REFINEMENTS):
        above, steepness = sign * (evaluate(polynomial, root) - height), sign * evaluate(slope, root)
        low, high = np.where(above > 0.0, low, root), np.where(above > 0.0, root, high)
        better = root - above / np.where(steepness > 0.0, steepness, 1.0)
        usable = (steepness > 0.0) & (better >= low) & (better <= high)
        better = np.where(usable, better, 0.5 * (low + high))
        moved, root = np.abs(better - root).max(initial=0.0), better
        if moved <= _CLOSE:
            break
    return root


def derivative(polynomial: FloatArray) -> FloatArray:
    """Derivatives of polynomials by the place."""
    return np.asarray(2.0 * np.arange(1, len(polynomial))[:, None] * polynomial[1:])


def evaluate(polynomial: FloatArray, places: FloatArray) -> FloatArray:
    """Values (..., interval) of polynomials at places (..., interval)."""
    centered = 2.0 * places - 1.0
    values = np.empty(places.shape)
    values[...] = polynomial[-1]
    for coefficient in polynomial[-2::-1]:
        values *= centered
        values += coefficient
    return values
