"""The ambient temperature in both engines, and retention."""

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import spicecim as sc
from spicecim.devices import load_presets, make_device
from spicecim.errors import InputError, StateWarning, TestbenchError, UnsupportedError
from spicecim.netlist import crossbar_netlist

STANFORD = {"model": "stanford_pku", "preset": "ihp"}
MODULE = """`include "disciplines.vams"
module hot(p, n, x);
  inout p, n, x; electrical p, n, x;
  parameter real Ea = 0.3;
  parameter real speed = 1e7;
  real vt;
  analog begin
    vt = $temperature*1.380649e-23/1.602176634e-19;
    I(p, n) <+ 1e-4*(0.1 + V(x))*vt*sinh(V(p, n)/(4*vt));
    I(x) <+ ddt(V(x)) + speed*exp(-Ea/vt)*V(x) - 100*V(p, n)*V(x)*(1 - V(x));
  end
endmodule
"""
COLD = """`include "disciplines.vams"
module cold(p, n, x);
  inout p, n, x; electrical p, n, x;
  analog begin
    I(p, n) <+ 1e-4*(0.1 + V(x))*V(p, n);
    I(x) <+ ddt(V(x)) - 100*V(p, n)*V(x)*(1 - V(x));
  end
endmodule
"""
VT = 1.380649e-23 / 1.602176634e-19


def bench(device, temperature=None, amplitude=0.9, frequency=1e5, **more):
    return sc.Testbench.from_dict(
        {
            "device": device,
            "crossbar": {"state": [[0.3]]},
            "drive": {"kind": "sine", "amplitude": amplitude, "frequency": frequency},
            "analysis": {"probe": "cells", **({} if temperature is None else {"temperature": temperature}), **more},
        }
    )


@pytest.fixture
def hot(tmp_path):
    path = tmp_path / "hot.va"
    path.write_text(MODULE)
    return {"verilog_a": str(path), "initial": [0, 1]}


def test_a_temperature_is_the_parameter_of_a_library_model():
    for model in ("stanford_pku", "jart_vcm"):
        warm = bench({"model": model}, 400).device.build()
        plain = bench({"model": model}).device.build()
        assert warm == make_device(model, parameters={**plain.model_dump(), "T0": 400.0})
        assert plain == make_device(model)


def test_celsius_and_kelvin_are_read():
    assert bench(STANFORD, "85 °C").analysis.temperature == pytest.approx(358.15)
    assert bench(STANFORD, "85degC") == bench(STANFORD, 85 + 273.15)
    assert bench(STANFORD, "400K") == bench(STANFORD, 400)
    again = sc.Testbench.from_dict(bench(STANFORD, 400).to_dict())
    assert again.device.build().T0 == 400
    assert again.with_analysis(temperature=350).device.build().T0 == 350


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["osdi", "behavioral"])
def test_both_engines_have_the_temperature_of_a_model(backend):
    warm = bench({**STANFORD, "backend": backend}, 400)
    one = sc.simulate(warm, engine="ngspice")
    other = sc.simulate(warm, engine="reference", time=one.time.values)
    assert np.abs(one.x - other.x).max() < 1e-3
    cold = sc.simulate(bench(STANFORD), engine="reference", time=one.time.values)
    assert np.abs(cold.x - other.x).max() > 1e-2


@pytest.mark.slow
def test_both_engines_have_the_temperature_of_a_module(hot):
    """The conductance follows vt, and a run at the default that comes after is one at 300.15 K again."""
    found = {}
    for temperature in (400.0, None):
        warm = bench(hot, temperature, 0.3, 100)
        one = sc.simulate(warm, engine="ngspice")
        other = sc.simulate(warm, engine="reference", time=one.time.values)
        assert np.abs(one.i_column - other.i_column).max() < 1e-3 * np.abs(other.i_column).max()
        vt = VT * (temperature or 300.15)
        right = 1e-4 * (0.1 + other.x) * vt * np.sinh(other.v_cell / (4 * vt))
        np.testing.assert_allclose(other.i_cell, right, rtol=1e-6, atol=1e-15)
        found[temperature] = np.interp(np.linspace(0, 0.01, 50), other.time, other.x[:, 0, 0])
    assert np.abs(found[None] - found[400.0]).max() > 1e-2


@pytest.mark.ngspice
def test_a_subcircuit_gets_the_temperature(tmp_path):
    path = tmp_path / "r.sub"
    path.write_text(".subckt one p n\nR1 p n 1k tc1=1e-3\n.ends\n")
    device = {"subcircuit": str(path), "ports": ["row", "column"]}
    run = sc.simulate(bench(device, 400.15, 1.0, 1e3), engine="ngspice")
    np.testing.assert_allclose(run.i_cell.values[:, 0, 0] * 1100.0, run.v_row.values[:, 0], rtol=1e-6, atol=1e-12)


def test_without_a_temperature_a_netlist_says_none():
    assert "temp=" not in crossbar_netlist(bench(STANFORD), native=False).text
    assert ".options temp=126.8" in crossbar_netlist(bench(STANFORD, 400), native=False).text


@pytest.mark.compiler
def test_a_device_without_a_temperature_says_so(tmp_path):
    with pytest.raises(TestbenchError, match=r"analysis.temperature: the model yakopcic has none.*stanford_pku"):
        bench({"model": "yakopcic", "preset": "oblea"}, 350)
    path = tmp_path / "cold.va"
    path.write_text(COLD)
    with pytest.raises(sc.SpiceCimError, match=r"analysis.temperature: module cold has none"):
        sc.simulate(bench({"verilog_a": str(path)}, 350), engine="reference")
    with pytest.raises(TestbenchError, match="one per cell"):
        bench({**STANFORD, "parameters": {"T0": [[300.0]]}}, 350)
    with pytest.raises(TestbenchError, match=r"analysis.temperature: must be between 1 and 2000"):
        bench(STANFORD, -5)


@pytest.mark.compiler
def test_retention_of_a_relaxing_state_is_its_exponential(hot):
    """``dx/dt = -speed exp(-Ea / vt) x``: over twelve decades, at two temperatures."""
    times = np.geomspace(1e-6, 1e6, 49)
    for temperature in (300.15, 358.15):
        held = sc.retention(hot, times, x0=[[0.9, 0.4]], temperature=temperature)
        rate = 1e7 * math.exp(-0.3 / (VT * temperature))
        right = np.array([0.9, 0.4]) * np.exp(-rate * times)[:, None]
        np.testing.assert_allclose(held.x.values[:, 0], right, rtol=0, atol=1e-9)
        assert held.attrs["steps"] < 400
        vt = VT * temperature
        conductance = 1e-4 * (0.1 + right) * vt * math.sinh(0.1 / (4 * vt)) / 0.1
        np.testing.assert_allclose(held.conductance.values[:, 0], conductance, rtol=1e-6)


def test_retention_of_metastable_switches_is_their_exponential():
    """At rest the shares of both states approach equilibrium at the sum of both rates."""
    device = make_device("metastable_switch")
    times = np.geomspace(1e-6, 1e2, 30)
    held = sc.retention({"model": "metastable_switch"}, times, x0=0.9)
    speed = -float(device.rate(0.0, 0.9) - device.rate(0.0, 0.1)) / 0.8
    rest = 0.9 + float(device.rate(0.0, 0.9)) / speed
    np.testing.assert_allclose(held.x.values[:, 0, 0], rest + (0.9 - rest) * np.exp(-speed * times), atol=1e-9)


@pytest.mark.parametrize(
    ("model", "volts", "temperature"),
    [("stanford_pku", 0.5, 360.0), pytest.param("jart_vcm", -0.35, 350.0, marks=pytest.mark.slow)],
)
def test_read_disturb_is_that_of_an_independent_integration(model, volts, temperature):
    preset = "ihp" if model == "stanford_pku" else next(iter(load_presets(model)))
    times = np.geomspace(1e-9, 1e3, 25)
    held = sc.retention({"model": model, "preset": preset}, times, x0=0.3, voltage=volts, temperature=temperature)
    device = make_device(model, preset, temperature=temperature)
    start = device.state_from_x([0.3])
    other = solve_ivp(
        lambda _, s: device.rate(np.full(1, volts), s), (0.0, times[-1]), start, "Radau", times, rtol=1e-10,
        atol=1e-11,
    )  # fmt: skip
    np.testing.assert_allclose(held.x.values[:, 0, 0], device.x_from_state(other.y[0]), rtol=0, atol=1e-6)
    assert np.ptp(held.x.values) > 0.05


def test_a_model_that_does_not_move_at_rest_says_so():
    with pytest.warns(StateWarning, match="holds the state of every cell at 0 V, .* start from other states"):
        held = sc.retention({"model": "yakopcic"}, [1.0, 1e8], x0=0.4)
    assert (held.x.values == 0.4).all()


@pytest.mark.compiler
def test_cells_of_their_own_are_held(hot):
    wanted = sc.Testbench.from_dict(
        {
            "device": {**hot, "parameters": {"Ea": [[0.3, 0.35]]}},
            "crossbar": {"state": [[0.8, 0.8]], "wire_row": 5.0},
            "drive": {"kind": "sine", "amplitude": 1.0, "frequency": 10},
        }
    )
    times = np.geomspace(1e-4, 10, 9)
    held = sc.retention(wanted, times)
    rates = 1e7 * np.exp(-np.array([0.3, 0.35]) / (VT * 300.15))
    np.testing.assert_allclose(held.x.values[:, 0], 0.8 * np.exp(-rates * times[:, None]), atol=1e-9)


@pytest.mark.parametrize(
    ("times", "more", "problem"),
    [
        ([0.0, 1.0], {}, "times must increase from above 0"),
        ([2.0, 1.0], {}, "times must increase"),
        ("soon", {}, "times must be numbers"),
        ([1.0], {"voltage": "much"}, "voltage: "),
        ([1.0], {"read": 0}, "read: must not be 0"),
    ],
)
def test_what_cannot_be_held_is_named(times, more, problem):
    with pytest.raises(InputError, match=problem):
        sc.retention({"model": "metastable_switch"}, times, **more)


def test_a_subcircuit_has_no_retention(tmp_path):
    path = tmp_path / "r.sub"
    path.write_text(".subckt one p n\nR1 p n 1k\n.ends\n")
    with pytest.raises(UnsupportedError, match="subcircuit"):
        sc.retention({"subcircuit": str(path), "ports": ["row", "column"]}, [1.0])
