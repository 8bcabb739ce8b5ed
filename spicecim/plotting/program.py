"""What write-verify made of an array: maps over its cells, and distributions of its levels."""

from __future__ import annotations

from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, LogNorm, Normalize, SymLogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from spicecim.fields import FloatArray
from spicecim.plotting.curves import draw_distribution
from spicecim.plotting.style import new_figure, si_prefix, styled, unfinished

_OUTSHINES = 30.0
"""Ratio of the largest magnitude to the middle one of the cells above which a map is logarithmic."""
_DECADES = 4
_NOTHING = 1e-2
"""Change of x, relative to the tolerance, below which a cell is drawn as not disturbed."""
_MOST_LEVELS = 16
"""Levels of an array that have a curve of their own."""
_ALIKE = 1e-9
"""Difference of targets, relative to the largest, that are one level."""
_SCHEMES = {
    "v/2": "scheme V/2",
    "v/3": "scheme V/3",
    "grounded": "unselected lines grounded",
    "floating": "unselected lines floating",
    "word_lines": "rows selected by word lines",
}


class _Programmed(NamedTuple):
    """The quantity of the targets, its unit in brackets, and what was asked for and reached (row, column) in it."""

    name: str
    unit: str
    asked: FloatArray
    reached: FloatArray


def _programmed(result: xr.Dataset) -> _Programmed:
    if "target_x" in result:
        return _Programmed("x", "", _map(result, "target_x"), _map(result, "x"))
    asked, reached = _map(result, "target"), _map(result, "result")
    scale, prefix = si_prefix(float(np.nanmax(np.abs([asked, reached]))))
    return _Programmed("conductance", f" ({prefix}S)", asked / scale, reached / scale)


def _map(result: xr.Dataset, name: str) -> FloatArray:
    return np.asarray(result[name].transpose("row", "column").values, dtype=float)


def _norm(values: FloatArray, signed: bool = False) -> Normalize:
    """Return a color scale, with 0 in its middle if `signed`: logarithmic where one corner outshines the rest."""
    values = values[np.isfinite(values)]
    size = np.abs(values[values != 0])
    most = float(size.max(initial=0.0))
    if not most:
        return Normalize(0.0, 1.0)
    lowest = -most if signed else min(0.0, float(values.min()))
    if most > _OUTSHINES * np.median(size):
        floor = max(float(size.min()), most * 10.0**-_DECADES)
        if not signed and values.min() > 0:
            return LogNorm(floor, most)
        return SymLogNorm(floor, vmin=lowest, vmax=most)
    return Normalize(lowest, most)


def _draw_map(axes: Axes, values: FloatArray, title: str, norm: Normalize, colors: str = "viridis") -> AxesImage:
    """Draw a value per cell (row, column)."""
    image = axes.imshow(values, cmap=colors, norm=norm, interpolation="nearest")
    axes.grid(False)
    axes.set(xlabel="column", ylabel="row", title=title)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return image


@styled
def plot_program(result: xr.Dataset) -> Figure:
    """Plot what `spicecim.program` made of an array: heat maps of target, result, pulses and disturb.

    Target and result are of x where the targets were given as x, and share one color scale. Disturb is the largest
    change of x while a cell was not selected, with its sign; one below a hundredth of the tolerance is drawn as none. A
    scale is logarithmic where one corner outshines the rest.

    Parameters
    ----------
    result
        What `spicecim.program` returned; or, of one that was ended, had reached: cells that no read found are left out.
    """
    figure, grid = new_figure(2, 2, size=(7.0, 5.8))
    name, unit, asked, reached = _programmed(result)
    norm = _norm(np.stack([asked, reached]))
    for axes, values, title in zip(grid[0], (asked, reached), (f"target {name}", f"{name} reached"), strict=True):
        image = _draw_map(axes, values, title, norm)
        figure.colorbar(image, ax=axes, label=f"{name}{unit}", shrink=0.85)
    pulses = _map(result, "pulses")
    image = _draw_map(grid[1, 0], pulses, "pulses", _norm(pulses))
    figure.colorbar(image, ax=grid[1, 0], label="pulses", shrink=0.85)
    tolerance = float(result.attrs["tolerance"])
    disturb = _map(result, "disturb")
    disturb = np.where(np.abs(disturb) < _NOTHING * tolerance, 0.0, disturb)
    norm = _norm(disturb, signed=True) if disturb.any() else Normalize(-tolerance, tolerance)
    image = _draw_map(grid[1, 1], disturb, "largest disturb of x", norm, "RdBu_r")
    figure.colorbar(image, ax=grid[1, 1], label=f"change of x (below {_NOTHING * tolerance:.2g}: white)", shrink=0.85)
    scheme, missed = str(result.attrs["scheme"]), int((~result["converged"]).sum())
    worst = 100 * float(np.abs(result["error"]).max())
    note = f"\n{missed} of {asked.size} cells miss the tolerance of {100 * tolerance:.2g} %" if missed else ""
    if unfinished(result):
        note += f"\n{unfinished(result)}"
    title = f"{_SCHEMES.get(scheme, scheme)}: largest error {worst:.2g} % of the conductance range{note}"
    figure.suptitle(title, fontsize=9)
    return figure


@styled
def plot_levels(result: xr.Dataset) -> Figure:
    """Plot cumulative distributions: what the cells of each target level reached, and the error of all cells.

    Parameters
    ----------
    result
        What `spicecim.program` returned, or had reached. With more than 16 different targets the error alone is drawn.
    """
    name, unit, asked, reached = _programmed(result)
    error = 100 * _map(result, "error").ravel()
    known = np.isfinite(error)
    asked, reached, error = asked.ravel()[known], reached.ravel()[known], error[known]
    levels = _levels(asked)
    if len(levels) > _MOST_LEVELS:
        figure, grid = new_figure(size=(4.5, 3.2))
    else:
        figure, grid = new_figure(1, 2, size=(7.0, 3.2), width_ratios=[1.5, 1])
        scale = _draw_levels(grid[0, 0], asked, reached, levels)
        grid[0, 0].set_xlabel(f"{name} reached{unit}")
        if len(levels) > 1:
            figure.colorbar(scale, ax=grid[0, 0], label=f"target {name}{unit}")
    axes, tolerance = grid[0, -1], 100 * float(result.attrs["tolerance"])
    draw_distribution(axes, error, "black", "all cells" if known.all() else "cells that were read")
    for end in (-tolerance, tolerance):
        axes.axvline(end, color="black", linestyle=":", linewidth=0.8, label="tolerance" if end > 0 else None)
    axes.set_xlabel("error (% of the range)")
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, borderaxespad=0.2)
    return figure


def _draw_levels(axes: Axes, asked: FloatArray, reached: FloatArray, levels: list[FloatArray]) -> ScalarMappable:
    """Draw a distribution per level, with the targets as ticks above, and return the colors of the targets."""
    targets = np.array([asked[cells[0]] for cells in levels])
    # without its last part, yellow, which is hard to see on white
    colors = ListedColormap(mpl.colormaps["viridis"](np.linspace(0.0, 0.9, 256)))
    scale = ScalarMappable(Normalize(targets.min(), targets.max()), colors)
    for cells, color in zip(levels, scale.to_rgba(targets), strict=True):
        draw_distribution(axes, reached[cells], color, None)
    axes.plot(
        targets, np.ones(len(targets)), "|", color="black", markersize=7, markeredgewidth=0.8, clip_on=False,
        transform=axes.get_xaxis_transform(),
    )  # fmt: skip
    axes.set_title("ticks above: targets", pad=9)
    return scale


def _levels(target: FloatArray) -> list[FloatArray]:
    """Numbers of the cells of each level, lowest first."""
    order = np.argsort(target, kind="stable")
    steps = np.diff(target[order]) > _ALIKE * float(np.abs(target).max(initial=0.0))
    return list(np.split(order, np.flatnonzero(steps) + 1))
