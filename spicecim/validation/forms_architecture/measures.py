"""What is measured of each claim, by the claim's id: numbers, or ranges over assumptions, by what they are of."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np
import xarray as xr

from spicecim.accelerator import evaluate, load_design
from spicecim.accelerator.converters import converter_energy, lossless_converter_bits
from spicecim.accelerator.design import Level
from spicecim.accelerator.device_power import reading_scheme
from spicecim.validation.claims import Measured, Range
from spicecim.validation.forms_architecture.figure_data import crossbar_power_data
from spicecim.validation.forms_architecture.fragments import READ_VOLTAGE, TrainedFragments
from spicecim.validation.forms_architecture.frames import Frames
from spicecim.validation.forms_architecture.ratios import (
    CYCLES,
    INPUT_BITS,
    PUBLISHED_ALONE,
    PUBLISHED_EVERYTHING,
    ROWS,
    Ratio,
    converter_width,
    forms_over_isaac,
    over_pruned_isaac,
    polarization_alone,
    ratio_range,
    same_converters,
    with_skipping,
)
from spicecim.validation.intervals import mean_interval

_PRUNING = 6.65 * 4
"""ResNet-18 on CIFAR-100, and weights of 8 bits in place of 32."""


def _level(design: str, level: Level) -> tuple[float, float]:
    """Power (mW) and area (mm2) of a unit or a tile without its units."""
    parts = load_design(design).components.level(level).values()
    return 1e3 * sum(part.power_w or 0.0 for part in parts), sum(part.area_mm2 or 0.0 for part in parts)


def isaac_sums() -> Measured:
    """Sums of ISAAC's components."""
    return _sums("isaac", "IMAs", 1.0, "W")


def forms_sums() -> Measured:
    """Sums of FORMS's components; the area of a tile is not printed to three digits."""
    sums = _sums("forms_8", "MCUs", 1e3, "mW")
    del sums["tile (mm2)"]
    return sums


def _sums(design: str, units: str, scale: float, unit: str) -> Measured:
    (power, area), (tile_power, tile_area) = _level(design, "unit"), _level(design, "tile")
    chip = evaluate(design)
    return {
        f"12 {units} (mW)": 12 * power,
        f"12 {units} (mm2)": 12 * area,
        "tile (mW)": 12 * power + tile_power,
        "tile (mm2)": 12 * area + tile_area,
        f"chip ({unit})": scale * (chip.power_w or np.nan),
        "chip (mm2)": chip.area_mm2 or np.nan,
    }


def forms_sums_as_printed() -> Measured:
    """Sums of what FORMS's tables print, without what closes them."""
    power = 15.2 + 4 + 0.0055 + 2.44 + 0.2 + 0.01 + 0.012
    area = 0.0091 + 0.00017 + 0.000023 + 0.00024 + 0.000024 + 1e-7 + 3.1e-6
    tile = 12 * power + 53.05
    return {
        "12 MCUs (mW)": 12 * power,
        "12 MCUs (mm2)": 12 * area,
        "tile (mW)": tile,
        "chip (mW)": 168 * tile + 10400,
        "chip (mm2)": 168 * (12 * area + 0.25) + 22.88,
    }


def isaac_peak() -> Measured:
    """ISAAC's peak rate."""
    chip = evaluate("isaac")
    return {
        "peak (TOPS)": chip.peak_tops or np.nan,
        "peak (GOPS/W)": chip.gops_per_watt or np.nan,
        "peak (GOPS/(s mm2))": chip.gops_per_mm2 or np.nan,
    }


def headline_design() -> Measured:
    """Published line of 8 rows over that of pruned ISAAC."""
    found = over_pruned_isaac(PUBLISHED_EVERYTHING[8])
    return {"8 rows, per area": found.per_area, "8 rows, per watt": found.per_watt}


def exchanged_columns() -> Measured:
    """Gain of everything over polarization alone, at 8 rows over 16 rows."""
    gains = {rows: np.divide(over_pruned_isaac(PUBLISHED_EVERYTHING[rows]), PUBLISHED_ALONE[rows]) for rows in (8, 16)}
    area, power = gains[8] / gains[16]
    return {"area": float(area), "power": float(power)}


def _ranges(ratios: list[Ratio], factor: float = 1.0) -> dict[str, Range]:
    """Least and most of ratios times a factor, per area and per watt."""
    ranges = {name.replace("_", " "): ratio_range(ratios, name) for name in Ratio._fields}
    return {title: (factor * low, factor * high) for title, (low, high) in ranges.items()}


def raw_rate() -> Measured:
    """Polarization alone, over ISAAC."""
    return {
        f"{rows} rows, {title}": found for rows in (8, 16) for title, found in _ranges(polarization_alone(rows)).items()
    }


def converter_bits() -> Measured:
    """Bits of lossless converters."""
    return {f"{rows} rows": lossless_converter_bits(rows, 2) for rows in ROWS}


def converter_clipping(perceptrons: xr.Dataset) -> Measured:
    """Share of clipped conversions of trained fragments (%), over the seeds."""
    return {
        f"{rows} rows, {converter_width(rows)} bits": mean_interval(perceptrons["clipped"].sel(rows=rows))
        for rows in ROWS
    }


def converter_energies() -> Measured:
    """Power of 32 converters of 4 bits at 2.1 GS/s (mW)."""
    return {model: 32 * 2.1e12 * converter_energy(4, model) for model in ("scaled", "survey")}


def crossbar_powers(perceptrons: xr.Dataset) -> Measured:
    """Power of eight crossbars (mW), over the seeds."""
    power = perceptrons["power"]
    return {str(name): mean_interval(power.sel(preset=name)) for name in power["preset"].values}


def crossbars_of_the_chip(perceptrons: xr.Dataset) -> Measured:
    """Share of the crossbars in the chip's power, and the conductance for which the published power holds."""
    shares = 100 * crossbar_power_data(perceptrons["power"].mean("seed"))["share"]
    forms = load_design("forms_8")
    name = forms.unit_part("crossbar")
    assert name is not None
    scheme, power = reading_scheme(forms, {"model": "resistor"}, READ_VOLTAGE), forms.components.unit[name].power_w
    assert power is not None
    cells = forms.parts.crossbars_per_unit.value * scheme.fragment_rows * scheme.columns
    return {
        "crossbars of the chip's power, by presets: least (%)": float(shares.min()),
        "crossbars of the chip's power, by presets: most (%)": float(shares.max()),
        "conductance of a cell times the share of ones for the published power (S)": power
        * scheme.pulse.period
        / (cells * scheme.pulse.weight),
    }


def power_increase() -> Measured:
    """Chip power of FORMS over that of ISAAC in FORMS's own table (%)."""
    return {"chip": 100 * (66360.8 / 65808.08 - 1)}


def reference_ratios() -> Measured:
    """Pruning and bits."""
    return {"per area": _PRUNING, "per watt": _PRUNING}


def everything_ratios() -> Measured:
    """Polarization alone, pruning, bits and skipping."""
    measured: Measured = {}
    for rows in (8, 16):
        ranges = _ranges(with_skipping(polarization_alone(rows), rows), _PRUNING)
        measured |= {f"{rows} rows, {title}": found for title, found in ranges.items()}
    return measured


def unexplained_factor() -> Measured:
    """Gain by zero skipping."""
    return {f"{rows} rows": (INPUT_BITS / CYCLES[rows][1], INPUT_BITS / CYCLES[rows][0]) for rows in ROWS}


def headline(name: str) -> Measured:
    """Ratios with the same converters, by rows and with or without skipping."""
    return {
        f"{rows} rows, {'with' if skipping else 'without'} skipping": ratio_range(same_converters(rows, skipping), name)
        for rows in ROWS
        for skipping in (False, True)
    }


def published_conversions() -> Measured:
    """Ratios per watt with the published energy of conversions in both designs, and skipping."""
    return {
        f"{rows} rows, with skipping, 0.226 pJ per conversion of 4 bits": forms_over_isaac(
            rows, CYCLES[rows][0], energy=0.226e-12
        ).per_watt
        for rows in (8, 16)
    }


def two_crossbars() -> Measured:
    """Ratios at 16 rows with skipping, against an ISAAC with two crossbars per weight."""
    return {**_ranges(with_skipping(polarization_alone(16), 16), 2.0)}


def frames_by_weights() -> Measured:
    """Pruning times 32 over 8 bits."""
    return {"least": 4 * (1.67 + 2.0) / 2, "most": 4 * 50.85}


def frames_and_peak() -> Measured:
    """Published frames of FORMS without skipping over those of pruned ISAAC."""
    return {"8 rows": 109.6 / 200.8, "16 rows": 155.8 / 200.8}


def network_sizes() -> Measured:
    """Weights and products of the mapped layers."""
    measured: Measured = {}
    for title, name in (("VGG-16", "vgg16"), ("ResNet-18", "resnet18"), ("ResNet-50", "resnet50")):
        result = evaluate("forms_8", name).result
        assert result is not None
        measured[f"{title} (M weights)"] = 1e-6 * sum(layer.weights for layer in result.layers)
        measured[f"{title} (G products)"] = 1e-9 * sum(layer.products for layer in result.layers)
    return measured


def evaluation_time() -> Measured:
    """Processor time of an evaluation (s), once everything is loaded."""
    evaluate("forms_8", "lenet5")
    start = time.process_time()
    evaluate("forms_8", "resnet50")
    return {"ResNet-50 on forms_8": time.process_time() - start}


def measures(
    frames: Frames, trained: TrainedFragments, perceptrons: xr.Dataset
) -> Mapping[str, Callable[[], Measured]]:
    """Return what measures each claim, by the claims' ids."""
    return {
        "isaac-sums": isaac_sums,
        "isaac-peak": isaac_peak,
        "forms-sums": forms_sums,
        "forms-sums-as-printed": forms_sums_as_printed,
        "headline-design": headline_design,
        "exchanged-columns": exchanged_columns,
        "skipping-speed": frames.skipping_speed,
        "raw-rate": raw_rate,
        "converter-bits": converter_bits,
        "converter-clipping": lambda: converter_clipping(perceptrons),
        "converter-energy": converter_energies,
        "power-increase": power_increase,
        "reference-ratios": reference_ratios,
        "everything-ratios": everything_ratios,
        "unexplained-factor": unexplained_factor,
        "headline-area": lambda: headline("per_area"),
        "headline-power": lambda: headline("per_watt"),
        "two-crossbars": two_crossbars,
        "frames-range": frames.ranges,
        "frames-by-weights": frames_by_weights,
        "frames-and-peak": frames_and_peak,
        "network-sizes": network_sizes,
        "crossbar-power": lambda: crossbar_powers(perceptrons),
        "crossbar-power-engines": trained.energies_of_engines,
        "evaluation-time": evaluation_time,
    }


def details(perceptrons: xr.Dataset) -> dict[str, Measured]:
    """Return what else is measured, that no verdict depends on, by the claims' ids."""
    return {"headline-power": published_conversions(), "crossbar-power": crossbars_of_the_chip(perceptrons)}
