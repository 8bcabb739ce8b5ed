"""The two engines against each other and against what is exact: the numbers that the project states."""

import numpy as np
import pytest
from oracles import joglekar_conductance

from spicecim.devices import load_presets, make_device
from spicecim.engines import simulate
from spicecim.errors import InputError
from spicecim.hysteresis_sweep import hysteresis
from spicecim.measure import compare, energy_balance, in_phase_current, mean_current
from spicecim.testbench import Testbench

pytestmark = pytest.mark.ngspice


def oblea_crossbar(rows, columns, points_per_period=100):
    """Rows from 100 Hz to 10 kHz at 0.45 V, and random states."""
    return Testbench(
        device={"model": "yakopcic", "preset": "oblea"},
        crossbar={"state": np.random.default_rng(rows).uniform(0, 1, (rows, columns))},
        drive={"kind": "sine", "amplitude": 0.45, "frequency": np.geomspace(100, 10e3, rows)},
        analysis={"probe": "cells", "points_per_period": points_per_period},
    )


def run_both(bench):
    """Run a testbench in both engines, at the instants of ngspice; comparing them is the estimate of their errors."""
    spice = simulate(bench, "ngspice", estimate=False)
    return spice, simulate(bench, "reference", time=spice["time"].values, estimate=False)


@pytest.mark.parametrize("shape", [(9, 4), pytest.param((16, 16), marks=pytest.mark.slow)])
def test_column_currents_and_energy_of_a_crossbar(shape):
    spice, reference = run_both(oblea_crossbar(*shape))
    assert compare(spice, reference, tolerance=1e-4).passed
    assert energy_balance(spice).error < 1e-9
    assert energy_balance(reference).error < 1e-9


@pytest.mark.filterwarnings("ignore::spicecim.errors.CurrentWarning")
@pytest.mark.parametrize(
    ("model", "preset", "amplitude", "frequencies"),
    [
        ("yakopcic", "miao", 1.25, [1, 10, 100]),
        ("yakopcic", "jo", 4.0, [0.2, 2, 20]),
        ("linear_drift", "hp", 1.0, [2, 4, 8]),
        ("linear_drift", "joglekar", 1.0, [1, 2, 4]),
        ("linear_drift", "biolek", 1.0, [1, 2, 4]),
    ],
)
def test_every_preset_agrees(model, preset, amplitude, frequencies):
    bench = Testbench(
        device={"model": model, "preset": preset},
        crossbar={"state": np.random.default_rng(7).uniform(0.05, 0.6, (3, 2))},
        drive={"kind": "sine", "amplitude": amplitude, "frequency": frequencies},
        analysis={"points_per_period": 1000 if model == "linear_drift" else 200},  # drift devices switch abruptly
    )
    assert compare(*run_both(bench), tolerance=1e-4).passed


@pytest.mark.filterwarnings("ignore::spicecim.errors.CurrentWarning")
@pytest.mark.parametrize(("preset", "periods"), [("oblea", 2), ("miao", 1), ("jo", 2)])
@pytest.mark.parametrize("points_per_period", [100, 200])
def test_a_single_device_at_its_published_drive(preset, periods, points_per_period):
    """One tone: nothing else shortens the steps."""
    published = load_presets("yakopcic")[preset]
    bench = Testbench(
        device={"model": "yakopcic", "preset": preset},
        crossbar={"state": [[published.x0]]},
        drive={"kind": "sine", "amplitude": published.amplitude, "frequency": published.frequency},
        analysis={"periods": periods, "points_per_period": points_per_period},
    )
    error = compare(*run_both(bench)).worst
    assert error < (1e-4 if points_per_period == 200 else 1.5e-4)


@pytest.mark.parametrize("kind", ["pulse", "samples"])
def test_other_drives_agree(kind):
    drive = {
        "pulse": {
            "kind": "pulse", "low": -0.3, "high": [0.3, 0.45], "delay": "1m", "rise": "0.1m", "fall": "0.2m",
            "width": "3m", "period": "10m",
        },
        "samples": {"kind": "samples", "time": [0, 2e-3, 5e-3, 9e-3, 2e-2], "voltages": [[0, 0.4, 0.4, -0.4, 0.1]] * 2},
    }[kind]  # fmt: skip
    bench = Testbench(
        device={"model": "yakopcic"},
        crossbar={"state": [[0.1, 0.5], [0.4, 0.9]]},
        drive=drive,
        analysis={"duration": 0.02},
    )
    assert compare(*run_both(bench), tolerance=1e-4).passed


@pytest.mark.parametrize("engine", ["ngspice", "reference"])
def test_joglekar_effective_conductance_is_exact_where_copied_models_lock(engine):
    """Table of the documentation: a widely copied subcircuit is 48 % off at 0.10 Hz."""
    frequencies = [0.10, 0.14, 0.18, 0.20]
    device = make_device("linear_drift", "joglekar")
    exact = [joglekar_conductance(device, 0.02, 1.0, frequency) for frequency in frequencies]
    np.testing.assert_allclose(exact, [5.115e-3, 3.161e-3, 1.207e-3, 2.295e-4], rtol=5e-4)
    sweep = hysteresis(
        "linear_drift", preset="joglekar", x0=0.02, amplitude=1.0, frequency=frequencies, engine=engine
    )  # fmt: skip
    np.testing.assert_allclose(sweep.measures["effective_conductance"], exact, rtol=1e-3)


@pytest.mark.filterwarnings("ignore::spicecim.errors.CurrentWarning")
@pytest.mark.parametrize(
    ("model", "preset", "frequencies"),
    [
        ("yakopcic", "oblea", np.geomspace(30, 30e3, 7)),
        ("yakopcic", "miao", np.geomspace(0.05, 100, 7)),
        ("linear_drift", "hp", np.geomspace(0.2, 100, 7)),
        ("linear_drift", "joglekar", np.geomspace(0.2, 100, 7)),
        ("linear_drift", "biolek", np.geomspace(0.2, 100, 7)),
    ],
)
def test_loops_are_pinched_and_shrink_with_frequency_alike(model, preset, frequencies):
    sweeps = [hysteresis(model, preset=preset, frequency=frequencies, engine=e) for e in ("ngspice", "reference")]
    for sweep in sweeps:
        assert float(sweep.measures["pinch_offset"].max()) < 1e-4
        area = sweep.measures["lobe_area"].values
        above = area[area.argmax() :]
        assert len(above) >= 4
        assert np.all(np.diff(above) < 0)
        assert -1.5 < sweep.measures["slope"] < -0.5
    slopes = [float(sweep.measures["slope"]) for sweep in sweeps]
    assert slopes[0] == pytest.approx(slopes[1], rel=1e-3)


@pytest.mark.compiler
def test_readouts_agree():
    bench = Testbench(
        device={"model": "yakopcic", "preset": "oblea"},
        crossbar={"state": np.random.default_rng(5).choice([0.0, 1.0], (4, 3))},
        drive={"kind": "sine", "amplitude": [0.45, 0.4, 0.3, 0.1], "frequency": [1000, 1100, 1200, 1300]},
        analysis={"duration": 0.01},
    )
    spice, reference = run_both(bench)
    for measure in (mean_current, in_phase_current):
        expected = measure(reference)
        np.testing.assert_allclose(measure(spice), expected, atol=1e-4 * float(abs(expected).max()))


@pytest.mark.parametrize("engine", ["ngspice", "reference"])
def test_voltages_beyond_a_device_s_equations_are_bad_input(engine):
    bench = Testbench(
        device={"model": "yakopcic"},
        crossbar={"state": [[0.5]]},
        drive={"kind": "sine", "amplitude": 1e5, "frequency": 100},
    )
    with pytest.raises(InputError, match="beyond the range of a float"):
        simulate(bench, engine)
