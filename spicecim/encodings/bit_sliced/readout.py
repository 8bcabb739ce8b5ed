"""Column currents to sums of levels, codes and products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import xarray as xr

from spicecim.encodings.base import Encoded, IntArray
from spicecim.encodings.bit_sliced.bit_slices import bit_planes, shift_and_add
from spicecim.encodings.bit_sliced.read_pulses import Reads
from spicecim.encodings.bit_sliced.tiles import Tile
from spicecim.errors import InputError
from spicecim.fields import FloatArray

if TYPE_CHECKING:
    from spicecim.encodings.bit_sliced.encoding import BitSliced


class Readout(NamedTuple):
    """Products as the converters give them, and what they lost."""

    products: FloatArray
    """Products (vector, output)."""
    conversions: int
    """Conversions."""
    clipped: int
    """Conversions beyond the range of the converter."""
    error: float
    """Root mean square of what the conversions changed (levels)."""


@dataclass(frozen=True)
class BitSlicedEncoded(Encoded):
    """Weights and inputs as testbenches of a bit-sliced encoding, one a tile."""

    encoding: BitSliced
    tiles: tuple[Tile, ...]
    reads: tuple[Reads, ...]

    def sums(self, waveforms: Sequence[xr.Dataset]) -> list[FloatArray]:
        """Sums of levels that each tile's columns show (read, column), less what ones conduct at level 0.

        Raises
        ------
        InputError
            If there are not as many waveforms as testbenches.
        """
        if len(waveforms) != len(self.testbenches):
            count = len(self.testbenches)
            raise InputError(f"waveforms: must be one per testbench, {count}; they are {len(waveforms)}")
        levels, pulse = self.encoding.levels(), self.encoding.pulse
        sums = []
        for tile, reads, run in zip(self.tiles, self.reads, waveforms, strict=True):
            ones = self._ones(tile, reads)
            conductance = reads.sample(run, pulse) / pulse.voltage
            sums.append((conductance - levels.lowest * ones[:, None]) / levels.step)
        return sums

    def codes(self, waveforms: Sequence[xr.Dataset]) -> list[IntArray]:
        """Codes (read, column) of each tile's converters."""
        converter = self.encoding.fitted_converter()
        return [converter.codes(sums) for sums in self.sums(waveforms)]

    def exact_sums(self) -> list[IntArray]:
        """Sums of levels (read, column) of each tile, in integers."""
        return [
            self._driven(tile, reads) @ tile.levels for tile, reads in zip(self.tiles, self.reads, strict=True)
        ]  # fmt: skip

    def read(self, waveforms: Sequence[xr.Dataset]) -> Readout:
        """Convert the column currents, and shift and add."""
        converter, encoding = self.encoding.fitted_converter(), self.encoding
        products = np.zeros((len(self.inputs), self.weights.shape[1]))
        count, clipped, squares = 0, 0, 0.0
        for tile, reads, sums in zip(self.tiles, self.reads, self.sums(waveforms), strict=True):
            conversion = converter.convert(sums)
            values = np.zeros((len(tile.signs), len(self.inputs), encoding.input_bits, tile.levels.shape[1]))
            values[reads.fragment, reads.vector, reads.bit] = conversion.values
            products[:, tile.outputs] += shift_and_add(values, tile.signs, encoding.cell_bits)
            count += sums.size
            clipped += conversion.clipped
            squares += conversion.squares
        products -= encoding.bias * self.inputs.sum(axis=1, keepdims=True)
        return Readout(products, count, clipped, float(np.sqrt(squares / count)))

    def decode(self, waveforms: Sequence[xr.Dataset]) -> FloatArray:
        return self.read(waveforms).products

    def _driven(self, tile: Tile, reads: Reads) -> IntArray:
        """Which rows are driven (read, row), 0 or 1."""
        planes = bit_planes(self.inputs[:, tile.lines], self.encoding.input_bits)
        fragment = np.arange(len(tile.levels)) // self.encoding.fragment_rows
        return np.asarray(planes[reads.vector, :, reads.bit] * (fragment == reads.fragment[:, None]))

    def _ones(self, tile: Tile, reads: Reads) -> IntArray:
        """Number of ones of each read (read,)."""
        return np.asarray(self._driven(tile, reads).sum(axis=1))
