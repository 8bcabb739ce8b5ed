"""A model with further states as a cell: every state is an unknown, with its rate as its equation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spicecim.devices.cell import ENDS, CellSlopes, CellTerms, voltage_over
from spicecim.devices.expressions import FloatArray, Program, derivative
from spicecim.devices.traced import Outputs

if TYPE_CHECKING:
    from spicecim.devices.device import Device


class StateTerms(NamedTuple):
    """Current and rates of n cells with k states, and their derivatives by the voltage, the first column, and these."""

    current: FloatArray
    """(n,), A."""
    rates: FloatArray
    """(n, k), in the states' units per second."""
    current_slopes: FloatArray
    """(n, 1 + k)."""
    rate_slopes: FloatArray
    """(n, k, 1 + k)."""


class StateProgram:
    """Evaluates the current and the rates of all states with their derivatives, in one pass.

    Parameters
    ----------
    outputs
        The equations.
    states
        Names of the further states.
    parameters
        Names of parameters that are arrays.
    has_inner
        Whether there is an inner voltage.
    """

    def __init__(self, outputs: Outputs, states: Sequence[str], parameters: Sequence[str], has_inner: bool) -> None:
        by = ["v", "s", *states]
        functions = [outputs.current, outputs.rate, *outputs.further]
        solved = [*functions, outputs.balance] if has_inner else functions
        self._count, self._has_inner = len(functions), has_inner
        self._shape = len(solved), len(by) + has_inner
        wanted = [derivative(f, name) for f in solved for name in ([*by, "u"] if has_inner else by)]
        self._program = Program([*functions, *wanted], [*by, "u", *parameters])

    def __call__(self, v: FloatArray, y: FloatArray, u: Any, parameters: Sequence[FloatArray] = ()) -> StateTerms:
        """Evaluate at voltages (n,), states (n, k), inner voltages (n,) and parameters (n,)."""
        found = np.stack(self._program(v, *y.T, u, *parameters), axis=-1)
        values, slopes = found[:, : self._count], found[:, self._count :].reshape(len(y), *self._shape)
        if self._has_inner:
            # the inner voltage follows: balance(v, y, u(v, y)) = 0
            by_u = -slopes[:, -1:, :-1] / slopes[:, -1:, -1:]
            slopes = slopes[:, :-1, :-1] + slopes[:, :-1, -1:] * by_u
        return StateTerms(values[:, 0], values[:, 1:], slopes[:, 0], slopes[:, 1:])


class StatesCell:
    """A device with further states as a `spicecim.devices.cell.Cell`: its unknowns are ``s`` and these."""

    state_index = 0

    def __init__(self, device: Device, scale: FloatArray) -> None:
        self._device, self.scale = device, scale
        self.unknowns = len(scale)
        self.further = tuple(range(1, self.unknowns))

    def of_cells(self, cells: NDArray[np.int_]) -> StatesCell:
        device = self._device.of_cells(cells)
        return self if device is self._device else StatesCell(device, self.scale)

    def start(self, v: FloatArray, s: FloatArray, further: FloatArray | None = None) -> FloatArray:
        starts = self._device.of_points(len(s)).further_values() if further is None else further.T
        return np.column_stack([s, *(np.broadcast_to(np.ravel(values), s.shape) for values in starts)])

    def terms(self, time: FloatArray, v: FloatArray, y: FloatArray) -> CellTerms:
        found = self._device.of_points(len(y)).state_terms(voltage_over(v), y)
        return CellTerms(
            flow=-found.rates,
            charge=y,
            flow_jacobian=-found.rate_slopes[:, :, 1:],
            charge_jacobian=np.broadcast_to(np.eye(self.unknowns), (len(y), self.unknowns, self.unknowns)),
            current=found.current if v.ndim == 1 else found.current[:, None] * ENDS,
            current_charge=np.zeros(v.shape),
        )

    def linear(self, time: FloatArray, v: FloatArray, y: FloatArray) -> CellSlopes:
        found = self._device.of_points(len(y)).state_terms(voltage_over(v), y)
        none = np.zeros((len(y), self.unknowns, 2))
        return CellSlopes(
            flow_y=-found.rate_slopes[:, :, 1:],
            charge_y=np.broadcast_to(np.eye(self.unknowns), (len(y), self.unknowns, self.unknowns)),
            flow_v=-found.rate_slopes[:, :, :1] * ENDS,
            charge_v=none,
            current_y=found.current_slopes[:, None, 1:] * ENDS[:, None],
            current_charge_y=none.transpose(0, 2, 1),
            current_v=found.current_slopes[:, :1, None] * (ENDS[:, None] * ENDS),
            current_charge_v=none[:, :1] * ENDS[:, None],
        )

    def voltage_breaks(self) -> tuple[float, ...] | FloatArray:
        return self._device.voltage_breaks()
