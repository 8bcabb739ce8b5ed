"""Motion of a state, as a function of the flux that moves it.

Where ``ds/dt = g(v) f(s)``, the state depends on the drive only through ``theta``, the integral of g(v) over time, as
long as the direction stays: ``integral of ds/f = theta``. That integral is tabulated once a device and direction, and
every motion of every cell is an evaluation of the table, whatever the drive. No time step is taken.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.interpolate import PPoly

from spicecim.devices.device import Device
from spicecim.fields import FloatArray

DENSITY = 32
"""Nodes of the tables to each halving of the distance to a bound: an error of x below 1e-13 a motion."""
_RESOLUTION = 1e-13
"""Relative distance of values that can be told apart after a summation."""
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
        How close the nodes of the table are (see `Memristor.state_nodes`). The error falls with its sixth power.
    """

    def __init__(self, device: Device, rising: bool, density: int = DENSITY) -> None:
        self._device, self._rising = device, rising
        nodes = device.state_nodes(density)
        # At a bound that the state only tends to, the integral diverges: the table ends a rounding error before it.
        nodes = nodes[device.motion(nodes, rising) > 0]
        nodes = nodes[_distinct(nodes)]
        if not rising:
            nodes = nodes[::-1]
        # Near a bound that the state leaves, nodes lie closer than theta can tell apart.
        nodes = nodes[_distinct(self._places(nodes))]
        middles, theta = 0.5 * (nodes[1:] + nodes[:-1]), self._places(nodes)
        shares = self._way(nodes[:-1], middles) / self._way(nodes[:-1], nodes[1:])
        speed, middle_speed = self._velocity(nodes), self._velocity(middles)
        self._theta_end, self._end = theta[-1], nodes[-1]
        self._range = (float(nodes.min()), float(nodes.max()))
        middle_theta = theta[:-1] + shares * np.diff(theta)
        self._state = _hermite(theta, shares, nodes, middles, speed, middle_speed)
        half = np.full_like(middles, 0.5)
        if rising:
            self._theta = _hermite(nodes, half, theta, middle_theta, 1.0 / speed, 1.0 / middle_speed)
        else:
            self._theta = _hermite(
                nodes[::-1], half, theta[::-1], middle_theta[::-1], 1.0 / speed[::-1], 1.0 / middle_speed[::-1]
            )
        quarters = 0.5 * (nodes[:-1] + middles)
        reached = self._state(theta[:-1] + self._way(nodes[:-1], quarters))
        self.error = float(np.abs(device.x_from_state(reached) - device.x_from_state(quarters)).max())
        """Largest error of x in the table, found halfway between the places that it is made from."""

    def position(self, state: FloatArray) -> FloatArray:
        """Return the place ``theta`` of states on the table."""
        state = np.clip(state, *self._range)
        theta = self._theta(state)
        # The two tables are inverse to each other to their own error only; one step of Newton's method closes it.
        return np.asarray(theta - (self._state(theta) - state) / self._velocity(state))

    def move(self, position: FloatArray, theta: FloatArray) -> FloatArray:
        """Return the states that lie `theta` (not negative) further than `position`; a stop is not passed."""
        place = position + theta
        beyond = place >= self._theta_end
        moved = np.asarray(self._state(np.minimum(place, self._theta_end, out=place)))
        np.clip(moved, *self._range, out=moved)
        moved[beyond] = self._end
        return moved

    def _velocity(self, state: FloatArray) -> FloatArray:
        """Derivative of the state by theta."""
        speed = self._device.motion(state, self._rising)
        return np.asarray(speed if self._rising else -speed)

    def _way(self, start: FloatArray, end: FloatArray) -> FloatArray:
        """Integral of ds/f from each start to its end."""
        half = 0.5 * (end - start)
        inside = start[:, None] + half[:, None] * (1.0 + _GAUSS_NODES)
        return np.asarray(half * ((1.0 / self._velocity(inside)) @ _GAUSS_WEIGHTS))

    def _places(self, nodes: FloatArray) -> FloatArray:
        """Places of the nodes, summed outwards from the middle: long tails of the range do not cost digits there."""
        steps, middle = self._way(nodes[:-1], nodes[1:]), len(nodes) // 2
        return np.concatenate([-np.cumsum(steps[:middle][::-1])[::-1], [0.0], np.cumsum(steps[middle:])])


class Flows:
    """The motions of a device's state in both directions."""

    def __init__(self, device: Device, density: int = DENSITY) -> None:
        self.device = device
        self.rising = Flow(device, True, density)
        self.falling = Flow(device, False, density)

    @property
    def error(self) -> float:
        """Largest error of x in either table."""
        return max(self.rising.error, self.falling.error)


def _distinct(values: FloatArray) -> list[int]:
    """Indices of increasing values that can be told apart, both ends among them."""
    kept, last = [0], float(values[0])
    for index, value in enumerate(values.tolist()):
        if value - last > _RESOLUTION * max(abs(value), abs(last)):
            kept.append(index)
            last = value
    kept[-1] = len(values) - 1
    return kept


@lru_cache(maxsize=32)
def flows(device: Device, density: int = DENSITY) -> Flows:
    """Return the motions of a device's state, made once a device."""
    return Flows(device, density)


def _hermite(
    places: FloatArray,
    shares: FloatArray,
    values: FloatArray,
    middle_values: FloatArray,
    slopes: FloatArray,
    middle_slopes: FloatArray,
) -> PPoly:
    """Polynomials of degree five between increasing places, with values and slopes there and once between.

    `shares` tells where between: 0 at the one place, 1 at the next. Coefficients by divided differences on the three
    places, each taken twice.
    """
    width = np.diff(places)
    m, n = shares, 1.0 - shares
    first, middle, last = width * slopes[:-1], width * middle_slopes, width * slopes[1:]
    before, after = (middle_values - values[:-1]) / m, (values[1:] - middle_values) / n
    one, two, three, four = (before - first) / m, (middle - before) / m, (after - middle) / n, (last - after) / n
    cubic, inner, outer = (two - one) / m, three - two, (four - three) / n
    quartic = inner - cubic
    quintic = outer - inner - quartic
    coefficients = [
        quintic,
        quartic - quintic * (1.0 + 2.0 * m),
        cubic - 2.0 * quartic * m + quintic * (m + 2.0) * m,
        one - (cubic - (quartic - quintic) * m) * m,
        first,
        values[:-1],
    ]
    return PPoly(
        np.stack([part / width**power for part, power in zip(coefficients, range(5, -1, -1), strict=True)]), places
    )
