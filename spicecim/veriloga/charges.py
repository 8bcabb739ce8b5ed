"""Whether OpenVAF mixed up derivatives by time: in some modules with several, it takes one for another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spicecim.errors import VerilogAError


def refuse_mixed(raw: Mapping[str, Any], probe: Mapping[str, Any], where: str) -> None:
    """Raise `VerilogAError` if charges come from other voltages than where each derivative has a factor of its own.

    Parameters
    ----------
    raw, probe
        The module as it is and with these factors (see `rewriting.instrument`), from `openvaf.describe`.
    where
        What the message starts with.
    """
    found, right = _voltages(raw), _voltages(probe)
    for node in found.keys() | right.keys():
        if found.get(node) != right.get(node):
            taken, wanted = (", ".join(sorted(each.get(node, ()))) or "nothing" for each in (found, right))
            raise VerilogAError(
                f"{where}: OpenVAF mixes up derivatives by time: the charge of {node} comes from {taken} in place of "
                f"{wanted}; give the argument of every ddt a variable of its own, such as q = V({node}); ... ddt(q)"
            )


def _voltages(raw: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """Names of the voltages that the charge of each node is worked out from, if it has any."""
    set_by = {item["result"]: item for item in raw["evaluate"]["instructions"] if item.get("result")}
    names = {f"v{value}": name for value, kind, name in raw["arguments"] if kind == "voltage"}
    found = {}
    for residual in raw["system"]["residuals"]:
        waiting = ["v" + residual["react_var"].removeprefix("mir_")]
        seen = set(waiting)
        while waiting:
            item = set_by.get(waiting.pop())
            if item is None:
                continue
            operands = {*(item.get("operands") or ()), *(phi["value"] for phi in item.get("phi_operands") or ())} - seen
            waiting += operands
            seen |= operands
        voltages = frozenset(names[value] for value in seen & names.keys())
        if voltages:
            found[residual["node_name"]] = voltages
    return found
