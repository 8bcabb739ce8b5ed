"""How the cells of a crossbar follow potentials that are polynomials of time over a step.

The state of an explicit device is a functional of its voltage: by tables of its flow, split at kinks (see `flow_map`),
or by collocation of its own. Steps need not end at its kinks, and for the wires such a cell is a resistor whose state
is known. A Verilog-A module has unknowns and charges of its own: they are collocated with the wires (see
`collocation`), and their kinks are kinks of the polynomials.

Arrays are (place, cell, ...). Potentials v are the voltages over cells (place, cell), or those of row and column
(place, cell, 2) where what a cell gives its column need not be what it takes from its row; currents are alike.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np

from spicecim.fields import FloatArray
from spicecim.reference.collocation import Places
from spicecim.reference.coupled.course import Course, State, Terms
from spicecim.reference.wires.network import Network
from spicecim.reference.wires.nodal import Blocks


class Allowed(NamedTuple):
    """Allowed errors of a step."""

    y: FloatArray
    """Of the cells' unknowns (cell, k)."""
    potential: float
    """Of the potentials between the stages (V)."""
    left: float
    """Of what is left of that where the equations are solved once more (V)."""
    settled: float
    """Of the last change of those at the stages (V)."""


class Reply(NamedTuple):
    """What cells answer to potentials at places in a step, corrected by the implicit Euler method."""

    currents: FloatArray
    """Currents into the cells (place, cell, ...), ampere."""
    corrected: FloatArray
    """The same with the unknowns that they would have at these potentials."""
    alone: Any = None
    """What to take off their unknowns for that (place, cell, k), where they have any."""
    own: Any = None
    """Derivatives of their residuals by their unknowns (place, cell, k, k)."""


class LinearizedCells(Protocol):
    """Cells linearized at one instant, whose d/dt is a factor: the Laplace variable `shift` (1/s)."""

    def admittance(self, shift: complex) -> Blocks:
        """Currents by the potentials, the unknowns following (cell, ...), siemens."""

    def direct(self, shift: complex) -> Blocks:
        """Return the same with the unknowns held."""


class Cells(Protocol):
    """Cells over time steps."""

    explicit: bool
    """Whether the potentials determine the states, and both the currents."""

    def start(self, v: FloatArray, states: FloatArray) -> FloatArray:
        """Unknowns (cell, k) at time 0 with these states (cell,) and potentials (cell, ...)."""

    def initial_terms(self, v: FloatArray, y: FloatArray) -> Terms:
        """Evaluate the equations at one instant: arrays without stages."""

    def state(self, y: FloatArray) -> FloatArray:
        """State variables (...) among unknowns (..., k)."""

    def further(self, y: FloatArray) -> FloatArray:
        """What cells start with beside their states (..., m) among unknowns (..., k)."""

    def scales(self, y: FloatArray) -> FloatArray:
        """Magnitudes (cell, k) that changes of the unknowns count relative to."""

    def held(self, v: FloatArray, states: FloatArray) -> tuple[FloatArray, Blocks]:
        """Currents (cell, ...) at rest with the states (cell,) held, and the admittances there."""

    def linear(self, time: float, v: FloatArray, y: FloatArray) -> LinearizedCells:
        """Linearize at one instant."""

    def allowed(self, y: FloatArray, scale: float, tolerance: float) -> Allowed:
        """Return the allowed errors of a step from unknowns y (cell, k), with a scale of voltages (V)."""

    def stages(
        self, start: State, length: float, where: Places, v: FloatArray, guess: FloatArray, allowed: Allowed,
        checked: bool,
    ) -> tuple[FloatArray, FloatArray]:  # fmt: skip
        """Unknowns (stage, cell, k) at the stages for potentials v (stage, cell, ...).

        And of explicit cells at the checks, if these are to be `checked`.

        Raises
        ------
        NoConvergence
            If there is no solution.
        """

    def terms(self, start: State, length: float, where: Places, v: FloatArray, y: FloatArray) -> Terms:
        """Evaluate the equations at the stages."""

    def reply(
        self, course: Course, linear: LinearizedCells, shift: float, where: Places, v: FloatArray, y: FloatArray
    ) -> Reply:  # fmt: skip
        """Evaluate the equations at places in a solved step, with the derivatives by time of its polynomials."""

    def follow(
        self, linear: LinearizedCells, shift: float, reply: Reply, change: FloatArray, network: Network
    ) -> FloatArray:  # fmt: skip
        """What to take off the unknowns (place, cell, k) along with a change of the network's (place, unknown)."""

    def at(self, course: Course, where: Places) -> FloatArray:
        """Unknowns (place, cell, k) at places in a solved step."""

    def kinks(self, v: FloatArray, y: FloatArray) -> FloatArray:
        """What changes its sign where a step had better end (place, cell, kink), as the equations are not smooth."""

    def kink_magnitudes(self, scale: float) -> FloatArray:
        """What the magnitudes of these may be (kink,), with a scale of voltages (V)."""

    def settling_time(self, state: State, cell: int) -> float:
        """Time constant (s) of a cell's state, which a hard stop makes short; infinite where none is known."""


def combine(matrix: FloatArray, values: FloatArray) -> FloatArray:
    """Apply a matrix (m, n) to values (n, ...)."""
    return np.asarray((matrix @ values.reshape(len(values), -1)).reshape(len(matrix), *values.shape[1:]))
