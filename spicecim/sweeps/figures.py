"""Figures of a sweep: bands over an axis, distributions, yield, correlations, tornado plots and Sobol indices."""

from __future__ import annotations

import json
import textwrap
import warnings
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from spicecim.errors import FailedRunsWarning, InputError, NotFiniteWarning
from spicecim.fields import FloatArray
from spicecim.plotting.style import COLORS, new_figure, styled
from spicecim.sweeps.dataset import not_finite
from spicecim.sweeps.design import DEPENDENT
from spicecim.sweeps.drawing import (
    WIDTH,
    add_legend,
    add_note,
    common_color,
    curves_along,
    edges_of_bars,
    finite_values,
    label_values,
    label_wrapped,
    limits_around,
    more_ticks,
    named,
    spans_decades,
)
from spicecim.sweeps.sensitivity import sobol_indices, tornado
from spicecim.sweeps.statistics import bands, check_draws, correlations, measures_of, selected, shares_within

_FEWEST = 5
"""Samples of which a distribution is drawn."""
_MOST_BARS = 20
_THIN, _THICK = 1.5, 4.0
"""Widths of the lines that stand for the bands of a point."""


@styled
def plot_bands(sweep: xr.Dataset, measure: str, axis: str, **selection: Any) -> Figure:
    """Plot a measure over an axis: its mean over the samples, with the bands from 5 to 95 % and from 25 to 75 %.

    A sweep without samples has its values alone. Each place along the other axes has its curve, up to six. Points along
    an axis of texts, such as devices or corners, have no line between them.
    """
    values = selected(sweep, measure, selection)
    if axis not in values.dims:
        raise InputError(f"axis: must be one of {', '.join(map(str, values.dims))}; it is {axis!r}")
    figure, grid = new_figure(size=(5.0, 3.6))
    axes = grid[0, 0]
    x = values[axis] if axis in values.coords else xr.DataArray(np.arange(values.sizes[axis]))
    numeric, sampled = x.dtype.kind in "iuf", "sample" in values.dims
    filled = numeric and len(x) > 1
    curves, title = curves_along(values, axis)
    for number, (label, where) in enumerate(curves):
        own, color = values.isel(where), COLORS[number % len(COLORS)]
        beside = _beside(number, len(curves))
        at: FloatArray = np.asarray(x.values if numeric else np.arange(len(x)) + beside, dtype=float)
        if sampled:
            found = bands(sweep, measure, (0.05, 0.25, 0.75, 0.95), **selection, **where)
            low, lower, upper, high = found["quantile"].transpose("level", axis).values
            if filled:
                axes.fill_between(at, low, high, color=(color, 0.15), edgecolor=(color, 0.5), linewidth=0.5)
                axes.fill_between(at, lower, upper, color=(color, 0.35), linewidth=0)
            else:
                axes.vlines(at, low, high, color=(color, 0.4), linewidth=_THIN)
                axes.vlines(at, lower, upper, color=(color, 0.5), linewidth=_THICK)
            own = found["mean"]
        axes.plot(
            at, own, marker="o", markersize=3 if numeric else 5, linestyle="-" if numeric else "none", color=color,
            label=label,
        )  # fmt: skip
    if numeric:
        if spans_decades(at):
            axes.set_xscale("log")
        label_wrapped(axes.xaxis, axis, str(x.attrs.get("units", "")))
    else:
        axes.set_xlabel(axis)
        axes.set_xticks(range(len(x)), [str(each) for each in x.values], rotation=20, ha="right")
        axes.set_xlim(-0.5, len(x) - 0.5)
    in_step = [str(name) for name, each in values.coords.items() if each.dims == (axis,) and name != axis]
    if in_step and axis != "corner":
        axes.set_xlabel(f"{axes.get_xlabel()}, in step with\n{', '.join(in_step)}")
    label_values(axes.yaxis, values, selection)
    add_legend(figure, axes, _marks_of_bands(filled, common_color(curves)) if sampled else (), title)
    add_note(figure, sweep, selection)
    return figure


def _marks_of_bands(filled: bool, color: str) -> list[Artist]:
    """What a legend says of the marker and the bands of every curve."""
    mean = Line2D([], [], color=color, marker="o", markersize=3, label="mean")
    wide, narrow = "quantiles 5 % to 95 %", "quantiles 25 % to 75 %"
    if not filled:
        thin = Line2D([], [], color=(color, 0.4), linewidth=_THIN, label=wide)
        return [mean, thin, Line2D([], [], color=(color, 0.5), linewidth=_THICK, label=narrow)]
    light = Patch(facecolor=(color, 0.15), edgecolor=(color, 0.5), linewidth=0.5, label=wide)
    return [mean, light, Patch(color=(color, 0.5), label=narrow)]


def _beside(number: int, count: int) -> float:
    """How far a point stands beside the middle of its text, for points of several curves not to hide each other."""
    return 0.0 if count < 2 else 0.4 * (number / (count - 1) - 0.5)


@styled
def plot_distribution(sweep: xr.Dataset, measure: str, *, limit: float | None = None, **selection: Any) -> Figure:
    """Plot the histogram of a measure over the samples, and its cumulative distribution, with a limit if one is given.

    Each place along the axes has its curve, up to six.
    """
    values = selected(sweep, measure, selection)
    if "sample" not in values.dims:
        raise InputError("the sweep has no samples")
    figure, grid = new_figure(1, 2, size=(7.0, 3.2))
    left, right = grid[0]
    curves, title = curves_along(values, "sample")
    parts = [np.sort(finite_values(values.isel(where))) for _, where in curves]
    edges = edges_of_bars(parts)
    for number, ((label, _), own) in enumerate(zip(curves, parts, strict=True)):
        color = COLORS[number % len(COLORS)]
        left.hist(own, bins=edges, color=color, alpha=0.35 if len(curves) > 1 else 0.7, label=label)
        if len(own):
            shares = np.arange(len(own) + 1) / len(own)
            right.step(np.insert(own, 0, own[0]), shares, where="post", color=color, label=label)
    for axes, name in ((left, "samples"), (right, "share of the samples below")):
        if spans_decades(edges):
            axes.set_xscale("log")
        if limit is not None:
            axes.axvline(limit, color="black", linestyle=":", linewidth=1, label="limit")
        more_ticks(axes)
        label_values(axes.xaxis, values, selection)
        axes.set_ylabel(name)
        axes.set_axisbelow(True)
    left.yaxis.set_major_locator(MaxNLocator(integer=True))
    right.set_ylim(0, 1.02)
    add_legend(figure, right, title=title)
    add_note(figure, sweep, selection)
    return figure


@styled
def plot_yield(sweep: xr.Dataset, measure: str, *, upper: bool = True, **selection: Any) -> Figure:
    """Plot the yield against a limit, from above or below, with its 95 % confidence interval (Wilson).

    Each place along the axes has its curve, up to six; its interval is drawn where its values lie.
    """
    values = selected(sweep, measure, selection)
    check_draws(sweep, values)
    figure, grid = new_figure(size=(5.0, 3.6))
    axes = grid[0, 0]
    data = finite_values(values)
    if not len(data):
        raise InputError(f"{measure}: no run has a value")
    curves, title = curves_along(values, "sample")
    ends = limits_around(data)[[0, -1]]
    for number, (label, where) in enumerate(curves):
        own, color = values.isel(where), COLORS[number % len(COLORS)]
        if not len(finite_values(own)):
            continue
        limits = limits_around(finite_values(own))
        there = own.values[own.notnull().values]
        passed = there <= limits[:, None] if upper else there >= limits[:, None]
        share = passed.mean(axis=1)
        low, high = shares_within(passed.sum(axis=1), np.full(len(limits), len(there)))
        axes.fill_between(limits, low, high, color=(color, 0.15), edgecolor=(color, 0.6), linewidth=0.5)
        along, shares = np.r_[ends[0], limits, ends[1]], np.r_[share[0], share, share[-1]]
        axes.plot(along, shares, color=color, label=label or "yield", zorder=3)
    if spans_decades(data):
        axes.set_xscale("log")
    label_values(axes.xaxis, values, selection, f"{'upper' if upper else 'lower'} limit of ")
    axes.set_ylabel("yield")
    axes.set_ylim(-0.02, 1.02)
    band = Patch(color=(common_color(curves), 0.3), label="95 % confidence interval (Wilson)")
    add_legend(figure, axes, [band], title)
    add_note(figure, sweep, selection)
    return figure


def _bars(count: int) -> tuple[Figure, Any]:
    figure, grid = new_figure(size=(6.0, 1.3 + 0.32 * count))
    axes = grid[0, 0]
    axes.grid(False, axis="y")
    axes.set_axisbelow(True)
    return figure, axes


def _name_bars(axes: Any, names: list[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)


@styled
def plot_correlations(sweep: xr.Dataset, measure: str, **selection: Any) -> Figure:
    """Plot the rank correlation of a measure with every parameter, the strongest on top.

    Axes that rise or fall together have one bar, with the names of all.
    """
    found = correlations(sweep, measure, **selection)
    parameters, partners = found["parameter"].values, found["in_step"].values
    shown = found.isel(parameter=np.flatnonzero(partners == "")[:_MOST_BARS])
    figure, axes = _bars(shown.sizes["parameter"])
    colors = [COLORS[0] if rho > 0 else COLORS[1] for rho in shown["spearman"].values]
    axes.barh(range(len(colors)), shown["spearman"].values, color=colors, height=0.6)
    axes.axvline(0.0, color="black", linewidth=0.8)
    axes.set_xlim(-1.05, 1.05)
    axes.set_xlabel(textwrap.fill(f"rank correlation with {named(sweep[measure], selection)}", WIDTH))
    names = []
    for name in shown["parameter"].values:
        others = ", ".join(parameters[partners == name])
        names.append(f"{name}\nin step with {others}" if others else str(name))
    _name_bars(axes, names)
    add_note(figure, sweep, selection, _counted(sweep, measure, selection))
    return figure


def _counted(sweep: xr.Dataset, measure: str, selection: dict[str, Any]) -> str:
    """Say how many runs correlations are of, and how what was drawn is ranked."""
    values = selected(sweep, measure, selection)
    there = values.copy(data=np.isfinite(values.values))
    runs = f"n = {int(there.sum())} runs"
    if "sample" not in there.dims or there.ndim == 1:
        return runs
    points = there.any("sample")
    samples = int(there.any(points.dims).sum())
    return (
        f"{runs}: {samples} samples at {int(points.sum())} points of the axes; what was drawn is ranked within each "
        "point of the axes"
    )


@styled
def plot_tornado(sweep: xr.Dataset, measure: str, **selection: Any) -> Figure:
    """Plot what a measure is where each field alone is low and high, the widest on top."""
    found = tornado(sweep, measure, **selection).isel(parameter=slice(_MOST_BARS))
    level = json.loads(sweep.attrs["sweep"])["level"]
    nominal = float(found["nominal"])
    figure, axes = _bars(found.sizes["parameter"])
    places = range(found.sizes["parameter"])
    for name, sign, color in (("low", "\N{MINUS SIGN}", COLORS[0]), ("high", "+", COLORS[1])):
        axes.barh(
            places, found[name].values - nominal, left=nominal, color=color, height=0.6,
            label=f"{sign}{level:g} standard deviation{'s' if level != 1 else ''}",
        )  # fmt: skip
    axes.axvline(nominal, color="black", linewidth=0.8)
    more_ticks(axes)
    label_values(axes.xaxis, sweep[measure], selection)
    _name_bars(axes, [str(name) for name in found["parameter"].values])
    add_legend(figure, axes)
    return figure


@styled
def plot_sobol(sweep: xr.Dataset, measure: str, **selection: Any) -> Figure:
    """Plot first-order and total Sobol indices of the fields that were drawn, with their 95 % intervals."""
    found = sobol_indices(sweep, measure, **selection).isel(parameter=slice(_MOST_BARS))
    figure, axes = _bars(2 * found.sizes["parameter"])
    places = np.arange(found.sizes["parameter"])
    for name, shift, color in (("first", -0.2, COLORS[0]), ("total", 0.2, COLORS[1])):
        value, low, high = (found[key].values for key in (name, f"{name}_low", f"{name}_high"))
        errors = np.maximum([value - low, high - value], 0.0)
        axes.barh(places + shift, value, xerr=errors, color=color, height=0.36, label=f"{name} order"
                  if name == "first" else "total", error_kw={"linewidth": 0.8})  # fmt: skip
    axes.axvline(0.0, color="black", linewidth=0.8)
    axes.set_xlabel(textwrap.fill(f"share of the variance of {named(sweep[measure], selection)}", WIDTH))
    _name_bars(axes, [str(name) for name in found["parameter"].values])
    interval = Line2D([], [], color="black", linewidth=0.8, label="95 % confidence interval (bootstrap)")
    add_legend(figure, axes, [interval])
    return figure


def plot_sweep(sweep: xr.Dataset, **selection: Any) -> dict[str, Figure]:
    """Return all figures that a sweep has, by names for their files.

    Parameters
    ----------
    sweep
        What `spicecim.open_sweep` returns.
    **selection
        Places along dimensions; of a measure's own ones the first if left out.

    Raises
    ------
    InputError
        If no measure has a dimension that is selected, or a place is none of it.

    Warns
    -----
    FailedRunsWarning
        If runs have no result, because they failed or were not done yet: the figures are of the others.
    NotFiniteWarning
        If values that were measured are NaN or infinite: likewise.
    """
    design = json.loads(sweep.attrs["sweep"])["design"]
    rest = "the figures are of the others"
    if design in DEPENDENT:
        rest += ", without tornado plots and Sobol indices, which take the values of all runs"
    missing = int((sweep["status"] != "done").sum())
    if missing:
        what = f"{missing} of {sweep['status'].size} runs have no result; {rest}"
        warnings.warn(what, FailedRunsWarning, stacklevel=2)
    if text := not_finite(sweep):
        warnings.warn(f"{text}; {rest}", NotFiniteWarning, stacklevel=2)
    known = dict.fromkeys(str(name) for measure in measures_of(sweep) for name in sweep[measure].dims)
    for name in selection:
        if name not in known:
            raise InputError(f"no measure has a dimension {name!r}; there are {', '.join(known)}")
    grid = [str(name) for name in sweep["status"].dims]
    axes = [name for name in grid if name != "sample" and name not in selection]
    figures: dict[str, Figure] = {}
    for measure in measures_of(sweep):
        sweep = sweep.assign({measure: sweep[measure].load()})  # read once, not for every curve
        values = sweep[measure]
        if not np.isfinite(values.values).any():
            continue
        own: dict[str, Any] = {str(name): 0 for name in values.dims if name not in grid}
        chosen = own | {name: place for name, place in selection.items() if name in values.dims}
        first = chosen | dict.fromkeys(axes, 0)
        for axis in axes:
            figures[f"{measure}_over_{axis.replace('.', '_')}"] = plot_bands(sweep, measure, axis, **chosen)
        of_all = design in DEPENDENT and bool(np.isfinite(selected(sweep, measure, first)).all())
        if design == "one-at-a-time" and of_all:
            figures[f"{measure}_tornado"] = plot_tornado(sweep, measure, **first)
        elif design != "one-at-a-time" and values.sizes.get("sample", 0) >= _FEWEST:
            if design not in DEPENDENT:
                figures[f"{measure}_distribution"] = plot_distribution(sweep, measure, **chosen)
                figures[f"{measure}_yield"] = plot_yield(sweep, measure, **chosen)
            if json.loads(sweep.attrs["sweep"])["draws"] or json.loads(sweep.attrs["sweep"])["scatter"]["vary"]:
                figures[f"{measure}_correlations"] = plot_correlations(sweep, measure, **chosen)
        if design == "saltelli" and of_all:
            figures[f"{measure}_sobol"] = plot_sobol(sweep, measure, **first)
    return figures
