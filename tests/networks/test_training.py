"""Training and rounding networks: repeatable, alone, and as near to floats as their bits say."""

import numpy as np
import pytest
import torch

from spicecim.encodings import Compacted, IdealArithmetic, Polarized, WeightSet
from spicecim.encodings.weight_sets import OneMagnitude
from spicecim.errors import InputError
from spicecim.networks import (
    Batches,
    accuracy,
    constrain,
    crossbars,
    digits,
    in_integers,
    record_inputs,
    train,
    train_towards,
)
from spicecim.networks.matrices import is_held, matrix_of
from spicecim.validation.digit_networks import digit_network, train_float

pytestmark = pytest.mark.torch


nn = torch.nn


@pytest.fixture(scope="module")
def data():
    return digits(0)


def matrices(model):
    return [matrix_of(module, "channel", name) for name, module in model.named_modules() if is_held(module)]


def test_training_repeats_itself_and_leaves_pytorch_alone(data):
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    first, again = (train_float("perceptron", data, seed=4, epochs=12) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    for one, other in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
    assert accuracy(first, data.test_images, data.test_labels) > 0.9
    with pytest.raises(InputError, match=r"epochs: must be an integer of at least 0 \(given: -1\)"):
        train(first, [], -1)
    with pytest.raises(InputError, match=r"updates: must be an integer of at least 1 \(given: 0\)"):
        train_towards(first, [], {}, updates=0)
    with pytest.raises(InputError, match=r"labels: must be one for each image, .*; 3 images, 2 labels"):
        Batches(data.train_images[:3], data.train_labels[:2])
    with pytest.raises(InputError, match=r"labels: must be one for each image, .*; 500 images, 3 labels"):
        accuracy(first, data.test_images, data.test_labels[:3])


def test_initial_weights_keep_the_size_of_values():
    """The variance of 2 / inputs makes up for the half that rectification takes."""
    for kind, layer, edge in (("perceptron", "fc1", 64), ("convolutional", "conv2", 8 * 9)):
        weights = torch.cat(
            [digit_network(kind, seed).get_submodule(layer).weight.detach().flatten() for seed in range(20)]
        )
        assert float(weights.var()) == pytest.approx(2 / edge, rel=0.03)
        assert abs(float(weights.mean())) < 0.03 * float(weights.std())
    assert not digit_network("perceptron", 0).get_submodule("fc1").bias.any()


def test_digits_are_split_without_a_rest_or_an_overlap(data):
    assert data.train_images.shape == (1297, 1, 8, 8)
    assert data.test_images.shape == (500, 1, 8, 8)
    assert (float(data.train_images.min()), float(data.train_images.max())) == (0.0, 1.0)
    test = {image.numpy().tobytes() for image in data.test_images}
    assert not test & {image.numpy().tobytes() for image in data.train_images}
    np.testing.assert_allclose(np.bincount(data.test_labels) / 500, np.bincount(data.train_labels) / 1297, atol=2e-3)


@pytest.mark.parametrize("kind", ["perceptron", "convolutional"])
def test_many_bits_tend_to_the_float_network(kind, data):
    """Rounding errors fall as one over the number of levels; they add up from layer to layer."""
    network = train_float(kind, data, seed=0, epochs=3)
    images, bits, errors = data.test_images[:200], (4, 6, 8, 10), []
    exact = network(images).detach()
    for one in bits:
        found = crossbars(network, IdealArithmetic(bits=one - 1, input_bits=one), [data.train_images])
        errors.append(float((in_integers(found, images) - exact).abs().max() / exact.abs().max()))
    assert np.polyfit(bits, np.log2(errors), 1)[0] == pytest.approx(-1.0, abs=0.2)
    assert errors[2] < 0.05


def test_calibrated_range_is_full_and_clips_beyond(data):
    network = digit_network("perceptron", 0)
    found = crossbars(network, IdealArithmetic(bits=7), [data.train_images / 2])
    assert [int(one.max()) for one in record_inputs(found, data.train_images / 2).values()] == [255, 255]
    assert record_inputs(found, data.train_images)["fc1"].max() == 255


def test_a_row_of_zeros_that_its_set_leaves_keeps_its_place_in_a_fragment():
    """Without it the fragments of the other rows would be others, of both signs."""
    rows = np.arange(6) < 5
    weights = torch.tensor([[1.0, 0.0, -1.0, -2.0, 3.0, 9.0]])
    module = nn.Linear(6, 1)
    with torch.no_grad():
        module.weight.copy_(weights)
    scheme = Polarized(fragment=2)
    model = constrain(nn.Sequential(module), {"0": Compacted(rows, np.ones(1, dtype=bool), scheme.constraint())})
    found = crossbars(model, scheme, [torch.rand(3, 6)])
    assert np.array_equal(found[0].groups[0].rows, rows)
    assert np.sign(found[0].groups[0].weights[:, 0]).tolist() == [1, 0, -1, -1, 1, 0]


@pytest.mark.slow
def test_drawn_weights_violate_nothing_and_lose_little(data):
    """Twelve of 500 images are allowed for what a new training changes, as 2.4 standard deviations of counting."""
    model = train_float("perceptron", data, 0)
    started = accuracy(model, data.test_images, data.test_labels)
    batches = Batches(data.train_images, data.train_labels, seed=0)
    target = WeightSet(fragment_size=4, polarized=True, levels=255)
    admm = train_towards(model, batches, {"fc1": target}, updates=20, epochs=2, rate=3e-3)
    fitted = admm.constraints["fc1"]
    # in the digits of PyTorch's floats
    np.testing.assert_allclose(fitted.project(matrices(model)[0]), matrices(model)[0], atol=1e-6)
    constrain(model, admm.constraints, keep=True)
    train(model, batches, 20)
    held = matrices(model)[0]
    np.testing.assert_allclose(fitted.project(held), held, atol=1e-6)
    assert (fitted.violations(held).signs, fitted.violations(held).structure) == (0, 0)
    primal = admm.residuals.primal_residual.sum("layer").values
    assert primal[-1] < 0.02 * primal[0]
    assert (np.diff(primal[::4]) < 0).all()
    # the dual residual holds the penalty, which grows by a factor of 300 meanwhile
    step = (admm.residuals.dual_residual.sum("layer") / admm.residuals.penalty).values
    assert step[-1] < 0.02 * step[0]
    assert started > 0.95
    assert accuracy(model, data.test_images, data.test_labels) > started - 0.024


@pytest.mark.slow
def test_binarized_weights_are_one_magnitude_per_output(data):
    model = train_float("perceptron", data, 0, epochs=20)
    constrain(model, {"fc1": OneMagnitude(), "fc2": OneMagnitude()})
    train(model, Batches(data.train_images, data.train_labels, seed=0), 20)
    for matrix in matrices(model):
        np.testing.assert_allclose(np.abs(matrix), np.broadcast_to(np.abs(matrix[0]), matrix.shape), rtol=1e-6)
    assert accuracy(model, data.test_images, data.test_labels) > 0.9
