"""
Sneak paths
===========

One cell is read while all other lines float: current reaches its column through every path around it, too. The larger
the array, the less the sense node tells of the cell. For equal ohmic cells the sneak current has a closed form.
"""

import matplotlib.pyplot as plt
import numpy as np

import spicecim as sc
from spicecim.plotting import COLORS, STYLE, label_axis

plt.rcParams.update(STYLE)

# %%


def sensed(size, state):
    """Return the current (A) at the sense node for a cell in a state, all others in low resistance."""
    states = np.ones((size, size))
    states[0, 0] = state
    others = [f"1-{size - 1}"]
    bench = sc.Testbench(
        device={"model": "resistor", "parameters": {"Ron": "10k", "Roff": "1meg"}},
        crossbar={"state": states},
        drive={"kind": "sine", "amplitude": 0.3, "frequency": 1e3},
        rows={"floating": others},
        columns={"floating": others},
    )
    return float(sc.operating_point(bench, v_row=np.where(np.arange(size) == 0, 0.3, 0.0)).i_column[0])


sizes = np.array([2, 4, 8, 16, 32, 64])
low = np.array([sensed(size, 1.0) for size in sizes])
high = np.array([sensed(size, 0.0) for size in sizes])

# %%
# The way around: the row's other cells, the cells of neither line, the column's other cells, in series.

around = (1 / (sizes - 1) + 1 / (sizes - 1) ** 2 + 1 / (sizes - 1)) * 10e3
closed = {1.0: 0.3 / 10e3 + 0.3 / around, 0.0: 0.3 / 1e6 + 0.3 / around}

# %%

figure, axes = plt.subplots(figsize=(4.8, 3.2), layout="constrained")
for color, marker, current, state, label in (
    (COLORS[0], "o", low, 1.0, "cell of 10 k\N{GREEK CAPITAL LETTER OMEGA}"),
    (COLORS[1], "s", high, 0.0, "cell of 1 M\N{GREEK CAPITAL LETTER OMEGA}"),
):
    axes.loglog(sizes, current, marker, color=color, fillstyle="none", label=label)
    axes.plot(sizes, closed[state], color=color, linewidth=0.8)
label_axis(axes.yaxis, "current at the sense node", "A")
axes.set_xlabel("rows and columns")
axes.set_xticks(sizes, [str(size) for size in sizes])
axes.minorticks_off()
axes.legend(title="lines: closed form", loc="lower right")

# %%

numbers = {
    "largest_error": float(max(abs(low / closed[1.0] - 1).max(), abs(high / closed[0.0] - 1).max())),
    "ratio_of_states": low / high,
}
print(numbers)
