"""Which module of a file, and which node of it as the state: as given, or as is plain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spicecim.errors import ModelError
from spicecim.problems import did_you_mean
from spicecim.veriloga.draws import DRAW
from spicecim.veriloga.frontend import Compilation
from spicecim.veriloga.module import Module

_KELVIN = "K"
"""Unit of the potential of a thermal node."""


def pick_module(compilation: Compilation, name: str | None) -> Module:
    """Return a module of a file by name, or its only one; raises `ModelError` if that is not one."""
    modules = compilation.modules
    whole = [module for module in modules if module not in compilation.source.parts]
    if name is None and len(whole) == 1:
        return modules[whole[0]]
    if name is None:
        raise ModelError(f"module: {compilation.source.path.name} has {', '.join(modules)}; name one")
    if name not in modules:
        hint = did_you_mean(name, modules)
        raise ModelError(f"module: {compilation.source.path.name} has no {name!r}; it has {', '.join(modules)}{hint}")
    return modules[name]


def charged_nodes(module: Module) -> list[str]:
    """Nodes that hold a state: those whose own charge depends on their potential."""
    charged = {entry.row for entry in module.jacobian if entry.row == entry.column and entry.reactive}
    names = [module.nodes[index].name for index in sorted(charged)]
    return [name for name in names if not name.startswith(DRAW)]


def state_candidates(module: Module) -> list[str]:
    """Nodes that can hold a state: those whose own charge depends on their potential, but for the first two terminals.

    The first two terminals that are no state are the row and the column.
    """
    names = charged_nodes(module)
    units = {node.name: node.units for node in module.nodes}
    if any(units[name] != _KELVIN for name in names):
        # a temperature is what the device does, not what it stores
        names = [name for name in names if units[name] != _KELVIN]
    terminals = list(module.terminals)
    if len(terminals) > 2 and any(name in terminals[2:] or name not in terminals for name in names):
        return [name for name in names if name not in terminals[:2]]
    return [name for name in names if name not in terminals]


def pick_state(compilation: Compilation, module: Module, name: str | None) -> str:
    """Return the name of the node that holds the state; raises `ModelError` if it is not given and not plain."""
    candidates = state_candidates(module)
    if name is not None:
        known = [node.name for node in module.nodes]
        if name not in known:
            hint = did_you_mean(name, known)
            raise ModelError(f"state: module {module.name} has no node {name!r}; it has {', '.join(known)}{hint}")
        return name
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise ModelError(f"state: several nodes of module {module.name} hold charge: {', '.join(candidates)}; name one")
    raise ModelError(
        f"state: module {module.name} has no node whose potential is integrated (I(x) <+ ddt(V(x)) - rate), "
        "so it holds no state"
    )


def hidden_state_problems(compilation: Compilation, module: Module, parameters: Mapping[str, Any]) -> list[str]:
    """Return a message for every variable whose value before it is assigned matters with these parameters."""
    declaration = compilation.declarations[module.name]
    places = {variable.name: variable.place for variable in declaration.variables}
    problems = []
    for name in compilation.unset(module.name, parameters):
        read = declaration.reads.get(name, places[name])
        problems.append(
            f"{read}: {name} (declared in {places[name]}) is read before it is assigned: memory outside a node, which "
            "is lost at every evaluation. Let a node hold it, I(x) <+ ddt(V(x)) - rate, or assign it on every path"
        )
    return problems
