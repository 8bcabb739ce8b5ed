"""Memristor models: their equations in numpy, and their published parameter sets."""

from spicecim.devices.library import MODELS, Preset, get_model, load_presets, make_device, register_device
from spicecim.devices.memristor import STOP_WIDTH, Memristor
from spicecim.devices.parameters import Number, parameter
from spicecim.devices.states import State

__all__ = [
    "MODELS",
    "STOP_WIDTH",
    "Memristor",
    "Number",
    "Preset",
    "State",
    "get_model",
    "load_presets",
    "make_device",
    "parameter",
    "register_device",
]
