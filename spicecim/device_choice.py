"""Which memristor stands at every crosspoint: the kinds of a testbench's section `device`, told apart by their keys."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import (
    AfterValidator,
    Field,
    GetCoreSchemaHandler,
    PlainSerializer,
    PrivateAttr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import core_schema

from spicecim import limits
from spicecim.devices import MODELS, Memristor, get_model, make_device
from spicecim.devices.device import Device
from spicecim.devices.library import get_preset, is_preset_file
from spicecim.devices.varied import make_cells
from spicecim.errors import InputError, ModelError, UnsupportedError, VerilogAError
from spicecim.fields import FloatArray, Quantities, Quantity, Section, is_array_file, resolved_path
from spicecim.outside import check_file
from spicecim.problems import FieldError, did_you_mean
from spicecim.quantities import parse_quantity, shown
from spicecim.spice_names import ParameterName, SubcircuitName, check_parameter_names

if TYPE_CHECKING:
    from spicecim.veriloga.device import ModuleDevice

Number = Annotated[float, Quantity("")]

_OF_CELLS = Quantities("", (2,))


def plain_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters with lists in place of arrays."""
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in parameters.items()}


Parameters = Annotated[dict[str, Any], PlainSerializer(plain_parameters)]
"""Parameters by name: numbers, texts, and arrays (row, column) of what cells have of their own."""


def check_shapes(place: str, arrays: Mapping[str, FloatArray], shape: tuple[int, int]) -> None:
    """Raise `FieldError` if arrays over the cells (row, column), by name, are those of another crossbar."""
    for name, array in arrays.items():
        if array.shape != shape:
            given, wanted = (" x ".join(map(str, each)) for each in (array.shape, shape))
            raise FieldError(f"{place}.{name}", f"has {given} values for {wanted} cells")


class DeviceSection(Section, ABC):
    """The section `device` of a testbench. Each kind answers what the engines ask of it."""

    equations_known: ClassVar[bool] = True
    """Whether current and rate can be evaluated outside of ngspice."""

    @property
    def separable(self) -> bool:
        """Whether it is known, without building it, that the rate separates (see `Device.separable`)."""
        return False

    @classmethod
    def kinds(cls) -> list[type[DeviceSection]]:
        """Every kind."""
        return [*DEVICE_SECTIONS.values()]

    @abstractmethod
    def build(self) -> Device:
        """Return the device with its equations and all parameters; `UnsupportedError` where they are not known."""

    @abstractmethod
    def described(self) -> dict[str, Any]:
        """Plain values for a file of results: the preset and the parameters by name."""

    @abstractmethod
    def wanted_backend(self) -> tuple[str, str]:
        """How ngspice is to evaluate it, as in `LibraryDevice.backend`, and the key that says so."""

    def arrays(self) -> dict[str, FloatArray]:
        """Parameters that cells have values of their own of (row, column), by name."""
        parameters: dict[str, Any] = getattr(self, "parameters", {})
        return {name: value for name, value in parameters.items() if isinstance(value, np.ndarray)}

    def values(self) -> dict[str, Any]:
        """Parameters by name as far as they are known: numbers, texts, and lists (row, column)."""
        return plain_parameters(getattr(self, "parameters", {}))

    def of_values(self, values: Mapping[str, float]) -> Self:
        """Return the section with one value for all cells of parameters that were arrays: that of one kind of cell."""
        parameters: dict[str, Any] = getattr(self, "parameters", {})
        return self.model_copy(update={"parameters": {**parameters, **values}})

    def check_shape(self, shape: tuple[int, int]) -> None:
        """Raise `FieldError` if the parameters of cells are those of another crossbar than of `shape`."""
        check_shapes("device.parameters", self.arrays(), shape)

    def behavioral(self) -> Memristor:
        """Return the device whose equations a netlist writes; `UnsupportedError` where it cannot."""
        raise UnsupportedError(
            "device: it cannot be written as behavioral sources; write the netlist to a file, where its compiled form "
            "stands beside it"
        )

    def native(self) -> ModuleDevice:
        """Return the device as a module to compile for ngspice; `UnsupportedError` where it cannot be one."""
        raise UnsupportedError("device: it cannot be compiled")

    def foreign(self) -> SubcircuitDevice | None:
        """Return the subcircuit that a netlist takes as it is; None where the equations are written into it."""
        return None

    def has_word_port(self) -> bool:
        """Whether it is a whole cell, with a port for its word line."""
        return False

    def only_ngspice(self) -> str | None:
        """Return why the reference engine does not take it, with its field; None if it does."""
        return None

    def largest_current(self) -> tuple[float, str]:
        """Return the largest plausible current (A) of a cell, and what states it."""
        return limits.CELL_CURRENT, "spicecim.limits.CELL_CURRENT"

    def driven(self, voltage: float, temperature: float | None = None) -> Self:
        """Return the section of the device driven up to a voltage (V): bounds of a state may be found with it.

        At an ambient temperature (K), or that of its parameters; `FieldError` where the device has none.
        """
        return self

    def filled_in(self) -> Self:
        """Return the section with what is found in a file where it was left out."""
        return self

    def provenance(self) -> dict[str, str]:
        """Attributes of waveforms that tell what ran, as far as the section does not."""
        return {}

    def sources(self) -> list[str]:
        """Texts that cite what the device is from; none where a file alone knows."""
        return []

    def unit_of(self, parameter: str) -> str:
        """Unit of a parameter; empty where it has none, or a file alone knows."""
        return ""

    def further_units(self) -> dict[str, str]:
        """Units of the states beside x that waveforms show, by name."""
        return {}

    def normalized(self, s: FloatArray, cells: NDArray[np.int_]) -> FloatArray:
        """Return x of state variables (time, cell) of the cells with these numbers, counted row by row.

        Where a step ended a little beyond a stop, the device is as at the stop.
        """
        device = self.build().of_cells(cells)
        x = device.x_from_state(s)
        return np.clip(x, 0.0, 1.0) if device.stops() else x


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


def read_parameters(value: Any, info: ValidationInfo) -> Any:
    """Pass a dictionary of numbers, texts, and arrays (row, column) of numbers or names of their files."""
    if not isinstance(value, dict):
        return value
    return {name: _plain_value(name, item, info) for name, item in value.items()}


def read_numbers(value: Any, info: ValidationInfo, unit: str = "") -> Any:
    """Pass a dictionary as `read_parameters` does, with the numbers that its texts stand for."""
    read = read_parameters(value, info)
    if not isinstance(read, dict):
        return read
    for name, item in read.items():
        if isinstance(item, str):
            try:
                read[name] = parse_quantity(item, unit)
            except ValueError as error:
                raise FieldError(str(name), str(error)) from None
    return read


def _plain_value(name: str, item: Any, info: ValidationInfo) -> Any:
    if isinstance(item, list | tuple | np.ndarray) or is_array_file(item):
        try:
            return _OF_CELLS.parse(item, info)
        except ValueError as error:
            raise FieldError(name, str(error)) from None
    if isinstance(item, bool) or not isinstance(item, Real | str):
        raise FieldError(name, "must be a number, a text, or an array with a number per cell (row, column)")
    return item if isinstance(item, str) else parse_quantity(item)


def _two_values(value: tuple[float, float] | None) -> tuple[float, float] | None:
    if value is not None and value[0] == value[1]:
        raise ValueError("must be two different values")
    return value


def _reject_as_value(check: Any, *args: Any) -> None:
    """Call `check`, with its `ModelError` as the ValueError that pydantic collects."""
    try:
        check(*args)
    except ModelError as error:
        raise ValueError(str(error)) from None


class SubcircuitDevice(DeviceSection):
    """A SPICE subcircuit from a file, for ngspice.

    The file is read when a netlist is made, so that waveforms of a run can be measured where it is gone.
    """

    equations_known: ClassVar[bool] = False
    place: ClassVar[str] = "device"

    subcircuit: str = Field(
        description="file that holds the subcircuit, relative to the testbench's folder; a Verilog-A file (.va) holds "
        "a module that is taken as one"
    )
    name: SubcircuitName | None = Field(
        default=None, description="name of the subcircuit; may be left out if the file has one"
    )
    ports: list[Literal["row", "column", "word", "state", "ground", "open"]] = Field(
        description="what each port of the subcircuit is connected to, in their order; word, the word line, of a whole "
        "cell (cell.kind: own)"
    )
    parameters: Parameters = Field(
        default_factory=dict,
        description="parameters by name that differ from the subcircuit's defaults: a number, or an array with one per "
        "cell (row, column)",
    )
    dialect: Literal["ngspice", "ltspice", "pspice"] = Field(
        default="ngspice", description="simulator that the file was written for"
    )
    initial: tuple[Number, Number] = Field(
        default=(0.0, 1.0), description="the subcircuit's own value of its state at x = 0 and at x = 1"
    )
    initial_parameter: ParameterName | None = Field(
        default=None, description="parameter that takes the initial state; without it the state port does"
    )

    _resolve = field_validator("subcircuit")(resolved_path)
    _check_initial = field_validator("initial")(_two_values)
    _check_parameters = field_validator("parameters")(check_parameter_names)

    @field_validator("ports")
    @classmethod
    def _check_ports(cls, value: list[str]) -> list[str]:
        for role, least in {"row": 1, "column": 1, "word": 0, "state": 0}.items():
            if not least <= value.count(role) <= 1:
                raise ValueError(
                    f"must name {role} {'once' if least else 'once at most'}; ground and open may stand repeatedly"
                )
        return value

    @field_validator("parameters", mode="before")
    @classmethod
    def _read_parameters(cls, value: Any, info: ValidationInfo) -> Any:
        return read_numbers(value, info)

    @field_validator("initial_parameter")
    @classmethod
    def _check_initial_parameter(cls, value: str | None, info: ValidationInfo) -> str | None:
        given = {name.lower() for name in info.data.get("parameters", {})}
        if value is not None and value.lower() in given:
            raise ValueError("is among device.parameters too; crossbar.state sets it")
        return value

    def build(self) -> Device:
        raise UnsupportedError(
            "device.subcircuit: this needs equations, and a SPICE subcircuit has its own for ngspice alone; give a "
            "model or a Verilog-A module"
        )

    def described(self) -> dict[str, Any]:
        return {"preset": None, "parameters": plain_parameters(self.parameters)}

    def wanted_backend(self) -> tuple[str, str]:
        return "behavioral", "device.subcircuit"

    def foreign(self) -> SubcircuitDevice:
        return self

    def has_word_port(self) -> bool:
        return "word" in self.ports

    @property
    def is_module(self) -> bool:
        """Whether the file is one of Verilog-A, and the subcircuit a module of it."""
        return Path(self.subcircuit).suffix.lower() == ".va"

    def only_ngspice(self) -> str:
        return "device.subcircuit: the reference engine has no equations for a SPICE subcircuit"

    def normalized(self, s: FloatArray, cells: NDArray[np.int_]) -> FloatArray:
        return self.x_from_state(s)

    def state_from_x(self, x: ArrayLike) -> FloatArray:
        """Value of the subcircuit's state that stands for the normalized state `x`."""
        at_0, at_1 = self.initial
        return np.asarray(at_0 + (at_1 - at_0) * np.asarray(x, dtype=float))

    def x_from_state(self, s: ArrayLike) -> FloatArray:
        """Normalized state `x` of a value of the subcircuit's state."""
        at_0, at_1 = self.initial
        return np.asarray((np.asarray(s, dtype=float) - at_0) / (at_1 - at_0))


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
    _check_initial = field_validator("initial")(_two_values)

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

    def further_units(self) -> dict[str, str]:
        return self.build().further_units()


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
