"""Until when a run, or a step of it, may take.

A run's limit counts from the call on and covers everything inside: waiting for another thread's run, compiling a model,
starting ngspice's process, simulating. So it is kept in a context variable, and whatever may take long asks for it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from spicecim import limits
from spicecim.errors import InputError, TimeLimitError
from spicecim.quantities import input_quantity


@dataclass(frozen=True)
class Deadline:
    """When something must have ended.

    Attributes
    ----------
    what
        What must have ended, such as ``"the run"``.
    limit
        Seconds that it may take.
    cure
        How to set another limit.
    ends
        Instant of `time.monotonic` (s) at which it must have ended.
    """

    what: str
    limit: float
    cure: str
    ends: float

    def left(self) -> float:
        """Seconds until it ends, not below 0."""
        return max(0.0, self.ends - time.monotonic())

    def error(self, reason: str = "") -> TimeLimitError:
        """Return the error that says which limit was reached, where it helps with a reason, and how to change it."""
        because = f" ({reason})" if reason else ""
        return TimeLimitError(f"{self.what} was stopped at its time limit of {self.limit:g} s{because}; {self.cure}")


_current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)
_where: ContextVar[Callable[[], str]] = ContextVar("where", default=str)


def current_deadline() -> Deadline | None:
    """Deadline of the run that this is part of; None outside a run and in one without a limit."""
    return _current.get()


def check_deadline() -> None:
    """Raise `TimeLimitError` if the run that this is part of should have ended. It costs about 0.1 us."""
    deadline = _current.get()
    if deadline is not None and time.monotonic() > deadline.ends:
        raise deadline.error(_where.get()())


@contextmanager
def telling(where: Callable[[], str]) -> Iterator[None]:
    """Let `check_deadline` say how far something has come, by what a function returns."""
    token = _where.set(where)
    try:
        yield
    finally:
        _where.reset(token)


@contextmanager
def run_within(time_limit: float | str | None) -> Iterator[None]:
    """Set the deadline of a run, from now on; inside another run, that of the other stays if it is earlier.

    Parameters
    ----------
    time_limit
        Seconds; None for no limit.

    Raises
    ------
    InputError
        If it is no duration, not above 0 or above `limits.LONGEST_TIME_LIMIT`.
    """
    if time_limit is None:
        yield
        return
    seconds = _seconds(time_limit, "time_limit")
    cure = "time_limit (on the command line --time-limit) sets another, None (none) takes it away"
    with _within(Deadline("the run", seconds, cure, time.monotonic() + seconds)):
        yield


@contextmanager
def compile_step(what: str) -> Iterator[Deadline]:
    """Set the deadline of one step of compiling a Verilog-A file: its own, or that of the run if it is earlier."""
    variable = limits.COMPILE_TIME_LIMIT_VARIABLE
    seconds = _seconds(os.environ.get(variable) or limits.COMPILE_TIME_LIMIT, variable)
    cure = f"the environment variable {variable} sets another"
    with _within(Deadline(what, seconds, cure, time.monotonic() + seconds)) as deadline:
        yield deadline


@contextmanager
def _within(deadline: Deadline) -> Iterator[Deadline]:
    outer = _current.get()
    sooner = deadline if outer is None or deadline.ends < outer.ends else outer
    token = _current.set(sooner)
    try:
        yield sooner
    finally:
        _current.reset(token)


def _seconds(time_limit: float | str, name: str) -> float:
    seconds = input_quantity(name, time_limit, "s")
    if not 0.0 < seconds <= limits.LONGEST_TIME_LIMIT:
        raise InputError(f"{name}: must be above 0 and at most {limits.LONGEST_TIME_LIMIT:g} s; it is {seconds:g} s")
    return seconds
