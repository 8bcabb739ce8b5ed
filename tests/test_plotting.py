"""Figures: what they show, and that their labels do not collide."""

import itertools

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from spicecim.engines import simulate
from spicecim.errors import WaveformError
from spicecim.hysteresis_sweep import hysteresis
from spicecim.plotting import plot_column_currents, plot_hysteresis, plot_power, plot_row_drives, save_figure
from spicecim.plotting.style import si_prefix


@pytest.fixture(scope="module")
def run():
    from conftest import bench_dict

    from spicecim.testbench import Testbench

    return simulate(Testbench.from_dict(bench_dict(analysis={"probe": "cells"})), "reference")


def labels_overlap(axis, renderer):
    boxes = [
        label.get_window_extent(renderer) for label in axis.get_ticklabels() if label.get_visible() and label.get_text()
    ]
    return any(a.overlaps(b) for a, b in itertools.pairwise(boxes))


def assert_legible(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    width, height = canvas.get_width_height()
    for axes in figure.axes:
        assert not labels_overlap(axes.xaxis, renderer)
        assert not labels_overlap(axes.yaxis, renderer)
        if axes.get_visible() and axes.axison:
            box = axes.get_tightbbox(renderer)
            assert box.x0 >= -1
            assert box.y0 >= -1
            assert box.x1 <= width + 1
            assert box.y1 <= height + 1


def test_row_drives(run):
    figure = plot_row_drives(run)
    assert_legible(figure)
    assert len(figure.axes[0].get_lines()) == 3 + 1  # and the scale bar
    assert figure.axes[0].get_yticklabels()[0].get_text() == "row 0: 100 Hz, 450 mV"


def test_column_currents_of_one_and_of_two_runs(run):
    alone = plot_column_currents({"reference": run})
    assert_legible(alone)
    assert len(alone.axes) == 2
    shifted = run.assign(i_column=run["i_column"] * 1.001)
    both = plot_column_currents({"ngspice": run, "reference": shifted}, names=["left", "right"])
    assert_legible(both)
    assert len(both.axes) == 4
    difference = both.axes[1].get_lines()[0].get_ydata()
    assert np.abs(difference).max() == pytest.approx(1000, rel=1e-6)


def test_many_columns_are_cut_and_said_so(make_bench):
    many = simulate(make_bench(crossbar={"state": np.full((3, 12), 0.5)}), "reference")
    figure = plot_column_currents({"reference": many})
    assert len(figure.axes) == 8
    assert "first 8 of 12 columns" in figure.get_supylabel()


def test_power(run):
    figure = plot_power(run)
    assert_legible(figure)
    assert "power of all row drivers" in figure.axes[0].get_ylabel()
    with pytest.raises(WaveformError, match="cells"):
        plot_power(run.drop_vars(["v_cell", "i_cell"]))


@pytest.mark.parametrize("shape", [(1, 1), (2, 32), (40, 3)])
@pytest.mark.parametrize("amplitude", [0.0, 0.3])
def test_power_of_any_shape(shape, amplitude):
    from spicecim.testbench import Testbench

    bench = Testbench(
        device={"model": "yakopcic"},
        crossbar={"state": np.full(shape, 0.5)},
        drive={"kind": "sine", "amplitude": amplitude, "frequency": 100},
        analysis={"probe": "cells", "points_per_period": 20},
    )
    figure = plot_power(simulate(bench, "reference"))
    assert_legible(figure)
    assert ("known to" in figure.axes[0].get_legend().get_texts()[0].get_text()) == (amplitude > 0)
    assert all(float(tick).is_integer() for tick in figure.axes[1].get_yticks())


def test_one_frequency_keeps_its_units():
    figure = plot_hysteresis({"reference": hysteresis("yakopcic", frequency=[300], engine="reference")})
    assert_legible(figure)
    labels = [label.get_text() for label in figure.axes[1].get_xticklabels()]
    assert "100\N{NO-BREAK SPACE}Hz" in labels


def test_hysteresis_loops_and_areas():
    sweep = hysteresis("yakopcic", frequency=np.geomspace(30, 3e4, 9), engine="reference", points_per_period=100)
    figure = plot_hysteresis({"reference": sweep}, frequencies=[100, 1000])
    assert_legible(figure)
    loops, areas = figure.axes
    assert len(loops.get_lines()) == 2
    assert loops.get_xlabel() == "voltage (mV)"
    assert areas.get_xscale() == areas.get_yscale() == "log"
    assert len(plot_hysteresis({"reference": sweep}).axes[0].get_lines()) == 6


def test_figures_are_saved_as_png_and_pdf(run, tmp_path):
    files = save_figure(plot_row_drives(run), tmp_path / "drives")
    assert [file.name for file in files] == ["drives.png", "drives.pdf"]
    assert files[0].read_bytes().startswith(b"\x89PNG")
    assert files[1].read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("largest", "prefix"), [(0.45, "m"), (1.0, ""), (940.0, ""), (1e3, "k"), (2.2e-6, "\N{MICRO SIGN}"), (0.0, "")]
)
def test_prefixes(largest, prefix):
    assert si_prefix(largest)[1] == prefix
