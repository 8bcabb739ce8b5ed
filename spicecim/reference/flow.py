"""Motion of a state in one direction, as a function of the flux that moves it.

Where ``ds/dt = g(v) f(s)``, the state depends on the drive only through ``theta``, the integral of g(v) over time, as
long as the direction stays: ``integral of ds/f = theta``. That integral is tabulated once a device and direction, and
every motion of every cell is an evaluation of the table, whatever the drive. No time step is taken.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicHermiteSpline

from spicecim.devices import SeparableDevice
from spicecim.fields import FloatArray

_GAUSS_NODES, _GAUSS_WEIGHTS = np.polynomial.legendre.leggauss(8)


class Flow:
    """The motion of a device's state in one direction.

    Parameters
    ----------
    device
        The device.
    rising
        Direction of the motion.
    density
        How close the nodes of the table are (see `SeparableDevice.state_nodes`). The error falls with its fourth power.
    """

    def __init__(self, device: SeparableDevice, rising: bool, density: int) -> None:
        nodes = device.state_nodes(density)
        speed = device.state_factor(nodes, rising)
        # At a bound that the state only tends to, the integral diverges: the table ends a rounding error before it.
        nodes, speed = nodes[speed > 0], speed[speed > 0]
        if not rising:
            nodes, speed = nodes[::-1], speed[::-1]
        half = 0.5 * np.diff(nodes)
        inside = nodes[:-1, None] + half[:, None] * (1.0 + _GAUSS_NODES)
        steps = (np.abs(half)[:, None] * _GAUSS_WEIGHTS / device.state_factor(inside, rising)).sum(axis=1)
        # Summed outwards from the middle, so that long tails of the range do not cost digits there.
        middle = len(nodes) // 2
        theta = np.concatenate([-np.cumsum(steps[:middle][::-1])[::-1], [0.0], np.cumsum(steps[middle:])])
        # Near a bound that the state leaves, nodes lie closer than theta can tell apart.
        theta, distinct = np.unique(theta, return_index=True)
        nodes, slope = nodes[distinct], (speed if rising else -speed)[distinct]
        self._theta_end = theta[-1]
        self._range = (float(nodes.min()), float(nodes.max()))
        self._device, self._rising = device, rising
        self._state = CubicHermiteSpline(theta, nodes, slope)
        order = slice(None) if rising else slice(None, None, -1)
        self._theta = CubicHermiteSpline(nodes[order], theta[order], 1.0 / slope[order])

    def position(self, state: FloatArray) -> FloatArray:
        """Return the place ``theta`` of states on the table."""
        state = np.clip(state, *self._range)
        theta = self._theta(state)
        # The two tables are inverse to each other to their own error only; one step of Newton's method closes it.
        speed = self._device.state_factor(state, self._rising) * (1.0 if self._rising else -1.0)
        return np.asarray(theta - (self._state(theta) - state) / speed)

    def move(self, position: FloatArray, theta: FloatArray) -> FloatArray:
        """Return the states that lie `theta` (not negative) further than `position`; a stop is not passed."""
        moved = self._state(np.minimum(position + theta, self._theta_end))
        return np.asarray(np.clip(moved, *self._range))
