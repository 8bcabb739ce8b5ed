"""
A selector in series (1S1R)
===========================

A selector conducts little at half of the voltage, so that half-selected cells leak less. The currents of one cell with
and without it, in both states; the gap between full and half voltage is the nonlinearity that bounds an array's size.
"""

import matplotlib.pyplot as plt
import numpy as np

import spicecim as sc
from spicecim.plotting import COLORS, STYLE, label_axis

plt.rcParams.update(STYLE)

# %%
# Operating points of a single cell at many voltages.

volts = np.linspace(0.01, 1.2, 120)
parameters = {"Ron": "10k", "Roff": "1meg"}


def currents(model, state):
    """Return the current (A) of one cell at every voltage."""
    bench = sc.Testbench(
        device={"model": model, "parameters": parameters},
        crossbar={"state": [[state]]},
        drive={"kind": "sine", "amplitude": 1.2, "frequency": 1e3},
    )
    return sc.operating_point(bench, volts[:, None]).i_column.values[:, 0]


found = {
    ("resistor", 1.0): (COLORS[0], "--", "1R, low resistance"),
    ("resistor", 0.0): (COLORS[1], "--", "1R, high resistance"),
    ("resistor_with_exponential", 1.0): (COLORS[0], "-", "1S1R, low resistance"),
    ("resistor_with_exponential", 0.0): (COLORS[1], "-", "1S1R, high resistance"),
}

# %%

figure, axes = plt.subplots(figsize=(4.8, 3.4), layout="constrained")
numbers = {}
for (model, state), (color, line, label) in found.items():
    current = currents(model, state)
    axes.semilogy(volts, current, color=color, linestyle=line, label=label)
    numbers[model, state] = float(np.interp(0.8, volts, current) / np.interp(0.4, volts, current))
label_axis(axes.xaxis, "voltage", "V")
label_axis(axes.yaxis, "current", "A")
for volt, name in ((0.4, "V/2"), (0.8, "V")):
    axes.axvline(volt, color="#444444", linestyle=":", linewidth=1.0)
    axes.text(volt + 0.01, 1e-12, name, color="#444444")
axes.grid(which="minor", visible=False)
axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)

# %%
# How many times the current at half of the voltage flows at all of it.

print(numbers)
