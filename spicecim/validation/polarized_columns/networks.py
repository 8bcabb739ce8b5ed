"""Networks for the digits, trained for each encoding: what is put on the crossbars and disturbed."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from spicecim.encodings.bit_sliced import BitSliced, Polarized
from spicecim.encodings.integers import IntArray
from spicecim.encodings.weight_sets import Constraint
from spicecim.fields import FloatArray
from spicecim.networks import (
    Admm,
    Batches,
    Images,
    constrain,
    crossbars,
    digits,
    layers_of,
    record_inputs,
    train,
    train_towards,
)
from spicecim.networks.matrices import is_held, matrix_of
from spicecim.validation.digit_networks import Kind, train_float
from spicecim.validation.polarized_columns.schemes import ENCODINGS


class LayerData(NamedTuple):
    """A layer of a network in integers."""

    weights: IntArray
    """Integers (row, column)."""
    inputs: IntArray
    """What the layer gets (vector, row)."""


class Trained:
    """Networks of one kind for the digits: one without restrictions, and one polarized for each size of fragments.

    `layers` gives the `LayerData` of each layer for the name of an encoding, a size of fragments, and a number of test
    images.

    Parameters
    ----------
    data
        The images.
    unrestricted
        The network that either baseline holds in 8 bits: from -255 to 255 on two crossbars, from -127 to 127 with an
        offset.
    polarized
        Networks of polarized weights of 8 bits by the rows of a fragment.
    """

    def __init__(self, data: Images, unrestricted: Any, polarized: Mapping[int, Any]) -> None:
        self.data, self.unrestricted, self.polarized = data, unrestricted, dict(polarized)
        # held on their levels here, so that their scales are not looked for with every crossbar that is drawn
        self._baselines = {
            name: constrain(copy.deepcopy(unrestricted), dict.fromkeys(held_layers(unrestricted), one().constraint()))
            for name, one in ENCODINGS.items()
            if name != Polarized.name
        }
        self.layers = cache(self._layers)

    def on_crossbars(self, scheme: BitSliced, fragment: int) -> Any:
        """Return the network of a scheme, polarized ones for fragments of so many rows, on its crossbars."""
        model = self._baselines.get(scheme.name, self.polarized[fragment])
        return crossbars(model, scheme, [self.data.train_images])

    def _layers(self, encoding: str, fragment: int, images: int) -> tuple[LayerData, ...]:
        """Weights of the network of an encoding, and inputs by the first test images, all as integers."""
        return layer_data(self.on_crossbars(ENCODINGS[encoding](fragment=fragment), fragment), self.first(images))

    def first(self, images: int) -> Any:
        """Return the first test images."""
        return self.data.test_images[:images]


def layer_data(on_crossbars: Any, images: Any) -> tuple[LayerData, ...]:
    """Weights of each layer on crossbars, and what it gets for some images."""
    seen = record_inputs(on_crossbars, images)
    return tuple(LayerData(layer.groups[0].weights, seen[name]) for name, layer in layers_of(on_crossbars).items())


def train_networks(kind: Kind, sizes: Sequence[int], progress: Callable[[float], None]) -> Trained:
    """Train a network for the digits, and draw it to polarized weights for each size of fragments."""
    data = digits(0)
    unrestricted = train_float(kind, data, 0)
    polarized = {}
    for number, size in enumerate(sizes):
        polarized[size] = copy.deepcopy(unrestricted)
        constraints = dict.fromkeys(held_layers(unrestricted), Polarized(fragment=size).constraint())
        batches = Batches(data.train_images, data.train_labels, seed=0)
        draw(polarized[size], batches, constraints, updates=20, passes=2, epochs=20, rate=3e-3)
        progress((number + 1) / len(sizes))
    return Trained(data, unrestricted, polarized)


def held_layers(model: Any) -> list[str]:
    """Names of the layers whose weights go on crossbars."""
    return [name for name, module in model.named_modules() if is_held(module)]


def matrices(model: Any) -> dict[str, FloatArray]:
    """Weights of the layers that go on crossbars (row, column), by their names."""
    return {name: matrix_of(model.get_submodule(name), "channel", name) for name in held_layers(model)}


def draw(
    model: Any, batches: Batches, constraints: Mapping[str, Constraint], *, updates: int, passes: int, epochs: int,
    rate: float,
) -> Admm:  # fmt: skip
    """Draw weights to their sets by ADMM, put them there, and train on within what the projection chose."""
    admm = train_towards(model, batches, constraints, updates=updates, epochs=passes, rate=rate)
    constrain(model, admm.constraints, keep=True)
    train(model, batches, epochs, rate=rate)
    return admm
