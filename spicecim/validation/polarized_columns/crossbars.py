"""Layers on crossbars in ngspice."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from spicecim.encodings.bit_sliced import BitSliced, ProgrammedSlices
from spicecim.encodings.integers import IntArray
from spicecim.engines import simulate
from spicecim.measure import delivered_energy


def evenly_drawn(inputs: IntArray, count: int) -> IntArray:
    """Return up to `count` vectors, evenly spaced over all."""
    return inputs[:: max(1, len(inputs) // count)][:count]


class SpiceRun(NamedTuple):
    """A layer read in ngspice."""

    programmed: ProgrammedSlices
    inputs: IntArray
    waveforms: list[xr.Dataset]

    @property
    def energy(self) -> float:
        """Energy that the row drivers of all crossbars deliver (J)."""
        return sum(float(delivered_energy(run).sum()) for run in self.waveforms)


def run_in_ngspice(scheme: BitSliced, weights: ArrayLike, inputs: ArrayLike) -> SpiceRun:
    """Read a layer's weights (input line, output) with inputs (vector, input line) in ngspice."""
    programmed = scheme.program(weights)
    benches = programmed.testbenches(inputs)
    return SpiceRun(programmed, np.asarray(inputs), [simulate(bench, estimate=False) for bench in benches])
