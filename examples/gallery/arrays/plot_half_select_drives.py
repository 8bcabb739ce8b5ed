"""
Half-select drives
==================

How a V/2 write looks on the lines: the selected row at half of the voltage, the selected column at minus half, all
others grounded. Below, the states of four cells: the selected one, one on each of its lines, and one on neither.
"""

import matplotlib.pyplot as plt
import numpy as np

import spicecim as sc
from spicecim.plotting import COLORS, STYLE, label_axis

plt.rcParams.update(STYLE)

# %%
# 1 ohm per segment; half of 400 mV is a little above the threshold of 160 mV.

pulse = {"kind": "pulse", "rise": "10us", "fall": "10us", "width": "0.2ms", "period": "0.4ms", "delay": "20us"}
bench = sc.Testbench(
    device={"model": "yakopcic", "preset": "oblea"},
    crossbar={"state": np.full((4, 4), 0.1), "wire_row": 1, "wire_column": 1},
    drive={**pulse, "high": [0, 0.2, 0, 0]},
    columns={"drive": {**pulse, "high": [0, 0, -0.2, 0]}},
    analysis={"probe": "cells", "duration": "0.3ms"},
)
run = sc.simulate(bench, engine="reference", time=np.linspace(0, 0.3e-3, 601))

# %%

figure, (upper, lower) = plt.subplots(2, 1, figsize=(5.0, 4.2), layout="constrained", sharex=True)
upper.plot(run.time, run.v_row.isel(row=1), color=COLORS[0], label="row 1")
upper.plot(run.time, run.v_column.isel(column=2), color=COLORS[1], label="column 2")
upper.plot(run.time, run.v_row.isel(row=0), color="#444444", linestyle="--", label="other lines")
cells = {"selected": (1, 2), "same row": (1, 0), "same column": (3, 2), "neither": (3, 0)}
for (label, (row, column)), color, line in zip(cells.items(), COLORS, ("-", "--", ":", "-."), strict=False):
    lower.plot(run.time, run.x.isel(row=row, column=column), color=color, linestyle=line, label=label)
label_axis(upper.yaxis, "voltage", "V")
label_axis(lower.xaxis, "time", "s")
lower.set(ylabel="state x", xlim=(0, 0.3e-3))
upper.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
lower.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, columnspacing=1.2)

# %%

moved = run.x.isel(time=-1) - run.x.isel(time=0)
numbers = {label: float(moved[cell]) for label, cell in cells.items()}
print(numbers)
