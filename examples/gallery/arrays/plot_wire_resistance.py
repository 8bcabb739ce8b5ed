"""
Wire resistance against error
=============================

How much of the current the wires cost, against the resistance of a segment. The mean loss is proportional to the
resistance while it is small, and to the square of the number of lines.
"""

import matplotlib.pyplot as plt
import numpy as np

import spicecim as sc
from spicecim.plotting import COLORS, STYLE, label_axis

plt.rcParams.update(STYLE)

# %%
# Random weights of 10 kohm to 1 Mohm, all rows driven.

ohms = np.geomspace(0.01, 10, 10)
sizes = (16, 32, 64)


def lost(size, ohm):
    """Return the mean share of the columns' currents that the wires take."""
    bench = sc.Testbench(
        device={"model": "resistor", "parameters": {"Ron": "10k", "Roff": "1meg"}},
        crossbar={
            "state": np.random.default_rng(size).uniform(0, 1, (size, size)), "wire_row": ohm, "wire_column": ohm
        },
        drive={"kind": "sine", "amplitude": 0.1, "frequency": 1e3},
    )  # fmt: skip
    ideal = bench.model_copy(update={"crossbar": sc.Crossbar(state=bench.crossbar.state)})
    inputs = np.full(size, 0.1)
    currents = [sc.operating_point(each, inputs, cells=False).i_column for each in (bench, ideal)]
    return float(1 - (currents[0] / currents[1]).mean())


loss = {size: np.array([lost(size, ohm) for ohm in ohms]) for size in sizes}

# %%

figure, axes = plt.subplots(figsize=(4.8, 3.2), layout="constrained")
for color, marker, (size, values) in zip(COLORS, "os^", loss.items(), strict=False):
    axes.loglog(ohms, 100 * values, marker + "-", color=color, fillstyle="none", label=f"{size} x {size}")
label_axis(axes.xaxis, "resistance of a segment", "\N{GREEK CAPITAL LETTER OMEGA}")
axes.set_ylabel("mean loss of current (%)")
axes.set_yticks([0.001, 0.01, 0.1, 1, 10, 100], ["0.001", "0.01", "0.1", "1", "10", "100"])
axes.grid(which="minor", visible=False)
axes.legend(loc="lower right")

# %%

numbers = {
    "slope": [float(np.log(values[1] / values[0]) / np.log(ohms[1] / ohms[0])) for values in loss.values()],
    "by_size": [float(loss[32][0] / loss[16][0]), float(loss[64][0] / loss[32][0])],
}
print(numbers)
