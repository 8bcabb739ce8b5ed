"""Measure the accuracy that docs/accuracy.md states, and print its tables as Markdown.

Run as ``python benchmarks/accuracy.py``; it takes a few minutes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from crossbars import converged
from oracles import joglekar_conductance

import spicecim as sc
from spicecim.devices import make_device
from spicecim.measure import effective_conductance
from spicecim.ngspice.client import shared_worker
from spicecim.ngspice.run import run_netlist

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"

RON, ROFF, K, X0 = 100.0, 16e3, 1e4, 0.02
"""Linear drift of the HP device: resistances (ohm), k (1/C) and initial state of the Joglekar table."""

COPIED = f"""* x itself as the state, a source in series with Roff and a leak at the state node, as widely copied
Vdrive p 0 SIN(0 1 {{frequency!r}})
Vmeter p a 0
Bmemristor a b V = -i(Vmeter)*v(x)*{ROFF - RON!r}
Roff b 0 {ROFF!r}
Cstate x 0 1
Raux x 0 1e9
Brate 0 x I = {K!r}*i(Vmeter)*(1 - (2*v(x) - 1)*(2*v(x) - 1))
.ic v(x)={X0!r}
.tran {{step!r}} {{period!r}} 0 {{step!r}} uic
.end
"""


def copied_conductance(frequency: float) -> float:
    """Mean |i| over mean |v| (S) of the first cycle at 1 V by the subcircuit that is widely copied."""
    period = 1 / frequency
    text = COPIED.format(frequency=frequency, period=period, step=period / 1000)
    vectors = run_netlist(text, ["time", "v(p)", "i(vmeter)"], stop=period).vectors
    return effective_conductance(vectors["time"], vectors["v(p)"], vectors["i(vmeter)"])


def joglekar_table() -> list[list[str]]:
    """Effective conductance against the closed form."""
    frequencies = [0.10, 0.14, 0.18, 0.20]
    sweeps = {
        engine: sc.hysteresis(
            "linear_drift", preset="joglekar", x0=X0, amplitude=1.0, frequency=frequencies, engine=engine
        ).measures["effective_conductance"].values
        for engine in ("ngspice", "reference")
    }  # fmt: skip
    device = make_device("linear_drift", "joglekar")
    rows = []
    for index, frequency in enumerate(frequencies):
        exact = joglekar_conductance(device, X0, 1.0, frequency)
        measured = [sweeps["ngspice"][index], sweeps["reference"][index], copied_conductance(frequency)]
        rows.append(
            [f"{frequency:.2f}", f"{exact:.4e}", *[f"{100 * (value / exact - 1):+.3f} %" for value in measured]]
        )
    return rows


def crossbar(rows: int, columns: int, points_per_period: int) -> sc.Testbench:
    """Oblea devices at 0.45 V, rows from 100 Hz to 10 kHz, random states."""
    return sc.Testbench(
        device={"model": "yakopcic", "preset": "oblea"},
        crossbar={"state": np.random.default_rng(rows).uniform(0, 1, (rows, columns))},
        drive={"kind": "sine", "amplitude": 0.45, "frequency": np.geomspace(100, 10e3, rows)},
        analysis={"probe": "cells", "points_per_period": points_per_period},
    )


def crossbar_table() -> list[list[str]]:
    """Column currents and energy of crossbars."""
    rows = []
    for shape, points in (((9, 4), 50), ((9, 4), 100), ((9, 4), 200), ((9, 4), 400), ((16, 16), 100)):
        bench = crossbar(*shape, points)
        spice = sc.simulate(bench, "ngspice")
        reference = sc.simulate(bench, "reference", time=spice["time"].values)
        rows.append([
            f"{shape[0]} x {shape[1]}",
            str(points),
            f"{sc.compare(spice, reference).worst:.1e}",
            f"{reference.attrs['state_error']:.2g}",
            f"{sc.energy_balance(spice).error:.1e}",
            f"{sc.energy_balance(reference).error:.1e}",
        ])  # fmt: skip
    return rows


def single_table() -> list[list[str]]:
    """One cell under the sinusoid that its preset was published with: no faster row shortens the steps."""
    rows = []
    for model, preset, periods in (
        ("yakopcic", "oblea", 2), ("yakopcic", "miao", 1), ("yakopcic", "jo", 2), ("linear_drift", "biolek", 1),
    ):  # fmt: skip
        published = sc.load_presets(model)[preset]
        errors = []
        for points in (100, 200, 400, 800):
            bench = sc.Testbench(
                device={"model": model, "preset": preset},
                crossbar={"state": [[published.x0]]},
                drive={"kind": "sine", "amplitude": published.amplitude, "frequency": published.frequency},
                analysis={"periods": periods, "points_per_period": points},
            )
            spice = sc.simulate(bench)
            reference = sc.simulate(bench, "reference", time=spice["time"].values)
            errors.append(f"{sc.compare(spice, reference).worst:.1e}")
        rows.append([f"{model} {preset}", *errors])
    return rows


def tolerance_table() -> list[list[str]]:
    """What `analysis.tolerance` buys: 16 x 16 cells with ideal wires, all rows at one frequency."""
    rows = []
    for tolerance in (1e-3, 1e-4, 1e-5, 1e-6, 1e-7):
        cells = [f"{tolerance:.0e}"]
        for points in (100, 200):
            bench = sc.Testbench(
                device={"model": "yakopcic", "preset": "oblea"},
                crossbar={"state": np.random.default_rng(7).uniform(0.05, 0.95, (16, 16))},
                drive={"kind": "sine", "amplitude": 0.45, "frequency": 100, "phase": np.linspace(0, 1, 16)},
                analysis={"points_per_period": points, "tolerance": tolerance},
            )
            spice = sc.simulate(bench)
            reference = sc.simulate(bench, "reference", time=spice["time"].values)
            cells += [str(spice.sizes["time"]), f"{sc.compare(spice, reference).worst:.1e}"]
        rows.append(cells)
    return rows


def wire_table() -> list[list[str]]:
    """Who is closer to the answer behind resistive wires: both engines against the reference engine at 1e-10."""
    rows = []
    for shape, ohm in (((8, 8), 1.0), ((8, 8), 20.0), ((16, 16), 1.0)):
        crossbar = {
            "state": np.random.default_rng(7).uniform(0.05, 0.95, shape),
            "wire_row": ohm,
            "wire_column": ohm,
        }
        for tolerance in (1e-3, 1e-5, 1e-7, 1e-9):
            bench = sc.Testbench(
                device={"model": "yakopcic", "preset": "oblea"},
                crossbar=crossbar,
                drive={"kind": "sine", "amplitude": 0.45, "frequency": 100, "phase": np.linspace(0, 1, shape[0])},
                analysis={"tolerance": tolerance},
            )
            spice = sc.simulate(bench)
            reference = sc.simulate(bench, "reference", time=spice["time"].values)
            exact = converged(bench, spice["time"].values, tolerance=1e-10)
            tight = reference.assign(i_column=reference["i_column"].copy(data=exact))
            rows.append([
                f"{shape[0]} x {shape[1]}",
                f"{ohm:g}",
                f"{tolerance:.0e}",
                f"{sc.compare(spice, tight).worst:.1e}",
                f"{sc.compare(reference, tight).worst:.1e}",
            ])  # fmt: skip
    return rows


def module_table() -> list[list[str]]:
    """Models whose rate does not separate, integrated by the reference engine: ngspice against it."""
    rows = []
    devices = {
        "stanford_pku hfox": ({"model": "stanford_pku", "preset": "hfox"}, 1.5, 1e5),
        "stanford_pku ihp": ({"model": "stanford_pku", "preset": "ihp"}, 0.8, 1e3),
        "examples/series_memristor.va": ({"verilog_a": str(EXAMPLES / "series_memristor.va")}, 0.8, 100.0),
    }
    for name, (device, amplitude, frequency) in devices.items():
        errors = []
        for points in (100, 200, 400, 800):
            bench = sc.Testbench(
                device=device,
                crossbar={"state": [[0.2]]},
                drive={"kind": "sine", "amplitude": amplitude, "frequency": frequency},
                analysis={"points_per_period": points},
            )
            spice = sc.simulate(bench)
            reference = sc.simulate(bench, "reference", time=spice["time"].values)
            errors.append(f"{sc.compare(spice, reference).worst:.1e}")
        rows.append([name, *errors, f"{reference.attrs['state_error']:.2g}"])
    return rows


def capacitance_table() -> list[list[str]]:
    """Energy of a crossbar with resistive wires and 1 nF per segment."""
    rows = []
    for points in (100, 200, 400):
        bench = sc.Testbench(
            device={"model": "yakopcic", "preset": "oblea"},
            crossbar={
                "state": np.random.default_rng(1).uniform(0, 1, (5, 3)),
                "wire_row": 20,
                "source_resistance": 50,
                "wire_capacitance": "1n",
            },
            drive={"kind": "sine", "amplitude": 0.45, "frequency": [100, 200, 300, 400, 500]},
            analysis={"probe": "cells", "points_per_period": points},
        )
        rows.append([str(points), f"{sc.energy_balance(sc.simulate(bench)).error:.1e}"])
    return rows


def abrupt_table() -> list[list[str]]:
    """A device that switches within a thousandth of a period, at several numbers of points."""
    rows = []
    for points in (100, 400, 1600, 6400):
        bench = sc.Testbench(
            device={"model": "linear_drift", "preset": "hp"},
            crossbar={"state": [[0.1]]},
            drive={"kind": "sine", "amplitude": 1, "frequency": 0.2},
            analysis={"points_per_period": points},
        )
        spice = sc.simulate(bench, "ngspice")
        reference = sc.simulate(bench, "reference", time=spice["time"].values)
        means = [float(sc.measure.rectified_mean_current(run)[0]) for run in (spice, reference)]
        rows.append([str(points), f"{sc.compare(spice, reference).worst:.1e}", f"{abs(means[0] / means[1] - 1):.1e}"])
    return rows


def print_table(title: str, header: list[str], rows: list[list[str]]) -> None:
    """Print one Markdown table."""
    print(f"\n{title}\n")
    for row in [header, ["---"] * len(header), *rows]:
        print(f"| {' | '.join(row)} |")


def main() -> None:
    """Print all tables."""
    print(f"spicecim {sc.__version__}, ngspice {shared_worker().capabilities().version}")
    print_table(
        "Effective conductance of the first cycle, linear drift with the Joglekar window (p = 1)",
        ["f (Hz)", "exact (S)", "spicecim, ngspice", "spicecim, reference", "copied subcircuit, ngspice"],
        joglekar_table(),
    )
    print_table(
        "Column currents of ngspice against the reference engine, and energy not accounted for",
        [
            "crossbar",
            "points per period",
            "error of peak",
            "error of x in the reference engine",
            "energy, ngspice",
            "energy, reference engine",
        ],
        crossbar_table(),
    )
    print_table(
        "One cell at its published drive, error of peak at several numbers of points per period",
        ["device", "100", "200", "400", "800"],
        single_table(),
    )
    print_table(
        "ngspice's tolerance: instants and error of peak at 100 and at 200 points per period",
        ["tolerance", "instants, 100", "error, 100", "instants, 200", "error, 200"],
        tolerance_table(),
    )
    print_table(
        "Resistive wires: error of peak of both engines against the reference engine at 1e-10",
        ["crossbar", "ohm per segment", "tolerance", "ngspice", "reference engine"],
        wire_table(),
    )
    print_table(
        "Cells that the reference engine integrates, error of peak at several numbers of points per period",
        ["device", "100", "200", "400", "800", "error of x in the reference engine"],
        module_table(),
    )
    print_table(
        "Energy not accounted for, 5 x 3 cells, 20 ohm and 1 nF per segment, 50 ohm sources",
        ["points per period", "energy, ngspice"],
        capacitance_table(),
    )
    print_table(
        "A device that switches abruptly (linear drift, hard stops, 0.2 Hz)",
        ["points per period", "largest error of peak", "error of the rectified mean"],
        abrupt_table(),
    )


if __name__ == "__main__":
    main()
