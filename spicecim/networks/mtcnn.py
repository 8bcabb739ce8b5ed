"""Three small trained networks that a package carries, and windows of photographs for them."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path
from typing import Any

import numpy as np

from spicecim.encodings.integers import check_integer
from spicecim.errors import InputError, MissingPackageError
from spicecim.images import photograph
from spicecim.networks.pytorch import torch

_TRUNKS: dict[str, tuple[tuple[Any, ...], ...]] = {
    "pnet": ((3, 10, 3), ("pool", 2), (10, 16, 3), (16, 32, 3)),
    "rnet": ((3, 28, 3), ("pool", 3), (28, 48, 3), ("whole pool", 3), (48, 64, 2), ("flat",), (576, 128)),
    "onet": ((3, 32, 3), ("pool", 3), (32, 64, 3), ("whole pool", 3), (64, 64, 3), ("pool", 2), (64, 128, 2),
             ("flat",), (1152, 256)),
}  # fmt: skip
"""Layers in their order: channels, outputs and edge of a convolution; inputs and outputs of a linear layer; poolings by
2 with the edge of their windows, which may reach beyond the map unless they are whole."""

_HEADS = {"pnet": (32, (4, 2)), "rnet": (128, (4, 2)), "onet": (256, (4, 10, 2))}
"""Inputs and outputs of the heads: box, landmarks of the last network, and whether it is a face."""


class Cascaded(torch.nn.Module):  # type: ignore[misc]
    """One of the three networks: convolutions with a slope for negative values, and heads that share them."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.trunk = torch.nn.Sequential(*(module for entry in _TRUNKS[name] for module in _modules(entry)))
        lines, outputs = _HEADS[name]
        kind = torch.nn.Linear if ("flat",) in _TRUNKS[name] else (lambda *sizes: torch.nn.Conv2d(*sizes, 1))
        self.heads = torch.nn.ModuleList([kind(lines, count) for count in outputs])

    def forward(self, images: Any) -> tuple[Any, ...]:
        """Return what the heads give for images (image, 3, height, width) from 0 to 1, shares of classes last."""
        values = self.trunk((255.0 * images - 127.5) / 128.0)
        *others, faces = (head(values) for head in self.heads)
        return (*others, faces.softmax(dim=1))


def mtcnn(name: str) -> Any:
    """Return a trained network that looks for faces: `pnet` of any image, `rnet` of 24 x 24, `onet` of 48 x 48 pixels.

    K. Zhang et al., "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks", IEEE Signal
    Processing Letters 23, 2016, doi:10.1109/LSP.2016.2603342. The weights are read from the package mtcnn.

    Parameters
    ----------
    name
        ``pnet``, ``rnet`` or ``onet``.

    Returns
    -------
    torch.nn.Module
        Gives boxes, landmarks (``onet``) and the shares of the classes no face and face.

    Raises
    ------
    InputError
        If the name is none of these.
    MissingPackageError
        Without mtcnn, the extra ``networks``.

    Examples
    --------
    >>> box, faces = mtcnn("rnet")(photographs(24, 5))
    >>> faces.shape
    torch.Size([5, 2])
    """
    if name not in _TRUNKS:
        raise InputError(f"name: must be one of {', '.join(_TRUNKS)} (given: {name!r})")
    model = Cascaded(name)
    with torch.no_grad():
        parameters = [value for module in model.modules() for value in module.parameters(recurse=False)]
        for parameter, values in zip(parameters, _stored(name), strict=True):
            parameter.copy_(torch.from_numpy(_as_pytorch(values)).reshape(parameter.shape))
    return model.eval()


def photographs(edge: int, count: int = 20, seed: int = 0) -> Any:
    """Return windows of scikit-image's photographs.

    Parameters
    ----------
    edge
        Height and width of a window (pixels), at most 75.
    count
        How many.
    seed
        Of the places. Photographs are taken in turn, every fourth pixel of them.

    Returns
    -------
    torch.Tensor
        Images (image, 3, height, width) from 0 to 1.

    Raises
    ------
    MissingPackageError
        Without scikit-image, the extra ``demo``.
    """
    check_integer(edge, "edge", 1, 75)
    check_integer(count, "count", 1)
    check_integer(seed, "seed", 0)
    pictures = [photograph(name)[::4, ::4] for name in ("astronaut", "chelsea", "coffee", "rocket")]
    rng, windows = np.random.default_rng(seed), []
    for number in range(count):
        picture = pictures[number % len(pictures)]
        row, column = (int(rng.integers(0, size - edge + 1)) for size in picture.shape[:2])
        windows.append(picture[row : row + edge, column : column + edge])
    return torch.from_numpy(np.stack(windows)).permute(0, 3, 1, 2).to(torch.float32) / 255.0


class _WidthFirst(torch.nn.Module):  # type: ignore[misc]
    """Maps in one line in the order of the weights: channels fastest, then the height."""

    def forward(self, values: Any) -> Any:
        """Return (image, line)."""
        return values.permute(0, 3, 2, 1).flatten(1)


def _modules(entry: tuple[Any, ...]) -> list[Any]:
    match entry:
        case ("pool", edge):
            return [torch.nn.MaxPool2d(edge, 2, ceil_mode=True)]
        case ("whole pool", edge):
            return [torch.nn.MaxPool2d(edge, 2)]
        case ("flat",):
            return [_WidthFirst()]
        case (lines, outputs):
            return [torch.nn.Linear(lines, outputs), torch.nn.PReLU(outputs)]
        case (channels, outputs, edge):
            return [torch.nn.Conv2d(channels, outputs, edge), torch.nn.PReLU(outputs)]
    raise ValueError(entry)


def _stored(name: str) -> list[Any]:
    """Arrays of the package in the order of the layers."""
    found = importlib.util.find_spec("mtcnn")
    try:
        import joblib
        import lz4.frame
    except ImportError:
        found = None
    if found is None or found.origin is None:
        raise MissingPackageError.of("networks", "mtcnn: its weights come with the packages mtcnn and lz4")
    # from Python 3.13 on, joblib's own way of reading such a file leaves one behind that complains of being closed
    packed = (Path(found.origin).parent / "assets" / "weights" / f"{name}.lz4").read_bytes()
    return list(joblib.load(io.BytesIO(lz4.frame.decompress(packed))))


def _as_pytorch(values: Any) -> Any:
    """Kernels with the outputs first and the channels before height and width."""
    if values.ndim == 4:
        return np.ascontiguousarray(values.transpose(3, 2, 0, 1))
    return np.ascontiguousarray(values.T) if values.ndim == 2 else values
