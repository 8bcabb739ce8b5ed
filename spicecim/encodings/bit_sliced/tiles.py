"""Crossbars that the weights of a layer are cut into, and what they take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from spicecim.encodings.integers import IntArray
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
