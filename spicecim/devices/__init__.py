"""Memristor models: their equations in numpy, and their published parameter sets."""

from spicecim.devices.base import STOP_WIDTH, Device
from spicecim.devices.library import MODELS, Preset, get_model, load_presets, make_device
from spicecim.devices.linear_drift import LinearDrift
from spicecim.devices.yakopcic import Yakopcic

__all__ = [
    "MODELS",
    "STOP_WIDTH",
    "Device",
    "LinearDrift",
    "Preset",
    "Yakopcic",
    "get_model",
    "load_presets",
    "make_device",
]
