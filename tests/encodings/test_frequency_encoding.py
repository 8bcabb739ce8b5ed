"""Frequency weighting and its baselines as encodings, in ngspice and in the reference engine."""

from functools import cache

import numpy as np
import pytest

from spicecim.encodings.baselines import Binarized, BitSliced, ConductanceWeighted, IdealArithmetic
from spicecim.encodings.comparison import compare_encodings
from spicecim.encodings.frequency_weighting.encoding import FrequencyWeighting
from spicecim.encodings.frequency_weighting.responses import unit_current
from spicecim.engines import simulate
from spicecim.errors import InputError, TestbenchError
from spicecim.measure import average_power, delivered_energy, row_power

DRIFT = {"model": "linear_drift", "preset": "hp"}
OBLEA = {"model": "yakopcic", "preset": "oblea"}
SOBEL = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]]).reshape(9, 1) * 127


@cache
def scheme(model="linear_drift", **fields):
    device, amplitude = {"linear_drift": (DRIFT, 1.0), "yakopcic": (OBLEA, 0.45)}[model]
    return FrequencyWeighting(device=device, amplitude=amplitude, **fields)


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(5).integers(0, 256, (2, 9))


@pytest.mark.ngspice
@pytest.mark.parametrize(("model", "branches"), [("linear_drift", "off"), ("yakopcic", "both")])
def test_ngspice_agrees_with_the_core_cell_by_cell(model, branches):
    """Readout within 1e-4 of full scale and power within 4e-4: ngspice's own instants limit both.

    The error is that of the trapezoidal rule: drift switches within 1e-4 of a cycle.
    """
    points = 2000 if model == "linear_drift" else 200
    encoding = scheme(model, branches=branches, scheme="fixed", points_per_period=points)
    calibration = encoding.calibration
    full_scale = unit_current(calibration.amplitude, "rectified") * calibration.target[-1]
    for pixel, level in [(255, 0), (255, 100), (255, 255), (90, 160), (7, 255)]:
        exact = encoding.drive.responses(pixel, level)
        run = simulate(encoding.testbench([pixel], [level]), "ngspice")
        assert encoding.read(run) == pytest.approx(exact.rectified, abs=1e-4 * full_scale)
        power = float(average_power(row_power(run).sum("row")))
        assert power == pytest.approx(exact.power, rel=4e-4)


@pytest.mark.ngspice
def test_the_product_in_ngspice_is_exact_for_coscaled_drift():
    """Within 1e-4 of full scale, limited by ngspice's instants around an abrupt switch (2000 a cycle)."""
    encoding = scheme(points_per_period=2000)
    for pixel, level in [(255, 255), (255, 128), (128, 200), (64, 64), (10, 255)]:
        run = simulate(encoding.testbench([pixel], [level]), "ngspice")
        product = float(encoding.drive.product(encoding.read(run), pixel))
        assert product == pytest.approx(pixel * level, abs=1e-4 * 255 * 255)


@pytest.mark.ngspice
def test_a_small_crossbar_in_ngspice_agrees_with_its_cells_in_the_core(rng):
    """Nine rows at once, each at its own frequency; the readout takes the first cycle of each."""
    encoding = scheme("yakopcic", scheme="fixed")
    pixel, level = rng.integers(1, 256, 9), rng.integers(150, 256, 9)
    run = simulate(encoding.testbench(pixel, level), "ngspice")
    exact = encoding.drive.responses(pixel, level).rectified.sum()
    assert encoding.read(run) == pytest.approx(exact, rel=1e-3)


@pytest.mark.parametrize("signed", ["passes", "pair"])
@pytest.mark.parametrize("engine", ["ngspice", "reference"])
def test_signed_kernels_of_coscaled_drift(signed, engine, pixels):
    """The reference engine samples evenly, and needs many instants around an abrupt switch; ngspice adds its own."""
    encoding = scheme(signed=signed, points_per_period=200 if engine == "ngspice" else 20_000)
    found = compare_encodings([encoding], SOBEL, pixels[:1], engine)
    # each of up to 18 reads is off by 1e-4 of a product's full scale at most
    full_scale = 255 * 255 / np.abs(pixels[:1] @ SOBEL).max()
    assert float(abs(found["error"]).max()) < 1e-4 * 18 * full_scale
    assert int(found["devices"].item()) == (9 if signed == "passes" else 18)
    assert int(found["cycles"].item()) == (6 if signed == "passes" else 18)


def test_equal_reads_are_simulated_once_and_counted_each():
    encoding = scheme()
    programmed, inputs = encoding.program([[5], [5], [0], [-5]]), [[9, 9, 9, 9], [9, 0, 0, 8]]
    repeats = programmed.repeats(inputs)
    assert sorted(repeats) == [1, 4]
    runs = [simulate(bench, "reference") for bench in programmed.testbenches(inputs)]
    products = programmed.decode(runs, inputs)
    assert products[0, 0] == pytest.approx(45, abs=20)  # 5 of 255 levels, sampled at 200 instants
    energy = sum(count * float(delivered_energy(run).sum()) for run, count in zip(runs, repeats, strict=True))
    compared = compare_encodings([encoding], [[5], [5], [0], [-5]], inputs)
    assert float(compared["energy"].item()) == pytest.approx(energy)


# the estimate of what the instants miss is above the error, which is looked at here
@pytest.mark.filterwarnings("ignore::spicecim.errors.AccuracyWarning")
@pytest.mark.parametrize("engine", [pytest.param("ngspice", marks=pytest.mark.slow), "reference"])
def test_rows_at_once_by_their_tones(engine):
    """Drift comes back after each cycle, so that in-phase readouts of all rows at once are products as well."""
    encoding = scheme(readout="in_phase", levels=16, points_per_period=400)
    weights, pixels = np.array([[15], [9], [12]]), np.array([[255, 255, 200]])
    found = compare_encodings([encoding], weights, pixels, engine)
    # frequencies of the plan are off by up to 1e-3, and so are weights
    assert float(abs(found["error"]).max()) < 1e-3
    assert int(found["cycles"].item()) == 1


def test_dark_pixels_and_zero_weights_spend_nothing():
    programmed = scheme().program([[0], [7]])
    assert programmed.testbenches([[255, 0]]) == ()
    np.testing.assert_array_equal(programmed.decode([], [[255, 0]]), [[0.0]])
    np.testing.assert_array_equal(programmed.multiply([[255, 0]]).products, [[0.0]])
    assert programmed.read_energy([[255, 0]]) == (0.0, 0.0)


@pytest.mark.parametrize("engine", ["ngspice", "reference"])
@pytest.mark.parametrize("device", [DRIFT, OBLEA])
def test_baselines_of_static_devices(engine, device, pixels):
    amplitude = 1.0 if device is DRIFT else 0.45
    weights = np.concatenate([SOBEL, np.abs(SOBEL) // 3], axis=1)
    fields = {"device": device, "amplitude": amplitude}
    found = compare_encodings(
        [BitSliced(**fields), ConductanceWeighted(**fields), Binarized(**fields), IdealArithmetic()],
        weights, pixels, engine,
    )  # fmt: skip
    error = abs(found["error"]).max(["vector", "output"])
    # a device at rest moves by 1e-5 of its range at the read frequency, and 200 instants miss 1e-4 of a sinusoid's mean
    assert float(error.sel(encoding="bit_sliced")) < 3e-4
    assert float(error.sel(encoding="conductance_weighted")) < 3e-4
    assert float(error.sel(encoding="binarized")) > 0.05
    assert float(error.sel(encoding="ideal")) == 0
    assert found["devices"].values.tolist() == [9 * 2 * 2 * 8, 9 * 2 * 2, 9 * 2, 0]
    assert np.isnan(found["average_power"].sel(encoding="ideal"))


def test_binarized_products_are_those_of_signs(pixels):
    fields = {"device": OBLEA, "amplitude": 0.45}
    found = compare_encodings([Binarized(**fields)], SOBEL, pixels)["product"].values[0]
    signs = np.where(SOBEL >= 0, 1, -1)
    np.testing.assert_allclose(found, pixels @ signs * np.abs(SOBEL).mean(), atol=3e-4 * 255 * 9 * 127)


@pytest.mark.parametrize(
    ("weights", "inputs", "field"),
    [
        ([[256]], [[1]], "weights"), ([[-256]], [[1]], "weights"), ([[0.5]], [[1]], "weights"),
        ([[1]], [[256]], "inputs"), ([[1]], [[-1]], "inputs"), ([[1]], [[1, 2]], "inputs"), ([1], [[1]], "weights"),
    ],
)  # fmt: skip
def test_weights_and_pixels_out_of_range_are_refused(weights, inputs, field):
    for encoding in (scheme(), BitSliced(device=OBLEA, amplitude=0.45), IdealArithmetic()):
        with pytest.raises(InputError, match=f"^{field}: "):
            encoding.program(weights).testbenches(inputs)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amplitude": 0.0}, "amplitude"), ({"levels": 1}, "levels"), ({"branches": "on"}, "branches"),
        ({"states": (1.0, 0.0)}, "states"), ({"readout": "peak"}, "readout"), ({"device": {"model": "x"}}, "device"),
        ({"colour": 1}, "colour"),
    ],
)  # fmt: skip
def test_settings_that_make_no_scheme_are_refused(change, field):
    with pytest.raises(TestbenchError, match=field):
        FrequencyWeighting(**{"device": DRIFT, "amplitude": 1.0, **change})


def test_the_wrong_number_of_waveforms_is_refused():
    for encoding in (scheme(), BitSliced(device=OBLEA, amplitude=0.45)):
        with pytest.raises(InputError, match="waveforms: must be one per testbench, 1; they are 0"):
            encoding.program([[7]]).decode([], [[255]])
