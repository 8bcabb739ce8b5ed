"""What the store of a sweep holds, sorted for a page: its state, its plan, its runs and those that failed."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from spicecim.errors import FailedRunsWarning, NotFiniteWarning
from spicecim.plotting.style import COLORS, save_figure
from spicecim.report.contents import Contents, Table, Text
from spicecim.report.waveforms import scaled
from spicecim.sweeps.dataset import open_sweep
from spicecim.sweeps.figures import plot_sweep
from spicecim.sweeps.run_values import shown_value, values_of_runs
from spicecim.sweeps.statistics import measures_of
from spicecim.testbench import Testbench

if TYPE_CHECKING:
    from bokeh.model import Model

_ROWS = 500
"""Most runs in a table."""
_POINTS = 20_000
"""Most points of a figure."""
_CURVES = 8
"""Most places along a measure's own dimensions in a figure."""


def sweep_contents(folder: Path) -> Contents:
    """Read the store of a sweep, and draw its figures into its folder ``figures``.

    Raises
    ------
    StoreError
        If the store cannot be read.
    """
    sweep = open_sweep(folder).load()
    figures = folder / "figures"
    figures.mkdir(exist_ok=True)
    with warnings.catch_warnings():
        for kind in (FailedRunsWarning, NotFiniteWarning):
            warnings.simplefilter("ignore", kind)  # the page says it
        drawn_figures = plot_sweep(sweep)
    files = [file for name, figure in drawn_figures.items() for file in save_figure(figure, figures / name)]
    texts = []
    if "testbench" in sweep.attrs:
        text = Testbench.from_dict(json.loads(sweep.attrs["testbench"])).to_yaml()
        texts.append(Text("testbench", "of all runs, before the axes change it", text, True))
    plan = json.loads(sweep.attrs["sweep"])
    status = sweep["status"].values
    counts = {name: int((status == name).sum()) for name in ("done", "failed", "claimed", "waiting")}
    settings = {
        "runs": status.size,
        **{f"runs_{name}": count for name, count in counts.items() if count},
        "time_of_the_runs_s": float(sweep["seconds"].sum()),
        "engine": plan["engine"] or "a function",
        "measures": measures_of(sweep),
        **{name: plan[name] for name in ("samples", "seed", "design", "spicecim_version")},
    }
    drawn = {name: f"{each['kind']} {each['spread']:g}" for name, each in plan["draws"].items()}
    cells = {name: _distribution(value) for name, value in plan["scatter"]["vary"].items()}
    others = {name: value for name, value in plan["scatter"].items() if value and name != "vary"}
    missing = json.loads(sweep.attrs.get("not_finite", "{}"))
    groups = {
        "drawn_for_every_cell": {**cells, **others},
        "drawn_as_a_whole": drawn,
        "values_that_are_NaN_or_infinite": {name: each["values"] for name, each in missing.items()},
    }
    contents = Contents(folder, "", settings | {name: group for name, group in groups.items() if group})
    contents.pictures = [file for file in files if file.suffix == ".png"]
    contents.texts = texts
    contents.files = files
    contents.tables = [*([_failures(sweep)] if counts["failed"] else []), _runs(sweep)]
    contents.sweep = sweep
    return contents


def _distribution(drawn: dict[str, Any]) -> str:
    return ", ".join(f"{name} {shown_value(value)}" for name, value in drawn.items())


def _places(sweep: xr.Dataset) -> tuple[list[str], list[list[str]]]:
    """Names of what differs between runs, and of every run the values of these, in the order of the table."""
    dims = [str(name) for name in sweep["status"].dims]
    runs = sweep["status"].size
    found = values_of_runs(sweep, dims, range(runs))
    rows = [[shown_value(value) for value in row] for row in zip(*found.values(), strict=True)] or [[]] * runs
    return [_with_unit(name, sweep[name].attrs.get("units", "")) for name in found], rows


def _with_unit(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit else name


def _failures(sweep: xr.Dataset) -> Table:
    names, places = _places(sweep)
    errors = sweep["error"].values.ravel()
    failed = np.flatnonzero(sweep["status"].values.ravel() == "failed")
    rows = [[str(run), *places[run], str(errors[run])] for run in failed[:_ROWS]]
    return Table(_title("Failed runs", len(failed)), ["run", *names, "error"], rows)


def _runs(sweep: xr.Dataset) -> Table:
    names, places = _places(sweep)
    grid = sweep["status"].size
    status, seconds = sweep["status"].values.ravel(), sweep["seconds"].values.ravel()
    headings, values = [], []
    for measure in measures_of(sweep):
        of_measure = np.asarray(sweep[measure].values, dtype=float).reshape(grid, -1)
        for place, label in enumerate(_labels(sweep, measure)):
            name = ", ".join(part for part in (measure.replace("_", " "), label) if part)
            headings.append(_with_unit(name, sweep[measure].attrs.get("units", "")))
            values.append(of_measure[:, place])
    rows = [
        [
            str(run), *places[run], str(status[run]), f"{seconds[run]:.3g}",
            *(f"{each[run]:.4g}" if status[run] == "done" else "" for each in values),
        ]
        for run in range(min(grid, _ROWS))
    ]  # fmt: skip
    return Table(_title("Runs", grid), ["run", *names, "state", "time (s)", *headings], rows)


def _labels(sweep: xr.Dataset, measure: str) -> list[str]:
    """What the numbers of one run are of, as "column 0"; an empty text where there is one number alone."""
    own = sweep["status"].ndim
    dims, places = sweep[measure].dims[own:], list(np.ndindex(sweep[measure].shape[own:]))[:_CURVES]
    return [", ".join(f"{name} {at}" for name, at in zip(dims, place, strict=True)) for place in places]


def _title(name: str, count: int) -> str:
    return f"{name}: the first {_ROWS} of {count}" if count > _ROWS else f"{name}: {count}"


def values_figures(sweep: xr.Dataset) -> dict[str, Model]:
    """Draw every measure over the number of the run, with what differs between the runs under the pointer."""
    from bokeh.models import ColumnDataSource, HoverTool, Legend
    from bokeh.plotting import figure

    names, places = _places(sweep)
    runs = sweep["status"].size
    shown = np.unique(np.linspace(0, runs - 1, min(runs, _POINTS)).round().astype(int))
    figures: dict[str, Model] = {}
    for measure in measures_of(sweep):
        values = np.asarray(sweep[measure].values, dtype=float).reshape(runs, -1)
        unit = sweep[measure].attrs.get("units", "")
        finite = np.abs(values[np.isfinite(values)])
        scale, prefix = scaled(float(finite.max(initial=0.0))) if unit else (1.0, "")
        title = measure.replace("_", " ")
        plot = figure(
            height=360, sizing_mode="stretch_width", x_axis_label="run", active_drag="box_zoom",
            y_axis_label=_with_unit(title, f"{prefix}{unit}"), tools="pan,box_zoom,wheel_zoom,reset,save",
        )  # fmt: skip
        plot.toolbar.logo = None
        items = []
        for place, label in enumerate(_labels(sweep, measure)):
            columns = {f"place_{number}": [places[run][number] for run in shown] for number in range(len(names))}
            source = ColumnDataSource({"run": shown, "value": values[shown, place] / scale, **columns})
            dots = plot.scatter("run", "value", source=source, color=COLORS[place % len(COLORS)], size=6)
            tips = [(name, f"@place_{number}") for number, name in enumerate(names)]
            plot.add_tools(HoverTool(renderers=[dots], tooltips=[("run", "@run"), *tips, (label or title, "@value")]))
            items.append((label, [dots]))
        if len(items) > 1:
            plot.add_layout(Legend(items=items, click_policy="hide", ncols=2, location="left"), "below")
        figures[title] = plot
    return figures
