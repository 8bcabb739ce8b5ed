"""What every solver minds: the run's time limit, numbers beyond a float, and threads that wait for each other."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import ParamSpec, TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

from spicecim.deadline import current_deadline
from spicecim.errors import InputError
from spicecim.fields import FloatArray

JUST_BEYOND = 1.01
"""Voltages relative to the last that a solution was found for, at which it is looked whether the next overflow."""

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class NoConvergence(Exception):
    """A step of this length has no solution that the rounds would find."""


def check_time(done: float, duration: float, unit: str = "s") -> None:
    """Raise `TimeLimitError` if the run should have ended; `done` of `duration`, in a unit, are behind it."""
    deadline = current_deadline()
    if deadline is not None and not deadline.left():
        raise deadline.error(f"the reference engine was at {done:g} of {duration:g} {unit}")


def check_finite(*values: FloatArray) -> None:
    """Raise `InputError` if currents or rates are not finite."""
    if not all(np.isfinite(part).all() for part in values):
        raise InputError("drive: at its voltages a device's current or rate is beyond the range of a float")


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
