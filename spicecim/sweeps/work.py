"""What a worker does: runs a batch of recipes and returns what is measured of each, whatever happens to others."""

from __future__ import annotations

import contextlib
import functools
import time
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from threadpoolctl import threadpool_limits

from spicecim import limits
from spicecim.deadline import run_within
from spicecim.engines import simulate, warnings_of
from spicecim.errors import InputError, UnsupportedError
from spicecim.fields import FloatArray
from spicecim.netcdf import netcdf_bytes
from spicecim.outside import exceeds
from spicecim.places import named
from spicecim.reference.engine import goes_together, simulate_together
from spicecim.sweeps.recipes import Recipe, Scatter, make_bench
from spicecim.testbench import Testbench
from spicecim.version import __version__
from spicecim.waveforms import with_testbench_stored

_MOST_TOGETHER = 12
"""Testbenches that the reference engine follows in one pass: of more, each gains nothing."""
_LONGEST_TEXT = 4000


@dataclass(frozen=True)
class Job:
    """What the runs of a sweep have in common, for a worker."""

    base: Testbench | None
    scatter: Scatter
    engine: str | None
    measures: dict[str, Callable[..., Any]]
    waveforms: bool
    time_limit: float | str | None
    function: Callable[..., Any] | None = None
    """What returns the measures of a run by name, in place of an engine."""
    version: str = __version__


class Value(NamedTuple):
    """What a measure gave: an array with names for its dimensions."""

    dims: tuple[str, ...]
    units: str
    long_name: str
    data: FloatArray


class Outcome(NamedTuple):
    """What became of a run.

    Attributes
    ----------
    values
        By the names of the measures; empty where it failed.
    error
        Type and text of the error of a run that failed.
    warnings
        Texts of the warnings.
    seconds
        How long it took.
    waveforms
        The bytes of its netCDF file, if it is kept.
    """

    values: dict[str, Value]
    error: tuple[str, str] | None
    warnings: list[str]
    seconds: float
    waveforms: bytes | None


def run_batch(job: Job, recipes: Sequence[Recipe]) -> list[Outcome]:
    """Run some testbenches, with one thread each; each gives what it does alone, to the last bit.

    Raises
    ------
    UnsupportedError
        If this worker has another version of spicecim than who made the job.
    """
    if job.version != __version__:
        raise UnsupportedError(f"a worker has spicecim {__version__}; the sweep was begun by {job.version}")
    with threadpool_limits(limits=1):
        if job.engine is None:
            return [_outcome(functools.partial(_called, job, recipe)) for recipe in recipes]
        benches = [_attempted(functools.partial(make_bench, job.base, job.scatter, recipe)) for recipe in recipes]
        together = _run_together(job, [each for each in benches if isinstance(each, Testbench)])
        return [_outcome_of(job, bench, together.get(id(bench))) for bench in benches]


class _Failure(NamedTuple):
    error: BaseException


def _attempted(action: Callable[[], Any]) -> Any:
    try:
        return action()
    except (Exception, SystemExit) as error:  # it becomes the row of a run that failed
        return _Failure(error)


def _run_together(job: Job, benches: Sequence[Testbench]) -> dict[int, tuple[xr.Dataset, list[Warning], float]]:
    """Waveforms of those that the reference engine follows in one pass, by the identity of their testbenches."""
    found: dict[int, tuple[xr.Dataset, list[Warning], float]] = {}
    if job.engine != "reference" or len(benches) < 2:
        return found
    able = [bench for bench in benches if goes_together(bench)]
    for start in range(0, len(able), _MOST_TOGETHER):
        group = able[start : start + _MOST_TOGETHER]
        # where one of them fails or warns, each is run alone
        with contextlib.suppress(Exception), warnings.catch_warnings(), run_within(job.time_limit):
            warnings.simplefilter("error")
            began = time.perf_counter()
            runs = simulate_together(group)
            each = (time.perf_counter() - began) / len(group)
            found |= {id(bench): (run, warnings_of(bench, run), each) for bench, run in zip(group, runs, strict=True)}
    return found


def _outcome_of(job: Job, bench: Any, done: tuple[xr.Dataset, list[Warning], float] | None) -> Outcome:
    """What becomes of a testbench, or of the failure to make it, and of its waveforms if they are there already."""
    found = _outcome(lambda: bench if isinstance(bench, _Failure) else _measured(job, bench, done))
    if done is None:
        return found
    return found._replace(seconds=found.seconds + done[2], warnings=found.warnings + [str(each) for each in done[1]])


def _outcome(action: Callable[[], Any]) -> Outcome:
    began = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = _attempted(action)
    seconds = time.perf_counter() - began
    said = [str(each.message) for each in caught]
    if isinstance(found, _Failure):
        return Outcome({}, (type(found.error).__name__, _told(found.error)), said, seconds, None)
    values, waveforms = found
    return Outcome(values, None, said, seconds, waveforms)


def _told(error: BaseException) -> str:
    text = str(error) or "".join(traceback.format_exception_only(error)).strip()
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 3] + "..."


def _measured(
    job: Job, bench: Testbench, done: tuple[xr.Dataset, list[Warning], float] | None
) -> tuple[dict[str, Value], bytes | None]:
    assert job.engine is not None
    run = done[0] if done else simulate(bench, job.engine, time_limit=job.time_limit)
    values = {name: _value(name, measure, measure(run)) for name, measure in job.measures.items()}
    return values, netcdf_bytes(with_testbench_stored(run)) if job.waveforms else None


def _called(job: Job, recipe: Recipe) -> tuple[dict[str, Value], None]:
    assert job.function is not None
    with run_within(job.time_limit):
        found = job.function(**recipe.values)
    if not isinstance(found, Mapping) or not found or not all(isinstance(name, str) for name in found):
        raise InputError(f"{named(job.function)} must return what is measured by name; it returns {found!r:.80}")
    return {name: _value(name, job.function, each) for name, each in found.items()}, None


def _value(name: str, measure: Any, found: Any) -> Value:
    labeled = found if isinstance(found, xr.DataArray) else None
    data = np.asarray(found)
    if data.dtype.kind not in "biuf":
        raise InputError(f"{named(measure)} must return a number or an array of numbers; it returns {found!r:.80}")
    if data.nbytes > limits.SWEEP_VALUES_BYTES:
        raise InputError(f"what {name} returns {exceeds('SWEEP_VALUES_BYTES', 'bytes')}")
    dims = map(str, labeled.dims) if labeled is not None else (f"{name}_{axis}" for axis in range(data.ndim))
    attributes = labeled.attrs if labeled is not None else {}
    units, long_name = (str(attributes.get(key, "")) for key in ("units", "long_name"))
    return Value(tuple(dims), units, long_name, np.asarray(data, dtype="<f8", order="C"))
