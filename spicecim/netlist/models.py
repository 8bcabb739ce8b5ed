"""What the templates are given of a model: as a behavioral subcircuit, or compiled from Verilog-A."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from spicecim.devices import Memristor
from spicecim.devices.behavioral import behavioral_sources
from spicecim.devices.library import default_values
from spicecim.devices.verilog_a import verilog_a
from spicecim.netlist.environment import CheckedText, plain_text
from spicecim.veriloga.cache import cached_file, key_of
from spicecim.veriloga.device import ModuleDevice

_MODEL = "memristor"


def behavioral_context(device: Memristor) -> dict[str, Any]:
    """Return the template variables for a device as a subcircuit of behavioral sources."""
    return {
        "device_template": "devices/_behavioral.cir.j2",
        "element": "X",
        "subcircuit": device.name,
        "sources": [CheckedText(line) for line in behavioral_sources(device)],
        "title_of_device": plain_text(device.title),
        "parameters": [
            {"name": name, "value": getattr(device, name), "unit": plain_text(unit)}
            for name, unit in device.units().items()
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
def native_module(device: Memristor) -> ModuleDevice:
    """Return a device as a module of the Verilog-A file that is written from its class."""
    text = verilog_a(type(device), default_values(type(device)))

    def write(target: Path) -> None:
        target.write_text(text, encoding="utf-8")

    path = cached_file(key_of("module", text), ".va", write)
    # The device itself takes x to its state variable and back; inner voltages have solutions for its own states alone.
    low = float(device.state_from_x(0.0)) if device.inner else 0.0
    return ModuleDevice(path, state="s", initial=(low, low + 1.0), parameters=device.values())
