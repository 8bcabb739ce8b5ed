"""The engine `ngspice`: a testbench to waveforms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from spicecim.deadline import run_within
from spicecim.device_choice import SubcircuitDevice, provenance
from spicecim.devices import Device
from spicecim.errors import NetlistError, SubcircuitError
from spicecim.fields import FloatArray
from spicecim.limits import DEFAULT_TIME_LIMIT
from spicecim.netlist import CrossbarNetlist, crossbar_netlist, equation_netlist
from spicecim.ngspice.backend import is_native
from spicecim.ngspice.client import Progress, Worker
from spicecim.ngspice.run import run_netlist
from spicecim.testbench import Testbench
from spicecim.version import __version__
from spicecim.waveforms import make_waveforms

_START_TOLERANCES = (1e-6, 1e-2)
"""Largest difference of x from what was asked for, at the first two instants. A node that is held at time 0 and carries
no state leaves it at once; with a tolerance of 1e-7, no step of ngspice is long enough for a state to get so far."""


def simulate_ngspice(
    testbench: Testbench,
    *,
    time_limit: float | str | None = DEFAULT_TIME_LIMIT,
    progress: Progress | None = None,
    worker: Worker | None = None,
) -> xr.Dataset:
    """Run a testbench in ngspice.

    Parameters
    ----------
    testbench
        What to simulate.
    time_limit
        Seconds after which the run is stopped with a `TimeLimitError`; None for no limit. It counts from the call on.
    progress
        Called now and then with the fraction that is done.
    worker
        The process to run in; by default the one that all runs share.

    Returns
    -------
    xarray.Dataset
        Waveforms at the instants that ngspice chose.

    Raises
    ------
    SimulationError
        If ngspice did not reach the stop time with every vector complete and finite. The netlist and the log are kept.
    SubcircuitError
        If the device is a SPICE subcircuit that cannot be used as it stands, or does not start at the states given.
    """
    with run_within(time_limit):
        netlist = crossbar_netlist(testbench, native=is_native(testbench, worker))
        names = ["time", *dict.fromkeys(name for group in netlist.vectors.values() for name in group)]
        try:
            run = run_netlist(
                netlist.text, names, stop=testbench.duration, time_limit=None, progress=progress, worker=worker,
                compatibility=netlist.compatibility, libraries=netlist.libraries,
            )  # fmt: skip
        except NetlistError as error:
            if not isinstance(testbench.device, SubcircuitDevice):
                raise
            file = Path(testbench.device.subcircuit).name
            hint = f"the lines that it counts are those of the netlist; look in {file} for the text that it quotes"
            raise NetlistError(f"{error.message}; {hint}", error.folder, error.log) from None
    attributes = {
        "engine": "ngspice",
        "engine_version": run.capabilities.version,
        "device_backend": netlist.backend,
        "netlist_sha256": netlist.sha256,
        "spicecim_version": __version__,
        **provenance(testbench.device),
    }
    return make_waveforms(testbench, run.vectors["time"], _variables(netlist, run.vectors), attributes)


def render_netlist(testbench: Testbench) -> str:
    """Return the netlist that ngspice gets, with a control block that loads compiled models in front."""
    return crossbar_netlist(testbench, native=is_native(testbench)).standalone


def evaluate_equations(device: Device, v: ArrayLike, s: ArrayLike, *, native: bool) -> tuple[FloatArray, FloatArray]:
    """Evaluate a device's equations in ngspice, in its subcircuit or compiled: its current and the rate of its state.

    Parameters
    ----------
    device
        A device of the library.
    v, s
        Points: voltages (V) and state variables (n,).
    native
        Whether the model is compiled from Verilog-A.

    Returns
    -------
    current : numpy.ndarray
        Current (n,) into the row terminal (A).
    rate : numpy.ndarray
        Rate (n,) of the state variable (1/s).
    """
    netlist = equation_netlist(device, v, s, native=native)
    vectors = run_netlist(netlist.text, [*netlist.currents, *netlist.rates], libraries=netlist.libraries).vectors
    # A source's current counts from its positive node through the source: the negative of what the device takes, and
    # of the state's current, which the device pushes into the node.
    current = -np.concatenate([vectors[name] for name in netlist.currents])
    return current, np.concatenate([vectors[name] for name in netlist.rates])


def _variables(netlist: CrossbarNetlist, vectors: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """Gather vectors into the variables of the waveforms."""
    testbench = netlist.testbench
    if isinstance(testbench.device, SubcircuitDevice) and "s" in netlist.vectors:
        _check_start(testbench, np.array([vectors[name][:2] for name in netlist.vectors["s"]]).T)
    gathered = {name: np.stack([vectors[v] for v in group], axis=1) for name, group in netlist.vectors.items()}
    variables = {
        "v_row": gathered["v_row"],
        "i_row": -gathered["i_row"],  # a source's current counts from its positive node through the source
        "i_column": gathered["i_column"],
    }
    if testbench.analysis.probe == "cells":
        shape = (len(vectors["time"]), *testbench.shape)
        v_row_node, v_column_node = gathered["v_row_node"].reshape(shape), gathered["v_column_node"].reshape(shape)
        variables["v_cell"] = v_row_node - v_column_node
        variables["i_cell"] = gathered["i_cell"].reshape(shape)
        if "s" in gathered:
            variables["x"] = _normalised_states(testbench, gathered["s"])
        if not testbench.crossbar.ideal:
            variables["v_row_node"], variables["v_column_node"] = v_row_node, v_column_node
    return variables


def _normalised_states(testbench: Testbench, states: FloatArray) -> FloatArray:
    """Normalised states (time, row, column) of state variables (time, cell)."""
    device = testbench.device
    model = device if isinstance(device, SubcircuitDevice) else device.build()
    return model.x_from_state(states).reshape(len(states), *testbench.shape)


def _check_start(testbench: Testbench, states: FloatArray) -> None:
    """Raise `SubcircuitError` unless the cells' states (instant, cell) start where `crossbar.state` says."""
    wanted = testbench.crossbar.state
    for found, tolerance in zip(_normalised_states(testbench, states), _START_TOLERANCES, strict=True):
        error = np.abs(found - wanted)
        row, column = np.unravel_index(np.argmax(error), wanted.shape)
        if not error.max() <= tolerance:
            raise SubcircuitError(
                f"device.ports: the state port of cell ({row}, {column}) starts at x = {found[row, column]:g}, not at "
                f"the {wanted[row, column]:g} of crossbar.state. A port that only shows the state cannot set it: name "
                "device.initial_parameter, and check device.initial"
            )
