"""Runs of a validation that draw something, or take long: a sweep of a function, whose runs must all succeed."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import xarray as xr

from spicecim.errors import FailedRunsWarning, NotFiniteWarning, SimulationError
from spicecim.sweeps import sweep


def run_trials(
    function: Callable[..., Mapping[str, Any]],
    axes: Mapping[str, Sequence[Any]],
    progress: Callable[[float], None] = lambda fraction: None,
) -> xr.Dataset:
    """Call a function with every combination of values, several processes at a time.

    Parameters
    ----------
    function
        What returns numbers or arrays by name; a function of a module, or `functools.partial` of one.
    axes
        Values by the names of its arguments: numbers and texts.
    progress
        Called with the fraction of the calls that is done.

    Returns
    -------
    xarray.Dataset
        What it returned, over the axes; as `spicecim.sweep` gives it with ``engine=None``.

    Raises
    ------
    SimulationError
        If a call fails, with the type and text of the first error.
    """
    with tempfile.TemporaryDirectory() as store, warnings.catch_warnings():
        warnings.simplefilter("ignore", FailedRunsWarning)  # it is an error here
        warnings.simplefilter("ignore", NotFiniteWarning)  # NaN is how a trial says that there is nothing to measure
        found = sweep(
            function, axes, engine=None, store=store, time_limit=None,
            progress=lambda state: progress(state.done / state.total),
        ).load()  # fmt: skip
    failed = found["error"].values[found["status"].values == "failed"]
    if failed.size:
        raise SimulationError(str(failed[0]))
    return found
