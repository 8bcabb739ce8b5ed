"""States of the cells of one row over time."""

from __future__ import annotations

import itertools

import numpy as np

from spicecim.devices import SeparableDevice
from spicecim.drives import Drive
from spicecim.fields import FloatArray
from spicecim.reference.excitation import integrate_factor, row_breaks
from spicecim.reference.flow import Flow

DENSITY = 64
"""Nodes of the flow tables to each halving of the distance to a bound: an error of x near 1e-12 a motion."""


class Flows:
    """The motions of a device's state in both directions."""

    def __init__(self, device: SeparableDevice, density: int = DENSITY) -> None:
        self.device = device
        self.rising = Flow(device, True, density)
        self.falling = Flow(device, False, density)

    def move(self, state: FloatArray, theta: FloatArray) -> FloatArray:
        """Return states (theta, device) after each integral `theta` of the voltage factor, all of one sign."""
        flow = self.rising if theta[-1] > 0 else self.falling
        return flow.move(flow.position(state), np.abs(theta)[:, None])


def row_states(
    flows: Flows, drive: Drive, duration: float, initial: FloatArray, time: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Follow the states of devices on one row.

    Parameters
    ----------
    flows
        The motions of the device's state.
    drive
        The drive of the row alone.
    duration
        End of the drive (s).
    initial
        State variables at time 0 (device,).
    time
        Increasing instants (s) between 0 and the duration.

    Returns
    -------
    states : numpy.ndarray
        State variables at the instants (time, device).
    turns : numpy.ndarray
        State variables at every break of the drive (break, device), from the first on.
    """
    breaks = row_breaks(drive, flows.device.voltage_breaks(), duration)
    instants = np.union1d(breaks, time)
    steps = integrate_factor(flows.device, drive, instants)
    ends = np.searchsorted(instants, breaks)
    states = np.empty((len(instants), len(initial)))
    states[0] = initial
    for start, end in itertools.pairwise(ends):
        theta = np.cumsum(steps[start:end])
        moves = theta[-1] != 0.0
        states[start + 1 : end + 1] = flows.move(states[start], theta) if moves else states[start]
    return states[np.searchsorted(instants, time)], states[ends]
