"""Sums over the rows of a column where what a cell adds depends on its pixel and its state alone, for whole layers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from spicecim.encodings.integers import IntArray
from spicecim.fields import FloatArray


def sum_over_rows(
    inputs: IntArray, cells: IntArray, grid: Callable[[IntArray], FloatArray], factors: FloatArray | float = 1.0
) -> FloatArray:
    """Sum what the cells of each column add.

    Parameters
    ----------
    inputs
        Pixels (vector, row); those of 0 add nothing.
    cells
        Number of what stands in each cell (row, column).
    grid
        From pixels (pixel,) to what a cell adds at each of them (pixel, number).
    factors
        By which each cell adds more or less (row, column).

    Returns
    -------
    numpy.ndarray
        Sums (vector, column).
    """
    pixels = np.unique(inputs[inputs > 0])
    total = np.zeros((len(inputs), cells.shape[1]))
    if pixels.size:
        for pixel, values in zip(pixels, grid(pixels), strict=True):
            total += (inputs == pixel).astype(float) @ (values[cells] * factors)
    return total


def cell_factors(shape: tuple[int, ...], sigma: float, seed: int) -> FloatArray:
    """Log-normal factors of the median 1 by which cells conduct more or less than they were meant to."""
    return np.asarray(np.exp(sigma * np.random.default_rng(seed).standard_normal(shape)))
