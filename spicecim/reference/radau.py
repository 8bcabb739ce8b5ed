"""Radau IIA collocation: nodes, and the matrices that act on values at them.

E. Hairer, G. Wanner, Solving Ordinary Differential Equations II, 2nd ed., Springer (1996),
doi:10.1007/978-3-642-05221-7, section IV.5. With s stages it is of order 2 s - 1, L-stable and stiffly accurate: the
last stage is the end of the step, so that algebraic equations hold there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.polynomial import Legendre, legendre

from spicecim.fields import FloatArray

_NEAR = 1e-4
"""Distance of a check from either end of a step.

Steps land where a voltage factor is zero. There a state beyond its stop has the same rate as one before it, so that the
end itself does not tell that the stop was passed since the last check.
"""


@dataclass(frozen=True)
class Radau:
    """The collocation rule of a number of stages over a step from 0 to 1."""

    nodes: FloatArray
    """Stages (s,), the last of them 1."""
    slope: FloatArray
    """Derivatives at the nodes (s, s) of a polynomial by its values there less that at 0: the inverse of A."""
    checks: FloatArray
    """Instants (c,) away from the nodes: 0, the middle between 0 and the first node and between nodes, and the two that
    lie `_NEAR` the ends."""
    value_at_checks: FloatArray
    """Values at the checks (c, s + 1) by those at 0 and the nodes."""
    slope_at_checks: FloatArray
    """Derivatives at the checks (c, s) by those at the nodes."""
    fit: FloatArray
    """Legendre coefficients (s + 1, s + 1) by the values at 0 and the nodes."""
    fine_fit: FloatArray
    """Legendre coefficients (2 s + 1, c + s) by values at checks, then nodes; not by those near the ends."""
    slope_fit: FloatArray
    """Legendre coefficients (s, s) of a derivative by its values at the nodes."""

    def values(self, places: FloatArray) -> FloatArray:
        """Matrix (place, s + 1) from values at 0 and the nodes to those at places."""
        return np.asarray(basis(places, len(self.nodes)) @ self.fit)

    def slopes(self, places: FloatArray) -> FloatArray:
        """Matrix (place, s) from derivatives at the nodes to those at places."""
        return np.asarray(basis(places, len(self.nodes) - 1) @ self.slope_fit)


@cache
def radau(stages: int) -> Radau:
    """Return the rule with this number of stages."""
    roots = (Legendre.basis(stages) - Legendre.basis(stages - 1)).roots()
    nodes = 0.5 + 0.5 * np.sort(roots.astype(float))
    nodes[-1] = 1.0
    ends = np.append(0.0, nodes)
    apart = np.append(0.0, 0.5 * (ends[1:] + ends[:-1]))
    checks = np.concatenate([[_NEAR, 1.0 - _NEAR], apart])
    fine = np.linalg.inv(basis(np.concatenate([apart, nodes]), 2 * stages))
    fit = np.asarray(np.linalg.inv(basis(ends, stages)), dtype=float)
    slope_fit = np.asarray(np.linalg.inv(basis(nodes, stages - 1)), dtype=float)
    return Radau(
        nodes=nodes,
        slope=(basis_slope(nodes, stages) @ fit)[:, 1:],
        checks=checks,
        value_at_checks=basis(checks, stages) @ fit,
        slope_at_checks=basis(checks, stages - 1) @ slope_fit,
        fit=fit,
        fine_fit=np.hstack([np.zeros((len(fine), 2)), fine]).astype(float),
        slope_fit=slope_fit,
    )


def basis(instants: FloatArray, degree: int) -> FloatArray:
    """Legendre polynomials up to a degree (..., degree + 1) at instants of a step from 0 to 1."""
    return np.asarray(legendre.legvander(2.0 * instants - 1.0, degree))


def basis_slope(instants: FloatArray, degree: int) -> FloatArray:
    """Derivatives of the Legendre polynomials up to a degree (..., degree + 1) at instants of a step from 0 to 1."""
    derivative = 2.0 * legendre.legder(np.eye(degree + 1))
    return np.asarray(basis(instants, degree - 1) @ derivative)
