"""Maps of an array over its cells, and of what write-verify made of it."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize, SymLogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from spicecim.fields import FloatArray
from spicecim.plotting.style import new_figure, si_prefix, styled

_OUTSHINES = 30.0
"""Ratio of the largest magnitude to the middle one of the cells above which a map is logarithmic."""

_DECADES = 4


def _norm(values: FloatArray) -> Normalize:
    """Return a color scale: logarithmic where one corner outshines the rest."""
    size = np.abs(values[values != 0])
    most, lowest = float(size.max(initial=0.0)), float(values.min())
    if not most:
        return Normalize(0.0, 1.0)
    if most > _OUTSHINES * np.median(size):
        floor = max(float(size.min()), most * 10.0**-_DECADES)
        if lowest > 0:
            return LogNorm(floor, most)
        return SymLogNorm(floor, vmin=-most if lowest < 0 else 0.0, vmax=most)
    return Normalize(-most, most) if lowest < 0 else Normalize(0.0, most)


def draw_map(figure: Figure, axes: Axes, values: xr.DataArray, title: str) -> None:
    """Draw a value per cell (row, column), with its color bar.

    The scale is logarithmic where one corner outshines the rest, and has both signs where the values have.
    """
    array = np.asarray(values.transpose("row", "column").values, dtype=float)
    scale, prefix = si_prefix(float(np.abs(array).max()))
    unit = str(values.attrs.get("units", "1"))
    if unit == "1":
        scale, prefix, unit = 1.0, "", ""
    norm = _norm(array / scale)
    colors = "RdBu_r" if array.min() < 0 else "viridis"
    image = axes.imshow(array / scale, cmap=colors, norm=norm, interpolation="nearest")
    axes.grid(False)
    axes.set(xlabel="column", ylabel="row", title=title)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    figure.colorbar(image, ax=axes, label=f"{prefix}{unit}", shrink=0.85)


@styled
def plot_program(result: xr.Dataset) -> Figure:
    """Plot what `spicecim.program` made of an array: heat maps of target, result, pulses and disturb.

    Parameters
    ----------
    result
        What `spicecim.program` returned.
    """
    figure, grid = new_figure(2, 2, size=(7.0, 5.8))
    titles = {
        "target": "target conductance",
        "result": "conductance reached",
        "pulses": "pulses",
        "disturb": "change of x while not selected",
    }
    for axes, (name, title) in zip(grid.ravel(), titles.items(), strict=True):
        draw_map(figure, axes, result[name], title)
    missed = int((~result["converged"]).sum())
    worst = float(np.abs(result["error"]).max())
    note = f", {missed} cells are not within {result.attrs['tolerance']:.2g}" if missed else ""
    figure.suptitle(f"{result.attrs['scheme']}: largest error {100 * worst:.2g} % of the range{note}", fontsize=9)
    return figure
