"""The coupled solver of the reference engine called by itself, at any tolerance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spicecim.reference.coupled.follow import TOLERANCE, follow_coupled
from spicecim.reference.coupled.step import System, system
from spicecim.reference.record import Block
from spicecim.testbench import Testbench

FloatArray = NDArray[np.float64]


class Run(NamedTuple):
    """Waveforms (time, row, column) of a crossbar, and the estimated error of x."""

    states: FloatArray
    i_cell: FloatArray
    i_row: FloatArray
    i_column: FloatArray
    potentials: tuple[FloatArray, FloatArray] | None
    error: float | None
    blocks: list[slice]


def run_coupled(
    bench: Testbench, instants: FloatArray, *, tolerance: float = TOLERANCE, crossbar: System | None = None
) -> Run:
    """Run a testbench with resistive wires once."""
    device = bench.device.build()
    crossbar = system(device, bench) if crossbar is None else crossbar
    initial, blocks, chosen = device.state_from_x(bench.crossbar.state), [], []

    def keep(some: slice, block: Block) -> None:
        chosen.append(some)
        blocks.append(block)

    outcome = follow_coupled(crossbar, bench.drive, bench.duration, initial, instants, keep, tolerance=tolerance)
    states, i_cell, i_row, i_column = (np.concatenate(parts) for parts in list(zip(*blocks, strict=True))[:4])
    potentials = None
    if blocks[0].potentials is not None:
        row, column = (np.concatenate(parts) for parts in zip(*(b.potentials for b in blocks), strict=True))
        potentials = row, column
    return Run(states, i_cell, i_row, i_column, potentials, outcome.errors and outcome.errors.state, chosen)
