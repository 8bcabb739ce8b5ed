"""`simulate_many`: many testbenches in one call."""

from __future__ import annotations

import copy
import os
import pickle
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from spicecim.deadline import check_deadline, run_within
from spicecim.engines import simulate
from spicecim.errors import InputError, ManyRunsError, SimulationError, TimeLimitError, WorkerCrashError
from spicecim.forked import CAN_FORK, Died, run_forked
from spicecim.limits import DEFAULT_TIME_LIMIT
from spicecim.testbench import Testbench

if TYPE_CHECKING:
    import xarray as xr

_Outcome = tuple[Any, list[Any]]
"""A dataset or an exception, and the warnings of a run."""


def simulate_many(
    testbenches: Iterable[Testbench],
    *,
    time: ArrayLike | None = None,
    time_limit: float | str | None = DEFAULT_TIME_LIMIT,
    progress: Callable[[float], None] | None = None,
    workers: int | None = None,
) -> list[xr.Dataset]:
    """Run testbenches in the reference engine, on all processors at once.

    Each result is to the last digit that of ``simulate(testbench, engine="reference")``. Tables of devices that move
    alike, whatever their other parameters, are made once in each of the processes.

    Parameters
    ----------
    testbenches
        What to simulate: draws of parameters or states, amplitudes, or whatever else.
    time
        Instants (s) at which the waveforms are wanted, of all alike; by default each testbench's own.
    time_limit
        Seconds for all together, an hour if left out; None for no limit.
    progress
        Called with the fraction of the testbenches that is done.
    workers
        Number of processes; by default one per processor that this process may use. With 1, and where the system has
        no safe fork (anywhere but on Linux), everything runs in this process.

    Returns
    -------
    list of xarray.Dataset
        The waveforms, in the order of the testbenches.

    Raises
    ------
    InputError
        If something is no testbench, or `workers` is no number of processes.
    ManyRunsError
        If a testbench failed, or the time limit was reached. Its attribute ``results`` holds the waveforms of all
        others, and in place of those that failed their errors; ``errors`` these alone, by index. One that fails does
        not keep the others from running.

    Warns
    -----
    AccuracyWarning, StateWarning, CurrentWarning
        As `simulate`, once per kind, with the index of the first testbench and how many others there are.

    Examples
    --------
    >>> import spicecim as sc
    >>> bench = {
    ...     "device": {"model": "yakopcic", "preset": "oblea"},
    ...     "crossbar": {"state": [[0.9, 0.1], [0.1, 0.9]]},
    ...     "drive": {"kind": "sine", "frequency": "100"},
    ... }
    >>> benches = [
    ...     sc.Testbench.from_dict({**bench, "drive": {**bench["drive"], "amplitude": volts}}) for volts in (0.3, 0.4)
    ... ]
    >>> [run.i_column.sizes["column"] for run in sc.simulate_many(benches)]
    [2, 2]
    """
    benches = list(testbenches)
    for index, bench in enumerate(benches):
        if not isinstance(bench, Testbench):
            raise InputError(f"testbenches: number {index} is no Testbench, but of the type {type(bench).__name__}")
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
        raise InputError(f"workers: must be a whole number of at least 1; it is {workers!r}")

    def run(index: int) -> _Outcome:
        return _attempt(benches[index], time)

    results: list[Any] = [None] * len(benches)
    warned: dict[int, list[Any]] = {}
    with run_within(time_limit):
        try:
            for done, (index, outcome) in enumerate(_outcomes(run, len(benches), workers or _processors()), start=1):
                results[index], warned[index] = outcome
                if progress is not None:
                    progress(done / len(benches))
        except TimeLimitError as error:
            results = [error if result is None else result for result in results]
    failed = any(isinstance(result, Exception) for result in results)
    try:
        _warn(warned)
    except Warning:  # where warnings are errors, nothing of what was computed is lost to one of them
        if not failed:
            raise
    if failed:
        raise ManyRunsError(results)
    return results


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if CAN_FORK else 1


def _outcomes(run: Callable[[int], _Outcome], count: int, workers: int) -> Iterator[tuple[int, _Outcome]]:
    workers = min(workers, count)
    if workers < 2 or not CAN_FORK:
        yield from ((index, run(index)) for index in range(count))
        return
    for index, outcome in run_forked(run, count, workers):
        if isinstance(outcome, Died):
            outcome = WorkerCrashError(f"the process that ran it ended with status {outcome.status}"), []
        yield index, outcome


def _attempt(bench: Testbench, time: ArrayLike | None) -> _Outcome:
    result: Any
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            check_deadline()
            result = simulate(bench, "reference", time=time, time_limit=None)
        except Exception as error:
            result = _plain(error)
    return result, [each.message for each in caught]


def _plain(error: Exception) -> Exception:
    """Return an error that another process can send."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever the error of a device of one's own holds
        return SimulationError(f"{type(error).__name__}: {error}")
    return error.with_traceback(None)


def _warn(warned: dict[int, list[Any]]) -> None:
    """Warn of each kind once."""
    kinds: dict[type[Warning], dict[int, Any]] = {}
    for index in sorted(warned):
        for warning in warned[index]:
            kinds.setdefault(type(warning), {}).setdefault(index, warning)
    for each in kinds.values():
        first, warning = next(iter(each.items()))
        others = f" ({len(each) - 1} other testbenches warn alike)" if len(each) > 1 else ""
        text = f"testbench {first}: {warning}{others}"
        shown = copy.copy(warning)
        shown.args = (text,)
        warnings.warn(shown, stacklevel=3)
