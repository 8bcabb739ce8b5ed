"""The ideal cell: an ohmic resistor whose state does not move."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike
from pydantic import model_validator

from spicecim.devices.base import FloatArray, Number, SeparableDevice, parameter


class Resistor(SeparableDevice):
    """``i = (1/Roff + (1/Ron - 1/Roff) x) v`` with x for ever what it was set to.

    The cell that a read below every threshold would wish for: ohmic, with a conductance that is linear in its state,
    and without any disturb. The state variable of the engines is x itself.
    """

    name: ClassVar[str] = "resistor"
    title: ClassVar[str] = "Ideal ohmic cell with a state that does not move"
    source: ClassVar[str] = "Ohm's law; the state is the normalised conductance. An idealisation, no published device."
    subcircuit: ClassVar[str] = "devices/resistor.cir.j2"

    Ron: Number = parameter("ohm", "resistance at x = 1", gt=0)
    Roff: Number = parameter("ohm", "resistance at x = 0", gt=0)

    @model_validator(mode="after")
    def _check_resistances(self) -> Resistor:
        if self.Roff <= self.Ron:
            raise ValueError(f"Roff must be above Ron, given Ron = {self.Ron:g} ohm and Roff = {self.Roff:g} ohm")
        return self

    def voltage_breaks(self) -> tuple[float, ...]:
        return ()

    def state_from_x(self, x: ArrayLike) -> FloatArray:
        return np.asarray(x, dtype=float)

    def x_from_state(self, s: ArrayLike) -> FloatArray:
        return np.asarray(s, dtype=float)

    def current(self, v: ArrayLike, s: ArrayLike) -> FloatArray:
        lowest, highest = 1.0 / self.Roff, 1.0 / self.Ron
        return np.asarray(np.asarray(v, dtype=float) * (lowest + (highest - lowest) * np.asarray(s, dtype=float)))

    def voltage_factor(self, v: ArrayLike) -> FloatArray:
        return np.zeros_like(np.asarray(v, dtype=float))

    def state_factor(self, s: ArrayLike, rising: bool) -> FloatArray:
        return np.ones_like(np.asarray(s, dtype=float))

    def state_nodes(self, density: int) -> FloatArray:
        return np.array([0.0, 1.0])
