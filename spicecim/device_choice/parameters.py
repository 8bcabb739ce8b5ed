"""Parameters in a section of a testbench: numbers, texts, and arrays of what cells have of their own."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Annotated, Any

import numpy as np
from pydantic import PlainSerializer, ValidationInfo

from spicecim.fields import FloatArray, Quantities, Quantity, is_array_file
from spicecim.problems import FieldError
from spicecim.quantities import parse_quantity

Number = Annotated[float, Quantity("")]

_OF_CELLS = Quantities("", (2,))


def plain_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters with lists in place of arrays."""
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in parameters.items()}


Parameters = Annotated[dict[str, Any], PlainSerializer(plain_parameters)]
"""Parameters by name: numbers, texts, and arrays (row, column) of what cells have of their own."""


def check_shapes(place: str, arrays: Mapping[str, FloatArray], shape: tuple[int, int]) -> None:
    """Raise `FieldError` if arrays over the cells (row, column), by name, are those of another crossbar."""
    for name, array in arrays.items():
        if array.shape != shape:
            given, wanted = (" x ".join(map(str, each)) for each in (array.shape, shape))
            raise FieldError(f"{place}.{name}", f"has {given} values for {wanted} cells")


def read_parameters(value: Any, info: ValidationInfo) -> Any:
    """Pass a dictionary of numbers, texts, and arrays (row, column) of numbers or names of their files."""
    if not isinstance(value, dict):
        return value
    return {name: _plain_value(name, item, info) for name, item in value.items()}


def read_numbers(value: Any, info: ValidationInfo, unit: str = "") -> Any:
    """Pass a dictionary as `read_parameters` does, with the numbers that its texts stand for."""
    read = read_parameters(value, info)
    if not isinstance(read, dict):
        return read
    for name, item in read.items():
        if isinstance(item, str):
            try:
                read[name] = parse_quantity(item, unit)
            except ValueError as error:
                raise FieldError(str(name), str(error)) from None
    return read


def _plain_value(name: str, item: Any, info: ValidationInfo) -> Any:
    if isinstance(item, list | tuple | np.ndarray) or is_array_file(item):
        try:
            return _OF_CELLS.parse(item, info)
        except ValueError as error:
            raise FieldError(name, str(error)) from None
    if isinstance(item, bool) or not isinstance(item, Real | str):
        raise FieldError(name, "must be a number, a text, or an array with a number per cell (row, column)")
    return item if isinstance(item, str) else parse_quantity(item)


def two_values(value: tuple[float, float] | None) -> tuple[float, float] | None:
    """Pass what stands for x = 0 and for x = 1; raises ValueError if both are one value."""
    if value is not None and value[0] == value[1]:
        raise ValueError("must be two different values")
    return value
