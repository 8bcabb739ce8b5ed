"""Whether a device with two terminals conducts to the ground."""

from __future__ import annotations

import numpy as np

from spicecim.devices.expressions import FloatArray
from spicecim.veriloga.evaluation import Residuals

_BALANCE = 1e-9
"""Sum of currents, or charges, relative to the largest, up to which it is none."""
_ROUNDING = 1e-12
"""Error of an equilibrium relative to the potentials."""


def is_balanced(equations: Residuals, potentials: FloatArray) -> bool:
    """Whether the column takes what the row gives, at rest and in every transient.

    By Kirchhoff's law what both take together is the sum of what the inner nodes between them take, which is zero,
    unless something goes to the ground. Which inner equations these are is found from the derivatives of the currents:
    weights with which they make up the sum. Those of the charges must do the same with the same weights.

    Parameters
    ----------
    equations
        Currents and charges (n, m) of row, column and inner nodes with their derivatives (n, m, m), in equilibria.
    potentials
        The potentials and other unknowns (n, m) there.
    """
    size = np.abs(potentials)
    # what rounding leaves of a small drop across a large conductance
    rounding = _ROUNDING * np.einsum("naj,nj->na", np.abs(equations.flow_jacobian[:, :2]), size).max(initial=0.0)
    ends = equations.flow[:, :2]
    if not np.abs(ends.sum(axis=1)).max(initial=0.0) <= _BALANCE * np.abs(ends).max(initial=0.0) + rounding:
        return False
    scale = np.maximum(size.max(axis=0, initial=0.0), np.finfo(float).tiny)
    flow, charge = (
        (slopes * scale).swapaxes(0, 1).reshape(slopes.shape[1], -1)
        for slopes in (equations.flow_jacobian, equations.charge_jacobian)
    )
    largest = np.maximum(np.abs(flow).max(axis=1, initial=0.0), np.finfo(float).tiny)
    shares = np.linalg.lstsq((flow[2:] / largest[2:, None]).T, -flow[:2].sum(axis=0))[0]
    shares[np.abs(shares) <= _BALANCE * largest[:2].max()] = 0.0
    weights = np.concatenate([np.ones(2), shares / largest[2:]])
    return all(
        bool(np.abs(weights @ slopes).max(initial=0.0) <= _BALANCE * np.abs(weights[:, None] * slopes).max(initial=0.0))
        for slopes in (flow, charge)
    )
