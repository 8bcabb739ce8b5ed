"""Time and error against the size of the array: both engines, with ideal and with resistive wires.

With a folder as argument, writes ``sizes.csv``, ``sizes.json``, ``sizes.png`` and ``sizes.pdf`` there. A size that is
likely to take longer than `BUDGET` is left out.
"""

from __future__ import annotations

import csv
import json
import sys
from typing import NamedTuple

import numpy as np
from crossbars import NGSPICE_TOLERANCE, Run, converged, crossbar, exact_currents, fastest, off_peak, run, run_reference
from figures import machine, output_folder
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

import spicecim as sc
from spicecim.fields import FloatArray
from spicecim.netlist import crossbar_netlist
from spicecim.plotting.style import COLORS, label_axis, new_figure, save_figure, styled

ENGINES = ("native ngspice", "reference engine")
SIZES = (8, 16, 32, 64, 128)
BUDGET = 60.0
"""Longest a run may take (s)."""
GROWTH = 4.0
"""The next size takes about so many times as long: the cells are four times as many."""
EXACT_COLUMNS = 2
"""Columns with ideal wires whose error is measured; they do not know of each other."""


class Point(NamedTuple):
    """One engine at one size."""

    engine: str
    wires: str
    size: int
    seconds: float
    instants: int
    error: float
    """Largest difference of a column current from the converged one, relative to the largest current."""


def run_engine(engine: str, bench: sc.Testbench) -> Run:
    """Run a testbench; the fastest of three if it does not take long."""
    netlist = crossbar_netlist(bench, native=True)

    def once() -> Run:
        return run_reference(bench) if engine == "reference engine" else run(netlist)

    first = once()
    return first if first.taken > 2.0 else fastest([first, once(), once()])


def exact(bench: sc.Testbench, instants: FloatArray) -> FloatArray:
    """Currents (instant, column): of the first columns by DOP853, or behind wires by the reference engine at 1e-9."""
    if bench.crossbar.ideal:
        return exact_currents(bench, slice(EXACT_COLUMNS), instants)
    return converged(bench, instants)


def measure_sizes() -> list[Point]:
    """Run every size that is within the budget, and hold both engines at their own instants against what is exact."""
    points = []
    for wires, ohm in (("ideal wires", 0.0), ("1 ohm per segment", 1.0)):
        taken = dict.fromkeys(ENGINES, 0.0)
        for size in SIZES:
            bench = crossbar(size, ohm)
            results = {name: run_engine(name, bench) for name in ENGINES if GROWTH * taken[name] <= BUDGET}
            if not results:
                break
            instants = np.unique(np.concatenate([result.instants for result in results.values()]))
            currents = exact(bench, instants)
            for engine, result in results.items():
                there = currents[np.searchsorted(instants, result.instants)]
                error = off_peak(result.currents[:, : there.shape[1]], there)
                points.append(Point(engine, wires, size, result.taken, len(result.instants), error))
            taken = {name: results[name].taken if name in results else np.inf for name in ENGINES}
            print(f"sizes, {size} × {size}, {wires}: {', '.join(results)} done", file=sys.stderr)
    return points


@styled
def plot_sizes(points: list[Point]) -> Drawing:
    """Plot times above errors, on logarithmic axes."""
    figure, grid = new_figure(2, 1, size=(4.6, 5.6), sharex=True)
    top, bottom = grid[:, 0]
    looks = {
        ("native ngspice", "ideal wires"): {"color": COLORS[0], "marker": "o", "linestyle": "-"},
        ("native ngspice", "1 ohm per segment"): {"color": COLORS[0], "marker": "s", "linestyle": "--"},
        ("reference engine", "ideal wires"): {"color": COLORS[1], "marker": "o", "linestyle": "-"},
        ("reference engine", "1 ohm per segment"): {"color": COLORS[1], "marker": "s", "linestyle": "--"},
    }
    for (engine, wires), look in looks.items():
        chosen = [point for point in points if (point.engine, point.wires) == (engine, wires)]
        sizes = [point.size for point in chosen]
        label = f"{engine}, {wires.replace('ohm', 'Ω')}"
        top.plot(sizes, [point.seconds for point in chosen], label=label, markersize=4, **look)
        bottom.plot(sizes, [point.error for point in chosen], markersize=4, **look)
    for axes in (top, bottom):
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
    label_axis(top.yaxis, "time", "s")
    bottom.yaxis.set_minor_formatter(NullFormatter())
    bottom.set_ylabel("error of column currents / peak")
    bottom.xaxis.set_major_locator(FixedLocator(SIZES))
    bottom.xaxis.set_minor_locator(NullLocator())
    bottom.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} × {value:g}"))
    bottom.set_xlabel("array size (rows × columns)")
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def main() -> None:
    """Measure, print, and write to the folder that is named, if one is."""
    points = measure_sizes()
    print(f"{machine()}; 100 points per period, ngspice at reltol {NGSPICE_TOLERANCE:g}\n")
    print("| engine | wires | size | time (s) | instants | error of peak |\n|---|---|---|---|---|---|")
    for point in points:
        print(
            f"| {point.engine} | {point.wires} | {point.size} × {point.size} | {point.seconds:.3g} | {point.instants} "
            f"| {point.error:.1e} |"
        )
    folder = output_folder()
    if folder is None:
        return
    with (folder / "sizes.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(Point._fields)
        writer.writerows(points)
    content = {"machine": machine(), "points": [point._asdict() for point in points]}
    (folder / "sizes.json").write_text(json.dumps(content, indent=2), encoding="utf-8")
    save_figure(plot_sizes(points), folder / "sizes")


if __name__ == "__main__":
    main()
