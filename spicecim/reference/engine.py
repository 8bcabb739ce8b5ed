"""The engine `reference`: a testbench with ideal wires to waveforms, at any instants asked for."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from spicecim.devices import Device
from spicecim.errors import InputError, IntegrationError, UnsupportedError
from spicecim.fields import FloatArray
from spicecim.reference.excitation import row_breaks, row_voltage
from spicecim.reference.integration import integrate_states
from spicecim.testbench import Testbench
from spicecim.version import __version__
from spicecim.waveforms import make_waveforms

STATE_ERROR = 1e-7
"""Largest error of x that is accepted, as measured by the difference of two integrations to different tolerances."""

_TOLERANCES = (1e-10, 1e-11, 1e-12, 1e-13)
"""Local errors tried one after the other. The looser ones mostly do, but a step across a kink of a model in x can pass
its own error control by chance and be wrong by far more than its tolerance."""


def simulate_reference(testbench: Testbench, *, time: ArrayLike | None = None) -> xr.Dataset:
    """Run a testbench with ideal wires in the numpy core.

    Every cell then sees its row's driver and virtual ground, and the cells do not know of each other.

    Parameters
    ----------
    testbench
        What to simulate.
    time
        Instants (s) at which the waveforms are wanted, strictly increasing, from 0 to the duration at most; by default
        `Testbench.time_grid`.

    Returns
    -------
    xarray.Dataset
        Waveforms. Attribute ``state_error`` is the error of x that was reached, at most `STATE_ERROR`: the states are
        integrated to tighter and tighter tolerances until two in succession agree to that.

    Raises
    ------
    UnsupportedError
        If the wires are not ideal.
    InputError
        If the instants are not increasing or not between 0 and the duration.
    IntegrationError
        If the tolerance cannot be reached.
    """
    check_covered(testbench)
    labels = testbench.time_grid() if time is None else np.asarray(time, dtype=float)
    instants = _checked_instants(labels, testbench.duration)
    device = testbench.device.build()
    states, error = _states(testbench, device, instants)
    v_row = testbench.drive.voltage(instants)
    i_cell = device.current(v_row[:, :, None], states)
    variables = {"v_row": v_row, "i_row": i_cell.sum(axis=2), "i_column": i_cell.sum(axis=1)}
    if testbench.analysis.probe == "cells":
        variables["v_cell"] = np.broadcast_to(v_row[:, :, None], states.shape)
        variables["i_cell"] = i_cell
        variables["x"] = device.x_from_state(states)
    attributes = {
        "engine": "reference",
        "engine_version": __version__,
        "device_backend": "numpy",
        "spicecim_version": __version__,
        "state_error": f"{error:.2g}",
    }
    return make_waveforms(testbench, labels, variables, attributes)


def check_covered(testbench: Testbench) -> None:
    """Raise `UnsupportedError` if the reference engine does not cover a testbench."""
    if not testbench.crossbar.ideal:
        parasitics = ("wire_row", "wire_column", "wire_capacitance", "source_resistance", "sense_resistance")
        given = [name for name in parasitics if getattr(testbench.crossbar, name)]
        raise UnsupportedError(
            f"the reference engine takes ideal wires only; set crossbar.{', crossbar.'.join(given)} to 0 "
            "or use engine='ngspice'"
        )


def _states(testbench: Testbench, device: Device, instants: FloatArray) -> tuple[FloatArray, float]:
    """State variables (time, row, column), and the error of x that was reached."""
    initial = device.state_from_x(testbench.crossbar.state)
    states = np.empty((len(instants), *testbench.shape))
    errors = []
    for row in range(testbench.shape[0]):
        # Cells of a row that start alike stay alike.
        distinct, which = np.unique(initial[row], return_inverse=True)
        integrated, error = _row_states(testbench, device, row, distinct, instants)
        states[:, row] = integrated[:, which]
        errors.append(error)
    return states, max(errors)


def _row_states(
    testbench: Testbench, device: Device, row: int, initial: FloatArray, instants: FloatArray
) -> tuple[FloatArray, float]:
    """State variables (time, device) of devices on one row, and the error of x that was reached."""
    voltage = row_voltage(testbench.drive, row)
    breaks = row_breaks(testbench.drive, row, device.voltage_breaks(), testbench.duration)
    error, last = np.inf, None
    for tolerance in _TOLERANCES:
        states = integrate_states(device, voltage, breaks, initial, instants, tolerance)
        if last is not None:
            error = float(np.abs(device.x_from_state(states) - device.x_from_state(last)).max())
            if error <= STATE_ERROR:
                return states, error
        last = states
    raise IntegrationError(
        f"row {row}: the states of two integrations still differ by {error:.2g} at the tightest tolerance, "
        f"and {STATE_ERROR:g} is allowed"
    )


def _checked_instants(instants: FloatArray, duration: float) -> FloatArray:
    if instants.ndim != 1 or len(instants) < 2 or not np.all(np.diff(instants) > 0):
        raise InputError("time must be a list of at least two strictly increasing instants")
    # ngspice's last instant may miss the duration by rounding.
    if instants[0] < 0 or instants[-1] > duration * (1 + 1e-9):
        raise InputError(f"time must lie between 0 and the duration {duration:g} s; it ends at {instants[-1]:g} s")
    return np.minimum(instants, duration)
