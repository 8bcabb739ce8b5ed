"""What an integrator needs of a cell: the residuals of its unknowns, resistive and reactive, with their derivatives."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from spicecim.devices.base import Device, FloatArray


class CellTerms(NamedTuple):
    """A cell's equations evaluated for n cells with k unknowns y each.

    They are ``flow + d/dt charge = 0``, one for each unknown. An equation without charge is algebraic.
    """

    flow: FloatArray
    """Resistive part of each residual (n, k)."""
    charge: FloatArray
    """Reactive part of each residual (n, k), in the unit of `flow` times second."""
    flow_jacobian: FloatArray
    """Derivative of `flow` by y (n, k, k): residual, then unknown."""
    charge_jacobian: FloatArray
    """Derivative of `charge` by y (n, k, k)."""
    current: FloatArray
    """Resistive current into the row terminal (n,), ampere."""
    current_charge: FloatArray
    """Charge (n,), coulomb, whose derivative by time adds to `current`."""


class Cell(Protocol):
    """A device between a row at v and a column at 0 V, as a system of differential and algebraic equations of index 1.

    All methods are vectorised over cells.
    """

    @property
    def unknowns(self) -> int:
        """Number k of unknowns."""

    @property
    def scale(self) -> FloatArray:
        """Magnitude of each unknown (k,), positive: errors count relative to it or to the unknown, if larger."""

    def start(self, v: FloatArray, s: FloatArray) -> FloatArray:
        """Unknowns (n, k) that satisfy the algebraic equations at voltages v (n,) with the states held at s (n,)."""

    def terms(self, time: FloatArray, v: FloatArray, y: FloatArray) -> CellTerms:
        """Evaluate the equations at instants (n,), voltages (n,) and unknowns (n, k)."""

    def state(self, y: FloatArray) -> FloatArray:
        """Return the state variable (...,) among the unknowns (..., k)."""

    def voltage_breaks(self) -> tuple[float, ...]:
        """Voltages (volt) at which the equations are known not to be smooth in v."""


_QUOTIENT_STEP = 1e-11
"""Step of the difference quotient relative to the scale of s, well below the width of a hard stop.

The quotient's rounding is then 1e-5 of the rate over the scale, which is nothing against the reciprocal of a time step.
"""


class DeviceCell:
    """A device as a cell with one unknown, its state variable: ``ds/dt = rate(v, s)``."""

    unknowns = 1

    def __init__(self, device: Device) -> None:
        self._device = device
        states = device.state_from_x(np.linspace(0.0, 1.0, 1001))
        # An error of s is worth most in x where s changes least over x.
        self.scale: FloatArray = np.abs(np.diff(states)).min(keepdims=True) * 1000.0

    def start(self, v: FloatArray, s: FloatArray) -> FloatArray:
        return s[:, None]

    def terms(self, time: FloatArray, v: FloatArray, y: FloatArray) -> CellTerms:
        s = y[:, 0]
        stepped = s + np.maximum(_QUOTIENT_STEP * self.scale, 64.0 * np.finfo(float).eps * np.abs(s))
        rate = self._device.rate(v, s)
        slope = (self._device.rate(v, stepped) - rate) / (stepped - s)
        return CellTerms(
            flow=-rate[:, None],
            charge=y,
            flow_jacobian=-slope[:, None, None],
            charge_jacobian=np.ones((len(s), 1, 1)),
            current=self._device.current(v, s),
            current_charge=np.zeros(len(s)),
        )

    def state(self, y: FloatArray) -> FloatArray:
        return y[..., 0]

    def voltage_breaks(self) -> tuple[float, ...]:
        return self._device.voltage_breaks()
