"""
Potentiation and depression
===========================

Fifty SET pulses and fifty RESET pulses, all alike, move the conductance along a curve that bends: the window of the
model slows the state near its bounds. Pulses that grow in voltage make it straighter.
"""

import matplotlib.pyplot as plt
import numpy as np

import spicecim as sc
from spicecim.plotting import COLORS, STYLE, label_axis

plt.rcParams.update(STYLE)

# %%

Pulses = sc.operations.Pulses
device = {"model": "yakopcic", "preset": "oblea"}
alike = sc.potentiation(
    device,
    set_pulses=Pulses(voltage=0.3, width="20us"),
    reset_pulses=Pulses(voltage=0.3, width="20us"),
    pulses=50,
    read_voltage=0.1,
)
growing = sc.potentiation(
    device,
    set_pulses=Pulses(voltage=0.25, width="20us", voltage_step=0.002, levels=50),
    reset_pulses=Pulses(voltage=0.2, width="20us", voltage_step=0.008, levels=50),
    pulses=50,
    read_voltage=0.1,
)

# %%

figure, axes = plt.subplots(figsize=(4.8, 3.2), layout="constrained")
for color, run, label in ((COLORS[0], alike, "all alike"), (COLORS[1], growing, "growing voltage")):
    axes.plot(run.pulse, run.conductance, ".-", color=color, markersize=4, linewidth=0.7, label=label)
axes.axvline(50.5, color="#444444", linestyle=":", linewidth=1.0)
label_axis(axes.yaxis, "conductance", "S")
axes.set_xlabel("pulse (SET to 50, then RESET)")
axes.legend(loc="upper left")


# %%
# Nonlinearity of potentiation: the largest distance from a straight line, relative to the range.


def nonlinearity(run):
    """Return the largest distance from the chord of the first fifty pulses, relative to its height."""
    g = run.conductance.values[:51]
    return float(np.abs((g - g[0]) / (g[-1] - g[0]) - np.linspace(0, 1, 51)).max())


numbers = {
    "alike": nonlinearity(alike),
    "growing": nonlinearity(growing),
    "x": alike.x.values,
    "conductance": alike.conductance.values,
}
print(numbers["alike"], numbers["growing"])
