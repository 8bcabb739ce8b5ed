"""What the row drivers put out: sinusoids, pulses and sampled waveforms, an array value a row."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, model_validator

from spicecim.fields import FloatArray, Quantities, Section
from spicecim.problems import FieldError

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


class _RowDrive(Section):
    """A drive whose fields hold one value for all rows or one a row."""

    def values(self) -> dict[str, FloatArray]:
        """The fields that have a value a row, by name."""
        return {name: value for name in type(self).model_fields if isinstance(value := getattr(self, name), np.ndarray)}

    def for_rows(self, rows: int) -> Any:
        """Return the same drive with every field as an array over `rows`; FieldError if one has another length."""
        for name, value in self.values().items():
            if value.ndim and len(value) != rows:
                raise FieldError(name, f"has {len(value)} values for {rows} rows")
        return self.model_copy(update={name: _filled(value, rows) for name, value in self.values().items()})


def _filled(value: FloatArray, rows: int) -> FloatArray:
    filled = np.broadcast_to(value, (rows,)).copy()
    filled.flags.writeable = False
    return filled


class SineDrive(_RowDrive):
    """``v(t) = offset + amplitude sin(2 pi frequency t + phase)``."""

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

    def corners(self, duration: float) -> FloatArray:
        """Instants at which the voltage of a row is not smooth: none."""
        return np.empty(0)


class PulseDrive(_RowDrive):
    """A periodic trapezoid from `low` to `high`, as SPICE's PULSE: delay, then rise, width (at high), fall, and low."""

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


class SampledDrive(Section):
    """Voltages (row, time) at given instants, joined by straight lines."""

    kind: Literal["samples"] = "samples"
    time: Instants
    voltages: RowSamples

    @model_validator(mode="after")
    def _check_samples(self) -> SampledDrive:
        if self.time[0] != 0 or len(self.time) < 2 or np.any(np.diff(self.time) < _SHORTEST):
            raise FieldError(
                "time", f"must start at 0 and increase by {_SHORTEST:g} s at least, with 2 instants or more"
            )
        if self.voltages.shape[1] != len(self.time):
            raise FieldError("voltages", f"has {self.voltages.shape[1]} samples a row for {len(self.time)} instants")
        return self

    def for_rows(self, rows: int) -> SampledDrive:
        """Return the drive itself; raises FieldError if it has another number of rows."""
        if len(self.voltages) != rows:
            raise FieldError("voltages", f"has {len(self.voltages)} rows for {rows} rows of the crossbar")
        return self

    def voltage(self, time: ArrayLike) -> FloatArray:
        """Voltage (time, row) at the instants `time` (s)."""
        return np.stack([np.interp(np.asarray(time), self.time, row) for row in self.voltages], axis=1)

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


Drive = Annotated[SineDrive | PulseDrive | SampledDrive, Field(discriminator="kind")]
