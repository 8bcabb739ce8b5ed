"""Compiled models against behavioral ones in ngspice: time, agreement, and what compiling costs.

Every ratio is of two times taken in this run, on this machine. Prints a table in Markdown; with a folder as argument,
also writes it there, and the figures as JSON.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from crossbars import crossbar, difference, fastest, run
from figures import Figure, at_least, at_most, measure, seconds

import spicecim as sc
from spicecim.netlist import crossbar_netlist
from spicecim.resources import resource_folder
from spicecim.veriloga.cache import VARIABLE


def against_behavioral(size: int = 64) -> list[Figure]:
    """Native models against behavioral ones, with ngspice's default solver and with KLU."""
    figures = []
    for wire, name, least in ((0.0, "ideal wires", 40.0), (1.0, "1 ohm per segment", 12.0)):
        bench = crossbar(size, wire)
        native_netlist = crossbar_netlist(bench, native=True)
        native = fastest([run(native_netlist) for _ in range(3)])
        figures.append(Figure(f"{size} × {size}, {name}: native", native.taken, "s"))
        behavioral_netlist = crossbar_netlist(bench, native=False)
        for klu, wanted in ((False, least), (True, 4.0 if wire else None)):
            behavioral = run(behavioral_netlist, klu=klu)
            solver = "KLU" if klu else "default solver"
            what = f"{size} × {size}, {name}: behavioral with {solver} ({behavioral.taken:.2f} s) over native"
            ratio = behavioral.taken / native.taken
            figures.append(Figure(what, ratio, "×") if wanted is None else at_least(what, ratio, "×", wanted))
            same = len(native.instants) == len(behavioral.instants) and np.allclose(
                native.instants, behavioral.instants, rtol=1e-12
            )
            figures.append(
                at_most(
                    f"{size} × {size}, {name}: column currents, native against behavioral with {solver}, "
                    f"{'the same' if same else 'other'} time steps",
                    difference(native, behavioral),
                    "of peak",
                    1e-9 if same else 1e-6,
                )
            )
    return figures


def large() -> list[Figure]:
    """128 × 128 cells with resistive wires."""
    netlist = crossbar_netlist(crossbar(128, 1.0), native=True)
    native = run(netlist)
    what = f"128 × 128, 1 ohm per segment, {len(native.instants)} instants: native"
    return [at_most(what, native.taken, "s", 30.0)]


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
        at_most(f"64 × 64, 1 ohm: spicecim over ngspice -b ({bare:.2f} s)", ours / bare, "×", 1.1),
        at_most("4 × 4 in a warm session", 1e3 * warm, "ms", 10.0),
    ]


def cost_a_cell() -> list[Figure]:
    """Time a cell and instant over the size of the array, ideal wires."""
    costs = {}
    for size in (16, 32, 64, 128):
        netlist = crossbar_netlist(crossbar(size, 0.0), native=True)
        native = fastest([run(netlist) for _ in range(3)])
        costs[size] = 1e6 * native.taken / size**2 / len(native.instants)
    figures = [Figure(f"{size} × {size}, ideal wires: a cell and instant", cost, "µs") for size, cost in costs.items()]
    growth = costs[128] / costs[16]
    return [*figures, at_most("the same, 128 × 128 over 16 × 16", growth, "×", 2.0)]


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
            Figure(f"compile {path.stem}, cold", cold, "s"),
            Figure(f"compile {path.stem}, cached", cached, "s"),
        ]
    if kept is None:
        del os.environ[VARIABLE]
    else:
        os.environ[VARIABLE] = kept
    return figures


if __name__ == "__main__":
    measure("native", [compiling, against_bare_ngspice, cost_a_cell, against_behavioral, large])
