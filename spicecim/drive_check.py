"""Whether the methods of a drive fit together, which a person's own may not."""

from __future__ import annotations

import numpy as np

from spicecim.drives import Drive, SmoothDrive
from spicecim.fields import FloatArray
from spicecim.places import line_of, named
from spicecim.problems import FieldError

_INSTANTS = 33
_STRETCHES = 16
"""Between corners, that are looked at."""
_SHORTEST = 1e-9
"""Stretch, relative to the duration, within which the digits of an instant still tell a voltage."""
_SAME = 1e-6
"""Of voltages, relative to the largest: more than rounding, less than a mistake."""
_SAME_SLOPE = 1e-3
"""Of slopes, relative to the row's largest: a difference quotient is off by the square of its step."""
_STEP = 1e-4
"""Of a difference quotient, relative to the cycle."""
_EPS = float(np.finfo(float).eps)


def check_drive(drive: Drive, rows: int, duration: float, field: str = "drive") -> None:
    """Raise `FieldError` if voltages, their bound, their corners and their slopes are not of one waveform."""
    try:
        fault = _fault(drive, rows, duration)
    except Exception as error:  # whatever the methods of a person's own drive raise
        fault = f"{type(error).__name__}: {error}, at {line_of(error)}"
    if fault:
        raise FieldError(field, f"{named(type(drive))}: {fault}")


def _fault(drive: Drive, rows: int, duration: float) -> str | None:
    time = np.linspace(0.0, duration, _INSTANTS)
    voltage, largest = np.asarray(drive.voltage(time)), float(drive.largest_voltage())
    if voltage.shape != (_INSTANTS, rows):
        return f"voltage gives the shape {voltage.shape} of {_INSTANTS} instants and {rows} rows"
    if not np.abs(voltage).max() <= largest * (1.0 + _SAME):
        return f"voltage gives {np.abs(voltage).max():g} V, above the {largest:g} V of largest_voltage"
    edges = np.concatenate([[0.0], drive.corners(duration), [duration]])
    if not np.all(np.diff(edges) > 0.0):
        return "corners must give increasing instants above 0 and below the duration"
    told = np.flatnonzero(np.diff(edges) > _SHORTEST * duration)[:_STRETCHES]
    begin, length = edges[told], np.diff(edges)[told]
    rounding = 8.0 * _EPS * (1.0 + duration / drive.cycle())
    curve = drive.curve()
    if curve is None:
        middle = 0.5 * (drive.voltage(begin) + drive.voltage(begin + length))
        missed = np.abs(drive.voltage(begin + 0.5 * length) - middle).max()
        return None if missed <= (_SAME + rounding) * largest else "voltage is no straight line between corners"
    return _fault_of_slopes(curve, rows, begin, np.minimum(length, drive.cycle()), (_SAME + rounding) * largest)


def _fault_of_slopes(drive: SmoothDrive, rows: int, begin: FloatArray, length: FloatArray, slack: float) -> str | None:
    row, place = (part.ravel() for part in np.indices((rows, len(begin))))
    since = length[place, None] * np.array([0.2, 0.45, 0.7, 0.9])
    smooth, slope = (method(row, begin[place], since) for method in (drive.smooth, drive.smooth_slope))
    if smooth.shape != since.shape or slope.shape != since.shape:
        return f"smooth and smooth_slope give the shapes {smooth.shape} and {slope.shape}, not {since.shape}"
    instants = begin[place, None] + since
    expected = drive.voltage(instants.ravel())[np.arange(instants.size), np.repeat(row, since.shape[1])]
    if not np.abs(smooth.ravel() - expected).max() <= slack:
        return "smooth gives other voltages than voltage"
    step = _STEP * length[place, None]
    ahead, behind = (drive.smooth(row, begin[place], since + way * step) for way in (1.0, -1.0))
    quotient = (ahead - behind) / (2.0 * step)
    scale = np.maximum(np.abs(quotient), np.abs(slope)).max(axis=1, keepdims=True)
    wrong = ~(np.abs(quotient - slope) <= _SAME_SLOPE * scale + 8.0 * _EPS * drive.largest_voltage() / step)
    if not wrong.any():
        return None
    first = tuple(np.argwhere(wrong)[0])
    return (
        f"smooth_slope gives {slope[first]:g} V/s at {instants[first]:g} s of row {row[first[0]]}, where the voltages "
        f"of smooth rise by {quotient[first]:g} V/s"
    )
