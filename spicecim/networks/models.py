"""Networks by their published shapes, with weights drawn by a seed."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from spicecim.encodings.integers import check_integer
from spicecim.networks.pytorch import torch

_VGG16 = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)
"""Channels of the convolutions in their order; 0 is a pooling."""


def lenet5(seed: int = 0) -> Any:
    """Return LeNet-5 for images of 28 x 28: two convolutions of 5 x 5 and three linear layers, rectified, pooled by 2.

    Y. LeCun et al., "Gradient-Based Learning Applied to Document Recognition", Proceedings of the IEEE 86, 1998,
    doi:10.1109/5.726791, with rectifiers and the largest value of a square, as it is built today.
    """
    nn = torch.nn
    return _seeded(seed, lambda: nn.Sequential(OrderedDict([
        ("conv1", nn.Conv2d(1, 6, 5, padding=2)), ("relu1", nn.ReLU()), ("pool1", nn.MaxPool2d(2)),
        ("conv2", nn.Conv2d(6, 16, 5)), ("relu2", nn.ReLU()), ("pool2", nn.MaxPool2d(2)), ("flat", nn.Flatten()),
        ("fc1", nn.Linear(400, 120)), ("relu3", nn.ReLU()), ("fc2", nn.Linear(120, 84)), ("relu4", nn.ReLU()),
        ("fc3", nn.Linear(84, 10)),
    ])))  # fmt: skip


class _Block(torch.nn.Module):  # type: ignore[misc]
    """Two convolutions of 3 x 3 beside a skip connection."""

    def __init__(self, channels: int, outputs: int, stride: int) -> None:
        super().__init__()
        nn = torch.nn
        self.conv1 = nn.Conv2d(channels, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.skip = nn.Sequential()
        if stride != 1 or channels != outputs:
            self.skip = nn.Sequential(nn.Conv2d(channels, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, values: Any) -> Any:
        """Return what the block passes on."""
        inner = torch.relu(self.norm1(self.conv1(values)))
        return torch.relu(self.norm2(self.conv2(inner)) + self.skip(values))


def resnet18(seed: int = 0, classes: int = 10) -> Any:
    """Return ResNet-18 for images of 3 x 32 x 32, whose first convolution has 3 x 3 and no pooling after it.

    K. He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, doi:10.1109/CVPR.2016.90.
    """

    def build() -> Any:
        nn = torch.nn
        widths = ((64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2))
        blocks = [
            (f"stage{number + 1}", nn.Sequential(_Block(channels, outputs, stride), _Block(outputs, outputs, 1)))
            for number, (channels, outputs, stride) in enumerate(widths)
        ]
        return nn.Sequential(OrderedDict([
            ("conv1", nn.Conv2d(3, 64, 3, 1, 1, bias=False)), ("norm1", nn.BatchNorm2d(64)), ("relu1", nn.ReLU()),
            *blocks,
            ("pool", nn.AdaptiveAvgPool2d(1)), ("flat", nn.Flatten()), ("fc", nn.Linear(512, classes)),
        ]))  # fmt: skip

    return _seeded(seed, build)


def vgg16(seed: int = 0, classes: int = 10) -> Any:
    """Return VGG-16 for images of 3 x 32 x 32: thirteen convolutions of 3 x 3, and one linear layer instead of three.

    K. Simonyan and A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015,
    arXiv:1409.1556; for images this small the last map has one position.
    """

    def build() -> Any:
        nn = torch.nn
        layers, channels = [], 3
        for outputs in _VGG16:
            if outputs:
                layers += [nn.Conv2d(channels, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
                channels = outputs
            else:
                layers.append(nn.MaxPool2d(2))
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, classes))

    return _seeded(seed, build)


def _seeded(seed: int, build: Any) -> Any:
    check_integer(seed, "seed", 0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()
