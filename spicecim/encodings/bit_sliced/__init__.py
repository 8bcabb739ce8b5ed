"""Weights as bit slices in cells, inputs bit by bit: polarized columns and the two encodings they are set against."""

from spicecim.encodings.bit_sliced.cells import CellRange, CellScatter
from spicecim.encodings.bit_sliced.converter import Converter, lossless_bits
from spicecim.encodings.bit_sliced.dual_crossbar import DualCrossbar
from spicecim.encodings.bit_sliced.encoding import BitSliced
from spicecim.encodings.bit_sliced.offset import Offset
from spicecim.encodings.bit_sliced.polarized import Polarized
from spicecim.encodings.bit_sliced.programmed import ProgrammedSlices
from spicecim.encodings.bit_sliced.read_pulses import ReadPulse
from spicecim.encodings.bit_sliced.settings import Wires
from spicecim.encodings.bit_sliced.tiles import Tile
from spicecim.encodings.bit_sliced.zero_skipping import effective_cycles, input_cycles

__all__ = [
    "BitSliced",
    "CellRange",
    "CellScatter",
    "Converter",
    "DualCrossbar",
    "Offset",
    "Polarized",
    "ProgrammedSlices",
    "ReadPulse",
    "Tile",
    "Wires",
    "effective_cycles",
    "input_cycles",
    "lossless_bits",
]
