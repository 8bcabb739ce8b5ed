"""What the commands ``program`` and ``endurance`` do: write-verify and cycles, into a folder of results."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from spicecim.errors import InputError, ProgrammingError, ResultsError
from spicecim.files import remove_results, result_folder
from spicecim.json_text import write_summary
from spicecim.netcdf import write_netcdf
from spicecim.operations import Pulses, chosen_pulses, endurance, program
from spicecim.operations.program import READ_SHARE
from spicecim.plotting import FORMATS, plot_endurance, plot_levels, plot_program, save_figure
from spicecim.quantities import input_quantity
from spicecim.testbench import Testbench

_UNFINISHED = "unfinished"
"""Name of the folder in that of the results that gets what a run had reached that did not come to its end."""

_LOGGER = logging.getLogger(__name__)
_PER_CELL = 8 * 8
"""Bytes of a dataset per cell, at least."""


def run_program(
    testbench: Testbench,
    target: ArrayLike,
    folder: Path,
    *,
    quantity: str = "conductance",
    scheme: str | None = None,
    tolerance: float = 0.01,
    set_pulses: Mapping[str, Any] | None = None,
    reset_pulses: Mapping[str, Any] | None = None,
    by: str = "row",
    read_voltage: float | str | None = None,
    read_gate: float | str | None = None,
    passes: int = 3,
    cycle_to_cycle: Mapping[str, Any] | None = None,
    seed: int | None = None,
    engine: str = "reference",
    progress: Callable[[str, float], None] = lambda task, fraction: None,
) -> dict[str, Any]:
    """Program an array, write everything into a folder when all of it is there, and return the summary.

    Pulses that do not program the device, and an operation that fails, leave a result, too: it is written, and
    ``failure`` of the summary says why, which is None for all else. What an interrupted run had reached goes into the
    folder ``unfinished`` in that folder, without figures, which take time: earlier results stay, and the text of the
    `KeyboardInterrupt` says it. A later run that comes to its end removes it.

    Parameters
    ----------
    testbench, target, quantity, scheme, tolerance, by, read_voltage, read_gate, passes, cycle_to_cycle, seed, engine
        As `spicecim.program` takes them.
    folder
        Folder for ``used_testbench.yaml``, ``program.nc``, ``summary.json``, and the figures ``maps`` and ``levels`` as
        PNG and PDF.
    set_pulses, reset_pulses
        Fields of `spicecim.operations.Pulses` that differ from those of the chosen pulses; with a voltage and a width,
        all others have their own defaults.
    progress
        Called with what is being done and the fraction of it that is.
    """
    writes = [_pulses(testbench, index, given or {}) for index, given in enumerate((set_pulses, reset_pulses))]

    def run() -> xr.Dataset:
        progress("program", 0.0)
        return program(
            testbench, target, quantity=quantity, tolerance=tolerance, set_pulses=writes[0], reset_pulses=writes[1],
            scheme=scheme, by=by, passes=passes, read_voltage=read_voltage, read_gate=read_gate,
            cycle_to_cycle=cycle_to_cycle, seed=seed, engine=engine,
            progress=lambda fraction: progress("program", fraction),
        )  # fmt: skip

    def write(scratch: Path, done: xr.Dataset, failure: str | None) -> dict[str, Any]:
        write_netcdf(done, scratch / "program.nc")
        testbench.to_yaml(scratch / "used_testbench.yaml")
        return write_summary(scratch / "summary.json", _summary(done, writes, failure))

    def draw(scratch: Path, done: xr.Dataset) -> None:
        progress("figures", 0.0)
        save_figure(plot_program(done), scratch / "maps")
        save_figure(plot_levels(done), scratch / "levels")

    sizes = {"program.nc": _PER_CELL * testbench.crossbar.state.size, "used_testbench.yaml": 0, "summary.json": 0}
    return _run_into(folder, sizes, ("maps", "levels"), run, draw, write)


def _run_into(
    folder: Path,
    sizes: Mapping[str, int],
    figures: Sequence[str],
    run: Callable[[], xr.Dataset],
    draw: Callable[[Path, xr.Dataset], None],
    write: Callable[[Path, xr.Dataset, str | None], dict[str, Any]],
) -> dict[str, Any]:
    """Run operations, write what they did into a folder, and return the summary.

    What an error of an operation left is written as well, and the summary gets why it failed. What anything else left,
    such as an interrupt, goes into a folder of its own in that folder, without figures; a run that does not fail
    removes it.
    """
    drawn = {f"{figure}.{suffix}": 0 for figure in figures for suffix in FORMATS}
    reached, failure = None, None
    try:
        with result_folder(folder, drawn | dict(sizes)) as scratch:
            try:
                reached = run()
            except ProgrammingError as error:
                reached, failure = error.result, error.message
            draw(scratch, reached)
            summary = write(scratch, reached, failure)
    except ResultsError:
        raise
    except BaseException as ended:  # also an interrupt
        reached = getattr(ended, "result", reached)
        if reached is None:
            raise
        place, how_far = folder / _UNFINISHED, reached.attrs.get("unfinished", "writing the results")
        with result_folder(place, sizes) as scratch:
            write(scratch, reached, failure or f"ended: {how_far}")
        kept = f"{how_far}; what was reached is in {place}"
        if isinstance(ended, KeyboardInterrupt):
            ended.args = (kept,)
        else:
            _LOGGER.warning("%s", kept)
        raise
    if failure is None:
        remove_results(folder / _UNFINISHED, "summary.json")
    return summary


def run_endurance(
    testbench: Testbench,
    folder: Path,
    *,
    cycles: int = 100,
    set_pulse: Mapping[str, Any] | None = None,
    reset_pulse: Mapping[str, Any] | None = None,
    read_voltage: float | str | None = None,
    cycle_to_cycle: Mapping[str, Any] | None = None,
    seed: int | None = None,
    engine: str = "reference",
) -> dict[str, Any]:
    """Cycle the device of a testbench's first cell, write everything into a folder, and return the summary.

    What a failed or interrupted run had reached is kept as `run_program` does.

    Parameters
    ----------
    testbench
        Its device, the state of its first cell, and the largest voltage of its drive are used.
    folder
        Folder for ``endurance.nc``, ``summary.json`` and the figure ``endurance`` as PNG and PDF.
    cycles, cycle_to_cycle, seed, engine
        As `spicecim.endurance` takes them.
    set_pulse, reset_pulse
        Fields of `spicecim.operations.Pulses` that differ from those of the chosen pulses' middle level.
    read_voltage
        Voltage (V) at which resistances are read; a fifth of the SET pulse's if left out.
    """
    if testbench.device.arrays():
        raise InputError("device: has parameters per cell; endurance is of one device")
    single = [_one_pulse(testbench, index, given or {}) for index, given in enumerate((set_pulse, reset_pulse))]
    volts = (
        READ_SHARE * single[0].voltage if read_voltage is None else input_quantity("read_voltage", read_voltage, "V")
    )

    def run() -> xr.Dataset:
        return endurance(
            testbench.device, set_pulse=single[0], reset_pulse=single[1], cycles=cycles, read_voltage=volts,
            x0=float(testbench.crossbar.state[0, 0]), cycle_to_cycle=cycle_to_cycle, seed=seed, engine=engine,
        )  # fmt: skip

    def draw(scratch: Path, done: xr.Dataset) -> None:
        save_figure(plot_endurance(done), scratch / "endurance")

    def write(scratch: Path, done: xr.Dataset, failure: str | None) -> dict[str, Any]:
        write_netcdf(done, scratch / "endurance.nc")
        low, high = done["low"].values, done["high"].values
        summary = {
            "failure": failure,
            "cycles": int(done.sizes["cycle"]),
            "median_low_ohm": float(np.median(low)),
            "median_high_ohm": float(np.median(high)),
            "largest_low_ohm": float(low.max()),
            "smallest_high_ohm": float(high.min()),
            "window": float(high.min() / low.max()),
            "read_voltage_v": volts,
            "engine": engine,
            "set_pulse": single[0].model_dump(),
            "reset_pulse": single[1].model_dump(),
        }
        return write_summary(scratch / "summary.json", summary)

    return _run_into(folder, {"endurance.nc": 8 * 4 * cycles, "summary.json": 0}, ("endurance",), run, draw, write)


def _one_pulse(testbench: Testbench, index: int, given: Mapping[str, Any]) -> Pulses:
    if {"voltage", "width"} <= given.keys():
        return Pulses(**given)
    chosen = chosen_pulses(testbench)[index]
    middle = float(chosen.widths([chosen.levels // 2])[0])
    return Pulses(**{"voltage": chosen.voltage, "width": middle, **given})


def _pulses(testbench: Testbench, index: int, given: Mapping[str, Any]) -> Pulses:
    if {"voltage", "width"} <= given.keys():
        return Pulses(**given)
    return Pulses(**{**chosen_pulses(testbench)[index].model_dump(), **given})


def _summary(done: xr.Dataset, writes: list[Pulses], failure: str | None) -> dict[str, Any]:
    return {
        "failure": failure,
        "passed": bool(done["converged"].all()),
        "cells": int(done["converged"].size),
        "converged": int(done["converged"].sum()),
        "tolerance": float(done.attrs["tolerance"]),
        "largest_error": float(np.abs(done["error"]).max()),
        "mean_pulses": float(done["pulses"].mean()),
        "most_pulses": int(done["pulses"].max()),
        "largest_disturb": float(np.abs(done["disturb"]).max()),
        "largest_disturb_at_end": float(np.abs(done["disturb_at_end"]).max()),
        "energy_j": float(done["energy"]),
        "operations": int(done.sizes["step"]),
        "scheme": done.attrs["scheme"],
        "engine": done.attrs["engine"],
        "set_pulses": writes[0].model_dump(),
        "reset_pulses": writes[1].model_dump(),
    }
