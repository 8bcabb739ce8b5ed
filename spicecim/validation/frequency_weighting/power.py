"""Power of one convolution by the scheme and by its baselines, on the statistics of pixels and weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from spicecim.encodings.frequency_weighting.amplitude import PIXEL_MAX
from spicecim.encodings.frequency_weighting.calibration import Branches, calibrate
from spicecim.encodings.frequency_weighting.images import WEIGHT_MAX
from spicecim.encodings.frequency_weighting.responses import cycle_responses
from spicecim.encodings.integers import IntArray
from spicecim.errors import InputError
from spicecim.fields import FloatArray
from spicecim.validation.frequency_weighting.subjects import LEVELS, Subject, calibrated, tabulated

CELLS = 9
"""Weights of a 3 x 3 convolution."""

PAPER_WORST = 1.1e-3
"""Worst-case power of one convolution by the paper's abstract (W)."""

SCHEMES = ("8 one-bit", "conductance", "binarized", "frequency, OFF", "frequency, both")
"""Eight one-bit devices per weight, one of a conductance in proportion, one that holds the sign; frequency weighting
with all weights held in high resistance, or in both states."""

_SAMPLED_WEIGHTS = np.arange(0, WEIGHT_MAX + 1, 17)
"""Weights whose mean power is that of all: the power of a static device is linear in its weight."""


def pixel_statistics(image: IntArray) -> dict[str, FloatArray]:
    """Shares of pixels (pixel,) by name: those of an image, of all pixels alike, and of the largest alone."""
    counts = np.bincount(image.ravel(), minlength=PIXEL_MAX + 1)
    return {
        "camera image": counts / counts.sum(),
        "uniform pixels": np.full(PIXEL_MAX + 1, 1.0 / (PIXEL_MAX + 1)),
        "largest pixel": np.eye(PIXEL_MAX + 1)[-1],
    }


def convolution_power(
    subjects: Sequence[Subject],
    image: IntArray,
    levels: int = LEVELS,
    progress: Callable[[float], None] = lambda fraction: None,
) -> xr.Dataset:
    """Average power of a 3 x 3 convolution over pixels by their statistics and weights of equal shares.

    Returns
    -------
    xarray.Dataset
        ``power`` (device, statistics, scheme), W, with all nine cells at work at once; ``time_weighted`` (device,
        statistics, branches), W, the energy of all reads over their time, for nine cells; ``energy`` (device,
        statistics, scheme), J, of one convolution, a cycle per cell, the baselines at the lowest frequency at which no
        state moves; ``worst`` (device, scheme), W, the largest average over any pixels and weights; and what the ratio
        is made of: ``levels_conductance`` (device, branches), mean conductance of the levels over that of low
        resistance, ``on_conductance`` and ``off_conductance`` (device,), S, ``squared`` (device, branches), mean
        in-phase over mean rectified conductance of the levels. The attribute ``levels`` is their number.
    """
    parts = []
    for number, subject in enumerate(subjects):
        parts.append(_of_subject(subject, pixel_statistics(image), levels).expand_dims(device=[subject.title]))
        progress((number + 1) / len(subjects))
    return xr.concat(parts, dim="device").assign_attrs(levels=levels)


def _of_subject(subject: Subject, statistics: dict[str, FloatArray], levels: int) -> xr.Dataset:
    shares = np.stack(list(statistics.values()))
    static, frequency, off, on = _static_power(subject)
    branches: tuple[Branches, ...] = ("off", "both")
    tables = [tabulated(subject, "coscaled", branch, levels=levels) for branch in branches]
    by_pixel = np.stack([*static, *(table.power.mean(axis=1) for table in tables)], axis=1)
    energy = np.stack([*(static / frequency), *(table.energy.mean(axis=1) for table in tables)], axis=1)
    length = np.stack([table.read_time.mean(axis=1) for table in tables], axis=1)
    worst = [8.0 * on, on, on, *(table.power.max() for table in tables)]
    calibrations = [calibrated(subject, branch, levels=levels) for branch in branches]
    cycles = [calibration.responses() for calibration in calibrations]
    on_conductance = 2.0 * on / subject.amplitude**2
    squared = [run.conductance("in_phase").mean() / run.conductance("rectified").mean() for run in cycles]
    return xr.Dataset(
        {
            "power": (("statistics", "scheme"), CELLS * shares @ by_pixel, {"units": "W"}),
            "time_weighted": (("statistics", "branches"), CELLS * (shares @ energy[:, 3:]) / (shares @ length)),
            "energy": (("statistics", "scheme"), CELLS * shares @ energy, {"units": "J"}),
            "worst": ("scheme", CELLS * np.array(worst), {"units": "W"}),
            "levels_conductance": (
                "branches",
                [run.conductance("rectified").mean() / on_conductance for run in cycles],
            ),
            "squared": ("branches", squared),
            "on_conductance": ((), on_conductance, {"units": "S"}),
            "off_conductance": ((), 2.0 * off / subject.amplitude**2, {"units": "S"}),
        },
        coords={"statistics": list(statistics), "scheme": list(SCHEMES), "branches": list(branches)},
    )


def _static_power(subject: Subject) -> tuple[FloatArray, float, float, float]:
    """Mean power (W) of a weight's devices (baseline, pixel), their read frequency (Hz), and OFF and ON power (W)."""
    encoding = subject.conductance_weighted()
    volts = subject.amplitude * np.arange(PIXEL_MAX + 1) / PIXEL_MAX
    states = encoding.hold(_SAMPLED_WEIGHTS[:, None]).state.ravel()

    def power(x: ArrayLike) -> FloatArray:
        return cycle_responses(subject.device, volts, encoding.read_frequency, x).power

    low, high = power(0.0), power(1.0)
    graded = cycle_responses(subject.device, volts[:, None], encoding.read_frequency, states).power.mean(axis=1)
    # every bit of uniform weights, and every sign, is set half of the time
    static = np.stack([8.0 * 0.5 * (low + high), graded, 0.5 * (low + high)])
    return static, encoding.read_frequency, float(low[-1]), float(high[-1])


def worst_case(subject: Subject, branches: Branches, amplitude: float) -> float:
    """Largest average power (W) of a 3 x 3 convolution at an amplitude: nine largest pixels and largest weights."""
    levels = calibrate(subject.device, amplitude, 2, branches=branches)
    return CELLS * float(levels.responses().power.max())


def amplitude_for(subject: Subject, branches: Branches, power: float = PAPER_WORST) -> float:
    """Amplitude (V) at which the worst case of a 3 x 3 convolution is a given power; NaN if there is none.

    Looked for from the subject's amplitude to a thirtieth or to thirty times of it.
    """

    def excess(log_amplitude: float) -> float:
        try:
            return float(np.log(worst_case(subject, branches, float(np.exp(log_amplitude))) / power))
        except InputError:
            return np.nan  # below a threshold no state moves

    start = np.log(subject.amplitude)
    towards = -1.0 if excess(start) > 0 else 1.0
    # steps short enough to come close to a threshold, where the power jumps to zero
    tried = start + towards * np.linspace(0.0, np.log(30.0), 11)
    values = np.array([excess(value) for value in tried])
    turns = np.flatnonzero(values[:-1] * values[1:] <= 0)
    if not turns.size:
        return float("nan")
    return float(np.exp(brentq(excess, *sorted(tried[turns[0] : turns[0] + 2]), xtol=1e-5)))
