"""Polarized columns: one sign per fragment, kept beside the crossbar."""

from __future__ import annotations

from typing import ClassVar

from spicecim.encodings.bit_sliced.bit_slices import fragment_signs
from spicecim.encodings.bit_sliced.encoding import BitSliced
from spicecim.encodings.bit_sliced.tiles import SignedMagnitudes
from spicecim.encodings.integers import IntArray
from spicecim.encodings.weight_sets import WeightSet


class Polarized(BitSliced):
    """Magnitudes in one crossbar, with weights trained so that all of a fragment have one sign.

    The scheme is that of FORMS: Yuan et al., FORMS: Fine-grained Polarized ReRAM-based In-situ Computation for
    Mixed-signal DNN Accelerator, ISCA (2021), arXiv:2106.09144.
    """

    name: ClassVar[str] = "polarized"

    @property
    def weight_range(self) -> tuple[int, int]:
        return (1 - 2**self.weight_bits, 2**self.weight_bits - 1)

    @property
    def stored_signs(self) -> bool:
        return True

    def constraint(self) -> WeightSet:
        return WeightSet(fragment_size=self.fragment_rows, polarized=True, levels=self.weight_range[1])

    def split(self, weights: IntArray) -> tuple[SignedMagnitudes, ...]:
        return (SignedMagnitudes(abs(weights), fragment_signs(weights, self.fragment_rows)),)
