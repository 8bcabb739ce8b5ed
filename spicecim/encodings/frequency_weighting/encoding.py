"""The scheme in the protocol that all share: weights and pixels to testbenches, waveforms to products."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, ClassVar, Literal

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, field_validator

from spicecim.device_choice import KnownDevice
from spicecim.drives import SineDrive
from spicecim.encodings.base import Encoding, Programmed, ReadEnergy, Readout, Resources
from spicecim.encodings.bit_sliced.converter import lossless_bits
from spicecim.encodings.frequency_weighting.amplitude import PIXEL_MAX, AmplitudeScheme, PixelDrive, pixel_drive
from spicecim.encodings.frequency_weighting.calibration import Branches, Calibration, calibrate
from spicecim.encodings.frequency_weighting.readout import (
    in_phase_sum,
    plan_frequencies,
    sequential_mean,
    sequential_rectified,
)
from spicecim.encodings.frequency_weighting.responses import CycleResponses
from spicecim.encodings.frequency_weighting.responses import Readout as ReadoutKind
from spicecim.encodings.integers import IntArray, check_integers
from spicecim.encodings.pixel_sums import cell_factors, sum_over_rows
from spicecim.encodings.weight_sets import WeightSet
from spicecim.errors import UnsupportedError
from spicecim.fields import FloatArray, Quantity
from spicecim.testbench import Analysis, Crossbar, Testbench

Volts = Annotated[float, Quantity("V", 0.0, exclusive=True)]
Share = Annotated[float, Quantity("", 0.0, exclusive=True)]


class FrequencyWeighting(Encoding):
    """Weights as the state of one device and the frequency of its row's tone; pixels as its amplitude.

    The frequency is the row driver's and all columns share it, so that every output is a pass of its own. Rows are read
    one after the other, a cycle each, from freshly written states (`rectified`, `dc`), or all at once over a common
    window of whole cycles (`in_phase`), for which the state must come back after each cycle.

    Signed weights take a positive and a negative ``passes`` over one device per weight, which drive the rows of one
    sign each, the rest at 0 V, so that a weight of 0 is never driven; or a ``pair`` of columns, one device for the
    positive and one for the negative part, whose lowest levels cancel.
    """

    name: ClassVar[str] = "frequency_weighting"

    device: KnownDevice = Field(description="the memristor of every cell")
    amplitude: Volts = Field(description="amplitude of the largest pixel (V)")
    levels: int = Field(default=256, ge=2, le=4096, description="magnitudes of a weight, from 0")
    branches: Branches = Field(default="off", description="states that hold weights: high resistance, or both")
    states: tuple[float, float] = Field(default=(0.0, 1.0), description="normalized states of high and low resistance")
    readout: ReadoutKind = Field(default="rectified", description="what is read of a column")
    scheme: AmplitudeScheme = Field(default="coscaled", description="how a pixel becomes an amplitude")
    signed: Literal["passes", "pair"] = Field(default="passes", description="how weights below 0 are held")
    plan_tolerance: Share = Field(
        default=1e-3, description="allowed relative distance of a row's frequency where rows are read at once"
    )
    points_per_period: int = Field(default=200, ge=8, description="least number of instants in a cycle")

    @field_validator("states")
    @classmethod
    def _check_states(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0.0 <= value[0] < value[1] <= 1.0:
            raise ValueError("must be two increasing numbers from 0 to 1")
        return value

    @cached_property
    def calibration(self) -> Calibration:
        """The levels, found when they are first wanted."""
        return calibrate(
            self.device,
            self.amplitude,
            self.levels,
            branches=self.branches,
            states=self.states,
            readout=self.readout,
        )

    @cached_property
    def drive(self) -> PixelDrive:
        """Amplitudes and frequencies by pixel and level."""
        return pixel_drive(self.calibration, self.scheme)

    def program(self, weights: ArrayLike) -> ProgrammedTones:
        return ProgrammedTones(self, check_integers(weights, "weights", 1 - self.levels, self.levels - 1))

    def constraint(self) -> WeightSet:
        return WeightSet(levels=self.levels - 1)

    def testbench(
        self, pixels: ArrayLike, levels: ArrayLike, probe: Literal["columns", "cells"] = "cells"
    ) -> Testbench:
        """One column of cells that are driven at once, a row each.

        Where rows are read at once, frequencies are those of a plan and the run lasts for its window; otherwise it
        lasts for one cycle of the slowest row, and `sequential_rectified` and `sequential_mean` take the first cycle
        of each.

        Parameters
        ----------
        pixels, levels
            Pixel and level of each row (row,).
        probe
            What to keep.
        """
        pixel, level = np.broadcast_arrays(np.atleast_1d(pixels), np.atleast_1d(levels))
        amplitude, frequency = self.drive.tones(pixel, level)
        duration = float((1.0 / frequency).max())
        if self.readout == "in_phase":
            plan = plan_frequencies(frequency, self.plan_tolerance)
            frequency, duration = plan.frequency, plan.window
        calibration = self.calibration
        return Testbench(
            device=self.device,
            crossbar=Crossbar(state=calibration.x0[level][:, None]),
            drive=SineDrive(amplitude=calibration.polarity[level] * amplitude, frequency=frequency),
            analysis=Analysis(duration=duration, points_per_period=self.points_per_period, probe=probe),
        )

    def read(self, waveforms: xr.Dataset) -> FloatArray:
        """Readout (A) of the column of a run of `testbench`."""
        reader = {"rectified": sequential_rectified, "dc": sequential_mean, "in_phase": in_phase_sum}[self.readout]
        return np.asarray(reader(waveforms).values[0])


@dataclass(frozen=True)
class Reads:
    """Every cell that is driven, for all vectors, as arrays (read,)."""

    vector: IntArray
    output: IntArray
    sign: IntArray
    pixel: IntArray
    level: IntArray


def _reads(weights: IntArray, pixels: IntArray, signed: Literal["passes", "pair"]) -> Reads:
    """List the reads: those of dark pixels are none, and in passes those of weights of 0 neither."""
    parts = []
    for sign in (1, -1):
        level = np.maximum(sign * weights, 0)
        driven = pixels[:, :, None] > 0
        if signed == "passes":
            driven = driven & (level > 0)
        vector, row, output = np.nonzero(np.broadcast_to(driven, (*pixels.shape, weights.shape[1])))
        parts.append([vector, output, np.full(len(vector), sign), pixels[vector, row], level[row, output]])
    return Reads(*(np.concatenate(column) for column in zip(*parts, strict=True)))


@dataclass(frozen=True)
class Runs:
    """Reads as testbenches.

    Attributes
    ----------
    reads
        Every cell that is driven.
    groups
        What tells the testbenches apart (key, testbench): pixel and level, or vector, output and sign.
    which
        Testbench of each read (read,).
    repeats
        Reads that each testbench stands for (testbench,).
    """

    reads: Reads
    groups: IntArray
    which: IntArray
    repeats: IntArray


class ProgrammedTones(Programmed):
    """Weights of `FrequencyWeighting`: a testbench for each pixel and level that is read, or for each pass.

    Parameters
    ----------
    scheme
        The scheme.
    weights
        Integers (input line, output).
    factors
        By which each cell of the positive and of the negative weights conducts more or less than it was meant to
        (sign, input line, output); of one device per weight, that of its sign counts.
    """

    scheme: FrequencyWeighting

    def __init__(self, scheme: FrequencyWeighting, weights: IntArray, factors: FloatArray | None = None) -> None:
        cells = weights.size * (2 if scheme.signed == "pair" else 1)
        passes = _reads(weights, np.ones((1, len(weights)), dtype=int), scheme.signed)
        of_passes = len(np.unique(np.stack([passes.output, passes.sign]), axis=1).T)
        in_turn = scheme.readout != "in_phase"
        largest = len(weights) * PIXEL_MAX * (scheme.levels - 1)
        resources = Resources(
            cells, 1, len(passes.vector) if in_turn else of_passes, of_passes, lossless_bits(largest)
        )  # fmt: skip
        super().__init__(scheme, weights, resources)
        self.factors = factors

    def testbenches(self, inputs: ArrayLike) -> tuple[Testbench, ...]:
        if self.factors is not None:
            raise UnsupportedError("frequency_weighting: varied cells are multiplied in the reference engine alone")
        runs = self.runs(inputs)
        if self._in_turn:
            return tuple(self.scheme.testbench([pixel], [level]) for pixel, level in runs.groups.T)
        members = [runs.which == group for group in range(runs.groups.shape[1])]
        return tuple(self.scheme.testbench(runs.reads.pixel[own], runs.reads.level[own]) for own in members)

    def runs(self, inputs: ArrayLike) -> Runs:
        """Return the reads of inputs (vector, input line), and which testbench each is in."""
        reads = _reads(self.weights, self.check_inputs(inputs), self.scheme.signed)
        # one read drives one row, or a pass drives all rows of one sign
        keys = np.stack([reads.pixel, reads.level] if self._in_turn else [reads.vector, reads.output, reads.sign])
        groups, which, repeats = np.unique(keys, axis=1, return_inverse=True, return_counts=True)
        return Runs(reads, groups, which.ravel(), repeats if self._in_turn else np.ones_like(repeats))

    def repeats(self, inputs: ArrayLike) -> tuple[int, ...]:
        return tuple(self.runs(inputs).repeats.tolist())

    def decode(self, waveforms: Sequence[xr.Dataset], inputs: ArrayLike) -> FloatArray:
        runs, products = self.runs(inputs), np.zeros((len(np.asarray(inputs)), self.weights.shape[1]))
        self.check_waveforms(waveforms, runs.groups.shape[1])
        if not len(waveforms):
            return products
        currents, reads = np.array([self.scheme.read(run) for run in waveforms]), runs.reads
        if self._in_turn:
            values, sums = currents[runs.which], reads.pixel
            vector, output, sign = reads.vector, reads.output, reads.sign
        else:
            values, sums = currents, np.bincount(runs.which, weights=reads.pixel)
            vector, output, sign = runs.groups
        np.add.at(products, (vector, output), sign * self.scheme.drive.product(values, sums))
        return products

    def multiply(self, inputs: ArrayLike) -> Readout:
        """Return the products of the exact responses of all cells; rows that are read at once are simulated."""
        if not self._in_turn:
            return super().multiply(inputs)
        values, drive, readout = self.check_inputs(inputs), self.scheme.drive, self.scheme.readout
        offset = drive.product(0.0, 1.0)
        products = np.zeros((len(values), self.weights.shape[1]))
        for sign, (_, driven) in zip((1, -1), self._sides(), strict=True):
            current = self._summed(values, sign, lambda cycles: cycles.current(readout))
            products += sign * (drive.product(current, 0.0) + offset * (values @ driven.astype(float)))
        return Readout(products)

    def read_energy(self, inputs: ArrayLike) -> ReadEnergy:
        if not self._in_turn:
            return super().read_energy(inputs)
        values = self.check_inputs(inputs)
        energy, time = (
            sum(float(self._summed(values, sign, quantity, varied).sum()) for sign in (1, -1))
            for quantity, varied in ((lambda cycles: cycles.energy, True), (lambda cycles: 1 / cycles.frequency, False))
        )
        return ReadEnergy(energy, time)

    def varied(self, sigma: float, seed: int) -> ProgrammedTones:
        if not self._in_turn:
            raise UnsupportedError("frequency_weighting: tones that are read at once are not known for varied cells")
        factors = cell_factors((2, *self.weights.shape), sigma, seed)
        return ProgrammedTones(self.scheme, self.weights, factors)

    @property
    def _in_turn(self) -> bool:
        return self.scheme.readout != "in_phase"

    def _sides(self) -> list[tuple[IntArray, NDArray[np.bool_]]]:
        """Levels of the positive and of the negative weights, and which cells are driven (input line, output)."""
        levels = [np.maximum(sign * self.weights, 0) for sign in (1, -1)]
        return [(level, (level > 0) | (self.scheme.signed == "pair")) for level in levels]

    def _summed(
        self, inputs: IntArray, sign: int, quantity: Callable[[CycleResponses], FloatArray], varied: bool = True
    ) -> FloatArray:
        """Sum a quantity of the responses of all driven cells of one sign over the rows (vector, output)."""
        side = 0 if sign > 0 else 1
        level, driven = self._sides()[side]
        levels, which = np.unique(level, return_inverse=True)
        factors = driven * (1.0 if self.factors is None or not varied else self.factors[side])
        return sum_over_rows(
            inputs,
            which.reshape(level.shape),
            lambda pixels: quantity(self.scheme.drive.responses(pixels[:, None], levels)),
            factors,
        )
