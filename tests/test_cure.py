"""Hidden state goes into nodes: what was hidden is found, the limit of small steps is kept, and the rest is refused."""

import json
import math
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from typer.testing import CliRunner

import spicecim as sc
from spicecim.cli.app import app
from spicecim.cure.comparison import Comparison, compare_cured, device_section, main_state, state_scale
from spicecim.cure.model import cure_module
from spicecim.errors import ModelError, VerilogAError
from spicecim.veriloga import draws
from spicecim.veriloga.compiler import compile_verilog_a
from spicecim.veriloga.cure.cured import cure_text
from spicecim.veriloga.cure.numbers import Numbers
from spicecim.veriloga.cure.parsing import read_syntax
from spicecim.veriloga.cure.slopes import rate_of
from spicecim.veriloga.cure.syntax import Assign
from spicecim.veriloga.cure.terms import STEP, build, make, name, number, rebuilt, written
from spicecim.veriloga.cure.values import DRAWS
from spicecim.veriloga.declarations import read_declarations
from spicecim.veriloga.expressions import Expression
from spicecim.veriloga.source import read_source

SPICECIM = Path(sys.executable).with_name("spicecim")
CORPUS = Path(__file__).parent / "cure_corpus"

CURED = {
    # file: variables that hold the states, options
    "chosen_window": (["wold"], {}),
    "current_of_last_step": (["x"], {}),
    "drawn_start": (["x"], {"also": ["draws"]}),
    "exact_decay": (["y"], {}),
    "filament_heat": (["x", "T"], {}),
    "fixed_step": (["w"], {}),
    "flux_integral": (["integral_0"], {}),
    "gap_integral": (["integral_0"], {}),
    "guarded_update": (["x"], {}),
    "implicit_newton": (["s_prev"], {}),
    "implicit_relaxation": (["x_old"], {}),
    "implicit_rounds": (["x_prev"], {}),
    "inner_node": (["x"], {}),
    "literal_step": (["x"], {}),
    "local_names": (["theta"], {}),
    "pushed_by_another": (["push", "w"], {}),
    "remembered_constants": (["x"], {}),
    "starts_at_bound": (["gap"], {}),
    "step_in_function": (["x"], {}),
    "stopped_rate": (["R"], {}),
    "threshold_flag": (["w_last"], {}),
    "timer_steps": (["x"], {}),
    "trapezoid": (["x_last"], {}),
    "two_filaments": (["fast", "slow"], {}),
    "width_on_a_port": (["w_last"], {}),
    "window_by_ifs": (["w_last"], {}),
    "wrong_words": (["integral_0"], {"also": ["log", "rate-in-ddt", "from"]}),
}

REFUSED = {
    # file: line and reason
    "refused_count": ("refused_count.va:9", "@(cross)"),
    "refused_noise": ("refused_noise.va:12", "no rate"),
    "refused_reset": ("refused_reset.va:14", "since"),
    "refused_slope": ("refused_slope.va:11", "write ddt"),
    "refused_switch": ("refused_switch.va:13", "jumps"),
    "refused_unknown_step": ("refused_unknown_step.va:10", "--step"),
}

MODULE = """
`include "disciplines.vams"
module m(p, n);
  inout p, n;
  electrical p, n;
  DECLARED
  analog begin
    STATEMENTS
  end
endmodule
"""


def module_file(folder, statements, declared=""):
    path = folder / "m.va"
    path.write_text(MODULE.replace("DECLARED", declared).replace("STATEMENTS", statements))
    return path


def cured_file(folder, file, **options):
    """The module of the corpus, cured, with the file of it."""
    cured = cure_text(CORPUS / f"{file}.va", **options)
    path = folder / f"{file}.va"
    path.write_text(cured.written.text)
    return cured, path


def test_the_corpus_is_whole():
    assert {path.stem for path in CORPUS.glob("*.va")} == set(CURED) | set(REFUSED)


@pytest.mark.compiler
@pytest.mark.parametrize("file", CURED)
def test_hidden_state_is_put_into_nodes(file, tmp_path):
    states, options = CURED[file]
    cured, path = cured_file(tmp_path, file, **options)
    assert sorted(item.state.name for item in cured.written.states) == sorted(states)
    compilation = compile_verilog_a(path)
    (module,) = compilation.modules
    assert compilation.unset(module, cured.parameters) == ()
    assert "$abstime" not in compilation.declarations[module].calls
    for item in cured.written.states:
        assert f"ddt(V({item.node}))" in cured.written.text


@pytest.mark.parametrize("file", REFUSED)
def test_what_has_no_rate_is_refused_with_its_line_and_the_reason(file):
    place, reason = REFUSED[file]
    with pytest.raises(VerilogAError) as raised:
        cure_text(CORPUS / f"{file}.va")
    assert str(raised.value).startswith(f"{place}: ")
    assert reason in str(raised.value)


def test_a_state_is_stopped_where_only_another_one_pushes_it(tmp_path):
    cured, _ = cured_file(tmp_path, "pushed_by_another")
    assert "- w_rate*min(max(w_rate > 0.0 ? (1 - w_place)/1e-06 : w_place/1e-06, 0.0), 1.0)" in cured.written.text


def test_a_lone_if_in_a_case_keeps_its_else(tmp_path):
    statements = "case (k) 0: if (V(p, n) > 0) s = 1; 1: s = 2; endcase x = x + dt*s; I(p, n) <+ x*V(p, n);"
    cured = cure_text(module_file(tmp_path, statements, "parameter integer k = 1; parameter real dt = 1n; real s, x;"))
    assert "begin if (V(p, n) > 0) s = 1; end else if (k == 1) begin s = 2; end" in cured.written.text


def test_what_is_not_followed_is_told_with_its_own_line(tmp_path):
    path = module_file(
        tmp_path, "x = x + dt;\nI(p, n) <+ x*transition(V(p, n), 0, 1n);", "parameter real dt = 1n; real x;"
    )
    with pytest.raises(VerilogAError, match=r"m\.va:9: transition is not supported: its ramps .* let a node follow"):
        cure_text(path).rule()


def test_a_drive_under_which_the_state_shows_nothing_compares_nothing(tmp_path):
    cured, path = cured_file(tmp_path, "fixed_step")
    comparison = compare_cured(cured, path, amplitude=1e3, frequency=1e-3)
    assert "hardly moves under sinusoidal voltages up to 1000 V at 0.001 Hz" in comparison.problem
    assert not comparison.agrees


def agrees(file, folder, options):
    cured, path = cured_file(folder, file, **options)
    comparison = compare_cured(cured, path)
    assert comparison.problem == ""
    assert comparison.agrees, comparison
    # steps half as long, half the difference: the rule of the original converges to what the cured module does
    assert comparison.rule[0] > 1.7 * comparison.rule[1] > 0


QUICK = ["fixed_step"]


@pytest.mark.compiler
@pytest.mark.ngspice
@pytest.mark.parametrize("file", QUICK)
def test_both_engines_agree_with_the_original(file, tmp_path):
    agrees(file, tmp_path, CURED[file][1])


@pytest.mark.slow
@pytest.mark.parametrize("file", [file for file in CURED if file not in QUICK])
def test_both_engines_agree_with_every_original(file, tmp_path):
    agrees(file, tmp_path, CURED[file][1])


def reference_current(cured, path, amplitude, frequency, points=400):
    main = main_state(cured)
    bench = sc.Testbench.model_validate(
        {
            "device": device_section(cured, path),
            "crossbar": {"state": [[state_scale(cured, main)[2]]]},
            "drive": {"kind": "sine", "amplitude": amplitude, "frequency": frequency},
            "analysis": {"periods": 1},
        }
    )
    time = np.linspace(0.0, 1.0 / frequency, points + 1)
    return time, sc.simulate(bench, engine="reference", time=time).i_row.values[:, 0]


def integrated(rate, start, time):
    """The states by an integration of its own, at 1e-10 of each."""
    scale = np.maximum(np.abs(start), 1e-12)
    solution = solve_ivp(
        lambda t, y: rate(t, y * scale) / scale, (0.0, time[-1]), np.array(start) / scale, "LSODA", time,
        rtol=1e-10, atol=1e-12, max_step=time[-1] / 200,
    )  # fmt: skip
    return solution.y * scale[:, None]


@pytest.mark.compiler
def test_a_filament_follows_its_equation(tmp_path):
    """The equations of threshold_flag.va, written once more, in meters and seconds."""
    cured, path = cured_file(tmp_path, "threshold_flag")
    time, current = reference_current(cured, path, 1.0, 400.0)
    voltage = np.sin(2 * np.pi * 400.0 * time)

    def rate(t, y):
        v = math.sin(2 * math.pi * 400.0 * t)
        return np.array(
            [1e-9 * (100 * (v / 0.3 - 1) ** 2 if v > 0.3 else -100 * (v / -0.3 - 1) ** 2 if v < -0.3 else 0)]
        )

    (w,) = integrated(rate, [1e-9], time)
    assert 0 < w.min() < w.max() < 3e-9
    exact = voltage / (1e3 + 99e3 * w / 3e-9)
    np.testing.assert_allclose(current, exact, atol=1e-6 * np.abs(exact).max())


@pytest.mark.compiler
def test_filament_and_temperature_follow_their_equations(tmp_path):
    cured, path = cured_file(tmp_path, "filament_heat")
    time, current = reference_current(cured, path, 1.0, 3e3)

    def rate(t, y):
        v, (x, temperature) = math.sin(2 * math.pi * 3e3 * t), y
        i = v * (1e-6 + 1e-4 * x)
        grown = 1e9 * math.exp(-0.4 / (8.617333e-5 * temperature)) * math.sinh(v / 0.3) * (1 - x if v > 0 else x)
        return np.array([grown, (v * i - (temperature - 300) / 2e6) / 1e-10])

    x, temperature = integrated(rate, [0.3, 300.0], time)
    assert temperature.max() > 320
    exact = np.sin(2 * np.pi * 3e3 * time) * (1e-6 + 1e-4 * x)
    np.testing.assert_allclose(current, exact, atol=1e-6 * np.abs(exact).max())


@pytest.mark.compiler
def test_a_state_stays_at_its_bound_and_returns_at_once(tmp_path):
    cured, path = cured_file(tmp_path, "stopped_rate")
    time, current = reference_current(cured, path, 1.0, 100.0)
    voltage = np.sin(2 * np.pi * 100.0 * time)
    resistance = voltage[1:-1][np.abs(voltage[1:-1]) > 0.1] / current[1:-1][np.abs(voltage[1:-1]) > 0.1]
    # within the width of the stop
    assert resistance.min() == pytest.approx(1e3, rel=1e-4)
    assert resistance.max() == pytest.approx(1e4, rel=1e-4)
    device = sc.VerilogADevice.model_validate(device_section(cured, path)).build()
    low, high = sorted(device.initial)
    assert device.rate(1.0, low) > 0 > device.rate(-1.0, high)
    assert device.rate(-1.0, low) == pytest.approx(0.0, abs=1e-6 * device.rate(1.0, low))


@pytest.mark.compiler
def test_a_state_is_bounded_with_other_parameters_too(tmp_path):
    """By default a window keeps w from its bounds; with window_type 0 nothing but the bounds does."""
    cured, path = cured_file(tmp_path, "chosen_window")
    section = {**device_section(cured, path), "parameters": {"window_type": 0}}
    device = sc.VerilogADevice.model_validate(section).build()
    high = max(device.initial)
    inside, outside = device.rate(1.0, np.array([high - 1e-3, high]))
    assert inside > 0
    assert outside == pytest.approx(0.0, abs=1e-6 * inside)


@pytest.mark.compiler
def test_a_check_of_the_cured_model_finds_no_error(tmp_path):
    _, path = cured_file(tmp_path, "fixed_step")
    report = sc.check_model(path)
    assert report.ok
    assert report.state == "w_node"
    # counted from the start, 0.1
    assert report.initial == pytest.approx((-0.1, 0.9))


@pytest.mark.compiler
def test_a_check_says_whether_a_model_can_be_cured(tmp_path):
    note = sc.check_model(CORPUS / "fixed_step.va").findings[-1]
    assert (note.code, note.severity) == ("not-probed", "note")
    assert note.cure == "spicecim model cure fixed_step.va -o OUT.va puts w into a node; check that file"
    note = sc.check_model(CORPUS / "refused_switch.va").findings[-1]
    assert "spicecim model cure cannot: refused_switch.va:13: on becomes" in note.cure
    with pytest.raises(
        VerilogAError, match=r"@\(timer\) is not supported.*\n.*model cure timer_steps.va -o OUT.va puts x"
    ):
        sc.check_model(CORPUS / "timer_steps.va")
    with pytest.raises(VerilogAError, match="initial_step") as raised:
        sc.check_model(CORPUS / "refused_count.va")
    assert "model cure" not in str(raised.value)


def test_a_name_like_a_step_that_is_none_is_left(tmp_path):
    """Dt is a thickness here, and time comes from $abstime."""
    path = module_file(
        tmp_path,
        "@(initial_step) x = 0.3; x = x + 1e10*dt*V(p, n)*x*(1 - x)*($abstime - t); t = $abstime;"
        " I(p, n) <+ V(p, n)*x;",
        "parameter real dt = 10n; real x, t;",
    )
    cured = cure_text(path)
    (item,) = cured.written.states
    values = {item.state.own: 0.25}
    assert cured.numbers(item.state.rate, values, 2.0) == pytest.approx(1e10 * 10e-9 * 2.0 * 0.25 * 0.75)
    assert "parameter real dt" in cured.written.text


def test_the_step_is_taken_as_given(tmp_path):
    text = "x = x + pace*V(p, n)*(1 - x)*7; I(p, n) <+ V(p, n)*(1 + x);"
    path = module_file(tmp_path, text, "parameter real pace = 1u; real x;")
    with pytest.raises(VerilogAError, match="name it by --step"):
        cure_text(path)
    (item,) = cure_text(path, step="pace").written.states
    assert written(item.state.rate, {item.state.own: "x"}) == "V(p, n)*(1 - x)*7"
    path = module_file(tmp_path, text.replace("pace", "2e-6"), "real x;")
    (item,) = cure_text(path, step=2e-6).written.states
    assert written(item.state.rate, {item.state.own: "x"}) == "V(p, n)*(1 - x)*7"
    with pytest.raises(VerilogAError, match="no parameter or variable 'pase'"):
        cure_text(path, step="pase")


def currents_of(path, **options):
    """The currents of a module without memory, by its own rule, at 0 V."""
    return cure_text(path, **options).rule().run(np.array([0.0, 1.0]), np.zeros(2))


def test_a_remainder_has_the_sign_of_the_first_number(tmp_path):
    text = "k = -7; y = -7.5; I(p, n) <+ V(p, n) + k % 3 + 100*(y % 2) + 10000*(k/3);"
    np.testing.assert_allclose(currents_of(module_file(tmp_path, text, "integer k; real y;")), -1 - 150 - 20000)


@pytest.mark.parametrize(
    ("call", "mean"),
    [
        ("normal(k, 3, 1)", 3), ("uniform(k, 1, 5)", 3), ("exponential(k, 2)", 2), ("poisson(k, 4)", 4),
        ("chi_square(k, 5)", 5), ("t(k, 5)", 0), ("erlang(k, 2, 7)", 7),
    ],
)  # fmt: skip
def test_the_mean_takes_the_place_of_each_draw(call, mean, tmp_path):
    path = module_file(tmp_path, f"k = 1; I(p, n) <+ V(p, n) + $rdist_{call} + $arandom(k);", "integer k;")
    np.testing.assert_allclose(currents_of(path, also=["draws"]), mean)


def test_every_function_that_draws_has_a_mean():
    assert set(DRAWS) == set(draws.FUNCTIONS)


def test_a_winding_integral_is_told():
    cured = cure_text(CORPUS / "gap_integral.va")
    time = np.linspace(0.0, 2.0 / 2e3, 4001)
    voltage = 1.5 * np.sin(2 * np.pi * 2e3 * time)
    stopping, winding = (cured.rule(stopping=stops).run(time, voltage) for stops in (True, False))
    assert np.abs(stopping - winding).max() > 0.05 * np.abs(stopping).max()
    assert any("winds up" in note for note in cured.memories.notes)


def test_a_module_without_hidden_state_is_told(tmp_path):
    path = module_file(tmp_path, "I(p, n) <+ V(p, n)*log(2 + V(p, n));")
    with pytest.raises(ModelError, match=r"keeps no memory in variables.*--also could change log"):
        cure_module(path)
    assert "ln(2 + V(p, n))" in cure_module(path, also=["log"]).text
    with pytest.raises(ModelError, match="also: must be one of log, exp, from"):
        cure_module(path, also=["logg"])


def test_single_mistakes_are_cured_where_that_is_asked_for():
    plain = cure_text(CORPUS / "fixed_step.va").written.text
    assert "ln(" not in plain
    text = cure_text(CORPUS / "wrong_words.va", also=["log", "exp", "from", "rate-in-ddt"]).written.text
    assert "lambda = ln(Roff/Ron)" in text
    assert "limexp(lambda*x)" in text
    assert "parameter real Ron = 1k from (0:inf);" in text
    assert "parameter real Roff = 100k from (0:inf);" in text
    assert "- dxdt" in text


def test_comments_stay_and_macros_are_expanded():
    text = cure_text(CORPUS / "threshold_flag.va").written.text
    assert text.startswith("// threshold in the voltage")
    assert "`SQUARE" not in text
    assert "t_last" not in text
    assert "first" not in text.split("\n", 1)[1]


def test_nothing_is_written_if_the_comparison_fails(tmp_path, monkeypatch):
    wrong = Comparison(1.0, 1.0, (500,), (0.1,), 1e-6, 1e-6, 2e-3, 2e-3, None, 1.0)
    monkeypatch.setattr("spicecim.cure.model.compare_cured", lambda *_: wrong)
    cure = cure_module(CORPUS / "fixed_step.va", tmp_path / "out.va")
    assert not cure.ok
    assert cure.output is None
    assert not (tmp_path / "out.va").exists()


def test_the_command(tmp_path, monkeypatch):
    good = Comparison(1.0, 50.0, (500, 1000), (2e-3, 1e-3), 1e-6, 1e-6, 2e-6, 3e-6, None, 1e-5)
    monkeypatch.setattr("spicecim.cure.model.compare_cured", lambda *_: good)
    target = tmp_path / "out.va"
    arguments = ["model", "cure", str(CORPUS / "timer_steps.va"), "-o", str(target)]
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert told["ok"]
    assert (told["output"], told["x"]) == (str(target), 0.0)
    assert target.read_text() == told["text"]
    assert (told["states"][0]["variable"], told["states"][0]["parameter"]) == ("x", "x0")
    done = CliRunner().invoke(app, arguments)
    for said in (
        "-    @(timer(0, tstep)) begin",
        "+    x_now = x_place;",
        "@(timer) at timer_steps.va:12",
        "it agrees",
    ):
        assert said in done.stdout
    monkeypatch.setattr("spicecim.cure.model.compare_cured", lambda *_: replace(good, ngspice=0.1))
    assert CliRunner().invoke(app, arguments).exit_code == 1


def test_the_command_refuses(tmp_path):
    done = subprocess.run(
        [SPICECIM, "model", "cure", str(CORPUS / "refused_switch.va"), "-o", str(tmp_path / "no.va")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "refused_switch.va:13" in done.stderr
    assert not (tmp_path / "no.va").exists()


# the algebra beneath


def random_term(rng, depth):
    if depth == 0:
        return rng.choice([STEP, name("a"), name("b"), number(rng.choice([1.0, 2.0, 0.5]))])
    kind = rng.choice(["+", "-", "*", "/", "exp", "tanh", "sqrt", "?:", "min", "neg"])
    one, other = random_term(rng, depth - 1), random_term(rng, depth - 1)
    square = build("+", number(1.5), build("*", other, other))
    if kind == "/":
        return build("/", one, square)
    if kind == "?:":
        return build("?:", make("<", name("a"), name("b")), one, other)
    if kind == "min":
        return build("call", one, build("+", one, number(3.0)), text="min")
    if kind == "neg":
        return build("-", one)
    if kind == "sqrt":
        return build("call", square, text="sqrt")
    if kind in ("exp", "tanh"):
        return build("call", build("call", one, text="tanh"), text=kind)
    return build(kind, one, other)


def assigned_tokens(source):
    """Tokens behind the only equals sign of the module's statements."""
    words = [token.text for token in read_declarations(source)["m"].body]
    start = words.index("=") + 1
    return tuple(words[start : words.index(";", start)])


@pytest.mark.parametrize("seed", range(40))
def test_rates_are_slopes_and_texts_are_read_back(seed, tmp_path):
    rng = random.Random(seed)
    numbers = Numbers({"a": 0.7, "b": 1.9}, {})
    term = random_term(rng, 5)
    width = 1e-5
    ends = [numbers(term, {STEP: h}) for h in (-width, width)]
    assert numbers(rate_of(term)) == pytest.approx((ends[1] - ends[0]) / (2 * width), rel=1e-6, abs=1e-6)
    # as it is written, the same expression is read, by this reader and by that of constant expressions
    flat = rebuilt(term, {STEP: number(0.25)})
    path = module_file(tmp_path, f"y = {written(flat)};", "parameter real a = 0.7; parameter real b = 1.9; real y;")
    source = read_source(path)
    syntax = read_syntax(source, read_declarations(source)["m"])
    (read,) = [item.value for item in syntax.statements() if isinstance(item, Assign)]
    value = numbers(term, {STEP: 0.25})
    assert numbers(read) == pytest.approx(value, rel=1e-12, abs=1e-12)
    tokens = assigned_tokens(source)
    if "?" not in tokens:
        assert Expression(tokens).evaluate({"a": 0.7, "b": 1.9}) == pytest.approx(value, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    "text", ["1 - 2 - 3", "2*3 + 4*5", "8/4/2", "1 - (2 - 3)", "-2*3", "2 + 3 > 4 && 1 < 2", "7/2*2.0", "5 & ~1"]
)
def test_expressions_bind_as_in_the_language(text, tmp_path):
    source = read_source(module_file(tmp_path, f"y = {text};", "real y;"))
    syntax = read_syntax(source, read_declarations(source)["m"])
    (value,) = [item.value for item in syntax.statements() if isinstance(item, Assign)]
    tokens = assigned_tokens(source)
    numbers = Numbers({}, {})
    assert numbers(value) == Expression(tokens).evaluate({})
