"""The voltages over the cells of a crossbar with resistive wires, at instants whose states are known."""

from __future__ import annotations

import numpy as np

from spicecim.devices.device import Device
from spicecim.fields import FloatArray
from spicecim.reference.ladder import LadderFactors
from spicecim.reference.network import Factors, Network
from spicecim.reference.newton import BALANCED, solve_damped

SLOW = 0.05
"""Ratio of successive changes from which on the network is factorised anew."""
_TOO_SLOW = 0.3
"""The same for instants asked for, which spread over several steps."""
ROUNDS = 25
"""Most corrections by one factorisation."""


class Balance:
    """Newton's method for the voltages over cells, with one factorisation of the network for as long as it converges.

    Parameters
    ----------
    device
        The device of every cell.
    network
        The wires.
    scale
        The drive's largest voltage (V).
    """

    def __init__(self, device: Device, network: Network, scale: float) -> None:
        self._device, self._network, self._scale = device, network, scale
        self._factors: Factors | LadderFactors
        self.factorisations = self.solutions = 0

    def factorise(self, v: FloatArray, states: FloatArray) -> None:
        """Factorise the network at voltages and states (row, column)."""
        self._factors = self._network.factorise(self._device.slopes(v, states).current_v)
        self.factorisations += 1

    def residual(self, drive: FloatArray, v: FloatArray, states: FloatArray) -> FloatArray:
        """What voltages (..., row, column) miss with the row drivers at `drive` (..., row)."""
        return self._network.residual(drive, v, self._device.current(v, states))

    def correction(self, drive: FloatArray, v: FloatArray, states: FloatArray) -> FloatArray:
        """What to take off voltages (instant, row, column) so that the network comes closer to balance."""
        self.solutions += len(v)
        return self._factors.correction(self.residual(drive, v, states))

    def solve_all(self, drive: FloatArray, v: FloatArray, states: FloatArray, instants: FloatArray) -> None:
        """Correct voltages `v` (instant, row, column) that are nearly right until the network is in balance.

        The factors stay as they were: the instants asked for shall not change the steps.
        """
        factors = self._factors
        try:
            self._solve_all(drive, v, states, instants)
        finally:
            self._factors = factors

    def _solve_all(self, drive: FloatArray, v: FloatArray, states: FloatArray, instants: FloatArray) -> None:
        allowed, before = BALANCED * self._scale, np.inf
        for _ in range(ROUNDS):
            change = self.correction(drive, v, states)
            largest = float(np.abs(change).max())
            if not largest <= before:
                break
            v -= change
            ratio = largest / before
            # a rate once seen bounds the next change
            if largest * min(max(ratio, 1e-3), 1.0) <= allowed and (np.isfinite(before) or largest <= allowed):
                return
            if ratio > _TOO_SLOW:
                self.factorise(v[len(v) // 2], states[len(v) // 2])
            before = largest
        for number, instant in enumerate(instants):
            v[number] = self.solve(drive[number], v[number], states[number], float(instant))

    def solve(self, drive: FloatArray, v: FloatArray, states: FloatArray, instant: float) -> FloatArray:
        """Solve for the voltages (row, column) at one instant from a guess, by Newton's method with damped steps.

        Raises
        ------
        ConvergenceError
            If there is no solution.
        """

        def correction(v: FloatArray, residual: FloatArray) -> FloatArray:
            self.factorise(v, states)
            self.solutions += 1
            return self._factors.correction(residual)

        return solve_damped(v, lambda v: self.residual(drive, v, states), correction, self._scale, instant)
