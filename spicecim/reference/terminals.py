"""Cells between two potentials, and their linear behaviour at one instant.

Behind wires the column is not at 0 V, and what a cell gives its column need not be what it takes from its row: a
Verilog-A module may conduct to the ground. So the voltages of a cell are here the potentials (n, 2) of its row and
column, and its currents, and their charges, those into both (n, 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spicecim.devices.cell import CellSlopes, WiredCell
from spicecim.fields import FloatArray
from spicecim.reference.stages import solve

Blocks = NDArray[Any]
"""Arrays of numbers that are complex where d/dt is."""


def held_currents(cell: WiredCell, v: FloatArray, states: FloatArray) -> FloatArray:
    """Currents (n, 2) into row and column at rest, with the states (n,) held, at potentials v (n, 2)."""
    return cell.terms(np.zeros(len(v)), v, cell.start(v, states)).current


def held_conductances(cell: WiredCell, v: FloatArray, states: FloatArray) -> FloatArray:
    """Derivatives (n, 2, 2) of `held_currents` by the potentials, siemens."""
    slopes = cell.linear(np.zeros(len(v)), v, cell.start(v, states))
    own, drive = slopes.flow_y.copy(), slopes.flow_v.copy()
    # in place of the state's equation: it does not move
    own[:, cell.state_index], drive[:, cell.state_index] = np.eye(cell.unknowns)[cell.state_index], 0.0
    return np.asarray(slopes.current_v - slopes.current_y @ np.linalg.solve(own, drive))


@dataclass(frozen=True)
class LinearCells:
    """Cells linearized at one instant, whose d/dt is a factor: the Laplace variable `shift` (1/s)."""

    slopes: CellSlopes

    def drive(self, shift: complex) -> Blocks:
        """What the potentials add to the equations of the unknowns (n, k, 2)."""
        return self.slopes.flow_v + shift * self.slopes.charge_v

    def response(self, shift: complex) -> Blocks:
        """What the unknowns add to the currents (n, 2, k)."""
        return self.slopes.current_y + shift * self.slopes.current_charge_y

    def direct(self, shift: complex) -> Blocks:
        """What the potentials add to the currents (n, 2, 2) with the unknowns held."""
        return self.slopes.current_v + shift * self.slopes.current_charge_v

    def admittance(self, shift: complex) -> Blocks:
        """Currents into row and column by their potentials (n, 2, 2), the unknowns following: siemens."""
        own = self.slopes.flow_y + shift * self.slopes.charge_y
        moved = solve(own[:, None], self.drive(shift).swapaxes(1, 2)).swapaxes(1, 2)
        return np.asarray(self.direct(shift) - self.response(shift) @ moved)
