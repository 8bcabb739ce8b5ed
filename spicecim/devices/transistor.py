"""A compact n-channel transistor, for cells of one transistor and one memristor (1T1R).

The drain current is that of Enz, Krummenacher and Vittoz (1995; `SOURCE`): symmetric in source and drain, one
expression from weak to strong inversion. All potentials count from the substrate, which is at ground. The gate takes no
current, and nothing stores charge.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from spicecim.devices.expressions import FloatArray, Program, derivative, symbol
from spicecim.devices.parameters import Number, parameter, read_quantities, within_bounds
from spicecim.errors import ModelError
from spicecim.problems import did_you_mean, problems_from

VOLT_PER_KELVIN = 8.617333262e-5
"""Boltzmann's constant over the elementary charge (CODATA 2018), V/K."""


class Transistor(BaseModel):
    """The EKV transistor with constant slope factor and mobility reduction.

    With the pinch-off voltage ``Vp = (vg - VT0)/n``, the thermal voltage U and ``F(x) = ln(1 + exp(x/2))**2``,

        I = 2 n KP W/L U**2 / (1 + theta max(Vp, 0)) (F((Vp - vs)/U) - F((Vp - vd)/U)),

    from drain to source, the maximum rounded off over U. It is a long-channel expression: in a short transistor
    `theta` stands for velocity saturation and series resistance too, and the output resistance is infinite.

    Examples
    --------
    >>> transistor = Transistor(W="1um", L="0.5um", KP=3e-4, VT0=0.4, n=1.3)
    >>> bool(transistor.current(1.0, 1.5, 0.0) > 1e3 * transistor.current(1.0, 0.2, 0.0))
    True
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    W: Number = parameter("m", "width of the channel", gt=0)
    L: Number = parameter("m", "length of the channel", gt=0)
    KP: Number = parameter("A/V^2", "mobility times oxide capacitance per area", gt=0)
    VT0: Number = parameter("V", "threshold of the gate with source and drain at the substrate's potential")
    n: Number = parameter("", "slope factor", default=1.3, ge=1, le=10)
    theta: Number = parameter("1/V", "reduction of the mobility per volt of pinch-off voltage", default=0.0, ge=0)
    T: Number = parameter("K", "temperature; VT0 and KP are those at it", default=300.15, ge=1, le=2000)

    @model_validator(mode="before")
    @classmethod
    def _read(cls, values: Any) -> Any:
        return read_quantities(cls, values)

    def current(self, vd: Any, vg: Any, vs: Any) -> Any:
        """Current (A) into the drain by the potentials (V) of drain, gate and source."""
        thermal = VOLT_PER_KELVIN * self.T
        pinch_off = (vg - self.VT0) / self.n
        reduction = 1.0 + self.theta * thermal * _rounded_off(pinch_off / thermal)
        scale = 2.0 * self.n * self.KP * self.W / self.L * thermal * thermal / reduction
        forward = _rounded_off((pinch_off - vs) / (2.0 * thermal))
        reverse = _rounded_off((pinch_off - vd) / (2.0 * thermal))
        # as a product: the difference of the squares would round where the drain is near the source
        return scale * (forward - reverse) * (forward + reverse)


def _rounded_off(x: Any) -> Any:
    """``ln(1 + exp(x))``, which is max(x, 0) far from 0, without overflow."""
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


PRESETS: dict[str, tuple[dict[str, float], str]] = {
    "generic_130nm": (
        {"W": 0.65e-6, "L": 0.13e-6, "KP": 9.1e-4, "VT0": 0.378, "n": 1.35, "theta": 3.15},
        "of no foundry: VT0 and KP by threshold, mobility and oxide of the Predictive Technology Model's 130 nm card; "
        "n for 80 mV per decade; theta for 0.6 mA per um of width at 1.2 V, typical of the node",
    ),
    "generic_45nm": (
        {"W": 0.225e-6, "L": 0.045e-6, "KP": 1.49e-3, "VT0": 0.469, "n": 1.5, "theta": 6.19},
        "of no foundry: VT0 and KP by threshold, mobility and oxide of the Predictive Technology Model's 45 nm high-"
        "performance card; n for 90 mV per decade; theta for 0.975 mA per um of width at 1.0 V, as FreePDK45 states",
    ),
}
"""Parameter sets by name, and where the numbers are from, by `PRESET_SOURCES`."""

SOURCE = (
    "C. C. Enz, F. Krummenacher, E. A. Vittoz, An analytical MOS transistor model valid in all regions of operation "
    "and dedicated to low-voltage and low-current applications, Analog Integr. Circuits Signal Process. 8 (1995), "
    "doi:10.1007/BF01239381"
)
PRESET_SOURCES = (
    "W. Zhao, Y. Cao, New generation of Predictive Technology Model for sub-45 nm early design exploration, "
    "IEEE Trans. Electron Devices 53 (2006), doi:10.1109/TED.2006.884077; J. E. Stine and others, FreePDK: an "
    "open-source variation-aware design kit, MSE 2007, doi:10.1109/MSE.2007.44"
)


class TransistorCells:
    """The transistors of a choice of cells, with the derivatives of their currents.

    Parameters
    ----------
    values
        Parameters of `Transistor` by name: one number, or an array over the cells (cell,).
    """

    def __init__(self, values: Mapping[str, float | FloatArray]) -> None:
        self._values = values

    def of_cells(self, cells: NDArray[np.int_]) -> TransistorCells:
        """Return the transistors of cells by their numbers."""
        return TransistorCells(
            {name: value[cells] if isinstance(value, np.ndarray) else value for name, value in self._values.items()}
        )

    def slopes(self, vd: FloatArray, vg: FloatArray, vs: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Currents (A) into the drains, and their derivatives by the potentials of drain and source; arrays (n,).

        Points belong to the cells in turn, equally many to each.
        """
        count = len(vd)
        each = [in_turn(value, count) if isinstance(value, np.ndarray) else value for value in self._values.values()]
        current, by_drain, by_source = _program(tuple(self._values))(vd, vg, vs, *each)
        return current, by_drain, by_source


def in_turn(values: NDArray[Any], points: int) -> NDArray[Any]:
    """Values of points that belong to cells in turn, equally many to each, by those of the cells (cell,)."""
    return values if len(values) == points else np.repeat(values, points // len(values))


@lru_cache(maxsize=1)
def _program(names: tuple[str, ...]) -> Program:
    values: Any = {name: symbol(name) for name in names}
    current = Transistor.model_construct(**values).current(*map(symbol, ("vd", "vg", "vs")))
    return Program([current, derivative(current, "vd"), derivative(current, "vs")], ["vd", "vg", "vs", *names])


def transistor_values(preset: str | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return all parameters by name: those of a preset, with `given` ones, numbers or arrays, in their place.

    Raises
    ------
    ModelError
        If the preset or a parameter is unknown, missing or outside of its bounds.
    """
    if preset is not None and preset not in PRESETS:
        raise ModelError(f"preset: unknown {preset!r}; known are {', '.join(PRESETS)}{did_you_mean(preset, PRESETS)}")
    base = PRESETS[preset][0] if preset is not None else {}
    arrays = {name: value for name, value in given.items() if isinstance(value, np.ndarray)}
    ends = [
        base | {name: float(pick(value)) if name in arrays else value for name, value in given.items()}
        for pick in (np.min, np.max)
    ]
    try:
        checked = [Transistor.model_validate(values) for values in ends]
    except ValidationError as error:
        raise ModelError("; ".join(str(problem) for problem in problems_from(error, Transistor))) from None
    for name, array in arrays.items():
        if not np.all(within_bounds(Transistor, name, array)):
            raise ModelError(f"{name}: a value of the array is outside of its bounds")
    return checked[0].model_dump() | arrays
