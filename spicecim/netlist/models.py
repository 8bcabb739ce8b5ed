"""What the templates are given of a model: as a behavioral subcircuit, or compiled from Verilog-A."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spicecim.devices import Memristor
from spicecim.devices.behavioral import behavioral_sources, state_nodes
from spicecim.netlist.environment import CheckedText, plain_text
from spicecim.veriloga.device import ModuleDevice

_MODEL = "memristor"


PER_CELL = "one per cell"
"""What stands in place of the value of a parameter that cells have of their own."""


def kind_name(name: str, number: int | None) -> str:
    """Name of the subcircuit or model of a kind of cell by its number; None where all cells are of one kind."""
    return name if number is None else f"{name}_{number}"


def behavioral_context(devices: Sequence[Memristor]) -> dict[str, Any]:
    """Return the template variables for devices as subcircuits of behavioral sources, one for each kind of cell."""
    device = devices[0]
    differing = {name for name in device.units() if any(getattr(o, name) != getattr(device, name) for o in devices)}
    return {
        "device_template": "devices/_behavioral.cir.j2",
        "element": "X",
        "subcircuit": device.name,
        "kinds": [
            (
                kind_name(device.name, number if len(devices) > 1 else None),
                list(map(CheckedText, behavioral_sources(o))),
            )
            for number, o in enumerate(devices)
        ],
        "further_states": [
            (node, f"{name} ({state.unit})" if state.unit else name)
            for node, (name, state) in zip(state_nodes(device), device.states.items(), strict=True)
        ],
        "title_of_device": device.title,
        "parameters": [
            {"name": name, "value": PER_CELL if name in differing else getattr(device, name), "unit": unit}
            for name, unit in device.units().items()
        ],
    }


def native_context(
    module: ModuleDevice, title: str, common: Mapping[str, Any], kinds: Sequence[Mapping[str, Any]]
) -> tuple[Path, dict[str, Any]]:
    """Compile a module and return the shared library, and the template variables for it.

    `common` are further parameters of every model in ngspice; `kinds` those that the kinds of cells have of their own,
    by their names in Verilog-A: one without any where all cells are alike.
    """
    library, name = module.native()
    units = {parameter.name: parameter.units for parameter in module.module.parameters}
    context = {
        "device_template": "devices/_native.cir.j2",
        "element": "N",
        "subcircuit": _MODEL,
        "native_name": name,
        "title_of_device": title,
        "parameters": [
            {
                "name": plain_text(name), "value": PER_CELL if name in kinds[0] else value,
                "unit": units.get(name, ""),
            }
            for name, value in module.parameters.items()
            if not isinstance(value, str)
        ],
        "kinds": [
            (
                kind_name(_MODEL, number if len(kinds) > 1 else None),
                list((module.native_parameters() | module.native_values(own) | dict(common)).items()),
            )
            for number, own in enumerate(kinds)
        ],
    }  # fmt: skip
    return library, context
