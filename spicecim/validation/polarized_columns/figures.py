"""Figures of a validation of polarized columns, each from the data that are stored beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from spicecim.plotting import new_figure, styled
from spicecim.plotting.style import COLORS, ENGINE_STYLE, label_axis, si_prefix
from spicecim.validation.claims import stated_claims
from spicecim.validation.intervals import mean_interval
from spicecim.validation.polarized_columns.extent import FRAGMENT, WHOLE, rows_text
from spicecim.validation.polarized_columns.robustness import series_title
from spicecim.validation.polarized_columns.schemes import ENCODINGS, TITLES

CLAIMS = Path(__file__).with_name("claims.yaml")

_COLOR = dict(zip(ENCODINGS, COLORS, strict=False))
_MARKER = dict(zip(ENCODINGS, "osd", strict=True))
_DIVERGING = "RdBu_r"


@styled
def plot_polarization(data: xr.Dataset) -> Figure:
    """Plot a layer's weights before and after, and the signs of its fragments; see `polarization_data`."""
    figure, grid = new_figure(1, 3, size=(7.0, 4.2), sharey=True)
    rows, outputs = data["before"].shape
    fragment = int(data.attrs["fragment"])
    panels = (
        ("before", "float, before", "weight / largest"),
        ("after", "polarized, 8 bits, after", "weight / largest"),
    )
    for axes, (name, title, label) in zip(grid[0], panels, strict=False):
        values = data[name] / abs(data[name]).max()
        image = axes.imshow(values, cmap=_DIVERGING, vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
        axes.set_title(title)
        figure.colorbar(image, ax=axes, label=label, location="bottom", shrink=0.9)
    signs = np.repeat(data["sign"].values, fragment, axis=0)[:rows]
    image = grid[0, 2].imshow(signs, cmap=_DIVERGING, vmin=-1.6, vmax=1.6, aspect="auto", interpolation="nearest")
    grid[0, 2].set_title("signs of the fragments")
    bar = figure.colorbar(image, ax=grid[0, 2], location="bottom", shrink=0.9, boundaries=[-1.5, -0.5, 0.5, 1.5])
    bar.set_ticks([-1, 0, 1], labels=["negative", "all zero", "positive"])
    bar.ax.tick_params(length=0)
    for axes in grid[0]:
        axes.grid(False)
        axes.spines[:].set_visible(True)
        axes.set_xlabel("output")
        for start in range(fragment, rows, fragment):
            axes.axhline(start - 0.5, color="black", linewidth=0.5)
        axes.set_xlim(-0.5, outputs - 0.5)
    grid[0, 0].set_yticks(np.arange(0, rows, fragment))
    grid[0, 0].set_ylabel(f"input line (lines: fragments of {fragment} rows)")
    return figure


@styled
def plot_residuals(residuals: xr.Dataset) -> Figure:
    """Plot primal and dual residuals (stage, update, layer) of ADMM, over all layers.

    A residual of 0, which is one where no level changes any more, is below the axis and left out.
    """
    stages = [str(stage) for stage in residuals["stage"].values]
    figure, grid = new_figure(1, len(stages), size=(7.0, 2.8), sharey=True)
    lines = (
        ("primal_residual", "primal: |weights \N{MINUS SIGN} projection|", "o"),
        ("dual_residual", "dual: penalty × |step of the projection|", "s"),
    )
    for axes, stage in zip(grid[0], stages, strict=True):
        for index, (name, title, marker) in enumerate(lines):
            norm = np.linalg.norm(residuals[name].sel(stage=stage).values, axis=1)
            updates = np.arange(1, norm.size + 1)
            axes.semilogy(
                updates,
                np.where(norm > 0, norm, np.nan),
                marker,
                color=COLORS[index],
                linestyle="-",
                markersize=3,
                label=title,
            )
        axes.set(title=f"towards {stage}", xlabel="update", xlim=(0, norm.size + 1))
        axes.grid(which="minor", visible=False)
    grid[0, 0].set_ylabel("residual over all layers")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


@styled
def plot_bit_currents(data: xr.Dataset) -> Figure:
    """Plot column currents bit by bit in both engines, with the converters' thresholds; see `bit_currents`."""
    slices, reads = data.sizes["column"], data.sizes["read"]
    figure, grid = new_figure(slices, 1, size=(7.0, 1.25 + 1.45 * slices), sharex=True, sharey=True)
    factor, prefix = si_prefix(float(abs(data["current"]).max()))
    period = float(data["time"][-1]) / reads
    cell_bits, highest = int(data.attrs["cell_bits"]), int(data["code"].max())
    for column, axes in enumerate(grid[:, 0]):
        for read in range(reads):
            ends = [read * period, (read + 1) * period]
            limits = data["threshold"].isel(read=read)[: highest + 1] / factor
            axes.hlines(limits, *ends, color="#999999", linewidth=0.5, label="threshold" if read == 0 else None)
            code = int(data["code"].isel(read=read, column=column))
            axes.annotate(
                str(code), (np.mean(ends), 1.0), xycoords=("data", "axes fraction"), ha="center", va="bottom",
                fontsize=8, color=COLORS[2],
            )  # fmt: skip
        for engine in data["engine"].values:
            current = data["current"].sel(engine=engine).isel(column=column)
            axes.plot(data["time"], current / factor, label=engine, **ENGINE_STYLE[str(engine)])
        axes.set_ylabel(f"magnitude\nbits {column * cell_bits} to {(column + 1) * cell_bits - 1}")
        axes.grid(False)
    grid[0, 0].legend(loc="lower right", bbox_to_anchor=(1.0, 1.12), ncols=3)
    grid[0, 0].set_title("codes in green", loc="left", fontsize=8, color=COLORS[2], y=1.12)
    axes = grid[-1, 0]
    axes.set_xlim(0, float(data["time"][-1]))
    axes.set_xticks(
        (np.arange(reads) + 0.5) * period, [f"bit {reads - 1 - read}" for read in range(reads)], minor=False
    )
    axes.set_xlabel(f"bit of the inputs, {1e9 * period:.0f} ns each")
    figure.supylabel(f"column current ({prefix}A)", fontsize=9)
    return figure


@styled
def plot_accuracy(data: xr.Dataset) -> Figure:
    """Plot what each stage loses against the float network, by the rows of a fragment, beside what is published."""
    figure, grid = new_figure(1, 1, size=(5.0, 3.0))
    axes, found = grid[0, 0], 100.0 * data["accuracy"]
    at = np.arange(found.sizes["rows"])
    axes.axhline(0.0, color="black", linewidth=0.8)
    for number, stage in enumerate(found["stage"].values[1:]):
        lost = found.sel(stage="float") - found.sel(stage=stage)
        ends = np.array([mean_interval(lost.sel(rows=rows)) for rows in found["rows"].values])
        place = at + 0.15 * (number - 1)
        axes.plot(place, lost.values.T, ".", color=COLORS[number], markersize=2.5, alpha=0.6)
        axes.errorbar(
            place, ends.mean(axis=1), 0.5 * np.diff(ends, axis=1)[:, 0], linestyle="none", marker="o", markersize=4,
            capsize=2, color=COLORS[number], label=str(stage),
        )  # fmt: skip
    published = stated_claims(CLAIMS)["accuracy"].published_for
    axes.plot(at, [published(rows_text(int(rows))) for rows in found["rows"].values], "k_", markersize=14,
              label="published, all stages")  # fmt: skip
    axes.set_xticks(at, [str(rows) for rows in found["rows"].values])
    axes.set(xlabel="rows of a fragment", ylabel="accuracy lost (points)")
    axes.grid(axis="x", visible=False)
    figure.legend(loc="outside upper center", ncols=4)
    return figure


@styled
def plot_input_cycles(cycles: xr.Dataset) -> Figure:
    """Plot mean effective input cycles of networks by the size of fragments, beside what is published.

    A panel per format with inputs of 16 bits; dashed with the inputs of each layer in another order.
    """
    forms = [str(form) for form in cycles["format"].values if str(form).startswith("16")]
    figure, grid = new_figure(1, len(forms), size=(7.0, 3.2), sharey=True)
    sizes = [int(size) for size in cycles["fragment"].values]
    at = np.arange(len(sizes))
    for axes, form in zip(grid[0], forms, strict=True):
        for color, network in zip(COLORS, cycles["network"].values, strict=False):
            one = cycles.sel(format=form, network=network)
            axes.plot(at, one["mean_cycles"], "o-", color=color, markersize=3, label=str(network))
            axes.plot(at, one["shuffled"], "--", color=color, linewidth=0.8)
        for claim, size in (("cycles-of-4-rows", 4), ("cycles-of-128-rows", WHOLE)):
            published = stated_claims(CLAIMS)[claim].published
            axes.plot(sizes.index(size), published, "k*", markersize=7, label="published" if size == 4 else None)
        axes.set_title(form.removeprefix("16 bits, "), fontsize=8)
        axes.set_xticks(at, ["all" if size == WHOLE else str(size) for size in sizes])
        axes.set_xlabel("rows of a fragment")
    grid[0, 0].set(ylabel="mean effective input cycles of 16", ylim=(0, 16.5))
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=6)
    return figure


@styled
def plot_faults(faults: dict[str, xr.Dataset]) -> Figure:
    """Plot accuracy and product error with scattered cells, resistive wires and stuck cells."""
    figure, grid = new_figure(2, 3, size=(7.0, 4.8), sharex="col", sharey="row")
    labels = {
        "sigma": ("log-normal scatter", 1.0),
        "line_resistance": ("line resistance (Ω per segment)", 1.0),
        "stuck_share": ("stuck cells (%)", 100.0),
    }
    for place, (dimension, found) in enumerate(faults.items()):
        label, factor = labels[dimension]
        x = factor * found[dimension].values
        for name in ENCODINGS:
            for size, line in ((FRAGMENT, "-"), (WHOLE, "--")):
                of_size, title = found.sel(series=name, fragment=size), f"{TITLES[name]}, {rows_text(size)}"
                look: dict[str, Any] = {
                    "color": _COLOR[name], "marker": _MARKER[name], "linestyle": line, "markersize": 3.5,
                    "fillstyle": "full" if size == FRAGMENT else "none", "elinewidth": 0.8, "capsize": 2,
                }  # fmt: skip
                for row, quantity in enumerate(("accuracy", "product_error")):
                    values = 100.0 * of_size[quantity]
                    grid[row, place].errorbar(x, values.mean("run"), _spread(values), label=title, **look)
        grid[1, place].set_xlabel(label)
    grid[0, 0].set(ylabel="accuracy (%)", ylim=(0, 102))
    grid[1, 0].set_yscale("symlog", linthresh=1.0)
    grid[1, 0].set_ylim(0, None)
    grid[1, 0].set_ylabel("product error (%)")
    _legend_without_bars(figure, grid[0, 0], 3)
    return figure


@styled
def plot_fragment_sizes(faults: dict[str, xr.Dataset]) -> Figure:
    """Plot accuracy and product error against the size of fragments, for one value of each fault."""
    figure, grid = new_figure(2, 3, size=(7.0, 4.8), sharex=True, sharey="row")
    cases = (
        (faults["sigma"].sel(sigma=0.1), "scatter of 0.1"),
        (faults["line_resistance"].sel(line_resistance=1.0), "1 Ω per segment"),
        (faults["stuck_share"].sel(stuck_share=0.01), "1 % stuck cells"),
    )
    for place, (found, title) in enumerate(cases):
        sizes = [int(size) for size in found["fragment"].values]
        for number, series in enumerate(found["series"].values):
            look: dict[str, Any] = {
                "color": COLORS[number], "marker": "osdv"[number], "markersize": 3.5, "elinewidth": 0.8, "capsize": 2,
                "label": series_title(str(series)),
            }  # fmt: skip
            for row, quantity in enumerate(("accuracy", "product_error")):
                values = 100.0 * found[quantity].sel(series=series)
                grid[row, place].errorbar(range(len(sizes)), values.mean("run"), _spread(values), **look)
        grid[0, place].set_title(title)
        grid[1, place].set_xlabel("rows of a fragment")
        grid[1, place].set_xticks(range(len(sizes)), ["all" if size == WHOLE else str(size) for size in sizes])
    grid[0, 0].set(ylabel="accuracy (%)", ylim=(0, 102))
    grid[1, 0].set(ylabel="product error (%)", yscale="log")
    grid[1, 0].yaxis.set_major_formatter("{x:g}")
    for axes in grid[1]:
        axes.grid(which="minor", visible=False)
    _legend_without_bars(figure, grid[0, 0], 4)
    return figure


@styled
def plot_converters(shares: xr.Dataset, converters: xr.Dataset) -> Figure:
    """Plot how often sums of levels occur, and product error and accuracy by the bits of the converters.

    Converters of too few bits for a code a level stretch their codes over all sums that are possible.
    """
    figure, grid = new_figure(1, 3, size=(7.0, 2.9))
    left, middle, right = grid[0]
    for color, layer in zip(COLORS, shares["share"], strict=False):
        left.plot(
            shares["level"], 100.0 * layer.where(layer > 0), "o-", color=color, markersize=2.5,
            label=f"layer {int(layer['layer'])}",
        )  # fmt: skip
    left.set_yscale("log")
    left.grid(which="minor", visible=False)
    left.axvline(15.5, color="black", linestyle=":", linewidth=1.0)
    left.text(15.2, left.get_ylim()[1], "4 bits, one\nlevel a code", ha="right", va="top", fontsize=8)
    left.set(xlabel=f"sum of levels, {FRAGMENT} rows", ylabel="share of reads (%)")
    left.legend(loc="lower left")
    bits = converters["converter_bits"].values
    for color, size in zip(COLORS, converters["fragment"].values, strict=False):
        of_size = converters.sel(series="polarized", fragment=size).isel(run=0)
        for axes, quantity in ((middle, "product_error"), (right, "accuracy")):
            axes.plot(bits, 100.0 * of_size[quantity], "o-", color=color, markersize=3.5, label=rows_text(int(size)))
    middle.set(xlabel="bits of the converters", ylabel="product error (%)", ylim=(0, None))
    right.set(xlabel="bits of the converters", ylabel="accuracy (%)", ylim=(0, 102))
    for axes in (middle, right):
        axes.set_xticks(bits)
        axes.set_title("range stretched to all sums", fontsize=8)
    middle.legend(loc="upper right")
    return figure


@styled
def plot_power(power: xr.Dataset) -> Figure:
    """Plot the average read power of the encodings in both engines."""
    figure, grid = new_figure(1, power.sizes["weights"], size=(7.0, 2.9), sharey=True)
    at = np.arange(len(ENCODINGS))
    for axes, weights in zip(grid[0], power["weights"].values, strict=True):
        for index, engine in enumerate(power["engine"].values):
            values = power["power"].sel(weights=weights, engine=engine)
            axes.bar(at + 0.38 * (index - 0.5), values, 0.36, color=COLORS[index], label=engine)
        lowest = power["power"].sel(weights=weights, encoding="polarized").mean("engine")
        for place, name in enumerate(ENCODINGS):
            value = power["power"].sel(weights=weights, encoding=name).mean("engine")
            axes.annotate(
                f"{float(value / lowest):.2f} ×", (place, float(value)), xytext=(0, 2), textcoords="offset points",
                ha="center", va="bottom", fontsize=8,
            )  # fmt: skip
        axes.set_xticks(at, [TITLES[name] for name in ENCODINGS])
        axes.set_title(str(weights))
        axes.grid(axis="x", visible=False)
        axes.set_axisbelow(True)
    label_axis(grid[0, 0].yaxis, "average read power", "W")
    grid[0, 0].set_ylim(0, 1.1 * float(power["power"].max()))
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def _legend_without_bars(figure: Figure, axes: Any, columns: int) -> None:
    """Name the lines above all panels, without the bars of their spread."""
    bars, names = axes.get_legend_handles_labels()
    figure.legend([bar[0] for bar in bars], names, loc="outside upper center", ncols=columns)


def _spread(values: xr.DataArray) -> xr.DataArray:
    """Standard deviation over runs, as in the claims; none of a single run."""
    return values.std("run", ddof=1) if values.sizes["run"] > 1 else xr.zeros_like(values.isel(run=0))
