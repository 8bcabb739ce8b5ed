"""A device that is a module of a Verilog-A file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from spicecim.device_choice.parameters import Number, Parameters, plain_parameters, read_parameters, two_values
from spicecim.device_choice.section import DeviceSection
from spicecim.devices.library import is_preset_file
from spicecim.errors import InputError, ModelError, VerilogAError
from spicecim.fields import resolved_path
from spicecim.outside import check_file
from spicecim.problems import FieldError
from spicecim.quantities import shown

if TYPE_CHECKING:
    from spicecim.veriloga.device import ModuleDevice


_LARGEST_CAPACITANCE = 1e3
"""Largest capacitance (F) of a further state of which nothing is said where a run fails."""


class VerilogADevice(DeviceSection):
    """A module of a Verilog-A file.

    The file is read when a netlist is made or the equations are evaluated, so that waveforms of a run can be measured
    where it is gone.
    """

    verilog_a: str = Field(description="file that holds the module; relative to the testbench's folder")
    module: str | None = Field(default=None, description="name of the module; may be left out if the file has one")
    state: str | None = Field(default=None, description="node that holds the state; may be left out if only one can")
    initial: tuple[Number, Number] | None = Field(
        default=None,
        description="potential of that node at x = 0 and at x = 1; found if the state stays between 0 and 1",
    )
    states: dict[str, Number | None] = Field(
        default_factory=dict,
        description="further nodes that hold a state, such as a temperature, with their potentials at time 0; null "
        "for that in equilibrium",
    )
    preset: str | None = Field(
        default=None,
        description="a preset file of the module, such as a fit saves, relative to the testbench's folder; its module, "
        "state, initial and parameters become those of the section",
    )
    parameters: Parameters = Field(
        default_factory=dict,
        description="parameters by name that differ from the module's defaults, or the preset: a number, a text, or an "
        "array with a number per cell (row, column)",
    )

    _voltage: float | None = PrivateAttr(None)
    """Largest voltage (V) of the drive, if it is known (see `driven`)."""
    _temperature: float | None = PrivateAttr(None)
    """Ambient temperature (K), if it is given."""

    @model_validator(mode="before")
    @classmethod
    def _read_preset_file(cls, values: Any, info: ValidationInfo) -> Any:
        """Put what a preset file holds into the section, so that a saved run does not need the file."""
        preset = values.get("preset") if isinstance(values, dict) else None
        if preset is None or not isinstance(values.get("verilog_a"), str):
            return values
        from spicecim.veriloga.presets import read_module_preset

        if not isinstance(preset, str) or not is_preset_file(preset):
            raise FieldError("preset", f"must be a file that ends in .yaml; a module has no others: {shown(preset)}")
        try:
            found, _ = read_module_preset(resolved_path(preset, info), resolved_path(values["verilog_a"], info))
        except (ModelError, VerilogAError, ValueError) as error:
            raise FieldError("preset", str(error)) from None
        given = {key: value for key, value in values.items() if value is not None}
        for key in ("module", "state", "initial"):
            own = given.get(key, found[key])
            if (list(own) if isinstance(own, tuple) else own) != found[key]:
                raise FieldError(key, f"must be {found[key]} as in the preset file, or be left out: {shown(own)}")
        parameters = given.get("parameters", {})
        if isinstance(parameters, dict):
            parameters = {**found["parameters"], **parameters}
        return {**found, **given, "preset": None, "parameters": parameters}

    _resolve = field_validator("verilog_a")(resolved_path)
    _check_initial = field_validator("initial")(two_values)

    @field_validator("module", "state")
    @classmethod
    def _check_name(cls, value: str | None) -> str | None:
        if value is not None and not value.isprintable():
            raise ValueError("must be a name")
        return value

    @field_validator("parameters", mode="before")
    @classmethod
    def _check_parameters(cls, value: Any, info: ValidationInfo) -> Any:
        return read_parameters(value, info)

    def build(self) -> ModuleDevice:
        """Return the compiled module with its parameters.

        Raises
        ------
        VerilogAError
            If the file cannot be compiled, or the module keeps memory outside its nodes.
        ModelError
            If the module, its state or a parameter is missing or wrong.
        """
        from spicecim.veriloga.device import LARGEST_VOLTAGE
        from spicecim.veriloga.varied import module_cells

        try:
            check_file(self.verilog_a, "VERILOG_A_FILE_BYTES")
        except InputError as error:
            raise VerilogAError(f"device.verilog_a: {error}") from None
        try:
            return module_cells(
                self.verilog_a,
                self.module,
                state=self.state,
                initial=self.initial,
                parameters=self.parameters,
                states=self.states,
                voltage=self._voltage or LARGEST_VOLTAGE,
                temperature=self._temperature,
            )
        except ModelError as error:
            # what is wrong with a parameter starts with its name
            own = str(error).partition(":")[0] in type(self).model_fields
            raise ModelError(f"device.{'' if own else 'parameters.'}{error}") from None

    def described(self) -> dict[str, Any]:
        return {"preset": None, "parameters": plain_parameters(self.parameters)}

    def wanted_backend(self) -> tuple[str, str]:
        return "osdi", "device.verilog_a"

    def values(self) -> dict[str, Any]:
        device = self.build()
        return plain_parameters({**device.parameters, **device.own_values()})

    def native(self) -> ModuleDevice:
        return self.build()

    def driven(self, voltage: float, temperature: float | None = None) -> Self:
        own = self.model_copy()
        own._voltage, own._temperature = voltage, temperature
        return own

    def filled_in(self) -> Self:
        device = self.build()
        return self.model_copy(update={"module": device.name, "state": device.state_node, "initial": device.initial})

    def provenance(self) -> dict[str, str]:
        return self.build().provenance()

    def advice(self) -> list[str]:
        device = self.build()
        return [
            f"module {device.name} stores {name} in {capacitance:.3g} F, beside which rounding may spoil the currents: "
            f"divide all contributions to {name} by that"
            for name, capacitance in device.further_capacitances().items()
            if capacitance > _LARGEST_CAPACITANCE
        ]

    def further_units(self) -> dict[str, str]:
        return self.build().further_units()
