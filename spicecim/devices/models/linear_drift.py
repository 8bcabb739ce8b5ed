"""Linear ion drift: the HP memristor, with three ways to treat the boundaries, each in the variable that suits it."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import scipy
from numpy.typing import ArrayLike

from spicecim.devices.expressions import FloatArray, geometric_sum
from spicecim.devices.memristor import STOP_WIDTH, Memristor
from spicecim.devices.parameters import Number, parameter

FIXED_POINT = 1e6
"""State variable that stands for a Joglekar state of exactly 1 (or, negative, 0): leaving it takes 1e6 / (4 k) coulomb,
25 C for the HP device, which no run comes near."""


class LinearDrift(Memristor):
    """``v = R(x) i`` with ``R = Roff - (Roff - Ron) x`` and ``dx/dt = k i f(x)``, ``k = mobility Ron / D^2``.

    Strukov et al., Nature 453, 80-83 (2008), doi:10.1038/nature06932, equations 5 and 6. The window f sets what happens
    at the boundaries, and the state variable s of the engines is chosen by it:

    ``none``
        f = 1 between hard stops. ``s = (R / Roff)^2``, for which ``ds/dt = -2 k (Roff - Ron) / Roff^2 v`` does not
        depend on the state: s is linear in the flux.
    ``joglekar``
        ``f = 1 - (2x - 1)^(2p)``, Joglekar and Wolf, Eur. J. Phys. 30, 661-675 (2009),
        doi:10.1088/0143-0807/30/4/001. s = ln(x / (1 - x)), for which
        ``ds/dt = 4 k i (1 + u^2 + ... + u^(2p-2))``, u = 2x - 1, stays finite where x is rounded to 0 or 1 and the
        window to zero for ever. A cell that starts at exactly 0 or 1 stays there: these are fixed points of the
        equation.
    ``biolek``
        ``f = 1 - (x - step(-i))^(2p)``, Biolek, Biolek and Biolkova, Radioengineering 18(2), 210-214 (2009).
        s = x. f jumps with the sign of i, where dx/dt is zero, so the rate is continuous. Beyond its bounds, where a
        time step may end, the device is as at them: else R would change its sign there, and x run away.
    """

    name: ClassVar[str] = "linear_drift"
    title: ClassVar[str] = "Linear ion drift (HP)"
    source: ClassVar[str] = (
        "D. B. Strukov, G. S. Snider, D. R. Stewart, R. S. Williams, The missing memristor found, "
        "Nature 453, 80-83 (2008), doi:10.1038/nature06932"
    )

    Ron: Number = parameter("ohm", "resistance at x = 1", gt=0)
    Roff: Number = parameter("ohm", "resistance at x = 0", above="Ron")
    D: Number = parameter("m", "thickness of the film", gt=0)
    mobility: Number = parameter("m^2/(V s)", "ion mobility", gt=0)
    window: Literal["none", "joglekar", "biolek"] = parameter("", "boundary window", default="none")
    p: int = parameter("", "exponent of the window", default=1, ge=1, le=20)

    def stops(self) -> tuple[float, float] | None:
        return ((self.Ron / self.Roff) ** 2, 1.0) if self.window == "none" else None

    def stop_widths(self) -> tuple[float, float]:
        # a millionth of x would be 2e-4 of the current at Ron; half a millionth of R is less than one of x
        lower, upper = (self.Ron / self.Roff) ** 2, 1.0
        return STOP_WIDTH * lower, STOP_WIDTH * upper

    @property
    def k(self) -> float:
        """Change of x per coulomb (1/C) where the window is 1."""
        return self.mobility * self.Ron / self.D**2

    @property
    def flux_rate(self) -> float:
        """ds/dt per volt (1/(V s)) of ``s = (R / Roff)^2`` without a window."""
        return -2.0 * self.k * (self.Roff - self.Ron) / self.Roff**2

    def state_from_x(self, x: ArrayLike) -> FloatArray:
        x = np.asarray(x, dtype=float)
        if self.window == "none":
            return ((self.Roff - (self.Roff - self.Ron) * x) / self.Roff) ** 2
        if self.window == "joglekar":
            return np.asarray(np.clip(scipy.special.logit(x), -FIXED_POINT, FIXED_POINT))
        return x

    def x_from_state(self, s: ArrayLike) -> FloatArray:
        s = np.asarray(self.inside(s), dtype=float)
        if self.window == "none":
            resistance = self.Roff * np.sqrt(s)
            return np.asarray((self.Roff - resistance) / (self.Roff - self.Ron))
        return np.asarray(scipy.special.expit(s)) if self.window == "joglekar" else s

    def inside(self, s: Any) -> Any:
        return np.clip(s, 0.0, 1.0) if self.window == "biolek" else super().inside(s)

    def current(self, v: Any, s: Any) -> Any:
        return v / self._resistance(s)

    def rises(self, v: Any) -> Any:
        return v < 0.0 if self.window == "none" else v >= 0.0

    def drive(self, v: Any) -> Any:
        return {"none": self.flux_rate, "joglekar": 4.0 * self.k, "biolek": self.k}[self.window] * v

    def motion(self, s: Any, rising: bool) -> Any:
        if self.window == "none":
            return 1.0
        if self.window == "joglekar":
            u = np.tanh(0.5 * s)
            return geometric_sum(u * u, self.p) / self._resistance(s)
        u = self.inside(s) if rising else self.inside(s) - 1.0
        return (1.0 - (u * u) ** self.p) / self._resistance(s)

    def state_nodes(self, density: int) -> FloatArray:
        if self.window != "joglekar":
            return super().state_nodes(density)
        # Beyond +-40 the motion is constant to the last digit of a float. The nodes there keep the distance from a
        # state to the next of them, and with it its rounding, as small as the state.
        tail = 40.0 * 2.0 ** np.arange(25, 0, -1)
        return np.concatenate([-tail, np.linspace(-40.0, 40.0, 160 * density + 1), tail[::-1]])

    def _resistance(self, s: Any) -> Any:
        """Resistance (ohm) at the state variable."""
        if self.window == "none":
            return self.Roff * np.sqrt(self.inside(s))
        if self.window == "joglekar":
            return self.Roff - 0.5 * (self.Roff - self.Ron) * (1.0 + np.tanh(0.5 * s))
        return self.Roff - (self.Roff - self.Ron) * self.inside(s)
