"""What reading by sinusoids costs a design of frequency weighting: cells, rewriting, and the sources of the rows."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from spicecim.accelerator.design import Design
from spicecim.accelerator.output_by_output import SIGN_PASSES, OutputByOutput
from spicecim.encodings.frequency_weighting.amplitude import PIXEL_MAX, PixelDrive, ProductTable, product_table
from spicecim.errors import InputError
from spicecim.fields import FloatArray

SOURCE_POWER = 100e-6
"""Power of a row's source of variable frequency while its row is read (W); assumed."""
SOURCE_AREA = 1e-4
"""Area of a row's source (mm2); assumed."""

_MOVED = 1e-3
"""Change of a normalized state by one read from which the cell is written back."""
_UNIT_PARTS = ("rewriting", "row sources")
_SUM_TOLERANCE = 1e-6


class ReadCost(NamedTuple):
    """What reading one cell costs, over pixels by their shares and magnitudes of equal shares."""

    energy: float
    """Mean energy of the cell (J)."""
    time: float
    """Mean time of the read (s)."""
    slowest: float
    """Mean time of the slowest of the rows that are read at once (s)."""
    rewrite_energy: float
    """Energy that writes the state back (J), 0 where reads leave it alone."""
    rewrite_time: float
    """Time of that (s)."""


def read_cost(drive: PixelDrive, pixels: ArrayLike, rows: int = 128, table: ProductTable | None = None) -> ReadCost:
    """Measure what reading a cell costs, in the reference engine.

    Where a read changes the state by more than 0.001, the cell is written back by half a cycle of the largest
    amplitude at the lowest frequency of the levels; that this is enough is assumed.

    Parameters
    ----------
    drive
        Amplitudes and frequencies by pixel and level, such as ``FrequencyWeighting(...).drive``.
    pixels
        Shares (pixel,) of the pixels 0 to 255.
    rows
        Rows that are read at once; half of them have weights of the sign that is read.
    table
        Every pixel with every level, if it has been simulated before.

    Raises
    ------
    InputError
        If the shares are not those of 256 pixels.
    """
    shares = np.asarray(pixels, dtype=float)
    if shares.shape != (PIXEL_MAX + 1,) or (shares < 0).any() or abs(shares.sum() - 1.0) > _SUM_TOLERANCE:
        raise InputError(f"pixels: must be the shares of {PIXEL_MAX + 1} pixels, of sum 1")
    found = product_table(drive) if table is None else table
    calibration = drive.calibration
    moved = float(np.abs(found.x_end - calibration.x0)[shares > 0].max())
    slow = 0.5 / float(calibration.frequency.min())
    writes = moved > _MOVED
    return ReadCost(
        energy=float(shares @ found.energy.mean(axis=1)),
        time=float(shares @ found.read_time.mean(axis=1)),
        slowest=_mean_of_slowest(found.read_time, shares, rows / SIGN_PASSES),
        rewrite_energy=slow * float(calibration.responses().power.max()) if writes else 0.0,
        rewrite_time=slow if writes else 0.0,
    )


def with_read_cost(
    design: Design, cost: ReadCost, source: str, source_power: float = SOURCE_POWER, source_area: float = SOURCE_AREA
) -> Design:
    """Return a design of frequency weighting with what reading its cells was measured to cost.

    Parameters
    ----------
    design
        A design like ``frequency_weighting``.
    cost
        What reading a cell costs.
    source
        How that was found.
    source_power, source_area
        Power (W) and area (mm2) of a row's source; it takes its power in its own cycle only.

    Raises
    ------
    InputError
        If it is another kind of design, or lacks one of the components ``rewriting`` and ``row sources``.
    TestbenchError
        If power or area are out of range.
    """
    scheme, unit = design.crossbars, design.components.unit
    name = design.unit_part("crossbar")
    if not isinstance(scheme, OutputByOutput) or name is None or any(part not in unit for part in _UNIT_PARTS):
        raise InputError(f"{design.name} is no design like frequency_weighting, with rewriting and row sources")
    cycle = cost.slowest + cost.rewrite_time
    driven = scheme.rows / SIGN_PASSES
    rate = {"rate": {"value": 1.0 / cycle, "derived": "one pass per cycle"}}
    changes: dict[str, Any] = {
        level: {part: rate for part, values in design.components.level(level).items() if values.rate is not None}
        for level in ("unit", "tile")
    }
    sources = design.parts.crossbars_per_unit.value * scheme.rows
    assumed = f"{source_power:.3g} W per row in its own cycle"
    for part, energy, why in (
        (name, cost.energy, {"derived": source}),
        ("rewriting", cost.rewrite_energy, {"assumed": f"half a cycle at the lowest frequency; {source}"}),
        ("row sources", source_power * cost.time, {"assumed": assumed}),
    ):
        changes["unit"][part] = {**rate, "energy": {"value": driven * energy, **why}}
    changes["unit"]["row sources"]["area"] = {
        "value": sources * source_area,
        "assumed": f"{source_area:.3g} mm2 per row",
    }
    timing = {"cycle": {"value": cycle, "derived": f"slowest row of a pass, and rewriting; {source}"}}
    return design.changed(components=changes, timing=timing)


def _mean_of_slowest(times: FloatArray, pixels: FloatArray, rows: float) -> float:
    """Mean of the longest of so many times (pixel, level), drawn with the shares of pixels and equal ones of levels."""
    values, place = np.unique(times, return_inverse=True)
    weights = np.repeat(pixels / times.shape[1], times.shape[1])
    up_to = np.cumsum(np.bincount(place.ravel(), weights=weights, minlength=len(values)))
    return float(values @ np.diff(np.minimum(up_to / up_to[-1], 1.0) ** rows, prepend=0.0))
