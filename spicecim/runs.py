"""A testbench or a device run to a folder of results: netlist, datasets, figures, summary."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from spicecim.cell_currents import current_warnings, of_the_largest
from spicecim.engines import ENGINES, simulate
from spicecim.errors import AccuracyWarning, CurrentWarning, InputError
from spicecim.files import result_folder
from spicecim.hysteresis_sweep import HysteresisSweep, hysteresis, save_sweep, sweep_difference
from spicecim.json_text import write_summary
from spicecim.limits import DEFAULT_TIME_LIMIT
from spicecim.measure import MEASURES
from spicecim.ngspice.engine import write_netlist
from spicecim.places import named
from spicecim.plotting import (
    FORMATS,
    plot_column_currents,
    plot_hysteresis,
    plot_power,
    plot_row_drives,
    save_figure,
)
from spicecim.problems import did_you_mean
from spicecim.reference.engine import check_covered
from spicecim.summary import summarize
from spicecim.testbench import DEFAULT_ACCURACY, Testbench
from spicecim.waveforms import CELL_VARIABLES, NODE_VARIABLES, save_waveforms, testbench_of

Report = Callable[[str, float], None]


def chosen_engines(engine: str) -> tuple[str, ...]:
    """Return the engines that ``both`` or the name of one stands for."""
    if engine == "both":
        return ("ngspice", "reference")
    if engine not in ENGINES:
        known = ["both", *ENGINES.names()]
        raise InputError(f"unknown engine {engine!r}; known are {', '.join(known)}{did_you_mean(engine, known)}")
    return (engine,)


def least_sizes(testbench: Testbench, engines: Sequence[str]) -> dict[str, int]:
    """Every file that a run of a testbench may write, and how many bytes it has at least."""
    rows, columns = testbench.shape
    values = 2 * rows + columns
    if testbench.analysis.probe == "cells":
        values += (len(CELL_VARIABLES) + (0 if testbench.crossbar.ideal else len(NODE_VARIABLES))) * rows * columns
    waveforms = 8 * values * int(testbench.duration / testbench.largest_step)
    names = ["used_testbench.yaml", "netlist.cir", "netlist.osdi"]
    names += [f"{name}.nc" for name in {"ngspice", "reference", *engines}]
    names += [f"{figure}.{suffix}" for figure in ("row_drives", "column_currents", "power") for suffix in FORMATS]
    return {name: waveforms if name.removesuffix(".nc") in engines else 0 for name in (*names, "summary.json")}


def run_testbench(
    testbench: Testbench,
    folder: Path,
    *,
    engine: str = "both",
    time_limit: float | str | None = DEFAULT_TIME_LIMIT,
    tolerance: float = 1e-4,
    measures: Sequence[str] = (),
    progress: Report = lambda task, fraction: None,
) -> dict[str, Any]:
    """Simulate a testbench, write everything into a folder when all of it is there, and return the summary.

    Parameters
    ----------
    testbench
        What to simulate.
    folder
        Folder for ``used_testbench.yaml``, ``netlist.cir``, ``ngspice.nc``, ``reference.nc``, figures and
        ``summary.json``; see `spicecim.files.result_folder`.
    engine
        The name of an engine, or ``"both"`` for ngspice and reference: then the reference runs at the instants of
        ngspice. What only ngspice has the equations of runs in ngspice alone then, and the summary says so.
    time_limit
        Seconds after which the run of an engine is stopped; None for no limit.
    tolerance
        Largest difference of column currents that passes, relative to a column's peak.
    measures
        Names of further measures of the waveforms (see `spicecim.measure.MEASURES`).
    progress
        Called with what is being done and the fraction of it that is.
    """
    engines = chosen_engines(engine)
    taken = {name: MEASURES[name] for name in measures}
    left_out = {}
    only_ngspice = testbench.only_ngspice()
    if engine == "both" and only_ngspice is not None:
        engines = ("ngspice",)
        left_out = {"reference_left_out": only_ngspice.partition(": ")[2]}
    if "reference" in engines:
        check_covered(testbench)
    runs: dict[str, xr.Dataset] = {}
    time = None
    with result_folder(folder, least_sizes(testbench, engines)) as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore", CurrentWarning)  # the summary says it
        for name in engines:
            progress(name, 0.0)
            runs[name] = simulate(
                testbench, name, time=time, time_limit=time_limit,
                progress=lambda fraction, name=name: progress(name, fraction),  # type: ignore[misc]
            )  # fmt: skip
            if name == "ngspice":
                write_netlist(testbench, scratch / "netlist.cir")
                time = runs[name]["time"].values
            save_waveforms(runs[name], scratch / f"{name}.nc")
        testbench.model_copy(update={"device": testbench.device.filled_in()}).to_yaml(scratch / "used_testbench.yaml")
        progress("figures", 0.0)
        first = next(iter(runs.values()))
        save_figure(plot_row_drives(first), scratch / "row_drives")
        save_figure(plot_column_currents(runs), scratch / "column_currents")
        if testbench.analysis.probe == "cells":
            save_figure(plot_power(first), scratch / "power")
        summary = {**summarize(runs, tolerance), **left_out}
        if taken:
            summary["measures"] = {
                name: {engine: _measured_values(measure(run), measure) for engine, run in runs.items()}
                for name, measure in taken.items()
            }
        return write_summary(scratch / "summary.json", summary)


def _measured_values(values: Any, measure: Callable[[xr.Dataset], Any]) -> Any:
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise InputError(f"{named(measure)} must return a number or an array of numbers; it returns {values!r:.80}")
    return array.tolist()


def run_hysteresis(
    folder: Path,
    device: str,
    *,
    frequency: list[str],
    amplitude: list[str] | None = None,
    preset: str | None = None,
    x0: float | None = None,
    engine: str = "both",
    cycle: int = 1,
    accuracy: float = DEFAULT_ACCURACY,
    time_limit: float | str | None = DEFAULT_TIME_LIMIT,
    progress: Report = lambda task, fraction: None,
) -> dict[str, Any]:
    """Measure a device's loops, write datasets, figure and ``hysteresis.json``, and return what was measured.

    `device` is the name of a model, or of a Verilog-A file with one module, which ends in ``.va``. One amplitude alone
    gives values over the frequencies, several a list of them for each amplitude. The other parameters are those of
    `spicecim.hysteresis_sweep.hysteresis`.
    """
    engines = chosen_engines(engine)
    names = [f"hysteresis{suffix}" for suffix in ("_ngspice.nc", "_reference.nc", ".png", ".pdf", ".json")]
    sweeps: dict[str, HysteresisSweep] = {}
    with result_folder(folder, dict.fromkeys(names, 0)) as scratch, current_warnings() as kept:
        warnings.simplefilter("ignore", AccuracyWarning)  # what is returned says it
        for name in engines:
            sweeps[name] = hysteresis(
                device,
                preset=preset, amplitude=amplitude[0] if amplitude and len(amplitude) == 1 else amplitude, x0=x0,
                frequency=frequency, engine=name, cycle=cycle, accuracy=accuracy, time_limit=time_limit,
                progress=lambda fraction, name=name: progress(f"hysteresis in {name}", fraction),  # type: ignore[misc]
            )  # fmt: skip
            save_sweep(sweeps[name], scratch / f"hysteresis_{name}.nc")
        save_figure(plot_hysteresis(sweeps), scratch / "hysteresis")
        beyond = of_the_largest(kept)
        implausible = {"implausible_current": str(beyond) if beyond else None}
        return write_summary(scratch / "hysteresis.json", _measured(device, sweeps, cycle, accuracy) | implausible)


def _measured(device: str, sweeps: Mapping[str, HysteresisSweep], cycle: int, accuracy: float) -> dict[str, Any]:
    """What a file of the sweeps says: the device, its drives, and the measures by engine."""
    first, *others = sweeps.values()
    bench = testbench_of(first.loops[0])
    measured: dict[str, Any] = {
        "device": device,
        **bench.device.described(),
        "x0": float(bench.crossbar.state[0, 0]),
        "cycle": cycle,
        "amplitude_v": first.measures["amplitude"].values.tolist(),
        "frequency_hz": first.measures["frequency"].values.tolist(),
        "accuracy": accuracy,
        "engines": {
            name: {_UNITS.get(str(key), str(key)): values.values.tolist() for key, values in sweep.measures.items()}
            for name, sweep in sweeps.items()
        },
        "errors": {name: _error(sweep) for name, sweep in sweeps.items()},
    }
    measured["passed"] = all(error <= accuracy for error in measured["errors"].values())
    if others:
        differences = sweep_difference(first, others[0])
        measured["relative_difference"] = differences.values.tolist()
        measured["max_relative_difference"] = float(differences.max())
        measured["passed"] &= measured["max_relative_difference"] <= accuracy
    return measured


def _error(sweep: HysteresisSweep) -> float:
    """Largest error of a sweep's loops that is known: of the grid, and of the currents where the engine says it."""
    currents = [float(loop.attrs.get("current_error", 0.0)) for loop in sweep.loops]
    return max(float(sweep.measures["grid_error"].max()), *currents)


_UNITS = {"peak_frequency": "peak_frequency_hz", "slope": "log_log_slope"}
"""Names in the file of measures that have another one there."""
