"""Where a device's own equation keeps its state, found by probing the rate."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from spicecim.devices.base import FloatArray

Rate = Callable[[FloatArray, FloatArray], FloatArray]

_STATES = np.sort(
    np.concatenate([-(10.0 ** (np.arange(-960, 961) / 64.0)), [0.0], 10.0 ** (np.arange(-960, 961) / 64)])
)
_HALVINGS = 70
_ROUNDING = 1e-6
_NOTHING = 1e-13
"""A bound this much smaller than the other one is 0."""


def state_range(rate: Rate, voltages: FloatArray) -> tuple[float, float] | None:
    """Return the lowest and the highest state between which a device's own equation keeps its state.

    At the lowest no voltage drives the state down, at the highest none drives it up, and between them, and nowhere
    else, it goes both ways. Magnitudes from 1e-15 to 1e15, in the state's own unit, are looked at, and the bounds that
    are found are rounded where that keeps them bounds. If the state goes both ways in other places too, or nowhere, the
    bounds are 0 and 1 if they keep it.

    Parameters
    ----------
    rate
        Rate of the state at voltages and states of the same shape.
    voltages
        Voltages (n,) to probe with.

    Returns
    -------
    tuple of float or None
        None if there is no such range.
    """

    def free(states: FloatArray) -> NDArray[np.bool_]:
        v, s = np.meshgrid(voltages, states)
        with np.errstate(all="ignore"):
            rates = rate(v.ravel(), s.ravel()).reshape(v.shape)
        return np.asarray((rates > 0).any(axis=1) & (rates < 0).any(axis=1))

    moves = free(_STATES).astype(np.int8)
    starts, ends = np.flatnonzero(np.diff(moves) > 0), np.flatnonzero(np.diff(moves) < 0)
    if moves[0] or moves[-1] or len(starts) != 1:
        return (0.0, 1.0) if _keeps_between_0_and_1(rate, voltages) else None
    edges = np.array([starts[0], ends[0] + 1])
    outside, inside = _STATES[edges], _STATES[[edges[0] + 1, edges[1] - 1]]
    for _ in range(_HALVINGS):
        middle = 0.5 * (outside + inside)
        within = free(middle)
        outside, inside = np.where(within, outside, middle), np.where(within, middle, inside)
    outside = np.where(np.abs(outside) < _NOTHING * np.abs(outside).max(), 0.0, outside)
    low, high = (_rounded(bound, free) for bound in outside.tolist())
    return low, high


def _keeps_between_0_and_1(rate: Rate, voltages: FloatArray) -> bool:
    """Whether the state moves halfway between 0 and 1 and, to rounding, does not leave them."""
    with np.errstate(all="ignore"):
        low, middle, high = (rate(voltages, np.full_like(voltages, s)) for s in (0.0, 0.5, 1.0))
    fastest = np.abs(middle[np.isfinite(middle)]).max(initial=0.0)
    return bool(fastest > 0 and not (low < -_ROUNDING * fastest).any() and not (high > _ROUNDING * fastest).any())


def _rounded(bound: float, free: Callable[[FloatArray], NDArray[np.bool_]]) -> float:
    """The shortest decimal number near a bound that is one too."""
    for digits in range(1, 7):
        near = float(f"{bound:.{digits}g}")
        if abs(near - bound) <= _ROUNDING * abs(bound) and not free(np.array([near]))[0]:
            return near
    return bound
