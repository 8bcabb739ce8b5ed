"""Currents of drivers and sense nodes, of which capacitances draw a part: their errors, and when that part settles."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spicecim.devices.cell import WiredCell
from spicecim.fields import FloatArray
from spicecim.reference.course import State
from spicecim.reference.row_voltages import RowVoltages
from spicecim.reference.step import Correction
from spicecim.reference.wiring import Wiring

CURRENT_SHARE = 0.01
"""The tolerance of the unknowns relative to that of the currents of drivers and sense nodes."""
_NOISE = 1e3 * np.finfo(float).eps
"""Rounding of a derivative by time over the stages, relative to the value over the step."""

_DECAYED = 40.0
"""Time constants after which nothing is left."""

Ends = tuple[FloatArray, FloatArray]
"""Currents of drivers (..., row) and sense nodes (..., column), ampere."""


def end_currents(
    wiring: Wiring, found: Correction, drive: FloatArray, nodes: FloatArray, slopes: FloatArray, shift: float
) -> Ends:
    """Currents out of drivers (m, row) and into sense nodes (m, column), ampere.

    At potentials `nodes` (m, node), with the drivers at `drive` (m, row), their derivatives by time `slopes`, and
    `shift` the d/dt of the correction (1/s).
    """
    sums = wiring.ends(found.currents + wiring.segment * wiring.potentials(slopes, found.slopes))
    drops = wiring.through_ends(wiring.potentials(drive, nodes), drive)
    # the sum has the rounding of a derivative by time, the drop that of a difference of potentials
    rows, columns = (
        drop if clear else total for total, drop, clear in zip(sums, drops, wiring.clear_drops(shift), strict=True)
    )
    return rows, columns


def current_error(wiring: Wiring, found: Correction, shift: float, scale: float, peaks: Ends) -> float:
    """Largest error of a current of drivers or sense nodes relative to its peak, as it stands out of rounding.

    `shift` is the d/dt of the correction (1/s), `scale` that of voltages.
    """
    worst = 0.0
    rows, columns = wiring.shape
    sums = wiring.ends(found.change)
    drops = wiring.through_ends(wiring.at_cells(found.nodes), np.zeros((len(found.nodes), rows)))
    for peak, total, drop, conductance, segments in zip(
        peaks, sums, drops, wiring.end_conductances, (columns, rows), strict=True
    ):
        missed = np.abs(total)
        if conductance:
            noise = _NOISE * scale * min(shift * segments * wiring.segment, conductance)
            missed = np.maximum(np.minimum(missed, np.abs(drop)) - noise, 0.0)
        # without a current there is no error of it
        worst = max(worst, float(np.divide(missed, peak, out=np.zeros_like(missed), where=missed > 0).max()))
    return worst


class Layer(NamedTuple):
    """What a corner of the drive sets off in the wires."""

    shortest: float
    """Shortest time constant of wires and cells (s), infinite where the layer does not count."""
    length: float
    """Time (s) after which all has decayed, 0 where the layer does not count."""


def layer(
    cell: WiredCell,
    wiring: Wiring,
    rows: RowVoltages,
    segment: int,
    state: State,
    scale: float,
    peaks: Ends,
    instants: FloatArray,
    tolerance: float,
) -> Layer:
    """Find whether what capacitances draw from a break on has to be resolved.

    At a break the slope of the drive jumps. What the capacitances draw follows within the time constants, which may be
    far below a step, whose polynomial would take it to have always been so. That matters to the instants (s) asked for
    in that time, if the current counts beside the peaks.
    """
    if not wiring.nodes:
        return Layer(np.inf, 0.0)
    v = wiring.potentials(rows.places(segment, 0.0, 0.0, np.zeros(1)).drive, state.nodes[None])[0]
    slopes = cell.linear(np.full(len(v), rows.breaks[segment]), v, state.y)
    own = np.abs(np.diagonal(slopes.current_charge_v, axis1=1, axis2=2))
    capacitance = wiring.segment + own
    drawn = wiring.ends(rows.jump(segment) * capacitance[None])
    counts = max(
        float(np.divide(np.abs(current[0]), peak, out=np.zeros_like(peak), where=current[0] != 0).max())
        for current, peak in zip(drawn, peaks, strict=True)
    )
    # those of cells are not bounded by the wires'
    length = np.inf if own.any() else _DECAYED * wiring.longest_time()
    begin = rows.breaks[segment]
    asked = np.searchsorted(instants, begin + length, side="right") - np.searchsorted(instants, begin, side="right")
    if counts <= tolerance / CURRENT_SHARE or not asked:
        return Layer(np.inf, 0.0)
    return Layer(wiring.shortest_time(capacitance), length)
