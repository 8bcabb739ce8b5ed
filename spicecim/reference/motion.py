"""States of devices, each with its own voltage, a polynomial of time over a step.

Where the voltage of a device whose rate separates passes a threshold or zero, its rate has a kink at an instant of its
own. The integral of the voltage factor is then split there, so that a step need not end at any of them.
"""

from __future__ import annotations

import numpy as np
from numpy.polynomial import Legendre, legendre
from numpy.typing import NDArray

from spicecim.devices import Device, SeparableDevice
from spicecim.devices.cell import DeviceCell
from spicecim.fields import FloatArray
from spicecim.reference.flow import flows
from spicecim.reference.radau import basis, radau
from spicecim.reference.stages import solve_stages

_GAUSS_NODES, _GAUSS_WEIGHTS = (0.5 * part for part in np.polynomial.legendre.leggauss(4))
_GAUSS_NODES = _GAUSS_NODES + 0.5
_SETTLED = 1e-11
"""Last correction of a collocated state relative to its scale."""
_REFINEMENTS = 2
"""Newton's steps to the instant of a crossing. The rate is continuous there: an error counts by its square."""
_MOST_KNOWN = 64
"""Matrices that an `Interpolation` keeps."""


def lobatto(degree: int) -> FloatArray:
    """Places of Lobatto's rule for polynomials of a degree."""
    inner = 0.5 + 0.5 * np.sort(Legendre.basis(degree).deriv().roots().astype(float))
    return np.concatenate([[0.0], inner, [1.0]])


class Interpolation:
    """Polynomials over a step from 0 to 1 through values at places, both ends among them.

    Parameters
    ----------
    nodes
        The places, increasing.
    between
        Whether the middles between the places are places too; the degree is then twice as high.
    """

    def __init__(self, nodes: FloatArray, *, between: bool = False) -> None:
        middles = 0.5 * (nodes[1:] + nodes[:-1])
        self.samples = np.sort(np.concatenate([nodes, middles]))
        """The nodes and the middles between them."""
        self.nodes = self.samples if between else nodes
        self._degree = len(self.nodes) - 1
        self._fit = np.asarray(np.linalg.inv(basis(self.nodes, self._degree)))
        units = [legendre.leg2poly(np.eye(order + 1)[order]) for order in range(self._degree + 1)]
        powers = np.stack([np.pad(unit, (0, self._degree + 1 - len(unit))) for unit in units], axis=1)
        self.powers = np.asarray(powers @ self._fit)
        """Coefficients (degree + 1, node) of the powers of ``2 place - 1`` by the values at the nodes."""
        self._integrals = 0.5 * legendre.legint(np.eye(self._degree + 1), lbnd=-1)
        self._known: dict[tuple[bool, bytes], FloatArray] = {}

    def values(self, places: FloatArray) -> FloatArray:
        """Matrix (place, node) from values at the nodes to those at places."""
        return self._matrix(places, integrated=False)

    def integrals(self, places: FloatArray) -> FloatArray:
        """Matrix (place, node) from values at the nodes to the integrals from 0 to places."""
        return self._matrix(places, integrated=True)

    def _matrix(self, places: FloatArray, *, integrated: bool) -> FloatArray:
        """The same few places come again in every round of every step."""
        key = integrated, places.tobytes()
        if key not in self._known:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            matrix = basis(places, self._degree + 1) @ self._integrals if integrated else basis(places, self._degree)
            self._known[key] = np.asarray(matrix @ self._fit)
        return self._known[key]


class CollocatedMotion:
    """How the states of any device follow voltages that are polynomials of time: by Radau collocation.

    The higher the degree of the polynomials, the higher the order; what it does not resolve shows in the difference.
    """

    def __init__(self, device: Device) -> None:
        self._cell = DeviceCell(device)

    def states(
        self, rule: Interpolation, v: FloatArray, length: float, start: FloatArray, places: FloatArray
    ) -> FloatArray:
        """Follow devices over a step, as `Motion.states`; not a number where there is no solution."""
        stages = radau(len(rule.nodes))
        voltages = (rule.values(stages.nodes) @ v).T
        held = np.repeat(start[:, None, None], len(stages.nodes), axis=1)
        allowed = _SETTLED * np.maximum(self._cell.scale, np.abs(start[:, None]))
        nodes, converged = solve_stages(
            self._cell, stages, np.zeros_like(voltages), np.full(len(start), length), voltages, start[:, None], held,
            allowed,
        )  # fmt: skip
        values = np.vstack([start, nodes[:, :, 0].T])
        states = basis(places, len(stages.nodes)) @ stages.fit @ values
        return np.where(converged, states, np.nan)


class Motion:
    """How the states of a separable device follow voltages that are polynomials of time: by tabulated flow."""

    def __init__(self, device: SeparableDevice) -> None:
        self._device, self._flows = device, flows(device)
        self._levels = np.array(sorted({0.0, *device.voltage_breaks()}))

    def states(
        self, rule: Interpolation, v: FloatArray, length: float, start: FloatArray, places: FloatArray
    ) -> FloatArray:
        """Follow devices over a step.

        Parameters
        ----------
        rule
            The polynomials.
        v
            Voltages at its nodes (node, device).
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
        samples = rule.values(rule.samples) @ v
        lowest, highest = (np.searchsorted(self._levels, end) for end in (samples.min(axis=0), samples.max(axis=0)))
        crosses = np.flatnonzero(lowest != highest)
        states = self._advance(start, length * (rule.integrals(places) @ self._device.voltage_factor(v)))
        if len(crosses):
            states[:, crosses] = self._across(rule, v[:, crosses], length, start[crosses], places)
        return states

    def _advance(self, start: FloatArray, theta: FloatArray) -> FloatArray:
        """States (place, device) after integrals `theta` (place, device) of the voltage factor of one sign each."""
        direction = np.sign(theta[-1])
        states = np.where(np.isfinite(theta), start, np.nan)
        for sign, flow in ((1.0, self._flows.rising), (-1.0, self._flows.falling)):
            moving = np.flatnonzero(direction == sign)
            if len(moving):
                # of a polynomial, an integral that should be zero may have either sign
                way = np.maximum(sign * theta[:, moving], 0.0)
                states[:, moving] = flow.move(flow.position(start[moving]), way)
        return states

    def _across(
        self, rule: Interpolation, v: FloatArray, length: float, start: FloatArray, places: FloatArray
    ) -> FloatArray:
        """States (place, device) of devices whose voltages pass levels in the step."""
        edges = np.union1d(np.append(places, 0.0), rule.samples)
        edges = edges[edges <= places[-1]]
        width = np.diff(edges)
        inside = (edges[:-1, None] + width[:, None] * _GAUSS_NODES).ravel()
        factor = self._device.voltage_factor(rule.values(inside) @ v).reshape(len(width), -1, len(start))
        parts = length * width[:, None] * (_GAUSS_WEIGHTS @ factor)
        ends = rule.values(edges) @ v
        sides = np.searchsorted(self._levels, ends, side="right")
        interval, device = np.nonzero(sides[1:] != sides[:-1])
        turned = np.zeros(parts.shape)  # after a change of sign
        if len(interval):
            crossed = self._crossed(
                rule.powers @ v[:, device], edges[interval], edges[interval + 1], sides[interval, device],
                sides[interval + 1, device],
            )  # fmt: skip
            parts[interval, device], turned[interval, device] = length * crossed
        if not turned.any():
            moved = self._by_turns(start, parts)
        else:
            moved = self._by_turns(start, np.stack([parts, turned], axis=1).reshape(-1, len(start)))[1::2]
        return np.asarray(moved[np.searchsorted(edges[1:], places)])

    def _crossed(
        self,
        polynomial: FloatArray,
        begin: FloatArray,
        end: FloatArray,
        first: NDArray[np.int_],
        last: NDArray[np.int_],
    ) -> FloatArray:
        """Integrals (2, interval) of the voltage factor over intervals in which polynomials pass levels.

        Before and after the change of sign, if there is one. `polynomial` is as for `_evaluate`; `first` and
        `last` count the levels below it at the ends (interval,).
        """
        most = int(np.abs(last - first).max())
        # from level to level in the order that they are passed; an interval that passes fewer has its last ones twice
        passed = np.minimum(np.arange(most)[:, None], np.abs(last - first) - 1)
        numbers = np.where(last > first, first + passed, first - 1 - passed)
        levels = self._levels[numbers]
        low, high = _evaluate(polynomial, begin), _evaluate(polynomial, end)
        slope = 2.0 * np.arange(1, len(polynomial))[:, None] * polynomial[1:]
        # an interval may seem to pass a level by the rounding of its ends alone
        rise = np.where(high == low, np.inf, high - low)
        root = np.asarray(np.clip(begin + (end - begin) * (levels - low) / rise, begin, end))
        for _ in range(_REFINEMENTS):
            steepness = _evaluate(slope, root)
            usable = steepness * (high - low) > 0
            step = (_evaluate(polynomial, root) - levels) / np.where(usable, steepness, 1.0)
            root = np.asarray(np.clip(np.where(usable, root - step, root), begin, end))
        cuts = np.concatenate([begin[None], np.maximum.accumulate(root, axis=0), end[None]])
        pieces = np.diff(cuts, axis=0)
        where = cuts[:-1, None] + pieces[:, None] * _GAUSS_NODES[:, None]
        factor = self._device.voltage_factor(_evaluate(polynomial, where))
        integrals = pieces * (_GAUSS_WEIGHTS @ factor)
        after = np.zeros(integrals.shape, dtype=bool)
        after[1:] = np.logical_or.accumulate(levels == 0.0, axis=0)
        return np.stack([np.where(after, 0.0, integrals).sum(axis=0), np.where(after, integrals, 0.0).sum(axis=0)])

    def _by_turns(self, start: FloatArray, parts: FloatArray) -> FloatArray:
        """States (part, device) after successive integrals (part, device) of either sign."""
        sign = np.sign(parts)
        if np.abs(sign.min(axis=0) - sign.max(axis=0)).max() < 2.0:
            return self._advance(start, np.cumsum(parts, axis=0))
        last = np.maximum.accumulate(np.where(sign != 0, np.arange(len(parts))[:, None], 0), axis=0)
        sign = np.take_along_axis(sign, last, axis=0)
        turns = np.cumsum(sign[1:] * sign[:-1] < 0, axis=0)
        run = np.concatenate([np.zeros((1, len(start)), dtype=int), turns])
        states = np.empty(parts.shape)
        for number in range(int(run.max()) + 1):
            present: NDArray[np.bool_] = run == number
            moved = self._advance(start, np.cumsum(np.where(present, parts, 0.0), axis=0))
            states[present] = moved[present]
            start = moved[-1]
        return states


def _evaluate(polynomial: FloatArray, places: FloatArray) -> FloatArray:
    """Values (..., interval) of polynomials (power of ``2 place - 1``, interval) at places (..., interval)."""
    centred = 2.0 * places - 1.0
    values = np.broadcast_to(polynomial[-1], places.shape)
    for coefficient in polynomial[-2::-1]:
        values = values * centred + coefficient
    return values
