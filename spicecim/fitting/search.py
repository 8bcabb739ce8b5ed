"""Least squares from many starts at once: a Levenberg-Marquardt method over a batch, and scipy's from the best."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.stats import qmc

from spicecim.fields import FloatArray
from spicecim.fitting.problems import Evaluated, Problem

_ITERATIONS = 40
ENOUGH = 1e-4
"""Relative fall of the cost below which a start of the search is done."""
_LONGEST = 2.0
"""Change of an unknown in an iteration: of a logarithm a factor of 7."""


class Found(NamedTuple):
    """Numbers of the unknowns (candidate, unknown) and costs (candidate,)."""

    q: FloatArray
    cost: FloatArray


def candidates(problem: Problem, count: int, seed: int) -> FloatArray:
    """Candidates (candidate, unknown): the first values, and others spread evenly over the range of the search."""
    first = np.array([[unknown.start() for unknown in problem.unknowns]])
    if count < 2 or not problem.unknowns:
        return first
    exponent = int(np.ceil(np.log2(count)))
    places = qmc.Sobol(len(problem.unknowns), seed=seed).random_base2(exponent)[: count - 1]
    spread = [unknown.spread(places[:, k]) for k, unknown in enumerate(problem.unknowns)]
    return np.concatenate([first, np.stack(spread, axis=1)])


def descend(
    problem: Problem,
    q: FloatArray,
    sweeps: NDArray[np.int_] | None = None,
    iterations: int = _ITERATIONS,
    enough: float = ENOUGH,
) -> Found:
    """Improve all candidates (candidate, unknown) at once, each by Levenberg and Marquardt's method.

    A candidate is done when its cost falls by less than a share of `enough` in two iterations.
    """
    q = q.copy()
    if not q.shape[1]:
        return Found(q, problem.evaluate(q, sweeps, slopes=False).cost)
    at = problem.evaluate(q, sweeps)
    cost = at.cost
    normal, gradient = _equations(at)
    damping, slow = np.full(len(q), 1e-2), np.zeros(len(q), dtype=int)
    for _ in range(iterations):
        going = np.flatnonzero((slow < 2) & np.isfinite(cost))
        if not len(going):
            break
        step = _step(normal[going], gradient[going], damping[going])
        tried = q[going] + np.clip(step, -_LONGEST, _LONGEST)
        there = problem.evaluate(tried, None if sweeps is None else sweeps[going])
        better = there.cost < cost[going]
        fall = 1.0 - np.divide(there.cost, cost[going], out=np.ones(len(going)), where=cost[going] > 0.0)
        ok = going[better]
        q[ok], cost[ok] = tried[better], there.cost[better]
        new = _equations(there)
        normal[ok], gradient[ok] = new[0][better], new[1][better]
        damping[going] = np.where(better, 0.2 * damping[going], 6.0 * damping[going])
        slow[going] = np.where(better & (fall > enough), 0, slow[going] + np.where(better, 1, 0))
        slow[going[damping[going] > 1e8]] = 2
    return Found(q, cost)


def _equations(at: Evaluated) -> tuple[FloatArray, FloatArray]:
    normal = at.jacobian.transpose(0, 2, 1) @ at.jacobian
    gradient = (at.jacobian * at.residual[:, :, None]).sum(axis=1)
    bad = at.failed | ~np.isfinite(normal).all(axis=(1, 2))
    normal[bad], gradient[bad] = 0.0, 0.0
    return normal, gradient


def _step(normal: FloatArray, gradient: FloatArray, damping: FloatArray) -> FloatArray:
    diagonal = np.einsum("bii->bi", normal)
    # what the data do not show stays where it is
    scale = np.sqrt(diagonal + 1e-12 * diagonal.max(axis=1, keepdims=True) + 1e-300)
    scaled = normal / scale[:, :, None] / scale[:, None, :] + damping[:, None, None] * np.eye(normal.shape[1])
    return np.asarray(-np.linalg.solve(scaled, (gradient / scale)[:, :, None])[:, :, 0] / scale)


def polish(problem: Problem, q: FloatArray, iterations: int = 30) -> FloatArray:
    """Improve one candidate (unknown,) by scipy's method."""
    if not len(q):
        return q
    known: dict[bytes, Evaluated] = {}

    def at(q: FloatArray) -> Evaluated:
        if q.tobytes() not in known:
            known.clear()
            known[q.tobytes()] = problem.evaluate(q[None])
        return known[q.tobytes()]

    def residual(q: FloatArray) -> FloatArray:
        found = at(q)
        # a candidate that fails is no better than none
        return np.full(found.residual.shape[1], 1e8) if found.failed[0] else found.residual[0]

    fitted = least_squares(
        residual, q, lambda q: at(q).jacobian[0], method="trf", x_scale="jac", max_nfev=iterations,
        xtol=1e-8, ftol=1e-8, gtol=1e-12,
    )  # fmt: skip
    return np.asarray(fitted.x)
