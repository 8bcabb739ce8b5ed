"""The report of a check: what a Verilog-A module has, and what was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from spicecim.veriloga.declarations import ModuleDeclaration, ParameterDeclaration
from spicecim.veriloga.findings import Finding
from spicecim.veriloga.module import Module


@dataclass(frozen=True)
class NodeReport:
    """A node: its role (``row``, ``column``, ``state`` or none), and whether it is a terminal."""

    name: str
    role: str
    terminal: bool
    unit: str


@dataclass(frozen=True)
class ParameterReport:
    """A parameter as the module declares it, and the value that it was checked with."""

    name: str
    type: str
    default: str
    value: float | int | str | None
    unit: str
    bounds: str
    description: str


@dataclass(frozen=True)
class ModelReport:
    """What a module has and what is wrong with it.

    Attributes
    ----------
    state
        Name of the node that holds the state; None if none was found.
    initial
        The state in that node at x = 0 and at x = 1: as given, or as found by probing; None if it was not found.
    voltage
        Magnitude (V) up to which the equations were probed; None if they were not.
    findings
        The worst first.
    """

    path: str
    module: str
    nodes: tuple[NodeReport, ...]
    state: str | None
    initial: tuple[float, float] | None
    voltage: float | None
    parameters: tuple[ParameterReport, ...]
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether no finding is an error."""
        return not any(finding.severity == "error" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return {"ok": self.ok, **asdict(self)}


def report_nodes(module: Module, state: str | None) -> tuple[NodeReport, ...]:
    """Describe the nodes of a module; the row and the column are its first terminals that are not the state."""
    ends = [name for name in module.terminals if name != state]
    roles = dict(zip(ends, ("row", "column"), strict=False))
    if state is not None:
        roles[state] = "state"
    return tuple(NodeReport(node.name, roles.get(node.name, ""), node.terminal, node.units) for node in module.nodes)


def report_parameters(
    module: Module, declaration: ModuleDeclaration, values: Mapping[str, Any]
) -> tuple[ParameterReport, ...]:
    """Describe the parameters of a module with the values that they have."""
    described = {parameter.name: parameter for parameter in module.parameters}
    return tuple(
        ParameterReport(
            item.name,
            item.type,
            str(item.default),
            values.get(item.name),
            described[item.name].units if item.name in described else "",
            _bounds(item),
            described[item.name].description if item.name in described else "",
        )
        for item in declaration.parameters.values()
        if not item.local
    )


def _bounds(parameter: ParameterDeclaration) -> str:
    if parameter.choices:
        return f"from '{{{', '.join(map(str, parameter.choices))}}}"
    return " ".join(map(str, parameter.ranges))
