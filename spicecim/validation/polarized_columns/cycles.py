"""Effective input cycles of trained layers for the activations that they get."""

from __future__ import annotations

import numpy as np
import xarray as xr

from spicecim.encodings.bit_sliced import effective_cycles
from spicecim.training.quantize import integer_network
from spicecim.validation.claims import Claim, Measurement, Verdict
from spicecim.validation.polarized_columns.extent import FRAGMENT, WHOLE, rows_text
from spicecim.validation.polarized_columns.networks import Trained
from spicecim.validation.polarized_columns.sources import FORMS

_SIZES = (4, 8, 16, 32, WHOLE)
_BITS = (8, 16)


def measure_cycles(trained: Trained, images: int) -> xr.Dataset:
    """Count the effective cycles of all layers for the first test images.

    Every row counts with the cycles of the fragment that it is in, so that a short last fragment weighs less.

    Returns
    -------
    xarray.Dataset
        ``share`` (input_bits, layer, fragment, cycles) of rows and vectors; ``mean_cycles`` (input_bits, layer,
        fragment); ``reads`` (input_bits, layer, fragment), mean number of reads for a vector if all fragments of a
        column are read one after the other.
    """
    quantized = trained.stages[FRAGMENT][2]
    scales = [target.scale for target in quantized.targets if target.scale is not None]
    levels = quantized.targets[0].levels or 0
    layers = len(scales)
    share = np.zeros((len(_BITS), layers, len(_SIZES), max(_BITS) + 1))
    reads = np.zeros(share.shape[:-1])
    for number, bits in enumerate(_BITS):
        network = integer_network(quantized.network, trained.digits.train_images, levels, scales, bits)
        for layer, inputs in enumerate(network.inputs(trained.digits.test_images[:images])):
            for place, size in enumerate(_SIZES):
                cycles = effective_cycles(inputs, size)
                of_rows = cycles[:, np.arange(inputs.shape[1]) // size]
                share[number, layer, place] = np.bincount(of_rows.ravel(), minlength=share.shape[-1]) / of_rows.size
                reads[number, layer, place] = cycles.sum(axis=1).mean()
    dims = ("input_bits", "layer", "fragment")
    return xr.Dataset(
        {
            "share": ((*dims, "cycles"), share, {"long_name": "share of rows and vectors"}),
            "mean_cycles": (dims, share @ np.arange(share.shape[-1]), {"long_name": "mean effective input cycles"}),
            "reads": (dims, reads, {"long_name": "mean reads for a vector"}),
        },
        coords={
            "input_bits": list(_BITS), "layer": np.arange(layers), "fragment": list(_SIZES),
            "cycles": np.arange(share.shape[-1]),
        },
    )  # fmt: skip


def cycles_claim(cycles: xr.Dataset) -> Claim:
    """Put the speed-up by zero skipping beside the claim."""
    measurements = []
    for bits in _BITS:
        for layer in cycles["layer"].values:
            for size in (4, FRAGMENT, 16, WHOLE):
                place = cycles.sel(input_bits=bits, layer=layer, fragment=size)
                measurements.append(
                    Measurement(
                        f"{bits}-bit inputs, layer {layer}, {rows_text(size)}: mean effective cycles",
                        reference=float(place["mean_cycles"]),
                    )
                )
    speed = {
        (bits, size): bits / float(cycles["mean_cycles"].sel(input_bits=bits, fragment=size).mean())
        for bits in _BITS
        for size in (FRAGMENT, WHOLE)
    }
    gain = {bits: speed[bits, FRAGMENT] / speed[bits, WHOLE] for bits in _BITS}
    reads = cycles["reads"].sel(input_bits=8).sum("layer")
    more = float(reads.sel(fragment=FRAGMENT) / reads.sel(fragment=WHOLE))
    measurements += [
        Measurement(f"{bits}-bit inputs, mean over layers: speed-up, {rows_text(size)}", reference=value)
        for (bits, size), value in speed.items()
    ]
    measurements.append(
        Measurement(
            f"8-bit inputs: reads one after the other for a vector, fragments of {FRAGMENT} over the whole column",
            reference=more,
        )
    )
    return Claim(
        "Fine fragments let leading zero bits of the inputs be skipped, so that a fragment needs fewer input cycles",
        FORMS,
        "leading zero bits that all inputs of a fragment share, for the activations of the polarized network on test "
        "images; the largest activation of the training images is the largest input; mean over rows and vectors; "
        "speed-up is the input bits over the mean effective cycles",
        tuple(measurements),
        _verdict(min(gain.values())),
        "the activations fill their range, so that few fragments share leading zeros; "
        f"against whole columns, fragments of {FRAGMENT} need {gain[8]:.2f} times fewer cycles with 8-bit inputs and "
        f"{gain[16]:.2f} times with 16-bit inputs. Where the fragments of a column share its converter and are read "
        f"one after the other, as here, a vector takes {more:.1f} times as many reads as with whole columns all the "
        "same: fragments pay only with converters of their own",
    )


def _verdict(gain: float) -> Verdict:
    """A speed-up of a tenth at least is one; less is there, but decides nothing."""
    return "holds" if gain >= 1.1 else "holds in part" if gain > 1.0 else "does not hold"
