"""TEAM: threshold adaptive memristor model for current-controlled memristors."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from spicecim.devices.memristor import Memristor
from spicecim.devices.parameters import Number, parameter


class Team(Memristor):
    """Motion by a power of the current beyond a threshold; a positive current switches towards high resistance.

    ``dw/dt = koff (i/ioff - 1)^alpha_off f_off`` for i > ioff > 0, ``kon (i/ion - 1)^alpha_on f_on`` for i < ion < 0,
    and zero between. w runs between hard stops from 0 (x = 1) to D (x = 0). With ``window: exponential`` the motion is
    slowed by ``f_off = exp(-exp((w - a_off)/wc))`` and ``f_on = exp(-exp((a_on - w)/wc))``, which are rounded to zero a
    few wc beyond a_off and a_on: there w rests, and comes back by the other window. Kvatinsky, Friedman, Kolodny,
    Weiser, IEEE Trans. Circuits Syst. I 60(1), 211-221 (2013), doi:10.1109/TCSI.2012.2215714, equations 11 to 15. The
    conduction is ``v = (Ron + (Roff - Ron) w/D) i`` or, exponential, ``v = Ron (Roff/Ron)^(w/D) i``.

    The state variable of the engines is ``s = 1 + w/D``; ``x = 2 - s``.
    """

    name: ClassVar[str] = "team"
    title: ClassVar[str] = "TEAM (threshold adaptive, current-controlled)"
    source: ClassVar[str] = (
        "S. Kvatinsky, E. G. Friedman, A. Kolodny, U. C. Weiser, TEAM: threshold adaptive memristor model, "
        "IEEE Trans. Circuits Syst. I 60(1), 211-221 (2013), doi:10.1109/TCSI.2012.2215714"
    )

    Ron: Number = parameter("ohm", "resistance at x = 1", gt=0)
    Roff: Number = parameter("ohm", "resistance at x = 0", above="Ron")
    D: Number = parameter("m", "distance between the stops of the state", gt=0)
    kon: Number = parameter("m/s", "speed towards x = 1 at twice ion (negative)", lt=0)
    koff: Number = parameter("m/s", "speed towards x = 0 at twice ioff", gt=0)
    alpha_on: Number = parameter("", "exponent of the speed below ion", ge=1)
    alpha_off: Number = parameter("", "exponent of the speed above ioff", ge=1)
    ion: Number = parameter("A", "threshold towards x = 1 (negative)", lt=0)
    ioff: Number = parameter("A", "threshold towards x = 0", gt=0)
    a_on: Number = parameter("m", "distance from x = 1 at which motion towards it slows", default=0.0, ge=0)
    a_off: Number = parameter("m", "distance from x = 1 at which motion away from it slows", default=3e-9, gt=0)
    wc: Number = parameter("m", "width over which motion slows", default=1.07e-10, gt=0)
    window: Literal["none", "exponential"] = parameter("", "window of the motion", default="none")
    conduction: Literal["linear", "exponential"] = parameter("", "resistance over the state", default="linear")

    def stops(self) -> tuple[float, float]:
        return (1.0, 2.0)

    def state_from_x(self, x: Any) -> Any:
        return 2.0 - np.asarray(x, dtype=float)

    def x_from_state(self, s: Any) -> Any:
        return 2.0 - np.asarray(self.inside(s), dtype=float)

    def current(self, v: Any, s: Any) -> Any:
        y = self.inside(s) - 1.0
        if self.conduction == "linear":
            return v / (self.Ron + (self.Roff - self.Ron) * y)
        return v / self.Ron * np.exp(-np.log(self.Roff / self.Ron) * y)

    def rises(self, v: Any) -> Any:
        return v > 0.0

    def rate(self, v: Any, s: Any) -> Any:
        i = self.current(v, s)
        off = self.koff / self.D * np.maximum(i / self.ioff - 1.0, 0.0) ** self.alpha_off
        on = self.kon / self.D * np.maximum(i / self.ion - 1.0, 0.0) ** self.alpha_on
        if self.window == "none":
            return off + on
        w = self.D * (self.inside(s) - 1.0)
        # a hundred widths on, both are zero: no need to overflow
        f_off = np.exp(-np.exp(np.minimum((w - self.a_off) / self.wc, 100.0)))
        f_on = np.exp(-np.exp(np.minimum((self.a_on - w) / self.wc, 100.0)))
        return off * f_off + on * f_on
