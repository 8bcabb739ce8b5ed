"""Newton's method with damped steps, for the potentials of a crossbar at one instant."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from spicecim.errors import ConvergenceError
from spicecim.fields import FloatArray

BALANCED = 1e-12
"""Last change of the potentials, relative to the drive's largest voltage."""
_ROUNDS, _MOST_CUTS = 100, 20
"""Newton's steps, and halvings of each."""


def solve_damped(
    start: FloatArray,
    residual: Callable[[FloatArray], FloatArray],
    correction: Callable[[FloatArray, FloatArray], FloatArray],
    scale: float,
    instant: float,
) -> FloatArray:
    """Solve for potentials at one instant.

    Parameters
    ----------
    start
        Potentials to begin with (V).
    residual
        By how much potentials miss the equations (V).
    correction
        What to take off potentials for a residual, by the equations linearised there.
    scale
        The drive's largest voltage (V).
    instant
        The instant (s), for the error.

    Raises
    ------
    ConvergenceError
        If there is no solution that this would find.
    """
    potentials = start
    missed = residual(start)
    for _ in range(_ROUNDS):
        if not np.isfinite(missed).all():
            break
        change = correction(potentials, missed)
        for share in 0.5 ** np.arange(_MOST_CUTS):
            tried = potentials - share * change
            left = residual(tried)
            largest = np.abs(missed).max(initial=0.0)
            if np.abs(left).max(initial=0.0) <= max((1.0 - 0.1 * share) * largest, BALANCED * scale):
                break
        potentials, missed = tried, left
        if np.isfinite(missed).all() and np.abs(change).max(initial=0.0) <= BALANCED * scale:
            return np.asarray(potentials)
    raise ConvergenceError(f"the reference engine found no solution of the crossbar at {instant:g} s")
