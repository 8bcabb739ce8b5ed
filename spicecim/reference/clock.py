"""A run's time limit, asked for in every step and block."""

from __future__ import annotations

from spicecim.deadline import current_deadline


def check_time(done: float, duration: float, unit: str = "s") -> None:
    """Raise `TimeLimitError` if the run should have ended; `done` of `duration`, in a unit, are behind it."""
    deadline = current_deadline()
    if deadline is not None and not deadline.left():
        raise deadline.error(f"the reference engine was at {done:g} of {duration:g} {unit}")
