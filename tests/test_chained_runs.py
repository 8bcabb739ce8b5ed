"""The last state of a run as the first of the next, as in write-verify loops."""

import warnings

import numpy as np
import pytest

from spicecim.engines import simulate
from spicecim.errors import StateWarning, TestbenchError
from spicecim.testbench import STATE_SLACK, Testbench

JOGLEKAR = {"model": "linear_drift", "preset": "joglekar"}


def bench(device, state, drive, **analysis):
    return Testbench(
        device=device, crossbar={"state": state}, drive=drive, analysis={"probe": "cells", **analysis}
    )  # fmt: skip


@pytest.mark.parametrize("engine", ["ngspice", "reference"])
@pytest.mark.parametrize(
    ("device", "period"),
    [({"model": "yakopcic", "preset": "oblea"}, 0.1), ({"model": "linear_drift", "preset": "biolek"}, 1e3)],
)
def test_saturated_cells_start_the_next_run(engine, device, period):
    drive = {"kind": "pulse", "high": [0.8, -0.8], "rise": period / 1e3, "fall": period / 1e3, "width": period / 2,
             "period": period}  # fmt: skip
    last = simulate(bench(device, [[0.2], [0.8]], drive, points_per_period=100), engine).x.isel(time=-1).values
    state = bench(device, last, drive).crossbar.state
    assert state.min() >= 0
    assert state.max() <= 1
    np.testing.assert_allclose(state, last, atol=STATE_SLACK)


@pytest.mark.parametrize("x", [1 + 2e-16, -5e-17, 1 + STATE_SLACK, -STATE_SLACK, 5e-324])
def test_rounding_beyond_a_bound_is_the_bound(x):
    state = bench(JOGLEKAR, np.array([[x]]), {"kind": "sine", "amplitude": 1, "frequency": 1}).crossbar.state
    assert state[0, 0] == round(x)


@pytest.mark.parametrize("x", [1 + 2 * STATE_SLACK, -2 * STATE_SLACK])
def test_more_than_rounding_is_refused(x):
    with pytest.raises(TestbenchError, match="between 0 and 1"):
        bench(JOGLEKAR, np.array([[x]]), {"kind": "sine", "amplitude": 1, "frequency": 1})


def test_a_cell_that_saturation_rounds_into_a_fixed_point_is_told():
    """In one run the cell returns; from its x alone, which is rounded to 1, it cannot."""
    up = {"kind": "samples", "time": [0, 0.1, 20], "voltages": [[0, 1, 1]]}
    down = {"kind": "samples", "time": [0, 0.1, 30], "voltages": [[1, -1, -1]]}
    with warnings.catch_warnings():
        warnings.simplefilter("error", StateWarning)
        last = simulate(bench(JOGLEKAR, [[0.3]], up), "reference").x.isel(time=-1).values
    assert last == 1.0
    with pytest.warns(StateWarning, match=r"cell \(0, 0\) starts at x = 1.0, a fixed point") as caught:
        simulate(bench(JOGLEKAR, last, down), "reference")
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("device", "state"),
    [
        (JOGLEKAR, [[1 - 1e-9, 1e-9]]),
        ({"model": "linear_drift", "preset": "hp"}, [[0.0, 1.0]]),
        ({"model": "vteam"}, [[0.0, 1.0]]),
        ({"model": "resistor"}, [[0.0, 1.0]]),  # nothing moves it at any state
    ],
)
def test_nothing_is_told_of_cells_that_move_or_never_do(device, state):
    with warnings.catch_warnings():
        warnings.simplefilter("error", StateWarning)
        simulate(bench(device, state, {"kind": "sine", "amplitude": 1, "frequency": 1e3}), "reference")


@pytest.mark.parametrize("engine", ["ngspice", "reference"])
@pytest.mark.parametrize(
    "drive",
    [
        {"kind": "sine", "amplitude": 0.5, "frequency": [100, 250]},
        {"kind": "pulse", "high": 0.5, "rise": "1m", "fall": "1m", "width": "3m", "period": "10m"},
    ],
)
def test_part_of_a_period_is_the_beginning_of_a_whole_one(engine, drive):
    device = {"model": "yakopcic", "preset": "oblea"}
    state = [[0.11, 0.5], [0.9, 0.4]]
    part = simulate(bench(device, state, drive, duration="2m"), engine)
    whole = simulate(bench(device, state, drive, periods=1, points_per_period=4000), engine)
    assert part.time.values[-1] == pytest.approx(2e-3)
    assert part.sizes["time"] > 200
    same = whole.interp(time=part.time)
    np.testing.assert_allclose(part.i_column, same.i_column, atol=2e-3 * float(abs(part.i_column).max()))
    np.testing.assert_allclose(part.x, same.x, atol=1e-4)
