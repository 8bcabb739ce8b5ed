"""Figures: what they show, and that their labels do not collide."""

import itertools

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from spicecim.engines import simulate
from spicecim.errors import WaveformError
from spicecim.hysteresis_sweep import HysteresisSweep, hysteresis
from spicecim.plotting import plot_column_currents, plot_hysteresis, plot_power, plot_row_drives, save_figure
from spicecim.plotting.style import label_axis, micro_sign, new_figure, quantity_text, si_prefix
from spicecim.testbench import Testbench


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
    assert "power of all drivers" in figure.axes[0].get_ylabel()
    average, largest = (text.get_text() for text in figure.axes[0].get_legend().get_texts())
    assert average.startswith("average ")
    assert largest.startswith("largest ")
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
    figure = plot_row_drives(run)
    layout = figure.get_layout_engine()
    files = save_figure(figure, tmp_path / "drives")
    # a figure that is changed after that is laid out again
    assert type(figure.get_layout_engine()) is type(layout)
    assert [file.name for file in files] == ["drives.png", "drives.pdf"]
    assert files[0].read_bytes().startswith(b"\x89PNG")
    assert files[1].read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("largest", "prefix"), [(0.45, "m"), (1.0, ""), (940.0, ""), (1e3, "k"), (2.2e-6, "\N{MICRO SIGN}"), (0.0, "")]
)
def test_prefixes(largest, prefix):
    assert si_prefix(largest)[1] == prefix


@pytest.mark.parametrize(
    ("values", "unit", "label", "ticks"),
    [
        ([0.97310, 0.97314], "", "y \N{MINUS SIGN} 0.97312 (10⁻⁶)", ["\N{MINUS SIGN}20", "0", "20"]),
        ([-2.00001, -2.00003], "V", "y + 2.00002 V (\N{MICRO SIGN}V)", ["\N{MINUS SIGN}10", "0", "10"]),
        ([1.0, 1.002], "s", "y (s)", ["1", "1.001", "1.002"]),
        ([2e-7, 4e-7], "", "y (10⁻⁹)", ["200", "300", "400"]),
        ([2e7, 4e7], "", "y (10⁶)", ["20", "30", "40"]),
        ([0.0, 50.0], "", "y", ["0", "25", "50"]),
        ([0.0, 0.0], "A", "y (A)", ["0"]),
        ([], "A", "y (A)", []),
    ],
)
def test_a_label_names_what_its_ticks_are_counted_from_and_in(values, unit, label, ticks):
    figure, grid = new_figure()
    axes = grid[0, 0]
    axes.plot(values, marker="o")
    axes.set_yticks([*values, np.mean(values)] if values else [])
    label_axis(axes.yaxis, "y", unit)
    assert axes.get_ylabel().replace("\N{NO-BREAK SPACE}", " ") == label
    figure.draw_without_rendering()
    assert sorted({text.get_text() for text in axes.get_yticklabels()}) == sorted(ticks)


def test_the_scale_bar_is_as_long_as_the_voltage_that_it_names(run):
    """Its caps do not make it longer: what is drawn is as high as the peak of row 0 above its zero."""
    figure = plot_row_drives(run)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    trace, *_, bar = figure.axes[0].get_lines()
    shown = np.asarray(canvas.buffer_rgba()).astype(int)
    (x, low), (_, high) = bar.get_transform().transform(bar.get_xydata())
    black = np.flatnonzero(shown[:, int(x), :3].sum(axis=1) < 200)
    assert len(black) == pytest.approx(high - low, abs=1.5)
    zero, peak = figure.axes[0].transData.transform([[0, 0], [0, trace.get_ydata().max()]])[:, 1]
    assert high - low == pytest.approx(peak - zero, abs=0.1)


def test_quantities_in_figures_have_the_prefixes_of_axes(make_bench):
    assert quantity_text(920e-6, "W") == "920 \N{MICRO SIGN}W"
    assert micro_sign("row 0: 1 kHz, 450 uV; unused u 2 units") == "row 0: 1 kHz, 450 \N{MICRO SIGN}V; unused u 2 units"
    drive = {"kind": "sine", "amplitude": 5e-4, "frequency": [100, 200, 300]}
    small = simulate(make_bench(drive=drive, analysis={"probe": "cells"}), "reference")
    texts = [text.get_text() for text in plot_power(small).axes[0].get_legend().get_texts()]
    drives = plot_row_drives(small).axes[0]
    texts += [label.get_text() for label in drives.get_yticklabels()] + [text.get_text() for text in drives.texts]
    assert not [text for text in texts if " u" in text]
    assert "500 \N{MICRO SIGN}V" in texts


def test_colors_mean_the_same_in_both_panels():
    """Of several amplitudes, a color is an amplitude; of one, the markers of the areas have no color of a loop."""
    frequencies = np.geomspace(30, 3e4, 5)
    several = hysteresis(
        "yakopcic", amplitude=[0.3, 0.45], frequency=frequencies, engine="reference", points_per_period=100
    )
    figure = plot_hysteresis({"ngspice": several, "reference": several})
    assert_legible(figure)
    meanings = [{line.get_color(): set() for line in axes.get_lines()} for axes in figure.axes]
    for axes, meaning in zip(figure.axes, meanings, strict=True):
        for line in axes.get_lines():
            meaning[line.get_color()].add(next(volts for volts in ("300 mV", "450 mV") if volts in line.get_label()))
    assert meanings[0] == meanings[1]
    assert sorted(map(sorted, meanings[0].values())) == [["300 mV"], ["450 mV"]]
    lines = {(line.get_linestyle(), line.get_label().split(", ")[1]) for line in figure.axes[0].get_lines()}
    assert len(lines) == len(figure.axes[0].get_lines()) / 2 == 3
    one = plot_hysteresis({"reference": HysteresisSweep(several.loops[:5], several.measures.isel(amplitude=0))})
    loops, areas = ({line.get_color() for line in axes.get_lines()} for axes in one.axes)
    assert not loops & areas


def test_the_slope_is_explained_where_it_is_shown():
    for frequencies, expected in ((np.geomspace(30, 3e4, 5), True), ([300], False)):
        sweep = hysteresis("yakopcic", frequency=frequencies, engine="reference", points_per_period=100)
        legend = plot_hysteresis({"reference": sweep}).axes[1].get_legend()
        assert ("slope " in legend.get_texts()[0].get_text()) == expected
        assert ("log(area) over log(frequency)" in legend.get_title().get_text()) == expected


def test_the_drives_of_columns_and_floating_lines_are_in_the_figure():
    pulse = {"kind": "pulse", "high": 0.2, "rise": 1e-4, "fall": 1e-4, "width": 2e-3, "period": 1e-2}
    bench = Testbench.from_dict(
        {
            "device": {"model": "yakopcic"},
            "crossbar": {"state": [[0.5, 0.5], [0.5, 0.5]]},
            "drive": pulse,
            "rows": {"floating": [1]},
            "columns": {"drive": pulse, "grounded": [0]},
        }
    )
    (axes,) = plot_row_drives(simulate(bench, "reference")).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "row 0", "row 1: floats", "column 0: grounded", "column 1",
    ]  # fmt: skip
    assert axes.get_title() == "rows and columns"
