"""What the figures of a sweep have in common: curves, their legend, names and ticks of axes, bars and limits."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from spicecim.fields import FloatArray
from spicecim.plotting.style import COLORS, ROUNDING, label_axis

_MOST_CURVES = 6
_LIMITS = 120
"""Limits at which a yield is computed."""
_MOST_BARS_OF_A_HISTOGRAM = 100
WIDTH = 36
"""Letters of a line of an axis's name."""
_LETTERS = 15
"""Letters of a legend per inch."""
_LETTERS_OF_A_NOTE = 18
"""Letters of a note per inch."""
_LETTERS_OF_A_MARK = 5
"""What the mark of a curve in a legend takes, and the gap to the next one."""
_DECADES = 100.0
"""Largest over smallest value from which on an axis is logarithmic."""
_GRAY = "#777777"


def named(values: xr.DataArray, selection: Mapping[str, Any]) -> str:
    """Name of a measure at a place, for an axis."""
    name = str(values.attrs.get("long_name") or values.name).replace("_", " ")
    return ", ".join([name, *(f"{key} {place}" for key, place in selection.items() if key in ("row", "column"))])


def curves_along(values: xr.DataArray, along: str) -> tuple[list[tuple[str, dict[str, Any]]], str]:
    """Labels and places of the curves along a dimension, one for each place of the others, and a title for a legend.

    Of many places there are some, spread over all, and the title says so.
    """
    others = [name for name in values.dims if name not in (along, "sample")]
    places = list(np.ndindex(*(values.sizes[name] for name in others)))
    kept = [places[number] for number in np.unique(np.linspace(0, len(places) - 1, _MOST_CURVES).round().astype(int))]
    if len(places) <= _MOST_CURVES:
        kept = places
    curves = []
    for place in kept:
        where: dict[str, Any] = {str(name): int(index) for name, index in zip(others, place, strict=True)}
        texts = [f"{name.rpartition('.')[2]} {_shown(values, name, index)}" for name, index in where.items()]
        curves.append((", ".join(texts), where))
    return curves, f"{len(curves)} of {len(places)} curves" if len(curves) < len(places) else ""


def _shown(values: xr.DataArray, name: str, index: int) -> str:
    if name not in values.coords:
        return str(index)
    value = values[name].values[index]
    unit = values[name].attrs.get("units", "")
    return f"{value:g} {unit}".strip() if values[name].dtype.kind in "iuf" else str(value)


def add_legend(figure: Figure, axes: Any, others: Sequence[Artist] = (), title: str = "") -> None:
    """Put the names of the curves above a figure, and after them what else is drawn."""
    drawn, names = axes.get_legend_handles_labels()
    handles, names = [*drawn, *others], [*names, *(str(each.get_label()) for each in others)]
    if handles:
        room = figure.get_figwidth() * _LETTERS
        columns = next((count for count in (3, 2) if _width_of_legend(names, count) <= room), 1)
        figure.legend(handles, names, loc="outside upper center", ncols=columns, title=title or None)


def add_note(figure: Figure, sweep: xr.Dataset, selection: Mapping[str, Any], *others: str) -> None:
    """Say below a figure how many of its runs have a result, unless all have one, and what else is to be said."""
    status = sweep["status"]
    status = status.isel({name: place for name, place in selection.items() if name in status.dims})
    done = int((status == "done").sum())
    missing = [f"{done} of {status.size} runs have a result"] if done < status.size else []
    if lines := [*missing, *others]:
        wide = round(figure.get_figwidth() * _LETTERS_OF_A_NOTE)
        figure.supxlabel("\n".join(textwrap.fill(line, wide) for line in lines), fontsize=7)


def _width_of_legend(names: list[str], columns: int) -> int:
    """Letters of all columns of a legend side by side."""
    parts = np.array_split([len(name) + _LETTERS_OF_A_MARK for name in names], columns)
    return sum(int(part.max(initial=0)) for part in parts)


def common_color(curves: list[Any]) -> str:
    """Color of the marks in a legend that stand for those of all curves."""
    return COLORS[0] if len(curves) == 1 else _GRAY


def spans_decades(values: FloatArray) -> bool:
    """Whether values belong on a logarithmic axis."""
    return bool((values > 0.0).all() and values.max() >= _DECADES * values.min())


def label_values(axis: Any, values: xr.DataArray, selection: Mapping[str, Any], before: str = "") -> None:
    """Label an axis with the name and the unit of a measure."""
    label_wrapped(axis, before + named(values, selection), str(values.attrs.get("units", "")))


def label_wrapped(axis: Any, name: str, unit: str) -> None:
    """Label an axis, in as many lines as it takes."""
    if unit or axis.get_scale() != "log":
        label_axis(axis, name, unit)
    else:
        axis.set_label_text(name)  # its ticks are powers of ten
    together = axis.get_label_text().replace(" (", "\N{NO-BREAK SPACE}(")  # a unit alone on a line is easily missed
    axis.set_label_text(textwrap.fill(together, WIDTH).replace("\N{NO-BREAK SPACE}(", " ("))


def more_ticks(axes: Any) -> None:
    """Have four ticks of x or more, and on a logarithmic axis no more than have room."""
    if axes.get_xscale() == "linear":
        axes.locator_params(axis="x", nbins=6, min_n_ticks=4)
    else:
        axes.locator_params(axis="x", numticks=4)


def edges_of_bars(parts: list[FloatArray]) -> FloatArray:
    """Edges of bars for several distributions, as narrow as the narrowest of them asks for.

    Values that span decades have bars of the same width on a logarithmic axis; equal ones have one bar in the middle.
    """
    parts = [part for part in parts if len(part)]
    if not parts:
        return np.array([0.0, 1.0])
    every = np.concatenate(parts)
    if not spans_decades(every):
        return _even_edges(parts)
    found = 10.0 ** _even_edges([np.log10(part) for part in parts])
    found[[0, -1]] = every.min(), every.max()  # which rounding would put outside
    return np.asarray(found)


def _even_edges(parts: list[FloatArray]) -> FloatArray:
    every = np.concatenate(parts)
    low, high = float(every.min()), float(every.max())
    if high - low <= ROUNDING * max(abs(low), abs(high)):
        return low + _margin(every) * np.array([-0.3, -0.1, 0.1, 0.3])
    widths = [edges[1] - edges[0] for part in parts if len(edges := np.histogram_bin_edges(part, "auto")) > 2]
    count = math.ceil((high - low) / min(widths)) if widths else 10
    return np.asarray(np.histogram_bin_edges([low, high], min(count, _MOST_BARS_OF_A_HISTOGRAM)))


def _margin(values: FloatArray) -> float:
    """Beside some values, a tenth of their range; of equal ones, a tenth of their size."""
    spread, size = float(np.ptp(values)), float(np.abs(values).max())
    return 0.1 * (spread if spread > ROUNDING * size else size or 1.0)


def finite_values(values: xr.DataArray) -> FloatArray:
    """All values that are finite, in one row."""
    data = np.asarray(values.values, dtype=float).ravel()
    return np.asarray(data[np.isfinite(data)])


def limits_around(values: FloatArray) -> FloatArray:
    """Limits from a little below some values to a little above them, evenly spaced on their axis."""
    if spans_decades(values):
        ends = np.log10([values.min(), values.max()])
        return np.asarray(np.logspace(*_ends_around(ends), _LIMITS))
    return np.linspace(*_ends_around(values), _LIMITS)


def _ends_around(values: FloatArray) -> tuple[float, float]:
    margin = _margin(values)
    return float(values.min()) - margin, float(values.max()) + margin
