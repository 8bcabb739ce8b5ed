"""Crossbars of SPICE subcircuits from files: the same physics in three dialects, and every refusal with its line."""

import contextlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from command import spicecim
from conftest import bench_dict
from hypothesis import given
from hypothesis import strategies as st

from spicecim.device_choice import SubcircuitDevice
from spicecim.engines import simulate
from spicecim.errors import (
    NetlistError,
    SpiceCimError,
    SubcircuitError,
    TestbenchError,
    UnsupportedError,
    WaveformError,
)
from spicecim.hysteresis_sweep import cell_loop
from spicecim.measure import energy_balance
from spicecim.measure.loops import lobe_areas, pinch_offset
from spicecim.netlist import cell_device, crossbar_netlist
from spicecim.netlist.foreign import read_subcircuit
from spicecim.netlist.steps import unknown_steps
from spicecim.ngspice.client import Worker
from spicecim.ngspice.engine import render_netlist
from spicecim.ngspice.run import run_netlist
from spicecim.testbench import Testbench
from spicecim.waveforms import check_waveforms, load_waveforms, save_waveforms, testbench_of

ROOT = Path(__file__).parent.parent

NGSPICE = """\
* Biolek's window, x at the port
.subckt drift p n x Ron=100 Roff=16k
+ k=10k
.param span={Roff - Ron}
.func r(x) {Roff - span*x}
Bi p n I = v(p,n)/r(v(x))  ; the device
Cx x 0 1
Bx 0 x I = k*v(p,n)/r(v(x))
+ * (1 - (v(p,n) >= 0 ? v(x)*v(x) : (v(x)-1)*(v(x)-1)))
.ends drift
"""
LTSPICE = """\
* the same as its LTspice user writes it
.SUBCKT Drift Plus Minus x PARAMS: Ron=100 Roff=16K k=10k
Bi Plus Minus I=V(Plus,Minus)/r(V(x))
Cx x 0 1
Bx 0 x I=k*V(Plus,Minus)/r(V(x))*IF(V(Plus,Minus)>=0, 1-V(x)**2, 1-(V(x)-1)**2)
.func r(x) {Roff-(Roff-Ron)*x}
.ends Drift
.backanno
.end
no circuit any more
"""
PSPICE = """\
* the same as its PSpice user writes it, with the circuit that it was tried in
V1 1 0 SIN(0 1 1)
X1 1 0 s DRIFT
.TRAN 1m 1
.PROBE
.PARAM UNUSED=3
.PARAM KAPPA={RATE/10}
.PARAM RATE=100K
.SUBCKT DRIFT PL MI X PARAMS: RON=100 ROFF=16K
GI PL MI VALUE={V(PL,MI)/R(V(X))}
CX X 0 1
GX 0 X VALUE={KAPPA*V(PL,MI)/R(V(X))*(1-IF(V(PL,MI)>=0, V(X)*V(X), (V(X)-1)*(V(X)-1)))}
.FUNC R(X) {ROFF-(ROFF-RON)*X}
.ENDS
.END
"""
HIDDEN = """\
.subckt hidden p n PARAMS: Ron=100 Roff=16k Rinit=8k k=10k
.func r(x) {Roff - (Roff - Ron)*x}
Bi p n I=v(p,n)/r(v(x))
Cx x 0 1 IC={(Roff - Rinit)/(Roff - Ron)}
Bx 0 x I=k*v(p,n)/r(v(x))*(1 - (v(p,n) >= 0 ? v(x)*v(x) : (v(x)-1)*(v(x)-1)))
.ends
"""
OWN = {
    "model": "linear_drift",
    "parameters": {"Ron": 100, "Roff": 16e3, "D": 1e-8, "mobility": 1e-14, "window": "biolek"},
    "backend": "behavioral",
}
DRIVE = {"kind": "sine", "amplitude": [1.0, 0.8, 0.6], "frequency": [1.0, 2.0, 3.0]}
STATE = [[0.9, 0.1], [0.2, 0.7], [0.5, 0.4]]


@pytest.fixture
def bench_of(tmp_path):
    """Write a subcircuit's file and return a testbench of it."""

    def make(text, ports=("row", "column", "state"), sections=None, **fields):
        (tmp_path / "device.sub").write_text(text)
        device = {"subcircuit": "device.sub", "ports": list(ports), **fields}
        sections = {"crossbar": {"state": STATE}, "drive": DRIVE, "analysis": {"probe": "cells"}, **(sections or {})}
        return Testbench.from_dict(bench_dict(device=device, **sections), folder=tmp_path)

    return make


def simulate_own(bench):
    """Run our own model in the steps of a subcircuit from outside, so that the equations alone may differ."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cell_device, "steps", lambda testbench, device, bounds_itself: unknown_steps(testbench))
        return simulate(bench)


@pytest.fixture(scope="module")
def own():
    sections = {"crossbar": {"state": STATE}, "drive": DRIVE, "analysis": {"probe": "cells"}}
    return simulate_own(Testbench.from_dict(bench_dict(device=OWN, **sections)))


def assert_same(waveforms, expected, tolerance, *names):
    """Within `tolerance` of each variable's peak; the two runs need not have the same instants."""
    for name in names:
        here = waveforms[name].interp(time=expected["time"], method="cubic", kwargs={"fill_value": "extrapolate"})
        np.testing.assert_allclose(here, expected[name], atol=tolerance * float(abs(expected[name]).max()), rtol=0)


@pytest.mark.ngspice
@pytest.mark.parametrize(
    ("dialect", "text"), [("ngspice", NGSPICE), ("ltspice", LTSPICE), ("pspice", PSPICE)], ids=["ng", "lt", "ps"]
)
def test_each_dialect_gives_the_currents_of_our_own_model(bench_of, own, dialect, text):
    waveforms = simulate(bench_of(text, dialect=dialect))
    assert waveforms.attrs["device_backend"] == "subcircuit"
    np.testing.assert_allclose(waveforms["x"][0], STATE, atol=1e-12)
    assert_same(waveforms, own, 1e-6, "i_column", "i_cell", "x")
    assert energy_balance(waveforms).error < 1e-12


@pytest.mark.ngspice
def test_a_hidden_state_starts_by_a_parameter(bench_of, own):
    """Rinit is 16k at x = 0 and 100 at x = 1; the capacitor's IC= is heeded though the run has a steady state first."""
    bench = bench_of(HIDDEN, ["row", "column"], initial_parameter="Rinit", initial=["16k", 100])
    waveforms = simulate(bench)
    assert_same(waveforms, own, 1e-6, "i_column", "i_cell")
    assert "x" not in waveforms
    with pytest.raises(WaveformError, match="no port for the state"):
        check_waveforms(waveforms, "x")


@pytest.mark.ngspice
def test_parameters_reach_every_cell(bench_of):
    own_bench = bench_dict(
        device={**OWN, "parameters": {**OWN["parameters"], "Roff": 20e3}},
        crossbar={"state": STATE}, drive=DRIVE, analysis={},
    )  # fmt: skip
    waveforms = simulate(bench_of(NGSPICE, parameters={"roff": "20k"}, sections={"analysis": {}}))
    assert set(waveforms.data_vars) == {"v_row", "i_row", "i_column"}
    assert_same(waveforms, simulate_own(Testbench.from_dict(own_bench)), 1e-6, "i_column")


@pytest.mark.ngspice
def test_loops_of_one_device_are_pinched(bench_of):
    sections = {"crossbar": {"state": [[0.1]]}, "drive": {"kind": "sine", "amplitude": 1, "frequency": 1}}
    _, v, i = cell_loop(simulate(bench_of(LTSPICE, dialect="ltspice", sections=sections)))
    assert abs(lobe_areas(v, i).positive) > 1e-6
    assert pinch_offset(v, i) < 1e-6


@pytest.mark.ngspice
def test_a_saved_run_outlives_its_file_and_runs_again_where_it_is(bench_of, tmp_path, monkeypatch):
    bench = bench_of(NGSPICE)
    waveforms = simulate(bench)
    path = save_waveforms(waveforms, tmp_path / "run.nc")
    monkeypatch.chdir("/")
    assert simulate(testbench_of(load_waveforms(path))).identical(waveforms)
    bench.to_yaml(tmp_path / "bench.yaml")
    (tmp_path / "device.sub").unlink()
    assert Testbench.from_yaml(tmp_path / "bench.yaml") == bench
    assert energy_balance(load_waveforms(path)).error < 1e-12
    with pytest.raises(SubcircuitError, match=r"device\.subcircuit: .* cannot be read"):
        simulate(testbench_of(load_waveforms(path)))


@pytest.mark.ngspice
@pytest.mark.parametrize(("dialect", "mode"), [("ltspice", "ltpsa"), ("pspice", "psa")])
def test_the_mode_ends_with_the_run(bench_of, dialect, mode):
    """A negative base under ** tells the modes apart: (-2)**3 is -8 for LTspice, 8 otherwise; IF is known or not."""
    worker = Worker()
    cube = "* cubes\nV1 a 0 -2\nB1 y 0 V=v(a)**3\n.tran 1 2\n.end\n"
    condition = "* IF\nV1 a 0 -2\nB1 y 0 V=IF(v(a) < 0, 5, 7)\n.tran 1 2\n.end\n"
    expected = {"ltpsa": -8.0, "psa": 8.0}[mode]
    try:
        assert run_netlist(cube, ["v(y)"], worker=worker, compatibility=mode).vectors["v(y)"][-1] == expected
        assert run_netlist(condition, ["v(y)"], worker=worker, compatibility=mode).vectors["v(y)"][-1] == 5.0
        assert run_netlist(cube, ["v(y)"], worker=worker).vectors["v(y)"][-1] == 8.0
        with pytest.raises(SpiceCimError, match="no such function 'if'"):
            run_netlist(condition, ["v(y)"], worker=worker)
    finally:
        worker.close()
    assert crossbar_netlist(bench_of(LTSPICE, dialect=dialect), native=False).compatibility == mode


PUBLISHED = {
    "another name at .ends": (NGSPICE.replace(".ends", ".ends memristor_model"), {}),
    "a deck around it": (
        '.title it\'s "mine"\n.options reltol=1e-4\n.csparam q=1\n' + NGSPICE + "\nV1 1 0 sin(0 1 1)\n.control\n"
        'shell touch owned\nset x = "$curplot"\n.endc\n.tran 1m 1 uic\n.end\n.subckt',
        {},
    ),
    "the state port set": (NGSPICE.replace(".ends", ".ic v(x)=0.2\n.nodeset V( X ) = {0.3}\n.ends"), {}),
    "the state port set among others": (NGSPICE.replace(".ends", ".ic v(x)={Ron} v(p)=0\n.ends"), {}),
}


@pytest.mark.ngspice
@pytest.mark.parametrize(("text", "device"), PUBLISHED.values(), ids=PUBLISHED)
def test_a_published_file_runs_as_it_is(bench_of, text, device):
    """What does not change the subcircuit itself does not change the currents."""
    assert_same(simulate(bench_of(text, **device)), simulate(bench_of(NGSPICE)), 1e-9, "i_column")


@pytest.mark.ngspice
def test_parameters_by_the_other_spelling(bench_of):
    text = LTSPICE.replace("\nC", "\n.params third={1+1} fourth=2\nRt Plus Minus {third*1e9/fourth}\nC", 1)
    assert "\n.param third={1+1} fourth=2\n" in render_netlist(bench_of(text, dialect="ltspice"))
    simulate(bench_of(text, dialect="ltspice"))


def test_the_command_that_cures_is_named(bench_of):
    for line in ("B1 0 x V=sdt(v(p,n))", "R1 x gnd! 1", "B1 0 x I=v(p,n)*echarge"):
        with pytest.raises(SubcircuitError, match="spicecim model adapt does so"):
            render_netlist(bench_of(body(line)))


def test_a_parameter_within_is_told_how_to_be_reached(bench_of):
    text = NGSPICE.replace(".param span", ".params start=0.3\n.param span", 1)
    with pytest.raises(
        SubcircuitError, match=r"device.sub, line 4: device.initial_parameter: start is set within .* move"
    ):
        render_netlist(bench_of(text, initial_parameter="start"))


@pytest.mark.ngspice
def test_what_ngspice_itself_refuses_is_to_be_looked_for_in_the_file(bench_of):
    with pytest.raises(NetlistError, match=r"the lines that it counts are those of the netlist; look in device.sub"):
        simulate(bench_of(body("R9 p n {1 + }")))


@pytest.mark.ngspice
def test_a_port_may_stay_open(bench_of):
    """A port that shows something, here half the state, is a node of its own in each cell."""
    shown = NGSPICE.replace("drift p n x", "drift p n x half", 1).replace(".ends", "Eh half 0 x 0 0.5\n.ends")
    opened = bench_of(shown, ports=["row", "column", "state", "open"])
    assert_same(simulate(opened), simulate(bench_of(NGSPICE)), 1e-9, "i_column")


@pytest.mark.parametrize("source", ["Eh half 0 x 0 0.5", "Vh 0 half 1", "Bh half 0 V=v(x)"])
def test_a_port_that_a_source_drives_is_not_shorted(bench_of, source):
    shown = NGSPICE.replace("drift p n x", "drift p n x half", 1).replace(".ends", f"{source}\n.ends")
    with pytest.raises(SubcircuitError, match=r"line 10: sets the voltage of the port half, .* make it open"):
        render_netlist(bench_of(shown, ports=["row", "column", "state", "ground"]))


@pytest.mark.ngspice
@pytest.mark.parametrize(("dialect", "text"), [("ngspice", NGSPICE), ("ltspice", LTSPICE), ("pspice", PSPICE)])
def test_plain_ngspice_runs_the_file_as_its_header_says(bench_of, tmp_path, dialect, text):
    bench = bench_of(text, dialect=dialect)
    netlist = render_netlist(bench)
    (tmp_path / "out.cir").write_text(netlist)
    options = re.search(r"^\* ngspice -b (.*?)FILE\.cir", netlist, flags=re.MULTILINE)[1].split()
    result = subprocess.run(
        [shutil.which("ngspice"), "-b", *options, "out.cir"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    means = [float(mean) for mean in re.findall(r"^mean_column_\d+\s*=\s*(\S+)", result.stdout, flags=re.MULTILINE)]
    currents = simulate(bench)["i_column"]
    expected = currents.integrate("time") / bench.duration
    np.testing.assert_allclose(means, expected, rtol=1e-4, atol=1e-4 * float(abs(currents).max()))


@pytest.mark.ngspice
@pytest.mark.parametrize("kind", ["sine", "pulse", "samples"])
def test_our_own_lines_mean_the_same_in_every_mode(bench_of, kind):
    """Drivers, wires and analysis around a cell whose lines mean the same everywhere: not one bit differs."""
    drive = {
        "sine": {"kind": "sine", "amplitude": 1, "frequency": [1, 2, 3], "phase": 0.5, "offset": "100m"},
        "pulse": {"kind": "pulse", "high": 1, "rise": 0.1, "fall": 0.1, "width": 0.2, "period": 1, "delay": 0.1},
        "samples": {"kind": "samples", "time": [0, 0.5, 1], "voltages": [[0.1, 1, -1]] * 3},
    }[kind]
    wires = {"wire_row": 1, "wire_column": 2, "wire_capacitance": "1m", "source_resistance": 3, "sense_resistance": 4}
    sections = {"crossbar": {"state": STATE, **wires}, "drive": drive}
    runs = [
        simulate(bench_of(body("Bx 0 x I=v(p,n)"), dialect=dialect, sections=sections))
        for dialect in ("ngspice", "ltspice", "pspice")
    ]
    for run in runs[1:]:
        assert run.drop_attrs(deep=False).identical(runs[0].drop_attrs(deep=False))
    assert energy_balance(runs[0]).error < 1e-3


def test_the_reference_engine_has_no_equations(bench_of):
    with pytest.raises(UnsupportedError, match="no equations for a SPICE subcircuit"):
        simulate(bench_of(NGSPICE), "reference")


@pytest.mark.ngspice
def test_run_takes_ngspice_alone_and_says_so(tmp_path):
    result = spicecim("run", ROOT / "examples" / "subcircuit.yaml", "-o", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    assert "ngspice alone: the reference engine has no equations" in result.stdout
    assert not (tmp_path / "out" / "reference.nc").exists()


def body(*lines):
    """A subcircuit with these lines from line 2 on."""
    return "\n".join([".subckt m p n x a=1", *lines, "Ri p n 1k", "Cx x 0 1", ".ends"])


REFUSED = [
    (body(".control", "shell touch owned", ".endc"), 2, "commands are refused"),
    (".control\nquit\n" + body(), 1, ".control has no .endc"),
    (".shell touch owned\n" + body(), 1, "commands are refused"),
    (body("V1 x 0 EXTERNAL"), 2, "from outside"),
    (".subckt m p n x a={b*2}\nC1 x 0 1\n.ends", 1, "the parameter b is missing"),
    (body(".param time=1"), 2, "the name time is refused"),
    (".subckt m p n x E=2\nC1 x 0 1\n.ends", 1, "the name E is refused"),
    (body(".ic v(q)={b}"), 2, "the parameter b is missing"),
    (body("B1 0 x I=temp"), 2, "write temper"),
    (".subckt m p n x OPTIONAL: d=0\nC1 x 0 1\n.ends", 1, "the port 'OPTIONAL:' is refused"),
    (".subckt m p n x PARAMS: a\nC1 x 0 1\n.ends", 1, "parameters need a default"),
    (body(".include /etc/passwd"), 2, "outside the file's folder"),
    (body(".inc ../other.sub"), 2, "outside the file's folder"),
    (body('.lib "/etc/passwd"'), 2, "outside the file's folder"),
    (body(".lib models.lib typical"), 2, "must name one file"),
    (body(".include gone.sub"), 2, "cannot be read: No such file"),
    (body(".include device.sub"), 2, "includes itself"),
    (".options reltol=1 scale=1u\n" + body(), 1, "the option scale changes what elements mean"),
    (body(".options reltol=1"), 2, "would change the whole simulation"),
    (".global vdd\n" + body(), 1, "make the node a port"),
    (body(".csparam q=1"), 2, "write .param"),
    (body(".save all"), 2, "refused in a subcircuit"),
    (body(".tran 1 1"), 2, "refused in a subcircuit"),
    (body(".if (a > 0)"), 2, "write the case"),
    (body("A1 p n f", ".model f filesource(file=secret)"), 2, "XSPICE code model"),
    (body("N1 p n osdi"), 2, "compiled model"),
    (body(".model f filesource(x=1)"), 2, "type filesource is refused"),
    (body(".model f d_process(x=1)"), 2, "type d_process is refused"),
    (body("V1 x 0 PWL file=secret"), 2, "a file that is read"),
    (body("B1 0 x I=`id`"), 2, "the character '`'"),
    (body("B1 0 x I=$HOME"), 2, "the character '$'"),
    (body('B1 0 x I="v(p)"'), 2, "braces"),
    (body("B1 0 x I=1\N{MICRO SIGN}"), 2, "write u for micro"),
    (body("B1 0 x I=1\x00"), 2, "control character"),
    (body("Vs\x1b x 0 1"), 2, "control character"),
    ("+ a\n" + body(), 1, "continues no line"),
    (".ends\n" + body(), 1, "closes no .subckt"),
    (".subckt m p n x\nR1 p n 1", 1, "has no .ends"),
    (".subckt m p n x\n.subckt s a b\nR1 a b 1\n.ends m", 4, "does not close s"),
    (body() + "\n" + body(), 5, "stands there twice, first in device.sub, line 1"),
    (body("X1 p n nothing"), 2, "nothing is not in the file"),
    (body("X1 p n x m"), 2, "m calls itself"),
    (body("B1 0 x I={a"), 2, "braces that do not match"),
    (body("Rx x 0 {a"), 2, "braces that do not match"),
    (body("B1 0 x V=sdt(v(p,n))"), 2, "sdt() does not work in ngspice; make it the voltage of a capacitor"),
    (body("B1 0 x I=IDT(v(p,n))"), 2, "make it the voltage of a capacitor"),
    (body("* a comment", "", "B1 0 x I=1+", "+IF(v(p,n)>0,1,2)"), 4, "a ? b : c"),
    (body("B1 0 x I=limit(v(p,n),-1,1)"), 2, "random"),
    (body("B1 0 x I=agauss(1,0.1,1)*v(p,n)"), 2, "must not depend on chance"),
    (body("R1 p n {aunif(1k,100)}"), 2, "must not depend on chance"),
    (body("V1 q 0 trnoise(1 1u 0 0)"), 2, "must not depend on chance"),
    # ngspice would put these in the place of the drives and vectors of our own lines
    (".func pulse(q) {0}\n" + body("B1 0 x I=pulse(v(p,n))"), 1, "the function name pulse is refused"),
    (".func PWL(q) {0}\n" + body("B1 0 x I=pwl(v(p,n))"), 1, "the function name pwl is refused"),
    (body(".func v(q) {q}"), 2, "the function name v is refused"),
    (".param pulse(q)=0 b=1\n" + body("B1 0 x I=b*v(p,n)"), 1, "defines a function by .param"),
    (body("B1 0 x I=stp(v(p,n))"), 2, "write u(x)"),
    (body("E1 x 0 VALUE={table(v(p),0,0,1,1)}"), 2, "write pwl"),
    (body("B1 0 x I=v(p)&v(n)"), 2, "&&"),
    (body("R1 x gnd! 1"), 2, "write 0"),
    (body("B1 0 x I=b*v(p,n)"), 2, "the parameter b is missing"),
    (body("R1 x 0 {b}"), 2, "the parameter b is missing"),
    (body("B1 0 x I=v(p,n)*echarge/boltz"), 2, "add '.param echarge=1.602176634e-19'"),
    (body(".param q={2*pi}", "R1 x 0 {q}"), 2, "add '.param pi="),
    (body("E1 x 0 LAPLACE {v(p)} = {1/(1+s)}"), 2, "LAPLACE"),
    (body("L1 x 0 1 IC=2"), 2, "would not heed"),
    (body("C2 x p 1 IC=2"), 2, "would not heed"),
    (body(".param A={a}"), 2, "sets A, which is the parameter a of its .subckt line"),
    (body(".param q=1", ".params b=2 Q={b}"), 3, "sets Q, which is set in line 2 already"),
    (body("R9 p n R=agauss(1k,500,1)"), 2, "must not depend on chance"),
    (body("C9 p n C=agauss(1u,.5u,1)"), 2, "must not depend on chance"),
    (body(".model rm r(r={aunif(1k,500)})"), 2, "must not depend on chance"),
    (body(".model rm r(r={limit(1k,500)})"), 2, "random"),
    (body(".model rm r r=unif (1k, 0.5)"), 2, "must not depend on chance"),
    (body(".ic v(q)=gauss(1,0.1,1)"), 2, "must not depend on chance"),
    (body(".param q=rnd(1)"), 2, "must not depend on chance"),
    (body("X1 p n s q=agauss(1,1,1)", ".subckt s a b q=1", "R1 a b {q}", ".ends"), 2, "must not depend on chance"),
    (body("X1 p n s", ".subckt s a b", "R1 a b R=gauss(1k,1,1)", ".ends"), 4, "must not depend on chance"),
    (".subckt m p n x val=agauss(1k,500,1)\nR9 p n {val}\nC1 x 0 1\n.ends", 1, "must not depend on chance"),
    (".param q=mc(1k,0.1)\n" + body("R9 p n {q}"), 1, "must not depend on chance"),
    (".func f(x) {x*unif(1,0.1)}\n" + body("R9 p n {f(1k)}"), 1, "must not depend on chance"),
    (".func limit(x,y,z) {x}\n" + body("R9 p n {limit(1,2,3)}"), 1, "draws a random number by it; rename it"),
    (body(".model rm r(r={q})"), 2, "the parameter q is missing"),
    (".func f(x) {f(x)}\n" + body("R9 p n {f(1)}"), 1, "the function f calls itself"),
    (body(".model s VSWITCH(Ron=1)"), 2, "type vswitch is refused"),
    (body("R9 p n {a ? 0 ? 4 : 5 : 6}"), 2, "put the inner one into parentheses"),
    (body(".param q={(a ? (0) ? 4 : 5 : 6)}"), 2, "put the inner one into parentheses"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "reason"), REFUSED, ids=[reason for _, _, reason in REFUSED])
def test_what_is_refused_is_named_with_its_line(bench_of, text, line, reason):
    bench = bench_of(text)
    with pytest.raises(SubcircuitError) as caught:
        render_netlist(bench)
    assert str(caught.value).startswith(f"device.sub, line {line}: "), str(caught.value)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("dialect", "line", "reason"),
    [
        ("ltspice", "B1 0 x I=v(p,n)^2", "write ** for a power"),
        ("pspice", "G1 0 x VALUE={v(p,n)^2}", "write ** for a power"),
        ("ltspice", "B1 0 x I=pwr(v(p,n),3)", "abs(x)**y"),
        ("ltspice", "B1 0 x I=pwrs(v(p,n),3)", "sgn(x)*abs(x)**y"),
        ("ltspice", ".model rm r(r={1000*2^3})", "write ** for a power"),
        ("ltspice", "R9 p n R=2^3", "write ** for a power"),
        ("ltspice", "R1 x GND 1", "write 0"),
        ("pspice", "R1 x gnd 1", "write 0"),
        ("pspice", "B1 0 x I=idt(v(p,n))", "make it the voltage of a capacitor"),
        ("ltspice", "B1 0 x I=sdt(v(p,n))", "make it the voltage of a capacitor"),
        ("ltspice", ".param Vt=0.16", "the name vt is refused"),
        ("ltspice", "R1 temp 0 1", "the name temp is refused"),
        ("pspice", ".func f(vt) {vt}", "the name vt is refused"),
        ("ltspice", "B1 0 x I=1 tripdv=1", "take it out"),
    ],
)
def test_dialects_have_refusals_of_their_own(bench_of, dialect, line, reason):
    with pytest.raises(SubcircuitError, match=r"device\.sub, line 2: ") as caught:
        render_netlist(bench_of(body(line), dialect=dialect))
    assert reason in str(caught.value)


TWO = body() + "\n.subckt other p n\nR1 p n 1\n.ends\n"


@pytest.mark.parametrize(
    ("text", "fields", "reason"),
    [
        (TWO, {}, "device.name: is required, because device.sub has several subcircuits: m, other"),
        (TWO, {"name": "othr"}, "did you mean 'other'"),
        ("R1 1 0 1\n", {}, "has no .subckt"),
        (body(), {"ports": ["row", "column"]}, "line 1: device.ports names 2 ports, and m has 3: p n x"),
        (NGSPICE, {"parameters": {"Rof": 1}}, "line 2: device.parameters: the .subckt line of drift has no parameter"),
        (NGSPICE, {"parameters": {"Rof": 1}}, "did you mean 'roff'"),
        (NGSPICE, {"parameters": {"span": 1}}, "span is set within drift"),
        (NGSPICE, {"initial_parameter": "x0"}, "line 2: device.initial_parameter"),
        (
            HIDDEN,
            {"ports": ["row", "column"]},
            "crossbar.state: the cells start differently, and the subcircuit has no way to tell it so",
        ),
    ],
)  # fmt: skip
def test_a_device_must_fit_its_subcircuit(bench_of, text, fields, reason):
    with pytest.raises(SubcircuitError) as caught:
        render_netlist(bench_of(text, **fields))
    assert reason in str(caught.value)


@pytest.mark.ngspice
def test_a_port_that_only_shows_the_state_is_found_out(bench_of):
    shown = HIDDEN.replace("hidden p n", "hidden p n y").replace(".ends", "Ey y 0 x 0 1\n.ends")
    with pytest.raises(SubcircuitError, match=r"line 1: no capacitor is at the port y"):
        simulate(bench_of(shown))
    wrapped = shown.replace("Ey y 0 x 0 1", "By 0 y I=v(x)\nRy y 0 1")
    wrapped += "\n.subckt top p n y\nX1 p n y hidden\n.ends\n"
    with pytest.raises(SubcircuitError, match=r"cell \(0, 1\) starts at x = 0\.50.*, not at the 0\.1"):
        simulate(bench_of(wrapped, name="top", sections={"analysis": {}}))
    right = shown.replace("Rinit=8k", "x0=0.5").replace("(Roff - Rinit)/(Roff - Ron)", "x0")
    waveforms = simulate(bench_of(right, initial_parameter="x0"))
    np.testing.assert_allclose(waveforms["x"][0], STATE, atol=1e-9)


@pytest.mark.ngspice
def test_only_what_is_used_is_carried_along(bench_of, tmp_path, own):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "core.lib").write_text(
        ".param secret=1 half={whole/2}\n.param whole=20k\n.model dm D(IS=1n)\n.subckt unused a\nR1 a 0 1\n.ends\n"
        ".subckt core p n x Ron=1 Roff=2\n" + NGSPICE.split("+ k=10k\n")[1].replace("k*v(p,n)", "half*v(p,n)")
        .replace(".ends drift", ".ends")
    )  # fmt: skip
    text = (
        ".inc 'parts/core.lib'\n.subckt top p n x Ron=100 Roff=16k\n"
        "Xcore p n x core PARAMS: Ron={Ron} Roff={Roff}\n.ends\n"
    )
    bench = bench_of(text, name="top")
    netlist = render_netlist(bench)
    assert "unused" not in netlist
    assert "dm" not in netlist.split()
    assert_same(simulate(bench), own, 1e-6, "i_column", "x")


def test_a_wrong_line_of_an_included_file_is_named(bench_of, tmp_path):
    (tmp_path / "inner.lib").write_text("* comment\nR9 x 0 {nothing}\n")
    with pytest.raises(SubcircuitError, match=r"^inner\.lib, line 2: the parameter nothing is missing"):
        render_netlist(bench_of(body(".include inner.lib")))


def test_a_link_to_the_outside_is_no_way_in(bench_of, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.lib").write_text("R9 x 0 1\n")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link.lib").symlink_to(outside / "secret.lib")
    (inside / "m.sub").write_text(body(".include link.lib"))
    device = {"subcircuit": "inside/m.sub", "ports": ["row", "column", "state"]}
    with pytest.raises(SubcircuitError, match="outside the file's folder"):
        render_netlist(Testbench.from_dict(bench_dict(device=device), folder=tmp_path))


def test_includes_that_multiply_are_refused(bench_of, tmp_path):
    for i in range(15):
        (tmp_path / f"{i}.sub").write_text(f".include {i + 1}.sub\n" * 3)
    (tmp_path / "15.sub").write_text("* nothing\n")
    with pytest.raises(SubcircuitError, match="more than 1,000 includes"):
        simulate(bench_of(".include 0.sub\n" + body()))


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_plain_file_is_refused(bench_of, tmp_path, kind):
    bench = bench_of(body())
    path = tmp_path / "device.sub"
    path.unlink()
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    with pytest.raises(SubcircuitError, match=r"device\.subcircuit: .*must be a regular file"):
        simulate(bench)


@pytest.mark.parametrize("content", [b"", b"\x00", b"\xff\xfe.\x00s\x00", b"+" * 100, b".subckt\n.ends\n", b".param\n"])
def test_files_that_are_no_subcircuit_are_one_error(bench_of, tmp_path, content):
    bench = bench_of("")
    (tmp_path / "device.sub").write_bytes(content)
    with pytest.raises(SubcircuitError):
        render_netlist(bench)


def ladder(depth, calls):
    """Subcircuits s0, s1, ..., each of which calls the next one so often."""
    steps = [
        f".subckt s{i} p n x\n" + "".join(f"X{k} p n x s{i + 1}\n" for k in range(calls)) + ".ends\n"
        for i in range(depth)
    ]
    return "".join(steps) + f".subckt s{depth} p n x\nR1 p n 1\nC1 x 0 1\n.ends\n"


def test_subcircuits_that_multiply_are_bounded(bench_of):
    assert ".subckt s10" in render_netlist(bench_of(ladder(10, 2), name="s0"))
    with pytest.raises(SubcircuitError, match="has more than 10,000 elements"):
        render_netlist(bench_of(ladder(20, 2), name="s0"))
    for depth in (40, 1500):
        with pytest.raises(SubcircuitError, match="more than 32 subcircuits that call each other in a chain"):
            render_netlist(bench_of(ladder(depth, 1), name="s0"))


@pytest.mark.parametrize(
    "functions",
    [
        ".func f0(x) {x}\n" + "".join(f".func f{i}(x) {{f{i - 1}(x)+f{i - 1}(2*x)}}\n" for i in range(1, 31)),
        ".func f30(x) {x*x}\n.param q={" + "f30(" * 30 + "1" + ")" * 30 + "}\n",
    ],
)
def test_functions_that_multiply_are_bounded(bench_of, functions):
    with pytest.raises(SubcircuitError, match="has more than 100,000 characters, with the functions that it calls"):
        render_netlist(bench_of(functions + body("R9 p n {f30(1)}", "R8 p n {q}" if "q=" in functions else "")))


@pytest.mark.parametrize(
    "text",
    [
        body("R9 p n 1k" + " " * 200_000 + "tc1=0"),
        body("R9 p n 1k tc1=" + "a" * 200_000),
        body("R9 p n 1k", *["+ "] * 500_000),
        ".param q3000=1\n" + "".join(f".param q{i}={{q{i + 1}}}\n" for i in range(2999, -1, -1)) + body("R9 p n {q0}"),
        body("R9 p n {" + "(" * 100_000 + "1" + ")" * 100_000 + "}"),
        ".subckt " + "a" * 200_000,
        ".subckt m p n x " + "b=" * 50_000,
        body(".func f(" + "a," * 20_000 + "b) {b}"),
        body("* " + "'" * 100_000 + "{" * 100_000),
    ],
    ids=["spaces", "word", "continuations", "chain", "parentheses", "name", "assignments", "arguments", "comment"],
)
def test_long_lines_take_no_time(bench_of, text):
    """These took minutes, which is what a test can see; what comes out is a netlist or an error with its line."""
    with contextlib.suppress(SubcircuitError):
        render_netlist(bench_of(text))


@pytest.mark.ngspice
def test_uniform_states_may_be_without_effect(bench_of):
    sections = {"crossbar": {"state": np.full((3, 2), 0.5)}}
    waveforms = simulate(bench_of(HIDDEN, ["row", "column"], sections=sections))
    first = waveforms["i_cell"].isel(time=1) / waveforms["v_cell"].isel(time=1)
    np.testing.assert_allclose(first, 1 / 8e3, rtol=1e-3)


def test_a_name_from_a_user_is_no_syntax(bench_of):
    for field, value in (("name", "m\n.include x"), ("initial_parameter", "a=1 b"), ("parameters", {"a\n.end": 1})):
        with pytest.raises(TestbenchError, match=rf"device\.{field}"):
            bench_of(body(), **{field: value})


FRAGMENTS = st.sampled_from([
    ".subckt m p n x", ".subckt m p n x a=1", ".ends", ".ends m", ".param", ".param b=2", ".func", ".func f(x) {x}",
    ".func f(x)", ".model", ".model d D", ".model d D(IS=1)", ".ic", ".ic v(x)=1", ".include", ".lib", ".inc ''",
    ".end", "R1", "R1 p n 1", "C1 x", "C1 x IC=1", "C1 x 0 1 IC={a}", "X", "X1", "X1 p n x m", "B", "B1 0 x I=",
    "B1 0 x I=f(a)", "E1", "E1 x 0 VALUE=", "E1 x 0 VALUE={a}", "+", "+ 1", "*", ";", "$", "// c", "{", "}", "'",
    "=", " ", "\t", ".", ".control", "shell id", ".options x", "a=1", "PARAMS:", "if(1,2,3)", "\n", "\r", "\n",
])  # fmt: skip


@given(st.lists(st.one_of(FRAGMENTS, st.text(max_size=3)), max_size=25))
def test_any_text_is_a_checked_subcircuit_or_one_error(tmp_path_factory, pieces):
    file = tmp_path_factory.getbasetemp() / "any.sub"
    file.write_bytes(b".subckt m p n x\nC9 x 0 1\n" + "\n".join(pieces).encode(errors="replace"))
    device = SubcircuitDevice(subcircuit=str(file), ports=["row", "column", "state"])
    try:
        text = read_subcircuit(device).text
    except SubcircuitError:
        return
    for line in text.split("\n"):
        assert re.match(r"[b-hi-mq-tv-xz]|\.(subckt|ends|model|params?|func|ic|nodeset)\b", line, re.IGNORECASE), line
        assert re.fullmatch(r"[\t -~]+", line)
        assert not set(line) & set('`$"\\')
