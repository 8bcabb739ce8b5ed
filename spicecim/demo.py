"""The demonstration: one patch of a real image, four kernels, both engines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from spicecim.engines import simulate
from spicecim.files import result_folder
from spicecim.hysteresis_sweep import HysteresisSweep, hysteresis
from spicecim.images import photograph
from spicecim.json_text import write_summary
from spicecim.ngspice.engine import write_netlist
from spicecim.plotting import (
    FORMATS,
    new_figure,
    plot_column_currents,
    plot_hysteresis,
    plot_power,
    plot_row_drives,
    save_figure,
    styled,
)
from spicecim.runs import least_sizes
from spicecim.summary import summarize
from spicecim.testbench import Testbench
from spicecim.waveforms import save_waveforms

AMPLITUDE = 0.45
"""Volts for a pixel of 255: the amplitude that the device was published with."""

FREQUENCIES = 1000.0 + 100.0 * np.arange(9)
"""Hertz, one per row: within the device's working band (it switches from 70 Hz to 215 kHz), none a multiple of another,
and all with whole cycles in 10 ms, so that the rows' tones can be told apart in a column."""

DURATION = 10e-3

PATCH = (162, 165)
"""Upper left pixel (row, column) of the patch: an edge with pixels from dark to bright."""

KERNELS: dict[str, NDArray[np.float64]] = {
    "left edge": np.array([[1, 0, 0], [1, 0, 0], [1, 0, 0]], dtype=float),
    "top edge": np.array([[1, 1, 1], [0, 0, 0], [0, 0, 0]], dtype=float),
    "diagonal": np.eye(3),
    "center cross": np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], dtype=float),
}
"""Binary kernels, one per column: 1 is a device in the low, 0 in the high resistance state."""

ENGINES: tuple[str, ...] = ("ngspice", "reference")

LOOP_ACCURACY = 0.01
"""The slope over decades of lobe areas needs no more of each."""

LOOP_FREQUENCIES = (100.0, 1000.0, 10_000.0)


@dataclass(frozen=True)
class Demo:
    """What the demonstration brought: its testbench, the runs and sweeps of both engines, and the summary."""

    testbench: Testbench
    runs: dict[str, xr.Dataset]
    sweeps: dict[str, HysteresisSweep]
    summary: dict[str, Any]


def demo_testbench(image: NDArray[np.uint8]) -> Testbench:
    """Build the testbench: the pixels of the patch set the amplitudes of nine rows, the kernels the states."""
    row, column = PATCH
    pixels = image[row : row + 3, column : column + 3].astype(float).ravel()
    return Testbench.from_dict(
        {
            "device": {"model": "yakopcic", "preset": "oblea"},
            "crossbar": {"state": np.stack([kernel.ravel() for kernel in KERNELS.values()], axis=1)},
            "drive": {"kind": "sine", "amplitude": AMPLITUDE * pixels / 255.0, "frequency": FREQUENCIES},
            "analysis": {"duration": DURATION, "probe": "cells"},
        },
        source="demo",
    )


def run_demo(folder: Path, progress: Callable[[str, float], None] = lambda task, fraction: None) -> Demo:
    """Run the demonstration and write its netlist, datasets, figures and ``summary.json`` into a folder.

    Parameters
    ----------
    folder
        Folder for the artifacts; see `spicecim.files.result_folder`.
    progress
        Called with what is being done and the fraction of it that is.
    """
    image = photograph("camera")
    bench = demo_testbench(image)
    figures = [f"{name}.{suffix}" for name in ("image_patch", "hysteresis") for suffix in FORMATS]
    with result_folder(folder, {**dict.fromkeys(figures, 0), **least_sizes(bench, ENGINES)}) as scratch:
        bench.to_yaml(scratch / "used_testbench.yaml")
        write_netlist(bench, scratch / "netlist.cir")
        spice = simulate(bench, "ngspice", progress=lambda fraction: progress("crossbar in ngspice", fraction))
        save_waveforms(spice, scratch / "ngspice.nc")
        progress("crossbar in the reference engine", 0.0)
        reference = simulate(bench, "reference", time=spice["time"].values)
        save_waveforms(reference, scratch / "reference.nc")
        runs = {"ngspice": spice, "reference": reference}
        frequencies = np.geomspace(10.0, 100_000.0, 17)
        sweeps: dict[str, HysteresisSweep] = {engine: _sweep(engine, frequencies, progress) for engine in ENGINES}
        progress("figures", 0.0)
        _save_figures(scratch, image, runs, sweeps, progress)
        summary = {
            **summarize(runs),
            "column_names": list(KERNELS),
            "hysteresis": {
                engine: {
                    "peak_frequency_hz": float(sweep.measures["peak_frequency"]),
                    "log_log_slope": float(sweep.measures["slope"]),
                }
                for engine, sweep in sweeps.items()
            },
        }
        return Demo(bench, runs, sweeps, write_summary(scratch / "summary.json", summary))


def _save_figures(
    folder: Path,
    image: NDArray[np.uint8],
    runs: dict[str, xr.Dataset],
    sweeps: dict[str, HysteresisSweep],
    progress: Callable[[str, float], None],
) -> None:
    names = list(KERNELS)
    figures = {
        "image_patch": _plot_patch(image),
        "row_drives": plot_row_drives(runs["ngspice"]),
        "column_currents": plot_column_currents(runs, names),
        "power": plot_power(runs["ngspice"], names),
        "hysteresis": plot_hysteresis(sweeps, LOOP_FREQUENCIES),
    }
    for index, (name, figure) in enumerate(figures.items()):
        save_figure(figure, folder / name)
        progress("figures", (index + 1) / len(figures))


def _sweep(engine: str, frequencies: ArrayLike, progress: Callable[[str, float], None]) -> HysteresisSweep:
    return hysteresis(
        "yakopcic", preset="oblea", amplitude=AMPLITUDE, frequency=frequencies, engine=engine, points_per_period=400,
        accuracy=LOOP_ACCURACY,
        progress=lambda fraction: progress(f"hysteresis in {engine}", fraction),
    )  # fmt: skip


@styled
def _plot_patch(image: NDArray[np.uint8]) -> Figure:
    """Plot the image with its patch, the patch's pixels, and the kernels."""
    row, column = PATCH
    figure, grid = new_figure(2, 4, size=(7.0, 2.7), width_ratios=[2, 2, 1, 1])
    for axes in grid[:, :2].flat:
        axes.remove()
    whole, patch = (figure.add_subplot(grid[0, 0].get_gridspec()[:, place]) for place in range(2))
    whole.imshow(image, cmap="gray")
    whole.add_patch(Rectangle((column - 8, row - 8), 19, 19, fill=False, edgecolor="#D55E00", linewidth=1.5))
    whole.set_title("image: 512 x 512, 8 bit")
    whole.set_axis_off()
    _numbered(patch, image[row : row + 3, column : column + 3], "patch: pixels set amplitudes", vmax=255)
    for axes, (name, kernel) in zip(grid[:, 2:].flat, KERNELS.items(), strict=True):
        _numbered(axes, kernel.astype(int), name, vmax=1)
    return figure


def _numbered(axes: Any, values: NDArray[Any], title: str, vmax: float) -> None:
    axes.imshow(values, cmap="gray", vmin=-0.25 * vmax, vmax=1.25 * vmax)
    axes.set(title=title, xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(True)
    for (y, x), value in np.ndenumerate(values):
        color = "black" if value > vmax / 2 else "white"
        axes.text(x, y, str(value), ha="center", va="center", fontsize=8, color=color)
