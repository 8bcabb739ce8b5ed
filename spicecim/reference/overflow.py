"""Currents and rates beyond the range of a float: an error, wherever they come up."""

from __future__ import annotations

import numpy as np

from spicecim.errors import InputError
from spicecim.fields import FloatArray

JUST_BEYOND = 1.01
"""Voltages relative to the last that a solution was found for, at which it is looked whether the next overflow."""


def check_finite(*values: FloatArray) -> None:
    """Raise `InputError` if currents or rates are not finite."""
    if not all(np.isfinite(part).all() for part in values):
        raise InputError("drive: at its voltages a device's current or rate is beyond the range of a float")
