"""Schemes side by side on the same weights and inputs: products, errors, devices, conversions and energy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from spicecim.cell_currents import warned_once
from spicecim.encodings.base import Encoding, Programmed
from spicecim.encodings.integers import check_integer
from spicecim.engines import ENGINES, simulate
from spicecim.errors import InputError
from spicecim.fields import FloatArray
from spicecim.measure import delivered_energy
from spicecim.places import named


def compare_encodings(
    encodings: Sequence[Encoding],
    weights: ArrayLike,
    inputs: ArrayLike,
    engine: str | None = "reference",
    *,
    sigma: float = 0.0,
    samples: int = 0,
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
        What runs the testbenches; None for `Programmed.multiply` and `Programmed.read_energy`, which take whole layers.
    sigma, samples
        Log-normal scatter of the cells' currents (standard deviation of the natural logarithm), and crossbars that are
        drawn with it, in the reference engine.

    Returns
    -------
    xarray.Dataset
        Along ``encoding``: ``product``, the ``exact`` one and ``error`` (vector, output), the error relative to the
        largest exact product; ``devices``, ``crossbars``, ``cycles``, ``conversions`` and ``adc_bits`` (see
        `Resources`); ``energy`` (J) that the row drivers deliver for all inputs and ``average_power`` (W), that energy
        over the time of all reads one after the other. With an engine, ``worst_power`` (W), the largest average of any
        one testbench; a scheme without testbenches spends nothing, and has no power. With samples, ``sample_error``
        (sample), the root mean square of the error over vectors and outputs.

    Raises
    ------
    InputError
        If a scheme cannot hold the weights, or an argument is out of range.
    UnsupportedError
        If samples are asked for of a scheme that does not say what varied cells make of its products.
    """
    names = [encoding.name for encoding in encodings]
    if not names or len(set(names)) < len(names):
        raise InputError(f"encodings: must be at least one, each of another name; they are {', '.join(names)}")
    check_integer(samples, "samples", 0)
    if not (np.isfinite(sigma) and sigma >= 0.0):
        raise InputError(f"sigma: must be a finite number of at least 0 (given: {sigma})")
    if engine is not None:
        ENGINES[engine]  # before anything is calibrated
    with warned_once():
        results = [_one(encoding, weights, inputs, engine, sigma, samples) for encoding in encodings]
    return xr.concat(results, dim="encoding")


def comparison_table(found: xr.Dataset) -> str:
    """Return what `compare_encodings` found as a table in Markdown, a line per scheme.

    The error is the root mean square over vectors and outputs, relative to the largest exact product; with samples, its
    mean and standard deviation over the crossbars that were drawn.
    """
    varied = "sample_error" in found
    heads = ["scheme", "devices", "crossbars", "cycles", "conversions", "ADC bits", "read energy (J)", "error"]
    lines = [[*heads, *(["error, varied cells"] if varied else [])]]
    for name in found["encoding"].values:
        one = found.sel(encoding=name)
        counts = [str(int(one[key])) for key in ("devices", "crossbars", "cycles", "conversions", "adc_bits")]
        rms = float(np.sqrt(np.square(one["error"]).mean()))
        cells = [str(name), *counts, f"{float(one['energy']):.3g}", f"{rms:.2e}"]
        if varied:
            errors = one["sample_error"]
            cells.append(f"{float(errors.mean()):.2e} ± {float(errors.std()):.0e}")
        lines.append(cells)
    shown = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([shown[0], "|" + " --- |" * len(lines[0]), *shown[1:]])


def _one(
    encoding: Encoding, weights: ArrayLike, inputs: ArrayLike, engine: str | None, sigma: float, samples: int
) -> xr.Dataset:
    programmed = encoding.program(weights)
    if not isinstance(programmed, Programmed):
        raise InputError(
            f"{named(type(encoding).program)} must return a Programmed; it returns {type(programmed).__name__}"
        )
    exact = programmed.exact(inputs)
    full_scale = float(np.abs(exact).max()) or 1.0
    products, costs = _read(programmed, inputs) if engine is None else _run(programmed, inputs, engine, exact.shape)
    resources, matrix = programmed.resources, ("vector", "output")
    counts = {
        "devices": resources.cells,
        "crossbars": resources.crossbars,
        "cycles": programmed.cycles(inputs),
        "conversions": resources.conversions,
        "adc_bits": resources.converter_bits,
    }
    found = xr.Dataset(
        {
            "product": (matrix, products),
            "exact": (matrix, exact),
            "error": (matrix, (products - exact) / full_scale),
            **counts,
            **{name: ((), value, {"units": "J" if name == "energy" else "W"}) for name, value in costs.items()},
        },
        coords={"encoding": encoding.name},
    )
    if samples:
        errors = [programmed.varied(sigma, seed).multiply(inputs).products - exact for seed in range(samples)]
        found["sample_error"] = ("sample", np.sqrt(np.square(np.array(errors)).mean(axis=(1, 2))) / full_scale)
    return found


def _read(programmed: Programmed, inputs: ArrayLike) -> tuple[FloatArray, dict[str, float]]:
    """Products and costs of whole layers."""
    read = programmed.read_energy(inputs)
    power = read.power if read.time else np.nan
    return programmed.multiply(inputs).products, {"energy": read.energy, "average_power": power}


def _run(
    programmed: Programmed, inputs: ArrayLike, engine: str, shape: tuple[int, ...]
) -> tuple[FloatArray, dict[str, float]]:
    """Products and costs of testbenches in an engine."""
    testbenches = programmed.testbenches(inputs)
    runs = [simulate(testbench, engine) for testbench in testbenches]
    products = np.asarray(programmed.decode(runs, inputs))
    if products.shape != shape or products.dtype.kind not in "iuf" or not np.isfinite(products).all():
        raise InputError(
            f"{named(type(programmed).decode)} must return finite numbers of the shape {shape} (vector, output); it "
            f"returns values of {products.dtype} and the shape {products.shape}"
        )
    repeats = np.array(programmed.repeats(inputs))
    each = np.array([float(delivered_energy(run).sum()) for run in runs])
    lengths = np.array([testbench.duration for testbench in testbenches])
    energy, time = float(repeats @ each), float(repeats @ lengths)
    return products, {
        "energy": energy,
        "average_power": energy / time if time else np.nan,
        "worst_power": float((each / lengths).max()) if time else np.nan,
    }
