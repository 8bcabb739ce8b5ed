"""Small networks for the digits, evaluated in numpy as the matrix products that crossbars stand in for."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike

from spicecim.encodings.integers import check_integer
from spicecim.encodings.layout import Policy, roll, row_order, unroll
from spicecim.errors import InputError
from spicecim.fields import FloatArray
from spicecim.training.digits import LARGEST_PIXEL

Kind = Literal["convolutional", "perceptron"]

Product = Callable[[int, FloatArray, FloatArray], FloatArray]
"""What multiplies: number of the layer, inputs (vector, row) and weights (row, column) to products (vector, column)."""


@dataclass(frozen=True)
class Layer:
    """Weights of a layer with what follows their products.

    Attributes
    ----------
    weights
        (output, input) of a dense layer, or (output, channel, height, width) of a convolution with stride 1 and without
        padding.
    bias
        What is added to each output (output,).
    pool
        Edge of the squares of which a convolution passes on the largest value; 1 for all values.
    """

    weights: FloatArray
    bias: FloatArray
    pool: int = 1

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of what the layer passes on of an input of a shape: (channel, height, width) or (line,).

        Raises
        ------
        InputError
            If an input of that shape does not fit, or squares of the pooling's edge do not cover the outputs.
        """
        outputs, *kernel = self.weights.shape
        if len(kernel) == 1 and self.pool == 1 and math.prod(shape) == kernel[0]:
            return (outputs,)
        if len(kernel) != 3 or len(shape) != 3 or kernel[0] != shape[0] or kernel[1] > shape[1] or kernel[2] > shape[2]:
            pooled = f", pooled by {self.pool}" if self.pool != 1 else ""
            raise InputError(f"layers: weights of shape {self.weights.shape}{pooled} do not fit an input of {shape}")
        height, width = shape[1] - kernel[1] + 1, shape[2] - kernel[2] + 1
        if self.pool < 1 or height % self.pool or width % self.pool:
            raise InputError(f"layers: squares of {self.pool} x {self.pool} do not cover a map of {height} x {width}")
        return outputs, height // self.pool, width // self.pool


@dataclass(frozen=True)
class Network:
    """Layers one after the other, rectified in between: what a layer gets is never negative.

    Attributes
    ----------
    layers
        The layers; once one is dense, so are all that follow.
    policy
        The order of a convolution's input lines along the rows of its matrix.
    """

    layers: tuple[Layer, ...]
    policy: Policy = "channel"

    @property
    def matrices(self) -> tuple[FloatArray, ...]:
        """The weights of each layer as a matrix (row, column)."""
        return tuple(unroll(layer.weights, self.policy) for layer in self.layers)

    def with_matrices(self, matrices: Sequence[ArrayLike]) -> Network:
        """Return the network with other weights, given as matrices (row, column) of the same shapes."""
        if len(matrices) != len(self.layers):
            raise InputError(f"matrices: must be one for each of the {len(self.layers)} layers, not {len(matrices)}")
        layers = [
            replace(layer, weights=roll(matrix, layer.weights.shape, self.policy))
            for layer, matrix in zip(self.layers, matrices, strict=True)
        ]
        return replace(self, layers=tuple(layers))

    def outputs(self, images: ArrayLike, product: Product | None = None) -> FloatArray:
        """Return the score of each class (image, class), the largest of which is the network's answer.

        Parameters
        ----------
        images
            Pixels (image, height, width) from 0 to 16.
        product
            What multiplies in place of numpy, such as crossbars.
        """
        values = scaled_images(images)[:, None]
        shape = values.shape[1:]
        for layer in self.layers:
            shape = layer.output_shape(shape)
        multiply = product or (lambda number, inputs, weights: inputs @ weights)
        for number, (layer, matrix) in enumerate(zip(self.layers, self.matrices, strict=True)):
            vectors, moved = _vectors(values if number == 0 else np.maximum(values, 0.0), layer, self.policy)
            products = multiply(number, vectors, matrix)
            if np.shape(products) != (len(vectors), matrix.shape[1]):
                raise InputError(
                    f"product: must return products (vector, column) of shape {(len(vectors), matrix.shape[1])} for "
                    f"layer {number}, not {np.shape(products)}"
                )
            values = np.moveaxis((products + layer.bias).reshape(moved), -1, 1)
            if layer.pool > 1:
                values = _pooled(values, layer.pool)
        return values

    def accuracy(self, images: ArrayLike, labels: ArrayLike, product: Product | None = None) -> float:
        """Share of the images (image, height, width) whose largest output is that of their label (image,)."""
        return float(np.mean(self.outputs(images, product).argmax(axis=1) == np.asarray(labels)))


def initial_network(kind: Kind, seed: int, policy: Policy = "channel") -> Network:
    """Return an untrained network for the digits.

    ``convolutional``: 8 and 16 filters of 3 x 3, pooled by 2, and a dense layer from 64 to 10; ``perceptron``: dense
    layers from 64 to 32 and to 10. The weights are normal with the variance 2 / inputs, so that the values keep their
    size through rectified layers (K. He et al., ICCV 2015, doi:10.1109/ICCV.2015.123).
    """
    if kind not in get_args(Kind):
        raise InputError(f"kind: must be one of {', '.join(get_args(Kind))} (given: {kind!r})")
    check_integer(seed, "seed", 0)
    shapes: list[tuple[int, ...]] = [(32, 64), (10, 32)]
    pools = [1, 1]
    if kind == "convolutional":
        shapes, pools = [(8, 1, 3, 3), (16, 8, 3, 3), (10, 64)], [1, 2, 1]
    random = np.random.default_rng(seed)
    layers = [
        Layer(random.normal(scale=np.sqrt(2.0 / np.prod(shape[1:])), size=shape), np.zeros(shape[0]), pool)
        for shape, pool in zip(shapes, pools, strict=True)
    ]
    return Network(tuple(layers), policy)


def scaled_images(images: ArrayLike) -> FloatArray:
    """Return pixels (image, height, width) from 0 to 16 as values from 0 to 1."""
    pixels = np.asarray(images, dtype=float)
    if pixels.ndim != 3 or not pixels.size or not ((pixels >= 0) & (pixels <= LARGEST_PIXEL)).all():
        raise InputError(
            f"images: must be pixels (image, height, width) from 0 to {LARGEST_PIXEL}; their shape is {pixels.shape}"
        )
    return pixels / LARGEST_PIXEL


def _vectors(values: FloatArray, layer: Layer, policy: Policy) -> tuple[FloatArray, tuple[int, ...]]:
    """Inputs (vector, row) of a layer, and the shape of its outputs with the channels last."""
    outputs, *kernel = layer.weights.shape
    if len(kernel) == 1:
        vectors = values.reshape(len(values), -1)
        shape: tuple[int, ...] = (len(values), outputs)
    else:
        windows = sliding_window_view(values, kernel[1:], axis=(2, 3)).transpose(0, 2, 3, 1, 4, 5)
        shape = (*windows.shape[:3], outputs)
        vectors = windows.reshape(np.prod(shape[:3]), -1)
    return vectors[:, row_order(layer.weights.shape, policy)], shape


def _pooled(values: FloatArray, edge: int) -> FloatArray:
    corners = [values[:, :, row::edge, column::edge] for row, column in itertools.product(range(edge), repeat=2)]
    return np.asarray(np.max(corners, axis=0))
