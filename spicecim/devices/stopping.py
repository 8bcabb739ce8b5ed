"""Which parameters hold the state of a cell that is stuck: those without which its rate vanishes."""

from __future__ import annotations

import numpy as np
from pydantic import ValidationError

from spicecim.devices.device import Device
from spicecim.devices.expressions import FloatArray
from spicecim.devices.memristor import Memristor
from spicecim.devices.parameters import within_bounds
from spicecim.errors import ModelError, UnsupportedError

_VALUES = (0.0, 1e-30, -1e-30, 1e30)
"""Values that a parameter may be set to: speeds vanish, times are endless."""
_STOPPED = 1e-12
"""Change of x over a run that is none."""
_ALIKE = 1e-9
"""Relative difference of currents that are the same."""


def stopping_parameters(device: Device, largest_voltage: float, duration: float) -> dict[str, float]:
    """Return values of as few parameters as stop the motion of a library model's state, whose current stays.

    Up to a largest voltage (V), over a duration (s).

    Raises
    ------
    UnsupportedError
        If there are none, or the device is none of the library.
    """
    if not isinstance(device, Memristor):
        raise UnsupportedError(
            f"stuck: what stops the state of {device.title} is not known; say so, such as by: {{speed: 0}}"
        )
    v = np.linspace(-1.0, 1.0, 22)[:, None] * largest_voltage
    s = device.state_from_x(np.linspace(0.0, 1.0, 13))
    allowed = _STOPPED * device.span() / duration
    found: dict[str, float] = {}
    left = _rates(device, v, s)
    while left.max() > allowed:
        best = None
        for name, value in _candidates(device, found):
            try:
                other = type(device).model_validate({**device.model_dump(), **found, name: value})
                rates = _rates(other, v, s)
                if (rates > left * (1.0 + _ALIKE)).any() or not _same_current(device, other, v, s):
                    continue
            except (ValidationError, ModelError, ArithmeticError):
                continue  # without it there is no device
            moving = int((rates > allowed).sum()), float(rates.sum())
            if best is None or moving < best[0]:
                best = moving, name, value, rates
        if best is None or best[0] >= (int((left > allowed).sum()), float(left.sum())):
            raise UnsupportedError(
                f"stuck: no parameter of {device.name} stops its state and leaves its current; say which, such as "
                "by: {speed: 0}"
            )
        found[best[1]], left = best[2], best[3]
    return found


def _candidates(device: Memristor, found: dict[str, float]) -> list[tuple[str, float]]:
    model = type(device)
    candidates = []
    for name in model.model_fields:
        if name in found or isinstance(getattr(device, name), str):
            continue
        candidates += [(name, value) for value in _VALUES if bool(within_bounds(model, name, np.array(value)))]
    return candidates


def _rates(device: Memristor, v: FloatArray, s: FloatArray) -> FloatArray:
    with np.errstate(all="ignore"):
        return np.asarray(np.nan_to_num(np.abs(device.rate(v, s)), nan=np.inf))


def _same_current(device: Memristor, other: Memristor, v: FloatArray, s: FloatArray) -> bool:
    with np.errstate(all="ignore"):
        x = np.linspace(0.0, 1.0, len(s))
        if not np.allclose(other.state_from_x(x), s, rtol=_ALIKE):
            return False
        right, found = device.current(v, s), other.current(v, s)
    return bool((np.abs(found - right) <= _ALIKE * np.abs(right)).all())
