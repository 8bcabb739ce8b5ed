"""From weights to frequencies: what a device conducts on average against the frequency that it is read at."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import PchipInterpolator

from spicecim.devices.device import Device
from spicecim.drives import ramps
from spicecim.encodings.frequency_weighting.responses import (
    AnyChoice,
    CycleResponses,
    Readout,
    build_device,
    cycle_responses,
    polarity_towards_on,
)
from spicecim.errors import InputError
from spicecim.fields import FloatArray

Branches = Literal["off", "both"]
"""States that a weight may be held in: high resistance alone, or its top bit as the binary state."""

_FREQUENCIES = np.geomspace(1e-6, 1e15, 43)
"""Where a device of unknown speed is looked for (Hz)."""
_SETTLED = 1e-4
"""Change of the conductance, relative to its whole range, below which the frequency no longer matters."""
_PER_DECADE = 12
_RESOLVED = 5e-3
"""Largest step of conductance between two frequencies of a sweep, relative to its range, after refinement."""
_REFINEMENTS = 4
_MOST_PARTS = 10
"""Parts that an interval of a sweep is cut into at once."""
_NOISE = 1e-7
"""Steps of conductance, relative to its range, that say nothing about its direction."""
_MARGIN = 0.005
"""Share of a monotone run's conductances that is left out at either end, where the frequency hardly matters."""
_ITERATIONS = 20
_SLOPE_STEP = 1e-3


@dataclass(frozen=True)
class FrequencyResponse:
    """Conductances that one cycle from a given state reads, against frequency, and where they are monotone.

    Attributes
    ----------
    x0
        Normalized state at the start of the cycle.
    responses
        The cycles, at increasing frequencies (frequency,).
    readout
        Which conductance the band is one of.
    band
        First and last frequency (Hz) of the monotone band.
    """

    x0: float
    responses: CycleResponses
    readout: Readout
    band: tuple[float, float]

    @property
    def frequency(self) -> FloatArray:
        """Frequencies (Hz), increasing."""
        return self.responses.frequency

    @property
    def conductance(self) -> FloatArray:
        """Conductances (S) by the readout."""
        return self.responses.conductance(self.readout)

    def at(self, frequency: ArrayLike) -> FloatArray:
        """Conductances (S) at frequencies (Hz) within the sweep, by a monotone interpolant."""
        return np.asarray(PchipInterpolator(np.log(self.frequency), self.conductance)(np.log(frequency)))

    @property
    def range(self) -> tuple[float, float]:
        """Least and largest conductance (S) within the band."""
        ends = self.at(np.array(self.band))
        return float(ends.min()), float(ends.max())


def sweep_frequency(
    device: AnyChoice, amplitude: float, x0: float, readout: Readout = "rectified"
) -> FrequencyResponse:
    """Sweep the frequency over all that matters, and find the widest band in which the conductance is monotone.

    The logarithmic grid is refined until no step of the conductance is larger than half a percent of its range. Both
    ends of the band keep away from the limits that the conductance only tends to.

    Parameters
    ----------
    device
        The device.
    amplitude
        Amplitude (V), negative if the first half cycle is.
    x0
        Normalized state at the start of each cycle.
    readout
        Conductance by which readout.

    Raises
    ------
    InputError
        If the conductance does not depend on the frequency.
    """
    device = build_device(device)
    coarse = cycle_responses(device, amplitude, _FREQUENCIES, x0).conductance(readout)
    span = float(np.ptp(coarse))
    if not span > _NOISE * np.abs(coarse).max():
        raise InputError(
            f"amplitude: from x0 = {x0:g}, {abs(amplitude):g} V read the same conductance at every frequency; "
            "choose another amplitude or state"
        )
    moving = np.flatnonzero(np.abs(np.diff(coarse)) > _SETTLED * span)
    first, last = _FREQUENCIES[moving[0]], _FREQUENCIES[moving[-1] + 1]
    frequency = np.geomspace(first, last, int(np.ceil(_PER_DECADE * np.log10(last / first))) + 1)
    responses = cycle_responses(device, amplitude, frequency, x0)
    for _ in range(_REFINEMENTS):
        values = responses.conductance(readout)
        parts = np.ceil(np.abs(np.diff(values)) / (_RESOLVED * np.ptp(values)))
        parts = np.clip(parts, 1, _MOST_PARTS).astype(int)
        if not (parts > 1).any():
            break
        log = np.log(responses.frequency)
        # every new frequency's interval, and its place in it from 1
        which, place = np.repeat(np.arange(len(parts)), parts - 1), ramps(parts - 1) + 1
        between = np.exp(log[which] + np.diff(log)[which] * place / parts[which])
        responses = _joined(responses, cycle_responses(device, amplitude, between, x0))
    band = _monotone_band(responses.frequency, responses.conductance(readout))
    return FrequencyResponse(x0, _joined(responses, cycle_responses(device, amplitude, band, x0)), readout, band)


def _joined(one: CycleResponses, other: CycleResponses) -> CycleResponses:
    """Responses at the frequencies of both (frequency,), increasing."""
    _, order = np.unique(np.concatenate([one.frequency, other.frequency]), return_index=True)
    both = {
        field.name: np.concatenate([getattr(one, field.name), getattr(other, field.name)])[order]
        for field in fields(CycleResponses)
    }
    return CycleResponses(**both)


def _monotone_band(frequency: FloatArray, conductance: FloatArray) -> tuple[float, float]:
    """Ends (Hz) of the monotone run that covers most conductances, less a margin at either end."""
    steps = np.diff(conductance)
    sign = np.where(np.abs(steps) > _NOISE * np.ptp(conductance), np.sign(steps), 0.0)
    edges = np.concatenate([[0], np.flatnonzero(np.diff(sign)) + 1, [len(sign)]])
    runs = [(begin, end) for begin, end in itertools.pairwise(edges) if sign[begin] != 0]
    begin, end = max(runs, key=lambda run: abs(conductance[run[1]] - conductance[run[0]]))
    run, log = conductance[begin : end + 1], np.log(frequency[begin : end + 1])
    if run[0] > run[-1]:
        run, log = run[::-1], log[::-1]
    limits = run[0] + (run[-1] - run[0]) * np.array([_MARGIN, 1.0 - _MARGIN])
    low, high = np.sort(np.exp(PchipInterpolator(run, log)(limits)))
    return float(low), float(high)


@dataclass(frozen=True)
class Calibration:
    """Levels of a weight as states and frequencies of one device at one amplitude.

    Attributes
    ----------
    device
        The device.
    amplitude
        Largest amplitude (V), positive, at which the levels hold.
    polarity
        Sign of each level's first half cycle (level,), which drives the device away from the state that it is held
        in: the second half brings it back, all the way where the motion is reversible.
    readout
        What is read.
    branches
        Sweeps from each state that is used, high resistance first.
    x0, frequency
        State and frequency (Hz) of each level (level,).
    conductance
        What each level reads (level,), S.
    target
        What it should (level,), S: evenly spaced.
    """

    device: Device
    amplitude: float
    polarity: FloatArray
    readout: Readout
    branches: tuple[FrequencyResponse, ...]
    x0: FloatArray
    frequency: FloatArray
    conductance: FloatArray
    target: FloatArray

    @property
    def step(self) -> float:
        """Conductance (S) from one level to the next."""
        return float((self.target[-1] - self.target[0]) / (len(self.target) - 1))

    @property
    def error(self) -> float:
        """Largest distance of a level from where it should be, relative to the range of all."""
        return float(np.abs(self.conductance - self.target).max() / np.ptp(self.target))

    def responses(
        self, amplitude: ArrayLike | None = None, frequency: ArrayLike | None = None, level: ArrayLike | None = None
    ) -> CycleResponses:
        """Cycles of levels (all of them if left out) at amplitudes (V, positive) and frequencies, broadcast.

        What is left out is as calibrated.
        """
        chosen = np.arange(len(self.x0)) if level is None else np.asarray(level, dtype=int)
        volts = self.amplitude if amplitude is None else np.asarray(amplitude, dtype=float)
        hertz = self.frequency[chosen] if frequency is None else frequency
        return cycle_responses(self.device, self.polarity[chosen] * volts, hertz, self.x0[chosen])

    def sensitivity(self) -> FloatArray:
        """Slope of each level's conductance over the logarithm of the frequency (level,), S.

        A device that moves faster by a share reads as one at a frequency lower by that share.
        """
        up, down = (
            self.responses(frequency=self.frequency * np.exp(sign * _SLOPE_STEP)).conductance(self.readout)
            for sign in (1.0, -1.0)
        )
        return np.asarray((up - down) / (2.0 * _SLOPE_STEP))


def calibrate(
    device: AnyChoice,
    amplitude: float,
    levels: int = 256,
    *,
    branches: Branches = "off",
    states: tuple[float, float] = (0.0, 1.0),
    readout: Readout = "rectified",
    tolerance: float = 1e-8,
) -> Calibration:
    """Find states and frequencies of evenly spaced conductances.

    Levels are spaced evenly between the least and the largest conductance that the branches cover. With both, a level
    is held in high resistance where that branch reaches it. One in a gap between the branches stands at the nearer
    end of the gap, and its error shows (see `Calibration.error` and `linearity.integral_nonlinearity`).

    Parameters
    ----------
    device
        The device: its equations, the section `device` of a testbench, or a dictionary with its keys.
    amplitude
        Amplitude of the largest input (V), above zero.
    levels
        Number of levels, 2 or more.
    branches
        Whether weights are held in high resistance alone, or in both states.
    states
        Normalized states that stand for high and low resistance.
    readout
        What is to be read.
    tolerance
        Allowed error of a level relative to the range of all.

    Raises
    ------
    InputError
        If a value is out of range, the device does not move at the amplitude, or a level cannot be found.
    """
    if not (np.isfinite(amplitude) and amplitude > 0):
        raise InputError(f"amplitude: must be above 0 V; it is {amplitude:g}")
    if levels < 2:
        raise InputError(f"levels: must be 2 at least; it is {levels}")
    if not 0.0 <= states[0] < states[1] <= 1.0:
        raise InputError(f"states: must be two increasing numbers from 0 to 1; they are {states[0]:g}, {states[1]:g}")
    device = build_device(device)
    towards_on = polarity_towards_on(device, amplitude)
    signs = np.array([towards_on] if branches == "off" else [towards_on, -towards_on])
    sweeps = tuple(
        sweep_frequency(device, sign * amplitude, x0, readout) for sign, x0 in zip(signs, states, strict=False)
    )
    ranges = [sweep.range for sweep in sweeps]
    target = np.linspace(min(low for low, _ in ranges), max(high for _, high in ranges), levels)
    branch = np.zeros(levels, dtype=int)
    if branches == "both":
        gap = ranges[0][1], max(ranges[1][0], ranges[0][1])
        branch = np.where(target <= 0.5 * (gap[0] + gap[1]), 0, 1)
    x0, frequency, conductance = np.empty(levels), np.empty(levels), np.empty(levels)
    for index, sweep in enumerate(sweeps):
        own = branch == index
        x0[own] = sweep.x0
        frequency[own], conductance[own] = invert(sweep, device, target[own], tolerance * float(np.ptp(target)))
    return Calibration(device, amplitude, signs[branch], readout, sweeps, x0, frequency, conductance, target)


def invert(
    sweep: FrequencyResponse, device: Device, target: FloatArray, allowed: float
) -> tuple[FloatArray, FloatArray]:
    """Invert a sweep within its band, learning from every evaluation until each conductance is met.

    Parameters
    ----------
    sweep
        A sweep of the device.
    device
        The device.
    target
        Conductances (n,), S; those beyond the band's range are taken for its ends.
    allowed
        Distance that is near enough (S).

    Returns
    -------
    frequency, conductance : numpy.ndarray
        Frequencies (Hz) and what they read (S).
    """
    amplitude = sweep.responses.amplitude.flat[0]

    def conductance(frequency: FloatArray) -> FloatArray:
        return cycle_responses(device, amplitude, frequency, sweep.x0).conductance(sweep.readout)

    target = np.clip(target, *sweep.range)
    low, high = sweep.band
    inside = (sweep.frequency >= low) & (sweep.frequency <= high)
    known, values = sweep.frequency[inside], sweep.conductance[inside]
    frequency, reached = np.empty(len(target)), np.full(len(target), np.inf)
    for _ in range(_ITERATIONS):
        # levels that are met stay: a new point next to an old one bends the interpolant a little, elsewhere too
        off = np.abs(reached - target) > allowed
        if not off.any():
            return frequency, reached
        frequency[off] = np.clip(np.exp(_inverse(known, values)(target[off])), low, high)
        reached[off] = conductance(frequency[off])
        known, values = np.concatenate([known, frequency[off]]), np.concatenate([values, reached[off]])
    worst = int(np.abs(reached - target).argmax())
    raise InputError(
        f"tolerance: the level of {target[worst]:g} S was met to {abs(reached[worst] - target[worst]):.2g} S only, "
        f"not {allowed:.2g} S"
    )


def _inverse(frequency: FloatArray, conductance: FloatArray) -> PchipInterpolator:
    """Logarithm of the frequency over conductance: strictly monotone, whatever rounding did to the points."""
    order = np.argsort(frequency)
    log, values = np.log(frequency[order]), conductance[order]
    if values[0] > values[-1]:
        log, values = log[::-1], values[::-1]
    rises = values > np.concatenate([[-np.inf], np.maximum.accumulate(values)[:-1]])
    return PchipInterpolator(values[rises], log[rises])
