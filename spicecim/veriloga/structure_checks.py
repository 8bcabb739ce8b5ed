"""What is wrong with a Verilog-A module as a memristor, as far as the structure of its equations tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from spicecim.quantities import format_quantity
from spicecim.veriloga.declarations import ModuleDeclaration
from spicecim.veriloga.device import ModuleDevice
from spicecim.veriloga.findings import Finding
from spicecim.veriloga.probing import Probe
from spicecim.veriloga.unassigned import Raw, every_parameter

_FINE = 8_001
"""Voltages of both signs at which windows of the rate are looked for."""
_NARROW = 1e-3
"""Width of a window, relative to the largest voltage, that steps can miss."""
_MOVES, _RESTS = 1e-3, 1e-6
"""Rates that count as a motion and as none, relative to the largest."""


def parameter_findings(
    declaration: ModuleDeclaration, outline: Raw, parameters: Mapping[str, Any]
) -> Iterator[Finding]:
    """Parameters that nothing takes, whatever the values of the others: neither equations nor other parameters."""
    taken = every_parameter(outline)
    shown = [item for item in declaration.parameters.values() if not item.local]
    for item in declaration.parameters.values():
        for other in (item.default, *(bound for one in item.ranges for bound in (one.lower, one.upper))):
            taken |= set(other.tokens) - {item.name}
    for item in shown:
        if item.name not in taken and item.name in parameters:
            yield Finding(
                "note",
                "no-effect",
                f"the parameter {item.name} has no effect: no equation takes it",
                str(item.place),
                "Leave it out, or look for the equation that should take it",
            )


def device_findings(device: ModuleDevice, others: Sequence[str], voltage: float) -> list[Finding]:
    """Return what the equations of a device show; `others` are nodes that hold states beside the first one."""
    return [*_further_states(device, others), *_returns(device), *_unbalanced(device), *_windows(device, voltage)]


def _further_states(device: ModuleDevice, others: Sequence[str]) -> Iterator[Finding]:
    named = [state.name for state in device.further_states]
    for name in others:
        if name not in named:
            yield Finding(
                "note",
                "further-state",
                f"{name} holds a state beside {device.state_node}: at time 0 it is in equilibrium, and no waveform "
                "shows it",
                None,
                f"Name it in a testbench, device: {{states: {{{name}: null}}}}, or with its value at time 0",
            )


def _returns(device: ModuleDevice) -> Iterator[Finding]:
    for node, end in device.returns:
        yield Finding(
            "note",
            "state-current-in-terminal",
            f"the equation of {node} ends in the terminal {end}: what it is off by adds to the current there. Here the "
            "two are kept apart; a simulator that holds the state at its initial value does not",
            None,
            f"Count it from the ground, I({node}) <+ ddt(V({node})) - rate",
        )


def _unbalanced(device: ModuleDevice) -> Iterator[Finding]:
    if device.is_balanced():
        return
    share, missing, v = device.imbalance()
    row, column = list(device.roles)[:2]
    if share > 0.0:
        message = (
            f"the current into {row} does not leave by {column}: {format_quantity(missing, 'A')} at {v:.6g} V, "
            f"{share:.2g} of the largest there, go to the ground or to another terminal"
        )
    else:
        message = f"the charge that {row} takes does not come from {column}: a part goes to the ground"
    yield Finding(
        "warning",
        "unbalanced-current",
        message,
        None,
        f"Contribute to the branch between the two, I({row}, {column}) <+ ..., unless the device has a path to ground",
    )


def _windows(device: ModuleDevice, voltage: float) -> Iterator[Finding]:
    """Narrow ranges of the voltage in which alone the state moves."""
    v = np.linspace(-voltage, voltage, _FINE)
    _, rate = Probe(device, voltage).evaluate(v[:, None], np.array([0.5]))
    sizes = np.abs(np.where(np.isfinite(rate), rate, 0.0)).max(axis=1)
    largest = sizes.max()
    moving = np.flatnonzero(sizes > _MOVES * largest)
    for run in np.split(moving, np.flatnonzero(np.diff(moving) > 1) + 1) if largest > 0.0 else ():
        first, last = run[0], run[-1]
        width = v[last] - v[first]
        beside = sizes[[max(first - len(run), 0), min(last + len(run), _FINE - 1)]]
        inside = first > 0 and last < _FINE - 1
        if inside and beside.max() <= _RESTS * largest and width <= _NARROW * voltage:
            yield Finding(
                "warning",
                "narrow-window",
                f"the state moves between {v[first]:.6g} and {v[last]:.6g} V and rests on both sides: a time step that "
                f"passes {format_quantity(width, 'V') if width else 'so little'} at once does not see it",
                None,
                "Let the rate set in over a wider range of the voltage, or take steps that resolve it "
                "(analysis.points_per_period)",
            )
            return
