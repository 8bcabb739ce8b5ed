"""What every scheme does alike: weights are programmed, inputs become testbenches, waveforms become products."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from spicecim.encodings.integers import IntArray, check_integers
from spicecim.encodings.weight_sets import Constraint, WeightSet
from spicecim.engines import simulate
from spicecim.errors import InputError, UnsupportedError
from spicecim.fields import FloatArray, Section
from spicecim.measure import delivered_energy
from spicecim.testbench import Testbench


@dataclass(frozen=True)
class Resources:
    """What a layer takes.

    Attributes
    ----------
    cells
        Memristors that hold weights.
    crossbars
        Crossbars that they stand on.
    cycles
        Read cycles for one input vector, one after the other; all crossbars are read at once.
    conversions
        Conversions of column currents for one input vector.
    converter_bits
        Bits of a lossless converter.
    sign_bits
        Signs kept beside the cells, one per fragment and output.
    bias_subtractions
        Subtractions of a bias for one input vector, each of a number that the ones of the inputs are counted for.
    """

    cells: int
    crossbars: int
    cycles: int
    conversions: int = 0
    converter_bits: int = 0
    sign_bits: int = 0
    bias_subtractions: int = 0


class Readout(NamedTuple):
    """Products as a scheme reads them, and what its converters lost."""

    products: FloatArray
    """Products (vector, output) in units of input times weight."""
    conversions: int = 0
    """Conversions, where the scheme has converters."""
    clipped: int = 0
    """Conversions beyond the range of the converter."""
    error: float = 0.0
    """Root mean square of what the conversions changed (levels)."""


class ReadEnergy(NamedTuple):
    """What the row drivers deliver, and how long reading takes."""

    energy: float
    """Energy of all reads in all crossbars (J)."""
    time: float
    """Time of the reads (s), one after the other but for crossbars that are read at once."""

    @property
    def power(self) -> float:
        """Average power (W); 0 where nothing is read."""
        return self.energy / self.time if self.time else 0.0


class Programmed(ABC):
    """Weights held by the cells of a scheme, ready for any number of inputs.

    `multiply` and `read_energy` run the testbenches in the reference engine; a scheme that knows a faster way to the
    same result overrides them. Nothing of a run is kept: `decode` gets the inputs beside the waveforms.

    Parameters
    ----------
    scheme
        The scheme.
    weights
        Integers (input line, output).
    resources
        What they take.
    """

    def __init__(self, scheme: Encoding, weights: IntArray, resources: Resources) -> None:
        self.scheme = scheme
        self.weights = weights
        self.resources = resources

    @property
    def input_range(self) -> tuple[int, int]:
        """Lowest and highest input."""
        return (0, 255)

    def check_inputs(self, inputs: ArrayLike) -> IntArray:
        """Return inputs (vector, input line) as integers, or raise `InputError`."""
        values = check_integers(inputs, "inputs", *self.input_range)
        if values.shape[1] != len(self.weights):
            raise InputError(
                f"inputs: must be (vector, input line) of {len(self.weights)} input lines; they have {values.shape}"
            )
        return values

    def exact(self, inputs: ArrayLike) -> IntArray:
        """The products (vector, output) of inputs (vector, input line) in integers."""
        # by way of floats, which numpy multiplies faster than integers and as exactly below 2^53
        products = self.check_inputs(inputs).astype(float) @ self.weights.astype(float)
        return np.asarray(products.astype(int))

    @abstractmethod
    def testbenches(self, inputs: ArrayLike) -> tuple[Testbench, ...]:
        """Return what is to be run for inputs (vector, input line), in any order, by either engine.

        Raises
        ------
        InputError
            If the inputs are no integers in the range of the scheme, or do not fit the weights.
        """

    @abstractmethod
    def decode(self, waveforms: Sequence[xr.Dataset], inputs: ArrayLike) -> FloatArray:
        """Return products (vector, output) in units of input times weight.

        Parameters
        ----------
        waveforms
            Of each testbench, in their order.
        inputs
            What the testbenches are of (vector, input line).
        """

    def repeats(self, inputs: ArrayLike) -> tuple[int, ...]:
        """How often each testbench is run for all inputs: one that stands for equal reads is simulated once."""
        return (1,) * len(self.testbenches(inputs))

    def cycles(self, inputs: ArrayLike) -> int:
        """Read cycles one after the other for any one of the inputs, at most."""
        return self.resources.cycles

    def multiply(self, inputs: ArrayLike) -> Readout:
        """Return the products of inputs (vector, input line) in the reference engine."""
        waveforms = [simulate(testbench, "reference") for testbench in self.testbenches(inputs)]
        return Readout(np.asarray(self.decode(waveforms, inputs), dtype=float))

    def read_energy(self, inputs: ArrayLike) -> ReadEnergy:
        """Return what reading inputs (vector, input line) takes from the row drivers in the reference engine."""
        testbenches, repeats = self.testbenches(inputs), self.repeats(inputs)
        energies = [float(delivered_energy(simulate(testbench, "reference")).sum()) for testbench in testbenches]
        return ReadEnergy(
            float(np.dot(repeats, energies)), float(np.dot(repeats, [bench.duration for bench in testbenches]))
        )

    def varied(self, sigma: float, seed: int) -> Programmed:
        """Return the same weights in cells that conduct more or less than they were meant to.

        Parameters
        ----------
        sigma
            Standard deviation of the natural logarithm of each cell's current, whose median is the one meant.
        seed
            Of the cells.

        Raises
        ------
        UnsupportedError
            If the scheme does not say what its products then are.
        """
        raise UnsupportedError(f"{self.scheme.name}: this scheme does not say what varied cells make of its products")

    @property
    def tile_count(self) -> int:
        """Crossbars that can be taken alone."""
        return 1

    def tile(self, number: int) -> Programmed:
        """Return one crossbar, which multiplies its own input lines (`tile_lines`) for its own outputs.

        Raises
        ------
        InputError
            If there is none of that number.
        """
        self._check_tile(number)
        return self

    def tile_lines(self, number: int) -> slice:
        """Input lines of the layer on the rows of one crossbar."""
        self._check_tile(number)
        return slice(0, len(self.weights))

    def _check_tile(self, number: int) -> None:
        if not 0 <= number < self.tile_count:
            raise InputError(f"tile: must be a number from 0 to {self.tile_count - 1} (given: {number})")

    def check_waveforms(self, waveforms: Sequence[xr.Dataset], count: int) -> None:
        """Raise `InputError` unless there are as many waveforms as testbenches."""
        if len(waveforms) != count:
            raise InputError(f"waveforms: must be one per testbench, {count}; they are {len(waveforms)}")


class Encoding(Section, ABC):
    """A scheme with its settings; the fields are those of the scheme."""

    name: ClassVar[str]
    """The scheme's name, as on the command line."""

    @abstractmethod
    def program(self, weights: ArrayLike) -> Programmed:
        """Hold integer weights (input line, output).

        Raises
        ------
        InputError
            If the weights are no integers in the range of the scheme, or it cannot hold them.
        """

    def for_layer(self, number: int) -> Encoding:
        """Return the scheme of one of several layers, whose cells are drawn otherwise where any are."""
        return self

    def constraint(self) -> Constraint:
        """Return the set of weights, but for a scale, that the scheme holds: what training projects on."""
        return WeightSet(levels=255)
