"""What an integrator needs of a cell: the residuals of its unknowns, resistive and reactive, with their derivatives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from spicecim.devices.expressions import FloatArray

if TYPE_CHECKING:
    from spicecim.devices.device import Device


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
    """Resistive current into the row terminal (n,), or into row and column (n, 2), ampere."""
    current_charge: FloatArray
    """Charge, coulomb, whose derivative by time adds to `current`."""


@dataclass(frozen=True)
class CellSlopes:
    """Derivatives of the equations of n cells by the k unknowns y and by the potentials v of row and column.

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


class Cell(Protocol):
    """A device as a system of differential and algebraic equations of index 1.

    All methods are vectorized over n cells. Voltages v are those over the cells (n,), with the column at 0 V, or the
    potentials (n, 2) of row and column; the currents are those into the row, or into both.
    """

    @property
    def unknowns(self) -> int:
        """Number k of unknowns."""

    @property
    def scale(self) -> FloatArray:
        """Magnitude of each unknown (k,), positive: errors count relative to it or to the unknown, if larger."""

    @property
    def state_index(self) -> int:
        """Place of the state variable among the unknowns."""

    @property
    def further(self) -> tuple[int, ...]:
        """Places among the unknowns of what a cell starts with beside the state variable."""

    def of_cells(self, cells: NDArray[np.int_]) -> Cell:
        """Return the equations of cells by their numbers: points belong to them in turn, equally many to each."""

    def start(self, v: FloatArray, s: FloatArray, further: FloatArray | None = None) -> FloatArray:
        """Unknowns (n, k) that satisfy the algebraic equations at voltages v with the states held at s (n,).

        `further` are values (n, m) of the unknowns of that name, NaN for those in equilibrium; by default the device's.
        """

    def terms(self, time: FloatArray, v: FloatArray, y: FloatArray) -> CellTerms:
        """Evaluate the equations at instants (n,), voltages v and unknowns (n, k)."""

    def voltage_breaks(self) -> tuple[float, ...] | FloatArray:
        """Voltages (V) at which the equations are known not to be smooth in v, of all cells or each (see `Device`)."""


class WiredCell(Cell, Protocol):
    """A cell whose equations are differentiated, for the wires around it."""

    def of_cells(self, cells: NDArray[np.int_]) -> WiredCell:
        """Return the equations of cells (see `Cell`)."""

    def linear(self, time: FloatArray, v: FloatArray, y: FloatArray) -> CellSlopes:
        """Differentiate the equations at instants (n,), potentials (n, 2) and unknowns (n, k)."""


class ExplicitCell:
    """An explicit device as a cell with one unknown, its state variable: ``ds/dt = rate(v, s)``."""

    unknowns = 1
    state_index = 0
    further = ()

    def __init__(self, device: Device, span: float | None = None) -> None:
        self._device = device
        self.scale: FloatArray = np.array([device.span() if span is None else span])

    def of_cells(self, cells: NDArray[np.int_]) -> ExplicitCell:
        device = self._device.of_cells(cells)
        return self if device is self._device else ExplicitCell(device, float(self.scale[0]))

    def start(self, v: FloatArray, s: FloatArray, further: FloatArray | None = None) -> FloatArray:
        return s[:, None]

    def terms(self, time: FloatArray, v: FloatArray, y: FloatArray) -> CellTerms:
        over, s = voltage_over(v), y[:, 0]
        current, rate, slope = self._device.of_points(len(s)).motion_terms(over, s)
        return CellTerms(
            flow=-rate[:, None],
            charge=y,
            flow_jacobian=-slope[:, None, None],
            charge_jacobian=np.ones((len(s), 1, 1)),
            current=current if v.ndim == 1 else current[:, None] * ENDS,
            current_charge=np.zeros(v.shape),
        )

    def linear(self, time: FloatArray, v: FloatArray, y: FloatArray) -> CellSlopes:
        slopes = self._device.of_points(len(y)).slopes(voltage_over(v), y[:, 0])
        none = np.zeros((len(y), 2))
        return CellSlopes(
            flow_y=-slopes.rate_s[:, None, None],
            charge_y=np.ones((len(y), 1, 1)),
            flow_v=-slopes.rate_v[:, None, None] * ENDS,
            charge_v=none[:, None],
            current_y=(slopes.current_s[:, None] * ENDS)[:, :, None],
            current_charge_y=none[:, :, None],
            current_v=slopes.current_v[:, None, None] * (ENDS[:, None] * ENDS),
            current_charge_v=none[:, :, None] * ENDS,
        )

    def voltage_breaks(self) -> tuple[float, ...] | FloatArray:
        return self._device.voltage_breaks()


ENDS = np.array([1.0, -1.0])
"""Shares of a cell's current that go into row and column, and of its voltage that their potentials have."""


def voltage_over(v: FloatArray) -> FloatArray:
    """Voltages (n,) over cells of such voltages, or of potentials (n, 2) of row and column."""
    return v if v.ndim == 1 else v @ ENDS
