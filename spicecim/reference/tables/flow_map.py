"""States by tables of their flow.

Where ``ds/dt = g(v) f(s)``, the state depends on the drive only through theta, the integral of g(v) over time, as long
as the direction stays: ``integral of ds/f = theta`` (separation of variables; of a linear drift device theta is k times
the flux, L. O. Chua, IEEE Trans. Circuit Theory 18 (1971), doi:10.1109/TCT.1971.1083337). That integral is tabulated
once per device and direction, and every motion of every cell is an evaluation of the table, whatever the drive.

Where the voltage of a cell is a polynomial of time over a step and passes a threshold or zero, g has a kink at an
instant of the cell's own. Theta is then split there, so that a step need not end at any of them.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PPoly

from spicecim.devices.device import Device
from spicecim.fields import FloatArray
from spicecim.reference.collocation import Rule
from spicecim.reference.tables.kinks import (
    GAUSS_NODES,
    GAUSS_WEIGHTS,
    Peaks,
    find_peaks,
    integrals_across,
    passed,
    peaks_across,
)

DENSITY = 32
"""Nodes of the tables to each halving of the distance to a bound: an error of x below 1e-13 a motion."""
_RESOLUTION = 1e-13
"""Relative distance of values that can be told apart after a summation."""
_PLACES, _WEIGHTS = np.polynomial.legendre.leggauss(5)
"""Between nodes a factor of the rate changes by two percent: more places would find no more digits."""
_FARTHEST_PEAK = 0.5
"""Largest way of a peak beyond all samples of a polynomial, relative to the distance of these."""


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
        nodes = nodes[_distinct(_summed(self._way(nodes[:-1], nodes[1:])))]
        middles = 0.5 * (nodes[1:] + nodes[:-1])
        before, after = self._way(nodes[:-1], middles), self._way(middles, nodes[1:])
        theta, shares = _summed(before + after), before / (before + after)
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
        at_nodes = theta if rising else theta[::-1]
        self._least, self._most = np.minimum(at_nodes[:-1], at_nodes[1:]), np.maximum(at_nodes[:-1], at_nodes[1:])
        quarters = 0.5 * (nodes[:-1] + middles)
        reached = self._state(theta[:-1] + self._way(nodes[:-1], quarters))
        self.error = float(np.abs(device.x_from_state(reached) - device.x_from_state(quarters)).max())
        """Largest error of x in the table, found halfway between the places that it is made from."""

    def position(self, state: FloatArray) -> FloatArray:
        """Return the place ``theta`` of states on the table."""
        state = np.clip(state, *self._range)
        theta = self._theta(state)
        # The two tables are inverse to each other to their own error only; one step of Newton's method closes it.
        theta = theta - (self._state(theta) - state) / self._velocity(state)
        # Before a bound that the state only tends to, rounding is a long way: a state stays between its nodes.
        interval = np.searchsorted(self._theta.x[1:-1], state)
        return np.asarray(np.clip(theta, self._least[interval], self._most[interval]))

    def move(self, position: FloatArray, theta: FloatArray) -> FloatArray:
        """Return the states that lie `theta` (not negative) further than `position`; a stop is not passed."""
        place = position + theta
        beyond = place >= self._theta_end
        passes = beyond.any()
        if passes:
            np.minimum(place, self._theta_end, out=place)
        moved = np.asarray(self._state(place))
        np.clip(moved, *self._range, out=moved)
        if passes:
            moved[beyond] = self._end
        return moved

    def _velocity(self, state: FloatArray) -> FloatArray:
        """Derivative of the state by theta."""
        speed = self._device.motion(state, self._rising)
        return np.asarray(speed if self._rising else -speed)

    def _way(self, start: FloatArray, end: FloatArray) -> FloatArray:
        """Integral of ds/f from each start to its end."""
        half = 0.5 * (end - start)
        inside = start[:, None] + half[:, None] * (1.0 + _PLACES)
        return np.asarray(half * ((1.0 / self._velocity(inside)) @ _WEIGHTS))


def _summed(steps: FloatArray) -> FloatArray:
    """Places of nodes by the steps between them, summed outwards from the middle.

    So long tails of the range do not cost digits there.
    """
    middle = (len(steps) + 1) // 2
    return np.concatenate([-np.cumsum(steps[:middle][::-1])[::-1], [0.0], np.cumsum(steps[middle:])])


class Flows:
    """The motions of a device's state in both directions."""

    def __init__(self, device: Device, density: int = DENSITY) -> None:
        self.rising = Flow(device, True, density)
        self.falling = Flow(device, False, density)

    @property
    def error(self) -> float:
        """Largest error of x in either table."""
        return max(self.rising.error, self.falling.error)


def _distinct(values: FloatArray) -> list[int]:
    """Indices of increasing values that can be told apart, both ends among them."""
    magnitude = np.abs(values)
    close = np.flatnonzero(~(np.diff(values) > _RESOLUTION * np.maximum(magnitude[1:], magnitude[:-1])))
    if not len(close):
        return [*range(len(values))]
    # beyond the last pair that is too close, all are apart once one of them is kept
    kept, last, ended = [*range(close[0] + 1)], float(values[close[0]]), int(close[-1]) + 1
    for index, value in enumerate(values[close[0] + 1 :].tolist(), int(close[0]) + 1):
        if value - last > _RESOLUTION * max(abs(value), abs(last)):
            kept.append(index)
            last = value
            if index > ended:
                kept += range(index + 1, len(values))
                break
    kept[-1] = len(values) - 1
    return kept


_made: OrderedDict[tuple[Any, ...], Flows] = OrderedDict()
_MOST_MADE = 32


@lru_cache(maxsize=32)
def flows(device: Device, density: int = DENSITY) -> Flows:
    """Return the motions of a device's state, made once for all devices that move alike.

    Draws of a device often differ in what does not matter to the motion: thresholds, resistances.
    """
    nodes = device.state_nodes(density)
    alike = [nodes, device.x_from_state(nodes), device.motion(nodes, True), device.motion(nodes, False)]
    key = type(device), density, *(part.tobytes() for part in alike)
    if key not in _made:
        _made[key] = Flows(device, density)
    _made.move_to_end(key)
    while len(_made) > _MOST_MADE:
        _made.popitem(last=False)
    return _made[key]


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
    places, each taken twice (C. de Boor, A Practical Guide to Splines, Springer (1978), doi:10.1007/978-1-4612-6333-3,
    chapter I).
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


class FlowMotion:
    """How the states of devices that move alike follow voltages that are polynomials of time: by tabulated flow.

    Parameters
    ----------
    device
        The device of all of them, of which `Device.tabulated` is true.
    number
        How many there are.
    """

    def __init__(self, device: Device, number: int) -> None:
        self._device, self._flows = device, flows(device.mover())
        levels = _sorted_levels(device)
        self._levels = np.broadcast_to(levels, (len(levels), number))
        self._start = _Start(self._flows, np.empty(0))

    def states(self, rule: Rule, v: FloatArray, length: float, start: FloatArray, places: FloatArray) -> FloatArray:
        """Follow devices over a step.

        Parameters
        ----------
        rule
            The polynomials.
        v
            Voltages at its places (place, device).
        length
            Length of the step (s).
        start
            States at the start (device,).
        places
            Increasing places in the step, above 0 up to 1.

        Returns
        -------
        numpy.ndarray
            States at the places (place, device).
        """
        # all rounds of a step have the same
        if not np.array_equal(start, self._start.states):
            self._start = _Start(self._flows, start.copy())
        theta = length * (rule.integrals(places) @ self._device.drive(v))
        crosses = self._crosses(rule, v)
        if not len(crosses):
            return self._start.advance(theta)
        pieces = _pieces(rule, places.tobytes())
        parts = self._across(rule, v[:, crosses], length, pieces, crosses)
        theta[:, crosses] = np.cumsum(parts.sum(axis=1), axis=0)[pieces.place]
        turns = np.flatnonzero((parts.min(axis=(0, 1)) < 0.0) & (parts.max(axis=(0, 1)) > 0.0))
        states = self._start.advance(theta)
        if len(turns):
            states[:, crosses[turns]] = self._by_turns(start[crosses[turns]], parts[:, :, turns])[pieces.place]
        return states

    def missed_at_peaks(self, rule: Rule, v: FloatArray, length: float, start: FloatArray) -> float:
        """Nothing: all levels are known, and met at the peaks too."""
        return 0.0

    def _crosses(self, rule: Rule, v: FloatArray) -> NDArray[np.int_]:
        """Devices whose voltages pass a level, be it by a peak between the samples."""
        samples = rule.values(rule.samples) @ v
        low, high = samples.min(axis=0), samples.max(axis=0)
        crosses = _within(self._levels, low, high)
        reach = _FARTHEST_PEAK * (high - low)
        near = np.flatnonzero(_within(self._levels, low - reach, high + reach) & ~crosses)
        if len(near):
            interval, which = _turns_at_levels(
                self._levels[:, near], rule, v[:, near], rule.samples, samples[:, near]
            )  # fmt: skip
            device, begin, end = near[which], rule.samples[interval], rule.samples[interval + 1]
            peaks, _ = peaks_across(self._levels[:, device], rule.powers @ v[:, device], begin, end)
            crosses[device[peaks.interval]] = True
        return np.flatnonzero(crosses)

    def _across(
        self, rule: Rule, v: FloatArray, length: float, pieces: _Pieces, which: NDArray[np.int_]
    ) -> FloatArray:  # fmt: skip
        """Integrals (piece, 2, device) of the voltage factor of some devices (device,), whose voltages pass levels.

        Over each piece before its sign changes there, and after.
        """
        levels, some, edges = self._levels[:, which], self._device.of_cells(which), pieces.edges
        factor = some.drive(pieces.inside @ v).reshape(len(pieces.width), -1, len(which))
        parts = np.zeros((len(pieces.width), 2, len(which)))
        parts[:, 0] = pieces.width[:, None] * (GAUSS_WEIGHTS @ factor)
        ends = pieces.ends @ v
        sides = passed(levels, ends)
        interval, device = np.nonzero(sides[1:] != sides[:-1])
        polynomial = rule.powers @ v
        if len(interval):
            parts[interval, :, device] = integrals_across(
                some.of_cells(device).drive, levels[:, device], polynomial[:, device], edges[interval],
                edges[interval + 1], (sides[interval, device], sides[interval + 1, device]),
            ).T  # fmt: skip
        interval, device = _turns_at_levels(levels, rule, v, edges, ends)
        peaks, side = peaks_across(levels[:, device], polynomial[:, device], edges[interval], edges[interval + 1])
        if len(peaks.interval):
            interval, device = interval[peaks.interval], device[peaks.interval]
            shape, place = polynomial[:, device], peaks.place
            across = some.of_cells(device).drive, levels[:, device], shape
            rise = integrals_across(*across, edges[interval], place, (sides[interval, device], side), "end")
            fall = integrals_across(*across, place, edges[interval + 1], (side, sides[interval + 1, device]), "begin")
            # where the sign changes twice, what lies beyond the first is nearly nothing
            before = np.where(rise[1] != 0.0, rise[0], rise[0] + fall[0])
            parts[interval, 0, device] = before
            parts[interval, 1, device] = rise.sum(axis=0) + fall.sum(axis=0) - before
        return length * parts

    def _by_turns(self, start: FloatArray, parts: FloatArray) -> FloatArray:
        """States (piece, device) after successive integrals (piece, 2, device) of either sign."""
        parts = parts.reshape(-1, len(start))
        sign = np.sign(parts)
        last = np.maximum.accumulate(np.where(sign != 0, np.arange(len(parts))[:, None], 0), axis=0)
        sign = np.take_along_axis(sign, last, axis=0)
        turns = np.cumsum(sign[1:] * sign[:-1] < 0, axis=0)
        run = np.concatenate([np.zeros((1, len(start)), dtype=int), turns])
        states = np.empty(parts.shape)
        for number in range(int(run.max()) + 1):
            present: NDArray[np.bool_] = run == number
            moved = _Start(self._flows, start).advance(np.cumsum(np.where(present, parts, 0.0), axis=0))
            states[present] = moved[present]
            start = moved[-1]
        return states[1::2]


class _Start:
    """States (device,) at the start of a step, and their places on the tables, each looked up once."""

    def __init__(self, flows: Flows, states: FloatArray) -> None:
        self._flows, self.states = flows, states
        self._positions = np.full((2, len(states)), np.nan)

    def advance(self, theta: FloatArray) -> FloatArray:
        """States (place, device) after integrals `theta` (place, device) of the voltage factor of one sign each."""
        direction = np.sign(theta[-1])
        states = np.where(np.isfinite(theta), self.states, np.nan)
        ways = (1.0, self._flows.rising), (-1.0, self._flows.falling)
        for (sign, flow), positions in zip(ways, self._positions, strict=True):
            moving = np.flatnonzero(direction == sign)
            if len(moving):
                new = moving[np.isnan(positions[moving])]
                positions[new] = flow.position(self.states[new])
                # of a polynomial, an integral that should be zero may have either sign
                states[:, moving] = flow.move(positions[moving], np.maximum(sign * theta[:, moving], 0.0))
        return states


class _Pieces(NamedTuple):
    """Pieces of a step between places asked for and samples, up to the last place."""

    edges: FloatArray
    """Ends of the pieces (piece + 1,)."""
    width: FloatArray
    """Their widths (piece,)."""
    inside: FloatArray
    """Matrix (piece * node, stage + 1) from a polynomial's values to those at Gauss's nodes."""
    ends: FloatArray
    """Matrix (piece + 1, stage + 1) to those at the edges."""
    place: NDArray[np.int_]
    """The piece at whose end a place lies (place,)."""


@lru_cache(maxsize=8)
def _pieces(rule: Rule, places: bytes) -> _Pieces:
    """Return the pieces for increasing places (place,), given by their bytes: few come again and again."""
    at = np.frombuffer(places)
    edges = np.union1d(np.append(at, 0.0), rule.samples)
    edges = edges[edges <= at[-1]]
    width = np.diff(edges)
    inside = (edges[:-1, None] + width[:, None] * GAUSS_NODES).ravel()
    return _Pieces(edges, width, rule.values(inside), rule.values(edges), np.searchsorted(edges[1:], at))


def _sorted_levels(device: Device) -> FloatArray:
    """Voltages (level, device) where the rate of devices has kinks, and zero, increasing; infinite where one has fewer.

    One column where they are the same of all.
    """
    breaks = np.atleast_2d(device.voltage_breaks()).T
    levels = np.concatenate([np.zeros((1, breaks.shape[1])), np.where(np.isnan(breaks), np.inf, breaks)])
    levels.sort(axis=0)
    levels[1:][levels[1:] == levels[:-1]] = np.inf
    levels.sort(axis=0)
    return np.asarray(levels[np.isfinite(levels).any(axis=1)])


def _within(levels: FloatArray, low: FloatArray, high: FloatArray) -> NDArray[np.bool_]:
    """Whether a level (level, device) lies between two voltages (device,), or at the lower."""
    return np.asarray(((levels >= low) & (levels < high)).any(axis=0))


def _turns_at_levels(
    levels: FloatArray, rule: Rule, v: FloatArray, places: FloatArray, values: FloatArray
) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """Intervals between places, and devices, whose peak may pass a level, by the values (place, device) there."""
    interval, device, reach = turns(rule, v, places)
    one, other = values[interval, device], values[interval + 1, device]
    near = _within(levels[:, device], np.minimum(one, other) - reach, np.maximum(one, other) + reach)
    return interval[near], device[near]


def turns(rule: Rule, v: FloatArray, places: FloatArray) -> tuple[NDArray[np.int_], NDArray[np.int_], FloatArray]:
    """Intervals between places, and cells, in which slopes of polynomials (place, cell) change their sign.

    And how far beyond both ends of an interval the peak may be, with a slope that falls all the way.
    """
    slopes = rule.derivatives(places) @ v
    interval, cell = np.nonzero(slopes[1:] * slopes[:-1] < 0)
    flatter = np.minimum(np.abs(slopes[interval, cell]), np.abs(slopes[interval + 1, cell]))
    return interval, cell, (places[interval + 1] - places[interval]) * flatter


def peaks(rule: Rule, v: FloatArray) -> Peaks:
    """Find the peaks of polynomials by their values (place, cell); the interval of each is its cell."""
    interval, cell, _ = turns(rule, v, rule.places)
    found = find_peaks(rule.powers @ v[:, cell], rule.places[interval], rule.places[interval + 1])
    return Peaks(cell[found.interval], found.place)
