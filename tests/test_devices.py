"""The models' equations: what every model promises, and closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_faces import EVERY_PRESET, VARIANTS, largest_voltage, random_points

from spicecim.devices import STOP_WIDTH, load_presets, make_device
from spicecim.devices.models.linear_drift import LinearDrift
from spicecim.errors import ModelError

FORGETFUL = {"memdiode", "metastable_switch", "umich", "well_posed_gap"}
"""Models whose state moves without a voltage."""


@pytest.mark.parametrize(("model", "preset", "parameters"), VARIANTS)
def test_every_model_is_a_pinched_bounded_passive_device(model, preset, parameters, rng):
    device = make_device(model, preset, parameters)
    largest = largest_voltage(model, preset)
    v, x, s = random_points(device, rng, largest)
    assert np.all(device.current(0.0, s) == 0.0)
    assert np.all(v * device.current(v, s) >= 0.0)
    np.testing.assert_allclose(device.x_from_state(s), x, atol=1e-12)
    # at a bound the state does not move beyond it, and does move back
    low, high = device.state_from_x(0.0), device.state_from_x(1.0)
    towards_high = np.sign(high - low)
    if device.name in FORGETFUL:
        # without a voltage it moves inwards at the bounds
        assert np.all(device.rate(0.0, np.array([low, high])) * [-towards_high, towards_high] <= 1e-9)
    else:
        assert np.all(device.rate(0.0, s) == 0.0)
    if device.name == "well_posed_gap":
        return  # it rests a little beyond its bounds
    if device.name == "resistor":
        assert np.all(device.rate(v, s) == 0.0)
    elif device.name != "linear_drift" or device.window != "joglekar":
        for bound, outwards in ((low, -towards_high), (high, towards_high)):
            rates = device.rate(np.linspace(-largest, largest, 21), bound) * outwards
            assert rates.max() <= 1e-9 * np.abs(rates).max()
            assert rates.min() < 0


@pytest.mark.parametrize(("model", "preset"), EVERY_PRESET)
def test_a_hard_stop_acts_within_a_millionth_of_x(model, preset):
    """Whatever the state variable is: the rate is whole from there on, and half of it in the middle."""
    device = make_device(model, preset)
    if not device.stops():
        return
    low, high = sorted(float(s) for s in device.state_from_x([0.0, 1.0]))
    assert device.stops() == pytest.approx((low, high), rel=1e-12)
    for stop, width, rising in zip(device.stops(), device.stop_widths(), (False, True), strict=True):
        inwards = -width if rising else width
        room = device.room(stop + inwards * np.array([0.0, 0.5, 0.99, 1.01, 100.0]), np.full(5, rising))
        np.testing.assert_allclose(room, [0.0, 0.5, 0.99, 1.0, 1.0], rtol=1e-3, atol=1e-12)
        x = device.x_from_state([stop, stop + inwards])
        assert 0 < abs(x[1] - x[0]) <= STOP_WIDTH * (1 + 1e-6)


def test_joglekar_states_of_0_and_1_are_fixed_points():
    """The published equation does not move them, and no charge that a run brings does."""
    device = make_device("linear_drift", "joglekar")
    ends = device.state_from_x([0.0, 1.0])
    assert device.x_from_state(ends).tolist() == [0.0, 1.0]
    assert device.x_from_state(ends - 4 * device.k * np.array([-1.0, 1.0])).tolist() == [0.0, 1.0]  # after 1 C


def test_joglekar_states_do_not_lock():
    """Where x is rounded to 1 the window is zero for ever; the state variable goes on and comes back."""
    device = make_device("linear_drift", "joglekar")
    far = device.state_from_x(0.5) + 200.0
    assert device.x_from_state(far) == 1.0
    assert device.rate(-1.0, far) < 0
    assert device.rate(1.0, far) > 0


@given(x=st.floats(0.001, 0.999), v=st.floats(-2, 2), p=st.integers(1, 10))
def test_joglekar_rate_is_that_of_the_published_equation(x, v, p):
    device = make_device("linear_drift", "joglekar", {"p": p})
    s = device.state_from_x(x)
    published = device.k * device.current(v, s) * (1 - (2 * x - 1) ** (2 * p))
    assert device.rate(v, s) * x * (1 - x) == pytest.approx(published, rel=1e-9, abs=1e-12)


@given(x=st.floats(0.01, 0.99), v=st.floats(-2, 2))
def test_hard_stop_rate_is_that_of_the_published_equation(x, v):
    device = make_device("linear_drift", "hp")
    s, step = device.state_from_x(x), 1e-6
    slope = (device.state_from_x(x + step) - device.state_from_x(x - step)) / (2 * step)
    assert device.rate(v, s) == pytest.approx(slope * device.k * device.current(v, s), rel=1e-6, abs=1e-12)


def test_yakopcic_currents_and_thresholds_are_the_published_ones():
    device = make_device("yakopcic", "miao")
    assert device.current(0.5, 0.3) == pytest.approx(0.11 * 0.3 * np.sinh(0.5 * 0.5))
    assert np.all(device.rate(np.array([-0.75, 0.0, 0.09]), 0.4) == 0)
    assert device.rate(0.2, 0.1) == pytest.approx(7.5 * (np.exp(0.2) - np.exp(0.09)))
    assert device.rate(-1.0, 0.9) == pytest.approx(-2 * (np.exp(1.0) - np.exp(0.75)))


def test_an_ideal_cell_is_ohmic_with_a_conductance_linear_in_its_state():
    device = make_device("resistor", None, {"Ron": "2k", "Roff": "10k"})
    conductance = device.current(1.0, [0.0, 0.5, 1.0])
    np.testing.assert_allclose(conductance, [1e-4, 3e-4, 5e-4], rtol=1e-15)
    np.testing.assert_allclose(device.current(-0.3, [0.0, 0.5, 1.0]), -0.3 * conductance, rtol=1e-15)


@pytest.mark.parametrize(("model", "preset"), EVERY_PRESET)
def test_every_preset_is_cited(model, preset):
    published = load_presets(model)[preset]
    assert "(20" in published.source
    assert 0 <= published.x0 <= 1
    assert published.amplitude > 0 < published.frequency


def test_parameters_replace_those_of_a_preset():
    device = make_device("linear_drift", "hp", {"Roff": "20k"})
    assert isinstance(device, LinearDrift)
    assert device.Roff == 20e3
    assert make_device("linear_drift", "hp", {"Roff": "20 kohm"}).Roff == 20e3
    assert make_device("yakopcic", "oblea", {"Vp": "170mV"}).Vp == pytest.approx(0.17)
    assert device.Ron == 100.0


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (("memristor",), "unknown model"),
        (("yakopcic", "obla"), "did you mean 'oblea'"),
        (("linear_drift", None, {"Ron": 1}), "Roff: is required.*; a preset has them all: hp, "),
        (("linear_drift", "hp", {"Ron": "20k"}), "Roff: must be above Ron"),
        (("resistor", "ideal", {"Ron": "2 Mohm"}), "Roff: must be above Ron"),
        (("linear_drift", "hp", {"window": "zha"}), "window"),
        (("linear_drift", "hp", {"Ron": "nan"}), "Ron"),
        (("linear_drift", "joglekar", {"p": 0}), "p:"),
        (("linear_drift", "joglekar", {"p": True}), "p: True is not a number"),
        (("yakopcic", "oblea", {"Vp": "160 Hz"}), "Vp: '160 Hz' is not a quantity in V"),
    ],
)
def test_bad_models_are_named(args, reason):
    with pytest.raises(ModelError, match=reason):
        make_device(*args)
