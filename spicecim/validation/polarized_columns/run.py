"""The validation from training to claims."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import xarray as xr

from spicecim.validation.claims import JudgedClaim, stated_claims
from spicecim.validation.polarized_columns import figure_data, figures, robustness, sensitivity
from spicecim.validation.polarized_columns.accuracy import accuracy, one_sign
from spicecim.validation.polarized_columns.agreement import read_layers, wired_currents
from spicecim.validation.polarized_columns.converters import few_bits, sum_shares
from spicecim.validation.polarized_columns.cycles import input_cycles, measure_cycles
from spicecim.validation.polarized_columns.extent import FULL, QUICK, Extent
from spicecim.validation.polarized_columns.networks import train_networks
from spicecim.validation.polarized_columns.power import engines_apart, measure_power, read_energy
from spicecim.validation.polarized_columns.resources import crossbars
from spicecim.validation.polarized_columns.throughput import measure_throughput
from spicecim.validation.report import Progress, ValidationReport, run_validation

CLAIMS = Path(__file__).with_name("claims.yaml")
_FIGURES = (
    "accuracy", "polarization", "residuals", "input_cycles", "bit_currents", "power", "converters", "faults",
    "fragment_sizes",
)  # fmt: skip

_SWEEPS = {
    "sigma": ("scattered cells", robustness.sweep_scatter),
    "line_resistance": ("resistive wires", robustness.sweep_wires),
    "stuck_share": ("stuck cells", robustness.sweep_stuck),
}


def validate_polarized_columns(
    folder: str | Path, quick: bool = False, progress: Progress = lambda name, fraction: None
) -> list[JudgedClaim]:
    """Put the claims about polarized columns beside what is measured.

    Parameters
    ----------
    folder
        Folder for ``claims.json`` (a list), ``claims.md``, ``summary.json``, figures and the data behind each.
    quick
        A smaller network, fewer seeds and fewer runs: about a minute and a half.
    progress
        Called with what is being done and the fraction of it that is.

    Returns
    -------
    list of JudgedClaim
        The claims with what was measured and verdicts, as in ``claims.json``.

    Raises
    ------
    ResultsError
        If the folder cannot take the results; before anything is measured.
    MissingPackageError
        Without PyTorch, the extra ``networks``.
    """
    extent = QUICK if quick else FULL

    def measure(report: ValidationReport) -> dict[str, object]:
        _measure(report, extent, progress)
        return {
            "quick": quick,
            "network": extent.kind,
            "seeds": extent.seeds,
            "images": extent.images,
            "runs_of_scatter": extent.runs[extent.sigmas.index(0.1)],
            "runs_of_stuck_cells": extent.stuck_runs[extent.stuck_shares.index(0.01)],
        }

    return run_validation(folder, "Polarized columns", stated_claims(CLAIMS), _FIGURES, measure)


def _measure(report: ValidationReport, extent: Extent, progress: Progress) -> None:
    def step(name: str) -> Callable[[float], None]:
        progress(name, 0.0)
        return lambda fraction: progress(name, fraction)

    trained = train_networks(extent, step("training"))
    report.judge("crossbars", *crossbars(trained))
    report.judge("one-sign", *one_sign(trained))
    report.judge("accuracy", *accuracy(trained))
    report.add_data("accuracy", trained.accuracy)
    polarization, residuals = figure_data.polarization_data(trained), figure_data.residual_data(trained)
    report.add_figure("polarization", figures.plot_polarization(polarization), polarization)
    report.add_figure("residuals", figures.plot_residuals(residuals), residuals)

    cycles = measure_cycles(trained, extent.images)
    report.judge("input-cycles", *input_cycles(cycles))
    report.add_figure("input_cycles", figures.plot_input_cycles(cycles), cycles)

    codes, runs = read_layers(trained, extent, step("trained layers in ngspice"))
    report.judge("codes", *codes)
    report.judge("currents", *wired_currents(trained, extent, step("wires and faults in ngspice")))
    currents = figure_data.bit_currents(trained)
    report.add_figure("bit_currents", figures.plot_bit_currents(currents), currents)
    power = measure_power(trained, extent, runs, step("read power"))
    report.judge("read-energy", *read_energy(power))
    report.judge("read-energy-engines", engines_apart(power))
    report.add_figure("power", figures.plot_power(power), power)

    shares = sum_shares(trained, extent.images)
    report.judge("converters", *few_bits(trained, extent, shares))
    converters = robustness.sweep_converters(trained, extent, step("converters"))
    report.add_figure("converters", figures.plot_converters(shares, converters), xr.merge([shares, converters]))
    swept = {name: sweep(trained, extent, step(title)) for name, (title, sweep) in _SWEEPS.items()}
    cases = sensitivity.faults(*swept.values())
    report.judge("fine-fragments", *sensitivity.fine_fragments(cases))
    report.judge("as-robust", *sensitivity.as_robust(cases))
    together = xr.merge([_named(name, found) for name, found in swept.items()])
    report.add_figure("faults", figures.plot_faults(swept), together)
    report.add_figure("fragment_sizes", figures.plot_fragment_sizes(swept), together)
    throughput = measure_throughput()
    report.judge("exact-products", throughput.wrong)
    report.judge("faster-than-loops", throughput.faster, throughput.seconds)


def _named(dimension: str, found: xr.Dataset) -> xr.Dataset:
    """Sweep whose variables and runs are told from those of another."""
    names = {name: f"{name}_by_{dimension}" for name in ("accuracy", "product_error", "clipped", "right", "run")}
    return found.rename(names)
