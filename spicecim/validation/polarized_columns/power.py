"""Energy and power of reading the three encodings, in both engines."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr

from spicecim.encodings.bit_sliced import Layer
from spicecim.training.quantize import integer_network
from spicecim.validation.claims import Claim, Measurement
from spicecim.validation.polarized_columns.agreement import random_vectors
from spicecim.validation.polarized_columns.crossbars import ENCODINGS, TITLES, SpiceRun, run_in_ngspice
from spicecim.validation.polarized_columns.extent import FRAGMENT, Extent
from spicecim.validation.polarized_columns.networks import Trained
from spicecim.validation.polarized_columns.sources import FORMS

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
    own = trained.networks["polarized", FRAGMENT]
    layer = int(np.argmax([weights.size for weights in own.weights]))
    # signs stay, so that what fits the range of the offset is polarized too
    same = integer_network(own.network, trained.digits.train_images, 127)
    energy = np.empty((2, len(ENCODINGS), 2))
    time, many = np.empty(energy.shape[:2]), np.empty(energy.shape[:2])
    for place in np.ndindex(time.shape):
        name = list(ENCODINGS)[place[1]]
        network = trained.networks[name, FRAGMENT] if place[0] else same
        weights = network.weights[layer]
        activations = network.inputs(trained.digits.test_images[: extent.images])[layer]
        scheme = ENCODINGS[name](rows=extent.crossbar_rows)
        inputs = random_vectors(activations, extent.vectors)
        run = runs[name, layer] if place[0] else run_in_ngspice(scheme, weights, inputs)
        core = Layer(scheme, weights)
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


def power_claim(power: xr.Dataset, extent: Extent) -> Claim:
    """Put the read power of the encodings beside one another."""
    measurements = []
    for weights in power["weights"].values:
        for name in ENCODINGS:
            found = power["power"].sel(weights=weights, encoding=name)
            measurements.append(
                Measurement(
                    f"average read power, {weights}, {TITLES[name]}", "W",
                    float(found.sel(engine="ngspice")), float(found.sel(engine="reference")),
                )
            )  # fmt: skip
        for name in ("dual_crossbar", "offset"):
            both, many = power["energy"].sel(weights=weights), power["core_energy"].sel(weights=weights)
            ratio = both.sel(encoding=name) / both.sel(encoding="polarized")
            measurements += [
                Measurement(
                    f"read energy over that of polarized, {weights}, {TITLES[name]}", "",
                    float(ratio.sel(engine="ngspice")), float(ratio.sel(engine="reference")),
                ),
                Measurement(
                    f"the same over many vectors, {weights}, {TITLES[name]}",
                    reference=float(many.sel(encoding=name) / many.sel(encoding="polarized")),
                ),
            ]  # fmt: skip
    spice, core = (power["energy"].sel(engine=engine) for engine in ("ngspice", "reference"))
    off = float(abs(spice / core - 1.0).max())
    measurements.append(Measurement("largest relative difference of the engines", reference=off))
    energy = power["core_energy"]
    least = {
        str(weights): min(ENCODINGS, key=lambda name: float(energy.sel(weights=weights, encoding=name)))
        for weights in power["weights"].values
    }
    holds = all(name == "polarized" for name in least.values())
    return Claim(
        "Polarized columns take less energy per operation than columns with an offset (1.93 times an optimized ISAAC's "
        "operations a joule)",
        FORMS,
        "energy that the row drivers deliver to the cells of the layer with the most weights, in pulses of 0.1 V; "
        f"cells of 10 kohm to 1 Mohm on crossbars of {extent.crossbar_rows} rows, all read at once; own networks: 8 "
        "bits as each encoding holds them; same weights: the polarized network in -127 to 127 in all three. Converters "
        "and digital circuits, on which the published number depends, are left out",
        tuple(measurements),
        "holds in part" if holds else "does not hold",
        "; ".join(f"{weights}: {TITLES[name]} take the least read energy" for weights, name in least.items())
        + ". An offset raises small weights, which are the most frequent, to the middle of the range; of two crossbars "
        "one cell of each pair is at zero and conducts as the lowest level does. The published factor is of a whole "
        "chip and was not measured",
    )
