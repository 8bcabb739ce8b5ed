"""Pinched hysteresis of a device under sinusoids of several frequencies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from spicecim.devices.library import get_preset
from spicecim.engines import Engine, simulate
from spicecim.errors import InputError, QuantityError
from spicecim.measure.loops import (
    effective_conductance,
    in_phase_conductance,
    lobe_areas,
    log_log_slope,
    peak_frequency,
    pinch_offset,
)
from spicecim.measure.windows import in_window
from spicecim.quantities import parse_quantity
from spicecim.testbench import Testbench

POINTS_PER_PERIOD = 1000
"""A device that switches abruptly needs this many for 0.1 % in its mean current."""


@dataclass(frozen=True)
class HysteresisSweep:
    """Loops of one device at several frequencies, and what was measured of them.

    Attributes
    ----------
    loops
        Waveforms (a 1 x 1 crossbar with its cell) over the cycle measured, one run a frequency.
    measures
        Dataset over ``frequency``: ``lobe_area_positive``, ``lobe_area_negative`` (V A, signed), ``lobe_area`` (sum of
        their magnitudes), ``pinch_offset``, ``effective_conductance`` and ``in_phase_conductance`` (S). Its attributes
        hold ``peak_frequency`` (Hz) and ``slope``, the log-log slope of the lobe area above it.
    """

    loops: list[xr.Dataset]
    measures: xr.Dataset


def hysteresis(
    device: str | Mapping[str, Any],
    *,
    frequency: ArrayLike | list[str],
    amplitude: float | str | None = None,
    preset: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    x0: float | None = None,
    engine: Engine = "ngspice",
    cycle: int = 1,
    points_per_period: int = POINTS_PER_PERIOD,
    progress: Callable[[float], None] | None = None,
) -> HysteresisSweep:
    """Drive one device by sinusoids and measure its pinched loops.

    Parameters
    ----------
    device
        Name of a model of the library, or any section `device` of a testbench, such as ``{"verilog_a": "model.va"}``.
    preset, parameters
        Published parameter set and parameters of a model of the library.
    frequency
        Frequencies (Hz), increasing.
    amplitude
        Amplitude (V); by default the one that the preset was published with. A device that is no model of the library
        needs it.
    x0
        Initial state; by default the preset's, or 0.5.
    engine
        ``"ngspice"`` or ``"reference"``.
    cycle
        Which cycle to measure, from 1; the ones before are simulated too.
    points_per_period
        Least number of instants in a period.
    progress
        Called with the fraction of the sweep that is done.

    Returns
    -------
    HysteresisSweep
        Loops and measures.

    Examples
    --------
    >>> import spicecim as sc
    >>> sweep = sc.hysteresis("yakopcic", preset="oblea", frequency=[100, 1e3], engine="reference")
    >>> bool((sweep.measures.pinch_offset < 1e-4).all())
    True
    """
    try:
        frequencies = [parse_quantity(value, "Hz") for value in np.atleast_1d(np.asarray(frequency, dtype=object))]
    except QuantityError as error:
        raise InputError(f"frequency: {error}") from None
    if not frequencies or np.any(np.diff(frequencies) <= 0):
        raise InputError(f"frequency must be increasing, with one value at least; it is {frequencies}")
    if cycle < 1:
        raise InputError(f"cycle counts from 1; it is {cycle}")
    section, amplitude, x0 = _device(device, preset, parameters, amplitude, x0)
    loops = []
    for index, value in enumerate(frequencies):
        bench = Testbench.from_dict(
            {
                "device": section,
                "crossbar": {"state": [[x0]]},
                "drive": {"kind": "sine", "amplitude": amplitude, "frequency": value},
                "analysis": {"periods": cycle, "points_per_period": points_per_period, "probe": "cells"},
            },
            source="hysteresis",
        )
        waveforms = simulate(bench, engine)
        loops.append(in_window(waveforms, ((cycle - 1) / value, cycle / value)))
        if progress is not None:
            progress((index + 1) / len(frequencies))
    return HysteresisSweep(loops, _measures(np.array(frequencies), loops))


def _device(
    device: str | Mapping[str, Any],
    preset: str | None,
    parameters: Mapping[str, Any] | None,
    amplitude: float | str | None,
    x0: float | None,
) -> tuple[dict[str, Any], float | str, float]:
    """The section of a testbench, the amplitude and the initial state, those of the preset where they are not given."""
    if isinstance(device, str):
        published = get_preset(device, preset)
        section = {"model": device, "preset": preset, "parameters": dict(parameters or {})}
        return section, published.amplitude if amplitude is None else amplitude, published.x0 if x0 is None else x0
    if preset is not None or parameters is not None:
        raise InputError("preset, parameters: are for a model by name; put them into the device's section")
    if amplitude is None:
        raise InputError("amplitude: is required where the device is no model of the library, which has presets")
    return dict(device), amplitude, 0.5 if x0 is None else x0


def cell_loop(waveforms: xr.Dataset, row: int = 0, column: int = 0) -> tuple[Any, Any, Any]:
    """Return time (s), voltage (V) and current (A) of one cell, as arrays over time."""
    cell = waveforms[["v_cell", "i_cell"]].isel(row=row, column=column)
    return cell["time"].values, cell["v_cell"].values, cell["i_cell"].values


def _measures(frequency: np.ndarray[Any, np.dtype[np.float64]], loops: list[xr.Dataset]) -> xr.Dataset:
    columns: dict[str, list[float]] = {name: [] for name in _MEASURES}
    for loop in loops:
        time, v, i = cell_loop(loop)
        areas = lobe_areas(v, i)
        columns["lobe_area_positive"].append(areas.positive)
        columns["lobe_area_negative"].append(areas.negative)
        columns["lobe_area"].append(abs(areas.positive) + abs(areas.negative))
        columns["pinch_offset"].append(pinch_offset(v, i))
        columns["effective_conductance"].append(effective_conductance(time, v, i))
        columns["in_phase_conductance"].append(in_phase_conductance(time, v, i))
    area = np.array(columns["lobe_area"])
    return xr.Dataset(
        {
            name: ("frequency", values, {"units": _MEASURES[name][0], "long_name": _MEASURES[name][1]})
            for name, values in columns.items()
        },
        coords={"frequency": ("frequency", frequency, {"units": "Hz", "long_name": "frequency"})},
        attrs={
            "peak_frequency": peak_frequency(frequency, area),
            "slope": log_log_slope(frequency, area),
            **{name: value for name, value in loops[0].attrs.items() if name != "testbench"},
        },
    )


_MEASURES = {
    "lobe_area_positive": ("V A", "signed area of the lobe at positive voltage"),
    "lobe_area_negative": ("V A", "signed area of the lobe at negative voltage"),
    "lobe_area": ("V A", "lobe area"),
    "pinch_offset": ("1", "current at zero voltage relative to the peak"),
    "effective_conductance": ("S", "mean |i| over mean |v|"),
    "in_phase_conductance": ("S", "mean v i over mean v^2"),
}
