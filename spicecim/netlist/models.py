"""What the templates are given of a model: as a behavioral subcircuit, or compiled from Verilog-A."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spicecim.devices import Memristor
from spicecim.devices.behavioral import behavioral_sources
from spicecim.netlist.environment import CheckedText, plain_text
from spicecim.veriloga.device import ModuleDevice

_MODEL = "memristor"


def behavioral_context(device: Memristor) -> dict[str, Any]:
    """Return the template variables for a device as a subcircuit of behavioral sources."""
    return {
        "device_template": "devices/_behavioral.cir.j2",
        "element": "X",
        "subcircuit": device.name,
        "sources": [CheckedText(line) for line in behavioral_sources(device)],
        "title_of_device": device.title,
        "parameters": [
            {"name": name, "value": getattr(device, name), "unit": unit} for name, unit in device.units().items()
        ],
    }


def native_context(module: ModuleDevice, title: str) -> tuple[Path, dict[str, Any]]:
    """Compile a module and return the shared library, and the template variables for it."""
    library, name = module.native()
    units = {parameter.name: parameter.units for parameter in module.module.parameters}
    context = {
        "device_template": "devices/_native.cir.j2",
        "element": "N",
        "subcircuit": _MODEL,
        "native_name": name,
        "title_of_device": title,
        "parameters": [
            {"name": plain_text(name), "value": value, "unit": units.get(name, "")}
            for name, value in module.parameters.items()
            if not isinstance(value, str)
        ],
        "native_parameters": list(module.native_parameters().items()),
    }
    return library, context
