"""What the layers of a network on crossbars get for images."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from spicecim.encodings import IdealArithmetic
from spicecim.encodings.integers import IntArray
from spicecim.fields import FloatArray
from spicecim.networks import crossbars, layers_of, record_inputs
from spicecim.validation.polarized_columns.crossbars import evenly_drawn

_VECTORS = 1000


class Activations(NamedTuple):
    """What a layer gets."""

    values: FloatArray
    """Inputs (vector, row)."""
    shifted: IntArray
    """The same as integers of 16 bits from 0 on, as its crossbars get them: inputs of both signs have a zero point."""


def layer_activations(model: Any, images: Any) -> list[Activations]:
    """Return what the layers of a network get for images, without the rows that its weights do not read."""
    found = crossbars(model, IdealArithmetic(bits=12, input_bits=16), [images])
    layers = []
    for name, vectors in record_inputs(found, images).items():
        layer = layers_of(found)[name]
        own = evenly_drawn(layer.group_inputs(0, vectors), _VECTORS)
        layers.append(Activations(np.asarray((own - layer.inputs.zero) * layer.inputs.scale, dtype=float), own))
    return layers
