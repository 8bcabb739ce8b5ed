"""
FORMS beside ISAAC
==================

Power and area of a chip by component, from the published tables of both designs. FORMS reads fragments of eight rows,
so that converters of four bits do: smaller, faster, and more of them.
"""

import matplotlib.pyplot as plt

import spicecim as sc
from spicecim.plotting import COLORS, STYLE

plt.rcParams.update(STYLE)

# %%
# Components by what they are for.

groups = {
    "converters (ADC)": ("ADC",),
    "DAC and crossbars": ("DAC", "crossbars", "sample and hold"),
    "buffers and buses": ("eDRAM", "bus", "router", "input register", "output register"),
    "links between chips": ("HyperTransport",),
}
designs = {"ISAAC": "isaac", "FORMS, 8 rows": "forms_8"}
chips = {label: sc.accelerator.evaluate(name) for label, name in designs.items()}


def parts(chip, quantity):
    """Return a quantity of the chip by group, and of what is left."""
    sums = dict.fromkeys([*groups, "digital and other"], 0.0)
    for component in chip.components:
        group = next((group for group, names in groups.items() if component.name in names), "digital and other")
        sums[group] += getattr(component, quantity)
    return sums


# %%

figure, grid = plt.subplots(1, 2, figsize=(7.0, 2.6), layout="constrained", sharey=True)
for axes, quantity, label in ((grid[0], "power_w", "power of a chip (W)"), (grid[1], "area_mm2", "area (mm\u00b2)")):
    for place, chip in enumerate(chips.values()):
        left = 0.0
        for color, (group, value) in zip(COLORS, parts(chip, quantity).items(), strict=False):
            axes.barh(place, value, left=left, color=color, height=0.6, label=group if place == 0 else None)
            left += value
    axes.set(xlabel=label)
    axes.set_axisbelow(True)
grid[0].set_yticks(range(len(chips)), list(chips))
grid[0].set_ylabel("design")
figure.legend(*grid[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)

# %%
# Totals, and operations per second and watt.

numbers = {
    label: {"power": chip.power_w, "area": chip.area_mm2, "gops_per_watt": chip.gops_per_watt}
    for label, chip in chips.items()
}
print(numbers)
