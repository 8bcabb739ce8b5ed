"""Effective input cycles of trained networks for the activations that they get, in stated fixed-point formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from spicecim.encodings import WeightSet
from spicecim.encodings.bit_sliced import effective_cycles
from spicecim.encodings.integers import IntArray
from spicecim.fields import FloatArray
from spicecim.networks import constrain, mtcnn, photographs
from spicecim.validation.claims import Measured
from spicecim.validation.polarized_columns.activations import Activations, layer_activations
from spicecim.validation.polarized_columns.extent import FRAGMENT, WHOLE, Extent, rows_text
from spicecim.validation.polarized_columns.lenet import LeNets
from spicecim.validation.polarized_columns.networks import Trained, matrices

_SIZES = (4, 8, 16, 32, WHOLE)
_MTCNN = {"pnet": 60, "rnet": 24, "onet": 48}
"""Edges of the windows that each of the networks gets."""
_FINE = 4095
"""Levels of weights that have no set of their own: so many that activations are those of the float network."""


Format = Callable[[Activations, float], tuple[IntArray, int]]
"""From the inputs of a layer, and the largest magnitude of all inputs of its network, to integers and their bits."""


def _of_layer(bits: int) -> Format:
    def integers(layer: Activations, _: float) -> tuple[IntArray, int]:
        return _rounded(layer.values, np.abs(layer.values).max() / (2**bits - 1), bits), bits

    return integers


def _with_headroom(layer: Activations, largest: float) -> tuple[IntArray, int]:
    return _rounded(layer.values, 2.0 ** (np.ceil(np.log2(largest)) + 2 - 16), 16), 16


FORMATS: dict[str, Format] = {
    "8 bits, the layer's largest": _of_layer(8),
    "16 bits, the layer's largest": _of_layer(16),
    "16 bits, one point with headroom": _with_headroom,
    "16 bits, 8 of them behind the point": lambda layer, _: (_rounded(layer.values, 2.0**-8, 16), 16),
    "16 bits, shifted by a zero point": lambda layer, _: (layer.shifted, 16),
}
"""Formats of magnitudes, since signs come in passes of their own; the last one has both signs in one.

The layer's largest: it is the largest integer. One point with headroom: a power of two for all layers of a network, the
least for which its largest magnitude leaves two of 16 bits, for the sign and to spare. Shifted: see `InputRange`.
"""


def measure_cycles(trained: Trained, lenets: LeNets, extent: Extent) -> xr.Dataset:
    """Count the effective cycles of all layers of several networks.

    Every row counts with the cycles of the fragment that it is in, so that a short last fragment weighs less; layers
    count alike.

    Returns
    -------
    xarray.Dataset
        ``share`` (network, format, fragment, cycles) of rows and vectors; ``mean_cycles`` and ``shuffled`` (network,
        format, fragment), the latter with the inputs of each layer in another order, so that neighbors are not alike;
        ``reads`` (network, format, fragment), mean number of reads for a vector if all fragments of a column are read
        one after the other.
    """
    networks = {
        "digits": layer_activations(trained.polarized[FRAGMENT], trained.first(extent.images)),
        "LeNet-5": lenets.activations,
        **{
            name: layer_activations(_on_fine_levels(mtcnn(name)), photographs(edge, extent.photographs))
            for name, edge in _MTCNN.items()
        },
    }  # fmt: skip
    return cycles_of(networks)


def cycles_of(networks: Mapping[str, list[Activations]]) -> xr.Dataset:
    """Count the effective cycles of layers by network; see `measure_cycles`."""
    shape = (len(networks), len(FORMATS), len(_SIZES))
    share, reads, shuffled = np.zeros((*shape, 17)), np.zeros(shape), np.zeros(shape)
    rng = np.random.default_rng(0)
    for network, layers in enumerate(networks.values()):
        largest = max(float(np.abs(layer.values).max()) for layer in layers)
        for number, integers in enumerate(FORMATS.values()):
            for layer in layers:
                values, _ = integers(layer, largest)
                mixed = rng.permuted(values.ravel()).reshape(values.shape)
                for place, size in enumerate(_SIZES):
                    at = (network, number, place)
                    own, cycles = _of_rows(values, size)
                    share[at] += np.bincount(own.ravel(), minlength=17) / own.size / len(layers)
                    reads[at] += cycles.sum(axis=1).mean() / len(layers)
                    shuffled[at] += _of_rows(mixed, size)[0].mean() / len(layers)
    dims = ("network", "format", "fragment")
    return xr.Dataset(
        {
            "share": ((*dims, "cycles"), share, {"long_name": "share of rows and vectors"}),
            "mean_cycles": (dims, share @ np.arange(17), {"long_name": "mean effective input cycles"}),
            "shuffled": (dims, shuffled, {"long_name": "mean effective input cycles, inputs in another order"}),
            "reads": (dims, reads, {"long_name": "mean reads for a vector"}),
            "input_bits": ("format", [8 if name.startswith("8") else 16 for name in FORMATS]),
        },
        coords={
            "network": list(networks), "format": list(FORMATS), "fragment": list(_SIZES), "cycles": np.arange(17),
        },
    )  # fmt: skip


def input_cycles(cycles: xr.Dataset) -> tuple[Measured, Measured]:
    """Compare the effective cycles of fragments of 4 rows with those of whole columns."""
    mean, reads = cycles["mean_cycles"], cycles["reads"]
    measured: Measured = {}
    details: Measured = {}
    for network in cycles["network"].values:
        for form in cycles["format"].values:
            of_form = mean.sel(network=network, format=form)
            title = f"{network}, {form}"
            measured[title] = float(of_form.sel(fragment=WHOLE) / of_form.sel(fragment=4))
            for size in _SIZES:
                details[f"{title}, {rows_text(size)}: mean effective cycles"] = float(of_form.sel(fragment=size))
        fine = cycles["shuffled"].sel(network=network, format="16 bits, the layer's largest", fragment=4)
        details[f"{network}, 16 bits, the layer's largest, 4 rows: the same in another order"] = float(fine)
        both = reads.sel(network=network, format="16 bits, the layer's largest")
        title = f"{network}: reads one after the other for a vector, {rows_text(FRAGMENT)} over {rows_text(WHOLE)}"
        details[title] = float(both.sel(fragment=FRAGMENT) / both.sel(fragment=WHOLE))
    return measured, details


def published_cycles(cycles: xr.Dataset, size: int) -> Measured:
    """Return the mean effective cycles of fragments of so many rows with inputs of 16 bits."""
    return {
        f"{network}, {form}": float(cycles["mean_cycles"].sel(network=network, format=form, fragment=size))
        for network in cycles["network"].values
        for form in cycles["format"].values
        if form.startswith("16")
    }


def _on_fine_levels(model: Any) -> Any:
    """Hold weights on levels from end to end, so that no better scale is looked for."""
    largest = {name: float(np.abs(matrix).max()) for name, matrix in matrices(model).items()}
    return constrain(model, {name: WeightSet(levels=_FINE, scale=one / _FINE) for name, one in largest.items()})


def _rounded(values: FloatArray, step: float, bits: int) -> IntArray:
    return np.clip(np.round(np.abs(values) / step), 0, 2**bits - 1).astype(int)


def _of_rows(inputs: IntArray, size: int) -> tuple[IntArray, IntArray]:
    """Cycles of the fragment of each row (vector, row), and of each fragment (vector, fragment)."""
    cycles = effective_cycles(inputs, size)
    return cycles[:, np.arange(inputs.shape[1]) // size], cycles
