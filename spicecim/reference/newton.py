"""Newton's method with damped steps, for the unknowns of a crossbar at one instant.

A step is halved until the residual falls by a part of what the full step promises (P. Deuflhard, Newton Methods for
Nonlinear Problems, Springer (2004), doi:10.1007/978-3-642-23899-4, section 3.2: the residual as level function).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from spicecim.errors import ConvergenceError
from spicecim.fields import FloatArray

SETTLED = 1e-12
"""Last change of the unknowns, relative to their scales."""
_ROUNDS, _MOST_CUTS = 100, 20
"""Newton's steps, and halvings of each."""
_DESCENT = 0.1
"""Part of the promised fall of the residual that a step has to make."""

NO_SOLUTION = "the reference engine found no solution of the crossbar"

Unknowns = tuple[FloatArray, ...]


def solve_damped(
    start: Unknowns,
    residual: Callable[[Unknowns], FloatArray],
    correction: Callable[[Unknowns], tuple[Unknowns, float]],
    scale: float,
    *,
    enough: float = SETTLED,
) -> Unknowns:
    """Solve for unknowns.

    Parameters
    ----------
    start
        Unknowns to begin with.
    residual
        By how much unknowns miss the equations (V).
    correction
        What to take off unknowns by the equations linearized there, and how large that is relative to their scales.
    scale
        The drive's largest voltage (V).
    enough
        Last change, relative to the scales, that may be left where it cannot be less.

    Raises
    ------
    ConvergenceError
        If there is no solution that this would find.
    """
    unknowns, before = start, np.inf
    missed = residual(start)
    for _ in range(_ROUNDS):
        if not np.isfinite(missed).all():
            break
        change, size = correction(unknowns)
        if size <= enough and not SETTLED < size <= 0.5 * before:
            return tuple(part - off for part, off in zip(unknowns, change, strict=True))
        before, largest = size, np.abs(missed).max(initial=0.0)
        for share in 0.5 ** np.arange(_MOST_CUTS):
            tried = tuple(part - share * off for part, off in zip(unknowns, change, strict=True))
            left = residual(tried)
            if np.abs(left).max(initial=0.0) <= max((1.0 - _DESCENT * share) * largest, SETTLED * scale):
                break
        unknowns, missed = tried, left
    raise ConvergenceError(NO_SOLUTION)
