"""The valence-change model JART VCM v1b, in its deterministic form."""

from __future__ import annotations

from math import pi
from typing import Any, ClassVar

import numpy as np
from scipy.constants import electron_mass, elementary_charge, epsilon_0, h
from scipy.constants import k as boltzmann

from spicecim.devices.expressions import FloatArray
from spicecim.devices.memristor import Memristor
from spicecim.devices.parameters import Number, parameter

_Q, _K = float(elementary_charge), float(boltzmann)
_LEAST = 1e-9
"""Voltage (V) over the barrier that the field emission has at least: with none there is none to divide by."""
KNEE = 0.02
"""Distance (V) from the voltage at which the image force would vanish within which it does not fall any more."""
_DENSITY = 1e26
"""Unit of the concentrations (1/m^3)."""


class JartVcm(Memristor):
    """A Schottky barrier in series with disc, plug and lines; oxygen vacancies in the disc are the state.

    A negative voltage brings vacancies into the disc (SET): it conducts more and lowers the barrier. Ions hop over
    barriers that the field lowers, helped by Joule heat. Bengel, Siemon, Cueppers, Hoffmann-Eifert, Hardtdegen, von
    Witzleben, Hellmich, Waser, Menzel, IEEE Trans. Circuits Syst. I 67(12), 4618-4630 (2020),
    doi:10.1109/TCSI.2020.3018502, equations 1 to 18, without its variability.

    The current is implicit, because barrier, temperature and lines depend on it: the inner voltage u is what it drops
    over disc, plug and cold lines, ``i = u / R``, and the barrier must let it through at what is left. As
    published, the image force lowers the barrier below ``V_b = phi_bn0 - phi_n`` alone: just there the current falls
    with the voltage, and between 0.2 and 1 V there are three solutions. The one that starts from 0 V is meant. Here the
    lowering stays, from `KNEE` below V_b on, what it is there: that solution is as published, and up to 5 V the only
    one. From about 1.5 V on the equations make a filament of low resistance hotter than 3000 K, which none survives.

    The state variable of the engines is the concentration N in 1e26/m^3; ``x = (N - Nmin) / (Nmax - Nmin)``. Its
    equation holds N between these bounds.
    """

    name: ClassVar[str] = "jart_vcm"
    title: ClassVar[str] = "JART VCM v1b (valence change)"
    source: ClassVar[str] = (
        "C. Bengel, A. Siemon, F. Cueppers, S. Hoffmann-Eifert, A. Hardtdegen, M. von Witzleben, L. Hellmich, "
        "R. Waser, S. Menzel, Variability-aware modeling of filamentary oxide-based bipolar resistive switching cells "
        "using SPICE level compact models, IEEE Trans. Circuits Syst. I 67(12), 4618-4630 (2020), "
        "doi:10.1109/TCSI.2020.3018502"
    )
    ambient: ClassVar[str] = "T0"
    inner: ClassVar[str] = "voltage over disc, plug and cold lines"

    Nmin: Number = parameter("1e26/m^3", "vacancies in the disc at x = 0", gt=0)
    Nmax: Number = parameter("1e26/m^3", "vacancies in the disc at x = 1", above="Nmin")
    Nplug: Number = parameter("1e26/m^3", "vacancies in the plug", gt=0)
    radius: Number = parameter("m", "radius of the filament", gt=0)
    ldisc: Number = parameter("m", "length of the disc", gt=0)
    lcell: Number = parameter("m", "length of disc and plug", above="ldisc")
    z: Number = parameter("", "charge number of a vacancy", gt=0)
    mobility: Number = parameter("m^2/(V s)", "mobility of electrons", gt=0)
    richardson: Number = parameter("A/(m^2 K^2)", "Richardson constant", gt=0)
    phi_bn0: Number = parameter("V", "height of the barrier", gt=0)
    phi_n: Number = parameter("V", "distance of the Fermi level from the conduction band", ge=0, below="phi_bn0")
    eps: Number = parameter("", "relative permittivity", gt=0)
    eps_phib: Number = parameter("", "relative permittivity for the lowering of the barrier", gt=0)
    a: Number = parameter("m", "hopping distance", gt=0)
    nu0: Number = parameter("Hz", "attempt frequency", gt=0)
    dWa: Number = parameter("eV", "activation energy of hopping", gt=0)
    Rth: Number = parameter("K/W", "thermal resistance for v < 0", gt=0)
    Rth_scale: Number = parameter("", "factor of the thermal resistance for v > 0", gt=0)
    RTiOx: Number = parameter("ohm", "resistance of the oxide in series", ge=0)
    R0: Number = parameter("ohm", "resistance of the lines when cold", gt=0)
    Rth_line: Number = parameter("K/W", "thermal resistance of the lines", ge=0)
    alpha_line: Number = parameter("1/K", "temperature coefficient of the lines", ge=0)
    T0: Number = parameter("K", "ambient temperature", gt=0)

    def state_from_x(self, x: Any) -> FloatArray:
        return np.asarray(self.Nmin + (self.Nmax - self.Nmin) * np.asarray(x, dtype=float))

    def x_from_state(self, s: Any) -> FloatArray:
        return np.asarray((np.asarray(s, dtype=float) - self.Nmin) / (self.Nmax - self.Nmin))

    def inside(self, s: Any) -> Any:
        """Concentration between its bounds: a solver's first guess of 0 would have no meaning."""
        return np.clip(s, self.Nmin, self.Nmax)

    def current(self, v: Any, s: Any, u: Any = None) -> Any:
        return u / (self._inside_filament(self.inside(s)) + self.RTiOx + self.R0)

    def balance(self, v: Any, s: Any, u: Any) -> Any:
        """Voltage (V) at which the barrier would let the current through, less that which is left for it."""
        i = self.current(v, s, u)
        s = self.inside(s)
        voltage, temperature = self._barrier(v, s, i)
        thermal = _K / _Q * temperature
        lowering = np.maximum(self.phi_bn0 - self.phi_n - voltage, KNEE)
        factor = _Q**3 * self.z * _DENSITY / (8.0 * pi**2 * (self.eps_phib * epsilon_0) ** 3)
        height = np.maximum(self.phi_bn0 - np.sqrt(np.sqrt(factor * s * lowering)), 0.0)
        area = self._area() * self.richardson * temperature
        # thermionic emission
        emission = area * temperature * np.exp(-height / thermal)
        reset = thermal * np.log1p(np.maximum(i, 0.0) / emission)
        # thermionic field emission
        w00 = h / (4.0 * pi) * np.sqrt(self.z * s * _DENSITY / (electron_mass * self.eps * epsilon_0))
        ratio = w00 / thermal
        energy = pi * w00 * (np.maximum(np.abs(voltage), _LEAST) + height / np.cosh(ratio) ** 2)
        tunneling = area * _Q / _K * np.sqrt(energy) * np.exp(-height * np.tanh(ratio) / w00)
        set_ = -w00 / (ratio - np.tanh(ratio)) * np.log1p(np.maximum(-i, 0.0) / tunneling)
        return np.where(v < 0.0, set_, reset) - voltage

    def rate(self, v: Any, s: Any, u: Any = None) -> Any:
        i = self.current(v, s, u)
        s = self.inside(s)
        voltage, temperature = self._barrier(v, s, i)
        over_disc = i * self._disc(s)
        field = np.where(v > 0.0, (voltage + i * self._inside_filament(s)) / self.lcell, over_disc / self.ldisc)
        gamma = np.clip(self.z * self.a / (pi * self.dWa) * field, -0.999999, 0.999999)
        root, turn = np.sqrt(1.0 - gamma * gamma), gamma * np.arcsin(gamma)
        thermal = _K / _Q * temperature
        forward = np.exp(-self.dWa * (root - 0.5 * pi * gamma + turn) / thermal)
        backward = np.exp(-self.dWa * (root + 0.5 * pi * gamma + turn) / thermal)
        limit = np.where(v > 0.0, 1.0 - (self.Nmin / s) ** 10, 1.0 - (s / self.Nmax) ** 10)
        # of the ions' current over the charge in the disc the area and the charge of an ion go out
        return -0.5 * (self.Nplug + s) * self.a * self.nu0 / self.ldisc * (forward - backward) * limit

    def _barrier(self, v: Any, s: Any, i: Any) -> tuple[Any, Any]:
        """Voltage (V) over the barrier and temperature (K) of the filament at a current (A)."""
        inside = self._inside_filament(s)
        lines = self.RTiOx + self.R0 * (1.0 + self.R0 * self.alpha_line * self.Rth_line * i * i)
        voltage = v - i * (inside + lines)
        # at the solution it has the sign of v; beyond, where the hot lines drop more than v, nothing must cool below T0
        heating = np.maximum(i * voltage, 0.0) + i * i * inside
        resistance = np.where(v > 0.0, self.Rth * self.Rth_scale, self.Rth)
        return voltage, self.T0 + resistance * heating

    def _area(self) -> Any:
        return pi * self.radius**2

    def _disc(self, s: Any) -> Any:
        """Resistance (ohm) of the disc."""
        return self.ldisc / (s * _DENSITY * self.z * _Q * self.mobility * self._area())

    def _inside_filament(self, s: Any) -> Any:
        """Resistance (ohm) of disc and plug."""
        plug = (self.lcell - self.ldisc) / (self.Nplug * _DENSITY * self.z * _Q * self.mobility * self._area())
        return self._disc(s) + plug
