"""
Weights held in a frequency
===========================

The conductance that a cycle measures depends on its frequency: between two plateaus, where the state either crosses its
whole range or hardly moves, lies a band whose frequencies stand for weights (AICAS 2019). Dots are 16 levels, evenly
spaced in conductance.
"""

import matplotlib.pyplot as plt
import numpy as np

import spicecim as sc
from spicecim.plotting import COLORS, STYLE, label_axis

plt.rcParams.update(STYLE)

# %%
# Oblea's device at 450 mV, from high resistance: the first half cycle drives x up, the second brings it back.

frequency = np.geomspace(3, 30e3, 33)
sweep = sc.hysteresis("yakopcic", preset="oblea", x0=0.05, amplitude=0.45, frequency=frequency, engine="reference")
conductance = sweep.measures.effective_conductance.values

# %%
# The monotone band, and its levels.

start = int(np.argmax(conductance))
levels = np.linspace(conductance[-1], conductance[start], 18)[1:-1]
chosen = np.exp(np.interp(levels, conductance[start:][::-1], np.log(frequency[start:])[::-1]))

figure, axes = plt.subplots(figsize=(4.8, 3.2), layout="constrained")
axes.semilogx(frequency, conductance, color=COLORS[0])
axes.plot(chosen, levels, "o", color=COLORS[1], markersize=4)
label_axis(axes.xaxis, "frequency", "Hz")
label_axis(axes.yaxis, "effective conductance", "S")

# %%

numbers = {"conductance": conductance, "frequency": frequency}
print(conductance)
