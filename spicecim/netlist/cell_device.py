"""What the netlist of a crossbar needs to know of its device, whichever kind it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spicecim.device_choice import SubcircuitDevice
from spicecim.devices.device import Device
from spicecim.errors import InputError, SubcircuitError
from spicecim.fields import FloatArray
from spicecim.netlist.foreign import read_subcircuit
from spicecim.netlist.kinds import kinds_of
from spicecim.netlist.models import PER_CELL, behavioral_context, native_context
from spicecim.netlist.steps import Steps, steps, unknown_steps
from spicecim.testbench import Testbench
from spicecim.veriloga.c_source import INITIAL_STATE, STATE_ERROR
from spicecim.waveforms import state_variable

Backend = Literal["behavioral", "osdi", "subcircuit"]

TOLERANCE_SHARE = 1e-3
"""Absolute tolerances over the relative one, in the largest current and in volt."""

_FOREIGN_CURRENT_TOLERANCE = 1e-18
"""abstol (A) for a device whose currents are not known before the run: a ten-millionth of 10 pA, which is
less than memristors conduct when they are read."""

_ROUNDINGS, _MOST_ROUNDED = 16.0, 1e-5
"""Roundings that the wires of a floating line take, and the most that is allowed for its potential."""
_SAMPLES, _JUMP = 2001, 10.0
"""Voltages at which it is looked for jumps of a conductance, and the ratio of two neighbors from which on it is one."""
_CHGTOL = 1e-14
"""ngspice's own chgtol (C)."""
_ISOLATED = 3e-14
"""abstol where closed transistors may isolate a floating line, relative to the largest current: rounding is near. What
charges such a line is far less than the currents of cells, and is all that steps may be judged by."""
_CHARGE_SHARE = 0.1
"""Least charge that steps there are judged relative to, in the least capacitance at the largest voltage."""


class Tolerances(NamedTuple):
    """Absolute tolerances."""

    abstol: float
    """Of currents (A), far below those of the device."""
    vntol: float
    """Of voltages (V)."""
    chgtol: float | None = None
    """Charge (C) that the truncation error of less counts relative to; ngspice's own where there is none."""

    def options(self) -> dict[str, float]:
        """Return ngspice's options by their names."""
        return {name: value for name, value in self._asdict().items() if value is not None}


@dataclass(frozen=True)
class CrossbarDevice:
    """A device as the netlist of a crossbar sees it.

    Attributes
    ----------
    backend
        How ngspice evaluates it: ``behavioral``, ``osdi`` or ``subcircuit``, one that comes from outside.
    context
        Variables of the templates: its subcircuit or model and what the header says of them.
    ports
        What each of its ports is connected to: ``row``, ``column``, ``state``, ``ground``, or ``open`` for a node of
        its own.
    states
        Initial states of the cells (row, column), in the device's own variable.
    parameters
        Parameters of every instance, or arrays of those of each (row, column).
    kinds
        Number of the subcircuit or model of each cell (row, column), where there is more than one.
    further
        What every cell starts with beside its state (row, column, m); NaN for what the operating point finds.
    further_parameters
        The parameters of an instance that take it, with what a whole number of theirs counts in, or None; none where
        it is set at nodes, too.
    initial_at_node, initial_parameter
        Whether the initial states are set as the voltages of their nodes, or else the name of the parameter that it is
        set by. Where neither is, the subcircuit starts as it will.
    steps
        How finely ngspice must step.
    tolerances
        Absolute tolerances.
    compatibility
        Mode that ngspice must read the netlist in; empty for none.
    libraries
        Shared libraries that ngspice must load before.
    klu
        Whether KLU solves the equations instead of ngspice's older solver.
    """

    backend: Backend
    context: dict[str, Any]
    ports: list[str]
    states: FloatArray
    parameters: Mapping[str, float | FloatArray]
    steps: Steps
    tolerances: Tolerances
    kinds: NDArray[np.int_] | None = None
    further: FloatArray | None = None
    further_parameters: Mapping[str, float | None] = field(default_factory=dict)
    initial_at_node: bool = True
    initial_parameter: str | None = None
    compatibility: str = ""
    libraries: tuple[Path, ...] = ()
    klu: bool = True


def crossbar_device(testbench: Testbench, *, native: bool) -> CrossbarDevice:
    """Return what the netlist of a testbench needs of its device.

    Parameters
    ----------
    testbench
        The testbench.
    native
        Whether a model of the library is compiled from Verilog-A instead of written as a behavioral subcircuit.

    Raises
    ------
    SubcircuitError
        If a SPICE subcircuit cannot be used as it stands.
    VerilogAError, CompilerError
        If a Verilog-A module cannot be compiled.
    InputError
        If the device's current overflows at the voltages of the drive.
    """
    foreign = testbench.device.foreign()
    if foreign is not None:
        return _foreign_device(testbench, foreign)
    device = testbench.device.build()
    states = device.state_from_x(testbench.crossbar.state)
    further = device.further_start(testbench.shape, testbench.crossbar.states)
    needed = steps(testbench, device, bounds_itself=native)
    tolerances = _tolerances(testbench, device, needed.reltol)
    if not native:
        values, kinds = kinds_of(testbench.device.arrays())
        memristors = [testbench.device.of_values(own).behavioral() for own in values]
        context = behavioral_context(memristors)
        # KLU keeps the pivots of the first matrix, which are useless when a current that is solved for switches
        ports, klu = ["row", "column", "state", *map(state_variable, memristors[0].states)], not memristors[0].inner
        return CrossbarDevice("behavioral", context, ports, states, {}, needed, tolerances, kinds, further, klu=klu)
    module = testbench.device.native()
    values, kinds = kinds_of(module.own_values() or testbench.device.arrays())
    library, context = native_context(module, device.title, {STATE_ERROR: needed.state_error}, values)
    return CrossbarDevice(
        "osdi",
        context,
        module.ports(),
        states,
        {},
        needed,
        tolerances,
        kinds,
        further=further,
        further_parameters=module.further_parameters(),
        initial_at_node=False,
        initial_parameter=INITIAL_STATE,
        libraries=(library,),
    )


def _tolerances(testbench: Testbench, device: Device, reltol: float) -> Tolerances:
    volt = testbench.lines().largest_voltage()
    largest_current = max(_largest_current(one, volt) for one in device.examples())
    # Far below the signal, whose scale differs by orders of magnitude between devices.
    ampere, relative = _rounding_of_lines(testbench, device, volt)
    currents = max(TOLERANCE_SHARE * reltol * largest_current, ampere, 1e-24)
    voltages, wires = max(TOLERANCE_SHARE * reltol, relative * volt), testbench.crossbar.parasitics()
    if testbench.cell is None or not (testbench.lines().floating.any() and wires.storing):
        return Tolerances(currents, voltages)
    least_charge = float(wires.storage[wires.storage > 0.0].min()) * volt
    isolated = max(_ISOLATED * largest_current, 1e-24)
    return Tolerances(min(currents, isolated), voltages, min(_CHARGE_SHARE * least_charge, _CHGTOL))


def _rounding_of_lines(testbench: Testbench, device: Device, volt: float) -> tuple[float, float]:
    """What ngspice rounds where lines float: currents in their wires (A), and their potentials, relative to `volt`.

    Nothing but its cells holds such a line: while selectors are closed, far less than the conductance of a segment of
    its wire, to which ngspice adds what they conduct. An iteration then does not change the potentials by less. Where
    the conductance of a cell jumps at a voltage, that has to be met more closely than this, so no potential is rounded.
    """
    floating, wires = testbench.lines().floating, testbench.crossbar.parasitics()
    ohm = np.concatenate([_least(wires.rows), _least(wires.columns.T)])[floating]
    if wires.storing or not np.isfinite(ohm).any():
        return 0.0, 0.0
    rounding = _ROUNDINGS * np.finfo(float).eps
    ampere = rounding * volt / float(ohm.min())
    # of a device with inner nodes, what it conducts at rest is not known here
    if not (device.explicit and all(_is_smooth(one, volt) for one in device.examples())):
        return ampere, 0.0
    states = device.state_from_x(testbench.crossbar.state)
    cells = np.abs(device.slope("current", "v", np.zeros(testbench.shape), states))
    held = np.concatenate([cells.sum(axis=1), cells.sum(axis=0)])[floating]
    with np.errstate(divide="ignore"):
        return ampere, min(_MOST_ROUNDED, float((rounding / (ohm * held)).max()))


def _least(segments: FloatArray) -> FloatArray:
    """Least resistance of the segments (line, cell) of each line that have one; infinite where none has."""
    return np.asarray(np.where(segments > 0.0, segments, np.inf).min(axis=1))


def _is_smooth(device: Device, volt: float) -> bool:
    """Whether the conductance of a device changes little over a small part of the largest voltage."""
    v, states = np.linspace(-volt, volt, _SAMPLES), device.state_from_x([[0.0], [0.5], [1.0]])
    slope = np.abs(device.slope("current", "v", v, states))
    low, high = np.minimum(slope[:, 1:], slope[:, :-1]), np.maximum(slope[:, 1:], slope[:, :-1])
    return bool((high <= _JUMP * low).all())


def _largest_current(device: Device, largest_voltage: float) -> float:
    volts = np.array([-largest_voltage, largest_voltage])
    with np.errstate(all="ignore"):
        extremes = device.current(volts[:, None], device.state_from_x([0.0, 1.0]))
    largest_current = float(np.abs(extremes).max())
    if not np.isfinite(largest_current):
        # not a number follows from what is beyond the range, if there is any
        beyond = np.isinf(extremes)
        at, x = np.argwhere(beyond if beyond.any() else np.isnan(extremes))[0]
        what = "beyond the range of a float" if beyond.any() else "not a number (NaN)"
        raise InputError(f"drive: at {volts[at]:g} V and x = {x} the device's current is {what}")
    return largest_current


def _foreign_device(testbench: Testbench, choice: SubcircuitDevice) -> CrossbarDevice:
    subcircuit = read_subcircuit(choice)
    states = testbench.crossbar.state
    if testbench.crossbar.states:
        raise SubcircuitError("crossbar.states: a SPICE subcircuit has one state, that of crossbar.state")
    at_node = choice.initial_parameter is None and "state" in choice.ports
    if not at_node and choice.initial_parameter is None and np.ptp(states) > 0:
        raise SubcircuitError(
            "crossbar.state: the cells start differently, and the subcircuit has no way to tell it so; name its state "
            "in device.ports or a parameter of it in device.initial_parameter"
        )
    return CrossbarDevice(
        backend="subcircuit",
        context={
            "device_template": "devices/_foreign.cir.j2",
            "element": "X",
            "foreign": subcircuit,
            "subcircuit": subcircuit.name,
            "dialect": choice.dialect,
            "parameters": choice.parameters | dict.fromkeys(choice.arrays(), PER_CELL),
            "initial_parameter": choice.initial_parameter,
        },
        ports=list(choice.ports),
        states=choice.state_from_x(states),
        parameters=choice.parameters,
        steps=unknown_steps(testbench),
        initial_at_node=at_node,
        initial_parameter=choice.initial_parameter,
        tolerances=Tolerances(_FOREIGN_CURRENT_TOLERANCE, TOLERANCE_SHARE * testbench.analysis.tolerance),
        compatibility=subcircuit.compatibility,
        libraries=subcircuit.libraries,
    )
