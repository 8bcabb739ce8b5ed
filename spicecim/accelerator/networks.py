"""The networks that accelerators are compared on, as tables of layers.

LeNet-5: Y. LeCun et al., Proc. IEEE 86 (1998), doi:10.1109/5.726791, with whole connections. VGG-16: K. Simonyan and
A. Zisserman, ICLR 2015, arXiv:1409.1556. ResNet: K. He et al., CVPR 2016, doi:10.1109/CVPR.2016.90, strides on the
3 x 3 convolutions. For CIFAR, the first layers keep the 32 x 32 pixels, and one dense layer follows the last map.

Pruning ratios are those that FORMS publishes for the data set (Yuan et al., ISCA 2021, arXiv:2106.09144); VGG-16 on
ImageNet has none there.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from spicecim.accelerator.design import is_yaml_file
from spicecim.accelerator.layers import LayerShape, NetworkShape
from spicecim.accelerator.sourced import PruningRatio
from spicecim.errors import InputError
from spicecim.quantities import shown


class _Builder:
    """Layers one after the other, with the shape of the map that the next one gets."""

    def __init__(self, channels: int, edge: int) -> None:
        self.channels, self.edge = channels, edge
        self.layers: list[LayerShape] = []

    def convolution(self, name: str, outputs: int, kernel: int, stride: int = 1, padding: int | None = None) -> None:
        """Add a square convolution; its padding keeps the map's size if left out."""
        padding = kernel // 2 if padding is None else padding
        before = self.edge
        self.edge = (before + 2 * padding - kernel) // stride + 1
        # a kernel's first position needs its rows but the last, and of that as many pixels as it is wide
        needed = max(kernel - padding - 1, 0) * before + max(kernel - padding, 1)
        self.layers.append(
            LayerShape(
                name=name,
                lines=self.channels * kernel**2,
                outputs=outputs,
                positions=self.edge**2,
                wait=min(1.0, needed / before**2) if self.layers else 0.0,
            )
        )
        self.channels = outputs

    def pool(self, edge: int) -> None:
        """Make the map smaller."""
        self.edge //= edge

    def dense(self, name: str, outputs: int) -> None:
        """Add a layer of all inputs with all outputs."""
        self.layers.append(LayerShape(name=name, lines=self.channels * self.edge**2, outputs=outputs))
        self.channels, self.edge = outputs, 1


def _lenet5() -> _Builder:
    build = _Builder(1, 28)
    build.convolution("conv1", 6, 5)
    build.pool(2)
    build.convolution("conv2", 16, 5, padding=0)
    build.pool(2)
    for name, outputs in (("fc1", 120), ("fc2", 84), ("fc3", 10)):
        build.dense(name, outputs)
    return build


def _vgg16(edge: int, dense: tuple[int, ...]) -> _Builder:
    build = _Builder(3, edge)
    for block, (count, outputs) in enumerate(((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)), start=1):
        for number in range(1, count + 1):
            build.convolution(f"conv{block}_{number}", outputs, 3)
        build.pool(2)
    for number, outputs in enumerate(dense, start=1):
        build.dense(f"fc{number}", outputs)
    return build


def _resnet(edge: int, classes: int, blocks: tuple[int, ...], bottleneck: bool) -> _Builder:
    build = _Builder(3, edge)
    if edge > 32:
        build.convolution("conv1", 64, 7, stride=2)
        build.pool(2)
    else:
        build.convolution("conv1", 64, 3)
    for stage, count in enumerate(blocks):
        for number in range(count):
            _block(build, f"conv{stage + 2}_{number + 1}", 64 << stage, 2 if stage and not number else 1, bottleneck)
    build.pool(build.edge)
    build.dense("fc", classes)
    return build


def _block(build: _Builder, name: str, width: int, stride: int, bottleneck: bool) -> None:
    """Add a residual block: its layers, and a projection where the shape changes."""
    channels, edge, outputs = build.channels, build.edge, width * 4 if bottleneck else width
    if bottleneck:
        build.convolution(f"{name}a", width, 1)
        build.convolution(f"{name}b", width, 3, stride)
        build.convolution(f"{name}c", outputs, 1)
    else:
        build.convolution(f"{name}a", width, 3, stride)
        build.convolution(f"{name}b", width, 3)
    if stride > 1 or channels != outputs:
        after = build.edge
        build.channels, build.edge = channels, edge
        build.convolution(f"{name}p", outputs, 1, stride)
        build.edge = after


_FORMS = "FORMS, table of pruning ratios"

_NETWORKS: dict[str, tuple[str, float | None, Callable[[], _Builder]]] = {
    "lenet5": ("LeNet-5, MNIST", 23.18, _lenet5),
    "vgg16": ("VGG-16, ImageNet", None, lambda: _vgg16(224, (4096, 4096, 1000))),
    "resnet18": ("ResNet-18, ImageNet", 2.0, lambda: _resnet(224, 1000, (2, 2, 2, 2), False)),
    "resnet50": ("ResNet-50, ImageNet", 3.67, lambda: _resnet(224, 1000, (3, 4, 6, 3), True)),
    "vgg16_cifar10": ("VGG-16, CIFAR-10", 41.2, lambda: _vgg16(32, (10,))),
    "vgg16_cifar100": ("VGG-16, CIFAR-100", 8.15, lambda: _vgg16(32, (100,))),
    "resnet18_cifar10": ("ResNet-18, CIFAR-10", 50.85, lambda: _resnet(32, 10, (2, 2, 2, 2), False)),
    "resnet18_cifar100": ("ResNet-18, CIFAR-100", 6.65, lambda: _resnet(32, 100, (2, 2, 2, 2), False)),
    "resnet50_cifar100": ("ResNet-50, CIFAR-100", 9.18, lambda: _resnet(32, 100, (3, 4, 6, 3), True)),
}

_MODULES = (".pt", ".pth", ".onnx", ".py")
"""Endings of files that hold or build a whole network."""

NETWORK_NAMES = tuple(_NETWORKS)
"""Names of the networks that spicecim knows."""


def load_network(network: str | Path | NetworkShape) -> NetworkShape:
    """Return a network by its name, or from a table of layers in YAML.

    Parameters
    ----------
    network
        One of `NETWORK_NAMES`, or the path of a file that ends in ``.yaml`` or ``.yml``.

    Raises
    ------
    InputError
        If there is no such network.
    TestbenchError
        If the file is no valid table.

    Examples
    --------
    >>> load_network("resnet18").weights
    11678912
    """
    if isinstance(network, NetworkShape):
        return network
    if not isinstance(network, str | Path) or Path(network).suffix in _MODULES:
        raise InputError(
            f"network: must be a name or a file that ends in .yaml (given: {shown(network)}); "
            "spicecim.accelerator.torch_layers.layers_of makes one of a torch.nn.Module"
        )
    if is_yaml_file(network, "network", NETWORK_NAMES):
        return NetworkShape.from_yaml(network)
    title, pruning, build = _NETWORKS[str(network)]
    ratio = None if pruning is None else PruningRatio(value=pruning, published=_FORMS)
    return NetworkShape(name=str(network), title=title, pruning=ratio, layers=tuple(build().layers))
