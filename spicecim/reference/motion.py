"""States of devices, each with its own voltage, a polynomial of time over a step.

Where the voltage of a device whose rate separates passes a threshold or zero, its rate has a kink at an instant of its
own. The integral of the voltage factor is then split there, so that a step need not end at any of them.
"""

from __future__ import annotations

import numpy as np
from numpy.polynomial import Legendre, legendre
from numpy.typing import NDArray

from spicecim.devices.device import Device
from spicecim.fields import FloatArray
from spicecim.reference.flow import flows
from spicecim.reference.levels import (
    GAUSS_NODES,
    GAUSS_WEIGHTS,
    Peaks,
    evaluate,
    find_peaks,
    integrals_across,
    peaks_across,
)
from spicecim.reference.radau import Radau, basis, basis_slope, radau
from spicecim.reference.stages import defects, solve_stages

_SETTLED = 1e-11
"""Last correction of a collocated state relative to its scale."""
_FARTHEST_PEAK = 0.5
"""Largest way of a peak beyond all samples of a polynomial, relative to the distance of these."""
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

    def peaks(self, v: FloatArray) -> Peaks:
        """Find the peaks of polynomials by their values (node, device); the interval of each is its device."""
        interval, device, _ = self.turns(v, self.nodes)
        peaks = find_peaks(self.powers @ v[:, device], self.nodes[interval], self.nodes[interval + 1])
        return Peaks(device[peaks.interval], peaks.place)

    def turns(
        self, v: FloatArray, places: FloatArray
    ) -> tuple[NDArray[np.int_], NDArray[np.int_], FloatArray]:  # fmt: skip
        """Intervals between places, and devices, in which slopes of polynomials (node, device) change their sign.

        And how far beyond both ends of an interval the peak may be, with a slope that falls all the way.
        """
        slopes = basis_slope(places, self._degree) @ self._fit @ v
        interval, device = np.nonzero(slopes[1:] * slopes[:-1] < 0)
        flatter = np.minimum(np.abs(slopes[interval, device]), np.abs(slopes[interval + 1, device]))
        return interval, device, (places[interval + 1] - places[interval]) * flatter

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
        self._cell = device.cell()

    def states(
        self, rule: Interpolation, v: FloatArray, length: float, start: FloatArray, places: FloatArray
    ) -> FloatArray:
        """Follow devices over a step, as `Motion.states`; not a number where there is no solution."""
        stages, values, _, converged = self._solve(rule, v, length, start)
        states = stages.values(places) @ values
        return np.where(converged, states, np.nan)

    def missed_at_peaks(self, rule: Interpolation, v: FloatArray, length: float, start: FloatArray) -> float:
        """Estimate by how much x is off for what voltages do at their peaks, between all stages.

        A voltage may just reach there what sets the state in motion, a level that may depend on the state.
        """
        peaks = rule.peaks(v)
        some, which = np.unique(peaks.interval, return_inverse=True)
        if not len(some):
            return 0.0
        stages, values, voltages, _ = self._solve(rule, v[:, some], length, start[some])
        y = values.T[:, :, None]
        nodes = y[:, 1:].reshape(-1, 1)
        flow = self._cell.terms(np.zeros(len(nodes)), voltages.ravel(), nodes).flow.reshape(y[:, 1:].shape)
        at_peaks = evaluate(rule.powers @ v[:, peaks.interval], peaks.place)
        missed = defects(
            self._cell, stages, peaks.place, np.zeros_like(at_peaks), at_peaks, length, y[which], flow[which], y[which]
        )
        return float((missed / self._cell.scale).max())

    def _solve(
        self, rule: Interpolation, v: FloatArray, length: float, start: FloatArray
    ) -> tuple[Radau, FloatArray, FloatArray, NDArray[np.bool_]]:
        """Stages, states (stage + 1, device) with those at the start, voltages (device, stage), and where they hold."""
        stages = radau(len(rule.nodes))
        voltages = (rule.values(stages.nodes) @ v).T
        held = np.repeat(start[:, None, None], len(stages.nodes), axis=1)
        allowed = _SETTLED * np.maximum(self._cell.scale, np.abs(start[:, None]))
        nodes, converged = solve_stages(
            self._cell, stages, np.zeros_like(voltages), np.full(len(start), length), voltages, start[:, None], held,
            allowed,
        )  # fmt: skip
        return stages, np.vstack([start, nodes[:, :, 0].T]), voltages, converged


class Motion:
    """How the states of a separable device follow voltages that are polynomials of time: by tabulated flow."""

    def __init__(self, device: Device) -> None:
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
        crosses = self._crosses(rule, v)
        states = self._advance(start, length * (rule.integrals(places) @ self._device.drive(v)))
        if len(crosses):
            states[:, crosses] = self._across(rule, v[:, crosses], length, start[crosses], places)
        return states

    def missed_at_peaks(self, rule: Interpolation, v: FloatArray, length: float, start: FloatArray) -> float:
        """Nothing: all levels are known, and met at the peaks too."""
        return 0.0

    def _crosses(self, rule: Interpolation, v: FloatArray) -> NDArray[np.int_]:
        """Devices whose voltages pass a level, be it by a peak between the samples."""
        samples = rule.values(rule.samples) @ v
        low, high = samples.min(axis=0), samples.max(axis=0)
        crosses = np.searchsorted(self._levels, low) != np.searchsorted(self._levels, high)
        reach = _FARTHEST_PEAK * (high - low)
        near = np.searchsorted(self._levels, low - reach) != np.searchsorted(self._levels, high + reach)
        near = np.flatnonzero(near & ~crosses)
        if len(near):
            interval, device = self._turns_at_levels(rule, v[:, near], rule.samples, samples[:, near])
            begin, end = rule.samples[interval], rule.samples[interval + 1]
            peaks, _ = peaks_across(self._levels, rule.powers @ v[:, near[device]], begin, end)
            crosses[near[device[peaks.interval]]] = True
        return np.flatnonzero(crosses)

    def _turns_at_levels(
        self, rule: Interpolation, v: FloatArray, places: FloatArray, values: FloatArray
    ) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
        """Intervals between places, and devices, whose peak may pass a level, by the values (place, device) there."""
        interval, device, reach = rule.turns(v, places)
        one, other = values[interval, device], values[interval + 1, device]
        lowest, highest = np.minimum(one, other) - reach, np.maximum(one, other) + reach
        passes = np.searchsorted(self._levels, lowest) != np.searchsorted(self._levels, highest)
        return interval[passes], device[passes]

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
        inside = (edges[:-1, None] + width[:, None] * GAUSS_NODES).ravel()
        factor = self._device.drive(rule.values(inside) @ v).reshape(len(width), -1, len(start))
        parts = length * width[:, None] * (GAUSS_WEIGHTS @ factor)
        ends = rule.values(edges) @ v
        sides = np.searchsorted(self._levels, ends, side="right")
        interval, device = np.nonzero(sides[1:] != sides[:-1])
        turned = np.zeros(parts.shape)  # after a change of sign
        polynomial = rule.powers @ v
        across = self._device.drive, self._levels
        if len(interval):
            crossed = integrals_across(
                *across, polynomial[:, device], edges[interval], edges[interval + 1],
                (sides[interval, device], sides[interval + 1, device]),
            )  # fmt: skip
            parts[interval, device], turned[interval, device] = length * crossed
        interval, device = self._turns_at_levels(rule, v, edges, ends)
        peaks, side = peaks_across(self._levels, polynomial[:, device], edges[interval], edges[interval + 1])
        if len(peaks.interval):
            interval, device = interval[peaks.interval], device[peaks.interval]
            shape, place = polynomial[:, device], peaks.place
            rise = integrals_across(*across, shape, edges[interval], place, (sides[interval, device], side), "end")
            fall = integrals_across(
                *across, shape, place, edges[interval + 1], (side, sides[interval + 1, device]), "begin"
            )  # fmt: skip
            # where the sign changes twice, what lies beyond the first is nearly nothing
            before = np.where(rise[1] != 0.0, rise[0], rise[0] + fall[0])
            parts[interval, device] = length * before
            turned[interval, device] = length * (rise.sum(axis=0) + fall.sum(axis=0) - before)
        if not turned.any():
            moved = self._by_turns(start, parts)
        else:
            moved = self._by_turns(start, np.stack([parts, turned], axis=1).reshape(-1, len(start)))[1::2]
        return np.asarray(moved[np.searchsorted(edges[1:], places)])

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
