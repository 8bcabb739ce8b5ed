"""
Disturb of V/2 and V/3
======================

Four cells are set, one after the other. Under the V/2 scheme the cells on the same lines see half of the voltage, which
is above the threshold of this device and moves them; under V/3 every cell sees a third, which is not.
"""

import matplotlib.pyplot as plt
import numpy as np

import spicecim as sc
from spicecim.plotting import STYLE

plt.rcParams.update(STYLE)

# %%
# Pulses of 400 mV for 100 us: thresholds are 160 mV and 150 mV.

size = 8
bench = sc.Testbench(
    device={"model": "yakopcic", "preset": "oblea"},
    crossbar={"state": np.full((size, size), 0.2)},
    drive={"kind": "sine", "amplitude": 0.4, "frequency": 100},
)
cells = [(1, 1), (2, 4), (4, 6), (6, 2)]
disturb = {}
for scheme in ("v/2", "v/3"):
    writes = [sc.Operation(kind="set", cells=cell, voltage=0.4, width="100us", scheme=scheme) for cell in cells]
    disturb[scheme] = sc.run_sequence(bench, writes).disturb.values

# %%

largest = max(abs(each).max() for each in disturb.values())
figure, grid = plt.subplots(1, 2, figsize=(7.0, 3.3), layout="constrained", sharey=True)
for axes, (scheme, change) in zip(grid, disturb.items(), strict=True):
    image = axes.imshow(change, vmin=0, vmax=largest, cmap="viridis")
    axes.plot(*np.array(cells).T[::-1], "x", color="white")
    axes.set(title=f"{scheme.upper()}, largest {abs(change).max():.2g}", xlabel="column", ylabel="row")
    axes.grid(False)
figure.colorbar(image, ax=grid, label="change of x while not selected")

# %%
# A pulse that a cell sees at half of the voltage moves x by 4000 (exp(0.2) - exp(0.16)) times its length.

numbers = {"disturb": disturb}
print(disturb["v/2"].round(4))
