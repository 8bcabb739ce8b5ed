"""The engine `ngspice`: a testbench to waveforms."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from spicecim.devices import Device
from spicecim.fields import FloatArray
from spicecim.netlist import CrossbarNetlist, crossbar_netlist, equation_netlist
from spicecim.ngspice.client import Progress, Worker
from spicecim.ngspice.run import run_netlist
from spicecim.testbench import DeviceChoice, Testbench
from spicecim.version import __version__
from spicecim.waveforms import make_waveforms


def simulate_ngspice(
    testbench: Testbench,
    *,
    time_limit: float | None = None,
    progress: Progress | None = None,
    worker: Worker | None = None,
) -> xr.Dataset:
    """Run a testbench in ngspice.

    Parameters
    ----------
    testbench
        What to simulate.
    time_limit
        Seconds after which the run is stopped with a `TimeLimitError`; None for no limit.
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
    """
    netlist = crossbar_netlist(testbench)
    names = ["time", *dict.fromkeys(name for group in netlist.vectors.values() for name in group)]
    run = run_netlist(
        netlist.text, names, stop=testbench.duration, time_limit=time_limit, progress=progress, worker=worker
    )
    attributes = {
        "engine": "ngspice",
        "engine_version": run.capabilities.version,
        "device_backend": "behavioral",
        "netlist_sha256": netlist.sha256,
        "spicecim_version": __version__,
    }
    return make_waveforms(testbench, run.vectors["time"], _variables(netlist, run.vectors), attributes)


def evaluate_equations(choice: DeviceChoice, v: ArrayLike, s: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Evaluate a device's subcircuit in ngspice: its current (A) and the rate of its state (1/s) at points (v, s)."""
    netlist = equation_netlist(choice, v, s)
    vectors = run_netlist(netlist.text, [*netlist.currents, *netlist.rates]).vectors
    # A source's current counts from its positive node through the source: the negative of what the device takes, and
    # of the state's current, which the device pushes into the node.
    current = -np.concatenate([vectors[name] for name in netlist.currents])
    return current, np.concatenate([vectors[name] for name in netlist.rates])


def _variables(netlist: CrossbarNetlist, vectors: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """Gather vectors into the variables of the waveforms."""
    testbench = netlist.testbench
    gathered = {name: np.stack([vectors[v] for v in group], axis=1) for name, group in netlist.vectors.items()}
    variables = {
        "v_row": gathered["v_row"],
        "i_row": -gathered["i_row"],  # a source's current counts from its positive node through the source
        "i_column": gathered["i_column"],
    }
    if testbench.analysis.probe == "cells":
        shape = (len(vectors["time"]), *testbench.shape)
        v_row_node, v_column_node = gathered["v_row_node"].reshape(shape), gathered["v_column_node"].reshape(shape)
        device: Device = testbench.device.build()
        variables["v_cell"] = v_row_node - v_column_node
        variables["i_cell"] = gathered["i_cell"].reshape(shape)
        variables["x"] = device.x_from_state(gathered["s"]).reshape(shape)
        if not testbench.crossbar.ideal:
            variables["v_row_node"], variables["v_column_node"] = v_row_node, v_column_node
    return variables
