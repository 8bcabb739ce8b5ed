"""Input cycles that fragments need when the leading zero bits that all their inputs share are skipped.

Zero skipping is that of FORMS: Yuan et al., FORMS: Fine-grained Polarized ReRAM-based In-situ Computation for
Mixed-signal DNN Accelerator, ISCA (2021), arXiv:2106.09144. The fewer rows share a fragment, the more leading zeros
they share.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from spicecim.encodings.integers import IntArray, check_integers
from spicecim.errors import InputError


def effective_cycles(inputs: IntArray, fragment: int) -> IntArray:
    """Input cycles (vector, fragment) that inputs (vector, input line), not negative, need: 0 where all are zero."""
    starts = np.arange(0, inputs.shape[1], fragment)
    largest = np.maximum.reduceat(inputs, starts, axis=1)
    # frexp gives the number of bits of an integer exactly below 2**53
    return np.asarray(np.frexp(largest.astype(float))[1], dtype=int)


def input_cycles(inputs: ArrayLike, fragments: Sequence[int], input_bits: int) -> xr.Dataset:
    """Count the effective input cycles of a layer's fragments by their size.

    Parameters
    ----------
    inputs
        Integers (vector, input line) from 0 to ``2**input_bits - 1``.
    fragments
        Sizes of fragments (rows).
    input_bits
        Bits an input.

    Returns
    -------
    xarray.Dataset
        Along ``fragment``: ``share`` (fragment, cycles) of all fragments and vectors that need 0 to `input_bits`
        cycles, ``mean_cycles``, and ``speed_up``, `input_bits` over that mean: the fragments of a crossbar are read
        one after the other, and none waits for another. It is infinite if all inputs are zero.
    """
    values = check_integers(inputs, "inputs", 0, 2**input_bits - 1)
    if not len(fragments) or min(fragments) < 1:
        raise InputError(f"fragments: must be sizes of at least 1 row; they are {list(fragments)}")
    counts = []
    for fragment in fragments:
        cycles = effective_cycles(values, fragment)
        counts.append(np.bincount(cycles.ravel(), minlength=input_bits + 1) / cycles.size)
    share = np.array(counts)
    mean = share @ np.arange(input_bits + 1)
    return xr.Dataset(
        {
            "share": (("fragment", "cycles"), share, {"long_name": "share of fragments"}),
            "mean_cycles": ("fragment", mean, {"long_name": "mean effective input cycles"}),
            "speed_up": (
                "fragment",
                np.divide(input_bits, mean, out=np.full_like(mean, np.inf), where=mean > 0),
                {"long_name": "speed-up by zero skipping"},
            ),
        },
        coords={"fragment": list(fragments), "cycles": np.arange(input_bits + 1)},
    )
