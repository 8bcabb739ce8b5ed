"""
Write-verify to sixteen levels
==============================

Every cell of an 8 x 8 array gets one of sixteen conductances by pulses and reads in turn, half-selected cells and all.
Left, what is left of the error, with the tolerance; right, how many pulses that took.
"""

import matplotlib.pyplot as plt
import numpy as np

import spicecim as sc
from spicecim.plotting import COLORS, STYLE, label_axis

plt.rcParams.update(STYLE)

# %%

size = 8
bench = sc.Testbench(
    device={"model": "yakopcic", "preset": "oblea"},
    crossbar={"state": np.full((size, size), 0.2)},
    drive={"kind": "sine", "amplitude": "300mV", "frequency": 100},
    analysis={"points_per_period": 16},
)
levels = np.random.default_rng(4).permutation(np.repeat(np.linspace(0.1, 0.9, 16), 4)).reshape(size, size)
result = sc.program(bench, levels, quantity="x", scheme="v/2", tolerance=0.01)

# %%

figure, (left, right) = plt.subplots(1, 2, figsize=(7.0, 3.2), layout="constrained", width_ratios=[1.3, 1])
left.plot(result.target.values.ravel(), 100 * result.error.values.ravel(), ".", color=COLORS[0], markersize=5)
for edge in (-1, 1):
    left.axhline(edge, color="#444444", linestyle="--", linewidth=1.0)
label_axis(left.xaxis, "target conductance", "S")
left.set(ylabel="error left (% of the range)", ylim=(-1.3, 1.3))
right.hist(result.pulses.values.ravel(), bins=np.arange(-0.5, result.pulses.max() + 1.5), color=COLORS[0], rwidth=0.85)
right.set_axisbelow(True)
right.set(xlabel="pulses per cell", ylabel="cells")

# %%

numbers = {
    "converged": bool(result.converged.all()),
    "largest_error": float(abs(result.error).max()),
    "mean_pulses": float(result.pulses.mean()),
    "largest_disturb": float(abs(result.disturb).max()),
}
print(numbers)
