"""
Settling of a column
====================

Wires have capacitance, and a column's current settles only as they charge. The step responses of a column of 64
ohmic cells show how long to wait before an ADC samples: the longer, the farther the row is from the sense node.
"""

import matplotlib.pyplot as plt
import numpy as np

import spicecim as sc
from spicecim.plotting import COLORS, STYLE, label_axis, quantity_text

plt.rcParams.update(STYLE)

# %%
# One column of 64 cells, 5 ohm and 5 fF per segment. One row at a time steps to 100 mV.

rows = 64


def step(row):
    """Return the current of the column after a step of one row."""
    high = np.zeros(rows)
    high[row] = 0.1
    bench = sc.Testbench(
        device={"model": "resistor", "parameters": {"Ron": "10k", "Roff": "1meg"}},
        crossbar={"state": np.full((rows, 1), 0.5), "wire_column": 5, "wire_row": 5, "wire_capacitance": "5f"},
        drive={"kind": "pulse", "high": high, "delay": "10ps", "rise": "1ps", "fall": "1ps", "width": 1, "period": 2},
        analysis={"duration": "1ns"},
    )
    return sc.simulate(bench, engine="reference", time=np.linspace(0, 1e-9, 1001)).i_column.squeeze()


runs = {row: step(row) for row in (0, 31, 63)}

# %%

figure, axes = plt.subplots(figsize=(4.8, 3.2), layout="constrained")
settled = {}
for color, (row, current) in zip(COLORS, runs.items(), strict=False):
    off = abs(current / current[-1] - 1).values
    settled[row] = float(current.time[np.flatnonzero(off > 2**-9)[-1]]) - 10e-12
    axes.plot(current.time, current, color=color, label=f"row {row}: {quantity_text(settled[row], 's')}")
label_axis(axes.xaxis, "time", "s")
label_axis(axes.yaxis, "current at the sense node", "A")
axes.set_xlim(0, 0.4e-9)
axes.legend(title="settled to half an LSB of 8 bits", loc="lower right")

# %%
# What flows in the end is set by resistances alone.

numbers = {"settled": settled, "final": {row: float(run[-1]) for row, run in runs.items()}}
print(numbers)
