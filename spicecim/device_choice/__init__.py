"""Which memristor stands at every crosspoint: the kinds of a testbench's section `device`, told apart by their keys."""

from spicecim.device_choice.choice import DEVICE_SECTIONS, AnyDevice, KnownDevice, choose_device
from spicecim.device_choice.library import LibraryDevice
from spicecim.device_choice.section import DeviceSection
from spicecim.device_choice.subcircuit import SubcircuitDevice
from spicecim.device_choice.verilog_a import VerilogADevice

__all__ = [
    "DEVICE_SECTIONS",
    "AnyDevice",
    "DeviceSection",
    "KnownDevice",
    "LibraryDevice",
    "SubcircuitDevice",
    "VerilogADevice",
    "choose_device",
]
