"""The reference engine against its peers: native ngspice, closed forms and independent integration.

Every ratio is of two times taken in this run, on this machine: that of ngspice's run alone, without the writing of its
netlist, over that of the whole call of the reference engine. Prints a table in Markdown; with a folder as argument,
also writes it there, and the figures as JSON.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from crossbars import NGSPICE_TOLERANCE, converged, crossbar, exact_currents, fastest, off_peak, run, run_reference
from figures import Figure, at_least, at_most, measure, not_measured
from oracles import joglekar, joglekar_conductance, sine_flux
from scipy.special import logit

import spicecim as sc
from spicecim.devices import make_device
from spicecim.devices.models.linear_drift import LinearDrift
from spicecim.fields import FloatArray
from spicecim.netlist import crossbar_netlist
from spicecim.testbench import Analysis

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
        ours = fastest([run_reference(bench) for _ in range(3)])
        for tolerance in (NGSPICE_TOLERANCE, DEFAULT_TOLERANCE):
            netlist = crossbar_netlist(
                crossbar(size, 0.0, points=1000, tolerance=tolerance, states=states), native=True
            )
            native = run(netlist)
            peer = f"native ngspice at reltol {tolerance:g} ({native.taken:.2f} s, {len(native.instants)} instants)"
            what = f"{title}: {peer} over reference engine ({1e3 * ours.taken:.0f} ms, {len(ours.instants)} instants)"
            figures.append(at_least(what, native.taken / ours.taken, "×", wanted))
            error = off_peak(native.currents, run_reference(bench, native.instants).currents)
            figures.append(
                Figure(f"{title}: ngspice at reltol {tolerance:g} against reference engine", error, "of peak")
            )
        error = off_peak(ours.currents[:, columns], exact_currents(bench, columns, ours.instants))
        figures.append(at_most(f"{title}: reference engine against DOP853 at 1e-13", error, "of peak", 1e-8))
    return figures


def wired(size: int = 64) -> list[Figure]:
    """1 ohm per segment, 100 steps of the grid: time against native ngspice with KLU, and which of the two is nearer.

    At reltol 1e-3 ngspice is far from the converged currents; at its tolerance here by default the two agree.
    """
    title = f"{size} × {size}, 1 ohm per segment"
    bench = crossbar(size, 1.0)
    native = fastest([run(crossbar_netlist(bench, native=True)) for _ in range(3)])
    ours = fastest([run_reference(bench) for _ in range(3)])
    what = (
        f"{title}: native ngspice with KLU at reltol {NGSPICE_TOLERANCE:g} ({native.taken:.2f} s, "
        f"{len(native.instants)} instants) over reference engine ({ours.taken:.2f} s, {len(ours.instants)} instants)"
    )
    figures = [at_least(what, native.taken / ours.taken, "×", 5.0)]
    exact = converged(bench, native.instants)
    errors = {"ngspice": off_peak(native.currents, exact)}
    errors["reference engine"] = off_peak(run_reference(bench, native.instants).currents, exact)
    nearer = min(errors, key=lambda name: errors[name])
    figures += [
        at_most(
            f"{title}: reference engine against itself at 1e-9; nearer is {nearer}",
            errors["reference engine"],
            "of peak",
            1e-5,
        ),
        Figure(f"{title}: that ngspice against it", errors["ngspice"], "of peak"),
    ]
    refined = run(crossbar_netlist(crossbar(size, 1.0, tolerance=DEFAULT_TOLERANCE), native=True))
    peer = f"ngspice at reltol {DEFAULT_TOLERANCE:g} ({refined.taken:.1f} s, {len(refined.instants)} instants)"
    figures.append(at_least(f"{title}: {peer} over reference engine", refined.taken / ours.taken, "×", 5.0))
    every = max(len(refined.instants) // 100, 1)  # the network is solved anew for each instant asked for
    error = off_peak(refined.currents[1::every], run_reference(bench, refined.instants[1::every]).currents)
    return [*figures, at_most(f"{title}: that ngspice against reference engine", error, "of peak", 1e-5)]


def switching(size: int = 8) -> list[Figure]:
    """Filaments that form within a millionth of a period and stop, 1 ohm and 1 pF per segment: attempts and CPU time.

    A cell alone is run before, so that what is loaded and derived once counts for neither.
    """
    states = np.random.default_rng(3).random((size, size))
    wires = {"wire_row": 1.0, "wire_column": 1.0, "wire_capacitance": 1e-12}
    alone, bench = (
        sc.Testbench(
            device={"model": "stanford_pku"},
            crossbar={"state": some, **wires},
            drive={"kind": "sine", "amplitude": 1.5, "frequency": 1e5},
        )
        for some in (states[:1, :1], states)
    )
    sc.simulate(alone, "reference")
    start = time.process_time()
    waves = sc.simulate(bench, "reference")
    taken = time.process_time() - start
    attempts, rejected = waves.attrs["steps"] + waves.attrs["rejected_steps"], waves.attrs["rejected_steps"]
    title = f"{size} × {size} stanford_pku, 1 ohm and 1 pF per segment"
    return [
        at_most(f"{title}: CPU time ({attempts} attempts at a step, {rejected} of them rejected)", taken, "s", 10.0),
        at_most(f"{title}: stated error of the currents", waves.attrs["current_error"], "of peak", 1e-5),
    ]


def large(size: int = 256) -> list[Figure]:
    """1 ohm per segment, 100 steps of the grid: CPU time, and the largest memory of this process so far."""
    bench = crossbar(size, 1.0)
    start = time.process_time()
    waves = sc.simulate(bench, "reference")
    taken = time.process_time() - start
    unit = 1 if sys.platform == "darwin" else 1024
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
    title = f"{size} × {size}, 1 ohm per segment"
    steps, factorizations = waves.attrs["steps"], waves.attrs["factorizations"]
    return [
        at_most(f"{title}: CPU time ({steps} steps, {factorizations} factorizations)", taken, "s", 15.0),
        at_most(f"{title}: largest memory of the process", largest, "GB", 4.0),
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
    is found of a mean is then the reference engine's error, not the rule's.
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
    """Time of `import spicecim`, which loads the rest when it is used, and of all that the reference engine uses."""
    figures = []
    for what, code in (
        ("import spicecim", "import spicecim"),
        ("from spicecim import Testbench, simulate", "from spicecim import Testbench, simulate"),
        (
            "the same and all that the reference engine uses",
            "from spicecim import Testbench; import spicecim.reference.engine",
        ),
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
from crossbars import crossbar, run_reference
limit = 12 * 2**30
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
taken = run_reference(crossbar(512, 0.0, points=1000)).taken
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


PARTS: list[Callable[[], list[Figure]]] = [importing, joglekar_oracle, ideal, wired, switching, large, memory]

if __name__ == "__main__":
    measure("reference", PARTS)
