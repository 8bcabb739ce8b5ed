"""A layer of a network on crossbars: inputs to integers, products by a scheme, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spicecim.encodings.base import Encoding, Programmed
from spicecim.encodings.integers import IntArray
from spicecim.encodings.layout import Policy, row_order
from spicecim.errors import InputError
from spicecim.fields import FloatArray
from spicecim.networks.matrices import kernel_shape
from spicecim.networks.pytorch import torch

_BLOCK = 4_000_000
"""Inputs (vector, row) that are unfolded at once."""


@dataclass(frozen=True)
class InputRange:
    """Integers that stand for a layer's inputs: ``round(input / scale) + zero``, clipped to 0 and `largest`.

    Inputs of one sign have ``zero = 0``. Others are shifted by `zero`, and as many times the sum of each column's
    weights is subtracted from its products digitally.

    Attributes
    ----------
    scale
        What 1 stands for.
    zero
        Integer that stands for 0.
    largest
        The largest integer.
    """

    scale: float
    zero: int
    largest: int

    @classmethod
    def of(cls, lowest: float, highest: float, largest: int) -> InputRange:
        """Return the range that holds inputs from the lowest to the highest, and 0."""
        lowest, highest = min(lowest, 0.0), max(highest, 0.0)
        scale = (highest - lowest) / largest
        return cls(scale, round(-lowest / scale), largest)

    def integers(self, values: Any) -> Any:
        """Return the integers for inputs, as a tensor of floats of the same shape."""
        return torch.clamp(torch.round(values.to(torch.float64) / self.scale) + self.zero, 0, self.largest)


@dataclass(frozen=True)
class Group:
    """Weights of a layer, or of one group of a convolution, on crossbars.

    Attributes
    ----------
    programmed
        The weights that are left after rows and columns of zeros.
    rows, columns
        Which are left (row,) and (column,).
    """

    programmed: Programmed
    rows: NDArray[np.bool_]
    columns: NDArray[np.bool_]

    @property
    def weights(self) -> IntArray:
        """All integers (row, column)."""
        whole = np.zeros((len(self.rows), len(self.columns)), dtype=int)
        whole[np.ix_(self.rows, self.columns)] = self.programmed.weights
        return whole


class CrossbarLayer(torch.nn.Module):  # type: ignore[misc]
    """A linear layer or a convolution whose products come from crossbars.

    Its output is ``(products - zero * column sums) * scale + bias``, per output. A normalization that follows is folded
    into the last two, so that the integers on the crossbars are those that training left.

    Parameters
    ----------
    name
        The layer's name in its network.
    module
        The layer that it stands for.
    scheme
        The scheme, of this layer.
    groups
        The weights of each group.
    inputs
        Integers of the inputs.
    scale, bias
        By output (output,).
    policy
        Order of a convolution's input lines along the rows.
    """

    def __init__(
        self,
        name: str,
        module: Any,
        scheme: Encoding,
        groups: Sequence[Group],
        inputs: InputRange,
        scale: FloatArray,
        bias: FloatArray,
        policy: Policy,
    ) -> None:
        super().__init__()
        self.name, self.scheme, self.groups, self.inputs = name, scheme, tuple(groups), inputs
        self.scale, self.bias = torch.as_tensor(scale), torch.as_tensor(bias)
        self.sample: IntArray | None = None
        """Some input vectors (vector, row) of all groups side by side, from the calibration."""
        self.conversions, self.clipped = 0, 0
        self._convolution = not isinstance(module, torch.nn.Linear)
        self._shape = kernel_shape(module)
        self._order = torch.as_tensor(row_order(self._shape, policy))
        if self._convolution:
            self._padding_mode = module.padding_mode
            pairs = module._reversed_padding_repeated_twice
            self._padding = (*pairs, 0, 0) if len(pairs) == 2 else tuple(pairs)
            self._stride, self._dilation = _pair(module.stride), _pair(module.dilation)
            self._line = len(module.kernel_size) == 1
        self._in_integers = False
        self._recorded: list[IntArray] | None = None

    def extra_repr(self) -> str:
        """Return what PyTorch shows of the layer."""
        tiles = sum(group.programmed.resources.crossbars for group in self.groups)
        return f"{self.scheme.name}, weights={self._shape}, crossbars={tiles}"

    def forward(self, values: Any) -> Any:
        """Return the layer's outputs, of the type of its inputs."""
        if not values.numel():
            raise InputError(f"{self.name}: there must be an image; its inputs have the shape {tuple(values.shape)}")
        if not torch.isfinite(values).all():
            raise InputError(f"{self.name}: its inputs must be finite")
        with torch.no_grad():
            if not self._convolution:
                vectors = self.inputs.integers(values).reshape(-1, values.shape[-1])
                outputs = self._outputs(self._products(vectors))
                return outputs.reshape(*values.shape[:-1], -1).to(values.dtype)
            pictures = values[:, :, None] if self._line else values
            a_picture = max(
                1, self._shape[1] * len(self.groups) * pictures[0, 0].numel() * self._shape[2] * self._shape[3]
            )
            parts = [self._convolved(part) for part in pictures.split(max(1, _BLOCK // a_picture))]
            outputs = torch.cat(parts).to(values.dtype)
            return outputs[:, :, 0] if self._line else outputs

    @property
    def tiles(self) -> list[tuple[int, int]]:
        """Group and number in it of every crossbar of the layer, in their order."""
        return [
            (number, tile) for number, group in enumerate(self.groups) for tile in range(group.programmed.tile_count)
        ]  # fmt: skip

    def tile(self, number: int) -> Programmed:
        """Return one crossbar of the layer, which can be run in any engine."""
        group, tile = self._place(number)
        return self.groups[group].programmed.tile(tile)

    def tile_inputs(self, number: int, vectors: IntArray) -> IntArray:
        """Return what a crossbar gets of input vectors (vector, row) of the layer, such as its `sample`."""
        group, tile = self._place(number)
        return self.group_inputs(group, vectors)[:, self.groups[group].programmed.tile_lines(tile)]

    def group_inputs(self, group: int, vectors: IntArray) -> IntArray:
        """Return what the crossbars of a group get of input vectors (vector, row) of the layer, without zero rows."""
        rows = len(self._order)
        return vectors[:, group * rows : (group + 1) * rows][:, self.groups[group].rows]

    def products(self, vectors: IntArray, exact: bool = False) -> FloatArray:
        """Products (vector, output) of input vectors (vector, row) of all groups side by side, in integers if exact."""
        found = []
        for number, group in enumerate(self.groups):
            own = self.group_inputs(number, vectors)
            whole = np.zeros((len(vectors), len(group.columns)))
            if group.programmed.weights.size:
                if exact:
                    whole[:, group.columns] = group.programmed.exact(own)
                else:
                    readout = group.programmed.multiply(own)
                    whole[:, group.columns] = readout.products
                    self.conversions += readout.conversions
                    self.clipped += readout.clipped
            found.append(whole)
        return np.concatenate(found, axis=1)

    @contextmanager
    def in_integers(self) -> Iterator[None]:
        """Multiply by PyTorch's own integers in place of the crossbars: the integer network of the same ranges."""
        self._in_integers = True
        try:
            yield
        finally:
            self._in_integers = False

    @contextmanager
    def recording(self) -> Iterator[list[IntArray]]:
        """Collect the input vectors (vector, row) that the layer gets."""
        self._recorded = []
        try:
            yield self._recorded
        finally:
            self._recorded = None

    def _place(self, number: int) -> tuple[int, int]:
        tiles = self.tiles
        if not 0 <= number < len(tiles):
            raise InputError(f"{self.name}: tile must be a number from 0 to {len(tiles) - 1} (given: {number})")
        return tiles[number]

    def _padded(self, pictures: Any) -> Any:
        """Inputs in integers with their borders; what is padded by zeros gets the integer of zero."""
        if self._padding_mode != "zeros":
            mode = self._padding_mode
            return self.inputs.integers(torch.nn.functional.pad(pictures, self._padding, mode=mode))
        return torch.nn.functional.pad(self.inputs.integers(pictures), self._padding, value=float(self.inputs.zero))

    def _convolved(self, pictures: Any) -> Any:
        padded = self._padded(pictures)
        extents = [
            (size - dilation * (kernel - 1) - 1) // stride + 1
            for size, kernel, stride, dilation in zip(
                padded.shape[2:], self._shape[2:], self._stride, self._dilation, strict=True
            )
        ]
        if self._in_integers and self._recorded is None:
            kernels = torch.as_tensor(
                np.concatenate([self._kernels(group) for group in self.groups]), dtype=torch.float64
            )
            products = torch.nn.functional.conv2d(
                padded, kernels, stride=self._stride, dilation=self._dilation, groups=len(self.groups)
            ).permute(0, 2, 3, 1)
        else:
            unfolded = torch.nn.functional.unfold(
                padded, self._shape[2:], dilation=self._dilation, stride=self._stride
            )  # (picture, group and line, position)
            vectors = unfolded.transpose(1, 2).reshape(-1, len(self.groups), len(self._order))[:, :, self._order]
            products = self._products(vectors.reshape(len(vectors), -1))
        outputs = self._outputs(products.reshape(len(pictures), *extents, -1))
        return outputs.permute(0, 3, 1, 2)

    def _kernels(self, group: Group) -> FloatArray:
        kernels = np.empty((len(group.columns), len(group.rows)))
        kernels[:, self._order.numpy()] = group.weights.T
        return kernels.reshape(-1, *self._shape[1:])

    def _products(self, vectors: Any) -> Any:
        if self._recorded is not None:
            self._recorded.append(vectors.numpy().astype(int))
        if self._in_integers:
            parts = vectors.reshape(len(vectors), len(self.groups), -1)
            found = [
                parts[:, number] @ torch.as_tensor(group.weights, dtype=torch.float64)
                for number, group in enumerate(self.groups)
            ]
            return torch.cat(found, dim=1)
        return torch.as_tensor(self.products(vectors.numpy().astype(int)))

    def _outputs(self, products: Any) -> Any:
        if self.inputs.zero:
            sums = np.concatenate([group.weights.sum(axis=0) for group in self.groups])
            products = products - self.inputs.zero * torch.as_tensor(sums)
        return products * self.scale + self.bias


def _pair(values: Sequence[int]) -> tuple[int, int]:
    return (1, int(values[0])) if len(values) == 1 else (int(values[0]), int(values[1]))
