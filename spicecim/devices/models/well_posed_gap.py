"""The well-posed gap model of Wang and Roychowdhury."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy.constants import elementary_charge
from scipy.constants import k as boltzmann

from spicecim.devices.expressions import FloatArray
from spicecim.devices.memristor import Memristor
from spicecim.devices.parameters import Number, parameter


class WellPosedGap(Memristor):
    """A tunnelling gap g that moves by the field, and that smooth clipping brings back into its range.

    ::

        i     = I0 exp(-g / g0) sinh(v / V0) + GMIN v
        dg/dt = f + (exp(-Kclip g) - f) W(-g) + (-exp(Kclip (g - gap_max)) - f) W(g - gap_max)    (m/s, g in nm)
        f     = -Vel0 exp(-Ea / VT) sinh(v gamma a0 / (tox VT))
        gamma = gamma0 - beta g^3
        W(z)  = (1 + z / sqrt(z^2 + smoothing)) / 2,  VT = k T / q

    Wang and Roychowdhury, Well-posed models of memristive devices, arXiv:1605.04897 (2016), section IV. Beyond a bound
    the motion f is replaced by one that leads back; so the gap rests a little beyond it. The state variable of the
    engines is the gap in nm; ``x = (gap_max - g) / gap_max``, limited to 0 and 1.
    """

    name: ClassVar[str] = "well_posed_gap"
    ambient: ClassVar[str] = "T"
    title: ClassVar[str] = "Well-posed tunnelling gap (Wang, Roychowdhury)"
    source: ClassVar[str] = "T. Wang, J. Roychowdhury, Well-posed models of memristive devices, arXiv:1605.04897 (2016)"

    I0: Number = parameter("A", "current scale", gt=0)
    g0: Number = parameter("m", "decay length of the current in the gap", gt=0)
    V0: Number = parameter("V", "voltage scale of the current", gt=0)
    Vel0: Number = parameter("m/s", "speed scale of the gap", gt=0)
    Ea: Number = parameter("eV", "activation energy of the motion", gt=0)
    gamma0: Number = parameter("", "local field enhancement without a gap", gt=0)
    beta: Number = parameter("", "loss of field enhancement at a gap of 1 nm", ge=0)
    a0: Number = parameter("m", "hopping distance", gt=0)
    tox: Number = parameter("m", "thickness of the oxide", gt=0)
    gap_max: Number = parameter("m", "gap at x = 0", gt=0)
    T: Number = parameter("K", "temperature", default=300.0, gt=0)
    Kclip: Number = parameter("1/nm", "steepness of the clipping", default=50.0, gt=0)
    smoothing: Number = parameter("nm^2", "smoothing of the clipping", default=1e-8, gt=0)
    GMIN: Number = parameter("S", "conductance beside the gap", default=1e-12, ge=0)

    def state_from_x(self, x: Any) -> FloatArray:
        return np.asarray(1e9 * self.gap_max * (1.0 - np.asarray(x, dtype=float)))

    def x_from_state(self, s: Any) -> FloatArray:
        return np.asarray(np.clip(1.0 - np.asarray(s, dtype=float) / (1e9 * self.gap_max), 0.0, 1.0))

    def current(self, v: Any, s: Any) -> Any:
        return self.I0 * np.exp(-1e-9 * s / self.g0) * np.sinh(v / self.V0) + self.GMIN * v

    def rate(self, v: Any, s: Any) -> Any:
        thermal = boltzmann / elementary_charge * self.T
        gamma = self.gamma0 - self.beta * s**3
        free = -self.Vel0 * np.exp(-self.Ea / thermal) * np.sinh(v * gamma * self.a0 / (self.tox * thermal))
        beyond = s - 1e9 * self.gap_max
        low = 0.5 * (1.0 - s / np.sqrt(s * s + self.smoothing))
        high = 0.5 * (1.0 + beyond / np.sqrt(beyond * beyond + self.smoothing))
        back_up = np.exp(-self.Kclip * s) - free
        back_down = -np.exp(self.Kclip * beyond) - free
        return 1e9 * (free + back_up * low + back_down * high)
