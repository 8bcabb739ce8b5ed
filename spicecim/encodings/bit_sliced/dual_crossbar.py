"""Two crossbars, one for positive and one for negative weights."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from spicecim.encodings.bit_sliced.encoding import BitSliced
from spicecim.encodings.bit_sliced.tiles import SignedMagnitudes
from spicecim.encodings.integers import IntArray


class DualCrossbar(BitSliced):
    """Positive magnitudes in one crossbar, negative ones in another, subtracted after the conversion.

    As in PRIME: Chi et al., PRIME: A Novel Processing-in-memory Architecture for Neural Network Computation in
    ReRAM-based Main Memory, ISCA (2016), doi:10.1109/ISCA.2016.13, as FORMS (arXiv:2106.09144) describes it.
    """

    name: ClassVar[str] = "dual_crossbar"

    @property
    def weight_range(self) -> tuple[int, int]:
        return (1 - 2**self.weight_bits, 2**self.weight_bits - 1)

    @property
    def sets(self) -> int:
        return 2

    def split(self, weights: IntArray) -> tuple[SignedMagnitudes, ...]:
        signs = np.ones((-(-len(weights) // self.fragment_rows), weights.shape[1]), dtype=int)
        return (
            SignedMagnitudes(np.maximum(weights, 0), signs),
            SignedMagnitudes(np.maximum(-weights, 0), -signs),
        )
