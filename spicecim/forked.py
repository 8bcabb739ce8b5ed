"""Jobs in forks of this process: they have all that it has, loaded and registered, and send back what they find."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import signal
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

from threadpoolctl import threadpool_limits

from spicecim.deadline import current_deadline
from spicecim.errors import WorkerCrashError

Job = Callable[[Any], Any]

CAN_FORK = sys.platform == "linux"
"""Elsewhere a fork is not safe with the libraries that numpy uses, or there is none."""


_NONE = object()

_LOOK = 0.5
"""Seconds between looks of a process without a job for a signal that it holds back."""

_GRACE = 1.0
"""Seconds that jobs get after the deadline of the run to end by themselves."""


class Died(NamedTuple):
    """In place of a result: the process that was at work ended."""

    status: int
    """Its exit status; below 0 the signal that ended it."""


class _Worker:
    """A fork that does one job after the other; one that is no daemon may have forks of its own."""

    def __init__(self, job: Job, daemon: bool = True, to_the_end: bool = False) -> None:
        context = multiprocessing.get_context("fork")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other, self.connection, job, to_the_end), daemon=daemon)
        with warnings.catch_warnings():
            # newer Pythons warn of threads; those of a linear algebra library wait for work and take a fork
            warnings.simplefilter("ignore", DeprecationWarning)
            self.process.start()
        other.close()
        self.argument: Any = None

    def begin(self, argument: Any) -> None:
        self.argument = argument
        with contextlib.suppress(OSError):  # the process has ended, which `result` tells
            self.connection.send(argument)

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


def _serve(connection: Connection, parents: Connection, job: Job, to_the_end: bool) -> None:
    parents.close()  # what the fork has of it: only so is the parent's end the last, and its death the end of this
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets it too, and ends this
    # before libraries start threads: any that does not block it would take it
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM} if to_the_end else ())
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with threadpool_limits(limits=1):  # threads of OpenMP too: those of a parent are not there in its fork
        while True:
            try:
                while to_the_end and not connection.poll(_LOOK):
                    if signal.SIGTERM in signal.sigpending():
                        return
                connection.send(job(connection.recv()))
            except (EOFError, OSError):
                return


def run_forked(
    job: Job, arguments: Iterable[Any], workers: int, *, to_the_end: bool = False
) -> Iterator[tuple[Any, Any]]:
    """Do ``job(argument)`` for all arguments, and yield each with its result as it is there.

    Parameters
    ----------
    job
        What to do. It may raise nothing; what it returns is pickled.
    arguments
        What is pickled and sent to a process when it is free: an iterator is asked for the next one only then.
    workers
        Number of processes.
    to_the_end
        Whether a process that gets SIGTERM ends only when it has no job, for a parent that waits for its results.

    Raises
    ------
    TimeLimitError
        If the deadline of the run has passed by `_GRACE`, in which jobs that look at the time end by themselves.
    """
    waiting = iter(arguments)
    busy: dict[Any, _Worker] = {}
    try:
        for argument in itertools.islice(waiting, workers):
            worker = _Worker(job, to_the_end=to_the_end)
            busy[worker.connection] = worker
            worker.begin(argument)
        while busy:
            deadline = current_deadline()
            ready = wait([*busy], None if deadline is None else deadline.left() + _GRACE)
            if not ready and deadline is not None:
                raise deadline.error()
            for connection in ready:
                worker = busy.pop(connection)
                argument, result = worker.argument, worker.result()
                following = next(waiting, _NONE)
                if isinstance(result, Died) or following is _NONE:
                    worker.end()
                    worker = _Worker(job, to_the_end=to_the_end) if following is not _NONE else worker
                if following is not _NONE:
                    busy[worker.connection] = worker
                    worker.begin(following)
                yield argument, result
    finally:
        for worker in busy.values():
            worker.end()


class Beside:
    """One job in a fork, beside what this process goes on to do. Where there is no safe fork, it is done at once.

    Warnings of the job are given when its result is asked for.

    Parameters
    ----------
    job
        What to do; what it returns, raises and warns of is pickled.
    """

    def __init__(self, job: Callable[[], Any]) -> None:
        self._worker = _Worker(lambda _: _attempted(job), daemon=False) if CAN_FORK else None
        if self._worker:
            self._worker.begin(None)
        else:
            self._outcome = _attempted(job)

    def result(self) -> Any:
        """Wait for what the job returns, or raise what it raised; to be called once.

        Raises
        ------
        WorkerCrashError
            If its process ended.
        """
        if self._worker:
            self._outcome = self._worker.result()
            self.end()
        if isinstance(self._outcome, Died):
            raise WorkerCrashError(f"a process that ran beside this one ended with status {self._outcome.status}")
        found, error, warned = self._outcome
        for warning in warned:
            warnings.warn(warning, stacklevel=2)
        if error is not None:
            raise error
        return found

    def end(self) -> None:
        """End the job, if it is still at work."""
        if self._worker:
            self._worker.end()
            self._worker = None


def _attempted(job: Callable[[], Any]) -> tuple[Any, Exception | None, list[Any]]:
    """Return what a job returns, what it raises, and what it warns of."""
    found, raised = None, None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = job()
        except Exception as error:
            raised = error.with_traceback(None)
    return found, raised, [each.message for each in caught]
