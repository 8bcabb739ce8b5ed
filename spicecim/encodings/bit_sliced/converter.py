"""The analog-to-digital converters of the columns."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field

from spicecim.encodings.integers import IntArray
from spicecim.fields import FloatArray, Quantity, Section

_SHIFT = 1e-3
"""Steps by which thresholds lie above the middle between two codes, so that no whole number of levels ever falls on a
threshold, where rounding would decide."""


class Converter(Section):
    """A converter with evenly spaced codes from 0 on; what lies beyond the range is clipped to its ends."""

    bits: Annotated[int, Field(strict=True, ge=1, le=24)] | None = Field(
        default=None, description="bits of a code; the lossless width if left out"
    )
    range: Annotated[float, Quantity("", 0.0, exclusive=True)] | None = Field(
        default=None,
        description="sum of levels at the highest code; if left out, the largest that can occur, or one level a code "
        "where there are more codes",
    )

    def for_sums(self, largest: int) -> FittedConverter:
        """Return the converter for sums of levels from 0 to `largest`."""
        bits = lossless_bits(largest) if self.bits is None else self.bits
        highest = (1 << bits) - 1
        return FittedConverter(bits, (max(largest, highest) if self.range is None else self.range) / highest)


def lossless_bits(largest: int) -> int:
    """Bits of a converter that tells all sums from 0 to `largest` apart: ceil(log2(largest + 1)), at least 1."""
    return max(int(largest).bit_length(), 1)


class FittedConverter(NamedTuple):
    """A converter with a step in units of levels."""

    bits: int
    step: float

    @property
    def highest(self) -> int:
        """The highest code."""
        return (1 << self.bits) - 1

    @property
    def thresholds(self) -> FloatArray:
        """Sums of levels above which the next code is given (code,)."""
        return np.asarray(self.step * (np.arange(self.highest) + 0.5 + _SHIFT))

    def is_lossless(self, largest: int) -> bool:
        """Whether every whole number of levels from 0 to `largest` comes back unchanged."""
        return self.step == 1.0 and largest <= self.highest

    def codes(self, levels: FloatArray) -> IntArray:
        """Codes of sums of levels, of the same shape."""
        return np.asarray(np.clip(self._rounded(levels), 0, self.highest).astype(int))

    def convert(self, levels: FloatArray) -> Conversion:
        """Convert sums of levels to what their codes stand for, in levels."""
        rounded = self._rounded(levels)
        values = np.clip(rounded, 0.0, self.highest)
        clipped = int(np.count_nonzero(values != rounded))
        values *= self.step
        squares = float(np.square(values - levels).sum())
        return Conversion(values, clipped, squares)

    def _rounded(self, levels: FloatArray) -> FloatArray:
        return np.asarray(np.ceil(levels / self.step - (0.5 + _SHIFT)))


class Conversion(NamedTuple):
    """What converters made of sums of levels."""

    values: FloatArray
    """What the codes stand for (levels), of the shape of the sums."""
    clipped: int
    """Conversions beyond either end of the range."""
    squares: float
    """Sum of the squared errors by quantization and clipping (levels squared)."""
