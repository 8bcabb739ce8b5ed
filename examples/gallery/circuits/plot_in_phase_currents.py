"""
In-phase currents of sinusoids
==============================

Rows at different frequencies share a column, and a demodulator tells their currents apart. Devices whose state does not
move at these frequencies give one line per row; harmonics of a device that does move would fall between them.
"""

import matplotlib.pyplot as plt
import numpy as np

import spicecim as sc
from spicecim.plotting import COLORS, STYLE, label_axis

plt.rcParams.update(STYLE)

# %%
# Below its thresholds Oblea's device keeps its state; sinh(b v) conducts, nearly in proportion to the voltage.

states = np.array([[0.2], [0.9], [0.5], [0.7]])
tones = [1.0e3, 1.1e3, 1.3e3, 1.6e3]


def run(amplitude):
    """Return waveforms over 10 ms, a whole number of cycles of every row."""
    bench = sc.Testbench(
        device={"model": "yakopcic", "preset": "oblea"},
        crossbar={"state": states},
        drive={"kind": "sine", "amplitude": amplitude, "frequency": tones},
        analysis={"duration": "10ms", "probe": "cells"},
    )
    return sc.simulate(bench, engine="reference", time=np.linspace(0, 10e-3, 4001))


quiet, moving = run(0.12), run(0.45)

# %%
# The spectrum of the column's current, relative to the amplitude of the drive.

figure, axes = plt.subplots(figsize=(5.4, 3.2), layout="constrained")
for result, amplitude, color, marker, label in (
    (moving, 0.45, COLORS[1], "x", "450 mV: the states move"),
    (quiet, 0.12, COLORS[0], "o", "120 mV: they rest"),
):
    current = result.i_column.squeeze().values[:-1]
    lines = 2 * np.abs(np.fft.rfft(current)) / current.size / amplitude
    frequency = np.fft.rfftfreq(current.size, 10e-3 / current.size)
    shown = (lines > 3e-6) & (frequency > 0) & (frequency < 5e3)
    axes.vlines(frequency[shown], 3e-6, lines[shown], color=color, linewidth=1.0)
    axes.semilogy(frequency[shown], lines[shown], marker, color=color, fillstyle="none", markersize=4, label=label)
label_axis(axes.xaxis, "frequency", "Hz")
axes.set(ylabel="amplitude over that of the drive (S)", ylim=(3e-6, 0.1))
axes.legend(loc="upper right")

# %%
# In phase with each row's tone: the cells' conductances.

found = sc.measure.in_phase_current(quiet).squeeze().values / 0.12
numbers = {"conductance": found, "expected": 0.17 * 0.05 * states.ravel()}
print(numbers)
