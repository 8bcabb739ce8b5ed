"""Currents and rates that are no finite numbers: an error, wherever they come up."""

from __future__ import annotations

import numpy as np

from spicecim.errors import InputError
from spicecim.fields import FloatArray

JUST_BEYOND = 1.01
"""Voltages relative to the last that a solution was found for, at which it is looked whether the next overflow."""


def check_finite(*values: FloatArray) -> None:
    """Raise `InputError` if currents or rates are not finite."""
    if not all(np.isfinite(part).all() for part in values):
        raise InputError(f"drive: at its voltages a device's current or rate is {not_finite(*values)}")


def not_finite(*values: FloatArray) -> str:
    """What values are that are not finite; not a number follows from what is beyond the range, if there is any."""
    beyond = any(np.isinf(part).any() for part in values)
    return "beyond the range of a float" if beyond else "not a number (NaN), or beyond the range of a float"
