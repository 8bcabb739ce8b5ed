"""
A Verilog-A model cured
=======================

Many published modules integrate their state by themselves, step by step, in a variable, which no engine can follow.
``cure_module`` puts it into a node. The original's rule, at ever smaller steps, converges to the cured module.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import spicecim as sc
from spicecim.plotting import COLORS, STYLE

plt.rcParams.update(STYLE)

# %%
# Ion drift in Euler steps of the length dt.

MODULE = """
`include "disciplines.vams"
module euler_drift(p, n);
  inout p, n;
  electrical p, n;
  parameter real w0 = 0.1 from [0:1];
  parameter real dt = 1e-9 from (0:inf);
  real w, resistance;
  analog begin
    @(initial_step) w = w0;
    resistance = 16e3 - 15.9e3*w;
    w = min(max(w + 1e6*V(p, n)/resistance*dt, 0.0), 1.0);
    I(p, n) <+ V(p, n)/resistance;
  end
endmodule
"""
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "euler_drift.va"
    path.write_text(MODULE)
    cured = sc.cure_module(path, Path(folder) / "cured.va")
print(cured.difference)

# %%

compared = cured.comparison
figure, axes = plt.subplots(figsize=(4.8, 3.2), layout="constrained")
axes.loglog(compared.steps, compared.rule, "o-", color=COLORS[0], fillstyle="none", label="original, Euler steps")
for value, color, line, label in (
    (compared.ngspice, COLORS[1], "-", "cured, ngspice"),
    (compared.reference, COLORS[2], "--", "cured, reference engine"),
):
    axes.axhline(value, color=color, linestyle=line, label=label)
axes.set(ylabel="difference from the limit, of peak", ylim=(1e-6, 0.1))
axes.set_xlabel("steps per period of the original")
axes.set_xticks(compared.steps, [str(steps) for steps in compared.steps])
axes.minorticks_off()
axes.legend(loc="center right")

# %%
# Euler steps are of first order.

numbers = {
    "order": float(-np.polyfit(np.log(compared.steps), np.log(compared.rule), 1)[0]),
    "engines": compared.engines,
    "cured": max(compared.ngspice, compared.reference),
}
print(numbers)
