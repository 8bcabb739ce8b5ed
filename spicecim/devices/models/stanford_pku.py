"""The Stanford-PKU model of metal-oxide resistive memory: a tunnelling gap, and the heat that moves it."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from pydantic import model_validator
from scipy.constants import elementary_charge
from scipy.constants import k as boltzmann

from spicecim.devices.expressions import FloatArray
from spicecim.devices.memristor import Memristor
from spicecim.devices.parameters import Number, parameter

_CHARGE_OVER_BOLTZMANN = float(elementary_charge / boltzmann)
"""K/V."""


class StanfordPku(Memristor):
    """Conduction through a gap g between filament and electrode; the gap moves by field and heat.

    ::

        i     = I0 exp(-g / g0) sinh(v / V0)
        dg/dt = -Vel0 exp(-q Ea / (k T)) sinh(gamma a0 q v / (tox k T))
        T     = T0 + Rth v i
        gamma = gamma0 - beta (g / 1 nm)^3

    Jiang et al., IEEE Trans. Electron Devices 63(5), 1884-1892 (2016), doi:10.1109/TED.2016.2545412, as in release
    1.0.0 of the authors' Verilog-A file. A positive voltage closes the gap. Here it differs from that file, which

    - keeps the gap at rest below the field ``gamma |v| / tox = F_min``, where its speed jumps: here it sets in linearly
      from ``(1 - field_width) F_min`` on, and is the published one from F_min on;
    - clips the gap after integrating it: here the rate falls to zero before the stop ahead, at gap_min and gap_max;
    - takes the temperature from the current of the step before: here from the present one;
    - has 16 for gamma0 at negative voltages, whatever gamma0 is, and adds a random motion: not here.

    The state variable of the engines is ``s = g / 1 nm``; ``x = (gap_max - g) / (gap_max - gap_min)``.
    """

    name: ClassVar[str] = "stanford_pku"
    title: ClassVar[str] = "Stanford-PKU metal-oxide ReRAM"
    source: ClassVar[str] = (
        "Z. Jiang, Y. Wu, S. Yu, L. Yang, K. Song, Z. Karim, H.-S. P. Wong, A compact model for metal-oxide resistive "
        "random access memory with experiment verification, IEEE Trans. Electron Devices 63(5), 1884-1892 (2016), "
        "doi:10.1109/TED.2016.2545412"
    )

    ambient: ClassVar[str] = "T0"
    field_width: ClassVar[float] = 0.05
    """Share of F_min, below it, over which the gap's motion sets in, so that the rate is continuous."""

    I0: Number = parameter("A", "current scale", gt=0)
    g0: Number = parameter("m", "decay length of the current in the gap", gt=0)
    V0: Number = parameter("V", "voltage scale of the current", gt=0)
    Vel0: Number = parameter("m/s", "speed scale of the gap", gt=0)
    Ea: Number = parameter("eV", "activation energy of the motion", gt=0)
    gamma0: Number = parameter("", "local field enhancement without a gap", gt=0)
    beta: Number = parameter("", "loss of field enhancement at a gap of 1 nm", ge=0)
    a0: Number = parameter("m", "hopping distance", gt=0)
    tox: Number = parameter("m", "thickness of the oxide", gt=0)
    F_min: Number = parameter("V/m", "local field from which the gap moves", gt=0)
    T0: Number = parameter("K", "ambient temperature", gt=0)
    Rth: Number = parameter("K/W", "thermal resistance", ge=0)
    gap_min: Number = parameter("m", "gap at x = 1", gt=0)
    gap_max: Number = parameter("m", "gap at x = 0", above="gap_min")

    @model_validator(mode="after")
    def _check_enhancement(self) -> StanfordPku:
        if self.gamma0 <= self.beta * (self.gap_max / 1e-9) ** 3:
            raise ValueError(
                f"gamma0 must be above beta (gap_max / 1 nm)^3, or an open gap never closes, given "
                f"gamma0 = {self.gamma0:g}, beta = {self.beta:g} and gap_max = {self.gap_max:g} m"
            )
        return self

    def stops(self) -> tuple[float, float]:
        return (self.gap_min * 1e9, self.gap_max * 1e9)

    def state_from_x(self, x: ArrayLike) -> FloatArray:
        closed, opened = self.stops()
        x = np.asarray(x, dtype=float)
        return np.asarray(opened * (1.0 - x) + closed * x)

    def x_from_state(self, s: ArrayLike) -> FloatArray:
        closed, opened = self.stops()
        return np.asarray((opened - self.inside(s)) / (opened - closed))

    def current(self, v: Any, s: Any) -> Any:
        gap = self.inside(s)
        return self.I0 * np.exp(-1e-9 * gap / self.g0) * np.sinh(v / self.V0)

    def rises(self, v: Any) -> Any:
        return v < 0.0

    def rate(self, v: Any, s: Any) -> Any:
        temperature = self.T0 + self.Rth * v * self.current(v, s)
        gamma = self.gamma0 - self.beta * self.inside(s) ** 3
        field = gamma * np.abs(v) / self.tox
        onset = np.clip(1.0 + (field / self.F_min - 1.0) / self.field_width, 0.0, 1.0)
        barrier = self.Ea * _CHARGE_OVER_BOLTZMANN / temperature
        lowering = gamma * self.a0 / self.tox * _CHARGE_OVER_BOLTZMANN * v / temperature
        return -1e9 * self.Vel0 * np.exp(-barrier) * np.sinh(lowering) * onset
