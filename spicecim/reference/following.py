"""How cells follow potentials that are polynomials of time over a step: by collocation, or by the flow of their states.

Collocated cells are unknowns of the step as the wires are, and their kinks are kinks of its polynomials. The state of a
device whose rate separates is a functional of its voltage's polynomial, split at its kinks (see `motion`): steps need
not end at any, and for the wires these cells are resistors whose states are known.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np

from spicecim.devices.cell import CellSlopes, CellTerms, ExplicitCell, WiredCell
from spicecim.devices.device import Device
from spicecim.fields import FloatArray
from spicecim.reference.course import RULE, Allowed, Course, NoConvergence, Places, State
from spicecim.reference.motion import Interpolation, Motion
from spicecim.reference.stages import solve_stages

_CELLS_SETTLED = 0.1
"""Allowed error of the cells' stages relative to that of their unknowns."""
_STAGES_SETTLED = 0.02
"""Allowed error of the potentials at the stages relative to the tolerance."""
_STATE_SHARE = 10.0
"""Allowed change of a state by better potentials, relative to the tolerance: the better state is kept."""
_POTENTIAL_SHARE = 1e3
"""Allowed error of potentials that move states by their mean over the step alone, relative to the tolerance."""
_LEFT_SHARE = 3.0
"""Allowed error of the same where they are solved for once more, relative to the tolerance."""
_LEAST_PLACE = 1e-15
"""Place in a step where `motion` takes a state to be that of the start."""

_NODES = np.append(0.0, RULE.nodes)


class Follower(Protocol):
    """Cells over time steps."""

    @property
    def cell(self) -> WiredCell:
        """Their equations at one instant, by the potentials of row and column (see `terminals`)."""

    @property
    def immediate(self) -> bool:
        """Whether their currents, once their unknowns are known, are those of resistors."""

    def allowed(self, y: FloatArray, scale: float, tolerance: float) -> Allowed:
        """Return the allowed errors of a step from unknowns y (cell, k), with a scale of voltages (V)."""

    def stages(
        self, start: State, length: float, where: Places, v: FloatArray, guess: FloatArray, allowed: Allowed
    ) -> FloatArray:
        """Unknowns (cell, stage, k) at the stages for potentials v (stage, cell, 2) there.

        Raises
        ------
        NoConvergence
            If there is no solution.
        """

    def at(self, course: Course, where: Places) -> FloatArray:
        """Unknowns (cell, place, k) at places in a solved step."""

    def refined(self, course: Course, where: Places, v: FloatArray) -> tuple[Course, FloatArray]:
        """Take account of potentials v (check, cell, 2) at the rule's checks that are better than the polynomial's.

        Returns the step, and by how much that changes the unknowns (cell, place, k) at some places.
        """

    def voltage_breaks(self) -> tuple[float, ...]:
        """Voltages over a cell at which a step had better end."""


class Collocated:
    """Any cells, by collocation of their unknowns.

    Parameters
    ----------
    cell
        The equations of every cell, by the potentials of its row and column.
    """

    immediate = False

    def __init__(self, cell: WiredCell) -> None:
        self.cell = cell

    def allowed(self, y: FloatArray, scale: float, tolerance: float) -> Allowed:
        least = tolerance * scale
        return Allowed(tolerance * np.maximum(self.cell.scale, np.abs(y)), least, least, _STAGES_SETTLED * least)

    def stages(
        self, start: State, length: float, where: Places, v: FloatArray, guess: FloatArray, allowed: Allowed
    ) -> FloatArray:
        count = len(start.y)
        y, converged = solve_stages(
            self.cell, RULE, np.repeat(where.time[None], count, axis=0), np.full(count, length), v.swapaxes(0, 1),
            start.charge, guess, _CELLS_SETTLED * allowed.y,
        )  # fmt: skip
        if not converged.all():
            raise NoConvergence
        return y

    def at(self, course: Course, where: Places) -> FloatArray:
        return where.values @ course.y

    def refined(self, course: Course, where: Places, v: FloatArray) -> tuple[Course, FloatArray]:
        return course, np.zeros((len(course.y), 0, course.y.shape[2]))

    def voltage_breaks(self) -> tuple[float, ...]:
        return self.cell.voltage_breaks()


class Flowing:
    """Separable devices, by the flow of their states.

    Parameters
    ----------
    device
        The device of every cell.
    """

    immediate = True

    def __init__(self, device: Device) -> None:
        self.cell = _Held(device)
        self._motion = Motion(device)
        self._rule, self._finer = Interpolation(_NODES), Interpolation(_NODES, between=True)
        # of the finer rule's nodes past 0, the middles are checks and the others stages
        checks = np.abs(self._finer.nodes[1::2, None] - RULE.checks).argmin(axis=1)
        self._middles = checks

    def allowed(self, y: FloatArray, scale: float, tolerance: float) -> Allowed:
        states = _STATE_SHARE * tolerance * np.broadcast_to(self.cell.scale, y.shape)
        least = tolerance * scale
        return Allowed(states, _POTENTIAL_SHARE * least, _LEFT_SHARE * least, least)

    def stages(
        self, start: State, length: float, where: Places, v: FloatArray, guess: FloatArray, allowed: Allowed
    ) -> FloatArray:
        voltages = _over_cells(np.concatenate([start.v[None], v]))
        return self._states(self._rule, voltages, length, start.y, RULE.nodes)

    def at(self, course: Course, where: Places) -> FloatArray:
        rule, voltages = (self._rule, course.v) if course.finer_v is None else (self._finer, course.finer_v)
        return self._states(rule, _over_cells(voltages), course.length, course.y[:, 0], where.at)

    def refined(self, course: Course, where: Places, v: FloatArray) -> tuple[Course, FloatArray]:
        finer = np.empty((len(self._finer.nodes), *course.v.shape[1:]))
        finer[::2], finer[1::2] = course.v, v[self._middles]
        y = self._states(self._finer, _over_cells(finer), course.length, course.y[:, 0], RULE.nodes)
        off = y - course.y[:, 1:]
        return replace(course, y=np.concatenate([course.y[:, :1], y], axis=1), finer_v=finer), off

    def voltage_breaks(self) -> tuple[float, ...]:
        return ()

    def _states(
        self, rule: Interpolation, voltages: FloatArray, length: float, start: FloatArray, at: FloatArray
    ) -> FloatArray:
        """States (cell, place, 1) at places, by voltages (node, cell) at the nodes of a rule."""
        places, found = np.unique(np.maximum(at, _LEAST_PLACE), return_inverse=True)
        return self._motion.states(rule, voltages, length, start[:, 0], places)[found].T[:, :, None]


class _Held(ExplicitCell):
    """A device whose state is known: an unknown that keeps the value it is given."""

    def terms(self, time: FloatArray, v: FloatArray, y: FloatArray) -> CellTerms:
        none = np.zeros_like(y)
        return (
            super()
            .terms(time, v, y)
            ._replace(flow=none, charge=none, flow_jacobian=np.ones((*y.shape, 1)), charge_jacobian=none[:, :, None])
        )

    def linear(self, time: FloatArray, v: FloatArray, y: FloatArray) -> CellSlopes:
        none = np.zeros((len(y), 1, 2))
        return replace(
            super().linear(time, v, y),
            flow_y=np.ones((*y.shape, 1)), charge_y=np.zeros((*y.shape, 1)), flow_v=none, charge_v=none,
        )  # fmt: skip

    def voltage_breaks(self) -> tuple[float, ...]:
        return ()


def _over_cells(v: FloatArray) -> FloatArray:
    """Voltages (place, cell) over cells by the potentials (place, cell, 2) of rows and columns."""
    return np.asarray(v[:, :, 0] - v[:, :, 1])
