"""The one description of an experiment: a device, a crossbar of it, what drives its lines, and what is analyzed."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import yaml
from numpy.typing import ArrayLike
from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from spicecim import limits
from spicecim.cell_choice import AnyCell, GateVoltages, OwnCell, WordLines, drive_of
from spicecim.device_choice import AnyDevice
from spicecim.devices.device import Device
from spicecim.drive_check import check_drive
from spicecim.drives import DRIVES, AnyDrive, Drive
from spicecim.errors import InputError, Problem, TestbenchError
from spicecim.fields import FloatArray, Quantities, Quantity, QuantityOrArray, Section, Temperature
from spicecim.files import write_text
from spicecim.lines import Columns, Lines, Rows, lines_of
from spicecim.outside import exceeds, read_text
from spicecim.parasitics import Parasitics, per_line, per_segment
from spicecim.problems import FieldError, problems_from
from spicecim.yaml_text import parse_yaml

STATE_SLACK = 1e-6
"""How far x may lie outside of 0 and 1: a saturated cell passes its bound by rounding, and by ngspice's tolerance.

As an initial state such a value means the bound, so that the last state of a run can be the first of the next.
"""

States = Annotated[FloatArray, Quantities("", (2,), 0.0, 1.0, slack=STATE_SLACK)]
FurtherStates = Annotated[FloatArray, Quantities("", (0, 2))]
_OHM = Quantity("ohm", 0.0, 1e18, smallest=1e-12)
"""ngspice takes a resistance below 1e-12 ohm as 1e-12 ohm without a word."""
Resistance = Annotated[float, _OHM]
LineResistance = Annotated[float | FloatArray, QuantityOrArray(_OHM, (1,))]
SegmentResistance = Annotated[float | FloatArray, QuantityOrArray(_OHM, (1, 2))]
_FARAD = Quantity("F", 0.0, 1e3, smallest=1e-24)
Capacitance = Annotated[float, _FARAD]
LineCapacitance = Annotated[float | FloatArray, QuantityOrArray(_FARAD, (1,))]
PositiveSeconds = Annotated[float, Quantity("s", 1e-18, 1e18)]
Kelvin = Annotated[float, Temperature(1.0, 2000.0)]
PositiveNumber = Annotated[float, Quantity("", 0.0, 1e18, exclusive=True)]

FINEST_TOLERANCE, _COARSEST_TOLERANCE = 1e-12, 1e-4
"""Range of the reference engine's tolerance: below it rounding decides, above it steps pass over what happens."""

_ROUNDING = 1e-9
"""Slack for durations that should equal a whole number of periods but are off by rounding."""

DEFAULT_ACCURACY = 1e-3
"""Largest error that is asked for unless a testbench says another, relative to a column's peak, and of x."""

_MOST_STEPS = 1e8
"""More time steps than that are a mistake: their waveforms would not fit in memory."""


_OF_ROWS = ("wire_row", "source_resistance", "row_capacitance")
_OF_COLUMNS = ("wire_column", "sense_resistance", "column_capacitance")
"""Fields of which each line may have its own."""


class Crossbar(Section):
    """Rows times columns of devices, with the parasitics of the wires.

    A row wire runs from its driver (source resistance first) past columns 0, 1, ..., a column wire from row 0 down to
    its sense node (sense resistance last); every crosspoint has one segment of row wire before it and one segment of
    column wire after it.

    Examples
    --------
    >>> import spicecim as sc
    >>> crossbar = sc.Crossbar(state=[[1, 0], [0, 1], [0.5, 0.5]], wire_row=2, wire_column=2)
    >>> crossbar.state.shape, crossbar.ideal
    ((3, 2), False)
    """

    state: States = Field(description="initial state of each cell (row, column), 0: high, 1: low resistance")
    states: dict[str, FurtherStates] = Field(
        default_factory=dict,
        description="initial values of further states of the device by name, in their own units: one number, or one "
        "per cell (row, column)",
    )
    wire_row: SegmentResistance = Field(
        default=0.0,
        description="resistance of a row segment (ohm): one number, one per row, or one per segment (row, column)",
    )
    wire_column: SegmentResistance = Field(
        default=0.0,
        description="resistance of a column segment (ohm): one number, one per column, or one per segment (row, "
        "column)",
    )
    wire_capacitance: Capacitance = Field(
        default=0.0, description="capacitance to ground of a segment, of rows and columns alike (farad)"
    )
    row_capacitance: LineCapacitance | None = Field(
        default=None,
        description="capacitance to ground of a row segment (farad), one number or one per row; left out, "
        "wire_capacitance",
    )
    column_capacitance: LineCapacitance | None = Field(
        default=None,
        description="capacitance to ground of a column segment (farad), one number or one per column; left out, "
        "wire_capacitance",
    )
    source_resistance: LineResistance = Field(
        default=0.0, description="resistance of each row driver (ohm): one number, or one per row"
    )
    sense_resistance: LineResistance = Field(
        default=0.0, description="resistance to each column's sense node (ohm): one number, or one per column"
    )

    @field_validator("state")
    @classmethod
    def _check_size(cls, value: FloatArray) -> FloatArray:
        if value.size > limits.CELLS:
            raise ValueError(exceeds("CELLS", "cells"))
        return value

    @field_validator(*_OF_ROWS, *_OF_COLUMNS)
    @classmethod
    def _check_lines(cls, value: Any, info: ValidationInfo) -> Any:
        if not isinstance(value, np.ndarray) or "state" not in info.data:
            return value
        shape = info.data["state"].shape
        noun, lines = ("row", shape[0]) if info.field_name in _OF_ROWS else ("column", shape[1])
        if value.ndim == 1 and len(value) != lines:
            raise ValueError(f"must have one number per {noun}, {lines} of them; there are {len(value)}")
        if value.ndim == 2 and value.shape != shape:
            raise ValueError(f"must have one number per cell (row, column), as {shape}; its shape is {value.shape}")
        return value

    def parasitics(self) -> Parasitics:
        """Resistances and capacitances as arrays, line by line."""
        rows, columns = shape = self.state.shape[0], self.state.shape[1]
        row_capacitance, column_capacitance = (
            self.wire_capacitance if given is None else given
            for given in (self.row_capacitance, self.column_capacitance)
        )
        return Parasitics(
            per_segment(self.wire_row, shape, 0), per_segment(self.wire_column, shape, 1),
            per_line(self.source_resistance, rows), per_line(self.sense_resistance, columns),
            per_line(row_capacitance, rows), per_line(column_capacitance, columns),
        )  # fmt: skip

    @property
    def ideal(self) -> bool:
        """Whether every cell sees its row driver and virtual ground directly."""
        wires = self.parasitics()
        return not (wires.resistive or wires.storing)


class Analysis(Section):
    """How long to simulate, how finely, and what to keep.

    Examples
    --------
    >>> import spicecim as sc
    >>> analysis = sc.Analysis(periods=2, accuracy=1e-4, probe="cells")
    >>> analysis.points_per_period
    200
    """

    duration: PositiveSeconds | None = Field(default=None, description="simulated time (s)")
    periods: PositiveNumber | None = Field(default=None, description="simulated time in periods of the slowest line")
    points_per_period: int = Field(
        default=200,
        ge=8,
        le=1_000_000,
        description="least number of instants in a period of the fastest line, or in the run if that is shorter",
    )
    accuracy: PositiveNumber = Field(
        default=DEFAULT_ACCURACY,
        description="largest error of a column's current that is asked for, relative to the column's peak, and of x",
    )
    tolerance: PositiveNumber = Field(
        default=1e-7, description="relative tolerance of ngspice's steps and iterations (its reltol)"
    )
    reference_tolerance: PositiveNumber | None = Field(
        default=None,
        description="allowed error of a step of the reference engine, relative to the range of x; by default 1e-6 "
        "behind resistances, 3e-8 where something stores charge, too, and 1e-10 with ideal wires",
    )
    temperature: Kelvin | None = Field(
        default=None,
        description='ambient temperature (K), or a text such as "85 °C"; left out, that of the model\'s parameters, or '
        "300.15 K of a Verilog-A module and a SPICE subcircuit",
    )
    probe: Literal["columns", "cells"] = Field(
        default="columns", description="cells: keep voltage, current and state of every cell too"
    )

    @field_validator("accuracy")
    @classmethod
    def _check_accuracy(cls, value: float) -> float:
        if not 1e-9 <= value <= 0.1:
            raise ValueError("must be between 1e-9 and 0.1")
        return value

    @field_validator("tolerance")
    @classmethod
    def _check_tolerance(cls, value: float) -> float:
        if not 1e-12 <= value <= 1e-2:
            raise ValueError("must be between 1e-12 and 0.01")
        return value

    @field_validator("reference_tolerance")
    @classmethod
    def _check_reference_tolerance(cls, value: float | None) -> float | None:
        if value is not None and not FINEST_TOLERANCE <= value <= _COARSEST_TOLERANCE:
            raise ValueError(f"must be between {FINEST_TOLERANCE:g} and {_COARSEST_TOLERANCE:g}")
        return value

    @model_validator(mode="after")
    def _check_one_length(self) -> Analysis:
        if self.duration is not None and self.periods is not None:
            raise FieldError("periods", "give duration or periods, not both")
        return self


class Testbench(Section):
    """An experiment: a device, a crossbar of it, what drives its lines, and what is analyzed.

    Raises
    ------
    TestbenchError
        If anything in it is not valid, with the name of each field.

    Examples
    --------
    >>> import spicecim as sc
    >>> bench = sc.Testbench(
    ...     device={"model": "yakopcic", "preset": "oblea"},
    ...     crossbar={"state": [[0.2, 0.5]]},
    ...     drive={"kind": "sine", "amplitude": 0.3, "frequency": 100},
    ... )
    >>> bench.shape, bench.duration
    ((1, 2), 0.01)
    >>> sc.simulate(bench, engine="reference").i_column.dims
    ('time', 'column')
    """

    __test__ = False  # the name starts with "Test", but this is no test class for pytest to collect

    device: AnyDevice
    crossbar: Crossbar
    drive: AnyDrive | None = Field(
        default=None, description="what the rows are driven by; 0 V if left out, where columns.drive drives the array"
    )
    rows: Rows | None = Field(default=None, description="rows that are grounded, float or end in an amplifier")
    columns: Columns | None = Field(
        default=None, description="columns that are driven, float or end in an amplifier, not at virtual ground"
    )
    cell: AnyCell = Field(default=None, description="what stands at a crosspoint beside the memristor")
    word_lines: WordLines | None = Field(default=None, description="what the gates of cells with a transistor are at")
    analysis: Analysis = Field(default_factory=lambda: Analysis())

    @field_validator("drive")
    @classmethod
    def _fill_rows(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None or "crossbar" not in info.data:
            return value
        return value.for_rows(len(info.data["crossbar"].state))

    @field_validator("rows", "columns")
    @classmethod
    def _check_lines(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None or "crossbar" not in info.data:
            return value
        name = str(info.field_name)
        return value.checked(info.data["crossbar"].state.shape[name == "columns"], name.removesuffix("s"))

    @field_validator("word_lines")
    @classmethod
    def _check_word_lines(cls, value: WordLines | None, info: ValidationInfo) -> WordLines | None:
        if "crossbar" not in info.data or "cell" not in info.data:
            return value
        cell = info.data["cell"]
        if cell is None and value is not None:
            raise ValueError("the cell has no gate: give cell with kind 1t1r, or leave out word_lines")
        if cell is not None and value is None:
            raise ValueError("must be given: the transistors of cell have gates")
        return (
            None if cell is None or value is None else value.checked(cell.word_lines(info.data["crossbar"].state.shape))
        )

    @field_validator("analysis")
    @classmethod
    def _check_duration(cls, value: Analysis, info: ValidationInfo) -> Analysis:
        if "drive" not in info.data:
            return value
        drives = _drives(info.data["drive"], info.data.get("columns"), info.data.get("word_lines"))
        if not drives:
            return value  # which is said with the other sections
        duration = _duration(value, _slowest(drives))
        for drive in drives:
            last = float(drive.periods().max())
            if drive.ends and value.periods is not None:
                raise FieldError("periods", "sampled waveforms have no period; give duration")
            if drive.ends and duration > last * (1 + _ROUNDING):
                raise FieldError("duration", f"{duration:g} s goes past the last sample at {last:g} s")
        if not duration / _largest_step(drives, value, duration) <= _MOST_STEPS:
            points = value.points_per_period
            raise FieldError(
                "points_per_period", f"{duration:g} s at {points} in the fastest period are over {_MOST_STEPS:g} steps"
            )
        return value

    @model_validator(mode="after")
    def _drive_device(self) -> Testbench:
        if self.drive is None and (self.columns is None or self.columns.drive is None):
            raise FieldError("drive", "is required, unless columns.drive is given")
        if self.drive is not None:
            check_drive(self.drive, self.shape[0], self.duration)
        if self.columns is not None and self.columns.drive is not None:
            check_drive(self.columns.drive, self.shape[1], self.duration, "columns.drive")
        if self.cell is not None and self.word_lines is not None:
            self.cell.check_shape(self.shape)
            check_drive(self.word_lines.drive, self.cell.word_lines(self.shape), self.duration, "word_lines.drive")
        has_word, is_own = self.device.has_word_port(), isinstance(self.cell, OwnCell)
        if is_own and not has_word:
            raise FieldError("device.ports", "must name word once: the device is the whole cell where cell.kind is own")
        if has_word and not is_own:
            raise FieldError("cell", "must be given with kind own: device.ports names word")
        lines = self.lines()
        if lines.floating.all():
            raise FieldError("columns.floating", "every row and column floats; one at least must be connected")
        self.device.check_shape(self.shape)
        # a section of its own: the one that was given may belong to other testbenches, with other drives
        device = self.device.driven(lines.largest_voltage(), self.analysis.temperature)
        object.__setattr__(self, "device", device)
        return self

    def lines(self) -> Lines:
        """What drives the rows and the columns, and which of them float."""
        gates = None if self.word_lines is None else self.word_lines.drive
        return lines_of(self.drive, self.rows, self.columns, self.shape, self.duration, gates)

    def only_ngspice(self) -> str | None:
        """Return why the reference engine does not take the testbench, with the field; None if it does."""
        return (
            self.device.only_ngspice()
            or (None if self.cell is None else self.cell.only_ngspice())
            or (None if self.rows is None else self.rows.only_ngspice("rows"))
            or (None if self.columns is None else self.columns.only_ngspice("columns"))
        )

    def largest_gates(self) -> FloatArray | None:
        """Largest voltage (V) of each word line over the run (word line,); None where the cells have no gates."""
        return None if self.word_lines is None else self.word_lines.voltage(self.time_grid()).max(axis=0)

    def build_cells(self, gates: ArrayLike | None = None) -> Device:
        """Return the device of every cell: the memristor, with a transistor in series if the cell has one.

        Parameters
        ----------
        gates
            Constant voltages (V) of the word lines (word line,), or one; those of their drive if left out.

        Raises
        ------
        UnsupportedError, VerilogAError, ModelError
            If the equations of the device are not known, or it cannot be used as it stands.
        """
        memristor = self.device.build()
        if self.cell is None or self.word_lines is None:
            return memristor
        constant = None if gates is None else np.full(self.cell.word_lines(self.shape), gates, dtype=float)
        at_gates = GateVoltages(self.word_lines if constant is None else constant, self.cell, self.shape)
        return self.cell.device(memristor, at_gates, self.shape, self.analysis.temperature)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.crossbar.state.shape
        return rows, columns

    @property
    def duration(self) -> float:
        """Simulated time (s)."""
        return _duration(self.analysis, _slowest(_drives(self.drive, self.columns, self.word_lines)))

    @property
    def largest_step(self) -> float:
        """Largest time step (s): the period of the fastest line, or the run if shorter, over `points_per_period`."""
        drives = _drives(self.drive, self.columns, self.word_lines)
        return _largest_step(drives, self.analysis, self.duration)

    def time_grid(self) -> FloatArray:
        """Evenly spaced instants from 0 to the duration, with the corners of the drive among them."""
        steps = math.ceil(self.duration / self.largest_step * (1 - _ROUNDING))
        return np.union1d(np.linspace(0.0, self.duration, steps + 1), self.lines().drive.corners(self.duration))

    def with_analysis(self, **changes: Any) -> Testbench:
        """Return the testbench with other values of fields of its analysis.

        Raises
        ------
        TestbenchError
            If a field does not take its value.
        """
        analysis = Analysis(**{**self.analysis.model_dump(exclude_none=True), **changes})
        device = self.device.driven(self.lines().largest_voltage(), analysis.temperature)
        return self.model_copy(update={"analysis": analysis, "device": device})

    def with_sections(self, **changes: Any) -> Testbench:
        """Return the testbench with other sections, such as ``drive``; what is not given stays.

        Raises
        ------
        TestbenchError
            If they are not valid together.
        """
        sections = {name: getattr(self, name) for name in type(self).model_fields}
        return Testbench(**{name: value for name, value in (sections | changes).items() if value is not None})

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, texts, lists and dictionaries that `from_dict` reads back."""
        return self.model_dump(mode="json", exclude_none=True)

    @classmethod
    def from_dict(cls, values: Any, *, folder: str | Path = ".", source: str = "testbench") -> Testbench:
        """Build a testbench from plain values; array files are looked for in `folder`."""
        try:
            return cls.model_validate(values, context={"folder": Path(folder)})
        except ValidationError as error:
            raise TestbenchError(problems_from(error, cls), source) from None

    def to_yaml(self, path: str | Path | None = None) -> str:
        """Return the testbench as YAML, and write it to `path` if one is given."""
        text = yaml.safe_dump(self.to_dict(), sort_keys=False, default_flow_style=None, width=120)
        if path is not None:
            write_text(path, text)
        return text

    @classmethod
    def from_yaml(cls, path: str | Path) -> Testbench:
        """Read a testbench from a YAML file; array files named in it are looked for in its folder."""
        path = Path(path)
        try:
            text = read_text(path, "TESTBENCH_BYTES")
        except InputError as error:
            raise TestbenchError([Problem("", "", str(error))]) from None
        try:
            values = parse_yaml(text)
        except InputError as error:
            raise TestbenchError([Problem("", "", str(error))], str(path)) from None
        return cls.from_dict(values, folder=path.parent, source=str(path))

    def digest(self) -> str:
        """SHA-256 of the testbench's content, as hexadecimal text."""
        return hashlib.sha256(self.model_dump_json(exclude_none=True).encode()).hexdigest()


def _drives(drive: Drive | None, columns: Columns | None, word_lines: WordLines | None) -> list[Drive]:
    """The drives of the rows, the columns and the word lines."""
    given = [drive, None if columns is None else columns.drive, *drive_of(word_lines)]
    return [each for each in given if each is not None]


def _slowest(drives: list[Drive]) -> float:
    """Longest period of a line (s)."""
    return max(float(drive.periods().max()) for drive in drives)


def _largest_step(drives: list[Drive], analysis: Analysis, duration: float) -> float:
    return min(duration, *(float(drive.periods().min()) for drive in drives)) / analysis.points_per_period


def register_drive(kind: type[Drive], *, replace: bool = False) -> None:
    """Make a kind of drive known by its name, for the testbenches of this process.

    A package does the same by an entry point of the group ``spicecim.drives``.

    Parameters
    ----------
    kind
        A subclass of `spicecim.drives.Drive`.
    replace
        Whether a kind of that name may be replaced.

    Raises
    ------
    InputError
        If the class is no usable drive, or the name is taken.
    """
    field = getattr(kind, "model_fields", {}).get("kind")
    DRIVES.register(str(field.default) if field else "", kind, replace=replace)
    Testbench.model_rebuild(force=True)


def _duration(analysis: Analysis, slowest: float) -> float:
    if analysis.duration is not None:
        return analysis.duration
    return slowest * (1.0 if analysis.periods is None else analysis.periods)
