"""Figures of measured loops, of what is measured of their cycles, and of a model fitted to them."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from spicecim.fields import FloatArray
from spicecim.plotting.style import COLORS, label_axis, new_figure, styled

_SWITCHED: dict[str, Any] = {"low_resistance": COLORS[0], "high_resistance": COLORS[1]}
_ALONG = 200
"""Samples of a cycle, evenly spaced along it, at which the median is taken."""


@styled
def plot_measurement(measurement: xr.Dataset) -> Figure:
    """Plot the loops of a measurement, linear and semilogarithmic: all cycles, and of each sweep the median.

    Samples that the source held (compliance), and those beyond the instrument's range, are marked.

    Parameters
    ----------
    measurement
        What `spicecim.load_measurement` gives.
    """
    figure, grid = new_figure(1, 2, size=(7.0, 3.2))
    linear, semilog = grid[0]
    sweeps = np.unique(measurement["sweep"].values)
    for count, sweep in enumerate(sweeps):
        one = measurement.isel(point=np.flatnonzero(measurement["sweep"].values == sweep))
        cycles = [one.isel(point=np.flatnonzero(one["cycle"].values == k)) for k in np.unique(one["cycle"].values)]
        color = COLORS[count % len(COLORS)]
        several = len(cycles) > 1
        for index, cycle in enumerate(cycles):
            v, i = cycle["voltage"].values, cycle["current"].values
            style: dict[str, Any] = {"color": color, "alpha": 0.25, "linewidth": 0.6} if several else {"color": color}
            label = f"sweep {sweep + 1}" if not several and len(sweeps) > 1 else None
            linear.plot(v, i, **style, label="each cycle" if several and not index and not count else label)
            semilog.semilogy(v, _magnitude(i), **style)
        if several:
            v, i = _median(cycles)
            which = f", sweep {sweep + 1}" if len(sweeps) > 1 else ""
            linear.plot(v, i, color=color, linewidth=1.6, label=f"median of {len(cycles)}{which}")
            semilog.semilogy(v, _magnitude(i), color=color, linewidth=1.6)
    marks = (("in_compliance", COLORS[6], "held by the source"), ("saturated", COLORS[5], "beyond the range"))
    for name, color, label in marks:
        marked = measurement[name].values
        if marked.any():
            v, i = measurement["voltage"].values[marked], measurement["current"].values[marked]
            for axes, shown in ((linear, i), (semilog, np.abs(i))):
                axes.plot(v, shown, ".", color=color, markersize=2.5, label=label)
    _label_loops(linear, semilog)
    if linear.get_legend_handles_labels()[0]:
        linear.legend(loc="upper left")
    return figure


def _label_loops(linear: Any, semilog: Any) -> None:
    label_axis(linear.xaxis, "voltage", "V")
    label_axis(linear.yaxis, "current", "A")
    label_axis(semilog.xaxis, "voltage", "V")
    label_axis(semilog.yaxis, "magnitude of the current", "A")
    semilog.grid(which="minor", visible=False)


def _magnitude(i: FloatArray) -> FloatArray:
    """Magnitudes for a logarithmic axis: zeros, and what is a millionth of the peak, leave a gap."""
    size = np.abs(i)
    return np.where(size > 1e-6 * size.max(), size, np.nan)


def _median(cycles: list[xr.Dataset]) -> tuple[FloatArray, FloatArray]:
    """Median of voltages and of currents of cycles, at places evenly spaced along each."""
    places = np.linspace(0.0, 1.0, max(_ALONG, min(cycle.sizes["point"] for cycle in cycles)))
    found = [
        [np.interp(places, np.linspace(0.0, 1.0, cycle.sizes["point"]), cycle[name].values) for cycle in cycles]
        for name in ("voltage", "current")
    ]
    return np.median(found[0], axis=0), np.median(found[1], axis=0)


@styled
def plot_cycles(measures: xr.Dataset) -> Figure:
    """Plot resistances over the cycles, and the cumulative distributions of resistances and switching voltages.

    Parameters
    ----------
    measures
        What `spicecim.measure_cycles` gives.
    """
    figure, grid = new_figure(1, 3, size=(7.0, 2.6))
    over, resistances, voltages = grid[0]
    number = np.arange(1, measures.sizes["loop"] + 1)
    for name, color in _SWITCHED.items():
        values = measures[name].values
        over.semilogy(number, values, ".", color=color, markersize=4, label=name.split("_")[0])
        _distribution(resistances, values, color, name.split("_")[0])
    resistances.set_xscale("log")
    for side, color, label in (("negative", COLORS[2], "v < 0"), ("positive", COLORS[3], "v > 0")):
        _distribution(voltages, np.abs(measures[f"switching_voltage_{side}"].values), color, label)
    over.set_xlabel("cycle")
    label_axis(over.yaxis, f"resistance at {measures.attrs['read_voltage']:.3g} V", "Ω")
    over.xaxis.get_major_locator().set_params(integer=True)
    label_axis(resistances.xaxis, "resistance", "Ω")
    resistances.tick_params(axis="x", labelrotation=30)
    label_axis(voltages.xaxis, "|switching voltage|", "V")
    for axes in (resistances, voltages):
        axes.set_ylabel("share of the cycles")
        axes.set_ylim(0.0, 1.02)
    for axes in (over, resistances, voltages):
        axes.grid(which="minor", visible=False)
        axes.legend(loc="best")
    return figure


def _distribution(axes: Any, values: FloatArray, color: str, label: str) -> None:
    kept = np.sort(values[np.isfinite(values)])
    if len(kept):
        # from 0, which a step takes a first point for
        shares = np.arange(len(kept) + 1) / len(kept)
        axes.step(np.insert(kept, 0, kept[0]), shares, where="post", color=color, label=label)


@styled
def plot_fit(curves: xr.Dataset) -> Figure:
    """Plot measured and fitted loops, linear and semilogarithmic, and the residuals over time and over voltage.

    Parameters
    ----------
    curves
        Attribute `curves` of what `spicecim.fit` gives.
    """
    figure, grid = new_figure(2, 2, size=(7.0, 5.2))
    (linear, semilog), (over_time, over_voltage) = grid
    for count, sweep in enumerate(np.unique(curves["sweep"].values)):
        one = curves.isel(point=np.flatnonzero(curves["sweep"].values == sweep))
        v, measured, fitted = (one[name].values for name in ("voltage", "current", "fitted"))
        color = COLORS[count % len(COLORS)]
        first = not count
        linear.plot(v, measured, ".", color=color, markersize=2, alpha=0.4, label="measured" if first else None)
        linear.plot(v, fitted, color=COLORS[6], linewidth=0.9, label="fitted" if first else None)
        semilog.semilogy(v, _magnitude(measured), ".", color=color, markersize=2, alpha=0.4)
        semilog.semilogy(v, _magnitude(fitted), color=COLORS[6], linewidth=0.9)
        share = one["time"].values / one["time"].values[-1]
        over_time.plot(share, one["residual"], ".", color=color, markersize=2, label=f"sweep {sweep + 1}")
        over_voltage.plot(v, one["residual"], ".", color=color, markersize=2)
    _label_loops(linear, semilog)
    linear.legend(loc="upper left")
    over_time.set_xlabel("time, share of the sweep")
    label_axis(over_voltage.xaxis, "voltage", "V")
    for axes in (over_time, over_voltage):
        axes.axhline(0.0, color=COLORS[6], linewidth=0.6)
        axes.set_ylabel("residual / standard deviation")
    return figure
