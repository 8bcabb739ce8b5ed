"""Intervals where linearization fails: the range in which the likelihood stays high, with all other unknowns free.

The samples of an abrupt device make its cost uneven: a sample on a switching edge tells its instant far better than the
distance to the next sample, but only as long as it is on the edge. There the curvature at the best fit says little.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spicecim.fields import FloatArray
from spicecim.fitting.problems import Problem
from spicecim.fitting.search import descend
from spicecim.fitting.statistics import NO_EFFECT, SINGULAR

_OFF = 2.0
"""Factor by which the cost at the ends of the linearized intervals may differ from a parabola's."""
_PLACES = np.array([1.0, 2.0, 4.0, 6.0, 8.0, 12.0]) / 12.0
"""Where the profile is taken, between the ends of a bracket."""
_FIRST = 1.5
"""End of the first bracket, in half widths of the interval without the samples that tell too much."""
_LEVERAGE = 0.5
"""Share of a fitted value that is its own sample's: from here on, the sample is left out of the first width."""
_ITERATIONS = 12
_ROUNDS = 3
_WALL = 4.0
"""Rise over the level from which on the profile is a wall, and its place is looked for in a narrower bracket."""


class _Bracket(NamedTuple):
    """A range of places, in half widths, on one side of an unknown's value: the likelihood is high at its low end."""

    side: int
    unknown: int
    low: float
    high: float
    rise: float
    """Of the cost at the low end."""


def is_parabola(problem: Problem, q: FloatArray, covariance: FloatArray, level: float) -> bool:
    """Whether the cost rises by about `level` at the ends of the linearized intervals, as a straight model's does.

    Parameters
    ----------
    problem, q
        What was fitted, and the numbers of its unknowns (unknown,).
    covariance
        Of the linearized model, with the factor of the residuals; infinite for what the data do not determine.
    level
        Rise of the cost.
    """
    seen = np.flatnonzero(np.isfinite(np.diag(covariance)))
    if not len(seen):
        return True
    # those that the data do not determine go along as far as the others depend on them
    moves = np.nan_to_num(covariance[seen]) * np.sqrt(level / np.diag(covariance)[seen])[:, None]
    cost = problem.evaluate(np.concatenate([q[None], q + moves, q - moves]), slopes=False).cost
    rise = cost[1:] - cost[0]
    return bool(((rise > level / _OFF) & (rise < level * _OFF)).all())


def profiled_ends(problem: Problem, q: FloatArray, seen: NDArray[np.int_], level: float) -> FloatArray:
    """Ends (2, unknown) of the ranges in which the cost rises by `level` at most, all other unknowns at their best.

    Parameters
    ----------
    problem, q
        What was fitted, and the numbers of its unknowns (unknown,).
    seen
        Indices of the unknowns that the data determine; the others have infinite ends.
    level
        Rise of the cost: for 95 % of one unknown 3.84, times the square of the noise.
    """
    at = problem.evaluate(q[None])
    covariance = level * _without_leverage(at.jacobian[0])
    width = np.sqrt(np.diag(covariance))
    ends = np.array([np.full(len(q), -np.inf), np.full(len(q), np.inf)])
    going = [_Bracket(side, int(index), 0.0, _FIRST, 0.0) for side in (0, 1) for index in seen]
    for _ in range(_ROUNDS):
        tried = np.tile(q, (len(going), len(_PLACES), 1))
        held = np.zeros(tried.shape, dtype=bool)
        places = np.array([each.low + (each.high - each.low) * _PLACES for each in going])
        for row, each in enumerate(going):
            path = covariance[each.unknown] / width[each.unknown]
            tried[row] += (2 * each.side - 1) * places[row][:, None] * path
            held[row, :, each.unknown] = True
        flat = tried.reshape(-1, len(q)), held.reshape(-1, len(q))
        cost = descend(problem, flat[0], iterations=_ITERATIONS, held=flat[1]).cost.reshape(len(going), -1)
        narrower = []
        for row, each in enumerate(going):
            place, next_ = _crossing(each, places[row], cost[row] - at.cost[0], level)
            ends[each.side, each.unknown] = q[each.unknown] + (2 * each.side - 1) * place * width[each.unknown]
            if next_ is not None:
                narrower.append(next_)
        going = narrower
        if not going:
            break
    return ends


def _crossing(bracket: _Bracket, places: FloatArray, rise: FloatArray, level: float) -> tuple[float, _Bracket | None]:
    """Return where the rise passes the level for the last time, and the bracket to look at next, if any.

    The place is infinite if the likelihood is high up to the last place.
    """
    places = np.append(bracket.low, places)
    root = np.sqrt(np.append(bracket.rise, np.clip(rise, 0.0, 1e6 * level)) / level)
    inside = int(np.flatnonzero(root <= 1.0)[-1])
    low, own = places[inside], level * float(root[inside]) ** 2
    if inside == len(places) - 1:
        return np.inf, bracket._replace(low=low, high=2.0 * low, rise=own)
    high = places[inside + 1]
    place = low + (1.0 - root[inside]) / (root[inside + 1] - root[inside]) * (high - low)
    wall = root[inside + 1] ** 2 > _WALL
    return float(place), bracket._replace(low=low, high=high, rise=own) if wall else None


def _without_leverage(jacobian: FloatArray) -> FloatArray:
    """Covariance from the derivatives of the residuals, without samples that alone determine a combination.

    It is nothing along what the data do not determine, so that a path stays where it is there.
    """
    size = np.sqrt((jacobian**2).sum(axis=0))
    shown = size > NO_EFFECT * size.max()
    while True:
        size = np.where(shown, np.sqrt((jacobian**2).sum(axis=0)), np.inf)
        scaled = jacobian / size
        covariance = np.linalg.pinv(scaled.T @ scaled, rcond=SINGULAR**2) / np.outer(size, size)
        leverage = ((jacobian @ covariance) * jacobian).sum(axis=1)
        kept = jacobian[leverage < _LEVERAGE]
        fewer = 10 * np.count_nonzero(shown) <= len(kept) < len(jacobian)
        if not fewer or not (kept**2).sum(axis=0)[shown].all():
            return np.asarray(covariance)
        jacobian = kept
