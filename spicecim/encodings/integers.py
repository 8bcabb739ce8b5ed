"""Checks of integers, alone and in arrays: what weights, inputs and counts are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spicecim.errors import InputError

IntArray = NDArray[np.int_]


def check_integer(value: Any, field: str, lowest: int, highest: int | None = None) -> None:
    """Raise `InputError` that names the field and the value unless it is one integer between the bounds."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < lowest or (highest is not None and value > highest):
        allowed = f"of at least {lowest}" if highest is None else f"from {lowest} to {highest}"
        raise InputError(f"{field}: must be an integer {allowed} (given: {value!r})")


def check_integers(values: ArrayLike, field: str, lowest: int, highest: int) -> IntArray:
    """Return a matrix of integers between two bounds, or raise `InputError` that names the field and the value."""
    array = np.asarray(values)
    if array.ndim != 2 or not array.size:
        raise InputError(f"{field}: must be a matrix that is not empty; it has shape {array.shape}")
    return check_range(array, field, lowest, highest)


def check_range(values: ArrayLike, field: str, lowest: int, highest: int) -> IntArray:
    """Return integers of any shape between two bounds, or raise `InputError` that names the field and the value."""
    array = np.asarray(values)
    if array.dtype.kind not in "iuf" or not np.all(array == np.round(array)):
        raise InputError(f"{field}: must be integers")
    outside = array[(array < lowest) | (array > highest)]
    if outside.size:
        raise InputError(f"{field}: must be between {lowest} and {highest}; found {outside.flat[0]:g}")
    return array.astype(int)
