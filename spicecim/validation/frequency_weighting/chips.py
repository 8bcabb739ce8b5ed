"""Frequency weighting as an accelerator: energy per convolution and area per weight beside bit-sliced designs."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import xarray as xr

from spicecim.accelerator import Design, evaluate, load_design
from spicecim.accelerator.budget import ComponentBudget
from spicecim.accelerator.sinusoids import SOURCE_POWER, ReadCost, read_cost, with_read_cost
from spicecim.encodings.frequency_weighting.amplitude import pixel_drive
from spicecim.encodings.integers import IntArray
from spicecim.validation.claims import Measured
from spicecim.validation.frequency_weighting.power import CELLS, pixel_statistics
from spicecim.validation.frequency_weighting.subjects import Subject, calibrated, tabulated

BESIDE = {"ISAAC, 8-bit weights": "isaac_pruned", "FORMS, 8 rows": "forms_8", "FORMS, 16 rows": "forms_16"}
"""Designs with the same bits, by their titles."""

GROUPS = ("cells", "rewriting", "row sources or DACs", "converters", "links", "other digital parts")

SOURCE_POWERS = (0.0, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
"""Powers of a row's source that are swept (W)."""
_SOURCE_AREAS = (0.0, 1e-2)
"""Areas of a row's source (mm2): nothing, and that of a synthesizer with a converter."""

_BITS = 8
_SOURCES = "row sources or DACs"
_OF_GROUP = {"rewriting": "rewriting", "row sources": _SOURCES, "DAC": _SOURCES}


def beside(name: str) -> Design:
    """Return a bit-sliced design for inputs of 8 bits, all of which it reads."""
    bits = {"input_bits": {"value": _BITS, "assumed": "as the pixels of frequency weighting"}}
    return load_design(name).changed(encoding=bits, timing={"zero_skipping": None})


def frequency_design(cost: ReadCost, title: str, source_power: float = SOURCE_POWER) -> Design:
    """Return the design of frequency weighting with the read cost of a device."""
    return with_read_cost(load_design("frequency_weighting"), cost, title, source_power)


def energies(design: Design) -> dict[str, float]:
    """Energy of a 3 x 3 convolution at the peak rate by group of components (J)."""
    found = evaluate(design)
    assert found.peak_tops is not None
    convolutions = found.peak_tops * 1e12 / 2 / CELLS
    groups = dict.fromkeys(GROUPS, 0.0)
    for part in found.components:
        groups[_group(part)] += (part.power_w or 0.0) / convolutions
    return groups


def _group(part: ComponentBudget) -> str:
    by_kind = {"crossbar": "cells", "converter": "converters"}
    other = "links" if part.level == "chip" else "other digital parts"
    return by_kind.get(part.kind, _OF_GROUP.get(part.name, other))


def chip_energies(subjects: Sequence[Subject], image: IntArray, levels: int) -> xr.Dataset:
    """Energy of a 3 x 3 convolution by design and component, and over the power of a row's source.

    Returns
    -------
    xarray.Dataset
        ``energy`` (design, group), J, designs with the same bits and then devices with frequency weighting; ``swept``
        (device, rewriting, source_power), J, of all components, with rewriting where reads move the state and without;
        ``read_time`` (device,), s, mean of a cell, ``cell_power`` (device,), W, mean while it is read, and
        ``rewritten`` (device,), whether reads move the state.
    """
    shares = pixel_statistics(image)["camera image"]
    costs = {
        subject.title: read_cost(
            pixel_drive(calibrated(subject, levels=levels)), shares, table=tabulated(subject, levels=levels)
        )
        for subject in subjects
    }
    found = {title: energies(beside(name)) for title, name in BESIDE.items()}
    swept = []
    for title, cost in costs.items():
        found[title] = energies(frequency_design(cost, title))
        once = energies(frequency_design(cost._replace(rewrite_energy=0.0, rewrite_time=0.0), title))
        # the energy of the sources is in proportion to their power
        swept.append(
            [
                sum(case.values()) + case[_SOURCES] * (np.array(SOURCE_POWERS) / SOURCE_POWER - 1.0)
                for case in (found[title], once)
            ]
        )
    energy = [list(groups.values()) for groups in found.values()]
    return xr.Dataset(
        {
            "energy": (("design", "group"), energy, {"units": "J", "long_name": "energy of a 3 x 3 convolution"}),
            "swept": (("device", "rewriting", "source_power"), swept, {"units": "J"}),
            "read_time": ("device", [cost.time for cost in costs.values()], {"units": "s"}),
            "cell_power": ("device", [cost.energy / cost.time for cost in costs.values()], {"units": "W"}),
            "rewritten": ("device", [cost.rewrite_time > 0 for cost in costs.values()]),
        },
        coords={
            "design": list(found),
            "group": list(GROUPS),
            "device": list(costs),
            "rewriting": [True, False],
            "source_power": ("source_power", list(SOURCE_POWERS), {"units": "W"}),
        },
        attrs={"source_power": SOURCE_POWER},
    )


def energy_per_convolution(chips: xr.Dataset) -> tuple[Measured, Measured]:
    """Energy of the designs with the same bits over that of frequency weighting, over what is assumed of it."""
    total = chips["energy"].sum("group")
    measured: Measured = {}
    details: Measured = {}
    for other in BESIDE:
        joule = float(total.sel(design=other))
        details[f"{other}: energy of a convolution (J)"] = joule
        for device in chips["device"].values:
            ratios = joule / chips["swept"].sel(device=device)
            measured[f"{other} / {device}"] = (float(ratios.min()), float(ratios.max()))
    cells = float(total.sel(design="ISAAC, 8-bit weights")) / CELLS
    for device in chips["device"].values:
        one, swept = chips.sel(device=device), chips["swept"].sel(device=device)
        details[f"{device}: energy of a convolution (J)"] = (float(swept.min()), float(swept.max()))
        details[f"{device}: mean read time (s)"] = float(one["read_time"])
        title = f"{device}: read time whose cells alone would take what all of ISAAC takes (s)"
        details[title] = cells / float(one["cell_power"])
    return measured, details


@functools.cache
def _area_per_weight(name: str) -> float:
    """Area of a chip per weight that it holds (mm2)."""
    design = load_design(name)
    scheme = design.crossbars
    area = evaluate(design).area_mm2
    assert area is not None
    return area / (design.parts.crossbars * scheme.rows * (scheme.columns // scheme.slices))


def area_of_the_chip() -> tuple[Measured, Measured]:
    """Area per weight of ISAAC with 8-bit weights over that of frequency weighting, over the area of a row's source."""
    design = load_design("frequency_weighting")
    scheme = design.crossbars
    sources = design.parts.crossbars * scheme.rows
    whole = evaluate(design).area_mm2
    own = design.components.unit["row sources"].area_mm2
    assert whole is not None
    assert own is not None
    without = whole - own * sources / (design.parts.crossbars_per_unit.value * scheme.rows)
    weights = design.parts.crossbars * scheme.rows * scheme.columns
    isaac = _area_per_weight("isaac_pruned")
    ratios = [isaac / ((without + sources * area) / weights) for area in _SOURCE_AREAS]
    memory = design.components.unit["frequency memory"].area_mm2
    assert memory is not None
    units = design.parts.crossbars / design.parts.crossbars_per_unit.value
    bare = isaac / ((without - units * memory) / weights)
    return {"area per weight": (min(ratios), max(ratios))}, {
        "without the memory that holds the frequencies, and without sources": bare
    }
