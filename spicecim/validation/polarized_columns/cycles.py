"""Effective input cycles of trained layers for the activations that they get."""

from __future__ import annotations

import numpy as np
import xarray as xr

from spicecim.encodings.bit_sliced import input_cycles
from spicecim.training.quantise import integer_network
from spicecim.validation.claims import Claim, Measurement, Verdict
from spicecim.validation.polarized_columns.extent import FRAGMENT, WHOLE, rows_text
from spicecim.validation.polarized_columns.networks import Trained
from spicecim.validation.polarized_columns.sources import FORMS

_SIZES = (4, 8, 16, 32, WHOLE)
_BITS = (8, 16)


def measure_cycles(trained: Trained, images: int) -> xr.Dataset:
    """Count the effective cycles of all layers for the first test images.

    Returns
    -------
    xarray.Dataset
        ``share`` (input_bits, layer, fragment, cycles) of fragments and vectors; ``mean_cycles`` and ``speed_up``
        (input_bits, layer, fragment), as of `input_cycles`; ``reads`` (input_bits, layer, fragment), mean reads one
        after the other for a vector in a column of fragments.
    """
    quantised = trained.stages[FRAGMENT][2]
    scales = [target.scale for target in quantised.targets if target.scale is not None]
    found = []
    for bits in _BITS:
        network = integer_network(
            quantised.network, trained.digits.train_images, quantised.targets[0].levels or 0, scales, bits
        )
        layers = []
        for inputs in network.inputs(trained.digits.test_images[:images]):
            cycles = input_cycles(inputs, _SIZES, bits)
            in_column = [-(-min(inputs.shape[1], WHOLE) // size) for size in _SIZES]
            layers.append(cycles.assign(reads=cycles["mean_cycles"] * xr.DataArray(in_column, dims="fragment")))
        of_bits = xr.concat(layers, dim="layer")
        found.append(of_bits.reindex(cycles=np.arange(max(_BITS) + 1), fill_value=0.0))
    return xr.concat(found, dim="input_bits").assign_coords(
        input_bits=list(_BITS), layer=np.arange(len(trained.networks["polarized", FRAGMENT].weights))
    )


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
        "images; the largest activation of the training images is the largest input; speed-up is the input bits over "
        "the mean effective cycles of a fragment",
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
