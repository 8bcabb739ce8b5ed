"""Energy and power of reading the three encodings, in both engines."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr

from spicecim.encodings.bit_sliced import Offset
from spicecim.networks import crossbars
from spicecim.validation.claims import Measured
from spicecim.validation.polarized_columns.agreement import random_vectors
from spicecim.validation.polarized_columns.crossbars import SpiceRun, run_in_ngspice
from spicecim.validation.polarized_columns.extent import FRAGMENT, Extent
from spicecim.validation.polarized_columns.networks import Trained, layer_data
from spicecim.validation.polarized_columns.schemes import ENCODINGS, TITLES

_SAME, _OWN = "same weights", "own networks"
_VECTORS = 200


def measure_power(
    trained: Trained,
    extent: Extent,
    runs: dict[tuple[str, int], SpiceRun],
    progress: Callable[[float], None],
) -> xr.Dataset:
    """Measure what the row drivers deliver to the layer with the most weights.

    Parameters
    ----------
    trained, extent
        What was trained and how much is to be read.
    runs
        Layers of each encoding's own network that ngspice has read, by encoding and layer.
    progress
        Called with the fraction that is done.

    Returns
    -------
    xarray.Dataset
        ``energy`` (J per vector) and ``power`` (W) of (weights, encoding, engine), the engines with the same few
        vectors; ``core_energy`` (weights, encoding), the reference engine's over many vectors (J per vector).
    """
    # signs stay, so that what fits the range of the offset is polarized too
    within = crossbars(trained.polarized[FRAGMENT], Offset(), [trained.data.train_images])
    same = layer_data(within, trained.first(extent.images))
    layer = int(np.argmax([weights.size for weights, _ in same]))
    energy = np.empty((2, len(ENCODINGS), 2))
    time, many = np.empty(energy.shape[:2]), np.empty(energy.shape[:2])
    for place in np.ndindex(time.shape):
        name = list(ENCODINGS)[place[1]]
        weights, activations = (trained.layers(name, FRAGMENT, extent.images) if place[0] else same)[layer]
        scheme = ENCODINGS[name](rows=extent.crossbar_rows)
        inputs = random_vectors(activations, extent.vectors)
        run = runs[name, layer] if place[0] else run_in_ngspice(scheme, weights, inputs)
        core = scheme.program(weights)
        found = core.read_energy(inputs)
        energy[place] = run.energy / len(inputs), found.energy / len(inputs)
        time[place] = found.time / len(inputs)
        drawn = random_vectors(activations, min(_VECTORS, len(activations) // 2))
        many[place] = core.read_energy(drawn).energy / len(drawn)
        progress((np.ravel_multi_index(place, time.shape) + 1) / time.size)
    dims = ("weights", "encoding", "engine")
    return xr.Dataset(
        {
            "energy": (dims, energy, {"units": "J", "long_name": "energy of a vector"}),
            "power": (dims, energy / time[..., None], {"units": "W", "long_name": "average read power"}),
            "core_energy": (dims[:2], many, {"units": "J", "long_name": "energy of a vector, over many vectors"}),
        },
        coords={"weights": [_SAME, _OWN], "encoding": list(ENCODINGS), "engine": ["ngspice", "reference"]},
        attrs={"layer": layer},
    )


def read_energy(power: xr.Dataset) -> tuple[Measured, Measured]:
    """Put the read energy of the encodings beside one another."""
    measured: Measured = {}
    details: Measured = {}
    for weights in power["weights"].values:
        many, both = power["core_energy"].sel(weights=weights), power["energy"].sel(weights=weights)
        for name in ("dual_crossbar", "offset"):
            title = f"{TITLES[name]}, {weights}"
            measured[title] = float(many.sel(encoding=name) / many.sel(encoding="polarized"))
            few = both.sel(encoding=name) / both.sel(encoding="polarized")
            for engine in ("ngspice", "reference"):
                details[f"{title}: few vectors, {engine}"] = float(few.sel(engine=engine))
        for name in ENCODINGS:
            for engine in ("ngspice", "reference"):
                watts = power["power"].sel(weights=weights, encoding=name, engine=engine)
                details[f"{TITLES[name]}, {weights}: average read power, {engine} (W)"] = float(watts)
    return measured, details


def engines_apart(power: xr.Dataset) -> Measured:
    """Largest relative difference of the read energy in the two engines."""
    spice, core = (power["energy"].sel(engine=engine) for engine in ("ngspice", "reference"))
    return {"largest difference": float(abs(spice / core - 1.0).max())}
