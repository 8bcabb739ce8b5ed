"""A device that is a SPICE subcircuit from a file, for ngspice alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, ValidationInfo, field_validator

from spicecim.device_choice.parameters import Number, Parameters, plain_parameters, read_numbers, two_values
from spicecim.device_choice.section import DeviceSection
from spicecim.devices.device import Device
from spicecim.errors import UnsupportedError
from spicecim.fields import FloatArray, resolved_path
from spicecim.spice_names import ParameterName, SubcircuitName, check_parameter_names


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
    _check_initial = field_validator("initial")(two_values)
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
