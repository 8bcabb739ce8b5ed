"""The validation from training to claims."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import xarray as xr

from spicecim.validation.claims import Claim
from spicecim.validation.polarized_columns import figure_data, figures, robustness
from spicecim.validation.polarized_columns.accuracy import accuracy_claim, sign_claim
from spicecim.validation.polarized_columns.agreement import read_layers, wires_claim
from spicecim.validation.polarized_columns.converters import converter_claim, sum_shares
from spicecim.validation.polarized_columns.cycles import cycles_claim, measure_cycles
from spicecim.validation.polarized_columns.extent import FULL, QUICK
from spicecim.validation.polarized_columns.networks import train_networks
from spicecim.validation.polarized_columns.power import measure_power, power_claim
from spicecim.validation.polarized_columns.resources import resources_claim
from spicecim.validation.polarized_columns.throughput import throughput_claim
from spicecim.validation.report import ValidationReport, validation_report

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
    folder: str | Path, quick: bool = False, progress: Callable[[str, float], None] = lambda name, fraction: None
) -> list[Claim]:
    """Put the claims about polarized columns beside what is measured.

    Parameters
    ----------
    folder
        Folder for ``claims.json``, ``claims.md``, figures and the data behind each.
    quick
        A smaller network, fewer seeds and fewer runs: within a minute instead of ten.
    progress
        Called with what is being done and the fraction of it that is.

    Returns
    -------
    list of Claim
        The claims with what was measured and verdicts, as in ``claims.json``.

    Raises
    ------
    ResultsError
        If the folder cannot take the results; before anything is measured.
    MissingPackageError
        Without PyTorch, the extra ``training``.
    """
    with validation_report(folder, _FIGURES) as report:
        _measure(report, quick, progress)
        return report.claims


def _measure(report: ValidationReport, quick: bool, progress: Callable[[str, float], None]) -> None:
    extent = QUICK if quick else FULL

    def step(name: str) -> Callable[[float], None]:
        progress(name, 0.0)
        return lambda fraction: progress(name, fraction)

    trained = train_networks(extent, step("training"))
    report.add_claim(resources_claim(trained))
    report.add_claim(sign_claim(trained))
    report.add_claim(accuracy_claim(trained))
    report.add_data("accuracy", trained.accuracy)
    polarization, residuals = figure_data.polarization_data(trained), figure_data.residual_data(trained)
    report.add_figure("polarization", figures.plot_polarization(polarization), polarization)
    report.add_figure("residuals", figures.plot_residuals(residuals), residuals)

    cycles = measure_cycles(trained, extent.images)
    report.add_claim(cycles_claim(cycles))
    report.add_figure("input_cycles", figures.plot_input_cycles(cycles), cycles)

    codes, runs = read_layers(trained, extent, step("trained layers in ngspice"))
    report.add_claim(codes)
    report.add_claim(wires_claim(trained, extent, step("wires and faults in ngspice")))
    currents = figure_data.bit_currents(trained)
    report.add_figure("bit_currents", figures.plot_bit_currents(currents), currents)
    power = measure_power(trained, extent, runs, step("read power"))
    report.add_claim(power_claim(power, extent))
    report.add_figure("power", figures.plot_power(power), power)

    shares = sum_shares(trained, extent.images)
    report.add_claim(converter_claim(trained, extent, shares))
    converters = robustness.sweep_converters(trained, extent, step("converters"))
    report.add_figure("converters", figures.plot_converters(shares, converters), xr.merge([shares, converters]))
    faults = {name: sweep(trained, extent, step(title)) for name, (title, sweep) in _SWEEPS.items()}
    report.add_claim(robustness.robustness_claim(*faults.values()))
    report.add_claim(robustness.encodings_claim(*faults.values()))
    together = xr.merge([_named(name, found) for name, found in faults.items()])
    report.add_figure("faults", figures.plot_faults(faults), together)
    report.add_figure("fragment_sizes", figures.plot_fragment_sizes(faults), together)
    report.add_claim(throughput_claim())
    report.write(quick=quick)


def _named(dimension: str, found: xr.Dataset) -> xr.Dataset:
    """Sweep whose variables and runs are told from those of another."""
    names = {name: f"{name}_by_{dimension}" for name in ("accuracy", "product_error", "clipped", "run")}
    return found.rename(names)
