"""`simulate_many`: many testbenches in one call."""

from __future__ import annotations

import contextlib
import copy
import os
import pickle
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from spicecim.deadline import check_deadline, run_within
from spicecim.engines import simulate, warnings_of
from spicecim.errors import InputError, ManyRunsError, SimulationError, TimeLimitError, WorkerCrashError
from spicecim.forked import CAN_FORK, Died, run_forked
from spicecim.limits import DEFAULT_TIME_LIMIT
from spicecim.reference.engine import common_steps, goes_together, simulate_together
from spicecim.testbench import Testbench

if TYPE_CHECKING:
    import xarray as xr

_Outcome = tuple[Any, list[Any]]
"""A dataset or an exception, and the warnings of a run."""

_MOST_TOGETHER = 12
"""Testbenches that run together: of more, each gains nothing, and the first waits for the last."""
_MOST_VALUES = 16_000_000
"""Cells and instants that run together, to bound the memory."""
_LEAST_GROUPS = 4
"""Groups per process, for all to be busy until the end."""


def simulate_many(
    testbenches: Iterable[Testbench],
    *,
    time: ArrayLike | None = None,
    time_limit: float | str | None = DEFAULT_TIME_LIMIT,
    progress: Callable[[float], None] | None = None,
    workers: int | None = None,
) -> list[xr.Dataset]:
    """Run testbenches in the reference engine, on all processors at once.

    Each result is that of ``simulate(testbench, engine="reference")``: to the last digit or, where testbenches share
    their steps, to the errors that it states. Tables of devices that move alike, whatever their other parameters, are
    made once in each of the processes. Behind ideal wires, the states of such devices are followed in one pass for
    several testbenches; behind resistances, so are whole crossbars that differ in nothing but states and such
    parameters, on common steps (see `docs/many-testbenches.md`).

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

    def run(indices: range) -> list[_Outcome]:
        return _attempt([benches[index] for index in indices], time)

    processes = workers or _processors()
    results: list[Any] = [None] * len(benches)
    warned: dict[int, list[Any]] = {}
    with run_within(time_limit):
        try:
            groups = _groups(benches, time, processes)
            for done, (index, outcome) in enumerate(_outcomes(run, groups, processes), start=1):
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


def _outcomes(
    run: Callable[[range], list[_Outcome]], groups: Sequence[range], workers: int
) -> Iterator[tuple[int, _Outcome]]:
    if min(workers, len(groups)) < 2 or not CAN_FORK:
        for group in groups:
            yield from zip(group, run(group), strict=True)
        return
    alone: list[range] = []
    for group, outcomes in _forked(run, groups, workers):
        if isinstance(outcomes, Died):  # each alone tells which it was
            alone += [range(index, index + 1) for index in group]
        else:
            yield from zip(group, outcomes, strict=True)
    for group, outcomes in _forked(run, alone, workers):
        if isinstance(outcomes, Died):
            outcomes = [(WorkerCrashError(f"the process that ran it ended with status {outcomes.status}"), [])]
        yield from zip(group, outcomes, strict=True)


def _forked(
    run: Callable[[range], list[_Outcome]], groups: Sequence[range], workers: int
) -> Iterator[tuple[range, Any]]:  # fmt: skip
    for number, outcomes in run_forked(lambda number: run(groups[number]), range(len(groups)), workers):
        yield groups[number], outcomes


def _groups(benches: Sequence[Testbench], time: ArrayLike | None, workers: int) -> list[range]:
    """Neighbors that run together, few enough that all processes have several groups to do."""
    most = min(_MOST_TOGETHER, -(-len(benches) // (_LEAST_GROUPS * workers)))
    groups: list[range] = []
    values, common = 0, None
    for index, bench in enumerate(benches):
        before, common = common, None
        size = _MOST_VALUES
        with contextlib.suppress(Exception):  # whatever a drive of one's own raises, its run tells
            common = "one pass" if goes_together(bench) else common_steps(bench)
            size = bench.crossbar.state.size * np.size(bench.time_grid() if time is None else time)
        alike = common is not None and common == before
        if alike and values + size <= _MOST_VALUES and len(groups[-1]) < most:
            groups[-1], values = range(groups[-1].start, index + 1), values + size
        else:
            groups.append(range(index, index + 1))
            values = size
    return groups


def _attempt(benches: Sequence[Testbench], time: ArrayLike | None) -> list[_Outcome]:
    """Run testbenches, of several all in one pass or, where one of them fails or warns there, each alone."""
    if len(benches) > 1:
        with contextlib.suppress(Exception), warnings.catch_warnings():
            warnings.simplefilter("error")
            runs = simulate_together(benches, time=time)
            return [(run, warnings_of(bench, run)) for bench, run in zip(benches, runs, strict=True)]
    return [_attempt_alone(bench, time) for bench in benches]


def _attempt_alone(bench: Testbench, time: ArrayLike | None) -> _Outcome:
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
