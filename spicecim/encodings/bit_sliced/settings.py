"""Weights as bit slices in cells, inputs bit by bit: the settings of polarized, dual-crossbar and offset schemes.

A weight is a sign times a magnitude, and a magnitude stands in neighboring cells of a row, a slice of its bits in
each. Rows are cut into fragments, outputs and rows into crossbars. Fragments of a crossbar are read one after the
other: the rows of one are driven by a pulse where their input has a one at the present bit, all other rows are held at
0 V. A column's current over voltage and conductance step is the sum of the levels of the cells at ones, and what the
lowest level conducts besides, in proportion to the number of ones. That number is known, so that as much is subtracted
before the conversion, as a reference column of cells of the lowest level would do. Codes are shifted and added with the
fragments' signs.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, model_validator

from spicecim.device_choice import AnyDevice
from spicecim.encodings.base import Encoding, Resources
from spicecim.encodings.bit_sliced.bit_slices import slice_count, slice_levels
from spicecim.encodings.bit_sliced.cells import CellLevels, CellRange, CellScatter, cell_levels
from spicecim.encodings.bit_sliced.converter import Converter, FittedConverter, lossless_bits
from spicecim.encodings.bit_sliced.read_pulses import ReadPulse, Reads, reads_of
from spicecim.encodings.bit_sliced.tiles import SignedMagnitudes, Tile
from spicecim.encodings.bit_sliced.zero_skipping import effective_cycles
from spicecim.encodings.integers import IntArray, check_integer, check_integers
from spicecim.fields import Section
from spicecim.problems import FieldError
from spicecim.testbench import Resistance

if TYPE_CHECKING:
    from typing_extensions import Self


class Wires(Section):
    """Resistances of a crossbar's wires, drivers and sense nodes (ohm), as in `Crossbar`."""

    wire_row: Resistance = 0.0
    wire_column: Resistance = 0.0
    source_resistance: Resistance = 0.0
    sense_resistance: Resistance = 0.0

    @property
    def ideal(self) -> bool:
        """Whether there are none."""
        return not any(getattr(self, name) for name in type(self).model_fields)


class SliceSettings(Encoding):
    """What bit-sliced schemes have in common but for the reading; subclasses say where signs go."""

    device: AnyDevice = Field(
        default={"model": "resistor", "preset": "ideal"}, description="memristor, read below its threshold"
    )  # type: ignore[assignment]
    weight_bits: Annotated[int, Field(strict=True, ge=1, le=16)] = Field(
        default=8, description="bits of a magnitude, or of an offset weight"
    )
    cell_bits: Literal[1, 2, 4] = Field(default=2, description="bits per cell")
    fragment: Annotated[int, Field(strict=True, ge=1)] | None = Field(
        default=8, description="rows of a fragment; all rows of the crossbar if None"
    )
    input_bits: Annotated[int, Field(strict=True, ge=1, le=16)] = Field(default=8, description="bits of an input")
    rows: Annotated[int, Field(strict=True, ge=1, le=1024)] = Field(default=128, description="rows of a crossbar")
    columns: Annotated[int, Field(strict=True, ge=1, le=1024)] = Field(default=128, description="its columns")
    states: CellRange = Field(default_factory=CellRange, description="states of the lowest and the highest level")
    scatter: CellScatter = Field(default_factory=CellScatter, description="scatter and stuck cells")
    wires: Wires = Field(default_factory=Wires, description="resistances around the cells")
    pulse: ReadPulse = Field(default_factory=ReadPulse, description="read pulse of a one")
    converter: Converter = Field(default_factory=Converter, description="converters of the columns")
    skip_zeros: bool = Field(default=False, description="skip the leading zero bits that a fragment's inputs share")

    @model_validator(mode="after")
    def _check_fit(self) -> SliceSettings:
        if self.rows % self.fragment_rows:
            raise FieldError("fragment", f"must divide the {self.rows} rows of a crossbar; it is {self.fragment}")
        if self.columns < self.slices:
            raise FieldError("columns", f"must hold the {self.slices} slices of an output; they are {self.columns}")
        return self

    @property
    @abstractmethod
    def weight_range(self) -> tuple[int, int]:
        """The lowest and the highest weight."""

    @property
    def bias(self) -> int:
        """What the cells hold more than the weight."""
        return 0

    @abstractmethod
    def split(self, weights: IntArray) -> tuple[SignedMagnitudes, ...]:
        """Return what each set of crossbars holds of weights (input line, output); products add up over the sets."""

    @property
    def sets(self) -> int:
        """Sets of crossbars that hold the weights."""
        return 1

    @property
    def fragment_rows(self) -> int:
        """Rows of a fragment."""
        return self.rows if self.fragment is None else self.fragment

    @property
    def slices(self) -> int:
        """Cells that hold a weight in one set of crossbars."""
        return slice_count(self.weight_bits, self.cell_bits)

    @property
    def largest_sum(self) -> int:
        """Largest sum of levels that a fragment's column gives: rows times the highest level."""
        return self.fragment_rows * (2**self.cell_bits - 1)

    def levels(self) -> CellLevels:
        """Return the levels of the cells as conductances."""
        return cell_levels(self.device, self.states, self.pulse.voltage, self.cell_bits)

    def fitted_converter(self) -> FittedConverter:
        """Return the converter of a column."""
        return self.converter.for_sums(self.largest_sum)

    def check_weights(self, weights: ArrayLike) -> IntArray:
        """Return weights (input line, output) as integers, or raise `InputError`."""
        return check_integers(weights, "weights", *self.weight_range)

    def tiles(self, weights: ArrayLike) -> list[Tile]:
        """Cut a layer into crossbars, with the conductances of their cells.

        Raises
        ------
        InputError
            If the weights (input line, output) are no integers in the range of the encoding or cannot be split.
        """
        values = self.check_weights(weights)
        levels, rng = self.levels(), np.random.default_rng(self.scatter.seed)
        tiles = []
        for magnitudes, signs in self.split(values):
            for lines, outputs in self._places(values.shape):
                first = lines.start // self.fragment_rows
                cells = slice_levels(magnitudes[lines, outputs], self.weight_bits, self.cell_bits)
                held = cells.reshape(len(cells), -1)
                meant = levels.conductance(held)
                tiles.append(
                    Tile(
                        lines,
                        outputs,
                        held,
                        signs[first : first + -(-len(held) // self.fragment_rows), outputs],
                        meant if self.scatter.ideal else self.scatter.scattered(meant, levels, rng),
                    )
                )
        return tiles

    def resources(self, lines: int, outputs: int) -> Resources:
        """Return what a layer of so many input lines and outputs takes, without zero skipping.

        Raises
        ------
        InputError
            If one of them is no integer of at least 1.
        """
        check_integer(lines, "lines", 1)
        check_integer(outputs, "outputs", 1)
        places = -(-lines // self.rows) * -(-outputs // (self.columns // self.slices))
        fragments = -(-lines // self.fragment_rows)
        cells = self.sets * lines * outputs * self.slices
        return Resources(
            cells=cells,
            crossbars=self.sets * places,
            cycles=self.input_bits * min(fragments, self.rows // self.fragment_rows),
            conversions=self.sets * self.input_bits * fragments * outputs * self.slices,
            converter_bits=lossless_bits(self.largest_sum),
            sign_bits=fragments * outputs * self.stored_signs,
            bias_subtractions=outputs if self.bias else 0,
        )

    @property
    def stored_signs(self) -> bool:
        """Whether a sign is kept for each fragment and output."""
        return False

    def _places(self, shape: tuple[int, ...]) -> list[tuple[slice, slice]]:
        """Input lines and outputs of each crossbar of a set."""
        lines, outputs = shape
        width = self.columns // self.slices
        return [
            (slice(line, min(line + self.rows, lines)), slice(output, min(output + width, outputs)))
            for line in range(0, lines, self.rows)
            for output in range(0, outputs, width)
        ]

    def reads(self, vectors: IntArray) -> Reads:
        """Return the reads of a crossbar for its inputs (vector, row), in their order."""
        cycles = effective_cycles(vectors, self.fragment_rows)
        return reads_of(cycles if self.skip_zeros else np.full_like(cycles, self.input_bits), self.input_bits)

    def for_layer(self, number: int) -> Self:
        return self.varied(self.scatter.sigma, 1000 * self.scatter.seed + number)

    def varied(self, sigma: float, seed: int) -> Self:
        """Return the scheme with another log-normal scatter of the cells; the shares of stuck cells stay."""
        scatter = self.scatter.model_copy(update={"sigma": sigma, "seed": seed})
        return type(self).model_validate({**self.model_dump(), "scatter": scatter.model_dump()})
