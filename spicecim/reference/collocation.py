"""Collocation: polynomials through the start and the stages of a step, and the steps of cells by them.

Radau IIA: E. Hairer, G. Wanner, Solving Ordinary Differential Equations II, 2nd ed., Springer (1996),
doi:10.1007/978-3-642-05221-7, section IV.5. With s stages it is of order 2 s - 1, L-stable and stiffly accurate: the
last stage is the end of the step, so that algebraic equations hold there. Lobatto's places serve where there is nothing
to be integrated: both ends are among them, and the degree of the polynomials is all that counts.

The equations of a cell are ``F + dQ/dt = 0``, F the resistive and Q the reactive part of the residuals. At the stages,
with D the derivatives of the polynomial and h the length of the step,

    D (Q - Q(0)) / h + F = 0.

Successive steps of a cell are solved together, by Newton's method on the stages of all of them (A. Bellen, M. Zennaro,
Parallel algorithms for initial-value problems for difference and differential equations, J. Comput. Appl. Math. 25
(1989), doi:10.1016/0377-0427(89)90037-X): its matrix is block bidiagonal, so that the first steps do not depend on
whether the last ones have a solution, and all are evaluated at once.

Away from the stages the equations do not hold exactly. That defect is the estimate of the error (W. H. Enright, A new
error-control for initial value solvers, Appl. Math. Comput. 31 (1989), doi:10.1016/0096-3003(89)90123-9).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import NamedTuple

import numpy as np
from numpy.polynomial import Legendre, legendre
from numpy.typing import NDArray

from spicecim.devices.cell import Cell, CellTerms
from spicecim.fields import FloatArray

_NEAR = 1e-4
"""Distance of a check from either end of a step.

Steps land where a voltage factor is zero. There a state beyond its stop has the same rate as one before it, so that the
end itself does not tell that the stop was passed since the last check.
"""
_MOST_KNOWN = 64
"""Matrices that a `Rule` keeps."""

_ITERATIONS = 10
_NEWTON_SHARE = 0.03
"""Newton's last correction relative to the allowed error."""
_SETTLING = 0.2
"""Part of a step in which a defect acts before the equations damp it or its sign turns (see `defects`)."""
_CURRENT_SHARE = 0.01
"""The tolerance of the unknowns relative to that of the current, whose derivative of a charge costs digits."""
_ROUNDING = 64.0 * np.finfo(float).eps


class Modes(NamedTuple):
    """Eigenvalues of a rule's matrix of derivatives, the real one first and one of each complex pair."""

    values: NDArray[np.complex128]
    vectors: NDArray[np.complex128]
    """Their vectors (stage, mode)."""
    inverse: NDArray[np.complex128]
    """Rows (mode, stage) of the inverse of all vectors."""


class Rule:
    """Polynomials over a step from 0 to 1 through values at its start and its stages.

    Parameters
    ----------
    stages
        The stages (s,), increasing, above 0, the last of them 1.
    samples
        Places at which it is looked where a polynomial lies; by default start, stages and the middles between them.

    Attributes
    ----------
    places
        The start and the stages (s + 1,).
    middles
        Places between them (s,).
    checks
        Places away from the stages (c,): the two that lie `_NEAR` the ends, 0, and the middles.
    fit
        Legendre coefficients (s + 1, s + 1) by the values at the places.
    slope
        Derivatives at the stages (s, s) of a polynomial by its values there less that at 0: the inverse of Radau's A.
    powers
        Coefficients (s + 1, s + 1) of the powers of ``2 place - 1`` by the values at the places.
    """

    def __init__(self, stages: FloatArray, samples: FloatArray | None = None) -> None:
        self.stages, self.places = stages, np.append(0.0, stages)
        self.middles = 0.5 * (self.places[1:] + self.places[:-1])
        self.samples = np.sort(np.concatenate([self.places, self.middles])) if samples is None else samples
        self.checks = np.concatenate([[_NEAR, 1.0 - _NEAR, 0.0], self.middles])
        self.degree = len(stages)
        self.fit = np.asarray(np.linalg.inv(basis(self.places, self.degree)))
        self.slope = (basis_slope(stages, self.degree) @ self.fit)[:, 1:]
        self._slope_fit = np.asarray(np.linalg.inv(basis(stages, self.degree - 1)))
        units = [legendre.leg2poly(np.eye(order + 1)[order]) for order in range(self.degree + 1)]
        powers = np.stack([np.pad(unit, (0, self.degree + 1 - len(unit))) for unit in units], axis=1)
        self.powers = np.asarray(powers @ self.fit)
        self._integrals = 0.5 * legendre.legint(np.eye(self.degree + 1), lbnd=-1)
        self._known: dict[tuple[str, bytes], FloatArray] = {}

    @cached_property
    def finer(self) -> Rule:
        """The rule whose stages are the middles too: its polynomials are of twice the degree."""
        return Rule(self.samples[1:], self.samples)

    @cached_property
    def fine_fit(self) -> FloatArray:
        """Legendre coefficients (2 s + 1, c + s) by values at checks, then stages; not by those near the ends."""
        fine = np.linalg.inv(basis(np.concatenate([self.checks[2:], self.stages]), 2 * self.degree))
        return np.hstack([np.zeros((len(fine), 2)), fine])

    @cached_property
    def modes(self) -> Modes:
        """How the stages fall apart (Hairer and Wanner, section IV.8)."""
        values, vectors = np.linalg.eig(self.slope)
        kept = np.argsort(np.where(values.imag >= 0.0, np.abs(values.imag), np.inf))[: (self.degree + 1) // 2]
        return Modes(values[kept], vectors[:, kept], np.linalg.inv(vectors)[kept])

    def values(self, at: FloatArray) -> FloatArray:
        """Matrix (m, s + 1) from values at the places to those at others."""
        return self._matrix("value", at)

    def slopes(self, at: FloatArray) -> FloatArray:
        """Matrix (m, s) from derivatives at the stages to those at other places."""
        return self._matrix("slope", at)

    def integrals(self, at: FloatArray) -> FloatArray:
        """Matrix (m, s + 1) from values at the places to the integrals from 0 to others."""
        return self._matrix("integral", at)

    def derivatives(self, at: FloatArray) -> FloatArray:
        """Matrix (m, s + 1) from values at the places to derivatives by the place at others."""
        return self._matrix("derivative", at)

    def _matrix(self, kind: str, at: FloatArray) -> FloatArray:
        """The same few places come again in every round of every step."""
        key = kind, at.tobytes()
        if key not in self._known:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            if kind == "integral":
                self._known[key] = basis(at, self.degree + 1) @ self._integrals @ self.fit
            elif kind == "derivative":
                self._known[key] = basis_slope(at, self.degree) @ self.fit
            elif kind == "slope":
                self._known[key] = basis(at, self.degree - 1) @ self._slope_fit
            else:
                self._known[key] = basis(at, self.degree) @ self.fit
        return self._known[key]


@cache
def radau(stages: int) -> Rule:
    """Return the Radau IIA rule with so many stages."""
    roots = 0.5 + 0.5 * np.sort((Legendre.basis(stages) - Legendre.basis(stages - 1)).roots().real)
    roots[-1] = 1.0
    return Rule(roots)


@cache
def lobatto(degree: int) -> Rule:
    """Return the rule of Lobatto's places for polynomials of a degree."""
    inner = 0.5 + 0.5 * np.sort(Legendre.basis(degree).deriv().roots().real)
    return Rule(np.append(inner, 1.0))


class Places(NamedTuple):
    """Places in a step from 0 to 1, with what the drivers do there."""

    at: FloatArray
    """The places (place,)."""
    values: FloatArray
    """Matrix (place, stage + 1) from values at the start and the stages to those at the places."""
    slopes: FloatArray
    """Matrix (place, stage) from derivatives at the stages to those at the places."""
    time: FloatArray
    """Instants (place,), seconds."""
    drive: FloatArray
    """Voltages of the drivers (place, row)."""


def basis(places: FloatArray, degree: int) -> FloatArray:
    """Legendre polynomials up to a degree (..., degree + 1) at places in a step from 0 to 1."""
    return np.asarray(legendre.legvander(2.0 * places - 1.0, degree))


def basis_slope(places: FloatArray, degree: int) -> FloatArray:
    """Derivatives of the Legendre polynomials up to a degree (..., degree + 1) at places in a step from 0 to 1."""
    return np.asarray(basis(places, degree - 1) @ _basis_derivative(degree))


@cache
def _basis_derivative(degree: int) -> FloatArray:
    return np.asarray(2.0 * legendre.legder(np.eye(degree + 1)), dtype=np.float64)


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

    Potentials (n, m, 2) of row and column may stand for v, where the cell takes both (see `coupled.cells`).
    """
    terms = cell.terms(time.ravel(), v.reshape(-1, *v.shape[time.ndim :]), y.reshape(-1, y.shape[-1]))
    return CellTerms(*(part.reshape(*time.shape, *part.shape[1:]) for part in terms))


def attempt_step(
    cell: Cell,
    rule: Rule,
    instants: FloatArray,
    length: FloatArray,
    v: FloatArray,
    start: tuple[FloatArray, FloatArray],
    corner: NDArray[np.bool_],
    guess: FloatArray,
    peak: FloatArray,
    resolution: FloatArray,
    tolerance: FloatArray,
) -> Step:
    """Attempt n steps of cells with k unknowns, equally many of each cell, which follow each other.

    Parameters
    ----------
    cell
        The equations.
    rule
        Collocation of s stages.
    instants
        Instants (n, c + s) of the c checks, then the stages of the rule (s).
    length
        Length of each step (n,), seconds.
    v
        Voltages at the instants (n, c + s).
    start
        Unknowns and charges (cell, k) at the start of each cell's first step.
    corner
        Whether the drive may have a corner there (n,).
    guess
        Unknowns at the stages (n, s, k) to start Newton's method from.
    peak
        Largest current of each cell so far (cell,).
    resolution
        Rounding of the instants at which the voltages were taken (n,), seconds.
    tolerance
        Allowed error of the unknowns in a step (cell,), relative to their scale or, where that is larger, to
        themselves.

    Returns
    -------
    Step
        The result, good or not.
    """
    checks, chain = len(rule.checks), len(length) // len(peak)
    stages, converged = solve_stages(
        cell, rule, instants[:, checks:], length, v[:, checks:], start[1], guess, _allowed(cell, start[0], tolerance)
    )
    begin = _before(start[0], stages[:, -1])
    allowed = _allowed(cell, begin, np.repeat(tolerance, chain))
    values = np.concatenate([begin[:, None], stages], axis=1)
    terms = evaluate(cell, instants, v, np.concatenate([rule.values(rule.checks) @ values, stages], axis=1))
    algebraic = ~terms.charge_jacobian.any(axis=(0, 1, 2))
    of_voltage = terms.charge.any(axis=(0, 1)) & ~terms.charge_jacobian.any(axis=(0, 1, 3))
    anew = corner | of_voltage.any()
    if algebraic.any() and anew.any():
        # One that follows the slope of the voltage is known to a lower order at the end of a step, and jumps at a
        # corner: what it was before says little of the step.
        from_stages = np.einsum("s,nsk->nk", rule.slopes(np.zeros(1))[0], stages)
        values[:, 0] = np.where(anew[:, None] & algebraic, from_stages, values[:, 0])
        terms = evaluate(cell, instants, v, np.concatenate([rule.values(rule.checks) @ values, stages], axis=1))
    charge_polynomial = terms.current_charge @ rule.fine_fit.T
    current, current_error = _current(rule, terms, charge_polynomial, length, resolution)
    error = _errors(rule, terms, length, _before(start[1], terms.charge[:, -1])) / allowed
    reached = np.maximum(peak[:, None], np.maximum.accumulate(current.reshape(-1, chain), axis=1))
    allowed_current = (tolerance[:, None] / _CURRENT_SHARE * reached).ravel()
    # Without a charge there is neither an error nor, before the first current, a scale for it.
    off = np.divide(current_error, allowed_current, out=np.zeros_like(current), where=current_error > 0)
    error = np.maximum(error.max(axis=1), off)
    return Step(
        polynomial=rule.fit @ values,
        charge_polynomial=charge_polynomial,
        end=stages[:, -1],
        end_charge=terms.charge[:, -1],
        error=np.where(converged & np.isfinite(error) & np.isfinite(current), error, np.inf),
        current=current,
    )


def solve_stages(
    cell: Cell,
    rule: Rule,
    time: FloatArray,
    length: FloatArray,
    v: FloatArray,
    charge: FloatArray,
    guess: FloatArray,
    allowed: FloatArray,
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Solve ``slope (Q - q) / h + F = 0`` for the unknowns at the stages (n, s, k); also whether it converged (n,).

    Charges q are given at the start of each cell's first step (cell, k), as are the allowed errors. With more steps
    than cells, equally many of each follow each other, and q is the last stage's Q of the one before.
    """
    chain, (_, stages, unknowns) = len(guess) // len(charge), guess.shape
    size, diagonal = stages * unknowns, np.arange(stages)
    y = guess.reshape(-1, chain, stages, unknowns).copy()
    time, length, v = (part.reshape(-1, chain, *part.shape[1:]) for part in (time, length, v))
    converged = np.zeros((len(y), chain), dtype=bool)
    todo = np.arange(len(y))
    for _ in range(_ITERATIONS):
        some = cell if len(todo) == len(y) else cell.of_cells(todo)
        terms = evaluate(some, *(part[todo].reshape(-1, *part.shape[2:]) for part in (time, v, y)))
        per_second = rule.slope / length[todo].reshape(-1, 1, 1)
        residual = per_second @ (terms.charge - _before(charge[todo], terms.charge[:, -1])[:, None]) + terms.flow
        jacobian = per_second[:, :, None, :, None] * terms.charge_jacobian.transpose(0, 2, 1, 3)[:, None]
        jacobian[:, diagonal, :, diagonal] += terms.flow_jacobian.transpose(1, 0, 2, 3)
        right = residual.reshape(-1, size, 1)
        if chain > 1:
            ahead = np.roll(terms.charge_jacobian[:, -1], 1, axis=0)
            entering = per_second.sum(axis=2)[:, :, None, None] * ahead[:, None]
            right = np.concatenate([right, entering.reshape(-1, size, unknowns)], axis=2)
        solution = solve_columns(jacobian.reshape(-1, size, size), right)
        solution = solution.reshape(-1, chain, stages, unknowns, solution.shape[-1])
        change = solution[..., 0]
        if chain > 1:
            change[:, 1:] += (solution[:, 1:, ..., 1:] @ _passed_on(solution)[:, :-1, None])[..., 0]
        y[todo] -= change
        good = (np.abs(change) <= _NEWTON_SHARE * allowed[todo, None, None]).all(axis=(2, 3))
        converged[todo] = np.logical_and.accumulate(good, axis=1)
        possible = np.isfinite(change[:, 0]).all(axis=(1, 2))
        todo = todo[~converged[todo, -1] & possible]
        if not len(todo):
            break
    return y.reshape(guess.shape), converged.ravel()


def _passed_on(solution: FloatArray) -> FloatArray:
    """Changes (cell, step, k, 1) at the ends of successive steps, each by its own and what the one before passes on.

    From the solutions (cell, step, stage, k, 1 + k) for the residuals, and for changes at the starts.
    """
    own, factors = (part.swapaxes(0, 1).copy() for part in np.split(solution[:, :, -1], [1], axis=3))
    for step in range(1, len(own)):
        own[step] += factors[step] @ own[step - 1]
    return own.swapaxes(0, 1)


def _before(first: FloatArray, ends: FloatArray) -> FloatArray:
    """Values (n, k) at the starts of steps: those of each cell's first (cell, k), then the ends (n, k) in turn."""
    chained = ends.reshape(len(first), -1, first.shape[1])
    return np.asarray(np.concatenate([first[:, None], chained[:, :-1]], axis=1).reshape(ends.shape))


def _allowed(cell: Cell, begin: FloatArray, tolerance: FloatArray) -> FloatArray:
    """Allowed errors (n, k) of steps from unknowns (n, k) with tolerances (n,)."""
    return np.asarray(tolerance[:, None] * np.maximum(cell.scale, np.abs(begin)) + _ROUNDING * np.abs(begin))


def _errors(rule: Rule, terms: CellTerms, length: FloatArray, start_charge: FloatArray) -> FloatArray:
    """Estimate the error of each unknown (n, k) from the defects of its polynomial away from the stages.

    Where the solution is not as smooth as the polynomial, the equations do not hold between the stages, wherever
    the kink lies: a defect at one set of instants could miss a kink by chance, values at stages and checks cannot.
    One step of the implicit Euler method over a part of the step turns the defect into the error that it causes.
    """
    checks = len(rule.checks)
    slope = -rule.slopes(rule.checks) @ terms.flow[:, checks:]
    charges = rule.values(rule.checks) @ np.concatenate([start_charge[:, None], terms.charge[:, checks:]], axis=1)
    settling = _SETTLING * length[:, None, None]
    defect = terms.flow[:, :checks] + slope + (terms.charge[:, :checks] - charges) / settling
    matrix = terms.flow_jacobian[:, :checks] + terms.charge_jacobian[:, :checks] / settling[..., None]
    return np.asarray(np.abs(solve(matrix, defect)).max(axis=1))


def defects(
    cell: Cell,
    rule: Rule,
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
        Unknowns and their charges (n, s + 1, k) at the start and the stages.
    flow
        Resistive parts (n, s, k) at the stages.
    """
    values, slopes = rule.values(place), rule.slopes(place)
    terms = cell.terms(time, v, np.einsum("ns,nsk->nk", values, y))
    settling = _SETTLING * length
    defect = terms.flow - np.einsum("ns,nsk->nk", slopes, flow)
    defect += (terms.charge - np.einsum("ns,nsk->nk", values, charge)) / settling
    return np.abs(solve(terms.flow_jacobian + terms.charge_jacobian / settling, defect))


def _current(
    rule: Rule, terms: CellTerms, charge_polynomial: FloatArray, length: FloatArray, resolution: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Largest current (n,) during the step, and the error (n,) of its part that is the derivative of a charge.

    The error is what the polynomial's two highest degrees add, as far as it stands out of rounding.
    """
    if not charge_polynomial.any():
        return np.abs(terms.current).max(axis=1), np.zeros(len(length))
    slopes = basis_slope(np.concatenate([rule.checks, rule.stages]), charge_polynomial.shape[1] - 1)
    displacement = np.abs(charge_polynomial @ slopes.T).max(axis=1) / length
    tail = np.abs(charge_polynomial[:, -2:] @ slopes[:, -2:].T).max(axis=1)
    rounding = _ROUNDING * np.abs(terms.current_charge).max(axis=1) + resolution * displacement
    noise = np.abs(slopes[:, -2:]).sum(axis=1).max() * np.abs(rule.fine_fit[-2:]).sum(axis=1).max() * rounding
    return np.abs(terms.current).max(axis=1) + displacement, np.maximum(tail - noise, 0.0) / length


def solve(matrix: FloatArray, right: FloatArray) -> FloatArray:
    """Solve systems (..., m, m) for right sides (..., m); not a number where the matrix is singular."""
    return solve_columns(matrix, right[..., None])[..., 0]


def solve_columns(matrix: FloatArray, right: FloatArray) -> FloatArray:
    """Solve systems (..., m, m) for right sides (..., m, c); not a number where the matrix is singular."""
    if matrix.shape[-1] == 1:
        return right / matrix
    try:
        return np.asarray(np.linalg.solve(matrix, right))
    except np.linalg.LinAlgError:
        matrix = np.broadcast_to(matrix, (*right.shape[:-1], right.shape[-2]))
        regular = np.linalg.slogdet(matrix).sign != 0
        solution = np.full_like(right, np.nan)
        solution[regular] = np.linalg.solve(matrix[regular], right[regular])
        return solution
