"""The engine `reference`: a testbench with ideal wires to waveforms, at any instants asked for."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from spicecim.device_choice import SubcircuitDevice, provenance
from spicecim.devices import Device, SeparableDevice
from spicecim.devices.cell import DeviceCell
from spicecim.errors import InputError, UnsupportedError
from spicecim.fields import FloatArray
from spicecim.reference.cells import cell_waveforms
from spicecim.reference.excitation import row_drive
from spicecim.reference.states import DENSITY, Flows, row_states
from spicecim.testbench import Testbench
from spicecim.veriloga.device import ModuleDevice
from spicecim.version import __version__
from spicecim.waveforms import make_waveforms

NO_EQUATIONS = "the reference engine has no equations for a SPICE subcircuit"


def simulate_reference(testbench: Testbench, *, time: ArrayLike | None = None) -> xr.Dataset:
    """Run a testbench with ideal wires in the numpy core.

    Every cell then sees its row's driver and virtual ground, and the cells do not know of each other.

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
        or, where a device's rate does not separate, a run at a coarser tolerance.

    Raises
    ------
    UnsupportedError
        If the wires are not ideal, or the device is a SPICE subcircuit.
    VerilogAError, ModelError
        If the device is a Verilog-A module that cannot be used as it stands.
    InputError
        If the instants are not increasing or not between 0 and the duration, or if a current or rate overflows.
    ConvergenceError
        If a device whose rate does not separate has no solution.
    """
    check_covered(testbench)
    labels = testbench.time_grid() if time is None else np.asarray(time, dtype=float)
    instants = _checked_instants(labels, testbench.duration)
    device = _device(testbench)
    v_row = testbench.drive.voltage(instants)
    with np.errstate(over="ignore", invalid="ignore"):
        states, i_cell, error = _cells(testbench, device, instants)
    if not np.isfinite(i_cell).all():
        raise InputError("drive: at its voltages a device's current or rate is beyond the range of a float")
    variables = {"v_row": v_row, "i_row": i_cell.sum(axis=2), "i_column": i_cell.sum(axis=1)}
    if testbench.analysis.probe == "cells":
        variables["v_cell"] = np.broadcast_to(v_row[:, :, None], states.shape)
        variables["i_cell"] = i_cell
        variables["x"] = device.x_from_state(states)
    attributes = {
        "engine": "reference",
        "engine_version": __version__,
        "device_backend": "numpy",
        "spicecim_version": __version__,
        "state_error": f"{error:.2g}",
        **provenance(testbench.device),
    }
    return make_waveforms(testbench, labels, variables, attributes)


def check_covered(testbench: Testbench) -> None:
    """Raise `UnsupportedError` if the reference engine does not cover a testbench."""
    device = _device(testbench)
    if isinstance(device, ModuleDevice) and not device.is_balanced():
        raise UnsupportedError(
            f"device.verilog_a: current flows between module {device.name} and the ground, so that row and "
            "column differ, which the reference engine does not cover; choose the engine ngspice alone"
        )
    if not testbench.crossbar.ideal:
        parasitics = ("wire_row", "wire_column", "wire_capacitance", "source_resistance", "sense_resistance")
        given = [name for name in parasitics if getattr(testbench.crossbar, name)]
        raise UnsupportedError(
            f"the reference engine takes ideal wires only; set crossbar.{', crossbar.'.join(given)} to 0 "
            "or choose the engine ngspice alone"
        )


def _device(testbench: Testbench) -> Device | ModuleDevice:
    if isinstance(testbench.device, SubcircuitDevice):
        raise UnsupportedError(f"device.subcircuit: {NO_EQUATIONS}; choose the engine ngspice alone")
    return testbench.device.build()


def _cells(
    testbench: Testbench, device: Device | ModuleDevice, instants: FloatArray
) -> tuple[FloatArray, FloatArray, float]:
    """State variables and currents (time, row, column), and an estimate of the error of x.

    By integration, the estimate is the largest difference at any instant that a run at a coarser tolerance makes.
    """
    initial = device.state_from_x(testbench.crossbar.state)
    voltages = testbench.drive.voltage(instants)[:, :, None]
    if isinstance(device, SeparableDevice):
        states, error = _flowing_states(testbench, device, initial, instants)
        return states, device.current(voltages, states), error
    cell = DeviceCell(device) if isinstance(device, Device) else device
    run = cell_waveforms(cell, testbench.drive, testbench.duration, initial, instants)
    error = float(np.abs(device.x_from_state(run.states) - device.x_from_state(run.coarse_states)).max())
    # charges of a module add to its current; that of a device follows from its state alone, free of their error
    return run.states, device.current(voltages, run.states) if isinstance(device, Device) else run.current, error


def _flowing_states(
    testbench: Testbench, device: SeparableDevice, initial: FloatArray, instants: FloatArray
) -> tuple[FloatArray, float]:
    """State variables (time, row, column) by tabulated flow, and an estimate of the error of x.

    The estimate is the largest difference at any break of any row's drive that tables half as dense make; their error is
    sixteen times that of the tables used.
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
