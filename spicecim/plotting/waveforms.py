"""Figures of what goes into a crossbar and what comes out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from spicecim.plotting.style import (
    COLORS,
    ENGINE_STYLE,
    label_axis,
    mark_missed_accuracy,
    micro_sign,
    new_figure,
    quantity_text,
    si_prefix,
    styled,
)
from spicecim.waveforms import testbench_of

_MOST_PANELS = 8


@styled
def plot_row_drives(waveforms: xr.Dataset) -> Figure:
    """Plot the voltage of every row, and of every column where these are driven or float, with a scale bar.

    One trace stands above the other.
    """
    traces = [(label, waveforms["v_row"].isel(row=row), COLORS[0]) for row, label in _labels(waveforms, "row")]
    if "v_column" in waveforms:
        columns = waveforms["v_column"]
        traces += [(label, columns.isel(column=column), COLORS[1]) for column, label in _labels(waveforms, "column")]
    time, count = waveforms["time"], len(traces)
    bar = max(float(abs(voltage).max()) for _, voltage, _ in traces)
    spacing = 2.3 * bar or 1.0
    figure, grid = new_figure(size=(7.0, min(1.4 + 0.4 * count, 9.0)))
    axes = grid[0, 0]
    for place, (_, voltage, color) in enumerate(traces):
        axes.plot(time, voltage - spacing * place, color=color, linewidth=1.0)
    label_axis(axes.xaxis, "time", "s")
    axes.set_yticks([-spacing * place for place in range(count)], [micro_sign(label) for label, _, _ in traces])
    axes.set_xlim(0, float(time[-1]))
    axes.set_ylim(-spacing * (count - 0.45), 0.62 * spacing)
    beside = axes.get_yaxis_transform()
    # butt: other caps would make it longer than what it stands for
    axes.plot([1.015] * 2, [0, bar], transform=beside, color="black", linewidth=2, clip_on=False, solid_capstyle="butt")
    axes.text(1.025, bar / 2, quantity_text(bar, "V"), transform=beside, va="center", fontsize=8)
    axes.set_title("row drivers" if count == waveforms.sizes["row"] else "rows and columns")
    return figure


def _labels(waveforms: xr.Dataset, line: str) -> list[tuple[int, str]]:
    """Place of every row or column, and what it is called: with its drive, or with what it has instead of one."""
    bench = testbench_of(waveforms)
    section = bench.rows if line == "row" else bench.columns
    still, floating = ((), ()) if section is None else (section.grounded, section.floating)
    labels = []
    for place, number in enumerate(waveforms[line].values.tolist()):
        label = f"{line} {number}" if line == "column" or bench.drive is None else bench.drive.label(number)
        if number in still or number in floating:
            label = f"{line} {number}: {'floats' if number in floating else 'grounded'}"
        labels.append((place, label))
    return labels


@styled
def plot_column_currents(runs: Mapping[str, xr.Dataset], names: list[str] | None = None) -> Figure:
    """Plot every column's current in each run and, with two runs at the same instants, their difference.

    Parameters
    ----------
    runs
        Waveforms by the name of their engine.
    names
        Names of the columns for the panels' titles.
    """
    (_, first), *others = runs.items()
    current = first["i_column"]
    shown = min(current.sizes["column"], _MOST_PANELS)
    comparable = len(others) == 1 and np.array_equal(first["time"].values, others[0][1]["time"].values)
    factor, prefix = si_prefix(float(abs(current).max()))
    figure, grid = new_figure(
        shown, 2 if comparable else 1, size=(7.0, 0.9 + 1.25 * shown), sharex=True,
        width_ratios=[2, 1] if comparable else None,
    )  # fmt: skip
    for column in range(shown):
        axes = grid[column, 0]
        for engine, run in runs.items():
            style = ENGINE_STYLE.get(engine, {})
            axes.plot(run["time"], run["i_column"].isel(column=column) / factor, label=engine, **style)
        axes.set_title(f"column {column}" if names is None else names[column], loc="left")
        if comparable:
            peak = float(abs(current.isel(column=column)).max()) or 1.0
            difference = (others[0][1]["i_column"] - current).isel(column=column) / peak
            grid[column, 1].plot(current["time"], 1e6 * difference, color=COLORS[2], linewidth=0.8)
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper right", ncols=len(runs))
    if comparable:
        first_name, second_name = runs
        grid[0, 1].set_title(f"({second_name} \N{MINUS SIGN} {first_name}) / peak (ppm)", loc="left", fontsize=8)
    for axes in grid[-1]:
        label_axis(axes.xaxis, "time", "s")
        axes.set_xlim(0, float(current["time"][-1]))
    mark_missed_accuracy(figure, runs.values())
    more = current.sizes["column"] - shown
    figure.supylabel(
        f"current ({prefix}A)" + (f", first {shown} of {shown + more} columns" if more else ""), fontsize=9
    )
    return figure
