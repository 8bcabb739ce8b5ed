"""Least squares from many starts at once: a Levenberg-Marquardt method over a batch, and scipy's from the best."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.stats import qmc

from spicecim.fields import FloatArray
from spicecim.fitting.problems import Evaluated, Problem
from spicecim.fitting.statistics import spread

_ITERATIONS = 40
ENOUGH = 1e-4
"""Relative fall of the cost below which a start of the search is done."""
_LONGEST = 2.0
"""Change of an unknown in an iteration: of a logarithm a factor of 7."""


_SETTLED = 0.01
"""Fall of the cost that a step of Gauss and Newton's promises, over the variance of a residual, which is smooth."""
_SHAKES, _NEIGHBORS, _AFTER_SHAKE = 3, 8, 15
_WIDTH = 2.0
"""Standard deviations to the neighbors."""
_AS_GOOD = 1.0
"""Rise of the cost, in variances of a residual, by which a fit is as good: one standard deviation of an unknown."""
_UNSEEN = 1e-7
"""Size of an unknown's derivatives, relative to the largest, at which the data do not show it."""


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
    scale: float = np.inf,
    held: NDArray[np.bool_] | None = None,
) -> Found:
    """Improve all candidates (candidate, unknown) at once, each by Levenberg and Marquardt's method.

    A candidate is done when its cost falls by less than a share of `enough` in two iterations. Residuals far above
    `scale` count with their logarithm (Cauchy's loss): a device that switches a sample early or late is that far off
    there, and by nothing else. Unknowns that are `held` (candidate, unknown) keep their numbers.
    """
    q = q.copy()
    fixed = np.zeros(q.shape, dtype=bool) if held is None else held
    if not q.shape[1]:
        return Found(q, _losses(problem.evaluate(q, sweeps, slopes=False), scale)[0])
    at = problem.evaluate(q, sweeps)
    cost, normal, gradient = _equations(at, scale, fixed)
    damping, slow = np.full(len(q), 1e-2), np.zeros(len(q), dtype=int)
    for _ in range(iterations):
        going = np.flatnonzero((slow < 2) & np.isfinite(cost))
        if not len(going):
            break
        step = _step(normal[going], gradient[going], damping[going])
        tried = q[going] + np.clip(step, -_LONGEST, _LONGEST)
        new_cost, new_normal, new_gradient = _equations(
            problem.evaluate(tried, None if sweeps is None else sweeps[going]), scale, fixed[going]
        )
        better = new_cost < cost[going]
        fall = 1.0 - np.divide(new_cost, cost[going], out=np.ones(len(going)), where=cost[going] > 0.0)
        ok = going[better]
        q[ok], cost[ok] = tried[better], new_cost[better]
        normal[ok], gradient[ok] = new_normal[better], new_gradient[better]
        damping[going] = np.where(better, 0.2 * damping[going], 6.0 * damping[going])
        slow[going] = np.where(better & (fall > enough), 0, slow[going] + np.where(better, 1, 0))
        slow[going[damping[going] > 1e8]] = 2
    return Found(q, cost)


def _losses(at: Evaluated, scale: float) -> tuple[FloatArray, FloatArray]:
    """Costs (candidate,), and the weight of each residual in the equations (candidate, sample)."""
    if not np.isfinite(scale):
        return at.cost, np.ones_like(at.residual)
    squares = (at.residual / scale) ** 2
    cost = scale**2 * np.log1p(squares).sum(axis=1)
    return np.where(at.failed, np.inf, cost), 1.0 / (1.0 + squares)


def _equations(
    at: Evaluated, scale: float, held: NDArray[np.bool_] | None = None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    cost, weight = _losses(at, scale)
    jacobian = at.jacobian if held is None else np.where(held[:, None, :], 0.0, at.jacobian)
    weighted = jacobian * weight[:, :, None]
    normal = jacobian.transpose(0, 2, 1) @ weighted
    gradient = (weighted * at.residual[:, :, None]).sum(axis=1)
    bad = at.failed | ~np.isfinite(normal).all(axis=(1, 2))
    normal[bad], gradient[bad] = 0.0, 0.0
    return cost, normal, gradient


def shaken(problem: Problem, q: FloatArray, sweeps: NDArray[np.int_] | None, seed: int) -> FloatArray:
    """Improve devices (device, unknown) that a descent left where the residuals still fall, from neighbors of each.

    Samples make the cost of an abrupt device uneven: between two of them, a switching shows nothing. Where it is
    smooth, no step of Gauss and Newton's is left at the end of a descent, and nothing is done.
    """
    if not q.shape[1]:
        return q
    q, random = q.copy(), np.random.default_rng(seed)
    for _ in range(_SHAKES):
        at = problem.evaluate(q, sweeps)
        cost, normal, gradient = _equations(at, np.inf)
        step = _step(normal, gradient, np.full(len(q), 1e-9))
        variance = cost / np.maximum((at.residual != 0.0).sum(axis=1), 1)
        rough = np.flatnonzero((-(gradient * step).sum(axis=1) > _SETTLED * variance) & np.isfinite(cost))
        if not len(rough):
            break
        size = np.sqrt(np.einsum("bii->bi", normal[rough]))
        size += _UNSEEN * size.max(axis=1, keepdims=True) + 1e-300
        scaled = normal[rough] / size[:, :, None] / size[:, None, :]
        values, directions = np.linalg.eigh(np.nan_to_num(scaled))
        spread = directions / np.sqrt(np.maximum(values, 1e-6))[:, None, :] * np.sqrt(variance[rough])[:, None, None]
        numbers = random.standard_normal((len(rough), _NEIGHBORS, q.shape[1], 1))
        moves = (_WIDTH * spread[:, None] @ numbers)[..., 0] / size[:, None]
        # what the data do not show stays where it is
        moves *= (size > 2.0 * _UNSEEN * size.max(axis=1, keepdims=True))[:, None]
        tried = q[rough, None] + np.clip(moves, -0.5, 0.5)
        own = None if sweeps is None else np.repeat(sweeps[rough], _NEIGHBORS, axis=0)
        found = descend(problem, tried.reshape(-1, q.shape[1]), own, iterations=_AFTER_SHAKE)
        costs = found.cost.reshape(len(rough), -1)
        best = costs.argmin(axis=1)
        rows = np.arange(len(rough))
        better = costs[rows, best] < cost[rough]
        q[rough[better]] = found.q.reshape(len(rough), _NEIGHBORS, -1)[rows, best][better]
    return q


def settled(problem: Problem, q: FloatArray) -> FloatArray:
    """Return numbers of unknowns (unknown,) that fit as well, with what the data do not determine at its first values.

    Along a combination that changes nothing, a search ends anywhere. One unknown of each goes back to its first value,
    the farthest from it, and the others follow.
    """
    first = np.array([unknown.start() for unknown in problem.unknowns])
    held = np.zeros(len(q), dtype=bool)
    cost = float(problem.evaluate(q[None], slopes=False).cost[0])
    worst = cost * (1.0 + _AS_GOOD / max(int(problem.data.counts.sum()), 1))
    while not held.all():
        jacobian = problem.evaluate(q[None]).jacobian[0]
        free = np.flatnonzero(~held)
        lost = spread(jacobian[:, free]).lost
        if not len(lost):
            break
        move = np.zeros(len(q))
        move[free] = lost[0]
        part = np.abs(move) > 0.2 * np.abs(move).max()
        back = int(np.argmax(np.where(part, np.abs(q - first), -1.0)))
        held[back] = True
        tried = q + move * (first[back] - q[back]) / move[back]
        tried[back] = first[back]
        found = descend(problem, tried[None], held=held[None])
        if found.cost[0] <= worst:
            q = found.q[0]
    return q


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
