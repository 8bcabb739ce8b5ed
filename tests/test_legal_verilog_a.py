"""Verilog-A as people publish it: what is legal runs, or is refused by its name with a cure; a note is no error."""

import numpy as np
import pytest
from conftest import bench_dict

import spicecim as sc
from spicecim.errors import ModelError, VerilogAError
from spicecim.testbench import Testbench
from spicecim.veriloga.device import ModuleDevice

pytestmark = pytest.mark.compiler


CELL = """`include "disciplines.vams"
module m(p, n);
  inout p, n; electrical p, n, x;
  DECLARED
  real g;
  analog BEGIN
    g = 1e-5 + 1e-3*V(x);
    STATEMENTS
    I(p, n) <+ g*V(p, n);
    I(x) <+ ddt(V(x)) - 100*V(p, n)*(V(p, n) > 0 ? 1 - V(x) : V(x));
  end
endmodule
"""


@pytest.fixture
def cell(tmp_path):
    """Write a cell with declarations and statements added, and return its path."""

    def write(declared="", statements="", begin="begin"):
        path = tmp_path / "cell.va"
        text = CELL.replace("DECLARED", declared).replace("STATEMENTS", statements).replace("BEGIN", begin)
        path.write_text(text)
        return path

    return write


def _currents(path, parameters=None, engine="ngspice", **device):
    """Current of one cell at x = 0.3, 0.2 V, by an engine and by the equations."""
    bench = Testbench.from_dict(
        bench_dict(
            device={"verilog_a": str(path), "initial": [0, 1], "parameters": parameters or {}, **device},
            crossbar={"state": [[0.3]]},
            drive={"kind": "sine", "amplitude": 0.2, "frequency": 1e4, "phase": np.pi / 2},
            analysis={"periods": 1},
        )
    )
    return float(sc.simulate(bench, engine=engine).i_column[0, 0])


G = 1e-5 + 1e-3 * 0.3

SEVERAL_PLACES = """
    if (law == 1) begin
      a = exp(q); b = ln(m); g = g + 1e-3*b + 1e-4*a;
    end
    c = sqrt(q); b = ln(m); a = exp(q);
    g = g + 1e-2*b + 1e-5*a + 1e-6*c;
"""


@pytest.mark.ngspice
@pytest.mark.parametrize("engine", ["ngspice", "reference"])
@pytest.mark.parametrize("law", [1, 2])
def test_values_of_parameters_alone_that_are_worked_out_in_several_places(cell, law, engine):
    declared = "parameter integer law = 2 from [1:2]; parameter real m = 10; parameter real q = 3; real a, b, c;"
    right = G + 1e-2 * np.log(10) + 1e-5 * np.exp(3) + 1e-6 * np.sqrt(3)
    right += (1e-3 * np.log(10) + 1e-4 * np.exp(3)) if law == 1 else 0.0
    found = _currents(cell(declared, SEVERAL_PLACES), {"law": law}, engine)
    assert found == pytest.approx(0.2 * right, rel=1e-9)


NAMES = ["mfactor", "initial_state", "given_mfactor", "parameter_mfactor", "temperature", "temp", "m", "dtemp", "inst"]
NAMES += ["mod", "model", "info", "handle", "double", "int", "static", "main", "last", "states", "v3", "sum0", "vt"]


@pytest.mark.ngspice
@pytest.mark.filterwarnings("ignore::spicecim.errors.CurrentWarning")  # 22 factors of 1.5
@pytest.mark.parametrize("engine", ["ngspice", "reference"])
@pytest.mark.parametrize("kind", ["", '(* type="instance" *) '])
def test_a_parameter_may_have_any_name(cell, engine, kind):
    declared = " ".join(f"{kind}parameter real {name} = 1;" for name in NAMES)
    found = _currents(cell(declared, f"g = g*{'*'.join(NAMES)};"), dict.fromkeys(NAMES, 1.5), engine)
    assert found == pytest.approx(0.2 * G * 1.5 ** len(NAMES), rel=1e-9)


@pytest.mark.slow
def test_a_long_loop_ends(cell):
    path = cell("integer i;", "for (i = 0; i < 2000; i = i + 1) g = g + 1e-9;")
    current = ModuleDevice(path, initial=(0.0, 1.0)).current(0.2, 0.3)
    assert current == pytest.approx(0.2 * (G + 2e-6), rel=1e-9)
    assert _currents(path) == pytest.approx(0.2 * (G + 2e-6), rel=1e-9)


def test_a_loop_without_end_is_refused(cell):
    path = cell("parameter integer k = 2000000000; integer i;", "for (i = 0; i < k; i = i + 1) g = g + 1e-9;")
    with pytest.raises(VerilogAError, match=r"a loop does not end: .* \(spicecim\.limits\.VERILOG_A_BLOCKS\)"):
        ModuleDevice(path, initial=(0.0, 1.0)).current(0.2, 0.3)


@pytest.mark.ngspice
@pytest.mark.parametrize("begin", ["begin : core", "begin : core real k; k = 1;"])
def test_a_block_may_have_a_name(cell, begin):
    assert _currents(cell(begin=begin)) == pytest.approx(0.2 * G, rel=1e-9)


@pytest.mark.parametrize(
    ("declared", "statements", "reason"),
    [
        ("real k;", "@(initial_step, final_step) k = 1;", r"cell\.va:8: @\(final_step\) is not supported"),
        ("real k;", '@(initial_step("ac")) k = 1;', r"cell\.va:8: @\(initial_step\) of ac alone is not supported"),
    ],
)
def test_what_openvaf_does_not_take_is_named_with_a_cure(cell, declared, statements, reason):
    with pytest.raises(VerilogAError, match=reason):
        ModuleDevice(cell(declared, statements))


CHOICES = {
    "if law == 1, else if law == 2": "if (law == 1) h = 2; else if (law == 2) h = 3;",
    "a case": "case (law) 1: h = 2; 2: h = 3; endcase",
    "two ifs": "if (law == 1) h = 2; if (law == 2) h = 3;",
    "by another variable": "l = law*2; if (l == 2) h = 2; else if (l > 3) h = 3;",
}


@pytest.mark.parametrize("text", CHOICES.values(), ids=CHOICES)
@pytest.mark.parametrize("law", [1, 2])
def test_what_parameters_assign_on_every_path_is_no_memory(cell, text, law):
    path = cell("parameter integer law = 1 from [1:2]; real h; integer l;", f"{text} g = g*h;")
    assert not sc.check_model(path, parameters={"law": law}).findings
    assert ModuleDevice(path, parameters={"law": law}).current(0.2, 0.3) == pytest.approx(0.2 * G * (law + 1))


def test_what_parameters_leave_out_is_memory(cell):
    path = cell("parameter integer law = 1; real h;", "if (law == 1) h = 2; else if (law == 2) h = 3; g = g*h;")
    assert sc.check_model(path).ok
    found = sc.check_model(path, parameters={"law": 3}).findings
    assert [finding.code for finding in found if finding.severity == "error"] == ["hidden-state"]
    with pytest.raises(VerilogAError, match=r"h .* is read before it is assigned"):
        ModuleDevice(path, parameters={"law": 3})


def test_an_integral_is_not_blamed_for_fixed_steps(cell):
    path = cell("real w;", "g = g + 1e-3*w; w = idt(100*V(p, n), 0.5); w = max(0, min(1, w));")
    found = {finding.code: finding for finding in sc.check_model(path).findings}
    assert "assigned from an integral further down" in found["hidden-state"].message
    assert "fixed steps" not in found["hidden-state"].message
    assert found["hidden-state"].cure.startswith("Read it after it is assigned")


SOFT = """`include "disciplines.vams"
module soft(p, n);
  inout p, n; electrical p, n, x;
  real r, low, high;
  analog begin
    r = 1e-3*sinh(V(p, n)/0.25);
    low = 0.5*(1 - V(x)/sqrt(V(x)*V(x) + 1e-8));
    high = 0.5*(1 + (V(x) - 1)/sqrt((V(x) - 1)*(V(x) - 1) + 1e-8));
    r = r + (limexp(-50*V(x)) - r)*low + (-limexp(50*(V(x) - 1)) - r)*high;
    I(p, n) <+ V(p, n)/(100*V(x) + 1e4*(1 - V(x)));
    I(x) <+ ddt(V(x)) - r;
  end
endmodule
"""
"""Within 1 V the state stays between -0.001 and 1.001, and at 10 V between -0.3 and 1.3, where the resistance is below
zero."""


DRIVE = {"kind": "sine", "amplitude": 0.2, "frequency": 1e3}


@pytest.mark.ngspice
def test_the_scale_is_found_at_the_voltage_of_the_drive(tmp_path):
    (tmp_path / "soft.va").write_text(SOFT)
    sections = bench_dict(device={"verilog_a": "soft.va"}, crossbar={"state": [[1.0]]}, drive=DRIVE)
    for engine in ("ngspice", "reference"):
        found = sc.simulate(Testbench.from_dict(sections, folder=tmp_path), engine=engine)
        assert float(found.i_column.max()) == pytest.approx(0.2 / 100, rel=0.01)


@pytest.mark.parametrize("voltage", [0.2, 1.0, 2.0])
def test_a_soft_stop_is_no_error(tmp_path, voltage):
    (tmp_path / "soft.va").write_text(SOFT)
    report = sc.check_model(tmp_path / "soft.va", voltage=voltage)
    assert report.initial == (0.0, 1.0)
    assert {finding.severity for finding in report.findings} <= {"note"}


def test_a_soft_stop_that_gives_way_is_an_error(tmp_path):
    (tmp_path / "soft.va").write_text(SOFT)
    assert not sc.check_model(tmp_path / "soft.va", voltage=10.0).ok


def test_a_scale_over_which_the_current_changes_its_sign_is_refused(tmp_path):
    text = SOFT.replace("100*V(x) + 1e4*(1 - V(x))", "1e4*(V(x) - 0.5)")
    (tmp_path / "soft.va").write_text(text)
    sections = bench_dict(device={"verilog_a": "soft.va"}, crossbar={"state": [[1.0]]}, drive=DRIVE)
    with pytest.raises(ModelError, match=r"device\.initial: .* the current changes its sign, at"):
        Testbench.from_dict(sections, folder=tmp_path).device.build()


def test_a_threshold_below_the_drive_hides_no_bound(tmp_path):
    """Where 1 V moves nothing, larger voltages find the bounds: reading a device does not change its scale."""
    text = SOFT.replace("1e-3*sinh(V(p, n)/0.25)", "(abs(V(p, n)) > 2 ? V(p, n) : 0.0)")
    text = text.replace("limexp(-50*V(x))", "0").replace("-limexp(50*(V(x) - 1))", "0")
    (tmp_path / "t.va").write_text(
        text.replace("r = r + (0 - r)*low + (0 - r)*high;", "r = r*(r > 0 ? 1.7 - V(x) : V(x) - 0.2);")
    )
    assert ModuleDevice(tmp_path / "t.va", voltage=1.0).initial == (0.2, 1.7)


TEAM = """`include "disciplines.vams"
module team(p, n);
  inout p, n; electrical p, n, w;
  real i, rate;
  analog begin
    i = V(p, n)/(50 + V(w)*950/3);
    rate = 0;
    if (i >= 115u) rate = 1.46e-9*pow(i/115u - 1, 10)*exp(-exp(min((V(w) - 3)/1m, 80)));
    else if (i <= -8.9u) rate = -4.68e-13*pow(-i/8.9u - 1, 10)*exp(-exp(min(-V(w)/1m, 80)));
    I(p, n) <+ i;
    I(w) <+ ddt(V(w)) - rate;
  end
endmodule
"""


def test_a_state_that_leaves_its_bound_slowly_is_not_locked(tmp_path):
    """Far from the voltage's whole current, it is 1e13 times slower at one end than at the other."""
    (tmp_path / "team.va").write_text(TEAM)
    assert "locks-at-bound" not in {finding.code for finding in sc.check_model(tmp_path / "team.va").findings}


MIXED = """`include "disciplines.vams"
module mixed(p, n);
  inout p, n; electrical p, n, w, y;
  branch (w, n) held;
  real v, x, rate;
  analog begin
    v = V(p, n);
    x = (V(held) - (1.986500850303178))/(2.5);
    rate = 9.520735279173838*(max(v - 0.2641208377588351, 0) - max(-v - 0.35070410953220527, 0))/0.7859937221667652;
    rate = rate*(v > 0 ? 1 - x : x);
    rate = rate*(1 + V(y));
    I(y) <+ 737092.126537631*(ddt(V(y)) - (0.8960837177410239*v*v - V(y))/0.018768752940447286);
    I(p, n) <+ (3.914770113535977e-05 + 0.0002428525060314944*x)*v*(1 + (v/1.737958529064658)*(v/1.737958529064658));
    I(held) <+ 29.251675924969867*(ddt(V(held)) - (2.5)*rate);
  end
endmodule
"""
"""OpenVAF takes the derivative of V(y) for that of V(held)."""


def test_derivatives_that_openvaf_mixes_up_are_refused_with_a_cure(tmp_path):
    path = tmp_path / "mixed.va"
    path.write_text(MIXED)
    with pytest.raises(VerilogAError, match=r"OpenVAF mixes up derivatives by time: .* a variable of its own"):
        ModuleDevice(path, state="w", initial=(1.9865, 4.4865))
    cured = MIXED.replace("real v,", "real q, u, v,").replace("v = V(p, n);", "v = V(p, n); q = V(held); u = V(y);")
    path.write_text(cured.replace("ddt(V(held))", "ddt(q)").replace("ddt(V(y))", "ddt(u)"))
    assert ModuleDevice(path, state="w", initial=(1.9865, 4.4865)).rate(1.0, 3.0) > 0


@pytest.mark.ngspice
def test_a_node_may_follow_the_slope_of_the_voltage(tmp_path):
    """It jumps at every corner of the drive, which holds up no step of the reference engine."""
    path = tmp_path / "slope.va"
    path.write_text(
        '`include "disciplines.vams"\n'
        "module slope(p, n, out); inout p, n, out; electrical p, n, out, x;\n"
        "  analog begin\n"
        "    I(p, n) <+ 1e-3*(0.1 + V(x))*V(p, n);\n"
        "    I(x) <+ ddt(V(x)) - 10*V(p, n)*V(x)*(1 - V(x));\n"
        "    V(out) <+ 1e-3*ddt(V(p, n));\n"
        "  end\n"
        "endmodule\n"
    )
    period = 0.01
    bench = sc.Testbench(
        device={"verilog_a": str(path)},
        crossbar={"state": [[0.3]]},
        drive={"kind": "pulse", "high": 0.9, "rise": 1e-3, "fall": 2e-3, "width": 3e-3, "period": period},
        analysis={"probe": "cells"},
    )
    for engine in ("ngspice", "reference"):
        run = sc.simulate(bench, engine)
        time, v = run.time.values, run.v_row.values[:, 0]
        flux = np.concatenate([[0.0], np.cumsum(0.5 * (v[1:] + v[:-1]) * np.diff(time))])
        x = 1 / (1 + (1 - 0.3) / 0.3 * np.exp(-10 * flux))
        np.testing.assert_allclose(run.x.values[:, 0, 0], x, atol=1e-5)
        np.testing.assert_allclose(run.i_column.values[:, 0], 1e-3 * (0.1 + x) * v, atol=1e-5 * 1e-3)
