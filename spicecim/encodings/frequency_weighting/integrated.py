"""Responses of single cells of any equations, by the reference engine's integrator.

Time runs in cycles, so that cells of different frequencies share a run, and the integrals asked for are unknowns of the
cell: the integrator's own control of the error holds them, however abruptly the device switches.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spicecim.devices.cell import Cell, CellTerms
from spicecim.drives import SineDrive
from spicecim.encodings.frequency_weighting.flowing import Responses
from spicecim.fields import FloatArray
from spicecim.reference.drive import cell_voltages
from spicecim.reference.independent import integrate


class _MeteredCell:
    """A cell in cycles of its drive, with the mean current, the mean power and the frequency as further unknowns.

    The frequency does not move; it lets each cell have its own. Its row is at v and its column at 0 V.
    """

    def __init__(self, cell: Cell, current: float, voltage: float) -> None:
        self._cell = cell
        self._inner = cell.unknowns
        self.unknowns = cell.unknowns + 3
        self.state_index = cell.state_index
        self.further = cell.further
        self.scale: FloatArray = np.concatenate([cell.scale, [current, current * voltage, 1.0]])

    def of_cells(self, cells: NDArray[np.int_]) -> _MeteredCell:
        return self

    def start(self, v: FloatArray, s: FloatArray, further: FloatArray | None = None) -> FloatArray:
        return np.concatenate([self._cell.start(v, s, further), np.zeros((len(s), 3))], axis=1)

    def terms(self, time: FloatArray, v: FloatArray, y: FloatArray) -> CellTerms:
        inner, frequency = y[:, : self._inner], y[:, -1]
        own = self._cell.terms(time / frequency, v, inner)
        count, nothing = len(v), np.zeros(len(v))
        flow_jacobian = np.zeros((count, self.unknowns, self.unknowns))
        flow_jacobian[:, : self._inner, : self._inner] = own.flow_jacobian / frequency[:, None, None]
        charge_jacobian = np.broadcast_to(np.eye(self.unknowns), flow_jacobian.shape).copy()
        charge_jacobian[:, : self._inner, : self._inner] = own.charge_jacobian
        # how the integrals depend on the state is left out of the Jacobian: nothing depends on them in turn
        flow = np.column_stack([own.flow / frequency[:, None], -own.current, -v * own.current, nothing])
        charge = np.column_stack([own.charge, y[:, self._inner :]])
        return CellTerms(flow, charge, flow_jacobian, charge_jacobian, own.current, own.current_charge)

    def voltage_breaks(self) -> tuple[float, ...] | FloatArray:
        return self._cell.voltage_breaks()


def integrated_responses(
    cell: Cell, scale: float, amplitude: FloatArray, frequency: FloatArray, state: FloatArray
) -> Responses:
    """Integrate one cycle of ``amplitude sin(2 pi frequency t)`` for each of n cells (n,).

    Parameters
    ----------
    cell
        The equations.
    scale
        Magnitude of the current (A).
    amplitude
        Amplitudes (V) of either sign, not zero.
    frequency
        Frequencies (Hz).
    state
        State variables at the start.

    Raises
    ------
    ConvergenceError
        If a cell has no solution.
    """
    levels, rows = np.unique(amplitude, return_inverse=True)
    metered = _MeteredCell(cell, scale, float(np.abs(amplitude).max()))
    voltages = cell_voltages(
        SineDrive(amplitude=levels, frequency=1.0).for_rows(len(levels)),
        rows.ravel(),
        (0.0, *cell.voltage_breaks()),
        1.0,
    )
    initial = metered.start(voltages.start(), state)
    initial[:, -1] = frequency

    def name(index: int) -> str:
        return f"a cell at {amplitude[index]:g} V and {frequency[index]:g} Hz"

    run = integrate(metered, voltages, initial, np.array([0.0, 0.5, 1.0]), name=name)
    middle, end = run.unknowns[1], run.unknowns[2]
    return Responses(middle[:, -3], end[:, -3] - middle[:, -3], end[:, -2], end[:, metered.state_index])
