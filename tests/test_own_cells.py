"""Cells of one's own: a subcircuit or a module with a port for the word line."""

import numpy as np
import pytest

from spicecim.engines import simulate
from spicecim.errors import SubcircuitError, TestbenchError, UnsupportedError
from spicecim.ngspice.engine import render_netlist
from spicecim.testbench import Testbench

SUBCIRCUIT = """\
.subckt cell top gate bottom g=1m vt=0.4
* a gate above vt opens a conductance
B1 top bottom I=v(top,bottom)*g*max(v(gate,bottom)-vt, 0)
.ends
"""
MODULE = """\
`include "disciplines.vams"
module gated(top, gate, bottom, s);
  inout top, gate, bottom, s;
  electrical top, gate, bottom, s;
  parameter real g = 1e-3;
  parameter real vt = 0.4;
  parameter real speed = 10;
  analog begin
    I(top, bottom) <+ g*V(s)*V(top, bottom)*(V(gate) > vt ? V(gate) - vt : 0);
    I(s) <+ ddt(V(s)) - speed*V(top, bottom);
  end
endmodule
"""
GATES = [0.9, 0.2]


def bench_of(file, ports, shape=(2, 3), **more):
    values = {
        "device": {"subcircuit": str(file), "ports": ports, **more.pop("device", {})},
        "crossbar": {"state": np.full(shape, 0.5).tolist()},
        "drive": {"kind": "sine", "amplitude": 0.1, "frequency": 100},
        "cell": {"kind": "own"},
        "word_lines": {"drive": {"kind": "samples", "time": [0, 0.01], "voltages": [[gate] * 2 for gate in GATES]}},
        "analysis": {"duration": 0.01, "points_per_period": 40},
    }
    values |= more
    return Testbench.from_dict({name: value for name, value in values.items() if value is not None})


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "cell.sub"
    path.write_text(SUBCIRCUIT)
    return path


@pytest.fixture
def module(tmp_path):
    path = tmp_path / "gated.va"
    path.write_text(MODULE)
    return path


@pytest.mark.ngspice
@pytest.mark.parametrize("gates", ["rows", "columns"])
def test_a_subcircuit_meets_its_row_its_column_and_its_word_line(file, gates):
    voltages = GATES if gates == "rows" else [*GATES, 0.6]
    bench = bench_of(
        file, ["row", "word", "column"], cell={"kind": "own", "gates": gates}, device={"parameters": {"g": "2m"}},
        word_lines={"drive": {"kind": "samples", "time": [0, 0.01], "voltages": [[gate] * 2 for gate in voltages]}},
    )  # fmt: skip
    run = simulate(bench, estimate=False)
    open_by = 2e-3 * np.maximum(np.array(voltages) - 0.4, 0.0)
    cells = np.broadcast_to(open_by[:, None] if gates == "rows" else open_by[None, :], (2, 3))
    np.testing.assert_allclose(run.i_column, run.v_row.values @ cells, rtol=1e-6, atol=1e-12)


@pytest.mark.compiler
@pytest.mark.ngspice
def test_a_module_of_a_file_is_a_cell_with_a_state(module):
    bench = bench_of(
        module, ["row", "word", "column", "state"], device={"parameters": {"speed": 100}}, analysis={
            "duration": 0.005, "points_per_period": 40, "probe": "cells"},
        word_lines={"drive": {"kind": "samples", "time": [0, 0.01], "voltages": [[gate] * 2 for gate in GATES]}},
    )  # fmt: skip
    run = simulate(bench, estimate=False)
    time = run.time.values
    # dx/dt = speed v: x = 0.5 + speed A (1 - cos wt)/w
    x = 0.5 + 100 * 0.1 * (1 - np.cos(200 * np.pi * time)) / (200 * np.pi)
    np.testing.assert_allclose(run.x.values[:, 0, 0], x, atol=1e-4)
    right = 1e-3 * 0.5 * x * run.v_row.values[:, 0]
    np.testing.assert_allclose(run.i_column.values[:, 1], right, atol=1e-3 * np.abs(right).max())


def test_the_reference_engine_says_that_it_has_no_equations(file):
    with pytest.raises(UnsupportedError, match=r"device\.subcircuit: the reference engine has no equations"):
        simulate(bench_of(file, ["row", "word", "column"]), engine="reference")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"cell": None, "word_lines": None}, "cell"),
        ({"cell": {"kind": "1t1r"}}, "cell"),
        ({"word_lines": None}, "word_lines"),
        ({"device": {"ports": ["row", "column", "open"]}}, "device.ports"),
        ({"device": {"ports": ["row", "word", "word"]}}, "device.ports"),
        ({"cell": {"kind": "own", "transistor": {}}}, "cell.transistor"),
    ],
)
def test_lines_that_do_not_fit_are_refused(file, change, field):
    with pytest.raises(TestbenchError) as caught:
        bench_of(file, ["row", "word", "column"], **change)
    assert any(problem.field.startswith(field) for problem in caught.value.problems), str(caught.value)


@pytest.mark.compiler
@pytest.mark.ngspice
@pytest.mark.parametrize(
    ("device", "message"),
    [
        ({"name": "other"}, "has no module 'other'; it has gated"),
        ({"ports": ["row", "word", "column"]}, "names 3 ports, and gated has 4: top gate bottom s"),
        ({"parameters": {"sped": 1}}, "has no parameter 'sped'.*did you mean 'speed'"),
    ],
)
def test_what_a_module_does_not_have_is_named(module, device, message):
    with pytest.raises(SubcircuitError, match=message):
        render_netlist(bench_of(module, ["row", "word", "column", "state"], device=device))


def test_a_model_of_the_library_is_no_whole_cell(file):
    values = bench_of(file, ["row", "word", "column"]).to_dict()
    with pytest.raises(TestbenchError, match=r"device\.ports: must name word once"):
        Testbench.from_dict(values | {"device": {"model": "yakopcic"}})
