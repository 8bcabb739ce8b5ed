"""What every scheme does alike: weights and inputs become testbenches, and their waveforms become products."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from spicecim.errors import InputError
from spicecim.fields import FloatArray, Section
from spicecim.testbench import Testbench

IntArray = NDArray[np.int_]


@dataclass(frozen=True)
class Encoded(ABC):
    """Weights and inputs as testbenches of one scheme.

    Attributes
    ----------
    weights
        Integers (input line, output).
    inputs
        Integers (vector, input line), not negative.
    testbenches
        What is to be run, in any order, by either engine.
    devices
        Memristors that hold the weights, idle ones not counted.
    crossbars
        Crossbars that they stand on.
    cycles
        Read cycles one after the other for one input vector.
    repeats
        How often each testbench is run for all inputs; once each if left out. A testbench that stands for many equal
        reads is simulated once.
    """

    weights: IntArray
    inputs: IntArray
    testbenches: tuple[Testbench, ...]
    devices: int
    crossbars: int
    cycles: int
    repeats: tuple[int, ...] | None = field(default=None, kw_only=True)

    @abstractmethod
    def decode(self, waveforms: Sequence[xr.Dataset]) -> FloatArray:
        """Return products (vector, output) in units of input times weight, from the waveforms of each testbench."""

    @property
    def exact(self) -> IntArray:
        """The products (vector, output) in integers."""
        return np.asarray(self.inputs @ self.weights)


class Encoding(Section, ABC):
    """A scheme with its settings; the fields are those of the scheme."""

    name: ClassVar[str]
    """The scheme's name, as on the command line."""

    @abstractmethod
    def encode(self, weights: ArrayLike, inputs: ArrayLike) -> Encoded:
        """Turn integer weights (input line, output) and inputs (vector, input line) into testbenches.

        Raises
        ------
        InputError
            If weights or inputs are no integers in the range of the scheme, or their shapes do not fit.
        """


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
