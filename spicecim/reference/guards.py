"""What every solver minds: time limits and interrupts, numbers beyond a float, and threads that wait for each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, wraps
from typing import ParamSpec, TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

from spicecim.deadline import check_deadline, telling
from spicecim.errors import InputError
from spicecim.fields import FloatArray

JUST_BEYOND = 1.01
"""Voltages relative to the last that a solution was found for, at which it is looked whether the next overflow."""

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class NoConvergence(Exception):
    """A step of this length has no solution that the rounds would find."""


class _Reached:
    """How far a run has come."""

    def __init__(self, progress: Callable[[float], None] | None = None, total: float = 1.0, unit: str = "s") -> None:
        self.progress = progress
        self.done, self.total, self.unit = 0.0, total, unit

    def __str__(self) -> str:
        return f"the reference engine was at {self.done:g} of {self.total:g} {self.unit}"


_reached: ContextVar[_Reached | None] = ContextVar("reached", default=None)


@contextmanager
def watched(progress: Callable[[float], None] | None, total: float, unit: str = "s") -> Iterator[None]:
    """Let `check_time` tell how far a run of a total is: a callback (the fraction), and whoever ends the run."""
    reached = _Reached(progress, total, unit)
    token = _reached.set(reached)
    try:
        with telling(reached.__str__):
            yield
    except KeyboardInterrupt as interrupt:
        interrupt.args = (str(reached),)
        raise
    finally:
        _reached.reset(token)


def check_time(done: float, total: float, unit: str = "s") -> None:
    """Raise `TimeLimitError` if the run should have ended; `done` of a total, in a unit, are behind it."""
    reached = _reached.get() or _Reached()
    reached.done, reached.total, reached.unit = done, total, unit
    check_deadline()
    if reached.progress is not None:
        reached.progress(done / total)


def check_finite(*values: FloatArray) -> None:
    """Raise `InputError` if currents or rates are not finite."""
    if all(np.isfinite(part).all() for part in values):
        return
    # not a number follows from what is beyond the range, if there is any
    beyond = any(np.isinf(part).any() for part in values)
    what = "beyond the range of a float" if beyond else "not a number (NaN), or beyond the range of a float"
    raise InputError(f"drive: at its voltages a device's current or rate is {what}")


def one_thread(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Let a function's linear algebra use one thread.

    Threads for thousands of small products wait for each other: on a busy machine that takes a hundred times as long.
    """

    @wraps(function)
    def limited(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        with _controller().limit(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return limited


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
