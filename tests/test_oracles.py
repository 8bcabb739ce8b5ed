"""The core against what it shares no code with: closed forms of other models, and scipy's integration of any."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from integration import Course
from ohmic import static

from spicecim.devices.cell import ExplicitCell
from spicecim.engines import simulate
from spicecim.reference.drive import cell_voltages
from spicecim.reference.independent import integrate
from spicecim.testbench import Testbench

PRESETS = {
    ("yakopcic", "oblea"): (0.45, 100.0),
    ("yakopcic", "miao"): (1.25, 1.0),
    ("yakopcic", "jo"): (4.0, 0.2),
    ("linear_drift", "hp"): (1.0, 4.0),
    ("linear_drift", "joglekar"): (1.0, 4.0),
    ("linear_drift", "biolek"): (1.0, 4.0),
    ("vteam", "kvatinsky"): (1.0, 8e6),
    ("vteam", "exponential"): (1.0, 8e6),
    ("pershin_di_ventra", "biolek"): (6.0, 5e7),
}
"""Amplitude (V) and frequency (Hz) that move the states of a preset by a part of their range, not at one instant."""


@settings(deadline=None, max_examples=30)
@given(
    x0=st.floats(0.0, 1.0, allow_subnormal=False),
    volts=st.floats(0.2, 0.5),
    stop=st.floats(1e-5, 0.02),
    rising=st.booleans(),
)
def test_yakopcic_without_decay_of_the_speed_relaxes_exponentially(x0, volts, stop, rising):
    """With alphap = alphan = 0 a step moves x straight as far as its kink, and from there on exponentially."""
    device = {
        "model": "yakopcic", "preset": "oblea", "parameters": {"alphap": 0, "alphan": 0, "xp": 0.3, "xn": 0.4},
    }  # fmt: skip
    sign = 1.0 if rising else -1.0
    bench = Testbench(
        device=device,
        crossbar={"state": [[x0]]},
        drive={"kind": "samples", "time": [0, stop], "voltages": [[sign * volts] * 2]},
        analysis={"probe": "cells"},
    )
    time = np.linspace(0, stop, 20)
    x = simulate(bench, "reference", time=time)["x"].values[:, 0, 0]
    model = bench.device.build()
    speed = abs(float(model.drive(sign * volts)))
    # distance to the bound that x moves towards: straight beyond `kink`, a pure exponential within it
    left, kink = (1.0 - x0, 0.7) if rising else (x0, 0.6)
    straight = max(left - kink, 0.0) / speed
    passed = np.clip(time - straight, 0.0, None)
    expected = np.where(time < straight, left - speed * time, min(left, kink) * np.exp(-speed * passed / kink))
    np.testing.assert_allclose(1.0 - x if rising else x, expected, atol=1e-9)


@pytest.mark.filterwarnings("ignore::spicecim.errors.CurrentWarning")
@pytest.mark.parametrize(("model", "preset"), PRESETS)
def test_states_are_those_that_scipy_integrates(model, preset, rng):
    amplitude, frequency = PRESETS[model, preset]
    bench = Testbench(
        device={"model": model, "preset": preset},
        crossbar={"state": rng.uniform(0.05, 0.95, (2, 2))},
        drive={"kind": "sine", "amplitude": amplitude, "frequency": frequency, "phase": [0.0, 4.0]},
        analysis={"probe": "cells"},
    )
    time = np.linspace(0, bench.duration, 101)
    x = simulate(bench, "reference", time=time)["x"]
    np.testing.assert_allclose(x, Course(bench).x(time), atol=1e-9)


@settings(deadline=None)
@given(rows=st.integers(1, 8), ohm=st.floats(1e-3, 1e6), seed=st.integers(0, 2**32 - 1))
def test_a_column_behind_a_resistance_is_at_the_voltage_of_millman(rows, ohm, seed):
    """The node of cells that meet has the mean of their voltages, weighted by conductances, and so has a row's."""
    random = np.random.default_rng(seed)
    g, v = 10.0 ** random.uniform(-6, -2, rows), random.uniform(-1, 1, rows)
    column = static(g[:, None], v, sense_resistance=ohm)
    node = g @ v / (g.sum() + 1 / ohm)
    assert column.i_column[0] == pytest.approx(node / ohm, rel=1e-9, abs=1e-12 * float(g @ np.abs(v)))
    row = static(g[None], v[:1], source_resistance=ohm)
    node = v[0] / ohm / (g.sum() + 1 / ohm)
    np.testing.assert_allclose(row.i_column, g * node, rtol=1e-9)


@pytest.mark.parametrize(
    ("model", "preset", "amplitude", "frequency"),
    [("yakopcic", "oblea", 0.45, 100.0), ("linear_drift", "joglekar", 1.0, 2.0)],
)
def test_the_error_of_the_integrator_follows_its_tolerance(model, preset, amplitude, frequency):
    """The error falls in proportion to the tolerance, at which the longest step no longer decides."""
    bench = Testbench(
        device={"model": model, "preset": preset},
        crossbar={"state": [[0.1, 0.3, 0.5, 0.7]]},
        drive={"kind": "sine", "amplitude": amplitude, "frequency": frequency},
    )
    device, drive = bench.device.build(), bench.drive
    start = device.state_from_x(bench.crossbar.state[0])
    time = np.linspace(0, 1 / frequency, 41)
    exact = Course(bench, tolerance=1e-13).x(time)[:, 0]
    cell, errors = ExplicitCell(device), []
    voltages = cell_voltages(drive, np.zeros(len(start), dtype=int), cell.voltage_breaks(), 1 / frequency)
    tolerances = (1e-7, 1e-10)
    for tolerance in tolerances:
        run = integrate(cell, voltages, start[:, None], time, tolerance=tolerance, name=str)
        errors.append(np.abs(device.x_from_state(run.unknowns[..., 0]) - exact).max())
        assert errors[-1] < tolerance
    order = np.log(errors[0] / errors[1]) / np.log(tolerances[0] / tolerances[1])
    assert order == pytest.approx(1.0, abs=0.15)
