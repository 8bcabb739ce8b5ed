"""Fields that hold a device of any kind: which one it is, its keys tell."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, GetCoreSchemaHandler
from pydantic_core import core_schema

from spicecim.device_choice.library import LibraryDevice
from spicecim.device_choice.section import DeviceSection
from spicecim.device_choice.subcircuit import SubcircuitDevice
from spicecim.device_choice.verilog_a import VerilogADevice
from spicecim.fields import Section
from spicecim.problems import FieldError, did_you_mean

DEVICE_SECTIONS: dict[str, type[DeviceSection]] = {
    "model": LibraryDevice,
    "subcircuit": SubcircuitDevice,
    "verilog_a": VerilogADevice,
}
"""The kinds of device by the key that tells them apart."""


def _check_kind(value: Any) -> Any:
    """Pass a section, or a dictionary with the key of exactly one kind of device."""
    kinds = ", ".join(DEVICE_SECTIONS)
    if isinstance(value, DeviceSection):
        return value
    if not isinstance(value, dict):
        raise ValueError(f"must be a dictionary with one of the keys {kinds}")
    given = [key for key in DEVICE_SECTIONS if key in value]
    if len(given) > 1:
        raise ValueError(f"has both {given[0]} and {given[1]}; give one of {kinds}")
    if not given:
        hints = (did_you_mean(str(key), DEVICE_SECTIONS) for key in value)
        raise ValueError(f"has none of the keys {kinds}{next(filter(None, hints), '')}")
    return value


def _section_name(value: Any) -> str:
    """Name of the class that a value which `_check_kind` passed belongs to."""
    if isinstance(value, DeviceSection):
        return type(value).__name__
    return next(section.__name__ for key, section in DEVICE_SECTIONS.items() if key in value)


class _AnyKind:
    """Annotation of a field that holds a section of any kind."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        kinds = {kind.__name__: handler.generate_schema(kind) for kind in DEVICE_SECTIONS.values()}
        union = core_schema.tagged_union_schema(kinds, discriminator=_section_name)
        return core_schema.no_info_before_validator_function(_check_kind, union)


def _check_alike(value: DeviceSection) -> DeviceSection:
    if arrays := value.arrays():
        raise FieldError(f"parameters.{next(iter(arrays))}", "an array stands for the cells of a testbench's crossbar")
    return value


def _check_equations(value: DeviceSection) -> DeviceSection:
    if not value.equations_known:
        raise ValueError("the equations of a SPICE subcircuit are not known; take a model or a Verilog-A module")
    return value


AnyDevice = Annotated[DeviceSection, _AnyKind()]
"""Any kind of device."""

KnownDevice = Annotated[AnyDevice, AfterValidator(_check_alike), AfterValidator(_check_equations)]
"""Any kind of device whose equations are known, with the same parameters in all cells."""


class _Choice(Section):
    device: Annotated[AnyDevice, AfterValidator(_check_alike)]


def choose_device(values: Any) -> DeviceSection:
    """Return the section of a device from plain values; raises `TestbenchError` with the field that is wrong."""
    return _Choice(device=values).device
