"""The engine `ngspice`: a testbench to waveforms."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from spicecim.deadline import run_within
from spicecim.devices import Memristor
from spicecim.errors import ConvergenceError, NetlistError, PhysicsError, SubcircuitError, UnsupportedError
from spicecim.fields import FloatArray
from spicecim.files import write_bytes, write_text
from spicecim.limits import DEFAULT_TIME_LIMIT
from spicecim.netlist import CrossbarNetlist, crossbar_netlist, equation_netlist
from spicecim.netlist.crossbar import FURTHER
from spicecim.ngspice.backend import is_native
from spicecim.ngspice.client import Progress, Worker
from spicecim.ngspice.messages import Vectors
from spicecim.ngspice.run import NetlistRun, run_netlist
from spicecim.physics import States, check_physics
from spicecim.reached import UNSTEADY
from spicecim.testbench import Testbench
from spicecim.version import __version__
from spicecim.waveforms import make_waveforms, outputs_by_name

_LIBRARY = "memristor"
"""Name without a suffix of a compiled device's file beside a netlist, where the netlist's name is not taken."""
_PLAIN_STEM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")

_START_TOLERANCES = (1e-6, 1e-2)
"""Largest difference of a subcircuit's x from what was asked for, at the first two instants. A node that is held at
time 0 and carries no state leaves it at once; with a tolerance of 1e-7, no step of ngspice is long enough for a state
to get so far."""
_START_SHARE = 0.1
"""That of another device at time 0, relative to the accuracy asked for."""


class NgspiceRun(NamedTuple):
    """Waveforms of a run, and the states of its cells whether they were asked for or not.

    Attributes
    ----------
    waveforms
        The waveforms that the testbench asks for.
    x
        Normalized states (time, cell); no cell where the device has no port for its state.
    watched
        Number of each of these cells (cell,), counted row by row.
    seconds
        How long it took, from the netlist to the last check.
    """

    waveforms: xr.Dataset
    x: FloatArray
    watched: NDArray[np.int_]
    seconds: float


def run_ngspice(
    testbench: Testbench,
    *,
    time_limit: float | str | None = DEFAULT_TIME_LIMIT,
    progress: Progress | None = None,
    worker: Worker | None = None,
) -> NgspiceRun:
    """Run a testbench in ngspice.

    KLU keeps the pivots of the first matrix. Where conductances change by many powers of ten, as of cells beside lines
    that float, rounding may grow until a step has no solution or a current is not that of its cell: such a run is made
    again by ngspice's older solver, which chooses its pivots anew.

    Parameters
    ----------
    testbench
        What to simulate.
    time_limit
        Seconds after which the run is stopped with a `TimeLimitError`; None for no limit. It counts from the call on.
    progress
        Called now and then with the fraction that is done; a run that is made again begins at 0.
    worker
        The process to run in; by default the one that all runs share.

    Returns
    -------
    NgspiceRun
        Waveforms and states at the instants that ngspice chose.

    Raises
    ------
    SimulationError
        If ngspice did not reach the stop time with every vector complete and finite. The netlist and the log are kept.
    SubcircuitError
        If the device is a SPICE subcircuit that cannot be used as it stands, or does not start at the states given.
    """
    begin = perf_counter()
    with run_within(time_limit):
        native = is_native(testbench, worker)
        netlist = crossbar_netlist(testbench, native=native)
        try:
            run, variables, states = _checked_run(netlist, progress, worker)
        except (ConvergenceError, PhysicsError) as error:
            if not netlist.klu:
                raise
            if error.folder is not None:
                shutil.rmtree(error.folder, ignore_errors=True)
            netlist = crossbar_netlist(testbench, native=native, klu=False)
            run, variables, states = _checked_run(netlist, progress, worker)
    attributes = {
        "engine": "ngspice",
        "engine_version": run.capabilities.version,
        "device_backend": netlist.backend,
        "netlist_sha256": netlist.sha256,
        "spicecim_version": __version__,
        **testbench.device.provenance(),
    }
    if not run.steady and testbench.lines().floating.any() and testbench.crossbar.parasitics().storing:
        attributes[UNSTEADY] = "the circuit moved"
    x = np.empty((len(run.vectors["time"]), 0)) if states is None else testbench.device.normalized(*states)
    if testbench.analysis.probe == "cells" and states is not None:
        variables["x"] = x.reshape(len(x), *testbench.shape)
    waveforms = make_waveforms(testbench, run.vectors["time"], variables, attributes)
    return NgspiceRun(waveforms, x, netlist.watched[: x.shape[1]], perf_counter() - begin)


def _checked_run(
    netlist: CrossbarNetlist, progress: Progress | None, worker: Worker | None
) -> tuple[NetlistRun, dict[str, FloatArray], States | None]:
    """Run a netlist; also the variables of its waveforms, without x, and the states of cells, which are checked."""
    testbench = netlist.testbench
    names = ["time", *dict.fromkeys(name for group in netlist.vectors.values() for name in group)]
    gathered: list[tuple[dict[str, FloatArray], States | None]] = []

    def check(vectors: Vectors) -> None:
        gathered.append(_gathered(netlist, vectors))
        check_physics(testbench, vectors["time"], *gathered[0], testbench.analysis.tolerance)

    try:
        run = run_netlist(
            netlist.text, names, stop=testbench.duration, time_limit=None, progress=progress, worker=worker,
            compatibility=netlist.compatibility, libraries=netlist.libraries, check=check,
        )  # fmt: skip
    except NetlistError as error:
        foreign = testbench.device.foreign()
        if foreign is None:
            raise
        file = Path(foreign.subcircuit).name
        hint = f"the lines that it counts are those of the netlist; look in {file} for the text that it quotes"
        raise NetlistError(f"{error.message}; {hint}", error.folder, error.log) from None
    return run, *gathered[0]


def simulate_ngspice(
    testbench: Testbench,
    *,
    time_limit: float | str | None = DEFAULT_TIME_LIMIT,
    progress: Progress | None = None,
    worker: Worker | None = None,
) -> xr.Dataset:
    """Return the waveforms of `run_ngspice` alone."""
    return run_ngspice(testbench, time_limit=time_limit, progress=progress, worker=worker).waveforms


def render_netlist(testbench: Testbench, backend: str = "auto", *, subcircuit: str | None = None) -> str:
    """Return the netlist that ngspice gets, as a text.

    A compiled device is loaded from a file ``memristor.osdi`` beside the netlist: `write_netlist` writes both.

    Parameters
    ----------
    testbench
        The testbench.
    backend
        ``"osdi"``, compiled; ``"behavioral"``, as sources; ``"auto"``, as the device says.
    subcircuit
        Name of a ``.subckt`` for circuits of one's own instead of a whole netlist. It holds the cells in their initial
        states and the wires with the resistances of drivers and sense nodes; its ports are the ends of the rows,
        ``row_0`` first, then those of the columns, then the word lines of cells with transistors.

    Raises
    ------
    UnsupportedError
        If the device does not have this form.
    InputError
        If the name is none.

    Examples
    --------
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "resistor"},
    ...     crossbar={"state": [[0.5, 0.2]], "wire_row": 2},
    ...     drive={"kind": "sine", "amplitude": 0.1, "frequency": 1e3},
    ... )
    >>> text = sc.render_netlist(bench, "behavioral", subcircuit="array")
    >>> [line for line in text.splitlines() if "row_0" in line and line.startswith("+")]
    ['+ row_0 column_0 column_1']
    """
    return _chosen_netlist(testbench, backend, subcircuit).loading(_LIBRARY)


def write_netlist(
    testbench: Testbench, path: str | Path, backend: str = "auto", *, subcircuit: str | None = None
) -> list[Path]:
    """Write the netlist that ngspice gets to a file, to be taken elsewhere.

    A compiled device is written beside it, under the netlist's name with the suffix ``.osdi``. It runs on computers of
    the same kind; the behavioral form runs everywhere.

    Parameters
    ----------
    testbench, backend, subcircuit
        As in `render_netlist`.
    path
        The netlist's file.

    Returns
    -------
    list of pathlib.Path
        The files that were written, the netlist first.

    Raises
    ------
    UnsupportedError
        If the device does not have this form.
    ResultsError
        If a file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "resistor", "parameters": {"Ron": "1k", "Roff": "10k"}},
    ...     crossbar={"state": [[1.0]]},
    ...     drive={"kind": "sine", "amplitude": 0.1, "frequency": 1e3},
    ...     analysis={"probe": "cells"},
    ... )
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path, *_ = sc.write_netlist(bench, Path(folder) / "bench.cir")
    ...     print(path.name, ".tran" in path.read_text())
    bench.cir True
    """
    path, netlist = Path(path), _chosen_netlist(testbench, backend, subcircuit)
    # ngspice would take other characters of a name for something else
    stem = path.stem if _PLAIN_STEM.fullmatch(path.stem) else _LIBRARY
    written = [write_text(path, netlist.loading(stem))]
    return written + [
        write_bytes(path.with_name(name), file.read_bytes())
        for name, file in zip(netlist.library_names(stem), netlist.libraries, strict=True)
    ]


def _chosen_netlist(testbench: Testbench, backend: str, subcircuit: str | None) -> CrossbarNetlist:
    if subcircuit is not None:
        # what stands alone needs no meters
        testbench = testbench.with_analysis(probe="columns")
    netlist = crossbar_netlist(testbench, native=is_native(testbench, wanted=backend), subcircuit=subcircuit)
    if backend not in ("auto", netlist.backend):
        raise UnsupportedError(f"backend: {backend} is no form of this device, which is {netlist.backend}")
    return netlist


def evaluate_equations(device: Memristor, v: ArrayLike, s: ArrayLike, *, native: bool) -> tuple[FloatArray, FloatArray]:
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


def _gathered(netlist: CrossbarNetlist, vectors: Vectors) -> tuple[dict[str, FloatArray], States | None]:
    """Gather vectors into the variables of the waveforms, without x, and the states of cells."""
    testbench = netlist.testbench
    groups = {name: vectors.side_by_side(group) for name, group in netlist.vectors.items()}
    rows, lines = testbench.shape[0], testbench.lines()
    variables = {
        "v_row": groups["v_row"],
        # a source's current counts from its positive node through the source
        "i_row": _of_connected(-groups["i_row"], lines.floating[:rows]),
        "i_column": _of_connected(groups["i_column"], lines.floating[rows:]),
    }
    if not lines.plain:
        variables["v_column"] = groups["v_column"]
    if "outputs" in groups:
        outputs = np.zeros((len(vectors["time"]), sum(testbench.shape)))
        outputs[:, lines.sensed] = groups["outputs"]
        variables |= outputs_by_name(lines, testbench.shape, outputs)
    states = States(groups["s"], netlist.watched) if "s" in groups else None
    if states is not None:
        _check_start(testbench, testbench.device.normalized(states.s[:2], states.watched), states.watched)
    if testbench.analysis.probe == "cells":
        shape = (len(vectors["time"]), *testbench.shape)
        v_row_node, v_column_node = groups["v_row_node"].reshape(shape), groups["v_column_node"].reshape(shape)
        variables["v_cell"] = v_row_node - v_column_node
        variables["i_cell"] = groups["i_cell"].reshape(shape)
        further = [name for name in groups if name.startswith(FURTHER)]
        variables |= {name: groups[name].reshape(shape) for name in further}
        if not testbench.crossbar.ideal:
            variables["v_row_node"], variables["v_column_node"] = v_row_node, v_column_node
    return variables, states


def _of_connected(currents: FloatArray, floating: NDArray[np.bool_]) -> FloatArray:
    """Currents (time, line) of all lines by those of the lines that do not float; these have none."""
    if not floating.any():
        return currents
    of_all = np.zeros((len(currents), len(floating)))
    of_all[:, ~floating] = currents
    return of_all


def _check_start(testbench: Testbench, states: FloatArray, watched: NDArray[np.int_]) -> None:
    """Check that the states x (instant, cell) of the cells `watched` start where `crossbar.state` says.

    Raises
    ------
    ConvergenceError
        If those of a model or a module do not: where ngspice finds no steady state, it lets the circuit move (its
        transient operating point), and the states with it.
    SubcircuitError
        If those of a subcircuit do not.
    """
    wanted, columns = testbench.crossbar.state.ravel()[watched], testbench.shape[1]
    foreign = testbench.device.foreign() is not None
    tolerances = _START_TOLERANCES if foreign else (_START_SHARE * testbench.analysis.accuracy,)
    for found, tolerance in zip(states, tolerances, strict=False):
        error = np.abs(found - wanted)
        worst = int(np.argmax(error))
        if error[worst] <= tolerance:
            continue
        row, column = divmod(int(watched[worst]), columns)
        place = f"cell ({row}, {column}) starts at x = {found[worst]:g}, not at the {wanted[worst]:g} of crossbar.state"
        if not foreign:
            raise ConvergenceError(f"ngspice found no steady state at time 0 with the states held: {place}")
        raise SubcircuitError(
            f"device.ports: the state port of {place}. A port that only shows the state cannot set it: name "
            "device.initial_parameter, and check device.initial"
        )
