"""Compiled models against behavioural ones in ngspice: time, agreement, and what compiling costs.

Every ratio is of two times taken in this run, on this machine. Prints a table in Markdown; with a folder as argument,
also writes it there, and the figures as JSON.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import spicecim as sc
from spicecim.fields import FloatArray
from spicecim.netlist import CrossbarNetlist, crossbar_netlist
from spicecim.ngspice.client import shared_worker
from spicecim.ngspice.run import run_netlist
from spicecim.resources import resource_folder
from spicecim.veriloga.cache import VARIABLE
from spicecim.veriloga.compiler import compiler_version

NGSPICE_TOLERANCE = 1e-3
"""ngspice's own default of reltol. Both sides of a ratio run with it, so that 100 points are about 100 steps."""


class Figure(NamedTuple):
    """A measured figure: what, its value, and what it was asked to be."""

    what: str
    value: float
    unit: str
    wanted: str
    met: bool


def crossbar(size: int, wire: float, *, points: int = 100, tolerance: float = NGSPICE_TOLERANCE) -> sc.Testbench:
    """A crossbar of threshold devices, every row a sinusoid of the same frequency and another phase."""
    states = np.random.default_rng(7).uniform(0.05, 0.95, (size, size))
    return sc.Testbench(
        device={"model": "yakopcic", "preset": "oblea"},
        crossbar={"state": states, "wire_row": wire, "wire_column": wire},
        drive={"kind": "sine", "amplitude": 0.45, "frequency": "100Hz", "phase": np.linspace(0.0, 1.0, size)},
        analysis={"points_per_period": points, "tolerance": tolerance},
    )


def seconds(action: Callable[[], Any], repeats: int = 1) -> float:
    """Shortest time of an action: whatever else the machine does only adds to it."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        taken.append(time.perf_counter() - start)
    return min(taken)


def run(netlist: CrossbarNetlist, *, klu: bool = True) -> tuple[float, FloatArray, FloatArray]:
    """Run a netlist and return its time (s), its instants and its column currents (instant, column)."""
    text = netlist.text if klu else netlist.text.replace(" klu noinit", " noinit")
    columns = netlist.vectors["i_column"]
    start = time.perf_counter()
    vectors = run_netlist(
        text, ["time", *columns], stop=netlist.testbench.duration, libraries=netlist.libraries
    ).vectors
    taken = time.perf_counter() - start
    return taken, vectors["time"], np.stack([vectors[name] for name in columns], axis=1)


def difference(one: tuple[float, FloatArray, FloatArray], other: tuple[float, FloatArray, FloatArray]) -> float:
    """Largest difference of column currents relative to the peak, at the instants of the first."""
    _, instants, currents = one
    _, others, values = other
    at = np.stack([np.interp(instants, others, column) for column in values.T], axis=1)
    return float(np.abs(at - currents).max() / np.abs(currents).max())


def against_behavioral(size: int = 64) -> list[Figure]:
    """Native models against behavioural ones, with ngspice's default solver and with KLU."""
    figures = []
    for wire, name, least in ((0.0, "ideal wires", 40.0), (1.0, "1 ohm a segment", 12.0)):
        bench = crossbar(size, wire)
        native_netlist = crossbar_netlist(bench, native=True)
        native = min((run(native_netlist) for _ in range(3)), key=lambda result: result[0])
        figures.append(Figure(f"{size} × {size}, {name}: native", native[0], "s", "", True))
        behavioral_netlist = crossbar_netlist(bench, native=False)
        for klu, wanted in ((False, least), (True, 4.0 if wire else None)):
            behavioral = run(behavioral_netlist, klu=klu)
            ratio = behavioral[0] / native[0]
            solver = "KLU" if klu else "default solver"
            text = "" if wanted is None else f"at least {wanted:g}"
            figures.append(
                Figure(
                    f"{size} × {size}, {name}: behavioural with {solver} ({behavioral[0]:.2f} s) over native",
                    ratio,
                    "×",
                    text,
                    wanted is None or ratio >= wanted,
                )
            )
            same = len(native[1]) == len(behavioral[1]) and np.allclose(native[1], behavioral[1], rtol=1e-12)
            off = difference(native, behavioral)
            limit = 1e-9 if same else 1e-6
            figures.append(
                Figure(
                    f"{size} × {size}, {name}: column currents, native against behavioural with {solver}, "
                    f"{'the same' if same else 'other'} time steps",
                    off,
                    "of peak",
                    f"at most {limit:g}",
                    off <= limit,
                )
            )
    return figures


def large() -> list[Figure]:
    """128 × 128 cells with resistive wires."""
    netlist = crossbar_netlist(crossbar(128, 1.0), native=True)
    taken, instants, _ = run(netlist)
    return [
        Figure(f"128 × 128, 1 ohm a segment, {len(instants)} instants: native", taken, "s", "below 30", taken < 30.0)
    ]


def against_bare_ngspice() -> list[Figure]:
    """A run through spicecim against the command ngspice -b on the same netlist, and a small run in a warm session."""
    bench = crossbar(64, 1.0)
    netlist = crossbar_netlist(bench, native=True)
    lines = netlist.text.split("\n")
    lines[1:1] = [".control", f"pre_osdi {netlist.libraries[0]}", "set num_threads=1", ".endc"]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "bare.cir")
        file.write_text("\n".join(lines), encoding="utf-8")
        command = ["ngspice", "-b", "-r", str(file.with_suffix(".raw")), str(file)]
        bare, ours = np.inf, np.inf
        for _ in range(5):  # in turn, so that a busy spell of the machine meets both
            bare = min(bare, seconds(lambda: subprocess.run(command, check=True, capture_output=True)))
            ours = min(ours, seconds(lambda: sc.simulate(bench)))
    small = crossbar(4, 0.0)
    sc.simulate(small)
    warm = seconds(lambda: sc.simulate(small), 20)
    return [
        Figure(
            f"64 × 64, 1 ohm: spicecim over ngspice -b ({bare:.2f} s)",
            ours / bare,
            "×",
            "at most 1.1",
            ours <= 1.1 * bare,
        ),
        Figure("4 × 4 in a warm session", 1e3 * warm, "ms", "at most 10", warm <= 0.01),
    ]


def cost_a_cell() -> list[Figure]:
    """Time a cell and instant over the size of the array, ideal wires."""
    costs = {}
    for size in (16, 32, 64, 128):
        netlist = crossbar_netlist(crossbar(size, 0.0), native=True)
        taken, instants, _ = min((run(netlist) for _ in range(3)), key=lambda result: result[0])
        costs[size] = 1e6 * taken / size**2 / len(instants)
    figures = [
        Figure(f"{size} × {size}, ideal wires: a cell and instant", cost, "µs", "", True)
        for size, cost in costs.items()
    ]
    growth = costs[128] / costs[16]
    return [*figures, Figure("the same, 128 × 128 over 16 × 16", growth, "×", "at most 2", growth <= 2.0)]


def compiling() -> list[Figure]:
    """Time to compile each model of the library, with an empty cache and with a filled one."""
    figures = []
    kept = os.environ.get(VARIABLE)
    for path in sorted(resource_folder("models").glob("*.va")):
        with tempfile.TemporaryDirectory() as folder:
            os.environ[VARIABLE] = folder
            command = [
                sys.executable,
                "-c",
                "import sys, time; from spicecim.veriloga.device import ModuleDevice; start = time.perf_counter();"
                "ModuleDevice(sys.argv[1], state='s', initial=(0, 1)).native(); print(time.perf_counter() - start)",
                str(path),
            ]
            cold, cached = (
                float(subprocess.run(command, check=True, capture_output=True, text=True).stdout) for _ in range(2)
            )
        figures += [
            Figure(f"compile {path.stem}, cold", cold, "s", "", True),
            Figure(f"compile {path.stem}, cached", cached, "s", "", True),
        ]
    if kept is None:
        del os.environ[VARIABLE]
    else:
        os.environ[VARIABLE] = kept
    return figures


def table(figures: list[Figure]) -> str:
    """The figures in Markdown."""
    lines = ["| | measured | wanted | |", "|---|---|---|---|"]
    for figure in figures:
        verdict = "" if not figure.wanted else "met" if figure.met else "missed"
        lines.append(f"| {figure.what} | {figure.value:.3g} {figure.unit} | {figure.wanted} | {verdict} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write to the folder that is named, if one is."""
    can = shared_worker().capabilities()
    machine = f"{os.cpu_count()} cores, ngspice {can.version}, Python {platform.python_version()}, {compiler_version()}"
    figures: list[Figure] = []
    for part in (compiling, against_bare_ngspice, cost_a_cell, against_behavioral, large):
        figures += part()
        print(f"{part.__name__}: done", file=sys.stderr)
    text = f"{machine}\n\n{table(figures)}\n"
    print(text)
    if len(sys.argv) > 1:
        folder = Path(sys.argv[1])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "native.md").write_text(text, encoding="utf-8")
        content = {"machine": machine, "figures": [figure._asdict() for figure in figures]}
        (folder / "native.json").write_text(json.dumps(content, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
