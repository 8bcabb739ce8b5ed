"""Small networks for scikit-learn's digits, trained without restrictions: what validations put on crossbars."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Literal

from spicecim.networks import Batches, Images, train
from spicecim.networks.pytorch import torch

Kind = Literal["convolutional", "perceptron"]


def digit_network(kind: Kind, seed: int) -> Any:
    """Return an untrained network.

    ``convolutional``: 8 and 16 filters of 3 x 3, pooled by 2, and a dense layer from 64 to 10; ``perceptron``: dense
    layers from 64 to 32 and to 10. The weights are normal with the variance 2 / inputs, so that the values keep their
    size through rectified layers (K. He et al., ICCV 2015, doi:10.1109/ICCV.2015.123).
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _layers(kind)
        for layer in network:
            if hasattr(layer, "weight"):
                torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                torch.nn.init.zeros_(layer.bias)
    return network


def _layers(kind: Kind) -> Any:
    nn = torch.nn
    if kind == "perceptron":
        return nn.Sequential(OrderedDict([
            ("flat", nn.Flatten()), ("fc1", nn.Linear(64, 32)), ("relu1", nn.ReLU()), ("fc2", nn.Linear(32, 10)),
        ]))  # fmt: skip
    return nn.Sequential(OrderedDict([
        ("conv1", nn.Conv2d(1, 8, 3)), ("relu1", nn.ReLU()), ("conv2", nn.Conv2d(8, 16, 3)), ("relu2", nn.ReLU()),
        ("pool2", nn.MaxPool2d(2)), ("flat", nn.Flatten()), ("fc", nn.Linear(64, 10)),
    ]))  # fmt: skip


def train_float(kind: Kind, data: Images, seed: int, epochs: int = 80) -> Any:
    """Train a network from initial weights of a seed.

    As long as it pays, so that a later stage is not the better for being trained longer.
    """
    batches = Batches(data.train_images, data.train_labels, seed=seed)
    return train(digit_network(kind, seed), batches, epochs)
