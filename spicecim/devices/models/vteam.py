"""VTEAM: threshold-adaptive memristor model for voltage-controlled memristors."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike

from spicecim.devices.expressions import FloatArray
from spicecim.devices.memristor import Memristor
from spicecim.devices.parameters import Number, parameter


class Vteam(Memristor):
    """Motion by a power of the voltage beyond a threshold; a positive voltage switches towards high resistance.

    ``dw/dt = koff (v/voff - 1)^alpha_off`` for v > voff > 0, ``kon (v/von - 1)^alpha_on`` for v < von < 0, and zero
    between. w runs between hard stops a distance D apart (the ideal window), from low resistance to high. Kvatinsky
    et al., IEEE Trans. Circuits Syst. II 62(8), 786-790 (2015), doi:10.1109/TCSII.2015.2433536. With y the distance
    from the low resistance in units of D, the conduction is

    ``linear``
        ``v = (Ron + (Roff - Ron) y) i``
    ``exponential``
        ``v = Ron (Roff / Ron)^y i``

    The state variable of the engines is ``s = 1 + y``, from 1 to 2 because hard stops lie above zero; ``x = 2 - s``.
    """

    name: ClassVar[str] = "vteam"
    title: ClassVar[str] = "VTEAM (voltage threshold adaptive)"
    source: ClassVar[str] = (
        "S. Kvatinsky, M. Ramadan, E. G. Friedman, A. Kolodny, VTEAM: a general model for voltage-controlled "
        "memristors, IEEE Trans. Circuits Syst. II 62(8), 786-790 (2015), doi:10.1109/TCSII.2015.2433536"
    )

    Ron: Number = parameter("ohm", "resistance at x = 1", gt=0)
    Roff: Number = parameter("ohm", "resistance at x = 0", above="Ron")
    D: Number = parameter("m", "distance between the stops of the state", gt=0)
    kon: Number = parameter("m/s", "speed towards x = 1 at twice von (negative)", lt=0)
    koff: Number = parameter("m/s", "speed towards x = 0 at twice voff", gt=0)
    # below 1 the slope of the rate would be infinite at the threshold
    alpha_on: Number = parameter("", "exponent of the speed below von", ge=1)
    alpha_off: Number = parameter("", "exponent of the speed above voff", ge=1)
    von: Number = parameter("V", "threshold towards x = 1 (negative)", lt=0)
    voff: Number = parameter("V", "threshold towards x = 0", gt=0)
    conduction: Literal["linear", "exponential"] = parameter("", "resistance over the state", default="linear")

    def stops(self) -> tuple[float, float]:
        return (1.0, 2.0)

    def state_from_x(self, x: ArrayLike) -> FloatArray:
        return np.asarray(2.0 - np.asarray(x, dtype=float))

    def x_from_state(self, s: ArrayLike) -> FloatArray:
        return np.asarray(2.0 - self.inside(s))

    def current(self, v: Any, s: Any) -> Any:
        y = self.inside(s) - 1.0
        if self.conduction == "linear":
            return v / (self.Ron + (self.Roff - self.Ron) * y)
        return v / self.Ron * np.exp(-np.log(self.Roff / self.Ron) * y)

    def rises(self, v: Any) -> Any:
        return v > 0.0

    def drive(self, v: Any) -> Any:
        # maximum instead of branches: zero between the thresholds, and no power of a negative number
        off = self.koff / self.D * np.maximum(v / self.voff - 1.0, 0.0) ** self.alpha_off
        on = self.kon / self.D * np.maximum(v / self.von - 1.0, 0.0) ** self.alpha_on
        return off + on

    def motion(self, s: Any, rising: bool) -> Any:
        return 1.0
