"""The bipolar threshold memristor of Pershin and Di Ventra."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from spicecim.devices.expressions import FloatArray
from spicecim.devices.memristor import Memristor
from spicecim.devices.parameters import Number, parameter


class PershinDiVentra(Memristor):
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

    Ron: Number = parameter("ohm", "resistance at x = 1", gt=0)
    Roff: Number = parameter("ohm", "resistance at x = 0", above="Ron")
    alpha: Number = parameter("ohm/(V s)", "rate of R per volt below the threshold", default=0.0, ge=0)
    beta: Number = parameter("ohm/(V s)", "rate of R per volt above the threshold", gt=0)
    Vt: Number = parameter("V", "threshold (a magnitude)", ge=0)

    def stops(self) -> tuple[float, float]:
        return (self.Ron / self.Roff, 1.0)

    def state_from_x(self, x: ArrayLike) -> FloatArray:
        return np.asarray(1.0 - (1.0 - self.Ron / self.Roff) * np.asarray(x, dtype=float))

    def x_from_state(self, s: ArrayLike) -> FloatArray:
        return np.asarray((1.0 - self.inside(s)) / (1.0 - self.Ron / self.Roff))

    def current(self, v: Any, s: Any) -> Any:
        return v / (self.Roff * self.inside(s))

    def rises(self, v: Any) -> Any:
        return v > 0.0

    def drive(self, v: Any) -> Any:
        below = np.clip(v, -self.Vt, self.Vt)
        return (self.alpha * below + self.beta * (v - below)) / self.Roff

    def motion(self, s: Any, rising: bool) -> Any:
        return 1.0
