"""What the validation measures, step by step; it needs PyTorch."""

from __future__ import annotations

from collections.abc import Callable

import xarray as xr

from spicecim.validation.polarized_columns import cycles, figure_data, figures, robustness, sensitivity
from spicecim.validation.polarized_columns.accuracy import accuracy, crossbars_saved, one_sign
from spicecim.validation.polarized_columns.agreement import read_layers, wired_currents
from spicecim.validation.polarized_columns.converters import few_bits, sum_shares
from spicecim.validation.polarized_columns.extent import WHOLE, Extent
from spicecim.validation.polarized_columns.lenet import LeNets, train_lenets
from spicecim.validation.polarized_columns.networks import Trained, train_networks
from spicecim.validation.polarized_columns.power import engines_apart, measure_power, read_energy
from spicecim.validation.polarized_columns.resources import crossbars
from spicecim.validation.polarized_columns.throughput import measure_throughput
from spicecim.validation.report import Progress, ValidationReport

_Step = Callable[[str], Callable[[float], None]]
"""From the name of a step to what is called with the fraction of it that is done."""

_SWEEPS = {
    "sigma": ("scattered cells", robustness.sweep_scatter),
    "line_resistance": ("resistive wires", robustness.sweep_wires),
    "stuck_share": ("stuck cells", robustness.sweep_stuck),
}


def measure_claims(report: ValidationReport, extent: Extent, progress: Progress) -> None:
    """Measure all claims, and draw what is behind them."""

    def step(name: str) -> Callable[[float], None]:
        progress(name, 0.0)
        return lambda fraction: progress(name, fraction)

    lenets = report.beside(lambda: train_lenets(extent))
    trained = train_networks(extent.kind, extent.fragments, step("networks for the digits"))
    report.judge("crossbars", *crossbars(trained))
    polarization = figure_data.polarization_data(trained)
    report.add_figure("polarization", figures.plot_polarization(polarization), polarization)
    _in_both_engines(report, trained, extent, step)
    _disturbed(report, trained, extent, step)
    throughput = measure_throughput()
    report.judge("exact-products", throughput.wrong)
    report.judge("faster-than-loops", throughput.faster, throughput.seconds)
    step("LeNet-5")
    _training(report, trained, lenets.result(), extent, step)


def _in_both_engines(report: ValidationReport, trained: Trained, extent: Extent, step: _Step) -> None:
    """Read trained layers in ngspice and in the reference engine."""
    codes, runs = read_layers(trained, extent, step("trained layers in ngspice"))
    report.judge("codes", *codes)
    report.judge("currents", *wired_currents(trained, extent, step("wires and faults in ngspice")))
    currents = figure_data.bit_currents(trained)
    report.add_figure("bit_currents", figures.plot_bit_currents(currents), currents)
    power = measure_power(trained, extent, runs, step("read power"))
    report.judge("read-energy", *read_energy(power))
    report.judge("read-energy-engines", engines_apart(power))
    report.add_figure("power", figures.plot_power(power), power)


def _disturbed(report: ValidationReport, trained: Trained, extent: Extent, step: _Step) -> None:
    """Classify with small converters, cells that scatter or are stuck, and wires."""
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


def _training(report: ValidationReport, trained: Trained, lenets: LeNets, extent: Extent, step: _Step) -> None:
    """Judge what training LeNet-5 through all stages gave, and count the input cycles of what several networks get."""
    report.judge("one-sign", *one_sign(lenets))
    report.judge("accuracy", *accuracy(lenets))
    report.judge("crossbars-saved", *crossbars_saved(lenets))
    report.add_figure("accuracy", figures.plot_accuracy(lenets.accuracy), lenets.accuracy)
    report.add_figure("residuals", figures.plot_residuals(lenets.residuals), lenets.residuals)
    step("input cycles")
    counted = cycles.measure_cycles(trained, lenets, extent)
    report.judge("input-cycles", *cycles.input_cycles(counted))
    report.judge("cycles-of-4-rows", cycles.published_cycles(counted, 4))
    report.judge("cycles-of-128-rows", cycles.published_cycles(counted, WHOLE))
    report.add_figure("input_cycles", figures.plot_input_cycles(counted), counted)


def _named(dimension: str, found: xr.Dataset) -> xr.Dataset:
    """Sweep whose variables and runs are told from those of another."""
    names = {name: f"{name}_by_{dimension}" for name in ("accuracy", "product_error", "clipped", "right", "run")}
    return found.rename(names)
