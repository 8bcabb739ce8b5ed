"""ngspice against the reference engine: random patches of an image, cell by cell and as crossbars, and corner cases."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.lib.stride_tricks import sliding_window_view

from spicecim.encodings.frequency_weighting.amplitude import PIXEL_MAX, AmplitudeScheme
from spicecim.encodings.frequency_weighting.encoding import FrequencyWeighting
from spicecim.encodings.frequency_weighting.images import WEIGHT_MAX
from spicecim.encodings.frequency_weighting.responses import unit_current
from spicecim.encodings.integers import IntArray
from spicecim.engines import simulate
from spicecim.measure import average_power, row_power
from spicecim.testbench import DEFAULT_ACCURACY, Testbench
from spicecim.validation.frequency_weighting.subjects import Subject
from spicecim.validation.trials import run_trials

POINTS = 1000
"""Instants in a cycle, at least."""

_SPREAD = 30.0
"""Ratio of the fastest to the slowest row of a crossbar: ngspice follows the fastest for a cycle of the slowest."""
_CROSSBAR_POINTS = 200
CORNERS = ((1, 16, 128, 255), (0, 1, 64, 127, 128, 254, 255))
"""Pixels and levels of the corner cases, each with each."""
_FINER = 8
_DARK = 1e-3
"""Share of a cell's largest power that is nothing: below its threshold a device at rest draws none at all."""


class Patches(NamedTuple):
    """Patches (patch, row) of an image, row after row of each, and signed weights of the same shape."""

    pixel: IntArray
    weight: IntArray


def draw_patches(image: IntArray, count: int, seed: int) -> Patches:
    """Draw 3 x 3 patches of an image, and for each a kernel of uniform weights from -255 to 255."""
    random = np.random.default_rng(seed)
    windows = sliding_window_view(image, (3, 3))
    place = random.integers(0, windows.shape[:2], (count, 2))
    pixel = windows[place[:, 0], place[:, 1]].reshape(count, -1).astype(int)
    return Patches(pixel, random.integers(-WEIGHT_MAX, WEIGHT_MAX, pixel.shape, endpoint=True))


def compare_patches(
    subjects: Sequence[Subject], patches: Patches, progress: Callable[[float], None] = lambda fraction: None
) -> tuple[dict[str, xr.Dataset], dict[str, xr.Dataset]]:
    """Run the patches in ngspice: every cell, every patch as a crossbar, and eight one-bit devices per weight.

    Returns
    -------
    tuple of dict of xarray.Dataset
        By device, of the cells and of the crossbars. Along ``patch``, both have ``readout_error``, of the sum, relative
        to what nine of the largest products read, and ``power_error``, relative to the patch's power. Of the cells
        besides: ``output``, the signed sum of products (engine, patch) in pixels times levels, ``exact``, in integers;
        ``current`` (engine, patch), A, the sum of the readouts, ``power`` (engine, patch), W, of all nine cells at work
        at once, ``bit_sliced_power`` (engine, patch), W; and for the cell that is furthest off ``worst_cell_error``
        and, with eight times the instants, ``finer_cell_error``.
    """
    by_title = {subject.title: subject for subject in subjects}
    function = functools.partial(_one_patch, subjects=by_title, patches=patches)
    axes = {"device": list(by_title), "patch": range(len(patches.pixel))}
    found = run_trials(function, axes, progress).assign_coords(engine=["ngspice", "reference"])
    cells = {
        title: _beside_reference(one, found.sel(device=title, drop=True), patches) for title, one in by_title.items()
    }
    crossbars = found[["crossbar_readout_error", "crossbar_power_error"]].rename(
        crossbar_readout_error="readout_error", crossbar_power_error="power_error"
    )
    return cells, {title: crossbars.sel(device=title, drop=True) for title in by_title}


def _one_patch(device: str, patch: int, subjects: Mapping[str, Subject], patches: Patches) -> dict[str, Any]:
    """Readout (A) and power (W) of each cell of a patch in ngspice, its power in one-bit devices, and its crossbar."""
    subject, pixel, level = subjects[device], patches.pixel[patch], np.abs(patches.weight[patch])
    encoding = subject.encoding(points_per_period=POINTS)
    cells = [_cell(encoding, *each) if all(each) else (0.0, 0.0) for each in zip(pixel, level, strict=True)]
    sliced = subject.bit_sliced().program(level[:, None]).testbenches(pixel[None])[0]
    readout, power = _crossbar_errors(subject, pixel, level)
    return {
        "current": xr.DataArray([current for current, _ in cells], dims="row"),
        "power": xr.DataArray([power for _, power in cells], dims="row"),
        "bit_sliced_power": xr.DataArray(
            [_power(sliced, engine) for engine in ("ngspice", "reference")], dims="engine"
        ),
        "crossbar_readout_error": readout,
        "crossbar_power_error": power,
    }


def _beside_reference(subject: Subject, found: xr.Dataset, patches: Patches) -> xr.Dataset:
    """Put cells of patches in ngspice beside the reference engine."""
    encoding = subject.encoding(points_per_period=POINTS)
    full_scale = _full_scale(encoding)
    level, sign = np.abs(patches.weight), np.sign(patches.weight)
    driven = (patches.pixel > 0) & (level > 0)
    responses = encoding.drive.responses(patches.pixel, level)
    current = np.stack([found["current"], responses.current(encoding.readout) * driven])
    power = np.stack([found["power"], responses.power * driven])
    product = encoding.drive.product(current, patches.pixel) * driven * sign
    cell_error = np.abs(current[0] - current[1]) / full_scale
    worst = np.unravel_index(int(cell_error.argmax()), cell_error.shape)
    finer = subject.encoding(points_per_period=_FINER * POINTS)
    # the steps that switching asks for follow the accuracy, and not the instants
    asked = DEFAULT_ACCURACY / _FINER**2
    finer_current = _cell(finer, patches.pixel[worst], level[worst], asked)[0]
    sums, powers = current.sum(axis=2), power.sum(axis=2)
    return xr.Dataset(
        {
            "output": (("engine", "patch"), product.sum(axis=2)),
            "exact": ("patch", (patches.pixel * patches.weight).sum(axis=1)),
            "current": (("engine", "patch"), sums, {"units": "A"}),
            "power": (("engine", "patch"), powers, {"units": "W"}),
            "bit_sliced_power": found["bit_sliced_power"].assign_attrs(units="W"),
            "readout_error": ("patch", (sums[0] - sums[1]) / (level.shape[1] * full_scale)),
            "power_error": ("patch", (powers[0] - powers[1]) / np.maximum(powers[1], _dark_power(encoding))),
            "worst_cell_error": ((), float(cell_error[worst])),
            "finer_cell_error": ((), abs(finer_current - current[(1, *worst)]) / full_scale),
            "pixel": (("patch", "row"), patches.pixel),
            "weight": (("patch", "row"), patches.weight),
        },
        coords={"engine": ["ngspice", "reference"]},
    )


def _crossbar_errors(subject: Subject, pixel: IntArray, weight: IntArray) -> tuple[float, float]:
    """Errors of readout and power of a patch as a crossbar of nine rows at once, in ngspice.

    The reference engine takes cell by cell for the readout, and many more instants for the power. Levels are the
    nearest to the weights (row,) whose tones stay within `_SPREAD` of each other; all weights count as positive, in one
    pass. The readout takes the first cycle of each row, the power all of the slowest row's cycle.
    """
    encoding = subject.encoding(points_per_period=_CROSSBAR_POINTS)
    finer = subject.encoding(points_per_period=_FINER * _CROSSBAR_POINTS)
    level = nearby_levels(encoding, pixel, weight)
    exact = float(encoding.drive.responses(pixel, level).current(encoding.readout).sum())
    run = simulate(encoding.testbench(pixel, level), "ngspice", estimate=False)
    wanted = _power(finer.testbench(pixel, level, probe="columns"), "reference")
    power = float(average_power(row_power(run).sum("row")))
    readout_error = (float(encoding.read(run)) - exact) / (_full_scale(encoding) * len(pixel))
    return readout_error, (power - wanted) / max(wanted, _dark_power(encoding))


def nearby_levels(encoding: FrequencyWeighting, pixel: IntArray, weight: IntArray) -> IntArray:
    """Levels (row,) nearest to weights (row,) at which the tones of pixels (row,) are within `_SPREAD` of each other.

    Around the tone that is in the middle of what the weights ask for. A row whose pixel is dark has any level.
    """
    _, every = encoding.drive.tones(pixel[:, None], np.arange(encoding.levels))
    logs = np.log(every)
    asked = logs[np.arange(len(pixel)), weight]
    middle = float(np.median(asked))
    away = np.maximum(np.abs(logs - middle) - 0.5 * np.log(_SPREAD), 0.0)
    # levels out of the spread are worse than any within it
    cost = np.abs(np.arange(encoding.levels) - weight[:, None]) + encoding.levels * (1e3 * away + (away > 0))
    return np.asarray(cost.argmin(axis=1))


def compare_corners(
    cases: Sequence[tuple[Subject, AmplitudeScheme]],
    corners: tuple[Sequence[int], Sequence[int]] = CORNERS,
    points: int = 2 * POINTS,
    progress: Callable[[float], None] = lambda fraction: None,
) -> dict[str, xr.Dataset]:
    """Run the corners of the range of pixels and levels in ngspice, cell by cell, for devices and amplitude schemes.

    Returns
    -------
    dict of xarray.Dataset
        By device and scheme: ``product_error`` (engine, pixel, level): distance from the exact product,
        ``readout_error`` (pixel, level): distance of ngspice from the reference engine, both relative to the largest
        product; ``power_error`` (pixel, level): relative to the largest power of any of them.
    """
    encodings = {
        f"{subject.title}, {scheme}": subject.encoding(scheme=scheme, points_per_period=points)
        for subject, scheme in cases
    }
    axes: dict[str, list[Any]] = {"case": [*encodings], "pixel": [*corners[0]], "level": [*corners[1]]}
    found = run_trials(functools.partial(_one_corner, encodings=encodings), axes, progress)
    return {title: _corner_errors(encoding, found.sel(case=title, drop=True)) for title, encoding in encodings.items()}


def _one_corner(case: str, pixel: int, level: int, encodings: Mapping[str, FrequencyWeighting]) -> dict[str, float]:
    current, power = _cell(encodings[case], pixel, level)
    return {"current": current, "power": power}


def _corner_errors(encoding: FrequencyWeighting, found: xr.Dataset) -> xr.Dataset:
    pixel, level = np.meshgrid(found["pixel"], found["level"], indexing="ij")
    exact = encoding.drive.responses(pixel, level)
    current = np.stack([found["current"], exact.current("rectified")])
    product = encoding.drive.product(current, pixel)
    grid = ("pixel", "level")
    return xr.Dataset(
        {
            "product_error": (("engine", *grid), (product - pixel * level) / (PIXEL_MAX * WEIGHT_MAX)),
            "readout_error": (grid, (current[0] - current[1]) / _full_scale(encoding)),
            "power_error": (grid, (found["power"].values - exact.power) / exact.power.max()),
        },
        coords={"engine": ["ngspice", "reference"], "pixel": found["pixel"], "level": found["level"]},
    )


def crossbar_power(encoding: FrequencyWeighting, level: int) -> float:
    """Average power (W) of nine rows of the largest pixel at one level, as a crossbar in ngspice."""
    return _power(encoding.testbench([PIXEL_MAX] * 9, level), "ngspice")


def _full_scale(encoding: FrequencyWeighting) -> float:
    """What the largest product reads (A)."""
    calibration = encoding.calibration
    return float(unit_current(calibration.amplitude, encoding.readout) * calibration.target[-1])


def _dark_power(encoding: FrequencyWeighting) -> float:
    """Power (W) below which a patch counts as dark, and errors are relative to this."""
    return _DARK * float(encoding.calibration.responses().power.max())


def _cell(
    encoding: FrequencyWeighting, pixel: int, level: int, accuracy: float = DEFAULT_ACCURACY
) -> tuple[float, float]:
    """Readout (A) and average power (W) of one cell in ngspice."""
    bench = encoding.testbench([pixel], [level])
    bench = bench.model_copy(update={"analysis": bench.analysis.model_copy(update={"accuracy": accuracy})})
    run = simulate(bench, "ngspice", estimate=False)
    return float(encoding.read(run)), float(average_power(row_power(run).sum("row")))


def _power(bench: Testbench, engine: str) -> float:
    return float(average_power(row_power(simulate(bench, engine, estimate=False)).sum("row")))
