"""Figures of pinched hysteresis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from spicecim.hysteresis_sweep import HysteresisSweep, cell_loop
from spicecim.plotting.style import COLORS, label_axis, mark_missed_accuracy, new_figure, styled
from spicecim.quantities import format_quantity
from spicecim.reached import errors_of

_MARKERS = ("o", "x", "+", "s")
_MOST_LOOPS = 6


@styled
def plot_hysteresis(sweeps: Mapping[str, HysteresisSweep], frequencies: Sequence[float] | None = None) -> Figure:
    """Plot v-i loops, and the lobe area against frequency, or against amplitude where there is one frequency only.

    Parameters
    ----------
    sweeps
        Sweeps over the same amplitudes and frequencies by name, such as that of their engine. The loops are the first
        one's.
    frequencies
        Frequencies (Hz) whose loops are shown; by default all, or six loops where there are more.
    """
    (shown, first), *_ = sweeps.items()
    area = first.measures["lobe_area"]
    places = list(np.ndindex(area.shape))
    if frequencies is None:
        wanted = np.unique(np.linspace(0, len(places) - 1, _MOST_LOOPS).astype(int)).tolist()
    else:
        chosen = {int(np.abs(area["frequency"].values - value).argmin()) for value in frequencies}
        wanted = [index for index, place in enumerate(places) if place[-1] in chosen]
    figure, grid = new_figure(1, 2, size=(7.0, 3.1))
    left, right = grid[0]
    for count, index in enumerate(wanted):
        _, v, i = cell_loop(first.loops[index])
        left.plot(v, i, color=COLORS[count % len(COLORS)], label=_drive_of(area[places[index]], area.ndim > 1))
    label_axis(left.xaxis, "voltage", "V")
    label_axis(left.yaxis, "current", "A")
    left.legend(loc="upper left", title=shown, alignment="left")
    along = "amplitude" if area.ndim > 1 and area.sizes["frequency"] == 1 else "frequency"
    curves = [
        (engine, measures.isel({name: [index] for name in area.dims if name != along}).squeeze(drop=False))
        for engine, measures in ((engine, sweep.measures) for engine, sweep in sweeps.items())
        for index in range(area.size // area.sizes[along])
    ]
    for count, (engine, measures) in enumerate(curves):
        slope = float(measures["slope"]) if along == "frequency" else np.nan
        note = "" if np.isnan(slope) else f", slope {slope:.3f}".replace("-", "\N{MINUS SIGN}")
        volts = f", {format_quantity(float(measures['amplitude']), 'V', 3)}" if len(curves) > len(sweeps) else ""
        right.loglog(
            np.atleast_1d(measures[along]), np.atleast_1d(measures["lobe_area"]),
            _MARKERS[list(sweeps).index(engine) % len(_MARKERS)], color=COLORS[count % len(COLORS)],
            fillstyle="none", label=engine + volts + note,
        )  # fmt: skip
    label_axis(right.xaxis, along, "Hz" if along == "frequency" else "V")
    label_axis(right.yaxis, "lobe area", "VA")
    right.grid(which="minor", visible=False)
    right.legend(loc="lower left")
    worst = [max(sweep.loops, key=lambda loop: max(errors_of(loop).values(), default=0.0)) for sweep in sweeps.values()]
    mark_missed_accuracy(figure, worst)
    return figure


def _drive_of(loop: xr.DataArray, with_amplitude: bool) -> str:
    frequency = format_quantity(float(loop["frequency"]), "Hz", 3)
    return f"{format_quantity(float(loop['amplitude']), 'V', 3)}, {frequency}" if with_amplitude else frequency
