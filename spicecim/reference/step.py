"""One time step of a whole crossbar: cells and wires solved together at the stages of a Radau rule.

For given potentials of the wires the cells are followed one by one (see `following`). What their currents then leave of
the drivers' voltages corrects the potentials, by Newton's method with one linearisation for all stages: in the
eigenbasis of the rule's matrix the stages fall apart into crossbars with d/dt a number, some of them complex
(E. Hairer, G. Wanner, Solving Ordinary Differential Equations II, 2nd ed., Springer (1996),
doi:10.1007/978-3-642-05221-7, section IV.8).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spicecim.devices.cell import WiredCell
from spicecim.fields import FloatArray
from spicecim.reference.course import RULE, STAGES, Allowed, Course, NoConvergence, Places, State
from spicecim.reference.following import Follower
from spicecim.reference.stages import evaluate, solve
from spicecim.reference.terminals import LinearCells
from spicecim.reference.wiring import Factors, Wiring

_ROUNDS = 12
_SLOW = 0.1
"""Ratio of successive changes from which on the crossbar is linearised anew."""
_STUCK = 0.9


class _Modes(NamedTuple):
    """Eigenvalues of the rule's matrix, the real one first and one of each complex pair."""

    values: NDArray[np.complex128]
    vectors: NDArray[np.complex128]
    """Their vectors (stage, mode)."""
    inverse: NDArray[np.complex128]
    """Rows (mode, stage) of the inverse of all vectors."""


@cache
def _modes() -> _Modes:
    values, vectors = np.linalg.eig(RULE.slope)
    kept = np.argsort(np.where(values.imag >= 0.0, np.abs(values.imag), np.inf))[: (STAGES + 1) // 2]
    return _Modes(values[kept], vectors[:, kept], np.linalg.inv(vectors)[kept])


class Linearised:
    """A crossbar linearised at one instant, for steps of one length."""

    def __init__(
        self, cell: WiredCell, wiring: Wiring, time: float, v: FloatArray, y: FloatArray, length: float
    ) -> None:
        self.length = length
        cells = LinearCells(cell.linear(np.full(len(v), time), v, y))
        shifts = _modes().values / length
        self.shift = float(shifts[0].real)
        """d/dt of the real mode (1/s)."""
        self.drive, self.response, self.direct = (
            cells.drive(self.shift), cells.response(self.shift), cells.direct(self.shift)
        )  # fmt: skip
        self.real: Factors = wiring.factorise(self.shift, cells.admittance(self.shift))
        self._wiring, self._cells, self._shifts = wiring, cells, shifts[1:]

    @cached_property
    def _complex(self) -> list[Factors]:
        return [self._wiring.factorise(shift, self._cells.admittance(shift)) for shift in self._shifts]

    def correction(self, missed: FloatArray) -> FloatArray:
        """What to take off the potentials at the stages (stage, node) for voltages that they miss."""
        vectors = _modes().vectors
        parts = _modes().inverse @ missed
        change = np.outer(vectors[:, 0], self.real.correction(parts[:1].real)[0]).real
        for mode, factors in enumerate(self._complex, start=1):
            change += 2.0 * np.outer(vectors[:, mode], factors.correction(parts[mode : mode + 1])[0]).real
        return np.asarray(change)


class Correction(NamedTuple):
    """How far cells and wires are from their equations at places in a step, and what they carry there."""

    y: FloatArray
    """What to take off the unknowns (cell, place, k)."""
    nodes: FloatArray
    """What to take off the potentials (place, node)."""
    missed: FloatArray
    """Voltages (place, node) by which these miss what the currents leave of the drivers'."""
    change: FloatArray
    """What that takes off the currents (place, cell, 2), those into the capacitances included."""
    currents: FloatArray
    """Currents into the cells (place, cell, 2) before."""
    slopes: FloatArray
    """Derivatives of the potentials by time (place, node) before."""


def solve_step(
    cells: Follower,
    wiring: Wiring,
    start: State,
    length: float,
    stages: Places,
    guess: tuple[FloatArray, FloatArray],
    allowed: Allowed,
    linear: Linearised | None,
    linearised: Callable[[float, FloatArray, FloatArray], Linearised],
) -> tuple[Course, Linearised]:
    """Solve a step.

    Parameters
    ----------
    cells, wiring
        The crossbar.
    start
        Where it starts.
    length
        Length of the step (s).
    stages
        The places of the stages.
    guess
        Unknowns (cell, stage, k) and potentials (stage, node) at the stages to begin with.
    allowed
        Allowed errors.
    linear
        A linearisation for this length to begin with, if there is one.
    linearised
        Gives another, at an instant, potentials (cell, 2) and unknowns (cell, k).

    Raises
    ------
    NoConvergence
        If no solution is found.
    """
    count, middle = len(start.y), STAGES // 2
    y, nodes = guess[0], guess[1].copy()
    time = np.repeat(stages.time[None], count, axis=0)
    before, fresh = np.inf, linear is None
    for number in range(_ROUNDS):
        v = wiring.potentials(stages.drive, nodes)
        if linear is None:
            linear = linearised(float(stages.time[middle]), v[middle], y[:, middle])
        y = cells.stages(start, length, stages, v, y, allowed)
        terms = evaluate(cells.cell, time, v.swapaxes(0, 1), y)
        charge_currents = RULE.slope @ (terms.current_charge - start.current_charge[:, None]) / length
        slopes = RULE.slope @ (nodes - start.nodes) / length
        currents = (terms.current + charge_currents).swapaxes(0, 1)
        missed = wiring.misses(stages.drive, nodes, currents, slopes)
        change = linear.correction(missed)
        largest = float(np.abs(change).max(initial=0.0))
        if not (np.isfinite(largest) and np.isfinite(currents).all()):
            raise NoConvergence
        # a small change of the potentials may be a large one of the currents: it is made once at least
        if number and largest <= allowed.settled:
            course = Course(
                length=length,
                y=np.concatenate([start.y[:, None], y], axis=1),
                nodes=np.concatenate([start.nodes[None], nodes]),
                v=np.concatenate([start.v[None], v]),
                flow=terms.flow,
                charge=np.concatenate([start.charge[:, None], terms.charge], axis=1),
                current_charge=np.concatenate([start.current_charge[:, None], terms.current_charge], axis=1),
                node_slopes=slopes,
                charge_currents=charge_currents,
            )
            return course, linear
        if largest > _SLOW * before:
            if fresh and largest > _STUCK * before:
                raise NoConvergence
            if not fresh:
                linear, fresh = linearised(float(stages.time[middle]), v[middle], y[:, middle]), True
                change = linear.correction(missed)
        nodes -= change
        before = largest
    raise NoConvergence


def correct(
    cell: WiredCell, wiring: Wiring, course: Course, linear: Linearised, where: Places, y: FloatArray, nodes: FloatArray
) -> Correction:
    """Compare unknowns (cell, place, k) and potentials (place, node) in a step with the equations there.

    The derivatives by time are those of the polynomial, and an implicit Euler step over a part of the step takes care
    of what differs from it: what is faster than the step is corrected as if it had no charge, and what is slower
    hardly. Of the polynomial itself this is the estimate of its error, wherever a kink lies (see `stages`).
    """
    shift, count = linear.shift, len(y)
    time = np.repeat(where.time[None], count, axis=0)
    v = wiring.potentials(where.drive, nodes)
    terms = evaluate(cell, time, v.swapaxes(0, 1), y)
    own = terms.flow_jacobian + shift * terms.charge_jacobian
    off = terms.flow - where.slopes @ course.flow + shift * (terms.charge - where.values @ course.charge)
    alone = solve(own, off)
    currents = terms.current + where.slopes @ course.charge_currents
    currents += shift * (terms.current_charge - where.values @ course.current_charge)
    currents = currents.swapaxes(0, 1)
    slopes = where.slopes @ course.node_slopes + shift * (nodes - where.values @ course.nodes)
    following = np.einsum("nak,nmk->mna", linear.response, alone)
    missed = wiring.misses(where.drive, nodes, currents, slopes) - wiring.drops(following)
    change = linear.real.correction(missed)
    change_v = wiring.at_cells(change)
    change_y = alone - solve(own, np.einsum("nka,mna->nmk", linear.drive, change_v))
    carried = np.einsum("nak,nmk->mna", linear.response, change_y) + np.einsum(
        "nab,mnb->mna", linear.direct + shift * wiring.segment * np.eye(2), change_v
    )
    return Correction(change_y, change, missed, carried, currents, slopes)
