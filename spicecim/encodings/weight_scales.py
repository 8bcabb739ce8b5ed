"""The scale by which a matrix is nearest to integers times a scale, polarized or not."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from spicecim.encodings.integers import check_integer
from spicecim.encodings.layout import fragments, sum_fragments
from spicecim.errors import InputError
from spicecim.fields import FloatArray

MOST_LEVELS = 4095
"""Largest magnitude of a weight on its scale."""
_MOST_STEPS = 2_000_000
"""Changes of integers with the scale (weights times levels) that are looked at one by one."""
_TRIED = 200
_LEAST = 0.05
"""Least scale that is tried, relative to that at which nothing is clipped."""


def best_scale(weights: ArrayLike, levels: int, fragment_size: int | None = 1) -> float:
    """Return the scale whose quantized, polarized projection of a matrix (row, column) is the nearest over all scales.

    For integers q the best scale is ``sum(w q) / sum(q q)`` and leaves ``sum(w w) - sum(w q)^2 / sum(q q)``. As the
    scale falls, the integers of the projection change at known scales only: each magnitude steps from k - 1 to k at
    |w| / (k - 1/2), and between two such steps a fragment changes its sign once at most, where both signs gain the
    same. The best of all these integers is the best there is.

    Parameters
    ----------
    weights
        Matrix (row, column), not zero altogether.
    levels
        Largest magnitude of the integers.
    fragment_size
        Rows of a fragment of one sign, None for the whole column; 1 for weights that need not be polarized.

    Notes
    -----
    Exact up to two million weights times levels. Larger matrices, whose best scale hardly depends on a single weight,
    get the best of 200 scales, and signs that do not change with the scale.
    """
    matrix = checked_matrix(weights)
    check_levels(levels)
    if not matrix.any():
        raise InputError("weights: are all zero, so that no scale is the best")
    if matrix.size * levels > _MOST_STEPS:
        return _best_tried(matrix, levels, fragment_size)
    steps, products, squares = (
        np.concatenate([part.ravel() for part in parts])
        for parts in zip(*(_steps(fragment, levels) for fragment in _split(matrix, fragment_size)), strict=True)
    )
    order = np.argsort(-steps, kind="stable")
    product, square = np.cumsum(products[order]), np.cumsum(squares[order])
    removed = np.divide(product**2, square, out=np.zeros_like(product), where=square > 0.5)
    best = int(removed.argmax())
    return float(product[best] / square[best])


def checked_matrix(weights: ArrayLike) -> FloatArray:
    """Return weights as a matrix of finite numbers, or raise `InputError`."""
    matrix = np.asarray(weights, dtype=float)
    if matrix.ndim != 2 or not matrix.size or not np.isfinite(matrix).all():
        raise InputError(f"weights: must be finite numbers (row, column); their shape is {matrix.shape}")
    return matrix


def check_levels(levels: int) -> None:
    """Raise `InputError` unless the largest magnitude can be one of integers."""
    check_integer(levels, "levels", 1, MOST_LEVELS)


def _best_tried(matrix: FloatArray, levels: int, fragment_size: int | None) -> float:
    """Return the best of some scales for the weights of each fragment's stronger sign."""
    if fragment_size != 1:
        parts = np.maximum(matrix, 0.0), np.minimum(matrix, 0.0)
        stronger = np.subtract(*(sum_fragments(np.square(part), fragment_size) for part in parts)) >= 0.0
        matrix = np.where(stronger[fragments(len(matrix), fragment_size)], *parts)
    # magnitudes in a histogram much finer than the levels: to try a scale then costs the same whatever the layer
    count, edges = np.histogram(np.abs(matrix[matrix != 0.0]), bins=64 * (levels + 1))
    values = 0.5 * (edges[1:] + edges[:-1])

    def error(scale: float) -> float:
        return float(count @ np.square(values - scale * np.minimum(np.round(values / scale), levels)))

    return float(min(np.abs(matrix).max() / levels * np.geomspace(1.0, _LEAST, _TRIED), key=error))


def _split(matrix: FloatArray, size: int | None) -> list[FloatArray]:
    """Fragments of equal length, in one array (fragment, weight) for each length."""
    rows = len(matrix)
    size = min(size or rows, rows)
    whole = rows - rows % size
    parts = [matrix[:whole].reshape(-1, size, matrix.shape[1]).swapaxes(1, 2).reshape(-1, size)]
    return parts if whole == rows else [*parts, matrix[whole:].T]


def _steps(weights: FloatArray, levels: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Scales (fragment, step), falling, at which a fragment's integers change.

    With them come the changes of sum(w q) and sum(q q), for fragments (fragment, weight).
    """
    half_way = np.arange(1, levels + 1) - 0.5
    scale = (np.abs(weights)[..., None] / half_way).reshape(len(weights), -1)
    order = np.argsort(-scale, axis=1, kind="stable")
    scale = np.take_along_axis(scale, order, axis=1)

    def sums(values: FloatArray) -> FloatArray:
        """Running sums (sign, fragment, step) of what belongs to the positive and to the negative weights."""
        parts = np.stack([values * (weights > 0)[..., None], values * (weights < 0)[..., None]])
        parts = parts.reshape(2, len(weights), -1)
        return np.cumsum(np.take_along_axis(parts, order[None], axis=2), axis=2)

    product = sums(np.repeat(np.abs(weights)[..., None], levels, axis=2))
    square = sums(np.broadcast_to(2.0 * half_way, (*weights.shape, levels)))
    ahead, more = 2.0 * (product[0] - product[1]), square[0] - square[1]

    # The positive sign gains more where ahead - scale more >= 0: looked at on both ends of the interval below a step.
    end = np.append(scale[:, 1:], np.zeros((len(scale), 1)), axis=1)
    first, last = (np.where(ahead - at * more >= 0.0, 0, 1)[None] for at in (scale, end))
    turn = np.divide(ahead, more, out=scale.copy(), where=(first != last)[0])
    states = [
        np.stack([np.take_along_axis(values, sign, axis=0)[0] for sign in (first, last)], axis=2)
        for values in (product, square)
    ]
    changes = [np.diff(state.reshape(len(scale), -1), axis=1, prepend=0.0) for state in states]
    return np.stack([scale, turn], axis=2).reshape(len(scale), -1), changes[0], changes[1]
