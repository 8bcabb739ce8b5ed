"""Disturb: what operations for other cells change of a cell, since it was last written."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spicecim.fields import FloatArray
from spicecim.operations.operation import Operation


class Disturb:
    """The change of x of every cell (row, column) since it was last written, by operations that did not select it.

    It begins anew when an operation writes the cell. So changes to and fro cancel only as long as both are left in the
    cell, and what a write has made good does not count twice.

    Attributes
    ----------
    now
        The change so far.
    largest
        The largest that there was after any operation, with its sign.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.now, self.largest = np.zeros(shape), np.zeros(shape)

    def note(self, operation: Operation, moved: FloatArray) -> NDArray[np.bool_]:
        """Note the change of x (row, column) by an operation, and return which cells it selected (row, column)."""
        selected = operation.selected((moved.shape[0], moved.shape[1]))
        self.now = self.now + np.where(selected, 0.0, moved)
        self.largest = np.where(np.abs(self.now) > np.abs(self.largest), self.now, self.largest)
        if operation.kind != "read":
            self.now = np.where(selected, 0.0, self.now)
        return selected

    def variables(self) -> dict[str, tuple[Any, ...]]:
        """Both as variables of a dataset."""
        named = (
            ("disturb", self.largest, "largest change of x since it was written, by operations for other cells"),
            ("disturb_at_end", self.now, "change of x since it was written, by operations for other cells"),
        )
        return {name: (("row", "column"), values, {"units": "1", "long_name": text}) for name, values, text in named}
