"""LeNet-5 on MNIST on its way to crossbars: pruned, polarized and quantized, in the order of FORMS."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from spicecim.encodings.bit_sliced import Polarized
from spicecim.encodings.layout import mixed_fragments
from spicecim.encodings.weight_sets import Compacted, WeightSet, left_whole
from spicecim.fields import FloatArray
from spicecim.networks import (
    Batches,
    accuracy,
    constrain,
    crossbars,
    in_integers,
    lenet5,
    mnist,
    train,
    train_towards,
)
from spicecim.networks.pytorch import torch
from spicecim.validation.polarized_columns.activations import Activations, layer_activations
from spicecim.validation.polarized_columns.extent import FRAGMENT, WHOLE, Extent
from spicecim.validation.polarized_columns.networks import draw, held_layers, matrices

ROWS = (4, 8, 16)
"""Rows of a fragment that FORMS gives accuracies for."""
STAGES = ("float", "pruned", "polarized", "quantized")
OUTPUTS = 32
"""Outputs whose weights of 8 bits the 128 columns of a crossbar hold in cells of 2 bits."""

_SHARE = 0.25
"""Share of the rows and of the columns of a layer that is kept, rounded up to whole crossbars."""

Left = dict[str, Compacted]
"""Which rows and columns of each layer are left."""


@dataclass(frozen=True)
class LeNets:
    """What was trained.

    Attributes
    ----------
    accuracy
        ``accuracy`` (seed, rows, stage) on the test images; of quantized networks on ideal crossbars with inputs of 8
        bits, that is, in the integers that these compute.
    mixed
        ``mixed`` (rows, stage): fragments with weights of both signs in the networks of the first seed.
    residuals
        ``primal_residual`` and ``dual_residual`` (stage, update, layer) of the first seed, fragments of 8 rows.
    left
        Weights (row, column) of each layer without rows and columns of zeros, by the rows of a fragment: of the
        quantized networks of the first seed.
    activations
        What the layers of that with fragments of 8 rows get for test images.
    off_integers
        Outputs for test images on crossbars that are not those of integers, and how many were compared.
    """

    accuracy: xr.Dataset
    mixed: xr.Dataset
    residuals: xr.Dataset
    left: dict[int, dict[str, FloatArray]]
    activations: list[Activations]
    off_integers: tuple[int, int]


@dataclass(frozen=True)
class FewestCrossbars:
    """Matrices of so many columns that are not zero, and of so many such rows: what is zero needs no crossbar."""

    rows: int
    columns: int

    def fitted(self, weights: ArrayLike) -> FewestCrossbars:
        """Return the set: nothing is open."""
        return self

    def project(self, weights: ArrayLike) -> FloatArray:
        """Keep the columns of the largest norm, and the rows of the largest norm in them."""
        return WeightSet(keep_rows=self.rows).project(WeightSet(keep_columns=self.columns).project(weights))

    def bounds(self, projected: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return bounds that keep the rows and columns of zeros."""
        matrix = np.asarray(projected, dtype=float)
        largest = np.where(matrix.any(axis=1, keepdims=True) & matrix.any(axis=0), np.inf, 0.0)
        return -largest, largest


def train_lenets(extent: Extent) -> LeNets:
    """Train LeNet-5 of all seeds, each with a split and initial weights of its own, through all stages."""
    found = np.empty((extent.lenet_seeds, len(ROWS), len(STAGES)))
    first = None
    for seed in range(extent.lenet_seeds):
        one = _Way(extent, seed)
        for number, rows in enumerate(ROWS):
            found[seed, number] = one.accuracies(rows)
        first = first or one
    assert first is not None
    places = {"rows": list(ROWS), "stage": list(STAGES)}
    return LeNets(
        accuracy=xr.Dataset(
            {"accuracy": (("seed", "rows", "stage"), found)}, coords={"seed": np.arange(len(found)), **places}
        ),
        mixed=xr.Dataset({"mixed": (("rows", "stage"), [first.mixed(rows) for rows in ROWS])}, coords=places),
        residuals=xr.concat(list(first.residuals.values()), dim="stage").assign_coords(stage=list(first.residuals)),
        left={rows: left_over(first.stages[rows][-1]) for rows in ROWS},
        activations=first.activations(),
        off_integers=first.off_integers(),
    )


class _Way:
    """One seed on its way through the stages.

    Parameters
    ----------
    extent
        Images, epochs and updates.
    seed
        Of the split, the initial weights and the order of the images.
    """

    def __init__(self, extent: Extent, seed: int) -> None:
        whole = mnist(seed)
        count = extent.lenet_images
        self.data = whole._replace(train_images=whole.train_images[:count], train_labels=whole.train_labels[:count])
        self.stages: dict[int, tuple[Any, ...]] = {}
        self.residuals: dict[str, xr.Dataset] = {}
        self._extent = extent
        self._batches = Batches(*self.data[:2], seed=seed)
        self._float = train(lenet5(seed), self._batches, extent.lenet_epochs, rate=2.0 * extent.lenet_rate)
        self._pruned, self._left = self._prune()

    def accuracies(self, rows: int) -> list[float]:
        """Polarize and quantize in fragments of so many rows, and return the accuracies of all stages."""
        polarized = self._drawn("polarized", self._pruned, WeightSet(fragment_size=rows, polarized=True), rows)
        quantized = self._drawn("quantized", polarized, Polarized(fragment=rows).constraint(), rows)
        self.stages[rows] = (self._float, self._pruned, polarized, quantized)
        tests = self.data[2:]
        return [
            *(accuracy(model, *tests) for model in self.stages[rows][:-1]),
            float((self._integers(rows).argmax(dim=1) == tests[1]).double().mean()),
        ]

    def mixed(self, rows: int) -> list[int]:
        """Count the fragments with weights of both signs after each stage, in the rows and columns that are left."""
        return [
            sum(
                int(mixed_fragments(matrix[np.ix_(self._left[name].rows, self._left[name].columns)], rows).sum())
                for name, matrix in matrices(model).items()
            )
            for model in self.stages[rows]
        ]

    def activations(self) -> list[Activations]:
        """Return what the layers get for test images."""
        return layer_activations(self.stages[FRAGMENT][-1], self._test_images)

    def off_integers(self) -> tuple[int, int]:
        """Compare what ideal crossbars of fragments of 8 rows give for test images with integers."""
        images = self._test_images
        with torch.no_grad():
            found, wanted = self._on_crossbars(FRAGMENT)(images), self._integers(FRAGMENT)[: len(images)]
        return int((found != wanted).sum()), found.numel()

    @property
    def _test_images(self) -> Any:
        """Images that are classified on crossbars."""
        return self.data.test_images[: self._extent.images]

    def _on_crossbars(self, rows: int) -> Any:
        return crossbars(self.stages[rows][-1], Polarized(fragment=rows), [self.data.train_images])

    def _integers(self, rows: int) -> Any:
        """Scores of the test images that ideal crossbars give (image, class), by PyTorch's own products."""
        return in_integers(self._on_crossbars(rows), self.data.test_images)

    def _prune(self) -> tuple[Any, Left]:
        """Prune to whole crossbars, and train on what is left."""
        model = copy.deepcopy(self._float)
        sets = {}
        for name, matrix in matrices(model).items():
            rows, columns = matrix.shape
            kept = columns if name == held_layers(model)[-1] else left_whole(columns, OUTPUTS, _SHARE)
            sets[name] = FewestCrossbars(left_whole(rows, WHOLE, _SHARE), kept)
        rate = self._extent.lenet_rate
        admm = train_towards(model, self._batches, sets, updates=self._extent.lenet_updates, rate=rate)
        self.residuals["pruned"] = admm.residuals
        held = {
            name: (np.asarray(matrix.any(axis=1)), np.asarray(matrix.any(axis=0)))
            for name, matrix in matrices(model).items()
        }
        # an output that is pruned is the same for all images, as a bias is: no row reads it
        for reader, read in (("fc2", "fc1"), ("fc3", "fc2")):
            held[reader] = (held[read][1], held[reader][1])
        left = {name: Compacted(*both, WeightSet()) for name, both in held.items()}
        constrain(model, left, keep=True)
        return train(model, self._batches, self._extent.lenet_within, rate=rate), left

    def _released(self, held: Any) -> Any:
        """Return a network of ordinary weights that are those held by another."""
        model = copy.deepcopy(self._float)
        with torch.no_grad():
            for name in held_layers(model):
                one, other = model.get_submodule(name), held.get_submodule(name)
                one.weight.copy_(other.weight)
                one.bias.copy_(other.bias)
        return model

    def _drawn(self, stage: str, start: Any, inner: WeightSet, rows: int) -> Any:
        model = self._released(start)
        sets = {name: Compacted(one.rows, one.columns, inner) for name, one in self._left.items()}
        admm = draw(
            model, self._batches, sets, updates=self._extent.lenet_updates, passes=1,
            epochs=self._extent.lenet_within, rate=self._extent.lenet_rate,
        )  # fmt: skip
        if rows == FRAGMENT:
            self.residuals[stage] = admm.residuals
        return model


def left_over(model: Any) -> dict[str, FloatArray]:
    """Weights (row, column) of each layer without rows and columns of zeros."""
    return {name: one[np.ix_(one.any(axis=1), one.any(axis=0))] for name, one in matrices(model).items()}
