"""Sets of weight matrices that crossbars can hold, and the nearest matrix of a set to a given one.

All restrictions act on the columns of a crossbar: one sign in each fragment, integers times one scale (the cells'
levels), and rows, columns or fragments that are zero altogether and need no cells. The sets are not convex, but their
projections are exact: with the scale given, what a fragment, row or column gains by being kept does not depend on the
others, so that the best choice is a comparison of sums of squares.

G. Yuan et al., "FORMS: Fine-grained Polarized ReRAM-based In-situ Computation for Mixed-signal DNN Accelerator",
ISCA 2021, doi:10.1109/ISCA52012.2021.00029, has the restrictions; the projections are derived here. Its own rule for
the sign of a fragment, that of the sum of its weights, is there beside the nearest (`WeightSet.with_signs_of_sums`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spicecim.encodings.integers import IntArray, check_integer
from spicecim.encodings.layout import fragments, mixed_fragments, sum_fragments
from spicecim.encodings.weight_scales import best_scale, check_levels, checked_matrix
from spicecim.errors import InputError
from spicecim.fields import FloatArray

_ON_LEVEL = 1e-6
"""How far from an integer a weight over the scale may be and still be on a level."""


class Constraint(Protocol):
    """A set of matrices (row, column), as a scheme gives it to training; people may bring their own."""

    def fitted(self, weights: ArrayLike) -> Constraint:
        """Return the set with what is still open, such as a scale, chosen for these weights (row, column)."""

    def project(self, weights: ArrayLike) -> FloatArray:
        """Return the matrix of the set that stands for the weights (row, column), the nearest if there is no reason."""

    def bounds(self, projected: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return the least and the largest value of each weight that keep what a projected matrix has chosen."""


class Violations(NamedTuple):
    """How far a matrix is from a set, as counts."""

    signs: int
    """Fragments that hold weights of both signs."""
    levels: int
    """Weights that are on no level."""
    structure: int
    """Rows, columns or fragments beyond those that may be kept."""


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
        What a magnitude of 1 stands for; where levels are without one, the best for the weights at hand.
    keep_rows, keep_columns, keep_fragments
        How many rows (filter shapes), columns (filters), or fragments of the whole matrix may be other than zero; None
        for all. One of them at most; rows only of weights that need not be polarized, because fragments are made of
        the rows that are left: see `Compacted`.
    signs
        Signs of the fragments (fragment, column), 1 or -1, where they are given; None for the nearest.

    Raises
    ------
    InputError
        If a number is out of range or does not go with another.
    """

    fragment_size: int | None = None
    polarized: bool = False
    levels: int | None = None
    scale: float | None = None
    keep_rows: int | None = None
    keep_columns: int | None = None
    keep_fragments: int | None = None
    signs: IntArray | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        fragments(1, self.fragment_size)
        if self.levels is not None:
            check_levels(self.levels)
        if self.levels is None and self.scale is not None:
            raise InputError(f"scale: goes with levels (given: {self.scale} without)")
        if self.scale is not None and not (np.isfinite(self.scale) and self.scale > 0):
            raise InputError(f"scale: must be a finite number above 0 (given: {self.scale})")
        kept = {name: getattr(self, name) for name in ("keep_rows", "keep_columns", "keep_fragments")}
        given = [name for name, keep in kept.items() if keep is not None]
        if len(given) > 1:
            raise InputError(f"{given[1]}: cannot be combined with {given[0]}")
        for name in given:
            check_integer(kept[name], name, 1)
        if self.polarized and self.keep_rows is not None:
            raise InputError("keep_rows: rows are pruned before the weights are polarized")

    def fitted(self, weights: ArrayLike) -> WeightSet:
        """Return the set with the best scale for weights (row, column) if it has levels without one."""
        if self.levels is None or self.scale is not None:
            return self
        return replace(self, scale=best_scale(weights, self.levels, self.fragment_size if self.polarized else 1))

    def with_signs_of_sums(self, weights: ArrayLike) -> WeightSet:
        """Return the set with the sign of the sum of the weights of each fragment, the rule of FORMS."""
        sums = sum_fragments(checked_matrix(weights), self.fragment_size)
        return replace(self, signs=np.where(sums >= 0.0, 1, -1))

    def project(self, weights: ArrayLike) -> FloatArray:
        """Return the matrix of the set that is nearest to the weights (row, column) in the Euclidean norm.

        Where two are equally near, the positive sign and the earlier row, column or fragment are kept.
        """
        matrix = checked_matrix(weights)
        if self.levels is not None and self.scale is None:
            return self.fitted(matrix).project(matrix)
        if self.polarized:
            positive, negative = (self._on_levels(part) for part in (np.maximum(matrix, 0.0), np.minimum(matrix, 0.0)))
            better = self._gains(matrix, positive) >= self._gains(matrix, negative)
            chosen = better if self.signs is None else self.signs > 0
            projected = np.where(chosen[fragments(len(matrix), self.fragment_size)], positive, negative)
        else:
            projected = self._on_levels(matrix)
        return np.asarray(projected * self._kept(matrix, projected))

    def violations(self, weights: ArrayLike) -> Violations:
        """Count what keeps a matrix (row, column) from being in the set."""
        matrix = checked_matrix(weights)
        off_level = 0
        if self.levels is not None and self.scale is not None:
            integers = matrix / self.scale
            off = np.abs(integers - np.round(integers)) > _ON_LEVEL
            off_level = int((off | (np.abs(integers) > self.levels + _ON_LEVEL)).sum())
        signs = int(mixed_fragments(matrix, self.fragment_size).sum()) if self.polarized else 0
        structure = 0
        for held, keep in (
            (matrix.any(axis=1), self.keep_rows),
            (matrix.any(axis=0), self.keep_columns),
            (sum_fragments(matrix != 0, self.fragment_size) > 0, self.keep_fragments),
        ):
            structure += 0 if keep is None else max(int(held.sum()) - keep, 0)
        return Violations(signs, off_level, structure)

    def bounds(self, projected: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return the least and the largest value of each weight that keep the signs and zeros of a projected matrix.

        A fragment that is zero although it may be kept has its given sign, or counts as positive.
        """
        matrix = checked_matrix(projected)
        of_row = fragments(len(matrix), self.fragment_size)
        sums = sum_fragments(matrix, self.fragment_size)
        if self.signs is not None:
            sums = np.where(sums == 0.0, self.signs, sums)
        sums = sums[of_row]
        largest = np.inf if self.levels is None or self.scale is None else self.levels * self.scale
        kept = np.ones_like(matrix, dtype=bool)
        if self.keep_rows is not None:
            kept &= matrix.any(axis=1, keepdims=True)
        if self.keep_columns is not None:
            kept &= matrix.any(axis=0)
        if self.keep_fragments is not None:
            kept &= (sum_fragments(matrix != 0, self.fragment_size) > 0)[of_row]
        lower = kept & ((sums < 0) | (not self.polarized))
        upper = kept & ((sums >= 0) | (not self.polarized))
        return np.where(lower, -largest, 0.0), np.where(upper, largest, 0.0)

    def _on_levels(self, matrix: FloatArray) -> FloatArray:
        if self.levels is None or self.scale is None:
            return matrix
        return np.clip(np.round(matrix / self.scale), -self.levels, self.levels) * self.scale

    def _gains(self, matrix: FloatArray, held: FloatArray) -> FloatArray:
        """By how much holding these values brings the squared distance below that of zero (fragment, column)."""
        return sum_fragments(held * (2.0 * matrix - held), self.fragment_size)

    def _kept(self, matrix: FloatArray, projected: FloatArray) -> NDArray[np.bool_]:
        """Which weights stay, broadcast against (row, column)."""
        gains = projected * (2.0 * matrix - projected)
        if self.keep_rows is not None:
            return _largest(gains.sum(axis=1), self.keep_rows)[:, None]
        if self.keep_columns is not None:
            return _largest(gains.sum(axis=0), self.keep_columns)
        if self.keep_fragments is not None:
            of_fragments = self._gains(matrix, projected)
            kept = _largest(of_fragments.ravel(), self.keep_fragments).reshape(of_fragments.shape)
            return np.asarray(kept[fragments(len(matrix), self.fragment_size)])
        return np.ones(1, dtype=bool)


@dataclass(frozen=True)
class Compacted:
    """Matrices that are zero but for some rows and columns, in which a set is that of what is left.

    Fragments are then those of the rows that are left, as they stand on the crossbar.

    Attributes
    ----------
    rows, columns
        Which are left (row,) and (column,), True or False.
    inner
        The set of the matrix of those.
    """

    rows: NDArray[np.bool_]
    columns: NDArray[np.bool_]
    inner: Constraint

    def fitted(self, weights: ArrayLike) -> Compacted:
        """Return the set with what is open fitted to the weights that are left."""
        return replace(self, inner=self.inner.fitted(self._left(weights)))

    def project(self, weights: ArrayLike) -> FloatArray:
        """Return the matrix of the set for weights (row, column)."""
        return self._whole(self.inner.project(self._left(weights)))

    def bounds(self, projected: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return the bounds of each weight; what is pruned stays zero."""
        lower, upper = self.inner.bounds(self._left(projected))
        return self._whole(lower), self._whole(upper)

    def _left(self, weights: ArrayLike) -> FloatArray:
        matrix = checked_matrix(weights)
        if matrix.shape != (len(self.rows), len(self.columns)):
            raise InputError(f"weights: must have {(len(self.rows), len(self.columns))}; they have {matrix.shape}")
        return np.asarray(matrix[np.ix_(self.rows, self.columns)])

    def _whole(self, values: FloatArray) -> FloatArray:
        whole = np.zeros((len(self.rows), len(self.columns)))
        whole[np.ix_(self.rows, self.columns)] = values
        return whole


@dataclass(frozen=True)
class OneMagnitude:
    """Matrices whose weights have one magnitude in each column, its mean, and either sign; zero counts as positive.

    That magnitude leaves the least squared error: M. Rastegari et al., XNOR-Net, ECCV 2016,
    doi:10.1007/978-3-319-46493-0_32.
    """

    def fitted(self, weights: ArrayLike) -> OneMagnitude:
        """Return the set: nothing is open."""
        return self

    def project(self, weights: ArrayLike) -> FloatArray:
        """Return the nearest matrix of the set."""
        matrix = checked_matrix(weights)
        return np.asarray(np.where(matrix >= 0.0, 1.0, -1.0) * np.abs(matrix).mean(axis=0))

    def bounds(self, projected: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return bounds that keep each sign."""
        matrix = checked_matrix(projected)
        return np.where(matrix < 0.0, -np.inf, 0.0), np.where(matrix < 0.0, 0.0, np.inf)


def left_whole(count: int, crossbar: int, share: float) -> int:
    """Number of rows or columns to keep of so many: about a share, in whole crossbars.

    A crossbar that is used in part costs as much as a full one, so that what is kept fills whole ones (FORMS, section
    III-B); all are kept where that would take as many crossbars anyway.

    Parameters
    ----------
    count
        Rows or columns of the layer.
    crossbar
        Rows, or outputs, that a crossbar holds.
    share
        Share to keep, above 0 and up to 1; it is rounded up.
    """
    check_integer(count, "count", 1)
    check_integer(crossbar, "crossbar", 1)
    if not 0.0 < share <= 1.0:
        raise InputError(f"share: must be above 0 and at most 1 (given: {share})")
    return min(count, crossbar * int(np.ceil(share * count / crossbar - 1e-9)))


def _largest(values: FloatArray, count: int) -> NDArray[np.bool_]:
    largest = np.zeros(len(values), dtype=bool)
    largest[np.argsort(-values, kind="stable")[:count]] = True
    return largest
