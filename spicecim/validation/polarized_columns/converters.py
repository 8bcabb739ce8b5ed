"""How many bits converters need, and what 4-bit ones cost."""

from __future__ import annotations

import numpy as np
import xarray as xr

from spicecim.encodings.bit_sliced import Layer, Polarized, lossless_bits
from spicecim.validation.claims import Claim, Measurement, Verdict
from spicecim.validation.polarized_columns.crossbars import evaluate, evenly_drawn
from spicecim.validation.polarized_columns.extent import FRAGMENT, WHOLE, Extent
from spicecim.validation.polarized_columns.networks import Trained
from spicecim.validation.polarized_columns.sources import ARITHMETIC

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
    network = trained.networks["polarized", FRAGMENT]
    shares = []
    for weights, inputs in zip(network.weights, network.inputs(trained.digits.test_images[:images]), strict=True):
        few = evenly_drawn(inputs, _VECTORS)
        sums = np.concatenate([part.ravel() for part in Layer(scheme, weights).sums(few)])
        shares.append(np.bincount(np.rint(sums).astype(int), minlength=scheme.largest_sum + 1) / sums.size)
    return xr.Dataset(
        {"share": (("layer", "level"), np.array(shares), {"long_name": "share of reads"})},
        coords={"layer": np.arange(len(shares)), "level": np.arange(scheme.largest_sum + 1)},
    )


def converter_claim(trained: Trained, extent: Extent, shares: xr.Dataset) -> Claim:
    """Put 4-bit converters beside lossless ones."""
    measurements = [
        Measurement(
            f"lossless: {'whole column of 128' if size == WHOLE else size} rows of {bits}-bit cells", "bit",
            reference=lossless_bits(size * (2**bits - 1)),
        )
        for size in (4, 8, 16, WHOLE)
        for bits in (1, 2)
    ]  # fmt: skip
    top = 2**_BITS - 1
    beyond = float(shares["share"].sel(level=slice(top + 1, None)).sum("level").mean())
    largest = int(shares["level"][(shares["share"] > 0).any("layer")].max())
    measurements += [
        Measurement(f"{FRAGMENT} rows, 2-bit cells: largest sum in trained layers (levels)", reference=largest),
        Measurement(
            f"{FRAGMENT} rows, 2-bit cells: share of a layer's sums beyond {top} levels, mean over layers", "%",
            reference=100.0 * beyond,
        ),
    ]  # fmt: skip
    network = trained.networks["polarized", FRAGMENT]
    ideal = evaluate(network, Polarized(fragment=FRAGMENT), trained.digits, extent.images)
    losses = {}
    for title, converter in (
        ("over the whole range of 24 levels", {"bits": _BITS}),
        (f"one level a code, clipped at {top}", {"bits": _BITS, "range": float(top)}),
    ):
        scheme = Polarized(fragment=FRAGMENT, converter=converter)
        found = evaluate(network, scheme, trained.digits, extent.images)
        losses[title] = 100.0 * (ideal.accuracy - found.accuracy)
        measurements += [
            Measurement(f"{_BITS}-bit converter {title}: product error", "%", reference=100.0 * found.product_error),
            Measurement(f"{_BITS}-bit converter {title}: loss of accuracy", "points", reference=losses[title]),
            Measurement(
                f"{_BITS}-bit converter {title}: share of all layers' conversions together that were clipped", "%",
                reference=100.0 * found.clipped,
            ),
        ]  # fmt: skip
    return Claim(
        "Fragments make do with 4-bit converters",
        ARITHMETIC,
        f"lossless with ceil(log2(rows x highest level + 1)) bits; the polarized network on {extent.images} test "
        f"images with ideal cells; sums are counted for up to {_VECTORS} vectors per layer, each layer with the same "
        "weight, and clipped conversions for all vectors of all images, where larger layers count for more",
        tuple(measurements),
        _verdict(Polarized(fragment=FRAGMENT).largest_sum <= top, min(losses.values())),
        f"lossless only where rows times the highest level are at most {top}: fragments of 4 rows of 2-bit cells, or "
        f"of up to 15 rows of 1-bit cells; 8 rows of 2-bit cells need 5 bits. 4 bits cost "
        + " and ".join(f"{loss:.1f} points of accuracy {title}" for title, loss in losses.items()),
    )


def _verdict(lossless: bool, loss: float) -> Verdict:
    """With loss (points of accuracy) where the converter is not lossless: one point of it is allowed."""
    return "holds" if lossless else "holds in part" if loss <= 1.0 else "does not hold"
