"""Training towards sets of weights: convergence, violations, accuracy."""

import subprocess
import sys

import numpy as np
import pytest

import spicecim
from spicecim.encodings.layout import mixed_fragments
from spicecim.encodings.weight_sets import Violations, WeightSet
from spicecim.errors import InputError
from spicecim.training.admm import run_admm
from spicecim.training.digits import split_digits
from spicecim.training.networks import initial_network
from spicecim.training.quantize import integer_network
from spicecim.training.stages import STAGES, Restrictions, run_stages, stage_accuracies
from spicecim.training.trainer import train_float


@pytest.fixture(scope="module")
def digits():
    """Return the digits, split."""
    return split_digits(0)


NETWORKS = {
    "perceptron": Restrictions(fragment_size=4, structure="columns", policy="width"),
    "convolutional": Restrictions(),
}


@pytest.fixture(scope="module", params=["perceptron", pytest.param("convolutional", marks=pytest.mark.slow)])
def stages(request, digits):
    """All stages of either network."""
    return run_stages(request.param, digits, 0, NETWORKS[request.param])


def test_no_stage_violates_its_sets(stages):
    assert tuple(stage.name for stage in stages) == STAGES
    for stage in stages[1:]:
        for network in (stage.projected, stage.network):
            for matrix, target in zip(network.matrices, stage.targets, strict=True):
                assert target.violations(matrix) == Violations(0, 0, 0)
    assert any(mixed_fragments(matrix, 4).any() for matrix in stages[0].network.matrices)


def test_each_stage_adds_a_restriction(stages):
    _, polarized, quantized, pruned = (stage.targets[0] for stage in stages)
    assert (polarized.polarized, polarized.levels) == (True, None)
    assert (quantized.polarized, quantized.levels) == (True, 255)
    assert quantized.keep_fragments is quantized.keep_columns is None
    assert (pruned.polarized, pruned.levels, pruned.scale) == (True, 255, quantized.scale)
    matrices = stages[-1].network.matrices
    if pruned.keep_columns:
        assert [matrix.any(axis=0).sum() for matrix in matrices] == [16, 10]
    else:
        assert [target.keep_fragments for target in stages[-1].targets] == [8, 72, 40]


def test_residuals_fall(stages):
    """The weights reach the set, and the point in the set comes to rest.

    The dual residual holds the penalty, which grows by a factor of 300 meanwhile.
    """
    residuals = stages[1].residuals
    primal = residuals.primal_residual.sum("layer").values
    step = (residuals.dual_residual.sum("layer") / residuals.penalty).values
    assert primal[-1] < 0.02 * primal[0]
    assert step[-1] < 0.02 * step[0]
    assert (np.diff(primal[::4]) < 0).all()


def test_accuracy_is_kept(stages, digits):
    """Twelve of 500 images are allowed for what a new training changes, as 2.4 standard deviations of counting.

    Pruning to half of the fragments or columns may cost twice that.
    """
    accuracy = [stage.network.accuracy(digits.test_images, digits.test_labels) for stage in stages]
    assert accuracy[0] > 0.95
    assert accuracy[1] > accuracy[0] - 0.024
    assert accuracy[2] > accuracy[0] - 0.024
    assert accuracy[3] > accuracy[0] - 0.048


def test_quantized_stage_runs_in_integers(stages, digits):
    stage = stages[2]
    integers = integer_network(stage.network, digits.train_images, 255, [target.scale for target in stage.targets])
    for one, other in zip(integers.network.matrices, stage.network.matrices, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-15)
    exact = stage.network.accuracy(digits.test_images, digits.test_labels)
    assert integers.accuracy(digits.test_images, digits.test_labels) == pytest.approx(exact, abs=0.006)


@pytest.mark.slow
def test_accuracies_over_seeds_are_labeled():
    """With whole columns for fragments; none of the last layer's may go, or a class would be lost."""
    accuracies = stage_accuracies("perceptron", [5], Restrictions(fragment_size=None))
    assert accuracies.retrained.sel(seed=5, stage="float") == accuracies.projected.sel(seed=5, stage="float")
    assert accuracies.retrained.sel(seed=5, stage="polarized") > 0.9
    assert accuracies.retrained.sel(seed=5, stage="pruned") > 0.85


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"structure": "rows"}, r"structure: must be one of columns, fragments \(given: 'rows'\)"),
        ({"fragment_size": 0}, r"fragment_size: must be an integer of at least 1, or None .*\(given: 0\)"),
        ({"levels": 0}, r"levels: must be an integer from 1 to 4095 \(given: 0\)"),
        ({"policy": "x"}, r"policy: must be one of channel, height, width \(given: 'x'\)"),
        ({"keep": 0.0}, r"keep: must be above 0 and at most 1 \(given: 0.0\)"),
    ],
)
def test_restrictions_that_make_no_sense_are_told(settings, message):
    with pytest.raises(InputError, match=message):
        Restrictions(**settings)


def test_admm_that_cannot_run_is_told(digits):
    network = initial_network("perceptron", 0)
    with pytest.raises(InputError, match="targets: must be one for each of the 2 layers, not 1"):
        run_admm(network, digits, [WeightSet()], seed=0)
    with pytest.raises(InputError, match="iterations and penalty: must be above 0"):
        run_admm(network, digits, [WeightSet()] * 2, seed=0, iterations=0)


def test_seeds_and_epochs_that_make_no_sense_are_told(digits):
    with pytest.raises(InputError, match=r"seed: must be an integer from 0 to 4294967295 \(given: -1\)"):
        split_digits(-1)
    with pytest.raises(InputError, match=r"seed: must be an integer of at least 0 \(given: -1\)"):
        train_float("perceptron", digits, -1)
    with pytest.raises(InputError, match=r"epochs: must be an integer of at least 0 \(given: -1\)"):
        train_float("perceptron", digits, 0, epochs=-1)
    with pytest.raises(InputError, match=r"epochs: must be an integer of at least 0 \(given: 1.5\)"):
        run_admm(initial_network("perceptron", 0), digits, [WeightSet()] * 2, seed=0, epochs=1.5)


def test_training_leaves_the_settings_of_pytorch_alone(digits):
    import torch

    before, threads = torch.get_rng_state(), torch.get_num_threads()
    train_float("perceptron", digits, seed=0, epochs=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


WITHOUT = """
import sys
import spicecim
spicecim.training.integer_network, spicecim.training.split_digits
assert "torch" not in sys.modules
sys.modules["torch"] = None
try:
    spicecim.training.run_stages
except spicecim.SpiceCimError as error:
    print(type(error).__name__, error)
"""


def test_public_names_are_there():
    assert {"run_stages", "integer_network"} <= set(spicecim.training.__all__)
    for name in spicecim.training.__all__:
        assert getattr(spicecim.training, name) is not None


def test_without_pytorch_the_extra_is_named():
    result = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("MissingPackageError networks need PyTorch")
    assert "pip install 'spicecim[networks]'" in result.stdout
