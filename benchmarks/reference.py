"""The reference core against its peers: native ngspice, badcrossbar, closed forms and independent integration.

Every ratio is of two times taken in this run, on this machine: that of ngspice's run alone, without the writing of its
netlist, over that of the core's whole call. Prints a table in Markdown; with a folder as argument, also writes it
there, and the figures as JSON.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from crossbars import NGSPICE_TOLERANCE, converged, crossbar, exact_currents, fastest, off_peak, run, run_core
from figures import Figure, at_least, at_most, measure, not_measured, seconds
from oracles import joglekar, joglekar_conductance, operating_point, sine_flux
from scipy.special import logit

import spicecim as sc
from spicecim.devices import LinearDrift, make_device
from spicecim.fields import FloatArray
from spicecim.netlist import crossbar_netlist
from spicecim.reference.network import LinearCrossbar, Network, solve_static
from spicecim.testbench import Analysis, Crossbar

PEERS = Path(__file__).resolve().parents[1] / "out" / "peers"
GET_PEER = ".venv/bin/python -m pip install --no-deps --target out/peers badcrossbar pathvalidate"
"""What badcrossbar also asks for, cairo above all, draws its figures: it computes without."""

DEFAULT_TOLERANCE = Analysis().tolerance


def ideal(size: int = 128) -> list[Figure]:
    """Ideal wires, 1000 steps of the grid: time against native ngspice, error against DOP853."""
    figures = []
    binary = np.random.default_rng(7).choice([0.0, 1.0], (size, size))
    for name, states, wanted, columns in (
        ("binary states", binary, 300.0, slice(None)),
        (f"{size**2} different states", None, 30.0, np.linspace(0, size - 1, 3).astype(int)),
    ):
        title = f"{size} × {size}, ideal wires, {name}"
        bench = crossbar(size, 0.0, points=1000, states=states)
        core = fastest([run_core(bench) for _ in range(3)])
        for tolerance in (NGSPICE_TOLERANCE, DEFAULT_TOLERANCE):
            netlist = crossbar_netlist(
                crossbar(size, 0.0, points=1000, tolerance=tolerance, states=states), native=True
            )
            native = run(netlist)
            peer = f"native ngspice at reltol {tolerance:g} ({native.taken:.2f} s, {len(native.instants)} instants)"
            what = f"{title}: {peer} over core ({1e3 * core.taken:.0f} ms, {len(core.instants)} instants)"
            figures.append(at_least(what, native.taken / core.taken, "×", wanted))
            error = off_peak(native.currents, run_core(bench, native.instants).currents)
            figures.append(Figure(f"{title}: ngspice at reltol {tolerance:g} against core", error, "of peak"))
        error = off_peak(core.currents[:, columns], exact_currents(bench, columns, core.instants))
        figures.append(at_most(f"{title}: core against DOP853 at 1e-13", error, "of peak", 1e-8))
    return figures


def wired(size: int = 64) -> list[Figure]:
    """1 ohm a segment, 100 steps of the grid: time against native ngspice with KLU, and which of the two is nearer."""
    title = f"{size} × {size}, 1 ohm a segment"
    bench = crossbar(size, 1.0)
    native = fastest([run(crossbar_netlist(bench, native=True)) for _ in range(3)])
    core = fastest([run_core(bench) for _ in range(3)])
    what = (
        f"{title}: native ngspice with KLU at reltol {NGSPICE_TOLERANCE:g} ({native.taken:.2f} s, "
        f"{len(native.instants)} instants) over core ({core.taken:.2f} s, {len(core.instants)} instants)"
    )
    figures = [at_least(what, native.taken / core.taken, "×", 5.0)]
    exact = converged(bench, native.instants)
    errors = {"ngspice": off_peak(native.currents, exact)}
    errors["core"] = off_peak(run_core(bench, native.instants).currents, exact)
    nearer = min(errors, key=lambda name: errors[name])
    figures += [
        at_most(f"{title}: core against the core at 1e-9; nearer is {nearer}", errors["core"], "of peak", 1e-5),
        Figure(f"{title}: that ngspice against the core at 1e-9", errors["ngspice"], "of peak"),
    ]
    refined = run(crossbar_netlist(crossbar(size, 1.0, points=200, tolerance=DEFAULT_TOLERANCE), native=True))
    every = max(len(refined.instants) // 100, 1)  # the core solves the network anew for each instant asked for
    error = off_peak(refined.currents[1::every], run_core(bench, refined.instants[1::every]).currents)
    peer = f"ngspice at reltol {DEFAULT_TOLERANCE:g} ({refined.taken:.0f} s, {len(refined.instants)} instants)"
    return [*figures, at_most(f"{title}: {peer} against core", error, "of peak", 1e-5)]


def static(size: int = 128) -> list[Figure]:
    """Ohmic cells of 1 and 40 kohm: time against badcrossbar, currents against ngspice's operating point."""
    random = np.random.default_rng(7)
    g, v = random.choice([1e-3, 1 / 40e3], (size, size)), random.uniform(0.2, 1.0, size)
    wires = Crossbar(state=np.zeros((size, size)), wire_row=2.0, wire_column=2.0)
    title = f"{size} × {size}, static"
    figures = against_badcrossbar(f"{title}, 2 ohm a segment", wires, g, v)
    linear = LinearCrossbar(Network(wires, g.shape), g)
    again = 1e3 * seconds(lambda: linear.solve(v[::-1]), 10)
    figures.append(at_most(f"{title}, 2 ohm a segment: a further input", again, "ms", 5.0))
    for parasitic in ("wire_row", "wire_column", "source_resistance", "sense_resistance"):
        alone = {parasitic: 2.0}
        expected = operating_point(g, v, **alone)
        found = solve_static(Crossbar(state=np.zeros((size, size)), **alone), g, v).i_column
        what = f"{title}, {parasitic} 2 ohm alone: currents against .op of ngspice, worst column"
        figures.append(at_most(what, np.abs(found / expected - 1.0).max(), "relative", 1e-9))
    return figures


def against_badcrossbar(title: str, wires: Crossbar, g: FloatArray, v: FloatArray) -> list[Figure]:
    """A new matrix, with all voltages and currents on both sides."""
    sys.path.append(str(PEERS))
    logging.disable(logging.INFO)
    try:
        with warnings.catch_warnings(record=True):  # that it cannot draw
            from badcrossbar import compute
    except ImportError:
        return [not_measured(f"{title}: badcrossbar: not installed; {GET_PEER}", "at least 2")]

    def solve_peer() -> FloatArray:
        return compute(v[:, None], 1.0 / g, r_i=wires.wire_row).currents.output[0]

    ours, peer = np.inf, np.inf
    for _ in range(5):  # in turn, so that a busy spell of the machine meets both
        peer = min(peer, seconds(solve_peer))
        ours = min(ours, seconds(lambda: solve_static(wires, g, v)))
    what = f"{title}: badcrossbar ({1e3 * peer:.0f} ms) over core ({1e3 * ours:.0f} ms), a new matrix"
    error = np.abs(solve_static(wires, g, v).i_column / solve_peer() - 1.0).max()
    return [
        at_least(what, peer / ours, "×", 2.0),
        at_most(f"{title}: currents of core against badcrossbar, worst column", error, "relative", 1e-9),
    ]


FREQUENCIES = (0.10, 0.14, 0.18, 0.20)
STARTS = (0.0, 1e-9, 0.02, 0.5, 1.0 - 1e-12, 1.0)
"""Initial states of the Joglekar device. From 0.02 on, at 0.1 to 0.18 Hz, 1 - x falls far below the resolution of a
float; 0 and 1 are fixed points."""


def joglekar_oracle() -> list[Figure]:
    """Linear drift with the window of Joglekar against its closed form in 40 digits."""
    figures = []
    for frequency in FREQUENCIES:
        errors = {x0: joglekar_errors(frequency, x0) for x0 in STARTS}
        for index, name in enumerate(("x(t)", "i(t) / peak", "mean abs(i) / mean abs(v)")):
            worst = max(STARTS, key=lambda x0: errors[x0][index])
            what = f"Joglekar, {frequency:.2f} Hz: {name} against the closed form, worst of {len(STARTS)} x0"
            figures.append(at_most(f"{what} ({worst:.13g})", errors[worst][index], "", 1e-9))
    return figures


def gauss_instants(device: LinearDrift, x0: float, frequency: float) -> tuple[FloatArray, FloatArray]:
    """Instants of Gauss's rule over the first cycle at 1 V, with their weights.

    The panels are even in time and, where the device switches, in ln(x / (1 - x)), which is linear in the charge: what
    is found of a mean is then the core's error, not the rule's.
    """
    period = 1.0 / frequency
    edges = np.linspace(0.0, 0.5 * period, 51)
    if 0.0 < x0 < 1.0:
        steps = np.arange(0.0, 45.0 - logit(x0))
        flux = device.Roff * steps - (device.Roff - device.Ron) * np.logaddexp(np.log1p(-x0), np.log(x0) + steps)
        turned = 1.0 - 2.0 * np.pi * frequency * flux / (4.0 * device.k)
        edges = np.union1d(edges, np.arccos(turned[turned > -1.0]) / (2.0 * np.pi * frequency))
    edges = np.concatenate([edges, (period - edges[:-1])[::-1]])
    nodes, weights = np.polynomial.legendre.leggauss(10)
    widths = np.diff(edges)[:, None]
    return (edges[:-1, None] + 0.5 * widths * (1.0 + nodes)).ravel(), (0.5 * widths * weights).ravel()


def joglekar_errors(frequency: float, x0: float) -> tuple[float, float, float]:
    """Errors of x, of i relative to its peak, and of mean |i| over mean |v|, in the first cycle at 1 V."""
    device = make_device("linear_drift", "joglekar")
    assert isinstance(device, LinearDrift)
    instants, weights = gauss_instants(device, x0, frequency)
    bench = sc.Testbench(
        device={"model": "linear_drift", "preset": "joglekar"},
        crossbar={"state": [[x0]]},
        drive={"kind": "sine", "amplitude": 1.0, "frequency": frequency},
        analysis={"probe": "cells"},
    )
    waveforms = sc.simulate(bench, "reference", time=instants)
    x, current = waveforms["x"].values[:, 0, 0], waveforms["i_column"].values[:, 0]
    _, exact, resistance = joglekar(device, x0, sine_flux(1.0, frequency, instants))
    voltage = waveforms["v_row"].values[:, 0]
    conductance = weights @ np.abs(current) / (weights @ np.abs(voltage))
    return (
        float(np.abs(x - exact).max()),
        off_peak(current, voltage / resistance),
        float(abs(conductance / joglekar_conductance(device, x0, 1.0, frequency) - 1.0)),
    )


def importing() -> list[Figure]:
    """Time of `import spicecim`, which loads the rest when it is used, and of what a run of the core uses."""
    figures = []
    for what, code in (
        ("import spicecim", "import spicecim"),
        ("from spicecim import Testbench, simulate", "from spicecim import Testbench, simulate"),
        ("the same and all that the core uses", "from spicecim import Testbench; import spicecim.reference.engine"),
    ):
        code = f"import time; start = time.perf_counter(); {code}; print(time.perf_counter() - start)"
        command = [sys.executable, "-c", code]
        taken = min(float(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(3))
        title = f"{what}, in a fresh process"
        figures.append(Figure(title, taken, "s") if figures else at_most(title, taken, "s", 0.5))
    return figures


MEMORY = """
import resource, sys, time
import numpy as np
sys.path.append(sys.argv[1])
from crossbars import crossbar, run_core
limit = 12 * 2**30
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
taken = run_core(crossbar(512, 0.0, points=1000)).taken
unit = 1 if sys.platform == "darwin" else 1024
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9, taken)
"""


def memory() -> list[Figure]:
    """Largest memory of a process that runs 512 x 512 cells, all different, with ideal wires and 1000 steps."""
    child = subprocess.run([sys.executable, "-c", MEMORY, str(Path(__file__).parent)], capture_output=True, text=True)
    title = "512 × 512, ideal wires, all states different"
    if child.returncode:
        reason = (child.stderr.strip().splitlines() or [f"ended with {child.returncode}"])[-1]
        return [
            not_measured(f"{title}: a process of at most 12 GiB did not get through it: {reason[:60]}", "at most 4")
        ]
    largest, taken = map(float, child.stdout.split())
    return [at_most(f"{title}: largest memory of the process ({taken:.1f} s)", largest, "GB", 4.0)]


PARTS: list[Callable[[], list[Figure]]] = [importing, static, joglekar_oracle, ideal, wired, memory]

if __name__ == "__main__":
    measure("reference", PARTS)
