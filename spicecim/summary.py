"""The numbers of a run that go into a `summary.json`: what both engines measured, column by column."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Mapping
from typing import Any

import xarray as xr

from spicecim.cell_currents import current_warning
from spicecim.drives import SineDrive
from spicecim.errors import AccuracyWarning, MeasurementError
from spicecim.measure import (
    average_power,
    cell_power,
    column_power,
    compare,
    energy_balance,
    mean_current,
    rectified_mean_current,
    tone_current,
    total_power,
    worst_case_power,
)
from spicecim.reached import ERRORS, errors_of, missed_accuracy
from spicecim.waveforms import testbench_of


def summarize(runs: Mapping[str, xr.Dataset], tolerance: float = 1e-4) -> dict[str, Any]:
    """Measure the runs of one testbench.

    Parameters
    ----------
    runs
        Waveforms by engine; two runs at the same instants are compared.
    tolerance
        Largest difference of column currents, relative to each column's peak, that passes.

    Returns
    -------
    dict
        Plain numbers and texts. Powers are those of the first run; ``grid_error`` is the largest of all measurements:
        how well the instants resolve them.
    """
    first = next(iter(runs.values()))
    total = total_power(first)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AccuracyWarning)  # the summary says it
        average = average_power(total)
        columns = {engine: _columns(run) for engine, run in runs.items()}
    summary: dict[str, Any] = {
        "spicecim_version": first.attrs["spicecim_version"],
        "ngspice_version": runs["ngspice"].attrs["engine_version"] if "ngspice" in runs else None,
        "device_backend": first.attrs["device_backend"],
        "netlist_sha256": first.attrs.get("netlist_sha256"),
        "average_power_w": float(average),
        "worst_case_power_w": float(worst_case_power(total)),
        "columns": {
            engine: {name: values.values.tolist() for name, values in found.items()}
            for engine, found in columns.items()
        },
        "grid_error": max(
            values.attrs.get("grid_error", 0.0)
            for values in (average, *(values for found in columns.values() for values in found.values()))
        ),
    }
    for name in ERRORS:
        # NaN, an error that is not known, is no JSON
        summary[name] = {
            engine: None if math.isnan(error) else error
            for engine, run in runs.items()
            if (error := errors_of(run).get(name)) is not None
        }
    missed = {engine: line for engine, run in runs.items() if (line := missed_accuracy(run))}
    summary["accuracy"] = accuracy = testbench_of(first).analysis.accuracy
    if summary["grid_error"] > accuracy:
        missed["measures"] = (
            f"means and powers are known to {summary['grid_error']:.1e} of the mean magnitude with these instants, "
            f"above analysis.accuracy = {accuracy:g}; raise analysis.points_per_period or accept it by a larger "
            "analysis.accuracy"
        )
    implausible = current_warning(runs.values())
    summary["implausible_current"] = str(implausible) if implausible else None
    summary["accurate"] = not missed
    summary["accuracy_missed"] = missed
    if testbench_of(first).analysis.probe == "cells":
        summary["energy_balance_error"] = max(energy_balance(run).error for run in runs.values())
    if {"ngspice", "reference"} <= set(runs):
        comparison = compare(runs["ngspice"], runs["reference"], tolerance)
        summary["max_relative_error"] = comparison.worst
        summary["column_relative_error"] = comparison.max_error.tolist()
        summary["tolerance"] = tolerance
        summary["passed"] = comparison.passed
    return summary


def _columns(run: xr.Dataset) -> dict[str, xr.DataArray]:
    """Currents (A) of every column, and the power (W) of its cells where they were kept."""
    measured = {"mean_current_a": mean_current(run), "rectified_mean_current_a": rectified_mean_current(run)}
    bench = testbench_of(run)
    if isinstance(bench.drive, SineDrive):
        # A run that does not hold whole cycles of every row, or has a tone in several phases, has none to report.
        with contextlib.suppress(MeasurementError):
            tones = tone_current(run)
            measured["in_phase_current_a"] = tones.sum("tone").assign_attrs(grid_error=tones.attrs["grid_error"])
    if bench.analysis.probe == "cells":
        measured["average_power_w"] = average_power(column_power(run))
        measured["largest_cell_power_w"] = worst_case_power(cell_power(run)).max("row")
    return measured
