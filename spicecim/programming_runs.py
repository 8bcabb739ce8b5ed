"""What the command ``program`` does: write-verify of an array, into a folder of results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from spicecim.files import result_folder
from spicecim.json_text import write_summary
from spicecim.netcdf import write_netcdf
from spicecim.operations import Pulses, chosen_pulses, program
from spicecim.plotting import FORMATS, plot_program, save_figure
from spicecim.testbench import Testbench

_PER_CELL = 8 * 7
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
    engine: str = "reference",
    progress: Callable[[str, float], None] = lambda task, fraction: None,
) -> dict[str, Any]:
    """Program an array, write everything into a folder when all of it is there, and return the summary.

    Parameters
    ----------
    testbench, target, quantity, scheme, tolerance, by, read_voltage, read_gate, passes, engine
        As `spicecim.program` takes them.
    folder
        Folder for ``used_testbench.yaml``, ``program.nc``, ``maps.png``, ``maps.pdf`` and ``summary.json``.
    set_pulses, reset_pulses
        Fields of `spicecim.operations.Pulses` that differ from those of the chosen pulses; with a voltage and a width,
        all others have their own defaults.
    progress
        Called with what is being done and the fraction of it that is.
    """
    writes = [_pulses(testbench, index, given or {}) for index, given in enumerate((set_pulses, reset_pulses))]
    sizes = {f"maps.{suffix}": 0 for suffix in FORMATS}
    sizes |= {"program.nc": _PER_CELL * testbench.crossbar.state.size, "used_testbench.yaml": 0, "summary.json": 0}
    with result_folder(folder, sizes) as scratch:
        progress("program", 0.0)
        done = program(
            testbench, target, quantity=quantity, tolerance=tolerance, set_pulses=writes[0], reset_pulses=writes[1],
            scheme=scheme, by=by, passes=passes, read_voltage=read_voltage, read_gate=read_gate, engine=engine,
            progress=lambda fraction: progress("program", fraction),
        )  # fmt: skip
        write_netcdf(done, scratch / "program.nc")
        testbench.to_yaml(scratch / "used_testbench.yaml")
        progress("figures", 0.0)
        save_figure(plot_program(done), scratch / "maps")
        return write_summary(scratch / "summary.json", _summary(done, writes))


def _pulses(testbench: Testbench, index: int, given: Mapping[str, Any]) -> Pulses:
    if {"voltage", "width"} <= given.keys():
        return Pulses(**given)
    return Pulses(**{**chosen_pulses(testbench)[index].model_dump(), **given})


def _summary(done: xr.Dataset, writes: list[Pulses]) -> dict[str, Any]:
    return {
        "passed": bool(done["converged"].all()),
        "cells": int(done["converged"].size),
        "converged": int(done["converged"].sum()),
        "tolerance": float(done.attrs["tolerance"]),
        "largest_error": float(np.abs(done["error"]).max()),
        "mean_pulses": float(done["pulses"].mean()),
        "most_pulses": int(done["pulses"].max()),
        "largest_disturb": float(np.abs(done["disturb"]).max()),
        "energy_j": float(done["energy"]),
        "operations": int(done.sizes["step"]),
        "scheme": done.attrs["scheme"],
        "engine": done.attrs["engine"],
        "set_pulses": writes[0].model_dump(),
        "reset_pulses": writes[1].model_dump(),
    }
