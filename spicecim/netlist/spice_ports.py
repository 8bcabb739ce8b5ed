"""Whether what a testbench connects to the ports of a subcircuit suits what is there."""

from __future__ import annotations

import re
from collections.abc import Sequence

from spicecim.netlist.spice_blocks import Block

_SETS_VOLTAGE = re.compile(r"[evh]|b\S*\s+\S+\s+\S+\s+v\s*=", re.IGNORECASE)


def check_holds_state(block: Block, port: str) -> None:
    """Raise `SubcircuitError` if a port can be no state: nothing at it has a memory."""
    if not any(line.words[0][0] in "cx" and port in line.words[1:] for line in block.lines):
        block.header.refuse(
            f"no capacitor is at the port {port}: it only shows the state, and setting its voltage would set nothing; "
            "name device.initial_parameter"
        )


def check_not_shorted(block: Block, roles: Sequence[str], place: str) -> None:
    """Raise `SubcircuitError` if a source that sets the voltage of a port would be shorted to ground."""
    grounded = {port.lower() for port, role in zip(block.ports, roles, strict=True) if role == "ground"}
    for line in block.lines:
        nodes = line.words[1:3]
        if _SETS_VOLTAGE.match(line.text) and {*nodes} & grounded and {*nodes} <= grounded | {"0"}:
            port = next(node for node in nodes if node in grounded)
            line.refuse(f"sets the voltage of the port {port}, which {place}.ports connects to ground; make it open")
