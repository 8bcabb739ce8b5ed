"""Products and accuracy with scattered conductances, resistive wires, stuck cells and small converters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from spicecim.validation.polarized_columns.evaluation import evaluate
from spicecim.validation.polarized_columns.extent import WHOLE, Extent
from spicecim.validation.polarized_columns.networks import Trained
from spicecim.validation.polarized_columns.schemes import ENCODINGS, TITLES

STATES = {"low": 0.01, "high": 0.6}
"""States of the lowest and highest level, 0.50 Mohm and 16.6 kohm of the ideal cell: scattered cells are still ones
that the device has, so that ngspice can have them too."""

FOR_WHOLE_COLUMNS = "polarized_whole"
"""The network polarized for whole columns: fragments of any size have one sign, so that it shows what reading does."""

SERIES = (*ENCODINGS, FOR_WHOLE_COLUMNS)

Progress = Callable[[float], None]


def sweep_scatter(trained: Trained, extent: Extent, progress: Progress) -> xr.Dataset:
    """Sweep the log-normal scatter of conductances; see `_sweep`."""
    return _sweep(
        trained, extent, "sigma", extent.sigmas, extent.runs,
        lambda sigma, seed: {"scatter": {"sigma": sigma, "seed": seed}}, progress,
    )  # fmt: skip


def sweep_wires(trained: Trained, extent: Extent, progress: Progress) -> xr.Dataset:
    """Sweep the resistance of a wire's segment; see `_sweep`."""
    values = extent.line_resistances
    return _sweep(
        trained, extent, "line_resistance", values, (1,) * len(values),
        lambda ohm, _: {"wires": {"wire_row": ohm, "wire_column": ohm}}, progress,
    )  # fmt: skip


def sweep_stuck(trained: Trained, extent: Extent, progress: Progress) -> xr.Dataset:
    """Sweep the share of stuck cells, half of them at either end; see `_sweep`."""
    values = extent.stuck_shares
    return _sweep(
        trained, extent, "stuck_share", values, extent.stuck_runs,
        lambda share, seed: {"scatter": {"stuck_low": share / 2, "stuck_high": share / 2, "seed": seed}}, progress,
    )  # fmt: skip


def sweep_converters(trained: Trained, extent: Extent, progress: Progress) -> xr.Dataset:
    """Sweep the bits of converters whose range is all that can occur; see `_sweep`."""
    bits = range(3, 10)
    return _sweep(
        trained, extent, "converter_bits", bits, (1,) * len(bits), lambda bits, _: {"converter": {"bits": int(bits)}},
        progress,
    )  # fmt: skip


def _sweep(
    trained: Trained,
    extent: Extent,
    dimension: str,
    values: Sequence[float],
    runs: Sequence[int],
    settings: Callable[[Any, int], dict[str, Any]],
    progress: Progress,
) -> xr.Dataset:
    """Classify images with one thing that is not ideal.

    Returns
    -------
    xarray.Dataset
        ``accuracy``, ``product_error`` and ``clipped`` (series, fragment, value, run), and ``right`` (series, fragment,
        value, run, image), 1 for images that are classified right, as in `Evaluation`; NaN where fewer runs were made.
    """
    shape = (len(SERIES), len(extent.fragments), len(values), max(runs))
    found = np.full((3, *shape), np.nan)
    right = np.full((*shape, extent.images), np.nan, dtype=np.float32)
    cases = list(np.ndindex(shape[:3]))
    for number, (series, size, value) in enumerate(cases):
        name, fragment = SERIES[series], extent.fragments[size]
        encoding = "polarized" if name == FOR_WHOLE_COLUMNS else name
        trained_for = WHOLE if name == FOR_WHOLE_COLUMNS else fragment
        for run in range(runs[value]):
            scheme = ENCODINGS[encoding](fragment=fragment, states=STATES, **settings(values[value], run))
            one = evaluate(trained, scheme, trained_for, extent.images)
            found[:, series, size, value, run] = one.accuracy, one.product_error, one.clipped
            right[series, size, value, run] = one.right
        progress((number + 1) / len(cases))
    dims = ("series", "fragment", dimension, "run")
    return xr.Dataset(
        {
            **dict(zip(("accuracy", "product_error", "clipped"), ((dims, part) for part in found), strict=True)),
            "right": ((*dims, "image"), right),
        },
        coords={"series": list(SERIES), "fragment": list(extent.fragments), dimension: list(values)},
        attrs={"images": extent.images},
    )


def series_title(series: str) -> str:
    """Name a series of `SERIES` for people to read."""
    return "polarized for whole columns" if series == FOR_WHOLE_COLUMNS else TITLES[series]
