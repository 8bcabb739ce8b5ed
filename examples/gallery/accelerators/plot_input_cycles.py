"""
Effective input cycles
======================

Inputs come bit by bit, and the leading zero bits that all rows of a fragment share need no cycle. The fewer rows a
fragment has, the more zeros they share: that is what zero skipping gains.
"""

import matplotlib.pyplot as plt
import numpy as np

from spicecim.encodings.bit_sliced import input_cycles
from spicecim.plotting import COLORS, STYLE

plt.rcParams.update(STYLE)

# %%
# Activations behind a rectifier: half are zero, the others exponential, in 16 bits.

random = np.random.default_rng(5)
size = (2000, 512)
mean = 2**10
activations = np.where(random.random(size) < 0.5, 0, random.exponential(mean, size)).astype(int)
inputs = np.minimum(activations, 2**16 - 1)
fragments = [1, 4, 8, 16, 32, 128]
found = input_cycles(inputs, fragments, 16)

# %%
# Closed form: a fragment needs at most c cycles if all of its inputs are below 2^c.

below = 0.5 + 0.5 * (1 - np.exp(-(2.0 ** np.arange(17)) / mean))
expected = np.array([sum(1 - below[:16] ** rows) for rows in fragments])

figure, (left, right) = plt.subplots(1, 2, figsize=(7.0, 3.0), layout="constrained")
for color, marker, rows in zip(COLORS, "os^v", (4, 8, 16, 128), strict=False):
    left.plot(found.cycles, 100 * found.share.sel(fragment=rows), marker + "-", color=color, markersize=4,
              linewidth=0.8, label=f"{rows} rows")  # fmt: skip
left.set(xlabel="input cycles needed", ylabel="share of the fragments (%)")
left.legend(loc="upper left")
right.plot(fragments, found.mean_cycles, "o", color=COLORS[0], label="counted")
right.plot(fragments, expected, "--", color="#444444", linewidth=1.0, label="closed form")
right.axhline(16, color=COLORS[1], linewidth=1.0, label="without zero skipping")
right.set_xscale("log", base=2)
right.set_xticks(fragments, [str(rows) for rows in fragments])
right.set(xlabel="rows of a fragment", ylabel="mean input cycles", ylim=(0, 17))
right.legend(loc="lower right")

# %%

numbers = {"mean": found.mean_cycles.values, "expected": expected, "speed_up": found.speed_up.values}
print(numbers)
