"""What an engine's run is off by, against an independent course of the same testbench."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from integration import Cells, Course, FloatArray

from spicecim.testbench import Testbench

CHECK = {"tolerance": 1e-8, "steps": 67}
"""Tolerance and least steps of the course that the first is compared with, for what it is off by itself."""


def courses(bench: Testbench, cells: Cells | None = None) -> tuple[Course, Course]:
    """Return a course of a testbench, and a coarser one."""
    return Course(bench, cells), Course(bench, cells, **CHECK)


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
        ``current`` and ``current_rms``: of the worst column, relative to its peak, at any instant and over time.
        ``shift``: by how much of the fastest period an instant must be moved at most for the current to be within
        1e-3 of the peak of one of the course's, infinite where it takes no such value at all. ``x``: at any instant;
        ``x_end``: at the last. ``mean``, ``power``: of the mean current of a column, relative to its rectified mean,
        and of the mean power of all drivers, relative to the mean magnitude, both as integrals of straight lines
        between the run's instants. ``grid``: what these integrals themselves are off by for the exact currents.
    """
    bench = course.bench
    time = np.minimum(run["time"].values, bench.duration)
    found = run["i_column"].transpose("time", "column").values
    _, exact_rows, exact = course.currents(time)
    peak = peaks(course)
    off = np.abs(found - exact) / peak
    x = np.abs(run["x"].transpose("time", "row", "column").values - course.x(time))
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
    return {
        "current": float(off.max()),
        "current_rms": float(np.sqrt(_mean(time, off**2)).max()),
        "shift": _shift(time, found, peak, course, off) / float(bench.drive.periods().min()),
        "x": float(x.max()),
        "x_end": float(x[-1].max()),
        "mean": float((np.abs(means[0] - means[1]) / scale).max(initial=0.0)),
        "power": float(abs(powers[0] - powers[1]) / (magnitude or 1.0)),
        "grid": float(np.abs(grid).max()),
        "instants": len(time),
    }


def _mean(time: FloatArray, values: FloatArray) -> FloatArray:
    return np.diff(time) @ (0.5 * (values[1:] + values[:-1])) / (time[-1] - time[0])


def _shift(time: FloatArray, found: FloatArray, peak: FloatArray, course: Course, off: FloatArray) -> float:
    """Largest time (s) from an instant to one at which the course has the current found, within 1e-3 of the peak."""
    if off.max() <= 1e-3:
        return 0.0
    grid = np.union1d(course.nodes()[0], time)
    _, _, exact = course.currents(grid)
    worst = 0.0
    for column in np.flatnonzero(off.max(axis=0) > 1e-3):
        for instant in np.flatnonzero(off[:, column] > 1e-3):
            miss = exact[:, column] - found[instant, column]
            near = np.abs(grid[np.abs(miss) <= 1e-3 * peak[column]] - time[instant]).min(initial=np.inf)
            passed = np.flatnonzero(miss[1:] * miss[:-1] < 0)
            share = miss[passed] / (miss[passed] - miss[passed + 1])
            crossing = grid[passed] + share * (grid[passed + 1] - grid[passed])
            worst = max(worst, min(near, np.abs(crossing - time[instant]).min(initial=np.inf)))
    return float(worst)


def stated(run: xr.Dataset) -> dict[str, Any]:
    """Errors that a run states of itself; None where it states none."""
    return {
        name: None if name not in run.attrs else float(run.attrs[name]) for name in ("current_error", "state_error")
    }
