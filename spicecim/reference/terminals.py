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

from spicecim.devices.cell import Cell, CellTerms
from spicecim.fields import FloatArray
from spicecim.reference.stages import evaluate, solve

_QUOTIENT_STEP = 1e-6
"""Step of the difference quotients, relative to the scales: only the speed of Newton's method depends on it."""

Blocks = NDArray[Any]
"""Arrays of numbers that are complex where d/dt is."""


class BetweenTerminals:
    """A cell that depends on the voltage from row to column alone, by the potentials of both."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self.unknowns, self.scale = cell.unknowns, cell.scale

    def start(self, v: FloatArray, s: FloatArray) -> FloatArray:
        return self._cell.start(v[:, 0] - v[:, 1], s)

    def terms(self, time: FloatArray, v: FloatArray, y: FloatArray) -> CellTerms:
        terms = self._cell.terms(time, v[:, 0] - v[:, 1], y)
        return terms._replace(
            current=terms.current[:, None] * [1.0, -1.0], current_charge=terms.current_charge[:, None] * [1.0, -1.0]
        )

    def state(self, y: FloatArray) -> FloatArray:
        return self._cell.state(y)

    def voltage_breaks(self) -> tuple[float, ...]:
        return self._cell.voltage_breaks()


def held_currents(cell: Cell, v: FloatArray, states: FloatArray) -> FloatArray:
    """Currents (n, 2) into row and column at rest, with the states (n,) held, at potentials v (n, 2)."""
    return cell.terms(np.zeros(len(v)), v, cell.start(v, states)).current


def held_conductances(cell: Cell, v: FloatArray, states: FloatArray, scale: float) -> FloatArray:
    """Derivatives (n, 2, 2) of `held_currents` by the potentials, siemens; `scale` is that of voltages."""
    step = _QUOTIENT_STEP * scale * np.eye(2)
    rises = [held_currents(cell, v + change, states) - held_currents(cell, v - change, states) for change in step]
    return np.stack(rises, axis=2) / (2.0 * _QUOTIENT_STEP * scale)


@dataclass(frozen=True)
class LinearCells:
    """Cells linearised at one instant: derivatives by the unknowns y and by the potentials v.

    ``flow`` and ``charge`` are (n, k, ...), ``current`` and ``current_charge`` (n, 2, ...).
    """

    flow_y: FloatArray
    charge_y: FloatArray
    flow_v: FloatArray
    charge_v: FloatArray
    current_y: FloatArray
    current_charge_y: FloatArray
    current_v: FloatArray
    current_charge_v: FloatArray

    def drive(self, shift: complex) -> Blocks:
        """What the potentials add to the equations of the unknowns (n, k, 2), at d/dt = shift."""
        return self.flow_v + shift * self.charge_v

    def response(self, shift: complex) -> Blocks:
        """What the unknowns add to the currents (n, 2, k)."""
        return self.current_y + shift * self.current_charge_y

    def direct(self, shift: complex) -> Blocks:
        """What the potentials add to the currents (n, 2, 2) with the unknowns held."""
        return self.current_v + shift * self.current_charge_v

    def admittance(self, shift: complex) -> Blocks:
        """Currents into row and column by their potentials (n, 2, 2), the unknowns following: siemens."""
        own = self.flow_y + shift * self.charge_y
        moved = solve(own[:, None], self.drive(shift).swapaxes(1, 2)).swapaxes(1, 2)
        return np.asarray(self.direct(shift) - self.response(shift) @ moved)


def linearise(cell: Cell, time: FloatArray, v: FloatArray, y: FloatArray, scale: float) -> LinearCells:
    """Linearise cells at instants (n,), potentials v (n, 2) and unknowns y (n, k); `scale` is that of voltages.

    By difference quotients, but for what the cells give themselves.
    """
    steps_v = _QUOTIENT_STEP * scale * np.eye(2)
    steps_y = _QUOTIENT_STEP * np.maximum(cell.scale, np.abs(y))
    k = y.shape[1]
    changed_v = np.concatenate([np.zeros((1, 2)), steps_v, np.zeros((k, 2))]) + v[:, None]
    changed_y = np.repeat(y[:, None], 3 + k, axis=1)
    changed_y[:, 3 + np.arange(k), np.arange(k)] += steps_y
    terms = evaluate(cell, np.repeat(time[:, None], 3 + k, axis=1), changed_v, changed_y)

    def by_v(values: FloatArray) -> FloatArray:
        return np.asarray(((values[:, 1:3] - values[:, :1]) / (_QUOTIENT_STEP * scale)).swapaxes(1, 2))

    def by_y(values: FloatArray) -> FloatArray:
        return np.asarray(((values[:, 3:] - values[:, :1]) / steps_y[:, :, None]).swapaxes(1, 2))

    return LinearCells(
        flow_y=terms.flow_jacobian[:, 0],
        charge_y=terms.charge_jacobian[:, 0],
        flow_v=by_v(terms.flow),
        charge_v=by_v(terms.charge),
        current_y=by_y(terms.current),
        current_charge_y=by_y(terms.current_charge),
        current_v=by_v(terms.current),
        current_charge_v=by_v(terms.current_charge),
    )
