"""Crossbars with resistive wires over time in the reference engine, against closed forms, laws and ngspice."""

import numpy as np
import pytest
from crossbar_runs import run_coupled
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from ohmic import static
from random_benches import random_bench
from wirings import PARASITICS, TOGETHER

import spicecim as sc
from spicecim.devices import make_device
from spicecim.devices.varied import make_cells
from spicecim.engines import simulate
from spicecim.errors import ConvergenceError, InputError, SimulationError
from spicecim.measure import compare, energy_balance
from spicecim.reference.collocation import lobatto
from spicecim.reference.coupled import dense_output
from spicecim.reference.coupled.follow import TOLERANCE
from spicecim.reference.tables.flow_map import FlowMotion
from spicecim.testbench import Testbench
from spicecim.waveforms import load_waveforms, save_waveforms

OBLEA = {"model": "yakopcic", "preset": "oblea"}
PULSE = {
    "kind": "pulse", "low": -0.45, "high": 0.45, "delay": "1m", "rise": "0.1m", "fall": "0.2m", "width": "3m",
    "period": "10m",
}  # fmt: skip
OHMS = {"wire_row": 20.0, "wire_column": 20.0, "source_resistance": 50.0, "sense_resistance": 50.0}


def sine(amplitude, frequency):
    return {"kind": "sine", "amplitude": amplitude, "frequency": frequency}


def samples(rows):
    return {"kind": "samples", "time": [0, 2e-3, 5e-3, 9e-3, 1e-2], "voltages": [[0.1, 0.45, 0.4, -0.45, 0.1]] * rows}


def wired_bench(shape=(3, 2), device=OBLEA, drive=None, analysis=None, **resistances):
    return Testbench.from_dict(
        {
            "device": device,
            "crossbar": {"state": np.random.default_rng(3).uniform(0.1, 0.6, shape), **resistances},
            "drive": drive or sine(0.45, 100),
            "analysis": {"probe": "cells", **(analysis or {})},
        }
    )


@pytest.mark.ngspice
@pytest.mark.parametrize(
    ("shape", "drive", "resistances"),
    [
        ((5, 3), sine(0.45, 100), {"wire_row": 20.0}),
        ((3, 5), sine(0.45, 100), {"wire_column": 20.0}),
        ((1, 6), PULSE, {"source_resistance": 50.0}),
        ((6, 1), samples(6), {"sense_resistance": 50.0}),
        ((1, 6), samples(1), {"wire_row": 20.0}),
        ((6, 1), PULSE, {"wire_column": 20.0}),
        ((4, 3), sine(0.45, [100, 200, 150, 300]), OHMS),
    ],
)
def test_ngspice_agrees_on_every_parasitic(shape, drive, resistances):
    bench = wired_bench(shape, drive=drive, analysis={"points_per_period": 1000, "tolerance": 1e-9}, **resistances)
    agree(bench)


@pytest.mark.ngspice
@pytest.mark.parametrize(
    ("model", "preset", "drive", "resistances"),
    [
        ("yakopcic", "miao", sine(1.25, 1), OHMS),
        ("yakopcic", "jo", sine(4, 0.2), {"wire_row": 2e4, "wire_column": 2e4}),
        ("linear_drift", "hp", sine(1, 4), OHMS),
        ("linear_drift", "joglekar", sine(1, 2), OHMS),
        ("linear_drift", "biolek", sine(1, 2), OHMS),
        ("vteam", "kvatinsky", sine(1, 2e6), {"wire_row": 5.0, "wire_column": 5.0}),
        ("vteam", "exponential", sine(1, 2e6), {"wire_row": 5.0, "wire_column": 5.0}),
        ("pershin_di_ventra", "biolek", sine(6, 5e7), OHMS),
        ("stanford_pku", "hfox", sine(1.5, 1e5), {**OHMS, "source_resistance": 5000.0}),
    ],
)
def test_ngspice_agrees_on_every_model(model, preset, drive, resistances):
    analysis = {"points_per_period": 1000, "tolerance": 1e-9}
    agree(wired_bench((4, 3), {"model": model, "preset": preset}, drive, analysis, **resistances))


def agree(bench):
    """The column currents agree to 1e-5 of their peaks, and the energies add up."""
    spice = simulate(bench, "ngspice")
    reference = simulate(bench, "reference", time=spice["time"].values)
    assert compare(spice, reference, tolerance=1e-5).passed
    for name in ("v_cell", "i_cell", "v_row_node", "v_column_node", "i_row"):
        peak = float(abs(spice[name]).max())
        np.testing.assert_allclose(reference[name], spice[name], rtol=0, atol=2e-5 * peak, err_msg=name)
    np.testing.assert_allclose(reference["x"], spice["x"], atol=3e-5)
    assert energy_balance(reference).error < 1e-12


@pytest.mark.parametrize("parasitic", PARASITICS)
def test_a_drift_device_in_series_has_a_closed_form(parasitic):
    """(R + r)^2 = (R0 + r)^2 - 2 k (Roff - Ron) flux: the resistance r in series adds to both of the device's."""
    r, frequency = 2000.0, 2.0
    bench = wired_bench((1, 1), {"model": "linear_drift", "preset": "hp"}, sine(1.0, frequency), **{parasitic: r})
    waveforms = simulate(bench, "reference")
    time, x0 = waveforms["time"].values, bench.crossbar.state[0, 0]
    flux = (1 - np.cos(2 * np.pi * frequency * time)) / (2 * np.pi * frequency)
    resistance = np.sqrt((16e3 - 15.9e3 * x0 + r) ** 2 - 2e4 * 15.9e3 * flux) - r
    np.testing.assert_allclose(waveforms["x"][:, 0, 0], (16e3 - resistance) / 15.9e3, atol=1e-8)
    np.testing.assert_allclose(waveforms["i_column"][:, 0], waveforms["v_row"][:, 0] / (resistance + r), atol=1e-11)


def test_a_stop_behind_a_resistance_is_met_and_left():
    """Driven into its stop and back: the flux since the voltage turned decides."""
    r, frequency = 2000.0, 0.2
    bench = wired_bench((1, 1), {"model": "linear_drift", "preset": "hp"}, sine(1.0, frequency), source_resistance=r)
    waveforms = simulate(bench, "reference", time=np.linspace(0, 5, 501))
    time = waveforms["time"].values
    after = time > 2.5
    back = (np.cos(2 * np.pi * frequency * time[after]) + 1) / (2 * np.pi * frequency)
    resistance = np.sqrt((100.0 + r) ** 2 + 2e4 * 15.9e3 * back) - r
    assert float(waveforms["x"].max()) == 1.0
    # rounding of x: next to the stop the state's resolution is that of its square root
    exact = np.clip((16e3 - resistance) / 15.9e3, 0, None)
    np.testing.assert_allclose(waveforms["x"].values[after, 0, 0], exact, atol=1e-6)


@pytest.mark.parametrize("ohm", [500.0, 1000.0, 3000.0])
def test_instants_beside_a_stop_are_solved_to_rounding(ohm):
    """Of those that are solved together some lie before the stop, where the cell conducts otherwise, and some at it."""
    bench = wired_bench((1, 1), {"model": "linear_drift", "preset": "hp"}, sine(1.0, 0.2), source_resistance=ohm)
    run = simulate(bench, "reference", time=np.linspace(0, 5, 101))
    assert run.attrs["largest_residual"] < 1e-10


@pytest.mark.parametrize("parasitic", PARASITICS)
def test_vanishing_resistances_give_what_ideal_wires_do(parasitic):
    wired, ideal = (simulate(wired_bench(**resistances), "reference") for resistances in ({parasitic: 1e-9}, {}))
    np.testing.assert_allclose(wired["x"], ideal["x"], atol=1e-7)
    np.testing.assert_allclose(wired["i_column"], ideal["i_column"], atol=1e-7 * float(abs(ideal["i_column"]).max()))


@pytest.mark.parametrize("low", [0.0, 0.2])
@pytest.mark.parametrize("tolerance", [1e-6, 1e-12])
def test_a_solution_that_is_exact_at_once_is_taken(low, tolerance):
    """A row of ohmic cells: after the first correction all that changes is rounding, which does not get less."""
    bench = wired_bench(
        (2, 1), {"model": "resistor", "parameters": {"Ron": 1e3, "Roff": 1e5}},
        {"kind": "pulse", "low": low, "high": 0.2, "rise": 2e-5, "fall": 3e-5, "width": 2e-4, "period": 1e-3},
        {"reference_tolerance": tolerance}, sense_resistance=100.0,
    )  # fmt: skip
    found = simulate(bench, "reference")
    together = (1e-5 + (1e-3 - 1e-5) * bench.crossbar.state).sum()
    wanted = found["v_row"][:, 0] / (100.0 + 1 / together)
    np.testing.assert_allclose(found["i_column"][:, 0], wanted, rtol=1e-9, atol=1e-16)
    assert found.attrs["rejected_steps"] == 0


@pytest.mark.parametrize("ohm", [200.0, 230.0])
def test_a_linearization_that_no_longer_serves_is_made_anew_however_small_changes_are(ohm):
    """A cell that switches behind a resistance: by the step before's linearization changes of 1e-13 V grow."""
    found = simulate(
        Testbench.from_dict(
            {
                "device": {"model": "vteam"},
                "crossbar": {"state": [[0.675]], "source_resistance": ohm},
                "drive": {"kind": "samples", "time": [0, 2e-4, 4e-4], "voltages": [[0.33, -0.67, 0.49]]},
                "analysis": {"probe": "cells"},
            }
        ),
        "reference",
    )
    x, v, volts = (found[name].values.ravel() for name in ("x", "v_cell", "v_row"))
    device = make_device("vteam")
    np.testing.assert_allclose(v + ohm * device.current(v, device.state_from_x(x)), volts, rtol=0, atol=1e-6)
    assert np.ptp(x) > 0.3


def test_cells_that_hold_their_states_are_a_static_network():
    """At every instant the answer is that of ohmic cells."""
    still = {"model": "linear_drift", "preset": "hp", "parameters": {"mobility": 1e-30}}
    bench = wired_bench((4, 3), still, sine(1.0, [1, 2, 3, 4]), **OHMS)
    waveforms = simulate(bench, "reference")
    g = 1 / (16e3 - 15.9e3 * bench.crossbar.state)
    expected = static(g, waveforms["v_row"].values, **OHMS)
    for name in ("i_column", "i_row", "v_row_node", "v_column_node", "v_cell"):
        np.testing.assert_allclose(waveforms[name], getattr(expected, name), atol=1e-11)


def follow(tolerance, model, preset, shape=(4, 4), amplitude=0.45, frequency=100.0, ohm=20.0):
    state = np.random.default_rng(1).uniform(0.1, 0.6, shape)
    bench = Testbench.from_dict(
        {
            "device": {"model": model, "preset": preset},
            "crossbar": {"state": state, "wire_row": ohm, "wire_column": ohm},
            "drive": sine(amplitude, frequency),
        }
    )
    run = run_coupled(bench, np.linspace(0, 1 / frequency, 41), tolerance=tolerance)
    return bench.device.build().x_from_state(run.states), run.error


@pytest.mark.parametrize(
    ("model", "preset", "amplitude", "frequency"),
    [("yakopcic", "oblea", 0.45, 100.0), ("linear_drift", "hp", 1.0, 2.0), ("vteam", "kvatinsky", 1.0, 2e6)],
)
def test_the_error_is_estimated_honestly_and_follows_the_tolerance(model, preset, amplitude, frequency):
    exact, _ = follow(1e-9, model, preset, amplitude=amplitude, frequency=frequency)
    errors = []
    for tolerance in (1e-5, 1e-7):
        x, estimate = follow(tolerance, model, preset, amplitude=amplitude, frequency=frequency)
        errors.append(np.abs(x - exact).max())
        assert errors[-1] < 2 * estimate
        assert estimate < 300 * tolerance
    assert errors[1] < 0.1 * errors[0]


def test_the_error_of_currents_counts_inside_steps_too():
    """Where states tend to their bounds it dies out before the end of a step, of which 1e-11 is left."""
    bench = Testbench.from_dict(random_bench(146))
    run = simulate(bench, "reference")
    exact = simulate(bench, "reference", time=run["time"].values, tolerance=1e-10)["i_column"]
    off = float((abs(run["i_column"] - exact).max("time") / abs(exact).max("time")).max())
    assert off < run.attrs["current_error"] < 1e-4


def test_the_error_falls_with_the_tolerance():
    exact, _ = follow(1e-9, "yakopcic", "oblea", shape=(3, 2))
    tolerances = 10.0 ** np.arange(-4, -7.5, -0.5)
    errors = [np.abs(follow(tolerance, "yakopcic", "oblea", shape=(3, 2))[0] - exact).max() for tolerance in tolerances]
    slope = np.polyfit(np.log(tolerances), np.log(errors), 1)[0]
    # a step's error is what is allowed; how many steps there are grows slowly
    assert 0.7 < slope < 1.3
    assert (errors < tolerances).all()


def pershin_di_ventra(shape, phases, **resistances):
    """Devices that switch abruptly between hard stops."""
    drive = {"kind": "sine", "amplitude": 6.0, "frequency": 5e7, "phase": phases}
    return wired_bench(shape, {"model": "pershin_di_ventra", "preset": "biolek"}, drive, **resistances)


@st.composite
def wired_benches(draw):
    """Small crossbars with some parasitics, each alone too, drives and devices of all kinds."""
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    alone = draw(st.sampled_from([*PARASITICS, None]))
    names = PARASITICS if alone is None else (alone,)
    share = {name: draw(st.floats(1e-3, 0.2)) for name in names}
    model, preset, amplitude, frequency, ohm = draw(
        st.sampled_from([
            ("yakopcic", "oblea", 0.45, 100, 1e2), ("yakopcic", "miao", 1.25, 1, 1e2),
            ("linear_drift", "biolek", 1.0, 2, 1e3), ("linear_drift", "hp", 1.0, 4, 1e3),
            ("vteam", "kvatinsky", 1.0, 2e6, 50.0), ("pershin_di_ventra", "biolek", 6.0, 5e7, 1e3),
        ])
    )  # fmt: skip
    phases = draw(st.lists(st.floats(0, 2 * np.pi, allow_subnormal=False), min_size=shape[0], max_size=shape[0]))
    drive = {"kind": "sine", "amplitude": amplitude, "frequency": frequency, "phase": phases}
    resistances = {name: ohm * value for name, value in share.items()}
    return wired_bench(shape, {"model": model, "preset": preset}, drive, **resistances)


@pytest.mark.filterwarnings("ignore::spicecim.errors.CurrentWarning")
@pytest.mark.slow
@settings(deadline=None, max_examples=12, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(wired_benches())
@example(pershin_di_ventra((2, 2), [3.0, 2.0], source_resistance=198.61030224764403))
@example(pershin_di_ventra((1, 2), [0.0], sense_resistance=13.307540139340983))
@example(Testbench.from_dict({
    "device": {"model": "pershin_di_ventra"},
    "crossbar": {
        "source_resistance": 77.14044949285567,
        "state": [
            [0.14282458, 0.21840525, 0.50063723, 0.39108102], [0.14706432, 0.31656347, 0.33952565, 0.17986946],
            [0.46728858, 0.15683601, 0.2956141, 0.3583700],
        ],
    },
    "drive": {"kind": "sine", "amplitude": 6, "frequency": 5e7, "phase": [5.93609969, 1.70173857, 1e-15]},
    "analysis": {"probe": "cells"},
}))  # fmt: skip
def test_the_stated_error_bounds_the_true_one(bench):
    waveforms = simulate(bench, "reference", time=np.linspace(0, bench.duration, 41))
    model = bench.device.build()
    exact = run_coupled(bench, waveforms["time"].values, tolerance=3e-8)
    error = np.abs(model.x_from_state(exact.states) - waveforms["x"].values).max()
    assert error <= waveforms.attrs["state_error"] + exact.error


def test_waveforms_are_handed_on_in_blocks(monkeypatch):
    bench, instants = wired_bench((3, 4), wire_row=20.0, sense_resistance=50.0), np.linspace(0, 0.01, 500)
    whole = run_coupled(bench, instants)
    monkeypatch.setattr(dense_output, "_BLOCK", 12 * 7)
    parts = run_coupled(bench, instants)
    assert [block.start for block in parts.blocks] == [0, *(block.stop for block in parts.blocks[:-1])]
    assert max(block.stop - block.start for block in parts.blocks) == 7
    np.testing.assert_allclose(parts.states, whole.states, atol=1e-12)
    np.testing.assert_allclose(parts.i_cell, whole.i_cell, atol=1e-12)
    np.testing.assert_allclose(parts.i_row, whole.i_row, atol=1e-12)
    np.testing.assert_allclose(parts.i_column, whole.i_column, atol=1e-12)
    assert parts.error == pytest.approx(whole.error, rel=1e-3)


def test_instants_do_not_change_the_answer():
    bench = wired_bench(**OHMS)
    coarse = simulate(bench, "reference", time=[0.0, 0.0031, 0.01])
    fine = simulate(bench, "reference", time=np.union1d(np.linspace(0, 0.01, 377), [0.0031]))
    np.testing.assert_allclose(coarse["x"], fine["x"].sel(time=coarse["time"]), atol=1e-12)


def test_currents_and_node_voltages_are_those_of_one_circuit():
    waveforms = simulate(wired_bench((4, 3), **TOGETHER), "reference")
    np.testing.assert_allclose(waveforms["i_row"], waveforms["i_cell"].sum("column"), rtol=1e-13)
    np.testing.assert_allclose(waveforms["i_column"], waveforms["i_cell"].sum("row"), rtol=1e-12, atol=1e-18)
    first = waveforms["v_row"] - (TOGETHER["source_resistance"] + TOGETHER["wire_row"]) * waveforms["i_row"]
    np.testing.assert_allclose(waveforms["v_row_node"].isel(column=0), first, atol=1e-14)
    last = (TOGETHER["sense_resistance"] + TOGETHER["wire_column"]) * waveforms["i_column"]
    np.testing.assert_allclose(waveforms["v_column_node"].isel(row=-1), last, atol=1e-14)


def test_how_the_network_was_solved_is_stated_and_kept(tmp_path):
    waveforms = simulate(wired_bench(**OHMS), "reference")
    assert 0 < waveforms.attrs["state_error"] < 1e-5
    assert waveforms.attrs["steps"] > 8
    assert 0 < waveforms.attrs["largest_residual"] < 1e-10
    kept = load_waveforms(save_waveforms(waveforms, tmp_path / "run.nc"))
    for name in ("steps", "rejected_steps", "factorizations", "largest_residual", "state_error"):
        assert kept.attrs[name] == waveforms.attrs[name]


def test_without_cells_probed_the_columns_are_the_same():
    cells, columns = (
        simulate(wired_bench(analysis={"probe": probe}, **OHMS), "reference") for probe in ("cells", "columns")
    )
    np.testing.assert_array_equal(cells["i_column"], columns["i_column"])
    assert "v_row_node" not in columns


def test_a_drive_of_zero_moves_nothing():
    waveforms = simulate(wired_bench(drive=sine(0.0, 100), **OHMS), "reference")
    assert not waveforms["i_column"].values.any()
    np.testing.assert_array_equal(waveforms["x"][-1], waveforms["x"][0])


def test_resistances_too_far_apart_are_an_error_not_a_result():
    drive = {"kind": "samples", "time": [0, 1e-3], "voltages": [[0.4, 0.4]] * 8}
    bench = wired_bench((8, 8), drive=drive, wire_row=1e-12, wire_column=1e-12, source_resistance=1e9)
    with pytest.raises(ConvergenceError):
        simulate(bench, "reference")


@pytest.mark.parametrize("phase", [0.0, np.pi / 2])
def test_voltages_beyond_a_device_s_equations_are_refused(phase):
    drive = {**sine(1e5, 100), "phase": phase}
    with pytest.raises((InputError, SimulationError), match=r"drive|no solution"):
        simulate(wired_bench((1, 1), drive=drive, **OHMS), "reference")


def test_an_error_that_grows_by_feedback_is_stated():
    """Behind a resistance a cell that opens takes more of the voltage, and opens faster."""
    device = {"model": "vteam", "preset": "kvatinsky"}
    bench = wired_bench((3, 3), device, sine(1.0, 2e6), wire_row=5.0, source_resistance=500.0)
    waveforms = simulate(bench, "reference")
    model = bench.device.build()
    exact = run_coupled(bench, waveforms["time"].values, tolerance=1e-9)
    error = np.abs(model.x_from_state(exact.states) - waveforms["x"].values).max()
    assert error < waveforms.attrs["state_error"] < 1e-4


@settings(deadline=None)
@given(degree=st.integers(2, 6), between=st.booleans(), seed=st.integers(0, 2**32 - 1))
def test_polynomials_are_interpolated_and_integrated_exactly(degree, between, seed):
    rule = lobatto(degree).finer if between else lobatto(degree)
    polynomial = np.polynomial.Polynomial(np.random.default_rng(seed).normal(size=len(rule.places)))
    places = np.linspace(0, 1, 9)
    np.testing.assert_allclose(rule.values(places) @ polynomial(rule.places), polynomial(places), atol=1e-11)
    exact = polynomial.integ()(places)
    np.testing.assert_allclose(rule.integrals(places) @ polynomial(rule.places), exact, atol=1e-11)


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_states_follow_a_voltage_across_its_thresholds(seed):
    """While x is below its kink and rises, x is the integral of the voltage factor, kinks and all."""
    device, rule = make_device("yakopcic", "oblea"), lobatto(4)
    random = np.random.default_rng(seed)
    ends = random.uniform(0.05, 0.15, 20), random.uniform(0.17, 0.45, 20)
    v = ends[0] + (ends[1] - ends[0]) * rule.places[:, None]
    states = FlowMotion(device, 20).states(rule, v, 1e-5, np.full(20, 0.1), np.array([0.5, 1.0]))
    # of a ramp the integral of exp(v) - exp(Vp) beyond Vp has a closed form
    top = np.stack([0.5 * (ends[0] + ends[1]), ends[1]])
    beyond = np.maximum(top, 0.16)
    integral = np.exp(beyond) - np.exp(0.16) - np.exp(0.16) * (beyond - 0.16)
    np.testing.assert_allclose(states, 0.1 + 4000 * 1e-5 / (ends[1] - ends[0]) * integral, atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_cells_with_parameters_of_their_own_move_as_each_alone(seed):
    random = np.random.default_rng(seed)
    own = {"Vp": random.uniform(0.1, 0.2, (2, 3)), "Vn": random.uniform(0.1, 0.2, (2, 3))}
    own |= {"Ap": random.uniform(3e3, 5e3, (2, 3)), "a1": random.uniform(0.1, 0.2, (2, 3))}
    own["Vp"][0, 1] = own["Vn"][1, 2] = 0.0  # no level beside zero
    device, rule = make_cells("yakopcic", "oblea", own), lobatto(4).finer
    v, start = random.uniform(-0.45, 0.45, (5, 6)), random.uniform(0.1, 0.9, 6)
    given = lobatto(4).values(rule.places) @ v, 1e-3
    places = np.array([0.3, 1.0])
    together = FlowMotion(device.of_cells(np.arange(6)), 6).states(rule, *given, start, places)
    for cell in range(6):
        one = slice(cell, cell + 1)
        alone = FlowMotion(device.of_cell(cell), 1).states(rule, given[0][:, one], given[1], start[one], places)
        np.testing.assert_allclose(together[:, one], alone, rtol=1e-12)


def test_wires_around_cells_with_parameters_of_their_own_cost_no_further_steps():
    own = {"Vp": [[0.15, 0.16, 0.17], [0.18, 0.16, 0.155]]}
    alike, differing = (
        simulate(wired_bench((2, 3), {**OBLEA, "parameters": values}, wire_row=20.0, wire_column=20.0), "reference")
        for values in ({"Vp": 0.16}, own)
    )
    assert differing.attrs["steps"] <= 1.5 * alike.attrs["steps"]


SWITCHING = {
    "device": {"model": "stanford_pku", "preset": "hfox"},
    "crossbar": {"state": [[0.65, 0.04], [0.37, 0.28]], "wire_row": 0.15, "sense_resistance": 0.064},
    "drive": {"kind": "sine", "amplitude": [1.08, 1.44], "frequency": 226e3, "phase": [-6.0, -3.5]},
    "analysis": {"probe": "cells"},
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::spicecim.errors.CurrentWarning")
def test_the_stated_errors_cover_a_switching_edge(monkeypatch):
    """A filament forms within a millionth of a period; both errors count what the tolerance makes of that."""
    bench = Testbench.from_dict(SWITCHING)
    coarse = simulate(bench, "reference")
    with monkeypatch.context() as patch:
        patch.setattr("spicecim.reference.engine.TOLERANCE", TOLERANCE / 100)
        fine = simulate(bench, "reference")
    off = np.abs(coarse["i_column"] - fine["i_column"]).max("time") / np.abs(fine["i_column"]).max("time")
    assert float(off.max()) <= 3.0 * coarse.attrs["current_error"]
    assert float(np.abs(coarse["x"] - fine["x"]).max()) <= 3.0 * coarse.attrs["state_error"]
    assert max(coarse.attrs["current_error"], coarse.attrs["state_error"]) <= bench.analysis.accuracy


def test_a_run_that_misses_the_accuracy_is_made_again_tighter():
    loose, tight = (
        simulate(wired_bench(analysis={"accuracy": accuracy}, **OHMS), "reference") for accuracy in (1e-3, 1e-7)
    )
    assert 1e-7 < loose.attrs["state_error"] < 1e-3
    assert max(tight.attrs["state_error"], tight.attrs["current_error"]) <= 1e-7


def test_a_single_cell_behind_wires():
    """Of a crossbar of one cell, the current is the voltage over all resistances in the loop."""
    bench = sc.Testbench(
        device={"model": "resistor", "parameters": {"Ron": [[1e3]], "Roff": 1e6}},
        crossbar={"state": [[1.0]], "wire_row": 50.0, "wire_column": 70.0},
        drive={"kind": "sine", "amplitude": 0.3, "frequency": 100},
    )
    run = sc.simulate(bench, "reference")
    np.testing.assert_allclose(run.i_column[:, 0], run.v_row[:, 0] / 1120.0, rtol=1e-6, atol=1e-12)
