"""
Pinched loops against frequency and amplitude
=============================================

A memristor's current-voltage loop passes the origin at any drive. The loop narrows as the frequency rises, and opens
with the amplitude once it passes the thresholds of the device (Yakopcic's model, Oblea's device).
"""

import matplotlib.pyplot as plt

import spicecim as sc
from spicecim.plotting import COLORS, STYLE, label_axis, quantity_text

plt.rcParams.update(STYLE)

# %%
# One sweep over the frequency, one over the amplitude. The first cycle is shown.

device = {"model": "yakopcic", "preset": "oblea"}
by_frequency = sc.hysteresis(device, amplitude=0.45, frequency=[30, 100, 1e3], engine="reference")
by_amplitude = sc.hysteresis(device, amplitude=[0.15, 0.3, 0.45], frequency=100, engine="reference")

# %%
# The legend names what differs.

figure, (left, right) = plt.subplots(1, 2, figsize=(7.0, 3.2), layout="constrained", sharey=True)
for color, loop, frequency in zip(COLORS, by_frequency.loops, by_frequency.measures.frequency.values, strict=False):
    left.plot(loop.v_cell.squeeze(), loop.i_cell.squeeze(), color=color, label=quantity_text(frequency, "Hz"))
for color, loop, volts in zip(COLORS, by_amplitude.loops, by_amplitude.measures.amplitude.values, strict=False):
    right.plot(loop.v_cell.squeeze(), loop.i_cell.squeeze(), color=color, label=quantity_text(volts, "V"))
for axes, title in ((left, "450 mV"), (right, "100 Hz")):
    label_axis(axes.xaxis, "voltage", "V")
    label_axis(axes.yaxis, "current", "A")
    axes.set_title(title)
    axes.legend(loc="upper left")

# %%
# A loop that is not pinched would have a current at 0 V.

numbers = {
    "pinch_offset": float(max(by_frequency.measures.pinch_offset.max(), by_amplitude.measures.pinch_offset.max())),
    "lobe_area": by_frequency.measures.lobe_area.values,
    "lobe_area_by_amplitude": by_amplitude.measures.lobe_area.values.ravel(),
}
print(numbers)
