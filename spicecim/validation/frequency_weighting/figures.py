"""Figures of the validation, each drawn from the dataset that is saved beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator

from spicecim.plotting.style import COLORS, label_axis, new_figure, styled
from spicecim.validation.frequency_weighting.power import PAPER_WORST

_SHOWN = 99.5
"""Percentage of the errors of pictures that the colors span."""
_MARKERS = ("o", "s", "^", "D", "v")


@styled
def plot_calibration(data: xr.Dataset) -> Figure:
    """Plot the conductance of one cycle against frequency from both states, its monotone bands, and the levels."""
    titles = data["device"].values
    figure, grid = new_figure(-(-len(titles) // 2), 2, size=(7.0, 2.5 * -(-len(titles) // 2)))
    for axes, title in zip(grid.flat, titles, strict=False):
        one = data.sel(device=title)
        for index, branch in enumerate(data["branch"].values):
            curve = one.sel(branch=branch)
            axes.semilogx(curve["frequency"], 1e3 * curve["conductance"], color=COLORS[index], label=f"from {branch}")
            axes.axvspan(
                *curve["band"].values,
                color=COLORS[index],
                alpha=0.12,
                linewidth=0,
                label=f"monotone from {branch}",
            )
        shown = one.isel(level=slice(None, None, 8))
        axes.semilogx(
            shown["level_frequency"], 1e3 * shown["level_conductance"], ".", color="black", markersize=3,
            label="every 8th weight",
        )  # fmt: skip
        axes.set_title(f"{title}, {float(one['amplitude']):g} V")
        axes.set_ylabel("conductance (mS)")
        axes.set_ylim(bottom=0)
        label_axis(axes.xaxis, "frequency", "Hz")
        axes.xaxis.set_major_locator(LogLocator(numticks=5))
    for axes in list(grid.flat)[len(titles) :]:
        axes.remove()
    figure.legend(*grid.flat[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


@styled
def plot_linearity(data: xr.Dataset) -> Figure:
    """Plot INL and DNL of the products' steps from weight to weight at several pixels, and bits under uncertainty."""
    figure, grid = new_figure(2, 3, size=(7.0, 4.4), sharey=False)
    for row, title in enumerate(data["device"].values[:2]):
        one = data.sel(device=title)
        for index, pixel in enumerate(data["pixel"].values):
            options = {"color": COLORS[index], "label": f"{pixel}", "linewidth": 1.0}
            grid[row, 0].plot(data["level"], one["inl"].sel(pixel=pixel), **options)
            grid[row, 1].plot(data["level"][1:], one["dnl"].sel(pixel=pixel).values[1:], **options)
        grid[row, 0].set(title=title, xlabel="weight", ylabel="INL (LSB)")
        grid[row, 1].set(xlabel="weight", ylabel="DNL (LSB)")
        # a step of a hundred between the branches beside steps of a fraction within them
        grid[row, 1].set_yscale("symlog", linthresh=1.0)
    grid[0, 0].legend(title="pixel", ncols=2, columnspacing=0.8, handlelength=1.2)
    for axes in grid[:, 2]:
        axes.remove()
    bits = figure.add_subplot(grid[0, 2].get_gridspec()[:, 2])
    for index, title in enumerate(data["device"].values):
        bits.semilogx(
            100 * data["uncertainty"], data["effective_bits"].sel(device=title), color=COLORS[index],
            marker=_MARKERS[index], markersize=3, label=title,
        )  # fmt: skip
    bits.set(xlabel="uncertainty of rate\nor frequency (%)", ylabel="effective bits of 8", ylim=(0, 8.4))
    bits.legend(loc="lower left")
    return figure


@styled
def plot_surfaces(data: xr.Dataset) -> Figure:
    """Plot the error of every product, before and after the frequency follows the amplitude."""
    titles, schemes = data["device"].values, data["scheme"].values
    extent = (0, int(data["level"][-1]), 0, int(data["pixel"][-1]))
    figure, grid = new_figure(len(titles), len(schemes), size=(6.2, 2.7 * len(titles)), sharex=True, sharey=True)
    for row, title in enumerate(titles):
        limit = 100 * float(np.abs(data["error"].sel(device=title)).max())
        for column, scheme in enumerate(schemes):
            axes, one = grid[row, column], data["error"].sel(device=title, scheme=scheme)
            image = axes.imshow(
                100 * one.values, origin="lower", cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto", extent=extent
            )
            axes.grid(False)
            rms = 100 * float(np.sqrt((one**2).mean()))
            axes.set_title(f"{title}: {_SCHEME_TITLES[str(scheme)]}\nrms {_short(rms)} %")
            axes.set(xlabel="weight" if row == len(titles) - 1 else "", ylabel="pixel" if column == 0 else "")
        figure.colorbar(image, ax=list(grid[row]), label="error (% of the\nlargest product)")
    return figure


@styled
def plot_pictures(data: xr.Dataset) -> Figure:
    """Plot an exact convolution, then those of each case with their errors."""
    cases = data["case"].values
    exact = data["exact"].values
    limit = float(np.abs(exact).max())
    figure, grid = new_figure(2, len(cases) + 1, size=(7.0, 3.6))
    grid[0, 0].imshow(exact, cmap="gray", vmin=-limit, vmax=limit)
    grid[0, 0].set_title("exact, 8 bit")
    grid[1, 0].imshow(data["image"].values, cmap="gray", vmin=0, vmax=255)
    grid[1, 0].set_title("pixels")
    errors = 100 * (data["output"].values - exact) / limit
    largest = float(np.percentile(np.abs(errors), _SHOWN))
    for column, case in enumerate(cases, start=1):
        one = data.sel(case=case)
        error = errors[column - 1]
        psnr = float(one["psnr"].sel(kernel=data.attrs["shown_kernel"]))
        grid[0, column].imshow(one["output"].values, cmap="gray", vmin=-limit, vmax=limit)
        grid[0, column].set_title(f"{one['device'].item()}\n{_SCHEME_TITLES[one['scheme'].item()]}\n{psnr:.1f} dB")
        image = grid[1, column].imshow(error, cmap="RdBu_r", vmin=-largest, vmax=largest)
        grid[1, column].set_title(f"rms {_short(float(np.sqrt(np.mean(error**2))))} %")
    for axes in figure.axes:
        axes.set(xticks=[], yticks=[])
        axes.grid(False)
    figure.colorbar(image, ax=list(grid[1, 1:]), label="error (% of the largest)", shrink=0.9, extend="both")
    return figure


@styled
def plot_psnr(data: xr.Dataset) -> Figure:
    """Plot the peak signal-to-noise ratio of every kernel and case."""
    kernels, devices = data["kernel"].values, list(dict.fromkeys(data["device"].values))
    figure, grid = new_figure(2, 1, size=(7.0, 3.8), sharex=True, height_ratios=[1, 2.2])
    for case in data["case"].values:
        one = data.sel(case=case)
        index, filled = devices.index(one["device"].item()), one["scheme"].item() == "fixed"
        for axes in grid[:, 0]:
            axes.plot(
                np.arange(len(kernels)) + 0.12 * (index - 0.5 * (len(devices) - 1)), one["psnr"], linestyle="none",
                marker=_MARKERS[index], markersize=5, color=COLORS[index], fillstyle="full" if filled else "none",
                label=f"{one['device'].item()}, {_SCHEME_TITLES[one['scheme'].item()]}",
            )  # fmt: skip
    exact, rest = grid[:, 0]
    # what is exact but for rounding stands apart from what is not
    exact.set_ylim(140, 240)
    rest.set_ylim(0, 60)
    exact.spines["bottom"].set_visible(False)
    exact.tick_params(bottom=False)
    rest.set_xticks(range(len(kernels)), [str(name).replace(" ", "\n", 1) for name in kernels])
    figure.supylabel("PSNR (dB)", fontsize=9)
    figure.legend(*rest.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


@styled
def plot_power_by_scheme(data: xr.Dataset) -> Figure:
    """Plot the average power of a convolution by scheme and device, with the ratio to eight one-bit devices."""
    devices, schemes = data["device"].values, data["scheme"].values
    figure, grid = new_figure(1, 1, size=(7.0, 3.3))
    axes = grid[0, 0]
    width = 0.8 / len(schemes)
    power = 1e3 * data["power"].sel(statistics="camera image")
    worst = 1e3 * data["worst"]
    for index, scheme in enumerate(schemes):
        place = np.arange(len(devices)) + (index - 0.5 * (len(schemes) - 1)) * width
        values = power.sel(scheme=scheme).values
        # a bar would have no foot to stand on: the axis is logarithmic
        axes.plot(
            place, values, linestyle="none", marker=_MARKERS[index], markersize=6, color=COLORS[index],
            label=_POWER_TITLES[str(scheme)],
        )  # fmt: skip
        axes.plot(place, worst.sel(scheme=scheme), "_", color="black", markersize=8, label="_")
        for at, value, ratio in zip(place, values, power.sel(scheme=schemes[0]).values / values, strict=True):
            if index:
                axes.annotate(
                    f"1/{ratio:.3g}",
                    (at, value),
                    (0, -6),
                    textcoords="offset points",
                    ha="center",
                    va="top",
                    fontsize=7,
                )
    axes.plot([], [], "_", color="black", markersize=8, label="worst case of each (dash)")
    axes.axhline(
        1e3 * PAPER_WORST,
        color="black",
        linewidth=0.8,
        linestyle=":",
        zorder=0.5,
        label="1.1 mW at worst (abstract):\nfor the dashes, not the markers",
    )
    axes.set_yscale("log")
    axes.set_axisbelow(True)
    axes.set_xticks(range(len(devices)), devices)
    axes.set_ylabel("average power of a 3 × 3\nconvolution (mW)")
    axes.set_ylim(bottom=0.3 * float(power.min()))
    axes.grid(axis="x", visible=False)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, columnspacing=1.0)
    return figure


@styled
def plot_accuracy(data: xr.Dataset) -> Figure:
    """Plot the accuracy on digits by bits of a weight, mean and standard deviation over seeds."""
    figure, grid = new_figure(2, 1, size=(6.6, 3.8), sharex=True, height_ratios=[1.2, 1])
    near, far = grid[:, 0]
    bits = data["bits"].values
    freedom = min(1, data.sizes["seed"] - 1)
    mean, spread = 100 * data["accuracy"].mean("seed"), 100 * data["accuracy"].std("seed", ddof=freedom)
    for axes in (near, far):
        for name, color, line in (("float", COLORS[6], "-"), ("8 bit", COLORS[6], "--"), ("binarized", COLORS[4], "-")):
            middle, around = float(mean.sel(arithmetic=name)), float(spread.sel(arithmetic=name))
            axes.axhline(
                middle, color=color, linestyle=line, linewidth=1.0, label=f"{name} ({middle:.1f} ± {around:.1f} %)"
            )
        for index, case in enumerate(data["case"].values):
            for varied in (False, True):
                values = 100 * data["frequency"].sel(case=case, varied=varied)
                offset = 0.16 * (index - 0.5 * (data.sizes["case"] - 1)) + (0.04 if varied else -0.04)
                title = str(case).replace("coscaled", "co-scaled").replace("fixed", "fixed frequency")
                axes.errorbar(
                    bits + offset, values.mean("seed"), values.std("seed", ddof=freedom), linestyle="none",
                    marker=_MARKERS[index], markersize=4, capsize=2, color=COLORS[index],
                    fillstyle="none" if varied else "full",
                    label=f"{title}{', devices vary' if varied else ''}",
                )  # fmt: skip
    # what keeps the accuracy differs by a percent, what loses it by tens
    near.set_ylim(90, 100)
    far.set_ylim(0, 90)
    near.spines["bottom"].set_visible(False)
    near.tick_params(bottom=False)
    far.set(xlabel="bits of a frequency weight, sign included")
    far.set_xticks(list(bits))
    figure.supylabel("accuracy (%)", fontsize=9)
    figure.legend(*near.get_legend_handles_labels(), loc="outside right center")
    return figure


@styled
def plot_loops(data: xr.Dataset) -> Figure:
    """Plot v-i loops of the largest pixel along the range of weights, as ngspice runs them."""
    devices = data["device"].values
    figure, grid = new_figure(1, len(devices), size=(7.0, 3.1))
    for axes, title in zip(grid[0], devices, strict=True):
        for index, level in enumerate(data["level"].values):
            one = data.sel(device=title, level=level)
            axes.plot(one["v"], one["i"], color=COLORS[index], linewidth=1.0, label=f"{level}")
        label_axis(axes.xaxis, "voltage", "V")
        label_axis(axes.yaxis, "current", "A")
        axes.set_title(f"{title}, ngspice")
    grid[0, 0].legend(title="weight", loc="upper left")
    return figure


@styled
def plot_agreement(datasets: Sequence[tuple[str, xr.Dataset]]) -> Figure:
    """Plot how far ngspice is from the reference engine on every patch, sorted: readouts and powers."""
    figure, grid = new_figure(1, 2, size=(7.0, 2.9), sharey=True)
    for index, (title, data) in enumerate(datasets):
        for axes, name in zip(grid[0], ("readout_error", "power_error"), strict=True):
            values = np.sort(np.abs(data[name].values))
            axes.semilogy(
                np.arange(1, len(values) + 1), values, color=COLORS[index], marker=_MARKERS[index], markersize=3,
                linewidth=0.8, label=title,
            )  # fmt: skip
    for axes, title in zip(grid[0], ("readout (of full scale)", "average power (relative)"), strict=True):
        axes.axhline(1e-3, color="black", linestyle=":", linewidth=0.8)
        axes.set(title=title, xlabel="patches, sorted")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    grid[0, 0].set_ylabel("|ngspice − reference|")
    grid[0, 0].text(1, 1.15e-3, "wanted: 1e-3", fontsize=7, va="bottom")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


_SCHEME_TITLES: dict[str, str] = {
    "fixed": "fixed frequency",
    "predistorted": "predistorted",
    "coscaled": "co-scaled",
    "bit by bit": "bit by bit",
}
_POWER_TITLES: dict[str, str] = {
    "8 one-bit": "8 one-bit devices",
    "conductance": "conductance",
    "binarized": "binarized",
    "frequency, OFF": "frequency, OFF",
    "frequency, both": "frequency, both",
}


def _short(value: Any) -> str:
    return f"{value:.2g}" if value >= 1e-3 else f"{value:.0e}"


@styled
def plot_chips(data: xr.Dataset) -> Figure:
    """Plot the energy of a convolution by component, and over the power of a row's source; see `chip_energies`."""
    figure, grid = new_figure(1, 2, size=(7.0, 3.6), width_ratios=[1.15, 1.0])
    bars, sweep = grid[0]
    places = np.arange(data.sizes["design"])
    width = 0.8 / data.sizes["group"]
    for number, (color, group) in enumerate(zip(COLORS, data["group"].values, strict=False)):
        values = data["energy"].sel(group=group).values
        shifted = places + width * (number - 0.5 * (data.sizes["group"] - 1))
        bars.plot(shifted, np.where(values > 0, values, np.nan), ls="", marker="_", ms=7, mew=2.5, color=color,
                  label=str(group))  # fmt: skip
    bars.plot(places, data["energy"].sum("group"), ls="", marker="D", ms=4, color="black", label="all of it")
    bars.set_xticks(
        places, [str(name) for name in data["design"].values], rotation=40, ha="right", rotation_mode="anchor"
    )
    bars.grid(False, axis="x")
    power = data["source_power"].values
    # the logarithmic axis has no place for nothing
    driven = power > 0
    others = [str(name) for name in data["design"].values if name not in data["device"].values]
    total = data["energy"].sum("group")
    for number, device in enumerate(data["device"].values):
        for rewriting, line in ((True, "-"), (False, "--")):
            joule = data["swept"].sel(device=device, rewriting=rewriting).values[driven]
            sweep.plot(power[driven], joule, line, marker=_MARKERS[number], ms=3, color=COLORS[number],
                       label=str(device) if rewriting else None)  # fmt: skip
    sweep.axhspan(*(float(end) for end in (total.sel(design=others).min(), total.sel(design=others).max())),
                  color="black", alpha=0.3, lw=0, label="bit-sliced designs")  # fmt: skip
    low, high = float(data["energy"].where(data["energy"] > 0).min()), float(data["swept"].max())
    for axes in (bars, sweep):
        axes.set(yscale="log", ylim=(low / 3, 3 * high))
        axes.yaxis.set_major_locator(LogLocator(numticks=8))
        label_axis(axes.yaxis, "energy of a 3 x 3 convolution", "J")
        axes.set_ylim(low / 3, 5 * high)
    sweep.set(xscale="log", ylabel="")
    sweep.xaxis.set_major_locator(LogLocator(base=1000))
    sweep.tick_params(labelleft=False)
    label_axis(sweep.xaxis, "power of a row's source", "W")
    handles, labels = bars.get_legend_handles_labels()
    more, titles = sweep.get_legend_handles_labels()
    figure.legend([*handles, *more], [*labels, *titles], loc="outside upper center", ncols=4, fontsize=7)
    sweep.set_title("dashed: not rewritten", fontsize=8)
    return figure
