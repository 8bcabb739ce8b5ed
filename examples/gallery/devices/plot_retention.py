"""
Retention against temperature
=============================

A metastable switch relaxes at 0 V towards the state in which as many of its switches set as reset per second. Heat
speeds that up: both rates follow Fermi functions of the thresholds over the thermal voltage.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.constants import e, k

import spicecim as sc
from spicecim.plotting import COLORS, STYLE, label_axis

plt.rcParams.update(STYLE)

# %%
# States over twelve decades of time: no fixed steps are taken.

device = sc.make_device("metastable_switch", "knowm")
times = np.geomspace(1e-6, 1e6, 61)
temperatures = [-40, 27, 85, 125]
kept = {
    celsius: sc.retention({"model": "metastable_switch"}, times, x0=[[0.9]], temperature=f"{celsius} °C")
    for celsius in temperatures
}

# %%
# Closed form: the switches set and reset at constant rates, so that x is an exponential of time.


def closed_form(celsius):
    """Return x over time."""
    thermal = k * (celsius + 273.15) / e
    up = 1 / (1 + np.exp(device.Von / thermal)) / device.tau
    down = (1 - 1 / (1 + np.exp(-device.Voff / thermal))) / device.tau
    rest = up / (up + down)
    return rest + (0.9 - rest) * np.exp(-(up + down) * times)


# %%

figure, axes = plt.subplots(figsize=(4.8, 3.2), layout="constrained")
for color, (celsius, run) in zip(COLORS, kept.items(), strict=False):
    axes.semilogx(times, run.x.squeeze(), color=color, label=f"{celsius} °C".replace("-", "\N{MINUS SIGN}"))
    axes.plot(times[::3], closed_form(celsius)[::3], ".", color=color, markersize=4)
label_axis(axes.xaxis, "time", "s")
axes.set(ylabel="state x", ylim=(0, 1))
axes.legend(title="dots: closed form", loc="lower left")

# %%

numbers = {
    "largest_error": max(float(abs(run.x.squeeze() - closed_form(t)).max()) for t, run in kept.items()),
    "seconds_to_1_over_e": [
        float(np.exp(np.interp(-(0.5 + 0.4 / np.e), -run.x.squeeze().values[:45], np.log(times[:45]))))
        for run in kept.values()
    ],
}
print(numbers)
