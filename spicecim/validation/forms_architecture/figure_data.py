"""The data behind the figures."""

from __future__ import annotations

import numpy as np
import xarray as xr

from spicecim.accelerator import Design, evaluate, load_design, load_network
from spicecim.accelerator.budget import ComponentBudget, component_budgets, total
from spicecim.accelerator.device_power import with_crossbar_power
from spicecim.accelerator.mapping import map_network
from spicecim.validation.forms_architecture.ratios import (
    CYCLES,
    INPUT_BITS,
    ISAAC_CYCLES,
    PUBLISHED_ALONE,
    PUBLISHED_EVERYTHING,
    RATES_16,
    Ratio,
    converter_width,
    forms_over_isaac,
    over_pruned_isaac,
    polarization_alone,
    ratio_range,
    with_skipping,
)

CHIPS = ("isaac", "forms_4", "forms_8", "forms_16")
GROUPS = ("converters", "crossbars", "DAC", "registers", "rest of the units", "rest of the tiles", "links")
NETWORKS = ("lenet5", "resnet18", "resnet50", "vgg16")
FRAME_DESIGNS = ("isaac", "isaac_pruned", "forms_8", "forms_16")

_PUBLISHED = {
    "DaDianNao": (0.13, 0.45),
    "PUMA": (0.70, 0.79),
    "TPU": (0.08, 0.48),
    "WAX": (0.33, 2.3),
    "8 rows, alone": PUBLISHED_ALONE[8],
    "16 rows, alone": PUBLISHED_ALONE[16],
    "8 rows, everything / pruned ISAAC": over_pruned_isaac(Ratio(*reversed(PUBLISHED_EVERYTHING[8]))),
    "16 rows, everything / pruned ISAAC": over_pruned_isaac(PUBLISHED_EVERYTHING[16]),
}
"""FORMS, table of peak efficiencies, per area and per watt: over ISAAC, and everything over pruned ISAAC (8 rows with
its columns exchanged)."""


def _group(part: ComponentBudget) -> str:
    by_kind = {"converter": "converters", "crossbar": "crossbars"}
    if part.kind in by_kind:
        return by_kind[part.kind]
    if part.level != "unit":
        return {"tile": "rest of the tiles", "chip": "links"}[part.level]
    if "register" in part.name:
        return "registers"
    return "DAC" if part.name == "DAC" else "rest of the units"


def components_data() -> xr.Dataset:
    """Power (W) and area (mm2) of a chip by groups of components: ``power``, ``area`` (design, group)."""
    power, area = np.zeros((2, len(CHIPS), len(GROUPS)))
    for row, name in enumerate(CHIPS):
        for part in evaluate(name).components:
            column = GROUPS.index(_group(part))
            power[row, column] += part.power_w or 0.0
            area[row, column] += part.area_mm2 or 0.0
    return xr.Dataset(
        {
            "power": (("design", "group"), power, {"units": "W", "long_name": "power of a chip"}),
            "area": (("design", "group"), area, {"units": "mm2", "long_name": "area of a chip"}),
        },
        coords={"design": list(CHIPS), "group": list(GROUPS)},
    )


def efficiency_data() -> xr.Dataset:
    """Rates per area and per watt over an ISAAC of the same bits and pruning.

    Returns
    -------
    xarray.Dataset
        ``published`` (point, per), and ``least`` and ``most`` (point, per) of what is measured over assumptions, NaN
        where nothing is.
    """
    isaac, other = evaluate("isaac"), evaluate("dadiannao")
    digital = Ratio(
        (other.gops_per_mm2 or np.nan) / (isaac.gops_per_mm2 or np.nan),
        (other.gops_per_watt or np.nan) / (isaac.gops_per_watt or np.nan),
    )
    ranges: dict[str, list[Ratio]] = {"DaDianNao": [digital]}
    for rows in (8, 16):
        alone = polarization_alone(rows)
        ranges[f"{rows} rows, alone"] = alone
        ranges[f"{rows} rows, everything / pruned ISAAC"] = with_skipping(alone, rows)
    bounds = np.full((len(_PUBLISHED), 2, 2), np.nan)
    for place, point in enumerate(_PUBLISHED):
        if point in ranges:
            bounds[place] = [ratio_range(ranges[point], name) for name in Ratio._fields]
    return xr.Dataset(
        {
            "published": (("point", "per"), list(_PUBLISHED.values())),
            "least": (("point", "per"), bounds[:, :, 0]),
            "most": (("point", "per"), bounds[:, :, 1]),
        },
        coords={"point": list(_PUBLISHED), "per": ["area", "watt"]},
    )


def frames_data() -> xr.Dataset:
    """Frames per second and energy per frame (J) of designs on the same number of chips (network, design)."""
    frames, energy, chips = [], [], []
    for name in NETWORKS:
        network = load_network(name)
        count = max(map_network(load_design(design), network)[1] for design in FRAME_DESIGNS)
        results = [evaluate(design, network, chips=count).result for design in FRAME_DESIGNS]
        frames.append([result.frames_per_second for result in results if result])
        energy.append([result.energy_per_frame_j for result in results if result])
        chips.append(count)
    return xr.Dataset(
        {
            "frames_per_second": (("network", "design"), frames),
            "energy_per_frame": (("network", "design"), energy, {"units": "J"}),
            "chips": ("network", chips),
        },
        coords={"network": list(NETWORKS), "design": list(FRAME_DESIGNS)},
    )


def sensitivity_data() -> xr.Dataset:
    """Rate per watt over pruned ISAAC at the ends of what is assumed, one assumption at a time.

    Returns
    -------
    xarray.Dataset
        ``ratio`` (rows, assumption, end) and ``base`` (rows); the texts ``low`` and ``high`` (rows, assumption) tell
        the ends; ``swept_ratio`` (rows, energy) by the energy of a conversion of 4 bits (J); ``published`` (rows,).
    """
    energies = np.geomspace(0.05e-12, 2e-12, 9)
    swept = [
        [forms_over_isaac(rows, CYCLES[rows][0], energy=float(energy)).per_watt for energy in energies]
        for rows in (8, 16)
    ]
    ratios, base, low, high = [], [], [], []
    for rows in (8, 16):
        cycles = float(load_design(f"forms_{rows}").skipping_shares() @ np.arange(INPUT_BITS + 1))  # type: ignore[operator]
        base.append(forms_over_isaac(rows, cycles).per_watt)
        bits = converter_width(rows)
        ends = {
            "conversion of 4 bits": [
                ("0.92 pJ", forms_over_isaac(rows, cycles, energy=0.92e-12).per_watt),
                ("0.226 pJ", forms_over_isaac(rows, cycles, energy=0.226e-12).per_watt),
            ],
            "effective input cycles": [
                ("16", forms_over_isaac(rows, INPUT_BITS).per_watt),
                (f"{CYCLES[4][0]:g}", forms_over_isaac(rows, CYCLES[4][0]).per_watt),
            ],
            "bits of converters": [
                (f"{bits + 1}", forms_over_isaac(rows, cycles, bits=bits + 1).per_watt),
                (f"{bits}", base[-1]),
            ],
            "rate of converters": [
                (f"{rate / 1e9:g} GS/s", forms_over_isaac(rows, cycles, rate=rate).per_watt) for rate in RATES_16
            ],
            "ISAAC's cycle": [
                (f"{1e9 * cycle:.3g} ns", forms_over_isaac(rows, cycles, isaac_cycle=cycle).per_watt)
                for cycle in ISAAC_CYCLES
            ],
            "pruning over ISAAC's": [(f"{share:g}", share * base[-1]) for share in (0.8, 1.0)],
        }
        ratios.append([[value for _, value in pair] for pair in ends.values()])
        low.append([pair[0][0] for pair in ends.values()])
        high.append([pair[1][0] for pair in ends.values()])
    return xr.Dataset(
        {
            "ratio": (("rows", "assumption", "end"), ratios, {"long_name": "rate per watt over pruned ISAAC"}),
            "base": ("rows", base),
            "published": ("rows", [_PUBLISHED[f"{rows} rows, everything / pruned ISAAC"][1] for rows in (8, 16)]),
            "swept_ratio": (("rows", "energy"), swept),
            "low": (("rows", "assumption"), low),
            "high": (("rows", "assumption"), high),
        },
        coords={
            "rows": [8, 16],
            "assumption": list(ends),
            "end": ["low", "high"],
            "energy": ("energy", energies, {"units": "J"}),
        },
    )


def utilization_data(design: str = "forms_8", network: str = "resnet18") -> xr.Dataset:
    """Share of the cells that hold weights, and time over the slowest layer's: ``cells_used``, ``busy`` (layer)."""
    result = evaluate(design, network).result
    assert result is not None
    return xr.Dataset(
        {
            "cells_used": ("layer", [layer.cells_used for layer in result.layers]),
            "busy": ("layer", [layer.busy or 0.0 for layer in result.layers]),
            "copies": ("layer", [layer.copies for layer in result.layers]),
        },
        coords={"layer": [layer.name for layer in result.layers]},
        attrs={"design": design, "network": network},
    )


def crossbar_power_data(power: xr.DataArray) -> xr.Dataset:
    """Power of eight crossbars (W) and their share of FORMS's chip (preset,), from the least on, of ``power`` (mW)."""
    design = load_design("forms_8")
    power = 1e-3 * power.sortby(power)
    chips = [with_crossbar_power(design, float(one) / 8, "read energy") for one in power]
    return xr.Dataset(
        {
            "power": ("preset", power.values, {"units": "W"}),
            "share": ("preset", [_share(chip) for chip in chips], {"long_name": "share of the chip's power"}),
        },
        coords={"preset": power["preset"].values},
        attrs={"published_share": _share(design)},
    )


def _share(design: Design) -> float:
    """Share of the crossbars in a chip's power."""
    parts = component_budgets(design)
    crossbars = sum(part.power_w or 0.0 for part in parts if part.kind == "crossbar")
    return crossbars / (total(part.power_w for part in parts) or np.nan)
