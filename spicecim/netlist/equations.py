"""A netlist that evaluates the equations of a device, one instance a point, so that they can be compared with numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from spicecim.netlist.environment import netlist_environment
from spicecim.netlist.subcircuit import subcircuit_context
from spicecim.testbench import DeviceChoice


@dataclass(frozen=True)
class EquationNetlist:
    """The netlist, and for each point the vectors that hold minus the current and the rate of the state."""

    text: str
    currents: list[str]
    rates: list[str]


def equation_netlist(choice: DeviceChoice, v: ArrayLike, s: ArrayLike) -> EquationNetlist:
    """Build the netlist for points (v, s): 1-d arrays of voltages (V) and state variables of one length."""
    points = [(float(voltage), float(state)) for voltage, state in np.broadcast(v, s)]
    context = {
        **subcircuit_context(choice, choice.build()),
        "title": "spicecim device equations",
        "points": points,
    }
    return EquationNetlist(
        netlist_environment().get_template("device_equations.cir.j2").render(context),
        [f"i(vdevice_{index})" for index in range(len(points))],
        [f"i(vstate_{index})" for index in range(len(points))],
    )
