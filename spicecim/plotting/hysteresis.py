"""Figures of pinched hysteresis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from spicecim.hysteresis_sweep import HysteresisSweep, cell_loop
from spicecim.plotting.style import COLORS, label_axis, new_figure, styled
from spicecim.quantities import format_quantity

_MARKERS = ("o", "x", "+", "s")


@styled
def plot_hysteresis(sweeps: Mapping[str, HysteresisSweep], frequencies: Sequence[float] | None = None) -> Figure:
    """Plot v-i loops, and the lobe area against frequency.

    Parameters
    ----------
    sweeps
        Sweeps over the same frequencies by name, such as that of their engine. The loops are the first one's.
    frequencies
        Frequencies (Hz) whose loops are shown; by default all, or six of them where there are more.
    """
    (shown, first), *_ = sweeps.items()
    available = first.measures["frequency"].values
    wanted = available[np.unique(np.linspace(0, len(available) - 1, 6).astype(int))]
    if frequencies is not None:
        wanted = available[[int(np.abs(available - value).argmin()) for value in frequencies]]
    figure, grid = new_figure(1, 2, size=(7.0, 3.1))
    left, right = grid[0]
    for index, value in enumerate(wanted):
        loop = first.loops[int(np.flatnonzero(available == value)[0])]
        _, v, i = cell_loop(loop)
        left.plot(v, i, color=COLORS[index % len(COLORS)], label=format_quantity(float(value), "Hz", 3))
    label_axis(left.xaxis, "voltage", "V")
    label_axis(left.yaxis, "current", "A")
    left.legend(loc="upper left", title=shown, alignment="left")
    for index, (engine, sweep) in enumerate(sweeps.items()):
        area, slope = sweep.measures["lobe_area"], sweep.measures.attrs["slope"]
        note = "" if np.isnan(slope) else f", slope {slope:.3f}".replace("-", "\N{MINUS SIGN}")
        right.loglog(
            area["frequency"], area, _MARKERS[index % len(_MARKERS)], color=COLORS[index % len(COLORS)],
            fillstyle="none", label=engine + note,
        )  # fmt: skip
    label_axis(right.xaxis, "frequency", "Hz")
    label_axis(right.yaxis, "lobe area", "VA")
    right.grid(which="minor", visible=False)
    right.legend(loc="lower left")
    return figure
