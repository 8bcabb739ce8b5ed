"""Where the runs of a sweep are done: in this process, in forks of it, in a pool of one's own, or on a Dask cluster."""

from __future__ import annotations

import concurrent.futures
import os
import pickle
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from spicecim.errors import InputError, WorkerCrashError
from spicecim.forked import CAN_FORK, Died, run_forked
from spicecim.quantities import shown
from spicecim.sweeps.design import whole_number
from spicecim.sweeps.recipes import Recipe
from spicecim.sweeps.work import Job, Outcome, run_batch

Batch = list[int]
"""Numbers of runs of the plan that are done together."""


@dataclass(frozen=True)
class Work:
    """The runs of a sweep: ``work(batch)`` does some of them."""

    job: Job
    recipes: Sequence[Recipe]

    def __call__(self, batch: Batch) -> list[Outcome]:
        return run_batch(self.job, self.recipes_of(batch))

    def recipes_of(self, batch: Batch) -> list[Recipe]:
        return [self.recipes[number] for number in batch]


class Lost(NamedTuple):
    """In place of what became of a batch: the process that was at work ended."""

    reason: str


Results = Generator[tuple[Batch, "list[Outcome] | Lost"], None, None]


class Executor(NamedTuple):
    """Where runs are done.

    Attributes
    ----------
    workers
        Number of processes that work at the same time.
    run
        Does batches, asking for the next one when a worker is free, and yields each with what became of it.
    close
        To be called at the end.
    """

    workers: int
    run: Callable[[Work, Iterator[Batch]], Results]
    close: Callable[[], Any] = lambda: None


def chosen_executor(executor: Any, workers: int | None) -> Executor:
    """Return the executor that is meant.

    Parameters
    ----------
    executor
        None or ``"processes"``, ``"serial"``, the address of a Dask scheduler, a ``distributed.Client``, or a
        `concurrent.futures.Executor`.
    workers
        Number of processes, for ``"processes"``; by default one per processor that this process may use.

    Raises
    ------
    InputError
        If it is none of these.
    """
    if workers is not None:
        workers = whole_number("workers", workers)
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if executor in (None, "processes"):
        return _processes(workers or processors)
    if executor == "serial":
        return Executor(1, _serial)
    if isinstance(executor, concurrent.futures.Executor):
        count = workers or int(getattr(executor, "_max_workers", None) or processors)
        return Executor(count, lambda work, batches: _pooled(executor, count, work, batches))
    if (isinstance(executor, str) and "://" in executor) or hasattr(executor, "scheduler_info"):
        from spicecim.sweeps.cluster import dask_executor

        return dask_executor(executor)
    raise InputError(
        "executor: must be serial, processes, the address of a Dask scheduler (tcp://HOST:PORT), a distributed.Client "
        f"or a concurrent.futures.Executor; it is {shown(executor)}"
    )


def _serial(work: Work, batches: Iterator[Batch]) -> Results:
    for batch in batches:
        yield batch, work(batch)


def _processes(workers: int) -> Executor:
    if not CAN_FORK:
        return Executor(workers, lambda work, batches: _spawned(workers, work, batches))
    return Executor(workers, lambda work, batches: _forked(workers, work, batches))


def _forked(workers: int, work: Work, batches: Iterator[Batch]) -> Results:
    for batch, found in run_forked(work, batches, workers, to_the_end=True):
        yield batch, Lost(f"the process ended with status {found.status}") if isinstance(found, Died) else found


def _spawned(workers: int, work: Work, batches: Iterator[Batch]) -> Results:
    with concurrent.futures.ProcessPoolExecutor(workers) as pool:
        yield from _pooled(pool, workers, work, batches)


def _pooled(pool: concurrent.futures.Executor, width: int, work: Work, batches: Iterator[Batch]) -> Results:
    """Keep a batch per worker, and one more, in a pool."""
    try:
        pickle.dumps(work.job)
    except Exception as error:  # whatever a function of one's own holds
        if not isinstance(pool, concurrent.futures.ThreadPoolExecutor):
            raise InputError(
                f"executor: what you measure with must be functions of a module, to be sent to it: {error}"
            ) from None
    flying: dict[concurrent.futures.Future[list[Outcome]], Batch] = {}
    try:
        more = True
        while more or flying:
            while more and len(flying) <= width:
                batch = next(batches, None)
                more = batch is not None
                if batch is not None:
                    flying[pool.submit(run_batch, work.job, work.recipes_of(batch))] = batch
            done, _ = concurrent.futures.wait(flying, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in done:
                yield flying.pop(future), future.result()
    except concurrent.futures.BrokenExecutor as error:
        raise WorkerCrashError(
            f"a process of the executor died, and the executor with it ({error}); what was finished is stored, and the "
            "same call with a new executor goes on"
        ) from None
    finally:
        for future in flying:
            future.cancel()
