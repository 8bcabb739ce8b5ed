"""
The boundary-lock trap
======================

The window of Joglekar and Wolf is zero at the bounds. A subcircuit that integrates x itself, as widely copied ones do,
gets stuck near x = 1, where 1 - x falls below the resolution of a float. spicecim integrates ln(x / (1 - x)), whose
rate stays finite, and follows the closed form.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import brentq

import spicecim as sc
from spicecim.plotting import COLORS, STYLE, label_axis

plt.rcParams.update(STYLE)

# %%
# The subcircuit: x is the voltage of a capacitor of 1 F.

SUBCIRCUIT = """
.subckt drift plus minus x params: Ron=100 Roff=16k k=10k
Vmeter plus a 0
Bdrop a b V=-I(Vmeter)*V(x)*(Roff-Ron)
Roff b minus {Roff}
Cx x 0 1
Rleak x 0 1e9
Brate 0 x I=k*I(Vmeter)*(1-(2*V(x)-1)*(2*V(x)-1))
.ends
"""

drive = {"kind": "sine", "amplitude": 1.0, "frequency": 0.1}
crossbar = {"state": [[0.02]]}
analysis = {"probe": "cells", "points_per_period": 1000}
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "drift.sub"
    path.write_text(SUBCIRCUIT)
    copied = sc.Testbench(
        device={"subcircuit": str(path), "ports": ["row", "column", "state"]},
        crossbar=crossbar,
        drive=drive,
        analysis=analysis,
    )
    locked = sc.simulate(copied, estimate=False)
library = sc.Testbench(
    device={"model": "linear_drift", "preset": "joglekar"}, crossbar=crossbar, drive=drive, analysis=analysis
)
right = sc.simulate(library)

# %%
# The closed form: the flux of a charge q, solved for q.

Ron, Roff, k, x0 = 100.0, 16e3, 1e4, 0.02
time = np.linspace(0.0, 10.0, 401)
flux = (1 - np.cos(2 * np.pi * 0.1 * time)) / (2 * np.pi * 0.1)


def charge(phi):
    """Return the charge (C) at a flux (V s)."""

    def missed(q):
        return Roff * q - (Roff - Ron) / (4 * k) * np.logaddexp(np.log1p(-x0), np.log(x0) + 4 * k * q) - phi

    return brentq(missed, phi / Roff, phi / Ron, xtol=1e-18) if phi > 1e-9 else phi / Roff


q = np.array([charge(phi) for phi in flux])
x = 1 / (1 + (1 - x0) / x0 * np.exp(-4 * k * q))
i = np.sin(2 * np.pi * 0.1 * time) / (Roff - (Roff - Ron) * x)

# %%

figure, axes = plt.subplots(figsize=(5.0, 3.2), layout="constrained")
axes.plot(time, x, color="#444444", linewidth=3.0, alpha=0.4, label="closed form")
axes.plot(right.time, right.x.squeeze(), color=COLORS[0], label="spicecim, ngspice")
axes.plot(locked.time, locked.x.squeeze(), color=COLORS[1], linestyle="--", label="subcircuit of x, ngspice")
label_axis(axes.xaxis, "time", "s")
axes.set(ylabel="state x", xlim=(0, 10), ylim=(0, 1.3))
axes.legend(loc="upper center", ncols=3, columnspacing=1.0)


# %%
# The effective conductance of the cycle, mean magnitude of the current over that of the voltage, relative to the
# closed form.


def effective(run):
    """Return mean magnitude of the current over that of the voltage (S)."""
    v, i = run.v_cell.squeeze().values, run.i_cell.squeeze().values
    return np.trapezoid(np.abs(i), run.time.values) / np.trapezoid(np.abs(v), run.time.values)


exact = 2 * q[200] / (2 * flux[200])  # the second half cycle takes the charge back
numbers = {
    "exact": exact,
    "spicecim": effective(right) / exact - 1,
    "subcircuit": effective(locked) / exact - 1,
    "x_error": float(np.abs(np.interp(time, right.time, right.x.squeeze()) - x).max()),
}
print(numbers)
