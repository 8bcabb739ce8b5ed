"""The bipolar threshold memristor of Pershin and Di Ventra."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike
from pydantic import model_validator

from spicecim.devices.base import FloatArray, Number, SeparableDevice, parameter


class PershinDiVentra(SeparableDevice):
    """``v = R i``, where R moves with the voltage: slowly below a threshold, fast above.

    ``dR/dt = beta v + (alpha - beta) (|v + Vt| - |v - Vt|) / 2`` between hard stops at Ron and Roff: slope alpha
    between -Vt and Vt, slope beta beyond. A positive voltage raises R. Pershin and Di Ventra, Neural Networks 23,
    881-886 (2010), doi:10.1016/j.neunet.2010.05.001. It is evaluated as ``alpha u + beta (v - u)`` with u the voltage
    limited to -Vt and Vt, which is the same, and exactly zero below the threshold where alpha is zero. The state
    variable of the engines is ``s = R / Roff``; ``x = (Roff - R) / (Roff - Ron)``.
    """

    name: ClassVar[str] = "pershin_di_ventra"
    title: ClassVar[str] = "Pershin-Di Ventra bipolar threshold"
    source: ClassVar[str] = (
        "Y. V. Pershin, M. Di Ventra, Experimental demonstration of associative memory with memristive neural "
        "networks, Neural Networks 23, 881-886 (2010), doi:10.1016/j.neunet.2010.05.001"
    )
    subcircuit: ClassVar[str] = "devices/pershin_di_ventra.cir.j2"

    Ron: Number = parameter("ohm", "resistance at x = 1", gt=0)
    Roff: Number = parameter("ohm", "resistance at x = 0", gt=0)
    alpha: Number = parameter("ohm/(V s)", "rate of R per volt below the threshold", default=0.0, ge=0)
    beta: Number = parameter("ohm/(V s)", "rate of R per volt above the threshold", gt=0)
    Vt: Number = parameter("V", "threshold (a magnitude)", ge=0)

    @model_validator(mode="after")
    def _check_resistances(self) -> PershinDiVentra:
        if self.Roff <= self.Ron:
            raise ValueError(f"Roff must be above Ron, given Ron = {self.Ron:g} ohm and Roff = {self.Roff:g} ohm")
        return self

    def stops(self) -> tuple[float, float]:
        return (self.Ron / self.Roff, 1.0)

    def voltage_breaks(self) -> tuple[float, ...]:
        return (-self.Vt, 0.0, self.Vt)

    def state_from_x(self, x: ArrayLike) -> FloatArray:
        return np.asarray(1.0 - (1.0 - self.Ron / self.Roff) * np.asarray(x, dtype=float))

    def x_from_state(self, s: ArrayLike) -> FloatArray:
        return np.asarray((1.0 - self._inside(s)) / (1.0 - self.Ron / self.Roff))

    def current(self, v: ArrayLike, s: ArrayLike) -> FloatArray:
        return np.asarray(np.asarray(v, dtype=float) / (self.Roff * self._inside(s)))

    def voltage_factor(self, v: ArrayLike) -> FloatArray:
        v = np.asarray(v, dtype=float)
        below = np.clip(v, -self.Vt, self.Vt)
        return np.asarray((self.alpha * below + self.beta * (v - below)) / self.Roff)

    def state_factor(self, s: ArrayLike, rising: bool) -> FloatArray:
        return np.ones_like(np.asarray(s, dtype=float))

    def state_nodes(self, density: int) -> FloatArray:
        return np.array(self.stops())
