"""Parameters of the device that every cell has of its own, in both engines."""

import numpy as np
import pytest

import spicecim as sc
from spicecim.device_choice import choose_device
from spicecim.devices import load_presets
from spicecim.devices.varied import make_cells
from spicecim.errors import TestbenchError
from spicecim.netlist import crossbar_netlist
from spicecim.waveforms import load_waveforms, save_waveforms, testbench_of

SHAPE = (3, 2)
YAKOPCIC = {"model": "yakopcic", "preset": "oblea"}
SINE = {"kind": "sine", "amplitude": [0.45, 0.4, 0.35], "frequency": 100}
MODULE = """`include "disciplines.vams"
module one_cell(p, n, x);
  inout p, n, x; electrical p, n, x;
  parameter real Ron = 1k from (0:inf);
  parameter real Roff = 10k from (Ron:inf);
  parameter real speed = 200;
  analog begin
    I(p, n) <+ V(p, n)*(V(x)/Ron + (1 - V(x))/Roff);
    I(x) <+ ddt(V(x)) - speed*V(p, n)*V(x)*(1 - V(x));
  end
endmodule
"""


def drawn(names, model="yakopcic", preset="oblea", spread=0.1, shape=SHAPE, seed=1):
    """Parameters spread about those of a preset."""
    random, base = np.random.default_rng(seed), load_presets(model)[preset].parameters
    return {name: float(base[name]) * random.lognormal(0.0, spread, shape) for name in names}


def bench(device, drive=SINE, shape=SHAPE, x=None, **crossbar):
    state = np.linspace(0.2, 0.8, shape[0] * shape[1]).reshape(shape) if x is None else x
    return sc.Testbench.from_dict(
        {"device": device, "crossbar": {"state": state, **crossbar}, "drive": drive, "analysis": {"probe": "cells"}}
    )


def alone(whole, row, column):
    """The testbench of one cell alone."""
    own = {name: float(array[row, column]) for name, array in whole.device.arrays().items()}
    return whole.model_copy(
        update={
            "device": whole.device.of_values(own),
            "crossbar": sc.testbench.Crossbar(state=whole.crossbar.state[row : row + 1, column : column + 1]),
            "drive": whole.drive.of_row(row),
        }
    )


def assert_cells_as_alone(whole, tolerance):
    together = sc.simulate(whole, engine="reference")
    for row, column in np.ndindex(whole.shape):
        one = sc.simulate(alone(whole, row, column), engine="reference", time=together.time.values)
        assert np.abs(one.x - together.x.isel(row=row, column=column)).max() <= tolerance
        off = np.abs(one.i_cell - together.i_cell.isel(row=row, column=column)).max()
        assert off <= 10 * tolerance * np.abs(together.i_cell).max()


@pytest.mark.parametrize(
    ("names", "tolerance"),
    [(["Vp", "Ap", "a1"], 1e-13), pytest.param(["Vp", "xp"], 1e-8, marks=pytest.mark.slow)],
    ids=["tables", "integrated"],
)
def test_cells_with_ideal_wires_are_as_alone(names, tolerance):
    assert_cells_as_alone(bench({**YAKOPCIC, "parameters": drawn(names)}), tolerance)


def test_thresholds_of_cells_are_met_on_straight_edges():
    pulse = {"kind": "pulse", "high": 0.4, "low": -0.3, "rise": 1e-3, "fall": 1e-3, "width": 1e-3, "period": 5e-3}
    assert_cells_as_alone(bench({**YAKOPCIC, "parameters": drawn(["Vp", "Vn", "An"])}, pulse), 1e-13)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "preset", "names", "volts", "hertz"),
    [("stanford_pku", "ihp", ["Ea", "I0"], 1.2, 1e6), ("jart_vcm", "", ["Nmax", "R0"], 1.0, 1e6)],
)
def test_other_models_with_ideal_wires_are_as_alone(model, preset, names, volts, hertz):
    preset = preset or next(iter(load_presets(model)))
    parameters = drawn(names, model, preset, 0.03)
    device = {"model": model, "preset": preset, "parameters": parameters}
    assert_cells_as_alone(bench(device, {"kind": "sine", "amplitude": volts, "frequency": hertz}), 1e-7)


@pytest.mark.parametrize(
    ("device", "names"),
    [("yakopcic", ["Ap", "a1"]), ("jart_vcm", ["Nmax", "R0"]), ("vteam", ["k_off", "R_on"])],
)
def test_equations_of_cells_are_those_of_each_alone(device, names):
    """Currents, rates and slopes, and the voltages where they bend."""
    preset = next(iter(load_presets(device)))
    known = [name for name in names if name in load_presets(device)[preset].parameters]
    parameters = drawn(known or [next(iter(load_presets(device)[preset].parameters))], device, preset)
    cells = make_cells(device, preset, parameters)
    v, x = np.linspace(-0.9, 1.0, 7)[:, None, None], np.linspace(0.1, 0.9, 6).reshape(SHAPE)
    s = cells.state_from_x(x)
    found = [cells.current(v, s), cells.rate(v, s), *cells.slopes(v, s)]
    sides = np.sort(cells.switching(v, s), axis=-1)
    for row, column in np.ndindex(SHAPE):
        one = make_cells(device, preset, {name: float(array[row, column]) for name, array in parameters.items()})
        own = float(one.state_from_x(x[row, column]))
        right = [one.current(v[:, 0, 0], own), one.rate(v[:, 0, 0], own), *one.slopes(v[:, 0, 0], own)]
        for values, wanted in zip(found, right, strict=True):
            np.testing.assert_allclose(values[:, row, column], wanted, rtol=1e-9, atol=1e-9 * np.abs(wanted).max())
        own_sides = np.sort(one.switching(v[:, 0, 0], np.full(len(v), own)), axis=-1)
        np.testing.assert_allclose(sides[:, row, column], own_sides, rtol=1e-6, atol=1e-9)
        breaks = cells.voltage_breaks()[row * SHAPE[1] + column]
        np.testing.assert_allclose(breaks[np.isfinite(breaks)], one.voltage_breaks(), rtol=1e-9, atol=1e-12)


@pytest.mark.compiler
@pytest.mark.ngspice
@pytest.mark.parametrize("backend", ["osdi", pytest.param("behavioral", marks=pytest.mark.slow)])
def test_both_engines_have_the_same_cells(backend):
    whole = bench({**YAKOPCIC, "parameters": drawn(["Vp", "Ap", "a1"]), "backend": backend})
    one = sc.simulate(whole, engine="ngspice")
    other = sc.simulate(whole, engine="reference", time=one.time.values)
    assert np.abs(one.x - other.x).max() < 1e-3
    assert np.abs(one.i_column - other.i_column).max() < 2e-3 * np.abs(other.i_column).max()
    # a crossbar of equal cells is far from it
    equal = sc.simulate(bench(YAKOPCIC), engine="reference", time=one.time.values)
    assert np.abs(one.i_column - equal.i_column).max() > 0.03 * np.abs(equal.i_column).max()


@pytest.mark.ngspice
@pytest.mark.parametrize("probe", ["cells", "columns"])
def test_cells_with_ranges_of_their_own_run_in_both_engines(probe):
    """What x = 0 stands for differs from cell to cell."""
    gaps = 1.7e-9 * np.random.default_rng(2).uniform(0.95, 1.05, (2, 3))
    device = {"model": "stanford_pku", "preset": "hfox", "parameters": {"gap_max": gaps}}
    whole = bench(device, {"kind": "sine", "amplitude": 1.0, "frequency": 100}, (2, 3)).with_analysis(probe=probe)
    one = sc.simulate(whole, engine="ngspice", estimate=False)
    other = sc.simulate(whole, engine="reference", time=one.time.values)
    assert np.abs(one.i_column - other.i_column).max() < 1e-3 * np.abs(other.i_column).max()
    if probe == "cells":
        assert np.abs(one.x - other.x).max() < 1e-3


@pytest.mark.slow
def test_both_engines_agree_behind_wires():
    whole = bench({**YAKOPCIC, "parameters": drawn(["Vp", "Ap", "a1"])}, wire_row=30.0, wire_column=20.0)
    one = sc.simulate(whole, engine="ngspice")
    other = sc.simulate(whole, engine="reference", time=one.time.values)
    assert np.abs(one.x - other.x).max() < 1e-3
    assert np.abs(one.i_column - other.i_column).max() < 1e-3 * np.abs(other.i_column).max()


@pytest.mark.slow
def test_cells_behind_wires_are_those_of_their_places():
    """Equal parameters given as arrays are what one number is; exchanged, the columns' currents are too."""
    wires = {"wire_row": 40.0, "wire_column": 25.0}
    number = float(load_presets("yakopcic")["oblea"].parameters["Vp"])
    plain = sc.simulate(bench(YAKOPCIC, **wires), engine="reference")
    array = {**YAKOPCIC, "parameters": {"Vp": np.full(SHAPE, number)}}
    same = sc.simulate(bench(array, **wires), engine="reference")
    assert np.abs(plain.x - same.x).max() < 5e-6
    v = np.ones((1, SHAPE[0])) * 0.1
    cells = drawn(["a1"])
    one = sc.operating_point(bench({**YAKOPCIC, "parameters": cells}, x=np.full(SHAPE, 0.5), wire_row=40.0), v)
    turned = {name: array[:, ::-1] for name, array in cells.items()}
    ideal = [
        sc.operating_point(bench({**YAKOPCIC, "parameters": each}, x=np.full(SHAPE, 0.5)), v).i_column.values
        for each in (cells, turned)
    ]
    np.testing.assert_allclose(ideal[0][..., ::-1], ideal[1], rtol=1e-12)
    assert np.abs(one.i_column.values - ideal[0]).max() > 1e-6 * np.abs(ideal[0]).max()


@pytest.mark.compiler
@pytest.mark.ngspice
def test_modules_have_cells_of_their_own(tmp_path):
    path = tmp_path / "cell.va"
    path.write_text(MODULE)
    random = np.random.default_rng(3)
    parameters = {"Ron": 1e3 * random.lognormal(0, 0.2, SHAPE), "speed": 200 * random.lognormal(0, 0.2, SHAPE)}
    whole = bench({"verilog_a": str(path), "parameters": parameters})
    assert_cells_as_alone(whole, 1e-8)
    one = sc.simulate(whole, engine="ngspice")
    other = sc.simulate(whole, engine="reference", time=one.time.values)
    assert np.abs(one.i_column - other.i_column).max() < 1e-3 * np.abs(other.i_column).max()


@pytest.mark.slow
def test_modules_behind_wires_have_cells_of_their_own(tmp_path):
    path = tmp_path / "cell.va"
    path.write_text(MODULE)
    parameters = {"Ron": 1e3 * np.random.default_rng(3).lognormal(0, 0.2, SHAPE)}
    whole = bench({"verilog_a": str(path), "parameters": parameters}, wire_row=30.0, wire_column=20.0)
    one = sc.simulate(whole, engine="ngspice")
    other = sc.simulate(whole, engine="reference", time=one.time.values)
    assert np.abs(one.i_column - other.i_column).max() < 1e-3 * np.abs(other.i_column).max()


@pytest.mark.ngspice
def test_instances_of_a_subcircuit_have_their_own_values(tmp_path):
    path = tmp_path / "r.sub"
    path.write_text(".subckt cell p n R=1k\nR1 p n {R}\n.ends\n")
    ohms = np.array([[1e3, 2e3], [3e3, 4e3], [5e3, 7e3]])
    device = {"subcircuit": str(path), "ports": ["row", "column"], "parameters": {"R": ohms}}
    run = sc.simulate(bench(device, x=np.full(SHAPE, 0.5)), engine="ngspice")
    np.testing.assert_allclose(run.i_cell.values, run.v_row.values[:, :, None] / ohms, rtol=1e-6, atol=1e-12)


def test_values_come_back_bit_equal(tmp_path):
    whole = bench({**YAKOPCIC, "parameters": drawn(["Vp", "a1"])})
    assert sc.Testbench.from_dict(whole.to_dict()) == whole
    whole.to_yaml(tmp_path / "bench.yaml")
    assert sc.Testbench.from_yaml(tmp_path / "bench.yaml") == whole
    save_waveforms(sc.simulate(whole, engine="reference"), tmp_path / "run.nc")
    saved = testbench_of(load_waveforms(tmp_path / "run.nc"))
    for name, array in whole.device.arrays().items():
        assert (saved.device.arrays()[name] == array).all()


def test_arrays_are_read_from_files(tmp_path):
    values = drawn(["Vp"])["Vp"]
    np.save(tmp_path / "vp.npy", values)
    device = {**YAKOPCIC, "parameters": {"Vp": "vp.npy"}}
    read = sc.Testbench.from_dict(
        {"device": device, "crossbar": {"state": np.full(SHAPE, 0.5)}, "drive": SINE}, folder=tmp_path
    )
    assert (read.device.arrays()["Vp"] == values).all()


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"Vp": [[0.1, 0.2], [0.1, -0.3], [0.1, 0.2]]}, "cell (1, 1): Vp"),
        ({"Vp": [[0.1, 0.2]]}, "device.parameters.Vp: has 1 x 2 values for 3 x 2 cells"),
        ({"Vp": [[0.1, 0.2]], "Ap": [[1.0], [2.0]]}, "Ap: has 2 x 1 values, and Vp has 1 x 2"),
        ({"Vp": [0.1, 0.2]}, "device.parameters.Vp: must be a list of rows"),
        ({"Vp": [["0.1", "much"]]}, "element [0, 1]"),
        ({"Vx": [[0.1, 0.2]]}, "Vx"),
        ({"eta": [[1, -1], [1, 2], [1, 1]]}, "cell (1, 1): eta"),
    ],
)
def test_errors_name_the_cell(parameters, problem):
    with pytest.raises(TestbenchError) as error:
        bench({**YAKOPCIC, "parameters": parameters})
    assert problem in str(error.value)


def test_relations_between_parameters_hold_in_every_cell():
    parameters = {**next(iter(load_presets("linear_drift").values())).parameters, "Ron": [[100.0, 1e9]]}
    with pytest.raises(TestbenchError, match=r"cell \(0, 1\): .*above Ron"):
        bench({"model": "linear_drift", "parameters": parameters}, {"kind": "sine", "amplitude": 1, "frequency": 1},
              (1, 2))  # fmt: skip


def test_only_a_crossbar_has_cells():
    with pytest.raises(TestbenchError, match="array stands for the cells"):
        choose_device({**YAKOPCIC, "parameters": drawn(["Vp"])})


@pytest.mark.compiler
def test_equal_cells_share_a_model_in_a_netlist():
    two = np.array([[0.16, 0.2], [0.2, 0.16], [0.16, 0.16]])
    text = crossbar_netlist(bench({**YAKOPCIC, "parameters": {"Vp": two}}), native=True).text
    assert text.count(".model ") == 2
    assert "one per cell" in text
