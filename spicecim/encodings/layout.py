"""Where the weights of a layer stand in a matrix (row, column), and which of them share a column fragment.

Rows are input lines and columns are outputs. Consecutive rows of a column form its fragments, so that the order of the
rows decides which weights share one.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spicecim.errors import InputError
from spicecim.fields import FloatArray

Policy = Literal["channel", "height", "width"]
"""Which index of a convolution's weights changes fastest along the rows."""

# Axes (channel, height, width) of a kernel from the slowest to the fastest.
_AXES: dict[Policy, tuple[int, int, int]] = {"channel": (1, 2, 0), "height": (0, 2, 1), "width": (0, 1, 2)}


def row_order(shape: tuple[int, ...], policy: Policy) -> NDArray[np.intp]:
    """Return the input line of each row (row,).

    Parameters
    ----------
    shape
        Shape of the weights: (output, input), or (output, channel, height, width) of a convolution. The input lines of
        a convolution are counted with the width fastest and the channel slowest.
    policy
        ``channel``: rows run over channels first, then along the width, then the height; ``height``: over heights, then
        widths, then channels; ``width``: over widths, then heights, then channels. Of no effect on (output, input).

    Raises
    ------
    InputError
        If the policy is unknown or the shape is neither of the two.
    """
    check_policy(policy)
    if len(shape) not in (2, 4) or 0 in shape:
        raise InputError(
            f"weights: must have the shape (output, input) or (output, channel, height, width), without a 0 in it "
            f"(given: {shape})"
        )
    lines = np.arange(np.prod(shape[1:])).reshape(shape[1:])
    return lines.ravel() if len(shape) == 2 else lines.transpose(_AXES[policy]).ravel()


def check_policy(policy: str) -> None:
    """Raise `InputError` unless it is one of `Policy`."""
    if policy not in get_args(Policy):
        raise InputError(f"policy: must be one of {', '.join(get_args(Policy))} (given: {policy!r})")


def unroll(weights: ArrayLike, policy: Policy = "channel") -> FloatArray:
    """Return the matrix (row, column) of a layer's weights, (output, input) or (output, channel, height, width)."""
    array = np.asarray(weights, dtype=float)
    order = row_order(array.shape, policy)
    return array.reshape(len(array), -1)[:, order].T


def roll(matrix: ArrayLike, shape: tuple[int, ...], policy: Policy = "channel") -> FloatArray:
    """Return the weights of a shape from their matrix (row, column): the inverse of `unroll`."""
    array, order = np.asarray(matrix, dtype=float), row_order(shape, policy)
    if array.shape != (len(order), shape[0]):
        raise InputError(f"matrix: must have the shape {(len(order), shape[0])} for weights {shape}, not {array.shape}")
    weights = np.empty((shape[0], len(order)))
    weights[:, order] = array.T
    return weights.reshape(shape)


def fragments(rows: int, size: int | None) -> NDArray[np.intp]:
    """Return the number of the fragment that each row is in (row,); a size of None is the whole column.

    The last fragment of a column is shorter where the size does not divide the rows.
    """
    if size is not None and (isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1):
        raise InputError(f"fragment_size: must be an integer of at least 1, or None for the column (given: {size!r})")
    return np.arange(rows) // (size or rows)


def sum_fragments(values: ArrayLike, size: int | None) -> FloatArray:
    """Return the sum of the values (..., row, column) over each fragment, (..., fragment, column)."""
    array = np.asarray(values)
    starts = np.flatnonzero(np.diff(fragments(array.shape[-2], size), prepend=-1))
    return np.asarray(np.add.reduceat(array, starts, axis=-2))


def mixed_fragments(weights: ArrayLike, size: int | None) -> NDArray[np.bool_]:
    """Return which fragments (fragment, column) of a matrix (row, column) hold weights of both signs."""
    array = np.asarray(weights)
    return np.asarray((sum_fragments(array > 0, size) > 0) & (sum_fragments(array < 0, size) > 0))
