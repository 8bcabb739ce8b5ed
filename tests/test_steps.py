"""ngspice's steps where devices switch: its first step, the edges, and states at their bounds."""

import numpy as np
import pytest

from spicecim.accuracy import current_errors
from spicecim.devices import load_presets, make_device
from spicecim.engines import simulate
from spicecim.measure import compare
from spicecim.netlist import crossbar_netlist
from spicecim.netlist.steps import steps
from spicecim.testbench import Testbench

BACKENDS = ["osdi", "behavioral"]

DECAY = """`include "disciplines.vams"
module decay(p,n); inout p,n; electrical p,n,x;
  analog begin
    I(p,n) <+ 1e-5*(0.01+V(x))*V(p,n);
    I(x) <+ ddt(V(x)) + 0.05*pow(max(V(x),1e-9),21.0);
  end
endmodule
"""

# device, states, drive, and the largest difference from the right current at any instant, of the column's peak: at an
# edge it is that of an instant, which is more than the accuracy where that shifts by a millionth of a cycle
SWITCHING = {
    # a step of ngspice that is far too long for a state of which the last 4e-5 are everything
    "linear_drift hp": (
        {"model": "linear_drift", "preset": "hp"},
        [[0.1], [0.4], [0.8]],
        {"kind": "pulse", "high": [1.2, 1.8, 1.5], "delay": 0.1, "rise": 1e-3, "fall": 0.3, "width": 0.3, "period": 1},
        1e-3,
    ),
    "linear_drift hp, sine": (
        {"model": "linear_drift", "preset": "hp"},
        [[0.1], [0.6]],
        {"kind": "sine", "amplitude": [2.3, 1.6], "frequency": 1.0, "phase": [0.3, 1.0]},
        4e-3,
    ),
    # rates that grow a thousandfold within a step
    "vteam kvatinsky": (
        {"model": "vteam", "preset": "kvatinsky"},
        [[0.3], [0.9], [0.0]],
        {"kind": "sine", "amplitude": [2.0, 1.1, 2.7], "frequency": 2e6, "phase": [2.5, -1.0, 4.0]},
        1e-3,
    ),
    "stanford_pku hfox": (
        {"model": "stanford_pku", "preset": "hfox"},
        [[0.2], [0.5]],
        {"kind": "samples", "time": [0.0, 2e-6, 6e-6, 1e-5], "voltages": [[0, 1.4, -1.6, 0], [0.5, -1.5, 1.3, 0]]},
        2e-2,
    ),
}  # fmt: skip


def bench_of(device, state, drive, backend=None, **analysis):
    """A testbench with what its cells do."""
    device = device if backend is None else {**device, "backend": backend}
    return Testbench.from_dict(
        {
            "device": device,
            "crossbar": {"state": state},
            "drive": drive,
            "analysis": {"probe": "cells", **analysis},
        }
    )


def errors(bench):
    """Run both engines; return the errors of the current and of x after the first step, the comparison, and the run."""
    spice = simulate(bench, "ngspice")
    right = simulate(bench, "reference", time=spice["time"].values)
    off = current_errors(spice["time"].values, spice["i_column"].values, right["i_column"].values, bench.drive.cycle())
    return float(off.max()), float(abs(spice["x"] - right["x"])[1].max()), compare(spice, right).worst, spice


# the estimate may be above the error, which is judged here
@pytest.mark.compiler
@pytest.mark.ngspice
@pytest.mark.filterwarnings("ignore::spicecim.errors.CurrentWarning")
@pytest.mark.filterwarnings("ignore::spicecim.errors.AccuracyWarning")
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "case", [pytest.param(name, marks=pytest.mark.slow if "hfox" in name else []) for name in SWITCHING]
)
def test_switching_is_right_to_the_accuracy_asked_for(case, backend):
    *parts, most = SWITCHING[case]
    bench = bench_of(*parts, backend)
    off, _, pointwise, spice = errors(bench)
    assert off < bench.analysis.accuracy
    assert pointwise < most
    assert -1e-6 < float(spice["x"].min()) <= float(spice["x"].max()) < 1 + 1e-6


@pytest.mark.compiler
@pytest.mark.ngspice
@pytest.mark.parametrize("accuracy", [1e-2, 1e-4])
def test_the_steps_follow_the_accuracy(accuracy):
    *parts, most = SWITCHING["linear_drift hp, sine"]
    _, _, pointwise, _ = errors(bench_of(*parts, "osdi", accuracy=accuracy))
    assert 0.3 * accuracy < pointwise < most / 1e-3 * accuracy


@pytest.mark.compiler
@pytest.mark.ngspice
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("device", "x0", "voltage", "duration"),
    [
        ({"model": "vteam", "preset": "kvatinsky"}, [0.0, 0.5], -1.0, 5e-7),
        ({"model": "stanford_pku", "preset": "ihp"}, [0.2, 0.6], 0.8, 1e-3),
    ],
)
def test_the_first_step_is_one_in_which_no_state_moves_far(device, x0, voltage, duration, backend):
    drive = {"kind": "samples", "time": [0.0, duration], "voltages": [[voltage] * 2] * 2}
    off, first, _, _ = errors(bench_of(device, [[x] for x in x0], drive, backend))
    assert first < 1e-4
    assert off < 1e-3


@pytest.mark.compiler
@pytest.mark.ngspice
def test_a_state_that_relaxes_without_a_drive_is_right_from_the_first_step_on(tmp_path):
    file = tmp_path / "decay.va"
    file.write_text(DECAY)
    drive = {"kind": "samples", "time": [0.0, 90 * 86400.0], "voltages": [[0.2, 0.2]]}
    spice = simulate(bench_of({"verilog_a": str(file), "initial": [0, 1]}, [[1.0]], drive), "ngspice")
    right = (1.0 + spice["time"].values) ** -0.05
    np.testing.assert_allclose(spice["x"].values[:, 0, 0], right, rtol=1e-3)


@pytest.mark.compiler
@pytest.mark.ngspice
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("tolerance", [1e-7, 1e-5, 1e-3])
def test_a_loose_tolerance_lets_no_state_run_away(tolerance, backend):
    drive = {"kind": "sine", "amplitude": 1.0, "frequency": 0.2}
    device = {"model": "linear_drift", "preset": "biolek"}
    off, _, _, spice = errors(bench_of(device, [[0.2]], drive, backend, tolerance=tolerance))
    assert off < 1e-3
    assert -1e-3 < float(spice["x"].min()) <= float(spice["x"].max()) < 1 + 1e-3


def test_a_biolek_cell_beyond_its_bounds_is_as_at_them():
    device = make_device("linear_drift", "biolek")
    voltages = np.array([-1.0, 1.0])
    for beyond, bound in ((1.5, 1.0), (-0.5, 0.0)):
        np.testing.assert_array_equal(device.current(voltages, beyond), device.current(voltages, bound))
        np.testing.assert_array_equal(device.rate(voltages, beyond), device.rate(voltages, bound))
        assert device.x_from_state(beyond) == bound


def test_wires_bound_the_voltage_that_the_first_step_is_chosen_for():
    preset = load_presets("vteam")["kvatinsky"]
    drive = {"kind": "samples", "time": [0.0, 1 / preset.frequency], "voltages": [[0.4, 0.0], [-0.4, 0.0]]}
    device = {"model": "vteam", "preset": "kvatinsky"}
    ideal = bench_of(device, [[0.5], [0.5]], drive)
    wired = Testbench.from_dict({**ideal.to_dict(), "crossbar": {"state": [[0.5], [0.5]], "sense_resistance": 1e3}})
    device = ideal.device.build()
    first = [steps(bench, device, bounds_itself=True).print_step for bench in (ideal, wired)]
    # 0.8 V across a cell, at most, instead of 0.4 V
    assert first[1] < first[0] / 2


def test_a_subcircuit_of_which_nothing_is_known_starts_with_a_step_of_a_hundred_millionth(tmp_path):
    file = tmp_path / "cell.sub"
    file.write_text(".subckt cell p n s\nR1 p n 1k\nC1 s 0 1\n.ends\n")
    device = {"subcircuit": str(file), "dialect": "ngspice", "ports": ["row", "column", "state"], "initial": [0, 1]}
    drive = {"kind": "sine", "amplitude": 1.0, "frequency": 1.0}
    text = crossbar_netlist(bench_of(device, [[0.5]], drive), native=False).text
    step = float(text.split(".tran ")[1].split()[0])
    assert step / 100 == pytest.approx(1e-8 / 200)
