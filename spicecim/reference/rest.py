"""A crossbar at rest: no capacitance draws a current, and the cells hold their states."""

from __future__ import annotations

import numpy as np

from spicecim.devices.cell import Cell
from spicecim.errors import ConvergenceError, InputError
from spicecim.fields import FloatArray
from spicecim.reference.terminals import held_conductances, held_currents
from spicecim.reference.wiring import Wiring

_ROUNDS, _MOST_CUTS = 100, 20
"""Newton's steps, and halvings of each."""
_SETTLED = 1e-12
"""Last change relative to the drive's largest voltage."""


def rest(cell: Cell, wiring: Wiring, drive: FloatArray, states: FloatArray, scale: float) -> FloatArray:
    """Potentials of the nodes (node,) at voltages of the drivers (row,), from cells without current on.

    By Newton's method with damped steps; `scale` is that of voltages.

    Raises
    ------
    InputError
        If the current at the drivers' voltages is beyond a float.
    ConvergenceError
        If there is no solution that this would find.
    """

    def missed(nodes: FloatArray) -> FloatArray:
        currents = held_currents(cell, wiring.potentials(drive[None], nodes)[0], states)
        return wiring.misses(drive[None], nodes, currents[None], np.zeros_like(nodes))

    none = np.zeros((1, wiring.nodes))
    nodes = wiring.misses(-drive[None], none, np.zeros((1, len(states), 2)), none)
    residual = missed(nodes)
    if not np.isfinite(residual).all():
        raise InputError("drive: at its voltages a device's current is beyond the range of a float")
    for _ in range(_ROUNDS):
        slopes = held_conductances(cell, wiring.potentials(drive[None], nodes)[0], states, scale)
        change = wiring.factorise(0.0, slopes).correction(residual)
        for share in 0.5 ** np.arange(_MOST_CUTS):
            tried = nodes - share * change
            left = missed(tried)
            largest = np.abs(residual).max(initial=0.0)
            if np.abs(left).max(initial=0.0) <= max((1.0 - 0.1 * share) * largest, _SETTLED * scale):
                break
        nodes, residual = tried, left
        if not np.isfinite(residual).all():
            break
        if np.abs(change).max(initial=0.0) <= _SETTLED * scale:
            return np.asarray(nodes[0])
    raise ConvergenceError("the reference engine found no solution of the crossbar at 0 s")
