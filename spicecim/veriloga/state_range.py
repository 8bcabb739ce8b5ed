"""Where a device's own equation keeps its state, found by probing the rate."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from spicecim.devices.expressions import FloatArray

Rate = Callable[[FloatArray, FloatArray], FloatArray]

_STATES = np.sort(
    np.concatenate([-(10.0 ** (np.arange(-960, 961) / 64.0)), [0.0], 10.0 ** (np.arange(-960, 961) / 64)])
)
_HALVINGS = 70
_ROUNDING = 1e-6
_NOTHING = 1e-13
"""A bound this much smaller than the other one is 0."""
_SHARES = np.geomspace(0.01, 1.0, 5)
"""Voltages that are probed with, relative to the largest, in both directions."""
_FURTHER = 2.0
"""Ratio of the largest voltages that are tried one after the other."""
_SOFT = 1e-2
"""How far from a round number a soft stop may hold the state, relative to the span of the state."""
_MOVED = 1e-9
"""Shift of a bound at half the voltage, relative to the span, that makes it a soft stop."""


def state_range(rate: Rate, voltage: float, most: float) -> tuple[float, float] | None:
    """Return the lowest and the highest state between which a device's own equation keeps its state.

    At the lowest no voltage drives the state down, at the highest none drives it up, and between them, and nowhere
    else, it goes both ways. Magnitudes from 1e-15 to 1e15, in the state's own unit, are looked at, and the bounds that
    are found are rounded where that keeps them bounds. A soft stop has no such bound: the larger the voltage, the
    further on it holds the state. There the nearest round number is the bound, for it depends on no voltage. If the
    state goes both ways in other places too, or nowhere, the bounds are 0 and 1 if they keep it.

    Parameters
    ----------
    rate
        Rate of the state at voltages and states of the same shape.
    voltage
        Largest voltage (V) that drives the state.
    most
        Largest voltage (V) that is tried where a smaller one does not find the bounds: nothing moves beyond a bound,
        because the voltage is below a threshold there.

    Returns
    -------
    tuple of float or None
        None if there is no such range.
    """
    last = None
    while True:
        found = _range_at(rate, voltage)
        if found is not None and (last := found) and not _rests_beside(rate, voltage, found):
            break
        if voltage >= most:
            break
        voltage = min(_FURTHER * voltage, most)
    return last


def _range_at(rate: Rate, voltage: float) -> tuple[float, float] | None:
    """The range at one largest voltage."""
    found = _bounds_at(rate, voltage)
    if found is None:
        return (0.0, 1.0) if _keeps_between_0_and_1(rate, _both_ways(voltage)) else None
    low, high = found
    within = _bounds_at(rate, 0.5 * voltage)
    free = _free(rate, voltage)
    ends = []
    for bound, closer in zip(found, within or found, strict=True):
        soft = abs(bound - closer) > _MOVED * (high - low)
        ends.append(_nearest_round(bound, high - low) if soft else _rounded(bound, free))
    return ends[0], ends[1]


def _both_ways(voltage: float) -> FloatArray:
    return np.concatenate([-voltage * _SHARES, voltage * _SHARES])


def _free(rate: Rate, voltage: float) -> Callable[[FloatArray], NDArray[np.bool_]]:
    """Whether states go both ways."""
    voltages = _both_ways(voltage)

    def free(states: FloatArray) -> NDArray[np.bool_]:
        v, s = np.meshgrid(voltages, states)
        with np.errstate(all="ignore"):
            rates = rate(v.ravel(), s.ravel()).reshape(v.shape)
        return np.asarray((rates > 0).any(axis=1) & (rates < 0).any(axis=1))

    return free


def _bounds_at(rate: Rate, voltage: float) -> tuple[float, float] | None:
    """The ends of the one range in which the state goes both ways, unrounded; None if there are several or none."""
    free = _free(rate, voltage)
    moves = free(_STATES).astype(np.int8)
    starts, ends = np.flatnonzero(np.diff(moves) > 0), np.flatnonzero(np.diff(moves) < 0)
    if moves[0] or moves[-1] or len(starts) != 1:
        return None
    edges = np.array([starts[0], ends[0] + 1])
    outside, inside = _STATES[edges], _STATES[[edges[0] + 1, edges[1] - 1]]
    for _ in range(_HALVINGS):
        middle = 0.5 * (outside + inside)
        within = free(middle)
        outside, inside = np.where(within, outside, middle), np.where(within, middle, inside)
    outside = np.where(np.abs(outside) < _NOTHING * np.abs(outside).max(), 0.0, outside)
    low, high = outside.tolist()
    return low, high


def _rests_beside(rate: Rate, voltage: float, ends: tuple[float, float]) -> bool:
    """Whether nothing pushes the state back just outside one of two bounds, where it would come from inside.

    Then it may be a threshold that stops it, which a larger voltage passes.
    """
    voltages, step = _both_ways(voltage), _SOFT * (ends[1] - ends[0])
    for bound, outwards in zip(ends, (-1.0, 1.0), strict=True):
        with np.errstate(all="ignore"):
            inside, outside = (
                rate(voltages, np.full_like(voltages, bound + side * outwards * step)) for side in (-1.0, 1.0)
            )
        if (outside[outwards * inside > 0.0] == 0.0).all():
            return True
    return False


def _nearest_round(bound: float, span: float) -> float:
    """The shortest decimal number that is near a bound."""
    if abs(bound) <= _SOFT * span:
        return 0.0
    for digits in range(1, 17):
        near = float(f"{bound:.{digits}g}")
        if abs(near - bound) <= _SOFT * span:
            return near
    return bound


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
