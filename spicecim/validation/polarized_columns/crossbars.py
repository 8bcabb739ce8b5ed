"""Networks and layers on crossbars, in either engine."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from spicecim.encodings.bit_sliced import BitSliced, DualCrossbar, Offset, Polarized, ProgrammedSlices
from spicecim.encodings.integers import IntArray
from spicecim.engines import simulate
from spicecim.fields import FloatArray
from spicecim.measure import delivered_energy
from spicecim.training.digits import Digits
from spicecim.training.quantize import IntegerNetwork

ENCODINGS: dict[str, type[BitSliced]] = {scheme.name: scheme for scheme in (Polarized, DualCrossbar, Offset)}

_VECTORS = 200
"""Vectors that a layer's products are compared for."""

TITLES = {"polarized": "polarized", "dual_crossbar": "two crossbars", "offset": "offset"}


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


def evaluate(network: IntegerNetwork, scheme: BitSliced, digits: Digits, images: int) -> Evaluation:
    """Classify the first test images on crossbars in the reference engine."""
    pixels, labels = digits.test_images[:images], digits.test_labels[:images]
    layers = [scheme.for_layer(number).program(weights) for number, weights in enumerate(network.weights)]
    errors = []
    for layer, inputs in zip(layers, network.inputs(pixels), strict=True):
        few = evenly_drawn(inputs, _VECTORS)
        exact = few @ layer.weights
        errors.append(float(np.sqrt(np.square(layer.multiply(few).products - exact).sum() / np.square(exact).sum())))
    clipped = conversions = 0

    def product(number: int, inputs: IntArray, weights: IntArray) -> FloatArray:
        nonlocal clipped, conversions
        readout = layers[number].multiply(inputs)
        clipped += readout.clipped
        conversions += readout.conversions
        return readout.products

    right = network.outputs(pixels, product).argmax(axis=1) == labels
    return Evaluation(right, float(np.mean(errors)), clipped / conversions)


def evenly_drawn(inputs: IntArray, count: int) -> IntArray:
    """Return up to `count` vectors, evenly spaced over all."""
    return inputs[:: max(1, len(inputs) // count)][:count]


class SpiceRun(NamedTuple):
    """A layer read in ngspice."""

    programmed: ProgrammedSlices
    inputs: IntArray
    waveforms: list[xr.Dataset]

    @property
    def energy(self) -> float:
        """Energy that the row drivers of all crossbars deliver (J)."""
        return sum(float(delivered_energy(run).sum()) for run in self.waveforms)


def run_in_ngspice(scheme: BitSliced, weights: ArrayLike, inputs: ArrayLike) -> SpiceRun:
    """Read a layer's weights (input line, output) with inputs (vector, input line) in ngspice."""
    programmed = scheme.program(weights)
    benches = programmed.testbenches(inputs)
    return SpiceRun(programmed, np.asarray(inputs), [simulate(bench, estimate=False) for bench in benches])
