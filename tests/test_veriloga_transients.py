"""Compiled models in ngspice, against closed forms."""

import numpy as np
import pytest
from osdi import module_text

from spicecim.errors import SimulationError
from spicecim.ngspice.run import run_netlist
from spicecim.veriloga.compiler import compile_native, compile_verilog_a
from spicecim.veriloga.parameters import parameter_values

pytestmark = [pytest.mark.ngspice, pytest.mark.compiler]


OPTIONS = ".options reltol=1e-6 abstol=1e-15 vntol=1e-9 chgtol=1e-20 method=trap klu"
FINE = ".options reltol=1e-9 vntol=1e-12"


@pytest.fixture
def simulate(tmp_path):
    """Run a module `m` as device N1 in a circuit and return the vectors."""

    def simulate(text, circuit, vectors, stop, step=None, given="", uic="uic"):
        path = tmp_path / "m.va"
        path.write_text(text, encoding="utf-8")
        compilation = compile_verilog_a(path)
        module = next(iter(compilation.modules.values()))
        values = parameter_values(module, compilation.declarations[module.name])
        library, device = compile_native(module, values)
        step = stop / 1000 if step is None else step
        lines = ["a compiled model", OPTIONS, f".model mm {device} {given}", *circuit]
        lines += [f".tran {step!r} {stop!r} 0 {step!r} {uic}", ".end"]
        run = run_netlist("\n".join(lines) + "\n", ["time", *vectors], stop=stop, libraries=(library,))
        return [run.vectors[name] for name in ("time", *vectors)]

    return simulate


def test_a_capacitor_and_a_resistor(simulate):
    text = module_text("I(p, n) <+ V(p, n)/r + ddt(c*V(p, n));", "parameter real r = 1k; parameter real c = 1u;")
    time, v = simulate(text, ["N1 a 0 mm", ".ic v(a)=1"], ["v(a)"], 2e-3)
    np.testing.assert_allclose(v, np.exp(-time / 1e-3), atol=2e-6)


def test_parameters_arrive_at_the_model(simulate):
    text = module_text("I(p, n) <+ V(p, n)/r + ddt(c*V(p, n));", "parameter real r = 1k; parameter real c = 1u;")
    time, v = simulate(text, ["N1 a 0 mm", ".ic v(a)=1"], ["v(a)"], 2e-3, given="p_r=2000 p_c=2e-6")
    np.testing.assert_allclose(v, np.exp(-time / 4e-3), atol=2e-6)


def test_an_inductor_by_its_voltage(simulate):
    text = module_text("V(l) <+ ddt(1e-3*I(l)) + 10*I(l);", "branch (p, n) l;")
    time, i = simulate(text, ["V1 a 0 1", "N1 a 0 mm"], ["i(v1)"], 5e-4)
    np.testing.assert_allclose(-i, 0.1 * (1 - np.exp(-time / 1e-4)), atol=2e-6)


@pytest.mark.parametrize(("start", "first", "uic"), [(", 0.25", 0.25, ""), ("", 0.0, "uic")])
def test_an_integral(simulate, start, first, uic):
    text = module_text(f"V(s) <+ idt(1e3*V(p, n){start}); I(p, n) <+ V(p, n);", ports="p, n, s")
    circuit = ["V1 a 0 sin(0 1 1k)", "N1 a 0 s mm", "R1 s 0 1k"]
    time, v = simulate(text, circuit, ["v(s)"], 2e-3, uic=uic)
    np.testing.assert_allclose(v[1:], first + (1 - np.cos(2e3 * np.pi * time[1:])) / (2 * np.pi), atol=2e-4)


def test_a_nonlinear_capacitor_takes_the_charge(simulate):
    """A current source charges it: q(v) = i t, with q = c0 (v + v^3/3), each step to the relative tolerance."""
    text = module_text("I(p, n) <+ ddt(1e-9*(V(p, n) + pow(V(p, n), 3)/3));")
    time, v = simulate(text, ["I1 0 a 1u", "N1 a 0 mm", ".ic v(a)=0", FINE], ["v(a)"], 4e-3)
    np.testing.assert_allclose(1e-9 * (v + v**3 / 3), 1e-6 * time, rtol=1e-6, atol=1e-14)


def test_a_product_with_a_derivative(simulate):
    """I = V dV/dt, driven by a ramp: an implicit equation."""
    text = module_text("I(p, n) <+ 1e-6*V(p, n)*ddt(V(p, n));")
    time, i = simulate(text, ["V1 a 0 pwl(0 0 1m 1)", "N1 a 0 mm"], ["i(v1)"], 1e-3)
    late = time > 1e-5
    np.testing.assert_allclose(-i[late], 1e-6 * (1e3 * time[late]) * 1e3, rtol=1e-5)


def test_devices_in_parallel_and_collapsed_nodes(simulate):
    text = module_text(
        "if (r > 0) I(p, x) <+ V(p, x)/r; else V(p, x) <+ 0; I(x, n) <+ V(x, n)/1k;",
        "parameter real r = 0; electrical x;",
    )
    for given, factor, current in (("", "", 1e-3), ("p_r=1000", "", 5e-4), ("", "m=3", 3e-3)):
        _, i = simulate(text, ["V1 a 0 1", f"N1 a 0 mm {factor}"], ["i(v1)"], 1e-6, given=given)
        np.testing.assert_allclose(-i, current, rtol=1e-9)


@pytest.mark.parametrize(
    ("body", "largest"),
    [
        ("$bound_step(h);", 1e-5),
        ("if ($abstime > 5e-4) $bound_step(h);", 1e-5),
        ("", None),
    ],
)
def test_ngspice_keeps_to_bound_step(simulate, body, largest):
    text = module_text(f"{body} I(p, n) <+ V(p, n);", "parameter real h = 10u;")
    time, _ = simulate(text, ["V1 a 0 1", "N1 a 0 mm"], ["v(a)"], 1e-3, step=1e-4)
    steps = np.diff(time[time > 5.5e-4])
    if largest is None:
        assert steps.max() > 5e-5
    else:
        assert steps.max() <= largest * (1 + 1e-6)


def test_two_versions_of_a_module_in_one_session(simulate):
    for factor in (1.0, 2.0, 1.0):
        text = module_text(f"I(p, n) <+ {factor}*V(p, n);")
        _, i = simulate(text, ["V1 a 0 1", "N1 a 0 mm"], ["i(v1)"], 1e-6)
        np.testing.assert_allclose(-i, factor, rtol=1e-12)


def test_messages_arrive_in_the_log(simulate):
    body = '$strobe("seen %g", V(p)); if ($abstime > 5e-7) $fatal(0, "bad %g", 12.5); I(p, n) <+ V(p, n);'
    with pytest.raises(SimulationError) as caught:
        simulate(module_text(body), ["V1 a 0 0.75", "N1 a 0 mm"], ["i(v1)"], 1e-6)
    log = (caught.value.folder / "ngspice.log").read_text()
    assert "seen 0.75" in log
    assert "bad 12.5" in log


@pytest.mark.parametrize("call", ["$finish;", "$stop;", '$fatal(0, "no");'])
def test_a_run_that_the_model_ends_is_an_error(simulate, call):
    text = module_text(f"if ($abstime > 5e-7) {call} I(p, n) <+ V(p, n);")
    with pytest.raises(SimulationError):
        simulate(text, ["V1 a 0 1", "N1 a 0 mm"], ["i(v1)"], 1e-6)


def test_a_model_that_refuses_its_parameters_is_an_error(simulate):
    text = module_text('if (r > 1) $fatal(0, "r is %g", r); I(p, n) <+ V(p, n);', "parameter real r = 1;")
    simulate(text, ["V1 a 0 1", "N1 a 0 mm"], ["i(v1)"], 1e-6)
    with pytest.raises(SimulationError):
        simulate(text, ["V1 a 0 1", "N1 a 0 mm"], ["i(v1)"], 1e-6, given="p_r=2")


def test_an_integer_divided_by_zero_ends_the_run(simulate):
    text = module_text("k = 2*V(p); I(p, n) <+ 4/k;", "integer k;")
    with pytest.raises(SimulationError) as caught:
        simulate(text, ["V1 a 0 pwl(0 1 1u 0)", "N1 a 0 mm"], ["i(v1)"], 1e-6)
    assert "divided by zero" in (caught.value.folder / "ngspice.log").read_text()
