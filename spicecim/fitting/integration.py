"""States of many devices along measured voltages, each on its own clock, with forward sensitivities.

None of the reference engine's integrators takes parameters as arrays: its tables of flow are for fixed parameters, and
its collocation for one device. This one is for fits, whose data are noisy: Radau IIA of order 3, at least one step for
each interval between two samples, the voltage a straight line in it. Its two stages are solved in closed form.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spicecim.fields import FloatArray
from spicecim.fitting.systems import System
from spicecim.reference.collocation import radau

TOLERANCE = 1e-5
"""Of the estimated error of a step, relative to the range of the state. The error itself is of one order more."""

_C, _A = radau(2).stages, np.linalg.inv(radau(2).slope)
_GAMMA = 0.4
"""Weight of the estimate: that of the slope at the start in the embedded formula of order 2."""
_MOST_ITERATIONS = 8
_MOST_STEPS = 12
"""Per sample. A candidate that needs more is far off, and given up."""


class Records(NamedTuple):
    """Sweeps of several lengths, filled up at their ends.

    Attributes
    ----------
    time, voltage
        Instants (s) and voltages (V) of the source (sweep, sample).
    limit
        Current (A) at which the source limits (sweep, sample), infinite where it does not.
    length
        Samples of each (sweep,).
    """

    time: FloatArray
    voltage: FloatArray
    limit: FloatArray
    length: NDArray[np.int_]


class Course(NamedTuple):
    """States of devices at the samples of their sweeps, and what their sensitivities are made of.

    Attributes
    ----------
    state
        (device, sample); NaN from where a device was given up.
    inner
        Inner voltages (V), as the states.
    failed
        Which devices were given up (device,).
    taken
        The steps: devices, widths (s), voltages, states and inner voltages at their stages, limits, and the sample that
        each ends at or -1.
    """

    state: FloatArray
    inner: FloatArray
    failed: NDArray[np.bool_]
    taken: list[tuple[Any, ...]]


def integrate(
    system: System,
    records: Records,
    sweep: NDArray[np.int_],
    start: FloatArray,
    p: FloatArray,
    tolerance: float = TOLERANCE,
) -> Course:
    """Integrate devices along sweeps.

    Parameters
    ----------
    system
        The device.
    records
        The sweeps.
    sweep
        Which of them each device takes (device,).
    start
        State variable of each at its first sample (device,).
    p
        Free parameters (parameter, device).
    tolerance
        Allowed error of a step, relative to the range of the state.
    """
    count, samples = len(sweep), records.time.shape[1]
    states = np.full((count, samples), np.nan)
    inner = np.full((count, samples), np.nan)
    s, failed = np.array(start), ~np.isfinite(start)
    place = np.zeros(count, dtype=int)
    time = records.time[sweep, 0].copy()
    step = records.time[sweep, 1] - time
    last = records.length[sweep] - 1
    # a finer tolerance takes more steps
    budget = (_MOST_STEPS * last + 1000) * max(1.0, (TOLERANCE / tolerance) ** (1 / 3))
    taken: list[tuple[Any, ...]] = []
    enough = 0.1 * min(tolerance, TOLERANCE)
    with np.errstate(all="ignore"):
        first = records.voltage[sweep, 0], records.limit[sweep, 0]
        u = system.inner(first[0], s, p, first[1])
        states[:, 0], inner[:, 0] = s, u
        begun = system.linear(first[0], s, u, p, first[1])
        # rates at the two stages of the last step, or at the start, and their derivatives
        before = np.stack([begun.rate, begun.rate, begun.by_state, np.ones(count)])
        every = np.arange(count)
        while True:
            on = ~failed & (place < last)
            if not on.any():
                return Course(states, inner, failed, taken)
            # a slice is a view: where all devices go on, it is several times as fast as their numbers
            going: Any = slice(None) if on.all() else np.flatnonzero(on)
            row, at = sweep[going], place[going]
            begin, end = records.time[row, at], records.time[row, at + 1]
            left = end - time[going]
            # a step that would leave a tiny rest takes it along
            h = np.where(step[going] > 0.999 * left, left, step[going])
            fraction = (time[going] - begin + _C[:, None] * h) / (end - begin)
            v = records.voltage[row, at] + fraction * (records.voltage[row, at + 1] - records.voltage[row, at])
            limit = records.limit[row, at + 1]
            own = p[:, going]
            s_stage, u_stage, f, f_s, converged = _stages(
                system, v, s[going], u[going], before[:, going], h, own, limit, enough
            )
            error = np.abs(h * _GAMMA * (before[1, going] - 1.5 * f[0] + 0.5 * f[1]) / (1.0 - h * _GAMMA * f_s[1]))
            error = np.where(converged & np.isfinite(error), error / (tolerance * system.span), np.inf)
            good: Any = error <= 1.0
            factor = np.where(np.isfinite(error), np.clip(0.9 * np.maximum(error, 1e-9) ** (-1 / 3), 0.2, 5.0), 0.2)
            # after a short step to a sample, what was planned stands
            step[going] = np.where(
                good, np.maximum(h * factor, np.where(h < step[going], step[going], 0.0)), h * factor
            )
            failed[going] = (h < 1e-9 * (end - begin)) & ~good
            budget[going] -= 1
            failed[going] |= budget[going] < 0
            if good.any():
                ok: Any = going if good.all() else every[going][good]
                good = slice(None) if good.all() else good
                landed = h[good] == left[good]
                there = np.where(landed, at[good] + 1, -1)
                taken.append((every[ok], h[good], v[:, good], s_stage[:, good], u_stage[:, good], limit[good], there))
                s[ok], u[ok] = s_stage[1, good], u_stage[1, good]
                before[:, ok] = f[0, good], f[1, good], f_s[1, good], h[good]
                time[ok] = np.where(landed, end[good], time[ok] + h[good])
                place[ok] += landed
                there = every[ok][landed]
                states[there, place[there]], inner[there, place[there]] = s[there], u[there]


def _stages(
    system: System,
    v: FloatArray,
    s: FloatArray,
    u: FloatArray,
    before: FloatArray,
    h: FloatArray,
    p: FloatArray,
    limit: FloatArray,
    enough: float,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, NDArray[np.bool_]]:
    """States, inner voltages, rates and their derivatives at the two stages (stage, device), and where they were found.

    By Newton's method, from the rates at the stages of the step before, their derivative and that step.
    """
    early, late, stiffness, width = before
    # a stiff state stays: at a stop, Newton's method would jump to and fro from the other side
    bend = 0.75 * h * (late - early) / width
    z = np.where(h * np.abs(stiffness) > 1.0, 0.0, h * _C[:, None] * (late + _C[:, None] * bend))
    u = np.stack([u, u])
    for _ in range(_MOST_ITERATIONS):
        near = system.linear(v, s + z, u, p, limit)
        f, g = near.rate, near.by_state
        missed = z - h * (_A @ f)
        a, b = 1.0 - h * _A[0, 0] * g[0], -h * _A[0, 1] * g[1]
        c, d = -h * _A[1, 0] * g[0], 1.0 - h * _A[1, 1] * g[1]
        change = np.stack([b * missed[1] - d * missed[0], c * missed[0] - a * missed[1]]) / (a * d - b * c)
        z = z + change
        follow = near.missed + near.inner_by_state * change
        u = u + follow
        # with Newton's method, what is left is about the square of that
        small = (np.abs(change) <= enough * system.span) & (np.abs(follow) <= enough)
        found = small.all(axis=0)
        if (found | ~np.isfinite(change).all(axis=0)).all():
            break
    return s + z, u, f + g * change, g, found


def sensitivities(system: System, course: Course, start: FloatArray, p: FloatArray) -> FloatArray:
    """Derivatives of the states at the samples: those of the steps that were taken, to rounding.

    Parameters
    ----------
    system, course, p
        As for `integrate`, which gave the course.
    start
        Derivatives of the first states (unknown, device). The first unknowns are the free parameters; any more do not
        stand in the equations, as the initial state.

    Returns
    -------
    numpy.ndarray
        (unknown, device, sample).
    """
    unknowns, count = start.shape
    result = np.zeros((unknowns, count, course.state.shape[1]))
    result[:, :, 0] = start
    if not course.taken:
        return result
    device, h, v, s, u, limit, _ = (np.concatenate(part, axis=-1) for part in zip(*course.taken, strict=True))
    with np.errstate(all="ignore"):
        slopes = system.slopes("rate", v, s, u, p[:, device], limit)
        g, f_p = slopes.by_state, slopes.by_parameter
        a, b = 1.0 - h * _A[0, 0] * g[0], -h * _A[0, 1] * g[1]
        c, d = -h * _A[1, 0] * g[0], 1.0 - h * _A[1, 1] * g[1]
        determinant = a * d - b * c

        def solved(first: FloatArray, second: FloatArray) -> FloatArray:
            """Second stage of the increments for slopes at the stages."""
            one, two = (h * (row[0] * first + row[1] * second) for row in _A)
            return np.asarray((a * two - c * one) / determinant)

        growth, push = 1.0 + solved(g[0], g[1]), solved(f_p[:, 0], f_p[:, 1])
    current, at = start.copy(), 0
    own = len(p)
    for ok, *_, landed in course.taken:
        part = slice(at, at + len(ok))
        at += len(ok)
        current[:, ok] *= growth[part]
        current[:own, ok] += push[:, part]
        there = landed >= 0
        result[:, ok[there], landed[there].astype(int)] = current[:, ok[there]]
    return result
