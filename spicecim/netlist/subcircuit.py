"""What the template of a device's subcircuit is given."""

from __future__ import annotations

from typing import Any

from spicecim.devices import STOP_WIDTH, Device
from spicecim.testbench import DeviceChoice
from spicecim.version import __version__


def subcircuit_context(choice: DeviceChoice, device: Device) -> dict[str, Any]:
    """Return the template variables for a device: its equations' parameters and what the header says of them."""
    return {
        "version": __version__,
        "device": device,
        "subcircuit": choice.model,
        "stop_width": STOP_WIDTH,
        "parameters": [
            {"name": name, "value": getattr(device, name), "unit": info.json_schema_extra["unit"]}  # type: ignore[index]
            for name, info in type(device).model_fields.items()
        ],
        "zip": zip,
    }
