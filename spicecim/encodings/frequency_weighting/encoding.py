"""The scheme in the protocol that all share: weights and pixels to testbenches, waveforms to products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, ClassVar, Literal

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike
from pydantic import Field, field_validator

from spicecim.device_choice import KnownDevice
from spicecim.drives import SineDrive
from spicecim.encodings.base import Encoded, Encoding, IntArray, check_integers
from spicecim.encodings.frequency_weighting.amplitude import PIXEL_MAX, AmplitudeScheme, PixelDrive, pixel_drive
from spicecim.encodings.frequency_weighting.calibration import Branches, Calibration, calibrate
from spicecim.encodings.frequency_weighting.readout import (
    in_phase_sum,
    plan_frequencies,
    sequential_mean,
    sequential_rectified,
)
from spicecim.encodings.frequency_weighting.responses import Readout
from spicecim.errors import InputError
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
    readout: Readout = Field(default="rectified", description="what is read of a column")
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

    def encode(self, weights: ArrayLike, inputs: ArrayLike) -> FrequencyEncoded:
        highest = self.levels - 1
        matrix = check_integers(weights, "weights", -highest, highest)
        pixels = check_integers(inputs, "inputs", 0, PIXEL_MAX)
        if pixels.shape[1] != len(matrix):
            raise InputError(f"inputs: have {pixels.shape[1]} input lines for {len(matrix)} of the weights")
        reads = _reads(matrix, pixels, self.signed)
        devices = matrix.size * (2 if self.signed == "pair" else 1)
        in_turn = self.readout != "in_phase"
        # one read drives one row, or a pass drives all rows of one sign
        keys = np.stack([reads.pixel, reads.level]) if in_turn else np.stack([reads.vector, reads.output, reads.sign])
        groups, which, repeats = np.unique(keys, axis=1, return_inverse=True, return_counts=True)
        which = which.ravel()
        if in_turn:
            testbenches = [self.testbench([pixel], [level]) for pixel, level in groups.T]
            runs = tuple(repeats.tolist())
            cycles = int((matrix != 0).sum()) if self.signed == "passes" else devices
        else:
            members = [which == group for group in range(groups.shape[1])]
            testbenches = [self.testbench(reads.pixel[own], reads.level[own]) for own in members]
            runs = (1,) * len(testbenches)
            cycles = len(np.unique(keys[1:], axis=1).T)
        return FrequencyEncoded(
            matrix, pixels, tuple(testbenches), devices, 1, cycles, repeats=runs, encoding=self, reads=reads,
            which=which,
        )  # fmt: skip

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
class FrequencyEncoded(Encoded):
    """Weights and pixels as single reads or passes of `FrequencyWeighting`.

    Attributes
    ----------
    encoding
        The scheme.
    reads
        Every cell that is driven.
    which
        Testbench of each read (read,).
    """

    encoding: FrequencyWeighting
    reads: Reads
    which: IntArray

    def decode(self, waveforms: Sequence[xr.Dataset]) -> FloatArray:
        if len(waveforms) != len(self.testbenches):
            raise InputError(f"waveforms: are {len(waveforms)} for {len(self.testbenches)} testbenches")
        products = np.zeros((len(self.inputs), self.weights.shape[1]))
        if not len(waveforms):
            return products
        currents = np.array([self.encoding.read(run) for run in waveforms])
        reads = self.reads
        if self.encoding.readout == "in_phase":
            first = np.unique(self.which, return_index=True)[1]
            sums = np.bincount(self.which, weights=reads.pixel)
            values, vector, output, sign = currents, reads.vector[first], reads.output[first], reads.sign[first]
        else:
            values, sums = currents[self.which], reads.pixel
            vector, output, sign = reads.vector, reads.output, reads.sign
        np.add.at(products, (vector, output), sign * self.encoding.drive.product(values, sums))
        return products
