"""A crossbar at rest: no capacitance draws a current, and the cells hold their states."""

from __future__ import annotations

import numpy as np

from spicecim.devices.cell import WiredCell
from spicecim.fields import FloatArray
from spicecim.reference.newton import solve_damped
from spicecim.reference.overflow import check_finite
from spicecim.reference.terminals import held_conductances, held_currents
from spicecim.reference.wiring import Wiring


def rest(cell: WiredCell, wiring: Wiring, drive: FloatArray, states: FloatArray, scale: float) -> FloatArray:
    """Potentials of the nodes (node,) at voltages of the drivers (row,), from cells without current on.

    `scale` is that of voltages.

    Raises
    ------
    InputError
        If the current at the drivers' voltages is beyond a float.
    ConvergenceError
        If there is no solution that Newton's method would find.
    """

    def missed(nodes: FloatArray) -> FloatArray:
        currents = held_currents(cell, wiring.potentials(drive[None], nodes)[0], states)
        return wiring.misses(drive[None], nodes, currents[None], np.zeros_like(nodes))

    def correction(nodes: FloatArray, residual: FloatArray) -> FloatArray:
        slopes = held_conductances(cell, wiring.potentials(drive[None], nodes)[0], states)
        return wiring.factorise(0.0, slopes).correction(residual)

    none = np.zeros((1, wiring.nodes))
    nodes = wiring.misses(-drive[None], none, np.zeros((1, len(states), 2)), none)
    check_finite(missed(nodes))
    return np.asarray(solve_damped(nodes, missed, correction, scale, 0.0)[0])
