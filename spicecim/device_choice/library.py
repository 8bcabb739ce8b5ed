"""A device of spicecim's own models, by name, preset and parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from spicecim.device_choice.parameters import Parameters, read_parameters
from spicecim.device_choice.section import DeviceSection
from spicecim.devices import MODELS, Memristor, get_model, make_device
from spicecim.devices.device import Device
from spicecim.devices.library import get_preset, is_preset_file
from spicecim.devices.varied import make_cells
from spicecim.errors import ModelError
from spicecim.fields import resolved_path
from spicecim.problems import FieldError

if TYPE_CHECKING:
    from spicecim.veriloga.device import ModuleDevice


class LibraryDevice(DeviceSection):
    """A device model of spicecim's own library."""

    model: str = Field(description="name of a device model, as `spicecim models` lists them")
    preset: str | None = Field(
        default=None,
        description="published parameter set, the model's first if left out; or a file that ends in .yaml, relative to "
        "the testbench's folder, whose values become parameters",
    )
    parameters: Parameters = Field(
        default_factory=dict,
        description="parameters by name; with a preset, those that differ from it. A number, or an array with one per "
        "cell (row, column)",
    )
    backend: Literal["auto", "osdi", "behavioral"] = Field(
        default="auto", description="how ngspice evaluates the device"
    )

    _temperature: float | None = PrivateAttr(None)
    """Ambient temperature (K), if it is given."""

    @model_validator(mode="before")
    @classmethod
    def _read_preset_file(cls, values: Any, info: ValidationInfo) -> Any:
        """Put the parameters of a preset file into the section, so that a saved run does not need the file."""
        preset = values.get("preset") if isinstance(values, dict) else None
        if not isinstance(preset, str) or not is_preset_file(preset) or not isinstance(values.get("model"), str):
            return values
        given = values.get("parameters") or {}
        try:
            found = get_preset(values["model"], resolved_path(preset, info))
        except (ModelError, ValueError) as error:
            raise FieldError("preset", str(error)) from None
        parameters = {**found.parameters, **given} if isinstance(given, dict) else given
        return {**values, "preset": None, "parameters": parameters}

    @field_validator("model")
    @classmethod
    def _check_model(cls, value: str) -> str:
        _reject_as_value(get_model, value)
        return value

    @field_validator("preset")
    @classmethod
    def _check_preset(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and "model" in info.data:
            _reject_as_value(get_preset, info.data["model"], value)
        return value

    @field_validator("parameters")
    @classmethod
    def _check_parameters(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        value = read_parameters(value, info)
        if "model" in info.data and "preset" in info.data:
            _reject_as_value(make_cells, info.data["model"], info.data["preset"], value)
        return value

    @property
    def separable(self) -> bool:
        return get_model(self.model).separable

    def build(self) -> Device:
        """Return the device with its equations and all parameters."""
        return make_cells(self.model, self.preset, self.parameters, self._temperature)

    def described(self) -> dict[str, Any]:
        return {"preset": self.preset, "parameters": self.values()}

    def values(self) -> dict[str, Any]:
        return make_cells(self.model, self.preset, self.parameters, self._temperature).described()

    def wanted_backend(self) -> tuple[str, str]:
        return self.backend, "device.backend: osdi"

    def unit_of(self, parameter: str) -> str:
        return get_model(self.model).units().get(parameter, "")

    def sources(self) -> list[str]:
        published = self.preset is not None or not self.parameters
        preset = [get_preset(self.model, self.preset).source] if published else []
        return [get_model(self.model).source, *preset]

    def driven(self, voltage: float, temperature: float | None = None) -> Self:
        ambient = get_model(self.model).ambient
        if temperature is not None and ambient in self.arrays():
            raise FieldError("analysis.temperature", f"device.parameters.{ambient} is one per cell; give one of both")
        if temperature is not None and not ambient:
            having = ", ".join(name for name in MODELS if MODELS[name].ambient)
            raise FieldError(
                "analysis.temperature",
                f"the model {self.model} has none: its parameters are those of one temperature (models with one: "
                f"{having})",
            )
        own = self.model_copy()
        own._temperature = temperature
        return own

    def further_units(self) -> dict[str, str]:
        return {name: state.unit for name, state in get_model(self.model).states.items()}

    def largest_current(self) -> tuple[float, str]:
        if self.preset is not None or not self.parameters:
            preset = get_preset(self.model, self.preset)
            if preset.largest_current is not None:
                return preset.largest_current, "largest_current of its preset"
        return super().largest_current()

    def behavioral(self) -> Memristor:
        return make_device(self.model, self.preset, self.parameters, self._temperature)

    def native(self) -> ModuleDevice:
        from spicecim.veriloga.written import written_module

        first = {name: float(array.flat[0]) for name, array in self.arrays().items()}
        return written_module(self.of_values(first).behavioral())


def _reject_as_value(check: Any, *args: Any) -> None:
    """Call `check`, with its `ModelError` as the ValueError that pydantic collects."""
    try:
        check(*args)
    except ModelError as error:
        raise ValueError(str(error)) from None
