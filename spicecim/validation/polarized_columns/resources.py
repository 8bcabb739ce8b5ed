"""Crossbars and cells that the three encodings take for the same layers."""

from __future__ import annotations

from collections.abc import Sequence

from spicecim.encodings.base import Resources
from spicecim.validation.claims import Measured
from spicecim.validation.polarized_columns.extent import FRAGMENT
from spicecim.validation.polarized_columns.networks import Trained
from spicecim.validation.polarized_columns.schemes import ENCODINGS, TITLES

_WIDE = (576, 64)
"""Input lines and outputs of a 3 x 3 convolution from 64 to 64 channels, as in ResNet-18: more than one crossbar."""


def crossbars(trained: Trained) -> tuple[Measured, Measured]:
    """Count cells and crossbars of the trained network and of one wide layer."""
    layers = {
        "trained network": [layer.weights.shape for layer in trained.layers("polarized", FRAGMENT, 1)],
        f"layer of {_WIDE[0]} inputs and {_WIDE[1]} outputs": [_WIDE],
    }
    measured: Measured = {}
    details: Measured = {}
    for title, shapes in layers.items():
        found = {name: [ENCODINGS[name]().resources(*shape) for shape in shapes] for name in ENCODINGS}
        for quantity in ("cells", "crossbars"):
            counts = {name: _total(parts, quantity) for name, parts in found.items()}
            measured[f"{title}: {quantity}"] = counts["dual_crossbar"] / counts["polarized"]
            details |= {f"{title}: {quantity}, {TITLES[name]}": count for name, count in counts.items()}
        details |= {
            f"{title}: signs kept, polarized (bit)": _total(found["polarized"], "sign_bits"),
            f"{title}: counts of ones times 128 subtracted for one vector, offset": _total(
                found["offset"], "bias_subtractions"
            ),
            f"{title}: conversions for one vector, two crossbars over polarized": _total(
                found["dual_crossbar"], "conversions"
            )
            / _total(found["polarized"], "conversions"),
        }
    return measured, details


def _total(parts: Sequence[Resources], quantity: str) -> int:
    return sum(int(getattr(part, quantity)) for part in parts)
