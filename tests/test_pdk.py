"""Transistors of a PDK in cells: values as ngspice computes them, a made-up library, and IHP's own if it is there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spicecim.engines import simulate
from spicecim.errors import InputError, SubcircuitError, TestbenchError, UnsupportedError, VerilogAError
from spicecim.netlist.adapting.statements import read_statements
from spicecim.netlist.elaborated.values import Values
from spicecim.netlist.spice_lines import Line
from spicecim.ngspice.engine import render_netlist, write_netlist
from spicecim.ngspice.run import run_netlist
from spicecim.operations import Operation, run_sequence
from spicecim.runs import run_testbench
from spicecim.testbench import Testbench
from spicecim.variation.distributions import normal
from spicecim.variation.vary import vary
from spicecim.veriloga.model_cards import compiled_modules
from spicecim.waveforms import load_waveforms, save_waveforms, testbench_of

pytestmark = pytest.mark.ngspice


LIB = """\
* a library with two corners
.lib tt
.param vth = 0.4
.include transistors/models.spi
.endl tt
.lib ss
.param vth = 0.5
.include transistors/models.spi
.endl
.lib noisy
.param vth = agauss(0.4, 0.01, 1)
.include transistors/models.spi
.endl
.lib whole
.lib corners.lib tt
.endl
"""
MODELS = """\
.func halved(x) {x/2}
.subckt nch d g s b w=1u l=0.5u m=1
+ wide = 5u
.if (w > wide && floor(m) == 1)
Mone d g s b nch_model w=w l=l m='m'
.elseif (m == 2)
Xtwo d g s b pair width='2*halved(w)'
.else
Mmany d g s b nch_model w='m*w' l={l}
.endif
.include cards.spi
.ends nch
.subckt pair d g s b width=1u
Mleft d g inner b nch_fast w=width l=0.5u
Mright d g inner b nch_fast w={width} l=0.5u
Rsource inner s r='10*2'
.ends
.model nch_fast nmos (level=1 vto='vth' kp=2e-4)
"""
CARDS = ".model nch_model nmos level = 1 vto = '1.0*vth + 1n*w/l*0'\n+ kp = 2e-4 gamma=0.0 lambda=0\n"
FIELDS = {"lib": "corners.lib", "corner": "tt", "subcircuit": "nch"}
SLOW_RAMP = {"kind": "samples", "time": (np.arange(7) * 0.1).tolist()}


@pytest.fixture
def pdk(tmp_path):
    folder = tmp_path / "pdk"
    (folder / "transistors").mkdir(parents=True)
    (folder / "corners.lib").write_text(LIB)
    (folder / "transistors" / "models.spi").write_text(MODELS)
    (folder / "transistors" / "cards.spi").write_text(CARDS)
    return folder


def bench_of(pdk, shape=(1, 1), parameters=None, device=None, gate=1.2, points=None, **more):
    transistor = {"pdk": str(pdk), **FIELDS, "parameters": parameters or {}, **more.pop("transistor", {})}
    analysis = {"duration": 0.6, "points_per_period": 12, "tolerance": 1e-9} | more.pop("analysis", {})
    return Testbench.from_dict(
        {
            "device": device or {"model": "resistor", "parameters": {"Ron": "1k", "Roff": "100k"}},
            "crossbar": {"state": np.ones(shape).tolist()},
            "drive": {**SLOW_RAMP, "voltages": [(np.arange(7) * 0.2).tolist()] * shape[0]},
            "cell": {"kind": "1t1r", "source_line": "columns", "transistor": transistor},
            "word_lines": {"drive": {"kind": "samples", "time": [0, 0.6], "voltages": [[gate, gate]] * shape[0]}},
            "analysis": analysis,
            **more,
        }
    )


def at_knots(waveforms):
    """Current (knot,) of the only row at the knots of the ramp."""
    places = [int(np.argmin(np.abs(waveforms["time"].values - knot))) for knot in SLOW_RAMP["time"]]
    return waveforms["i_row"].values[places, 0]


def swept(netlist_of_cell, libraries=(), options="reltol=1e-10 abstol=1e-18 vntol=1e-12"):
    """Currents of a plain netlist by ngspice's own DC sweep: a resistance of 1k in series with what is given."""
    lines = ["* a testbench of its own", *netlist_of_cell, "Vrow in 0 0", "Vword g 0 1.2", "Rcell in d 1k"]
    lines += [f".options {options}", ".dc Vrow 0 1.2 0.2", ".end"]
    return -run_netlist("\n".join(lines), ["i(vrow)"], libraries=libraries).vectors["i(vrow)"]


def test_values_are_those_that_ngspice_computes():
    given = {
        "a": "3.5", "b": "2*a - 1.5u", "c": "(a > 3 && b < 10) ? 1.5 : -1", "d": "max(a, min(b, 2)) + abs(-a)",
        "e1": "floor(-1.2) + ceil(1.2) + nint(2.6) + int(-2.7)", "f": "a**2 + pow(2, 3) - 2**0.5",
        "h": "-2**2 + sqrt(a)", "k": "exp(-1) + ln(a) + log(a) + log10(a)",
        "p": "1meg/1k + 2t/1g + 1e-3m/1u + 5n/1p + 3f/1p", "q": "!(a == 3.5) + (a != 3) + (a <= 3)",
        "r": "sgn(-a) + sin(a)*cos(a) - tan(a)", "s": "asin(0.3) + acos(0.3) + atan(a)",
        "t": "sinh(1)+cosh(1)-tanh(a)", "v1": "(a < 1) ? (b > 0 ? 1 : 2) : (b > 0 ? 3 : 4)",
        "w": "twice(a) + twice(twice(b))",
    }  # fmt: skip
    text = [".func twice(x) {2*x}", *(f".param {name} = {{{value}}}" for name, value in given.items())]
    values = Values({"temper": 27.0})
    for number, one in enumerate(text):
        for statement in read_statements(line := Line("f", number, one), "ngspice", None):
            if hasattr(statement, "arguments"):
                values.define_function(statement.name, statement.arguments, statement.slot.tree)
            else:
                values.define(statement.name, line, statement.slot.tree)
    sources = [f"V{name} n{name} 0 {{{name}}}" for name in given]
    run = run_netlist("\n".join(["* values", *text, *sources, ".op", ".end"]), [f"v(n{name})" for name in given])
    for name in given:
        (tree,) = [one.slot.tree for one in read_statements(Line("f", 1, f".param z = {{{name}}}"), "ngspice", None)]
        found = values.of(Line("f", 1, "x"), tree)
        assert found == pytest.approx(run.vectors[f"v(n{name})"][0], rel=1e-12), name


def test_the_transistor_has_the_closed_form_of_its_level(pdk):
    bench = bench_of(pdk, parameters={"w": "10um"}, gate=0.9)
    current = at_knots(simulate(bench, estimate=False))
    beta, over = 2e-4 * 10 / 0.5, 0.9 - 0.4
    for volts, found in zip(np.arange(7) * 0.2, current, strict=True):
        # i = beta ((vg - vt) u - u^2/2) up to saturation, and i = (V - u)/1k
        low = 1 + 1e3 * beta * over
        u = (low - np.sqrt(low**2 - 2e3 * beta * volts)) / (1e3 * beta) if low**2 > 2e3 * beta * volts else np.inf
        right = (volts - u) / 1e3 if u < over else 0.5 * beta * over**2
        assert found == pytest.approx(right, rel=1e-6, abs=1e-10)


@pytest.mark.parametrize("corner", ["tt", "ss", "whole"])
@pytest.mark.parametrize("parameters", [{"w": "10u"}, {"w": 2e-6, "m": 2}, {"W": "2um", "M": 3, "l": "1u"}])
def test_a_sweep_equals_that_of_the_library_itself(pdk, corner, parameters):
    bench = bench_of(pdk, parameters=parameters, transistor={"corner": corner})
    given = " ".join(f"{name}={value}".replace("um", "u") for name, value in parameters.items())
    cell = [f'.lib "{pdk / "corners.lib"}" {corner}', f"X1 d g 0 0 nch {given}"]
    np.testing.assert_allclose(at_knots(simulate(bench, estimate=False)), swept(cell), rtol=1e-9, atol=1e-13)


HALVES = """\
.subckt nch d g s b w=5u
X1 d g s b half v=0.4
X2 d g s b half v=0.8
.ends
"""
HALF = ".subckt half d g s b v=0.4\n.model own nmos (level=1 vto='v' kp=2e-4)\n"
OTHER_NAMES = """\
.subckt nch d g s b w=5u
X1 d g s b half
M1 d g x1_i b x1_own w=5u l=1u
R1 x1_i s 1k
.ends
.model x1_own nmos (level=1 vto=0.8 kp=2e-4)
.subckt half d g s b
.model own nmos (level=1 vto=0.4 kp=2e-4)
M1 d g i b own w=5u l=1u
R1 i s 5k
.ends
"""


@pytest.mark.parametrize(
    "models",
    [
        f"{HALVES}{HALF}.subckt within d g s b\nM1 d g s b own w=5u l=1u\n.ends\nX1 d g s b within\n.ends\n",
        OTHER_NAMES,
        ".subckt nch d g s b\nM1 d g s b own w=5u l=1u\n.ends\n.model own nmos (level=14 VERSION = 4.8.2 vth0=0.3)\n",
        ".subckt nch d g s b\nM1 d g s b own w='5u*(5%0.01+1)' l=1u\n.ends\n.model own nmos level=1 kp=2e-4\n",
    ],
)
def test_what_stands_in_several_places_is_a_thing_of_each_place(pdk, models):
    (pdk / "transistors" / "models.spi").write_text(models)
    cell = [*models.splitlines(), "X1 d g 0 0 nch"]
    np.testing.assert_allclose(at_knots(simulate(bench_of(pdk), estimate=False)), swept(cell), rtol=1e-7, atol=1e-13)


def test_a_library_that_grows_without_end_is_refused(pdk):
    calls = "".join(f".subckt a{i} d\nX1 d a{i - 1}\nX2 d a{i - 1}\n.ends\n" for i in range(1, 30))
    functions = "".join(f".func f{i}(x) {{f{i - 1}(x)+f{i - 1}(x)}}\n" for i in range(1, 40))
    chain = "".join(f".param p{i}='p{i - 1}{'+0' * 100}'\n" for i in range(1, 190))
    for text, call, width, message in (
        (f"{calls}.subckt a0 d\n.ends\n", "X1 d a29\n", "5u", "calls of subcircuits"),
        (f".func f0(x) {{x+x}}\n{functions}", "", "'f39(1u)'", "calls functions of the file more than"),
        (f".param p0=1u\n{chain}", "", "p189", "depends on too many parameters"),
        ("", ".if (1)\n" * 40, "5u", "conditions within each other"),
    ):
        models = f"{text}.subckt nch d g s b\n{call}M1 d g s b own w={width} l=1u\n.ends\n.model own nmos level=1\n"
        (pdk / "transistors" / "models.spi").write_text(models)
        with pytest.raises(SubcircuitError, match=message):
            render_netlist(bench_of(pdk))


def test_cells_of_their_own_widths_share_models_with_those_alike(pdk):
    widths = np.array([[6e-6, 8e-6, 6e-6], [8e-6, 6e-6, 8e-6]])
    bench = bench_of(pdk, (2, 3), {"w": widths}, analysis={"points_per_period": 8})
    text = render_netlist(bench)
    assert text.count("\n.model pdk_transistor") == text.count(".subckt pdk_transistor") == 2
    current = simulate(bench, estimate=False)["i_column"].values[-1]
    alone = [
        simulate(bench_of(pdk, parameters={"w": w}), estimate=False)["i_column"].values[-1, 0] for w in (6e-6, 8e-6)
    ]
    # 1.2 V at every row: a column carries its two cells
    np.testing.assert_allclose(current, sum(alone), rtol=1e-7)


def test_the_reference_engine_says_that_it_has_no_equations(pdk, tmp_path):
    bench = bench_of(pdk)
    with pytest.raises(UnsupportedError, match=r"cell\.transistor\.pdk: only ngspice"):
        simulate(bench, engine="reference")
    assert "only ngspice" in run_testbench(bench, tmp_path / "out")["reference_left_out"]


def test_operations_run_in_ngspice_and_the_run_can_be_saved(pdk, tmp_path):
    bench = bench_of(
        pdk,
        (2, 2),
        {"w": "20u"},
        {"model": "yakopcic", "preset": "oblea"},
        crossbar={"state": [[0.3, 0.3], [0.3, 0.3]]},
    )
    operation = Operation(kind="set", cells=(0, 1), voltage=0.5, width="50us", gate=1.5)
    done = run_sequence(bench, [operation], engine="ngspice")
    moved = (done.x[-1] - done.x_start).values
    assert moved[0, 1] > 1e-3
    assert np.abs(done.disturb).max() < 1e-6
    run = simulate(bench, estimate=True)
    assert "coarser" in run.attrs["error_estimate"]
    save_waveforms(run, tmp_path / "run.nc")
    assert testbench_of(load_waveforms(tmp_path / "run.nc")).digest() == bench.digest()


MODULE = """\
`include "disciplines.vams"
`include "scale.vams"
module fet(d, g, s, b);
  inout d, g, s, b;
  electrical d, g, s, b;
  parameter real k = 1e-3;
  analog I(d, s) <+ `SCALE*k*V(d, s);
endmodule
"""


@pytest.mark.compiler
def test_a_module_is_that_of_its_files_now_and_none_of_them_is_outside(pdk):
    (pdk / "corners.lib").write_text(".subckt nch d g s b\nN1 d g s b own\n.ends\n.model own fet k=1m\n")
    (pdk / "fet.va").write_text(MODULE)
    bench = bench_of(pdk, transistor={"corner": None, "verilog_a": ["fet.va"]})
    for scale in (1, 3):
        (pdk / "scale.vams").write_text(f"`define SCALE {scale}\n")
        # 1.2 V over 1k and 1k/scale
        assert at_knots(simulate(bench, estimate=False))[-1] == pytest.approx(1.2e-3 * scale / (1 + scale), rel=1e-6)
    (pdk / "scale.vams").rename(pdk.parent / "scale.vams")
    for file in ("../scale.vams", pdk.parent / "scale.vams"):
        (pdk / "fet.va").write_text(MODULE.replace("scale.vams", str(file)))
        with pytest.raises(VerilogAError, match=r"includes .*scale\.vams, which is outside of the folder"):
            render_netlist(bench)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"corner": "tf"}, "has no section 'tf'; it has tt, ss, noisy, whole"),
        ({"corner": "noisy"}, "agauss: a model must not depend on chance"),
        ({"corner": None}, "has no subcircuit 'nch'"),
        ({"subcircuit": "nhc"}, "has no subcircuit 'nhc'; it has nch, pair; did you mean 'nch'"),
        ({"ports": ["drain", "gate", "source"]}, "names 3 ports, and nch has 4: d g s b"),
        ({"parameters": {"width": 1}}, "cell.transistor.parameters.width: nch has no such parameter"),
        ({"lib": "../outside.lib"}, "is outside of the folder"),
        ({"lib": "none.lib"}, "cell.transistor.lib: .*none.lib"),
        ({"verilog_a": ["../psp.va"]}, "is outside of the folder"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(pdk, change, message):
    with pytest.raises(SubcircuitError, match=message):
        render_netlist(bench_of(pdk, transistor=change))


def test_parameters_of_its_transistors_are_drawn(pdk):
    drawn = vary(bench_of(pdk, parameters={"w": "10u"}), {"transistor_w": normal("5 %")}, seed=1)
    (width,) = drawn.cell.transistor.arrays()["w"].ravel()
    assert width == pytest.approx(10e-6, rel=0.3)
    assert width != 10e-6
    assert f"w={float(width)!r}" in render_netlist(drawn)
    with pytest.raises(InputError, match="no value of 'transistor_l'"):  # only what is given is known
        vary(bench_of(pdk, parameters={"w": "10u"}), {"transistor_l": normal("5 %")}, seed=1)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"ports": ["drain", "gate", "gate", "source"]}, "ports"),
        ({"corner": "tt\n.control"}, "corner"),
        ({"subcircuit": "a b"}, "subcircuit"),
        ({"parameters": {"w": "wide"}}, "parameters.w"),
        ({"parameters": {"w": 1, "W": 2}}, "parameters"),
        ({"parameters": {"w=1 m": 1}}, "parameters"),
        ({"preset": "generic_130nm"}, "preset"),
        ({"parameters": {"w": [[1e-6, 1e-6]]}}, "parameters.w"),
    ],
)
def test_what_is_no_transistor_is_refused_with_its_field(pdk, change, field):
    with pytest.raises(TestbenchError) as caught:
        bench_of(pdk, transistor=change)
    assert any(problem.field == f"cell.transistor.{field}" for problem in caught.value.problems), str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (".control\nshell touch taken\n.endc", "a control block is refused"),
        ('.include "../../outside.spi"', "outside the folder of the PDK"),
        (".include /etc/passwd", "outside the folder of the PDK"),
        (".exec ls", r"\.exec: commands are refused"),
        (".lib corners.lib", "is outside|cannot be|no such|not a file|No such"),
        (".option scale=1u", "the option scale changes what elements mean"),
        (".OPTIONS reltol=1e-4 SCALE = 1e-6", "the option scale changes what elements mean"),
        (".if (1 > 0)\n.option scale=1u\n.endif", r"\.if is refused"),
        (".subckt other a b\n.option scale=1u\nR1 a b 1k\n.ends", "the option scale changes what elements mean"),
        (".subckt nch d g s b\nB1 d s I=v(g)\n.ends", "stands there twice"),
    ],
)  # fmt: skip
def test_a_library_is_no_program(pdk, line, message):
    models = pdk / "transistors" / "models.spi"
    models.write_text(f"{MODELS}\n{line}\n")
    with pytest.raises(SubcircuitError, match=message):
        render_netlist(bench_of(pdk))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Mone d g s b nch_model w=w l=l m='m'", "Bone d s I=v(g)", "bone is refused in a transistor"),
        ("w=w l=l", "w=w l=length", "the parameter length is missing"),
        ("w=w l=l", "w=ww l=l", "the parameter ww is missing"),
        ("floor(m)", "flor(m)", r"the function flor\(\) is not known"),
        (".endif", "", r"\.if has no \.endif"),
        ("nch_model w=w", "other w=w", "the model other is not in the library"),
        ("nmos level = 1", "psp103va type=1", "of type psp103va is refused.*verilog_a"),
        ("kp = 2e-4", "kp = '1/(vth-0.4)'", "division by zero"),
        ("kp = 2e-4", "kp = '2mil'", "2mil: write the number without this scale factor"),
        ("kp = 2e-4", "kp = '2.mil'", r"2\.mil: write the number without this scale factor"),
        ("level = 1", "(level = 1) vto=0.4\n*", r"'\(level = 1\) vto=0.4.*' is not understood"),
        ("wide = 5u", "wide = 5u\n.if (w > wide)\n.param wide = 6u\n.endif", "defined behind a condition"),
        ("l=l m='m'", "l='log(8, 2)*1u'", r"log\(\) takes 1 argument; it has 2"),
        ("l=l m='m'", "l='min(1u)'", r"min\(\) takes 2 arguments; it has 1"),
        ("l=l m='m'", "l='max(1u, 2u, 3u)'", r"max\(\) takes 2 arguments; it has 3"),
        ("l=l m='m'", "l='pow(2)*1u'", r"pow\(\) takes 2 arguments; it has 1"),
        ("l=l m='m'", "l='(1!=2>4)*1u'", "!= before > is grouped in different ways.*write parentheses"),
        ("kp = 2e-4", "kp = 'kp2'\n.param kp2='kp3' kp3='kp2'", "depends on itself"),
        ("nmos level = 1", "nmos level = 1 vto={v(d)}", "voltages and currents is no number"),
    ],
)
def test_what_cannot_be_worked_out_is_named_with_its_line(pdk, old, new, message):
    for name in ("models.spi", "cards.spi"):
        file = pdk / "transistors" / name
        file.write_text(file.read_text().replace(old, new))
    with pytest.raises(SubcircuitError, match=rf"transistors/\w+\.spi, line \d+: .*{message}"):
        render_netlist(bench_of(pdk, parameters={"w": "10u"}))


def foundry():
    """Folder of IHP's SG13G2: what SPICECIM_PDK names, or that of the package ihp-gdsfactory (scripts/pdk.sh)."""
    named = os.environ.get("SPICECIM_PDK", Path(sys.prefix, "pdk", "ihp", "models"))
    assert Path(named).is_dir(), "scripts/pdk.sh .venv fetches the PDK"
    return Path(named)


PSP = "ngspice/va/psp103/psp103.va"
IHP = {
    "lib": "ngspice/models/cornerMOSlv.lib", "corner": "mos_tt", "subcircuit": "sg13_lv_nmos", "verilog_a": [PSP],
    "parameters": {"w": "10u", "l": "0.13u"},
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_sweep_of_a_foundrys_transistor_equals_that_of_its_own_library(tmp_path):
    folder = foundry()
    module = compiled_modules(folder / PSP)["psp103va"]
    # the library's own cards call the module by its own name
    own = tmp_path / "psp.osdi"
    name = module.device.encode()
    own.write_bytes(module.library.read_bytes().replace(name, b"psp103va".ljust(len(name), b"\0")))
    current = at_knots(simulate(bench_of(folder, transistor=IHP), estimate=False))
    cell = [f'.lib "{folder / IHP["lib"]}" mos_tt', "X1 d g 0 0 sg13_lv_nmos w=10u l=0.13u"]
    np.testing.assert_allclose(current, swept(cell, (own,), "klu"), rtol=1e-6, atol=1e-12)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_array_of_a_foundrys_transistors_runs_and_its_netlist_stands_alone(tmp_path):
    states = np.random.default_rng(1).uniform(0.1, 0.7, (3, 4)).tolist()
    bench = bench_of(
        foundry(), (3, 4), device={"model": "yakopcic", "preset": "oblea"}, transistor=IHP,
        crossbar={"state": states, "wire_row": 2, "wire_column": 2}, analysis={"probe": "cells"},
    )  # fmt: skip
    run = simulate(bench)
    assert run.attrs["current_error"] < 1e-3
    # what enters by the rows leaves by the columns, but for the gates' and junctions' currents
    missed = np.abs(run["i_row"].sum("row") - run["i_column"].sum("column")).max()
    assert missed < 1e-5 * np.abs(run["i_row"]).max()
    files = write_netlist(bench, tmp_path / "array.cir")
    assert [file.name for file in files] == ["array.cir", "array.osdi", "array_1.osdi"]
    said = subprocess.run(["ngspice", "-b", "array.cir"], cwd=tmp_path, capture_output=True, text=True, check=False)
    means = dict(re.findall(r"mean_column_(\d)\s*=\s*(\S+)", said.stdout))
    right = run["i_column"].integrate("time") / 0.6
    for column, mean in means.items():
        assert float(mean) == pytest.approx(float(right[int(column)]), rel=1e-3)
    assert len(means) == 4
