"""How long reading one input vector takes where each fragment needs a number of cycles of its own.

Fragments of a crossbar are read one after the other, so that their cycles add up. A vector that spreads over several
crossbars waits for the slowest of them. Inputs, and so fragments, are taken as independent of each other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spicecim.fields import FloatArray

_NEGLIGIBLE = 1e-15
"""Probabilities below are the rounding of a transform."""

_FEW = 64
"""Vectors up to which their sum is drawn from their own distribution; beyond it is normal."""

_MOST_COPIES = 65536
"""Copies that are drawn; of more, the slowest of so many stands for the slowest."""

_ROUNDING = 1e-6
"""Difference from 1 that is allowed of a sum of shares."""


def wrong_shares(shares: FloatArray, bits: int) -> str:
    """What is wrong with the shares of fragments that need 0 to `bits` cycles, "" if nothing is."""
    if shares.shape != (bits + 1,) or not (shares >= 0).all() or abs(shares.sum() - 1.0) > _ROUNDING:
        return f"must be the {bits + 1} shares of 0 to {bits} cycles, of sum 1"
    return "" if shares[1:].any() else "must leave fragments that need a cycle: no inputs take no time"


class ExponentialInputs(NamedTuple):
    """Inputs of which a share is zero and the others fall off exponentially, as behind a rectified layer."""

    zeros: float
    """Share of inputs that are zero."""
    mean: float
    """Mean of the others, of full scale."""
    bits: int
    """Bits of an input."""

    def fragment_shares(self, rows: int) -> FloatArray:
        """Shares (cycles,) of fragments that need 0 to `bits` cycles: those of the largest of their inputs.

        Examples
        --------
        >>> inputs = ExponentialInputs(0.5, 0.1, 8)
        >>> float(inputs.fragment_shares(8) @ np.arange(9)) > float(inputs.fragment_shares(4) @ np.arange(9))
        True
        """
        below = 2.0 ** (np.arange(self.bits + 1) - self.bits)
        up_to = self.zeros + (1.0 - self.zeros) * -np.expm1(-below / self.mean)
        up_to[-1] = 1.0
        return np.diff(up_to**rows, prepend=0.0)


class VectorCycles(NamedTuple):
    """Cycles for one input vector of a layer."""

    shares: FloatArray
    """Shares (cycles,) of the vectors that take 0, 1, ... cycles until the slowest crossbar has read them."""
    read: float
    """Mean cycles in which a crossbar reads."""

    @property
    def mean(self) -> float:
        """Mean cycles until the slowest crossbar has read a vector."""
        return float(self.shares @ np.arange(len(self.shares)))


def vector_cycles(fragment_shares: FloatArray, fragments: int, crossbars: int) -> VectorCycles:
    """Return the cycles that a vector takes.

    Parameters
    ----------
    fragment_shares
        Shares (cycles,) of fragments that need 0, 1, ... cycles.
    fragments
        Fragments of a crossbar, read one after the other.
    crossbars
        Crossbars that get different parts of the vector, read at the same time.

    Examples
    --------
    >>> vector_cycles(np.array([0.0, 0.5, 0.5]), 1, 2).mean
    1.75
    """
    size = fragments * (len(fragment_shares) - 1) + 1
    spectrum = np.fft.rfft(fragment_shares, size)
    sums = np.fft.irfft(spectrum**fragments, size) if size > 1 else np.ones(1)
    sums = np.where(sums > _NEGLIGIBLE, sums, 0.0)
    up_to = np.minimum(np.cumsum(sums) / sums.sum(), 1.0)
    slowest = np.diff(up_to**crossbars, prepend=0.0)
    mean = fragments * float(fragment_shares @ np.arange(len(fragment_shares)))
    return VectorCycles(slowest, mean)


def fixed_cycles(cycles: int) -> VectorCycles:
    """Cycles where every vector takes the same number."""
    shares = np.zeros(cycles + 1)
    shares[-1] = 1.0
    return VectorCycles(shares, float(cycles))


def slowest_copy(vector: VectorCycles, vectors: int, copies: int, seed: int) -> float:
    """Draw how many cycles the slowest of a layer's copies takes for its vectors, each copy the same number.

    Copies work at the same time on different vectors of a frame; the frame is ready when the slowest is.
    """
    values = np.arange(len(vector.shares))
    mean = vector.mean
    variance = float(vector.shares @ values**2) - mean**2
    if copies == 1 or variance <= _NEGLIGIBLE * mean**2:
        return vectors * mean
    rng = np.random.default_rng(seed)
    drawn = min(copies, _MOST_COPIES)
    if vectors > _FEW:
        return float(rng.normal(vectors * mean, np.sqrt(vectors * variance), drawn).max())
    shares = np.cumsum(vector.shares)
    cycles = np.searchsorted(shares, rng.random((drawn, vectors)) * shares[-1])
    return float(cycles.sum(axis=1).max())
