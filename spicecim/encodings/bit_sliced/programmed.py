"""A layer on the crossbars of a bit-sliced scheme: its reads as testbenches, and all of them at once.

Cells are ohmic at the read voltage and the wires are linear, so that in the reference engine a crossbar is a matrix
from row voltages to column currents: its conductances, or with resistive wires what one factorization gives for a unit
voltage on each row. With ideal parts the sums of levels are integers, and are computed as such.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from spicecim.drives import SampledDrive
from spicecim.encodings.base import Programmed, ReadEnergy, Readout, Resources
from spicecim.encodings.bit_sliced.bit_slices import bit_planes, shift_and_add
from spicecim.encodings.bit_sliced.read_pulses import Reads
from spicecim.encodings.bit_sliced.settings import SliceSettings
from spicecim.encodings.bit_sliced.tiles import Tile
from spicecim.encodings.integers import IntArray
from spicecim.fields import FloatArray
from spicecim.reference.static import solve_ohmic
from spicecim.reference.wires.network import Network
from spicecim.testbench import Analysis, Crossbar, Testbench

_BLOCK = 250_000
"""Sums that are computed at once: about what a cache holds."""
_STEPS_A_READ = 2
"""Largest time steps in a read: currents stand still on a plateau, and ngspice steps finer after its corners."""


class _Response(NamedTuple):
    """What a crossbar answers to voltages on its rows, fragment by fragment; missing rows of the last one are zeros."""

    sums: FloatArray
    """Sum of levels by a one on a row (fragment, row, column)."""
    background: float
    """Levels by which a one on any row of a fragment raises every sum, known and taken off."""
    admittance: FloatArray
    """Current out of a row's driver by the voltage of another's (fragment, row, row), siemens."""
    lowest: float
    """Least voltage over a driven cell when all rows of its fragment are driven, relative to that of the drivers."""


class ProgrammedSlices(Programmed):
    """Weights of a bit-sliced scheme on their crossbars.

    Parameters
    ----------
    scheme
        The scheme.
    weights
        Integers (input line, output).
    tiles
        The crossbars.
    resources
        What they take, if they are not all that the scheme would take for the weights.

    Raises
    ------
    ConvergenceError
        If the resistances of wires and cells are too far apart for the digits of a float; when first read.
    """

    scheme: SliceSettings

    def __init__(
        self, scheme: SliceSettings, weights: IntArray, tiles: Sequence[Tile], resources: Resources | None = None
    ) -> None:
        super().__init__(scheme, weights, resources or scheme.resources(*weights.shape))
        self.tiles = tuple(tiles)
        self._levels = scheme.levels()

    @property
    def input_range(self) -> tuple[int, int]:
        return (0, 2**self.scheme.input_bits - 1)

    @property
    def ohmic_error(self) -> float:
        """Estimate, on the high side, of what is missed where cells are not ohmic, relative to full scale.

        The change of a level's conductance from the read voltage to the least voltage over a driven cell; 0 with ideal
        wires, where every cell sees the read voltage.
        """
        return self._levels.nonlinearity(min(response.lowest for response in self._responses))

    @property
    def exact_parts(self) -> bool:
        """Whether every code is that of the integer sum of levels: ideal cells and wires, lossless converters."""
        scheme = self.scheme
        lossless = scheme.fitted_converter().is_lossless(scheme.largest_sum)
        return scheme.scatter.ideal and scheme.wires.ideal and lossless

    def testbenches(self, inputs: ArrayLike) -> tuple[Testbench, ...]:
        """Return one testbench per crossbar.

        It reads all fragments of all vectors in one transient: for each vector, for each fragment, its bits from the
        most significant on.

        Raises
        ------
        InputError
            If the inputs (vector, input line) are no integers in the range of the scheme or do not fit, or reading
            would move the states of the device.
        """
        values, scheme = self._undisturbed(inputs), self.scheme
        found = []
        for tile in self.tiles:
            vectors = values[:, tile.lines]
            planes = bit_planes(vectors, scheme.input_bits)
            drive = scheme.reads(vectors).drive(planes, scheme.fragment_rows, scheme.pulse)
            found.append(self._testbench(self._levels.states(tile.conductance), drive))
        return tuple(found)

    def cycles(self, inputs: ArrayLike) -> int:
        values = self.check_inputs(inputs)
        return max(int(np.bincount(self.scheme.reads(values[:, tile.lines]).vector).max()) for tile in self.tiles)

    def decode(self, waveforms: Sequence[xr.Dataset], inputs: ArrayLike) -> FloatArray:
        return self.read(waveforms, inputs).products

    def read(self, waveforms: Sequence[xr.Dataset], inputs: ArrayLike) -> Readout:
        """Convert the column currents of waveforms, and shift and add."""
        values, scheme = self.check_inputs(inputs), self.scheme
        converter = scheme.fitted_converter()
        products = np.zeros((len(values), self.weights.shape[1]))
        count, clipped, squares = 0, 0, 0.0
        for tile, sums in zip(self.tiles, self.sums(values, waveforms), strict=True):
            reads, conversion = scheme.reads(values[:, tile.lines]), converter.convert(sums)
            of_all = np.zeros((len(tile.signs), len(values), scheme.input_bits, tile.levels.shape[1]))
            of_all[reads.fragment, reads.vector, reads.bit] = conversion.values
            products[:, tile.outputs] += shift_and_add(of_all, tile.signs, scheme.cell_bits)
            count += sums.size
            clipped += conversion.clipped
            squares += conversion.squares
        products -= scheme.bias * values.sum(axis=1, keepdims=True)
        return Readout(products, count, clipped, float(np.sqrt(squares / count)))

    def multiply(self, inputs: ArrayLike) -> Readout:
        """Return the products of inputs (vector, input line), as the converters give them.

        With ideal parts every code is an integer sum of levels, and shifting and adding is linear: the levels are
        shifted and added first, and multiplied by whole inputs.

        Raises
        ------
        InputError
            If the inputs are no integers in the range of the scheme, do not fit, or reading moves the cells.
        """
        scheme, values = self.scheme, self._undisturbed(inputs)
        converter = scheme.fitted_converter()
        products = np.zeros((len(values), self.weights.shape[1]))
        count, clipped, squares = 0, 0, 0.0
        for index, tile in enumerate(self.tiles):
            count += self._read_count(values[:, tile.lines]) * tile.levels.shape[1]
            if self.exact_parts:
                products[:, tile.outputs] += values[:, tile.lines].astype(float) @ self._held[index]
                continue
            for block in self._blocks(tile, len(values)):
                # where zeros are skipped nothing flows and the code is 0: to read them all the same changes nothing
                conversion = converter.convert(self._sums(index, values[block, tile.lines]))
                clipped += conversion.clipped
                squares += conversion.squares
                products[block, tile.outputs] += shift_and_add(conversion.values, tile.signs, scheme.cell_bits)
        products -= scheme.bias * values.sum(axis=1, keepdims=True)
        return Readout(products, count, clipped, float(np.sqrt(squares / count)))

    def sums(self, inputs: ArrayLike, waveforms: Sequence[xr.Dataset] | None = None) -> list[FloatArray]:
        """Sums of levels that each tile's columns show (read, column), less what ones conduct at level 0.

        Parameters
        ----------
        inputs
            Integers (vector, input line).
        waveforms
            Of the testbenches of these inputs; those of the reference engine, all at once, if left out.
        """
        values, scheme = self._undisturbed(inputs), self.scheme
        if waveforms is None:
            found = []
            for index, tile in enumerate(self.tiles):
                reads = scheme.reads(values[:, tile.lines])
                found.append(self._sums(index, values[:, tile.lines])[reads.fragment, reads.vector, reads.bit])
            return found
        self.check_waveforms(waveforms, len(self.tiles))
        found = []
        for tile, run in zip(self.tiles, waveforms, strict=True):
            reads = scheme.reads(values[:, tile.lines])
            ones = self._driven(values, tile, reads).sum(axis=1, keepdims=True)
            conductance = reads.sample(run, scheme.pulse) / scheme.pulse.voltage
            found.append((conductance - self._levels.lowest * ones) / self._levels.step)
        return found

    def codes(self, inputs: ArrayLike, waveforms: Sequence[xr.Dataset] | None = None) -> list[IntArray]:
        """Codes (read, column) of each tile's converters, of `sums`."""
        converter = self.scheme.fitted_converter()
        return [converter.codes(sums) for sums in self.sums(inputs, waveforms)]

    def exact_sums(self, inputs: ArrayLike) -> list[IntArray]:
        """Sums of levels (read, column) of each tile, in integers."""
        values = self.check_inputs(inputs)
        return [
            self._driven(values, tile, self.scheme.reads(values[:, tile.lines])) @ tile.levels for tile in self.tiles
        ]  # fmt: skip

    def read_energy(self, inputs: ArrayLike) -> ReadEnergy:
        """Return the energy that reading inputs takes from the row drivers, and the time; all crossbars at once."""
        scheme, values = self.scheme, self._undisturbed(inputs)
        conductance, reads = 0.0, 0
        for tile, response in zip(self.tiles, self._responses, strict=True):
            reads = max(reads, self._read_count(values[:, tile.lines]))
            for block in self._blocks(tile, len(values)):
                planes = self._planes(values[block, tile.lines])
                conductance += float(np.einsum("fnr,fnr->", planes @ response.admittance, planes))
        return ReadEnergy(scheme.pulse.weight * conductance, scheme.pulse.period * reads)

    def varied(self, sigma: float, seed: int) -> ProgrammedSlices:
        scheme = self.scheme.varied(sigma, seed)
        return ProgrammedSlices(scheme, self.weights, scheme.tiles(self.weights))

    @property
    def tile_count(self) -> int:
        return len(self.tiles)

    def tile(self, number: int) -> ProgrammedSlices:
        """Return one crossbar with the cells that it has; of two crossbars, it holds the weights of one sign."""
        self._check_tile(number)
        tile = self.tiles[number]
        lines, outputs = tile.levels.shape[0], tile.signs.shape[1]
        weights = self._held[number].astype(int) - self.scheme.bias
        alone = replace(tile, lines=slice(0, lines), outputs=slice(0, outputs))
        of_sets = self.scheme.resources(lines, outputs)
        conversions = of_sets.conversions // self.scheme.sets
        resources = replace(of_sets, cells=tile.levels.size, crossbars=1, conversions=conversions)
        return ProgrammedSlices(self.scheme, weights, [alone], resources)

    def tile_lines(self, number: int) -> slice:
        self._check_tile(number)
        return self.tiles[number].lines

    @cached_property
    def _responses(self) -> list[_Response]:
        return [_response(self.scheme, tile) for tile in self.tiles]

    @cached_property
    def _held(self) -> list[FloatArray]:
        """What the levels of each tile stand for (row, output), sign included."""
        found = []
        for tile in self.tiles:
            of_slices = 2.0 ** (self.scheme.cell_bits * np.arange(self.scheme.slices))
            words = tile.levels.reshape(len(tile.levels), -1, self.scheme.slices) @ of_slices
            of_row = np.arange(len(words)) // self.scheme.fragment_rows
            found.append(np.asarray(words * tile.signs[of_row], dtype=float))
        return found

    def _undisturbed(self, inputs: ArrayLike) -> IntArray:
        """Inputs (vector, input line) as integers, that reading does not move the cells for."""
        values = self.check_inputs(inputs)
        reads = max(self._read_count(values[:, tile.lines]) for tile in self.tiles)
        self._levels.check_undisturbed(self.scheme.pulse.period * reads)
        return values

    def _read_count(self, vectors: IntArray) -> int:
        """Reads of a crossbar for its inputs (vector, row)."""
        if self.scheme.skip_zeros:
            return len(self.scheme.reads(vectors).bit)
        fragments = -(-vectors.shape[1] // self.scheme.fragment_rows)
        return int(len(vectors) * fragments * self.scheme.input_bits)

    def _driven(self, inputs: IntArray, tile: Tile, reads: Reads) -> IntArray:
        """Which rows are driven (read, row), 0 or 1."""
        planes = bit_planes(inputs[:, tile.lines], self.scheme.input_bits)
        fragment = np.arange(len(tile.levels)) // self.scheme.fragment_rows
        return np.asarray(planes[reads.vector, :, reads.bit] * (fragment == reads.fragment[:, None]))

    def _testbench(self, states: FloatArray, drive: SampledDrive) -> Testbench:
        return Testbench(
            device=self.scheme.device,
            crossbar=Crossbar(state=states, **self.scheme.wires.model_dump()),
            drive=drive,
            analysis=Analysis(
                duration=float(drive.time[-1]),
                points_per_period=max(8, _STEPS_A_READ * (len(drive.time) - 1) // 3),
            ),
        )

    def _blocks(self, tile: Tile, vectors: int) -> Iterator[slice]:
        """Parts of the vectors whose sums fit in a block."""
        a_vector = len(tile.signs) * self.scheme.input_bits * tile.levels.shape[1]
        step = max(1, _BLOCK // a_vector)
        return (slice(start, start + step) for start in range(0, vectors, step))

    def _planes(self, inputs: IntArray) -> FloatArray:
        """Bits (fragment, vector and bit, row) of the inputs (vector, row) of a crossbar."""
        planes = bit_planes(inputs, self.scheme.input_bits)
        return _by_fragment(planes, 1, self.scheme.fragment_rows).transpose(1, 0, 3, 2).reshape(
            -(-inputs.shape[1] // self.scheme.fragment_rows), -1, self.scheme.fragment_rows
        )  # fmt: skip

    def _sums(self, index: int, inputs: IntArray) -> FloatArray:
        """Sums of levels (fragment, vector, bit, column) of a tile for the inputs (vector, row) of its rows."""
        planes, response = self._planes(inputs), self._responses[index]
        sums = planes @ response.sums
        if response.background:
            sums -= response.background * planes.sum(axis=2, keepdims=True)
        return np.asarray(sums.reshape(len(planes), len(inputs), self.scheme.input_bits, -1))


def _by_fragment(values: FloatArray | IntArray, axis: int, fragment: int) -> FloatArray:
    """Cut an axis of rows into fragments (..., fragment, row, ...), filled up with zeros."""
    rows = values.shape[axis]
    count = -(-rows // fragment)
    padding = [(0, count * fragment - rows if place == axis else 0) for place in range(values.ndim)]
    shape = (*values.shape[:axis], count, fragment, *values.shape[axis + 1 :])
    return np.pad(values.astype(float), padding).reshape(shape)


def _response(scheme: SliceSettings, tile: Tile) -> _Response:
    levels, fragment = scheme.levels(), scheme.fragment_rows
    if scheme.wires.ideal:
        out, delivered, lowest = tile.conductance, np.diag(tile.conductance.sum(axis=1)), 1.0
    else:
        crossbar = Crossbar(state=np.zeros_like(tile.conductance), **scheme.wires.model_dump())
        network = Network(crossbar, tile.conductance.shape)
        unit = solve_ohmic(network, tile.conductance, np.eye(len(tile.conductance)))
        out, delivered = unit.i_column, unit.i_row
        together = np.add.reduceat(unit.v_cell, np.arange(0, len(out), fragment), axis=0)
        row = np.arange(len(out))
        lowest = float(together[row // fragment, row].min())
    admittance = np.zeros((len(tile.signs), fragment, fragment))
    for index, start in enumerate(range(0, len(out), fragment)):
        own = delivered[start : start + fragment, start : start + fragment]
        admittance[index, : len(own), : len(own)] = own
    if scheme.wires.ideal and scheme.scatter.ideal:
        return _Response(_by_fragment(tile.levels, 0, fragment), 0.0, admittance, lowest)
    sums = _by_fragment(out / levels.step, 0, fragment)
    return _Response(sums, levels.lowest / levels.step, admittance, lowest)
