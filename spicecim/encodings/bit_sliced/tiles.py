"""Crossbars that the weights of a layer are cut into, and what they take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from spicecim.encodings.base import IntArray
from spicecim.fields import FloatArray


class SignedMagnitudes(NamedTuple):
    """What one set of crossbars holds: a sign a fragment (fragment, output) times magnitudes (input line, output)."""

    magnitudes: IntArray
    signs: IntArray


@dataclass(frozen=True)
class Tile:
    """A crossbar.

    Attributes
    ----------
    lines, outputs
        Input lines on its rows, and outputs on its columns.
    levels
        Levels of its cells (row, column).
    signs
        Signs of its fragments (fragment, output).
    conductance
        Conductances of its cells (row, column), siemens.
    """

    lines: slice
    outputs: slice
    levels: IntArray
    signs: IntArray
    conductance: FloatArray


@dataclass(frozen=True)
class Resources:
    """What a layer takes.

    Attributes
    ----------
    cells
        Memristors that hold weights.
    crossbars
        Crossbars that they stand on.
    cycles
        Read cycles for one input vector, one after the other; all crossbars are read at once.
    conversions
        Conversions of column currents for one input vector.
    converter_bits
        Bits of a lossless converter.
    sign_bits
        Signs kept beside the cells, one per fragment and output.
    bias_subtractions
        Subtractions of a bias for one input vector, each of a number that the ones of the inputs are counted for.
    """

    cells: int
    crossbars: int
    cycles: int
    conversions: int
    converter_bits: int
    sign_bits: int
    bias_subtractions: int
