"""The generalised memristor model of Yakopcic and co-workers."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike

from spicecim.devices.base import FloatArray, Number, SeparableDevice, graded_nodes, parameter


class Yakopcic(SeparableDevice):
    """Sinh conduction scaled by the state; state motion above a voltage threshold.

    ``i = a x sinh(b v)`` with `a1` for v >= 0 and `a2` below; ``dx/dt = eta g(v) f(x)``, where g is zero between the
    thresholds ``-Vn`` and ``Vp`` and f slows the motion near the bound that the state moves towards. Yakopcic
    et al., IEEE Trans. CAD 32(8), 1201-1214 (2013), doi:10.1109/TCAD.2013.2252057. The state variable of
    the engines is x itself: f falls to zero linearly at either bound and is 1 on the way back, so x neither leaves
    [0, 1] nor locks.
    """

    name: ClassVar[str] = "yakopcic"
    title: ClassVar[str] = "Yakopcic generalised memristor"
    source: ClassVar[str] = (
        "C. Yakopcic, T. M. Taha, G. Subramanyam, R. E. Pino, Generalized memristive device SPICE model and its "
        "application in circuit design, IEEE Trans. CAD 32(8), 1201-1214 (2013), doi:10.1109/TCAD.2013.2252057"
    )
    subcircuit: ClassVar[str] = "devices/yakopcic.cir.j2"

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

    def voltage_breaks(self) -> tuple[float, ...]:
        return (-self.Vn, 0.0, self.Vp)

    def state_from_x(self, x: ArrayLike) -> FloatArray:
        return np.asarray(x, dtype=float)

    def x_from_state(self, s: ArrayLike) -> FloatArray:
        return np.asarray(s, dtype=float)

    def current(self, v: ArrayLike, s: ArrayLike) -> FloatArray:
        v = np.asarray(v, dtype=float)
        return np.asarray(np.where(v >= 0, self.a1, self.a2) * np.sinh(self.b * v) * np.asarray(s))

    def voltage_factor(self, v: ArrayLike) -> FloatArray:
        v = np.asarray(v, dtype=float)
        # max instead of branches: zero between the thresholds
        above = self.Ap * (np.exp(np.maximum(v, self.Vp)) - np.exp(self.Vp))
        below = self.An * (np.exp(np.maximum(-v, self.Vn)) - np.exp(self.Vn))
        return np.asarray(self.eta * (above - below))

    def state_factor(self, s: ArrayLike, rising: bool) -> FloatArray:
        x = np.asarray(s, dtype=float)
        if rising:
            return np.where(x >= self.xp, np.exp(-self.alphap * (x - self.xp)) * (1.0 - x) / (1.0 - self.xp), 1.0)
        edge = 1.0 - self.xn
        return np.where(x <= edge, np.exp(self.alphan * (x - edge)) * x / edge, 1.0)

    def state_nodes(self, density: int) -> FloatArray:
        return graded_nodes(density, tuple({kink for kink in (self.xp, 1.0 - self.xn) if 0.0 < kink < 1.0}))
