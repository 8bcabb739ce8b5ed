"""
Monte Carlo: spread and yield
=============================

Two hundred arrays are drawn whose cells' conductances scatter. Each column's current is off by less than the scatter of
a cell, since the cells' deviations average; the yield is the share of the arrays all of whose columns are within 2 %.
"""

import matplotlib.pyplot as plt
import numpy as np

import spicecim as sc
from spicecim.plotting import COLORS, STYLE

plt.rcParams.update(STYLE)

# %%
# 32 x 8 equal cells that keep their state at 100 mV. The scatter is log-normal, drawn with a seed for each array.

rows, columns, arrays = 32, 8, 200
bench = sc.Testbench(
    device={"model": "resistor", "parameters": {"Ron": "10k", "Roff": "1meg"}},
    crossbar={"state": np.ones((rows, columns))},
    drive={"kind": "sine", "amplitude": 0.1, "frequency": 1e3},
)
inputs = np.full(rows, 0.1)
equal = sc.operating_point(bench, inputs).i_column.values


def drawn(scatter, seed):
    """Return the columns' currents (A) of one drawn array."""
    return sc.operating_point(sc.vary(bench, {"Ron": sc.lognormal(scatter)}, seed=seed), inputs).i_column.values


errors = {
    scatter: np.array([drawn(scatter, seed) / equal - 1 for seed in range(arrays)]) for scatter in (0.02, 0.04, 0.06)
}

# %%
# Distribution of the worst column of each array; where it passes 2 %, the yield is read off.

figure, axes = plt.subplots(figsize=(4.8, 3.2), layout="constrained")
numbers = {"spread": {}, "yield": {}}
for color, (scatter, error) in zip(COLORS, errors.items(), strict=False):
    worst = np.sort(abs(error).max(axis=1))
    numbers["spread"][scatter] = float(error.std())
    numbers["yield"][scatter] = float((worst < 0.02).mean())
    label = f"scatter {100 * scatter:g} %: yield {100 * numbers['yield'][scatter]:.0f} %"
    axes.step(100 * worst, 100 * np.arange(1, arrays + 1) / arrays, color=color, label=label)
axes.axvline(2.0, color="#444444", linestyle="--", linewidth=1.0)
axes.set(xlabel="error of the worst column (%)", ylabel="share of the arrays (%)", xlim=(0, 5), ylim=(0, 100))
axes.legend(loc="lower right")

# %%
# Independent cells: the spread of a column is that of a cell over the root of the rows.

print(numbers)
