"""Many testbenches in one call against as many calls: draws of device parameters, in one run.

Prints a table in Markdown; with a folder as argument, also writes it there, and the figures as JSON. Every draw has
other thresholds, speeds and conductances; in the last case windows, too, so that no two share tables of their motion.
"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np
from figures import Figure, at_least, measure

import spicecim as sc
from spicecim.fields import FloatArray

DRAWS, FEWER = 200, 100
"""Draws, and those where each takes a third of a second."""


def draw(random: np.random.Generator, *, windows: bool) -> dict[str, float]:
    """Parameters around those of Oblea's device, off by 5 %."""
    means = {"a1": 0.17, "a2": 0.17, "b": 0.05, "Ap": 4000.0, "An": 4000.0, "Vp": 0.16, "Vn": 0.15}
    if windows:
        means |= {"alphap": 1.0, "alphan": 5.0, "xp": 0.3, "xn": 0.5}
    return {name: mean * random.lognormal(0.0, 0.05) for name, mean in means.items()}


def benches(size: int, states: FloatArray, ohm: float, points: int, *, windows: bool = False) -> list[sc.Testbench]:
    """Draws of a crossbar whose rows are sinusoids of the same frequency and other phases."""
    random = np.random.default_rng(7)
    return [
        sc.Testbench(
            device={"model": "yakopcic", "preset": "oblea", "parameters": draw(random, windows=windows)},
            crossbar={"state": states, "wire_row": ohm, "wire_column": ohm},
            drive={"kind": "sine", "amplitude": 0.45, "frequency": 100, "phase": np.linspace(0.0, 1.0, size)},
            analysis={"points_per_period": points},
        )
        for _ in range(DRAWS)
    ]


def compare(title: str, draws: list[sc.Testbench], wanted: float) -> list[Figure]:
    """Time one call and as many as there are draws, and hold their results against each other."""
    sc.simulate(draws[0], "reference")  # what is loaded at the first run counts for neither
    start = time.perf_counter()
    runs = sc.simulate_many(draws)
    together = time.perf_counter() - start
    start = time.perf_counter()
    alone = [sc.simulate(bench, "reference") for bench in draws]
    each = (time.perf_counter() - start) / len(draws)
    apart = max(
        float((np.abs(run.i_column - one.i_column).max("time") / np.abs(one.i_column).max("time")).max())
        for one, run in zip(alone, runs, strict=True)
    )
    unit = 1 if sys.platform == "darwin" else 1024
    memory = unit * max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    what = (
        f"{title}: {len(draws)} calls ({1e3 * each:.0f} ms each) over one ({together:.1f} s); column currents differ "
        f"by {apart:.1g} of the peaks at most; {memory / 1e9:.1f} GB at most in a process"
    )
    return [at_least(what, each * len(draws) / together, "×", wanted)]


def ideal_two_states() -> list[Figure]:
    """32 x 32, ideal wires, 1000 instants, two states."""
    states = np.random.default_rng(7).choice([0.1, 0.9], (32, 32))
    return compare("32 × 32, ideal wires, 2 states, 1000 instants", benches(32, states, 0.0, 1000), 5.0)


def ideal() -> list[Figure]:
    """32 x 32, ideal wires, 1000 instants, all states different."""
    states = np.random.default_rng(7).uniform(0.05, 0.95, (32, 32))
    return compare("32 × 32, ideal wires, 1024 states, 1000 instants", benches(32, states, 0.0, 1000), 5.0)


def ideal_windows() -> list[Figure]:
    """The same, of draws that share no tables."""
    states = np.random.default_rng(7).uniform(0.05, 0.95, (32, 32))
    draws = benches(32, states, 0.0, 1000, windows=True)
    return compare("32 × 32, ideal wires, 1024 states, windows drawn too, 1000 instants", draws, 5.0)


def wired() -> list[Figure]:
    """16 x 16, 1 ohm per segment."""
    states = np.random.default_rng(7).uniform(0.05, 0.95, (16, 16))
    draws = benches(16, states, 1.0, 200)[:FEWER]
    return compare("16 × 16, 1 ohm per segment, 200 instants", draws, 2.0)


if __name__ == "__main__":
    measure("many", [ideal_two_states, ideal, ideal_windows, wired])
