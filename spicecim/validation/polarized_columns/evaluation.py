"""Networks on crossbars that are not ideal, in the reference engine."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spicecim.encodings.bit_sliced import BitSliced
from spicecim.networks import layers_of
from spicecim.networks.loops import correct
from spicecim.validation.polarized_columns.crossbars import evenly_drawn
from spicecim.validation.polarized_columns.networks import Trained

_VECTORS = 200
"""Vectors that a layer's products are compared for."""


class Evaluation(NamedTuple):
    """A network on crossbars."""

    right: NDArray[np.bool_]
    """Whether each image is classified right (image,)."""
    product_error: float
    """Root mean square error of a layer's products over their root mean square, averaged over the layers, for the
    inputs that each layer gets from ideal ones before it."""
    clipped: float
    """Share of the conversions that were clipped, with the inputs that the layers get from one another."""

    @property
    def accuracy(self) -> float:
        """Share of the images that are classified right."""
        return float(self.right.mean())


def evaluate(trained: Trained, scheme: BitSliced, fragment: int, images: int) -> Evaluation:
    """Classify the first test images with the network of a scheme that was trained for fragments of so many rows."""
    found = trained.on_crossbars(scheme, fragment)
    errors, layers = [], layers_of(found).values()
    for layer, data in zip(layers, trained.layers(scheme.name, fragment, images), strict=True):
        few = evenly_drawn(data.inputs, _VECTORS)
        exact = layer.products(few, exact=True)
        errors.append(float(np.sqrt(np.square(layer.products(few) - exact).sum() / np.square(exact).sum())))
        layer.conversions = layer.clipped = 0
    right = correct(found, trained.first(images), trained.data.test_labels[:images])
    conversions = sum(layer.conversions for layer in layers)
    return Evaluation(right, float(np.mean(errors)), sum(layer.clipped for layer in layers) / conversions)
