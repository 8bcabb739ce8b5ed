"""Measurements that are made: a model's loops, as a source-measure unit with noise would record them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from spicecim.devices import get_model, make_device
from spicecim.devices.library import get_preset
from spicecim.errors import InputError
from spicecim.fitting.integration import Records, integrate
from spicecim.fitting.systems import SERIES, TracedSystem
from spicecim.measurement.dataset import make_measurement

_TOLERANCE = 1e-6


def synthetic_measurement(
    model: str,
    *,
    preset: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    frequency: ArrayLike | None = None,
    amplitude: float | None = None,
    x0: float | None = None,
    cycles: int = 1,
    points: int = 1000,
    relative_noise: float = 0.02,
    peak_noise: float = 1e-3,
    bits: int | None = None,
    series_resistance: float = 0.0,
    compliance: float | None = None,
    seed: int = 0,
) -> xr.Dataset:
    """Make a measurement: sinusoidal loops of a model, with noise, quantization, series resistance and compliance.

    Parameters
    ----------
    model, preset, parameters
        A model of the library, a published parameter set, and parameters that differ from it.
    frequency, amplitude, x0
        Frequencies (Hz), a sweep for each; amplitude (V) and initial state. By default the preset's.
    cycles, points
        Cycles of each sweep, and samples per cycle.
    relative_noise, peak_noise
        Standard deviation of Gaussian noise: relative to the current, and to the largest current of the sweep.
    bits
        Bits over twice the largest current by which the currents are quantized; None for none.
    series_resistance
        Resistance (ohm) between the source and the device.
    compliance
        Current (A) at which the source limits; None for no limit.
    seed
        Of the noise.

    Returns
    -------
    xarray.Dataset
        As `make_measurement` gives.

    Examples
    --------
    >>> import spicecim as sc
    >>> measured = sc.synthetic_measurement("vteam", points=100)
    >>> measured.sizes["point"]
    101
    """
    published = get_preset(model, preset)
    values = {**published.parameters, **(parameters or {})}
    device = make_device(model, preset, values)
    frequencies = np.atleast_1d(np.asarray(published.frequency if frequency is None else frequency, dtype=float))
    volts = published.amplitude if amplitude is None else float(amplitude)
    x = published.x0 if x0 is None else float(x0)
    if not (frequencies > 0.0).all() or points < 8 or cycles < 1:
        raise InputError("frequency must be positive, points 8 at least, and cycles 1 at least")
    limit = np.inf if compliance is None else float(compliance)
    own = {**device.model_dump(), SERIES: float(series_resistance)}
    system = TracedSystem(get_model(model), own, [], compliance is not None)
    count = points * cycles + 1
    place = np.linspace(0.0, cycles, count)
    time = place / frequencies[:, None]
    voltage = np.broadcast_to(volts * np.sin(2.0 * np.pi * place), time.shape)
    limits = np.full(time.shape, limit)
    rows, none = np.arange(len(time)), np.zeros((0, len(time)))
    start = system.start(np.full(len(time), x), none)
    records = Records(time, voltage, limits, np.full(len(time), count))
    course = integrate(system, records, rows, start.value, none, _TOLERANCE)
    if course.failed.any():
        raise InputError(f"{model}: could not be integrated at {frequencies[course.failed][0]:g} Hz and {volts:g} V")
    exact = system.slopes("current", voltage, course.state, course.inner, np.zeros((0, *time.shape)), limits).value
    random = np.random.default_rng(seed)
    peak = np.abs(exact).max(axis=1, keepdims=True)
    current = exact * (1.0 + relative_noise * random.standard_normal(exact.shape))
    current += peak_noise * peak * random.standard_normal(exact.shape)
    if compliance is not None:
        # a source holds its limit far better than it reads a current
        held = np.abs(exact) >= (1.0 - 1e-9) * limit
        current = np.where(held, np.sign(exact) * limit, np.clip(current, -limit, limit))
    if bits is not None:
        unit = 2.0 * peak / 2**bits
        current = np.round(current / unit) * unit
    about = f"synthetic: {model}, seed {seed}"
    return make_measurement(
        [*zip(time, voltage, current, strict=True)], series_resistance=series_resistance, attrs={"source": about},
        compliance=compliance,
    )  # fmt: skip
