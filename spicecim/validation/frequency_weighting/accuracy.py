"""Accuracy on handwritten digits: float, 8-bit and binarized weights, and frequency weights on devices that vary."""

from __future__ import annotations

import copy
import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike
from scipy.interpolate import CubicSpline, make_interp_spline

from spicecim.encodings import IdealArithmetic
from spicecim.encodings.base import Programmed, Readout
from spicecim.encodings.baselines import ExactProducts
from spicecim.encodings.frequency_weighting.amplitude import PIXEL_MAX, AmplitudeScheme, PixelDrive, pixel_drive
from spicecim.encodings.integers import IntArray
from spicecim.encodings.weight_sets import OneMagnitude
from spicecim.fields import FloatArray
from spicecim.networks import Batches, accuracy, constrain, crossbars, digits, layers_of, train
from spicecim.validation.digit_networks import train_float
from spicecim.validation.frequency_weighting.subjects import Subject, calibrated
from spicecim.validation.trials import run_trials

_RATES = 5
_FARTHEST = 3.5
"""Standard deviations of a device's speed up to which products are tabulated; what is beyond counts as there."""
PixelScheme = AmplitudeScheme | Literal["bit by bit"]
"""How a pixel becomes amplitudes; ``bit by bit``: a read for each of its bits at the largest amplitude, the products
added up digitally by what the bits stand for."""

_PIXELS = np.arange(0, PIXEL_MAX + 1, 5)
"""Pixels that are tabulated; between them products are taken as straight, which is off by 1e-4 of full scale (rms)."""


@dataclass(frozen=True)
class Variation:
    """How devices differ.

    Attributes
    ----------
    speed
        Standard deviation of the logarithm of the rate at which a state moves.
    conductance
        Standard deviation of the logarithm of the conductance, of all states of a device alike.
    """

    speed: float = 0.05
    conductance: float = 0.02


@dataclass(frozen=True)
class VaryingProducts:
    """Products of pixels and levels by devices of different speed.

    Parameters
    ----------
    subject, scheme
        The device, and how a pixel becomes an amplitude.
    levels
        Number of levels of a weight's magnitude.
    variation
        How the devices of a crossbar differ.
    """

    subject: Subject
    scheme: PixelScheme
    levels: int
    variation: Variation

    @cached_property
    def _logarithms(self) -> FloatArray:
        if self.variation.speed == 0.0:
            return np.zeros(1)
        return np.linspace(-_FARTHEST, _FARTHEST, _RATES) * self.variation.speed

    @cached_property
    def _offset(self) -> FloatArray:
        """What is subtracted digitally of each product (pixel,)."""
        return -self._drive.product(0.0, np.arange(PIXEL_MAX + 1))

    @cached_property
    def _drive(self) -> PixelDrive:
        scheme: AmplitudeScheme = "fixed" if self.scheme == "bit by bit" else self.scheme
        return pixel_drive(calibrated(self.subject, levels=self.levels), scheme)

    @cached_property
    def _tables(self) -> FloatArray:
        """Products before the subtraction (rate, pixel, level)."""
        drive = self._drive
        # bit by bit, every bit reads what the largest pixel reads, and the sum is in proportion to the pixel
        chosen = _PIXELS[[0, -1]] if self.scheme == "bit by bit" else _PIXELS
        pixel, level = chosen[:, None], np.arange(self.levels)
        amplitude, frequency = drive.tones(pixel, level)
        # a device that is faster by a factor behaves as one that is driven slower by it
        run = drive.calibration.responses(amplitude, frequency * np.exp(-self._logarithms)[:, None, None], level)
        products = drive.product(run.current(drive.calibration.readout), 0.0)
        return np.asarray(make_interp_spline(chosen, products, k=1, axis=1)(np.arange(PIXEL_MAX + 1)))

    def tabulate(self) -> None:
        """Make the tables now, for all processes that are forked later."""
        _ = self._tables

    def cells(self, weights: IntArray, random: np.random.Generator | None) -> FloatArray:
        """Signed products of every cell of a crossbar with every pixel (row, pixel, column), for weights (row, column).

        Cells are drawn anew with each call; without a generator, none differs. A weight of 0 is not read.
        """
        level = np.abs(weights)
        raw, gain = self._tables[len(self._logarithms) // 2][:, level], np.ones(weights.shape)
        if random is not None and self.variation.speed > 0.0:
            speed = random.normal(scale=self.variation.speed, size=weights.shape)
            raw = np.empty((PIXEL_MAX + 1, *weights.shape))
            bound = _FARTHEST * self.variation.speed
            for one in np.unique(level):
                cells = level == one
                spline = CubicSpline(self._logarithms, self._tables[:, :, one])
                raw[:, cells] = spline(np.clip(speed[cells], -bound, bound)).T
        if random is not None:
            gain = np.exp(random.normal(scale=self.variation.conductance, size=weights.shape))
        product = raw * gain - self._offset[:, None, None]
        # a dark pixel drives nothing
        product[0] = 0.0
        return np.ascontiguousarray(np.moveaxis(np.sign(weights) * product, 0, 1))


def multiply_cells(cells: FloatArray, inputs: IntArray) -> FloatArray:
    """Sum the products of inputs (vector, row) by cells (row, pixel, column) along the rows (vector, column)."""
    total = np.zeros((len(inputs), cells.shape[2]))
    for row, table in enumerate(cells):
        total += table[inputs[:, row]]
    return total


class _Tabulated(ExactProducts):
    """Weights whose products are those of cells (row, pixel, column)."""

    def __init__(self, exact: Programmed, cells: FloatArray) -> None:
        super().__init__(exact.scheme, exact.weights, exact.resources)
        self._cells = cells

    def multiply(self, inputs: ArrayLike) -> Readout:
        """Return what the cells make of pixels (vector, row)."""
        return Readout(multiply_cells(self._cells, self.check_inputs(inputs)))


def on_cells(model: Any, source: VaryingProducts, random: np.random.Generator | None) -> Any:
    """Return a network on exact crossbars with the products of cells in their place."""
    found = copy.deepcopy(model)
    for layer in layers_of(found).values():
        (group,) = layer.groups
        cells = source.cells(group.programmed.weights, random)
        layer.groups = (replace(group, programmed=_Tabulated(group.programmed, cells)),)
    return found


def digits_accuracy(
    cases: Sequence[tuple[Subject, PixelScheme]],
    seeds: Sequence[int],
    bits: Sequence[int] = (4, 6, 8),
    epochs: int = 80,
    variation: Variation | None = None,
    progress: Callable[[float], None] = lambda fraction: None,
) -> xr.Dataset:
    """Measure the accuracy of a small convolutional network, each seed with a split, a network and devices of its own.

    Parameters
    ----------
    cases
        Devices and amplitude schemes.
    seeds
        Seeds.
    bits
        Bits of frequency weights, the sign among them.
    epochs
        Of the float network, and again of the binarized one.
    variation
        How devices differ; by default by 5 % in speed and 2 % in conductance.

    Returns
    -------
    xarray.Dataset
        ``accuracy`` (arithmetic, seed) for ``float``, ``8 bit`` and ``binarized`` without devices; ``frequency`` (case,
        bits, varied, seed) without and with device variation.
    """
    wanted = variation or Variation()
    products = [[VaryingProducts(*case, 2 ** (bit - 1), wanted) for bit in bits] for case in cases]
    for source in itertools.chain(*products):
        source.tabulate()
    function = functools.partial(_one_seed, products=products, bits=bits, epochs=epochs)
    found = run_trials(function, {"seed": seeds}, progress)[["accuracy", "frequency"]]
    return (
        found.transpose(..., "seed")
        .assign_coords(
            arithmetic=["float", "8 bit", "binarized"],
            case=[f"{subject.title}, {scheme}" for subject, scheme in cases],
            bits=list(bits),
            varied=[False, True],
        )
        .assign_attrs(speed_variation=wanted.speed, conductance_variation=wanted.conductance)
    )


def _one_seed(
    seed: int, products: Sequence[Sequence[VaryingProducts]], bits: Sequence[int], epochs: int
) -> dict[str, xr.DataArray]:
    """Accuracies of the networks and devices of a seed: (arithmetic,) and (case, bits, varied)."""
    data = digits(seed)
    tests = data.test_images, data.test_labels
    network = train_float("convolutional", data, seed, epochs)
    quantized = {bit: crossbars(network, IdealArithmetic(bits=bit - 1), [data.train_images]) for bit in {8, *bits}}
    binarized = _binarized(network, Batches(*data[:2], seed=seed), epochs)
    frequency = np.empty((len(products), len(bits), 2))
    for at in np.ndindex(frequency.shape):
        random = np.random.default_rng([seed, *at]) if at[2] else None
        frequency[at] = accuracy(on_cells(quantized[bits[at[1]]], products[at[0]][at[1]], random), *tests)
    return {
        "accuracy": xr.DataArray(
            [accuracy(model, *tests) for model in (network, quantized[8], binarized)], dims="arithmetic"
        ),
        "frequency": xr.DataArray(frequency, dims=("case", "bits", "varied")),
    }


def _binarized(network: Any, batches: Batches, epochs: int) -> Any:
    """Train a network on with one bit per weight: its sign, times the mean magnitude of the weights of its output."""
    model = copy.deepcopy(network)
    constrain(model, dict.fromkeys(("conv1", "conv2", "fc"), OneMagnitude()))
    return train(model, batches, epochs)
