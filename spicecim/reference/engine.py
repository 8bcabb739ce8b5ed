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
from spicecim.reference.excitation import row_drive
from spicecim.reference.network import Network
from spicecim.reference.states import DENSITY, Flows, row_states
from spicecim.reference.wired import follow_wired
from spicecim.testbench import Testbench
from spicecim.veriloga.device import ModuleDevice
from spicecim.version import __version__
from spicecim.waveforms import make_waveforms

NO_EQUATIONS = "the reference engine has no equations for a SPICE subcircuit"


def simulate_reference(testbench: Testbench, *, time: ArrayLike | None = None) -> xr.Dataset:
    """Run a testbench in the numpy core.

    With ideal wires every cell sees its row's driver and virtual ground, and the cells do not know of each other.

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
        or, where a device's rate does not separate, a run at a coarser tolerance; with resistive wires, what the
        estimated errors of all steps come to. There, attribute ``convergence`` says how the network was solved.

    Raises
    ------
    UnsupportedError
        If the wires have a capacitance, or they are resistive and the device is a Verilog-A module, or it is a SPICE
        subcircuit.
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
    if not (np.isfinite(cells.i_row).all() and np.isfinite(cells.i_column).all()):
        raise InputError("drive: at its voltages a device's current or rate is beyond the range of a float")
    variables = {"v_row": v_row, "i_row": cells.i_row, "i_column": cells.i_column}
    if testbench.analysis.probe == "cells":
        assert cells.states is not None
        assert cells.i_cell is not None
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
    device = _device(testbench)
    if isinstance(device, ModuleDevice) and not device.is_balanced():
        raise UnsupportedError(
            f"device.verilog_a: current flows between module {device.name} and the ground, so that row and "
            "column differ, which the reference engine does not cover; choose the engine ngspice alone"
        )
    crossbar = testbench.crossbar
    if crossbar.wire_capacitance:
        raise UnsupportedError(
            "the reference engine takes wires without capacitance only; set crossbar.wire_capacitance to 0 "
            "or choose the engine ngspice alone"
        )
    if not crossbar.ideal and isinstance(device, ModuleDevice):
        parasitics = ("wire_row", "wire_column", "source_resistance", "sense_resistance")
        given = [name for name in parasitics if getattr(crossbar, name)]
        raise UnsupportedError(
            "the reference engine takes resistive wires with models of the library only, not with Verilog-A modules; "
            f"set crossbar.{', crossbar.'.join(given)} to 0 or choose the engine ngspice alone"
        )


class _Cells(NamedTuple):
    """Currents of the rows (time, row) and columns (time, column), an estimate of the error of x, and attributes.

    State variables and currents of the cells (time, row, column) too, unless they are not asked for.
    """

    i_row: FloatArray
    i_column: FloatArray
    states: FloatArray | None
    i_cell: FloatArray | None
    error: float
    attributes: Mapping[str, str] = MappingProxyType({})


def _summed(states: FloatArray, i_cell: FloatArray, error: float) -> _Cells:
    return _Cells(i_cell.sum(axis=2), i_cell.sum(axis=1), states, i_cell, error)


def _device(testbench: Testbench) -> Device | ModuleDevice:
    if isinstance(testbench.device, SubcircuitDevice):
        raise UnsupportedError(f"device.subcircuit: {NO_EQUATIONS}; choose the engine ngspice alone")
    return testbench.device.build()


def _cells(testbench: Testbench, device: Device | ModuleDevice, instants: FloatArray) -> _Cells:
    """Follow the cells.

    By integration, the estimate is the largest difference at any instant that a run at a coarser tolerance makes.
    """
    initial = device.state_from_x(testbench.crossbar.state)
    if not testbench.crossbar.ideal:
        assert isinstance(device, Device)  # `check_covered`
        return _wired_cells(testbench, device, initial, instants)
    voltages = testbench.drive.voltage(instants)[:, :, None]
    if isinstance(device, SeparableDevice):
        states, error = _flowing_states(testbench, device, initial, instants)
        return _summed(states, device.current(voltages, states), error)
    cell = DeviceCell(device) if isinstance(device, Device) else device
    run = cell_waveforms(cell, testbench.drive, testbench.duration, initial, instants)
    error = float(np.abs(device.x_from_state(run.states) - device.x_from_state(run.coarse_states)).max())
    # charges of a module add to its current; that of a device follows from its state alone, free of their error
    current = device.current(voltages, run.states) if isinstance(device, Device) else run.current
    return _summed(run.states, current, error)


def _wired_cells(testbench: Testbench, device: Device, initial: FloatArray, instants: FloatArray) -> _Cells:
    """Follow the cells behind resistive wires."""
    rows, columns = testbench.shape
    i_row, i_column = np.empty((len(instants), rows)), np.empty((len(instants), columns))
    states, i_cell = (
        np.empty((len(instants), rows, columns)) if testbench.analysis.probe == "cells" else None for _ in range(2)
    )  # fmt: skip

    def keep(chosen: slice, some_states: FloatArray, _: FloatArray, current: FloatArray) -> None:
        i_row[chosen], i_column[chosen] = current.sum(axis=2), current.sum(axis=1)
        if states is not None and i_cell is not None:
            states[chosen], i_cell[chosen] = some_states, current

    network = Network(testbench.crossbar, testbench.shape)
    course = follow_wired(device, network, testbench.drive, testbench.duration, initial, instants, keep)
    return _Cells(i_row, i_column, states, i_cell, course.error, {"convergence": course.report})


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
