"""Lines that float among cells with selectors (1S1R): against scipy, Kirchhoff's laws, and ngspice."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, root

from spicecim.devices import make_device
from spicecim.engines import simulate
from spicecim.errors import ConvergenceError
from spicecim.measure import energy_balance
from spicecim.ngspice.engine import render_netlist
from spicecim.reference.operating_point import operating_point
from spicecim.testbench import Testbench

ROOT = Path(__file__).parent.parent
SINE = {"kind": "sine", "amplitude": 1.0, "frequency": 1e4}
PULSE = {"kind": "pulse", "high": 1.0, "rise": 2e-6, "fall": 2e-6, "width": 4e-5, "period": 1e-4}


def bench_of(selector, shape, *, model="yakopcic", drive=SINE, state=None, analysis=None, **crossbar):
    """A row is driven and a column at virtual ground; all other lines float."""
    rows, columns = shape
    given_ = np.random.default_rng(1).uniform(0.05, 0.9, shape) if state is None else state
    return Testbench.from_dict(
        {
            "device": {"model": f"{model}_with_{selector}"},
            "crossbar": {"state": given_, **crossbar},
            "drive": drive,
            "rows": {"floating": [f"1-{rows - 1}"]},
            "columns": {"floating": [f"1-{columns - 1}"]},
            "analysis": {"probe": "cells", "points_per_period": 50, "accuracy": 3e-4, **(analysis or {})},
        }
    )


def voltage_of(i, x, selector):
    """Voltage over a cell of yakopcic's preset oblea with a selector, by its current: every part is explicit in it."""
    over = {
        "exponential": lambda: 0.035 * np.arcsinh(i / 1e-12),
        "threshold": lambda: 1e9 * np.clip(i, -3e-10, 3e-10) + 100.0 * (i - np.clip(i, -3e-10, 3e-10)),
    }[selector]()
    return np.arcsinh(i / (0.17 * x)) / 0.05 + over


def current_of(v, x, selector):
    """Current of such a cell by its voltage, as the root of its logarithm."""
    if v == 0.0:
        return 0.0
    bounds = -60.0, np.log(0.17 * x * np.sinh(0.05 * abs(v)))
    exponent = brentq(lambda e: voltage_of(np.exp(e), x, selector) - abs(v), *bounds, xtol=1e-14, rtol=1e-14)
    return float(np.sign(v) * np.exp(exponent))


@pytest.mark.parametrize("selector", ["exponential", "threshold"])
@pytest.mark.parametrize("volt", [0.05, 0.6, 1.0, 1.7, -2.5])
def test_the_sneak_path_of_four_cells_is_that_of_three_in_series(selector, volt):
    bench = bench_of(selector, (2, 2))
    found, x = operating_point(bench, [volt, 0.0]), bench.crossbar.state
    path = x[0, 1], x[1, 1], x[1, 0]
    loop = np.sign(volt) * brentq(
        lambda i: sum(voltage_of(i, each, selector) for each in path) - abs(volt), 0.0, 1.0, xtol=1e-300, rtol=1e-14
    )
    own = current_of(volt, x[0, 0], selector)
    assert found.i_cell.values == pytest.approx(np.array([[own, loop], [loop, -loop]]), rel=1e-8)
    assert float(found.v_column[1]) == pytest.approx(volt - voltage_of(loop, path[0], selector), rel=1e-8)
    assert float(found.v_row[1]) == pytest.approx(voltage_of(loop, path[2], selector), rel=1e-8)


@pytest.mark.parametrize("selector", ["exponential", "threshold"])
@pytest.mark.parametrize("shape", [(3, 4), (5, 2)])
def test_floating_lines_are_where_scipy_finds_them(selector, shape):
    rows = shape[0]
    bench = bench_of(selector, shape)
    x = bench.crossbar.state

    def currents(potentials, volt):
        v_row = np.concatenate([[volt], potentials[: rows - 1]])
        v_column = np.concatenate([[0.0], potentials[rows - 1 :]])
        each = np.vectorize(lambda v, s: current_of(v, s, selector))
        return each(v_row[:, None] - v_column, x)

    def missed(potentials, volt, scale):
        i = currents(potentials, volt)
        return np.concatenate([i.sum(axis=1)[1:], i.sum(axis=0)[1:]]) / scale

    for volt in (0.4, 1.3):
        found = operating_point(bench, np.eye(1, rows)[0] * volt)
        potentials = np.concatenate([found.v_row[1:], found.v_column[1:]])
        largest = abs(found.i_cell)
        scale = np.concatenate([largest.max("column")[1:], largest.max("row")[1:]])
        near = potentials + 1e-3 * volt * np.random.default_rng(2).uniform(-1.0, 1.0, potentials.size)
        solved = root(missed, near, args=(volt, scale), options={"xtol": 1e-13})
        assert np.abs(solved.fun).max() < 1e-9
        np.testing.assert_allclose(potentials, solved.x, rtol=0, atol=1e-8 * volt)
        i = currents(solved.x, volt)
        np.testing.assert_allclose(found.i_cell, i, rtol=0, atol=1e-8 * np.abs(i).max())


@pytest.mark.filterwarnings("ignore:a cell carries:spicecim.errors.CurrentWarning")
@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["yakopcic", "vteam", "linear_drift", "stanford_pku"]),
    st.sampled_from(["exponential", "threshold"]),
    st.sampled_from([0.0, 1.0, 10.0]),
    st.sampled_from([0.0, 1e-15]),
    st.integers(0, 2**16),
)
def test_the_currents_of_floating_lines_cancel(model, selector, ohm, farad, seed):
    rng = np.random.default_rng(seed)
    shape = rows, columns = rng.integers(1, 7, 2)
    floating = rng.random(rows + columns) < 0.6
    floating[rng.permutation(rows + columns)[:2]] = False
    some = np.flatnonzero(floating)
    bench = Testbench.from_dict(
        {
            "device": {"model": f"{model}_with_{selector}"},
            "crossbar": {
                "state": rng.choice([0.02, 0.3, 0.98], shape),
                "wire_row": ohm,
                "wire_column": ohm,
                "wire_capacitance": farad,
            },
            "drive": SINE,
            "rows": {"floating": some[some < rows]},
            "columns": {"floating": some[some >= rows] - rows},
        }
    )
    volts = rng.uniform(-2.0, 2.0, rows + columns) * rng.choice([0.1, 1.0])
    found = operating_point(bench, volts[:rows], volts[rows:])
    i = np.concatenate([found.i_cell.sum("column"), found.i_cell.sum("row")])
    assert np.abs(i[floating]).max(initial=0.0) <= 1e-12 * np.abs(found.i_cell).max()
    # there is no source at them that would put them beyond the others
    v_column = found.get("v_column", np.zeros(columns))
    ends, connected = np.concatenate([found.v_row, v_column]), volts[~floating]
    assert np.all(ends[floating] <= connected.max() + 1e-9)
    assert np.all(ends[floating] >= connected.min() - 1e-9)


@pytest.mark.ngspice
@pytest.mark.parametrize(
    ("selector", "shape", "drive", "ohm", "backend"),
    [
        ("exponential", (2, 2), SINE, 0.0, "osdi"),
        ("threshold", (2, 2), SINE, 0.0, "behavioral"),
        ("threshold", (2, 2), PULSE, 0.0, "osdi"),
        ("exponential", (2, 3), PULSE, 1.0, "osdi"),
        pytest.param("exponential", (3, 5), SINE, 1.0, "behavioral", marks=pytest.mark.slow),
        pytest.param("threshold", (3, 4), PULSE, 1.0, "osdi", marks=pytest.mark.slow),
        pytest.param("threshold", (3, 5), SINE, 0.0, "osdi", marks=pytest.mark.slow),
    ],
)
def test_both_engines_agree_on_floating_lines_of_selectors(selector, shape, drive, ohm, backend, monkeypatch):
    monkeypatch.setenv("SPICECIM_BACKEND", backend)
    bench = bench_of(selector, shape, drive=drive, analysis={"periods": 0.5}, wire_row=ohm, wire_column=ohm)
    spice = simulate(bench, "ngspice", estimate=False)
    reference = simulate(bench, "reference", time=spice.time.values)
    largest = float(abs(reference.i_row).max())
    for name in ("i_row", "i_column", "i_cell"):
        assert float(abs(reference[name] - spice[name]).max()) < 1e-4 * largest
    for name in ("v_row", "v_column", "x"):
        assert float(abs(reference[name] - spice[name]).max()) < 1e-4
    i = reference.i_cell
    assert float(abs(i.sum("column")[:, 1:]).max()) < 1e-9 * largest
    assert float(abs(i.sum("row")[:, 1:]).max()) < 1e-9 * largest
    assert energy_balance(reference).error < 1e-9


@pytest.mark.parametrize("model", ["yakopcic", "yakopcic_with_exponential", "yakopcic_with_threshold"])
@pytest.mark.parametrize("ohm", [0.0, 1.0])
@pytest.mark.parametrize(
    ("state", "rows", "columns", "message"),
    [
        ([[0.5, 0.5], [0.0, 0.0]], [1], [], "row 1 floats, and none of its cells conducts"),
        ([[0.5, 0.0], [0.0, 0.5]], [1], [1], "column 1 floats, and its cells conduct to other lines that float alone"),
    ],
)
def test_a_line_that_nothing_holds_is_an_error_that_names_it(model, ohm, state, rows, columns, message):
    bench = Testbench.from_dict(
        {
            "device": {"model": model},
            "crossbar": {"state": state, "wire_row": ohm},
            "drive": SINE,
            "rows": {"floating": rows},
            "columns": {"floating": columns},
        }
    )
    with pytest.raises(ConvergenceError, match=message):
        operating_point(bench, [0.5, 0.0])


@pytest.mark.ngspice
def test_netlists_guess_states_where_lines_float():
    bench = bench_of("exponential", (2, 2), state=[[0.5, 0.4], [0.3, 0.2]])
    guess = ".nodeset v(s_0_1)=0.4"
    assert guess in render_netlist(bench, "osdi")
    # there the states are set at their nodes, which is a guess too
    assert guess not in render_netlist(bench, "behavioral")
    driven = Testbench.from_dict({**bench.to_dict(), "rows": {"grounded": [1]}, "columns": {"grounded": [1]}})
    assert ".nodeset" not in render_netlist(driven, "osdi")


@pytest.mark.ngspice
def test_netlists_allow_for_what_wires_round_where_selectors_are_closed():
    def tolerances(selector, **crossbar):
        text = render_netlist(bench_of(selector, (3, 3), **crossbar))
        return [float(re.search(rf" {name}=(\S+)", text)[1]) for name in ("reltol", "vntol")]

    _, vntol = tolerances("exponential", wire_row=1, wire_column=1)
    assert 1e-6 < vntol <= 1e-5
    for selector, crossbar in (
        ("exponential", {}),
        ("exponential", {"wire_row": 1, "wire_column": 1, "wire_capacitance": 1e-15}),
        ("threshold", {"wire_row": 1, "wire_column": 1}),
    ):
        reltol, vntol = tolerances(selector, **crossbar)
        assert vntol == pytest.approx(1e-3 * reltol)


@pytest.mark.compiler
@pytest.mark.ngspice
def test_cells_with_inner_nodes_may_float():
    testbench = Testbench.from_yaml(ROOT / "examples" / "verilog_a.yaml").to_dict()
    testbench["crossbar"] |= {"wire_row": 1, "wire_column": 1}
    bench = Testbench.from_dict({**testbench, "rows": {"floating": [1]}, "analysis": {"points_per_period": 20}})
    spice = simulate(bench, "ngspice", estimate=False)
    reference = simulate(bench, "reference", time=spice.time.values)
    assert float(abs(reference.i_row - spice.i_row).max()) < 1e-4 * float(abs(reference.i_row).max())


@pytest.mark.parametrize("selector", ["exponential", "threshold"])
def test_a_cell_has_a_current_at_voltages_next_to_nothing(selector):
    cell = make_device(f"yakopcic_with_{selector}")
    v = np.array([5e-324, -4.4e-313, 1e-300, 1e-12])
    i = cell.current(v, 0.3)
    assert np.all(i * np.sign(v) >= 0.0)
    assert i[3] == pytest.approx(1e-12 * float(cell.slope("current", "v", 0.0, 0.3)), rel=1e-4)
