"""Pulses that grow from level to level: what write-verify chooses from."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from spicecim.errors import InputError
from spicecim.fields import FloatArray, Quantity, Section
from spicecim.operations.window import polarity, speed
from spicecim.quantities import shown
from spicecim.testbench import PositiveSeconds, Testbench

PositiveVolts = Annotated[float, Quantity("V", 0.0, 1e6, exclusive=True)]

_FIRST_STEP = 0.005
"""Change of x by the shortest pulse, where the pulses are chosen for a device."""
_LEVELS = 8


class Pulses(Section):
    """SET or RESET pulses of several levels: level k has ``voltage + k voltage_step`` and ``width width_factor^k``.

    Examples
    --------
    >>> import spicecim as sc
    >>> pulses = sc.operations.Pulses(voltage="300mV", width="1us", width_factor=2, levels=4)
    >>> pulses.widths([0, 3]) * 1e6
    array([1., 8.])
    """

    voltage: PositiveVolts = Field(description="magnitude at level 0 (V)")
    width: PositiveSeconds = Field(description="time at the voltage at level 0 (s)")
    voltage_step: Annotated[float, Quantity("V", 0.0, 1e6)] = Field(default=0.0, description="more per level (V)")
    width_factor: Annotated[float, Quantity("", 1.0, 100.0)] = Field(default=1.0, description="longer per level")
    gate: Annotated[float, Quantity("V", -1e6, 1e6)] | None = Field(
        default=None, description="voltage of the word lines (V), of cells with transistors; it limits the current"
    )
    levels: int = Field(default=1, ge=1, le=100, description="number of levels")

    def voltages(self, level: NDArray[np.int_] | list[int]) -> FloatArray:
        """Magnitudes (V) of levels."""
        return np.asarray(self.voltage + self.voltage_step * np.asarray(level, dtype=float))

    def widths(self, level: NDArray[np.int_] | list[int]) -> FloatArray:
        """Times at the voltage (s) of levels."""
        return np.asarray(self.width * self.width_factor ** np.asarray(level, dtype=float))


def check_pulses(name: str, value: Any) -> None:
    """Raise InputError if what was given as an argument are no pulses."""
    if not isinstance(value, Pulses):
        raise InputError(f"{name}: must be spicecim.operations.Pulses; it is {shown(value)}")


def check_count(name: str, value: Any, most: int) -> None:
    """Raise InputError if an argument is no whole number from 1 to `most`."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or not 1 <= value <= most:
        raise InputError(f"{name}: must be a whole number between 1 and {most}; it is {shown(value)}")


def chosen_pulses(bench: Testbench) -> tuple[Pulses, Pulses]:
    """Choose SET and RESET pulses for a testbench's device: at the largest voltage of its drive, doubling in width.

    The shortest moves x by 0.005 at x = 0.5, the longest by 128 times as much.

    Returns
    -------
    tuple of Pulses
        Those of SET and of RESET.

    Raises
    ------
    InputError
        If the device does not move at that voltage, or its equations are not known.

    Examples
    --------
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "yakopcic", "preset": "oblea"},
    ...     crossbar={"state": [[0.2, 0.5]]},
    ...     drive={"kind": "sine", "amplitude": 0.3, "frequency": 100},
    ... )
    >>> set_pulses, reset_pulses = sc.operations.chosen_pulses(bench)
    >>> set_pulses.voltage, set_pulses.levels
    (0.3, 8)
    """
    voltage = 0.0 if bench.drive is None else bench.drive.largest_voltage()
    if not voltage > 0:
        raise InputError("drive: is 0 V throughout; give the pulses, or a drive whose largest voltage they shall have")
    sign = polarity(bench, voltage)
    found = []
    for kind, direction in (("SET", 1.0), ("RESET", -1.0)):
        moved = direction * speed(bench, sign * direction * voltage)
        if np.isnan(moved):
            raise InputError("pulses: must be given for a device whose equations are not known")
        if not moved > 0:
            raise InputError(
                f"pulses: at {voltage:g} V, the largest of the drive, a {kind} pulse moves x at {moved:.3g} per second "
                "at x = 0.5; give pulses of another voltage"
            )
        found.append(Pulses(voltage=voltage, width=_FIRST_STEP / moved, width_factor=2.0, levels=_LEVELS))
    return found[0], found[1]
