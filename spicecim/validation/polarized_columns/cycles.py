"""Effective input cycles of trained layers for the activations that they get."""

from __future__ import annotations

import numpy as np
import xarray as xr

from spicecim.encodings.bit_sliced import effective_cycles
from spicecim.training.quantize import integer_network
from spicecim.validation.claims import Measured
from spicecim.validation.polarized_columns.extent import FRAGMENT, WHOLE, rows_text
from spicecim.validation.polarized_columns.networks import Trained

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


def input_cycles(cycles: xr.Dataset) -> tuple[Measured, Measured]:
    """Compare the effective cycles of fragments with those of whole columns."""
    mean = cycles["mean_cycles"].mean("layer")
    measured: Measured = {
        f"{size} rows, {bits}-bit inputs": float(
            mean.sel(input_bits=bits, fragment=WHOLE) / mean.sel(input_bits=bits, fragment=size)
        )
        for size in (4, FRAGMENT)
        for bits in _BITS
    }
    details: Measured = {
        f"{bits}-bit inputs, layer {layer}, {rows_text(size)}: mean effective cycles": float(
            cycles["mean_cycles"].sel(input_bits=bits, layer=layer, fragment=size)
        )
        for bits in _BITS
        for layer in cycles["layer"].values
        for size in (4, FRAGMENT, 16, WHOLE)
    }
    reads = cycles["reads"].sel(input_bits=8).sum("layer")
    title = f"8-bit inputs: reads one after the other for a vector, {rows_text(FRAGMENT)} over {rows_text(WHOLE)}"
    details[title] = float(reads.sel(fragment=FRAGMENT) / reads.sel(fragment=WHOLE))
    return measured, details
