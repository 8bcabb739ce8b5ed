"""What an engine's run is off by, against an independent course of the same testbench."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from integration import Cells, Course, FloatArray, cycle

from spicecim.testbench import Testbench

CHECK = {"tolerance": 3e-9, "steps": 67}
"""Tolerance and least steps of the course that the first is compared with, for what it is off by itself."""

FINE = 1e-4
"""Errors up to which it is looked at what they are at edges, unless the run itself states less."""
STEEP, NEAR = 20.0, 0.01
"""An instant is at an edge where the course changes faster than that, in peaks, or 1 for x, per cycle, within so many
cycles of it, by half of what the instant's current is off by at least."""


def checked_course(bench: Testbench, cells: Cells | None = None) -> tuple[Course, float, float]:
    """Return a course of a testbench, and what it is itself off by: of a column's peak, and of x."""
    course = Course(bench, cells)
    return course, *own_error(course, Course(bench, cells, **CHECK))


def peaks(course: Course) -> FloatArray:
    """Largest magnitude of each column's current (A); of the largest column's, where a column has none."""
    found = np.abs(course.currents(course.nodes()[0])[2]).max(axis=0)
    return np.where(found > 1e-9 * found.max(), found, found.max() or 1.0)


def own_error(course: Course, check: Course) -> tuple[float, float]:
    """Largest difference of two courses: of a column's current, relative to its peak, and of x."""
    time = course.nodes()[0]
    off = np.abs(course.currents(time)[2] - check.currents(time)[2]).max(axis=0) / peaks(course)
    return float(off.max()), float(np.abs(course.x(time) - check.x(time)).max())


def judge(run: xr.Dataset, course: Course) -> dict[str, float]:
    """Errors of a run at its own instants.

    Returns
    -------
    dict
        ``current``, ``current_rms``: of the worst column, relative to its peak, at any instant and over time.
        ``current_edges``: as ``current``, but at an edge the distance from the course as it is drawn over cycles and
        peaks: the larger of how far its nearest point is in time and in value.
        ``x``, ``x_edges``, ``x_end``: the same of x, and at the last instant.
        ``mean``, ``power``: of the mean current of a column, relative to its rectified mean, and of the mean power of
        all drivers, relative to its mean magnitude; all as integrals of straight lines between the run's instants.
        ``grid``: what these integrals themselves are off by for the exact currents.
    """
    bench = course.bench
    time = np.minimum(run["time"].values, bench.duration)
    found = run["i_column"].transpose("time", "column").values
    _, exact_rows, exact = course.currents(time)
    peak = peaks(course)
    off = np.abs(found - exact) / peak
    x = run["x"].transpose("time", "row", "column").values.reshape(len(time), -1)

    def exact_x(instants: FloatArray) -> FloatArray:
        return course.x(instants).reshape(len(instants), -1)

    nodes, weights = course.nodes()
    u, i_row, i_column = course.currents(nodes)
    length = bench.duration
    mean, rectified = weights @ i_column / length, weights @ np.abs(i_column) / length
    power, magnitude = (float(weights @ part / length) for part in ((u * i_row).sum(1), np.abs(u * i_row).sum(1)))
    v, i = (run[name].transpose("time", "row").values for name in ("v_row", "i_row"))
    there = rectified > 1e-9 * rectified.max()
    scale = rectified[there]
    means = [_mean(time, each)[there] for each in (found, exact)]
    powers = [_mean(time, (v * each).sum(1, keepdims=True))[0] for each in (i, exact_rows)]
    grid = np.append((means[1] - mean[there]) / scale, (powers[1] - power) / (magnitude or 1.0))
    # below what the run states there is nothing to be forgiven at edges
    fine = {name: min(FINE, error or 0.0) for name, error in stated(run).items()}
    return {
        "current": float(off.max()),
        "current_rms": float(np.sqrt(_mean(time, off**2)).max()),
        "current_edges": _at_edges(
            time, found / peak, course, lambda grid: course.currents(grid)[2] / peak, fine["current_error"]
        ),
        "x": float(np.abs(x - exact_x(time)).max()),
        "x_edges": _at_edges(time, x, course, exact_x, fine["state_error"]),
        "x_end": float(np.abs(x - exact_x(time))[-1].max()),
        "mean": float((np.abs(means[0] - means[1]) / scale).max(initial=0.0)),
        "power": float(abs(powers[0] - powers[1]) / (magnitude or 1.0)),
        "grid": float(np.abs(grid).max()),
        "instants": len(time),
    }


def _mean(time: FloatArray, values: FloatArray) -> FloatArray:
    return np.diff(time) @ (0.5 * (values[1:] + values[:-1])) / (time[-1] - time[0])


def _at_edges(
    time: FloatArray, found: FloatArray, course: Course, curves: Callable[[FloatArray], FloatArray], fine: float
) -> float:
    """Largest error of curves (time, curve), where that of an instant at an edge is its distance from the course.

    Errors of up to `fine` are taken as they are.
    """
    off = np.abs(found - curves(time))
    if off.max() <= fine:
        return float(off.max())
    grid = np.union1d(course.nodes()[0], time)
    exact, clock, instants = curves(grid), grid / cycle(course.bench), time / cycle(course.bench)
    rise = np.abs(np.diff(exact, axis=0))
    rise[rise <= STEEP * np.diff(clock)[:, None]] = 0.0
    passed = np.concatenate([np.zeros((1, exact.shape[1])), rise.cumsum(axis=0)])
    worst = 0.0
    for instant, column in np.argwhere(off > fine):
        error = off[instant, column]
        first = max(np.searchsorted(clock, instants[instant] - NEAR) - 1, 0)
        last = min(np.searchsorted(clock, instants[instant] + NEAR, side="right"), len(clock) - 1)
        if error > worst and passed[last, column] - passed[first, column] >= 0.5 * error:
            near = slice(first, last + 1)
            miss, late = exact[near, column] - found[instant, column], clock[near] - instants[instant]
            through = np.flatnonzero(miss[1:] * miss[:-1] < 0)
            share = miss[through] / (miss[through] - miss[through + 1])
            crossing = late[through] + share * (late[through + 1] - late[through])
            error = min(error, np.maximum(np.abs(miss), np.abs(late)).min(), np.abs(crossing).min(initial=np.inf))
        worst = max(worst, error)
    return float(worst)


def stated(run: xr.Dataset) -> dict[str, Any]:
    """Errors that a run states of itself; None where it states none."""
    return {
        name: None if name not in run.attrs else float(run.attrs[name]) for name in ("current_error", "state_error")
    }
