"""Data that only a figure needs: a layer before and after, currents bit by bit."""

from __future__ import annotations

import numpy as np
import xarray as xr

from spicecim.encodings.bit_sliced import Polarized
from spicecim.encodings.bit_sliced.bit_slices import bit_planes
from spicecim.encodings.layout import sum_fragments
from spicecim.engines import simulate
from spicecim.validation.polarized_columns.crossbars import evenly_drawn
from spicecim.validation.polarized_columns.extent import FRAGMENT
from spicecim.validation.polarized_columns.networks import Trained, matrices

_VECTORS = 50


def polarization_data(trained: Trained) -> xr.Dataset:
    """Return ``before`` (float) and ``after`` (row, output) of the layer with the most weights, and ``sign``."""
    layers = trained.layers("polarized", FRAGMENT, 1)
    layer = int(np.argmax([weights.size for weights, _ in layers]))
    after, before = layers[layer].weights, list(matrices(trained.unrestricted).values())[layer]
    return xr.Dataset(
        {
            "before": (("row", "output"), before),
            "after": (("row", "output"), after),
            "sign": (("fragment", "output"), np.sign(sum_fragments(after, FRAGMENT))),
        },
        attrs={"fragment": FRAGMENT, "layer": layer},
    )


def bit_currents(trained: Trained) -> xr.Dataset:
    """Read one fragment of a trained layer with one vector in both engines.

    The fragment and vector, of a few test images, are those whose sums of levels change most from bit to bit, in the
    column where they change least.

    Returns
    -------
    xarray.Dataset
        ``current`` (engine, time, column) in ampere; ``code`` (read, column) from ngspice; ``threshold``
        (read, limit), the current (A) above which the converter gives the next code, with what the ones conduct at
        level 0.
    """
    layers = trained.layers("polarized", FRAGMENT, 20)
    layer = int(np.argmax([weights.size for weights, _ in layers]))
    weights, few = layers[layer].weights, evenly_drawn(layers[layer].inputs, _VECTORS)
    whole = Polarized(columns=weights.shape[1] * Polarized().slices)
    (sums,) = whole.program(weights).sums(few)
    spread = sums.reshape(len(few), -1, whole.input_bits, weights.shape[1], whole.slices).std(axis=2).min(axis=-1)
    vector, fragment, output = np.unravel_index(spread.argmax(), spread.shape)
    lines = slice(int(fragment) * FRAGMENT, (int(fragment) + 1) * FRAGMENT)
    scheme = Polarized(rows=FRAGMENT)
    one = few[[int(vector)], lines]
    programmed = scheme.program(weights[lines, [int(output)]].reshape(-1, 1))
    (bench,) = programmed.testbenches(one)
    spice = simulate(bench, "ngspice", estimate=False)
    core = simulate(bench, "reference", time=spice["time"].values)
    levels = scheme.levels()
    ones = bit_planes(one, scheme.input_bits)[0].sum(axis=0)
    thresholds = levels.lowest * ones[:, None] + levels.step * scheme.fitted_converter().thresholds
    return xr.Dataset(
        {
            "current": (
                ("engine", "time", "column"),
                np.stack([run["i_column"].transpose("time", "column").values for run in (spice, core)]),
                {"units": "A"},
            ),
            "code": (("read", "column"), programmed.codes(one, [spice])[0]),
            "threshold": (("read", "limit"), scheme.pulse.voltage * thresholds, {"units": "A"}),
        },
        coords={"engine": ["ngspice", "reference"], "time": spice["time"].values},
        attrs={"cell_bits": scheme.cell_bits, "layer": layer, "fragment": int(fragment), "output": int(output)},
    )
