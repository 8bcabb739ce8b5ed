"""Sets of weight matrices that crossbars can hold, and the nearest matrix of a set to a given one.

All three restrictions act on the columns of a crossbar: one sign in each fragment, integers times one scale (the cells'
levels), and columns or fragments that are zero altogether and need no cells. The sets are not convex, but their
projections are exact: with the scale given, what a fragment or column gains by being kept does not depend on the
others, so that the best choice is a comparison of sums of squares.

G. Yuan et al., "FORMS: Fine-grained Polarized ReRAM-based In-situ Computation for Mixed-signal DNN Accelerator",
ISCA 2021, doi:10.1109/ISCA52012.2021.00029, has the three restrictions; the projections are derived here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spicecim.encodings.base import check_integer
from spicecim.encodings.layout import fragments, mixed_fragments, sum_fragments
from spicecim.errors import InputError
from spicecim.fields import FloatArray

_MOST_LEVELS = 4095
_ON_LEVEL = 1e-6
"""How far from an integer a weight over the scale may be and still be on a level."""


@dataclass(frozen=True)
class WeightSet:
    """Matrices (row, column) that a crossbar can hold.

    Attributes
    ----------
    fragment_size
        Rows of a column fragment; None for the whole column.
    polarized
        Whether the weights of a fragment have one sign.
    levels
        Largest magnitude in units of the scale, 255 for eight bits and a sign; None for weights without levels.
    scale
        What a magnitude of 1 stands for; needed with levels, see `spicecim.training.scales.best_scale`.
    keep_columns, keep_fragments
        How many columns, or fragments of the whole matrix, may be other than zero; None for all. Not both.

    Raises
    ------
    InputError
        If a number is out of range or does not go with another.
    """

    fragment_size: int | None = None
    polarized: bool = False
    levels: int | None = None
    scale: float | None = None
    keep_columns: int | None = None
    keep_fragments: int | None = None

    def __post_init__(self) -> None:
        fragments(1, self.fragment_size)
        if self.levels is not None:
            check_levels(self.levels)
        if (self.levels is None) != (self.scale is None):
            raise InputError(f"scale: levels and scale go together (given: {self.levels} and {self.scale})")
        if self.scale is not None and not (np.isfinite(self.scale) and self.scale > 0):
            raise InputError(f"scale: must be a finite number above 0 (given: {self.scale})")
        if self.keep_columns is not None and self.keep_fragments is not None:
            raise InputError("keep_fragments: cannot be combined with keep_columns")
        for field in ("keep_columns", "keep_fragments"):
            keep = getattr(self, field)
            if keep is not None:
                check_integer(keep, field, 1)


def project(weights: ArrayLike, target: WeightSet) -> FloatArray:
    """Return the matrix of a set that is nearest to the weights (row, column) in the Euclidean norm.

    Where two are equally near, the positive sign and the earlier column or fragment are kept.
    """
    matrix = checked_matrix(weights)
    if target.polarized:
        positive, negative = (_on_levels(part, target) for part in _parts(matrix))
        better = _fragment_gains(matrix, positive, target) >= _fragment_gains(matrix, negative, target)
        projected = np.where(better[fragments(len(matrix), target.fragment_size)], positive, negative)
    else:
        projected = _on_levels(matrix, target)
    return np.asarray(projected * _kept(_fragment_gains(matrix, projected, target), target, len(matrix)))


class Violations(NamedTuple):
    """How far a matrix is from a set, as counts."""

    signs: int
    """Fragments that hold weights of both signs."""
    levels: int
    """Weights that are on no level."""
    structure: int
    """Columns or fragments beyond those that may be kept."""


def violations(weights: ArrayLike, target: WeightSet) -> Violations:
    """Count what keeps a matrix (row, column) from being in the set."""
    matrix = checked_matrix(weights)
    off_level = structure = 0
    if target.levels is not None and target.scale is not None:
        integers = matrix / target.scale
        off = np.abs(integers - np.round(integers)) > _ON_LEVEL
        off_level = int((off | (np.abs(integers) > target.levels + _ON_LEVEL)).sum())
    if target.keep_columns is not None:
        structure = int(matrix.any(axis=0).sum()) - target.keep_columns
    if target.keep_fragments is not None:
        structure = int((sum_fragments(matrix != 0, target.fragment_size) > 0).sum()) - target.keep_fragments
    signs = int(mixed_fragments(matrix, target.fragment_size).sum()) if target.polarized else 0
    return Violations(signs, off_level, max(structure, 0))


def bounds(projected: ArrayLike, target: WeightSet) -> tuple[FloatArray, FloatArray]:
    """Return the least and the largest value of each weight that keep the signs and zeros of a projected matrix.

    A fragment that is zero although it may be kept counts as positive.
    """
    matrix = checked_matrix(projected)
    of_row = fragments(len(matrix), target.fragment_size)
    sums = sum_fragments(matrix, target.fragment_size)[of_row]
    largest = np.inf if target.levels is None or target.scale is None else target.levels * target.scale
    kept = np.ones_like(matrix, dtype=bool)
    if target.keep_columns is not None:
        kept &= matrix.any(axis=0)
    if target.keep_fragments is not None:
        kept &= (sum_fragments(matrix != 0, target.fragment_size) > 0)[of_row]
    lower = kept & ((sums < 0) | (not target.polarized))
    upper = kept & ((sums >= 0) | (not target.polarized))
    return np.where(lower, -largest, 0.0), np.where(upper, largest, 0.0)


def checked_matrix(weights: ArrayLike) -> FloatArray:
    """Return weights as a matrix of finite numbers, or raise `InputError`."""
    matrix = np.asarray(weights, dtype=float)
    if matrix.ndim != 2 or not matrix.size or not np.isfinite(matrix).all():
        raise InputError(f"weights: must be finite numbers (row, column); their shape is {matrix.shape}")
    return matrix


def check_levels(levels: int) -> None:
    """Raise `InputError` unless the largest magnitude can be one of integers."""
    check_integer(levels, "levels", 1, _MOST_LEVELS)


def _parts(matrix: FloatArray) -> tuple[FloatArray, FloatArray]:
    return np.maximum(matrix, 0.0), np.minimum(matrix, 0.0)


def _on_levels(matrix: FloatArray, target: WeightSet) -> FloatArray:
    if target.levels is None or target.scale is None:
        return matrix
    return np.clip(np.round(matrix / target.scale), -target.levels, target.levels) * target.scale


def _fragment_gains(matrix: FloatArray, held: FloatArray, target: WeightSet) -> FloatArray:
    """By how much holding these values brings the squared distance below that of zero (fragment, column)."""
    return sum_fragments(held * (2.0 * matrix - held), target.fragment_size)


def _kept(gains: FloatArray, target: WeightSet, rows: int) -> NDArray[np.bool_]:
    """Which weights stay, broadcast against (row, column)."""
    if target.keep_columns is not None:
        return _largest(gains.sum(axis=0), target.keep_columns)
    if target.keep_fragments is not None:
        kept = _largest(gains.ravel(), target.keep_fragments).reshape(gains.shape)
        return np.asarray(kept[fragments(rows, target.fragment_size)])
    return np.ones(1, dtype=bool)


def _largest(values: FloatArray, count: int) -> NDArray[np.bool_]:
    largest = np.zeros(len(values), dtype=bool)
    largest[np.argsort(-values, kind="stable")[:count]] = True
    return largest
