"""The independent integration against what is known in closed form, against ngspice's `.op`, and against itself."""

import numpy as np
import pytest
from integration import Course, LibraryCells, Wires, cycle, stretches
from judging import checked_course, judge
from oracles import joglekar, operating_point, sine_flux
from random_benches import PRESETS, RESISTANCES, random_bench
from random_modules import random_module

from spicecim.devices import load_presets, make_device
from spicecim.engines import simulate
from spicecim.testbench import Crossbar, Testbench


def sine_bench(preset, state, frequency=4.0, model="linear_drift"):
    return Testbench(
        device={"model": model, "preset": preset},
        crossbar={"state": state},
        drive={"kind": "sine", "amplitude": 1.0, "frequency": frequency},
        analysis={"probe": "cells"},
    )


def test_every_preset_has_its_turn():
    """Of the models that this integration knows; test_published_models integrates the others, each by itself."""
    models = {model for model, _ in PRESETS}
    assert set(PRESETS) == {(model, preset) for model in models for preset in load_presets(model)}


@pytest.mark.parametrize("number", range(0, 60, 7))
def test_the_drives_are_those_of_the_testbench(number):
    bench = Testbench.from_dict(random_bench(number))
    for stretch in stretches(bench.drive, bench.shape[0], bench.duration):
        time = np.linspace(stretch.start, stretch.end, 7)[1:-1]
        np.testing.assert_allclose(
            stretch.volts(time[:, None]), bench.drive.voltage(time), atol=1e-9 * bench.drive.largest_voltage()
        )
    assert cycle(bench) == pytest.approx(bench.drive.cycle(), rel=1e-9)


@pytest.mark.parametrize(("model", "preset"), PRESETS)
def test_a_current_is_a_conductance_times_a_shape(model, preset, rng):
    device = make_device(model, preset)
    cells, volts = LibraryCells(device), load_presets(model)[preset].amplitude * rng.uniform(-1, 1, 50)
    states = cells.start(rng.uniform(0, 1, 50))
    shape, slope = cells.shape(volts)
    np.testing.assert_allclose(cells.conductance(states) * shape, device.current(volts, states[:, 0]), rtol=1e-12)
    step = 1e-6 * np.abs(volts)
    quotient = (cells.shape(volts + step)[0] - cells.shape(volts - step)[0]) / (2 * step)
    np.testing.assert_allclose(slope, quotient, rtol=1e-6)


@pytest.mark.ngspice
@pytest.mark.parametrize("present", [*[[name] for name in RESISTANCES], list(RESISTANCES)])
def test_wires_are_those_that_ngspice_solves(present, rng):
    ohms = {name: float(rng.uniform(1, 50)) for name in present}
    crossbar, volts = Crossbar(state=rng.uniform(0, 1, (4, 3)), **ohms), rng.uniform(-1, 1, 4)
    cells = LibraryCells(make_device("linear_drift", "hp"))
    states = cells.start(crossbar.state.ravel())
    wires = Wires(crossbar, (4, 3), cells)
    found = wires.currents(wires.voltages(volts, states), states).reshape(4, 3).sum(axis=0)
    g = cells.conductance(states).reshape(4, 3)
    np.testing.assert_allclose(found, operating_point(g, volts, **ohms), rtol=1e-9)


def test_a_joglekar_device_has_its_closed_form():
    bench = sine_bench("joglekar", [[0.1, 0.5]], frequency=1.0)
    time = np.linspace(0, bench.duration, 60)
    for column, start in enumerate(bench.crossbar.state[0]):
        _, x, _ = joglekar(bench.device.build(), start, sine_flux(1.0, 1.0, time))
        np.testing.assert_allclose(Course(bench).x(time)[:, 0, column], x, atol=1e-8)


def test_hard_stops_hold_a_state_until_it_is_driven_back():
    """(R/Roff)^2 is linear in the flux: what a stop cuts off is what the flux has above its largest value."""
    bench = sine_bench("hp", [[0.9]], frequency=0.5)
    device, time = bench.device.build(), np.linspace(0, bench.duration, 400)
    flux = np.array([float(each) for each in sine_flux(1.0, 0.5, time)])
    free = float(device.state_from_x(0.9)) + device.flux_rate * flux
    lower = device.stops()[0]
    assert free.min() < lower
    # up to the middle of the period the flux grows, and the state falls to its stop; from there on it rises freely
    falling = time <= 0.5 * bench.duration
    s = np.where(falling, np.maximum(free, lower), lower + device.flux_rate * (flux - 1 / (0.5 * np.pi)))
    np.testing.assert_allclose(Course(bench).x(time)[:, 0, 0], device.x_from_state(np.minimum(s, 1.0)), atol=2e-6)


@pytest.mark.compiler
@pytest.mark.ngspice
@pytest.mark.parametrize("number", [3, 6, 8, 10, 16, 19])
def test_a_coarser_integration_is_close(number):
    _, current, x = checked_course(Testbench.from_dict(random_bench(number, 2)))
    assert current < 1e-5
    assert x < 1e-6


def test_the_charge_that_wires_take_up_leaves_again():
    """With capacitances, the mean currents of rows and columns differ by what is stored at the end."""
    bench = next(b for b in map(Testbench.from_dict, map(random_bench, range(60))) if b.crossbar.wire_capacitance)
    course = Course(bench)
    nodes, weights = course.nodes()
    _, rows, columns = course.currents(nodes)
    ends = course.stored(np.array([0.0, bench.duration]))
    assert weights @ rows.sum(axis=1) - weights @ columns.sum(axis=1) == pytest.approx(
        ends[1] - ends[0], abs=1e-7 * float(weights @ np.abs(rows).sum(axis=1))
    )


def test_the_judge_sees_what_is_wrong():
    bench = sine_bench("hp", [[0.1, 0.5]])
    course = Course(bench)
    run = simulate(bench, "reference")
    assert max(judge(run, course)[name] for name in ("current", "x", "mean", "power")) < 1e-9
    off = run.assign(i_column=run["i_column"] * 1.01, x=run["x"] + 0.02)
    found = judge(off, course)
    assert found["current"] == pytest.approx(0.01, rel=1e-4)
    assert found["current_edges"] == pytest.approx(0.01, rel=1e-4)
    assert found["x"] == pytest.approx(0.02, rel=1e-4)


def test_an_edge_is_judged_by_its_shift():
    """The current of a device that switches within a thousandth of a period, taken a ten-thousandth too late."""
    bench = sine_bench("hp", [[0.1]], frequency=0.4)
    course, run = Course(bench), simulate(bench, "reference", time=np.linspace(0, 2.5, 20001))
    late = run.copy(deep=True)
    shifted = course.currents(np.maximum(run["time"].values - 2.5e-4, 0.0))[2]
    late["i_column"] = ("time", "column"), shifted
    found = judge(late, course)
    assert found["current"] > 0.02
    assert found["current_edges"] < 3e-3


def test_a_number_stands_for_one_module(tmp_path):
    one, same = (random_module(5, tmp_path) for _ in range(2))
    assert one.values == same.values
    assert one.cells == same.cells
