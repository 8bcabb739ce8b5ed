"""The dynamic memdiode of Miranda and co-workers."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from spicecim.devices.memristor import Memristor
from spicecim.devices.parameters import Number, parameter

_LEAST = 1e-9
"""Of H in its power: the power's derivative is not finite at 0."""


class Memdiode(Memristor):
    """Two opposite diodes behind a resistance, whose parameters follow the state H.

    ::

        i     = I0 (exp(beta alpha u) - exp(-(1 - beta) alpha u)),  v = u + i Rs
        dH/dt = (1 - H) exp(etas (v - vs))  for v >= 0,  -H exp(-etar H^gam (v - vr))  below

    I0, alpha and Rs go linearly from their values at H = 0 (``min``) to those at H = 1 (``max``). Aguirre, Sune,
    Miranda, SPICE implementation of the dynamic memdiode model for bipolar resistive switching devices, Micromachines
    13(2), 330 (2022), doi:10.3390/mi13020330, without its snapback. The current is implicit: the voltage u over the
    diodes is an inner node. The state variable of the engines is H, which is x.
    """

    name: ClassVar[str] = "memdiode"
    title: ClassVar[str] = "Dynamic memdiode (Miranda, Aguirre)"
    source: ClassVar[str] = (
        "F. L. Aguirre, J. Sune, E. Miranda, SPICE implementation of the dynamic memdiode model for bipolar resistive "
        "switching devices, Micromachines 13(2), 330 (2022), doi:10.3390/mi13020330"
    )
    inner: ClassVar[str] = "voltage over the diodes"

    imin: Number = parameter("A", "current scale at x = 0", gt=0)
    imax: Number = parameter("A", "current scale at x = 1", above="imin")
    alphamin: Number = parameter("1/V", "exponent at x = 0", gt=0)
    alphamax: Number = parameter("1/V", "exponent at x = 1", gt=0)
    rsmin: Number = parameter("ohm", "series resistance at x = 0", gt=0)
    rsmax: Number = parameter("ohm", "series resistance at x = 1", gt=0)
    beta: Number = parameter("", "share of the exponent for positive voltages", default=0.5, gt=0, lt=1)
    etas: Number = parameter("1/V", "exponent of the motion towards x = 1", gt=0)
    vs: Number = parameter("V", "voltage at which x rises within 1 s")
    etar: Number = parameter("1/V", "exponent of the motion towards x = 0", gt=0)
    vr: Number = parameter("V", "voltage (negative) at which x falls within 1 s")
    gam: Number = parameter("", "power of the state in the motion towards x = 0", default=0.0, ge=0)

    def balance(self, v: Any, s: Any, u: Any) -> Any:
        resistance = self.rsmax * s + self.rsmin * (1.0 - s)
        return u + resistance * self.current(v, s, u) - v

    def current(self, v: Any, s: Any, u: Any = None) -> Any:
        scale = self.imax * s + self.imin * (1.0 - s)
        alpha = self.alphamax * s + self.alphamin * (1.0 - s)
        return scale * (np.expm1(self.beta * alpha * u) - np.expm1(-(1.0 - self.beta) * alpha * u))

    def rate(self, v: Any, s: Any, u: Any = None) -> Any:
        power = np.maximum(s, _LEAST) ** self.gam
        set_ = (1.0 - s) * np.exp(self.etas * (v - self.vs))
        reset = -s * np.exp(-self.etar * power * (v - self.vr))
        return np.where(v >= 0.0, set_, reset)
