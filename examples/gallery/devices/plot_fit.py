"""
A fit to measured loops, with intervals
=======================================

Two loops with noise of 2 % of the current, read with 12 bits, and a model fitted to them. The right panel shows each
parameter's 95 % interval relative to the truth, which is known here because the measurement is synthetic.
"""

import matplotlib.pyplot as plt
import numpy as np

import spicecim as sc
from spicecim.plotting import COLORS, STYLE, label_axis, quantity_text

plt.rcParams.update(STYLE)

# %%

measured = sc.synthetic_measurement("yakopcic", frequency=[100, 400], points=150, bits=12, seed=1)
free = ["a1", "a2", "Ap", "Vp"]
fitted = sc.fit(measured, "yakopcic", free=free, noise={"relative": 0.02}, starts=2)
truth = sc.make_device("yakopcic", "oblea")

# %%

figure, (left, right) = plt.subplots(1, 2, figsize=(7.0, 3.2), layout="constrained", width_ratios=[1.3, 1])
curves = fitted.curves
for sweep, color, frequency in ((0, COLORS[0], 100), (1, COLORS[1], 400)):
    one = curves.isel(point=np.flatnonzero(curves.sweep == sweep))
    left.plot(one.voltage, one.current, ".", color=color, markersize=3, alpha=0.5)
    left.plot(one.voltage, one.fitted, color=color, linewidth=1.0, label=quantity_text(frequency, "Hz"))
label_axis(left.xaxis, "voltage", "V")
label_axis(left.yaxis, "current", "A")
left.legend(title="dots: measured", loc="upper left")
for place, name in enumerate(free):
    each, true = fitted.parameters[name], getattr(truth, name)
    low, value, high = (100 * (number / true - 1) for number in (each.low, each.value, each.high))
    right.errorbar(value, place, xerr=[[value - low], [high - value]], fmt="o", color=COLORS[0], capsize=3)
right.axvline(0.0, color="#444444", linewidth=1.0)
right.set_yticks(range(len(free)), free)
right.set(xlabel="fitted over true value, less 1 (%)", ylabel="parameter", ylim=(-0.6, len(free) - 0.4))

# %%
# Four intervals of 95 % hold all four true values in 81 % of such fits.

numbers = {name: (fitted.parameters[name].low, getattr(truth, name), fitted.parameters[name].high) for name in free}
print(numbers, fitted.chi_square / fitted.degrees_of_freedom)
