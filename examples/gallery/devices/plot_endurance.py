"""
Endurance: the window over cycles
=================================

The models of the library do not wear out. What changes over cycles is what unequal pulses leave behind: a SET pulse
that does more than the RESET pulse takes back walks both states upwards, until they come to rest.
"""

import matplotlib.pyplot as plt

import spicecim as sc
from spicecim.plotting import COLORS, STYLE, label_axis

plt.rcParams.update(STYLE)

# %%

Pulses = sc.operations.Pulses
device = {"model": "yakopcic", "preset": "oblea"}
run = sc.endurance(
    device,
    set_pulse=Pulses(voltage=0.3, width="500us"),
    reset_pulse=Pulses(voltage=0.25, width="500us"),
    cycles=100,
    read_voltage=0.1,
    x0=0.05,
)

# %%

figure, axes = plt.subplots(figsize=(4.8, 3.2), layout="constrained")
axes.loglog(run.cycle, run.high, "s", color=COLORS[1], fillstyle="none", markersize=4, label="after RESET (HRS)")
axes.plot(run.cycle, run.low, "o", color=COLORS[0], fillstyle="none", markersize=4, label="after SET (LRS)")
axes.set_yscale("log")
label_axis(axes.yaxis, "resistance", "\N{GREEK CAPITAL LETTER OMEGA}")
label_axis(axes.xaxis, "cycle", "")
axes.grid(which="minor", visible=False)
axes.legend(loc="upper right")

# %%
# What SET adds and RESET takes of x, in the first cycle and when both have come to rest.

numbers = {
    "first_set": float(run.x_low[0]) - 0.05,
    "first_reset": float(run.x_low[0] - run.x_high[0]),
    "last_set": float(run.x_low[-1] - run.x_high[-2]),
    "last_reset": float(run.x_low[-1] - run.x_high[-1]),
}
print(numbers)
