"""A testbench or a device run to a folder of results: netlist, datasets, figures, summary."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import xarray as xr

from spicecim.device_choice import SubcircuitDevice, filled_in
from spicecim.engines import Engine, simulate
from spicecim.errors import InputError
from spicecim.hysteresis_sweep import HysteresisSweep, hysteresis
from spicecim.json_text import write_json
from spicecim.limits import DEFAULT_TIME_LIMIT
from spicecim.ngspice.engine import render_netlist
from spicecim.plotting import plot_column_currents, plot_hysteresis, plot_power, plot_row_drives, save_figure
from spicecim.reference.engine import NO_EQUATIONS, check_covered
from spicecim.summary import summarize
from spicecim.testbench import Testbench
from spicecim.version import __version__
from spicecim.waveforms import save_waveforms

Report = Callable[[str, float], None]


def chosen_engines(engine: str) -> tuple[Engine, ...]:
    """Return the engines that ``ngspice``, ``reference`` or ``both`` stands for."""
    choices: dict[str, tuple[Engine, ...]] = {
        "ngspice": ("ngspice",),
        "reference": ("reference",),
        "both": ("ngspice", "reference"),
    }
    if engine not in choices:
        raise InputError(f"unknown engine {engine!r}; known are {', '.join(choices)}")
    return choices[engine]


def clear_results(folder: Path, summary: str) -> None:
    """Remove what an earlier run listed as artifacts in its summary, so that results of two never stand side by side.

    A file of that name which spicecim did not write is left alone, as is all that it names.
    """
    try:
        earlier = json.loads((folder / summary).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    if isinstance(earlier, dict) and "spicecim_version" in earlier:
        for name in earlier["artifacts"]:
            (folder / Path(name).name).unlink(missing_ok=True)


def run_testbench(
    testbench: Testbench,
    folder: Path,
    *,
    engine: str = "both",
    time_limit: float | str | None = DEFAULT_TIME_LIMIT,
    tolerance: float = 1e-4,
    progress: Report = lambda task, fraction: None,
) -> dict[str, Any]:
    """Simulate a testbench, write everything into a folder as it is computed, and return the summary.

    Parameters
    ----------
    testbench
        What to simulate.
    folder
        An existing folder for ``used_testbench.yaml``, ``netlist.cir``, ``ngspice.nc``, ``reference.nc``, figures and
        ``summary.json``.
    engine
        ``"ngspice"``, ``"reference"`` or ``"both"``: then the reference runs at the instants of ngspice. A SPICE
        subcircuit runs in ngspice alone then, and the summary says so.
    time_limit
        Seconds after which the run of an engine is stopped; None for no limit.
    tolerance
        Largest difference of column currents that passes, relative to a column's peak.
    progress
        Called with what is being done and the fraction of it that is.
    """
    engines = chosen_engines(engine)
    left_out = {}
    if engine == "both" and isinstance(testbench.device, SubcircuitDevice):
        engines = ("ngspice",)
        left_out = {"reference_left_out": NO_EQUATIONS}
    if "reference" in engines:
        check_covered(testbench)
    artifacts: list[Path] = []
    runs: dict[str, xr.Dataset] = {}
    time = None
    for name in engines:
        progress(name, 0.0)
        runs[name] = simulate(
            testbench, name, time=time, time_limit=time_limit,
            progress=lambda fraction, name=name: progress(name, fraction),  # type: ignore[misc]
        )  # fmt: skip
        if not artifacts:
            # Only now: a run that fails leaves an earlier one's results as they were.
            clear_results(folder, "summary.json")
            artifacts.append(folder / "used_testbench.yaml")
            used = testbench.model_copy(update={"device": filled_in(testbench.device)})
            used.to_yaml(artifacts[-1])
        if name == "ngspice":
            artifacts.append(folder / "netlist.cir")
            artifacts[-1].write_text(render_netlist(testbench), encoding="utf-8")
            time = runs[name]["time"].values
        artifacts.append(save_waveforms(runs[name], folder / f"{name}.nc"))
    progress("figures", 0.0)
    first = next(iter(runs.values()))
    artifacts += save_figure(plot_row_drives(first), folder / "row_drives")
    artifacts += save_figure(plot_column_currents(runs), folder / "column_currents")
    if testbench.analysis.probe == "cells":
        artifacts += save_figure(plot_power(first), folder / "power")
    names = [path.name for path in artifacts] + ["summary.json"]
    summary = {**summarize(runs, tolerance), **left_out, "artifacts": names}
    write_json(folder / "summary.json", summary)
    return summary


def run_hysteresis(
    folder: Path,
    device: str,
    *,
    frequency: list[str],
    preset: str | None = None,
    amplitude: str | None = None,
    x0: float | None = None,
    engine: str = "both",
    cycle: int = 1,
    progress: Report = lambda task, fraction: None,
) -> dict[str, Any]:
    """Measure a device's loops, write datasets, figure and ``hysteresis.json``, and return what was measured.

    `device` is the name of a model, or of a Verilog-A file with one module, which ends in ``.va``.
    """
    sweeps: dict[str, HysteresisSweep] = {}
    artifacts: list[Path] = []
    for name in chosen_engines(engine):
        sweeps[name] = hysteresis(
            {"verilog_a": device} if device.endswith(".va") else device,
            preset=preset, amplitude=amplitude, x0=x0, frequency=frequency, engine=name, cycle=cycle,
            progress=lambda fraction, name=name: progress(f"hysteresis in {name}", fraction),  # type: ignore[misc]
        )  # fmt: skip
        if not artifacts:
            clear_results(folder, "hysteresis.json")
        artifacts.append(folder / f"hysteresis_{name}.nc")
        sweeps[name].measures.to_netcdf(artifacts[-1], engine="h5netcdf")
    artifacts += save_figure(plot_hysteresis(sweeps), folder / "hysteresis")
    measured = {
        "spicecim_version": __version__,
        "device": device,
        "preset": preset,
        "frequency_hz": next(iter(sweeps.values())).measures["frequency"].values.tolist(),
        "engines": {
            name: {
                **{str(key): sweep.measures[key].values.tolist() for key in sweep.measures.data_vars},
                "peak_frequency_hz": sweep.measures.attrs["peak_frequency"],
                "log_log_slope": sweep.measures.attrs["slope"],
            }
            for name, sweep in sweeps.items()
        },
        "artifacts": [path.name for path in artifacts] + ["hysteresis.json"],
    }
    write_json(folder / "hysteresis.json", measured)
    return measured
