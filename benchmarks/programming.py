"""Write-verify and write-disturb of V/2 and V/3 on a passive 64 x 64 array of Oblea's device, in the reference engine.

Prints a table in Markdown; with a folder as argument, also writes it there, the figures as JSON, and heat maps. A
number after the folder is another size than 64.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import xarray as xr
from figures import Figure, at_most, measure, output_folder

import spicecim as sc
from spicecim.operations import Scheme
from spicecim.plotting import plot_program, save_figure

SIZE, LEVELS = int(sys.argv[2]) if len(sys.argv) > 2 else 64, 16
SCHEMES: tuple[Scheme, ...] = ("v/2", "v/3")
WRITE, DISTURBING = 0.3, 0.36
"""Voltages (V): half of the first is below both thresholds, 0.15 and 0.16 V; half of the second is above them."""


def erased(voltage: float) -> sc.Testbench:
    """An array of high resistance."""
    return sc.Testbench(
        device={"model": "yakopcic", "preset": "oblea"},
        crossbar={"state": np.full((SIZE, SIZE), 0.05)},
        drive={"kind": "sine", "amplitude": voltage, "frequency": 100},
        analysis={"points_per_period": 16},
    )


def save_maps(name: str, result: xr.Dataset) -> None:
    """Write heat maps to the folder, if there is one."""
    folder = output_folder()
    if folder is not None:
        save_figure(plot_program(result), folder / name)


def write_verify() -> list[Figure]:
    """16 levels within 2 % of the range."""
    target = 0.05 + 0.9 * np.random.default_rng(7).integers(0, LEVELS, (SIZE, SIZE)) / (LEVELS - 1)
    figures = []
    for scheme in SCHEMES:
        start = time.process_time()
        done = sc.program(erased(WRITE), target, quantity="x", tolerance=0.02, scheme=scheme)
        taken = time.process_time() - start
        title = f"{scheme}, {WRITE:g} V, {SIZE} × {SIZE}, {LEVELS} levels"
        pulses = f"{float(done.pulses.mean()):.1f} pulses per cell, {1e6 * float(done.energy):.0f} uJ"
        figures += [
            at_most(f"{title}: largest error ({pulses})", 100 * float(abs(done.error).max()), "%", 2.0),
            at_most(f"{title}: processor time ({done.sizes['step']} operations)", taken, "s", 300.0),
            Figure(f"{title}: largest disturb of x", float(abs(done.disturb).max()), ""),
        ]
        save_maps(f"program_{scheme.replace('/', '')}", done)
    return figures


def disturb() -> list[Figure]:
    """One SET pulse on every other cell of each row, unverified."""
    figures = []
    for scheme in SCHEMES:
        writes = [
            sc.Operation(
                kind="set",
                rows=[row],
                columns=range(row % 2, SIZE, 2),
                voltage=DISTURBING,
                width="200us",
                scheme=scheme,
            )
            for row in range(SIZE)
        ]
        done = sc.run_sequence(erased(DISTURBING), writes)
        moved = (done.x[-1] - done.x_start).values
        written = done.selected.any("operation").values
        title = f"{scheme}, a SET pulse of {DISTURBING:g} V on half of the cells"
        figures += [
            Figure(f"{title}: mean change of x of these", float(moved[written].mean()), ""),
            Figure(f"{title}: mean change of x of all others", float(moved[~written].mean()), ""),
            Figure(f"{title}: largest disturb of x", float(abs(done.disturb).max()), ""),
        ]
    return figures


if __name__ == "__main__":
    measure("programming", [disturb, write_verify])
