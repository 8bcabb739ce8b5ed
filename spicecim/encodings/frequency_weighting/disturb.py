"""What reading does to the state, and so to the next read; and what brings it back."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from spicecim.devices.device import Device
from spicecim.encodings.frequency_weighting.flowing import half_cycle_motions, move
from spicecim.encodings.frequency_weighting.responses import (
    AnyChoice,
    CycleResponses,
    Readout,
    build_device,
    cycle_responses,
)
from spicecim.errors import InputError
from spicecim.fields import FloatArray

Phase = Literal["same", "alternating"]
"""Whether every read starts with the half cycle of the amplitude's sign, or every second one with the other."""


@dataclass(frozen=True)
class RepeatedReads:
    """The same cells read again and again without a rewrite.

    Attributes
    ----------
    reads
        Numbers of the reads that were looked at, from 1 (read,).
    responses
        What they gave (read, ...).
    """

    reads: FloatArray
    responses: CycleResponses

    def error(self, readout: Readout, full_scale: float) -> FloatArray:
        """Change of each read (read, ...) from the first, relative to a full scale (A)."""
        current = self.responses.current(readout)
        return np.asarray((current - current[0]) / full_scale)


def repeated_reads(
    device: AnyChoice,
    amplitude: ArrayLike,
    frequency: ArrayLike,
    x0: ArrayLike,
    reads: Sequence[int] = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
    *,
    phase: Phase = "same",
    rewrite_every: int | None = None,
) -> RepeatedReads:
    """Read cells (...) repeatedly by one cycle each.

    Parameters
    ----------
    device
        The device.
    amplitude, frequency, x0
        Amplitudes (V), negative if the first half cycle is, frequencies (Hz) and states before the first read,
        broadcast.
    reads
        Which reads to look at: increasing numbers, the first being 1.
    phase
        Whether the half cycles swap from read to read.
    rewrite_every
        Number of reads after which the states are written back to what they were at first; by default never.

    Raises
    ------
    InputError
        If the numbers of the reads do not start at 1 and increase, or the rewrite comes after less than one read.
    """
    numbers = [int(number) for number in reads]
    if not numbers or numbers[0] != 1 or any(a >= b for a, b in itertools.pairwise(numbers)):
        raise InputError(f"reads: must be increasing numbers from 1; they are {list(reads)}")
    if rewrite_every is not None and rewrite_every < 1:
        raise InputError(f"rewrite_every: must be 1 at least; it is {rewrite_every}")
    device = build_device(device)
    volts, hertz, initial = (np.asarray(values, dtype=float) for values in (amplitude, frequency, x0))
    found = [cycle_responses(device, volts, hertz, initial)]
    advance = {sign: _advance(device, found[0], sign) for sign in (1.0, -1.0)}
    state = start = device.state_from_x(found[0].x0)
    for number in range(1, numbers[-1] + 1):
        if rewrite_every is not None and (number - 1) % rewrite_every == 0:
            state = start
        sign = -1.0 if phase == "alternating" and number % 2 == 0 else 1.0
        if number > 1 and number in numbers:
            found.append(cycle_responses(device, sign * volts, hertz, device.x_from_state(state)))
        if number < numbers[-1]:
            state = advance[sign](state)
    return RepeatedReads(np.array(numbers), _stacked(found))


def _advance(device: Device, first: CycleResponses, sign: float) -> Callable[[FloatArray], FloatArray]:
    """Return what takes state variables over one more cycle like the first, or one of the other sign."""
    volts, hertz = sign * first.amplitude, first.frequency
    if not device.separable:
        return lambda state: device.state_from_x(
            cycle_responses(device, volts, hertz, device.x_from_state(state)).x_end
        )
    driven = volts != 0.0
    motions = half_cycle_motions(device, volts[driven], hertz[driven])

    def advance(state: FloatArray) -> FloatArray:
        moved = np.array(state)
        for motion in motions:
            moved[driven] = move(device, moved[driven], motion)
        return moved

    return advance


def _stacked(responses: Sequence[CycleResponses]) -> CycleResponses:
    """Put responses of one shape along a new first axis."""
    return CycleResponses(
        **{field.name: np.stack([getattr(one, field.name) for one in responses]) for field in fields(CycleResponses)}
    )
