"""Cells of the same parameters are one kind: a netlist writes their subcircuit or model once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from spicecim.fields import FloatArray


def kinds_of(arrays: Mapping[str, FloatArray]) -> tuple[list[dict[str, float]], NDArray[np.int_] | None]:
    """Values of the parameters of each kind of cell by name, and the kind of each cell (row, column).

    `arrays` are the parameters (row, column) that differ from cell to cell, by name. None where all are of one kind.
    """
    if not arrays:
        return [{}], None
    shape = next(iter(arrays.values())).shape
    cells = np.stack([array.ravel() for array in arrays.values()], axis=1)
    distinct, which = np.unique(cells, axis=0, return_inverse=True)
    values = [dict(zip(arrays, own, strict=True)) for own in distinct.tolist()]
    return values, None if len(values) == 1 else which.reshape(shape)
