"""Standard normal numbers of cells: a stream of its own per parameter, correlated where wanted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from spicecim.errors import InputError
from spicecim.fields import FloatArray
from spicecim.quantities import shown

_ROUNDING = 1e-9
"""Of a matrix that should be symmetric, with ones on its diagonal and no negative eigenvalue."""


def generator(seed: int, *words: str) -> np.random.Generator:
    """Return a stream of random numbers that belongs to a seed and words, whatever other streams are drawn from."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise InputError(f"seed: must be a whole number of at least 0; it is {shown(seed)}")
    return np.random.default_rng(np.random.SeedSequence([int(seed), *"\0".join(words).encode()]))


def standard_normal(
    names: Iterable[str], shape: tuple[int, ...], seed: int, correlation: FloatArray | None = None
) -> dict[str, FloatArray]:
    """Draw standard normal numbers per parameter.

    Parameters
    ----------
    names
        The parameters, in the order of the matrix.
    shape
        Shape of the cells.
    seed
        The same gives the same numbers to the last bit, in whatever order the parameters are.
    correlation
        Correlation matrix (parameter, parameter); None for independent numbers.
    """
    names = list(names)
    order = sorted(names)
    own = np.stack([generator(seed, "parameter", name).standard_normal(shape) for name in order])
    if correlation is not None:
        places = [names.index(name) for name in order]
        matrix = correlation[np.ix_(places, places)]
        values, vectors = np.linalg.eigh(matrix)
        # the symmetric root: that of other orders would give a parameter other numbers
        root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
        own = np.tensordot(root, own, axes=1)
    return dict(zip(order, own, strict=True))


def correlation_matrix(given: Any, names: Sequence[str]) -> FloatArray:
    """Return a correlation matrix in the order of names, from one or from pairs such as ``{("Vp", "Vn"): 0.8}``.

    Raises
    ------
    InputError
        If it is none: not symmetric, no ones on its diagonal, or not positive semidefinite.
    """
    if isinstance(given, Mapping):
        matrix, known = np.eye(len(names)), set()
        for pair, value in given.items():
            two = tuple(part.strip() for part in pair.split(",")) if isinstance(pair, str) else tuple(pair)
            if len(two) != 2 or two[0] == two[1] or not set(two) <= set(names):
                raise InputError(f"correlation: {shown(pair)} is no pair of two of {', '.join(names)}")
            one, other = (names.index(name) for name in two)
            if frozenset(two) in known:
                raise InputError(f"correlation: {shown(pair)} is given twice")
            known.add(frozenset(two))
            matrix[one, other] = matrix[other, one] = _number(value, pair)
    else:
        try:
            matrix = np.array(given, dtype=float)
        except (TypeError, ValueError):
            raise InputError("correlation: must be a matrix of numbers, or pairs of parameters with one each") from None
    check_covariance(matrix, len(names), "correlation")
    if np.abs(np.diag(matrix) - 1.0).max(initial=0.0) > _ROUNDING:
        raise InputError("correlation: the diagonal must be 1; give spreads to the parameters instead of a covariance")
    return matrix


def check_covariance(matrix: FloatArray, size: int, field: str) -> None:
    """Raise `InputError` unless a matrix is a covariance of so many parameters."""
    if matrix.shape != (size, size):
        raise InputError(f"{field}: must be a matrix of {size} x {size}; its shape is {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise InputError(f"{field}: must be finite")
    scale = float(np.abs(matrix).max(initial=0.0))
    off = np.abs(matrix - matrix.T)
    if off.max(initial=0.0) > _ROUNDING * scale:
        row, column = (int(place) for place in np.unravel_index(int(off.argmax()), off.shape))
        raise InputError(
            f"{field}: must be symmetric; element [{row}, {column}] is {matrix[row, column]:g} and "
            f"[{column}, {row}] is {matrix[column, row]:g}"
        )
    least = float(np.linalg.eigvalsh(matrix).min(initial=0.0))
    if least < -_ROUNDING * scale:
        raise InputError(
            f"{field}: is not positive semidefinite (its least eigenvalue is {least:.3g}): no numbers have it"
        )


def _number(value: Any, pair: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1.0 <= value <= 1.0:
        raise InputError(f"correlation: of {shown(pair)} must be a number from -1 to 1; it is {shown(value)}")
    return float(value)
