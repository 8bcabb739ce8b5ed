"""How long the next step is: the one controller of all solvers.

The elementary controller of E. Hairer, S. P. Norsett, G. Wanner, Solving Ordinary Differential Equations I, 2nd ed.,
Springer (1993), doi:10.1007/978-3-540-78862-1, section II.4: with an estimated error err, relative to what is allowed,
that falls with the power q of the step h, the next step is ``h * safety * err**(-1 / q)``, within bounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

_ON_BREAK = 1e-9
"""Part of the way to a break that a step may miss: it then lands there."""
_LEAST_ERROR = 1e-10
"""Error below which the step grows no faster."""


class Statistics(NamedTuple):
    """What a run took; an attribute of its waveforms each."""

    steps: int = 0
    """Accepted steps. Cells with steps of their own count each."""
    rejected_steps: int = 0
    """Attempted steps that missed the tolerance or had no solution."""
    factorizations: int = 0
    """Factorizations of the network's equations for these steps."""
    largest_residual: float = 0.0
    """Largest voltage by which Kirchhoff's laws are missed at an instant asked for (V)."""

    def __add__(self, other: Statistics) -> Statistics:  # type: ignore[override]
        """Statistics of two parts of a run together."""
        return Statistics(
            self.steps + other.steps,
            self.rejected_steps + other.rejected_steps,
            self.factorizations + other.factorizations,
            max(self.largest_residual, other.largest_residual),
        )


@dataclass(frozen=True)
class StepControl:
    """Safety, growth, landing on breakpoints, extrapolated guess and giving up.

    Lengths and errors are numbers, or arrays of cells each on its own clock.
    """

    order: int
    """Power of the step with which its error falls."""
    safety: float = 0.85
    growth: float = 4.0
    """Largest ratio of successive steps."""
    shrinkage: float = 0.05
    """Smallest ratio of successive steps."""
    rejected_shrinkage: float = 0.5
    """Largest ratio of a step to a rejected one before it."""
    failed_shrinkage: float = 0.25
    """Ratio of a step to one before it that had no solution."""
    kept: float = 1.0
    """Growth below which a step keeps its length, and with it what was factorized for it."""
    first: float = 1.0 / 32
    """First step, and the first after a break, relative to the longest."""
    per_period: float = 16.0
    """The longest step does not pass over what a drive does in a period."""
    smallest: float = 4.0 * np.finfo(float).eps
    """Step, relative to the time since the last break, that changes nothing."""
    no_time: float = 1e-9
    """Time since the last break, relative to the duration, below which it counts as that much."""
    attempts: float = 2000.0
    """Attempts for each of the longest steps and breaks in the duration, beyond which the solver gets nowhere."""
    farthest_guess: float = 2.0
    """Ratio of a step to the last up to which the last polynomial is a guess for it."""

    def longest(self, period: Any, duration: float) -> Any:
        """Longest step (s) with drives of a period (s)."""
        return np.minimum(period / self.per_period, duration)

    def most_attempts(self, longest: Any, duration: float, breaks: Any) -> Any:
        """Attempts after which to give up, with so many breaks of the drive."""
        return self.attempts * (duration / longest + breaks)

    def after_break(self, planned: Any, longest: Any, room: Any) -> Any:
        """Return the first step of a segment of `room` (s): what lies beyond a break is not known."""
        return np.clip(planned, self.first * np.minimum(longest, room), self.first * longest)

    def landing(self, planned: Any, longest: Any, room: Any, *, whole: Any = False) -> tuple[Any, Any]:
        """Length of the next step (s) with `room` (s) to the next break, and whether it lands there.

        Two even steps rather than a long one and a remainder, unless the `whole` length is wanted.
        """
        length = np.minimum(planned, longest)
        lands = length >= room * (1.0 - _ON_BREAK)
        even = np.where(whole, length, np.minimum(length, 0.5 * room))
        return np.where(lands, room, even), lands

    def next_length(self, length: Any, error: Any) -> Any:
        """Length to plan after a step of this length and estimated error, relative to the allowed: 1 is just right."""
        factor = self.safety * np.maximum(error, _LEAST_ERROR) ** (-1.0 / self.order)
        factor = np.clip(factor, self.shrinkage, self.growth)
        factor = np.where((factor >= 1.0) & (factor < self.kept), 1.0, factor)
        return length * np.where(error > 1.0, np.minimum(factor, self.rejected_shrinkage), factor)

    def towards(self, failed: Any, planned: Any, length: Any) -> Any:
        """Length to plan after a step of this length that an attempt `failed` (s) further on did not reach.

        What failed it, a device that switches, say, lies on the way: it is closed in on by halves, for which no step
        has to be shorter than the last.
        """
        return np.minimum(planned, np.maximum(0.5 * failed, length))

    def too_small(self, length: Any, since: Any, duration: float) -> Any:
        """Whether a step so long after a break (s) is so small that there is no solution."""
        return length < self.smallest * np.maximum(since, self.no_time * duration)
