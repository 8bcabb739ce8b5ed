"""
Read noise of a cell
====================

A cell read for a millisecond at 100 mV: thermal noise of its conductance, with and without random telegraph noise
(RTN) that switches its current by 5 %. The histogram shows the two levels between which a read cannot tell states.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.constants import k

import spicecim as sc
from spicecim.plotting import COLORS, STYLE, label_axis

plt.rcParams.update(STYLE)

# %%
# An ohmic cell of 1 Mohm, and 10 MHz of bandwidth.

bench = sc.Testbench(
    device={"model": "resistor", "parameters": {"Ron": "1meg", "Roff": "2meg"}},
    crossbar={"state": [[1.0]]},
    drive={"kind": "pulse", "low": 0.1, "high": 0.1, "width": "1ms", "period": "2ms", "rise": "1us", "fall": "1us"},
    analysis={"duration": "1ms", "points_per_period": 100},
)
thermal = sc.read_noise(bench, seed=1, bandwidth="10MHz", temperature=300)
telegraph = sc.read_noise(bench, seed=1, bandwidth="10MHz", temperature=300, telegraph="5 %", high="80us", low="40us")
time = np.linspace(0, 1e-3, 20001)
quiet, noisy = (sc.simulate(each, engine="reference", time=time).i_column.squeeze() for each in (thermal, telegraph))

# %%

figure, (left, right) = plt.subplots(1, 2, figsize=(7.0, 3.0), layout="constrained", sharey=True, width_ratios=[2.4, 1])
for color, run, label in ((COLORS[1], noisy, "with RTN"), (COLORS[0], quiet, "thermal noise alone")):
    left.plot(time[::10], run[::10], color=color, linewidth=0.5, label=label)
    right.hist(run, bins=80, orientation="horizontal", histtype="stepfilled", alpha=0.6, color=color, density=True)
label_axis(left.xaxis, "time", "s")
label_axis(left.yaxis, "current", "A")
left.set_xlim(0, 1e-3)
left.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
right.set(xticks=[], xlabel="probability density")

# %%
# The standard deviation beside Nyquist's, sqrt(4 k T B G), and the share of the time in the upper level.

numbers = {
    "measured": float(quiet.std()),
    "nyquist": float(np.sqrt(4 * k * 300 * 10e6 * 1e-6)),
    "upper_share": float((noisy > 1.025e-7).mean()),
    "levels": [float(noisy[noisy < 1.025e-7].mean()), float(noisy[noisy > 1.025e-7].mean())],
}
print(numbers)
