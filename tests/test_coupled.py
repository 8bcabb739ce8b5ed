"""Crossbars with capacitances, or with Verilog-A modules behind wires, in the reference engine."""

from pathlib import Path

import numpy as np
import pytest
from crossbar_runs import run_coupled
from hypothesis import given, settings
from hypothesis import strategies as st
from integration import Course
from scipy.linalg import eigh
from test_network import PARASITICS
from test_wired import OBLEA, OHMS, PULSE, samples, sine, wired_bench

from spicecim.devices import make_device
from spicecim.devices.cell import ExplicitCell
from spicecim.engines import simulate
from spicecim.errors import ConvergenceError, InputError
from spicecim.measure import compare, energy_balance
from spicecim.reference.collocation import radau
from spicecim.reference.coupled import dense_output
from spicecim.reference.coupled.explicit_cells import ExplicitCells
from spicecim.reference.coupled.follow import STORING_TOLERANCE
from spicecim.reference.coupled.implicit_cells import ImplicitCells
from spicecim.reference.coupled.step import System
from spicecim.reference.step_control import StepControl
from spicecim.reference.tables.kinks import first_crossing
from spicecim.reference.wires.capacitance import CapacitiveNetwork
from spicecim.resources import resource_folder
from spicecim.testbench import Testbench

STILL = {"model": "linear_drift", "preset": "hp", "parameters": {"mobility": 1e-30}}
SERIES = {"verilog_a": str(Path(__file__).parents[1] / "examples" / "series_memristor.va")}

TO_GROUND = """`include "disciplines.vams"
module inner(a, b);
  inout a, b; electrical a, b, mid, w;
  analog begin
    I(a, mid) <+ V(a, mid)/100;
    I(mid, b) <+ V(mid, b)*(V(w)/1k + (1 - V(w))/16k)*(1 + 0.5*V(a));
    I(mid, b) <+ ddt(10n*V(mid, b));
    I(w) <+ ddt(V(w)) - 2k*V(mid, b)*V(w)*(1 - V(w));
    LEAK
  end
endmodule
"""
"""Conducts by the potential of its row, and leaks to the ground; a contact resistance and a capacitance inside."""


def conductance(bench):
    """Of cells that hold their states (row, column), siemens."""
    return 1 / (16e3 - 15.9e3 * bench.crossbar.state)


def numbered(places, segment, terminal, first):
    """Nodes (wire, place) of wires, -1 for a known potential, and their number."""
    wires, length = places
    if segment:
        return first + np.arange(wires * length).reshape(places), wires * length
    if terminal:
        return first + np.repeat(np.arange(wires)[:, None], length, axis=1), wires
    return np.full(places, -1), 0


def exact_potentials(bench, time):
    """Potentials of row and column wires at the cells (time, row, column) and their derivatives, for ohmic cells.

    By the eigenvectors of the nodal equations ``C dp/dt + G p = B u``: a steady state and decaying modes.
    """
    crossbar, drive, (rows, columns) = bench.crossbar, bench.drive, bench.shape
    row, count = numbered((rows, columns), crossbar.wire_row, crossbar.source_resistance, 0)
    column, more = numbered((columns, rows), crossbar.wire_column, crossbar.sense_resistance, count)
    column = column.T
    size = count + more
    matrix, c, inputs = np.zeros((size, size)), np.zeros(size), np.zeros((size, rows))

    def connect(a, b, siemens, source=None):
        for one, other in ((a, b), (b, a)):
            if one >= 0:
                matrix[one, one] += siemens
                if other >= 0:
                    matrix[one, other] -= siemens
                elif source is not None:
                    inputs[one, source] += siemens

    for (r, k), siemens in np.ndenumerate(conductance(bench)):
        connect(row[r, k], column[r, k], siemens, r if row[r, k] < 0 else None)
        for node in (row[r, k], column[r, k]):
            if node >= 0:
                c[node] += crossbar.wire_capacitance
        if crossbar.wire_row and k:
            connect(row[r, k - 1], row[r, k], 1 / crossbar.wire_row)
        if crossbar.wire_column and r:
            connect(column[r - 1, k], column[r, k], 1 / crossbar.wire_column)
    for r in range(rows if count else 0):
        connect(row[r, 0], -1, 1 / (crossbar.source_resistance + crossbar.wire_row), r)
    for k in range(columns if more else 0):
        connect(column[-1, k], -1, 1 / (crossbar.sense_resistance + crossbar.wire_column))

    omega = 2 * np.pi * drive.frequency
    phasor = drive.amplitude * np.exp(1j * drive.phase)
    turns = np.exp(1j * omega * time[:, None])
    still = np.linalg.solve(matrix, inputs @ drive.offset)
    steady = np.stack(
        [np.linalg.solve(matrix + 1j * omega[r] * np.diag(c), inputs[:, r] * phasor[r]) for r in range(rows)]
    )
    start = np.linalg.solve(matrix, inputs @ drive.voltage(np.zeros(1))[0])
    root = np.sqrt(c)
    rates, modes = eigh(matrix / np.outer(root, root))
    left = modes.T @ (root * (start - still - steady.sum(axis=0).imag))
    decay = np.exp(-rates * time[:, None]) * left
    p = still + (turns @ steady).imag + decay @ modes.T / root
    slope = ((turns * 1j * omega) @ steady).imag - (rates * decay) @ modes.T / root
    u = drive.voltage(time)
    du = drive.amplitude * omega * np.cos(omega * time[:, None] + drive.phase)
    du[time == 0] = 0.0  # the drive has stood still before
    p, slope = (np.hstack([values, np.zeros((len(time), 1))]) for values in (p, slope))
    if not count:
        return (
            *(np.repeat(values[:, :, None], columns, axis=2) for values in (u, du)), p[:, column], slope[:, column],
        )  # fmt: skip
    return p[:, row], slope[:, row], p[:, column], slope[:, column]


@st.composite
def capacitive_benches(draw):
    """Ohmic cells with a capacitance and at least one resistance."""
    shape = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    names = draw(st.lists(st.sampled_from(PARASITICS), min_size=1, unique=True))
    resistances = {name: draw(st.floats(0.1, 1e4)) for name in names}
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    drive = {
        "kind": "sine", "amplitude": 1.0, "frequency": random.choice([1e3, 2e3, 3e3], shape[0]),
        "phase": random.uniform(-3, 3, shape[0]), "offset": 0.2,
    }  # fmt: skip
    analysis = {"points_per_period": 40}
    return wired_bench(
        shape, STILL, drive, analysis, wire_capacitance=10.0 ** draw(st.integers(-15, -7)), **resistances
    )


@settings(deadline=None, max_examples=6)
@given(bench=capacitive_benches())
def test_ohmic_crossbars_follow_the_modes_of_their_wires(bench):
    """Whatever has resistance, and whatever the time constants, from 1e-16 s on, beside a period of 1e-3 s."""
    waves = simulate(bench, "reference")
    p_row, row_slope, p_column, column_slope = exact_potentials(bench, waves["time"].values)
    np.testing.assert_allclose(waves["v_row_node"], p_row, atol=3e-7)
    np.testing.assert_allclose(waves["v_column_node"], p_column, atol=3e-7)
    into_cells = conductance(bench) * (p_row - p_column)
    i_row = (into_cells + bench.crossbar.wire_capacitance * row_slope).sum(axis=2)
    i_column = (into_cells - bench.crossbar.wire_capacitance * column_slope).sum(axis=1)
    np.testing.assert_allclose(waves["i_row"], i_row, atol=1e-6 * np.abs(i_row).max())
    np.testing.assert_allclose(waves["i_column"], i_column, atol=1e-6 * np.abs(i_row).max())


@pytest.mark.parametrize(
    ("ohm", "farad"), [(1e3, 1e-9), (1.0, 1e-12), (1.0, 1e-15), (1e-3, 1e-12), (1e6, 1e-6)]
)  # fmt: skip
def test_what_a_capacitance_draws_after_a_corner_is_resolved(ohm, farad):
    """A ramp through a resistance: time constants from 1e-15 s to 1 s, with instants inside what decays."""
    drive = {"kind": "samples", "time": [0, 1e-7, 2e-5], "voltages": [[0.2, 1, 1]]}
    bench = wired_bench((1, 1), STILL, drive, source_resistance=ohm, wire_capacitance=farad)
    g = conductance(bench)[0, 0]
    share, tau = 1 / (1 + g * ohm), ohm * farad / (1 + g * ohm)
    inside = tau * np.linspace(0, 5, 20)
    time = np.union1d(bench.time_grid(), inside[inside < 1e-7])
    waves = simulate(bench, "reference", time=time)

    def slope(since):
        """Derivative of the node's voltage by a ramp of 8 V/us that began so long ago."""
        return np.where(since > 0, -0.8e7 * share * np.expm1(-np.maximum(since, 0) / tau), 0)

    def rise(since):
        return np.where(since > 0, 0.8e7 * share * since - tau * slope(since), 0)

    v = share * 0.2 + rise(time) - rise(time - 1e-7)
    i_row = g * v + farad * (slope(time) - slope(time - 1e-7))
    np.testing.assert_allclose(waves["v_row_node"][:, 0, 0], v, atol=1e-8)
    np.testing.assert_allclose(waves["i_row"][:, 0], i_row, atol=1e-6 * np.abs(i_row).max())
    np.testing.assert_allclose(waves["i_column"][:, 0], g * v, atol=1e-8 * g)


@pytest.mark.parametrize("drive", [sine(0.45, 100), PULSE])
def test_ideal_rows_feed_their_capacitance_from_the_driver(drive):
    plain, loaded = (
        simulate(wired_bench((3, 2), drive=drive, **wires), "reference") for wires in ({}, {"wire_capacitance": 1e-8})
    )
    for name in ("i_column", "i_cell", "x", "v_cell"):
        np.testing.assert_array_equal(loaded[name], plain[name])
    extra = (loaded["i_row"] - plain["i_row"]).values[:, 0]
    time, v = loaded["time"].values, loaded["v_row"].values[:, 0]
    apart = np.append(True, np.diff(time) > 1e-12)  # a corner stands twice where it misses the grid by rounding
    extra, time, v = extra[apart], time[apart], v[apart]
    if drive is PULSE:
        ramps = np.append(0.0, np.diff(v) / np.diff(time))  # at a corner the ramp before
    else:
        ramps = np.where(time > 0, 0.45 * 200 * np.pi * np.cos(200 * np.pi * time), 0.0)
    np.testing.assert_allclose(extra, 2e-8 * ramps, atol=1e-9 * np.abs(extra).max())


@pytest.mark.ngspice
@pytest.mark.parametrize(
    ("shape", "device", "drive", "wires"),
    [
        ((2, 2), OBLEA, sine(0.45, [100, 200]), {"wire_capacitance": 1e-6, **OHMS}),
        ((1, 2), OBLEA, PULSE, {"wire_capacitance": 1e-7, "source_resistance": 50.0}),
        ((2, 1), OBLEA, samples(2), {"wire_capacitance": 1e-7, "wire_column": 50.0}),
        ((1, 2), SERIES, sine(1.0, 100), {"wire_capacitance": 1e-7, "wire_row": 50.0}),
        ((2, 1), SERIES, sine(1.0, 100), {"wire_capacitance": 1e-7, "sense_resistance": 50.0}),
        ((2, 1), SERIES, sine(1.0, 100), OHMS),
    ],
)
def test_ngspice_agrees_on_every_parasitic(shape, device, drive, wires):
    """To 1e-5 of the peaks: ngspice at a tolerance of 1e-9 is off by some 1e-6."""
    agree(wired_bench(shape, device, drive, {"points_per_period": 1000, "tolerance": 1e-9}, **wires))


def agree(bench, balanced=True, first_steps=0):
    """Compare the engines, but for so many lengths of ngspice's first step."""
    spice = simulate(bench, "ngspice")
    time = spice["time"].values
    reference = simulate(bench, "reference", time=time)
    spice, reference = (waves.sel(time=time[time >= first_steps * time[1]]) for waves in (spice, reference))
    assert compare(spice, reference, tolerance=1e-5).passed
    for name in ("v_cell", "i_cell", "v_row_node", "v_column_node", "i_row"):
        if name in spice:
            peak = float(abs(spice[name]).max())
            np.testing.assert_allclose(reference[name], spice[name], rtol=0, atol=2e-5 * peak, err_msg=name)
    np.testing.assert_allclose(reference["x"], spice["x"], atol=3e-5)
    if balanced:
        # with capacitances the error is that of the grid
        grid = 1e-5 if bench.crossbar.wire_capacitance else 1e-12
        assert energy_balance(reference).error < grid


@pytest.mark.slow
@settings(deadline=None, max_examples=3)
@given(seed=st.integers(0, 2**32 - 1))
def test_ngspice_agrees_on_random_testbenches(seed):
    """Drives start without a slope.

    The first step of ngspice is one of the implicit Euler method, whatever the tolerance, and off by up to 1e-4 of the
    peak in what capacitances draw at once. Even so it is off by 3e-5 where the wires' time constants are as long.
    """
    random = np.random.default_rng(seed)
    wires = {name: float(random.choice([0.0, random.uniform(1, 100)])) for name in PARASITICS}
    wires |= {"wire_capacitance": 10.0 ** random.integers(-10, -6)}
    device, volt = ((OBLEA, 0.4), (SERIES, 1.0))[random.integers(2)]
    shape = tuple(random.integers(1, 3, 2))
    drive = {**sine(volt, random.choice([50.0, 100.0, 150.0], shape[0])), "phase": np.pi / 2}
    bench = wired_bench(shape, device, drive, {"points_per_period": 1000, "tolerance": 1e-9}, **wires)
    agree(bench, first_steps=10)


@pytest.mark.compiler
@pytest.mark.ngspice
@pytest.mark.parametrize(
    "leak",
    ["", "I(a) <+ 10u*V(a);", "I(a) <+ ddt(10n*V(a));", "I(mid) <+ 10u*V(mid);", "I(mid) <+ ddt(10u*V(mid));"],
)
@pytest.mark.parametrize("wires", [{}, OHMS], ids=["ideal", "resistive"])
def test_potentials_to_ground_are_those_of_the_circuit(tmp_path, leak, wires):
    """What depends on its row's own potential, or conducts to the ground, differs from what is between two nodes."""
    path = tmp_path / "inner.va"
    path.write_text(TO_GROUND.replace("LEAK", leak), encoding="utf-8")
    device = {"verilog_a": str(path), "state": "w", "initial": [0, 1]}
    analysis = {"points_per_period": 500, "tolerance": 1e-9}
    drive = {**sine(0.5, 100), "phase": np.pi / 2}  # no slope at the start, as above
    bench = wired_bench((2, 1), device, drive, analysis, **wires)
    assert bench.device.build().is_balanced() == (not leak)
    agree(bench, balanced=False)


@pytest.mark.compiler
@pytest.mark.parametrize("phase", [0.0, np.pi / 2], ids=["with a slope at the start", "from rest"])
def test_a_charge_that_another_potential_drives_is_that_of_the_linear_circuit(tmp_path, phase):
    """Inner node and column ring at 22 kHz: ngspice is off by 4e-4 there at a tolerance of 1e-7, by 2e-5 at 1e-9."""
    path = tmp_path / "across.va"
    text = TO_GROUND.replace("(V(w)/1k + (1 - V(w))/16k)*(1 + 0.5*V(a))", "500u").replace("2k*V(mid", "1e-12*V(mid")
    path.write_text(text.replace("LEAK", "I(b) <+ ddt(1u*V(mid));"), encoding="utf-8")
    device = {"verilog_a": str(path), "state": "w", "initial": [0, 1]}
    bench = wired_bench((1, 1), device, {**sine(0.5, 100), "phase": phase}, {"points_per_period": 1000}, **OHMS)
    wires, time = bench.crossbar, np.linspace(0.0, 0.01, 2001)
    column = 1.0 / (wires.wire_column + wires.sense_resistance)
    row = 1.0 / (wires.source_resistance + wires.wire_row + 100.0)
    # E p' = K p + (row u, 0) for the potentials p of inner node and column, the drive u by its phasor
    e = np.array([[1e-8, -1e-8], [1e-6 - 1e-8, 1e-8]])
    k = np.array([[-row - 5e-4, 5e-4], [5e-4, -5e-4 - column]])
    omega = 2 * np.pi * 100
    phasor = np.linalg.solve(1j * omega * e - k, 0.5 * np.exp(1j * (phase - np.pi / 2)) * np.array([row, 0.0]))
    rest = np.linalg.solve(-k, [0.5 * np.sin(phase) * row, 0.0])
    rates, vectors = np.linalg.eig(np.linalg.solve(e, k))
    shares = np.linalg.solve(vectors, rest - phasor.real)
    exact = (
        column * (phasor[1] * np.exp(1j * omega * time) + (vectors[1] * shares) @ np.exp(np.outer(rates, time))).real
    )
    found = simulate(bench, "reference", time=time)["i_column"].values[:, 0]
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-6 * np.abs(exact).max())


@pytest.mark.compiler
def test_a_module_is_the_library_s_device_behind_the_same_wires():
    wires = {**OHMS, "wire_capacitance": 1e-7}
    device = make_device("linear_drift", "biolek")
    module = {
        "verilog_a": str(resource_folder("models") / "linear_drift.va"),
        "parameters": device.values(), "state": "s", "initial": [0, 1],
    }  # fmt: skip
    library = wired_bench((2, 2), {"model": "linear_drift", "preset": "biolek"}, sine(1.0, 2), **wires)
    both = [simulate(bench, "reference") for bench in (library, wired_bench((2, 2), module, sine(1.0, 2), **wires))]
    for name in ("i_row", "i_column", "x", "v_row_node", "v_column_node"):
        peak = float(abs(both[0][name]).max())
        np.testing.assert_allclose(both[1][name], both[0][name], rtol=0, atol=1e-6 * peak, err_msg=name)


@pytest.mark.parametrize(
    ("device", "drive"), [(OBLEA, sine(0.45, 100)), ({"model": "linear_drift", "preset": "hp"}, sine(1.0, 2))]
)
def test_a_vanishing_capacitance_leaves_the_resistances(device, drive):
    resistive, capacitive = (
        simulate(wired_bench((3, 2), device, drive, **OHMS, wire_capacitance=farad), "reference")
        for farad in (0.0, 1e-18)
    )
    for name in ("i_row", "i_column", "x", "v_row_node", "v_column_node"):
        peak = float(abs(resistive[name]).max())
        # the error of the resistive path, which allows 1e-7 a step
        np.testing.assert_allclose(capacitive[name], resistive[name], rtol=0, atol=1e-6 * peak, err_msg=name)


def follow(tolerance):
    bench = wired_bench((2, 2), wire_row=50.0, wire_column=20.0, wire_capacitance=1e-6)
    run = run_coupled(bench, np.linspace(0, 1e-2, 41), tolerance=tolerance)
    return run.states, run.potentials[0]


def test_errors_follow_the_tolerance():
    exact = follow(1e-10)
    coarse, fine = (
        [np.abs(found - right).max() for found, right in zip(follow(tolerance), exact, strict=True)]
        for tolerance in (1e-5, 1e-7)
    )
    assert max(coarse) < 1e-4
    assert max(fine) < 1e-6
    assert fine[0] < 0.1 * coarse[0]


@pytest.mark.parametrize("farad", [1e-12, pytest.param(1e-7, marks=pytest.mark.slow)])
def test_flowing_states_are_the_collocated_ones(farad):
    """Two ways to follow the same devices; thresholds are passed at instants of each cell's own."""
    drive = {**sine(0.45, 100), "phase": [0.0, 0.7]}
    bench = wired_bench((2, 2), OBLEA, drive, **OHMS, wire_capacitance=farad)
    device, rule, network = bench.device.build(), radau(5), CapacitiveNetwork(bench.crossbar, bench.shape)
    flowing, collocated = (
        run_coupled(
            bench, bench.time_grid(), tolerance=STORING_TOLERANCE, crossbar=System(cells, network, rule, rule.checks)
        )
        for cells in (ExplicitCells(device, 4, rule, rule.checks), ImplicitCells(ExplicitCell(device), rule, None))
    )
    for one, other in zip(
        (*flowing[:4], *flowing.potentials), (*collocated[:4], *collocated.potentials), strict=True
    ):  # fmt: skip
        np.testing.assert_allclose(one, other, rtol=0, atol=5e-7 * np.abs(other).max())


def test_energy_balances_up_to_the_time_grid():
    """A part of a cycle leaves the wires charged; the rule of the integral is of second order."""
    errors = []
    for points in (500, 1000):
        bench = wired_bench(
            (2, 2), STILL, {**sine(0.4, 100), "phase": np.pi / 2}, {"periods": 1.2, "points_per_period": points},
            wire_row=50.0, wire_capacitance=1e-7,
        )  # fmt: skip
        balance = energy_balance(simulate(bench, "reference"))
        assert abs(balance.stored) > 1e-4 * balance.delivered
        errors.append(balance.error)
    assert errors[1] < 1e-5
    assert errors[1] < 0.3 * errors[0]


def test_instants_do_not_change_the_answer():
    bench = wired_bench((1, 2), **OHMS, wire_capacitance=1e-6)
    coarse = simulate(bench, "reference", time=[0.0, 0.0031, 0.01])
    fine = simulate(bench, "reference", time=np.union1d(np.linspace(0, 0.01, 97), [0.0031]))
    for name in ("x", "v_row_node", "i_row"):
        np.testing.assert_allclose(coarse[name], fine[name].sel(time=coarse["time"]), atol=1e-7)


def test_blocks_do_not_change_the_answer(monkeypatch):
    bench = wired_bench((1, 2), **OHMS, wire_capacitance=1e-9)
    whole = simulate(bench, "reference")
    monkeypatch.setattr(dense_output, "_BLOCK", 2 * 3)
    parts = simulate(bench, "reference")
    for name in ("x", "i_cell", "v_row_node", "v_column_node", "i_row", "i_column"):
        np.testing.assert_allclose(parts[name], whole[name], rtol=0, atol=1e-11 * float(abs(whole[name]).max()))


def test_a_step_closes_in_on_what_failed_a_longer_one_by_halves():
    control = StepControl(6)
    assert control.towards(8.0, 6.0, 1.0) == 4.0
    assert control.towards(8.0, 3.0, 1.0) == 3.0  # the error allows no more
    assert control.towards(1.0, 6.0, 1.0) == 1.0  # what failed may lie beyond: no step is shorter than the last


def stanford_bench(state, **crossbar):
    """Filaments that form at an instant and stop there, behind wires."""
    ohms = {"wire_row": 1.0, "wire_column": 1.0}
    drive = {"kind": "sine", "amplitude": 1.5, "frequency": 1e5}
    return Testbench.from_dict(
        {"device": {"model": "stanford_pku"}, "crossbar": {"state": state, **ohms, **crossbar}, "drive": drive}
    )


@pytest.mark.filterwarnings("ignore::spicecim.errors.CurrentWarning")
def test_a_step_lands_where_a_state_meets_its_stop():
    """Closing in on it by halves would take 130 attempts."""
    waves = simulate(stanford_bench([[0.5]]), "reference")
    assert waves.attrs["steps"] + waves.attrs["rejected_steps"] < 115


@pytest.mark.filterwarnings("ignore::spicecim.errors.CurrentWarning")
def test_a_cell_at_its_stop_whose_voltage_passes_zero_does_not_end_the_run():
    """Its equations change sides at a voltage that steps towards it meet to rounding only."""
    bench = Testbench.from_dict(
        {
            "device": {"model": "stanford_pku"},
            "crossbar": {"state": [[0.2], [0.5]], "wire_column": 1.0, "sense_resistance": 2.0},
            "drive": {"kind": "sine", "amplitude": 1.5, "frequency": [1e5, 1.5e5]},
            "analysis": {"probe": "cells", "periods": 0.75},
        }
    )
    run = simulate(bench, "reference")
    np.testing.assert_allclose(run["x"], Course(bench).x(run["time"].values), atol=2e-5)


@pytest.mark.slow
def test_a_step_lands_on_a_stop_where_charge_is_stored():
    """Closing in on it by halves would take 176 attempts, and state ten times the error."""
    bench = stanford_bench([[0.5]], wire_capacitance=1e-12)
    waves = simulate(bench, "reference")
    assert waves.attrs["steps"] + waves.attrs["rejected_steps"] < 130
    assert waves.attrs["current_error"] < 1e-7
    exact = simulate(bench, "reference", tolerance=1e-9)
    assert np.abs(waves["i_column"] - exact["i_column"]).max() < 1e-7 * np.abs(exact["i_column"]).max()


@pytest.mark.slow
def test_few_steps_are_rejected_where_cells_switch_abruptly():
    waves = simulate(stanford_bench([[0.2, 0.35]], wire_capacitance=1e-12), "reference")
    assert waves.attrs["rejected_steps"] < 0.4 * waves.attrs["steps"]


class TestFirstCrossing:
    """Where the first of several distances changes its sign."""

    def test_the_first_is_found(self):
        roots = np.array([[0.81, 0.533], [0.53, 2.0]])
        found = first_crossing(lambda at: at[:, None, None] ** 2 - roots**2, np.ones(2))
        assert found.cell == 1
        assert found.place == pytest.approx(0.53, abs=1e-9)

    def test_what_lies_beyond_the_end_is_none(self):
        assert first_crossing(lambda at: at[:, None, None] - 0.5, np.ones(1), 0.4) is None

    def test_an_end_that_is_near_is_no_place_of_its_own(self):
        found = first_crossing(lambda at: at[:, None, None] - 4e-7, np.full(1, 1e-7), 1e-6)
        assert found.place == pytest.approx(4e-7, rel=1e-5)

    def test_what_rests_at_a_kink_does_not_cross_it(self):
        assert first_crossing(lambda at: 1e-16 * np.cos(20.0 * at)[:, None, None], np.ones(1)) is None

    def test_without_kinks_there_is_none(self):
        assert first_crossing(lambda at: np.empty((len(at), 3, 0)), np.empty(0)) is None


def test_how_it_was_solved_is_stated():
    waves = simulate(wired_bench((1, 2), **OHMS, wire_capacitance=1e-9), "reference")
    assert 0 < waves.attrs["state_error"] < 1e-5
    assert all(type(waves.attrs[name]) is int for name in ("steps", "rejected_steps", "factorizations"))
    assert waves.attrs["factorizations"] > 1  # one serves steps of one length


def test_a_drive_of_zero_moves_nothing():
    waves = simulate(wired_bench(drive=sine(0.0, 100), **OHMS, wire_capacitance=1e-9), "reference")
    assert not waves["i_column"].values.any()
    np.testing.assert_allclose(waves["x"][-1], waves["x"][0], atol=1e-15)


def test_voltages_beyond_a_device_s_equations_are_refused():
    drive = {**sine(1e5, 100), "phase": np.pi / 2}
    with pytest.raises(InputError, match="drive"):
        simulate(wired_bench((1, 1), drive=drive, **OHMS, wire_capacitance=1e-9), "reference")


@pytest.mark.compiler
def test_no_solution_is_an_error_with_its_instant(tmp_path):
    """A state x with dx/dt = 7000 x^2 grows beyond all bounds after 1 ms."""
    path = tmp_path / "burst.va"
    burst = "I(w) <+ ddt(V(w)) - (7k + V(mid, b))*V(w)*V(w);"
    path.write_text(TO_GROUND.replace("LEAK", burst).replace("2k*V(mid, b)*V(w)*(1 - V(w))", "0.0"), encoding="utf-8")
    device = {"verilog_a": str(path), "state": "w", "initial": [0, 1]}
    bench = wired_bench((1, 1), device, sine(0.1, 100), **OHMS, wire_capacitance=1e-9)
    with pytest.raises(ConvergenceError, match=r"no solution of the crossbar beyond 0\.00\d+ s of 0.01 s"):
        simulate(bench, "reference")
