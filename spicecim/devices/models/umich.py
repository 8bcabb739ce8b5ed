"""The tungsten-oxide memristor of Chang and co-workers, whose state decays."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from spicecim.devices.memristor import Memristor
from spicecim.devices.parameters import Number, parameter


class Umich(Memristor):
    """A Schottky path and a tunnelling path, shared by the state; the state moves by the voltage and decays.

    ``i = (1 - x) alpha (1 - exp(-beta v)) + x gamma sinh(delta v)``; ``dx/dt = lambda_ eta1 sinh(eta2 v) - x / tau``
    between hard stops at 0 and 1. Chang, Jo, Kim, Sheridan, Gaba, Lu, Appl. Phys. A 102, 857-863 (2011),
    doi:10.1007/s00339-011-6296-1, equations 1 to 4, where diffusion makes the state decay. The state variable of the
    engines is x itself.
    """

    name: ClassVar[str] = "umich"
    title: ClassVar[str] = "Tungsten oxide with decay (Chang 2011)"
    source: ClassVar[str] = (
        "T. Chang, S.-H. Jo, K.-H. Kim, P. Sheridan, S. Gaba, W. Lu, Synaptic behaviors and modeling of a metal oxide "
        "memristive device, Appl. Phys. A 102, 857-863 (2011), doi:10.1007/s00339-011-6296-1"
    )

    alpha: Number = parameter("A", "scale of the Schottky path", gt=0)
    beta: Number = parameter("1/V", "exponent of the Schottky path", gt=0)
    gamma: Number = parameter("A", "scale of the tunnelling path", gt=0)
    delta: Number = parameter("1/V", "exponent of the tunnelling path", gt=0)
    lambda_: Number = parameter("1/s", "speed of the state", gt=0)
    eta1: Number = parameter("", "scale of the motion", gt=0)
    eta2: Number = parameter("1/V", "exponent of the motion", gt=0)
    tau: Number = parameter("s", "time constant of the decay", gt=0)

    def stops(self) -> tuple[float, float]:
        return (0.0, 1.0)

    def current(self, v: Any, s: Any) -> Any:
        x = self.inside(s)
        return (1.0 - x) * self.alpha * -np.expm1(-self.beta * v) + x * self.gamma * np.sinh(self.delta * v)

    def rate(self, v: Any, s: Any) -> Any:
        return self.lambda_ * self.eta1 * np.sinh(self.eta2 * v) - self.inside(s) / self.tau
