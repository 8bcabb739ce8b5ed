"""Gradient descent on a network, in double precision so that PyTorch and numpy see the same weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from spicecim.encodings.integers import check_integer
from spicecim.encodings.layout import Policy
from spicecim.fields import FloatArray
from spicecim.networks.pytorch import one_thread, torch
from spicecim.training.digits import Digits
from spicecim.training.networks import Kind, Layer, Network, initial_network, scaled_images

Hold = Callable[[int, Any], Any]
"""What the network has of a layer's weights: number of the layer and tensor to tensor of the same shape."""

_BATCH = 64
LEARNING_RATE = 3e-3


class Trainer:
    """Trains a network step by step with Adam on the cross entropy; the same seed gives the same network.

    D. P. Kingma and J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, arXiv:1412.6980.

    Parameters
    ----------
    network
        Where to start.
    digits
        What to train with.
    seed
        Of the order of the images.
    hold
        What the network has in place of the weights that are trained, such as their nearest levels. The gradient passes
        it unchanged (straight-through estimator: Y. Bengio et al., 2013, arXiv:1308.3432).
    """

    def __init__(
        self,
        network: Network,
        digits: Digits,
        seed: int,
        hold: Hold | None = None,
    ) -> None:
        self._start = network
        self._hold = hold
        self._images = torch.from_numpy(scaled_images(digits.train_images)[:, None])
        self._labels = torch.from_numpy(digits.train_labels)
        self._weights = [torch.tensor(layer.weights, requires_grad=True) for layer in network.layers]
        self._biases = [torch.tensor(layer.bias, requires_grad=True) for layer in network.layers]
        self._order = torch.Generator().manual_seed(seed)
        self._optimizer = torch.optim.Adam(self._weights + self._biases, lr=LEARNING_RATE, fused=True)

    def run(self, epochs: int) -> None:
        """Go through all images `epochs` times, with a learning rate that falls to zero as half a cosine."""
        check_integer(epochs, "epochs", 0)
        for epoch in range(epochs):
            self._optimizer.param_groups[0]["lr"] = 0.5 * LEARNING_RATE * (1.0 + math.cos(math.pi * epoch / epochs))
            self._epoch(lambda: 0.0)

    def run_towards(self, weights: Sequence[ArrayLike], penalty: float, epochs: int) -> None:
        """Go through all images with a loss to which half the penalty times the squared distance from weights is added.

        They have the shapes of the layers' own; the learning rate stays.
        """
        check_integer(epochs, "epochs", 0)
        points = [torch.from_numpy(np.asarray(weight, dtype=float)) for weight in weights]

        def distance() -> Any:
            pairs = zip(self._weights, points, strict=True)
            return 0.5 * penalty * sum((weight - point).square().sum() for weight, point in pairs)

        for _ in range(epochs):
            self._epoch(distance)

    def _epoch(self, addition: Callable[[], Any]) -> None:
        with one_thread():
            for batch in torch.randperm(len(self._images), generator=self._order).split(_BATCH):
                self._optimizer.zero_grad()
                outputs = self._outputs(self._images[batch])
                loss = torch.nn.functional.cross_entropy(outputs, self._labels[batch]) + addition()
                loss.backward()
                self._optimizer.step()

    @property
    def network(self) -> Network:
        """The network as it is now, with the weights that are held."""
        with torch.no_grad():
            weights = [self._held(number) for number in range(len(self._weights))]
        layers = [
            Layer(_array(weight), _array(bias), layer.pool)
            for weight, bias, layer in zip(weights, self._biases, self._start.layers, strict=True)
        ]
        return Network(tuple(layers), self._start.policy)

    def _held(self, number: int) -> Any:
        weight = self._weights[number]
        return weight if self._hold is None else self._hold(number, weight)

    def _outputs(self, values: Any) -> Any:
        functional = torch.nn.functional
        for number, (layer, weight, bias) in enumerate(
            zip(self._start.layers, self._weights, self._biases, strict=True)
        ):
            if self._hold is not None:
                weight = weight + (self._held(number) - weight).detach()
            values = functional.relu(values) if number else values
            if weight.ndim == 4:
                values = functional.max_pool2d(functional.conv2d(values, weight, bias), layer.pool)
            else:
                values = functional.linear(values.flatten(1), weight, bias)
        return values


def train_float(kind: Kind, digits: Digits, seed: int, policy: Policy = "channel", epochs: int = 80) -> Network:
    """Train a network without restrictions, from initial weights of the same seed.

    As long as it pays, so that a later stage is not the better for being trained longer.
    """
    trainer = Trainer(initial_network(kind, seed, policy), digits, seed)
    trainer.run(epochs)
    return trainer.network


def train_binarized(network: Network, digits: Digits, seed: int, epochs: int = 80) -> Network:
    """Train a network on with one bit per weight: its sign, times the mean magnitude of the layer's weights.

    That scale leaves the least squared error: M. Rastegari et al., "XNOR-Net", ECCV 2016,
    doi:10.1007/978-3-319-46493-0_32, equation 6. Biases and the values between layers keep their precision.
    """

    def hold(number: int, weights: Any) -> Any:
        scale = weights.abs().mean()
        return torch.where(weights >= 0.0, scale, -scale)

    trainer = Trainer(network, digits, seed, hold)
    trainer.run(epochs)
    return trainer.network


def _array(tensor: Any) -> FloatArray:
    return np.array(tensor.detach().numpy())
