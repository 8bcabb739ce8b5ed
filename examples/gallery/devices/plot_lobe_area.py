"""
Lobe area against frequency
===========================

The area of a loop's lobes has a maximum at the frequency at which the state just crosses its range. Above it the state
moves in proportion to the flux, which falls as 1/f, and so does the area: the log-log slope goes to -1.
"""

import matplotlib.pyplot as plt
import numpy as np

import spicecim as sc
from spicecim.plotting import COLORS, STYLE, label_axis

plt.rcParams.update(STYLE)

# %%
# HP's device with the window of Joglekar and Wolf, from 50 mHz to 50 Hz, at three amplitudes.

frequency = np.geomspace(0.05, 50, 16)
sweep = sc.hysteresis(
    "linear_drift", preset="joglekar", amplitude=[0.7, 1.0, 1.4], frequency=frequency, x0=0.3, engine="reference"
)

# %%

area = sweep.measures.lobe_area
figure, axes = plt.subplots(figsize=(4.6, 3.4), layout="constrained")
for color, marker, volts in zip(COLORS, "os^", area.amplitude.values, strict=False):
    axes.loglog(frequency, area.sel(amplitude=volts), marker, color=color, fillstyle="none", label=f"{volts:g} V")
guide = float(area.values[1, -1]) * frequency[-1] / frequency[-6:]
axes.plot(frequency[-6:], 0.12 * guide, color="#444444", linestyle="--", linewidth=1.0)
axes.text(frequency[-6], 0.04 * guide[-6], "1/f", color="#444444")
label_axis(axes.xaxis, "frequency", "Hz")
label_axis(axes.yaxis, "lobe area", "VA")
axes.grid(which="minor", visible=False)
axes.legend(title="amplitude", loc="upper right")

# %%
# The slope over the last four points, and the frequency of each amplitude's peak.

tail = np.polyfit(np.log(frequency[-4:]), np.log(area.values[:, -4:]).T, 1)[0]
numbers = {"slope": tail, "peak_frequency": sweep.measures.peak_frequency.values}
print(numbers)
