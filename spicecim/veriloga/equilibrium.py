"""The potentials at which the currents into inner nodes are zero."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from spicecim.devices.cell import CellTerms
from spicecim.devices.expressions import FloatArray

_MOST_ITERATIONS = 100


def in_equilibrium(
    terms: Callable[[NDArray[np.int_], FloatArray], CellTerms], y: FloatArray, free: NDArray[np.int_]
) -> FloatArray:
    """Return unknowns (n, k) with those that are free in equilibrium, NaN in the rows where none is found.

    By Newton's method, with steps that are cut to 1, and to ever more while they are cut in the same direction: a
    temperature has far to go. A single unknown stays between the last two places where its residual had either
    sign: beside a current that falls with the voltage, Newton's steps would go back and forth forever.

    Parameters
    ----------
    terms
        The equations of some of the n devices, by their places (m,) and their unknowns (m, k).
    y
        The unknowns (n, k) to begin with.
    free
        Places of the unknowns that are looked for; the others are held.
    """
    y = y.copy()
    limit, cut = np.ones((len(y), len(free))), np.zeros((len(y), len(free)))
    ends = np.full((2, len(y), len(free)), np.nan)
    moving = np.arange(len(y) if len(free) else 0)
    for _ in range(_MOST_ITERATIONS):
        if not len(moving):
            return y
        found = terms(moving, y[moving])
        slopes = found.flow_jacobian[:, free][:, :, free]
        regular = np.isfinite(slopes).all(axis=(1, 2)) & (np.abs(np.linalg.det(slopes)) > 0.0)
        slopes[~regular] = np.eye(len(free))
        missed = found.flow[:, free]
        steps = -np.linalg.solve(slopes, missed[:, :, None])[:, :, 0]
        steps[~regular] = np.nan
        limit[moving] = np.where(cut[moving] * np.sign(steps) > 0, 2.0 * limit[moving], 1.0)
        cut[moving] = np.where(np.abs(steps) > limit[moving], np.sign(steps), 0.0)
        place = y[np.ix_(moving, free)]
        tried = place + np.clip(steps, -limit[moving], limit[moving])
        # a step that is not finite ends the search: the point is lost, and stays NaN
        far = np.abs(steps) > 1e-12 * np.maximum(np.abs(tried), 1e-6)
        if len(free) == 1:
            ends[:, moving] = np.where([missed < 0.0, missed > 0.0], place, ends[:, moving])
            low, high = ends[:, moving].min(axis=0), ends[:, moving].max(axis=0)
            tried = np.where(far & ((tried <= low) | (tried >= high)), 0.5 * (low + high), tried)
        y[np.ix_(moving, free)] = tried
        moving = moving[far.any(axis=1)]
    y[moving] = np.nan
    return y
