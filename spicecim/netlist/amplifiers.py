"""Amplifiers of one's own at columns: a subcircuit that all of them are instances of."""

from __future__ import annotations

from typing import Any

from spicecim.amplifiers import SubcircuitAmplifier
from spicecim.errors import SubcircuitError
from spicecim.netlist.environment import CheckedText, spice_text
from spicecim.netlist.foreign import read_subcircuit
from spicecim.testbench import Testbench

_NAME = "column_amplifier"
_PORTS = ("input", "output", "reference")


def own_amplifier(testbench: Testbench, compatibility: str) -> dict[str, Any]:
    """Return the template variables for amplifiers of one's own.

    The subcircuit and all that it uses stand within one of ours, where no name meets one of another file.

    Parameters
    ----------
    testbench
        The testbench.
    compatibility
        Mode that ngspice reads the netlist in, for the device.

    Raises
    ------
    SubcircuitError
        If the subcircuit cannot be used as it stands.
    """
    section = None if testbench.columns is None else testbench.columns.sense
    columns = testbench.lines().sensed.tolist()
    if not isinstance(section, SubcircuitAmplifier) or not columns:
        return {"own_amplifier": [], "own_sensed": []}
    if compatibility:
        raise SubcircuitError(
            "columns.sense.subcircuit: the device makes ngspice read the netlist in the compatibility mode "
            f"{compatibility}, and an amplifier is one of ngspice's own dialect"
        )
    found = read_subcircuit(section)
    nodes = [
        role if role in _PORTS else "0" if role == "ground" else f"open_{place}"
        for place, role in enumerate(section.ports)
    ]
    values = [f"{name}={spice_text(value)}" for name, value in section.parameters.items()]
    lines = [
        f".subckt {_NAME} {' '.join(_PORTS)}", found.text, f"Xown {' '.join(nodes)} {found.name} {' '.join(values)}",
        # a port that the subcircuit does not have is at its potential
        *(f"Ropen_{role} {role} 0 1e12" for role in _PORTS if role not in section.ports),
        f".ends {_NAME}",
    ]  # fmt: skip
    return {"own_amplifier": [CheckedText(line) for line in lines], "own_sensed": columns}
