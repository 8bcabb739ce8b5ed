"""What the reference engine says when it cannot answer: overflow, lost edges, odd instants, time limits, interrupts."""

import _thread
import json
import threading

import numpy as np
import pytest

from spicecim.engines import simulate
from spicecim.errors import InputError, TimeLimitError
from spicecim.testbench import Testbench

WIRES = {"ideal": {}, "resistive": {"wire_row": 1.0}, "capacitive": {"wire_row": 1.0, "wire_capacitance": 1e-15}}
DEVICES = {
    "flow": {"model": "yakopcic", "preset": "oblea"},
    "integrated": {"model": "stanford_pku", "preset": "hfox"},
}


def bench(device="flow", wires="ideal", drive=None, **analysis):
    return Testbench.from_dict(
        {
            "device": DEVICES[device],
            "crossbar": {"state": [[0.3, 0.4], [0.5, 0.6]], **WIRES[wires]},
            "drive": drive or {"kind": "sine", "amplitude": 0.4, "frequency": [100, 130]},
            "analysis": {"probe": "cells", **analysis},
        }
    )


@pytest.mark.parametrize(
    ("device", "wires", "amplitude"),
    [("flow", "ideal", 705.0), ("flow", "resistive", 705.0), ("integrated", "ideal", 600.0)],
)
def test_overflow_of_a_rate_or_current_is_told(device, wires, amplitude):
    """A state that overflow leaves standing still looks like any other."""
    with pytest.raises(InputError, match="beyond the range of a float"):
        simulate(bench(device, wires, {"kind": "sine", "amplitude": amplitude, "frequency": 1e3}), "reference")


def test_overflow_between_the_instants_asked_for_is_told():
    pulse = {"kind": "pulse", "high": 720, "rise": "1u", "fall": "1u", "width": "1u", "period": "1m", "delay": "0.2m"}
    with pytest.raises(InputError, match="beyond the range of a float"):
        simulate(bench(drive=pulse), "reference", time=[0, 0.1e-3, 0.5e-3, 1e-3])


NARROW = {"kind": "pulse", "high": 1.0, "rise": 1e-10, "fall": 1e-10, "width": 1e-9, "period": 1.0, "delay": 0.2}


@pytest.mark.parametrize("wires", WIRES)
def test_nothing_moves_between_narrow_pulses(wires):
    """A corner's voltage is held until the next one, a billion times as long as the pulse: it is exact."""
    device = {"model": "linear_drift", "preset": "hp", "parameters": {"mobility": 1e-8}}
    corners = np.cumsum([0.2, 1e-10, 1e-9, 1e-10])
    samples = {"kind": "samples", "time": [0, *corners, 1.0], "voltages": [[0, 0, 1, 1, 0, 0]]}
    pulse, sampled = (
        simulate(
            Testbench.from_dict(
                {
                    "device": device,
                    "crossbar": {"state": [[0.3]], **WIRES[wires]},
                    "drive": drive,
                    "analysis": {"probe": "cells"},
                }
            ),
            "reference",
        )
        for drive in (NARROW, samples)
    )
    x = float(pulse["x"][-1, 0, 0])
    assert x == pytest.approx(
        0.300980, abs=1e-6
    )  # mobility Ron / D^2 times the pulse's area, by the drift's closed form
    assert x == pytest.approx(float(sampled["x"][-1, 0, 0]), abs=1e-8)


@pytest.mark.parametrize("edge", [1e-14, 1e-15, 1e-17])
def test_an_edge_too_short_for_the_digits_of_time_is_refused(edge):
    with pytest.raises(InputError, match="too short for the digits"):
        simulate(bench(drive={**NARROW, "rise": edge, "fall": edge}), "reference")


def test_a_sampled_edge_too_short_for_the_digits_of_time_is_refused():
    step = {"kind": "samples", "time": [0, 1.0, 1.0 + 4e-16, 100.0], "voltages": [[0, 0, 0.4, 0.4]] * 2}
    with pytest.raises(InputError, match="too short for the digits"):
        simulate(bench(drive=step), "reference")


MASKED = np.ma.masked_array([0, 1e-3], [0, 1])


@pytest.mark.parametrize(
    "time",
    [
        ["0", "1m"],
        ["0", "0.001"],
        [0, [1e-3]],
        [0j, 1e-3j],
        [False, True],
        np.ma.masked_array([0, 1e-3], [0, 1]),
        "0.001",
    ],
)
def test_instants_that_are_no_numbers_are_refused(time):
    with pytest.raises(InputError, match="time must"):
        simulate(bench(), "reference", time=time)


@pytest.mark.parametrize("wires", WIRES)
@pytest.mark.parametrize("device", DEVICES)
def test_the_time_limit_stops_every_kind_of_run(device, wires):
    with pytest.raises(TimeLimitError, match=r"time limit of 1e-06 s \(the reference engine was at .* of "):
        simulate(bench(device, wires), "reference", time_limit=1e-6)


def test_an_interrupt_stops_a_run_at_once():
    timer = threading.Timer(0.5, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt, match=r"the reference engine was at \S+ of 1 s"):
        simulate(bench("integrated", "capacitive", points_per_period=100_000, periods=100), "reference", time_limit=60)


@pytest.mark.parametrize("wires", WIRES)
@pytest.mark.parametrize("device", DEVICES)
def test_every_kind_of_run_tells_how_far_it_is(device, wires):
    told = []
    simulate(bench(device, wires, points_per_period=20), "reference", progress=told.append)
    assert told
    assert 0.0 <= min(told) <= max(told) <= 1.0


@pytest.mark.parametrize("wires", WIRES)
def test_the_tolerance_decides_on_steps_and_errors(wires, monkeypatch):
    if wires == "ideal":  # there, a device whose rate separates takes no steps
        monkeypatch.setattr(type(bench().device.build()), "separable", False)
    exact, *runs = (
        simulate(bench("flow", wires, points_per_period=20), "reference", tolerance=tolerance)
        for tolerance in (1e-10, 1e-4, "1e-6", 1e-8)
    )
    steps, errors = ([run.attrs[name] for run in runs] for name in ("steps", "state_error"))
    assert steps == sorted(set(steps))
    assert errors == sorted(errors, reverse=True)
    for run, tolerance in zip(runs, (1e-4, 1e-6, 1e-8), strict=True):
        stated = run.attrs["state_error"] + exact.attrs["state_error"]
        assert tolerance <= run.attrs["state_error"]
        assert float(abs(run["x"] - exact["x"]).max()) <= stated
    assert Testbench.from_dict(json.loads(runs[1].attrs["testbench"])).analysis.reference_tolerance == 1e-6


@pytest.mark.parametrize("tolerance", [1e-3, 1e-13, 0, -1e-6, float("nan"), float("inf"), True, "fine", "1V"])
def test_an_unusable_tolerance_is_bad_input(tolerance):
    with pytest.raises(InputError, match="reference_tolerance: "):
        simulate(bench(), "reference", tolerance=tolerance)


def test_the_finest_tolerance_is_reached():
    fine = simulate(bench("flow", "resistive", points_per_period=20), "reference", tolerance=1e-12)
    assert max(fine.attrs["state_error"], fine.attrs["current_error"]) < 1e-10


def test_ngspice_takes_no_tolerance_of_the_reference_engine():
    with pytest.raises(InputError, match=r"tolerance: is that of the reference engine"):
        simulate(bench(), "ngspice", tolerance=1e-6)
