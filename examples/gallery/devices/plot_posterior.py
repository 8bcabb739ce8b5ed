"""
Posterior of a fit
==================

Samples of the posterior of two parameters lie in a tilted cloud: the data tell a combination of them better than
either. The ellipse is that of the linearized fit, which holds 95 % of a normal distribution.
"""

import matplotlib.pyplot as plt
import numpy as np

import spicecim as sc
from spicecim.plotting import COLORS, STYLE, label_axis

plt.rcParams.update(STYLE)

# %%
# A noisy loop of linear drift. Low mobility with high conductance looks much like the opposite.

measured = sc.synthetic_measurement("linear_drift", frequency=[2], points=60, bits=12, seed=2)
fitted = sc.fit(measured, "linear_drift", free=["mobility", "Roff"], noise={"relative": 0.02}, starts=1)
samples = sc.posterior(fitted, steps=100, walkers=12, seed=1)

# %%
# The fit's covariance is that of the logarithms of both parameters.

turn = np.linspace(0, 2 * np.pi, 200)
ellipse = np.linalg.cholesky(fitted.covariance) @ np.stack([np.cos(turn), np.sin(turn)]) * np.sqrt(5.991)
best = np.array([fitted.parameters[name].value for name in ("mobility", "Roff")])
mobility, resistance = best[:, None] * np.exp(ellipse)

figure, axes = plt.subplots(figsize=(4.4, 3.4), layout="constrained")
axes.plot(samples.mobility.values.ravel(), samples.Roff.values.ravel(), ".", color=COLORS[0], markersize=2, alpha=0.4)
axes.plot(mobility, resistance, color=COLORS[1], label="95 %, linearized")
axes.plot(*best, "+", color="black", markersize=9, label="best fit")
label_axis(axes.yaxis, "resistance at x = 0, Roff", "\N{GREEK CAPITAL LETTER OMEGA}")
axes.set_xlabel("mobility (m\N{SUPERSCRIPT TWO}/(V s))")
axes.legend(loc="best")

# %%
# The share of the samples within the ellipse, and the correlation, in both ways.

logarithms = np.log([samples.mobility.values.ravel() / best[0], samples.Roff.values.ravel() / best[1]])
distance = np.einsum("is,ij,js->s", logarithms, np.linalg.inv(fitted.covariance), logarithms)
spread = np.sqrt(np.diag(fitted.covariance))
numbers = {
    "within": float((distance < 5.991).mean()),
    "correlation": float(np.corrcoef(logarithms)[0, 1]),
    "linearized": float(fitted.covariance[0, 1] / spread.prod()),
}
print(numbers)
