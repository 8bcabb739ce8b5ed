"""How the lines of a crossbar end: what drives its rows and columns, which are grounded, float or have amplifiers.

Lines are numbered the rows first, then the columns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BeforeValidator, Field

from spicecim import limits
from spicecim.amplifiers import (
    Amplifiers,
    AnyAmplifier,
    SubcircuitAmplifier,
    TransimpedanceAmplifier,
    amplifiers_of,
    joined_amplifiers,
)
from spicecim.drives import AnyDrive, Drive, SmoothDrive, joined
from spicecim.fields import FloatArray, Section
from spicecim.problems import FieldError

_ROUNDING = 1e-12
"""Of an instant relative to the duration, below which it is a corner."""


def numbers_given(value: Any) -> list[int]:
    """Numbers of lines in their order, of a list of numbers and texts such as ``"4-9"``, the last one included.

    Raises
    ------
    ValueError
        If it is no such list.
    """
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, list | tuple | range):
        raise ValueError(f"must be a list of numbers of lines, or of texts such as '4-9'; it is {value!r}")
    found: list[int] = []
    for item in value:
        first, dash, last = item.partition("-") if isinstance(item, str) else ("", "", "")
        if dash and first.strip().isdecimal() and last.strip().isdecimal() and len(first + last) < 20:
            if int(last) - int(first) >= limits.CELLS:
                raise ValueError(f"has a range of too many lines: {item!r}")
            found.extend(range(int(first), int(last) + 1))
        elif isinstance(item, int | float) and not isinstance(item, bool) and 0 <= item == item // 1 < np.inf:
            found.append(int(item))  # a YAML file's numbers are floats
        else:
            raise ValueError(f"must hold numbers of lines from 0 on, or texts such as '4-9'; one is {item!r}")
    return found


def _increasing(value: Any) -> tuple[int, ...]:
    return tuple(sorted(set(numbers_given(value))))


LineNumbers = Annotated[tuple[int, ...], BeforeValidator(_increasing)]


class Rows(Section):
    """Rows of which some stand at ground, float, or end in an amplifier."""

    grounded: LineNumbers = Field(default=(), description="numbers of the rows whose drivers stay at 0 V")
    floating: LineNumbers = Field(default=(), description="numbers of the rows that nothing drives")
    sense: AnyAmplifier | None = Field(
        default=None,
        description="amplifier that every row ends in which is not grounded and does not float, its reference at the "
        "row's drive; none if left out",
    )

    def checked(self, count: int, noun: str) -> Rows:
        """Return the section; raises FieldError if a line is not there, or is named twice."""
        for name, lines in (("grounded", self.grounded), ("floating", self.floating)):
            if lines and lines[-1] >= count:
                raise FieldError(name, f"names {noun} {lines[-1]}; there are {noun}s 0 to {count - 1}")
        both = sorted({*self.grounded} & {*self.floating})
        if both:
            raise FieldError("floating", f"names {noun} {both[0]}, which is grounded")
        if self.sense is not None:
            try:
                self.sense.checked(count, noun)
            except ValueError as error:
                raise FieldError("sense", str(error)) from None
        return self

    def only_ngspice(self, name: str) -> str | None:
        """Return why the reference engine does not take the section of this name, with the field; None if it does."""
        if isinstance(self.sense, SubcircuitAmplifier):
            return f"{name}.sense: the reference engine has no equations for a SPICE subcircuit"
        return None


class Columns(Rows):
    """Columns that do not end at virtual ground: these are driven, float, or end in an amplifier."""

    grounded: LineNumbers = Field(default=(), description="numbers of the columns that stay at virtual ground")
    floating: LineNumbers = Field(default=(), description="numbers of the columns that nothing drives")
    drive: AnyDrive | None = Field(
        default=None, description="what the columns are driven by, as the rows are; virtual ground if left out"
    )
    sense: AnyAmplifier | None = Field(
        default=None,
        description="amplifier that every column ends in which is not grounded and does not float, its reference at "
        "the column's drive; an ideal one if left out",
    )

    def checked(self, count: int, noun: str) -> Columns:
        super().checked(count, noun)
        if self.drive is None:
            return self
        try:
            drive = self.drive.for_rows(count)
        except FieldError as error:
            raise FieldError(f"drive.{error.field}", str(error).replace("rows", "columns")) from None
        return self.model_copy(update={"drive": drive})


class LineDrive(SmoothDrive):
    """What rows and columns are driven by, as one drive of all lines: those that float or are grounded are at 0 V."""

    kind: Literal["lines"] = "lines"
    rows: Drive | None
    columns: Drive | None
    """None where they are at 0 V; one at least is driven."""
    shape: tuple[int, int]
    still: tuple[int, ...]
    """Lines that nothing drives, or that are grounded."""
    duration: float
    gates: Drive | None = None
    """What word lines are driven by: they are none of these lines, but cells are not smooth where they have corners."""

    def voltage(self, time: ArrayLike) -> FloatArray:
        voltage = np.zeros((np.size(time), sum(self.shape)))
        for part, lines in self._driven():
            voltage[:, lines] = part.voltage(time)
        voltage[:, list(self.still)] = 0.0
        return voltage

    def largest_voltage(self) -> float:
        return max(part.largest_voltage() for part in self.parts())

    def periods(self) -> FloatArray:
        periods = np.full(sum(self.shape), max(part.periods().max() for part in self.parts()))
        for part, lines in self._driven():
            periods[lines] = part.periods()
        return periods if self.gates is None else np.minimum(periods, self.gates.periods().min())

    def source(self, row: int) -> Any:
        raise NotImplementedError  # the parts have sources

    def cycle(self) -> float:
        return min(part.cycle() for part in self._moving())

    def corners(self, duration: float) -> FloatArray:
        return np.unique(np.concatenate([part.corners(duration) for part in self._moving()]))

    def shortest_edge(self, corners: FloatArray) -> float:
        return min(part.shortest_edge(corners) for part in self._moving())

    @cached_property
    def largest_across(self) -> float:
        """Largest voltage (V) between a row and a column."""
        return largest_between(self, floating=False)

    @cached_property
    def straight(self) -> tuple[FloatArray, FloatArray] | None:
        """Instants (knot,) and voltages (knot, line) that straight lines join; None where a drive is a curve.

        Behind ideal wires every cell asks for its own difference: of these it is one subtraction.
        """
        if self.curve():
            return None
        knots = np.concatenate([[0.0], self.corners(self.duration), [self.duration]])
        return knots, self.voltage(knots)

    def curve(self) -> SmoothDrive | None:  # type: ignore[override]
        return self if any(part.curve() for part in self.parts()) else None

    def smooth(self, rows: NDArray[np.int_], begin: FloatArray, since: FloatArray) -> FloatArray:
        return self._evaluated("smooth", rows, begin, since)

    def smooth_slope(self, rows: NDArray[np.int_], begin: FloatArray, since: FloatArray) -> FloatArray:
        return self._evaluated("smooth_slope", rows, begin, since)

    def parts(self) -> list[Drive]:
        """The drives of rows and columns."""
        return [part for part, _ in self._driven()]

    def _driven(self) -> list[tuple[Drive, slice]]:
        """The drives of rows and columns, with their lines."""
        lines = (self.rows, slice(0, self.shape[0])), (self.columns, slice(self.shape[0], sum(self.shape)))
        return [(part, chosen) for part, chosen in lines if part is not None]

    def _moving(self) -> list[Drive]:
        return self.parts() + ([] if self.gates is None else [self.gates])

    def _evaluated(self, what: str, lines: NDArray[np.int_], begin: FloatArray, since: FloatArray) -> FloatArray:
        values = np.zeros(since.shape)
        moving = ~np.isin(lines, self.still)
        for part, own in self._driven():
            chosen = np.flatnonzero(moving & (lines >= own.start) & (lines < own.stop))
            if not len(chosen):
                continue
            given = lines[chosen] - own.start, begin[chosen], since[chosen]
            curve = part.curve()
            values[chosen] = (
                _straight(part, self.duration, what, *given) if curve is None else getattr(curve, what)(*given)
            )
        return values


def column_waveforms(lines: LineDrive) -> list[tuple[Difference, NDArray[np.int_]]]:
    """For columns of each waveform: the voltages of all rows against these, and the numbers of the columns."""
    groups: dict[object, list[int]] = {}
    for column in range(lines.shape[1]):
        key: object = None
        if lines.columns is not None and lines.shape[0] + column not in lines.still:
            source = lines.columns.source(column)
            key = source.function, tuple(float(value) for value in source.values)
        groups.setdefault(key, []).append(column)
    return [(Difference(lines=lines, column=chosen[0]), np.array(chosen)) for chosen in groups.values()]


def _straight(
    drive: Drive, duration: float, what: str, lines: NDArray[np.int_], begin: FloatArray, since: FloatArray
) -> FloatArray:
    """Voltages (n, instant) of a drive of straight lines, or their slopes, as `SmoothDrive` gives them."""
    knots = np.concatenate([[0.0], drive.corners(duration), [duration]])
    levels = drive.voltage(knots)
    segment = np.clip(np.searchsorted(knots, begin + _ROUNDING * duration, side="right") - 1, 0, len(knots) - 2)
    start, end = (levels[segment + step, lines] for step in (0, 1))
    slope = ((end - start) / (knots[segment + 1] - knots[segment]))[:, None]
    if what == "smooth_slope":
        return np.broadcast_to(slope, since.shape)
    return np.asarray(start[:, None] + slope * ((begin - knots[segment])[:, None] + since))


class Difference(SmoothDrive):
    """Voltages of all rows against one column: what its cells see behind ideal wires."""

    kind: Literal["difference"] = "difference"
    lines: LineDrive
    column: int
    row: int | None = None
    """The only row, if there is one alone."""

    def voltage(self, time: ArrayLike) -> FloatArray:
        straight = self.lines.straight
        if straight is not None:
            return joined(time, straight[0], self._differences(straight[1]))
        return self._differences(self.lines.voltage(time))

    def largest_voltage(self) -> float:
        return self.lines.largest_across

    def periods(self) -> FloatArray:
        periods = self.lines.periods()
        return np.asarray(np.minimum(periods[self._rows()], periods[self._column]))

    def source(self, row: int) -> Any:
        raise NotImplementedError  # no source gives it

    def cycle(self) -> float:
        return self.lines.cycle()

    def corners(self, duration: float) -> FloatArray:
        straight = self.lines.straight
        if straight is not None and duration == self.lines.duration:
            return straight[0][1:-1]
        return self.lines.corners(duration)

    def shortest_edge(self, corners: FloatArray) -> float:
        return self.lines.shortest_edge(corners) if self.lines.straight is None else super().shortest_edge(corners)

    def of_row(self, row: int) -> Difference:
        return self.model_copy(update={"row": int(self._rows()[row])})

    def curve(self) -> SmoothDrive | None:  # type: ignore[override]
        return self if self.lines.curve() else None

    def smooth(self, rows: NDArray[np.int_], begin: FloatArray, since: FloatArray) -> FloatArray:
        return self._across(self.lines.smooth, rows, begin, since)

    def smooth_slope(self, rows: NDArray[np.int_], begin: FloatArray, since: FloatArray) -> FloatArray:
        return self._across(self.lines.smooth_slope, rows, begin, since)

    def _across(
        self, of: Callable[..., FloatArray], rows: NDArray[np.int_], begin: FloatArray, since: FloatArray
    ) -> FloatArray:
        column = np.full(len(rows), self._column)
        return np.asarray(of(self._rows()[rows], begin, since) - of(column, begin, since))

    def _differences(self, voltage: FloatArray) -> FloatArray:
        return np.asarray(voltage[:, self._rows()] - voltage[:, [self._column]])

    def _rows(self) -> NDArray[np.int_]:
        return np.arange(self.lines.shape[0]) if self.row is None else np.array([self.row])

    @property
    def _column(self) -> int:
        return self.lines.shape[0] + self.column


def largest_between(lines: LineDrive, *, floating: bool) -> float:
    """Largest voltage (V) that a cell may have: between a row and a column or, where lines float, between any two.

    Between straight lines it is that at a corner; with sinusoids among them it is a bound.
    """
    if lines.straight is None:
        return sum(part.largest_voltage() for part in lines.parts())
    voltage = lines.straight[1]
    if floating:
        return float(np.ptp(voltage, axis=1).max())
    rows, columns = voltage[:, : lines.shape[0]], voltage[:, lines.shape[0] :]
    up, down = rows.max(axis=1) - columns.min(axis=1), columns.max(axis=1) - rows.min(axis=1)
    return float(np.maximum(up, down).max())


@dataclass(frozen=True)
class Lines:
    """The lines of a testbench: what drives them, and which float.

    Attributes
    ----------
    drive
        The drive of all lines, the columns after the rows; of the rows alone if every row is driven and every column at
        virtual ground. Of a line with an amplifier it is what this holds its input near to.
    floating
        Whether a line floats (row + column,).
    amplifiers
        Those that lines end in and whose equations are known; None where there are none.
    sensed
        Numbers of the lines that end in an amplifier of any kind (amplifier,).
    """

    drive: Drive
    floating: NDArray[np.bool_]
    amplifiers: Amplifiers | None = None
    sensed: NDArray[np.int_] = field(default_factory=lambda: np.empty(0, dtype=int))

    @property
    def free(self) -> NDArray[np.bool_]:
        """Whether the potential at the end of a line is an unknown (row + column,): it floats, or has an amplifier."""
        free = self.floating.copy()
        free[self.sensed] = True
        return free

    @property
    def dynamic(self) -> bool:
        """Whether amplifiers follow with a time constant."""
        return self.amplifiers is not None and self.amplifiers.dynamic

    @property
    def plain(self) -> bool:
        """Whether every row is driven, and every column is at virtual ground."""
        return not isinstance(self.drive, LineDrive)

    def largest_voltage(self) -> float:
        """Largest voltage (V) that a cell may have, in magnitude."""
        if isinstance(self.drive, LineDrive):
            return largest_between(self.drive, floating=bool(self.free.any()))
        return self.drive.largest_voltage()


def lines_of(
    drive: Drive | None, rows: Rows | None, columns: Columns | None, shape: tuple[int, int], duration: float,
    gates: Drive | None = None,
) -> Lines:  # fmt: skip
    """Join the rows' drive with what sections say of other lines; `gates` is the drive of word lines, if there are."""
    floating = np.zeros(sum(shape), dtype=bool)
    still: set[int] = set()
    for section, first in ((rows, 0), (columns, shape[0])):
        if section is not None:
            floating[[first + line for line in section.floating]] = True
            still |= {first + line for line in (*section.floating, *section.grounded)}
    own = None if columns is None else columns.drive
    senses = [None if section is None else section.sense for section in (rows, columns)]
    plain = own is None and all(sense is None for sense in senses) and gates is None
    if drive is not None and plain and not any(line < shape[0] for line in still) and not floating.any():
        return Lines(drive, floating)
    joined = LineDrive(
        rows=drive, columns=own, shape=shape, still=tuple(sorted(still)), duration=duration, gates=gates
    )  # fmt: skip
    sensed, known = [], []
    for sense, count, first in zip(senses, shape, (0, shape[0]), strict=True):
        if sense is None:
            continue
        chosen = np.array([line for line in range(count) if first + line not in still], dtype=int)
        sensed.append(first + chosen)
        if isinstance(sense, TransimpedanceAmplifier) and len(chosen):
            known.append(amplifiers_of(sense, chosen, count, first))
    return Lines(joined, floating, joined_amplifiers(known), np.concatenate([np.empty(0, dtype=int), *sensed]))


def named_line(line: int, shape: tuple[int, int]) -> str:
    """What an error calls a line."""
    return f"row {line}" if line < shape[0] else f"column {line - shape[0]}"
