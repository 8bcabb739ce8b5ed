"""Lines that float among strongly nonlinear cells, at one instant: Newton's method that descends the co-content.

Where the current of every cell rises with its voltage, what satisfies Kirchhoff's laws with the states held is the
least of a convex function of the potentials, the co-content: of cells the integral of i dv, of resistances half of
their power (W. Millar, Phil. Mag. 42 (1951), doi:10.1080/14786445108561361). Its slope along a step is known from
currents alone, and tells how much of the step to make, however steep the cells are: a selector that opens multiplies
its conductance a million times, and the residual says nothing of the way there.

The wires carry currents j that satisfy their own laws throughout, as the potentials do, while those of the cells i are
yet to become the same: along a step dv of the cells' voltages the slope of the co-content is the sum of dv (i - j).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from spicecim.deadline import check_deadline
from spicecim.devices.cell import ENDS, voltage_over
from spicecim.errors import ConvergenceError
from spicecim.fields import FloatArray
from spicecim.reference.cells import ExplicitCells
from spicecim.reference.network import Network
from spicecim.reference.newton import NO_SOLUTION, SETTLED

_ROUNDS, _CUTS = 200, 100
"""Most steps, and places along one at which the slope is looked at."""
_FLAT = 0.5
"""Slope at which to stop along a step, relative to that at its start."""
_NEAREST, _FARTHEST = 0.1, 0.9
"""Part of what is left of a step where the next place is looked for."""
_ENOUGH = 1e-9
"""Last change, relative to the scale, that may be left where rounding keeps it from being less."""
_ROUNDING = 16.0 * float(np.finfo(float).eps)


def solve_increasing(
    cells: ExplicitCells, network: Network, drive: FloatArray, states: FloatArray, near: FloatArray, scale: float
) -> tuple[FloatArray, int]:
    """Unknowns of a network (unknown,) at one instant, and the number of factorizations that it took.

    Parameters
    ----------
    cells
        The cells, whose currents rise with their voltages.
    network
        The network; its capacitances draw no current.
    drive
        Voltages of the lines' drivers (line,).
    states
        State variables of the cells (cell,).
    near
        Potentials of the cells (cell, ...) to begin near to: with the conductances that the cells have there.
    scale
        The drive's largest voltage (V).

    Raises
    ------
    ConvergenceError
        If there is no solution that this would find, as where the current of a cell falls.
    """

    def linear(admittance: FloatArray, p: FloatArray, currents: FloatArray) -> FloatArray:
        missed = network.misses(drive[None], p[None], currents[None], None)
        factors = network.factorize(0.0, admittance)
        return np.asarray(factors.correction(missed.reshape(1, *network.each)).reshape(-1))

    def potentials(p: FloatArray) -> FloatArray:
        return np.asarray(network.terminals(drive[None], p[None])[0])

    p = network.start(drive)
    chords, v = _chords(cells, near, states), potentials(p)
    p = p - linear(_admittance(chords, v), p, _currents(chords, v))
    v = potentials(p)
    j, before = _currents(chords, v), np.inf
    for made in range(1, _ROUNDS):
        check_deadline()
        i, admittance = cells.held(v, states)
        if not np.isfinite(i).all():
            break
        change = -linear(admittance, p, i)
        following = potentials(p + change)
        step = following - v
        currents = i + (admittance * step if v.ndim == 1 else np.einsum("nab,nb->na", admittance, step))
        size = float(np.abs(change).max(initial=0.0)) / scale
        if size <= SETTLED or (size <= _ENOUGH and size > 0.5 * before):
            return p + change, made + 1
        before = size

        share = _descent(v, step, j, currents - j, lambda at: cells.held(at, states)[0])
        p, v, j = p + share * change, potentials(p + share * change), j + share * (currents - j)
    raise ConvergenceError(NO_SOLUTION)


def _chords(cells: ExplicitCells, v: FloatArray, states: FloatArray) -> FloatArray:
    """Conductances (cell,) by which the cells would carry their currents at potentials v (cell, ...), siemens."""
    over = voltage_over(v)
    currents, admittance = cells.held(v, states)
    i, slopes = (currents, admittance) if v.ndim == 1 else (currents[:, 0], admittance[:, 0, 0])
    with np.errstate(divide="ignore", invalid="ignore"):
        chords = np.abs(i / over)
    return np.asarray(np.where(np.isfinite(chords) & (chords > 0.0), chords, slopes))


def _admittance(conductances: FloatArray, like: FloatArray) -> FloatArray:
    return conductances if like.ndim == 1 else conductances[:, None, None] * (ENDS[:, None] * ENDS)


def _currents(conductances: FloatArray, v: FloatArray) -> FloatArray:
    i = conductances * voltage_over(v)
    return i if v.ndim == 1 else i[:, None] * ENDS


def _descent(
    v: FloatArray, step: FloatArray, j: FloatArray, j_step: FloatArray, carried: Callable[[FloatArray], FloatArray]
) -> float:  # fmt: skip
    """Part of a step of the cells' potentials (cell, ...) over which the co-content falls; `carried` gives currents."""

    def slope(share: float) -> tuple[float, float]:
        parts = step * (carried(v + share * step) - (j + share * j_step))
        missed = float(parts.sum())
        size = np.abs(step * (j + share * j_step)).sum()
        return (missed if np.isfinite(missed) else np.inf), _ROUNDING * float(size)

    at_start, rounding = slope(0.0)
    if at_start >= -rounding:
        return 1.0
    low, at_low, high = 0.0, at_start, 1.0
    share = 1.0
    for _ in range(_CUTS):
        at_share, rounding = slope(share)
        if abs(at_share) <= max(-_FLAT * at_start, rounding) or (share == 1.0 and at_share < 0.0):
            return share
        if at_share < 0.0:
            low, at_low = share, at_share
        else:
            high, at_high = share, at_share
        part = at_low / (at_low - at_high) if np.isfinite(at_high) else 0.0
        share = low + float(np.clip(part, _NEAREST, _FARTHEST)) * (high - low)
    return share
