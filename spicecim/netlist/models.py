"""What the templates are given of a model: as a behavioural subcircuit, or compiled from Verilog-A."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from spicecim.devices import STOP_WIDTH, Device
from spicecim.netlist.environment import plain_text
from spicecim.resources import resource_folder
from spicecim.veriloga.device import ModuleDevice

_MODEL = "memristor"


def behavioral_context(device: Device) -> dict[str, Any]:
    """Return the template variables for a device as a subcircuit of behavioural sources."""
    return {
        "device_template": "devices/_behavioral.cir.j2",
        "device": device,
        "element": "X",
        "subcircuit": device.name,
        "stop_width": STOP_WIDTH,
        "title_of_device": device.title,
        "parameters": [
            {"name": name, "value": getattr(device, name), "unit": info.json_schema_extra["unit"]}  # type: ignore[index]
            for name, info in type(device).model_fields.items()
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
            {"name": plain_text(name), "value": value, "unit": plain_text(units.get(name, ""))}
            for name, value in module.parameters.items()
            if not isinstance(value, str)
        ],
        "native_parameters": list(module.native_parameters().items()),
    }
    return library, context


@lru_cache(maxsize=64)
def native_module(device: Device) -> ModuleDevice:
    """Return the library's Verilog-A module of a device, with its parameters and its state variable."""
    path = resource_folder("models") / f"{device.name}.va"
    # the device itself takes x to its state variable and back
    return ModuleDevice(path, state="s", initial=(0.0, 1.0), parameters=device.verilog_a_parameters())
