"""
Error of ngspice against what is asked for
==========================================

``analysis.accuracy`` is the largest error that a run is asked for. Tightening it bounds the steps of ngspice, and the
true error, here beside the reference engine at a tolerance of 1e-11, falls with it. Every run states its error.
"""

import matplotlib.pyplot as plt
import numpy as np

import spicecim as sc
from spicecim.plotting import COLORS, STYLE

plt.rcParams.update(STYLE)

# %%
# Two devices that switch within their cycle, in ngspice at four accuracies.

asked = np.array([1e-2, 1e-3, 1e-4, 1e-5])
stated, true, instants = [], [], []
for accuracy in asked:
    bench = sc.Testbench(
        device={"model": "yakopcic", "preset": "oblea"},
        crossbar={"state": [[0.2, 0.8]]},
        drive={"kind": "sine", "amplitude": 0.45, "frequency": 100},
        analysis={"accuracy": accuracy, "points_per_period": 20},
    )
    spice = sc.simulate(bench)
    truth = sc.simulate(bench, engine="reference", time=spice.time.values, tolerance=1e-11)
    stated.append(spice.attrs["current_error"])
    true.append(float((abs(spice.i_column - truth.i_column).max("time") / abs(truth.i_column).max("time")).max()))
    instants.append(spice.sizes["time"])

# %%

figure, axes = plt.subplots(figsize=(4.6, 3.4), layout="constrained")
axes.loglog(asked, stated, "s", color=COLORS[1], fillstyle="none", markersize=9, label="error stated by the run")
axes.plot(asked, true, "o", color=COLORS[0], label="true error")
axes.plot([1e-6, 0.1], [1e-6, 0.1], color="#444444", linestyle="--", linewidth=1.0, label="what is asked for")
for accuracy, error, count in zip(asked, true, instants, strict=True):
    axes.annotate(f"{count} instants", (accuracy, error), (6, -10), textcoords="offset points", fontsize=7)
axes.set(xlabel="accuracy asked for", ylabel="error relative to the peak", xlim=(3e-6, 0.1), ylim=(1e-7, 0.1))
axes.grid(which="minor", visible=False)
axes.legend(loc="upper left")

# %%

numbers = {"true_over_asked": np.array(true) / asked, "stated_over_true": np.array(stated) / np.array(true)}
print(numbers)
