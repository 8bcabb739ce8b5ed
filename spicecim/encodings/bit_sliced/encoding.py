"""What bit-sliced schemes do alike: they program crossbars of slices, and say which weights fit."""

from __future__ import annotations

from numpy.typing import ArrayLike

from spicecim.encodings.bit_sliced.programmed import ProgrammedSlices
from spicecim.encodings.bit_sliced.settings import SliceSettings
from spicecim.encodings.weight_sets import WeightSet


class BitSliced(SliceSettings):
    """A scheme of bit slices and bit-serial inputs; subclasses say where signs go."""

    def program(self, weights: ArrayLike) -> ProgrammedSlices:
        """Hold weights (input line, output) in as many crossbars as they take.

        Raises
        ------
        InputError
            If the weights are no integers in the range of the scheme or cannot be split.
        """
        return ProgrammedSlices(self, self.check_weights(weights), self.tiles(weights))

    def constraint(self) -> WeightSet:
        """Return the set of weights that the scheme holds: as many levels to either side as its range has."""
        return WeightSet(levels=self.weight_range[1])
