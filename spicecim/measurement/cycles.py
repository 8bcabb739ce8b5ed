"""What is measured of a measurement, cycle by cycle."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from spicecim.errors import InputError
from spicecim.fields import FloatArray
from spicecim.measure.loops import lobe_areas
from spicecim.measurement.dataset import make_measurement
from spicecim.quantities import input_quantity

_MEASURES = {
    "lobe_area_positive": ("V A", "signed area of the lobe at positive voltage"),
    "lobe_area_negative": ("V A", "signed area of the lobe at negative voltage"),
    "switching_voltage_positive": ("V", "voltage of the largest change of ln|i| at positive voltage"),
    "switching_voltage_negative": ("V", "voltage of the largest change of ln|i| at negative voltage"),
    "high_resistance": ("ohm", "larger of the two resistances at the read voltage"),
    "low_resistance": ("ohm", "smaller of the two resistances at the read voltage"),
    "on_off_ratio": ("1", "ratio of the two resistances"),
    "peak_current": ("A", "largest magnitude of the current"),
}


def measure_cycles(measurement: xr.Dataset, read_voltage: float | str | None = None) -> xr.Dataset:
    """Measure each cycle of a measurement.

    Parameters
    ----------
    measurement
        What `load_measurement` gives.
    read_voltage
        Magnitude (V) at which resistances are read on either branch; by default a tenth of the largest voltage. On the
        side, positive or negative, where the two differ more.

    Returns
    -------
    xarray.Dataset
        Over ``loop``, the cycles of all sweeps in their order, with coordinates ``sweep`` and ``cycle``: lobe areas
        (V A), voltages at which the logarithm of the current changes most (V), resistances (ohm) of both states, their
        ratio and the largest current (A). NaN where a cycle does not show it.

    Raises
    ------
    InputError
        If the read voltage is not below the largest one.

    Examples
    --------
    >>> import spicecim as sc
    >>> measured = sc.synthetic_measurement("yakopcic", frequency=[100, 400], points=150, seed=1)
    >>> found = sc.measure_cycles(measured, read_voltage="50mV")
    >>> found.sizes["loop"], bool((found.on_off_ratio > 2).all())
    (2, True)
    """
    voltage, current = measurement["voltage"].values, measurement["current"].values
    largest = float(np.abs(voltage).max())
    read = 0.1 * largest if read_voltage is None else abs(input_quantity("read_voltage", read_voltage, "V"))
    if not 0.0 < read < largest:
        raise InputError(f"read_voltage: must be between 0 and {largest:g} V; it is {read:g} V")
    loops = _loops(measurement)
    rows = [_measured(voltage[points], current[points], read) for points in loops.values()]
    found = xr.Dataset(
        {
            name: ("loop", np.array([row[name] for row in rows]), {"units": unit, "long_name": meaning})
            for name, (unit, meaning) in _MEASURES.items()
        },
        coords={"sweep": ("loop", [key[0] for key in loops]), "cycle": ("loop", [key[1] for key in loops])},
    )
    found.attrs = {"read_voltage": read}
    return found


def split_cycles(measurement: xr.Dataset) -> list[xr.Dataset]:
    """Return a measurement of each cycle of one with several.

    Examples
    --------
    >>> import spicecim as sc
    >>> measured = sc.synthetic_measurement("yakopcic", frequency=[100, 400], points=150, seed=1)
    >>> [float(each.time[-1]) for each in sc.split_cycles(measured)]
    [0.01, 0.0025]
    """
    attrs = {name: measurement.attrs[name] for name in ("source", "sha256") if name in measurement.attrs}
    limits = [measurement.attrs.get(f"compliance_{side}") for side in ("positive", "negative")]
    time, voltage, current = (measurement[name].values for name in ("time", "voltage", "current"))
    return [
        make_measurement(
            [(time[points], voltage[points], current[points])],
            one_sided=True,
            compliance=limits,
            current_range=measurement.attrs.get("current_range"),
            series_resistance=measurement.attrs["series_resistance"],
            attrs=attrs,
        )
        for points in _loops(measurement).values()
    ]


def _loops(measurement: xr.Dataset) -> dict[tuple[int, int], NDArray[np.int_]]:
    """Samples of each cycle of each sweep, by the numbers of both."""
    sweep, cycle = measurement["sweep"].values, measurement["cycle"].values
    keys = dict.fromkeys(zip(sweep.tolist(), cycle.tolist(), strict=True))
    return {key: np.flatnonzero((sweep == key[0]) & (cycle == key[1])) for key in keys}


def _measured(v: FloatArray, i: FloatArray, read: float) -> dict[str, float]:
    nothing = float("nan")
    areas = lobe_areas(v, i) if len(v) >= 3 else (nothing, nothing)
    found = {"lobe_area_positive": areas[0], "lobe_area_negative": areas[1], "peak_current": float(np.abs(i).max())}
    resistances = [_resistances(sign * v, sign * i, read) for sign in (1.0, -1.0)]
    high, low = max(resistances, key=lambda pair: pair[0] / pair[1] if np.isfinite(pair[0]) else -1.0)
    found |= {"high_resistance": high, "low_resistance": low, "on_off_ratio": high / low}
    for name, sign in (("positive", 1.0), ("negative", -1.0)):
        found[f"switching_voltage_{name}"] = sign * _switching(sign * v, sign * i, read)
    return found


def _branches(v: FloatArray) -> tuple[slice, slice] | None:
    """Samples on the way up to the largest voltage and back to zero."""
    if v.max(initial=0.0) <= 0.0:
        return None
    top = int(v.argmax())
    before, after = np.flatnonzero(v[:top] <= 0.0), np.flatnonzero(v[top:] <= 0.0)
    begin = int(before[-1]) if len(before) else 0
    end = top + int(after[0]) + 1 if len(after) else len(v)
    return slice(begin, top + 1), slice(top, end)


def _resistances(v: FloatArray, i: FloatArray, read: float) -> tuple[float, float]:
    """Larger and smaller resistance (ohm) at the read voltage, on the way up and back."""
    branches = _branches(v)
    if branches is None or v.max() < read:
        return float("nan"), float("nan")
    up, down = branches
    found = []
    for volts, amperes in ((v[up], i[up]), (v[down][::-1], i[down][::-1])):
        order = np.argsort(volts, kind="stable")
        current = float(np.interp(read, volts[order], amperes[order]))
        found.append(read / current if current > 0.0 and volts.min() <= read else float("nan"))
    return max(found), min(found)


def _switching(v: FloatArray, i: FloatArray, read: float) -> float:
    """Voltage at which ln(i / v) changes most on the way up and back, between samples a few apart."""
    branches = _branches(v)
    if branches is None:
        return float("nan")
    part = np.arange(branches[0].start, branches[1].stop)
    part = part[(v[part] > read) & (i[part] > 0.0)]
    apart = max(1, len(part) // 40)
    if len(part) <= 2 * apart:
        return float("nan")
    conductance = np.log(i[part] / v[part])
    change = np.abs(conductance[apart:] - conductance[:-apart])
    at = int(change.argmax())
    return float(0.5 * (v[part][at] + v[part][at + apart]))
