"""A model of the library as a module of the Verilog-A file that is written from its class."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from spicecim.devices import Memristor
from spicecim.devices.library import default_values
from spicecim.devices.verilog_a import verilog_a
from spicecim.veriloga.cache import cached_file, key_of
from spicecim.veriloga.device import ModuleDevice


@lru_cache(maxsize=64)
def written_module(device: Memristor) -> ModuleDevice:
    """Return a device of the library as a module."""
    text = verilog_a(type(device), default_values(type(device)))

    def write(target: Path) -> None:
        target.write_text(text, encoding="utf-8")

    path = cached_file(key_of("module", text), ".va", write)
    # The device itself takes x to its state variable and back; inner voltages have solutions for its own states alone.
    low = float(device.state_from_x(0.0)) if device.inner else 0.0
    states = dict(zip(device.states, device.further_values(), strict=True))
    return ModuleDevice(path, state="s", initial=(low, low + 1.0), parameters=device.values(), states=states)
