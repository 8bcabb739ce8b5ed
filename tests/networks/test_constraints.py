"""Constraints by parametrization, ADMM, and training LeNet-5 and smaller networks towards what crossbars hold."""

import numpy as np
import pytest
import torch

from spicecim.encodings import Compacted, Polarized, WeightSet
from spicecim.encodings.layout import mixed_fragments, unroll
from spicecim.errors import InputError
from spicecim.networks import (
    Admm,
    Batches,
    accuracy,
    constrain,
    crossbars,
    digits,
    lenet5,
    mnist,
    resnet18,
    train,
    train_towards,
    vgg16,
)

pytestmark = pytest.mark.torch


nn = torch.nn
SET = WeightSet(fragment_size=4, polarized=True, levels=255)


def small():
    torch.manual_seed(2)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 10))


def matrices(model):
    return [unroll(model[at].weight.detach().double().numpy()) for at in (0, 4)]


@pytest.mark.slow
def test_constrained_weights_are_in_the_set_and_learn():
    """The projection is that of the set, the gradient is that of the held weights, passed on unchanged."""
    model = constrain(small(), {"0": SET, "4": SET})
    plain = matrices(small())
    for matrix, start in zip(matrices(model), plain, strict=True):
        np.testing.assert_allclose(matrix, SET.fitted(start).project(start), atol=1e-7)
    held = model[4].weight
    (held * torch.arange(36.0)).sum().backward()
    original = model[4].parametrizations.weight.original
    assert torch.equal(original.grad, torch.arange(36.0).expand(10, 36))
    data = digits(test=797)
    before = accuracy(model, data.test_images, data.test_labels)
    train(model, Batches(data.train_images, data.train_labels, seed=0), 4, rate=1e-2)
    assert accuracy(model, data.test_images, data.test_labels) > before + 0.2
    assert not any(mixed_fragments(matrix, 4).any() for matrix in matrices(model))


def test_what_is_kept_is_what_the_first_projection_chose():
    model = constrain(small(), {"4": SET}, keep=True)
    before = np.sign(matrices(model)[1])
    with torch.no_grad():
        model[4].parametrizations.weight.original.mul_(-1.0)
    assert not (np.sign(matrices(model)[1]) * before < 0).any()
    assert not matrices(model)[1][before != 0].any()
    free = constrain(small(), {"4": SET})
    with torch.no_grad():
        free[4].parametrizations.weight.original.mul_(-1.0)
    assert (np.sign(matrices(free)[1]) * before <= 0).all()


def test_admm_is_its_iteration():
    """Step by step as in the paper, for a penalty that changes."""
    model = small()
    (_, start) = matrices(model)
    admm = Admm(model, {"4": SET}, penalty=0.5)
    fitted = admm.constraints["4"]
    held = fitted.project(start)
    dual = start - held
    assert float(admm.penalty().detach()) == pytest.approx(0.25 * np.square(start - held + dual).sum(), rel=1e-5)
    with torch.no_grad():
        model[4].weight.add_(0.01 * torch.ones_like(model[4].weight))
    (_, moved) = matrices(model)
    new = fitted.project(moved + dual)
    admm.update(penalty=1.0)
    dual = 0.5 * (dual + moved - new)
    assert float(admm.penalty().detach()) == pytest.approx(0.5 * np.square(moved - new + dual).sum(), rel=1e-5)
    residuals = admm.residuals
    assert residuals.primal_residual.item() == pytest.approx(np.linalg.norm(moved - new), rel=1e-6)
    assert residuals.dual_residual.item() == pytest.approx(0.5 * np.linalg.norm(new - held), rel=1e-6)
    assert residuals.penalty.item() == 0.5
    admm.project()
    np.testing.assert_allclose(matrices(model)[1], fitted.project(moved), atol=1e-7)


def test_the_signs_of_forms_are_renewed_every_so_often():
    model = small()
    admm = Admm(model, {"4": SET}, signs="sum", renewal=2)
    first = admm.constraints["4"].signs
    with torch.no_grad():
        model[4].weight.mul_(-3.0)
    admm.update()
    renewed = admm.constraints["4"].signs
    assert not np.array_equal(renewed, first)
    with torch.no_grad():
        model[4].weight.mul_(-5.0)
    admm.update()
    assert np.array_equal(admm.constraints["4"].signs, renewed)
    admm.update()
    assert not np.array_equal(admm.constraints["4"].signs, renewed)


@pytest.mark.parametrize("signs", ["nearest", "sum"])
@pytest.mark.slow
def test_weights_are_drawn_to_their_set(signs):
    data = digits(test=500)
    model = train(small(), Batches(data.train_images, data.train_labels, seed=1), 8)
    started = accuracy(model, data.test_images, data.test_labels)
    constraint = WeightSet(fragment_size=4, polarized=True)
    admm = train_towards(
        model, Batches(data.train_images, data.train_labels, seed=2), {"0": constraint, "4": constraint}, updates=10,
        rate=5e-3, signs=signs,
    )  # fmt: skip
    primal = admm.residuals.primal_residual
    # sets that are not convex warrant no more than that the weights come nearer; without the pull they go twice as far
    whole = np.linalg.norm(primal, axis=1)
    assert whole[-1] < 0.75 * whole[0]
    assert not any(mixed_fragments(matrix, 4).any() for matrix in matrices(model))
    assert accuracy(model, data.test_images, data.test_labels) > started - 0.15


def test_a_set_takes_the_place_of_another():
    model = small()
    constrain(model, {"0": WeightSet(fragment_size=4, polarized=True)})
    constrain(model, {"0": WeightSet(levels=3)})
    assert len(model[0].parametrizations.weight) == 1
    assert len(np.unique(np.abs(matrices(model)[0]).round(6))) <= 4
    normed = nn.utils.parametrizations.weight_norm(small()[0])
    constrain(nn.Sequential(normed), {"0": WeightSet(levels=3)})
    with pytest.raises(InputError, match="0 is held in a set already, and its weights are made by another"):
        constrain(nn.Sequential(normed), {"0": WeightSet(levels=3)})


def test_pruned_rows_and_columns_leave_fragments_of_what_stays():
    model = small()
    rows, columns = np.arange(36) % 3 > 0, np.arange(10) < 8
    scheme = Polarized(fragment=4)
    constrain(model, {"4": Compacted(rows, columns, scheme.constraint())})
    found = crossbars(model, {"4": scheme}, [torch.rand(2, 1, 8, 8)])
    group = found[4].groups[0]
    assert group.programmed.weights.shape == (24, 8)
    assert np.array_equal(group.rows, rows)
    np.testing.assert_array_equal(np.sign(group.weights[0]), np.sign(matrices(model)[1][0]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: constrain(small(), {"conv": SET}), "constraints: no module 'conv' is there; .* are 0, 4"),
        (lambda: constrain(small(), {"2": SET}), "constraints: 2 is a MaxPool2d, which no crossbar can hold"),
        (lambda: Admm(small(), {"4": SET}, penalty=0.0), r"penalty: must be a finite number above 0 \(given: 0.0\)"),
        (lambda: Admm(small(), {"4": SET}, signs="most"), "signs: must be nearest or sum"),
        (lambda: Admm(small(), {"4": SET}, renewal=0), "renewal: must be at least 1"),
        (lambda: mnist(test=5), "test: must be an integer from 10 to 4990"),
        (lambda: digits(seed=-1), "seed: must be an integer from 0"),
    ],
)
def test_what_makes_no_sense_is_told(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_mnist_is_5000_images_of_each_class_alike():
    data = mnist(seed=3, test=1000)
    assert data.train_images.shape == (4000, 1, 28, 28)
    assert np.bincount(data.test_labels).tolist() == [100] * 10
    assert (float(data.train_images.min()), float(data.train_images.max())) == (0.0, 1.0)
    assert not torch.equal(data.test_images, mnist(seed=4, test=1000).test_images)


def test_networks_have_their_published_sizes():
    """Weights of convolutions and linear layers; that of VGG-16 are its thirteen convolutions."""

    def weights(model):
        return sum(value.numel() for value in model.parameters() if value.dim() > 1)

    assert weights(lenet5()) == 25 * 6 + 150 * 16 + 400 * 120 + 120 * 84 + 84 * 10
    assert weights(resnet18()) == 11_164_352
    assert weights(vgg16()) == 14_710_464 + 5120
    assert torch.equal(lenet5(seed=1).fc1.weight, lenet5(seed=1).fc1.weight)
    assert not torch.equal(lenet5(seed=1).fc1.weight, lenet5(seed=2).fc1.weight)


@pytest.mark.slow
def test_lenet_on_mnist_polarized_and_on_crossbars():
    """Trained, drawn to polarized weights of 8 bits, and read on ideal crossbars, with hardly a loss."""
    data, scheme = mnist(), Polarized(fragment=8)
    batches = Batches(data.train_images, data.train_labels, seed=0)
    model = train(lenet5(), batches, 6, rate=2e-3)
    started = accuracy(model, data.test_images, data.test_labels)
    names = ["conv1", "conv2", "fc1", "fc2", "fc3"]
    train_towards(model, batches, dict.fromkeys(names, scheme.constraint()), updates=6)
    constrain(model, dict.fromkeys(names, scheme.constraint()), keep=True)
    train(model, batches, 3, rate=5e-4)
    found = crossbars(model, scheme, Batches(data.train_images, data.train_labels))
    reached = accuracy(found, data.test_images, data.test_labels)
    assert started > 0.94
    assert reached > started - 0.02
