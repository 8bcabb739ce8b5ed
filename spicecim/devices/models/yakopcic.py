"""The generalized memristor model of Yakopcic and co-workers."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from spicecim.devices.memristor import Memristor
from spicecim.devices.parameters import Number, parameter


class Yakopcic(Memristor):
    """Sinh conduction scaled by the state; state motion above a voltage threshold.

    ``i = a x sinh(b v)`` with `a1` for v >= 0 and `a2` below; ``dx/dt = eta g(v) f(x)``, where g is zero between the
    thresholds ``-Vn`` and ``Vp`` and f slows the motion near the bound that the state moves towards. Yakopcic
    et al., IEEE Trans. CAD 32(8), 1201-1214 (2013), doi:10.1109/TCAD.2013.2252057. The state variable of
    the engines is x itself: f falls to zero linearly at either bound and is 1 on the way back, so x neither leaves
    [0, 1] nor locks.
    """

    name: ClassVar[str] = "yakopcic"
    title: ClassVar[str] = "Yakopcic generalized memristor"
    source: ClassVar[str] = (
        "C. Yakopcic, T. M. Taha, G. Subramanyam, R. E. Pino, Generalized memristive device SPICE model and its "
        "application in circuit design, IEEE Trans. CAD 32(8), 1201-1214 (2013), doi:10.1109/TCAD.2013.2252057"
    )

    a1: Number = parameter("A", "current scale for v >= 0", gt=0)
    a2: Number = parameter("A", "current scale for v < 0", gt=0)
    b: Number = parameter("1/V", "curvature of the conduction", gt=0)
    Ap: Number = parameter("1/s", "speed of the state above Vp", ge=0)
    An: Number = parameter("1/s", "speed of the state below -Vn", ge=0)
    Vp: Number = parameter("V", "positive threshold", ge=0)
    Vn: Number = parameter("V", "negative threshold (a magnitude)", ge=0)
    alphap: Number = parameter("", "decay of the speed above xp", ge=0)
    alphan: Number = parameter("", "decay of the speed below 1 - xn", ge=0)
    xp: Number = parameter("", "state above which upward motion slows", ge=0, lt=1)
    xn: Number = parameter("", "distance from 1 below which downward motion slows", ge=0, lt=1)
    eta: Literal[-1, 1] = parameter("", "direction: 1 if a positive voltage raises x", default=1)

    def current(self, v: Any, s: Any) -> Any:
        return np.where(v >= 0, self.a1, self.a2) * s * np.sinh(self.b * v)

    def rises(self, v: Any) -> Any:
        return self.eta * v > 0.0

    def drive(self, v: Any) -> Any:
        above = self.Ap * (np.exp(v) - np.exp(self.Vp))
        below = self.An * (np.exp(-v) - np.exp(self.Vn))
        return self.eta * np.where(v > self.Vp, above, np.where(v < -self.Vn, -below, 0.0))

    def motion(self, s: Any, rising: bool) -> Any:
        if rising:
            slowed = np.exp(-self.alphap * (s - self.xp)) * (1.0 - s) / (1.0 - self.xp)
            return np.where(s >= self.xp, slowed, 1.0)
        edge = 1.0 - self.xn
        return np.where(s <= edge, np.exp(self.alphan * (s - edge)) * s / edge, 1.0)
