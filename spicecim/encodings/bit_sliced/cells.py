"""Levels of cells as conductances of a device at the read voltage, with scatter and stuck cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field, model_validator

from spicecim.device_choice import DeviceSection
from spicecim.devices.device import Device
from spicecim.encodings.integers import IntArray
from spicecim.errors import InputError
from spicecim.fields import FloatArray, Quantity, Section
from spicecim.problems import FieldError

_DISTURB = 1e-3
"""Largest change of a cell by all reads of a run, relative to the distance of two levels."""
_HALVINGS = 60

Share = Annotated[float, Quantity("", 0.0)]
State = Annotated[float, Quantity("", 0.0)]


class CellScatter(Section):
    """What keeps cells from the conductances that they were meant to have.

    The same seed, shape and encoding give the same cells.
    """

    sigma: Annotated[float, Quantity("", 0.0)] = Field(
        default=0.0, description="log-normal scatter: standard deviation of a conductance's natural logarithm"
    )
    stuck_low: Share = Field(default=0.0, description="share of cells stuck at the lowest level")
    stuck_high: Share = Field(default=0.0, description="share of cells stuck at the highest level")
    seed: Annotated[int, Field(strict=True, ge=0)] = Field(default=0, description="seed of the random numbers")

    @model_validator(mode="after")
    def _check_shares(self) -> CellScatter:
        if self.stuck_low + self.stuck_high > 1.0:
            raise FieldError("stuck_high", f"with stuck_low is {self.stuck_low + self.stuck_high:g}; at most 1 is all")
        return self

    @property
    def ideal(self) -> bool:
        """Whether every cell has the conductance that it was meant to have."""
        return not (self.sigma or self.stuck_low or self.stuck_high)

    def scattered(self, conductance: FloatArray, levels: CellLevels, rng: np.random.Generator) -> FloatArray:
        """Conductances (S) that cells have instead of those meant. Their median is the one meant."""
        found = conductance * np.exp(self.sigma * rng.standard_normal(conductance.shape))
        draw = rng.random(conductance.shape)
        found = np.where(draw < self.stuck_low, levels.conductance(0), found)
        return np.where(draw >= 1.0 - self.stuck_high, levels.conductance(levels.highest), found)


class CellRange(Section):
    """Which of a device's states hold the lowest and the highest level."""

    low: State = Field(default=0.0, description="state x of the lowest level")
    high: State = Field(default=1.0, description="state x of the highest level")

    @model_validator(mode="after")
    def _check_order(self) -> CellRange:
        if not self.low < self.high <= 1.0:
            raise FieldError("high", f"must be above low = {self.low:g} and at most 1; it is {self.high:g}")
        return self


@dataclass(frozen=True)
class CellLevels:
    """Levels 0 to `highest` of a device as conductances, evenly spaced.

    Attributes
    ----------
    device
        The device.
    voltage
        Read voltage (V). A conductance is the current at it over it.
    lowest
        Conductance of level 0 (S).
    step
        Conductance from one level to the next (S).
    highest
        The highest level.
    """

    device: Device
    voltage: float
    lowest: float
    step: float
    highest: int

    def conductance(self, levels: IntArray | int) -> FloatArray:
        """Conductances (S) of levels."""
        return np.asarray(self.lowest + self.step * np.asarray(levels))

    def states(self, conductance: FloatArray) -> FloatArray:
        """States x of cells with these conductances (S).

        Raises
        ------
        InputError
            If one is beyond what the device has.
        """
        values, which = np.unique(conductance, return_inverse=True)
        ends = _conductances(self.device, self.voltage, np.array([0.0, 1.0]))
        slack = 1e-9 * ends[1]
        if values[0] < ends[0] - slack or values[-1] > ends[1] + slack:
            beyond = values[0] if values[0] < ends[0] - slack else values[-1]
            raise InputError(
                f"cells: a cell needs {beyond:g} S, and the device has {ends[0]:g} to {ends[1]:g} S; choose states "
                "(states={'low': ..., 'high': ...}) that leave room for the scatter"
            )
        below, above = np.zeros_like(values), np.ones_like(values)
        for _ in range(_HALVINGS):
            middle = 0.5 * (below + above)
            small = _conductances(self.device, self.voltage, middle) < values
            below, above = np.where(small, middle, below), np.where(small, above, middle)
        # the ends are meant exactly, where a rounding error would move a cell out of the device's range
        states = np.where(values <= ends[0], 0.0, np.where(values >= ends[1], 1.0, above))
        return np.asarray(states[which].reshape(conductance.shape))

    def nonlinearity(self, share: float) -> float:
        """Largest relative change of a level's conductance from the read voltage to a share of it."""
        if share == 1.0:
            return 0.0
        meant = self.conductance(np.arange(self.highest + 1))
        found = _conductances(self.device, share * self.voltage, self.states(meant))
        conducting = meant > 0.0
        return float(np.abs(found[conducting] / meant[conducting] - 1.0).max())

    def check_undisturbed(self, time: float) -> None:
        """Raise `InputError` if reading for a time (s) moves the cells that hold levels."""
        meant = self.conductance(np.arange(self.highest + 1))
        s = self.device.state_from_x(self.states(meant))
        with np.errstate(all="ignore"):
            moved = s + time * self.device.rate(self.voltage, s)
            change = np.abs(self.device.current(self.voltage, moved) / self.voltage - meant).max()
        if not change <= _DISTURB * self.step:
            raise InputError(
                f"pulse.voltage: {self.voltage:g} V for {time:g} s in all moves the cells by {change / self.step:.2g} "
                f"of a level; at most {_DISTURB:g} is a read: choose a voltage below the device's threshold, or a "
                "shorter pulse"
            )


def cell_levels(choice: DeviceSection, states: CellRange, voltage: float, bits: int) -> CellLevels:
    """Return the levels of cells that hold `bits` bits.

    Raises
    ------
    InputError
        If the device is a SPICE subcircuit, whose equations are not known, or its conductance does not rise with x.
    """
    if not choice.equations_known:
        raise InputError("device: the levels of a SPICE subcircuit are not known; take a model or a Verilog-A module")
    device = choice.driven(voltage).build()
    lowest, highest = _conductances(device, voltage, np.array([states.low, states.high]))
    if not (np.isfinite(highest) and 0.0 <= lowest < highest):
        raise InputError(
            f"device: at {voltage:g} V it must conduct more at x = {states.high:g} than at {states.low:g}; it has "
            f"{highest:g} S and {lowest:g} S"
        )
    top = 2**bits - 1
    return CellLevels(device, voltage, float(lowest), float(highest - lowest) / top, top)


def _conductances(device: Device, voltage: float, x: FloatArray) -> FloatArray:
    return np.asarray(device.current(voltage, device.state_from_x(x)) / voltage)
