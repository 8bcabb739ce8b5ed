"""What one cycle of a sinusoid gives of a single cell: mean currents, power and the state that it leaves.

A response is of one cycle from a known state. Everything is an array over (amplitude, frequency, state), broadcast.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from spicecim.device_choice import DeviceSection, choose_device
from spicecim.devices.device import Device
from spicecim.encodings.frequency_weighting.flowing import Responses, flowing_responses
from spicecim.encodings.frequency_weighting.integrated import integrated_responses
from spicecim.errors import InputError, UnsupportedError
from spicecim.fields import FloatArray

AnyChoice: TypeAlias = Device | DeviceSection | Mapping[str, Any]
Readout = Literal["rectified", "in_phase", "dc"]
"""What is read of a current: the mean of its magnitude, its part in phase with the tone, or its mean."""


@dataclass(frozen=True)
class CycleResponses:
    """Single cells over one cycle of ``v(t) = amplitude sin(2 pi frequency t)``.

    All are arrays of one shape. The magnitude of a current is taken half cycle by half cycle, in which a memristor's
    current has the sign of its voltage.

    Attributes
    ----------
    amplitude
        Amplitudes (V); a negative one starts with the negative half.
    frequency
        Frequencies (Hz).
    x0, x_end
        Normalized state before and after the cycle.
    first, second
        Shares of the two half cycles in the mean current (A).
    power
        Mean of v i (W).
    """

    amplitude: FloatArray
    frequency: FloatArray
    x0: FloatArray
    first: FloatArray
    second: FloatArray
    power: FloatArray
    x_end: FloatArray

    @property
    def rectified(self) -> FloatArray:
        """Mean of the current's magnitude (A)."""
        return np.abs(self.first) + np.abs(self.second)

    @property
    def dc(self) -> FloatArray:
        """Mean current (A), positive if the half cycle that comes first carries more."""
        return np.sign(self.amplitude) * (self.first + self.second)

    @property
    def in_phase(self) -> FloatArray:
        """Amplitude (A) of the current's part in phase with the voltage: 2 <v i> over the voltage's amplitude."""
        return _ratio(2.0 * self.power, np.abs(self.amplitude))

    @property
    def energy(self) -> FloatArray:
        """Energy (J) that the cycle spends in the cell."""
        return self.power / self.frequency

    def current(self, readout: Readout) -> FloatArray:
        """What a readout sees (A)."""
        return np.asarray(getattr(self, readout))

    def conductance(self, readout: Readout) -> FloatArray:
        """What a readout sees, over what it would see of 1 S: ``mean |i| / mean |v|`` and its like (S); 0 at 0 V."""
        return _ratio(self.current(readout), unit_current(np.abs(self.amplitude), readout))


def unit_current(amplitude: ArrayLike, readout: Readout) -> FloatArray:
    """What a readout sees (A) of 1 S: the amplitude by a synchronous demodulator, its 2 / pi where currents average.

    The mean current of a resistor is zero; `dc` is measured on the scale of `rectified`.
    """
    return np.asarray(np.asarray(amplitude, dtype=float) * (1.0 if readout == "in_phase" else 2.0 / np.pi))


def cycle_responses(device: AnyChoice, amplitude: ArrayLike, frequency: ArrayLike, x0: ArrayLike) -> CycleResponses:
    """Drive single cells by one cycle of a sinusoid each.

    Models whose rate separates take no time step (see `flowing`), and 65536 responses a few seconds; others are
    integrated. Either way the error is about 1e-8 of the peak current.

    Parameters
    ----------
    device
        The device.
    amplitude
        Amplitudes (V); a negative one starts with the negative half, and at zero nothing happens.
    frequency
        Frequencies (Hz), above zero.
    x0
        Normalized states at the start, from 0 to 1.

    Raises
    ------
    InputError
        If an amplitude, frequency or state is out of range, or a current or rate overflows.
    UnsupportedError
        If a module stores charge between its terminals: its current would not be in the device alone.
    ConvergenceError
        If a device whose rate does not separate has no solution.
    """
    device = build_device(device)
    arrays = np.broadcast_arrays(*(np.asarray(values, dtype=float) for values in (amplitude, frequency, x0)))
    volts, hertz, initial = arrays
    _check(volts, hertz, initial)
    driven = volts != 0.0
    shares = np.zeros((3, *volts.shape))
    x_end = initial.copy()
    if driven.any():
        with np.errstate(over="ignore", invalid="ignore"):
            run = _responses(device, volts[driven], hertz[driven], device.state_from_x(initial[driven]))
            shares[:, driven] = run.first, run.second, run.power
            x_end[driven] = device.x_from_state(run.end)
        if not (np.isfinite(shares).all() and np.isfinite(x_end).all()):
            raise InputError("amplitude: at its voltages a device's current or rate is beyond the range of a float")
    return CycleResponses(volts, hertz, initial, shares[0], shares[1], shares[2], x_end)


def polarity_towards_on(device: Device, amplitude: float) -> float:
    """Return the sign of the first half cycle that drives a device towards low resistance: the phase convention.

    Raises
    ------
    InputError
        If neither polarity of the amplitude (V) does.
    """
    middle = device.state_from_x(np.full(2, 0.5))
    towards_on = np.sign(np.diff(device.state_from_x(np.array([0.0, 1.0]))))
    rates = device.rate(np.array([amplitude, -amplitude]), middle) * towards_on
    if not (rates > 0).any():
        raise InputError(f"amplitude: {amplitude:g} V of either polarity do not move the state towards low resistance")
    return 1.0 if rates[0] > 0 else -1.0


def build_device(choice: AnyChoice) -> Device:
    """Return the equations of a device, whichever way it is given.

    Parameters
    ----------
    choice
        A device with its equations, the section `device` of a testbench, or a dictionary with its keys.

    Raises
    ------
    UnsupportedError
        For a SPICE subcircuit, which has no equations.
    TestbenchError
        If a dictionary is no section.
    """
    return choice if isinstance(choice, Device) else choose_device(choice).build()


def _responses(device: Device, amplitude: FloatArray, frequency: FloatArray, state: FloatArray) -> Responses:
    if device.separable:
        return flowing_responses(device, amplitude, frequency, state)
    peak = float(np.abs(amplitude).max())
    v, s = (values.ravel() for values in np.meshgrid([-peak, peak], device.state_from_x(np.linspace(0.0, 1.0, 5))))
    cell = device.cell()
    terms = cell.terms(np.zeros_like(v), v, cell.start(v, s))
    if terms.current_charge.any():
        raise UnsupportedError(
            "device: it stores charge between its terminals, whose current counts as the device's; frequency weighting "
            "covers devices without"
        )
    return integrated_responses(cell, float(np.abs(terms.current).max()), amplitude, frequency, state)


def _check(amplitude: FloatArray, frequency: FloatArray, x0: FloatArray) -> None:
    for name, values, allowed, good in (
        ("amplitude", amplitude, "finite", np.isfinite(amplitude)),
        ("frequency", frequency, "finite and above 0 Hz", (frequency > 0) & np.isfinite(frequency)),
        ("x0", x0, "between 0 and 1", (x0 >= 0) & (x0 <= 1)),
    ):
        if not good.all():
            raise InputError(f"{name}: must be {allowed}; found {values[~good].flat[0]:g}")


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Quotient that is 0 where nothing is driven."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator != 0)
