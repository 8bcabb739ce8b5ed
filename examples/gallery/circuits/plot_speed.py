"""
Speed against size
==================

The time of one period of a crossbar with ideal wires, in ngspice and in the reference engine, whose tables follow all
cells at once. Times are of the machine that made this figure; the currents agree at every size.
"""

import time

import matplotlib.pyplot as plt
import numpy as np

import spicecim as sc
from spicecim.plotting import COLORS, STYLE, label_axis

plt.rcParams.update(STYLE)

# %%
# The shortest of three runs each, at the same 200 instants and more that ngspice chose.

sizes = np.array([2, 4, 8, 16, 32])
times = {"ngspice": [], "reference": []}
errors = []
for size in sizes:
    bench = sc.Testbench(
        device={"model": "yakopcic", "preset": "oblea"},
        crossbar={"state": np.random.default_rng(size).uniform(0, 1, (size, size))},
        drive={"kind": "sine", "amplitude": 0.45, "frequency": 100},
    )
    spice = None
    for engine in times:
        taken = []
        for _ in range(3):
            start = time.perf_counter()
            instants = spice.time.values if engine == "reference" else None
            run = sc.simulate(bench, engine=engine, time=instants, estimate=False)
            taken.append(time.perf_counter() - start)
        times[engine].append(min(taken))
        if engine == "ngspice":
            spice = run
    errors.append(float(np.max(sc.compare(run, spice).max_error)))

# %%

figure, axes = plt.subplots(figsize=(4.6, 3.2), layout="constrained")
for (engine, taken), color, marker in zip(times.items(), COLORS, "os", strict=False):
    axes.loglog(sizes**2, taken, marker + "-", color=color, fillstyle="none", label=engine)
label_axis(axes.yaxis, "time of the call", "s")
axes.set_xlabel("cells")
axes.set_xticks(sizes**2, [str(size) for size in sizes**2])
axes.minorticks_off()
axes.legend(loc="upper left")

# %%

numbers = {"errors": errors, "times": times}
print(numbers)
