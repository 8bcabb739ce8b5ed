"""A netlist that evaluates the equations of a device, one instance a point, so that they can be compared with numpy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from spicecim.devices import Memristor
from spicecim.netlist.environment import netlist_environment
from spicecim.netlist.models import behavioral_context, native_context
from spicecim.veriloga.written import written_module
from spicecim.version import __version__


@dataclass(frozen=True)
class EquationNetlist:
    """The netlist, for each point the vectors that hold minus the current and the rate of the state, and libraries."""

    text: str
    currents: list[str]
    rates: list[str]
    libraries: tuple[Path, ...]


def equation_netlist(device: Memristor, v: ArrayLike, s: ArrayLike, *, native: bool) -> EquationNetlist:
    """Build the netlist for points (v, s): 1-d arrays of voltages (V) and state variables of one length.

    Further states are held where they start.
    """
    points = [(float(voltage), float(state)) for voltage, state in np.broadcast(v, s)]
    libraries: tuple[Path, ...] = ()
    if native:
        library, context = native_context(written_module(device), device.title, {}, [{}])
        libraries = (library,)
    else:
        context = behavioral_context([device])
    context |= {"version": __version__, "title": "spicecim device equations", "points": points}
    context["further"] = [float(value) for value in device.further_values()]
    return EquationNetlist(
        netlist_environment().get_template("device_equations.cir.j2").render(context),
        [f"i(vdevice_{index})" for index in range(len(points))],
        [f"i(vstate_{index})" for index in range(len(points))],
        libraries,
    )
