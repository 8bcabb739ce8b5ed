"""The section `device` of a testbench: what engines and files ask of any kind of device."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from spicecim import limits
from spicecim.device_choice.parameters import check_shapes, plain_parameters
from spicecim.devices import Memristor
from spicecim.devices.device import Device
from spicecim.errors import UnsupportedError
from spicecim.fields import FloatArray, Section

if TYPE_CHECKING:
    from spicecim.device_choice.subcircuit import SubcircuitDevice
    from spicecim.veriloga.device import ModuleDevice


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
        from spicecim.device_choice.choice import DEVICE_SECTIONS

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

    def advice(self) -> list[str]:
        """Return what may be done about the device where an engine finds no solution."""
        return []

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
