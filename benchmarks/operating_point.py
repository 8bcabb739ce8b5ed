"""Operating points of large arrays: time, memory and residual, and time against badcrossbar.

Prints a table in Markdown; with a folder as argument, also writes it there, and the figures as JSON. Every size is
solved in a process of its own, whose largest memory is measured.
"""

from __future__ import annotations

import json
import logging
import resource
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from figures import Figure, at_least, at_most, measure, not_measured, seconds

import spicecim as sc
from spicecim.errors import CurrentWarning
from spicecim.fields import FloatArray

PEERS = Path(__file__).resolve().parents[1] / "out" / "peers"
GET_PEER = ".venv/bin/python -m pip install --no-deps --target out/peers badcrossbar pathvalidate"
"""What badcrossbar also asks for, cairo above all, draws its figures: it computes without."""

SINH = {"model": "yakopcic", "preset": "miao"}
OHMIC = {"model": "resistor", "parameters": {"Ron": 1e3, "Roff": 40e3}}
FURTHER = 4


def bench(size: int, device: dict[str, Any], states: FloatArray, ohm: float = 1.0) -> sc.Testbench:
    """A crossbar with resistive wires, whose rows are driven to 1 V at their peak."""
    return sc.Testbench(
        device=device,
        crossbar={"state": states, "wire_row": ohm, "wire_column": ohm},
        drive={"kind": "sine", "amplitude": 1.0, "frequency": 1e3},
    )


def solved(size: int, kind: str) -> dict[str, float]:
    """Solve one size in this process: sinh cells of 20 to 2000 ohm, or ohmic ones of 1 to 40 kohm."""
    warnings.simplefilter("ignore", CurrentWarning)
    random = np.random.default_rng(7)
    sinh = kind == "sinh"
    made = bench(size, SINH if sinh else OHMIC, random.uniform(0.01 if sinh else 0.0, 0.9, (size, size)))
    start = time.perf_counter()
    found = sc.operating_point(made)
    first = time.perf_counter() - start
    further = 0.0
    if not sinh:
        # what is loaded and numbered at the first call counts for neither
        inputs = random.uniform(0.2, 1.0, (1 + FURTHER, size))
        alone = seconds(lambda: sc.operating_point(made, inputs[0], cells=False))
        further = (seconds(lambda: sc.operating_point(made, inputs, cells=False)) - alone) / FURTHER / alone
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    attributes = {name: found.attrs[name] for name in ("residual", "factorizations", "iterations")}
    return {"first": first, "further": further, "memory": memory / 1e9, **attributes}


def size_figures(size: int, kind: str, most_seconds: float, most_memory: float) -> list[Figure]:
    """Figures of one size, solved in a process of its own."""
    title = f"{size} × {size}, {kind} cells, 1 ohm per segment"
    child = subprocess.run([sys.executable, __file__, "--solve", str(size), kind], capture_output=True, text=True)
    if child.returncode:
        reason = (child.stderr.strip().splitlines() or [f"ended with {child.returncode}"])[-1]
        return [not_measured(f"{title}: {reason[:80]}", f"at most {most_seconds:g}")]
    found = json.loads(child.stdout)
    took = f"{found['factorizations']:g} factorizations, {found['iterations']:g} corrections"
    figures = [
        at_most(f"{title}: {took}", found["first"], "s", most_seconds),
        at_most(f"{title}: residual", found["residual"], "of the largest current", 1e-9),
        at_most(f"{title}: largest memory of the process", found["memory"], "GB", most_memory),
    ]
    if kind == "ohmic":
        figures.append(at_most(f"{title}: time of a further input over that of one", found["further"], "", 0.05))
    return figures


def sinh_512() -> list[Figure]:
    """512 x 512 cells that are not ohmic."""
    return size_figures(512, "sinh", 10.0, 4.0)


def sinh_1024() -> list[Figure]:
    """1024 x 1024 cells that are not ohmic."""
    return size_figures(1024, "sinh", 45.0, 16.0)


def ohmic_1024() -> list[Figure]:
    """1024 x 1024 ohmic cells, and further inputs."""
    return size_figures(1024, "ohmic", 45.0, 16.0)


def against_badcrossbar(size: int = 128) -> list[Figure]:
    """Ohmic cells of 1 and 40 kohm, all voltages and currents on both sides, in turn."""
    title = f"{size} × {size}, ohmic cells, 2 ohm per segment"
    sys.path.append(str(PEERS))
    logging.disable(logging.INFO)
    try:
        with warnings.catch_warnings(record=True):  # that it cannot draw
            from badcrossbar import compute
    except ImportError:
        return [not_measured(f"{title}: badcrossbar: not installed; {GET_PEER}", "at least 2")]
    random = np.random.default_rng(7)
    states, v = random.choice([0.0, 1.0], (size, size)), random.uniform(0.2, 1.0, size)
    resistance = 1.0 / (1.0 / 40e3 + (1e-3 - 1.0 / 40e3) * states)
    made = bench(size, OHMIC, states, 2.0)
    peer, ours = np.inf, np.inf
    for _ in range(5):  # in turn, so that a busy spell of the machine meets both
        peer = min(peer, seconds(lambda: compute(v[:, None], resistance, r_i=2.0)))
        ours = min(ours, seconds(lambda: sc.operating_point(made, v)))
    expected = compute(v[:, None], resistance, r_i=2.0).currents.output[0]
    error = np.abs(sc.operating_point(made, v).i_column.values / expected - 1.0).max()
    what = f"{title}: badcrossbar ({1e3 * peer:.0f} ms) over operating_point ({1e3 * ours:.0f} ms)"
    return [
        at_least(what, peer / ours, "×", 2.0),
        at_most(f"{title}: column currents against badcrossbar, worst column", error, "relative", 1e-9),
    ]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--solve"]:
        print(json.dumps(solved(int(sys.argv[2]), sys.argv[3])))
    else:
        measure("operating_point", [against_badcrossbar, sinh_512, sinh_1024, ohmic_1024])
