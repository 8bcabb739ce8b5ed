"""One time step of many cells, each with its own instant and length: the stages, and how far they may be off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spicecim.devices.cell import Cell, CellTerms
from spicecim.fields import FloatArray
from spicecim.reference.radau import Radau, basis_slope

_ITERATIONS = 10
_NEWTON_SHARE = 0.03
"""Newton's last correction relative to the allowed error."""
_SETTLING = 0.2
"""Part of a step in which a defect acts before the equations damp it or its sign turns (see `_errors`)."""
_CURRENT_SHARE = 0.01
"""The tolerance of the unknowns relative to that of the current, whose derivative of a charge costs digits."""
_ROUNDING = 64.0 * np.finfo(float).eps


@dataclass(frozen=True)
class Step:
    """Attempted steps of n cells with s stages.

    Attributes
    ----------
    polynomial
        Legendre coefficients (n, s + 1, k) of the unknowns over the step.
    charge_polynomial
        Those (n, 2 s + 1) of the charge that adds to the current.
    end
        Unknowns at the end (n, k).
    end_charge
        Charges of the equations there (n, k).
    error
        Estimated error relative to the tolerance (n,); infinite where there is no solution.
    current
        Largest current during the step (n,), ampere.
    """

    polynomial: FloatArray
    charge_polynomial: FloatArray
    end: FloatArray
    end_charge: FloatArray
    error: FloatArray
    current: FloatArray


def evaluate(cell: Cell, time: FloatArray, v: FloatArray, y: FloatArray) -> CellTerms:
    """Evaluate the terms of cells at several instants each: time and v (n, m), y (n, m, k), and results alike.

    Potentials (n, m, 2) of row and column may stand for v, where the cell takes both (see `terminals`).
    """
    terms = cell.terms(time.ravel(), v.reshape(-1, *v.shape[time.ndim :]), y.reshape(-1, y.shape[-1]))
    return CellTerms(*(part.reshape(*time.shape, *part.shape[1:]) for part in terms))


def attempt_step(
    cell: Cell,
    rule: Radau,
    instants: FloatArray,
    length: FloatArray,
    v: FloatArray,
    start: tuple[FloatArray, FloatArray],
    corner: NDArray[np.bool_],
    guess: FloatArray,
    peak: FloatArray,
    resolution: FloatArray,
    tolerance: float,
) -> Step:
    """Attempt one step of n cells with k unknowns.

    Parameters
    ----------
    cell
        The equations.
    rule
        Collocation of s stages.
    instants
        Instants (n, c + s) of the c checks, then the nodes of the rule (s).
    length
        Length of each step (n,), seconds.
    v
        Voltages at the instants (n, c + s).
    start
        Unknowns and charges (n, k) at the start.
    corner
        Whether the drive may have a corner there (n,).
    guess
        Unknowns at the nodes (n, s, k) to start Newton's method from.
    peak
        Largest current of each cell so far (n,).
    resolution
        Rounding of the instants at which the voltages were taken (n,), seconds.
    tolerance
        Allowed error of the unknowns in a step, relative to their scale or, where that is larger, to themselves.

    Returns
    -------
    Step
        The result, good or not.
    """
    begin, charge = start
    allowed = tolerance * np.maximum(cell.scale, np.abs(begin)) + _ROUNDING * np.abs(begin)
    checks = len(rule.checks)
    nodes, converged = solve_stages(
        cell, rule, instants[:, checks:], length, v[:, checks:], charge, guess, _NEWTON_SHARE * allowed
    )
    values = np.concatenate([begin[:, None], nodes], axis=1)
    terms = evaluate(cell, instants, v, np.concatenate([rule.value_at_checks @ values, nodes], axis=1))
    algebraic = ~terms.charge_jacobian.any(axis=(0, 1, 2))
    of_voltage = terms.charge.any(axis=(0, 1)) & ~terms.charge_jacobian.any(axis=(0, 1, 3))
    anew = corner | of_voltage.any()
    if algebraic.any() and anew.any():
        # One that follows the slope of the voltage is known to a lower order at the end of a step, and jumps at a
        # corner: what it was before says little of the step.
        from_nodes = np.einsum("s,nsk->nk", rule.slopes(np.zeros(1))[0], nodes)
        values[:, 0] = np.where(anew[:, None] & algebraic, from_nodes, values[:, 0])
        terms = evaluate(cell, instants, v, np.concatenate([rule.value_at_checks @ values, nodes], axis=1))
    charge_polynomial = terms.current_charge @ rule.fine_fit.T
    current, current_error = _current(rule, terms, charge_polynomial, length, resolution)
    error = _errors(rule, terms, length, charge) / allowed
    allowed_current = tolerance / _CURRENT_SHARE * np.maximum(peak, current)
    # Without a charge there is neither an error nor, before the first current, a scale for it.
    off = np.divide(current_error, allowed_current, out=np.zeros_like(peak), where=current_error > 0)
    error = np.maximum(error.max(axis=1), off)
    return Step(
        polynomial=rule.fit @ values,
        charge_polynomial=charge_polynomial,
        end=nodes[:, -1],
        end_charge=terms.charge[:, -1],
        error=np.where(converged & np.isfinite(error) & np.isfinite(current), error, np.inf),
        current=current,
    )


def solve_stages(
    cell: Cell,
    rule: Radau,
    time: FloatArray,
    length: FloatArray,
    v: FloatArray,
    charge: FloatArray,
    guess: FloatArray,
    allowed: FloatArray,
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Solve ``slope (Q - q) / h + F = 0`` for the unknowns at the nodes (n, s, k); also whether it converged (n,)."""
    y = guess.copy()
    count, stages, unknowns = y.shape
    converged = np.zeros(count, dtype=bool)
    todo = np.arange(count)
    diagonal = np.arange(stages)
    for _ in range(_ITERATIONS):
        terms = evaluate(cell, time[todo], v[todo], y[todo])
        per_second = rule.slope / length[todo, None, None]
        residual = per_second @ (terms.charge - charge[todo, None]) + terms.flow
        jacobian = per_second[:, :, None, :, None] * terms.charge_jacobian.transpose(0, 2, 1, 3)[:, None]
        jacobian[:, diagonal, :, diagonal] += terms.flow_jacobian.transpose(1, 0, 2, 3)
        size = stages * unknowns
        change = solve(jacobian.reshape(-1, size, size), residual.reshape(-1, size)).reshape(residual.shape)
        y[todo] -= change
        good = (np.abs(change) <= _NEWTON_SHARE * allowed[todo, None]).all(axis=(1, 2))
        converged[todo[good]] = True
        todo = todo[~good & np.isfinite(change).all(axis=(1, 2))]
        if not len(todo):
            break
    return y, converged


def _errors(rule: Radau, terms: CellTerms, length: FloatArray, start_charge: FloatArray) -> FloatArray:
    """Estimate the error of each unknown (n, k) from the defects of its polynomial away from the nodes.

    Where the solution is not as smooth as the polynomial, the equations do not hold between the nodes, wherever the
    kink lies: a defect at one set of instants could miss a kink by chance, values at nodes and checks together cannot.
    One step of the implicit Euler method over a part of the step turns the defect into the error that it causes.
    """
    checks = len(rule.checks)
    slope = -rule.slope_at_checks @ terms.flow[:, checks:]
    charges = rule.value_at_checks @ np.concatenate([start_charge[:, None], terms.charge[:, checks:]], axis=1)
    settling = _SETTLING * length[:, None, None]
    defect = terms.flow[:, :checks] + slope + (terms.charge[:, :checks] - charges) / settling
    matrix = terms.flow_jacobian[:, :checks] + terms.charge_jacobian[:, :checks] / settling[..., None]
    return np.asarray(np.abs(solve(matrix, defect)).max(axis=1))


def defects(
    cell: Cell,
    rule: Radau,
    place: FloatArray,
    time: FloatArray,
    v: FloatArray,
    length: float,
    y: FloatArray,
    flow: FloatArray,
    charge: FloatArray,
) -> FloatArray:
    """Estimate the error of unknowns (n, k) at a place in each cell's step, as `_errors` does at the checks.

    Parameters
    ----------
    cell, rule
        The equations and the collocation.
    place
        Places from 0 to 1 (n,).
    time, v
        Instants (n,) and voltages (n, ...) there.
    length
        Length of the step (s).
    y, charge
        Unknowns and their charges (n, s + 1, k) at the start and the nodes.
    flow
        Flows (n, s, k) at the nodes.
    """
    values, slopes = rule.values(place), rule.slopes(place)
    terms = cell.terms(time, v, np.einsum("ns,nsk->nk", values, y))
    settling = _SETTLING * length
    defect = terms.flow - np.einsum("ns,nsk->nk", slopes, flow)
    defect += (terms.charge - np.einsum("ns,nsk->nk", values, charge)) / settling
    return np.abs(solve(terms.flow_jacobian + terms.charge_jacobian / settling, defect))


def _current(
    rule: Radau, terms: CellTerms, charge_polynomial: FloatArray, length: FloatArray, resolution: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Largest current (n,) during the step, and the error (n,) of its part that is the derivative of a charge.

    The error is what the polynomial's two highest degrees add, as far as it stands out of rounding.
    """
    if not charge_polynomial.any():
        return np.abs(terms.current).max(axis=1), np.zeros(len(length))
    slopes = basis_slope(np.concatenate([rule.checks, rule.nodes]), charge_polynomial.shape[1] - 1)
    displacement = np.abs(charge_polynomial @ slopes.T).max(axis=1) / length
    tail = np.abs(charge_polynomial[:, -2:] @ slopes[:, -2:].T).max(axis=1)
    rounding = _ROUNDING * np.abs(terms.current_charge).max(axis=1) + resolution * displacement
    noise = np.abs(slopes[:, -2:]).sum(axis=1).max() * np.abs(rule.fine_fit[-2:]).sum(axis=1).max() * rounding
    return np.abs(terms.current).max(axis=1) + displacement, np.maximum(tail - noise, 0.0) / length


def solve(matrix: FloatArray, right: FloatArray) -> FloatArray:
    """Solve systems (..., m, m) for right sides (..., m); not a number where the matrix is singular."""
    if matrix.shape[-1] == 1:
        return right / matrix[..., 0]
    try:
        return np.asarray(np.linalg.solve(matrix, right[..., None])[..., 0])
    except np.linalg.LinAlgError:
        matrix = np.broadcast_to(matrix, (*right.shape, right.shape[-1]))
        regular = np.linalg.slogdet(matrix).sign != 0
        solution = np.full_like(right, np.nan)
        solution[regular] = np.linalg.solve(matrix[regular], right[regular][..., None])[..., 0]
        return solution
