"""Cells of a transistor and a memristor: closed forms, scipy, derivatives by differences, ngspice, and operations."""

import itertools
import warnings

import numpy as np
import pytest
import yaml
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from spicecim.devices import make_device
from spicecim.devices.transistor import PRESETS, VOLT_PER_KELVIN, Transistor, TransistorCells, transistor_values
from spicecim.engines import simulate
from spicecim.errors import ConvergenceError, InputError, ModelError, TestbenchError
from spicecim.measure import energy_balance
from spicecim.ngspice.engine import render_netlist
from spicecim.operations import Operation, Pulses, program, run_sequence
from spicecim.operations.gated import gated_levels
from spicecim.plotting import plot_column_currents
from spicecim.reference.operating_point import operating_point
from spicecim.testbench import Testbench
from spicecim.variation.distributions import lognormal, normal
from spicecim.variation.vary import vary
from spicecim.waveforms import load_waveforms, save_waveforms

LONG = {"W": 2e-6, "L": 1e-6, "KP": 3e-4, "VT0": 0.4, "n": 1.3}
WIDE = {"preset": "generic_130nm", "parameters": {"W": "10um"}}
SINE = {"kind": "sine", "amplitude": 0.4, "frequency": 100}
GATE = {"kind": "pulse", "low": 0.3, "high": 1.2, "delay": 1e-3, "rise": 1e-3, "fall": 1e-3, "width": 3e-3}
GATE |= {"period": 1e-2}
WIRES = {"wire_row": 2.0, "wire_column": 3.0, "source_resistance": 100.0, "sense_resistance": 50.0}


def values_of(shape=(2, 3), gates="rows", source_line="rows", transistor=WIDE, device="yakopcic", gate=GATE, **more):
    crossbar = {"state": np.random.default_rng(5).uniform(0.1, 0.7, shape).tolist()} | more.pop("crossbar", {})
    analysis = {"probe": "cells", "periods": 0.6, "points_per_period": 40} | more.pop("analysis", {})
    return {
        "device": {"model": device} if isinstance(device, str) else device,
        "crossbar": crossbar,
        "drive": SINE,
        "cell": {"kind": "1t1r", "gates": gates, "source_line": source_line, "transistor": transistor},
        "word_lines": {"drive": gate},
        "analysis": analysis,
        **more,
    }


def bench_of(*args, **more):
    return Testbench.from_dict(values_of(*args, **more))


def test_the_transistor_has_the_closed_forms_of_its_regions():
    transistor = Transistor(**LONG)
    beta, thermal = LONG["KP"] * LONG["W"] / LONG["L"], VOLT_PER_KELVIN * 300.15
    # the triode region near 0 V, saturation, and weak inversion by e per n U
    triode = transistor.current(1e-6, 1.4, 0.0) / 1e-6
    assert triode == pytest.approx(beta * 1.0, rel=1e-5)
    assert transistor.current(3.0, 1.4, 0.0) == pytest.approx(beta / 2.6, rel=1e-5)
    weak = [transistor.current(1.0, vg, 0.0) for vg in (-0.2, -0.2 + 1.3 * thermal)]
    assert weak[1] / weak[0] == pytest.approx(np.e, rel=1e-3)
    # symmetric: source and drain change places
    assert transistor.current(0.3, 1.0, 0.1) == -transistor.current(0.1, 1.0, 0.3)


@pytest.mark.parametrize(
    ("name", "volts", "per_micrometer"), [("generic_130nm", 1.2, 0.6), ("generic_45nm", 1.0, 0.975)]
)
def test_the_presets_have_the_on_currents_that_they_state(name, volts, per_micrometer):
    transistor = Transistor(**PRESETS[name][0])
    current = float(transistor.current(volts, volts, 0.0))
    assert current / transistor.W * 1e-3 == pytest.approx(per_micrometer, rel=0.01)


def test_the_derivatives_are_those_of_the_current():
    random = np.random.default_rng(1)
    vd, vg, vs = random.uniform(-0.5, 2.0, (3, 200))
    values = transistor_values("generic_45nm", {"W": random.uniform(1e-7, 1e-6, 200)})
    cells, whole = TransistorCells(values), Transistor.model_construct(**values)
    current, by_drain, by_source = cells.slopes(vd, vg, vs)
    np.testing.assert_allclose(current, whole.current(vd, vg, vs), rtol=1e-12)
    step, scale = 1e-5, np.abs(by_drain).max()
    for found, low, high in (
        (by_drain, (vd - step, vg, vs), (vd + step, vg, vs)),
        (by_source, (vd, vg, vs - step), (vd, vg, vs + step)),
    ):
        by_difference = (whole.current(*high) - whole.current(*low)) / (2 * step)
        np.testing.assert_allclose(found, by_difference, rtol=1e-6, atol=1e-8 * scale)


@pytest.mark.parametrize("source_line", ["rows", "columns"])
@pytest.mark.parametrize("device", ["yakopcic", "yakopcic_with_exponential", "jart_vcm"])
def test_the_cell_is_differentiated_exactly(source_line, device):
    bench = bench_of(source_line=source_line, device=device)
    cell, random = bench.build_cells().cell(), np.random.default_rng(2)
    count = bench.crossbar.state.size
    time, v = random.uniform(0.0, 6e-3, count), random.uniform(0.0, 0.6, (count, 2))
    states = bench.device.build().state_from_x(random.uniform(0.2, 0.8, count))
    y = cell.start(v, states)
    if (
        device == "jart_vcm"
    ):  # below 0 V its current begins as a root of the voltage, which no difference resolves there
        y[:, 1] = v[:, int(source_line == "rows")] + random.choice([-0.2, 0.2], count)
    terms, slopes = cell.terms(time, v, y), cell.linear(time, v, y)
    np.testing.assert_array_equal(terms.flow_jacobian, slopes.flow_y)

    def moved(by_v, place, step):
        change = np.zeros(2 if by_v else cell.unknowns)
        change[place] = step
        return cell.terms(time, *((v + change, y) if by_v else (v, y + change)))

    for by_v, place in [(True, 0), (True, 1), *((False, place) for place in range(cell.unknowns))]:
        step = 1e-6 if by_v else 1e-6 * cell.scale[place]
        up, down = (moved(by_v, place, sign * step) for sign in (1.0, -1.0))
        for name, exact in (
            ("flow", slopes.flow_v if by_v else slopes.flow_y),
            ("current", slopes.current_v if by_v else slopes.current_y),
        ):
            difference = (getattr(up, name) - getattr(down, name)) / (2 * step)
            scale = np.abs(exact).max(axis=(0, 2)) + 1e-30
            np.testing.assert_allclose(difference / scale, exact[:, :, place] / scale, atol=2e-5)


@pytest.mark.parametrize("source_line", ["rows", "columns"])
def test_the_current_at_rest_is_the_solution_of_the_scalar_equation(source_line):
    bench = bench_of(source_line=source_line)
    found = operating_point(bench, [0.3, 0.2], [0.0, 0.1, 0.5], v_word=[1.1, 0.7])
    memristor, transistor = make_device("yakopcic"), Transistor(**bench.cell.transistor.values())
    for row, column in np.ndindex(2, 3):
        top, bottom = (0.3, 0.2)[row], (0.0, 0.1, 0.5)[column]
        gate, state = (1.1, 0.7)[row], bench.crossbar.state[row, column]

        def through(u, top=top, bottom=bottom, gate=gate, state=state):
            if source_line == "rows":
                return float(memristor.current(u - bottom, state)), float(transistor.current(top, gate, u))
            return float(memristor.current(top - u, state)), float(transistor.current(u, gate, bottom))

        u = brentq(lambda u, through=through: np.subtract(*through(u)), min(top, bottom), max(top, bottom), xtol=1e-15)
        assert float(found.i_cell[row, column]) == pytest.approx(through(u)[0], rel=1e-10, abs=1e-18)


ON_AND_OFF = {
    "device": {"model": "resistor", "parameters": {"Ron": 1e3, "Roff": 1e5}},
    "crossbar": {"state": [[0.27, 0.76, 0.22], [0.21, 0.65, 0.77], [0.87, 0.76, 0.37], [0.7, 0.76, 0.85]]},
    "drive": {"kind": "samples", "time": [0, 1e-6], "voltages": [[0.62] * 2, [0.3] * 2, [0.65] * 2, [0.36] * 2]},
    "columns": {"floating": [1, 2]},
    "cell": {
        "kind": "1t1r", "gates": "columns", "transistor": {"preset": "generic_130nm", "parameters": {"W": "10um"}},
    },
    "word_lines": {"drive": {"kind": "samples", "time": [0, 1e-6], "voltages": [[0.39] * 2, [0.84] * 2, [0.08] * 2]}},
    "analysis": {"probe": "cells"},
}  # fmt: skip
"""Columns float, the cells of one of which are off."""


@pytest.mark.parametrize("source_line", ["rows", "columns"])
def test_lines_float_among_transistors_that_are_on_and_off(source_line):
    """Each column has its gate: its cells' currents cancel at a potential that the scalar equations give."""
    bench = Testbench.from_dict({**ON_AND_OFF, "cell": {**ON_AND_OFF["cell"], "source_line": source_line}})
    found = operating_point(bench)
    transistor = Transistor(**bench.cell.transistor.values())
    g = 1e-5 + (1e-3 - 1e-5) * bench.crossbar.state

    def into_column(f, column):
        gate = (0.39, 0.84, 0.08)[column]

        def cell(v, g):
            if source_line == "rows":
                u = brentq(lambda u: transistor.current(v, gate, u) - g * (u - f), min(v, f), max(v, f), xtol=1e-17)
                return transistor.current(v, gate, u)
            u = brentq(lambda u: g * (v - u) - transistor.current(u, gate, f), min(v, f), max(v, f), xtol=1e-17)
            return transistor.current(u, gate, f)

        return sum(map(cell, (0.62, 0.3, 0.65, 0.36), g[:, column]))

    wanted = [brentq(into_column, 0.31, 0.64, args=(column,), xtol=1e-12) for column in (1, 2)]
    np.testing.assert_allclose(found.v_column[1:], wanted, rtol=0, atol=1e-6)


@pytest.mark.ngspice
@pytest.mark.compiler
def test_states_that_ngspice_does_not_start_from_are_an_error():
    """Its last resort for a steady state is to let the circuit move, and the states of fast cells with it."""
    bench = Testbench.from_dict(
        {
            **ON_AND_OFF,
            "device": {"model": "linear_drift", "preset": "hp", "parameters": {"mobility": 1e-9}},
            "crossbar": {**ON_AND_OFF["crossbar"], "wire_column": 10, "wire_capacitance": 1.76e-12},
        }
    )
    try:
        found = simulate(bench, "ngspice", estimate=False)
    except ConvergenceError as error:
        said = str(error)
        assert "no steady state at time 0 with the states held: cell (3, 0) starts at x = 0." in said
    else:
        np.testing.assert_allclose(found.x[0], bench.crossbar.state, rtol=0, atol=1e-6)


def test_word_lines_need_cells_with_gates():
    found = operating_point(bench_of(), [0.3, 0.2])
    off = operating_point(bench_of(), [0.3, 0.2], v_word=0.0)
    assert np.abs(off.i_cell).max() < 1e-3 * np.abs(found.i_cell).max()
    grounded = bench_of().with_sections(word_lines={"grounded": [1], "drive": bench_of().word_lines.drive})
    np.testing.assert_array_equal(operating_point(grounded, [0.3, 0.2], v_word=1.2).i_row[1], off.i_row[1])
    with pytest.raises(InputError, match=r"v_word: .* of 2 word lines, the same for all inputs; .* \(1, 2\)"):
        operating_point(bench_of(), [[0.3, 0.2]], v_word=[[1.2, 1.2]])
    values = values_of()
    del values["cell"], values["word_lines"]
    with pytest.raises(InputError, match="v_word: the cells have no gates"):
        operating_point(Testbench.from_dict(values), [0.3, 0.2], v_word=0.0)


def agree(bench):
    """Largest difference of currents and of x between the engines, and the worst energy balance."""
    ngspice = simulate(bench, engine="ngspice")
    reference = simulate(bench, engine="reference", time=ngspice.time.values)
    largest = float(np.abs(reference.i_column).max())
    off = max(float(np.abs(reference[name] - ngspice[name]).max()) / largest for name in ("i_row", "i_column"))
    energy = max(abs(energy_balance(run).error) for run in (ngspice, reference))
    return off, float(np.abs(reference.x - ngspice.x).max()), energy, reference


@pytest.mark.ngspice
def test_the_engines_agree_behind_wires():
    currents, states, energy, run = agree(bench_of(crossbar=WIRES, analysis={"points_per_period": 60, "periods": 0.25}))
    assert currents < 1e-4
    assert states < 1e-4
    assert energy < 1e-6
    assert float(np.abs(run.x.isel(time=-1) - run.x.isel(time=0)).max()) > 1e-2


def test_every_cell_has_the_current_of_its_own_parameters():
    """At rest, of memristors and transistors that differ from cell to cell."""
    gain, width = np.array([[0.1, 0.2], [0.3, 0.15]]), np.array([[5e-6, 1e-5], [2e-5, 8e-6]])

    def cells(gain, width):
        transistor = {"preset": "generic_130nm", "parameters": {"W": width}}
        device = {"model": "yakopcic", "preset": "oblea", "parameters": {"a1": gain}}
        return operating_point(bench_of((2, 2), device=device, transistor=transistor), [0.3, 0.2]).i_cell.values

    found = cells(gain, width)
    for row, column in np.ndindex(2, 2):
        alone = cells(gain[row, column], width[row, column])[row, column]
        assert found[row, column] == pytest.approx(alone, rel=1e-9)
    assert len(np.unique(found.round(12))) == 4


@pytest.mark.slow
def test_the_engines_agree_on_drawn_transistors_and_memristors():
    bench = bench_of(crossbar=WIRES, analysis={"points_per_period": 60, "periods": 0.25})
    spread = {"transistor_VT0": lognormal(0.2), "transistor_W": normal("10 %"), "Vp": lognormal(0.1)}
    drawn = vary(bench, spread, seed=3)
    arrays = drawn.cell.transistor.arrays()
    assert sorted(arrays) == ["VT0", "W"]
    assert list(drawn.device.arrays()) == ["Vp"]
    assert len(np.unique(arrays["VT0"])) == 6
    # what is drawn for one does not depend on the others, and stands in the saved testbench
    alone = vary(bench, {"transistor_W": normal("10 %")}, seed=3)
    np.testing.assert_array_equal(alone.cell.transistor.arrays()["W"], arrays["W"])
    assert Testbench.from_dict(drawn.to_dict()).digest() == drawn.digest()
    currents, states, energy, run = agree(drawn)
    assert currents < 1e-4
    assert states < 1e-4
    assert energy < 1e-6
    same = simulate(bench, engine="reference", time=run.time.values)
    assert float(np.abs(run.i_column - same.i_column).max()) > 0.01 * float(np.abs(same.i_column).max())


def test_what_is_no_parameter_of_a_transistor_is_named():
    bench = bench_of()
    for name, problem in (
        ("VT0", "no value of 'VT0'; known are transistor_W"),
        ("transistor_X", "no value of 'transistor_X'"),
    ):
        with pytest.raises(InputError, match=problem):
            vary(bench, {name: normal(0.1)}, seed=1)
    with pytest.raises(TestbenchError, match=r"cell\.transistor\.parameters.*n: "):
        vary(bench, {"transistor_n": normal(0.9)}, seed=1)
    with pytest.raises(InputError, match="no value of 'transistor_T'"):
        vary(
            bench_of(device={"model": "stanford_pku"}, analysis={"temperature": 320}),
            {"transistor_T": normal(0.01)},
            seed=1,
        )
    tilted = vary(bench, {}, seed=1, gradients={"transistor_VT0": (0.1, 0)}).cell.transistor.arrays()["VT0"]
    np.testing.assert_allclose(tilted[1] / tilted[0], 1.05 / 0.95)


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [
        {"gates": "columns", "source_line": "columns", "crossbar": WIRES | {"wire_capacitance": 1e-9}},
        {"gates": "columns", "transistor": {"parameters": {**LONG, "W": [[1e-5, 2e-5, 3e-5], [4e-5, 5e-5, 1e-5]]}}},
        {"columns": {"drive": {**SINE, "phase": 1.0}, "floating": [1]}, "crossbar": WIRES},
    ],
)
def test_the_engines_agree_for_every_way_to_lay_lines(more):
    currents, states, energy, _ = agree(bench_of(analysis={"points_per_period": 200, "periods": 0.3}, **more))
    assert currents < 1e-4
    assert states < 1e-4
    if "wire_capacitance" not in more.get("crossbar", {}):
        assert energy < 1e-6


@pytest.mark.slow
def test_a_cell_follows_an_independent_integration():
    bench = bench_of(shape=(1, 1), analysis={"accuracy": 1e-6})
    run = simulate(bench, engine="reference")
    memristor, transistor = make_device("yakopcic"), Transistor(**bench.cell.transistor.values())

    def inner(time, state):
        top, gate = float(bench.drive.voltage([time])[0, 0]), float(bench.word_lines.voltage([time])[0, 0])
        low, high = min(top, 0.0), max(top, 0.0)

        def missed(u):
            return float(memristor.current(u, state)) - float(transistor.current(top, gate, u))

        return brentq(missed, low, high, xtol=1e-14) if low < high else 0.0

    corners = [0.0, 1e-3, 2e-3, 5e-3, 6e-3]
    state = np.array([bench.crossbar.state[0, 0]])
    for begin, end in itertools.pairwise(corners):
        solved = solve_ivp(
            lambda t, s: np.ravel(memristor.rate(inner(t, s[0]), s[0])), (begin, end), state, "LSODA", rtol=1e-10,
            atol=1e-12,
        )  # fmt: skip
        state = solved.y[:, -1]
        assert float(run.x.interp(time=end)[0, 0]) == pytest.approx(state[0], abs=1e-6)
    assert abs(state[0] - bench.crossbar.state[0, 0]) > 1e-2


def test_a_floating_line_keeps_its_charge_once_the_transistor_is_off():
    """All that flows is what 1 fF takes; what steps are judged by must not be the rounding of the conductances."""
    ohm, farad, hertz, duration = 1e4, 1e-15, 100.0, 0.014
    bench = Testbench(
        device={"model": "resistor", "parameters": {"Ron": ohm, "Roff": 1e6}},
        crossbar={"state": [[1.0]], "wire_row": 2, "wire_column": 2, "wire_capacitance": farad},
        drive={"kind": "sine", "amplitude": 0.3, "frequency": hertz},
        columns={"floating": [0]},
        cell={"kind": "1t1r", "gates": "columns"},
        word_lines={"drive": {"kind": "sine", "amplitude": 1.5, "frequency": hertz / 2}},
        analysis={"duration": duration},
    )
    transistor = Transistor(**bench.cell.transistor.values())

    def current(time, v):
        """Into the column at a potential v (V); the transistor is at the row."""
        row, gate = 0.3 * np.sin(2 * np.pi * hertz * time), 1.5 * np.sin(np.pi * hertz * time)
        low, high = min(row, v) - 1e-3, max(row, v) + 1e-3
        inner = brentq(
            lambda u: float(transistor.current(row, gate, u)) - (u - v) / ohm, low, high, xtol=1e-17, rtol=1e-15
        )
        return (inner - v) / ohm

    # until the gate closes, the line is at the row's potential less a drop of nanovolts
    begin = 0.0095
    start = 0.3 * np.sin(2 * np.pi * hertz * begin)
    exact = solve_ivp(
        lambda time, v: [current(time, v[0]) / farad], (begin, duration), [start], method="Radau", rtol=1e-8, atol=1e-10
    )
    run = simulate(bench, "reference", time=[begin, 0.0105, duration])
    kept = exact.y[0, -1]
    assert 0.05 < kept < 0.07
    assert run.v_column.values[0, 0] == pytest.approx(start, abs=1e-7)
    assert run.v_column.values[-1, 0] == pytest.approx(kept, abs=1e-6)


@pytest.mark.slow
@pytest.mark.ngspice
def test_the_engines_agree_on_the_charge_that_closed_transistors_keep():
    """Steps of ngspice have to see what charges the line: by the tolerances for currents of cells it was off by 3 %."""
    bench = bench_of(
        transistor={"preset": "generic_130nm"},
        crossbar={"wire_row": 2, "wire_column": 2, "wire_capacitance": 1e-15},
        columns={"floating": [1]},
        gates="columns",
        gate={"kind": "sine", "amplitude": 1.5, "frequency": 50},
        analysis={"periods": 1.8, "accuracy": 0.01},
    )
    spice = simulate(bench, "ngspice")
    fast = simulate(bench, "reference", time=spice.time.values)
    kept = fast.v_column.sel(time=slice(0.012, 0.017)).values[:, 1]
    assert np.ptp(kept) < 1e-4 * abs(kept).max()
    # of the drive's voltage, which moves the line by all of it in a period
    assert float(abs(spice.v_column - fast.v_column).max()) < 0.012 * SINE["amplitude"]


@pytest.mark.ngspice
@pytest.mark.parametrize(("gate", "warns"), [(0.0, True), (1.0, False)])
def test_a_line_that_ngspice_lets_move_before_time_0_is_told(gate, warns):
    """Behind closed transistors it found no steady state, and the line was at 25 mV, not at the rows' 450 mV."""
    pulse = {"kind": "pulse", "rise": 2e-5, "fall": 2e-5, "width": 2e-4, "period": 1e-3, "delay": 5e-5}
    bench = Testbench(
        device={"model": "linear_drift"},
        crossbar={"state": [[0.3, 0.6], [0.7, 0.5]], "wire_column": 10, "wire_capacitance": 1e-12},
        drive={**pulse, "low": 0.45, "high": [0.2, 0.5]},
        columns={"floating": [1]},
        cell={"kind": "1t1r", "gates": "rows", "source_line": "columns"},
        word_lines={"drive": {**pulse, "low": gate, "high": 1.2}},
        analysis={"points_per_period": 60},
    )
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        spice = simulate(bench, "ngspice", estimate=False)
    fast = simulate(bench, "reference", time=[0.0])
    assert any("no steady state at time 0" in str(warning.message) for warning in found) is warns
    plot_column_currents({"ngspice": spice})
    right = abs(float(spice.v_column[0, 1] - fast.v_column[0, 1])) < 1e-4
    assert right is not warns


@pytest.mark.slow
def test_a_module_takes_the_memristors_place(tmp_path):
    from spicecim.netlist.export import export_model

    (tmp_path / "y.va").write_text(export_model("yakopcic", "oblea"))
    module = {"verilog_a": str(tmp_path / "y.va"), "initial": [0.0, 1.0]}
    one, other = (simulate(bench_of(device=device), engine="reference") for device in ("yakopcic", module))
    assert float(np.abs(one.x - other.x).max()) < 1e-6
    assert float(np.abs(one.i_column - other.i_column).max()) < 1e-6 * float(np.abs(one.i_column).max())


@pytest.mark.ngspice
def test_a_memristor_alone_is_what_it_was():
    values = values_of()
    del values["cell"], values["word_lines"]
    plain = Testbench.from_dict(values)
    assert Testbench.from_dict(values | {"cell": {"kind": "1r"}}).digest() == plain.digest()
    assert "transistor" not in render_netlist(plain)


def test_a_testbench_and_its_waveforms_are_read_back(tmp_path):
    bench = bench_of(shape=(1, 2), analysis={"points_per_period": 8, "periods": 0.1})
    again = Testbench.from_dict(yaml.safe_load(bench.to_yaml()))
    assert again == bench
    assert again.digest() == bench.digest()
    save_waveforms(simulate(bench, engine="reference"), tmp_path / "run.nc")
    assert load_waveforms(tmp_path / "run.nc").sizes["column"] == 2


@pytest.mark.ngspice
def test_kinds_of_transistors_are_written_once():
    text = render_netlist(bench_of(transistor={"parameters": {**LONG, "W": [[1e-5, 2e-5, 1e-5]] * 2}}))
    assert text.count(".subckt ekv_transistor") == 2
    assert text.count("Xtransistor_") == 6


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cell": None}, "word_lines.*the cell has no gate"),
        ({"word_lines": None}, "word_lines.*must be given"),
        ({"word_lines": {"drive": GATE, "grounded": [2]}}, "names word line 2; there are word lines 0 to 1"),
        ({"word_lines": {"drive": GATE, "floating": [1]}}, "floating.*unknown key"),
        ({"cell": {"kind": "1s1r"}}, "cell.kind.*MODEL_with_SELECTOR"),
        ({"cell": {"kind": "1r", "gates": "rows"}}, "takes no further fields"),
        ({"cell": {"kind": "1t1r", "gates": "diagonal"}}, "cell.gates"),
        ({"cell": {"kind": "1t1r", "transistor": {"preset": "generic_130"}}}, "did you mean 'generic_130nm'"),
        ({"cell": {"kind": "1t1r", "transistor": {"parameters": {"W": 1e-6}}}}, "L.*is required"),
        ({"cell": {"kind": "1t1r", "transistor": {"preset": "generic_45nm", "parameters": {"n": 0.5}}}}, "parameters"),
        (
            {"cell": {"kind": "1t1r", "transistor": {"preset": "generic_45nm", "parameters": {"W": [[1e-6]]}}}},
            "has 1 x 1 values for 2 x 3 cells",
        ),
        ({"word_lines": {"drive": {"kind": "sine", "amplitude": [1, 2, 3], "frequency": 10}}}, "word_lines.drive"),
    ],
)
def test_bad_input_is_named(changes, message):
    with pytest.raises(TestbenchError, match=message):
        Testbench.from_dict(values_of() | changes)


def test_an_array_of_parameters_keeps_its_bounds():
    with pytest.raises(ModelError, match="n"):
        transistor_values("generic_45nm", {"n": np.array([1.5, 20.0])})


def test_levels_leave_unselected_cells_without_voltage():
    whole, own = np.array([0.0, 1.0, 1.0, 0.0]), np.array([[0.0, 1.0, 1.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
    for gates in ("rows", "columns"):
        cell = bench_of(gates=gates).cell
        for sign in (1.0, -1.0):
            at = gated_levels(cell, (2, 3), ((1,), (0, 2)), sign * np.array([0.4, 0.4]), 1.2, whole, own)
            across = at.rows[:, None] - at.columns[None]
            on = np.repeat(at.word_lines[:, None], 3, axis=1) if gates == "rows" else np.stack([at.word_lines] * 2)
            np.testing.assert_allclose(across[1, 0], sign * 0.4 * whole, atol=1e-15)
            assert all(part.min() > -1e-15 for part in at)
            unselected = np.ones((2, 3), dtype=bool)
            unselected[1, [0, 2]] = False
            assert not (np.abs(across) * on)[unselected].max() > 1e-15
            # the shorter pulse has ended, by its column or by its gate
            assert not (np.abs(across) * on)[1, 2, 2]
    with pytest.raises(InputError, match="must be the same in all selected columns"):
        gated_levels(bench_of(gates="columns").cell, (2, 3), ((1,), (0, 2)), np.array([0.4, 0.3]), 1.2, whole, own)


def array_of(gates="rows", shape=(2, 2)):
    return bench_of(
        shape, gates, crossbar={"state": np.full(shape, 0.3).tolist()}, analysis={"points_per_period": 8},
        gate={"kind": "sine", "amplitude": 1.5, "frequency": 100},
    )  # fmt: skip


def test_the_gate_limits_what_a_set_does():
    bench = array_of(shape=(1, 2))
    done = [
        run_sequence(bench, [Operation(kind="form", cells=(0, 1), voltage=0.5, width="100us", gate=gate)])
        for gate in (0.4, 1.5)
    ]
    moved = [float((each.x[-1] - each.x_start)[0, 1]) for each in done]
    assert moved[1] > 0.05
    assert moved[0] < 0.1 * moved[1]
    assert max(float(np.abs(each.disturb).max()) for each in done) < 1e-9
    with pytest.raises(InputError, match="scheme: must be word_lines"):
        Operation(kind="set", cells=0, voltage=0.5, width="1us", scheme="v/2").testbench(bench)


def test_word_lines_are_for_cells_with_transistors():
    values = values_of()
    del values["cell"], values["word_lines"]
    plain = Testbench.from_dict(values)
    for field, value in (("gate", 1.0), ("scheme", "word_lines")):
        with pytest.raises(InputError, match=f"{field}: .*the cells have no transistors"):
            Operation(kind="set", cells=0, voltage=0.5, width="1us", **{field: value}).testbench(plain)


@pytest.mark.slow
@pytest.mark.parametrize("gates", ["rows", "columns"])
def test_an_array_is_programmed_without_disturb(gates):
    pulses = Pulses(voltage=0.5, width="20us", width_factor=2, levels=6, gate=1.5)
    done = program(
        array_of(gates, (1, 2)), [[0.2, 0.5]], quantity="x", tolerance=0.03, set_pulses=pulses, reset_pulses=pulses,
        passes=1,
    )  # fmt: skip
    assert done.converged.all()
    assert done.attrs["scheme"] == "word_lines"
    assert float(np.abs(done.disturb).max()) < 1e-9
