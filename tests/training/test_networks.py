"""Networks in numpy against PyTorch, and in integers against floats."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from spicecim.encodings.layout import row_order
from spicecim.errors import InputError
from spicecim.training.digits import split_digits
from spicecim.training.networks import Layer, Network, initial_network
from spicecim.training.quantize import integer_network
from spicecim.training.trainer import train_binarized, train_float

KINDS = ("perceptron", "convolutional")
BITS = (4, 6, 8, 10)


@pytest.fixture(scope="module")
def digits():
    """Return the digits, split."""
    return split_digits(0)


def torch_outputs(network, images):
    """The same network written down with PyTorch's own layers."""
    values = torch.tensor(images / 16.0)[:, None]
    weights = [torch.tensor(layer.weights) for layer in network.layers]
    biases = [torch.tensor(layer.bias) for layer in network.layers]
    if len(weights) == 3:
        values = functional.relu(functional.conv2d(values, weights[0], biases[0]))
        values = functional.max_pool2d(functional.relu(functional.conv2d(values, weights[1], biases[1])), 2)
    else:
        values = functional.relu(values.flatten(1) @ weights[0].T + biases[0])
    return (values.flatten(1) @ weights[-1].T + biases[-1]).numpy()


@pytest.mark.parametrize("policy", ["channel", "height", "width"])
@pytest.mark.parametrize("kind", KINDS)
def test_numpy_agrees_with_pytorch(kind, policy, digits):
    network = initial_network(kind, 3, policy)
    images = digits.test_images[:50]
    np.testing.assert_allclose(network.outputs(images), torch_outputs(network, images), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_training_learns_and_repeats_itself(kind, digits):
    first, again = (train_float(kind, digits, seed=4, epochs=30) for _ in range(2))
    for one, other in zip(first.matrices, again.matrices, strict=True):
        np.testing.assert_array_equal(one, other)
    assert first.accuracy(digits.test_images, digits.test_labels) > 0.93


def test_digits_are_split_without_a_rest_or_an_overlap(digits):
    assert digits.train_images.shape == (1297, 8, 8)
    assert digits.test_images.shape == (500, 8, 8)
    assert (digits.train_images.min(), digits.train_images.max()) == (0, 16)
    test = {image.tobytes() for image in digits.test_images}
    assert not test & {image.tobytes() for image in digits.train_images}
    np.testing.assert_allclose(
        np.bincount(digits.test_labels) / 500, np.bincount(digits.train_labels) / 1297, atol=2e-3
    )


def test_what_multiplies_sees_rows_in_the_order_of_the_policy(digits):
    network = initial_network("convolutional", 0, "height")
    seen = {}

    def product(number, inputs, weights):
        seen[number] = inputs
        return inputs @ weights

    images = digits.test_images[:3]
    np.testing.assert_array_equal(network.outputs(images, product), network.outputs(images))
    patch = images[1, 2:5, 4:7] / 16  # image 1 of 3, position (2, 4) of 6 x 6
    np.testing.assert_array_equal(seen[0][36 + 2 * 6 + 4], patch.ravel()[row_order((8, 1, 3, 3), "height")])
    assert [vectors.shape for vectors in seen.values()] == [(108, 9), (48, 72), (3, 64)]


def test_weights_can_be_exchanged_as_matrices(rng):
    network = initial_network("convolutional", 0, "width")
    matrices = [rng.normal(size=matrix.shape) for matrix in network.matrices]
    for given, kept in zip(matrices, network.with_matrices(matrices).matrices, strict=True):
        np.testing.assert_array_equal(given, kept)
    with pytest.raises(InputError, match="matrices: must be one for each of the 3 layers, not 2"):
        network.with_matrices(matrices[:2])


@pytest.mark.parametrize("kind", KINDS)
def test_many_bits_tend_to_the_float_network(kind, digits):
    """Rounding errors fall as one over the number of levels; they add up from layer to layer."""
    network = train_float(kind, digits, seed=0, epochs=5)
    images = digits.test_images[:200]
    exact = network.outputs(images)
    scale = np.abs(exact).max()
    errors = []
    for bits in BITS:
        quantized = integer_network(network, digits.train_images, 2 ** (bits - 1) - 1, input_bits=bits)
        errors.append(np.abs(quantized.outputs(images) - exact).max() / scale)
    slope = np.polyfit(BITS, np.log2(errors), 1)[0]
    assert slope == pytest.approx(-1.0, abs=0.2)
    assert errors[2] < 0.05


def test_integers_are_what_they_stand_for(digits):
    network = train_float("convolutional", digits, seed=0, epochs=5)
    quantized = integer_network(network, digits.train_images, levels=7, input_bits=4)
    inputs = quantized.inputs(digits.train_images[:20])
    assert all(array.dtype.kind == "i" and array.min() >= 0 and array.max() <= 15 for array in inputs)
    assert all(np.abs(array).max() <= 7 for array in quantized.weights)
    for integers, scale, matrix in zip(
        quantized.weights, quantized.weight_scales, quantized.network.matrices, strict=True
    ):
        np.testing.assert_allclose(integers * scale, matrix, rtol=1e-14)
    seen = []

    def product(number, inputs, weights):
        seen.append(inputs)
        return inputs @ weights

    images = digits.train_images[:20]
    np.testing.assert_allclose(quantized.outputs(images, product), quantized.outputs(images), rtol=1e-13)
    for one, other in zip(seen, inputs, strict=True):
        np.testing.assert_array_equal(one, other)


def test_calibrated_range_is_full_and_clips_beyond(digits):
    network = train_float("perceptron", digits, seed=0, epochs=2)
    quantized = integer_network(network, digits.train_images // 2, levels=127, input_bits=8)
    assert [int(array.max()) for array in quantized.inputs(digits.train_images // 2)] == [255, 255]
    assert quantized.inputs(digits.train_images)[0].max() == 255


def test_binarized_weights_are_one_bit(digits):
    network = train_binarized(train_float("perceptron", digits, seed=0), digits, seed=0)
    scales = [float(matrix.max()) for matrix in network.matrices]
    quantized = integer_network(network, digits.train_images, levels=1, weight_scales=scales)
    assert all(np.unique(integers).tolist() == [-1, 1] for integers in quantized.weights)
    assert quantized.accuracy(digits.test_images, digits.test_labels) > 0.9


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"levels": 0}, "levels: must be an integer from 1 to 4095"),
        ({"input_bits": 0}, r"input_bits: must be an integer from 1 to 16 \(given: 0\)"),
        ({"weight_scales": [1.0]}, "weight_scales: must be one for each of the 2 layers, not 1"),
        ({"calibration_images": np.zeros((1, 8, 8))}, "calibration_images: layer 0 gets nothing but zeros"),
        ({"calibration_images": np.full((1, 8, 8), 17)}, r"images: must be pixels .* from 0 to 16"),
        ({"calibration_images": np.zeros((8, 8))}, r"their shape is \(8, 8\)"),
    ],
)
def test_what_cannot_be_quantized_is_told(settings, message, digits):
    with pytest.raises(InputError, match=message):
        integer_network(
            **{"network": initial_network("perceptron", 0), "calibration_images": digits.train_images, **settings}
        )


def test_unknown_networks_and_products_that_do_not_fit_are_told(digits):
    with pytest.raises(InputError, match=r"kind: must be one of convolutional, perceptron \(given: 'transformer'\)"):
        initial_network("transformer", 0)
    with pytest.raises(InputError, match=r"product: must return .* \(4, 32\) for layer 0, not \(4, 64\)"):
        initial_network("perceptron", 0).outputs(digits.test_images[:4], lambda number, inputs, weights: inputs)


@pytest.mark.parametrize(
    ("weights", "pool", "message"),
    [
        ((4, 1, 3, 3), 2, None),
        ((4, 1, 2, 2), 2, "squares of 2 x 2 do not cover a map of 7 x 7"),
        ((4, 1, 3, 3), 4, "squares of 4 x 4 do not cover a map of 6 x 6"),
        ((4, 1, 3, 3), 0, "squares of 0 x 0 do not cover"),
        ((4, 1, 9, 9), 1, "do not fit an input of"),
        ((4, 2, 3, 3), 1, "do not fit an input of"),
        ((4, 63), 1, "do not fit an input of"),
        ((4, 64), 2, "pooled by 2 do not fit"),
        ((4, 1, 3), 1, "do not fit an input of"),
    ],
)
def test_layers_must_fit_their_maps(weights, pool, message):
    network = Network((Layer(np.ones(weights), np.zeros(weights[0]), pool),))
    images = np.zeros((2, 8, 8))
    if message is None:
        assert network.outputs(images).shape == (2, 4, 3, 3)
        return
    with pytest.raises(InputError, match=message):
        network.outputs(images)
