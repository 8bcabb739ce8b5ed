"""Integers as bits and as slices of bits, and fragments of rows: what bit-serial crossbars compute with."""

from __future__ import annotations

import math

import numpy as np

from spicecim.encodings.integers import IntArray
from spicecim.errors import InputError
from spicecim.fields import FloatArray


def bit_planes(inputs: IntArray, bits: int) -> IntArray:
    """Bits (vector, input line, bit) of inputs (vector, input line), the most significant first."""
    return np.asarray((inputs[:, :, None] >> np.arange(bits - 1, -1, -1)) & 1)


def slice_count(weight_bits: int, cell_bits: int) -> int:
    """Cells that hold one magnitude."""
    return math.ceil(weight_bits / cell_bits)


def slice_levels(magnitudes: IntArray, weight_bits: int, cell_bits: int) -> IntArray:
    """Levels (input line, output, slice) of the cells that hold magnitudes, the least significant slice first."""
    shifts = cell_bits * np.arange(slice_count(weight_bits, cell_bits))
    return np.asarray((magnitudes[:, :, None] >> shifts) & (2**cell_bits - 1))


def shift_and_add(values: FloatArray, signs: IntArray, cell_bits: int) -> FloatArray:
    """Add up what the converters gave for one crossbar.

    Parameters
    ----------
    values
        Sums of levels (fragment, vector, bit, column), the most significant bit first; the slices of an output stand
        side by side, the least significant first.
    signs
        1 or -1 (fragment, output).
    cell_bits
        Bits per cell.

    Returns
    -------
    numpy.ndarray
        Sums of products (vector, output).
    """
    fragments, vectors, bits, columns = values.shape
    outputs = signs.shape[1]
    of_bits = 2.0 ** np.arange(bits - 1, -1, -1)
    of_slices = 2.0 ** (cell_bits * np.arange(columns // outputs))
    words = (of_bits @ values).reshape(fragments, vectors, outputs, -1) @ of_slices
    return np.asarray(np.einsum("fvo,fo->vo", words, signs))


def fragment_signs(weights: IntArray, fragment: int) -> IntArray:
    """Sign (fragment, output) of each fragment of weights (input line, output); 1 where all are zero.

    Raises
    ------
    InputError
        That names the first fragment with weights of both signs.
    """
    starts = np.arange(0, len(weights), fragment)
    highest, lowest = np.maximum.reduceat(weights, starts, axis=0), np.minimum.reduceat(weights, starts, axis=0)
    mixed = np.argwhere((highest > 0) & (lowest < 0))
    if len(mixed):
        index, output = (int(place) for place in mixed[0])
        start = int(starts[index])
        column = weights[start : start + fragment, output]
        raise InputError(
            f"weights: a fragment must have one sign; fragment {index} of output {output} (input lines {start} to "
            f"{start + len(column) - 1}) holds {column.max()} at line {start + column.argmax()} and {column.min()} at "
            f"line {start + column.argmin()} ({len(mixed)} such fragments)"
        )
    return np.where(lowest < 0, -1, 1)
