"""Weights of one device each that are read an output at a time, because all columns share the frequency of a row."""

from __future__ import annotations

from dataclasses import dataclass

from spicecim.encodings.base import Resources

SIGN_PASSES = 2
"""Passes of an output, one for either sign; each drives the rows of its own."""


@dataclass(frozen=True)
class OutputByOutput:
    """Crossbars of frequency weighting, as far as a mapping needs them.

    All rows are read at once, in passes of one output and one sign. The amplitude of a row holds all bits of its input.

    Attributes
    ----------
    rows, columns
        Of a crossbar.
    weight_bits
        Bits of a weight, the sign among them.

    Examples
    --------
    >>> OutputByOutput(rows=128, columns=128, weight_bits=9).resources(256, 64).cycles
    128
    """

    rows: int
    columns: int
    weight_bits: int

    slices = 1
    """Cells of a weight."""

    def resources(self, lines: int, outputs: int) -> Resources:
        """Return what a layer of so many input lines and outputs takes."""
        blocks = -(-lines // self.rows)
        return Resources(
            cells=lines * outputs,
            crossbars=blocks * -(-outputs // self.columns),
            cycles=SIGN_PASSES * min(outputs, self.columns),
            conversions=SIGN_PASSES * blocks * outputs,
            converter_bits=self.weight_bits - 1,
            sign_bits=lines * outputs,
            bias_subtractions=0,
        )
