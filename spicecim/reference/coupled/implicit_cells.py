"""Cells with unknowns and charges of their own, such as Verilog-A modules: collocated with the wires."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spicecim.devices.cell import CellSlopes, CellTerms, WiredCell
from spicecim.fields import FloatArray
from spicecim.reference.collocation import Places, Rule, defects, evaluate, solve, solve_columns, solve_stages
from spicecim.reference.coupled.cells import Allowed, Cells, LinearizedCells, Reply, combine
from spicecim.reference.coupled.course import Course, State, Terms
from spicecim.reference.guards import NoConvergence
from spicecim.reference.tables.flow_map import peaks
from spicecim.reference.wires.capacitance import CapacitiveNetwork
from spicecim.reference.wires.network import Network
from spicecim.reference.wires.nodal import Blocks

_IMPLICIT_SHARE = 0.1
"""Allowed error of the unknowns of modules, relative to the tolerance: it is the error of the stages themselves."""
_SETTLED = 2e-3
"""Last change of the potentials at the stages, relative to the tolerance."""
_STAGES_SETTLED = 0.1
"""Allowed error of the modules' stages relative to that of their unknowns."""


class ImplicitCells(Cells):
    """Any cells, by collocation of their unknowns.

    Parameters
    ----------
    cell
        The equations of every cell, by the potentials of its row and column.
    rule
        The collocation of the steps.
    further
        What each cell starts with beside its state (cell, m), NaN for what is in equilibrium; None for nothing.
    """

    explicit = False

    def __init__(self, cell: WiredCell, rule: Rule, further: FloatArray | None) -> None:
        self.cell, self._rule, self._further = cell, rule, further
        self._still = [cell.state_index]
        if further is not None:
            self._still += np.array(cell.further)[~np.isnan(further).any(axis=0)].tolist()

    def start(self, v: FloatArray, states: FloatArray) -> FloatArray:
        return self.cell.start(v, states, self._further)

    def initial_terms(self, v: FloatArray, y: FloatArray) -> Terms:
        terms = self.cell.terms(np.zeros(len(v)), v, y)
        return Terms(terms.current, terms.flow, terms.charge.copy(), terms.current_charge.copy())

    def state(self, y: FloatArray) -> FloatArray:
        return y[..., self.cell.state_index]

    def further(self, y: FloatArray) -> FloatArray:
        return y[..., list(self.cell.further)]

    def scales(self, y: FloatArray) -> FloatArray:
        return np.maximum(self.cell.scale, np.abs(y))

    def held(self, v: FloatArray, states: FloatArray) -> tuple[FloatArray, Blocks]:
        y, time = self.start(v, states), np.zeros(len(v))
        slopes = self.cell.linear(time, v, y)
        own, drive = slopes.flow_y.copy(), slopes.flow_v.copy()
        # in place of the states' equations: they do not move
        own[:, self._still], drive[:, self._still] = np.eye(own.shape[1])[self._still], 0.0
        return self.cell.terms(time, v, y).current, slopes.current_v - slopes.current_y @ np.linalg.solve(own, drive)

    def linear(self, time: float, v: FloatArray, y: FloatArray) -> LinearCells:
        return LinearCells(self.cell.linear(np.full(len(v), time), v, y))

    def allowed(self, y: FloatArray, scale: float, tolerance: float) -> Allowed:
        least = _IMPLICIT_SHARE * tolerance
        return Allowed(least * self.scales(y), least * scale, least * scale, _SETTLED * tolerance * scale)

    def stages(
        self, start: State, length: float, where: Places, v: FloatArray, guess: FloatArray, allowed: Allowed,
        checked: bool,
    ) -> tuple[FloatArray, FloatArray]:  # fmt: skip
        count = len(start.y)
        y, converged = solve_stages(
            self.cell, self._rule, np.repeat(where.time[None], count, axis=0), np.full(count, length), v.swapaxes(0, 1),
            start.reactive, guess.swapaxes(0, 1), _STAGES_SETTLED * allowed.y,
        )  # fmt: skip
        if not converged.all():
            raise NoConvergence
        return y.swapaxes(0, 1), guess[:0]

    def terms(self, start: State, length: float, where: Places, v: FloatArray, y: FloatArray) -> Terms:
        found = self._evaluate(where, v, y)
        charge = np.concatenate([start.charge[None], found.current_charge])
        charge_currents = combine(self._rule.slope / length, charge[1:] - charge[0])
        reactive = np.concatenate([start.reactive[None], found.charge])
        return Terms(found.current + charge_currents, found.flow, reactive, charge, charge_currents)

    def reply(
        self, course: Course, linear: LinearizedCells, shift: float, where: Places, v: FloatArray, y: FloatArray
    ) -> Reply:  # fmt: skip
        assert isinstance(linear, LinearCells)
        terms, known = self._evaluate(where, v, y), course.terms
        own = terms.flow_jacobian + shift * terms.charge_jacobian
        off = terms.flow - combine(where.slopes, known.resistive)
        off += shift * (terms.charge - combine(where.values, known.reactive))
        currents = terms.current + combine(where.slopes, known.charge_currents)
        currents += shift * (terms.current_charge - combine(where.values, known.charge))
        alone = solve(own, off)
        corrected = currents - np.einsum("nak,mnk->mna", linear.response(shift), alone)
        return Reply(currents, corrected, alone, own)

    def follow(
        self, linear: LinearizedCells, shift: float, reply: Reply, change: FloatArray, network: Network
    ) -> FloatArray:  # fmt: skip
        assert isinstance(network, CapacitiveNetwork)
        assert isinstance(linear, LinearCells)
        moved = np.einsum("nka,mna->mnk", linear.drive(shift), network.at_cells(change))
        return np.asarray(reply.alone - solve(reply.own, moved))

    def at(self, course: Course, where: Places) -> FloatArray:
        return combine(where.values, course.y)

    def missed_at_peaks(self, course: Course, allowed: Allowed, begin: float) -> float:
        """Error of the unknowns where the voltages peak, between all places, relative to the allowed.

        `begin` is the start of the step (s).
        """
        which, place = peaks(self._rule, course.v[:, :, 0] - course.v[:, :, 1])
        v = np.einsum("ms,sma->ma", self._rule.values(place), course.v[:, which])
        time = begin + place * course.length
        y, resistive, reactive = (
            part[:, which].swapaxes(0, 1) for part in (course.y, course.terms.resistive, course.terms.reactive)
        )
        missed = defects(self.cell.of_cells(which), self._rule, place, time, v, course.length, y, resistive, reactive)
        return float((missed / allowed.y[which]).max(initial=0.0))

    def kinks(self, v: FloatArray, y: FloatArray) -> FloatArray:
        return np.asarray((v[..., 0] - v[..., 1])[..., None] - np.atleast_2d(self.cell.voltage_breaks()))

    def kink_magnitudes(self, scale: float) -> FloatArray:
        return np.array([scale])

    def settling_time(self, state: State, cell: int) -> float:
        return np.inf

    def _evaluate(self, where: Places, v: FloatArray, y: FloatArray) -> CellTerms:
        places, cells = y.shape[:2]
        cell = self.cell.of_cells(np.tile(np.arange(cells), places))
        return evaluate(cell, np.broadcast_to(where.time[:, None], y.shape[:2]), v, y)


@dataclass(frozen=True)
class LinearCells:
    """Any cells linearized at one instant."""

    slopes: CellSlopes

    def drive(self, shift: complex) -> Blocks:
        """What the potentials add to the equations of the unknowns (cell, k, 2)."""
        return self.slopes.flow_v + shift * self.slopes.charge_v

    def response(self, shift: complex) -> Blocks:
        """What the unknowns add to the currents (cell, 2, k)."""
        return self.slopes.current_y + shift * self.slopes.current_charge_y

    def direct(self, shift: complex) -> Blocks:
        """What the potentials add to the currents (cell, 2, 2) with the unknowns held."""
        return self.slopes.current_v + shift * self.slopes.current_charge_v

    def admittance(self, shift: complex) -> Blocks:
        """Currents into row and column by their potentials (cell, 2, 2), the unknowns following: siemens."""
        own = self.slopes.flow_y + shift * self.slopes.charge_y
        return np.asarray(self.direct(shift) - self.response(shift) @ solve_columns(own, self.drive(shift)))
