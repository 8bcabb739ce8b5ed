"""Single cells over one cycle, against closed forms, the engines and each other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from spicecim.device_choice import SubcircuitDevice, VerilogADevice
from spicecim.devices import make_device
from spicecim.encodings.frequency_weighting.disturb import repeated_reads
from spicecim.encodings.frequency_weighting.responses import build_device, cycle_responses, polarity_towards_on
from spicecim.engines import simulate
from spicecim.errors import InputError, UnsupportedError
from spicecim.resources import resource_folder
from spicecim.testbench import Testbench

RON, ROFF, SQUARED_OHM_PER_WEBER = 100.0, 16e3, 2e4 * 15.9e3


def drift_cycle(amplitude, frequency, x0):
    """Rectified mean current and last state of hard-stopped drift: R^2 is linear in the flux between the stops."""
    flux = amplitude / (np.pi * frequency)
    resistance, charges = ROFF - (ROFF - RON) * x0, []
    for sign in (1.0, -1.0):
        free = resistance**2 - sign * SQUARED_OHM_PER_WEBER * flux
        after = np.sqrt(np.clip(free, RON**2, ROFF**2))
        charges.append(
            2 / SQUARED_OHM_PER_WEBER * (resistance - after) + (after**2 - free) / SQUARED_OHM_PER_WEBER / after
        )
        resistance = after
    return frequency * np.abs(charges).sum(axis=0), (ROFF - resistance) / (ROFF - RON)


@settings(deadline=None)
@given(amplitude=st.floats(1e-3, 3.0), frequency=st.floats(1e-3, 30.0), x0=st.floats(0.0, 1.0, allow_subnormal=False))
def test_drift_follows_its_closed_form(amplitude, frequency, x0):
    exact, x_end = drift_cycle(amplitude, frequency, x0)
    found = cycle_responses(make_device("linear_drift"), amplitude, frequency, x0)
    # the panels' tolerance is 1e-8 of the peak current, at most 50 times the mean
    assert found.rectified == pytest.approx(exact, rel=1e-7)
    assert found.x_end == pytest.approx(x_end, abs=1e-12)


def test_drift_against_its_closed_form_at_every_kink():
    """A dense sweep through all frequencies at which a stop is reached at some special instant."""
    frequency = np.geomspace(0.003, 3.0, 1000)
    for x0 in (0.0, 0.01, 0.5, 0.99, 1.0):
        found = cycle_responses(make_device("linear_drift"), 1.0, frequency, x0).rectified
        np.testing.assert_allclose(found, drift_cycle(1.0, frequency, x0)[0], rtol=3e-8)


@settings(deadline=None, max_examples=30)
@given(
    amplitude=st.floats(0.05, 2.0), frequency=st.floats(0.01, 10.0), factor=st.floats(0.01, 1.0),
    x0=st.floats(0.0, 1.0, allow_subnormal=False), preset=st.sampled_from(["hp", "joglekar", "biolek"]),
)  # fmt: skip
def test_drift_scales_with_amplitude_at_a_constant_ratio_to_frequency(amplitude, frequency, factor, x0, preset):
    device = make_device("linear_drift", preset)
    one = cycle_responses(device, amplitude, frequency, x0)
    other = cycle_responses(device, factor * amplitude, factor * frequency, x0)
    assert other.rectified == pytest.approx(factor * one.rectified, rel=1e-9)
    assert other.power == pytest.approx(factor**2 * one.power, rel=1e-9)
    assert other.x_end == pytest.approx(one.x_end, abs=1e-12)


@pytest.mark.parametrize(
    ("model", "preset", "amplitude", "frequency"),
    [
        ("linear_drift", "joglekar", 1.0, 0.2),
        ("linear_drift", "biolek", 1.0, 0.3),
        ("vteam", "exponential", -1.0, 3e9),
        ("yakopcic", "oblea", 0.45, 800.0),
        ("yakopcic", "jo", -4.0, 0.3),
        ("pershin_di_ventra", "biolek", -6.0, 1e8),
    ],
)
@pytest.mark.parametrize("x0", [0.05, 0.6])
def test_separable_devices_agree_with_the_engine(model, preset, amplitude, frequency, x0):
    bench = Testbench(
        device={"model": model, "preset": preset},
        crossbar={"state": [[x0]]},
        drive={"kind": "sine", "amplitude": amplitude, "frequency": frequency},
        analysis={"points_per_period": 40_000, "probe": "cells"},
    )
    run = simulate(bench, "reference")
    time, v, i = run["time"].values, run["v_cell"].values[:, 0, 0], run["i_cell"].values[:, 0, 0]
    found = cycle_responses(make_device(model, preset), amplitude, frequency, x0)
    # the trapezoidal rule on the engine's waveform is what limits this
    assert found.rectified == pytest.approx(np.trapezoid(np.abs(i), time) * frequency, rel=2e-6)
    assert found.dc * np.sign(amplitude) == pytest.approx(np.trapezoid(i, time) * frequency, abs=2e-6 * found.rectified)
    assert found.power == pytest.approx(np.trapezoid(v * i, time) * frequency, rel=2e-6)
    assert found.x_end == pytest.approx(run["x"].values[-1, 0, 0], abs=1e-10)


def test_a_device_without_motion_is_a_resistor():
    """Below its thresholds a Yakopcic device is a static sinh: in-phase and rectified currents by quadrature."""
    device = make_device("yakopcic", "oblea")
    found = cycle_responses(device, 0.1, 50.0, 0.7)
    current = lambda u: 0.17 * 0.7 * np.sinh(0.05 * 0.1 * np.sin(u))  # noqa: E731
    assert found.rectified == pytest.approx(quad(current, 0, np.pi, epsrel=1e-12)[0] / np.pi, rel=1e-11)
    in_phase = 2 * quad(lambda u: current(u) * np.sin(u), 0, np.pi, epsrel=1e-12)[0] / np.pi
    assert found.in_phase == pytest.approx(in_phase, rel=1e-11)
    assert found.dc == pytest.approx(0.0, abs=1e-15)
    assert found.x_end == 0.7


def test_arrays_broadcast_and_zero_amplitude_does_nothing():
    device = make_device("yakopcic", "oblea")
    found = cycle_responses(device, np.array([0.0, -0.45, 0.45])[:, None], [100.0, 1e4], 0.2)
    assert found.rectified.shape == (3, 2)
    assert np.all(found.rectified[0] == 0)
    assert np.all(found.conductance("in_phase")[0] == 0)
    assert np.all(found.x_end[0] == 0.2)
    alone = cycle_responses(device, -0.45, 1e4, 0.2)
    assert found.power[1, 1] == pytest.approx(alone.power, rel=1e-12)
    assert found.energy[1, 1] == pytest.approx(alone.power / 1e4, rel=1e-12)


@pytest.mark.compiler
def test_a_verilog_a_module_reads_as_the_model_of_the_library():
    module = build_device(VerilogADevice(verilog_a=str(resource_folder("models") / "yakopcic.va")))
    library = make_device("yakopcic", "oblea")
    arguments = (np.array([0.45, -0.45])[:, None], [100.0, 5e3], 0.3)
    found, exact = cycle_responses(module, *arguments), cycle_responses(library, *arguments)
    np.testing.assert_allclose(found.rectified, exact.rectified, rtol=1e-7)
    np.testing.assert_allclose(found.power, exact.power, rtol=1e-7)
    np.testing.assert_allclose(found.x_end, exact.x_end, atol=1e-8)


@pytest.mark.filterwarnings("ignore::spicecim.errors.CurrentWarning")
def test_a_device_whose_rate_does_not_separate_agrees_with_the_engine():
    bench = Testbench(
        device={"model": "stanford_pku", "preset": "hfox"},
        crossbar={"state": [[0.3]]},
        drive={"kind": "sine", "amplitude": 1.5, "frequency": 1e5},
        analysis={"points_per_period": 20_000, "probe": "cells"},
    )
    run = simulate(bench, "reference")
    time, v, i = run["time"].values, run["v_cell"].values[:, 0, 0], run["i_cell"].values[:, 0, 0]
    found = cycle_responses(make_device("stanford_pku", "hfox"), 1.5, 1e5, 0.3)
    assert found.rectified == pytest.approx(np.trapezoid(np.abs(i), time) * 1e5, rel=1e-4)
    assert found.power == pytest.approx(np.trapezoid(v * i, time) * 1e5, rel=1e-4)


@pytest.mark.parametrize(
    ("model", "sign"), [("linear_drift", 1.0), ("yakopcic", 1.0), ("vteam", -1.0), ("pershin_di_ventra", -1.0)]
)
def test_the_polarity_that_lowers_the_resistance_is_found(model, sign):
    assert polarity_towards_on(make_device(model), 6.0) == sign


@pytest.mark.parametrize(
    ("amplitude", "frequency", "x0", "field"),
    [
        (np.nan, 1.0, 0.5, "amplitude"), (1.0, 0.0, 0.5, "frequency"), (1.0, -1.0, 0.5, "frequency"),
        (1.0, np.inf, 0.5, "frequency"), (1.0, 1.0, 1.5, "x0"), (1.0, 1.0, np.nan, "x0"), (1e4, 1.0, 0.5, "amplitude"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(amplitude, frequency, x0, field):
    with pytest.raises(InputError, match=f"^{field}: "):
        cycle_responses(make_device("yakopcic"), amplitude, frequency, x0)


def test_a_subcircuit_and_an_amplitude_below_threshold_are_refused():
    with pytest.raises(UnsupportedError, match="subcircuit"):
        build_device(SubcircuitDevice(subcircuit="device.cir", ports=["row", "column"]))
    with pytest.raises(InputError, match="amplitude"):
        polarity_towards_on(make_device("pershin_di_ventra"), 1.0)


def test_repeated_reads_repeat_the_cycle():
    device = make_device("yakopcic", "oblea")
    reads = repeated_reads(device, 0.45, [300.0, 3e3], 0.1, reads=(1, 2, 3, 7))
    x = np.full(2, 0.1)
    for number in range(1, 8):
        once = cycle_responses(device, 0.45, [300.0, 3e3], x)
        if number in reads.reads:
            index = list(reads.reads).index(number)
            np.testing.assert_allclose(reads.responses.rectified[index], once.rectified, rtol=1e-8)
        x = once.x_end


def test_reading_drift_away_from_its_state_first_leaves_no_trace():
    device = make_device("linear_drift")
    reads = repeated_reads(device, [1.0, -1.0], 0.4, [0.0, 1.0])
    np.testing.assert_allclose(reads.error("rectified", 1e-3), 0.0, atol=1e-9)
    assert np.abs(repeated_reads(device, 1.0, 0.4, 1.0, reads=(1, 2)).error("rectified", 6e-3)[1]) > 0.1


def test_a_rewrite_brings_the_first_read_back():
    device = make_device("yakopcic", "miao")
    arguments = (device, 1.25, 30.0, 0.0)
    disturbed = repeated_reads(*arguments, reads=(1, 2, 5))
    rewritten = repeated_reads(*arguments, reads=(1, 2, 3, 5), rewrite_every=2)
    np.testing.assert_allclose(rewritten.responses.rectified[[0, 2, 3]], rewritten.responses.rectified[0], rtol=1e-12)
    assert rewritten.responses.rectified[1] == disturbed.responses.rectified[1]
    assert disturbed.error("rectified", float(disturbed.responses.rectified[0]))[1] > 0.1


@pytest.mark.parametrize("reads", [(), (2, 3), (1, 1), (1, 5, 3)])
def test_reads_must_count_from_one(reads):
    with pytest.raises(InputError, match="reads"):
        repeated_reads(make_device("linear_drift"), 1.0, 1.0, 0.0, reads=reads)
