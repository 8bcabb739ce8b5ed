"""The voltages of all row drivers at common instants, between the corners of any of them."""

from __future__ import annotations

import numpy as np

from spicecim.drives import Drive
from spicecim.fields import FloatArray
from spicecim.reference.course import Places, places
from spicecim.reference.excitation import CellVoltages, row_breaks


class RowVoltages:
    """The row drivers in segments between breaks.

    Parameters
    ----------
    drive
        The drive of all rows.
    rows
        Number of rows.
    duration
        End of the drive (s).

    Attributes
    ----------
    breaks
        0, the corners of any row's drive and the duration (s).
    """

    def __init__(self, drive: Drive, rows: int, duration: float) -> None:
        self.breaks = row_breaks(drive, (), duration)
        self._each = np.arange(rows)
        self._voltages = CellVoltages(drive, self._each, np.broadcast_to(self.breaks, (rows, len(self.breaks))))

    def start(self) -> FloatArray:
        """Voltages at time 0 (row,)."""
        return self._voltages.start()

    def places(self, segment: int, since: float, length: float, at: FloatArray) -> Places:
        """Places `at` in a step that starts `since` the start of a segment."""
        after = since + length * at
        each = np.broadcast_to(after, (len(self._each), len(after)))
        drive = self._voltages.voltage(self._each, np.full(len(self._each), segment), each).T
        return places(at, self.breaks[segment] + after, np.asarray(drive))

    def slopes(self, segment: int, after: FloatArray) -> FloatArray:
        """Derivatives by time (instant, row) at instants since the start of a segment, V/s."""
        each = np.broadcast_to(after, (len(self._each), len(after)))
        return self._voltages.slope(self._each, np.full(len(self._each), segment), each).T

    def jump(self, segment: int) -> float:
        """Largest change of a row's slope at the start of a segment (V/s); before time 0 the drive stood still."""
        after = self.slopes(segment, np.zeros(1))
        if not segment:
            return float(np.abs(after).max())
        before = self.slopes(segment - 1, self.breaks[segment : segment + 1] - self.breaks[segment - 1])
        return float(np.abs(after - before).max())
