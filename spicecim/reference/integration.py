"""States of devices under one voltage waveform, by adaptive integration of their rate."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
from scipy.integrate import solve_ivp

from spicecim.devices import Device
from spicecim.errors import IntegrationError
from spicecim.fields import FloatArray


def integrate_states(
    device: Device,
    voltage: Callable[[float], float],
    breaks: FloatArray,
    initial: FloatArray,
    time: FloatArray,
    relative_tolerance: float,
) -> FloatArray:
    """Integrate the states of devices that share a voltage.

    Between two breaks the voltage is smooth and crosses no level at which the device's rate has a kink, so an
    eighth-order Runge-Kutta method (DOP853) works at its full order. Where the state has hard stops, the free motion
    between two breaks is monotone, because the voltage keeps its sign there: clipping it is exact.

    Parameters
    ----------
    device
        The device.
    voltage
        Voltage (V) at one instant (s).
    breaks
        Increasing instants (s), from 0 to the end.
    initial
        State variables at time 0 (device,).
    time
        Increasing instants (s) at which the states are wanted, between 0 and the end.
    relative_tolerance
        Local error of a step relative to the state; the absolute tolerance is a hundredth of it.

    Returns
    -------
    numpy.ndarray
        State variables (time, device).

    Raises
    ------
    IntegrationError
        If a step cannot be made small enough for the tolerance.
    """
    states = np.empty((len(time), len(initial)))
    state = np.array(initial, dtype=float)
    stops = device.stops()
    states[: np.searchsorted(time, breaks[0], side="right")] = state
    for start, end in itertools.pairwise(breaks):
        inside = slice(np.searchsorted(time, start, side="right"), np.searchsorted(time, end, side="right"))
        if _is_still(device, voltage, start, end, state):
            states[inside] = state
            continue
        solution = solve_ivp(
            lambda instant, s: device.free_rate(voltage(instant), s),
            (start, end),
            state,
            method="DOP853",
            t_eval=np.union1d(time[inside], [end]),
            rtol=relative_tolerance,
            atol=1e-2 * relative_tolerance,
            first_step=0.1 * (end - start),
        )
        if not solution.success:
            raise IntegrationError(
                f"the state could not be integrated from {start:g} s to {end:g} s: {solution.message}"
            )
        motion = solution.y.T if stops is None else np.clip(solution.y.T, *stops)
        states[inside] = motion[: inside.stop - inside.start]
        state = motion[-1]
    return states


def _is_still(device: Device, voltage: Callable[[float], float], start: float, end: float, state: FloatArray) -> bool:
    """Whether no state moves between two breaks: the voltage stays in a dead zone of the device, or at zero."""
    instants = start + (end - start) * np.array([0.25, 0.5, 0.75])
    return not any(np.any(device.rate(voltage(instant), state)) for instant in instants)
