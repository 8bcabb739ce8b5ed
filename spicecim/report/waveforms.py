"""Waveforms as figures with zoom and hover, and a map of the array whose cells can be picked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from spicecim.fields import FloatArray
from spicecim.plotting.style import COLORS

if TYPE_CHECKING:
    from bokeh.model import Model

POINTS = 1500
"""Most instants of a curve."""
COLUMNS = 8
"""Most columns whose currents are drawn: of more, those in which the engines are furthest apart."""
NUMBERS = 700_000
"""Most numbers of cells in the page, of 4 bytes each: of larger arrays fewer instants, then fewer cells."""
_LEAST_POINTS = 120
_DASHES = ("solid", "dashed", "dotted", "dotdash")
_PREFIXES = {-15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M"}


@dataclass(frozen=True)
class CellPicker:
    """Figures of one cell at a time.

    Attributes
    ----------
    panels
        The map, the loop, and v, i and x over time.
    map_name
        Name of the data source of the map: picking a cell there is picking it everywhere.
    cells
        Row and column of the cells in it, in its order.
    left_out
        How many cells of the array are not in the page.
    """

    panels: list[Model]
    map_name: str
    cells: list[tuple[int, int]]
    left_out: int


def currents_figure(runs: Mapping[str, xr.Dataset]) -> Model:
    """Draw the column currents of all engines over time."""
    from bokeh.models import HoverTool, Legend
    from bokeh.plotting import figure

    first = next(iter(runs.values()))
    chosen = _worst_columns(runs)
    scale, prefix = scaled(max(float(np.abs(run["i_column"]).max()) for run in runs.values()))
    second, of_second = scaled(float(first["time"].max()))
    plot = figure(
        height=360, sizing_mode="stretch_width", x_axis_label=f"time ({of_second}s)",
        y_axis_label=f"column current ({prefix}A)", tools="pan,box_zoom,wheel_zoom,reset,save", active_drag="box_zoom",
    )  # fmt: skip
    plot.toolbar.logo = None
    lines: dict[int, list[Any]] = {column: [] for column in chosen}
    for (engine, run), dash in zip(runs.items(), _DASHES, strict=False):
        taken = _spread(run.sizes["time"], POINTS)
        time = run["time"].values[taken] / second
        for place, column in enumerate(chosen):
            line = plot.line(
                time, run["i_column"].values[taken, column] / scale, color=COLORS[place % len(COLORS)],
                line_dash=dash, line_width=1.6, name=f"column {column}, {engine}",
            )  # fmt: skip
            lines[column].append(line)
    plot.title.text = ", ".join(f"{engine} {dash}" for engine, dash in zip(runs, _DASHES, strict=False))
    plot.add_tools(HoverTool(tooltips=[("", "$name"), (f"t ({of_second}s)", "$x"), (f"i ({prefix}A)", "$y")]))
    items = [(f"column {column}", of_column) for column, of_column in lines.items()]
    plot.add_layout(Legend(items=items, click_policy="hide", ncols=2, location="left"), "below")
    return plot


def _worst_columns(runs: Mapping[str, xr.Dataset]) -> list[int]:
    """Columns to draw: of many, those in which two engines are furthest apart, or those of the largest currents."""
    first, *others = runs.values()
    count = first.sizes["column"]
    if count <= COLUMNS:
        return list(range(count))
    peak = np.abs(first["i_column"].values).max(axis=0)
    badness = peak
    if others and others[0].sizes["time"] == first.sizes["time"]:
        badness = np.abs(first["i_column"].values - others[0]["i_column"].values).max(axis=0) / np.maximum(peak, 1e-30)
    return sorted(int(each) for each in np.argsort(badness)[-COLUMNS:])


def cell_picker(run: xr.Dataset, name: str) -> CellPicker | None:
    """Draw a map of the array, and the loop, v, i and x of the cell that is picked in it.

    Returns
    -------
    CellPicker or None
        None where the run has no cells (`probe: cells`).
    """
    from bokeh.models import (
        ColorBar,
        ColumnDataSource,
        CustomJS,
        HoverTool,
        LinearColorMapper,
        LogColorMapper,
        Range1d,
    )
    from bokeh.plotting import figure

    if not {"v_cell", "i_cell", "x"} <= set(run.data_vars):
        return None
    rows, columns = run.sizes["row"], run.sizes["column"]
    peak = np.abs(run["i_cell"].values).max(axis=0).ravel()
    points = max(min(POINTS, run.sizes["time"], NUMBERS // (3 * peak.size)), min(_LEAST_POINTS, run.sizes["time"]))
    kept = np.sort(np.argsort(-peak, kind="stable")[: max(NUMBERS // (3 * points), 1)])
    taken = _spread(run.sizes["time"], points)
    cells = [(int(each) // columns, int(each) % columns) for each in kept]

    def of_cells(variable: str, scale: float) -> FloatArray:
        values = run[variable].values.reshape(run.sizes["time"], -1)[taken][:, kept].T / scale
        return np.ascontiguousarray(values, dtype=np.float32)

    ampere, prefix = scaled(float(peak.max()))
    second, of_second = scaled(float(run["time"].max()))
    v, i, x = of_cells("v_cell", 1.0), of_cells("i_cell", ampere), of_cells("x", 1.0)
    everything = ColumnDataSource({"v": list(v), "i": list(i), "x": list(x)})
    shown = ColumnDataSource(
        {"t": (run["time"].values[taken] / second).astype(np.float32), "v": v[0], "i": i[0], "x": x[0]}
    )

    shade = peak[kept] / ampere
    positive = shade[shade > 0]
    logarithmic = positive.size > 0 and positive.max() > 30.0 * positive.min()
    mapper: Any = (LogColorMapper if logarithmic else LinearColorMapper)(
        palette="Viridis256", low=float(positive.min()) if logarithmic else 0.0, high=float(max(shade.max(), 1e-300))
    )
    source = ColumnDataSource(
        {
            "row": [row for row, _ in cells],
            "column": [column for _, column in cells],
            "peak": shade,
            "end": x[:, -1],
        },
        name=name,
    )
    tooltips = [("row, column", "@row, @column"), (f"peak current ({prefix}A)", "@peak"), ("x at the end", "@end")]
    array = figure(
        height=360, sizing_mode="stretch_width", x_axis_label="column", y_axis_label="row", tools="tap",
        x_range=(-0.5, columns - 0.5), y_range=(rows - 0.5, -0.5),
        title=f"peak current ({prefix}A); pick a cell",
    )  # fmt: skip
    array.toolbar.logo = None
    array.toolbar_location = None
    array.xgrid.visible = array.ygrid.visible = False
    for axis, count in ((array.xaxis, columns), (array.yaxis, rows)):
        axis.ticker = list(range(0, count, max(1, math.ceil(count / 12))))
    array.image(
        [(peak / ampere).reshape(rows, columns).astype(np.float32)], x=-0.5, y=-0.5, dw=columns, dh=rows,
        color_mapper=mapper,
    )  # fmt: skip
    pickable = array.rect(
        "column", "row", width=0.96, height=0.96, source=source, line_color=None, fill_alpha=0.0,
        nonselection_fill_alpha=0.0, selection_fill_alpha=0.0, selection_line_color=COLORS[1], selection_line_width=3,
    )  # fmt: skip
    array.add_tools(HoverTool(renderers=[pickable], tooltips=tooltips))
    array.add_layout(ColorBar(color_mapper=mapper), "right")

    def panel(across: str, up: str, label: str, over: str) -> Any:
        plot = figure(
            height=240 if across == "t" else 360, sizing_mode="stretch_width", x_axis_label=over, y_axis_label=label,
            tools="pan,box_zoom,wheel_zoom,reset,save,hover", active_drag="box_zoom",
            tooltips=[(over, "$x"), (label, "$y")],
        )  # fmt: skip
        plot.toolbar.logo = None
        plot.line(across, up, source=shown, color=COLORS[0], line_width=1.6)
        return plot

    loop = panel("v", "i", f"cell current ({prefix}A)", "cell voltage (V)")
    over_time = [
        panel("t", "v", "cell voltage (V)", f"time ({of_second}s)"),
        panel("t", "i", f"cell current ({prefix}A)", f"time ({of_second}s)"),
        panel("t", "x", "state x", f"time ({of_second}s)"),
    ]
    if x.min() >= 0.0 and x.max() <= 1.0:
        over_time[-1].y_range = Range1d(-0.03, 1.03)  # one scale for all cells, and for those that do not move
    source.selected.js_on_change(
        "indices",
        CustomJS(
            args={"map": source, "all": everything, "shown": shown},
            code="""
            if (map.selected.indices.length == 0) { return; }
            const k = map.selected.indices[0];
            shown.data = {t: shown.data.t, v: all.data.v[k], i: all.data.i[k], x: all.data.x[k]};
            window.spicecimPicked(map.name, k);
            """,
        ),
    )
    source.selected.indices = [0]
    return CellPicker([array, loop, *over_time], name, cells, peak.size - len(cells))


def _spread(count: int, most: int) -> Any:
    """Places of at most `most` of `count` instants, evenly spread, with both ends."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def scaled(largest: float) -> tuple[float, str]:
    """A factor and its prefix with which a number is between 1 and 1000."""
    if not largest > 0.0:
        return 1.0, ""
    power = 3 * math.floor(math.log10(largest) / 3)
    power = min(max(power, min(_PREFIXES)), max(_PREFIXES))
    return 10.0**power, _PREFIXES[power]
