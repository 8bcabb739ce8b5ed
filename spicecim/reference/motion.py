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
from spicecim.reference.flow import Flows
from spicecim.reference.radau import basis, radau
from spicecim.reference.stages import solve_stages

_GAUSS_NODES, _GAUSS_WEIGHTS = (0.5 * part for part in np.polynomial.legendre.leggauss(4))
_GAUSS_NODES = _GAUSS_NODES + 0.5
_SETTLED = 1e-11
"""Last correction of a collocated state relative to its scale."""
_REFINEMENTS = 3
"""Newton steps to the instant of a crossing. The rate is continuous there: an error counts by its square."""


class Interpolation:
    """Polynomials over a step from 0 to 1 through values at the places of Lobatto's rule, both ends among them.

    Parameters
    ----------
    degree
        Degree of the polynomials.
    between
        Whether the middles between the places are places too; the degree is then twice as high.
    """

    def __init__(self, degree: int, *, between: bool = False) -> None:
        inner = 0.5 + 0.5 * np.sort(Legendre.basis(degree).deriv().roots().astype(float))
        nodes = np.concatenate([[0.0], inner, [1.0]])
        middles = 0.5 * (nodes[1:] + nodes[:-1])
        self.samples = np.sort(np.concatenate([nodes, middles]))
        """The nodes and the middles between them."""
        self.nodes = self.samples if between else nodes
        self._degree = len(self.nodes) - 1
        self.fit = np.asarray(np.linalg.inv(basis(self.nodes, self._degree)))
        """Legendre coefficients (degree + 1, node) by the values at the nodes."""
        self._integrals = 0.5 * legendre.legint(np.eye(self._degree + 1), lbnd=-1)

    def values(self, places: FloatArray) -> FloatArray:
        """Matrix (place, node) from values at the nodes to those at places."""
        return basis(places, self._degree) @ self.fit

    def integrals(self, places: FloatArray) -> FloatArray:
        """Matrix (place, node) from values at the nodes to the integrals from 0 to places."""
        return np.asarray(basis(places, self._degree + 1) @ self._integrals @ self.fit)


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
        self._device, self._flows = device, Flows(device)
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
        crosses = lowest != highest
        states = np.empty((len(places), len(start)))
        smooth = ~crosses
        theta = length * (rule.integrals(places) @ self._device.voltage_factor(v[:, smooth]))
        states[:, smooth] = self._advance(start[smooth], theta)
        if crosses.any():
            states[:, crosses] = self._across(rule, v[:, crosses], length, start[crosses], places)
        return states

    def _advance(self, start: FloatArray, theta: FloatArray) -> FloatArray:
        """States (place, device) after integrals `theta` (place, device) of the voltage factor of one sign each."""
        direction = np.sign(theta[-1])
        states = np.repeat(start[None], len(theta), axis=0)
        for sign, flow in ((1.0, self._flows.rising), (-1.0, self._flows.falling)):
            moving = direction == sign
            if moving.any():
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
        parts = np.zeros((len(width), 2, len(start)))  # before and after a change of sign
        parts[:, 0] = length * width[:, None] * np.einsum("k,jkn->jn", _GAUSS_WEIGHTS, factor)
        ends = rule.values(edges) @ v
        below, above = ends[:-1, :, None] < self._levels, ends[1:, :, None] < self._levels
        interval, device = np.nonzero((below != above).any(axis=2))
        if len(interval):
            cuts, turn = self._cuts(rule.fit @ v[:, device], edges[interval], edges[interval + 1])
            pieces = np.diff(cuts, axis=0)
            where = cuts[:-1, None] + pieces[:, None] * _GAUSS_NODES[:, None]
            voltages = _evaluate(rule.fit @ v[:, device], where)
            integrals = length * pieces * np.einsum("k,ckp->cp", _GAUSS_WEIGHTS, self._device.voltage_factor(voltages))
            early = cuts[:-1] < turn
            parts[interval, 0, device] = np.where(early, integrals, 0.0).sum(axis=0)
            parts[interval, 1, device] = np.where(early, 0.0, integrals).sum(axis=0)
        moved = self._by_turns(start, parts.reshape(-1, len(start)))[1::2]
        return np.asarray(moved[np.searchsorted(edges[1:], places)])

    def _cuts(self, polynomial: FloatArray, begin: FloatArray, end: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Begin, crossings and end of intervals (cut, interval), and where the sign changes (interval,), or the end."""
        first, last = _evaluate(polynomial, begin), _evaluate(polynomial, end)
        slope: FloatArray = np.asarray(2.0 * legendre.legder(polynomial, axis=0), dtype=float)
        cuts: list[FloatArray] = [begin, end]
        turn = end
        for level in self._levels:
            passes = (first < level) != (last < level)
            rise = np.where(passes, last - first, 1.0)
            root: FloatArray = begin + (end - begin) * np.where(passes, (level - first) / rise, 1.0)
            for _ in range(_REFINEMENTS):
                steepness = _evaluate(slope, root)
                usable = passes & (steepness * rise > 0)
                step = (_evaluate(polynomial, root) - level) / np.where(usable, steepness, 1.0)
                root = np.asarray(np.clip(np.where(usable, root - step, root), begin, end))
            cuts.append(root)
            turn = root if level == 0.0 else turn
        return np.sort(cuts, axis=0), turn

    def _by_turns(self, start: FloatArray, parts: FloatArray) -> FloatArray:
        """States (part, device) after successive integrals (part, device) of either sign."""
        sign = np.sign(parts)
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
    """Values (..., interval) of polynomials (coefficient, interval) at places (..., interval)."""
    return np.asarray(legendre.legval(2.0 * places - 1.0, polynomial, tensor=False), dtype=float)
