"""The data-driven model of Messaris and co-workers."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from spicecim.devices.expressions import FloatArray
from spicecim.devices.memristor import Memristor
from spicecim.devices.parameters import Number, parameter


class DataDriven(Memristor):
    """A resistance R that moves towards a boundary set by the voltage, at a speed set by voltage and distance.

    ``i = a sinh(b v) / R``, a and b by the sign of v; ``dR/dt = s(v) f(R, v)`` with ``s = Ap (exp(tp v) - 1)`` for
    v > 0 and ``An (exp(tn |v|) - 1)`` below. ``f = exp(k |r(v) - R|) - 1`` while R moves towards the boundary
    ``r(v) = r0 + r1 v + r2 v^2``, and zero beyond. Messaris, Serb, Stathopoulos, Khiat, Nikolaidis,
    Prodromakis, IEEE Trans. CAD 37(12), 3151-3162 (2018), doi:10.1109/TCAD.2018.2791468. R stays between hard stops at
    Ron and Roff, the range that the model is meant for. The state variable of the engines is ``s = R / Roff``;
    ``x = (Roff - R) / (Roff - Ron)``.
    """

    name: ClassVar[str] = "data_driven"
    title: ClassVar[str] = "Data-driven resistance (Messaris)"
    source: ClassVar[str] = (
        "I. Messaris, A. Serb, S. Stathopoulos, A. Khiat, S. Nikolaidis, T. Prodromakis, A data-driven Verilog-A ReRAM "
        "model, IEEE Trans. CAD 37(12), 3151-3162 (2018), doi:10.1109/TCAD.2018.2791468"
    )

    Ron: Number = parameter("ohm", "lowest resistance, at x = 1", gt=0)
    Roff: Number = parameter("ohm", "highest resistance, at x = 0", above="Ron")
    ap: Number = parameter("V", "scale of the conduction for v >= 0", gt=0)
    an: Number = parameter("V", "scale of the conduction for v < 0", gt=0)
    bp: Number = parameter("1/V", "curvature of the conduction for v >= 0", gt=0)
    bn: Number = parameter("1/V", "curvature of the conduction for v < 0", gt=0)
    Ap: Number = parameter("ohm/s", "speed of R for v > 0; its sign is the direction")
    An: Number = parameter("ohm/s", "speed of R for v < 0; its sign is the direction")
    tp: Number = parameter("1/V", "exponent of the speed for v > 0", gt=0)
    tn: Number = parameter("1/V", "exponent of the speed for v < 0", gt=0)
    kp: Number = parameter("1/ohm", "exponent of the distance for v > 0", gt=0)
    kn: Number = parameter("1/ohm", "exponent of the distance for v < 0", gt=0)
    rp0: Number = parameter("ohm", "boundary for v > 0, constant")
    rp1: Number = parameter("ohm/V", "boundary for v > 0, linear")
    rp2: Number = parameter("ohm/V^2", "boundary for v > 0, quadratic", default=0.0)
    rn0: Number = parameter("ohm", "boundary for v < 0, constant")
    rn1: Number = parameter("ohm/V", "boundary for v < 0, linear")
    rn2: Number = parameter("ohm/V^2", "boundary for v < 0, quadratic", default=0.0)

    def stops(self) -> tuple[float, float]:
        return (self.Ron / self.Roff, 1.0)

    def state_from_x(self, x: Any) -> FloatArray:
        return np.asarray(1.0 - (1.0 - self.Ron / self.Roff) * np.asarray(x, dtype=float))

    def x_from_state(self, s: Any) -> FloatArray:
        return np.asarray((1.0 - self.inside(s)) / (1.0 - self.Ron / self.Roff))

    def current(self, v: Any, s: Any) -> Any:
        conduction = np.where(v >= 0.0, self.ap * np.sinh(self.bp * v), self.an * np.sinh(self.bn * v))
        return conduction / (self.Roff * self.inside(s))

    def rate(self, v: Any, s: Any) -> Any:
        r = self.Roff * self.inside(s)
        boundary_p = self.rp0 + self.rp1 * v + self.rp2 * v * v
        boundary_n = self.rn0 + self.rn1 * v + self.rn2 * v * v
        # away from the boundary R has nothing to move for: the distance in the direction of motion counts
        left_p = self.kp * np.maximum(np.sign(self.Ap) * (boundary_p - r), 0.0)
        left_n = self.kn * np.maximum(np.sign(self.An) * (boundary_n - r), 0.0)
        up = self.Ap * np.expm1(self.tp * v) * np.expm1(left_p)
        down = self.An * np.expm1(-self.tn * v) * np.expm1(left_n)
        return np.where(v >= 0.0, up, down) / self.Roff
