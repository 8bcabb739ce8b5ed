"""Jobs in forks of this process: they have all that it has, loaded and registered, and send back what they find."""

from __future__ import annotations

import itertools
import multiprocessing
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

from threadpoolctl import threadpool_limits

from spicecim.deadline import current_deadline

Job = Callable[[int], Any]

CAN_FORK = sys.platform == "linux"
"""Elsewhere a fork is not safe with the libraries that numpy uses, or there is none."""


_GRACE = 1.0
"""Seconds that jobs get after the deadline of the run to end by themselves."""


class Died(NamedTuple):
    """In place of a result: the process that was at work ended."""

    status: int
    """Its exit status; below 0 the signal that ended it."""


class _Worker:
    """A fork that does one job after the other."""

    def __init__(self, job: Job) -> None:
        context = multiprocessing.get_context("fork")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other, self.connection, job), daemon=True)
        with warnings.catch_warnings():
            # newer Pythons warn of threads; those of a linear algebra library wait for work and take a fork
            warnings.simplefilter("ignore", DeprecationWarning)
            self.process.start()
        other.close()
        self.index = -1

    def begin(self, index: int) -> None:
        self.index = index
        self.connection.send(index)

    def result(self) -> Any:
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            return Died(self.process.exitcode or 0)

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


def _serve(connection: Connection, parents: Connection, job: Job) -> None:
    parents.close()  # what the fork has of it: only so is the parent's end the last, and its death the end of this
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets it too, and ends this
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with threadpool_limits(limits=1, user_api="blas"):
        while True:
            try:
                index = connection.recv()
                connection.send(job(index))
            except (EOFError, OSError):
                return


def run_forked(job: Job, count: int, workers: int) -> Iterator[tuple[int, Any]]:
    """Do ``job(index)`` for all indices below a count, and yield each with its result as it is there.

    Parameters
    ----------
    job
        What to do. It may raise nothing; what it returns is pickled.
    count
        Number of jobs.
    workers
        Number of processes.

    Raises
    ------
    TimeLimitError
        If the deadline of the run has passed by `_GRACE`, in which jobs that look at the time end by themselves.
    """
    waiting = iter(range(count))
    busy: dict[Any, _Worker] = {}
    try:
        for index in itertools.islice(waiting, workers):
            worker = _Worker(job)
            busy[worker.connection] = worker
            worker.begin(index)
        while busy:
            deadline = current_deadline()
            ready = wait([*busy], None if deadline is None else deadline.left() + _GRACE)
            if not ready and deadline is not None:
                raise deadline.error()
            for connection in ready:
                worker = busy.pop(connection)
                index, result = worker.index, worker.result()
                following = next(waiting, None)
                if isinstance(result, Died) or following is None:
                    worker.end()
                    worker = _Worker(job) if following is not None else worker
                if following is not None:
                    busy[worker.connection] = worker
                    worker.begin(following)
                yield index, result
    finally:
        for worker in busy.values():
            worker.end()
