"""A device: an ohmic cell that switches by a power of its voltage."""

import numpy as np

from spicecim.devices import Memristor, Number, parameter


class SoftSwitch(Memristor):
    """``i = (Goff + (Gon - Goff) x) v``, ``dx/dt = k v^3 x (1 - x)``; x neither leaves 0 to 1 nor locks inside."""

    name = "soft_switch"
    title = "Ohmic cell that switches by the cube of its voltage"
    source = "An example, no published device (2026)"

    Gon: Number = parameter("S", "conductance at x = 1", above="Goff")
    Goff: Number = parameter("S", "conductance at x = 0", gt=0)
    k: Number = parameter("1/(V^3 s)", "speed of the state", gt=0)

    def current(self, v, s):
        return (self.Goff + (self.Gon - self.Goff) * s) * v

    def drive(self, v):
        return self.k * v**3

    def motion(self, s, rising):
        return np.maximum(s * (1.0 - s), 0.0)
