"""
Energy balance
==============

By Tellegen's theorem the power of all drivers goes into cells and wires at every instant. What is not accounted for is
a test of a simulation that needs no second engine.
"""

import matplotlib.pyplot as plt
import numpy as np

import spicecim as sc
from spicecim.plotting import COLORS, STYLE, label_axis

plt.rcParams.update(STYLE)

# %%

bench = sc.Testbench(
    device={"model": "yakopcic", "preset": "oblea"},
    crossbar={
        "state": np.random.default_rng(3).uniform(0.3, 1, (8, 8)),
        "wire_row": 5,
        "wire_column": 5,
        "source_resistance": 20,
    },
    drive={"kind": "sine", "amplitude": 0.45, "frequency": 100},
    analysis={"probe": "cells"},
)
run = sc.simulate(bench)
delivered = sc.measure.total_power(run)
in_cells = sc.measure.cell_power(run).sum(("row", "column"))

# %%

figure, axes = plt.subplots(figsize=(5.0, 3.2), layout="constrained")
axes.plot(delivered.time, delivered, color=COLORS[0], label="delivered by the drivers")
axes.fill_between(in_cells.time, 0, in_cells, color=COLORS[5], alpha=0.7, linewidth=0, label="taken by the cells")
axes.fill_between(
    in_cells.time, in_cells, delivered, color=COLORS[4], alpha=0.7, linewidth=0, label="taken by wires and sources"
)
label_axis(axes.xaxis, "time", "s")
label_axis(axes.yaxis, "power", "W")
axes.set(xlim=(0, 0.01), ylim=(0, None))
axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)

# %%

balance = sc.energy_balance(run)
numbers = {
    "error": balance.error,
    "share_of_wires": float(1 - sc.measure.average_power(in_cells) / sc.measure.average_power(delivered)),
}
print(balance, numbers)
