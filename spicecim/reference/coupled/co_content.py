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

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spicecim.deadline import check_deadline
from spicecim.devices.device import Device
from spicecim.errors import ConvergenceError
from spicecim.fields import FloatArray
from spicecim.reference.coupled.explicit_cells import ExplicitCells, admittances, into_ends, voltages_over
from spicecim.reference.newton import NO_SOLUTION, SETTLED
from spicecim.reference.wires.network import Network

_ROUNDS, _CUTS = 200, 100
"""Most steps, and places along one at which the slope is looked at."""
_FLAT = 0.5
"""Slope at which to stop along a step, relative to that at its start."""
_NEAREST, _FARTHEST = 0.1, 0.9
"""Part of what is left of a step where the next place is looked for."""
_ENOUGH = 1e-9
"""Last change, relative to the scale, that may be left where rounding keeps it from being less."""
_ROUNDING = 16.0 * float(np.finfo(float).eps)

Places = NDArray[np.int_]


def solve_increasing(
    cells: ExplicitCells, network: Network, drive: FloatArray, states: FloatArray, near: FloatArray, scale: float
) -> tuple[FloatArray, int]:
    """Unknowns of a network (m, unknown) at some instants, and the number of factorizations that it took.

    Parameters
    ----------
    cells
        The cells, whose currents rise with their voltages.
    network
        The network; its capacitances draw no current.
    drive
        Voltages of the lines' drivers (m, line).
    states
        State variables of the cells (m, cell).
    near
        Voltages over the cells (m, cell) to begin near to: with the conductances that the cells have there.
    scale
        The drive's largest voltage (V).

    Raises
    ------
    ConvergenceError
        If there is no solution that this would find, as where the current of a cell falls.
    """
    device, factorizations = cells.device, 0

    def over(some: Places, p: FloatArray) -> FloatArray:
        return voltages_over(network.terminals(drive[some], p))

    def change_of(some: Places, p: FloatArray, conductances: FloatArray, currents: FloatArray) -> FloatArray:
        """What the equations add to unknowns, linearized at conductances and currents of the cells."""
        nonlocal factorizations
        factorizations += len(some)
        missed = network.misses(drive[some], p, into_ends(currents, of_ends=network.stores), None)
        each = [
            network.factorize(0.0, admittances(own, of_ends=network.stores))
            .correction(one.reshape(1, *network.each))
            .reshape(-1)
            for own, one in zip(conductances, missed, strict=True)
        ]
        return -np.stack(each)

    left = np.arange(len(drive))
    p, chords = np.stack([network.start(each) for each in drive]), _chords(device, near, states)
    p += change_of(left, p, chords, chords * over(left, p))
    v = over(left, p)
    j, before = chords * v, np.full(len(drive), np.inf)
    for _ in range(_ROUNDS):
        check_deadline()
        i, conductances = device.current(v[left], states[left]), device.slope("current", "v", v[left], states[left])
        if not np.isfinite(i).all():
            break
        change = change_of(left, p[left], conductances, i)
        step = over(left, p[left] + change) - v[left]
        j_step = i + conductances * step - j[left]
        size = np.abs(change).max(axis=1, initial=0.0) / scale
        settled = (size <= SETTLED) | ((size <= _ENOUGH) & (size > 0.5 * before[left]))

        share, going = np.ones((len(left), 1)), left[~settled]
        if len(going):
            course = _Course(v[going], step[~settled], j[going], j_step[~settled])
            share[~settled, 0] = _descent(device, states[going], course)
        p[left] += share * change
        v[left], j[left], before[left] = over(left, p[left]), j[left] + share * j_step, size
        if not len(going):
            return p, factorizations
        left = going
    raise ConvergenceError(NO_SOLUTION)


class _Course(NamedTuple):
    """Steps (m, cell) of the cells' voltages and of what the wires carry, from where they begin."""

    v: FloatArray
    v_step: FloatArray
    j: FloatArray
    j_step: FloatArray


def _descent(device: Device, states: FloatArray, course: _Course) -> FloatArray:
    """Parts (m,) of steps over which the co-content falls: until it is nearly flat, or the whole."""

    def slopes(some: Places, shares: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Slopes of the co-content, and what of these is rounding."""
        v, v_step, j, j_step = (part[some] for part in course)
        wires = j + shares[:, None] * j_step
        parts = v_step * (device.current(v + shares[:, None] * v_step, states[some]) - wires)
        slope = parts.sum(axis=1)
        # what is not finite is too far
        return np.where(np.isfinite(slope), slope, np.inf), _ROUNDING * np.abs(v_step * wires).sum(axis=1)

    every = np.arange(len(states))
    at_start, rounding = slopes(every, np.zeros(len(states)))
    share, low, high = np.ones(len(states)), np.zeros(len(states)), np.ones(len(states))
    at_low, at_high = at_start.copy(), np.full(len(states), np.inf)
    left = every[at_start < -rounding]
    for cut in range(_CUTS):
        if not len(left):
            break
        found, rounding = slopes(left, share[left])
        flat = (np.abs(found) <= np.maximum(-_FLAT * at_start[left], rounding)) | ((cut == 0) & (found < 0.0))
        before, behind = left[found < 0.0], left[found >= 0.0]
        low[before], at_low[before] = share[before], found[found < 0.0]
        high[behind], at_high[behind] = share[behind], found[found >= 0.0]
        left = left[~flat]
        part = np.clip(at_low[left] / (at_low[left] - at_high[left]), _NEAREST, _FARTHEST)
        share[left] = low[left] + part * (high[left] - low[left])
    return share


def _chords(device: Device, v: FloatArray, states: FloatArray) -> FloatArray:
    """Conductances (m, cell) by which cells would carry their currents at voltages (m, cell), siemens."""
    with np.errstate(divide="ignore", invalid="ignore"):
        chords = np.abs(device.current(v, states) / v)
    usable = np.isfinite(chords) & (chords > 0.0)
    return np.asarray(np.where(usable, chords, device.slope("current", "v", v, states)))
