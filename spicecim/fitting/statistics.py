"""What the data say about the parameters: covariance, intervals, what they cannot tell, and whether the model fits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, norm

from spicecim.fields import FloatArray
from spicecim.fitting.unknowns import Unknown

CONFIDENCE = 0.95
NO_EFFECT = 1e-7
"""Of an unknown, relative to the largest: the data do not depend on it."""
SINGULAR = 1e-5
"""Relative singular value below which a combination of unknowns changes nothing."""
_LOOSE = 0.7
"""Standard deviation of a transformed parameter from which on it is not determined: a factor of 2."""
_AS_ONE = 0.995
"""Correlation from which on two parameters act as one."""
_SURPRISE = 1e-3
"""Probability below which the misfit is told."""


class Spread(NamedTuple):
    """Covariance of the unknowns, without the factor of the residuals, and which of them the data determine."""

    covariance: FloatArray
    blind: NDArray[np.bool_]
    """Unknowns that change nothing."""
    joined: list[list[int]]
    """Unknowns of which a combination changes nothing."""
    lost: FloatArray
    """Directions (direction, unknown) along which nothing changes: those combinations, and unknowns of no effect."""


def spread(jacobian: FloatArray) -> Spread:
    """Covariance from the derivatives of the residuals (sample, unknown)."""
    size = np.sqrt((jacobian**2).sum(axis=0))
    count = len(size)
    blind = size <= NO_EFFECT * max(size.max(initial=0.0), 1e-300)
    covariance = np.full((count, count), np.nan)
    seen = np.flatnonzero(~blind)
    joined = []
    lost = np.eye(count)[blind]
    if len(seen):
        _, values, directions = np.linalg.svd(jacobian[:, seen] / size[seen], full_matrices=False)
        idle = values < SINGULAR * values[0]
        joined = [seen[np.abs(direction) > 0.2].tolist() for direction in directions[idle]]
        moves = np.zeros((int(idle.sum()), count))
        moves[:, seen] = directions[idle] / size[seen]
        lost = np.concatenate([lost, moves])
        kept = directions[~idle].T / values[~idle]
        covariance[np.ix_(seen, seen)] = kept @ kept.T / np.outer(size[seen], size[seen])
        for index in {index for group in joined for index in group}:
            covariance[index, index] = np.inf
    covariance[blind, blind] = np.inf
    return Spread(covariance, blind, joined, lost)


def correlation(covariance: FloatArray) -> FloatArray:
    """Correlation matrix; NaN where there is none."""
    with np.errstate(all="ignore"):
        deviation = np.sqrt(np.diag(covariance))
        return np.asarray(covariance / np.outer(deviation, deviation))


def runs_test(residual: FloatArray) -> float:
    """Probability that the signs of residuals in their order change as seldom, or less, by chance (Wald, Wolfowitz)."""
    signs = residual[residual != 0.0] > 0.0
    plus, minus = int(signs.sum()), int((~signs).sum())
    if not plus or not minus:
        return 0.0 if plus + minus > 1 else 1.0
    runs = 1 + int((signs[1:] != signs[:-1]).sum())
    count = plus + minus
    mean = 1.0 + 2.0 * plus * minus / count
    variance = (mean - 1.0) * (mean - 2.0) / (count - 1.0)
    return float(norm.cdf((runs + 0.5 - mean) / np.sqrt(max(variance, 1e-12))))


def chi_square_probability(cost: float, freedom: int) -> float:
    """Probability that noise alone would make the sum of the squares as large."""
    return float(chi2.sf(cost, max(freedom, 1)))


def is_surprising(probability: float) -> bool:
    """Whether a misfit of that probability is told."""
    return probability < _SURPRISE


def undetermined(deviation: FloatArray) -> NDArray[np.bool_]:
    """Which unknowns the data leave open, by their standard deviations."""
    return ~(deviation < _LOOSE)


def warnings_of(
    unknowns: list[Unknown], q: FloatArray, found: Spread, deviation: FloatArray, voltage: tuple[float, float]
) -> list[str]:
    """Tell what the data cannot: no effect, combinations, and parameters that act as one."""
    texts = []
    for unknown in (each for each, blind in zip(unknowns, found.blind, strict=True) if blind):
        threshold = (
            f"; the voltage went from {voltage[0]:.3g} to {voltage[1]:.3g} V: a threshold that it does not cross shows "
            "nothing" if unknown.unit == "V" else ""
        )  # fmt: skip
        texts.append(f"{unknown.name}: the data do not depend on it near {unknown.first:.4g}{threshold}")
    named = set()
    for group in found.joined:
        names = [unknowns[index].name for index in group]
        named |= {*group}
        texts.append(f"{', '.join(names)}: only a combination of them is determined; fix one of them")
    matrix = np.abs(correlation(found.covariance))
    for one, other in np.argwhere(np.triu(matrix > _AS_ONE, 1)):
        if not {one, other} <= named:
            value = correlation(found.covariance)[one, other]
            texts.append(f"{unknowns[one].name}, {unknowns[other].name}: act almost as one (correlation {value:.4f})")
    for index in np.flatnonzero(undetermined(deviation) & ~found.blind):
        if index not in named:
            texts.append(f"{unknowns[index].name}: the data leave it open within a factor of 2 and more")
    stays = [u for u, number, open_ in zip(unknowns, q, undetermined(deviation), strict=True)
             if open_ and number == u.start()]  # fmt: skip
    if stays:
        texts.append(f"left at first values: {', '.join(f'{u.name} = {u.first:.4g} {u.unit}'.strip() for u in stays)}")
    return texts
