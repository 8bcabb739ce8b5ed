"""A memristor in series with a transistor (1T1R): its equations as an integrator takes them.

The potential u of the node between both is an unknown of the cell, beside those of the memristor. It follows from

    i(u) + I(u, vg, v) = 0,

i the current into the memristor's inner terminal, I that into the transistor, vg the potential of the gate, which is
known, and v that of the transistor's line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spicecim.devices.cell import CellSlopes, CellTerms, WiredCell
from spicecim.devices.device import Device
from spicecim.devices.equations import inner_voltages
from spicecim.devices.expressions import FloatArray
from spicecim.devices.transistor import TransistorCells, in_turn

Gates = Callable[[FloatArray, NDArray[np.int_]], FloatArray]
"""Potentials of gates (n,), V, at instants (n,), s, of cells by their numbers (n,), counted row by row."""

_POTENTIAL = 1.0
"""Scale (V) that errors of an inner potential count relative to."""


class TransistorCell:
    """Cells of a memristor and a transistor (a `WiredCell`).

    Parameters
    ----------
    memristor
        The equations of the memristors.
    transistor
        The transistors.
    gates
        The potentials of their gates.
    cells
        Numbers of the cells (cell,).
    at_row
        Whether the transistor, and not the memristor, is at the row.
    """

    def __init__(
        self, memristor: WiredCell, transistor: TransistorCells, gates: Gates, cells: NDArray[np.int_], at_row: bool
    ) -> None:
        self._memristor, self._transistor, self._gates, self._cells = memristor, transistor, gates, cells
        self._outer, self._inner = (1, 0) if at_row else (0, 1)
        self._at_row = at_row
        self.unknowns = memristor.unknowns + 1
        self.scale: FloatArray = np.append(memristor.scale, _POTENTIAL)
        self.state_index, self.further = memristor.state_index, memristor.further

    def of_cells(self, cells: NDArray[np.int_]) -> TransistorCell:
        return TransistorCell(
            self._memristor.of_cells(cells), self._transistor.of_cells(cells), self._gates, self._cells[cells],
            self._at_row,
        )  # fmt: skip

    def start(self, v: FloatArray, s: FloatArray, further: FloatArray | None = None) -> FloatArray:
        still, outer = np.zeros(len(v)), self._outer

        def potentials(at: NDArray[np.int_], over: FloatArray) -> FloatArray:
            return np.asarray(v[at, outer] - over)

        def unknowns(at: NDArray[np.int_], u: FloatArray) -> FloatArray:
            also = None if further is None else further[at]
            chosen = self._memristor if len(at) == len(v) else self._memristor.of_cells(at)
            return np.column_stack([chosen.start(self._ends(v[at], u), s[at], also), u])

        def balance(at: NDArray[np.int_], over: FloatArray) -> tuple[FloatArray, FloatArray]:
            chosen = self if len(at) == len(v) else self.of_cells(at)
            terms = chosen.terms(still[at], v[at], unknowns(at, potentials(at, over)))
            return -terms.flow[:, -1], terms.flow_jacobian[:, -1, -1]

        every = np.arange(len(v))
        over = inner_voltages(balance, v[:, outer] - v[:, self._inner])
        return unknowns(every, potentials(every, over))

    def terms(self, time: FloatArray, v: FloatArray, y: FloatArray) -> CellTerms:
        u, ends = y[:, -1], self._ends(v, y[:, -1])
        inner = self._memristor.terms(time, ends, y[:, :-1])
        slopes = self._memristor.linear(time, ends, y[:, :-1])
        taken, by_u, _ = self._taken(time, v, u)
        current, charge = inner.current.copy(), inner.current_charge.copy()
        node, node_charge = current[:, self._inner] + taken, charge[:, self._inner]
        flow_y, charge_y = self._by_unknowns(slopes, by_u)
        result = CellTerms(
            flow=np.column_stack([inner.flow, node]),
            charge=np.column_stack([inner.charge, node_charge]),
            flow_jacobian=flow_y,
            charge_jacobian=charge_y,
            current=current,
            current_charge=charge,
        )
        current[:, self._inner], charge[:, self._inner] = -taken, 0.0
        return result

    def linear(self, time: FloatArray, v: FloatArray, y: FloatArray) -> CellSlopes:
        u, (outer, inner) = y[:, -1], (self._outer, self._inner)
        slopes = self._memristor.linear(time, self._ends(v, u), y[:, :-1])
        _, by_u, by_line = self._taken(time, v, u)
        flow_y, charge_y = self._by_unknowns(slopes, by_u)
        flow_v, charge_v = (np.zeros((len(y), self.unknowns, 2)) for _ in range(2))
        for whole, own, node in (
            (flow_v, slopes.flow_v, slopes.current_v),
            (charge_v, slopes.charge_v, slopes.current_charge_v),
        ):
            whole[:, :-1, outer], whole[:, -1, outer] = own[:, :, outer], node[:, inner, outer]
        flow_v[:, -1, inner] = by_line
        current_y, current_charge_y = (np.zeros((len(y), 2, self.unknowns)) for _ in range(2))
        current_v, current_charge_v = (np.zeros((len(y), 2, 2)) for _ in range(2))
        for by_unknowns, by_ends, own, ends in (
            (current_y, current_v, slopes.current_y, slopes.current_v),
            (current_charge_y, current_charge_v, slopes.current_charge_y, slopes.current_charge_v),
        ):
            by_unknowns[:, outer, :-1], by_unknowns[:, outer, -1] = own[:, outer], ends[:, outer, inner]
            by_ends[:, outer, outer] = ends[:, outer, outer]
        current_y[:, inner, -1], current_v[:, inner, inner] = -by_u, -by_line
        return CellSlopes(
            flow_y, charge_y, flow_v, charge_v, current_y, current_charge_y, current_v, current_charge_v
        )  # fmt: skip

    def voltage_breaks(self) -> tuple[float, ...]:
        return ()

    def _ends(self, v: FloatArray, u: FloatArray) -> FloatArray:
        """Potentials (n, 2) of the memristors' terminals."""
        ends = v.copy()
        ends[:, self._inner] = u
        return ends

    def _taken(self, time: FloatArray, v: FloatArray, u: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Currents (n,) from inner nodes into transistors, and derivatives by u and by the potential of the line."""
        numbers = in_turn(self._cells, len(u))
        return self._transistor.slopes(u, self._gates(time, numbers), v[:, self._inner])

    def _by_unknowns(self, slopes: CellSlopes, by_u: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Derivatives of flow and charge by the unknowns (n, k, k)."""
        inner, found = self._inner, []
        for own, ends, node_y, node_v in (
            (slopes.flow_y, slopes.flow_v, slopes.current_y, slopes.current_v),
            (slopes.charge_y, slopes.charge_v, slopes.current_charge_y, slopes.current_charge_v),
        ):
            whole = np.empty((len(by_u), self.unknowns, self.unknowns))
            whole[:, :-1, :-1], whole[:, :-1, -1] = own, ends[:, :, inner]
            whole[:, -1, :-1], whole[:, -1, -1] = node_y[:, inner], node_v[:, inner, inner]
            found.append(whole)
        found[0][:, -1, -1] += by_u
        return found[0], found[1]


class TransistorDevice(Device):
    """A memristor with a transistor in series as a device of a crossbar.

    `current` and `rate` are those at rest, with the column at 0 V and the gates as at time 0.

    Parameters
    ----------
    memristor
        The memristor.
    transistor, gates, at_row
        As `TransistorCell` takes them, of all cells of the crossbar.
    shape
        Rows and columns.
    """

    def __init__(
        self, memristor: Device, transistor: TransistorCells, gates: Gates, at_row: bool, shape: tuple[int, int]
    ) -> None:
        self.memristor, self._transistor, self._gates, self._at_row = memristor, transistor, gates, at_row
        self._shape = shape

    @property
    def title(self) -> str:
        return f"{self.memristor.title}, with a transistor"

    def state_from_x(self, x: ArrayLike) -> FloatArray:
        return self.memristor.state_from_x(x)

    def x_from_state(self, s: ArrayLike) -> FloatArray:
        return self.memristor.x_from_state(s)

    def current(self, v: Any, s: Any) -> Any:
        cell, ends, y, shape = self._at_rest(v, s)
        return cell.terms(np.zeros(len(y)), ends, y).current[:, 0].reshape(shape)

    def rate(self, v: Any, s: Any) -> Any:
        cell, ends, y, shape = self._at_rest(v, s)
        return -cell.terms(np.zeros(len(y)), ends, y).flow[:, cell.state_index].reshape(shape)

    def cell(self) -> TransistorCell:
        cells = np.arange(int(np.prod(self._shape)))
        return TransistorCell(self.memristor.of_cells(cells).cell(), self._transistor, self._gates, cells, self._at_row)

    def of_cells(self, cells: NDArray[np.int_]) -> Device:
        return self.memristor.of_cells(cells)

    def further_units(self) -> dict[str, str]:
        return self.memristor.further_units()

    def further_start(self, shape: tuple[int, int], given: Mapping[str, FloatArray]) -> FloatArray | None:
        return self.memristor.further_start(shape, given)

    def stops(self) -> tuple[Any, Any] | None:
        return self.memristor.stops()

    def keeps_range(self) -> bool:
        return self.memristor.keeps_range()

    def is_balanced(self) -> bool:
        return self.memristor.is_balanced()

    def span(self) -> float:
        return self.memristor.span()

    def _at_rest(self, v: Any, s: Any) -> tuple[TransistorCell, FloatArray, FloatArray, tuple[int, ...]]:
        """The cells, with potentials and unknowns of points (..., row, column)."""
        shape = np.broadcast_shapes(np.shape(v), np.shape(s), self._shape)
        over, states = (np.broadcast_to(np.asarray(part, dtype=float), shape).ravel() for part in (v, s))
        count = int(np.prod(self._shape))
        cell = self.cell().of_cells(np.tile(np.arange(count), len(over) // count))
        ends = np.column_stack([over, np.zeros(len(over))])
        return cell, ends, cell.start(ends, states), shape
