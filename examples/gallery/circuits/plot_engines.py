"""
Two engines, one crossbar
=========================

The same testbench in ngspice, with every device and wire in the netlist, and in the numpy reference engine, at the same
instants. The difference is given in parts per million of the column's peak.
"""

import matplotlib.pyplot as plt
import numpy as np

import spicecim as sc
from spicecim.plotting import COLORS, STYLE, label_axis

plt.rcParams.update(STYLE)

# %%

bench = sc.Testbench(
    device={"model": "yakopcic", "preset": "oblea"},
    crossbar={"state": np.random.default_rng(1).uniform(0, 1, (4, 2)), "wire_row": 2, "wire_column": 2},
    drive={"kind": "sine", "amplitude": 0.45, "frequency": [100, 200, 300, 400]},
)
spice = sc.simulate(bench)
fast = sc.simulate(bench, engine="reference", time=spice.time.values)
compared = sc.compare(fast, spice)

# %%

figure, (upper, lower) = plt.subplots(2, 1, figsize=(5.2, 4.2), layout="constrained", sharex=True, height_ratios=[2, 1])
for column, color in ((0, COLORS[0]), (1, COLORS[1])):
    current, other = spice.i_column.isel(column=column), fast.i_column.isel(column=column)
    upper.plot(spice.time, current, color=color, linewidth=3, alpha=0.35, label=f"column {column}, ngspice")
    upper.plot(spice.time, other, color=color, linewidth=1, label=f"column {column}, reference")
    lower.plot(spice.time, 1e6 * (other - current) / abs(current).max(), color=color, linewidth=0.8)
label_axis(upper.yaxis, "current", "A")
label_axis(lower.xaxis, "time", "s")
lower.set(ylabel="difference (ppm)", xlim=(0, 0.01))
upper.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)

# %%

numbers = {"max_error": float(np.max(compared.max_error)), "stated": float(spice.attrs["current_error"])}
print(numbers)
