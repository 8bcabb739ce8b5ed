"""Sweeps of one device over frequency."""

from pathlib import Path

import numpy as np
import pytest

from spicecim.errors import InputError, MeasurementError, ModelError, TestbenchError
from spicecim.hysteresis_sweep import hysteresis


def test_a_sweep_measures_one_loop_a_frequency():
    sweep = hysteresis("yakopcic", preset="oblea", frequency=["100", "1k", 1e4], engine="reference")
    assert sweep.measures["frequency"].values.tolist() == [100, 1000, 10000]
    assert len(sweep.loops) == 3
    assert sweep.measures.attrs["engine"] == "reference"
    assert sweep.measures["lobe_area"].attrs["units"] == "V A"
    total = abs(sweep.measures["lobe_area_positive"]) + abs(sweep.measures["lobe_area_negative"])
    np.testing.assert_allclose(sweep.measures["lobe_area"], total)


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


def test_a_later_cycle_starts_on_time_in_ngspice_too():
    loop = hysteresis("yakopcic", frequency=[1000], cycle=2, points_per_period=100).loops[0]
    assert float(loop["time"][0]) == pytest.approx(1e-3, rel=1e-12)
    assert loop.attrs["engine"] == "ngspice"


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
        ({"device": "yakopcic", "frequency": [0]}, TestbenchError, "above 0"),
        ({"device": "yakopcic", "frequency": [1], "amplitude": "1 Hz"}, TestbenchError, "drive.amplitude"),
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
