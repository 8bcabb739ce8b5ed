"""Checks of Verilog-A models: each defect is found, by its name and place, and what is no defect is not."""

import json
import math
import os
import re
from pathlib import Path

import numpy as np
import pytest
from command import spicecim
from scipy.optimize import brentq

import spicecim as sc
from spicecim.devices import MODELS, make_device
from spicecim.errors import InputError, ModelError, VerilogAError
from spicecim.resources import resource_folder
from spicecim.veriloga.device import ModuleDevice
from spicecim.veriloga.jumps import find_jumps
from spicecim.veriloga.state_range import state_range

pytestmark = pytest.mark.compiler


CELL = """
`include "disciplines.vams"
module device(p, n);
  inout p, n;
  electrical p, n, s;
  (* desc="resistance at x = 1", units="ohm" *) parameter real Ron = 1e3 from (0:inf);
  parameter real Roff = 1e5 from (Ron:inf);
  real v, x, i, rate;
  DECLARED
  analog begin
    v = V(p, n);
    x = V(s);
    i = v*(1.0/Roff + (1.0/Ron - 1.0/Roff)*x);
    rate = 10.0*min(Roff, 1.0)*v*(v > 0.0 ? 1.0 - x : x);
    STATEMENTS
    I(p, n) <+ i;
    I(s) <+ ddt(x) - rate;
  end
endmodule
"""
"""A memristor without a fault; statements and declarations added to it make one.

Where they set the current anew, its rate still takes a parameter.
"""


@pytest.fixture
def write(tmp_path):
    """Write a Verilog-A file and return its path."""

    def write_text(text):
        path = tmp_path / "cell.va"
        path.write_text(text)
        return path

    return write_text


@pytest.fixture
def check_cell(write):
    """Check the cell with statements added."""

    def check(statements="", declared="", **options):
        text = CELL.replace("STATEMENTS", statements).replace("DECLARED", declared)
        return sc.check_model(write(text), **options)

    return check


def line_of(text):
    """Line of CELL that holds a text."""
    return next(number for number, line in enumerate(CELL.split("\n"), 1) if text in line)


STATEMENT = f"cell.va:{line_of('STATEMENTS')}"


def only(report, severity=None):
    """The single finding of a report, or of a severity in it."""
    found = [item for item in report.findings if severity in (None, item.severity)]
    assert len(found) == 1, report.findings
    return found[0]


def test_a_clean_model_has_no_findings(check_cell):
    report = check_cell()
    assert report.findings == ()
    assert report.ok
    assert [(node.name, node.role, node.terminal) for node in report.nodes] == [
        ("p", "row", True),
        ("n", "column", True),
        ("s", "state", False),
    ]
    assert (report.state, report.initial, report.voltage) == ("s", (0.0, 1.0), 2.0)
    ron, roff = report.parameters
    assert (ron.name, ron.type, ron.default, ron.value) == ("Ron", "real", "1e3", 1000.0)
    assert (ron.unit, ron.bounds, ron.description) == ("ohm", "from (0:inf)", "resistance at x = 1")
    assert roff.bounds == "from (Ron:inf)"


# What is no defect, and looks like one.
@pytest.mark.parametrize(
    "statements",
    [
        "i = 1e-3*x*tanh(1e7*v) + 1e-6*v;",
        "i = i*(1.0 + tanh(1e6*(v - 0.7)));",
        "i = 1e-6*(x + 0.01)*(exp(30.0*v) - exp(-30.0*v));",
        "i = 1e-3*(x + 0.1)*(v > 0.0 ? 1.0 : -1.0)*sqrt(abs(v));",
        "rate = rate*exp(20.0*abs(v));",
        "rate = abs(v) > 0.5 ? rate*(abs(v) - 0.5) : 0.0;",
        "rate = v > 0.5 ? 10.0*(exp(v) - exp(0.5))*(1.0 - x) : v < -0.5 ? -10.0*(exp(-v) - exp(0.5))*x : 0.0;",
        "rate = 10.0*v*min(max((v > 0.0 ? 1.0 - x : x)/1e-6, 0.0), 1.0);",
        "rate = 1e4*(1.0/(1.0 + exp(-v/0.05)) - x);",
        "i = v*(1e-5 + 1e-3*min(max(x, 0.0), 1.0));",
        "i = i + 0.0*ddt(v);",
    ],
)
def test_steep_and_bent_but_continuous_functions_are_none(check_cell, statements):
    assert check_cell(statements).findings == ()


def test_hidden_state(check_cell):
    report = check_cell("if (v > 1.0) w = 1.0; i = i*(1.0 + w);", "real w;")
    finding = only(report, "error")
    assert (finding.code, finding.place) == ("hidden-state", STATEMENT)
    assert finding.message.startswith("w is read before it is assigned")
    assert "integrated" not in finding.message
    assert "ddt(V(x))" in finding.cure
    assert not report.ok
    assert report.voltage is None
    assert only(report, "note").code == "not-probed"


@pytest.mark.parametrize("update", ["w = w + 1e-9*v;", "w = w_last + 1e-9*v; w_last = w;"])
def test_hidden_state_by_fixed_steps(check_cell, update):
    finding = only(check_cell(f"{update} i = i*(1.0 + w);", "real w, w_last;"), "error")
    assert finding.code == "hidden-state"
    assert f"fixed steps (from its own value at {STATEMENT})" in finding.message


def test_hidden_state_by_abstime(check_cell):
    report = check_cell("w = w + ($abstime - last)*v; last = $abstime; i = i*(1.0 + w);", "real w, last;")
    found = {item.message.split()[0]: item for item in report.findings if item.severity == "error"}
    assert set(found) == {"w", "last", "$abstime"}
    assert "integrated by differences of $abstime" in found["w"].message
    assert "integrated" not in found["last"].message


def test_explicit_time(check_cell):
    finding = only(check_cell("i = i*(1.0 + $abstime);"))
    assert (finding.severity, finding.code, finding.place) == ("warning", "explicit-time", STATEMENT)


def test_idt_as_state(write):
    text = CELL.replace("x = V(s);", "x = idt(10.0*v, 0.5);").replace("I(s) <+ ddt(x) - rate;", "")
    report = sc.check_model(write(text.replace("n, s;", "n;").replace("STATEMENTS", "").replace("DECLARED", "")))
    finding = only(report, "warning")
    assert (finding.code, finding.place) == ("idt-state", f"cell.va:{line_of('x = V(s);')}")
    assert {item.code for item in report.findings} == {"idt-state", "no-scale", "leaves-bounds"}


def test_logarithm_to_base_10(check_cell):
    finding = only(check_cell("i = i*log(12.0);"))
    assert (finding.severity, finding.code, finding.place) == ("warning", "log-base-10", STATEMENT)
    assert "very likely" not in finding.message
    assert "inverse is ln" in only(check_cell("i = i*log(12.0)*exp(0.1*x);")).message
    function = "analog function real f; input a; real a; begin f = log(a); end endfunction"
    assert only(check_cell("i = i*f(12.0);", function)).place == f"cell.va:{line_of('DECLARED')}"


@pytest.mark.parametrize(
    ("statement", "code", "said"),
    [
        ("$bound_step(1.0e-9);", "bound-step", "at least 1e+06 steps"),
        ("$bound_step(2.0*Ron*1e-9);", "bound-step", "at least 500 steps"),
        ("$bound_step(1e-9/(1.0 + x));", "bound-step", "depends on the state"),
        ("i = i + white_noise(1e-20);", "noise", "no part in a transient"),
        ("@(initial_step) rate = rate;", "initial-step", "every evaluation"),
    ],
)
def test_notes(check_cell, statement, code, said):
    report = check_cell(statement)
    finding = only(report)
    assert (finding.severity, finding.code, finding.place) == ("note", code, STATEMENT)
    assert said in finding.message
    assert report.ok


def test_limiting_is_a_note(write):
    text = CELL.replace("v = V(p, n);", 'v = $limit(V(p, n), "pnjlim", 0.0259, 0.6);')
    finding = only(sc.check_model(write(text.replace("STATEMENTS", "").replace("DECLARED", ""))))
    assert (finding.severity, finding.code, finding.place) == ("note", "limit", f"cell.va:{line_of('v = V(p, n);')}")


def test_zero_over_zero(check_cell):
    finding = only(check_cell("i = i*sin(v)/v*(abs(v) < 2.5 ? 1.0 : 0.0);"))
    assert (finding.severity, finding.code, finding.place) == ("error", "not-finite", None)
    assert "current is not a number at v = 0 V" in finding.message
    assert "finite at all other voltages" in finding.message


def test_overflow(check_cell):
    finding = only(check_cell("i = 1e-3*(x + 0.1)*sinh(1000.0*v);"))
    assert (finding.code, finding.severity) == ("not-finite", "error")
    # 0.725 V is the first voltage of the grid above ln(2*1.8e308)/1000 = 0.710 V
    assert "infinite at v = -0.725 V" in finding.message


def test_negative_argument(check_cell):
    finding = only(check_cell("rate = rate*pow(v, 0.5);"), "error")
    assert "the rate is not a number" in finding.message


def test_the_charge_of_a_clipped_state(check_cell):
    finding = only(check_cell("x = min(max(x, 0.0), 1.0);", initial=(0, 1)), "error")
    assert "the rate is not a number" in finding.message
    assert "ddt take the node's own potential" in finding.cure


def test_current_at_zero(check_cell):
    finding = only(check_cell("i = i + 1e-9;"))
    assert (finding.severity, finding.code) == ("error", "current-at-zero")
    # the largest current is 2 V over 1 kohm, and the offset
    assert "1 nA at x = 0, 5e-07 of the largest current" in finding.message


def test_generated_power(check_cell):
    finding = only(check_cell("i = 1e-3*v*(x - 0.5);"), "error")
    assert finding.code == "generated-power"
    assert "2 mW at v = -2 V, x = 0" in finding.message


def test_leaving_the_bounds(check_cell):
    report = check_cell("rate = 10.0*v;", initial=(0, 1))
    found = [item for item in report.findings if item.severity == "error"]
    assert [item.code for item in found] == ["leaves-bounds", "leaves-bounds"]
    assert "x = 0 (s = 0): at v = -2 V it goes on outwards with dx/dt = -20/s" in found[0].message
    assert "x = 1 (s = 1): at v = 2 V it goes on outwards with dx/dt = 20/s" in found[1].message
    unscaled = check_cell("rate = 10.0*v;")
    assert {item.code for item in unscaled.findings} == {"no-scale", "leaves-bounds"}
    assert unscaled.initial is None


def test_locking_at_the_bounds(check_cell):
    report = check_cell("rate = 10.0*v*x*(1.0 - x);")
    assert [(item.severity, item.code) for item in report.findings] == [("warning", "locks-at-bound")] * 2
    assert report.ok


def test_motion(check_cell):
    still = check_cell("rate = 0.0;")
    assert {item.code for item in still.findings} == {"no-scale", "no-motion"}
    slow = check_cell("rate = rate*(abs(v) > 3.0 ? abs(v) - 3.0 : 0.0);")
    assert only(slow).severity == "note"
    assert only(slow).code == "no-motion"
    assert only(check_cell("rate = 10.0*abs(v)*(1.0 - x);")).code == "one-way"


@pytest.mark.parametrize("threshold", [0.3, 0.123456789, 1.9, 0.0])
@pytest.mark.parametrize("height", [1.0, 1e-2])
def test_discontinuity_of_the_current(check_cell, threshold, height):
    report = check_cell(f"i = v > {threshold} ? i*(1.0 + {height}) + {height}*1e-4*({threshold} == 0.0) : i;")
    finding = only(report)
    assert (finding.severity, finding.code) == ("warning", "discontinuity")
    share = 100.0 if threshold == 0.0 else 100.0 * height / (1.0 + height)
    assert f"the current jumps with the voltage: by {share:.3g} % at v = {threshold:.6g} V" in finding.message


def test_discontinuity_of_the_rate(check_cell):
    finding = only(check_cell("rate = abs(v) > 0.5 ? rate : 0.0;"))
    assert "the rate jumps" in finding.message
    assert "by 100 % at v = 0.5 V" in finding.message
    assert "by 100 % at v = -0.5 V" in finding.message


def test_jumps_are_found_to_rounding():
    """A jump of any height is found where it is; a slope of 1e8 per volt is none."""
    rng = np.random.default_rng(7)
    v = np.linspace(-1.0, 1.0, 101)
    for place in rng.uniform(-1.0, 1.0, 20):
        jumps = find_jumps(lambda v, x, at=place: (x + (v > at), np.tanh(1e8 * (v - at)) + x), v, np.array([0.5]))
        assert [jump.v for jump in jumps[0]] == pytest.approx([place], rel=1e-15)
        assert jumps[0][0].share == pytest.approx(1.0 / 1.5, rel=1e-15)
        assert jumps[1] == []


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.1, 1.0), (2e-10, 1.7e-9), (-3.0, -1.0), (1e3, 16e3)])
def test_the_range_of_a_state_is_found(low, high):
    def rate(v, s):
        return v * np.where(v > 0, high - s, s - low)

    found = state_range(rate, 1.0, 10.0)
    assert found == pytest.approx((low, high), rel=1e-12)


def test_an_unbounded_state_has_no_range():
    assert state_range(lambda v, s: v + 0.0 * s, 1.0, 10.0) is None


def test_the_scale_is_found(check_cell):
    report = check_cell("x = x - 1.0; i = v*(1e-3 - 9e-4*x); rate = -10.0*min(Roff, 1.0)*v*(v < 0.0 ? 1.0 - x : x);")
    # x was the state until 1 was taken away: ddt(x) is the same
    assert report.initial == (2.0, 1.0)
    assert report.findings == ()


def test_inner_nodes_are_solved_for(write):
    text = CELL.replace("n, s;", "n, s, m;").replace("v = V(p, n);", "v = V(m, n); I(p, m) <+ V(p, m)/100.0;")
    text = text.replace("I(p, n) <+ i;", "I(m, n) <+ i;")
    report = sc.check_model(write(text.replace("STATEMENTS", "").replace("DECLARED", "")), voltage=1)
    assert report.findings == ()
    assert {node.name: node.role for node in report.nodes} == {"p": "row", "n": "column", "m": "", "s": "state"}


def test_a_temperature_far_from_zero_is_reached(write):
    """2 V over 1 kohm heat it by 4 mW times 1e5 K/W, 400 K."""
    text = CELL.replace("n, s;", "n, s, T;").replace("STATEMENTS", "I(T) <+ V(T)*1e-5 - v*i;").replace("DECLARED", "")
    device = ModuleDevice(write(text), state="s", initial=(0.0, 1.0))
    assert device.start(np.array([2.0]), np.array([1.0])).max() == pytest.approx(4e-3 / 1e-5, rel=1e-12)
    assert sc.check_model(write(text)).ok


def test_a_solution_behind_a_fold_is_found(write):
    """Newton's steps alone go back and forth beside a current that falls with the voltage."""
    fold = "I(T) <+ V(T) - 1.0 + 0.2*exp(-pow((V(T) - 0.9)/0.1, 2));"
    text = CELL.replace("n, s;", "n, s, T;").replace("STATEMENTS", fold).replace("DECLARED", "")
    device = ModuleDevice(write(text), state="s", initial=(0.0, 1.0))
    right = brentq(lambda u: u - 1.0 + 0.2 * math.exp(-(((u - 0.9) / 0.1) ** 2)), 0.0, 1.0, xtol=1e-15)
    assert device.start(np.array([0.5]), np.array([0.25])).ravel().tolist() == pytest.approx([0.25, right], rel=1e-12)


def test_no_points_have_no_currents(write):
    device = ModuleDevice(write(CELL.replace("STATEMENTS", "").replace("DECLARED", "")))
    assert device.current(np.zeros(0), np.zeros(0)).shape == (0,)


def test_no_state(write):
    text = (
        '`include "disciplines.vams"\nmodule r(p, n); inout p, n; electrical p, n; analog I(p, n) <+ V(p, n); endmodule'
    )
    report = sc.check_model(write(text))
    assert only(report).code == "no-state"
    assert "holds no state" in only(report).cure
    assert report.state is None


def test_one_terminal(write):
    text = CELL.replace("device(p, n);", "device(p);").replace("inout p, n;", "inout p;")
    report = sc.check_model(write(text.replace("STATEMENTS", "").replace("DECLARED", "")))
    assert only(report).code == "no-terminals"


def test_a_default_out_of_its_bounds(write):
    text = CELL.replace("Roff = 1e5", "Roff = 10.0").replace("STATEMENTS", "").replace("DECLARED", "")
    finding = only(sc.check_model(write(text)))
    assert (finding.severity, finding.code) == ("error", "default-out-of-bounds")
    assert finding.place == f"cell.va:{line_of('Roff = 1e5')}"
    assert "Roff: must be from (Ron:inf) (Ron = 1000); it is 10" in finding.message


def test_the_ideal_cell_has_no_fault_but_that_it_does_not_move():
    path = resource_folder("models") / "resistor.va"
    assert [item.code for item in sc.check_model(path, voltage=6.0).findings] == ["no-scale", "no-motion"]
    report = sc.check_model(path, voltage=6.0, initial=(0.0, 1.0))
    assert only(report).code == "no-motion"
    assert [item.name for item in report.parameters] == list(MODELS["resistor"].model_fields)


MEANT = {"memdiode": 2.25, "well_posed_gap": 1.5}
"""Largest voltage (V) that a model is meant for, where its published equations do not hold at 6 V."""
SOFT = ("well_posed_gap",)
"""Models whose equations bring the state back into its range from a little outside: the range has to be given."""
FOUND = {"memdiode": ["discontinuity"]}
"""What published equations have: the memdiode's rate jumps at 0 V, where it is 1e-5 per second."""


NAMES = [name for name in MODELS if name not in ("resistor", "jart_vcm")]


@pytest.mark.parametrize("name", [*NAMES, pytest.param("jart_vcm", marks=pytest.mark.slow)])
def test_the_library_has_no_faults(name):
    initial = tuple(make_device(name).state_from_x([0.0, 1.0])) if name in SOFT else None
    report = sc.check_model(resource_folder("models") / f"{name}.va", voltage=MEANT.get(name, 6.0), initial=initial)
    assert report.ok
    assert [item.code for item in report.findings if item.severity != "note"] == FOUND.get(name, [])
    terminals = [node.name for node in report.nodes if node.terminal]
    assert terminals == (["plus", "minus", "s"] if name == "linear_drift" else ["p", "n", "s"])
    assert report.state == "s"
    assert [item.name for item in report.parameters] == list(MODELS[name].model_fields)
    device = make_device(name)
    expected = device.state_from_x([0.0, 1.0])
    assert report.initial == pytest.approx(expected, abs=1e-4)


def test_errors_come_first(check_cell):
    report = check_cell("$bound_step(1e-9); i = i*log(12.0) + 1e-9;")
    assert [item.severity for item in report.findings] == ["error", "warning", "note"]


def test_parameters_count(check_cell):
    declared = "parameter integer broken = 0 from [0:1];"
    assert check_cell("if (broken == 1) i = i + 1e-9;", declared).ok
    report = check_cell("if (broken == 1) i = i + 1e-9;", declared, parameters={"broken": 1, "Roff": "200k"})
    assert only(report).code == "current-at-zero"
    assert {item.name: item.value for item in report.parameters} == {"Ron": 1e3, "Roff": 2e5, "broken": 1}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"module": "devise"}, "no 'devise'; it has device; did you mean 'device'"),
        ({"state": "q"}, "no node 'q'"),
        ({"parameters": {"Rof": 1}}, "did you mean 'Roff'"),
        ({"parameters": {"Roff": 1}}, "Roff: must be from (Ron:inf) (Ron = 1000); it is 1"),
        ({"parameters": {"Ron": "much"}}, "Ron: 'much' is not"),
        ({"initial": (1, 1)}, "initial: must be two different numbers"),
        ({"initial": (0, float("nan"))}, "initial: must be two different numbers"),
        ({"voltage": 0}, "voltage: must be above 0"),
        ({"voltage": "2A"}, "voltage: '2A' is not a quantity in V"),
    ],
)
def test_wrong_arguments(check_cell, options, reason):
    with pytest.raises(ModelError) as caught:
        check_cell(**options)
    assert reason in str(caught.value)


def test_several_modules(write):
    cell = CELL.replace("STATEMENTS", "").replace("DECLARED", "")
    path = write(cell + cell.replace("module device", "module other").replace('`include "disciplines.vams"', ""))
    with pytest.raises(InputError, match="has device, other; name one"):
        sc.check_model(path)
    assert sc.check_model(path, "other").module == "other"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('`include "gone.va"\n' + CELL, "gone.va"),
        (CELL.replace("STATEMENTS", "i = ;").replace("DECLARED", ""), "OpenVAF refuses the file"),
        ("module device; endmodule\n", "no terminals"),
        ("", "no module"),
    ],
)
def test_files_that_cannot_be_compiled(write, text, reason):
    path = write(text)
    with pytest.raises(VerilogAError) as caught:
        sc.check_model(path)
    assert reason in str(caught.value)
    result = spicecim("model", "check", path)
    assert result.returncode == 2
    assert reason in result.stderr
    assert "Traceback" not in result.stderr


def test_the_command(write):
    path = write(CELL.replace("STATEMENTS", "i = i*log(12.0);").replace("DECLARED", ""))
    result = spicecim("model", "check", path)
    assert result.returncode == 0, result.stderr
    for part in (
        "device in",
        "Roff",
        "(Ron:inf)",
        "resistance at x = 1",
        f"warning  log-base-10  {STATEMENT}",
        "cure:",
    ):
        assert part in result.stdout
    # a path is the user's own
    assert max(map(len, result.stdout.splitlines()[1:])) <= 80
    told = json.loads(spicecim("model", "check", path, "--json").stdout)
    assert told == json.loads(json.dumps(sc.check_model(path).to_dict()))
    assert told["ok"]


def test_the_documented_output_is_real(tmp_path):
    document = (Path(__file__).parent.parent / "docs" / "verilog-a.md").read_text(encoding="utf-8")
    source = re.search(r"```verilog\n(.*?)```", document, re.DOTALL)
    shown = re.search(r"```text\n\$ spicecim (.*?)\n(.*?)```", document, re.DOTALL)
    (tmp_path / "drift.va").write_text(source[1])
    environment = {**os.environ, "COLUMNS": "80"}
    arguments = shown[1].split()
    result = spicecim(*arguments, cwd=tmp_path, env=environment)
    assert [line.rstrip() for line in result.stdout.splitlines()] == shown[2].splitlines()
    assert result.returncode == 1


def test_the_command_fails_on_an_error(write):
    path = write(CELL.replace("STATEMENTS", "i = i + (Ron < 5e2)*1e-9;").replace("DECLARED", ""))
    assert spicecim("model", "check", path, "--initial", "0", "1", "--voltage", "1.5V").returncode == 0
    result = spicecim("model", "check", path, "--parameter", "Ron=100", "--parameter", "Roff=10k", "--json")
    assert result.returncode == 1
    told = json.loads(result.stdout)
    assert not told["ok"]
    assert [item["code"] for item in told["findings"]] == ["current-at-zero"]
    assert spicecim("model", "check", path, "--initial", "-1", "1").returncode == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--parameter", "Ron"], "must be NAME=VALUE"),
        (["--parameter", "Ron=1", "--parameter", "Ron=2"], "Ron: is given twice"),
        (["--parameter", "Ron=-1"], "Ron: must be"),
        (["--module", "none"], "has no 'none'"),
        (["--voltage", "much"], "voltage: 'much' is not"),
    ],
)
def test_the_command_on_bad_input(write, arguments, reason):
    result = spicecim("model", "check", write(CELL.replace("STATEMENTS", "").replace("DECLARED", "")), *arguments)
    assert result.returncode == 2
    assert reason in result.stderr
    assert result.stdout == ""


def test_hard_stops_as_published(check_cell):
    finding = only(check_cell("rate = 10.0*v*(v > 0.0 ? (x < 1.0 ? 1.0 : 0.0) : (x > 0.0 ? 1.0 : 0.0));"))
    assert (finding.severity, finding.code) == ("warning", "discontinuity-in-state")
    assert "x = 0" in finding.message
    assert "x = 1" in finding.message


def test_a_steep_stop_is_no_jump(check_cell):
    ramps = "rate = 10.0*v*(v > 0.0 ? min(max((1.0 - x)/1e-6, 0.0), 1.0) : min(max(x/1e-6, 0.0), 1.0));"
    assert check_cell(ramps).findings == ()
