"""Levels of a weight as frequencies: monotone bands, their inverse, linearity, and the product with a pixel."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spicecim.device_choice import LibraryDevice, VerilogADevice
from spicecim.devices import make_device
from spicecim.encodings.frequency_weighting.amplitude import PIXEL_MAX, pixel_drive, product_table
from spicecim.encodings.frequency_weighting.calibration import calibrate, sweep_frequency
from spicecim.encodings.frequency_weighting.linearity import (
    differential_nonlinearity,
    distinct_levels,
    effective_bits,
    integral_nonlinearity,
    level_noise,
)
from spicecim.encodings.frequency_weighting.responses import build_device, cycle_responses, unit_current
from spicecim.errors import InputError
from spicecim.resources import resource_folder

AMPLITUDES = {
    ("linear_drift", "hp"): 1.0, ("linear_drift", "biolek"): 1.0, ("vteam", "kvatinsky"): 1.0,
    ("yakopcic", "oblea"): 0.45, ("yakopcic", "miao"): 1.25,
}  # fmt: skip


@cache
def calibrated(model, preset, branches="off", levels=256, readout="rectified"):
    device = make_device(model, preset)
    return calibrate(device, AMPLITUDES[model, preset], levels, branches=branches, readout=readout)


@pytest.mark.parametrize("name", AMPLITUDES)
def test_levels_read_what_they_should(name):
    """Evaluated anew, every level stands where it should, in order, within the monotone band."""
    calibration = calibrated(*name)
    again = cycle_responses(
        calibration.device, calibration.polarity * calibration.amplitude, calibration.frequency, calibration.x0
    ).conductance("rectified")
    scale = np.ptp(calibration.target)
    np.testing.assert_allclose(again, calibration.target, atol=1e-8 * scale)
    assert calibration.error < 1e-8
    low, high = calibration.branches[0].band
    assert calibration.frequency.min() >= low * (1 - 1e-9)
    assert calibration.frequency.max() <= high * (1 + 1e-9)
    assert len(set(np.sign(np.diff(calibration.frequency)))) == 1


@pytest.mark.parametrize("name", AMPLITUDES)
def test_both_states_extend_the_range_and_share_it(name):
    calibration, off = calibrated(*name, "both"), calibrated(*name)
    assert np.ptp(calibration.target) > np.ptp(off.target)
    held_off = calibration.x0 == 0.0
    # high resistance holds the lower weights: the binary state is the top of the weight
    assert np.all(np.diff(held_off.astype(int)) <= 0)
    assert 0 < held_off.sum() < 256
    assert np.all(np.diff(calibration.conductance) > -1e-8 * np.ptp(calibration.target))


@settings(deadline=None, max_examples=30)
@given(name=st.sampled_from(sorted(AMPLITUDES)), share=st.lists(st.floats(0, 1), min_size=2, max_size=6))
def test_the_band_is_monotone_between_its_points(name, share):
    """At any frequencies within the band, not only at those of the sweep."""
    sweep = calibrated(*name).branches[0]
    low, high = np.log(sweep.band)
    frequency = np.exp(low + (high - low) * np.unique(share))
    values = cycle_responses(calibrated(*name).device, sweep.responses.amplitude.flat[0], frequency, 0.0).conductance(
        "rectified"
    )
    steps = np.diff(values) * np.sign(sweep.at(sweep.band[1]) - sweep.at(sweep.band[0]))
    assert np.all(steps > -1e-7 * np.ptp(sweep.conductance))


def test_the_frequency_range_is_found_for_any_speed():
    """A device a thousand times faster has its band at a thousand times the frequency."""
    slow, fast = make_device("linear_drift", "hp"), make_device("linear_drift", "hp", {"mobility": 1e-11})
    one, other = sweep_frequency(slow, 1.0, 0.0), sweep_frequency(fast, 1.0, 0.0)
    np.testing.assert_allclose(np.array(other.band), 1e3 * np.array(one.band), rtol=1e-3)
    np.testing.assert_allclose(other.range, one.range, rtol=1e-4)


@pytest.mark.slow
def test_a_verilog_a_module_calibrates_as_the_model_of_the_library():
    module = build_device(VerilogADevice(verilog_a=str(resource_folder("models") / "yakopcic.va")))
    found = calibrate(module, 0.45, 4, tolerance=1e-6)
    exact = calibrate(make_device("yakopcic", "oblea"), 0.45, 4)
    np.testing.assert_allclose(found.target, exact.target, rtol=1e-4)
    np.testing.assert_allclose(found.frequency, exact.frequency, rtol=1e-3)


def test_nonlinearity_of_known_levels():
    np.testing.assert_allclose(integral_nonlinearity([2.0, 3.5, 4.0]), [0, 0.5, 0])
    np.testing.assert_allclose(differential_nonlinearity([2.0, 3.5, 4.0]), [0.5, -0.5])
    np.testing.assert_allclose(integral_nonlinearity([[0, 1, 2], [4, 2, 0]]), 0)
    assert np.abs(integral_nonlinearity(calibrated("yakopcic", "oblea").conductance)).max() < 1e-5


@given(bits=st.integers(1, 12), noise=st.floats(0, 3))
def test_effective_bits_of_straight_levels(bits, noise):
    """Ideal levels have all their bits, and noise of one ideal quantizer's error costs half a bit."""
    levels = np.arange(2**bits)
    assert effective_bits(levels) == pytest.approx(bits)
    assert effective_bits(levels, 12**-0.5) == pytest.approx(bits - 0.5)
    assert effective_bits(levels, noise) <= bits + 1e-12


@pytest.mark.parametrize("name", [("linear_drift", "biolek"), ("yakopcic", "oblea")])
def test_rate_uncertainty_spreads_levels_as_stated(name, rng):
    """Monte Carlo: devices of another speed read at frequencies that are off by as much."""
    calibration = calibrated(*name)
    spread = rng.normal(0.0, 2e-3, (200, 1))
    read = calibration.responses(frequency=calibration.frequency[::8] * np.exp(spread), level=np.arange(0, 256, 8))
    # 200 draws give a standard deviation to 5 % at one sigma
    found = read.conductance("rectified").std(axis=0)
    np.testing.assert_allclose(found, level_noise(calibration, rate=2e-3)[::8], rtol=0.2)
    assert level_noise(calibration, 3e-3, 4e-3)[5] == pytest.approx(level_noise(calibration, 5e-3)[5])


def test_fewer_levels_stay_apart_the_larger_the_uncertainty():
    counts = [distinct_levels(calibrated("yakopcic", "oblea"), share) for share in (1e-3, 1e-2, 1e-1)]
    assert counts[0] > counts[1] > counts[2] > 2


@pytest.mark.parametrize(("preset", "branches"), [("hp", "off"), ("biolek", "off"), ("hp", "both")])
def test_coscaled_frequencies_make_the_product_exact_for_drift(preset, branches):
    calibration = calibrated("linear_drift", preset, branches)
    drive = pixel_drive(calibration, "coscaled")
    pixel, level = np.meshgrid(np.arange(0, 256, 15), np.arange(0, 256, 17), indexing="ij")
    found = drive.product(drive.responses(pixel, level).rectified, pixel)
    # what is left of both states is the gap between the branches, which no frequency reaches
    meant = pixel * (calibration.conductance[level] - calibration.target[0]) / calibration.step
    assert np.abs(found - meant).max() <= 1e-6 * PIXEL_MAX * 255
    if branches == "off":
        assert np.abs(found - pixel * level).max() <= 1e-6 * PIXEL_MAX * 255


def test_a_fixed_frequency_breaks_the_product():
    drive = pixel_drive(calibrated("linear_drift", "hp"), "fixed")
    pixel, level = np.meshgrid(np.arange(0, 256, 15), np.arange(0, 256, 17), indexing="ij")
    error = (drive.product(drive.responses(pixel, level).rectified, pixel) - pixel * level) / (PIXEL_MAX * 255)
    assert 0.05 < np.sqrt(np.mean(error**2)) < 0.25


@pytest.mark.parametrize("name", [("linear_drift", "hp"), ("yakopcic", "oblea")])
def test_predistorted_amplitudes_make_the_mean_over_weights_linear(name):
    calibration = calibrated(*name, levels=32)
    drive = pixel_drive(calibration, "predistorted")
    assert drive.amplitudes[0] == 0
    assert drive.amplitudes[-1] == pytest.approx(calibration.amplitude)
    assert np.all(np.diff(drive.amplitudes) > 0)
    pixel = np.array([64, 128, 192, 255])
    mean = drive.responses(pixel[:, None], np.arange(32)).rectified.mean(axis=1)
    np.testing.assert_allclose(mean / mean[-1], pixel / 255, atol=2e-3)


def test_the_price_of_coscaling_is_time():
    drive = pixel_drive(calibrated("linear_drift", "hp"), "coscaled")
    _, frequency = drive.tones([255, 51], 100)
    assert frequency[0] / frequency[1] == pytest.approx(5.0)


def test_the_table_of_all_products():
    table = product_table(pixel_drive(calibrated("yakopcic", "oblea", levels=16)))
    assert table.product.shape == (256, 16)
    assert np.abs(table.error[255]).max() < 1e-7
    assert np.all(table.product[0] == 0)
    assert np.all(table.energy[0] == 0)
    np.testing.assert_array_equal(table.of(np.array([3, 255]), np.array([7, 2])), table.product[[3, 255], [7, 2]])


def static_power(device, amplitude, x):
    return cycle_responses(device, amplitude, 1e18, x).power


@pytest.mark.parametrize(
    ("name", "off_only", "both"),
    [
        (("linear_drift", "hp"), 15.83, 8.05), (("linear_drift", "biolek"), 15.82, 8.05),
        (("yakopcic", "oblea"), 15.63, 8.08), (("yakopcic", "miao"), 10.47, 7.9),
    ],
)  # fmt: skip
def test_power_of_eight_one_bit_devices_over_that_of_one(name, off_only, both):
    """Uniform weights at the largest pixel: the average of both bits in eight devices, over the mean of all levels.

    Of the range, not of the coding: levels spaced evenly up to half the ON conductance average a quarter of it.
    """
    device, amplitude = make_device(*name), AMPLITUDES[name]
    eight = 8 * np.mean([static_power(device, amplitude, x) for x in (0.0, 1.0)])
    for branches, expected in (("off", off_only), ("both", both)):
        assert eight / calibrated(*name, branches).responses().power.mean() == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amplitude": 0.0}, "amplitude"), ({"amplitude": np.nan}, "amplitude"), ({"amplitude": 0.1}, "amplitude"),
        ({"levels": 1}, "levels"), ({"states": (0.5, 0.5)}, "states"), ({"states": (-0.1, 1.0)}, "states"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(change, field):
    with pytest.raises(InputError, match=f"^{field}: "):
        calibrate(make_device("yakopcic", "oblea"), **{"amplitude": 0.45, "levels": 8, **change})


def test_a_state_that_cannot_be_left_has_no_band():
    with pytest.raises(InputError, match="every frequency"):
        calibrate(make_device("linear_drift", "joglekar"), 1.0, 8)


@pytest.mark.parametrize("levels", [[1.0], 3.0, [1.0, 1.0], [1.0, np.nan]])
def test_levels_that_are_none_are_refused(levels):
    with pytest.raises(InputError, match="levels"):
        integral_nonlinearity(levels)


def test_pixels_and_levels_out_of_range_are_refused():
    drive = pixel_drive(calibrated("yakopcic", "oblea", levels=16))
    with pytest.raises(InputError, match="pixel: must be between 0 and 255; found 256"):
        drive.tones(256, 0)
    with pytest.raises(InputError, match="level: must be between 0 and 15; found 16"):
        drive.tones(0, 16)
    with pytest.raises(InputError, match="rate"):
        level_noise(drive.calibration, rate=2.0)
    assert unit_current(1.0, "in_phase") == 1.0


def test_a_device_may_be_given_as_in_a_testbench():
    """A dictionary and a section mean the device that they describe; anything else is told by its field."""
    device = make_device("yakopcic", "oblea")
    wanted = sweep_frequency(device, 0.45, 0.11)
    for choice in ({"model": "yakopcic", "preset": "oblea"}, LibraryDevice(model="yakopcic", preset="oblea")):
        assert sweep_frequency(choice, 0.45, 0.11).range == wanted.range
    for wrong, message in (
        ({"verilog_a": "absent.va"}, "absent.va cannot be read"),
        ({"model": "yakopic"}, "device.model: .*did you mean 'yakopcic'"),
        ({"subcircuit": "a.sub", "ports": ["row", "column"]}, "needs equations"),
        ("yakopcic", "device: must be a dictionary"),
        (None, "device: must be a dictionary"),
    ):
        for call in (calibrate, lambda choice, amplitude: sweep_frequency(choice, amplitude, 0.1)):
            with pytest.raises(InputError, match=message):
                call(wrong, 0.45)
