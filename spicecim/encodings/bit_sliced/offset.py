"""Weights with an offset of half their range, which is subtracted again by the count of the inputs' ones."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from spicecim.encodings.bit_sliced.encoding import BitSliced
from spicecim.encodings.bit_sliced.tiles import SignedMagnitudes
from spicecim.encodings.integers import IntArray


class Offset(BitSliced):
    """Cells hold weight + bias, never negative; bias times the ones of the inputs is subtracted, bit by bit.

    As in ISAAC: Shafiee et al., ISAAC: A Convolutional Neural Network Accelerator with In-Situ Analog Arithmetic in
    Crossbars, ISCA (2016), doi:10.1109/ISCA.2016.12, as FORMS (arXiv:2106.09144) describes it.
    """

    name: ClassVar[str] = "offset"

    @property
    def weight_range(self) -> tuple[int, int]:
        return (-self.bias, self.bias - 1)

    @property
    def bias(self) -> int:
        return 1 << (self.weight_bits - 1)

    def split(self, weights: IntArray) -> tuple[SignedMagnitudes, ...]:
        signs = np.ones((-(-len(weights) // self.fragment_rows), weights.shape[1]), dtype=int)
        return (SignedMagnitudes(weights + self.bias, signs),)
