"""Figures of the comparison, each from the data that are stored beside it."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from spicecim.plotting import new_figure, styled
from spicecim.plotting.style import COLORS, label_axis

_GRAY = "#777777"


@styled
def plot_components(data: xr.Dataset) -> Figure:
    """Plot power and area of chips by component; see `components_data`."""
    figure, grid = new_figure(1, 2, size=(7.0, 3.4))
    names = [str(name) for name in data["design"].values]
    for axes, quantity, unit in zip(grid[0], ("power", "area"), ("W", "mm\N{SUPERSCRIPT TWO}"), strict=True):
        bottom = np.zeros(len(names))
        for color, group in zip(COLORS, data["group"].values, strict=True):
            values = data[quantity].sel(group=group).values
            axes.bar(names, values, bottom=bottom, color=color, width=0.7, label=str(group))
            bottom += values
        for place, whole in enumerate(bottom):
            axes.text(place, whole, f"{whole:.1f}", ha="center", va="bottom", fontsize=8)
        axes.set_ylabel(f"{quantity} of a chip ({unit})")
        axes.set_ylim(0, 1.1 * bottom.max())
        axes.grid(False, axis="x")
        axes.set_axisbelow(True)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside right center")
    return figure


@styled
def plot_efficiency(data: xr.Dataset) -> Figure:
    """Plot rates per area against per watt, published and measured; see `efficiency_data`."""
    figure, grid = new_figure(1, 1, size=(6.4, 4.4))
    axes = grid[0, 0]
    markers = dict(zip(map(str, data["point"].values), "Dpvhos^P", strict=True))
    for place, point in enumerate(map(str, data["point"].values)):
        color = COLORS[(6, 5, 4, 3, 0, 1, 0, 1)[place]]
        x, y = data["published"].sel(point=point).values
        axes.plot(x, y, marker=markers[point], color=color, fillstyle="none", linestyle="none", label=point)
        low, high = data["least"].sel(point=point).values, data["most"].sel(point=point).values
        if np.isfinite(low).all():
            middle = np.sqrt(low * high)
            below, above = (middle - low)[:, None], (high - middle)[:, None]
            x_error, y_error = np.stack([below, above], axis=1)[..., 0]
            axes.errorbar(*middle, xerr=x_error[:, None], yerr=y_error[:, None], marker=markers[point], color=color)
            axes.annotate("", (x, y), middle, arrowprops={"arrowstyle": "-", "color": color, "linestyle": ":"})
    axes.set(xscale="log", yscale="log")
    for axis in (axes.xaxis, axes.yaxis):
        label_axis(axis, "", "")
    axes.set_xlabel("rate per area / ISAAC's")
    axes.set_ylabel("rate per watt / ISAAC's")
    axes.set(xlim=(0.05, 3), ylim=(0.3, 3))
    axes.set_xticks([0.1, 0.3, 1.0, 3.0], labels=["0.1", "0.3", "1", "3"])
    axes.set_yticks([0.3, 1.0, 3.0], labels=["0.3", "1", "3"])
    axes.axhline(1.0, color=_GRAY, linewidth=0.8)
    axes.axvline(1.0, color=_GRAY, linewidth=0.8)
    title = "open: published\nfilled: measured, with the\nrange over assumptions"
    figure.legend(loc="outside right center", title=title)
    return figure


@styled
def plot_frames(data: xr.Dataset) -> Figure:
    """Plot frames per second and energy per frame by network; see `frames_data`."""
    figure, grid = new_figure(1, 2, size=(7.0, 3.2))
    designs = [str(name) for name in data["design"].values]
    places = np.arange(data.sizes["network"])
    names = [
        f"{name}\n{chips} chip{'s' if chips > 1 else ''}"
        for name, chips in zip(data["network"].values, data["chips"].values, strict=True)
    ]
    for axes, quantity, title, unit in zip(
        grid[0], ("frames_per_second", "energy_per_frame"), ("frames per second", "energy per frame"), ("", "J"),
        strict=True,
    ):  # fmt: skip
        for number, (design, color, marker) in enumerate(zip(designs, COLORS, "osD^", strict=False)):
            shifted = places + 0.16 * (number - (len(designs) - 1) / 2)
            axes.plot(shifted, data[quantity].sel(design=design), marker, color=color, label=design)
        axes.set_yscale("log")
        label_axis(axes.yaxis, title, unit)
        axes.set_xticks(places, names)
        axes.grid(False, axis="x")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(designs))
    return figure


@styled
def plot_sensitivity(data: xr.Dataset) -> Figure:
    """Plot what each assumption does to the rate per watt, and a sweep of the converters' energy.

    See `sensitivity_data`.
    """
    figure, grid = new_figure(1, 3, size=(7.4, 3.2), width_ratios=[1.0, 1.0, 1.0])
    published = float(data["published"].sel(rows=16))
    order = np.argsort(np.ptp(data["ratio"].values, axis=2).max(axis=0))
    for axes, rows in zip(grid[0], data["rows"].values, strict=False):
        part = data.sel(rows=rows)
        base = float(part["base"])
        for place, index in enumerate(order):
            for end, color, name in ((0, COLORS[1], "low"), (1, COLORS[0], "high")):
                value = float(part["ratio"][index, end])
                if abs(value - base) < 0.01 * base:
                    continue
                axes.barh(place, value - base, left=base, color=color, height=0.6)
                side, shift = ("left", 3) if value > base else ("right", -3)
                text = str(part[name].values[index])
                axes.annotate(
                    text, (value, place), (shift, 0), textcoords="offset points", ha=side, va="center", fontsize=7
                )
        axes.axvline(base, color="black", linewidth=0.8)
        axes.set_title(f"fragments of {rows} rows")
        axes.set_xlabel("per watt / pruned ISAAC")
        axes.set_xlim(-0.15, 1.25)
        axes.set_xticks([0.0, 0.5, 1.0])
        axes.set_ylim(-0.6, len(order) - 0.4)
        axes.grid(False, axis="y")
        axes.set_axisbelow(True)
    grid[0, 0].set_yticks(range(len(order)), [str(data["assumption"].values[index]) for index in order])
    grid[0, 1].set_yticks([])
    sweep = grid[0, 2]
    for rows, color, marker in zip(data["rows"].values, COLORS, "os", strict=False):
        swept = data["swept_ratio"].sel(rows=rows)
        sweep.plot(data["energy"], swept, color=color, marker=marker, markersize=3)
        sweep.annotate(
            f"{rows} rows", (float(data["energy"][0]), float(swept[0])), (-4, 5), textcoords="offset points",
            fontsize=8, color=color,
        )  # fmt: skip
    sweep.axhline(published, color=_GRAY, linestyle="--", linewidth=0.8)
    sweep.text(3.3e-14, 1.02 * published, "published, 16 rows", va="bottom", ha="left", fontsize=7, color=_GRAY)
    sweep.axhline(1.0, color=_GRAY, linewidth=0.8)
    for energy, text, side, shift in (
        (0.226e-12, "published", "right", -2), (0.79e-12, "ISAAC's rule", "right", -2), (0.92e-12, "survey", "left", 2),
    ):  # fmt: skip
        sweep.axvline(energy, 0.0, 1.85 / 2.2, color=_GRAY, linestyle=":", linewidth=0.8)
        sweep.annotate(
            f"{text}, {1e12 * energy:g} pJ", (energy, 1.85), (shift, 0), textcoords="offset points", rotation=90,
            ha=side, va="top", fontsize=7, color=_GRAY,
        )  # fmt: skip
    sweep.set_xscale("log")
    label_axis(sweep.xaxis, "energy per 4-bit conversion", "J")
    sweep.set_ylim(0, 2.2)
    sweep.set_xlim(3e-14, 3e-12)
    sweep.set_ylabel("per watt / pruned ISAAC")
    return figure


@styled
def plot_utilization(data: xr.Dataset) -> Figure:
    """Plot by layer which share of its cells hold weights, and of the time it reads; see `utilization_data`."""
    figure, grid = new_figure(2, 1, size=(7.0, 3.8), sharex=True)
    places = np.arange(data.sizes["layer"])
    titles = {"cells_used": "cells that hold\nweights (%)", "busy": "time that it reads\n(% of the slowest)"}
    for axes, (name, title), color in zip(grid[:, 0], titles.items(), COLORS, strict=False):
        axes.bar(places, 100 * data[name], color=color, width=0.75)
        axes.set_ylabel(title)
        axes.set_ylim(0, 115)
        axes.set_yticks([0, 50, 100])
        axes.set_axisbelow(True)
        axes.grid(False, axis="x")
    for place, copies in enumerate(data["copies"].values):
        grid[1, 0].text(place, 100 * float(data["busy"][place]) + 2, f"{copies}", ha="center", fontsize=7)
    names = [str(name) for name in data["layer"].values]
    grid[1, 0].set_xticks(places, names, rotation=90)
    grid[0, 0].set_title(f"{data.attrs['network']} on {data.attrs['design']}; numbers: copies of the layer")
    return figure


@styled
def plot_crossbar_power(data: xr.Dataset) -> Figure:
    """Plot the power of crossbars of real devices and their share of a chip; see `crossbar_power_data`."""
    figure, grid = new_figure(1, 2, size=(7.0, 4.0), sharey=True)
    places = np.arange(data.sizes["preset"])
    left, right = grid[0]
    left.plot(data["power"], places, "o", color=COLORS[0])
    left.set_xscale("log")
    label_axis(left.xaxis, "power of 8 crossbars", "W")
    left.axvline(2.44e-3, color=COLORS[1], linestyle="--", label="published, 2.44 mW")
    left.set_xticks([1e-6, 1e-4, 1e-2, 1.0])
    left.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0))
    left.set_yticks(places, [str(name) for name in data["preset"].values])
    right.barh(places, 100 * data["share"], color=COLORS[0], height=0.7)
    right.axvline(100 * float(data.attrs["published_share"]), color=COLORS[1], linestyle="--")
    right.set_xlabel("share of the chip's power (%)")
    right.set_xlim(0, 100)
    right.set_axisbelow(True)
    return figure
