"""A time step of a whole crossbar: polynomials through its start and the stages of a Radau rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from spicecim.fields import FloatArray
from spicecim.reference.radau import radau

STAGES = 5
RULE = radau(STAGES)


class State(NamedTuple):
    """A crossbar at one instant."""

    y: FloatArray
    """Unknowns of the cells (cell, k)."""
    charge: FloatArray
    """Charges of their equations (cell, k)."""
    current_charge: FloatArray
    """Charges of their currents (cell, 2)."""
    nodes: FloatArray
    """Potentials of the wires' nodes (node,)."""
    v: FloatArray
    """Potentials of the cells' rows and columns (cell, 2)."""


class Allowed(NamedTuple):
    """Allowed errors."""

    y: FloatArray
    """Of the cells' unknowns (cell, k)."""
    potential: float
    """Of the nodes' potentials between the stages (V)."""
    left: float
    """Of what is left of that where the equations are solved once more (V)."""
    settled: float
    """Of the last change of those at the stages (V)."""


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


def places(at: FloatArray, time: FloatArray, drive: FloatArray) -> Places:
    """Return places `at` in a step, by their instants and what the drivers do there."""
    return Places(at, RULE.values(at), RULE.slopes(at), time, drive)


class NoConvergence(Exception):
    """A step of this length has no solution that the rounds would find."""


@dataclass(frozen=True)
class Course:
    """A solved step: a polynomial through the start and the stages, and what the equations say at the stages."""

    length: float
    y: FloatArray
    """Unknowns of the cells (cell, stage + 1, k)."""
    nodes: FloatArray
    """Potentials of the nodes (stage + 1, node)."""
    v: FloatArray
    """Potentials of the cells' rows and columns (stage + 1, cell, 2)."""
    flow: FloatArray
    """Flows at the stages (cell, stage, k)."""
    charge: FloatArray
    """Charges (cell, stage + 1, k)."""
    current_charge: FloatArray
    """Charges of the currents (cell, stage + 1, 2)."""
    node_slopes: FloatArray
    """Derivatives of `nodes` by time at the stages (stage, node)."""
    charge_currents: FloatArray
    """Derivatives of `current_charge` by time at the stages (cell, stage, 2)."""
    finer_v: FloatArray | None = None
    """Potentials `v` that a check found between the places too, where cells follow these (see `following`)."""

    @property
    def end(self) -> State:
        return State(self.y[:, -1], self.charge[:, -1], self.current_charge[:, -1], self.nodes[-1], self.v[-1])
