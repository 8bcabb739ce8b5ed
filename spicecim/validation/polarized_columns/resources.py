"""Crossbars and cells that the three encodings take for the same layers."""

from __future__ import annotations

from collections.abc import Sequence

from spicecim.encodings.bit_sliced import Resources
from spicecim.validation.claims import Claim, Measurement
from spicecim.validation.polarized_columns.crossbars import ENCODINGS, TITLES
from spicecim.validation.polarized_columns.extent import FRAGMENT
from spicecim.validation.polarized_columns.networks import Trained
from spicecim.validation.polarized_columns.sources import FORMS

_WIDE = (576, 64)
"""Input lines and outputs of a 3 x 3 convolution from 64 to 64 channels, as in ResNet-18: more than one crossbar."""


def resources_claim(trained: Trained) -> Claim:
    """Count cells and crossbars of the trained network and of one wide layer."""
    network = trained.networks["polarized", FRAGMENT]
    layers = {
        "trained network": [weights.shape for weights in network.weights],
        f"layer of {_WIDE[0]} inputs and {_WIDE[1]} outputs": [_WIDE],
    }
    measurements, halves, equal = [], True, True
    for title, shapes in layers.items():
        found = {name: [ENCODINGS[name]().resources(*shape) for shape in shapes] for name in ENCODINGS}
        for quantity in ("cells", "crossbars"):
            counts = {name: _total(parts, quantity) for name, parts in found.items()}
            halves &= 2 * counts["polarized"] == counts["dual_crossbar"]
            equal &= counts["polarized"] == counts["offset"]
            measurements += [
                Measurement(f"{title}: {quantity}, {TITLES[name]}", reference=count) for name, count in counts.items()
            ]
        measurements += [
            Measurement(f"{title}: signs kept, polarized", "bit", reference=_total(found["polarized"], "sign_bits")),
            Measurement(
                f"{title}: counts of ones times 128 subtracted for one vector, offset",
                reference=_total(found["offset"], "bias_subtractions"),
            ),
            Measurement(
                f"{title}: conversions for one vector, two crossbars over polarized",
                reference=_total(found["dual_crossbar"], "conversions") / _total(found["polarized"], "conversions"),
            ),
        ]
    return Claim(
        "Polarized columns need half the crossbars of two crossbars for positive and negative weights, and no circuits "
        "for an offset",
        FORMS,
        "cells that hold 8-bit weights, 2 bits per cell, and crossbars of 128 x 128 that they stand on",
        tuple(measurements),
        "holds" if halves and equal else "does not hold",
        "half of two crossbars and as many cells as an offset, exactly; besides, polarized columns keep a bit for each "
        "fragment and output, and an offset counts the ones of the inputs and subtracts 128 times as many from every "
        "output; the networks' cells count whether or not training has left zeros in them"
        if halves and equal
        else "the counts are not in these ratios",
    )


def _total(parts: Sequence[Resources], quantity: str) -> int:
    return sum(int(getattr(part, quantity)) for part in parts)
