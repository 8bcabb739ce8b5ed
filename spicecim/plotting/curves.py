"""Figures of what pulses do: resistances over cycles, conductance over pulses, and i-v on a log scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import ColorType

from spicecim.errors import InputError
from spicecim.fields import FloatArray
from spicecim.plotting.style import COLORS, label_axis, new_figure, quantity_text, styled, unfinished
from spicecim.waveforms import check_waveforms

_SHOWN = 1e6
"""Largest current over the smallest that a logarithmic scale reaches down to."""


@styled
def plot_endurance(result: xr.Dataset) -> Figure:
    """Plot the resistances of an endurance run over its cycles, and their cumulative distributions.

    Parameters
    ----------
    result
        What `spicecim.endurance` returned; or, of one that was ended, had reached.
    """
    figure, grid = new_figure(1, 2, size=(7.0, 3.0))
    left, right = grid[0]
    for color, name, label in zip(COLORS, ("high", "low"), ("HRS, after RESET", "LRS, after SET"), strict=False):
        values = result[name].values
        left.semilogy(result["cycle"], values, ".", color=color, markersize=3, label=label)
        draw_distribution(right, values, color, label)
    left.set_xlabel("cycle")
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.legend()
    right.set_xscale("log")
    read = quantity_text(float(result.attrs["read_voltage"]), "V")
    for axis in (left.yaxis, right.xaxis):
        label_axis(axis, f"resistance at {read}", "ohm")
    figure.suptitle(unfinished(result), fontsize=9)
    return figure


@styled
def plot_potentiation(result: xr.Dataset) -> Figure:
    """Plot the conductance of a device after each of its SET and RESET pulses.

    Parameters
    ----------
    result
        What `spicecim.potentiation` returned; or, of one that was ended, had reached.
    """
    figure, grid = new_figure(size=(4.5, 3.0))
    axes = grid[0, 0]
    kinds = result["kind"].values
    for color, (kind, label) in zip(COLORS, {"set": "after SET", "reset": "after RESET"}.items(), strict=False):
        chosen = result.isel(pulse=np.flatnonzero(kinds == kind))
        axes.plot(chosen["pulse"], chosen["conductance"], ".", color=color, label=label)
    start = result.isel(pulse=np.flatnonzero(kinds == "start"))
    axes.plot(start["pulse"], start["conductance"], "o", color="black", fillstyle="none", label="start")
    axes.set_xlabel("pulse")
    axes.set_ylim(bottom=0.0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    label_axis(axes.yaxis, f"conductance at {quantity_text(float(result.attrs['read_voltage']), 'V')}", "S")
    axes.legend()
    figure.suptitle(unfinished(result), fontsize=9)
    return figure


@styled
def plot_semilog(runs: xr.Dataset | Sequence[xr.Dataset], row: int = 0, column: int = 0) -> Figure:
    """Plot the magnitude of a cell's current on a logarithmic scale over its voltage.

    Parameters
    ----------
    runs
        Waveforms with ``probe: cells``, of one run or of several, such as one per cycle.
    row, column
        The cell.
    """
    figure, grid = new_figure(size=(4.5, 3.2))
    axes, most = grid[0, 0], 0.0
    for run in [runs] if isinstance(runs, xr.Dataset) else runs:
        check_waveforms(run, "v_cell", "i_cell")
        if row not in run["row"].values or column not in run["column"].values:
            raise InputError(f"row, column: the run has no cell ({row}, {column})")
        v, i = (run[name].sel(row=row, column=column).values for name in ("v_cell", "i_cell"))
        size, most = np.abs(i), max(most, float(np.abs(i).max()))
        axes.semilogy(v, np.where(size > 0.0, size, np.nan), linewidth=0.8)
    label_axis(axes.xaxis, "voltage", "V")
    label_axis(axes.yaxis, "magnitude of the current", "A")
    if most:
        # where the voltage passes 0 the current goes to 0, which no logarithm shows
        axes.set_ylim(max(axes.get_ylim()[0], most / _SHOWN), 2.0 * most)
    return figure


def draw_distribution(axes: Axes, values: FloatArray, color: ColorType, label: str | None) -> None:
    """Draw the share of the values that are at most as large as each of them."""
    ordered, count = np.sort(values), len(values)
    share = np.arange(count + 1) / count
    axes.plot(np.repeat(ordered, 2), np.column_stack([share[:-1], share[1:]]).ravel(), color=color, label=label)
    axes.set_ylabel("cumulative distribution")
    axes.set_ylim(0.0, 1.02)
