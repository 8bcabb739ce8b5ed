"""
IR drop map
===========

All 64 rows of a crossbar are driven with 200 mV, and the wires take part of it: the cell in the far corner, behind 64
segments of row wire and 64 of column wire, sees least. The operating point is exact, and takes a fraction of a second.
"""

import matplotlib.pyplot as plt
import numpy as np

import spicecim as sc
from spicecim.plotting import STYLE

plt.rcParams.update(STYLE)

# %%
# 64 x 64 ohmic cells of 10 kohm, 2 ohm per segment.

size = 64
bench = sc.Testbench(
    device={"model": "resistor", "parameters": {"Ron": "10k", "Roff": "1meg"}},
    crossbar={"state": np.ones((size, size)), "wire_row": 2, "wire_column": 2},
    drive={"kind": "sine", "amplitude": 0.2, "frequency": 1e3},
)
found = sc.operating_point(bench, v_row=np.full(size, 0.2))

# %%

figure, axes = plt.subplots(figsize=(4.6, 3.8), layout="constrained")
image = axes.imshow(1e3 * found.v_cell, cmap="viridis")
axes.grid(False)
axes.set(xlabel="column", ylabel="row", title="drivers to the left, sense nodes below")
figure.colorbar(image, ax=axes, label="voltage across the cell (mV)")
worst = np.unravel_index(np.argmin(found.v_cell.values), (size, size))

# %%
# Charge is conserved: what the drivers give arrives at the sense nodes.

numbers = {
    "worst_cell": (int(worst[0]), int(worst[1])),
    "worst_voltage": float(found.v_cell.min()),
    "currents": (float(found.i_row.sum()), float(found.i_column.sum())),
    "v_cell": found.v_cell.values,
}
print({name: value for name, value in numbers.items() if name != "v_cell"})
