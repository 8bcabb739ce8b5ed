"""Pinched hysteresis of a device under sinusoids of several frequencies."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from spicecim.cell_currents import warned_once
from spicecim.devices.library import get_preset, load_presets
from spicecim.engines import simulate
from spicecim.errors import InputError, WaveformError
from spicecim.fields import FloatArray
from spicecim.limits import DEFAULT_TIME_LIMIT
from spicecim.measure.grid import every_second, warn_of_grid
from spicecim.measure.loops import (
    effective_conductance,
    in_phase_conductance,
    lobe_areas,
    log_log_slope,
    peak_frequency,
    pinch_offset,
)
from spicecim.measure.windows import in_window
from spicecim.netcdf import read_netcdf, write_netcdf
from spicecim.outside import parse_json
from spicecim.quantities import input_quantity, shown
from spicecim.testbench import DEFAULT_ACCURACY, Testbench
from spicecim.waveforms import check_run, make_waveforms

POINTS_PER_PERIOD = 1000
"""A device that switches abruptly needs this many for 0.1 % in its mean current."""

_DOUBLINGS = 3
"""How often the number of instants is doubled where a loop is not known to the accuracy that is asked for."""


@dataclass(frozen=True)
class HysteresisSweep:
    """Loops of one device at several frequencies, and amplitudes, and what was measured of them.

    Attributes
    ----------
    loops
        Waveforms (a 1 x 1 crossbar with its cell) over the cycle measured, one run for each amplitude and frequency,
        in the order of `measures`: all frequencies of the first amplitude, then those of the next.
    measures
        Dataset over ``frequency``, and before it ``amplitude`` where a list of them was given (else that is a scalar
        coordinate): ``lobe_area_positive``, ``lobe_area_negative`` (V A, signed), ``lobe_area`` (sum of their
        magnitudes), ``pinch_offset``, ``effective_conductance`` and ``in_phase_conductance`` (S); ``cycle_change``, by
        how much the lobe area of the next cycle differs, and ``grid_error``, by how much lobe area and conductances
        differ if every second instant is left out, both relative. Over the amplitudes: ``peak_frequency`` (Hz) and
        ``slope``, the log-log slope of the lobe area above it.

    Examples
    --------
    >>> import spicecim as sc
    >>> sweep = sc.hysteresis("yakopcic", amplitude=[0.3, 0.45], frequency=[100, 1e3], engine="reference")
    >>> sweep.measures.lobe_area.dims, len(sweep.loops)
    (('amplitude', 'frequency'), 4)
    """

    loops: list[xr.Dataset]
    measures: xr.Dataset


def hysteresis(
    device: str | Path | Mapping[str, Any],
    *,
    frequency: ArrayLike | list[str],
    amplitude: ArrayLike | str | list[str] | None = None,
    preset: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    x0: float | None = None,
    engine: str = "ngspice",
    cycle: int = 1,
    points_per_period: int = POINTS_PER_PERIOD,
    accuracy: float = DEFAULT_ACCURACY,
    time_limit: float | str | None = DEFAULT_TIME_LIMIT,
    progress: Callable[[float], None] | None = None,
) -> HysteresisSweep:
    """Drive one device by sinusoids and measure its pinched loops.

    Parameters
    ----------
    device
        Name of a model of the library; a Verilog-A file with one module, which ends in ``.va``; or any section
        `device` of a testbench, such as ``{"verilog_a": "model.va", "parameters": {"Ron": "1k"}}``.
    preset, parameters
        Published parameter set and parameters of a model of the library.
    frequency
        Frequencies (Hz), increasing.
    amplitude
        Amplitude (V), or a list of them, each of which is run at every frequency; by default the one that the preset
        was published with. A device that is no model of the library needs it.
    x0
        Initial state; by default the preset's, or 0.5.
    engine
        ``"ngspice"`` or ``"reference"``.
    cycle
        Which cycle to measure, from 1. The ones before are simulated too, and the one after, to tell how far the loop
        still changes.
    points_per_period
        Least number of instants in a period. Where they are too few for the accuracy, up to eight times as many.
    accuracy
        Largest error that is asked for: of currents and states (``analysis.accuracy``), and of what the instants let
        lobe areas and conductances be known to.
    time_limit
        Seconds after which a run is stopped; None for no limit.
    progress
        Called with the fraction of the sweep that is done.

    Returns
    -------
    HysteresisSweep
        Loops and measures.

    Raises
    ------
    InputError
        If an amplitude, a frequency or anything else is not usable.
    SimulationError
        If a simulation did not succeed.

    Warns
    -----
    AccuracyWarning
        If even then the instants are too few.
    CurrentWarning
        As `simulate` does, once: of the largest current.

    Examples
    --------
    >>> import spicecim as sc
    >>> sweep = sc.hysteresis("yakopcic", preset="oblea", frequency=[100, 1e3], engine="reference")
    >>> bool((sweep.measures.pinch_offset < 1e-4).all())
    True
    """
    frequencies = _values("frequency", frequency, "Hz")
    if not frequencies or np.any(np.diff(frequencies) <= 0):
        raise InputError(f"frequency must be increasing, with one value at least; it is {frequencies}")
    if cycle < 1:
        raise InputError(f"cycle counts from 1; it is {cycle}")
    section, given, x0 = _device(device, preset, parameters, amplitude, x0)
    amplitudes = _values("amplitude", given, "V")
    if not amplitudes or len(set(amplitudes)) < len(amplitudes):
        raise InputError(f"amplitude must have one value at least, and none twice; it is {amplitudes}")
    coordinates = {
        "amplitude": ("amplitude", amplitudes, {"units": "V", "long_name": "amplitude"}),
        "frequency": ("frequency", frequencies, {"units": "Hz", "long_name": "frequency"}),
    }
    loops, measured = [], []
    with warned_once():
        for index, (volts, hertz) in enumerate(itertools.product(amplitudes, frequencies)):
            for doubling in range(_DOUBLINGS + 1):
                points = points_per_period * 2**doubling
                analysis = {"periods": cycle + 1, "points_per_period": points, "accuracy": accuracy}
                bench = _one_cell(section, x0, volts, hertz, analysis)
                run = simulate(bench, engine, time_limit=time_limit)
                loop = in_window(run, ((cycle - 1) / hertz, cycle / hertz))
                found = _measured(loop, in_window(run, (cycle / hertz, (cycle + 1) / hertz)))
                if found["grid_error"] <= accuracy:
                    break
            loops.append(loop)
            measured.append(found)
            if progress is not None:
                progress((index + 1) / (len(amplitudes) * len(frequencies)))
    shape = (len(amplitudes), len(frequencies))
    measures = xr.Dataset(
        {
            name: (
                ("amplitude", "frequency"), np.reshape([values[name] for values in measured], shape),
                {"units": units, "long_name": long_name},
            )
            for name, (units, long_name) in _MEASURES.items()
        },
        coords=coordinates,
        attrs={name: value for name, value in loops[0].attrs.items() if all(run.attrs[name] == value for run in loops)},
    )  # fmt: skip
    measures.attrs["cycle"] = cycle
    areas = measures["lobe_area"].values
    peaks, slopes = ([of(frequencies, area) for area in areas] for of in (peak_frequency, log_log_slope))
    measures["peak_frequency"] = ("amplitude", peaks, {"units": "Hz", "long_name": "frequency of the largest lobe"})
    measures["slope"] = ("amplitude", slopes, {"units": "1", "long_name": "log-log slope of the lobe area above it"})
    if np.ndim(given) == 0:
        measures = measures.isel(amplitude=0)
    warn_of_grid(float(measures["grid_error"].max()), accuracy, "lobe areas and conductances", stacklevel=3)
    return HysteresisSweep(loops, measures)


def _values(name: str, given: Any, unit: str) -> list[float]:
    return [input_quantity(name, value, unit) for value in np.atleast_1d(np.asarray(given, dtype=object)).tolist()]


def _device(
    device: str | Path | Mapping[str, Any],
    preset: str | None,
    parameters: Mapping[str, Any] | None,
    amplitude: Any,
    x0: float | None,
) -> tuple[dict[str, Any], Any, float]:
    """The section of a testbench, the amplitude and the initial state, those of the preset where they are not given."""
    if isinstance(device, Path) or (isinstance(device, str) and device.endswith(".va")):
        device = {"verilog_a": str(device)}
    if not isinstance(device, str | Mapping):
        raise InputError(f"device: must be the name of a model, a file or a dictionary; it is {shown(device)}")
    if isinstance(device, str):
        published = get_preset(device, preset)
        if preset is None and not parameters:
            preset = next(iter(load_presets(device)))
        section = {"model": device, "preset": preset, "parameters": dict(parameters or {})}
        return section, published.amplitude if amplitude is None else amplitude, published.x0 if x0 is None else x0
    if preset is not None or parameters is not None:
        raise InputError("preset, parameters: are for a model by name; put them into the device's section")
    if amplitude is None:
        raise InputError("amplitude: is required where the device is no model of the library, which has presets")
    return dict(device), amplitude, 0.5 if x0 is None else x0


def _one_cell(section: dict[str, Any], x0: float, amplitude: float, frequency: float, analysis: Any) -> Testbench:
    """Testbench of one device behind a sinusoid (V, Hz)."""
    return Testbench.from_dict(
        {
            "device": section,
            "crossbar": {"state": [[x0]]},
            "drive": {"kind": "sine", "amplitude": amplitude, "frequency": frequency},
            "analysis": {**analysis, "probe": "cells"},
        },
        source="hysteresis",
    )


def cell_loop(waveforms: xr.Dataset, row: int = 0, column: int = 0) -> tuple[Any, Any, Any]:
    """Return time (s), voltage (V) and current (A) of one cell, as arrays over time."""
    cell = waveforms[["v_cell", "i_cell"]].isel(row=row, column=column)
    return cell["time"].values, cell["v_cell"].values, cell["i_cell"].values


def sweep_difference(first: HysteresisSweep, second: HysteresisSweep) -> xr.DataArray:
    """Largest difference of lobe area and conductances of two sweeps over the same drives, relative to the second's.

    Returns
    -------
    xarray.DataArray
        Over the amplitudes and frequencies of the sweeps.
    """
    found = [_relative(_curves(a), _curves(b)) for a, b in zip(first.loops, second.loops, strict=True)]
    return second.measures["lobe_area"].copy(data=np.reshape(found, second.measures["lobe_area"].shape)).drop_attrs()


def _measured(loop: xr.Dataset, following: xr.Dataset) -> dict[str, float]:
    """What is measured of a loop, and of the cycle that follows it."""
    time, v, i = _curves(loop)
    kept = every_second(time)
    areas = lobe_areas(v, i)
    area = abs(areas.positive) + abs(areas.negative)
    return {
        "lobe_area_positive": areas.positive,
        "lobe_area_negative": areas.negative,
        "lobe_area": area,
        "pinch_offset": pinch_offset(v, i),
        "effective_conductance": effective_conductance(time, v, i),
        "in_phase_conductance": in_phase_conductance(time, v, i),
        "cycle_change": abs(_area(*_curves(following)[1:]) - area) / _area_scale(v, i),
        "grid_error": _relative((time[kept], v[kept], i[kept]), (time, v, i)),
    }


_Curves = tuple[FloatArray, FloatArray, FloatArray]


_CURVES = {
    "time": ("time", "s", "time"),
    "v": ("v_cell", "V", "voltage across the cell"),
    "i": ("i_cell", "A", "current through the cell"),
    "x": ("x", "1", "normalized state of the cell"),
}
"""Curves in the file of a sweep: the variable of the loops, unit and long name."""


def _curves(loop: xr.Dataset) -> _Curves:
    return cell_loop(loop)


def save_sweep(sweep: HysteresisSweep, path: str | Path) -> Path:
    """Write a sweep to a netCDF file and return its path.

    Beside the measures it holds each loop, over ``point``: ``time`` (s), ``v`` (V), ``i`` (A) and, where the device
    shows its state, ``x``; and ``testbench``, as JSON, with which each loop can be run again. A loop with fewer points
    than others is filled up with NaN.

    Raises
    ------
    ResultsError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import spicecim as sc
    >>> sweep = sc.hysteresis("yakopcic", frequency=100, engine="reference", points_per_period=200)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = sc.save_sweep(sweep, Path(folder) / "sweep.nc")
    ...     again = sc.load_sweep(Path(folder) / "sweep.nc")
    >>> again.measures.equals(sweep.measures)
    True
    """
    area = sweep.measures["lobe_area"]
    length = max(loop.sizes["time"] for loop in sweep.loops)
    stored = sweep.measures.copy()
    for name, (source, units, long_name) in _CURVES.items():
        if all(source in loop.variables for loop in sweep.loops):
            values = np.full((len(sweep.loops), length), np.nan)
            for row, loop in zip(values, sweep.loops, strict=True):
                row[: loop.sizes["time"]] = loop[source].values.ravel()
            attributes = {"units": units, "long_name": long_name}
            stored[name] = ((*area.dims, "point"), values.reshape(*area.shape, length), attributes)
    stored["testbench"] = (area.dims, np.reshape([loop.attrs["testbench"] for loop in sweep.loops], area.shape))
    for name in set(sweep.loops[0].attrs) - set(stored.attrs) - {"testbench"}:
        stored[name] = (area.dims, np.reshape([loop.attrs[name] for loop in sweep.loops], area.shape))
    return write_netcdf(stored, path)


def load_sweep(path: str | Path) -> HysteresisSweep:
    """Read a sweep that `save_sweep` wrote.

    Raises
    ------
    WaveformError
        If the file is none, is damaged, or holds loops that are none of its testbenches.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import spicecim as sc
    >>> sweep = sc.hysteresis("linear_drift", frequency=1, engine="reference", points_per_period=200)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "sweep.nc"
    ...     _ = sc.save_sweep(sweep, path)
    ...     loop = sc.load_sweep(path).loops[0]
    >>> float(loop.v_cell.max())
    1.0
    """
    try:
        stored = read_netcdf(path, _CURVES)
        area, of_loops = stored["lobe_area"], {"testbench"}
        of_loops |= {str(name) for name in stored.data_vars if stored[name].dims == area.dims and name not in _MEASURES}
        common = {name: value for name, value in stored.attrs.items() if name != "cycle"}
        loops = []
        for place in np.ndindex(area.shape):
            one = stored[dict(zip(area.dims, place, strict=True))]
            texts = {name: one[name].item() for name in sorted(of_loops)}
            bench = Testbench.from_dict(parse_json(str(texts.pop("testbench"))), source=f"{path}: testbench")
            points = int(one["time"].notnull().sum())
            curves = {name: one[name].values[:points] for name in _CURVES if name in one}
            loops.append(_loop(bench, curves, {**common, **texts}))
        return HysteresisSweep(loops, stored.drop_vars([*of_loops, *_CURVES], errors="ignore"))
    except (InputError, ValueError, KeyError, TypeError) as error:
        raise WaveformError(f"cannot read loops from {path}: {error}") from None


def _loop(bench: Testbench, curves: dict[str, FloatArray], attributes: dict[str, Any]) -> xr.Dataset:
    """Waveforms of a loop: of one cell without wires, its own are those of row and column."""
    row, cell = curves["v"][:, None], (len(curves["v"]), 1, 1)
    variables = {"v_row": row, "i_row": curves["i"][:, None], "i_column": curves["i"][:, None]}
    variables |= {"v_cell": row.reshape(cell), "i_cell": curves["i"].reshape(cell)}
    if "x" in curves:
        variables["x"] = curves["x"].reshape(cell)
    loop = make_waveforms(bench, curves["time"], variables, attributes)
    # The ends of a cycle may stand between two instants of the run, on the straight line from one to the other.
    check_run(loop.isel(time=slice(1, -1)))
    return loop


def _relative(first: _Curves, second: _Curves) -> float:
    """Largest difference of lobe area and conductances of two loops, relative to those of the second."""
    (t, v, i), (time, volts, amperes) = first, second
    differences = [abs(_area(v, i) - _area(volts, amperes)) / _area_scale(volts, amperes)]
    for conductance in (effective_conductance, in_phase_conductance):
        value = conductance(time, volts, amperes)
        differences.append(abs(conductance(t, v, i) - value) / abs(value) if value else 0.0)
    return max(differences)


def _area(v: FloatArray, i: FloatArray) -> float:
    return sum(map(abs, lobe_areas(v, i)))


def _area_scale(v: FloatArray, i: FloatArray) -> float:
    """What a difference of lobe areas is relative to: the area, and a thousandth of peak times peak where that is less.

    The loop of a resistor has no area, and what rounding leaves of it says nothing.
    """
    return max(_area(v, i), 1e-3 * float(np.abs(v).max() * np.abs(i).max())) or 1.0


_MEASURES = {
    "lobe_area_positive": ("V A", "signed area of the lobe at positive voltage"),
    "lobe_area_negative": ("V A", "signed area of the lobe at negative voltage"),
    "lobe_area": ("V A", "lobe area"),
    "pinch_offset": ("1", "current at zero voltage relative to the peak"),
    "effective_conductance": ("S", "mean |i| over mean |v|"),
    "in_phase_conductance": ("S", "mean v i over mean v^2"),
    "cycle_change": ("1", "relative change of the lobe area to the next cycle"),
    "grid_error": ("1", "relative change of lobe area and conductances with every second instant"),
}
