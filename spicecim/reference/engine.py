"""The engine `reference`: a testbench to waveforms, at any instants asked for."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from spicecim.device_choice import SubcircuitDevice, provenance
from spicecim.devices import Device, SeparableDevice
from spicecim.devices.cell import DeviceCell
from spicecim.errors import InputError, UnsupportedError
from spicecim.fields import FloatArray
from spicecim.reference.cells import cell_waveforms
from spicecim.reference.coupled import TOLERANCE as COUPLED_TOLERANCE
from spicecim.reference.coupled import CoupledWaveforms, coupled_waveforms
from spicecim.reference.excitation import drive_slopes, row_drive
from spicecim.reference.network import Network
from spicecim.reference.states import DENSITY, Flows, row_states
from spicecim.reference.terminals import BetweenTerminals
from spicecim.reference.wired import TOLERANCE as WIRED_TOLERANCE
from spicecim.reference.wired import wired_waveforms
from spicecim.reference.wiring import Wiring
from spicecim.testbench import Testbench
from spicecim.veriloga.device import ModuleDevice
from spicecim.version import __version__
from spicecim.waveforms import make_waveforms

NO_EQUATIONS = "the reference engine has no equations for a SPICE subcircuit"


_COARSE = 30.0
"""Ratio of the tolerances of the two runs that are compared behind resistive wires."""


def simulate_reference(testbench: Testbench, *, time: ArrayLike | None = None) -> xr.Dataset:
    """Run a testbench in the numpy core.

    With ideal wires every cell sees its row's driver and virtual ground, and the cells do not know of each other.
    Resistive wires around models of the library are solved with the states (see `wired`); with a capacitance, or around
    Verilog-A modules, cells and wires are one system (see `coupled`).

    Parameters
    ----------
    testbench
        What to simulate.
    time
        Instants (s) at which the waveforms are wanted, strictly increasing, from 0 to the duration at most; by default
        `Testbench.time_grid`.

    Returns
    -------
    xarray.Dataset
        Waveforms. Attribute ``state_error`` is an estimate of the error of x, measured against tables half as dense
        or, where a device's rate does not separate or wires are resistive, a run at a coarser tolerance. With
        resistive wires, attribute ``convergence`` says how the network was solved.

    Raises
    ------
    UnsupportedError
        If the device is a SPICE subcircuit.
    VerilogAError, ModelError
        If the device is a Verilog-A module that cannot be used as it stands.
    InputError
        If the instants are not increasing or not between 0 and the duration, or if a current or rate overflows.
    ConvergenceError
        If a device whose rate does not separate, or a crossbar with resistive wires, has no solution.
    """
    check_covered(testbench)
    labels = testbench.time_grid() if time is None else np.asarray(time, dtype=float)
    instants = _checked_instants(labels, testbench.duration)
    device = _device(testbench)
    v_row = testbench.drive.voltage(instants)
    with np.errstate(over="ignore", invalid="ignore"):
        cells = _cells(testbench, device, instants)
    if not np.isfinite(cells.i_cell).all():
        raise InputError("drive: at its voltages a device's current or rate is beyond the range of a float")
    if cells.wires:
        i_row, i_column = cells.wires.i_row, cells.wires.i_column
    else:
        i_row = cells.i_cell.sum(axis=2) + _into_ideal_rows(testbench, instants)
        i_column = cells.i_cell.sum(axis=1)
    variables = {"v_row": v_row, "i_row": i_row, "i_column": i_column}
    if testbench.analysis.probe == "cells":
        if cells.wires:
            v_row_node, v_column_node = cells.wires.v_row_node, cells.wires.v_column_node
        else:
            network = Network(testbench.crossbar, testbench.shape)
            v_row_node = network.voltage_at_rows(v_row, cells.i_cell)
            v_column_node = network.voltage_at_columns(cells.i_cell)
        variables["v_cell"] = v_row_node - v_column_node
        variables["i_cell"] = cells.i_cell
        variables["x"] = device.x_from_state(cells.states)
        if not testbench.crossbar.ideal:
            variables["v_row_node"], variables["v_column_node"] = v_row_node, v_column_node
    attributes = {
        "engine": "reference",
        "engine_version": __version__,
        "device_backend": "numpy",
        "spicecim_version": __version__,
        "state_error": f"{cells.error:.2g}",
        **cells.attributes,
        **provenance(testbench.device),
    }
    return make_waveforms(testbench, labels, variables, attributes)


def check_covered(testbench: Testbench) -> None:
    """Raise `UnsupportedError` if the reference engine does not cover a testbench."""
    _device(testbench)


class _Cells(NamedTuple):
    """Waveforms of the cells (time, row, column)."""

    states: FloatArray
    """State variables."""
    i_cell: FloatArray
    """Currents into the cells' rows (A)."""
    error: float
    """Estimate of the error of x."""
    attributes: Mapping[str, str] = MappingProxyType({})
    wires: CoupledWaveforms | None = None
    """Waveforms of the wires, where those of the cells do not tell them."""


def _device(testbench: Testbench) -> Device | ModuleDevice:
    if isinstance(testbench.device, SubcircuitDevice):
        raise UnsupportedError(f"device.subcircuit: {NO_EQUATIONS}; choose the engine ngspice alone")
    return testbench.device.build()


def _cells(testbench: Testbench, device: Device | ModuleDevice, instants: FloatArray) -> _Cells:
    """Follow the cells.

    By integration, the estimate is the largest difference at any instant that a run at a coarser tolerance makes.
    """
    initial = device.state_from_x(testbench.crossbar.state)
    if Network(testbench.crossbar, testbench.shape).nodes or not _is_balanced(device):
        if isinstance(device, Device) and not testbench.crossbar.wire_capacitance:
            return _wired_cells(testbench, device, initial, instants)
        return _coupled_cells(testbench, device, initial, instants)
    voltages = testbench.drive.voltage(instants)[:, :, None]
    if isinstance(device, SeparableDevice):
        states, error = _flowing_states(testbench, device, initial, instants)
        return _Cells(states, device.current(voltages, states), error)
    cell = DeviceCell(device) if isinstance(device, Device) else device
    run = cell_waveforms(cell, testbench.drive, testbench.duration, initial, instants)
    error = float(np.abs(device.x_from_state(run.states) - device.x_from_state(run.coarse_states)).max())
    # charges of a module add to its current; that of a device follows from its state alone, free of their error
    current = device.current(voltages, run.states) if isinstance(device, Device) else run.current
    return _Cells(run.states, current, error)


def _is_balanced(device: Device | ModuleDevice) -> bool:
    """Whether the column takes what the row gives; a module may conduct to the ground."""
    return isinstance(device, Device) or device.is_balanced()


def _into_ideal_rows(testbench: Testbench, instants: FloatArray) -> FloatArray | float:
    """Currents (time, row) that the drivers feed into the capacitances of their wires, if these have no resistance."""
    rows, columns = testbench.shape
    capacitance = columns * testbench.crossbar.wire_capacitance
    return capacitance * drive_slopes(testbench.drive, rows, testbench.duration, instants) if capacitance else 0.0


def _coupled_cells(
    testbench: Testbench, device: Device | ModuleDevice, initial: FloatArray, instants: FloatArray
) -> _Cells:
    """Follow cells and wires together.

    The run at a coarser tolerance tells how large the currents are, for the other's errors to count relative to.
    """
    cell = BetweenTerminals(DeviceCell(device)) if isinstance(device, Device) else device
    wiring = Wiring(testbench.crossbar, testbench.shape)
    given = (cell, wiring, testbench.drive, testbench.duration, initial, instants)
    coarse = coupled_waveforms(*given, tolerance=_COARSE * COUPLED_TOLERANCE)
    run = coupled_waveforms(*given, peaks=coarse.peaks())
    error = np.abs(device.x_from_state(run.states) - device.x_from_state(coarse.states)).max()
    return _Cells(run.states, run.i_cell, float(error), {"convergence": run.report}, run)


def _wired_cells(testbench: Testbench, device: Device, initial: FloatArray, instants: FloatArray) -> _Cells:
    """Follow the cells behind resistive wires.

    What the steps add to the error grows where cells drive each other, or themselves behind a resistance, ever faster:
    a run at a coarser tolerance shows it.
    """
    network = Network(testbench.crossbar, testbench.shape)
    run, coarse = (
        wired_waveforms(
            device, network, testbench.drive, testbench.duration, initial, instants, tolerance=tolerance
        )
        for tolerance in (WIRED_TOLERANCE, _COARSE * WIRED_TOLERANCE)
    )  # fmt: skip
    difference = np.abs(device.x_from_state(run.states) - device.x_from_state(coarse.states)).max()
    error = max(run.error, float(difference))
    return _Cells(run.states, run.i_cell, error, {"convergence": run.report})


def _flowing_states(
    testbench: Testbench, device: SeparableDevice, initial: FloatArray, instants: FloatArray
) -> tuple[FloatArray, float]:
    """State variables (time, row, column) by tabulated flow, and an estimate of the error of x.

    The estimate is the largest difference at any break of any row's drive that tables half as dense make; their error
    is sixteen times that of the tables used.
    """
    flows, coarse = Flows(device), Flows(device, DENSITY // 2)
    states = np.empty((len(instants), *testbench.shape))
    error = 0.0
    for row in range(testbench.shape[0]):
        drive = row_drive(testbench.drive, row)
        # Cells of a row that start alike stay alike.
        distinct, which = np.unique(initial[row], return_inverse=True)
        moved, turns = row_states(flows, drive, testbench.duration, distinct, instants)
        _, coarse_turns = row_states(coarse, drive, testbench.duration, distinct, instants[:1])
        error = max(error, float(np.abs(device.x_from_state(turns) - device.x_from_state(coarse_turns)).max()))
        states[:, row] = moved[:, which]
    return states, error


def _checked_instants(instants: FloatArray, duration: float) -> FloatArray:
    if instants.ndim != 1 or len(instants) < 2 or not np.all(np.diff(instants) > 0):
        raise InputError("time must be a list of at least two strictly increasing instants")
    # ngspice's last instant may miss the duration by rounding.
    if instants[0] < 0 or instants[-1] > duration * (1 + 1e-9):
        raise InputError(f"time must lie between 0 and the duration {duration:g} s; it ends at {instants[-1]:g} s")
    return np.minimum(instants, duration)
