"""The mean metastable switch: many two-state switches as one, with a Schottky path beside them."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy.constants import elementary_charge
from scipy.constants import k as boltzmann

from spicecim.devices.memristor import Memristor
from spicecim.devices.parameters import Number, parameter

_LARGEST_EXPONENT = 700.0
"""A probability below exp(-700) is nothing, and a float would overflow soon after."""


class MetastableSwitch(Memristor):
    """Switches that hop between two states with probabilities by voltage and temperature, and a Schottky path.

    ``dx/dt = ((1 - x) P_on - x P_off) / tau`` with ``P_on = 1 / (1 + exp(-(v - Von)/VT))``, ``P_off = 1 - 1 / (1 +
    exp(-(v + Voff)/VT))`` and ``VT = k T / q``; ``i = phi (x/Ron + (1 - x)/Roff) v + (1 - phi) i_s``. Mean of the model
    of Nugent and Molter, PLoS ONE 9(2), e85175 (2014), doi:10.1371/journal.pone.0085175, equations 9 to 22. There
    ``i_s = Af exp(Bf v) - Ar exp(-Br v)``, which is Af - Ar without a voltage; here 1 is taken off each exponential:
    that is the same where Af = Ar, and never conducts at 0 V. The state variable of the engines is x itself. At 0 V it
    relaxes slowly: the device forgets.
    """

    name: ClassVar[str] = "metastable_switch"
    ambient: ClassVar[str] = "T"
    title: ClassVar[str] = "Mean metastable switch (Knowm)"
    source: ClassVar[str] = (
        "M. A. Nugent, T. W. Molter, AHaH computing: from metastable switches to attractors to machine learning, "
        "PLoS ONE 9(2), e85175 (2014), doi:10.1371/journal.pone.0085175"
    )

    Ron: Number = parameter("ohm", "resistance of all switches at x = 1", gt=0)
    Roff: Number = parameter("ohm", "resistance of all switches at x = 0", above="Ron")
    Von: Number = parameter("V", "threshold towards x = 1", gt=0)
    Voff: Number = parameter("V", "threshold towards x = 0 (a magnitude)", gt=0)
    tau: Number = parameter("s", "time scale of the switches", gt=0)
    T: Number = parameter("K", "temperature", default=298.15, gt=0)
    phi: Number = parameter(
        "", "share of the switches in the current; the rest is the Schottky path", default=1.0, ge=0, le=1
    )
    Af: Number = parameter("A", "forward Schottky current", default=0.0, ge=0)
    Bf: Number = parameter("1/V", "forward Schottky exponent", default=0.0, ge=0)
    Ar: Number = parameter("A", "reverse Schottky current", default=0.0, ge=0)
    Br: Number = parameter("1/V", "reverse Schottky exponent", default=0.0, ge=0)

    def current(self, v: Any, s: Any) -> Any:
        schottky = self.Af * np.expm1(self.Bf * v) - self.Ar * np.expm1(-self.Br * v)
        return self.phi * (s / self.Ron + (1.0 - s) / self.Roff) * v + (1.0 - self.phi) * schottky

    def rate(self, v: Any, s: Any) -> Any:
        thermal = boltzmann / elementary_charge * self.T
        p_on = 1.0 / (1.0 + np.exp(np.minimum((self.Von - v) / thermal, _LARGEST_EXPONENT)))
        p_off = 1.0 / (1.0 + np.exp(np.minimum((self.Voff + v) / thermal, _LARGEST_EXPONENT)))
        return ((1.0 - s) * p_on - s * p_off) / self.tau
