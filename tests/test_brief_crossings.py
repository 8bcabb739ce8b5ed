"""Voltages that pass a threshold for a moment only: the state moves in that moment, however long the steps around it.

The right values are integrations by SciPy over that moment alone. The wires are of next to no resistance, so that the
cells see the drive.
"""

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from spicecim.engines import simulate
from spicecim.testbench import Testbench

# Close above a threshold the estimated error may be far above the true one, which these tests look at.
pytestmark = pytest.mark.filterwarnings("ignore::spicecim.errors.AccuracyWarning")

WIRES = {
    "ideal": {},
    "resistive": {"wire_row": 1e-7},
    "capacitive": {"wire_row": 1e-7, "wire_capacitance": 1e-15},
}
OBLEA = {"model": "yakopcic", "preset": "oblea", "parameters": {"Vn": 0.3}}
STANFORD = {"model": "stanford_pku", "preset": "hfox"}
THRESHOLD = """
module threshold(p, n);
  inout p, n; electrical p, n, x; real g;
  analog begin
    if (V(p,n) > 0.16) g = 4000.0 * (exp(V(p,n)) - exp(0.16)); else g = 0.0;
    I(p,n) <+ 1e-3 * (0.05 + V(x)) * V(p,n);
    I(x) <+ ddt(V(x)) - g * (1.0 - V(x));
  end
endmodule
"""


def after_the_first_peak(device, wires, amplitude, frequency, states):
    bench = Testbench.from_dict(
        {
            "device": device,
            "crossbar": {"state": [states], **WIRES[wires]},
            "drive": {"kind": "sine", "amplitude": amplitude, "frequency": frequency},
            "analysis": {"probe": "cells"},
        }
    )
    run = simulate(bench, "reference", time=[0, 0.25 / frequency, 0.5 / frequency])
    return run["x"].values[-1, 0], run.attrs["state_error"]


def integrated(rate, amplitude, excess, frequency, states):
    """States after the time around the peak in which the drive is above ``amplitude / (1 + excess)``."""
    half = np.arccos(1.0 / (1.0 + excess)) / (2.0 * np.pi * frequency)
    return solve_ivp(
        lambda t, s: rate(amplitude * np.cos(2.0 * np.pi * frequency * t), s), (-half, half), states, method="Radau",
        rtol=1e-10, atol=1e-12, max_step=half / 50,
    ).y[:, -1]  # fmt: skip


def frequency_for(excess):
    """One at which the states move by about 0.1."""
    return 1e-3 * (excess / 6e-5) ** 1.5


@pytest.mark.parametrize("wires", WIRES)
@given(excess=st.floats(-5.5, -2).map(lambda power: 10.0**power), first=st.floats(0.05, 0.6))
@settings(max_examples=8, deadline=None, phases=[Phase.explicit, Phase.generate])
def test_a_model_of_the_library_moves(wires, excess, first):
    amplitude, frequency, states = 0.16 * (1.0 + excess), frequency_for(excess), [first, 0.5]
    device = Testbench.from_dict(
        {"device": OBLEA, "crossbar": {"state": [[0.1]]}, "drive": {"kind": "sine", "amplitude": 1, "frequency": 1}}
    ).device.build()
    right = integrated(device.rate, amplitude, excess, frequency, states)
    found, stated = after_the_first_peak(OBLEA, wires, amplitude, frequency, states)
    assert np.abs(right - states).max() > 0.02
    # what the wires take is 1e-10 V, of an excess of 5e-7 V at least
    np.testing.assert_allclose(found, right, atol=3.0 * stated + 1e-4)
    assert stated < 1e-4


@pytest.mark.compiler
@pytest.mark.parametrize("wires", WIRES)
@pytest.mark.parametrize("excess", [3e-4, 6e-6])
def test_a_module_whose_threshold_only_its_code_knows_moves(tmp_path, wires, excess):
    path = tmp_path / "threshold.va"
    path.write_text('`include "disciplines.vams"' + THRESHOLD)
    amplitude, frequency, states = 0.16 * (1.0 + excess), frequency_for(excess), [0.1, 0.5]
    right = integrated(
        lambda v, s: 4000.0 * max(np.exp(v) - np.exp(0.16), 0.0) * (1.0 - s), amplitude, excess, frequency, states
    )
    device = {"verilog_a": str(path), "initial": [0, 1]}
    found, stated = after_the_first_peak(device, wires, amplitude, frequency, states)
    assert right[0] > 0.15
    np.testing.assert_allclose(found, right, atol=3.0 * stated + 1e-4)
    assert stated < 1e-4


@pytest.mark.parametrize("wires", ["ideal", "capacitive", pytest.param("resistive", marks=pytest.mark.slow)])
def test_an_onset_that_depends_on_the_state_is_met(wires):
    """The filament closes by its own heat once the field is reached, in a part of the time above it."""
    device = Testbench.from_dict(
        {"device": STANFORD, "crossbar": {"state": [[0.1]]}, "drive": {"kind": "sine", "amplitude": 1, "frequency": 1}}
    ).device.build()
    gap = device.state_from_x(0.5)
    onset = (1.0 - device.field_width) * device.F_min * device.tox / (device.gamma0 - device.beta * gap**3)
    found, _ = after_the_first_peak(STANFORD, wires, float(onset * 1.0003), 10.0, [0.3, 0.5])
    np.testing.assert_allclose(found, [0.3, 1.0], atol=1e-6)
