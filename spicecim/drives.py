"""What the row drivers put out: sinusoids, pulses, sampled waveforms, and kinds of one's own.

A kind of drive is a subclass of `Drive`. One of one's own looks like those here, and `register_drive` makes it known by
its name.
"""

from __future__ import annotations

import itertools
import math
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic_core import PydanticKnownError, SchemaValidator, core_schema

from spicecim.errors import InputError
from spicecim.fields import FloatArray, Quantities, Section
from spicecim.places import named
from spicecim.problems import FieldError
from spicecim.quantities import format_quantity
from spicecim.registry import Registry

if TYPE_CHECKING:
    from typing_extensions import Self

Volts = Annotated[FloatArray, Quantities("V", (0, 1), -1e6, 1e6)]
PositiveHertz = Annotated[FloatArray, Quantities("Hz", (0, 1), 1e-18, 1e18)]
Radians = Annotated[FloatArray, Quantities("rad", (0, 1), -1e6, 1e6)]
Seconds = Annotated[FloatArray, Quantities("s", (0, 1), 0.0, 1e18)]
PositiveSeconds = Annotated[FloatArray, Quantities("s", (0, 1), 1e-18, 1e18)]
Instants = Annotated[FloatArray, Quantities("s", (1,), 0.0, 1e18)]
RowSamples = Annotated[FloatArray, Quantities("V", (2,), -1e6, 1e6)]

_SHORTEST = 1e-18
"""Least distance of instants (s), as of every time that must be above zero."""

_ZERO: Any = 0.0  # parsed like any other value
_ROUNDING = 4.0 * np.finfo(float).eps
"""Of an instant that is a sum of a few times, relative to it or to the period, if that is longer."""


_SAMPLES = 400
"""Per cycle, between which a drive of one's own is looked at for crossings of levels."""


class Source(NamedTuple):
    """A voltage source of a netlist: a function of time that ngspice has, and its numbers in ngspice's order."""

    function: Literal["SIN", "PULSE", "PWL", "EXP", "SFFM", "AM"]
    values: Sequence[float] | FloatArray


class Drive(Section):
    """What all rows are driven by. Its fields hold one value for all rows or one per row, or are as the kind has it.

    A subclass has a field ``kind`` with its name as the one value and default, and the methods without a body here. The
    voltage is a straight line between its corners; of any other it is a subclass of `SmoothDrive`.
    """

    kind: str
    ends: ClassVar[bool] = False
    """Whether the drive is not known beyond the time that `periods` gives."""

    @classmethod
    def kinds(cls) -> list[type[Drive]]:
        """Every kind that is known, apart from those of packages that nothing has asked for yet."""
        return [*DRIVES.at_hand().values()]

    @abstractmethod
    def voltage(self, time: ArrayLike) -> FloatArray:
        """Voltage (time, row) at the instants `time` (s)."""

    @abstractmethod
    def largest_voltage(self) -> float:
        """Largest magnitude of any row's voltage (V)."""

    @abstractmethod
    def periods(self) -> FloatArray:
        """Period of each row (s), or what stands for it: instants count per period."""

    @abstractmethod
    def source(self, row: int) -> Source:
        """The row's voltage source in a netlist, such as ``Source("SIN", [0.0, 0.4, 1e3])``."""

    def cycle(self) -> float:
        """Shortest time (s) of a rise and a fall of a row, which the shift of an edge counts relative to."""
        return float(self.periods().min())

    def corners(self, duration: float) -> FloatArray:
        """Instants in (0, duration) at which the voltage of a row is not smooth."""
        return np.empty(0)

    def shortest_edge(self, corners: FloatArray) -> float:
        """Shortest time (s) between corners over which a row's voltage changes by a tenth of the largest."""
        rises = np.abs(np.diff(self.voltage(corners), axis=0)).max(axis=1)
        return float(np.min(np.diff(corners)[rises > 0.1 * self.largest_voltage()], initial=np.inf))

    def label(self, row: int) -> str:
        """What a figure calls the row's drive."""
        return f"row {row}"

    def values(self) -> dict[str, FloatArray]:
        """The fields that have a value per row, by name."""
        return {name: value for name in type(self).model_fields if isinstance(value := getattr(self, name), np.ndarray)}

    def same_as(self, other: Drive) -> bool:
        """Whether the other drive has the same fields."""
        return type(self) is type(other) and all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in type(self).model_fields
        )

    def for_rows(self, rows: int) -> Self:
        """Return the same drive with every field as an array over `rows`; FieldError if one has another length."""
        for name, value in self.values().items():
            if value.ndim and len(value) != rows:
                raise FieldError(name, f"has {len(value)} values for {rows} rows")
        return self.model_copy(update={name: _filled(value, rows) for name, value in self.values().items()})

    def of_row(self, row: int) -> Self:
        """Return the drive of one row alone."""
        return self.model_copy(update={name: value[row : row + 1] for name, value in self.values().items()})

    def curve(self) -> SmoothDrive | None:
        """Return the drive itself if it is no straight line between corners, else None."""
        return None


def _filled(value: FloatArray, rows: int) -> FloatArray:
    filled = np.broadcast_to(value, (rows,)).copy()
    filled.flags.writeable = False
    return filled


class SmoothDrive(Drive):
    """A drive that is a smooth curve between corners; a `Drive` alone is a straight line between them."""

    @abstractmethod
    def smooth(self, rows: NDArray[np.int_], begin: FloatArray, since: FloatArray) -> FloatArray:
        """Voltages (n, instant) of rows (n,) at times `since` (n, instant) after instants `begin` (n,).

        No corner lies between. To add both loses digits: a kind that can should not.
        """

    @abstractmethod
    def smooth_slope(self, rows: NDArray[np.int_], begin: FloatArray, since: FloatArray) -> FloatArray:
        """Derivatives of these by time (n, instant), V/s."""

    def curve(self) -> SmoothDrive:
        return self

    def crossings(self, levels: Iterable[float], duration: float) -> tuple[NDArray[np.int_], FloatArray]:
        """Rows and instants (crossing,) at which rows cross levels (V)."""
        edges = np.concatenate([[0.0], self.corners(duration), [duration]])
        steps = max(2, math.ceil(_SAMPLES * duration / (self.cycle() * max(1, len(edges) - 1))))
        time = np.unique(np.concatenate([np.linspace(*ends, steps + 1) for ends in itertools.pairwise(edges)]))
        voltage = self.voltage(time)
        found = []
        for level in levels:
            crossed = (voltage[:-1] - level) * (voltage[1:] - level) < 0
            for step, row in np.argwhere(crossed):
                at = scipy.optimize.brentq(
                    lambda at, row=row, level=level: float(self.voltage([at])[0, row]) - level,
                    time[step], time[step + 1], xtol=1e-300, rtol=1e-15,
                )  # fmt: skip
                found.append((row, float(at)))
        return np.array([row for row, _ in found], dtype=int), np.array([at for _, at in found])

    def crossings_of(
        self, rows: NDArray[np.int_], levels: FloatArray, duration: float
    ) -> tuple[NDArray[np.int_], FloatArray]:
        """Cells and instants (crossing,) at which the rows (cell,) cross levels (cell, level), V, none where NaN."""
        cells, instants = [np.empty(0, dtype=int)], [np.empty(0)]
        for row in np.unique(rows).tolist():
            own, drive = np.flatnonzero(rows == row), self.of_row(row)
            for level in np.unique(levels[own][np.isfinite(levels[own])]).tolist():
                crossed = drive.crossings((level,), duration)[1]
                meeting = own[(levels[own] == level).any(axis=1)]
                cells.append(np.repeat(meeting, len(crossed)))
                instants.append(np.tile(crossed, len(meeting)))
        return np.concatenate(cells), np.concatenate(instants)

    def peaks(self, duration: float) -> tuple[NDArray[np.int_], FloatArray]:
        """Rows and instants (peak,) at which rows are highest and lowest."""
        steps = max(2, math.ceil(_SAMPLES * duration / self.cycle()))
        time = np.linspace(0.0, duration, steps + 1)
        voltage = self.voltage(time)
        turned = np.diff(voltage[1:], axis=0) * np.diff(voltage[:-1], axis=0) < 0
        found = []
        for step, row in np.argwhere(turned):
            sign = np.sign(voltage[step + 1, row] - voltage[step, row])
            top = scipy.optimize.minimize_scalar(
                lambda at, row=row, sign=sign: -sign * float(self.voltage([at])[0, row]),
                bounds=(time[step], time[step + 2]), method="bounded", options={"xatol": 1e-9 * self.cycle()},
            )  # fmt: skip
            found.append((row, float(top.x)))
        return np.array([row for row, _ in found], dtype=int), np.array([at for _, at in found])


class SineDrive(SmoothDrive):
    """``v(t) = offset + amplitude sin(2 pi frequency t + phase)``.

    Examples
    --------
    >>> import spicecim as sc
    >>> drive = sc.SineDrive(amplitude="450mV", frequency=["1k", "2k"])
    >>> drive.voltage([0.25e-3]).round(3)
    array([[0.45, 0.  ]])
    """

    kind: Literal["sine"] = "sine"
    amplitude: Volts
    frequency: PositiveHertz
    phase: Radians = _ZERO
    offset: Volts = _ZERO

    def voltage(self, time: ArrayLike) -> FloatArray:
        """Voltage (time, row) at the instants `time` (s)."""
        angle = 2.0 * math.pi * self.frequency * np.asarray(time)[:, None] + self.phase
        return np.asarray(self.offset + self.amplitude * np.sin(angle))

    def largest_voltage(self) -> float:
        """Largest magnitude of any row's voltage (V)."""
        return float(np.max(np.abs(self.offset) + np.abs(self.amplitude)))

    def periods(self) -> FloatArray:
        """Period of each row (s)."""
        return np.atleast_1d(1.0 / self.frequency)

    def cycle(self) -> float:
        """Shortest time (s) of a rise and a fall of a row, which the shift of an edge counts relative to."""
        return float(self.periods().min())

    def source(self, row: int) -> Source:
        degrees = math.degrees(self.phase[row])
        return Source("SIN", [self.offset[row], self.amplitude[row], self.frequency[row], 0, 0, degrees])

    def label(self, row: int) -> str:
        amplitude, frequency = float(self.amplitude[row]), float(self.frequency[row])
        return f"row {row}: {format_quantity(frequency, 'Hz', 3)}, {format_quantity(amplitude, 'V', 3)}"

    def smooth(self, rows: NDArray[np.int_], begin: FloatArray, since: FloatArray) -> FloatArray:
        return np.asarray(
            self.offset[rows, None] + self.amplitude[rows, None] * np.sin(self._angle(rows, begin, since))
        )

    def smooth_slope(self, rows: NDArray[np.int_], begin: FloatArray, since: FloatArray) -> FloatArray:
        speed = 2.0 * math.pi * self.frequency[rows]
        return np.asarray((self.amplitude[rows] * speed)[:, None] * np.cos(self._angle(rows, begin, since)))

    def _angle(self, rows: NDArray[np.int_], begin: FloatArray, since: FloatArray) -> FloatArray:
        """Angle (n, instant) of the sine: a time of nanoseconds after one of seconds keeps its digits."""
        speed = 2.0 * math.pi * self.frequency[rows]
        start = np.mod(speed * begin + self.phase[rows], 2.0 * math.pi)
        return np.asarray(start[:, None] + speed[:, None] * since)

    def crossings(self, levels: Iterable[float], duration: float) -> tuple[NDArray[np.int_], FloatArray]:
        rows = np.arange(len(self.amplitude))
        heights = np.array([*levels])
        return self.crossings_of(rows, np.broadcast_to(heights, (len(rows), len(heights))), duration)

    def crossings_of(
        self, rows: NDArray[np.int_], levels: FloatArray, duration: float
    ) -> tuple[NDArray[np.int_], FloatArray]:
        amplitude, frequency, phase, offset = (
            values[rows, None] for values in (self.amplitude, self.frequency, self.phase, self.offset)
        )
        height = levels - offset
        crossed = np.abs(height) < np.abs(amplitude)
        angle = np.arcsin(height[crossed] / np.broadcast_to(amplitude, height.shape)[crossed])
        row = np.nonzero(crossed)[0]
        first = np.floor(phase[row, 0] / (2.0 * math.pi)) - 1.0
        cycles = (np.ceil(phase[row, 0] / (2.0 * math.pi) + frequency[row, 0] * duration) + 2.0 - first).astype(int)
        row, angle, turns = np.repeat(row, cycles), np.repeat(angle, cycles), np.repeat(first, cycles) + ramps(cycles)
        angles = np.concatenate([angle, math.pi - angle]) + 2.0 * math.pi * np.tile(turns, 2)
        row = np.tile(row, 2)
        return row, (angles - phase[row, 0]) / (2.0 * math.pi * frequency[row, 0])

    def peaks(self, duration: float) -> tuple[NDArray[np.int_], FloatArray]:
        first = np.ceil(self.phase / math.pi - 0.5)
        counts = (np.floor(self.phase / math.pi + 2.0 * self.frequency * duration - 0.5) - first + 1.0).astype(int)
        row = np.repeat(np.arange(len(counts)), counts)
        half_turns = first[row] + ramps(counts) + 0.5
        return row, (math.pi * half_turns - self.phase[row]) / (2.0 * math.pi * self.frequency[row])


class PulseDrive(Drive):
    """A periodic trapezoid from `low` to `high`, as SPICE's PULSE: delay, then rise, width (at high), fall, and low.

    Examples
    --------
    >>> import spicecim as sc
    >>> drive = sc.PulseDrive(high=0.2, rise="10us", fall="10us", width="80us", period="200us")
    >>> drive.voltage([0, 5e-6, 50e-6, 150e-6]).ravel()
    array([0. , 0.1, 0.2, 0. ])
    """

    kind: Literal["pulse"] = "pulse"
    low: Volts = _ZERO
    high: Volts
    delay: Seconds = _ZERO
    rise: PositiveSeconds
    fall: PositiveSeconds
    width: Seconds
    period: PositiveSeconds

    @model_validator(mode="after")
    def _check_fit(self) -> PulseDrive:
        try:
            spare = self.period - (self.rise + self.width + self.fall)
        except ValueError:
            return self  # fields of different lengths: reported when the number of rows is known
        # Summed times that should equal the period may miss it by rounding.
        if np.any(spare < -1e-9 * self.period):
            raise FieldError("period", "is shorter than rise + width + fall")
        return self

    def voltage(self, time: ArrayLike) -> FloatArray:
        """Voltage (time, row) at the instants `time` (s)."""
        instants = np.asarray(time)[:, None]
        since = instants - self.delay
        phase = np.where(since > 0, np.mod(since, self.period), 0.0)
        falling = self.rise + self.width
        ended = falling + self.fall
        # An instant that is meant to be a corner misses it by rounding. The level there may last long: it is exact.
        near = _ROUNDING * np.maximum(instants, self.period)
        up = np.where(phase <= near, 0.0, np.where(phase >= self.rise - near, 1.0, phase / self.rise))
        down = np.where(phase >= ended - near, 0.0, np.where(phase <= falling + near, 1.0, (ended - phase) / self.fall))
        return np.asarray(self.low + (self.high - self.low) * np.minimum(up, down))

    def largest_voltage(self) -> float:
        """Largest magnitude of any row's voltage (V)."""
        return float(max(np.abs(self.low).max(), np.abs(self.high).max()))

    def periods(self) -> FloatArray:
        """Period of each row (s)."""
        return np.atleast_1d(self.period)

    def cycle(self) -> float:
        """Twice the shortest time (s) that a row is high or low, from half way up to half way down or back."""
        high = self.width + 0.5 * (self.rise + self.fall)
        low = self.period - high
        lasting = np.where(low > 1e-9 * self.period, np.minimum(high, low), high)
        return 2.0 * float(lasting.min())

    def corners(self, duration: float) -> FloatArray:
        """Instants in (0, duration) at which the voltage of a row is not smooth."""
        rows = self.for_rows(len(np.broadcast_arrays(*map(np.atleast_1d, self.values().values()))[0]))
        instants = []
        for delay, rise, width, fall, period in zip(
            rows.delay, rows.rise, rows.width, rows.fall, rows.period, strict=True
        ):
            starts = delay + period * np.arange(max(0, math.ceil((duration - delay) / period)))
            instants.append((starts[:, None] + np.cumsum([0.0, rise, width, fall])).ravel())
        corners = np.unique(np.concatenate(instants))
        return np.asarray(corners[(corners > 0) & (corners < duration)])

    def source(self, row: int) -> Source:
        times = (self.delay, self.rise, self.fall, self.width, self.period)
        return Source("PULSE", [self.low[row], self.high[row], *(value[row] for value in times)])

    def shortest_edge(self, corners: FloatArray) -> float:
        return float(np.minimum(self.rise, self.fall).min())


class SampledDrive(Drive):
    """Voltages (row, time) at given instants, joined by straight lines.

    Examples
    --------
    >>> import spicecim as sc
    >>> drive = sc.SampledDrive(time=[0, 1e-3, 2e-3], voltages=[[0, 0.1, 0], [0, 0.2, 0.2]])
    >>> drive.voltage([0.5e-3])
    array([[0.05, 0.1 ]])
    """

    kind: Literal["samples"] = "samples"
    ends: ClassVar[bool] = True
    time: Instants
    voltages: RowSamples

    @model_validator(mode="after")
    def _check_samples(self) -> SampledDrive:
        if self.time[0] != 0 or len(self.time) < 2 or np.any(np.diff(self.time) < _SHORTEST):
            raise FieldError(
                "time", f"must start at 0 and increase by {_SHORTEST:g} s at least, with 2 instants or more"
            )
        if self.voltages.shape[1] != len(self.time):
            raise FieldError("voltages", f"has {self.voltages.shape[1]} samples per row for {len(self.time)} instants")
        return self

    def for_rows(self, rows: int) -> Self:
        """Return the drive itself; raises FieldError if it has another number of rows."""
        if len(self.voltages) != rows:
            raise FieldError("voltages", f"has {len(self.voltages)} rows for {rows} rows of the crossbar")
        return self

    def of_row(self, row: int) -> Self:
        return self.model_copy(update={"voltages": self.voltages[row : row + 1]})

    def source(self, row: int) -> Source:
        return Source("PWL", np.stack([self.time, self.voltages[row]], axis=1).ravel())

    def voltage(self, time: ArrayLike) -> FloatArray:
        """Voltage (time, row) at the instants `time` (s)."""
        return joined(time, self.time, self.voltages.T)

    def largest_voltage(self) -> float:
        """Largest magnitude of any row's voltage (V)."""
        return float(np.abs(self.voltages).max())

    def periods(self) -> FloatArray:
        """Time span of the samples (s), which stands for the period of every row."""
        return np.full(len(self.voltages), self.time[-1])

    def cycle(self) -> float:
        """Twice the shortest time (s) from the middle of a row's rise or fall to that of the next fall or rise."""
        shortest = float(self.time[-1])
        middles, slopes = 0.5 * (self.time[1:] + self.time[:-1]), np.sign(np.diff(self.voltages, axis=1))
        for slope in slopes:
            moving = np.flatnonzero(slope)
            turned = np.flatnonzero(np.diff(slope[moving]))
            between = middles[moving[turned + 1]] - middles[moving[turned]]
            shortest = min(shortest, 2.0 * float(between.min(initial=np.inf)))
        return shortest

    def corners(self, duration: float) -> FloatArray:
        """Instants in (0, duration) at which the voltage of a row is not smooth."""
        return self.time[(self.time > 0) & (self.time < duration)]


def joined(time: ArrayLike, knots: FloatArray, values: FloatArray) -> FloatArray:
    """Values (time, n) at instants (s) of straight lines between values (knot, n) at knots; level outside of these."""
    instants = np.clip(np.asarray(time, dtype=float), knots[0], knots[-1])
    segment = np.minimum(np.searchsorted(knots, instants, side="right") - 1, len(knots) - 2)
    slopes = np.diff(values, axis=0) / np.diff(knots)[:, None]
    between = slopes[segment] * (instants - knots[segment])[:, None] + values[segment]
    return np.asarray(np.where((instants == knots[-1])[:, None], values[-1], between))


def ramps(counts: NDArray[np.int_]) -> NDArray[np.int_]:
    """Return 0, 1, ..., n - 1 for every n of `counts`, one after the other."""
    return np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)


def _check_drive(name: str, kind: Any) -> None:
    if not (isinstance(kind, type) and issubclass(kind, Drive)):
        raise InputError(f"{name}: must be a subclass of Drive; it is {named(kind)}")
    field = kind.model_fields.get("kind")
    if field is None or field.default != name:
        raise InputError(f"{named(kind)}: needs a field kind: Literal[{name!r}] = {name!r}")
    missing = sorted(getattr(kind, "__abstractmethods__", ()))
    if missing:
        raise InputError(f"{named(kind)}: lacks {', '.join(missing)}")


DRIVES: Registry[type[Drive]] = Registry(
    "drive", lambda: {"sine": SineDrive, "pulse": PulseDrive, "samples": SampledDrive}, _check_drive
)
"""Kinds of drive by name."""


class _AnyKind:
    """Annotation of a field that holds a drive of any kind, and loads that of a package when a value names it."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        at_hand = {name: handler.generate_schema(kind) for name, kind in DRIVES.at_hand().items()}

        def validate(
            value: Any, of_those_at_hand: core_schema.ValidatorFunctionWrapHandler, info: core_schema.ValidationInfo
        ) -> Any:
            kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
            if not isinstance(kind, str) or kind in at_hand:
                return of_those_at_hand(value)
            if kind in DRIVES:
                return _validator(DRIVES[kind]).validate_python(value, context=info.context)
            if why := DRIVES.failure(kind):
                raise FieldError("kind", f"of an installed package cannot be used: {why}")
            known = ", ".join(f"'{name}'" for name in DRIVES.names())
            raise PydanticKnownError(
                "union_tag_invalid", {"discriminator": "'kind'", "tag": kind, "expected_tags": known}
            )

        return core_schema.with_info_wrap_validator_function(
            validate,
            core_schema.tagged_union_schema(at_hand, discriminator="kind"),
            serialization=core_schema.simple_ser_schema("any"),
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Describe every kind: this is where all of them are listed."""
        return handler(_union([DRIVES[name] for name in DRIVES]))


def _union(kinds: Iterable[type[Drive]]) -> core_schema.CoreSchema:
    return core_schema.tagged_union_schema(
        {str(kind.model_fields["kind"].default): kind.__pydantic_core_schema__ for kind in kinds}, discriminator="kind"
    )


@cache
def _validator(kind: type[Drive]) -> SchemaValidator:
    """Validate as the union of all kinds does, so that errors have the same places."""
    return SchemaValidator(_union([kind]))


AnyDrive = Annotated[Drive, _AnyKind()]
