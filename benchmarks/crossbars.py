"""The crossbar that the benchmarks run, in both engines, and by what is closer to exact than either."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

import spicecim as sc
from spicecim.fields import FloatArray
from spicecim.netlist import CrossbarNetlist
from spicecim.ngspice.run import run_netlist

# The oracles are those of the tests.
sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from crossbar_runs import run_coupled
from integration import Course

NGSPICE_TOLERANCE = 1e-3
"""ngspice's own default of reltol. Both sides of a ratio run with it, so that 100 points are about 100 steps."""


class Run(NamedTuple):
    """A run: its time (s), its instants, and its column currents (instant, column)."""

    taken: float
    instants: FloatArray
    currents: FloatArray


def crossbar(
    size: int,
    wire: float,
    *,
    points: int = 100,
    tolerance: float = NGSPICE_TOLERANCE,
    states: FloatArray | None = None,
    columns: int | None = None,
) -> sc.Testbench:
    """A crossbar of threshold devices, every row a sinusoid of the same frequency and another phase.

    The states are all different unless given; of a size, the first few columns can be had alone.
    """
    if states is None:
        states = np.random.default_rng(7).uniform(0.05, 0.95, (size, size))
    return sc.Testbench(
        device={"model": "yakopcic", "preset": "oblea"},
        crossbar={"state": states[:, :columns], "wire_row": wire, "wire_column": wire},
        drive={"kind": "sine", "amplitude": 0.45, "frequency": "100Hz", "phase": np.linspace(0.0, 1.0, size)},
        # no bound of the steps but these, so that the number of steps is known
        analysis={"points_per_period": points, "tolerance": tolerance, "accuracy": 0.1},
    )


def run(netlist: CrossbarNetlist, *, klu: bool = True) -> Run:
    """Run a netlist in ngspice; the time is that of the run alone, without the writing of the netlist."""
    text = netlist.text if klu else netlist.text.replace(" klu noinit", " noinit")
    columns = netlist.vectors["i_column"]
    start = time.perf_counter()
    vectors = run_netlist(
        text, ["time", *columns], stop=netlist.testbench.duration, libraries=netlist.libraries
    ).vectors
    taken = time.perf_counter() - start
    return Run(taken, vectors["time"], np.stack([vectors[name] for name in columns], axis=1))


def run_reference(bench: sc.Testbench, instants: FloatArray | None = None) -> Run:
    """Run a testbench in the reference engine, at its grid or other instants; the time is that of the whole call."""
    start = time.perf_counter()
    waveforms = sc.simulate(bench, "reference", time=instants)
    taken = time.perf_counter() - start
    return Run(taken, waveforms["time"].values, waveforms["i_column"].transpose("time", "column").values)


def fastest(runs: list[Run]) -> Run:
    """The run that took least."""
    return min(runs, key=lambda each: each.taken)


def difference(one: Run, other: Run) -> float:
    """Largest difference of column currents relative to the peak, at the instants of the first."""
    at = np.stack([np.interp(one.instants, other.instants, column) for column in other.currents.T], axis=1)
    return off_peak(at, one.currents)


def off_peak(currents: FloatArray, exact: FloatArray) -> float:
    """Largest difference of currents at the same instants, relative to the peak of all."""
    return float(np.abs(currents - exact).max() / np.abs(exact).max())


def exact_currents(bench: sc.Testbench, columns: FloatArray | slice, instants: FloatArray) -> FloatArray:
    """Currents (instant, column) of some columns with ideal wires, from cells that DOP853 integrates row by row."""
    values, states = bench.to_dict(), bench.crossbar.state[:, columns]
    total = np.zeros((len(instants), states.shape[1]))
    for row, state in enumerate(states):
        drive = {key: value[row] if isinstance(value, list) else value for key, value in values["drive"].items()}
        one = sc.Testbench.from_dict({**values, "crossbar": {"state": [state]}, "drive": drive})
        total += Course(one, tolerance=1e-12).currents(instants)[2]
    return total


def converged(bench: sc.Testbench, instants: FloatArray, tolerance: float = 1e-9) -> FloatArray:
    """Column currents (instant, column) behind resistive wires by the reference engine at a tighter tolerance."""
    return run_coupled(bench, np.minimum(instants, bench.duration), tolerance=tolerance).i_column
