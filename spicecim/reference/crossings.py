"""Where the voltages over cells cross those at which their equations are not smooth."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq

from spicecim.fields import FloatArray
from spicecim.reference.course import Course
from spicecim.reference.row_voltages import RowVoltages
from spicecim.reference.wiring import Wiring

_AT_CROSSING = 1e-6
"""Place in a step up to which, and before its end from which, a crossing is that end."""
_SAMPLES = 17
"""Places in a step between which a crossing is looked for."""


def first_crossing(
    levels: tuple[float, ...], wiring: Wiring, rows: RowVoltages, segment: int, since: float, course: Course
) -> float:
    """First place where a cell's voltage crosses a level (V) in a step `since` the start of a segment, or 0."""

    def voltages(at: FloatArray) -> FloatArray:
        where = rows.places(segment, since, course.length, at)
        v = wiring.potentials(where.drive, where.values @ course.nodes)
        return np.asarray(v[:, :, 0] - v[:, :, 1])

    if not levels:
        return 0.0
    samples = np.concatenate([[_AT_CROSSING], np.linspace(0.0, 1.0, _SAMPLES)[1:]])
    v, found = voltages(samples), 1.0
    for level in levels:
        above = v > level
        for index, which in np.argwhere(above[1:] != above[:-1]):
            if samples[index] >= found:
                break
            ends = samples[index : index + 2]
            root = brentq(lambda at, n, level: voltages(np.array([at]))[0, n] - level, *ends, args=(which, level))
            found = min(found, float(root))
    return found if _AT_CROSSING < found < 1.0 - _AT_CROSSING else 0.0
