"""Responses of single cells whose rate separates: exact flow of the state, Lobatto's rule for what is integrated.

With ``ds/dt = g(v) f(s)`` and ``v = A sin(u)``, ``u = 2 pi f t``, the state at phase u lies ``G(u) / (2 pi f)`` further
on the tabulated flow than at the start of the half cycle, G being the integral of g over the phase. Nothing is
stepped: every instant is reached directly, and a panel of the phase in which the current is not smooth (a state that
reaches its stop, or switches abruptly) is halved until it is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from spicecim.devices.device import Device
from spicecim.fields import FloatArray
from spicecim.reference.guards import one_thread
from spicecim.reference.tables.flow_map import Flows, flows

_DEGREE = 14
"""Degree of Lobatto's rule, whose nodes include both ends: no kink hides between the outermost node and an end."""
_TOLERANCE = 1e-8
"""Error that a panel may add to the integral of a current over the phase, relative to the current's peak."""
_MOST_HALVINGS = 48
_PARTS = 2
"""Panels to begin with between two breaks."""
_BLOCK = 512
"""Responses that are evaluated at once: their arrays are just small enough (128 KiB) for the allocator to keep, where
larger ones would be fetched from the system anew for each operation, at three times the time."""

_inner = np.sort(legendre.Legendre.basis(_DEGREE).deriv().roots().real)
_places = np.concatenate([[-1.0], _inner, [1.0]])
_fit = np.linalg.inv(legendre.legvander(_places, _DEGREE))
_integral = 0.5 * legendre.legint(np.eye(_DEGREE + 1), lbnd=-1) @ _fit
_NODES, _WEIGHTS = 0.5 + 0.5 * _places, _fit[0]
_TAIL = _fit[-2:].T
"""The last two Legendre coefficients of values at the nodes: what the rule does not resolve is of their size."""
_UP_TO_NODES = (legendre.legvander(_places, _DEGREE + 1) @ _integral).T
_UP_TO_MIDDLE = (legendre.legvander(np.zeros(1), _DEGREE + 1) @ _integral).T[:, 0]


class Responses(NamedTuple):
    """Integrals over one cycle, relative to its length (response,)."""

    first: FloatArray
    """Share of the first half cycle in the mean current (A)."""
    second: FloatArray
    """Share of the second half cycle (A)."""
    power: FloatArray
    """Mean of v i (W)."""
    end: FloatArray
    """State variable at the end."""


@one_thread
def flowing_responses(device: Device, amplitude: FloatArray, frequency: FloatArray, state: FloatArray) -> Responses:
    """Integrate one cycle of ``amplitude sin(2 pi frequency t)`` for each of n cells (n,).

    Parameters
    ----------
    device
        The device.
    amplitude
        Amplitudes (V) of either sign, not zero.
    frequency
        Frequencies (Hz).
    state
        State variables at the start.
    """
    blocks = [
        _block(device, amplitude[part], 2.0 * np.pi * frequency[part], state[part])
        for part in (slice(start, start + _BLOCK) for start in range(0, len(amplitude), _BLOCK))
    ]
    return Responses(*(np.concatenate(parts) for parts in zip(*blocks, strict=True)))


def half_cycle_motions(device: Device, amplitude: FloatArray, frequency: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return how far either half of a cycle moves states on the flow (n,): what `move` takes."""
    speed = 2.0 * np.pi * frequency
    first, second = (_panels(device, sign * amplitude).motion.sum(axis=1) / speed for sign in (1.0, -1.0))
    return first, second


def move(device: Device, state: FloatArray, motion: FloatArray) -> FloatArray:
    """Return state variables (n,) after motions (n,) of either sign."""
    moved = state.copy()
    motions = flows(device)
    for flow, sign in ((motions.rising, 1.0), (motions.falling, -1.0)):
        chosen = sign * motion > 0
        if chosen.any():
            moved[chosen] = flow.move(flow.position(state[chosen]), np.abs(motion[chosen]))
    return moved


def _block(device: Device, amplitude: FloatArray, speed: FloatArray, state: FloatArray) -> Responses:
    first, first_power, middle = _half_cycle(device, amplitude, speed, state)
    second, second_power, end = _half_cycle(device, -amplitude, speed, middle)
    return Responses(first, second, first_power + second_power, end)


class _Panels(NamedTuple):
    """Panels of the phase over half a cycle (n, panel), with what the voltage alone decides.

    Motions are those at 1 rad/s.
    """

    begin: FloatArray
    width: FloatArray
    v: FloatArray
    """Voltage at the nodes (n, panel, node), V."""
    up_to_nodes: FloatArray
    """Motion from the panel's begin up to the nodes (n, panel, node)."""
    up_to_middle: FloatArray
    motion: FloatArray


def _panels(device: Device, peak: FloatArray) -> _Panels:
    """Cut ``v = peak sin(u)``, u from 0 to pi, at the levels where the device is not smooth in v, and further."""
    cuts = [np.zeros_like(peak), np.full_like(peak, np.pi)]
    for level in device.voltage_breaks():
        ratio = level / peak
        angle = np.arcsin(np.where((ratio > 0) & (ratio < 1), ratio, 0.0))
        cuts += [angle, np.pi - angle]
    corners = np.sort(np.stack(cuts, axis=1), axis=1)
    pieces = np.diff(corners, axis=1)
    begin = (corners[:, :-1, None] + pieces[:, :, None] * (np.arange(_PARTS) / _PARTS)).reshape(len(peak), -1)
    return _on(device, peak[:, None], begin, np.repeat(pieces / _PARTS, _PARTS, axis=1))


def _on(device: Device, peak: FloatArray, begin: FloatArray, width: FloatArray) -> _Panels:
    """Return panels of arrays of one shape."""
    v = peak[..., None] * np.sin(begin[..., None] + width[..., None] * _NODES)
    rate = width[..., None] * device.drive(v)
    return _Panels(begin, width, v, rate @ _UP_TO_NODES, rate @ _UP_TO_MIDDLE, rate @ _WEIGHTS)


def _half_cycle(
    device: Device, peak: FloatArray, speed: FloatArray, state: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Shares of half a cycle in the mean current and power (n,), and the state at its end."""
    motions = flows(device)
    # many cells have few amplitudes
    peaks, of_peak = np.unique(peak, return_inverse=True)
    whole = _panels(device, peaks)
    motion = whole.motion.sum(axis=1)[of_peak] / speed
    rising = motion > 0
    position = np.where(rising, motions.rising.position(state), motions.falling.position(state))
    still = motion == 0
    current, power, scale = np.zeros_like(peak), np.zeros_like(peak), np.zeros_like(peak)
    which, column = np.nonzero(whole.width[of_peak] > 0)
    cut = of_peak[which], column
    before = (np.cumsum(whole.motion, axis=1) - whole.motion)[cut]
    panels = _Panels(*(values[cut] for values in whole))
    for halving in range(_MOST_HALVINGS + 1):
        v, width = panels.v, panels.width
        moved = (before[:, None] + panels.up_to_nodes) / speed[which, None]
        states = _states(motions, position[which], rising[which], moved)
        states[still[which]] = state[which[still[which]], None]
        i = device.current(v, states)
        np.maximum.at(scale, which, np.abs(i).max(axis=1))
        # what the state does where the voltage passes zero shows in no current but that at the panel's far end
        at_far_end = device.current(v[np.arange(len(v)), np.abs(v).argmax(axis=1), None], states)
        tail = np.maximum(np.abs(i @ _TAIL).max(axis=1), np.abs(at_far_end @ _TAIL).max(axis=1))
        rough = width * tail > _TOLERANCE * scale[which]
        done = ~rough | (halving == _MOST_HALVINGS)
        _add(current, which[done], width[done] * (i[done] @ _WEIGHTS))
        _add(power, which[done], width[done] * ((v[done] * i[done]) @ _WEIGHTS))
        if done.all():
            break
        begin, half, before = panels.begin[~done], 0.5 * width[~done], before[~done]
        which = np.repeat(which[~done], 2)
        before = np.stack([before, before + panels.up_to_middle[~done]], axis=1).ravel()
        panels = _on(device, peak[which], np.stack([begin, begin + half], axis=1).ravel(), np.repeat(half, 2))
    # a rate beyond the range of a float is no motion to a stop
    end = np.where(np.isfinite(motion), move(device, state, motion), np.nan)
    return current / (2.0 * np.pi), power / (2.0 * np.pi), end


def _states(motions: Flows, position: FloatArray, rising: NDArray[np.bool_], motion: FloatArray) -> FloatArray:
    """States (panel, node) that lie `motion` from positions (panel,) on the flow of each direction."""
    states = np.empty(motion.shape)
    for flow, sign, chosen in ((motions.rising, 1.0, rising), (motions.falling, -1.0, ~rising)):
        if chosen.any():
            states[chosen] = flow.move(position[chosen, None], np.maximum(sign * motion[chosen], 0.0))
    return states


def _add(totals: FloatArray, which: NDArray[np.int_], values: FloatArray) -> None:
    totals += np.bincount(which, weights=values, minlength=len(totals))
