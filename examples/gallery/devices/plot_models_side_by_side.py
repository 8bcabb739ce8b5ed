"""
Models side by side
===================

Every model of the library under the sinusoid that its first published preset was given for. Peak currents go from
microamperes to tens of milliamperes; all loops pass the origin. ngspice runs each as a compiled Verilog-A module.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np

import spicecim as sc
from spicecim.errors import CurrentWarning
from spicecim.plotting import COLORS, STYLE, label_axis

plt.rcParams.update(STYLE)

# %%

loops = {}
with warnings.catch_warnings():
    # some presets' drives take more current than published cells do
    warnings.simplefilter("ignore", CurrentWarning)
    for name in sc.MODELS:
        preset = next(iter(sc.load_presets(name).values()))
        bench = sc.Testbench(
            device={"model": name},
            crossbar={"state": [[preset.x0]]},
            drive={"kind": "sine", "amplitude": preset.amplitude, "frequency": preset.frequency},
            analysis={"probe": "cells", "points_per_period": 400},
        )
        if name != "resistor":
            loops[name] = sc.simulate(bench, estimate=False).squeeze()

# %%

figure, grid = plt.subplots(3, 4, figsize=(7.0, 5.2), layout="constrained")
for axes, (name, loop) in zip(grid.ravel(), loops.items(), strict=True):
    axes.plot(loop.v_cell, loop.i_cell, color=COLORS[0])
    label_axis(axes.xaxis, "voltage", "V")
    label_axis(axes.yaxis, "current", "A")
    axes.set_title(name)

# %%
# The current where the voltage passes zero, halfway through the period, relative to the loop's peak.

numbers = {
    name: float(abs(np.interp(loop.time[-1] / 2, loop.time, loop.i_cell)) / abs(loop.i_cell).max())
    for name, loop in loops.items()
}
print(numbers)
