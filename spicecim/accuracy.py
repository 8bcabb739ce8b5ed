"""How the error of a waveform is measured: the one definition that engines, estimates, comparisons and tests share.

Away from edges the error of a curve is its largest difference at any instant, relative to its scale: a column's own
peak, or 1 for x.

At an edge, where a device switches within an instant, that difference says next to nothing: an edge that is right but a
millionth of a cycle late is off by its whole height for a millionth of a cycle. There the error is the distance of the
two curves as they would be drawn, with the value in units of its scale and the time in units of the drive's cycle: how
far one has to go, in value or in time, whichever is more, from a point of either curve to the other. An edge that comes
late by a thousandth of a cycle has an error of 1e-3; an edge or a spike that one curve lacks has its height as error.
The error is also no less than that of the mean.
"""

from __future__ import annotations

import numpy as np

from spicecim.fields import FloatArray

STEEP = 20.0
"""Slope from which on a curve is an edge, in scales per cycle: a sine has 6.3."""
NEAR_EDGE = 0.01
"""Distance in cycles up to which an instant belongs to an edge."""
LEAST_SHARE = 1e-9
"""Peak of a column relative to the largest column's, below which errors count relative to this: currents below it are
under the absolute tolerances of the engines."""
LEAST_CURRENT = 1e-15
"""The same in ampere: no readout tells less."""
_HALVINGS = 30
_FINE = 4.0
"""Instants within an edge that is resolved, for each accuracy that it may shift by."""


def current_scales(current: FloatArray) -> FloatArray:
    """What errors of column currents (time, column) count relative to (column,), ampere: the columns' own peaks."""
    peak: FloatArray = np.abs(current).max(axis=0)
    return np.asarray(np.maximum(peak, max(LEAST_SHARE * float(peak.max(initial=0.0)), LEAST_CURRENT)))


def current_errors(time: FloatArray, found: FloatArray, right: FloatArray, cycle: float) -> FloatArray:
    """Error of each column's current relative to its peak.

    Parameters
    ----------
    time
        Instants (time,), s.
    found, right
        Currents (time, column) to be judged, and right ones whose peaks count; both in ampere.
    cycle
        Time (s) that the shift of an edge counts relative to, `cycle()` of the drive.

    Returns
    -------
    numpy.ndarray
        Errors (column,).
    """
    scales = current_scales(right)
    return curve_errors(time, found / scales, right / scales, cycle)


def curve_errors(time: FloatArray, found: FloatArray, right: FloatArray, cycle: float) -> FloatArray:
    """Error of curves in units of their scale, as the module defines it.

    Parameters
    ----------
    time
        Instants (time,), s, increasing.
    found, right
        Curves (time, curve) to be judged, and right ones.
    cycle
        Time (s) that the shift of an edge counts relative to.

    Returns
    -------
    numpy.ndarray
        Errors (curve,).
    """
    apart = np.abs(found - right)
    errors: FloatArray = apart.max(axis=0)
    rise = np.maximum(np.abs(np.diff(found, axis=0)), np.abs(np.diff(right, axis=0)))
    clock = np.asarray(time) / cycle
    rise[rise <= STEEP * np.diff(clock)[:, None]] = 0.0
    for curve in np.flatnonzero(rise.any(axis=0) & (errors > 0.0)):
        errors[curve] = _error_with_edges(clock, found[:, curve], right[:, curve], rise[:, curve])
    return errors


def edge_instants(time: FloatArray, curves: FloatArray, cycle: float, accuracy: float, most: int) -> FloatArray:
    """Return instants (s) to add to `time` for edges of curves (time, curve) to be known to a fraction of the accuracy.

    The curves are in units of their scale. Nothing is to be added where each edge has instants enough, and no more than
    about `most`.
    """
    apart = np.diff(time)
    rise = np.abs(np.diff(curves, axis=0)).max(axis=1)
    coarse = (rise > STEEP * apart / cycle) & (rise > accuracy) & (_FINE * apart > accuracy * cycle)
    if not coarse.any():
        return np.empty(0)
    pieces = np.ceil(_FINE * apart[coarse] / (accuracy * cycle))
    pieces = np.maximum(2, pieces * min(1.0, most / float(pieces.sum()))).astype(int)
    starts = time[:-1][coarse]
    return np.concatenate(
        [
            start + length * np.arange(1, count) / count
            for start, length, count in zip(starts, apart[coarse], pieces, strict=True)
        ]
    )


def _error_with_edges(clock: FloatArray, found: FloatArray, right: FloatArray, rise: FloatArray) -> float:
    """Error of a curve; `rise` are the changes over steep intervals (time - 1,), zero over others."""
    apart = np.abs(found - right)
    passed = np.concatenate([[0.0], rise.cumsum()])
    first = np.maximum(np.searchsorted(clock, clock - NEAR_EDGE) - 1, 0)
    last = np.minimum(np.searchsorted(clock, clock + NEAR_EDGE, side="right"), len(clock) - 1)
    # a step of rounding between two close instants is steep too, but explains no difference
    at_edge = passed[last] - passed[first] >= 0.5 * apart
    error = float(apart[~at_edge].max(initial=0.0))
    chosen = np.flatnonzero(at_edge & (apart > error))
    if chosen.size:
        # many edges that are late together are more than one: what they do to the mean counts too
        error = max(error, abs(float(np.trapezoid(found - right, clock))) / float(clock[-1] - clock[0]))
        for points, curve in ((found, right), (right, found)):
            error = max(error, float(_distances(clock, points, curve, chosen, apart[chosen]).max()))
    return error


def _distances(
    clock: FloatArray, points: FloatArray, curve: FloatArray, chosen: np.ndarray, most: FloatArray
) -> FloatArray:
    """Distance of chosen points from a curve of straight lines, in time or value, whichever is more; `most` bounds it.

    A curve comes within a distance of a point exactly if its range, over the times within that distance, does: so the
    distance is found by halving.
    """
    least, largest = _Ranges(curve, np.minimum), _Ranges(curve, np.maximum)
    instants, values = clock[chosen], points[chosen]
    below, above = np.zeros_like(most), most.copy()
    for _ in range(_HALVINGS):
        reach = 0.5 * (below + above)
        starts, ends = np.maximum(instants - reach, clock[0]), np.minimum(instants + reach, clock[-1])
        inside = np.searchsorted(clock, starts), np.searchsorted(clock, ends, side="right")
        at_ends = np.interp(starts, clock, curve), np.interp(ends, clock, curve)
        low = np.minimum(least.over(*inside), np.minimum(*at_ends))
        high = np.maximum(largest.over(*inside), np.maximum(*at_ends))
        near = (values + reach >= low) & (values - reach <= high)
        above, below = np.where(near, reach, above), np.where(near, below, reach)
    return above


class _Ranges:
    """Least or largest value over any range of a curve, by those over ranges of 1, 2, 4, ... values."""

    def __init__(self, curve: FloatArray, choose: np.ufunc) -> None:
        self._choose, self._tables = choose, [curve]
        while 2 ** len(self._tables) <= len(curve):
            half = 2 ** (len(self._tables) - 1)
            self._tables.append(choose(self._tables[-1][:-half], self._tables[-1][half:]))

    def over(self, first: np.ndarray, end: np.ndarray) -> FloatArray:
        """Over values first to end - 1, at least one each."""
        levels = np.frexp(end - first)[1] - 1
        found = np.empty(len(first))
        for level in np.unique(levels):
            some, table = levels == level, self._tables[level]
            found[some] = self._choose(table[first[some]], table[end[some] - 2**level])
        return found
