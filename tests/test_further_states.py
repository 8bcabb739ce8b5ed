"""Devices with several states, and with random numbers of their own: start, course and waveforms in both engines."""

import re

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from spicecim import Testbench, check_model, simulate
from spicecim.errors import ModelError, VerilogAError
from spicecim.ngspice.engine import render_netlist
from spicecim.veriloga.device import ModuleDevice
from spicecim.waveforms import load_waveforms, save_waveforms, testbench_of

pytestmark = pytest.mark.compiler


FILAMENT = """`include "disciplines.vams"
module filament(p, n); inout p, n; electrical p, n, x; thermal t;
  parameter real rth = 2e5 from (0:inf); parameter real cth = 1e-8 from (0:inf);
  real g;
  analog begin
    g = 1e-5 + 0.99e-3*V(x);
    I(p, n) <+ g*V(p, n);
    I(x) <+ ddt(V(x)) - 20*V(p, n)*exp(Temp(t)/60)*(V(p, n) > 0 ? 1 - V(x) : V(x));
    Pwr(t) <+ ddt(cth*Temp(t)) + Temp(t)/rth - g*V(p, n)*V(p, n);
  end
endmodule
"""
PAIR = """`include "disciplines.vams"
module pair(p, n); inout p, n; electrical p, n, x, y;
  analog begin
    I(p, n) <+ V(p, n)*(1e-3*V(x) + 1e-3*V(y) + 1e-5);
    I(x) <+ ddt(V(x)) - 100*V(p, n)*(V(p, n) > 0 ? 1 - V(x) : V(x));
    I(y) <+ ddt(V(y)) - 50*V(p, n)*(V(p, n) > 0 ? 1 - V(y) : V(y));
  end
endmodule
"""
RANDOM = """`include "disciplines.vams"
module scattered(p, n); inout p, n; electrical p, n, x;
  parameter integer seed = 1; parameter integer law = 0;
  integer s; real a, b, c;
  analog begin
    @(initial_step) begin
      s = seed; a = $rdist_normal(s, 5.0, 1.0); b = $rdist_uniform(s, 1.0, 3.0);
      c = $rdist_normal(3, 0.0, 1.0, "global") + $dist_uniform(s, 1, 6);
    end
    I(p, n) <+ V(p, n)*1e-3*(0.01 + V(x))*a;
    I(x) <+ ddt(V(x)) - 100*b*V(p, n)*(V(p, n) > 0 ? 1 - V(x) : V(x)) + 1e-9*c*V(p, n)*V(x)*(1 - V(x));
  end
endmodule
"""


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "m.va"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def bench(path, crossbar, *, device=None, probe="cells", periods=2.0):
    return Testbench(
        device={"verilog_a": path, "initial": [0.0, 1.0], **(device or {})},
        crossbar=crossbar,
        drive={"kind": "sine", "amplitude": 0.5, "frequency": 50},
        analysis={"periods": periods, "probe": probe},
    )


def integrated(x0, t0, times):
    """X and the temperature of the filament at instants, by scipy at 1e-10."""

    def slope(time, y):
        v = 0.5 * np.sin(100.0 * np.pi * time)
        g = 1e-5 + 0.99e-3 * y[0]
        return [20.0 * v * np.exp(y[1] / 60.0) * (1.0 - y[0] if v > 0 else y[0]), (g * v * v - y[1] / 2e5) / 1e-8]

    found, y = np.empty((len(times), 2)), np.array([x0, t0])
    found[0] = y
    for begin in (0.0, 0.01, 0.02, 0.03):
        some = (times > begin) & (times <= begin + 0.01 + 1e-12)
        at = np.union1d(np.minimum(times[some], begin + 0.01), [begin + 0.01])
        run = solve_ivp(slope, (begin, begin + 0.01), y, method="Radau", rtol=1e-10, atol=1e-13, t_eval=at)
        found[some], y = run.y[:, : some.sum()].T, run.y[:, -1]
    return found.T


@pytest.mark.ngspice
def test_two_states_against_scipy(write, tmp_path):
    crossbar = {"state": [[0.1, 0.4]], "states": {"t": [[5.0, 7.0]]}}
    testbench = bench(write(FILAMENT), crossbar, device={"states": {"t": None}})
    spice = simulate(testbench, "ngspice")
    exact = simulate(testbench, "reference", time=spice.time.values)
    for column, start in enumerate((5.0, 7.0)):
        x, t = integrated((0.1, 0.4)[column], start, exact.time.values)
        assert np.abs(exact.x.values[:, 0, column] - x).max() < 1e-9
        assert np.abs(exact.state_t.values[:, 0, column] - t).max() < 1e-8 * t.max()
        assert np.abs(spice.state_t.values[:, 0, column] - t).max() < 5e-4 * t.max()
        assert np.abs(spice.x.values[:, 0, column] - x).max() < 1e-4
    assert exact.state_t.attrs["units"] == spice.state_t.attrs["units"] == "K"
    # what is saved can be run again, and from where it ended
    again = load_waveforms(save_waveforms(exact, tmp_path / "run.nc"))
    assert np.array_equal(again.state_t, exact.state_t)
    assert testbench_of(again) == testbench
    ends = {"state": exact.x.values[-1], "states": {"t": exact.state_t.values[-1]}}
    first = simulate(bench(testbench.device.verilog_a, ends, device={"states": {"t": None}}), "reference")
    assert np.array_equal(first.state_t.values[0], exact.state_t.values[-1])


@pytest.mark.ngspice
def test_two_states_behind_wires_and_in_equilibrium(write):
    device = {"states": {"t": None}}
    wired = bench(write(FILAMENT), {"state": [[0.1]], "wire_row": 20.0}, device=device, periods=0.5)
    spice = simulate(wired, "ngspice")
    exact = simulate(wired, "reference", time=spice.time.values)
    # at rest it is as warm as its surroundings
    assert exact.state_t.values[0] == spice.state_t.values[0] == 0.0
    assert np.abs(exact.state_t - spice.state_t).max() < 1e-3 * exact.state_t.max()
    held = bench(
        wired.device.verilog_a, {"state": [[0.1]], "wire_row": 20.0}, device={"states": {"t": 9.0}}, periods=0.5
    )
    assert simulate(held, "reference").state_t.values[0] == 9.0


@pytest.mark.ngspice
def test_states_without_a_joint_equilibrium(write):
    path = write(PAIR)
    device = {"state": "x", "states": {"y": 0.2}}
    testbench = bench(path, {"state": [[0.5]]}, device=device, periods=1.0)
    spice = simulate(testbench, "ngspice")
    exact = simulate(testbench, "reference", time=spice.time.values)
    # without the other equation, each is 1 - (1 - x) exp(-flux) until the half of the period
    flux = 0.5 / (100.0 * np.pi) * (1.0 - np.cos(100.0 * np.pi * exact.time.values))
    half = exact.time.values <= 0.01
    right = 1.0 - 0.8 * np.exp(-50.0 * flux)
    assert np.abs(exact.state_y.values[:, 0, 0] - right)[half].max() < 1e-8
    assert np.abs(spice.state_y.values[:, 0, 0] - right)[half].max() < 1e-4
    found = {finding.code: finding for finding in check_model(path, state="x", initial=(0.0, 1.0)).findings}
    assert "no joint equilibrium" in found["no-joint-equilibrium"].message
    assert "states: {y: 0.0}" in found["no-joint-equilibrium"].cure
    # what is held is not asked for, and leaves one node for x
    held = check_model(path, initial=(0.0, 1.0), states={"y": "0.2"})
    assert held.state == "x"
    assert "no-joint-equilibrium" not in {finding.code for finding in held.findings}
    with pytest.raises(ModelError, match="states: z is no node that holds a state; those of"):
        check_model(path, states={"z": 0.2})
    with pytest.raises(ModelError, match="states: y: 'much' is not a number"):
        check_model(path, states={"y": "much"})
    with pytest.raises((ModelError, VerilogAError)):
        ModuleDevice(path, state="x", initial=(0.0, 1.0))


@pytest.mark.parametrize(
    ("device", "crossbar", "message"),
    [
        ({"states": {"q": 1.0}}, {}, r"device\.states: 'q' holds no state .*others that do: t"),
        ({"states": {"x": 1.0}}, {}, r"device\.states: x is the state that x stands for"),
        ({}, {"states": {"t": 1.0}}, r"crossbar\.states: 't' is not among device\.states, which has none"),
        ({"states": {"t": 1.0}}, {"states": {"t": [[1.0, 2.0]]}}, r"crossbar\.states\.t: must be one number, or"),
    ],
)
def test_what_does_not_fit_is_named(write, device, crossbar, message):
    with pytest.raises(ModelError, match=message):
        simulate(bench(write(FILAMENT), {"state": [[0.1]], **crossbar}, device=device), "reference")


@pytest.mark.ngspice
def test_a_library_model_has_no_further_state():
    testbench = Testbench(
        device={"model": "yakopcic"},
        crossbar={"state": [[0.1]], "states": {"t": 1.0}},
        drive={"kind": "sine", "amplitude": 0.4, "frequency": 100},
    )
    for engine in ("reference", "ngspice"):
        with pytest.raises(ModelError, match=r"crossbar\.states: .* has one state"):
            simulate(testbench, engine)


def test_ten_thousand_draws(write):
    device = ModuleDevice(write(RANDOM), initial=(0.0, 1.0))
    draws = device.further_start((100, 100), {})
    names = [state.name for state in device.further_states]
    normal, uniform = draws[..., 0], 1.0 + 2.0 * draws[..., 1]
    assert names == [f"spicecim_draw_{number}" for number in range(4)]
    normal = 5.0 + normal
    assert abs(normal.mean() / 5.0 - 1.0) < 0.01
    assert abs(normal.std() - 1.0) < 0.01
    assert abs(uniform.mean() / 2.0 - 1.0) < 0.01
    assert abs(uniform.std() * np.sqrt(3.0) - 1.0) < 0.01
    assert np.ptp(draws[..., 2]) == 0.0  # one for all instances
    faces = np.floor(1.0 + 6.0 * draws[..., 3])
    assert np.allclose(np.bincount(faces.astype(int).ravel(), minlength=7)[1:] / 1e4, 1 / 6, atol=0.012)
    # independent of each other, and of the neighbors
    assert abs(np.corrcoef(normal.ravel(), uniform.ravel())[0, 1]) < 0.03
    assert abs(np.corrcoef(normal[:, 1:].ravel(), normal[:, :-1].ravel())[0, 1]) < 0.03
    again = ModuleDevice(device.path, initial=(0.0, 1.0), parameters={"seed": 1}).further_start((100, 100), {})
    other = ModuleDevice(device.path, initial=(0.0, 1.0), parameters={"seed": 2}).further_start((100, 100), {})
    assert np.array_equal(again, draws)
    assert not np.any(other[..., 0] == draws[..., 0])


@pytest.mark.ngspice
def test_both_engines_draw_alike_to_the_last_bit(write):
    path = write(RANDOM)
    testbench = bench(path, {"state": [[0.3, 0.3], [0.3, 0.6]]}, periods=1.0)
    draws = ModuleDevice(path, initial=(0.0, 1.0)).further_start((2, 2), {}).reshape(4, -1)
    netlist = render_netlist(testbench)
    for number in range(4):
        whole = [int(value) for value in re.findall(rf" drawn_{number}=(\S+)", netlist)]
        # a whole number below 2^53 is read as it is
        assert max(map(abs, whole)) < 2**53
        assert [value * 2.0**-40 for value in whole] == draws[:, number].tolist()
    spice = simulate(testbench, "ngspice")
    exact = simulate(testbench, "reference", time=spice.time.values)
    conductance = exact.i_cell.values[5] / exact.v_cell.values[5] / (0.01 + exact.x.values[5])
    assert np.allclose(conductance.ravel(), 1e-3 * (5.0 + draws[:, 0]), rtol=1e-9)
    conductance = spice.i_cell.values[5] / spice.v_cell.values[5] / (0.01 + spice.x.values[5])
    assert np.allclose(conductance.ravel(), 1e-3 * (5.0 + draws[:, 0]), rtol=1e-9)
    assert np.abs(exact.x - spice.x).max() < 1e-4
    assert "state_spicecim_draw_0" not in exact
    assert len(np.unique(exact.x.values[-1])) == 4


DRAWS = {
    "s = 3; a = $rdist_normal(s, 0.0, 1.0); s = 3; b = $rdist_normal(s, 0.0, 1.0);": "equal",
    "s = 3; a = $rdist_normal(s, 0.0, 1.0); b = $rdist_normal(s, 0.0, 1.0);": "different",
    "s = 3; a = $rdist_normal(s, 0.0, 1.0); k = 2 + 1; s = k; b = $rdist_normal(s, 0.0, 1.0);": "different",
    "@(initial_step) begin a = $rdist_normal(7, 0.0, 1.0); b = $rdist_normal(7, 0.0, 1.0); end": "equal",
    "@(initial_step) begin a = $random; b = $random; end": "different",
}


@pytest.mark.parametrize("body", DRAWS)
def test_a_seed_gives_the_same_number_again(write, body):
    text = RANDOM[: RANDOM.index("    @(initial_step)")].replace("integer s;", "integer s, k;") + body
    text += " I(p, n) <+ V(p, n)*(0.1 + V(x)*a*a); I(x) <+ ddt(V(x)) - b*b*V(p, n)*(V(p, n) > 0 ? 1 - V(x) : V(x)); end"
    draws = ModuleDevice(write(text + " endmodule"), initial=(0.0, 1.0)).further_start((3, 3), {})
    if "k =" in body:
        # the same seed by another way: the same number
        assert np.array_equal(draws[..., 0], draws[..., 1])
    elif DRAWS[body] == "equal":
        assert np.array_equal(draws[..., 0], draws[..., 1])
    else:
        assert not np.any(draws[..., 0] == draws[..., 1])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("a = $rdist_normal(seed, 0.0, 1.0);", "draws at every evaluation here"),
        ("@(initial_step) s = 3; a = $rdist_normal(s, 0.0, 1.0);", "draws at every evaluation here"),
        ("s = 3; for (s = 0; s < 3; s = s + 1) a = $rdist_normal(s, 0.0, 1.0);", "in a loop is not supported"),
        ("@(initial_step) a = $rdist_normal(s, 0.0);", "takes a seed and 2 arguments; it gets 2"),
        ("s = V(p, n); a = $rdist_normal(s, 0.0, 1.0);", "the seed .* of .rdist_normal"),
    ],
)
def test_what_cannot_be_drawn_in_advance_is_refused(write, body, message):
    text = RANDOM[: RANDOM.index("    @(initial_step)")] + body
    text += " I(p, n) <+ V(p, n)*(0.1 + V(x)*a*a); I(x) <+ ddt(V(x)) - V(p, n); end endmodule"
    with pytest.raises((VerilogAError, ModelError), match=message):
        ModuleDevice(write(text), initial=(0.0, 1.0)).further_start((1, 1), {})


@pytest.mark.parametrize(
    ("call", "mean", "spread"),
    [
        ("$rdist_exponential(3, 2.0)", 2.0, 2.0),
        ("$rdist_poisson(3, 4.0)", 4.0, 2.0),
        ("$rdist_chi_square(3, 8.0)", 8.0, 4.0),
        ("$rdist_t(3, 20.0)", 0.0, np.sqrt(20.0 / 18.0)),
        ("$rdist_erlang(3, 4, 2.0)", 2.0, 1.0),
        ("$dist_normal(3, 10, 4)", 10.0, np.sqrt(16.0 + 1.0 / 12.0)),
    ],
)
def test_distributions(write, call, mean, spread):
    text = RANDOM[: RANDOM.index("    @(initial_step)")] + f"@(initial_step) a = {call};"
    text += " I(p, n) <+ a*V(p, n) + 0*V(x); I(x) <+ ddt(V(x)) - V(p, n)*(V(p, n) > 0 ? 1 - V(x) : V(x)); end endmodule"
    device = ModuleDevice(write(text), initial=(0.0, 1.0))
    draws = device.further_start((100, 100), {}).reshape(-1, 1)
    ones = np.ones(len(draws))
    value = device.terms(0.0 * ones, ones, device.start(ones, 0.5 * ones, draws)).current
    assert abs(value.mean() - mean) < 0.03 * spread
    assert abs(value.std() / spread - 1.0) < 0.03


SINGLE = """`include "disciplines.vams"
module single(p, n); inout p, n; electrical p, n, x;
  real rate;
  analog begin
    I(p, n) <+ V(p, n)*(1e-3*V(x) + 1e-5);
    rate = 100*V(p, n)*(V(p, n) > 0 ? 1 - V(x) : V(x));
    I(x) <+ ddt(V(x)) - rate;
  end
endmodule
"""
FINDINGS = {
    "state-current-in-terminal": SINGLE.replace("I(x) <+", "I(x, n) <+").replace("V(x)", "V(x, n)"),
    "unbalanced-current": SINGLE.replace("I(p, n) <+", "I(p) <+"),
    "no-effect": SINGLE.replace("real rate;", "parameter real alone = 3; parameter real k = 2*alone; real rate;"),
    "further-state": FILAMENT,
    "narrow-window": SINGLE.replace("rate = 100", "rate = (abs(abs(V(p, n)) - 0.5) < 5e-4 ? 1.0 : 0.0)*100"),
}


@pytest.mark.parametrize("code", FINDINGS)
def test_what_a_check_finds(write, code):
    report = check_model(write(FINDINGS[code]), initial=(0.0, 1.0))
    assert [finding.code for finding in report.findings].count(code) == 1


def test_a_sound_module_has_no_finding(write):
    assert check_model(write(SINGLE)).findings == ()
