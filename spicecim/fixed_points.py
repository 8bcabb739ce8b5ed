"""Cells that start saturated where their equation stands still, from where they never return."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spicecim.devices.device import Device
from spicecim.errors import StateWarning
from spicecim.fields import FloatArray
from spicecim.testbench import Testbench

_MOVED = 1e-12
"""Change of x over a run that counts as one: what rounding leaves."""
_SATURATED = 1e-9
"""Distance of x from 0 or 1: elsewhere a cell that no voltage moves is merely below its threshold."""


def _still(device: Device, volts: FloatArray, starts: FloatArray, duration: float) -> NDArray[np.bool_]:
    """Which x (start,) no voltage (voltage, 1) moves within a duration (s)."""
    with np.errstate(all="ignore"):
        s = device.state_from_x(starts)
        moved = device.x_from_state(s + device.rate(volts, s) * duration) - device.x_from_state(s)
    return np.asarray((np.abs(moved) <= _MOVED).all(axis=0))


def fixed_point_warning(testbench: Testbench) -> StateWarning | None:
    """Return a warning of saturated cells that no voltage up to the drive's largest moves, while it moves other states.

    x of a saturated cell may be rounded to 0 or 1 where the state variable itself was not yet there: a run that starts
    from the last x of another then holds the cell for ever. Of a SPICE subcircuit nothing is known.
    """
    if not testbench.device.equations_known:
        return None
    state = testbench.crossbar.state
    starts = state[(state <= _SATURATED) | (state >= 1.0 - _SATURATED)]
    if not starts.size:
        return None
    device = testbench.device.build()
    largest = testbench.lines().largest_voltage()
    volts = largest * np.linspace(-1.0, 1.0, 9)[:, None]
    starts = np.unique(np.append(starts, 0.5))
    # of cells with parameters of their own, those at the ends of the ranges stand for all
    still = np.all([_still(one, volts, starts, testbench.duration) for one in device.examples()], axis=0)
    if np.any(still & (starts == 0.5)):
        return None  # such a drive moves no state
    cells = np.argwhere(np.isin(state, starts[still]))
    if not len(cells):
        return None
    row, column = (int(index) for index in cells[0])
    x = float(state[row, column])
    others = f" and {len(cells) - 1} more" if len(cells) > 1 else ""
    return StateWarning(
        f"crossbar.state: cell ({row}, {column}){others} starts at x = {x!r}, a fixed point of the "
        "device's equation, and stays there whatever the drive; if it is to switch, start it beside it, "
        "such as at 0.01 or 0.99"
    )
