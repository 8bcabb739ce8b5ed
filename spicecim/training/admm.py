"""Training towards weights that crossbars can hold, by the alternating direction method of multipliers.

S. Boyd et al., "Distributed Optimization and Statistical Learning via the Alternating Direction Method of Multipliers",
Foundations and Trends in Machine Learning 3, 2011, doi:10.1561/2200000016: scaled form (section 3.1.1), residuals
(section 3.3), sets that are not convex (section 9.1, where convergence is not warranted). With W the weights, Z their
copies in the set and U the scaled dual variables, each iteration

    trains   loss(W) + penalty / 2 |W - Z + U|^2,
    projects Z on the set from W + U, and
    adds     W - Z to U.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from spicecim.encodings.layout import roll
from spicecim.encodings.weight_sets import WeightSet
from spicecim.errors import InputError
from spicecim.networks.pytorch import torch
from spicecim.training.digits import Digits
from spicecim.training.networks import Network
from spicecim.training.trainer import Trainer


@dataclass(frozen=True)
class AdmmResult:
    """A network whose weights have been drawn to their sets.

    Attributes
    ----------
    trained
        The network after the last iteration; its weights are near their sets.
    projected
        The same with its weights projected, so that nothing violates the sets.
    residuals
        ``primal_residual`` ``|W - Z|`` and ``dual_residual`` penalty ``|Z - old Z|`` (iteration, layer), ``penalty``
        (iteration,).
    """

    trained: Network
    projected: Network
    residuals: xr.Dataset


def run_admm(
    network: Network,
    digits: Digits,
    targets: Sequence[WeightSet],
    seed: int,
    iterations: int = 20,
    epochs: int = 2,
    penalty: tuple[float, float] = (0.01, 3.0),
) -> AdmmResult:
    """Draw the weights of a network to a set for each layer.

    Parameters
    ----------
    network
        A trained network.
    digits
        What to train with.
    targets
        The set of each layer's matrix (row, column).
    seed
        Of the order of the images.
    iterations, epochs
        How often to project, and how often to go through the images in between.
    penalty
        At the first and the last iteration, in between in geometric progression.
    """
    check_targets(network, targets)
    if iterations < 1 or min(penalty) <= 0:
        raise InputError(f"iterations and penalty: must be above 0 (given: {iterations} and {penalty})")
    trainer = Trainer(network, digits, seed)
    held = _project(network, targets)
    dual = [matrix - near for matrix, near in zip(network.matrices, held, strict=True)]
    penalties = np.geomspace(*penalty, iterations)
    primal_residual, dual_residual = np.empty((2, iterations, len(targets)))
    for iteration, weight in enumerate(penalties):
        pull = network.with_matrices([near - u for near, u in zip(held, dual, strict=True)])
        trainer.run_towards([layer.weights for layer in pull.layers], float(weight), epochs)
        network = trainer.network
        before = held
        held = [target.project(matrix + u) for matrix, u, target in zip(network.matrices, dual, targets, strict=True)]
        dual = [u + matrix - near for u, matrix, near in zip(dual, network.matrices, held, strict=True)]
        primal_residual[iteration] = [
            np.linalg.norm(matrix - near) for matrix, near in zip(network.matrices, held, strict=True)
        ]
        dual_residual[iteration] = [weight * np.linalg.norm(near - old) for near, old in zip(held, before, strict=True)]
        if iteration + 1 < iterations:
            # the dual variable itself, penalty times U, is what stays when the penalty changes (section 3.4.1)
            dual = [u * weight / penalties[iteration + 1] for u in dual]
    residuals = xr.Dataset(
        {
            "primal_residual": (("iteration", "layer"), primal_residual, {"long_name": "distance from the set"}),
            "dual_residual": (
                ("iteration", "layer"),
                dual_residual,
                {"long_name": "penalty times step in the set"},
            ),
            "penalty": ("iteration", penalties),
        }
    )
    return AdmmResult(network, network.with_matrices(_project(network, targets)), residuals)


def retrain(network: Network, digits: Digits, targets: Sequence[WeightSet], seed: int, epochs: int = 20) -> Network:
    """Train a projected network on with the signs, zeros and levels of its sets kept."""
    check_targets(network, targets)
    limits = []
    for layer, matrix, target in zip(network.layers, network.matrices, targets, strict=True):
        limits.append(
            [torch.from_numpy(roll(side, layer.weights.shape, network.policy)) for side in target.bounds(matrix)]
        )

    def hold(number: int, weights: torch.Tensor) -> torch.Tensor:
        scale = targets[number].scale
        levelled = weights if scale is None else torch.round(weights / scale) * scale
        return torch.clamp(levelled, *limits[number])

    trainer = Trainer(network, digits, seed, hold)
    trainer.run(epochs)
    return trainer.network


def check_targets(network: Network, targets: Sequence[WeightSet]) -> None:
    """Raise `InputError` unless there is one set for each layer."""
    if len(targets) != len(network.layers):
        raise InputError(f"targets: must be one for each of the {len(network.layers)} layers, not {len(targets)}")


def _project(network: Network, targets: Sequence[WeightSet]) -> list[np.ndarray]:
    return [target.project(matrix) for matrix, target in zip(network.matrices, targets, strict=True)]
