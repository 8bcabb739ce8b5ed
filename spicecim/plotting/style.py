"""One look for all figures."""

from __future__ import annotations

import functools
import io
import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FuncFormatter, NullFormatter
from numpy.typing import NDArray

from spicecim.files import write_bytes
from spicecim.quantities import format_quantity
from spicecim.reached import errors_of, missed_accuracy
from spicecim.waveforms import testbench_of

Parameters = ParamSpec("Parameters")

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette, which readers with any color vision tell apart."""

FORMATS = ("png", "pdf")
"""Suffixes of the files of a figure."""

ENGINE_STYLE: dict[str, dict[str, Any]] = {
    "ngspice": {"color": COLORS[0], "linestyle": "-", "linewidth": 1.8, "alpha": 0.55},
    "reference": {"color": COLORS[1], "linestyle": "--", "linewidth": 1.0},
}

_PREFIXES = {
    12: "T", 9: "G", 6: "M", 3: "k", 0: "", -3: "m", -6: "\N{MICRO SIGN}", -9: "n", -12: "p", -15: "f", -18: "a",
    -21: "z", -24: "y",
}  # fmt: skip
_RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")

_CLOSE = 1e-3
"""Of their size: values that differ by less need too many digits at the ticks."""
ROUNDING = 1e-11
"""Of their size: values that differ by less differ by rounding alone."""

STYLE: Any = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.2,
    "pdf.fonttype": 42,
}
"""Matplotlib's settings of all figures: ``plt.rcParams.update(STYLE)`` draws figures of one's own alike."""


def styled(plot: Callable[Parameters, Figure]) -> Callable[Parameters, Figure]:
    """Decorate a function that makes a figure: everything in it is drawn in the common style."""

    @functools.wraps(plot)
    def wrapper(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Figure:
        with mpl.rc_context(STYLE):
            return plot(*args, **kwargs)

    return wrapper


def new_figure(
    rows: int = 1, columns: int = 1, *, size: tuple[float, float] = (7.0, 3.0), **options: Any
) -> tuple[Figure, Any]:
    """Return a figure and its axes, a 2-d array; `options` go to `Figure.subplots`."""
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def label_axis(axis: Axis, name: str, unit: str) -> None:
    """Label an axis "name (unit)", with the SI prefix that suits its range, and its ticks with plain numbers.

    To be called when the data are drawn. A logarithmic axis spans several prefixes, so there they stand at the ticks.
    Where the data differ by less than a thousandth, the axis is that of their difference from a round number, which
    its label names: "name \N{MINUS SIGN} 1.2345 mA (nA)". Without a unit, a power of ten stands in place of the prefix.
    """
    if axis.get_scale() == "log":
        # Room for the markers; and whole decades where else fewer than two ticks, which stand at decades, had labels.
        smallest, largest = axis.get_data_interval()
        lower, upper = smallest / 1.4, largest * 1.4
        if math.floor(math.log10(upper)) <= math.ceil(math.log10(lower)):
            lower = min(lower, 10.0 ** math.floor(math.log10(smallest)))
            upper = max(upper, 10.0 ** math.ceil(math.log10(largest)))
        axis.set_view_interval(lower, upper, ignore=True)
        axis.set_major_formatter(EngFormatter(unit=unit, sep="\N{NO-BREAK SPACE}"))
        axis.set_minor_formatter(NullFormatter())
        axis.set_label_text(name)
        return
    ends = np.array(axis.get_data_interval())
    origin, written = _origin(ends, unit)
    if np.isfinite(ends).all() and 0.0 < np.ptp(ends) <= ROUNDING * np.abs(ends).max():
        room = 0.05 * abs(float(ends[0]))
        axis.set_view_interval(ends[0] - room, ends[0] + room, ignore=True)
    factor, scaled_unit = _scale(float(np.abs(ends - origin).max()), unit)

    def tick(value: float, _: object) -> str:
        shown = round((value - origin) / factor, 4) + 0.0 if origin else value / factor
        return f"{shown:g}".replace("-", "\N{MINUS SIGN}")

    axis.set_major_formatter(FuncFormatter(tick))
    axis.set_label_text(f"{name}{written}" + (f" ({scaled_unit})" if scaled_unit else ""))


def _origin(ends: NDArray[Any], unit: str) -> tuple[float, str]:
    """Return the round number that an axis begins to count from, and how its label says so; 0 for most data."""
    spread, largest = float(np.ptp(ends)), float(np.abs(ends).max())
    if not math.isfinite(largest) or not ROUNDING * largest < spread < _CLOSE * largest:
        return 0.0, ""
    place = math.floor(math.log10(spread))
    origin = float(f"{round(float(ends.mean()) / 10.0**place)}e{place}")
    digits = math.floor(math.log10(abs(origin))) - place + 1
    text = quantity_text(abs(origin), unit, digits) if unit else f"{abs(origin):.{digits}g}"
    sign = "+" if origin < 0.0 else "\N{MINUS SIGN}"
    return origin, f" {sign}\N{NO-BREAK SPACE}" + text.replace(" ", "\N{NO-BREAK SPACE}")


def _scale(largest: float, unit: str) -> tuple[float, str]:
    """Return what an axis is divided by, and its unit with the SI prefix, or the power of ten where there is none."""
    factor, prefix = si_prefix(largest)
    if unit:
        return factor, f"{prefix}{unit}"
    if factor == 1.0 or 1e-3 <= largest < 1e5:
        return 1.0, ""
    return factor, "10" + str(round(math.log10(factor))).translate(_RAISED)


def mark_missed_accuracy(figure: Figure, runs: Iterable[xr.Dataset]) -> None:
    """Write above a figure which of the runs it is of did not reach the accuracy asked for, if any did not."""
    lines = []
    for run in runs:
        if missed_accuracy(run):
            errors = errors_of(run)
            error = max(errors.values()) if all(map(math.isfinite, errors.values())) else math.nan
            accuracy = testbench_of(run).analysis.accuracy
            lines.append(f"{run.attrs['engine']}: error {error:.0e}, {accuracy:.0e} was asked for")
    if lines:
        figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=8, color=COLORS[1])


def unfinished(result: xr.Dataset) -> str:
    """What a figure says of operations that an error or an interrupt ended; empty of those that came to their end."""
    return f"not finished: {result.attrs['unfinished']}" if "unfinished" in result.attrs else ""


def quantity_text(value: float, unit: str, digits: int = 3) -> str:
    """Write a value for a figure, with the prefixes that its axes have: a Greek letter for micro."""
    return micro_sign(format_quantity(value, unit, digits))


def micro_sign(text: str) -> str:
    """Write the prefix for micro of the quantities in a text as a Greek letter."""
    return re.sub(r"(?<=\d )u(?=[A-Z])", _PREFIXES[-6], text)


def si_prefix(largest: float) -> tuple[float, str]:
    """Return the power of 1000 that brings a value to between 0.95 and 950, and its SI prefix."""
    if not math.isfinite(largest) or largest == 0:
        return 1.0, ""
    exponent = min(max(3 * math.floor(math.log10(abs(largest) / 0.95) / 3), -24), 12)
    return 10.0**exponent, _PREFIXES[exponent]


def save_figure(figure: Figure, path: Path, formats: tuple[str, ...] = FORMATS) -> list[Path]:
    """Write a figure to `path` with the suffix of each format, and return the files."""
    files = [path.with_suffix(f".{suffix}") for suffix in formats]
    layout = figure.get_layout_engine()
    with mpl.rc_context(STYLE):
        for file, kind in zip(files, formats, strict=True):
            drawn = io.BytesIO()
            # Without a date, the same figure is the same file.
            metadata = {"CreationDate": None} if kind == "pdf" else None
            figure.savefig(drawn, format=kind, dpi=200, metadata=metadata)
            write_bytes(file, drawn.getvalue())
            # what the first format has laid out, the others take: a layout takes as long as a drawing
            figure.set_layout_engine("none")
    figure.set_layout_engine(layout)
    return files
