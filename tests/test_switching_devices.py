"""VTEAM, Pershin-Di Ventra and Stanford-PKU: closed forms, bounds, and the loops that they are known for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.constants import elementary_charge, k

from spicecim.device_choice import LibraryDevice
from spicecim.devices import load_presets, make_device
from spicecim.engines import simulate
from spicecim.errors import ModelError
from spicecim.hysteresis_sweep import hysteresis
from spicecim.ngspice.engine import evaluate_equations
from spicecim.testbench import Testbench

SWITCHING = [
    ("vteam", "kvatinsky"),
    ("vteam", "exponential"),
    ("pershin_di_ventra", "biolek"),
    ("stanford_pku", "hfox"),
    ("stanford_pku", "ihp"),
]


def states(model, preset, x0, time, voltages, engine, parameters=None):
    """Instants and x of one cell under voltages with straight lines between them."""
    bench = Testbench(
        device={"model": model, "preset": preset, "parameters": parameters or {}},
        crossbar={"state": [[x0]]},
        drive={"kind": "samples", "time": time, "voltages": [voltages]},
        analysis={"probe": "cells"},
    )
    waveforms = simulate(bench, engine)
    return waveforms["time"].values, waveforms["x"].values[:, 0, 0]


@settings(deadline=None, max_examples=30)
@given(v=st.floats(0.03, 2), alpha_off=st.floats(1, 5), x0=st.floats(0.01, 1))
def test_vteam_switches_off_linearly_in_time_at_a_constant_voltage(v, alpha_off, x0):
    speed = 5e-4 / 3e-9 * (v / 0.02 - 1) ** alpha_off
    end = 1.3 * x0 / speed
    time, x = states("vteam", "kvatinsky", x0, [0, end], [v, v], "reference", {"alpha_off": alpha_off})
    np.testing.assert_allclose(x, np.maximum(x0 - speed * time, 0), atol=1e-12)


@pytest.mark.parametrize("engine", ["reference", "ngspice"])
def test_vteam_switches_on_linearly_in_time_at_a_constant_voltage(engine):
    speed = 10 / 3e-9 * (0.3 / 0.2 - 1) ** 3
    time, x = states("vteam", "kvatinsky", 0.2, [0, 1.5 / speed], [-0.3, -0.3], engine)
    np.testing.assert_allclose(x, np.minimum(0.2 + speed * time, 1), atol=1e-6 if engine == "ngspice" else 1e-12)


def test_vteam_does_not_move_between_its_thresholds():
    device = make_device("vteam")
    s = device.state_from_x(np.linspace(0, 1, 11))
    for v in (-0.2, -0.1, 0.0, 0.01, 0.02):
        assert np.all(device.rate(v, s) == 0.0)
    assert np.all(device.rate(0.0201, s[1:]) > 0)  # towards high resistance
    assert np.all(device.rate(-0.201, s[:-1]) < 0)


@given(x=st.floats(0, 1))
def test_vteam_conductions_meet_at_the_bounds_only(x):
    linear, exponential = make_device("vteam", "kvatinsky"), make_device("vteam", "exponential")
    s = linear.state_from_x(x)
    assert 1 / linear.current(1.0, s) == pytest.approx(1000 - 950 * x)
    assert 1 / exponential.current(1.0, s) == pytest.approx(1000 * 20.0**-x)


@settings(deadline=None, max_examples=30)
@given(x0=st.floats(0.01, 0.99), overdrive=st.floats(0.01, 5), sign=st.sampled_from([-1, 1]))
def test_pershin_resistance_is_linear_in_the_flux_above_the_threshold(x0, overdrive, sign):
    rate = 1e13 * overdrive * sign
    end = 1.3 * 9e3 / abs(rate)
    v = sign * (4.6 + overdrive)
    time, x = states("pershin_di_ventra", "biolek", x0, [0, end], [v, v], "reference")
    resistance = np.clip(10e3 - 9e3 * x0 + rate * time, 1e3, 10e3)
    np.testing.assert_allclose(10e3 - 9e3 * x, resistance, rtol=1e-9)


@pytest.mark.parametrize("engine", ["reference", "ngspice"])
def test_pershin_without_a_threshold_is_an_ideal_memristor(engine):
    """With alpha = beta, R = R0 + beta flux, whatever the waveform."""
    bench = Testbench(
        device={"model": "pershin_di_ventra", "preset": "biolek", "parameters": {"alpha": 9e5, "beta": 9e5}},
        crossbar={"state": [[0.7]]},
        drive={"kind": "sine", "amplitude": 2.0, "frequency": 100},
        analysis={"probe": "cells", "points_per_period": 1000},
    )
    waveforms = simulate(bench, engine)
    flux = 2.0 * (1 - np.cos(200 * np.pi * waveforms["time"].values)) / (200 * np.pi)
    exact = 10e3 - 9e3 * 0.7 + 9e5 * flux
    assert exact.max() < 10e3
    tolerance = 1e-5 if engine == "ngspice" else 1e-10
    np.testing.assert_allclose(10e3 - 9e3 * waveforms["x"].values[:, 0, 0], exact, rtol=tolerance)


@given(v=st.floats(-20, 20), alpha=st.just(0.0) | st.floats(1e-3, 1e13))
def test_pershin_rate_is_that_of_the_published_equation(v, alpha):
    device = make_device("pershin_di_ventra", "biolek", {"alpha": alpha})
    published = 1e13 * v + 0.5 * (alpha - 1e13) * (abs(v + 4.6) - abs(v - 4.6))
    assert device.rate(v, 0.5) * 10e3 == pytest.approx(published, rel=1e-9, abs=1e13 * 1e-13)


def test_pershin_does_not_move_below_its_threshold():
    """The deck that drives this device with 0.5 V simulates a resistor."""
    device = make_device("pershin_di_ventra")
    assert np.all(device.rate(np.linspace(-4.6, 4.6, 101)[:, None], np.linspace(0.1, 1, 11)) == 0.0)


def test_stanford_equations_at_a_point_by_hand():
    """Default device, gap of 1 nm, 1.6 V: every line of the published model, with its own numbers."""
    current = 1e-3 * np.exp(-1.0 / 0.25) * np.sinh(1.6 / 0.25)
    temperature = 298 + 2.1e3 * 1.6 * current
    thermal = k * temperature / elementary_charge
    speed = -10 * np.exp(-0.6 / thermal) * np.sinh((16 - 0.8) * 0.25e-9 * 1.6 / (12e-9 * thermal))
    device = make_device("stanford_pku", "hfox")
    assert device.current(1.6, 1.0) == pytest.approx(current, rel=1e-14)
    assert device.rate(1.6, 1.0) == pytest.approx(speed * 1e9, rel=1e-12)
    assert current == pytest.approx(5.511e-3, rel=1e-3)
    assert temperature == pytest.approx(316.5, rel=1e-3)


def test_stanford_motion_sets_in_continuously_below_the_published_threshold():
    device = make_device("stanford_pku", "hfox", {"Rth": 0})
    threshold = 1.4e9 * 12e-9 / (16 - 0.8)  # volt, at a gap of 1 nm
    v = threshold * np.array([0.5, 0.9499, 0.9501, 0.9999, 1.0001])
    rate = device.rate(v, 1.0)
    assert np.all(rate[:2] == 0.0)
    assert np.all(rate[2:] < 0.0)
    assert abs(rate[2] / rate[4]) < 5e-3
    assert rate[3] == pytest.approx(rate[4], rel=1e-2)
    np.testing.assert_array_equal(device.rate(-v, 1.0), -rate)


@pytest.mark.ngspice
def test_stanford_gap_closes_linearly_in_time_without_heat_and_enhancement_loss():
    parameters = {"Rth": 0, "beta": 0}
    device = make_device("stanford_pku", "hfox", parameters)
    speed = float(device.rate(1.2, 1.0))
    end = 1.2 * 0.75 / abs(speed)
    time, x = states("stanford_pku", "hfox", 0.5, [0, end], [1.2, 1.2], "ngspice", parameters)
    np.testing.assert_allclose(x, np.minimum(0.5 - speed * time / 1.5, 1), atol=1e-6)


@given(x=st.floats(0, 1), v=st.floats(-3, 3))
def test_a_positive_voltage_closes_stanford_s_gap_and_opens_the_others(x, v):
    for model, direction in (("stanford_pku", -1), ("vteam", 1), ("pershin_di_ventra", 1)):
        device = make_device(model)
        s = device.state_from_x(x)
        assert device.rate(3 * v, s) * direction * np.sign(v) >= 0


@pytest.mark.parametrize(("model", "preset"), SWITCHING)
@given(beyond=st.floats(-1e-3, 1e-3), v=st.floats(-5, 5))
def test_no_rate_leads_out_of_the_bounds_and_none_is_locked(model, preset, beyond, v):
    device = make_device(model, preset)
    lower, upper = device.stops()
    below, above = lower * (1 - abs(beyond)), upper * (1 + abs(beyond))
    assert device.rate(v, below) >= 0
    assert device.rate(v, above) <= 0
    assert 0 <= device.x_from_state(below) <= 1
    assert 0 <= device.x_from_state(above) <= 1
    assert device.current(v, below) == device.current(v, lower)
    strong = 1.5 * load_presets(model)[preset].amplitude
    assert max(device.rate(np.array([-strong, strong]), below)) > 0
    assert min(device.rate(np.array([-strong, strong]), above)) < 0


@pytest.mark.ngspice
@pytest.mark.filterwarnings("ignore::spicecim.errors.CurrentWarning")
@pytest.mark.parametrize(("model", "preset"), SWITCHING)
def test_the_preset_s_drive_crosses_the_range_and_comes_back(model, preset):
    """In every cycle anew: x leaves both ends, and the loop is pinched with an open lobe on either side."""
    sweep = hysteresis(model, preset=preset, frequency=[load_presets(model)[preset].frequency], cycle=2)
    x = sweep.loops[0]["x"].values[:, 0, 0]
    assert 0 <= x.min() < 0.3
    assert 0.7 < x.max() <= 1
    measures = sweep.measures.isel(frequency=0)
    assert float(measures["pinch_offset"]) < 1e-6
    peak = float(abs(sweep.loops[0]["i_cell"]).max()) * load_presets(model)[preset].amplitude
    direction = 1 if model == "stanford_pku" else -1
    assert direction * float(measures["lobe_area_positive"]) > 0.02 * peak
    assert direction * float(measures["lobe_area_negative"]) < -0.02 * peak


@pytest.mark.ngspice
@pytest.mark.parametrize(
    ("model", "preset", "frequencies"),
    [
        ("pershin_di_ventra", "biolek", [2e9, 4e9, 8e9]),
        ("vteam", "kvatinsky", [4e12, 8e12, 16e12]),
        pytest.param("stanford_pku", "hfox", [1e9, 2e9, 4e9], marks=pytest.mark.slow),
    ],
)
def test_lobe_areas_fall_with_the_frequency_where_the_state_hardly_moves(model, preset, frequencies):
    measures = hysteresis(model, preset=preset, x0=0.5, frequency=frequencies).measures
    area = measures["lobe_area"].values
    np.testing.assert_allclose(area[:-1] / area[1:], 2, rtol=0.1)


@pytest.mark.ngspice
@pytest.mark.parametrize(("model", "preset"), SWITCHING[:3])
def test_engines_agree_on_the_switching_devices(model, preset):
    """They switch within nanoseconds: the mean is held tightly, the instant of the switch by the step of ngspice."""
    values = load_presets(model)[preset]
    bench = Testbench(
        device={"model": model, "preset": preset},
        crossbar={"state": [[values.x0]]},
        drive={"kind": "sine", "amplitude": values.amplitude, "frequency": values.frequency},
        analysis={"periods": 2, "points_per_period": 1000},
    )
    spice = simulate(bench, "ngspice")
    fast = simulate(bench, "reference", time=spice["time"].values)
    time = spice["time"].values
    means = [np.trapezoid(np.abs(run["i_column"].values[:, 0]), time) for run in (spice, fast)]
    assert means[0] == pytest.approx(means[1], rel=2e-5)


@pytest.mark.ngspice
@pytest.mark.parametrize("native", [False, True], ids=["behavioral", "osdi"])
@pytest.mark.parametrize(("model", "preset"), SWITCHING)
def test_devices_beyond_a_stop_are_as_at_it(model, preset, native):
    """Where a step of ngspice may land."""
    device = LibraryDevice(model=model, preset=preset).build()
    lower, upper = device.stops()
    v = np.array([-1.0, 1.0, -1.0, 1.0]) * load_presets(model)[preset].amplitude
    s = np.array([0.999 * lower, 0.999 * lower, 1.001 * upper, 1.001 * upper])
    current, rate = evaluate_equations(device, v, s, native=native)
    np.testing.assert_allclose(current, device.current(v, s), rtol=1e-9)
    np.testing.assert_allclose(rate, device.rate(v, s), rtol=1e-9)


@pytest.mark.parametrize(
    ("model", "parameters", "reason"),
    [
        ("vteam", {"von": 0.2}, "von: "),
        ("vteam", {"voff": -0.02}, "voff: "),
        ("vteam", {"kon": 10}, "kon: "),
        ("vteam", {"koff": -5e-4}, "koff: "),
        ("vteam", {"alpha_on": 0.5}, "alpha_on: "),
        ("vteam", {"Ron": 2000}, "Roff: must be above Ron"),
        ("vteam", {"conduction": "sinh"}, "conduction: "),
        ("pershin_di_ventra", {"beta": 0}, "beta: "),
        ("pershin_di_ventra", {"Vt": -1}, "Vt: "),
        ("pershin_di_ventra", {"Roff": "1k"}, "Roff: must be above Ron"),
        ("stanford_pku", {"gap_max": 1e-10}, "gap_max: must be above gap_min"),
        ("stanford_pku", {"beta": 4}, "gamma0 must be above beta"),
        ("stanford_pku", {"F_min": 0}, "F_min: "),
        ("stanford_pku", {"T0": -273}, "T0: "),
    ],
)
def test_parameters_out_of_their_bounds_are_named(model, parameters, reason):
    with pytest.raises(ModelError, match=reason):
        make_device(model, next(iter(load_presets(model))), parameters)
