"""How finely ngspice must step for the accuracy that is asked for, by what the device's own equations say.

ngspice compares a step's truncation error with a share of the charge, which is the state's own value. It does not know
what that value is to the current: of some states, the last ten-thousandth is what switches a device. So the largest
error of the state in one step is worked out here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spicecim.devices.device import Device
from spicecim.fields import FloatArray
from spicecim.testbench import Testbench

_SHARE = 0.1
"""Of `accuracy ** 1.5`, the largest error of one step: steps of a second-order method of which each is off by e are
about ``e ** (-1 / 3)`` in number, and off by ``e ** (2 / 3)`` together."""
_TRTOL = 7.0
"""ngspice's own factor between the truncation error that it estimates and the one that it allows."""
_ESTIMATE = 6.0
"""Truncation error over ngspice's estimate: it takes a third difference for the third derivative, without the 3!."""
_ITERATIONS = 0.1
"""Largest error of an iteration relative to that of a step."""
_FINEST = 1e-13
"""Least relative tolerance: rounding is near."""
_FIRST_STEP = 1e-4
"""First step over the largest, at most: it is the one that ngspice does not check. Those after it may double, so that
little is lost."""
_SMALLEST = 1e-10
"""First step over the largest, at least: ngspice gives up at 1e-11."""
_UNCHECKED = 100.0
"""What ngspice divides the step of .tran by for its first one."""


@dataclass(frozen=True)
class Steps:
    """Tolerances of the steps.

    Attributes
    ----------
    state_error
        Largest error of the state variable in one step, in its own unit.
    reltol
        Relative tolerance of iterations.
    trtol
        Factor of the truncation error that ngspice allows.
    print_step
        Step in .tran, of which ngspice takes a hundredth as its first (s).
    """

    state_error: float
    reltol: float
    trtol: float
    print_step: float


def steps(testbench: Testbench, device: Device, *, bounds_itself: bool) -> Steps:
    """Return the tolerances for a device whose equations are known.

    Parameters
    ----------
    testbench
        The testbench.
    device
        The device.
    bounds_itself
        Whether the compiled device bounds ngspice's steps by `Steps.state_error`. A device of behavioral sources
        cannot, so that ngspice's own estimate must.
    """
    analysis = testbench.analysis
    x, largest = np.linspace(0.005, 0.995, 199), testbench.lines().largest_voltage()
    magnitude = max(float(np.abs(one.state_from_x(x)).max()) for one in device.examples())
    state_error = _SHARE * analysis.accuracy**1.5 * min(_span(one, largest) for one in device.examples())
    reltol = min(analysis.tolerance, max(_FINEST, _ITERATIONS * state_error / magnitude))
    trtol = _TRTOL * analysis.tolerance / reltol
    if not bounds_itself:
        trtol = min(trtol, state_error / (_ESTIMATE * reltol * magnitude))
    return Steps(state_error, reltol, trtol, _UNCHECKED * _first_step(testbench, device, state_error))


def unknown_steps(testbench: Testbench) -> Steps:
    """Return the tolerances for a subcircuit from outside, of which nothing is known before the run."""
    analysis = testbench.analysis
    state_error = _SHARE * analysis.accuracy**1.5
    trtol = min(_TRTOL, state_error / (_ESTIMATE * analysis.tolerance))
    return Steps(state_error, analysis.tolerance, trtol, _UNCHECKED * _FIRST_STEP**2 * testbench.largest_step)


def _span(device: Device, voltage: float) -> float:
    """Change of the state variable that changes x by 1, or the current by as much as its largest at that voltage.

    It is the least over all states, because an error of the state stays when the state moves on. A Joglekar state has
    its bounds at infinity: they are left out.
    """
    x = np.linspace(0.0, 1.0, 2001)[1:-1]
    states = device.state_from_x(x)
    with np.errstate(all="ignore"):
        current = np.abs(device.current([[-voltage], [voltage]], states))
        change = np.abs(np.diff(current, axis=1)) / current.max(axis=1, keepdims=True)
        spans = np.abs(np.diff(states)) / np.maximum(np.nan_to_num(change).max(axis=0), np.diff(x))
    return float(spans.min())


def _first_step(testbench: Testbench, device: Device, state_error: float) -> float:
    """First step (s) in which no state moves by more than its error of a step."""
    states = device.state_from_x(testbench.crossbar.state)
    largest = testbench.largest_step
    step = _FIRST_STEP * largest
    while step > _SMALLEST * largest:
        with np.errstate(all="ignore"):
            rates = np.abs(device.rate(_voltages(testbench, step), states))
        fastest = float(np.nan_to_num(rates, nan=np.inf).max())
        if fastest * step <= state_error:
            break
        step *= 0.25
    return step


def _voltages(testbench: Testbench, step: float) -> FloatArray:
    """Voltages (voltage, row, column or 1) that cells may have within a first step (V)."""
    lines = testbench.lines()
    voltages = lines.drive.voltage(np.array([0.0, 0.5 * step, step]))
    rows = testbench.shape[0]
    if testbench.crossbar.ideal and not lines.free.any():
        return voltages[:, :, None] if lines.plain else voltages[:, :rows, None] - voltages[:, None, rows:]
    # behind wires, the potential of a node is between the lowest and the highest of the drivers and the ground
    across = max(float(voltages.max()), 0.0) - min(float(voltages.min()), 0.0)
    return across * np.linspace(-1.0, 1.0, 9)[:, None, None]
