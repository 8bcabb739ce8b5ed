"""
Switching time against voltage
==============================

How long a pulse must be to switch a device falls steeply with its voltage, which is what lets a device be read without
moving it. Two of the three models have closed forms: below their windows, a constant voltage moves their state at a
constant speed.
"""

import matplotlib.pyplot as plt
import numpy as np

import spicecim as sc
from spicecim.plotting import COLORS, STYLE, label_axis

plt.rcParams.update(STYLE)

# %%
# A cell is held at a constant voltage. It has switched when x has gone from 0.1 to 0.3.


def switching_time(model, preset, voltage, guess):
    """Return the time (s) from x = 0.1 to 0.3, which is looked for within three decades around a guess."""
    times = guess * np.geomspace(0.03, 30, 400)
    run = sc.retention({"model": model, "preset": preset}, times, x0=[[0.1]], voltage=voltage)
    return float(np.interp(0.3, run.x.squeeze(), times))


vteam, yakopcic = sc.make_device("vteam", "kvatinsky"), sc.make_device("yakopcic", "oblea")
volts = {
    "vteam": np.array([0.22, 0.25, 0.3, 0.4, 0.6, 1.0]),
    "yakopcic": np.array([0.17, 0.2, 0.25, 0.35, 0.5, 0.8]),
    "stanford_pku": np.linspace(0.5, 0.9, 5),
}
closed = {
    "vteam": lambda v: 0.2 * vteam.D / -vteam.kon / (v / -vteam.von - 1) ** vteam.alpha_on,
    "yakopcic": lambda v: 0.2 / (yakopcic.Ap * (np.exp(v) - np.exp(yakopcic.Vp))),
}
found = {
    # VTEAM is set by a negative voltage
    "vteam": [switching_time("vteam", "kvatinsky", -v, closed["vteam"](v)) for v in volts["vteam"]],
    "yakopcic": [switching_time("yakopcic", "oblea", v, closed["yakopcic"](v)) for v in volts["yakopcic"]],
    "stanford_pku": [],
}
for v in volts["stanford_pku"]:
    times = np.geomspace(1e-12, 1e3, 1500)
    run = sc.retention({"model": "stanford_pku", "preset": "ihp"}, times, x0=[[0.1]], voltage=v)
    found["stanford_pku"].append(float(np.interp(0.3, run.x.squeeze(), times)))

# %%

figure, axes = plt.subplots(figsize=(4.8, 3.2), layout="constrained")
for color, marker, (name, times) in zip(COLORS, "os^", found.items(), strict=False):
    axes.semilogy(volts[name], times, marker, color=color, fillstyle="none", label=name)
    if name in closed:
        fine = np.linspace(volts[name][0], volts[name][-1], 200)
        axes.plot(fine, closed[name](fine), color=color, linewidth=0.8)
label_axis(axes.xaxis, "voltage towards low resistance", "V")
label_axis(axes.yaxis, "switching time", "s")
axes.set_ylim(top=10)
axes.grid(which="minor", visible=False)
axes.legend(title="lines: closed form", loc="upper right")

# %%

numbers = {name: np.array(found[name]) / form(volts[name]) - 1 for name, form in closed.items()}
numbers["stanford_pku"] = np.array(found["stanford_pku"])
print(numbers)
