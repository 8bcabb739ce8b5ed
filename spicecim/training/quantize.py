"""Networks in integers, as crossbars get them: weights of few bits, and inputs of few bits and no sign."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spicecim.encodings.integers import check_integer
from spicecim.encodings.weight_scales import best_scale
from spicecim.encodings.weight_sets import WeightSet
from spicecim.errors import InputError
from spicecim.fields import FloatArray
from spicecim.training.networks import Network

IntArray = NDArray[np.int_]

IntegerProduct = Callable[[int, IntArray, IntArray], ArrayLike]
"""What multiplies integers: number of the layer, inputs (vector, row), weights (row, column) to (vector, column)."""

_MOST_BITS = 16


@dataclass(frozen=True)
class IntegerNetwork:
    """A network whose products are of integers.

    Attributes
    ----------
    network
        The network with weights that are the integers times the scale of their layer.
    weights
        Integers of each layer (row, column).
    weight_scales, input_scales
        What 1 stands for in the weights and in the inputs of each layer.
    input_bits
        Inputs are integers from 0 to ``2**input_bits - 1``; what is larger is clipped.
    """

    network: Network
    weights: tuple[IntArray, ...]
    weight_scales: tuple[float, ...]
    input_scales: tuple[float, ...]
    input_bits: int

    def outputs(self, images: ArrayLike, product: IntegerProduct | None = None) -> FloatArray:
        """Return the score of each class (image, class) for images (image, height, width) of pixels from 0 to 16.

        `product` multiplies in place of numpy; what it returns need not be integers.
        """

        def multiply(number: int, inputs: FloatArray, weights: FloatArray) -> FloatArray:
            integers = self._integers(number, inputs)
            if product is None:
                # by way of floats, which numpy multiplies faster than integers and as exactly below 2^53
                products = integers.astype(float) @ self.weights[number].astype(float)
            else:
                products = np.asarray(product(number, integers, self.weights[number]), dtype=float)
            return np.asarray(products * (self.input_scales[number] * self.weight_scales[number]))

        return self.network.outputs(images, multiply)

    def accuracy(self, images: ArrayLike, labels: ArrayLike, product: IntegerProduct | None = None) -> float:
        """Share of the images (image, height, width) whose largest output is that of their label (image,)."""
        return float(np.mean(self.outputs(images, product).argmax(axis=1) == np.asarray(labels)))

    def inputs(self, images: ArrayLike) -> tuple[IntArray, ...]:
        """Return the integers (vector, row) that each layer gets for images (image, height, width)."""
        seen: list[IntArray] = []

        def record(number: int, inputs: IntArray, weights: IntArray) -> FloatArray:
            seen.append(inputs)
            return np.asarray(inputs.astype(float) @ weights)

        self.outputs(images, record)
        return tuple(seen)

    def _integers(self, number: int, inputs: FloatArray) -> IntArray:
        largest = 2**self.input_bits - 1
        return np.clip(np.round(inputs / self.input_scales[number]), 0, largest).astype(int)


def integer_network(
    network: Network,
    calibration_images: ArrayLike,
    levels: int = 127,
    weight_scales: Sequence[float] | None = None,
    input_bits: int = 8,
) -> IntegerNetwork:
    """Round the weights of a trained network to integers, and fix the range of each layer's inputs.

    Parameters
    ----------
    network
        A trained network.
    calibration_images
        Pixels (image, height, width) from 0 to 16; the largest input of a layer for any of them becomes the largest
        integer. Take images to train with.
    levels
        Largest magnitude of the integers: 127 for eight bits with a sign.
    weight_scales
        Scale of each layer; where left out, those that leave the least squared error.
    input_bits
        Bits of an input, from 1 to 16.

    Raises
    ------
    InputError
        If a number is out of range, or a layer's weights or inputs are all zero.
    """
    check_integer(input_bits, "input_bits", 1, _MOST_BITS)
    matrices = network.matrices
    scales = [best_scale(matrix, levels) for matrix in matrices] if weight_scales is None else list(weight_scales)
    if len(scales) != len(matrices):
        raise InputError(f"weight_scales: must be one for each of the {len(matrices)} layers, not {len(scales)}")
    rounded = [
        WeightSet(levels=levels, scale=scale).project(matrix) for matrix, scale in zip(matrices, scales, strict=True)
    ]
    quantized = network.with_matrices(rounded)
    ranges = _input_ranges(quantized, calibration_images)
    return IntegerNetwork(
        network=quantized,
        weights=tuple(np.round(m / s).astype(int) for m, s in zip(rounded, scales, strict=True)),
        weight_scales=tuple(scales),
        input_scales=tuple(largest / (2**input_bits - 1) for largest in ranges),
        input_bits=input_bits,
    )


def _input_ranges(network: Network, images: ArrayLike) -> list[float]:
    ranges: list[float] = []

    def record(number: int, inputs: FloatArray, weights: FloatArray) -> FloatArray:
        ranges.append(float(inputs.max()))
        return np.asarray(inputs @ weights)

    network.outputs(images, record)
    if min(ranges) == 0.0:
        raise InputError(f"calibration_images: layer {ranges.index(0.0)} gets nothing but zeros from them")
    return ranges
