"""A crossbar at one instant, and over a solved step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from spicecim.fields import FloatArray


class Terms(NamedTuple):
    """What the equations of the cells say at the stages of a step, as far as they have such parts."""

    currents: FloatArray
    """Currents into the cells (stage, cell, ...), ampere."""
    resistive: Any = None
    """Resistive parts of the residuals (stage, cell, k)."""
    reactive: Any = None
    """Reactive parts, with those at the start (stage + 1, cell, k)."""
    charge: Any = None
    """Charges of the currents, with those at the start (stage + 1, cell, 2)."""
    charge_currents: Any = None
    """Derivatives of `charge` by time at the stages (stage, cell, 2)."""


class State(NamedTuple):
    """A crossbar at one instant."""

    y: FloatArray
    """Unknowns of the cells (cell, k)."""
    p: FloatArray
    """Unknowns of the network (unknown,), volt."""
    v: FloatArray
    """Potentials of the cells (cell, ...)."""
    reactive: Any = None
    """Reactive parts of the cells' residuals (cell, k), where there are any."""
    charge: Any = None
    """Charges of their currents (cell, 2)."""


@dataclass(frozen=True)
class Course:
    """A solved step: polynomials through the start and the stages, and what the equations say there."""

    length: float
    y: FloatArray
    """Unknowns of the cells (stage + 1, cell, k)."""
    p: FloatArray
    """Unknowns of the network (stage + 1, unknown), volt."""
    v: FloatArray
    """Potentials of the cells (stage + 1, cell, ...)."""
    terms: Terms
    slopes: Any
    """Derivatives of `p` by time at the stages (stage, unknown), where the network stores."""
    finer_v: FloatArray | None = None
    """Voltages over explicit cells with those between the places too (finer place, cell)."""
    added: Any = None
    """What that adds to the states at the end (cell,)."""
    known: tuple[FloatArray, FloatArray] | None = None
    """Places at which unknowns of the cells are known already, and these."""
    inside: tuple[FloatArray, FloatArray] | None = None
    """States of explicit cells at the finer places behind the start (finer place, cell), without these and with."""

    @property
    def end(self) -> State:
        reactive, charge = self.terms.reactive, self.terms.charge
        return State(
            self.y[-1], self.p[-1], self.v[-1],
            None if reactive is None else reactive[-1], None if charge is None else charge[-1],
        )  # fmt: skip
