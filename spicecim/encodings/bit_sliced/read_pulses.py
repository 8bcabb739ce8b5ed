"""Reads of fragments one after the other: a pulse on the fragment's rows for every bit of every input vector."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np
import xarray as xr
from pydantic import Field

from spicecim.drives import SampledDrive
from spicecim.encodings.integers import IntArray
from spicecim.fields import FloatArray, Quantity, Section
from spicecim.waveforms import check_waveforms

_SAMPLED_AT = 0.75
"""Place in the plateau of a pulse at which column currents are sampled."""


class ReadPulse(Section):
    """A trapezoid from 0 to the read voltage and back, one after the other without a pause."""

    voltage: Annotated[float, Quantity("V", 0.0, exclusive=True)] = Field(default=0.1, description="read voltage (V)")
    width: Annotated[float, Quantity("s", 0.0, exclusive=True)] = Field(default=80e-9, description="plateau (s)")
    edge: Annotated[float, Quantity("s", 0.0, exclusive=True)] = Field(default=10e-9, description="rise and fall (s)")

    @property
    def period(self) -> float:
        """Time of one read (s)."""
        return 2.0 * self.edge + self.width

    @property
    def weight(self) -> float:
        """Integral of the squared voltage over a pulse (V^2 s): times a conductance, the energy that it takes."""
        return self.voltage**2 * (self.width + 2.0 * self.edge / 3.0)


class Reads(NamedTuple):
    """Reads in their order, each of one fragment."""

    vector: IntArray
    """Input vector of each read (read,)."""
    fragment: IntArray
    """Fragment of each read (read,), counted within the crossbar."""
    bit: IntArray
    """Bit of each read (read,), 0 being the most significant."""

    def drive(self, planes: IntArray, fragment: int, pulse: ReadPulse) -> SampledDrive:
        """Pulses on the rows of a crossbar.

        Parameters
        ----------
        planes
            Bits (vector, row, bit) of the inputs.
        fragment
            Rows of a fragment. Only the rows of the fragment that is read are driven; the others are held at 0 V.
        pulse
            The pulse of a one.
        """
        rows = planes.shape[1]
        read = planes[self.vector, :, self.bit] * (np.arange(rows) // fragment == self.fragment[:, None])
        voltages = np.zeros((rows, 3 * len(self.vector) + 1))
        voltages[:, 1::3] = voltages[:, 2::3] = pulse.voltage * read.T
        starts = pulse.period * np.arange(len(self.vector))
        corners = starts[:, None] + [pulse.edge, pulse.edge + pulse.width, pulse.period]
        return SampledDrive(time=np.append(0.0, corners), voltages=voltages)

    def sample(self, waveforms: xr.Dataset, pulse: ReadPulse) -> FloatArray:
        """Column currents (read, column) on the plateaus (A)."""
        check_waveforms(waveforms, "i_column")
        at = pulse.period * np.arange(len(self.vector)) + pulse.edge + _SAMPLED_AT * pulse.width
        currents = waveforms["i_column"].transpose("time", "column").values
        return np.stack([np.interp(at, waveforms["time"].values, column) for column in currents.T], axis=1)


def reads_of(cycles: IntArray, bits: int) -> Reads:
    """Return the reads of vectors by the cycles (vector, fragment) that they need of the last of `bits` bits.

    Where no fragment needs any, one read of zeros is left, because a run must have a length.
    """
    needed = np.arange(bits) >= bits - cycles[:, :, None]
    if not needed.any():
        needed[0, 0, -1] = True
    return Reads(*np.nonzero(needed))
