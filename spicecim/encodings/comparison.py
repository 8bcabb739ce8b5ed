"""Schemes side by side on the same weights and inputs: products, errors, devices, cycles and power."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from spicecim.cell_currents import warned_once
from spicecim.encodings.base import Encoded, Encoding
from spicecim.engines import ENGINES, simulate
from spicecim.errors import InputError
from spicecim.measure import delivered_energy
from spicecim.places import named


def compare_encodings(
    encodings: Sequence[Encoding], weights: ArrayLike, inputs: ArrayLike, engine: str = "reference"
) -> xr.Dataset:
    """Run the same weights and inputs through several schemes.

    Parameters
    ----------
    encodings
        The schemes, of different names.
    weights
        Integers (input line, output).
    inputs
        Integers (vector, input line), not negative.
    engine
        What runs the testbenches.

    Returns
    -------
    xarray.Dataset
        Along ``encoding``: ``product``, the ``exact`` one and ``error`` (vector, output), the error relative to the
        largest exact product;
        ``devices``, ``crossbars``, ``cycles``; ``energy`` (J) that the row drivers deliver in all testbenches,
        ``average_power`` (W), that energy over the time of all testbenches one after the other, and ``worst_power``
        (W), the largest average of any one of them. A scheme without testbenches spends nothing, and has no power.
    """
    names = [encoding.name for encoding in encodings]
    if not names or len(set(names)) < len(names):
        raise InputError(f"encodings: must be at least one, each of another name; they are {', '.join(names)}")
    ENGINES[engine]  # before anything is calibrated
    with warned_once():
        results = [_one(encoding, weights, inputs, engine) for encoding in encodings]
    return xr.concat(results, dim="encoding")


def _one(encoding: Encoding, weights: ArrayLike, inputs: ArrayLike, engine: str) -> xr.Dataset:
    encoded = encoding.encode(weights, inputs)
    if not isinstance(encoded, Encoded):
        raise InputError(f"{named(type(encoding).encode)} must return an Encoded; it returns {type(encoded).__name__}")
    runs = [simulate(testbench, engine) for testbench in encoded.testbenches]
    products = np.asarray(encoded.decode(runs))
    if products.shape != encoded.exact.shape or products.dtype.kind not in "iuf" or not np.isfinite(products).all():
        raise InputError(
            f"{named(type(encoded).decode)} must return finite numbers of the shape {encoded.exact.shape} (vector, "
            f"output); it returns values of {products.dtype} and the shape {products.shape}"
        )
    repeats = np.ones(len(runs)) if encoded.repeats is None else np.array(encoded.repeats)
    each = np.array([float(delivered_energy(run).sum()) for run in runs])
    lengths = np.array([testbench.duration for testbench in encoded.testbenches])
    energy, time = float(repeats @ each), float(repeats @ lengths)
    full_scale = float(np.abs(encoded.exact).max()) or 1.0
    matrix = ("vector", "output")
    return xr.Dataset(
        {
            "product": (matrix, products),
            "exact": (matrix, encoded.exact),
            "error": (matrix, (products - encoded.exact) / full_scale),
            "devices": encoded.devices,
            "crossbars": encoded.crossbars,
            "cycles": encoded.cycles,
            "energy": ((), energy, {"units": "J"}),
            "average_power": ((), energy / time if time else np.nan, {"units": "W"}),
            "worst_power": ((), float((each / lengths).max()) if time else np.nan, {"units": "W"}),
        },
        coords={"encoding": encoding.name},
    )
