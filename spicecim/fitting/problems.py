"""Residuals of many candidates against measured currents, with their derivatives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spicecim.fields import FloatArray
from spicecim.fitting.integration import TOLERANCE, Records, integrate, sensitivities
from spicecim.fitting.systems import System
from spicecim.fitting.unknowns import Unknown

Kind = Literal["current", "log", "mixed"]
KINDS = ("current", "log", "mixed")


class Noise(NamedTuple):
    """Standard deviation of measured currents: ``sqrt(absolute^2 + (relative i)^2)``."""

    absolute: FloatArray
    """Of each sweep (A)."""
    relative: float


class Evaluated(NamedTuple):
    """Candidates at the samples of their sweeps.

    Attributes
    ----------
    residual
        In standard deviations (candidate, sample of all sweeps), 0 where a sample does not count.
    jacobian
        Its derivatives (candidate, sample, unknown).
    current
        (candidate, sweep, sample), ampere.
    state, inner
        As the currents.
    failed
        Which candidates could not be integrated.
    """

    residual: FloatArray
    jacobian: FloatArray
    current: FloatArray
    state: FloatArray
    inner: FloatArray
    failed: NDArray[np.bool_]

    @property
    def cost(self) -> FloatArray:
        """Sum of the squares of the residuals (candidate,), infinite where it failed."""
        return np.where(self.failed, np.inf, (self.residual**2).sum(axis=1))


@dataclass
class Data:
    """Sweeps with what was measured (sweep, sample)."""

    records: Records
    current: FloatArray
    counts: NDArray[np.bool_]
    """Which samples count."""
    noise: Noise

    def thinned(self, most: int) -> Data:
        """Sweeps of about so many samples, with every turn of the voltage among them."""
        kept = []
        for voltage, length in zip(self.records.voltage, self.records.length, strict=True):
            turns = np.flatnonzero(np.diff(np.sign(np.diff(voltage[:length])))) + 1
            even = np.linspace(0, length - 1, min(most, length)).round().astype(int)
            # the turns of noise on the voltage are no turns
            kept.append(np.unique(np.concatenate([even, turns if len(turns) < most / 4 else even])))
        width = max(map(len, kept))
        index = np.array([np.pad(each, (0, width - len(each)), mode="edge") for each in kept])
        rows = np.arange(len(kept))[:, None]
        length = np.array([len(each) for each in kept])
        inside = np.arange(width) < length[:, None]
        time, voltage, limit = (part[rows, index] for part in self.records[:3])
        return Data(
            Records(time, voltage, limit, length),
            self.current[rows, index],
            self.counts[rows, index] & inside,
            self.noise,
        )


class Problem:
    """A device with unknowns, against data.

    Parameters
    ----------
    system
        The device.
    unknowns
        The free parameters of the system in its order, then the free initial states.
    parameters
        How many of the unknowns are parameters of the system.
    data
        The sweeps.
    first
        Normalized initial state of each sweep of a candidate, and the place of the unknown that it is, or -1.
    kind
        What the residual is.
    """

    def __init__(
        self,
        system: System,
        unknowns: list[Unknown],
        parameters: int,
        data: Data,
        first: list[tuple[float, int]],
        kind: Kind = "mixed",
        tolerance: float = TOLERANCE,
    ) -> None:
        self.system, self.unknowns, self.parameters, self.data = system, unknowns, parameters, data
        self.first, self.kind, self.tolerance = first, kind, tolerance
        self.base = np.abs(data.current)
        """Magnitude of the currents by which the noise goes."""

    def on(self, data: Data) -> Problem:
        """Return the same problem on other data."""
        return Problem(self.system, self.unknowns, self.parameters, data, self.first, self.kind, self.tolerance)

    def evaluate(self, q: FloatArray, sweeps: NDArray[np.int_] | None = None, slopes: bool = True) -> Evaluated:
        """Evaluate candidates (candidate, unknown); `sweeps` (candidate, sweep) tells which, by default all."""
        if sweeps is None:
            sweeps = np.tile(np.arange(len(self.data.current)), (len(q), 1))
        count, each = sweeps.shape
        row = sweeps.ravel()
        q = np.repeat(q, each, axis=0)
        values = np.array([unknown.value(q[:, k]) for k, unknown in enumerate(self.unknowns)])
        factors = np.array([unknown.slope(q[:, k]) for k, unknown in enumerate(self.unknowns)])
        values, factors = (part.reshape(len(self.unknowns), len(row)) for part in (values, factors))
        p = values[: self.parameters]
        places = [place for _, place in self.first]
        own = np.tile(places, count)
        x = np.where(own >= 0, np.take_along_axis(values, np.maximum(own, 0)[None], 0)[0] if len(values) else 0.0,
                     np.tile([fixed for fixed, _ in self.first], count))  # fmt: skip
        start = self.system.start(x, p)
        course = integrate(self.system, self.data.records, row, start.value, p, self.tolerance)
        v, limit = self.data.records.voltage[row], self.data.records.limit[row]
        measured, counts = self.data.current[row], self.data.counts[row]
        with np.errstate(all="ignore"):
            p_all = np.broadcast_to(p[:, :, None], (*p.shape, v.shape[1]))
            found = self.system.slopes("current", v, course.state, course.inner, p_all, limit)
            weight = self._weight(row, found.value)
            residual = np.where(counts, self._shown(row, found.value) - self._shown(row, measured), 0.0) * weight[0]
            failed = np.asarray(course.failed | (counts & ~np.isfinite(residual)).any(axis=1))
            jacobian = np.zeros((0, 0, 0))
            if slopes:
                first = np.zeros((len(self.unknowns), len(row)))
                first[: self.parameters] = start.by_parameter
                free = own >= 0
                first[own[free], np.flatnonzero(free)] = start.by_state[free]
                moved = found.by_state * sensitivities(self.system, course, first, p)
                moved[: self.parameters] += found.by_parameter
                jacobian = np.where(counts, moved * weight[1] * factors[:, :, None], 0.0)
                failed = np.asarray(failed | ~np.isfinite(jacobian).all(axis=(0, 2)))
                jacobian = jacobian.reshape(len(self.unknowns), count, each * v.shape[1]).transpose(1, 2, 0)
        failed = np.asarray(failed.reshape(count, each).any(axis=1))
        shape = (count, each, v.shape[1])
        return Evaluated(
            np.where(failed[:, None], 0.0, residual.reshape(count, -1)), jacobian, found.value.reshape(shape),
            course.state.reshape(shape), course.inner.reshape(shape), failed,
        )  # fmt: skip

    def deviation(self, sweeps: NDArray[np.int_] | None = None) -> FloatArray:
        """Return the standard deviation of each sample (A), by the noise and the currents that it goes by."""
        rows = np.arange(len(self.base)) if sweeps is None else sweeps
        absolute = self.data.noise.absolute[rows][:, None]
        if self.kind == "current":
            return np.broadcast_to(absolute, self.base[rows].shape)
        return np.sqrt(absolute**2 + (self.data.noise.relative * self.base[rows]) ** 2)

    def _shown(self, row: NDArray[np.int_], current: FloatArray) -> FloatArray:
        """What is compared: the current, or its logarithm, which goes over into a straight line at the noise."""
        if self.kind != "log":
            return current
        return np.arcsinh(0.5 * current / self.data.noise.absolute[row][:, None])

    def _weight(self, row: NDArray[np.int_], current: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Factor of what is compared, and its derivative by the current."""
        if self.kind != "log":
            weight = 1.0 / self.deviation(row)
            return weight, weight
        absolute = self.data.noise.absolute[row][:, None]
        # at the noise the logarithm is known to about 1 only
        weight = 1.0 / np.sqrt(self.data.noise.relative**2 + (absolute / np.hypot(self.base[row], 2 * absolute)) ** 2)
        return weight, weight / np.hypot(current, 2.0 * absolute)
