"""What the validation of frequency weighting is made of."""

import numpy as np
import pytest
import torch
from command import spicecim
from scipy.signal import correlate2d
from skimage import data

from spicecim.encodings import IdealArithmetic
from spicecim.encodings.frequency_weighting.amplitude import ProductTable, pixel_drive, product_table
from spicecim.encodings.frequency_weighting.images import (
    convolve,
    eight_bit,
    exact_convolution,
    kernels,
    peak_signal_to_noise,
)
from spicecim.encodings.integers import check_range
from spicecim.errors import InputError, ResultsError
from spicecim.networks import crossbars
from spicecim.validation.digit_networks import digit_network
from spicecim.validation.frequency_weighting import validate_frequency_weighting
from spicecim.validation.frequency_weighting.accuracy import Variation, VaryingProducts, multiply_cells, on_cells
from spicecim.validation.frequency_weighting.curves import product_surfaces
from spicecim.validation.frequency_weighting.patches import draw_patches, nearby_levels
from spicecim.validation.frequency_weighting.power import amplitude_for, worst_case
from spicecim.validation.frequency_weighting.subjects import DRIFT, JO, OBLEA, VTEAM, calibrated

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def camera():
    return data.camera()


@pytest.mark.slow
def test_the_amplitude_for_a_power_gives_that_power():
    """Drift depends on A / f alone, so that its power goes with the square of the amplitude."""
    amplitude = amplitude_for(DRIFT, "off", 1.1e-3)
    assert worst_case(DRIFT, "off", amplitude) == pytest.approx(1.1e-3, rel=1e-4)
    assert amplitude == pytest.approx(np.sqrt(1.1e-3 / worst_case(DRIFT, "off", 1.0)), rel=1e-4)
    assert np.isnan(amplitude_for(VTEAM, "off", 1.1e-3))
    assert worst_case(JO, "off", JO.amplitude) < 1.1e-3


@pytest.fixture
def ideal():
    """A table of products that are exact."""
    exact = np.outer(np.arange(256.0), np.arange(256.0))
    return ProductTable(exact, exact, exact, exact)


def test_convolution_of_exact_products_is_exact(ideal, camera):
    for kernel in kernels().values():
        assert np.abs(kernel).max() <= 255
        wanted = correlate2d(camera.astype(np.int64), kernel, mode="valid")
        np.testing.assert_array_equal(exact_convolution(camera, kernel), wanted)
        np.testing.assert_array_equal(convolve(ideal, camera, kernel), wanted)


def test_some_pixels_and_levels_are_multiplied_as_all_are():
    surface = product_surfaces([OBLEA], ["fixed"], step=51).error.sel(device=OBLEA.title, scheme="fixed")
    assert list(surface.pixel.values) == list(surface.level.values) == [0, 51, 102, 153, 204, 255]
    table = product_table(pixel_drive(calibrated(OBLEA), "fixed"), levels=[51, 255, 255])
    np.testing.assert_allclose(table.error[::51, [51, 255]], surface.sel(level=[51, 255]), atol=1e-12)
    assert np.isnan(np.delete(table.product, [51, 255], axis=1)).all()
    assert not np.isnan(table.product[:, [51, 255]]).any()
    with pytest.raises(InputError, match="levels"):
        product_table(pixel_drive(calibrated(OBLEA)), levels=[256])


def test_kernels_are_scaled_to_eight_bits():
    np.testing.assert_array_equal(eight_bit([[-1, 0, 1], [-2, 0, 2]]), [[-128, 0, 128], [-255, 0, 255]])


def test_peak_signal_to_noise():
    exact = np.array([0.0, 100.0])
    assert peak_signal_to_noise(exact, exact) == np.inf
    assert peak_signal_to_noise(exact + 1.0, exact) == pytest.approx(40.0)
    with pytest.raises(InputError, match="exact: all outputs are the same"):
        peak_signal_to_noise([1.0], [1.0])


@pytest.mark.parametrize(
    ("image", "kernel", "message"),
    [
        (np.full((4, 4), 256), np.ones((3, 3)), "image: must be between 0 and 255; found 256"),
        (np.full((4, 4), 0.5), np.ones((3, 3)), "image: must be integers"),
        (np.zeros(4), np.ones((3, 3)), "image: must be a matrix"),
        (np.zeros((4, 4)), np.full((3, 3), -256), "kernel: must be between -255 and 255; found -256"),
        (np.zeros((2, 4)), np.ones((3, 3)), r"kernel: of shape \(3, 3\) is larger than the image of shape \(2, 4\)"),
    ],
)
def test_what_cannot_be_convolved_is_refused(ideal, image, kernel, message):
    with pytest.raises(InputError, match=message):
        convolve(ideal, image, kernel)


def test_patches_come_from_the_image_and_from_the_seed(camera):
    patches = draw_patches(camera, 8, seed=1)
    again, other = draw_patches(camera, 8, seed=1), draw_patches(camera, 8, seed=2)
    np.testing.assert_array_equal(patches.pixel, again.pixel)
    assert (patches.pixel != other.pixel).any()
    check_range(patches.weight, "weight", -255, 255)
    windows = np.lib.stride_tricks.sliding_window_view(camera, (3, 3)).reshape(-1, 9)
    assert all((windows == patch).all(axis=1).any() for patch in patches.pixel)


def test_tones_of_a_crossbar_stay_near_each_other(camera):
    encoding = OBLEA.encoding()
    patches = draw_patches(camera, 8, seed=1)
    for pixel, weight in zip(patches.pixel, np.abs(patches.weight), strict=True):
        level = nearby_levels(encoding, pixel, weight)
        _, frequency = encoding.drive.tones(pixel, level)
        assert frequency.max() / frequency.min() < 31


def test_products_of_devices_that_vary():
    """The interpolated products of a cell are those of a device of its speed and conductance."""
    variation = Variation(speed=0.05, conductance=0.0)
    products = VaryingProducts(OBLEA, "coscaled", 8, variation)
    weights = np.array([[7, -3], [0, 5]])
    cells = products.cells(weights, np.random.default_rng(3))
    speed = np.random.default_rng(3).normal(scale=0.05, size=weights.shape)
    drive = products._drive
    for (row, column), weight in np.ndenumerate(weights):
        amplitude, frequency = drive.tones([55, 200], abs(weight))
        run = drive.calibration.responses(amplitude, frequency * np.exp(-speed[row, column]), abs(weight))
        exact = np.sign(weight) * drive.product(run.rectified, [55, 200])
        np.testing.assert_allclose(cells[row, [55, 200], column], exact, atol=1e-3 * 255 * 7)
    assert (cells[:, 0] == 0).all()
    # without variation, a cell multiplies as the drive's own device does
    alike = products.cells(weights, None)
    run = drive.responses([55, 200], 7)
    np.testing.assert_allclose(alike[0, [55, 200], 0], drive.product(run.rectified, [55, 200]), atol=1e-9 * 255 * 7)
    inputs = np.array([[55, 200], [0, 255]])
    found = multiply_cells(cells, inputs)
    assert found[0, 1] == pytest.approx(cells[0, 55, 1] + cells[1, 200, 1])


class ExactCells:
    """Cells that multiply exactly, and twice as much where they vary."""

    def cells(self, weights, random):
        return (1.0 if random is None else 2.0) * weights[:, None, :] * np.arange(256.0)[:, None]


def test_a_network_takes_the_products_of_cells():
    images = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    exact = crossbars(digit_network("perceptron", 0), IdealArithmetic(bits=7), [images])
    assert torch.equal(on_cells(exact, ExactCells(), None)(images), exact(images))
    assert not torch.equal(on_cells(exact, ExactCells(), np.random.default_rng(0))(images), exact(images))


@pytest.mark.slow
def test_a_folder_that_cannot_be_made_is_bad_input(tmp_path):
    (tmp_path / "file").write_text("")
    run = spicecim("validate", "frequency-weighting", "-o", tmp_path / "file" / "folder")
    assert run.returncode == 2
    assert "cannot make the folder" in run.stderr


def test_what_is_no_folder_is_refused_before_anything_is_measured(tmp_path):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ResultsError, match="cannot make the folder"):
        validate_frequency_weighting(file, progress=lambda task, fraction: pytest.fail(task))
