"""What tells one run of a sweep from the others: the values of its axes, its sample, and what was drawn for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr


def values_of_runs(grid: xr.Dataset, dims: Sequence[str], runs: Sequence[int]) -> dict[str, list[Any]]:
    """Return values of runs by the names of the coordinates along the dimensions of a sweep.

    Parameters
    ----------
    grid
        The dataset of a sweep, or its coordinates alone.
    dims
        Its axes, and ``sample`` last, in the order in which its runs are counted.
    runs
        Numbers of the runs.
    """
    counts = [grid.sizes[name] for name in dims]
    places = dict(zip(dims, np.unravel_index(np.asarray(runs, dtype=int), counts), strict=True)) if dims else {}
    return {
        str(name): each.values[places[str(each.dims[0])]].tolist()
        for name, each in grid.coords.items()
        if each.ndim == 1 and each.dims[0] in places
    }


def shown_value(value: Any) -> str:
    """Write a value that tells runs apart as tables and messages have it."""
    return f"{value:.5g}" if isinstance(value, float) else str(value)
