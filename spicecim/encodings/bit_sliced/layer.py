"""A whole layer of a bit-sliced encoding in the reference engine: all reads of all vectors at once, by matrix products.

Cells are ohmic at the read voltage and the wires are linear, so that a crossbar is a matrix from row voltages to column
currents: its conductances, or with resistive wires what one factorization gives for a unit voltage on each row. With
ideal parts the sums of levels are integers, and are computed as such.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from spicecim.encodings.base import IntArray
from spicecim.encodings.bit_sliced.bit_slices import bit_planes, shift_and_add
from spicecim.encodings.bit_sliced.encoding import BitSliced
from spicecim.encodings.bit_sliced.readout import Readout
from spicecim.encodings.bit_sliced.tiles import Tile
from spicecim.fields import FloatArray
from spicecim.reference.network import Network
from spicecim.reference.static import solve_ohmic
from spicecim.testbench import Crossbar

_BLOCK = 250_000
"""Sums that are computed at once: about what a cache holds."""


class ReadEnergy(NamedTuple):
    """What the row drivers deliver, and how long reading takes."""

    energy: float
    """Energy of all reads in all crossbars (J)."""
    time: float
    """Time of the reads (s), all crossbars being read at once."""

    @property
    def power(self) -> float:
        """Average power (W)."""
        return self.energy / self.time


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


class Layer:
    """A layer on its crossbars, programmed once for any number of inputs.

    Parameters
    ----------
    encoding
        The encoding.
    weights
        Integers (input line, output).

    Raises
    ------
    InputError
        If the weights are no integers in the range of the encoding or cannot be split.
    ConvergenceError
        If the resistances of wires and cells are too far apart for the digits of a float.
    """

    def __init__(self, encoding: BitSliced, weights: ArrayLike) -> None:
        self.encoding = encoding
        self.weights = encoding.check_weights(weights)
        self.tiles = encoding.tiles(weights)
        self._levels = encoding.levels()
        self._responses = [_response(encoding, tile) for tile in self.tiles]

    @property
    def ohmic_error(self) -> float:
        """Estimate, on the high side, of what is missed where cells are not ohmic, relative to full scale.

        The change of a level's conductance from the read voltage to the least voltage over a driven cell; 0 with ideal
        wires, where every cell sees the read voltage.
        """
        return self._levels.nonlinearity(min(response.lowest for response in self._responses))

    def multiply(self, inputs: ArrayLike) -> Readout:
        """Return the products of inputs (vector, input line), as the converters give them.

        Raises
        ------
        InputError
            If the inputs are no integers in the range of the encoding, do not fit, or reading moves the cells.
        """
        encoding, values = self.encoding, self._checked(inputs)
        converter = encoding.fitted_converter()
        lossless = encoding.scatter.ideal and encoding.wires.ideal and converter.is_lossless(encoding.largest_sum)
        products = np.zeros((len(values), self.weights.shape[1]))
        count, clipped, squares = 0, 0, 0.0
        for index, tile in enumerate(self.tiles):
            count += len(encoding.reads(values[:, tile.lines]).bit) * tile.levels.shape[1]
            for block in self._blocks(tile, len(values)):
                # where zeros are skipped nothing flows and the code is 0: to read them all the same changes nothing
                sums = self._sums(index, values[block, tile.lines])
                if not lossless:
                    conversion = converter.convert(sums)
                    sums = conversion.values
                    clipped += conversion.clipped
                    squares += conversion.squares
                products[block, tile.outputs] += shift_and_add(sums, tile.signs, encoding.cell_bits)
        products -= encoding.bias * values.sum(axis=1, keepdims=True)
        return Readout(products, count, clipped, float(np.sqrt(squares / count)))

    def sums(self, inputs: ArrayLike) -> list[FloatArray]:
        """Sums of levels (read, column) that each tile's columns show, as `BitSlicedEncoded.sums` has them."""
        values = self._checked(inputs)
        found = []
        for index, tile in enumerate(self.tiles):
            reads = self.encoding.reads(values[:, tile.lines])
            found.append(self._sums(index, values[:, tile.lines])[reads.fragment, reads.vector, reads.bit])
        return found

    def codes(self, inputs: ArrayLike) -> list[IntArray]:
        """Codes (read, column) of each tile's converters, as `BitSlicedEncoded.codes` has them."""
        converter = self.encoding.fitted_converter()
        return [converter.codes(sums) for sums in self.sums(inputs)]

    def read_energy(self, inputs: ArrayLike) -> ReadEnergy:
        """Return the energy that reading inputs (vector, input line) takes from the row drivers, and the time."""
        encoding, values = self.encoding, self._checked(inputs)
        conductance, reads = 0.0, 0
        for tile, response in zip(self.tiles, self._responses, strict=True):
            reads = max(reads, len(encoding.reads(values[:, tile.lines]).bit))
            for block in self._blocks(tile, len(values)):
                planes = self._planes(values[block, tile.lines])
                conductance += float(np.einsum("fnr,fnr->", planes @ response.admittance, planes))
        return ReadEnergy(encoding.pulse.weight * conductance, encoding.pulse.period * reads)

    def _checked(self, inputs: ArrayLike) -> IntArray:
        """Inputs (vector, input line) as integers, that reading does not move the cells for."""
        values = self.encoding.check_inputs(inputs, len(self.weights))
        reads = max(len(self.encoding.reads(values[:, tile.lines]).bit) for tile in self.tiles)
        self._levels.check_undisturbed(self.encoding.pulse.period * reads)
        return values

    def _blocks(self, tile: Tile, vectors: int) -> Iterator[slice]:
        """Parts of the vectors whose sums fit in a block."""
        a_vector = len(tile.signs) * self.encoding.input_bits * tile.levels.shape[1]
        step = max(1, _BLOCK // a_vector)
        return (slice(start, start + step) for start in range(0, vectors, step))

    def _planes(self, inputs: IntArray) -> FloatArray:
        """Bits (fragment, vector and bit, row) of the inputs (vector, row) of a crossbar."""
        planes = bit_planes(inputs, self.encoding.input_bits)
        return _by_fragment(planes, 1, self.encoding.fragment_rows).transpose(1, 0, 3, 2).reshape(
            -(-inputs.shape[1] // self.encoding.fragment_rows), -1, self.encoding.fragment_rows
        )  # fmt: skip

    def _sums(self, index: int, inputs: IntArray) -> FloatArray:
        """Sums of levels (fragment, vector, bit, column) of a tile for the inputs (vector, row) of its rows."""
        planes, response = self._planes(inputs), self._responses[index]
        sums = planes @ response.sums
        if response.background:
            sums -= response.background * planes.sum(axis=2, keepdims=True)
        return np.asarray(sums.reshape(len(planes), len(inputs), self.encoding.input_bits, -1))


def _by_fragment(values: FloatArray | IntArray, axis: int, fragment: int) -> FloatArray:
    """Cut an axis of rows into fragments (..., fragment, row, ...), filled up with zeros."""
    rows = values.shape[axis]
    count = -(-rows // fragment)
    padding = [(0, count * fragment - rows if place == axis else 0) for place in range(values.ndim)]
    shape = (*values.shape[:axis], count, fragment, *values.shape[axis + 1 :])
    return np.pad(values.astype(float), padding).reshape(shape)


def _response(encoding: BitSliced, tile: Tile) -> _Response:
    levels, fragment = encoding.levels(), encoding.fragment_rows
    if encoding.wires.ideal:
        out, delivered, lowest = tile.conductance, np.diag(tile.conductance.sum(axis=1)), 1.0
    else:
        crossbar = Crossbar(state=np.zeros_like(tile.conductance), **encoding.wires.model_dump())
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
    if encoding.wires.ideal and encoding.scatter.ideal:
        return _Response(_by_fragment(tile.levels, 0, fragment), 0.0, admittance, lowest)
    sums = _by_fragment(out / levels.step, 0, fragment)
    return _Response(sums, levels.lowest / levels.step, admittance, lowest)
