"""A measurement as a labeled dataset, cleaned and checked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from spicecim.errors import InputError
from spicecim.fields import FloatArray
from spicecim.quantities import input_quantity

LEAST_POINTS = 8
"""Of a sweep: fewer show no loop."""
_PLATEAU = 3
"""Samples in a row at one current that are held by the source."""
_FLAT = 1e-3
"""Relative width of a plateau."""
_NEAR_ZERO = 0.02
"""Of the largest voltage: up to there the voltage counts as zero for the offset, and for where a cycle begins."""


def make_measurement(
    sweeps: Sequence[tuple[ArrayLike, ArrayLike, ArrayLike]],
    *,
    series_resistance: Any = 0.0,
    current_range: Any = None,
    compliance: Any = None,
    one_sided: bool = False,
    names: Sequence[str] = (),
    attrs: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Return a measurement from arrays, cleaned and checked.

    Samples that stand twice (time, voltage and current alike) are left out. Samples on a plateau of the current at its
    largest magnitude are marked as held by the source (``in_compliance``).

    Parameters
    ----------
    sweeps
        Time (s), voltage (V) and current (A) of each, in order.
    series_resistance
        Resistance (ohm) between the source and the device.
    current_range
        Largest current (A) that the instrument reads. Without it, a plateau there is taken for a compliance.
    compliance
        Current (A) at which the source limits, or two: for positive and for negative voltages. By default it is found.
    one_sided
        Whether voltages of one sign are meant.
    names
        How messages call the sweeps.
    attrs
        Further attributes, such as the file.

    Returns
    -------
    xarray.Dataset
        Over ``point``: ``time`` (s, from 0 in each sweep), ``voltage`` (V), ``current`` (A), ``sweep`` and ``cycle``
        (from 0), ``in_compliance`` and ``saturated``. Attributes: ``series_resistance`` (ohm), ``current_offset`` (A,
        the current at v = 0), ``duplicates``, and ``compliance_positive``, ``compliance_negative`` and
        ``current_range`` (A) where there is one.

    Raises
    ------
    InputError
        If a sweep is too short, its times do not increase, values are missing, or it can show no loop.

    Examples
    --------
    >>> import numpy as np
    >>> import spicecim as sc
    >>> t = np.linspace(0, 1, 101)
    >>> measured = sc.make_measurement([(t, np.sin(2 * np.pi * t), 1e-3 * np.sin(2 * np.pi * t))])
    >>> measured.sizes["point"], float(measured.attrs["current_offset"])
    (101, 0.0)
    """
    if not sweeps:
        raise InputError("a measurement needs one sweep at least")
    resistance = input_quantity("series_resistance", series_resistance, "ohm")
    if resistance < 0.0:
        raise InputError(f"series_resistance: must be 0 or more; it is {resistance:g} ohm")
    range_ = math.inf if current_range is None else input_quantity("current_range", current_range, "A")
    if range_ <= 0.0:
        raise InputError(f"current_range: must be positive; it is {range_:g} A")
    parts, removed = [], 0
    for index, arrays in enumerate(sweeps):
        name = names[index] if index < len(names) else f"sweep {index + 1}"
        checked, twice = _checked(name, arrays, one_sided)
        removed += twice
        parts.append(checked)
    peak = max(float(np.abs(current).max()) for _, _, current in parts)
    readable = (1.0 - _FLAT) * range_
    limits = _limits(compliance, parts, readable)
    keys = ("time", "voltage", "current", "sweep", "cycle", "held", "saturated")
    columns: dict[str, list[Any]] = {key: [] for key in keys}
    for index, (time, voltage, current) in enumerate(parts):
        held = np.where(voltage >= 0.0, current >= (1.0 - _FLAT) * limits[0], current <= -(1.0 - _FLAT) * limits[1])
        beyond = np.abs(current) >= readable
        held &= ~beyond
        values = (time - time[0], voltage, current, np.full(len(time), index), cycles_of(voltage), held, beyond)
        for key, value in zip(columns, values, strict=True):
            columns[key].append(value)
    joined = {key: np.concatenate(value) for key, value in columns.items()}
    found = xr.Dataset(
        {
            "time": ("point", joined["time"], {"units": "s", "long_name": "time in the sweep"}),
            "voltage": ("point", joined["voltage"], {"units": "V", "long_name": "voltage of the source"}),
            "current": ("point", joined["current"], {"units": "A", "long_name": "measured current"}),
            "sweep": ("point", joined["sweep"], {"long_name": "sweep"}),
            "cycle": ("point", joined["cycle"], {"long_name": "cycle of the sweep"}),
            "in_compliance": ("point", joined["held"], {"long_name": "whether the source held the current"}),
            "saturated": ("point", joined["saturated"], {"long_name": "whether the current is beyond the range"}),
        }
    )
    near = np.abs(joined["voltage"]) <= _NEAR_ZERO * np.abs(joined["voltage"]).max()
    found.attrs = {
        **(attrs or {}),
        "series_resistance": resistance,
        "current_offset": _offset(joined["voltage"][near], joined["current"][near]),
        "current_peak": peak,
        "duplicates": removed,
    }
    for side, limit in zip(("positive", "negative"), limits, strict=True):
        if math.isfinite(limit):
            found.attrs[f"compliance_{side}"] = limit
    if current_range is not None:
        found.attrs["current_range"] = range_
    return found


def _checked(name: str, arrays: Any, one_sided: bool) -> tuple[tuple[FloatArray, FloatArray, FloatArray], int]:
    """Time, voltage and current of a sweep without samples that stand twice, and how many these are."""
    time, voltage, current = (np.asarray(array, dtype=float) for array in arrays)
    if not time.shape == voltage.shape == current.shape or time.ndim != 1:
        sizes = ", ".join(str(array.size) for array in (time, voltage, current))
        raise InputError(f"{name}: time, voltage and current must have one length; they have {sizes} values")
    for what, array in (("time", time), ("voltage", voltage), ("current", current)):
        bad = np.flatnonzero(~np.isfinite(array))
        if len(bad):
            raise InputError(f"{name}: {what} of sample {bad[0] + 1} is {array[bad[0]]}; it must be a number")
    twice = np.zeros(len(time), dtype=bool)
    twice[1:] = (np.diff(time) == 0.0) & (np.diff(voltage) == 0.0) & (np.diff(current) == 0.0)
    time, voltage, current = (array[~twice] for array in (time, voltage, current))
    if len(time) < LEAST_POINTS:
        raise InputError(f"{name}: has {len(time)} samples; a loop needs {LEAST_POINTS} at least")
    back = np.flatnonzero(np.diff(time) <= 0.0)
    if len(back):
        at = back[0]
        raise InputError(
            f"{name}: the time must increase; after sample {at + 1} at {time[at]:g} s comes one at {time[at + 1]:g} s"
        )
    if np.ptp(current) == 0.0:
        raise InputError(f"{name}: the current is {current[0]:g} A throughout; that shows no device")
    if np.ptp(voltage) == 0.0:
        raise InputError(f"{name}: the voltage is {voltage[0]:g} V throughout; that shows no loop")
    if not one_sided and (voltage.min() >= 0.0 or voltage.max() <= 0.0):
        sign = "negative" if voltage.min() >= 0.0 else "positive"
        raise InputError(
            f"{name}: the voltage is never {sign}, so that the loop has one side only; one_sided=True "
            "(--one-sided) if that is meant"
        )
    large = np.abs(voltage) > 0.1 * np.abs(voltage).max()
    if voltage.min() < 0.0 < voltage.max() and current[large].min() >= 0.0:
        raise InputError(
            f"{name}: the current is never negative while the voltage is: the file may hold magnitudes; "
            "magnitudes=True (--magnitudes) gives the current the sign of the voltage"
        )
    return (time, voltage, current), int(twice.sum())


def _limits(
    compliance: Any, parts: list[tuple[FloatArray, FloatArray, FloatArray]], readable: float
) -> tuple[float, float]:
    """Current (A) at which the source limits positive and negative voltages; infinite where it does not.

    A plateau that is not readable is that of the instrument's range.
    """
    if compliance is not None:
        both = compliance if isinstance(compliance, list | tuple) else (compliance, compliance)
        if len(both) != 2:
            raise InputError(f"compliance: must be one current or two; it has {len(both)} values")
        found = [math.inf if value is None else abs(input_quantity("compliance", value, "A")) for value in both]
        if 0.0 in found:
            raise InputError("compliance: must not be 0")
        return found[0], found[1]
    limits = []
    for sign in (1.0, -1.0):
        levels = []
        for _, voltage, current in parts:
            side = sign * current[sign * voltage > 0.0]
            if len(side) and 0.0 < (top := float(side.max())) < readable:
                levels.append(top if _longest_run(sign * current >= (1.0 - _FLAT) * top, voltage) else math.inf)
        limits.append(min(levels, default=math.inf))
    return limits[0], limits[1]


def _longest_run(on: NDArray[np.bool_], voltage: FloatArray) -> bool:
    """Whether samples in a row are on a level while the voltage still changes by a twentieth of its range."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], on.astype(int), [0]])))
    for begin, end in edges.reshape(-1, 2):
        if end - begin >= _PLATEAU and np.ptp(voltage[begin:end]) > 0.05 * np.abs(voltage).max():
            return True
    return False


def _offset(voltage: FloatArray, current: FloatArray) -> float:
    """Current (A) at v = 0: the median of what is near, less a straight line through it."""
    if len(voltage) < 2 or np.ptp(voltage) == 0.0:
        return float(np.median(current)) if len(current) else 0.0
    slope = float(np.polyfit(voltage, current, 1)[0])
    return float(np.median(current - slope * voltage)) + 0.0


def cycles_of(voltage: ArrayLike) -> NDArray[np.int_]:
    """Which cycle, from 0, each sample belongs to: one begins where the voltage leaves zero as it first did.

    A rest of less than half a cycle at the end belongs to the last one.
    """
    v = np.asarray(voltage, dtype=float)
    near = _NEAR_ZERO * np.abs(v).max()
    side = np.where(v > near, 1, np.where(v < -near, -1, 0))
    away = np.flatnonzero(side)
    first = side[away[0]]
    # the sides in their order; a cycle begins at each first one that comes after another
    order = side[away]
    if (order == -first).any():
        begins = away[1:][(order[1:] == first) & (order[:-1] == -first)]
    else:
        resting = np.diff(away) > 1
        begins = away[1:][resting]
    if len(begins) and len(v) - begins[-1] < 0.5 * np.diff([0, *begins]).mean():
        begins = begins[:-1]
    return np.searchsorted(begins, np.arange(len(v)), side="right").astype(int)
