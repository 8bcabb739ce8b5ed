"""What stands at a crosspoint beside the memristor: the section `cell` of a testbench, and the word lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BeforeValidator, Discriminator, Field, Tag, ValidationInfo, field_validator

from spicecim.device_choice.parameters import Parameters, check_shapes, read_parameters
from spicecim.devices.device import Device
from spicecim.devices.transistor import PRESET_SOURCES, PRESETS, SOURCE, TransistorCells, transistor_values
from spicecim.devices.transistor_cell import TransistorDevice
from spicecim.drives import AnyDrive, Drive
from spicecim.errors import ModelError, UnsupportedError
from spicecim.fields import FloatArray, Section
from spicecim.lines import LineNumbers, Rows
from spicecim.pdk import PdkTransistor
from spicecim.problems import FieldError

Along = Literal["rows", "columns"]


class CompactTransistor(Section):
    """The compact transistor (`spicecim.devices.transistor.Transistor`), which both engines evaluate."""

    preset: str | None = Field(
        default=None, description="parameter set: generic_130nm or generic_45nm; generic_130nm if nothing is given"
    )
    parameters: Parameters = Field(
        default_factory=dict,
        description="parameters by name; with a preset, those that differ from it. A number, or an array with one per "
        "cell (row, column)",
    )

    @field_validator("parameters")
    @classmethod
    def _check_parameters(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        value = read_parameters(value, info)
        if "preset" in info.data:
            try:
                transistor_values(_preset(info.data["preset"], value), value)
            except ModelError as error:
                raise ValueError(str(error)) from None
        return value

    def arrays(self) -> dict[str, FloatArray]:
        """Parameters that cells have values of their own of (row, column), by name."""
        return {name: value for name, value in self.parameters.items() if isinstance(value, np.ndarray)}

    def sources(self) -> list[str]:
        """Texts that cite the model, and what its preset is from."""
        return [SOURCE, *([PRESET_SOURCES] if _preset(self.preset, self.parameters) else [])]

    def only_ngspice(self) -> None:
        """Return None: the reference engine takes it, too."""

    def values(self, temperature: float | None = None) -> dict[str, Any]:
        """All parameters by name, numbers or arrays (row, column), at an ambient temperature (K) if one is given."""
        found = transistor_values(_preset(self.preset, self.parameters), self.parameters)
        return found if temperature is None else found | {"T": temperature}


def _preset(preset: str | None, parameters: Mapping[str, Any]) -> str | None:
    return next(iter(PRESETS)) if preset is None and not parameters else preset


def _kind_of_transistor(value: Any) -> str:
    pdk = isinstance(value, PdkTransistor) or (isinstance(value, dict) and "pdk" in value)
    return (PdkTransistor if pdk else CompactTransistor).__name__


AnyTransistor = Annotated[
    Annotated[CompactTransistor, Tag(CompactTransistor.__name__)]
    | Annotated[PdkTransistor, Tag(PdkTransistor.__name__)],
    Discriminator(_kind_of_transistor),
]
"""Any kind of transistor, told apart by the key `pdk`."""


class GatedCell(Section):
    """A cell with a gate: which lines meet it."""

    gates: Along = Field(default="rows", description="word lines, each to all gates of a row or a column")
    source_line: Along = Field(
        default="rows",
        description="which lines are at the transistors; the others are the bit lines, at the memristors",
    )

    def check_shape(self, shape: tuple[int, int]) -> None:
        """Raise `FieldError` if the parameters of cells are those of another crossbar than of `shape`."""

    def word_lines(self, shape: tuple[int, int]) -> int:
        """Number of word lines of a crossbar."""
        return shape[self.gates == "columns"]

    def gate_of(self, row: int, column: int) -> int:
        """Number of the word line of a cell."""
        return row if self.gates == "rows" else column

    def sources(self) -> list[str]:
        """Texts that cite what the cell is from, beside its device."""
        return []

    def only_ngspice(self) -> str | None:
        """Return why the reference engine does not take the cell, with its field; None if it does."""
        return None

    def device(
        self, memristor: Device, gates: GateVoltages, shape: tuple[int, int], temperature: float | None
    ) -> Device:  # fmt: skip
        """Return the cells of a crossbar, with the potentials of their gates.

        Raises
        ------
        UnsupportedError
            If only ngspice has their equations.
        """
        raise UnsupportedError(str(self.only_ngspice()))


class OwnCell(GatedCell):
    """A cell of one's own: the device is the whole cell, a subcircuit or a module with a port for the word line."""

    kind: Literal["own"]

    def only_ngspice(self) -> str:
        return "cell.kind: only ngspice has the equations of a cell of one's own"


class OneTransistor(GatedCell):
    """A cell of one transistor and one memristor in series: bit line, memristor, transistor, source line."""

    kind: Literal["1t1r"]
    transistor: AnyTransistor = Field(
        default_factory=CompactTransistor,
        description="the transistor: `preset` and `parameters` of the compact one; or `pdk` and what goes with it",
    )

    def check_shape(self, shape: tuple[int, int]) -> None:
        check_shapes("cell.transistor.parameters", self.transistor.arrays(), shape)

    def sources(self) -> list[str]:
        return self.transistor.sources()

    def only_ngspice(self) -> str | None:
        return self.transistor.only_ngspice()

    def device(
        self, memristor: Device, gates: GateVoltages, shape: tuple[int, int], temperature: float | None
    ) -> Device:  # fmt: skip
        if not isinstance(self.transistor, CompactTransistor):
            return super().device(memristor, gates, shape, temperature)
        values = {
            name: value.ravel() if isinstance(value, np.ndarray) else value
            for name, value in self.transistor.values(temperature).items()
        }
        return TransistorDevice(memristor, TransistorCells(values), gates, self.source_line == "rows", shape)


def _without_default(value: Any) -> Any:
    """A cell of a memristor alone is what a testbench has that says nothing of cells."""
    if isinstance(value, dict) and value.get("kind") == "1r":
        if len(value) > 1:
            raise ValueError("takes no further fields with kind 1r, which is the memristor alone")
        return None
    if isinstance(value, dict) and value.get("kind") not in ("1t1r", "own"):
        hint = "; 1s1r is a model of its own: device.model: MODEL_with_SELECTOR" if value.get("kind") == "1s1r" else ""
        raise FieldError("kind", f"must be 1r, 1t1r or own; it is {value.get('kind')!r}{hint}")
    return value


def _kind_of_cell(value: Any) -> str | None:
    return value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)


_Gated = Annotated[Annotated[OneTransistor, Tag("1t1r")] | Annotated[OwnCell, Tag("own")], Discriminator(_kind_of_cell)]
AnyCell = Annotated[_Gated | None, BeforeValidator(_without_default)]
"""Any kind of cell; None for a memristor alone."""


class WordLines(Section):
    """What the word lines are driven by."""

    grounded: LineNumbers = Field(default=(), description="numbers of the word lines that stay at 0 V")
    drive: AnyDrive = Field(description="what the word lines are driven by, as the rows are")

    def checked(self, count: int) -> WordLines:
        """Return the section with a drive of so many lines; raises FieldError if it does not fit."""
        Rows(grounded=self.grounded).checked(count, "word line")
        try:
            return self.model_copy(update={"drive": self.drive.for_rows(count)})
        except FieldError as error:
            raise FieldError(f"drive.{error.field}", str(error).replace("rows", "word lines")) from None

    def voltage(self, time: ArrayLike) -> FloatArray:
        """Voltages (time, word line) at instants (s)."""
        voltage = self.drive.voltage(time)
        voltage[:, list(self.grounded)] = 0.0
        return voltage


class GateVoltages:
    """Potentials of gates by time and cell: no current flows along word lines, so that each is at its driver's.

    Parameters
    ----------
    word_lines
        The section; or constant voltages (word line,), V.
    cell
        Which gate is at which word line.
    shape
        Rows and columns.
    """

    def __init__(self, word_lines: WordLines | FloatArray, cell: GatedCell, shape: tuple[int, int]) -> None:
        self._word_lines, self._along_rows, self._columns = word_lines, cell.gates == "rows", shape[1]

    def __call__(self, time: FloatArray, cells: NDArray[np.int_]) -> FloatArray:
        lines = cells // self._columns if self._along_rows else cells % self._columns
        if isinstance(self._word_lines, np.ndarray):
            return self._word_lines[lines]
        instants, which = np.unique(time, return_inverse=True)
        return self._word_lines.voltage(instants)[which.ravel(), lines]


def drive_of(word_lines: WordLines | None) -> list[Drive]:
    """The drive of the word lines, if there are any."""
    return [] if word_lines is None else [word_lines.drive]
