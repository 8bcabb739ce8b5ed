"""`retention`: what becomes of states that are held at rest, or at a constant voltage, up to given times."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from spicecim.deadline import run_within
from spicecim.drives import SampledDrive
from spicecim.errors import InputError, QuantityError, StateWarning, UnsupportedError
from spicecim.fields import FloatArray
from spicecim.limits import DEFAULT_TIME_LIMIT
from spicecim.quantities import parse_quantity, shown
from spicecim.reference.engine import simulate_reference
from spicecim.testbench import Analysis, Crossbar, Testbench

_READ = 0.1
"""Voltage (V) that conductances are read at."""


def retention(
    device: Any,
    times: ArrayLike,
    *,
    voltage: float | str = 0.0,
    temperature: float | str | None = None,
    read: float | str = _READ,
    x0: ArrayLike | None = None,
    time_limit: float | str | None = DEFAULT_TIME_LIMIT,
) -> xr.Dataset:
    """Hold cells for given times, which may span decades, and return their states and conductances.

    The reference engine's steps grow with what is left to happen, so that ten years cost no more than a millisecond: by
    tables without steps where a rate separates, otherwise by steps of Radau IIA with error control.

    Parameters
    ----------
    device
        A testbench, whose device, states and temperature are taken and whose drive and wires are not; or a device as
        in a testbench, with states `x0`.
    times
        Increasing instants (s), above 0, such as ``numpy.geomspace(1e-6, 3e8, 60)``.
    voltage
        Constant voltage (V) over every cell: 0 for rest, a read voltage for read disturb. It is on from time 0.
    temperature
        Ambient temperature (K, or a text in °C) in place of the testbench's.
    read
        Voltage (V) at which conductances are taken.
    x0
        Initial states (row, column), or one, for a device alone.
    time_limit
        Seconds that it may take.

    Returns
    -------
    xarray.Dataset
        ``x`` and ``conductance`` (S) over ``time`` (s), ``row`` and ``column``; the attributes of the run, among them
        ``state_error``.

    Raises
    ------
    InputError
        If times or voltages are none, or the device has no equations.

    Warns
    -----
    StateWarning
        If the device's equation holds the states of all cells at this voltage: many models move by the voltage alone.

    Examples
    --------
    >>> import numpy as np
    >>> import spicecim as sc
    >>> held = sc.retention({"model": "metastable_switch"}, np.geomspace(1e-6, 1e-2, 5), x0=0.9)
    >>> bool(held.x.values[-1] < held.x.values[0])
    True
    """
    instants = _instants(times)
    volts, reading = _volts("voltage", voltage), _volts("read", read)
    if not reading:
        raise InputError("read: must not be 0 V, at which nothing tells a conductance")
    bench = _held(device, float(instants[-1]), volts, temperature, x0)
    if not bench.device.equations_known:
        raise UnsupportedError(
            "device.subcircuit: only ngspice knows its equations; give a model or a Verilog-A module"
        )
    with run_within(time_limit):
        run = simulate_reference(bench, time=instants)
    cells = bench.device.build()
    s = cells.state_from_x(run.x.values)
    conductance = np.asarray(cells.current(np.full(s.shape, reading), s)) / reading
    if not np.ptp(run.x.values, axis=0).any() and (run.x.values[0] == bench.crossbar.state).all():
        warnings.warn(
            StateWarning(
                f"{cells.title}: its equation holds the state of every cell at {volts:g} V, so that nothing is lost "
                "over time; start from other states, hold them at a read voltage, or take a model that relaxes"
            ),
            stacklevel=2,
        )
    variables = {
        "x": (run.x.dims, run.x.values, {"units": "1", "long_name": "normalized state of the cell"}),
        "conductance": (run.x.dims, conductance, {"units": "S", "long_name": f"conductance at {reading:g} V"}),
    }
    time = ("time", instants, {"units": "s", "long_name": "time held"})
    return xr.Dataset(variables, {"time": time, "row": run.row, "column": run.column}, run.attrs)


def _held(
    device: Any, duration: float, volts: float, temperature: float | str | None, x0: ArrayLike | None
) -> Testbench:  # fmt: skip
    """The testbench of cells behind ideal wires whose rows stay at a voltage."""
    if isinstance(device, Testbench):
        if x0 is not None:
            raise InputError("x0: a testbench has its states; give it with a device alone")
        section, state, kelvin = device.device, device.crossbar.state, device.analysis.temperature
        states = device.crossbar.states
    else:
        section, kelvin, states = device, None, {}
        state = np.atleast_2d(np.asarray(0.5 if x0 is None else x0, dtype=float))
    drive = SampledDrive(time=np.array([0.0, duration]), voltages=np.full((len(state), 2), volts))
    analysis: dict[str, Any] = {"probe": "cells"}
    if temperature is not None or kelvin is not None:
        analysis["temperature"] = kelvin if temperature is None else temperature
    crossbar = Crossbar(state=state, states=states)
    return Testbench(device=section, crossbar=crossbar, drive=drive, analysis=Analysis(**analysis))


def _instants(times: ArrayLike) -> FloatArray:
    try:
        instants = np.atleast_1d(np.asarray(times, dtype=float))
    except (TypeError, ValueError):
        raise InputError(f"times must be numbers (s); it is {shown(times)}") from None
    rising = instants.ndim == 1 and len(instants) and np.isfinite(instants).all() and (np.diff(instants) > 0.0).all()
    if not rising or not instants[0] > 0.0:
        raise InputError(f"times must increase from above 0 s; it is {shown(times)}")
    return instants


def _volts(name: str, value: float | str) -> float:
    try:
        return parse_quantity(value, "V")
    except QuantityError as error:
        raise InputError(f"{name}: {error}") from None
