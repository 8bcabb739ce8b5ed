"""Figures of power."""

from __future__ import annotations

import warnings

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from spicecim.errors import AccuracyWarning
from spicecim.measure import average_power, cell_power, total_power, worst_case_power
from spicecim.plotting.style import (
    COLORS,
    label_axis,
    mark_missed_accuracy,
    new_figure,
    quantity_text,
    si_prefix,
    styled,
)
from spicecim.waveforms import testbench_of

_MOST_NUMBERS = 128


@styled
def plot_power(waveforms: xr.Dataset, names: list[str] | None = None) -> Figure:
    """Plot the power that all drivers deliver over time, and the average power of every cell.

    Parameters
    ----------
    waveforms
        A run with ``probe: cells``.
    names
        Names of the columns.
    """
    total = total_power(waveforms)
    accuracy = testbench_of(waveforms).analysis.accuracy
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AccuracyWarning)  # the legend says it
        mean = average_power(total)
        cells = average_power(cell_power(waveforms)).transpose("row", "column").values
    average, largest, error = float(mean), float(worst_case_power(total)), mean.attrs["grid_error"]
    known = f" (known to {100 * error:.1g} %)" if error > accuracy else ""
    figure, grid = new_figure(1, 2, size=(7.0, 3.4), width_ratios=[1.25, 1])
    left, right = grid[0]
    left.plot(total["time"], total, color=COLORS[0], linewidth=0.8)
    left.axhline(average, color=COLORS[1], linestyle="--", label=f"average {quantity_text(average, 'W')}{known}")
    left.axhline(largest, color=COLORS[3], linestyle=":", label=f"largest {quantity_text(largest, 'W')}")
    label_axis(left.xaxis, "time", "s")
    label_axis(left.yaxis, "power of all drivers", "W")
    left.set_xlim(0, float(total["time"][-1]))
    left.set_ylim(min(0.0, 1.05 * float(total.min())), 1.05 * largest or 1.0)
    left.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, columnspacing=1.0, borderaxespad=0.2)
    scale, prefix = si_prefix(float(np.abs(cells).max()))
    image = right.imshow(cells / scale, cmap="viridis", aspect="auto", vmin=0, vmax=float((cells / scale).max()) or 1.0)
    right.grid(False)
    right.set(xlabel="column", ylabel="row")
    for axis in (right.xaxis, right.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if names:
        right.set_xticks(range(cells.shape[1]), names, rotation=30)
    if cells.size <= _MOST_NUMBERS:
        bright = cells > 0.6 * np.abs(cells).max()
        for (row, column), value in np.ndenumerate(cells / scale):
            color = "black" if bright[row, column] else "white"
            right.text(column, row, f"{value:.3g}", ha="center", va="center", fontsize=7, color=color)
    mark_missed_accuracy(figure, [waveforms])
    figure.colorbar(image, ax=right, label=f"average power of the cell ({prefix}W)")
    return figure
