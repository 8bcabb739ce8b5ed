"""Discontinuities of a function of the voltage, told from steep slopes by halving intervals down to rounding."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spicecim.devices.expressions import FloatArray

IntArray = NDArray[np.int_]
Evaluate = Callable[[FloatArray, FloatArray], tuple[FloatArray, ...]]

_HALVINGS = 90
_SPLIT = 0.499
"""Where an interval is split: not in the middle, for an interval's middle may be v = 0, and 0/0 there."""

_SAMPLES = np.arange(1.0, 13.0)
"""Distances of the samples on either side of a jump, in widths of the last interval."""

LEAST_SHARE = 1e-9
"""Jump that counts, relative to the larger value beside it."""

_LEAST_OF_INTERVAL = 1e-3
"""The same relative to the change over the interval of the grid: less is rounding, or a step of rounded values."""

_LEAST_OF_SPREAD = 10.0
"""The same relative to how much the function varies close by on either side: less is a slope, or rounding."""

_LEAST_OF_STATES = 1e-12
"""The same relative to the largest value of all states at the voltage: less is rounding of terms that cancel."""

_SAME = 1e-6
"""Relative difference of voltages below which two jumps are one."""

_ZERO = 1e-15
"""Voltage (V) that is none."""


class Jump(NamedTuple):
    """A jump at a voltage and state, and its height relative to the larger value beside it."""

    v: float
    x: float
    share: float


@np.errstate(all="ignore")
def find_jumps(evaluate: Evaluate, v: FloatArray, x: FloatArray) -> list[list[Jump]]:
    """Find where functions of voltage and state jump with the voltage.

    All intervals of the grid are halved at once, each into the part with the larger change, until their ends are
    neighboring numbers. What changes between these, and hardly beside them, jumps.

    Parameters
    ----------
    evaluate
        The functions, of voltages and states of one shape.
    v
        Increasing voltages (n,) of the grid.
    x
        States (m,) of the grid.

    Returns
    -------
    list of list of Jump
        For each function, the largest jump at each voltage, the highest first.
    """
    grid = v[v != 0.0]
    lower, states = np.meshgrid(grid[:-1], x, indexing="ij")
    upper = np.broadcast_to(grid[1:, None], lower.shape)
    count = len(evaluate(grid[:1], x[:1]))

    def chosen(voltages: FloatArray, which: IntArray, states: FloatArray) -> FloatArray:
        return np.asarray(np.choose(which, evaluate(voltages, states)))

    # a copy of the intervals for each function: they part on the way
    which = np.repeat(np.arange(count), lower.size)
    s, a, b = (np.tile(values.ravel(), count) for values in (states, lower, upper))
    parts = _Intervals(which, s, a, b, chosen(a, which, s), chosen(b, which, s))
    parts = parts.where(np.isfinite(parts.change))
    first = parts.change
    for _ in range(_HALVINGS):
        middle = parts.a + _SPLIT * (parts.b - parts.a)
        parts = parts.halved(middle, chosen(middle, parts.which, parts.x))
        # what has become continuous need not be followed
        going = parts.change > np.maximum(_LEAST_OF_INTERVAL * first, LEAST_SHARE * parts.largest)
        parts, first = parts.where(going), first[going]
    width = np.maximum(parts.b - parts.a, 4.0 * np.spacing(np.maximum(np.abs(parts.a), np.abs(parts.b))))
    aside = width[:, None] * _SAMPLES
    shape = (1, len(_SAMPLES))
    which, s = np.tile(parts.which[:, None], shape), np.tile(parts.x[:, None], shape)
    spread = sum(
        np.abs(chosen(near, which, s) - value[:, None]).max(axis=1)
        for near, value in ((parts.a[:, None] - aside, parts.fa), (parts.b[:, None] + aside, parts.fb))
    )
    wide, across = np.meshgrid(parts.b, x, indexing="ij")
    largest = np.abs(chosen(wide, np.tile(parts.which[:, None], (1, len(x))), across)).max(axis=1)
    parts = parts.where((parts.change > _LEAST_OF_SPREAD * spread) & (parts.change > _LEAST_OF_STATES * largest))
    return [_distinct(parts.where(parts.which == index)) for index in range(count)]


class _Intervals(NamedTuple):
    """Intervals from a to b, each of one function at one state, with its values at both ends."""

    which: IntArray
    x: FloatArray
    a: FloatArray
    b: FloatArray
    fa: FloatArray
    fb: FloatArray

    @property
    def change(self) -> FloatArray:
        return np.asarray(np.abs(self.fb - self.fa))

    @property
    def largest(self) -> FloatArray:
        return np.maximum(np.abs(self.fa), np.abs(self.fb))

    def where(self, mask: NDArray[np.bool_]) -> _Intervals:
        return _Intervals(self.which[mask], self.x[mask], self.a[mask], self.b[mask], self.fa[mask], self.fb[mask])

    def halved(self, middle: FloatArray, value: FloatArray) -> _Intervals:
        left = np.abs(value - self.fa) >= np.abs(self.fb - value)
        return _Intervals(
            self.which,
            self.x,
            np.where(left, self.a, middle),
            np.where(left, middle, self.b),
            np.where(left, self.fa, value),
            np.where(left, value, self.fb),
        )


def _distinct(parts: _Intervals) -> list[Jump]:
    """The highest jump at each voltage, the highest first; what lies within the smallest voltages is at 0."""
    jumps: list[Jump] = []
    shares = parts.change / parts.largest
    for index in np.argsort(-shares, kind="stable"):
        voltage = float(parts.b[index]) if abs(parts.b[index]) > _ZERO else 0.0
        if all(abs(voltage - known.v) > _SAME * abs(voltage) for known in jumps):
            jumps.append(Jump(voltage, float(parts.x[index]), float(shares[index])))
    return jumps
