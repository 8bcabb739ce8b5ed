"""Read noise as sampled voltages of the row drivers, which both engines get alike.

Thermal noise is that of the cells of a row together: a conductance G gives a current of the density ``4 k T G``
(H. Nyquist, Phys. Rev. 32, 110-113 (1928), doi:10.1103/PhysRev.32.110), which a voltage of the density ``4 k T / G`` at
the row's driver gives too. So a row's current has the right noise, and columns that share a row noise that is
correlated. Random telegraph noise is a voltage that switches between two values at the rates of capture and emission
(M. J. Kirton, M. J. Uren, Adv. Phys. 38, 367-468 (1989), doi:10.1080/00018738900101122): of an ohmic row, it changes
the current as much as a conductance that switches.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.constants import k as boltzmann

from spicecim.drives import SampledDrive
from spicecim.errors import InputError, QuantityError
from spicecim.fields import FloatArray
from spicecim.quantities import parse_quantity, shown
from spicecim.testbench import Testbench
from spicecim.variation.correlation import generator
from spicecim.variation.distributions import share

_MOST_SAMPLES = 100_000
"""Of a row: ngspice takes minutes for more."""
_PROBE = 1e-3
"""Voltage (V) at which the conductance of cells is taken."""
_ROOM_TEMPERATURE = 300.15
_NEAR = 1e-6
"""Distance of instants, relative to that of the samples, below which they are one."""


def read_noise(
    testbench: Testbench,
    *,
    seed: int,
    bandwidth: float | str | None = None,
    temperature: float | None = None,
    telegraph: float | str = 0.0,
    high: float | str | None = None,
    low: float | str | None = None,
) -> Testbench:
    """Return a testbench whose rows are driven with noise added, as samples.

    Parameters
    ----------
    testbench
        What is to be read. Its drive is sampled at its corners and, between, as finely as the noise; a sine at least
        as finely as `analysis.points_per_period` says.
    seed
        Whole number: the same gives the same noise.
    bandwidth
        Of the thermal noise (Hz): samples are ``1 / (2 bandwidth)`` apart, with a variance of ``4 k T B / G``. Between
        them the voltage is a straight line, whose variance is 2/3 of that on average. None for no thermal noise.
    temperature
        Temperature (K) of the thermal noise; that of the testbench's analysis if left out, or 300.15 K.
    telegraph
        Relative amplitude of the telegraph noise of each row's voltage: 0.05 switches it between 1 and 1.05 times.
    high, low
        Mean times (s) in the upper and the lower state. Both rows and states start at random.

    Returns
    -------
    Testbench
        With a drive of the kind ``samples``.

    Raises
    ------
    InputError
        If a number is out of range, there is no noise to add, or it needs too many samples.

    Examples
    --------
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "resistor", "parameters": {"Ron": "1k", "Roff": "10k"}},
    ...     crossbar={"state": [[1.0]]},
    ...     drive={"kind": "sine", "amplitude": 0.1, "frequency": 1e3},
    ...     analysis={"probe": "cells"},
    ... )
    >>> noisy = sc.read_noise(bench, seed=1, telegraph="5 %", high="0.1ms", low="0.1ms")
    >>> noisy.drive.kind
    'samples'
    >>> round(float(abs(noisy.drive.voltages).max()), 3)
    0.105
    """
    band = None if bandwidth is None else _positive("bandwidth", bandwidth, "Hz")
    if testbench.drive is None:
        raise InputError("drive: is left out; read_noise is noise of the rows' drivers")
    ambient = testbench.analysis.temperature or _ROOM_TEMPERATURE
    kelvin = ambient if temperature is None else _positive("temperature", temperature, "")
    part, duration, rows = share(telegraph), testbench.duration, testbench.shape[0]
    if band is None and not part:
        raise InputError("read_noise: needs bandwidth, for thermal noise, or telegraph")
    times: tuple[float, float] | None = None
    if part:
        if high is None or low is None:
            raise InputError("telegraph: needs high and low, the mean times in both states")
        times = _positive("high", high, "s"), _positive("low", low, "s")
    elif high is not None or low is not None:
        raise InputError("high, low: are times of telegraph noise, and there is none: give telegraph, too")
    thermal = _grid(duration, None if band is None else 0.5 / band)
    time = _with_corners(thermal, testbench.drive.corners(duration))
    if times:
        time = _with_corners(_grid(duration, min(times) / 20.0), time)
    if testbench.drive.curve() is not None:
        time = _with_corners(_grid(duration, testbench.largest_step), time)
    _check_samples(len(time) - 1)
    voltage = testbench.drive.voltage(time)
    if times:
        for row in range(rows):
            states = telegraph_states(time, *times, generator(seed, "telegraph", str(row)))
            voltage[:, row] *= 1.0 + part * states
    if band:
        spread = np.sqrt(4.0 * boltzmann * kelvin * band / _row_conductances(testbench))
        for row in range(rows):
            noise = generator(seed, "thermal", str(row)).standard_normal(len(thermal))
            voltage[:, row] += spread[row] * np.interp(time, thermal, noise)
    drive = SampledDrive(time=time, voltages=voltage.T)
    changed = {name: getattr(testbench.analysis, name) for name in type(testbench.analysis).model_fields}
    analysis = {**changed, "duration": duration, "periods": None}
    kept = {name: value for name, value in analysis.items() if value is not None}
    return testbench.with_sections(drive=drive, analysis=kept)


def _grid(duration: float, step: float | None) -> FloatArray:
    """Evenly spaced instants of at most a step from 0 to the duration; without a step these two alone."""
    count = 1 if step is None else math.ceil(duration / step * (1.0 - _NEAR))
    _check_samples(count)
    return np.linspace(0.0, duration, max(count, 1) + 1)


def _check_samples(count: int) -> None:
    if count > _MOST_SAMPLES:
        raise InputError(f"read_noise: needs {count} samples per row, above {_MOST_SAMPLES}; take a shorter run")


def _with_corners(grid: FloatArray, corners: FloatArray) -> FloatArray:
    """Instants of a grid with corners among them, in place of those that miss a corner by rounding."""
    near = _NEAR * grid[1]
    inside = corners[(corners > near) & (corners < grid[-1] - near)]
    if not len(inside):
        return grid
    after = np.searchsorted(inside, grid)
    distance = np.minimum(
        np.abs(grid - inside[np.maximum(after - 1, 0)]), np.abs(grid - inside[np.minimum(after, len(inside) - 1)])
    )
    return np.sort(np.concatenate([grid[distance > near], inside]))


def telegraph_states(time: FloatArray, high: float, low: float, random: np.random.Generator) -> FloatArray:
    """Sample a telegraph signal, 0 or 1, at increasing instants (s); mean times (s) in 1 and in 0.

    Between successive instants the state is drawn with the probability that the process of two states has (an
    exponential approach to equilibrium), so that it is right at any distance of the instants.
    """
    share_high = high / (high + low)
    rate = 1.0 / high + 1.0 / low
    numbers = random.random(len(time))
    kept = np.exp(-rate * np.diff(time, prepend=-np.inf))
    states = np.empty(len(time))
    state = 0.0
    for place, (number, part) in enumerate(zip(numbers.tolist(), kept.tolist(), strict=True)):
        state = float(number < share_high + (state - share_high) * part)
        states[place] = state
    return states


def _row_conductances(testbench: Testbench) -> FloatArray:
    """Conductance (row,) of each row's cells in their initial states (S)."""
    device = testbench.build_cells(testbench.largest_gates())
    volts = np.full(testbench.shape, _PROBE)
    conductance = np.asarray(device.current(volts, device.state_from_x(testbench.crossbar.state))) / _PROBE
    total: FloatArray = conductance.sum(axis=1)
    if not (total > 0.0).all():
        raise InputError(f"bandwidth: row {int(np.argmin(total))} does not conduct at {_PROBE:g} V: it has no noise")
    return total


def _positive(name: str, value: float | str, unit: str) -> float:
    try:
        number = parse_quantity(value, unit)
    except QuantityError as error:
        raise InputError(f"{name}: {error}") from None
    if isinstance(value, bool) or not number > 0.0:
        raise InputError(f"{name}: must be above 0 {unit}; it is {shown(value)}")
    return number
