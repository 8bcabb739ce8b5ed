"""Sweeps of one device over frequency."""

import itertools
from pathlib import Path

import h5py
import numpy as np
import pytest

from spicecim.engines import simulate
from spicecim.errors import (
    AccuracyWarning,
    InputError,
    MeasurementError,
    ModelError,
    TestbenchError,
    WaveformError,
)
from spicecim.hysteresis_sweep import HysteresisSweep, hysteresis, load_sweep, save_sweep, sweep_difference
from spicecim.waveforms import save_waveforms, testbench_of


def test_a_sweep_measures_one_loop_a_frequency():
    sweep = hysteresis("yakopcic", preset="oblea", frequency=["100", "1k", 1e4], engine="reference")
    assert sweep.measures["frequency"].values.tolist() == [100, 1000, 10000]
    assert len(sweep.loops) == 3
    assert sweep.measures.attrs["engine"] == "reference"
    assert sweep.measures["lobe_area"].attrs["units"] == "V A"
    total = abs(sweep.measures["lobe_area_positive"]) + abs(sweep.measures["lobe_area_negative"])
    np.testing.assert_allclose(sweep.measures["lobe_area"], total)


@pytest.mark.filterwarnings("ignore::spicecim.errors.CurrentWarning")
def test_the_published_drive_and_state_are_the_default():
    loop = hysteresis("yakopcic", preset="miao", frequency=[1], engine="reference").loops[0]
    assert float(loop["v_cell"].max()) == pytest.approx(1.25, rel=1e-4)
    assert float(loop["x"][0, 0, 0]) == pytest.approx(0.11)


def test_a_device_that_switches_on_runs_its_positive_lobe_counter_clockwise():
    measures = hysteresis("linear_drift", frequency=[1], engine="reference").measures
    assert float(measures["lobe_area_positive"][0]) > 0


def test_a_later_cycle_can_be_measured():
    first = hysteresis("yakopcic", frequency=[1000], engine="reference", cycle=1)
    third = hysteresis("yakopcic", frequency=[1000], engine="reference", cycle=3)
    assert float(third.loops[0]["time"][0]) == pytest.approx(2e-3)
    assert float(third.loops[0]["time"][-1]) == pytest.approx(3e-3)
    assert abs(float(first.measures["lobe_area"][0] / third.measures["lobe_area"][0]) - 1) > 0.01


@pytest.mark.ngspice
def test_a_later_cycle_starts_on_time_in_ngspice_too():
    loop = hysteresis("yakopcic", frequency=[1000], cycle=2, points_per_period=100).loops[0]
    assert float(loop["time"][0]) == pytest.approx(1e-3, rel=1e-12)
    assert loop.attrs["engine"] == "ngspice"


def test_amplitudes_and_frequencies_are_lists_of_their_own():
    sweep = hysteresis("yakopcic", amplitude=["300mV", 0.45], frequency=[100, 1e3, 1e4], engine="reference")
    assert sweep.measures["lobe_area"].dims == ("amplitude", "frequency")
    assert sweep.measures["amplitude"].values.tolist() == [0.3, 0.45]
    assert len(sweep.loops) == 6
    for loop, (volts, hertz) in zip(sweep.loops, itertools.product([0.3, 0.45], [100, 1e3, 1e4]), strict=True):
        drive = testbench_of(loop).drive
        assert (drive.amplitude[0], drive.frequency[0]) == (volts, hertz)
    alone = hysteresis("yakopcic", amplitude=0.45, frequency=[100, 1e3, 1e4], engine="reference").measures
    assert alone["lobe_area"].dims == ("frequency",)
    for name in ("lobe_area", "effective_conductance", "peak_frequency", "slope"):
        np.testing.assert_array_equal(sweep.measures[name].sel(amplitude=0.45), alone[name])


def test_how_far_the_loop_still_changes_is_told():
    """By the lobe area of the next cycle, which a run of that cycle measures."""
    first, second = (
        hysteresis("yakopcic", frequency=[1000], engine="reference", cycle=cycle).measures for cycle in (1, 2)
    )
    expected = abs(float(second["lobe_area"][0] / first["lobe_area"][0]) - 1)
    assert float(first["cycle_change"][0]) == pytest.approx(expected, rel=1e-6)
    assert float(second["cycle_change"][0]) < 0.5 * expected


def test_the_default_preset_has_a_name():
    loop = hysteresis("yakopcic", frequency=[1000], engine="reference").loops[0]
    assert testbench_of(loop).device.preset == "oblea"


def test_instants_are_added_where_a_loop_needs_them_and_a_grid_that_is_too_coarse_is_told():
    fine = hysteresis("yakopcic", frequency=[100], engine="reference", points_per_period=20, accuracy=0.02)
    points = testbench_of(fine.loops[0]).analysis.points_per_period
    assert points in (40, 80, 160)
    assert float(fine.measures["grid_error"][0]) <= 0.02
    with pytest.warns(AccuracyWarning, match=r"lobe areas and conductances to .* only, and 1e-06 is asked for"):
        coarse = hysteresis("yakopcic", frequency=[100], engine="reference", points_per_period=20, accuracy=1e-6)
    assert testbench_of(coarse.loops[0]).analysis.points_per_period == 160


@pytest.mark.ngspice
@pytest.mark.parametrize("amplitude", [0.45, [0.3, 0.45]])
def test_a_saved_sweep_comes_back_and_can_be_run_again(tmp_path, amplitude):
    sweep = hysteresis("yakopcic", amplitude=amplitude, frequency=[100, 1e3], points_per_period=100, accuracy=0.1)
    again = load_sweep(save_sweep(sweep, tmp_path / "loops.nc"))
    assert again.measures.identical(sweep.measures)
    assert len(again.loops) == len(sweep.loops)
    for one, other in zip(again.loops, sweep.loops, strict=True):
        assert one.attrs == other.attrs
        for name in ("time", "v_row", "i_row", "i_column", "v_cell", "i_cell", "x"):
            np.testing.assert_array_equal(one[name], other[name].transpose(*one[name].dims))
    run = simulate(testbench_of(again.loops[-1]))
    assert float(run["time"][-1]) == pytest.approx(2e-3)
    assert sweep_difference(again, sweep).values.max() == 0.0


def test_a_file_that_is_no_sweep_is_refused(tmp_path):
    sweep = hysteresis("yakopcic", frequency=[100], engine="reference", points_per_period=100, accuracy=0.1)
    save_waveforms(simulate(testbench_of(sweep.loops[0]), "reference"), tmp_path / "run.nc")
    path = save_sweep(sweep, tmp_path / "loops.nc")
    with h5py.File(path, "r+") as file:
        file["v"][...] *= -1
    (tmp_path / "text.nc").write_text("no netCDF")
    for name in ("run.nc", "text.nc", "loops.nc", "gone.nc"):
        with pytest.raises(WaveformError, match=f"cannot read loops from .*{name}"):
            load_sweep(tmp_path / name)


def test_the_difference_of_two_sweeps_is_relative():
    sweep = hysteresis("yakopcic", frequency=[100, 1e3], engine="reference", points_per_period=100, accuracy=0.1)
    more = [loop.assign(i_cell=1.02 * loop["i_cell"]) for loop in sweep.loops]
    np.testing.assert_allclose(sweep_difference(HysteresisSweep(more, sweep.measures), sweep), 0.02, rtol=1e-9)
    assert sweep_difference(sweep, sweep).dims == ("frequency",)


def test_progress_counts_frequencies():
    seen = []
    hysteresis("yakopcic", frequency=[100, 200], engine="reference", progress=seen.append)
    assert seen == [0.5, 1.0]


@pytest.mark.parametrize(
    ("arguments", "kind", "reason"),
    [
        ({"device": "nope", "frequency": [1]}, ModelError, "unknown model"),
        ({"device": "yakopcic", "preset": "nope", "frequency": [1]}, ModelError, "unknown preset"),
        ({"device": "yakopcic", "frequency": [2, 1]}, InputError, "increasing"),
        ({"device": "yakopcic", "frequency": []}, InputError, "increasing"),
        ({"device": "yakopcic", "frequency": ["10M"]}, InputError, "frequency: .*ambiguous"),
        ({"device": "yakopcic", "frequency": [0]}, TestbenchError, "between 1e-18"),
        ({"device": "yakopcic", "frequency": [1], "amplitude": "1 Hz"}, InputError, "amplitude: "),
        ({"device": "yakopcic", "frequency": [1], "amplitude": [0.3, 0.3]}, InputError, "amplitude must .* none twice"),
        ({"device": "yakopcic", "frequency": [1], "amplitude": []}, InputError, "amplitude must have one value"),
        ({"device": "yakopcic", "frequency": [1], "amplitude": 0}, MeasurementError, "is the amplitude 0"),
        ({"device": "yakopcic", "frequency": [1], "x0": 2}, TestbenchError, "crossbar.state"),
        ({"device": "yakopcic", "frequency": [1], "cycle": 0}, InputError, "cycle"),
        ({"device": {"verilog_a": "m.va"}, "frequency": [1]}, InputError, "amplitude: is required"),
        (
            {"device": {"model": "yakopcic"}, "preset": "oblea", "frequency": [1]},
            InputError,
            "preset, parameters: are for",
        ),
    ],
)
def test_bad_sweeps_are_refused(arguments, kind, reason):
    with pytest.raises(kind, match=reason):
        hysteresis(**arguments, engine="reference")


@pytest.mark.slow
def test_a_verilog_a_module_has_loops_too():
    """Alike in both engines, and pinched but for the current of its capacitor, 2 pi f C v of a peak near 0.5 mA."""
    path = Path(__file__).parents[1] / "examples" / "series_memristor.va"
    sweeps = {
        engine: hysteresis({"verilog_a": str(path)}, amplitude=0.8, frequency=[100, 1e3], engine=engine)
        for engine in ("ngspice", "reference")
    }
    areas = {engine: sweep.measures.lobe_area.values for engine, sweep in sweeps.items()}
    np.testing.assert_allclose(areas["ngspice"], areas["reference"], rtol=1e-4)
    assert areas["ngspice"][0] > 3 * areas["ngspice"][1] > 0
    for sweep in sweeps.values():
        assert sweep.measures.pinch_offset[0] < 1e-5
        assert sweep.loops[0].attrs["device_backend"] in ("osdi", "numpy")
