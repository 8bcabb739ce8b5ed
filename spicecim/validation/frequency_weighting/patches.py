"""ngspice against the reference engine: random patches of an image, cell by cell and as crossbars, and corner cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

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
    subject: Subject, patches: Patches, progress: Callable[[float], None] = lambda fraction: None
) -> xr.Dataset:
    """Run every cell of the patches in ngspice, and eight one-bit devices per weight on the same patches.

    Returns
    -------
    xarray.Dataset
        Along ``patch``: ``output``, the signed sum of products (engine, patch) in pixels times levels, ``exact``, in
        integers; ``current`` (engine, patch), A, the sum of the readouts, ``power`` (engine, patch), W, of all nine
        cells at work at once, ``bit_sliced_power`` (engine, patch), W; ``readout_error`` of the sum relative to what
        nine of the largest products read, ``power_error`` relative to the patch's power; and for the cell that is
        furthest off ``worst_cell_error`` and, with eight times the instants, ``finer_cell_error``.
    """
    encoding = subject.encoding(points_per_period=POINTS)
    full_scale = _full_scale(encoding)
    level, sign = np.abs(patches.weight), np.sign(patches.weight)
    driven = (patches.pixel > 0) & (level > 0)
    responses = encoding.drive.responses(patches.pixel, level)
    current = np.zeros((2, *level.shape))
    power = np.zeros((2, *level.shape))
    current[1], power[1] = responses.current(encoding.readout) * driven, responses.power * driven
    places = np.argwhere(driven)
    for number, (patch, row) in enumerate(places):
        at = patch, row
        current[(0, *at)], power[(0, *at)] = _cell(encoding, patches.pixel[at], level[at])
        progress(0.9 * (number + 1) / len(places))
    product = encoding.drive.product(current, patches.pixel) * driven * sign
    cell_error = np.abs(current[0] - current[1]) / full_scale
    worst = np.unravel_index(int(cell_error.argmax()), cell_error.shape)
    finer = subject.encoding(points_per_period=_FINER * POINTS)
    # the steps that switching asks for follow the accuracy, and not the instants
    asked = DEFAULT_ACCURACY / _FINER**2
    finer_current = _cell(finer, patches.pixel[worst], level[worst], asked)[0]
    sums, powers = current.sum(axis=2), power.sum(axis=2)
    bench = subject.bit_sliced()
    baseline = [
        [_power(bench.program(weights[:, None]).testbenches(pixels[None])[0], engine) for weights, pixels in zip(
            level, patches.pixel, strict=True
        )]
        for engine in ("ngspice", "reference")
    ]  # fmt: skip
    progress(1.0)
    return xr.Dataset(
        {
            "output": (("engine", "patch"), product.sum(axis=2)),
            "exact": ("patch", (patches.pixel * patches.weight).sum(axis=1)),
            "current": (("engine", "patch"), sums, {"units": "A"}),
            "power": (("engine", "patch"), powers, {"units": "W"}),
            "bit_sliced_power": (("engine", "patch"), np.array(baseline), {"units": "W"}),
            "readout_error": ("patch", (sums[0] - sums[1]) / (level.shape[1] * full_scale)),
            "power_error": ("patch", (powers[0] - powers[1]) / np.maximum(powers[1], _dark_power(encoding))),
            "worst_cell_error": ((), float(cell_error[worst])),
            "finer_cell_error": ((), abs(finer_current - current[(1, *worst)]) / full_scale),
            "pixel": (("patch", "row"), patches.pixel),
            "weight": (("patch", "row"), patches.weight),
        },
        coords={"engine": ["ngspice", "reference"]},
    )


def compare_crossbars(
    subject: Subject, patches: Patches, progress: Callable[[float], None] = lambda fraction: None
) -> xr.Dataset:
    """Run every patch as a crossbar of nine rows at once, in ngspice and by the reference engine cell by cell.

    Levels are the nearest to the patch's weights whose tones stay within `_SPREAD` of each other; all weights count as
    positive, in one pass. The readout takes the first cycle of each row, the power all of the slowest row's cycle.

    Returns
    -------
    xarray.Dataset
        ``readout_error`` (patch,) relative to what nine of the largest products read, ``power_error`` (patch,) relative
        to the crossbar's power by the reference engine, at many more instants.
    """
    encoding = subject.encoding(points_per_period=_CROSSBAR_POINTS)
    finer = subject.encoding(points_per_period=_FINER * _CROSSBAR_POINTS)
    full_scale = _full_scale(encoding) * patches.pixel.shape[1]
    dark = _dark_power(encoding)
    readout_error, power_error = [], []
    for number, (pixel, weight) in enumerate(zip(patches.pixel, np.abs(patches.weight), strict=True)):
        level = nearby_levels(encoding, pixel, weight)
        exact = float(encoding.drive.responses(pixel, level).current(encoding.readout).sum())
        run = simulate(encoding.testbench(pixel, level), "ngspice", estimate=False)
        readout_error.append((float(encoding.read(run)) - exact) / full_scale)
        wanted = _power(finer.testbench(pixel, level, probe="columns"), "reference")
        power_error.append((float(average_power(row_power(run).sum("row"))) - wanted) / max(wanted, dark))
        progress((number + 1) / len(patches.pixel))
    return xr.Dataset({"readout_error": ("patch", readout_error), "power_error": ("patch", power_error)})


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
    subject: Subject,
    scheme: AmplitudeScheme,
    corners: tuple[Sequence[int], Sequence[int]] = CORNERS,
    points: int = 2 * POINTS,
    progress: Callable[[float], None] = lambda fraction: None,
) -> xr.Dataset:
    """Run the corners of the range of pixels and levels in ngspice, cell by cell.

    Returns
    -------
    xarray.Dataset
        ``product_error`` (engine, pixel, level): distance from the exact product, ``readout_error`` (pixel, level):
        distance of ngspice from the reference engine, both relative to the largest product; ``power_error`` (pixel,
        level): relative to the largest power of any of them.
    """
    encoding = subject.encoding(scheme=scheme, points_per_period=points)
    pixel, level = np.meshgrid(*(np.array(values) for values in corners), indexing="ij")
    exact = encoding.drive.responses(pixel, level)
    current, power = (np.stack([np.zeros(pixel.shape), values]) for values in (exact.current("rectified"), exact.power))
    for number, at in enumerate(np.ndindex(pixel.shape)):
        current[(0, *at)], power[(0, *at)] = _cell(encoding, pixel[at], level[at])
        progress((number + 1) / pixel.size)
    product = encoding.drive.product(current, pixel)
    grid = ("pixel", "level")
    return xr.Dataset(
        {
            "product_error": (("engine", *grid), (product - pixel * level) / (PIXEL_MAX * WEIGHT_MAX)),
            "readout_error": (grid, (current[0] - current[1]) / _full_scale(encoding)),
            "power_error": (grid, (power[0] - power[1]) / power[1].max()),
        },
        coords={"engine": ["ngspice", "reference"], "pixel": list(corners[0]), "level": list(corners[1])},
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
