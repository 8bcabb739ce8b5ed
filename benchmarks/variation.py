"""Cells with parameters of their own: what they cost against equal cells, and how well drawn moments are met.

Prints a table in Markdown; with a folder as argument, also writes it there, and the figures as JSON. Times are CPU
time, the least of several runs in turns.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from figures import Figure, at_most, measure

import spicecim as sc

SIZE, RUNS = 16, 3
OBLEA = {"Vp": sc.lognormal(0.1), "Ap": sc.lognormal(0.1), "a1": sc.normal(0.05)}
WINDOWS = {**OBLEA, "xp": sc.normal(0.05)}
STANFORD = {"Ea": sc.normal(0.01), "I0": sc.lognormal(0.1)}


def bench(device: Mapping[str, Any], size: int, drive: Mapping[str, Any]) -> sc.Testbench:
    """A crossbar with ideal wires and other states in every cell."""
    states = np.random.default_rng(1).uniform(0.1, 0.9, (size, size))
    return sc.Testbench(device=device, crossbar={"state": states}, drive={"kind": "sine", **drive})


def cpu_seconds(testbench: sc.Testbench) -> float:
    """CPU time of a run in the reference engine (s)."""
    start = time.process_time()
    sc.simulate(testbench, engine="reference")
    return time.process_time() - start


def ratio(what: str, equal: sc.Testbench, spreads: Mapping[str, Any], wanted: float | None = None) -> list[Figure]:
    """Time of equal cells, and that of varied ones relative to it."""
    varied = sc.vary(equal, spreads, seed=1)
    times = np.array([[cpu_seconds(each) for each in (equal, varied)] for _ in range(RUNS)])
    one, other = times.min(axis=0)
    title = f"{what}: time of varied cells over that of equal cells"
    found = Figure(title, other / one, "") if wanted is None else at_most(title, other / one, "", wanted)
    return [Figure(f"{what}: equal cells", 1e3 * one, "ms"), found]


def speed() -> list[Figure]:
    """16 x 16 cells in the reference engine."""
    yakopcic = bench({"model": "yakopcic", "preset": "oblea"}, SIZE, {"amplitude": 0.4, "frequency": 100})
    stanford = bench({"model": "stanford_pku", "preset": "ihp"}, SIZE, {"amplitude": 0.9, "frequency": 1e5})
    return [
        *ratio("yakopcic, thresholds, speeds and currents", yakopcic, OBLEA, 3.0),
        *ratio("stanford_pku, energies and currents", stanford, STANFORD, 3.0),
        *ratio("yakopcic, windows too", yakopcic, WINDOWS),
    ]


def moments() -> list[Figure]:
    """1e5 drawn cells."""
    large = sc.Testbench(
        device={"model": "yakopcic", "preset": "oblea"},
        crossbar={"state": np.full((250, 400), 0.5)},
        drive={"kind": "sine", "amplitude": 0.4, "frequency": 100},
    )
    drawn = sc.vary(large, OBLEA, seed=1).device.arrays()
    base = large.device.build()
    off = [
        abs(np.log(drawn["Vp"]).std() / 0.1 - 1.0),
        abs(np.exp(np.log(drawn["Vp"]).mean()) / base.Vp - 1.0),
        abs(drawn["a1"].std() / (0.05 * base.a1) - 1.0),
        abs(drawn["a1"].mean() / base.a1 - 1.0),
    ]
    return [at_most("moments of 1e5 drawn cells, largest error", 100.0 * max(off), "%", 1.0)]


if __name__ == "__main__":
    measure("variation", [speed, moments])
