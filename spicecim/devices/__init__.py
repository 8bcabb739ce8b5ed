"""Memristor models: their equations in numpy, and their published parameter sets."""

from spicecim.devices.base import STOP_WIDTH, Device, SeparableDevice
from spicecim.devices.library import MODELS, Preset, get_model, load_presets, make_device
from spicecim.devices.linear_drift import LinearDrift
from spicecim.devices.pershin_di_ventra import PershinDiVentra
from spicecim.devices.resistor import Resistor
from spicecim.devices.stanford_pku import StanfordPku
from spicecim.devices.vteam import Vteam
from spicecim.devices.yakopcic import Yakopcic

__all__ = [
    "MODELS",
    "STOP_WIDTH",
    "Device",
    "LinearDrift",
    "PershinDiVentra",
    "Preset",
    "Resistor",
    "SeparableDevice",
    "StanfordPku",
    "Vteam",
    "Yakopcic",
    "get_model",
    "load_presets",
    "make_device",
]
