"""Figures of pinched hysteresis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from spicecim.hysteresis_sweep import HysteresisSweep, cell_loop
from spicecim.plotting.style import COLORS, label_axis, mark_missed_accuracy, new_figure, quantity_text, styled
from spicecim.reached import errors_of

_MARKERS = ("o", "x", "+", "s")
_MOST_LOOPS = 6
_LINES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 3)))
_NEUTRAL = "#444444"
"""Color of what no color tells apart: those of the palette are the loops'."""


@styled
def plot_hysteresis(sweeps: Mapping[str, HysteresisSweep], frequencies: Sequence[float] | None = None) -> Figure:
    """Plot v-i loops, and the lobe area against frequency, or against amplitude where there is one frequency only.

    Where there are several of both, a color is an amplitude in both panels. Else colors tell the loops apart alone.

    Parameters
    ----------
    sweeps
        Sweeps over the same amplitudes and frequencies by name, such as that of their engine. The loops are the first
        one's.
    frequencies
        Frequencies (Hz) whose loops are shown; by default all, or some that make six loops where there are more.
    """
    (shown, first), *_ = sweeps.items()
    area = first.measures["lobe_area"]
    places = list(np.ndindex(area.shape))
    by_amplitude = area.ndim > 1 and min(area.shape) > 1
    if frequencies is None:
        amplitudes = _spread(len(places) // area.shape[-1], _MOST_LOOPS)
        chosen = _spread(area.shape[-1], _MOST_LOOPS // len(amplitudes))
    else:
        amplitudes = [*range(len(places) // area.shape[-1])]
        chosen = list(dict.fromkeys(int(np.abs(area["frequency"].values - value).argmin()) for value in frequencies))
    wanted = [
        index for index in range(len(places))
        if index // area.shape[-1] in amplitudes and index % area.shape[-1] in chosen
    ]  # fmt: skip
    along = "amplitude" if area.ndim > 1 and area.sizes["frequency"] == 1 else "frequency"
    curves = [
        (engine, index, measures.isel({name: [index] for name in area.dims if name != along}).squeeze(drop=False))
        for engine, measures in ((engine, sweep.measures) for engine, sweep in sweeps.items())
        for index in range(area.size // area.sizes[along])
    ]
    # the legend of several amplitudes has no room among their points
    figure, grid = new_figure(1, 2, size=(7.0, 3.1 + (0.5 + 0.17 * len(curves) if by_amplitude else 0.0)))
    left, right = grid[0]
    for count, index in enumerate(wanted):
        _, v, i = cell_loop(first.loops[index])
        place = places[index]
        line = _LINES[chosen.index(place[-1]) % len(_LINES)] if by_amplitude else "-"
        color = COLORS[(place[0] if by_amplitude else count) % len(COLORS)]
        left.plot(v, i, color=color, linestyle=line, label=_drive_of(area[place], area.ndim > 1))
    label_axis(left.xaxis, "voltage", "V")
    label_axis(left.yaxis, "current", "A")
    left.legend(loc="upper left", title=shown, alignment="left")
    slopes_shown = False
    for engine, index, measures in curves:
        slope = float(measures["slope"]) if along == "frequency" else np.nan
        slopes_shown |= not np.isnan(slope)
        note = "" if np.isnan(slope) else f", slope {slope:.3f}".replace("-", "\N{MINUS SIGN}")
        volts = f", {quantity_text(float(measures['amplitude']), 'V')}" if len(curves) > len(sweeps) else ""
        right.loglog(
            np.atleast_1d(measures[along]), np.atleast_1d(measures["lobe_area"]),
            _MARKERS[list(sweeps).index(engine) % len(_MARKERS)], fillstyle="none", label=engine + volts + note,
            color=COLORS[index % len(COLORS)] if by_amplitude else _NEUTRAL,
        )  # fmt: skip
    label_axis(right.xaxis, along, "Hz" if along == "frequency" else "V")
    label_axis(right.yaxis, "lobe area", "VA")
    right.grid(which="minor", visible=False)
    meaning = "slope: of log(area) over log(frequency),\nabove the largest lobe" if slopes_shown else None
    beneath: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0.0, -0.16)} if by_amplitude else {}
    right.legend(**{"loc": "lower left", **beneath}, title=meaning, alignment="left", title_fontsize=7)
    worst = [max(sweep.loops, key=lambda loop: max(errors_of(loop).values(), default=0.0)) for sweep in sweeps.values()]
    mark_missed_accuracy(figure, worst)
    return figure


def _spread(count: int, most: int) -> list[int]:
    """Numbers below `count`, evenly spread if there are more than `most`, but one at least."""
    return np.unique(np.linspace(0, count - 1, max(min(count, most), 1)).astype(int)).tolist()  # type: ignore[no-any-return]


def _drive_of(loop: xr.DataArray, with_amplitude: bool) -> str:
    frequency = quantity_text(float(loop["frequency"]), "Hz")
    return f"{quantity_text(float(loop['amplitude']), 'V')}, {frequency}" if with_amplitude else frequency
