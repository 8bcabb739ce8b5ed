"""What frequency weighting is compared with: schemes whose devices hold weights in conductances that reads leave alone.

Every pixel is the amplitude of a sinusoid of one frequency, so high that no state moves, and all rows are read at once
by the rectified mean: in phase with each other, their currents have one sign at any time, and magnitudes add.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
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
from spicecim.encodings.base import Encoded, Encoding, IntArray, check_integers
from spicecim.encodings.frequency_weighting.amplitude import PIXEL_MAX
from spicecim.encodings.frequency_weighting.calibration import sweep_frequency
from spicecim.encodings.frequency_weighting.responses import (
    build_device,
    cycle_responses,
    polarity_towards_on,
    unit_current,
)
from spicecim.errors import InputError
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

    def encode(self, weights: ArrayLike, inputs: ArrayLike) -> Encoded:
        matrix, pixels = _checked(weights, inputs, 2**self.bits - 1)
        return _Exact(matrix, pixels, (), 0, 0, 0)


@dataclass(frozen=True)
class _Exact(Encoded):
    def decode(self, waveforms: Sequence[xr.Dataset]) -> FloatArray:
        return self.exact.astype(float)


class Static(Encoding):
    """Conductances that a read leaves alone; fields that all such schemes have."""

    device: KnownDevice = Field(description="the memristor of every cell")
    amplitude: Volts = Field(description="amplitude of the largest pixel (V)")
    frequency: Annotated[float, Quantity("Hz", 0.0, exclusive=True)] | None = Field(
        default=None, description="frequency of every row; by default ten times that above which no state moves"
    )
    points_per_period: int = Field(default=200, ge=8, description="least number of instants in a cycle")

    @cached_property
    def _equations(self) -> Device:
        return build_device(self.device)

    @cached_property
    def read_frequency(self) -> float:
        """Frequency of every row (Hz)."""
        if self.frequency is not None:
            return self.frequency
        device = self._equations
        sign = polarity_towards_on(device, self.amplitude)
        sweeps = (
            sweep_frequency(device, sign * self.amplitude, 0.0),
            sweep_frequency(device, -sign * self.amplitude, 1.0),
        )
        return _ABOVE * max(float(sweep.frequency[-1]) for sweep in sweeps)

    def conductance(self, x: ArrayLike) -> FloatArray:
        """Conductance (S) of states at the largest amplitude."""
        return cycle_responses(self._equations, self.amplitude, self.read_frequency, x).conductance("rectified")

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

    def encode(self, weights: ArrayLike, inputs: ArrayLike) -> StaticEncoded:
        matrix, pixels = _checked(weights, inputs, self.highest)
        held = self.hold(matrix)
        sign = polarity_towards_on(self._equations, self.amplitude)
        testbenches = tuple(
            Testbench(
                device=self.device,
                crossbar=Crossbar(state=held.state),
                drive=SineDrive(amplitude=sign * self.amplitude * vector / PIXEL_MAX, frequency=self.read_frequency),
                analysis=Analysis(periods=1, points_per_period=self.points_per_period),
            )
            for vector in pixels
        )
        return StaticEncoded(
            matrix, pixels, testbenches, held.state.size, 1, 1, held=held, range=self.range, amplitude=self.amplitude
        )


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
    """

    state: FloatArray
    mixing: FloatArray
    offset: FloatArray


@dataclass(frozen=True)
class StaticEncoded(Encoded):
    """Weights and inputs of a scheme whose conductances stay as they are: a testbench a vector.

    Attributes
    ----------
    held
        The weights as states.
    range
        Conductances of high and low resistance (S).
    amplitude
        Amplitude of the largest pixel (V).
    """

    held: Held
    range: tuple[float, float]
    amplitude: float

    def decode(self, waveforms: Sequence[xr.Dataset]) -> FloatArray:
        if len(waveforms) != len(self.testbenches):
            raise InputError(f"waveforms: are {len(waveforms)} for {len(self.testbenches)} testbenches")
        currents = np.stack([rectified_mean_current(run).values for run in waveforms])
        low, high = self.range
        pixel_sums = self.inputs.sum(axis=1)[:, None]
        siemens = PIXEL_MAX * currents / unit_current(self.amplitude, "rectified")
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
        return Held(np.clip(state, 0.0, 1.0), mixing, np.zeros(weights.shape[1]))


class Binarized(Static):
    """One device per weight that holds its sign; all weights of an output share one magnitude, their mean.

    The magnitude that leaves the least squared error: M. Rastegari et al., XNOR-Net, ECCV 2016,
    doi:10.1007/978-3-319-46493-0_32. A weight of 0 counts as positive.
    """

    name: ClassVar[str] = "binarized"

    def hold(self, weights: IntArray) -> Held:
        magnitude = np.abs(weights).mean(axis=0)
        return Held((weights >= 0).astype(float), 2.0 * np.diag(magnitude), -magnitude)


def _checked(weights: ArrayLike, inputs: ArrayLike, highest: int) -> tuple[IntArray, IntArray]:
    matrix = check_integers(weights, "weights", -highest, highest)
    pixels = check_integers(inputs, "inputs", 0, PIXEL_MAX)
    if pixels.shape[1] != len(matrix):
        raise InputError(f"inputs: have {pixels.shape[1]} input lines for {len(matrix)} of the weights")
    return matrix, pixels
