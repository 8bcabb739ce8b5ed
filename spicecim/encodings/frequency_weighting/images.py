"""Whole images convolved by what the readouts make of each pixel and weight.

A read starts from a written state, so that the product of a pixel and a weight depends on nothing else. Every distinct
product is simulated once (`product_table`); an image is a look into the table for each pixel and weight, and a sum.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spicecim.encodings.frequency_weighting.amplitude import PIXEL_MAX, ProductTable
from spicecim.encodings.integers import IntArray, check_integers
from spicecim.errors import InputError
from spicecim.fields import FloatArray

Number = TypeVar("Number", np.int_, np.float64)

WEIGHT_MAX = 255
"""Largest magnitude of an 8-bit weight."""

_RANDOM_SEED = 1904


def kernels() -> dict[str, IntArray]:
    """Return signed 8-bit kernels (row, column) by name, the largest weight of each at full scale.

    Sobel's two directions, a Gaussian and a sharpening kernel, both also of 5 x 5, and uniform random weights.
    """
    binomial3, binomial5 = np.array([1, 2, 1]), np.array([1, 4, 6, 4, 1])
    gaussian5 = np.outer(binomial5, binomial5)
    center5 = np.zeros((5, 5))
    center5[2, 2] = 2 * gaussian5.sum()
    random = np.random.default_rng(_RANDOM_SEED)
    return {
        "Sobel x": eight_bit(np.outer(binomial3, [-1, 0, 1])),
        "Sobel y": eight_bit(np.outer([-1, 0, 1], binomial3)),
        "Gaussian 3 x 3": eight_bit(np.outer(binomial3, binomial3)),
        "sharpening 3 x 3": eight_bit(np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]])),
        "random 3 x 3": random.integers(-WEIGHT_MAX, WEIGHT_MAX, (3, 3), endpoint=True),
        "Gaussian 5 x 5": eight_bit(gaussian5),
        "sharpening 5 x 5": eight_bit(center5 - gaussian5),
        "random 5 x 5": random.integers(-WEIGHT_MAX, WEIGHT_MAX, (5, 5), endpoint=True),
    }


def eight_bit(kernel: ArrayLike) -> IntArray:
    """Round a kernel to integers of which the largest magnitude is `WEIGHT_MAX`."""
    values = np.asarray(kernel, dtype=float)
    return np.asarray(np.round(WEIGHT_MAX * values / np.abs(values).max()), dtype=int)


def convolve(table: ProductTable, image: ArrayLike, kernel: ArrayLike) -> FloatArray:
    """Convolve an 8-bit image by a signed kernel, each product as the readout gives it.

    As layers of neural networks do it: the kernel is not turned round, and where it would reach beyond the image there
    is no output. Weights of either sign are passes of their own; a weight of 0 is not read.

    Parameters
    ----------
    table
        Every pixel with every level; the levels bound the kernel's magnitudes.
    image
        Pixels (row, column), 0 to 255.
    kernel
        Weights (row, column).

    Returns
    -------
    numpy.ndarray
        Sums of products (row, column) in pixels times levels.
    """
    return _gathered(table.product, *_checked(image, kernel, table.product.shape[1] - 1))


def exact_convolution(image: ArrayLike, kernel: ArrayLike) -> IntArray:
    """Convolve as `convolve` does, in integers (row, column)."""
    pixels, weights = _checked(image, kernel, WEIGHT_MAX)
    products = np.outer(np.arange(PIXEL_MAX + 1), np.arange(WEIGHT_MAX + 1))
    return _gathered(products, pixels, weights)


def peak_signal_to_noise(found: ArrayLike, exact: ArrayLike) -> float:
    """Peak signal-to-noise ratio (dB): the span of the exact outputs over the root mean square error.

    The span is that of the very outputs, not what the kernel could give at most, which would flatter signed kernels.
    """
    wanted = np.asarray(exact, dtype=float)
    error = float(np.sqrt(np.mean((np.asarray(found, dtype=float) - wanted) ** 2)))
    span = float(np.ptp(wanted))
    if span == 0.0:
        raise InputError("exact: all outputs are the same; their ratio to an error means nothing")
    return float("inf") if error == 0.0 else 20.0 * float(np.log10(span / error))


def _checked(image: ArrayLike, kernel: ArrayLike, highest: int) -> tuple[IntArray, IntArray]:
    pixels = check_integers(image, "image", 0, PIXEL_MAX)
    weights = check_integers(kernel, "kernel", -highest, highest)
    if any(small > large for small, large in zip(weights.shape, pixels.shape, strict=True)):
        raise InputError(f"kernel: of shape {weights.shape} is larger than the image of shape {pixels.shape}")
    return pixels, weights


def _gathered(products: NDArray[Number], pixels: IntArray, weights: IntArray) -> NDArray[Number]:
    """Sum the products (pixel, level) that an image and a kernel meet, at each place of the kernel."""
    height, width = (large - small + 1 for large, small in zip(pixels.shape, weights.shape, strict=True))
    total = np.zeros((height, width), dtype=products.dtype)
    for (row, column), weight in np.ndenumerate(weights):
        if weight:
            column_of_table = np.ascontiguousarray(products[:, abs(weight)]) * np.sign(weight)
            total += column_of_table[pixels[row : row + height, column : column + width]]
    return total
