"""How many bits converters need, and what 4-bit ones cost."""

from __future__ import annotations

import numpy as np
import xarray as xr

from spicecim.encodings.bit_sliced import Polarized, lossless_bits
from spicecim.validation.claims import Measured
from spicecim.validation.intervals import mean_interval
from spicecim.validation.polarized_columns.crossbars import evenly_drawn
from spicecim.validation.polarized_columns.evaluation import evaluate
from spicecim.validation.polarized_columns.extent import FRAGMENT, WHOLE, Extent, rows_text
from spicecim.validation.polarized_columns.networks import Trained

_BITS = 4
_VECTORS = 200


def sum_shares(trained: Trained, images: int) -> xr.Dataset:
    """Count how often each sum of levels occurs in trained layers.

    Returns
    -------
    xarray.Dataset
        ``share`` (layer, level) of all reads of fragments of 8 rows of the polarized network, the same number of
        activations for each layer.
    """
    scheme = Polarized(fragment=FRAGMENT)
    shares = []
    for weights, inputs in trained.layers("polarized", FRAGMENT, images):
        few = evenly_drawn(inputs, _VECTORS)
        sums = np.concatenate([part.ravel() for part in scheme.program(weights).sums(few)])
        shares.append(np.bincount(np.rint(sums).astype(int), minlength=scheme.largest_sum + 1) / sums.size)
    return xr.Dataset(
        {"share": (("layer", "level"), np.array(shares), {"long_name": "share of reads"})},
        coords={"layer": np.arange(len(shares)), "level": np.arange(scheme.largest_sum + 1)},
    )


def few_bits(trained: Trained, extent: Extent, shares: xr.Dataset) -> tuple[Measured, Measured]:
    """Put 4-bit converters beside lossless ones."""
    details: Measured = {
        f"bits of a lossless converter, {rows_text(size)} of {bits}-bit cells": lossless_bits(size * (2**bits - 1))
        for size in (4, 8, 16, WHOLE)
        for bits in (1, 2)
    }
    top = 2**_BITS - 1
    beyond = float(shares["share"].sel(level=slice(top + 1, None)).sum("level").mean())
    details["largest sum in trained layers (levels)"] = int(shares["level"][(shares["share"] > 0).any("layer")].max())
    details[f"share of a layer's sums beyond {top} levels, mean over layers (%)"] = 100.0 * beyond
    ideal = evaluate(trained, Polarized(fragment=FRAGMENT), FRAGMENT, extent.images)
    measured: Measured = {}
    for title, converter in (
        (f"clipped at {top} levels", {"bits": _BITS, "range": float(top)}),
        ("stretched over 24 levels", {"bits": _BITS}),
    ):
        scheme = Polarized(fragment=FRAGMENT, converter=converter)
        found = evaluate(trained, scheme, FRAGMENT, extent.images)
        measured[title] = mean_interval(100.0 * (ideal.right.astype(float) - found.right))
        details[f"{title}: product error (%)"] = 100.0 * found.product_error
        details[f"{title}: share of all layers' conversions together that were clipped (%)"] = 100.0 * found.clipped
    return measured, details
