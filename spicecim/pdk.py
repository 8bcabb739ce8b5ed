"""A transistor of a PDK: which subcircuit of which library stands in every cell, for ngspice."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from spicecim.device_choice.parameters import Parameters, read_numbers
from spicecim.fields import FloatArray, Section, resolved_path
from spicecim.spice_names import SubcircuitName, check_parameter_names

Port = Literal["drain", "gate", "source", "bulk", "ground", "open"]


class PdkTransistor(Section):
    """A transistor by its subcircuit in a PDK's library for ngspice.

    The files are read when a netlist is made. Nothing of them but numbers and names reaches it: parameters, conditions
    and models are worked out before.
    """

    pdk: str = Field(description="folder of the PDK, relative to the testbench's folder; nothing outside of it is read")
    lib: str = Field(description="the library in that folder, such as ngspice/models/cornerMOSlv.lib")
    corner: SubcircuitName | None = Field(
        default=None, description="section of the library, `.lib NAME`; left out, what stands outside of sections"
    )
    subcircuit: SubcircuitName = Field(description="name of the transistor's subcircuit")
    ports: list[Port] = Field(
        default=["drain", "gate", "source", "bulk"],
        description="what each of its ports is; bulk is at 0 V, and source may stand twice. Between drain and source "
        "the drain is at the memristor",
    )
    verilog_a: list[str] = Field(
        default_factory=list,
        description="Verilog-A files in that folder whose modules the models of the library are of, which ngspice "
        "does not have; they are compiled once",
    )
    parameters: Parameters = Field(
        default_factory=dict,
        description="parameters of the subcircuit that differ from its defaults, by name. A number, a text such as "
        "0.13um, or an array with one per cell (row, column)",
    )

    _resolve = field_validator("pdk")(resolved_path)
    _check_parameters = field_validator("parameters")(check_parameter_names)

    @field_validator("lib", "verilog_a")
    @classmethod
    def _check_files(cls, value: str | list[str]) -> str | list[str]:
        for name in [value] if isinstance(value, str) else value:
            if not name.strip() or not name.isprintable():
                raise ValueError("must be the name of a file")
        return value

    @field_validator("ports")
    @classmethod
    def _check_ports(cls, value: list[Port]) -> list[Port]:
        for role in ("drain", "gate", "source"):
            if role not in value or (role != "source" and value.count(role) > 1):
                raise ValueError(f"must name {role}{' once' if role != 'source' else ''}")
        return value

    @field_validator("parameters", mode="before")
    @classmethod
    def _read_parameters(cls, value: Any, info: ValidationInfo) -> Any:
        return read_numbers(value, info, "m")

    def arrays(self) -> dict[str, FloatArray]:
        """Parameters that cells have values of their own of (row, column), by name."""
        return {name: value for name, value in self.parameters.items() if isinstance(value, np.ndarray)}

    def sources(self) -> list[str]:
        """Texts that cite the model: none, which the PDK alone knows."""
        return []

    def only_ngspice(self) -> str:
        """Why the reference engine does not take it, with its field."""
        return "cell.transistor.pdk: only ngspice has the equations of a PDK's transistor"
