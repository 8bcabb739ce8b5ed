"""What frequency weighting is compared with: schemes whose devices hold weights in conductances that reads leave alone.

Every pixel is the amplitude of a sinusoid of one frequency, so high that no state moves, and all rows are read at once
by the rectified mean: in phase with each other, their currents have one sign at any time, and magnitudes add.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, ClassVar

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike
from pydantic import Field
from scipy.interpolate import PchipInterpolator

from spicecim.device_choice import KnownDevice
from spicecim.devices.device import Device
from spicecim.drives import SineDrive
from spicecim.encodings.base import Encoding, Programmed, ReadEnergy, Readout, Resources
from spicecim.encodings.bit_sliced.converter import lossless_bits
from spicecim.encodings.frequency_weighting.amplitude import PIXEL_MAX
from spicecim.encodings.frequency_weighting.calibration import sweep_frequency
from spicecim.encodings.frequency_weighting.responses import (
    CycleResponses,
    build_device,
    cycle_responses,
    polarity_towards_on,
    unit_current,
)
from spicecim.encodings.integers import IntArray, check_integers
from spicecim.encodings.pixel_sums import cell_factors, sum_over_rows
from spicecim.encodings.weight_scales import MOST_LEVELS
from spicecim.encodings.weight_sets import OneMagnitude, WeightSet
from spicecim.errors import UnsupportedError
from spicecim.fields import FloatArray, Quantity
from spicecim.measure import rectified_mean_current
from spicecim.testbench import Analysis, Crossbar, Testbench

Volts = Annotated[float, Quantity("V", 0.0, exclusive=True)]

_ABOVE = 10.0
"""How far above the frequencies at which states move the read frequency lies."""
_CONDUCTANCES = 1025


class IdealArithmetic(Encoding):
    """Integers multiplied exactly: no devices, no power."""

    name: ClassVar[str] = "ideal"

    bits: int = Field(default=8, ge=1, le=16, description="bits of a weight's magnitude")
    input_bits: int = Field(default=8, ge=1, le=16, description="bits of an input")

    def program(self, weights: ArrayLike) -> ExactProducts:
        return ExactProducts(self, _checked(weights, 2**self.bits - 1), Resources(0, 0, 0))

    def constraint(self) -> WeightSet:
        return WeightSet(levels=min(2**self.bits - 1, MOST_LEVELS))


class ExactProducts(Programmed):
    """Integers that are multiplied by no device."""

    scheme: IdealArithmetic

    @property
    def input_range(self) -> tuple[int, int]:
        return (0, 2**self.scheme.input_bits - 1)

    def testbenches(self, inputs: ArrayLike) -> tuple[Testbench, ...]:
        self.check_inputs(inputs)
        return ()

    def decode(self, waveforms: Sequence[xr.Dataset], inputs: ArrayLike) -> FloatArray:
        return self.exact(inputs).astype(float)

    def varied(self, sigma: float, seed: int) -> ExactProducts:
        return self


class Static(Encoding):
    """Conductances that a read leaves alone; fields that all such schemes have."""

    device: KnownDevice = Field(description="the memristor of every cell")
    amplitude: Volts = Field(description="amplitude of the largest pixel (V)")
    frequency: Annotated[float, Quantity("Hz", 0.0, exclusive=True)] | None = Field(
        default=None, description="frequency of every row; by default ten times that above which no state moves"
    )
    points_per_period: int = Field(default=200, ge=8, description="least number of instants in a cycle")

    @cached_property
    def equations(self) -> Device:
        """The device."""
        return build_device(self.device)

    @cached_property
    def read_frequency(self) -> float:
        """Frequency of every row (Hz)."""
        if self.frequency is not None:
            return self.frequency
        device = self.equations
        sign = polarity_towards_on(device, self.amplitude)
        sweeps = (
            sweep_frequency(device, sign * self.amplitude, 0.0),
            sweep_frequency(device, -sign * self.amplitude, 1.0),
        )
        return _ABOVE * max(float(sweep.frequency[-1]) for sweep in sweeps)

    def conductance(self, x: ArrayLike) -> FloatArray:
        """Conductance (S) of states at the largest amplitude."""
        return cycle_responses(self.equations, self.amplitude, self.read_frequency, x).conductance("rectified")

    @cached_property
    def range(self) -> tuple[float, float]:
        """Conductances (S) of the high and the low resistance state."""
        low, high = self.conductance([0.0, 1.0])
        return float(low), float(high)

    @property
    def highest(self) -> int:
        """Largest magnitude of a weight."""
        return 255

    @abstractmethod
    def hold(self, weights: IntArray) -> Held:
        """Choose states of devices for weights (input line, output)."""

    def program(self, weights: ArrayLike) -> ProgrammedStates:
        matrix = _checked(weights, self.highest)
        return ProgrammedStates(self, matrix, self.hold(matrix))


@dataclass(frozen=True)
class Held:
    """Weights as states, and what digital arithmetic makes of what the columns read.

    Attributes
    ----------
    state
        Normalized states (input line, column).
    mixing
        Products from column sums (column, output): a column sum is that of pixels times the share of the range between
        the conductances of high and low resistance at which each device stands.
    offset
        Products from the sum of all pixels (output,).
    levels
        Levels from high to low resistance.
    """

    state: FloatArray
    mixing: FloatArray
    offset: FloatArray
    levels: int = 1


class ProgrammedStates(Programmed):
    """Weights of a scheme whose conductances stay as they are: a testbench per vector, one crossbar.

    Parameters
    ----------
    scheme
        The scheme.
    weights
        Integers (input line, output).
    held
        The weights as states.
    factors
        By which each cell conducts more or less than it was meant to (input line, column).
    """

    scheme: Static

    def __init__(self, scheme: Static, weights: IntArray, held: Held, factors: FloatArray | float = 1.0) -> None:
        columns, largest = held.state.shape[1], len(weights) * PIXEL_MAX * held.levels
        resources = Resources(held.state.size, 1, 1, conversions=columns, converter_bits=lossless_bits(largest))
        super().__init__(scheme, weights, resources)
        self.held = held
        self.factors = factors

    def testbenches(self, inputs: ArrayLike) -> tuple[Testbench, ...]:
        scheme = self.scheme
        if not np.isscalar(self.factors):
            raise UnsupportedError(f"{scheme.name}: varied cells are multiplied in the reference engine alone")
        sign = polarity_towards_on(scheme.equations, scheme.amplitude)
        return tuple(
            Testbench(
                device=scheme.device,
                crossbar=Crossbar(state=self.held.state),
                drive=SineDrive(
                    amplitude=sign * scheme.amplitude * vector / PIXEL_MAX, frequency=scheme.read_frequency
                ),
                analysis=Analysis(periods=1, points_per_period=scheme.points_per_period),
            )
            for vector in self.check_inputs(inputs)
        )

    def decode(self, waveforms: Sequence[xr.Dataset], inputs: ArrayLike) -> FloatArray:
        values = self.check_inputs(inputs)
        self.check_waveforms(waveforms, len(values))
        return self._products(np.stack([rectified_mean_current(run).values for run in waveforms]), values)

    def multiply(self, inputs: ArrayLike) -> Readout:
        """Return the products of the exact responses of all cells: in phase, their magnitudes add."""
        values = self.check_inputs(inputs)
        return Readout(self._products(self._summed(values, lambda cycles: cycles.rectified), values))

    def read_energy(self, inputs: ArrayLike) -> ReadEnergy:
        values = self.check_inputs(inputs)
        energy = float(self._summed(values, lambda cycles: cycles.energy).sum())
        return ReadEnergy(energy, len(values) / self.scheme.read_frequency)

    def varied(self, sigma: float, seed: int) -> ProgrammedStates:
        return ProgrammedStates(self.scheme, self.weights, self.held, cell_factors(self.held.state.shape, sigma, seed))

    def _summed(self, inputs: IntArray, quantity: Callable[[CycleResponses], FloatArray]) -> FloatArray:
        """Sum a quantity of the cells' responses over each column (vector, column)."""
        scheme = self.scheme
        states, which = np.unique(self.held.state, return_inverse=True)
        sign = polarity_towards_on(scheme.equations, scheme.amplitude)

        def grid(pixels: IntArray) -> FloatArray:
            amplitude = sign * scheme.amplitude * pixels[:, None] / PIXEL_MAX
            return quantity(cycle_responses(scheme.equations, amplitude, scheme.read_frequency, states))

        return sum_over_rows(inputs, which.reshape(self.held.state.shape), grid, self.factors)

    def _products(self, currents: FloatArray, inputs: IntArray) -> FloatArray:
        low, high = self.scheme.range
        pixel_sums = inputs.sum(axis=1)[:, None]
        siemens = PIXEL_MAX * currents / unit_current(self.scheme.amplitude, "rectified")
        shares = (siemens - low * pixel_sums) / (high - low)
        return np.asarray(shares @ self.held.mixing + pixel_sums * self.held.offset)


class BitSliced(Static):
    """A device for each of eight bits of a weight's magnitude, and digital shift-and-add of the columns.

    Weights of both signs take a second set of columns for the negative ones.
    """

    name: ClassVar[str] = "bit_sliced"

    def hold(self, weights: IntArray) -> Held:
        bits = np.arange(8)
        sides = [np.maximum(weights, 0), np.maximum(-weights, 0)][: 2 if (weights < 0).any() else 1]
        state = np.concatenate([(side[:, :, None] >> bits & 1).reshape(len(weights), -1) for side in sides], axis=1)
        one = np.kron(np.eye(weights.shape[1]), 2.0 ** bits[:, None])
        mixing = np.concatenate([sign * one for sign in (1.0, -1.0)[: len(sides)]])
        return Held(state.astype(float), mixing, np.zeros(weights.shape[1]))


class ConductanceWeighted(Static):
    """One device per weight whose conductance is in proportion to it; a second column for weights below 0."""

    name: ClassVar[str] = "conductance_weighted"

    @cached_property
    def _state_of_share(self) -> PchipInterpolator:
        x = np.linspace(0.0, 1.0, _CONDUCTANCES)
        # closer where the conductance rises steeply towards low resistance
        x = np.unique(np.concatenate([x, 1.0 - np.geomspace(1e-6, 1.0, _CONDUCTANCES)]))
        values = self.conductance(x)
        return PchipInterpolator((values - values[0]) / (values[-1] - values[0]), x)

    def hold(self, weights: IntArray) -> Held:
        sides = [np.maximum(weights, 0), np.maximum(-weights, 0)][: 2 if (weights < 0).any() else 1]
        state = self._state_of_share(np.concatenate(sides, axis=1) / self.highest)
        one = self.highest * np.eye(weights.shape[1])
        mixing = np.concatenate([sign * one for sign in (1.0, -1.0)[: len(sides)]])
        return Held(np.clip(state, 0.0, 1.0), mixing, np.zeros(weights.shape[1]), self.highest)


class Binarized(Static):
    """One device per weight that holds its sign; all weights of an output share one magnitude, their mean.

    See `OneMagnitude`, the set of such weights. A weight of 0 counts as positive.
    """

    name: ClassVar[str] = "binarized"

    def constraint(self) -> OneMagnitude:
        return OneMagnitude()

    def hold(self, weights: IntArray) -> Held:
        magnitude = np.abs(weights).mean(axis=0)
        return Held((weights >= 0).astype(float), 2.0 * np.diag(magnitude), -magnitude)


def _checked(weights: ArrayLike, highest: int) -> IntArray:
    return check_integers(weights, "weights", -highest, highest)
