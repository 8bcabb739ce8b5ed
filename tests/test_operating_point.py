"""Crossbars at rest: against ngspice, laws of networks, and what is no input."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import operating_point as by_ngspice
from wirings import PARASITICS, TOGETHER, wirings

import spicecim as sc
from spicecim import limits
from spicecim.devices import make_device
from spicecim.errors import ConvergenceError, CurrentWarning, InputError, TimeLimitError, UnsupportedError
from spicecim.reference import static
from spicecim.reference.wires import network

OHMIC = {"model": "resistor", "parameters": {"Ron": 1e3, "Roff": 1e6}}
MIAO = {"model": "yakopcic", "preset": "miao"}
SERIES = {"verilog_a": str(Path(__file__).parents[1] / "examples" / "series_memristor.va")}
LEAKING = """`include "disciplines.vams"
module leaking(a, b);
  inout a, b; electrical a, b, w;
  analog begin
    I(a, b) <+ V(a, b)*(1u + 999u*V(w));
    I(a) <+ V(a)*100u;
    I(b) <+ ddt(1n*V(b));
    I(w) <+ ddt(V(w)) - 1k*V(a, b)*V(w)*(1 - V(w));
  end
endmodule
"""
"""Conducts to the ground, too."""


def bench(state, device=OHMIC, amplitude=0.5, **resistances):
    return sc.Testbench(
        device=device,
        crossbar={"state": state, **resistances},
        drive={"kind": "sine", "amplitude": amplitude, "frequency": 1e3},
    )


def conductance(state):
    return 1e-6 + (1e-3 - 1e-6) * np.asarray(state)


@st.composite
def networks(draw):
    """Resistances, some of them zero, the states of cells, and random numbers."""
    resistances, shape, random = draw(wirings())
    return resistances, random.uniform(0, 1, shape), random


@pytest.mark.ngspice
@pytest.mark.parametrize("shape", [(5, 3), (1, 6), (6, 1)])
@pytest.mark.parametrize("resistances", [*({name: 3.0} for name in PARASITICS), TOGETHER, {}])
@pytest.mark.parametrize("device", [OHMIC, MIAO], ids=["ohmic", "sinh"])
def test_ngspice_finds_the_same_currents(device, resistances, shape, rng):
    state, v = rng.uniform(0.01, 0.1, shape), rng.uniform(-1, 1, (2, shape[0]))
    found = sc.operating_point(bench(state, device, **resistances), v)
    scale, current = (conductance(state), "") if device is OHMIC else (0.11 * state, "sinh(0.5*v)")
    for number in range(len(v)):
        expected = by_ngspice(scale, v[number], **resistances, current=current)
        np.testing.assert_allclose(found.i_column[number], expected, rtol=1e-8, atol=1e-10 * np.abs(expected).max())
    assert found.residual <= 1e-9


@pytest.mark.parametrize("device", [OHMIC, MIAO, {"model": "stanford_pku"}, {"model": "jart_vcm"}])
@pytest.mark.parametrize("large", [False, True])
def test_kirchhoffs_laws_hold(device, large, rng, monkeypatch):
    """The currents of all cells leave the wires the voltages of all cells, and are those of the device."""
    if large:
        monkeypatch.setattr(network, "_DENSE", 0)
        monkeypatch.setattr(network, "_SUMMED", 4)
    state, v = rng.uniform(0.1, 0.9, (12, 9)), rng.uniform(-1, 1, (3, 12))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CurrentWarning)
        found = sc.operating_point(bench(state, device, **TOGETHER), v)
    assert found.v_cell.dims == ("input", "row", "column")
    i = found.i_cell.values
    np.testing.assert_allclose(found.i_row, i.sum(axis=2), rtol=1e-13, atol=1e-30)
    np.testing.assert_allclose(found.i_column, i.sum(axis=1), rtol=1e-12, atol=1e-15 * np.abs(i).max())
    along = np.cumsum(i[:, :, ::-1], axis=2)[:, :, ::-1]
    down = np.cumsum(i, axis=1)
    row_node = v[:, :, None] - 50.0 * along[:, :, :1] - 2.0 * np.cumsum(along, axis=2)
    column_node = 7.0 * down[:, -1:] + 3.0 * np.cumsum(down[:, ::-1], axis=1)[:, ::-1]
    np.testing.assert_allclose(found.v_cell, row_node - column_node, atol=1e-9)
    model = make_device(device["model"], device.get("preset"), device.get("parameters", {}))
    right = model.current(row_node - column_node, model.state_from_x(state))
    worst = (np.abs(right - i).max(axis=(1, 2)) / np.abs(i).max(axis=(1, 2))).max()
    assert worst <= 1e-9
    assert found.residual == pytest.approx(worst, rel=0.5, abs=1e-13)


@settings(deadline=None, max_examples=50)
@given(networks())
def test_inputs_of_ohmic_cells_superpose_on_one_factorization(crossbar):
    resistances, state, random = crossbar
    one, other = random.uniform(-1, 1, (2, len(state)))
    found = sc.operating_point(bench(state, **resistances), np.stack([one, other, 2 * one - 3 * other]))
    i = found.i_cell.values
    np.testing.assert_allclose(i[2], 2 * i[0] - 3 * i[1], atol=1e-9 * np.abs(i).max())
    assert found.factorizations <= 1


def test_ohmic_cells_need_no_guess(monkeypatch):
    monkeypatch.setattr(static, "behind_own_wires", None)
    found = sc.operating_point(bench([[0.2, 0.8]], wire_row=1.0, wire_column=1.0), [[0.5], [-0.3]])
    assert (found.factorizations, found.iterations) == (1, 1)


@settings(deadline=None, max_examples=50)
@given(networks())
def test_ohmic_cells_are_reciprocal(crossbar):
    """The conductance from driver r to sense node c is that from c to r in the crossbar seen from its columns."""
    resistances, state, _ = crossbar
    forward = sc.operating_point(bench(state, **resistances), np.eye(len(state))).i_column.values
    turned = {
        "wire_row": resistances["wire_column"], "wire_column": resistances["wire_row"],
        "source_resistance": resistances["sense_resistance"], "sense_resistance": resistances["source_resistance"],
    }  # fmt: skip
    seen = bench(state[::-1, ::-1].T, **turned)
    backward = sc.operating_point(seen, np.eye(state.shape[1])).i_column.values[::-1, ::-1]
    np.testing.assert_allclose(forward, backward.T, rtol=1e-8, atol=1e-9 * forward.max())


def test_inputs_that_share_factors_are_each_as_alone(rng, monkeypatch):
    """Whatever the inputs: also those so different that each needs factors of its own, and those of another block."""
    device = {**MIAO, "parameters": {"b": 20}}
    state, v = rng.uniform(0.1, 0.9, (7, 6)), rng.uniform(-1, 1, (5, 7))
    v[3], v[4] = 0.0, 1e-3 * v[0]
    monkeypatch.setattr(static, "_BLOCK", 3 * state.size)
    made = bench(state, device, **TOGETHER)
    found = sc.operating_point(made, v)
    assert found.residual <= 1e-9
    for number in range(len(v)):
        alone = sc.operating_point(made, v[number])
        assert alone.i_cell.dims == ("row", "column")
        np.testing.assert_allclose(found.i_cell[number], alone.i_cell, atol=1e-9 * float(np.abs(alone.i_cell).max()))
    assert not found.i_cell[3].values.any()


def test_inputs_that_are_alike_share_factors(rng):
    state, v = rng.uniform(0.1, 0.9, (7, 6)), rng.uniform(0.2, 0.3, 7)
    found = sc.operating_point(bench(state, MIAO, **TOGETHER), v * np.linspace(1.0, 1.05, 20)[:, None])
    assert found.residual <= 1e-9
    assert found.factorizations < 5


@pytest.mark.parametrize("b", [38.0, 60.0])
def test_a_run_starts_where_the_operating_point_is(b, rng):
    made = sc.Testbench(
        device={**MIAO, "parameters": {"b": b}},
        crossbar={"state": rng.uniform(0.1, 0.9, (8, 6)), "wire_row": 1, "wire_column": 1},
        drive={"kind": "sine", "amplitude": 1.0, "frequency": 1e3, "phase": np.pi / 2},
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CurrentWarning)
        found, run = sc.operating_point(made), sc.simulate(made, "reference", time=[0.0])
    np.testing.assert_allclose(run.i_column[0], found.i_column, rtol=1e-9)


@pytest.mark.parametrize(("b", "inputs"), [(20.0, 4), (38.0, 1), (100.0, 1), (100.0, 4)])
def test_currents_that_grow_exponentially_are_found(b, inputs, rng):
    """Of rows that pull in different directions, where the first guess is far off."""
    made = bench(rng.uniform(0.1, 0.9, (20, 30)), {**MIAO, "parameters": {"b": b}}, wire_row=1, wire_column=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CurrentWarning)
        found = sc.operating_point(made, rng.uniform(-1, 1, (inputs, 20)))
    assert found.residual <= 1e-9
    assert found.iterations <= 200


def test_the_drive_gives_the_voltages_at_its_peak():
    made = sc.Testbench(
        device=OHMIC,
        crossbar={"state": [[0.5], [0.2]]},
        drive={"kind": "samples", "time": [0, 1, 2, 3], "voltages": [[0, 0.2, -0.5, 0], [0, 0.1, 0.3, 0.4]]},
        analysis={"duration": 3, "points_per_period": 30},
    )
    found = sc.operating_point(made)
    np.testing.assert_allclose(found.v_row, [-0.5, 0.3])
    np.testing.assert_allclose(found.i_column, np.array([-0.5, 0.3]) @ conductance([[0.5], [0.2]]))
    assert found.v_row.attrs["units"] == "V"
    assert sc.testbench_of(found) == made


@pytest.mark.parametrize("driven", [True, False])
def test_grounded_lines_stay_at_ground(driven):
    made = bench([[0.5, 0.1], [0.2, 0.3]]).with_sections(
        rows={"grounded": [0]},
        columns={"grounded": [1]} | ({"drive": {"kind": "sine", "amplitude": 1, "frequency": 1e3}} if driven else {}),
    )
    found = sc.operating_point(made, [[0.3, 0.2]], [[0.1, 0.4]])
    np.testing.assert_array_equal(found.v_row, [[0.0, 0.2]])
    np.testing.assert_array_equal(found.v_column, [[0.1, 0.0]])
    np.testing.assert_allclose(found.i_column[0, 1], 0.2 * conductance(0.3))


@pytest.mark.compiler
@pytest.mark.ngspice
@pytest.mark.parametrize("resistances", [{}, TOGETHER])
def test_a_module_with_an_inner_node_is_a_resistance_behind_another(resistances, rng):
    state, v = rng.uniform(0, 1, (4, 3)), rng.uniform(-0.2, 0.2, (2, 4))
    found = sc.operating_point(bench(state, SERIES, wire_capacitance=1e-12, **resistances), v)
    g = 1 / (200.0 + 1 / (10e-6 + (1e-3 - 10e-6) * state))
    for number in range(len(v)):
        np.testing.assert_allclose(found.i_column[number], by_ngspice(g, v[number], **resistances), rtol=1e-8)
    np.testing.assert_allclose(found.i_cell, g * found.v_cell, rtol=1e-8)
    assert found.residual <= 1e-9


@pytest.mark.compiler
def test_a_module_may_conduct_to_the_ground(tmp_path):
    path = tmp_path / "leaking.va"
    path.write_text(LEAKING)
    found = sc.operating_point(bench([[0.25]], {"verilog_a": str(path), "initial": [0, 1]}, source_resistance=1e3), [1])
    through, leaked = 1e-6 + 999e-6 * 0.25, 100e-6
    row = 1 / (1 + 1e3 * (through + leaked))
    assert float(found.i_row[0]) == pytest.approx(row * (through + leaked), rel=1e-9)
    assert float(found.i_column[0]) == pytest.approx(row * through, rel=1e-9)


def test_a_subcircuit_is_refused():
    made = sc.Testbench.from_yaml(Path(__file__).parents[1] / "examples" / "subcircuit.yaml")
    with pytest.raises(UnsupportedError, match=r"device\.subcircuit"):
        sc.operating_point(made)


@pytest.mark.parametrize(
    "v",
    [
        0.5, [0.1], [[0.1, 0.2, 0.3]], np.zeros((1, 1, 2)), [], np.zeros((0, 2)), [np.nan, 0], [np.inf, 0], [2e6, 0],
        ["1", "2"], [True, False], [1j, 0], [[0.1], [0.1, 0.2]], np.ma.masked_array([1.0, 2.0], [False, True]),
    ],
)  # fmt: skip
def test_voltages_that_are_none_are_refused(v):
    with pytest.raises(InputError, match=r"^v_row: "):
        sc.operating_point(bench([[0.5], [0.2]]), v)


def test_voltages_beyond_the_device_are_refused():
    with pytest.raises(InputError, match="beyond the range of a float"):
        sc.operating_point(bench([[0.5]], MIAO), [5000.0])


def test_what_does_not_fit_into_memory_is_refused(monkeypatch):
    monkeypatch.setattr(limits, "DATASET_BYTES", 300)
    made = bench([[0.5, 0.1], [0.2, 0.3]])
    with pytest.raises(InputError, match=r"v_row: .*limits\.DATASET_BYTES.*cells=False"):
        sc.operating_point(made, np.ones((4, 2)))
    assert set(sc.operating_point(made, np.ones((4, 2)), cells=False).data_vars) == {"v_row", "i_row", "i_column"}


def test_a_time_limit_ends_it():
    with pytest.raises(TimeLimitError, match=r"\(the reference engine was at 0 of 1 inputs\); time_limit"):
        sc.operating_point(bench([[0.5]]), [1.0], time_limit=1e-9)


def test_resistances_too_far_apart_are_an_error():
    made = bench(np.ones((8, 8)), wire_row=1e-12, wire_column=1e-12, source_resistance=1e9)
    with pytest.raises(ConvergenceError, match=r"too far apart|input 0 has no operating point"):
        sc.operating_point(made, np.ones(8))


def test_it_warns_of_currents_that_no_cell_takes():
    with pytest.warns(CurrentWarning, match="a cell carries 0.1"):
        sc.operating_point(bench([[1.0]], amplitude=1.0), [100.0])


def test_an_input_without_an_operating_point_is_named(monkeypatch):
    def none(*given, **options):
        raise ConvergenceError("none")

    monkeypatch.setattr(static, "_BLOCK", 2)
    monkeypatch.setattr(static, "_COMMON", 1)
    monkeypatch.setattr(static, "_MOST", 1)
    monkeypatch.setattr(static, "_COST", 0.0)
    monkeypatch.setattr(static, "solve_damped", none)
    made = bench([[0.5, 0.1]], MIAO, wire_row=100.0)
    with pytest.raises(ConvergenceError, match="input 2 has no operating point: none"):
        sc.operating_point(made, [[0.0], [0.0], [5.0]])


def test_one_column_with_a_driver_s_resistance_starts_from_numbers_of_its_own():
    """With one column, what cells start from was a view of the drive, which cannot be written."""
    bench = sc.Testbench.from_dict(
        {
            "device": {"model": "yakopcic", "preset": "oblea"},
            "crossbar": {"state": [[0.9], [0.1], [0.5]], "wire_row": 5, "source_resistance": 10},
            "drive": {"kind": "sine", "amplitude": 0.1, "frequency": 100},
            "analysis": {"probe": "cells"},
        }
    )
    run = sc.simulate(bench, "reference")
    at_peak = int(np.argmax(run["v_row"].values[:, 0]))
    assert np.allclose(
        run["v_cell"].values[at_peak, :, 0],
        run["v_row"].values[at_peak] - 15.0 * run["i_row"].values[at_peak],
        rtol=1e-9,
    )
