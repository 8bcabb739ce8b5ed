"""What no result may break: states in their range, device equations, charge, energy, passive cells."""

import pickle

import numpy as np
import pytest

import spicecim as sc
from spicecim import physics
from spicecim.errors import PhysicsError, SimulationError
from spicecim.physics import States, check_physics

WIRES = {"wire_row": 20.0, "wire_column": 10.0, "source_resistance": 50.0, "sense_resistance": 30.0}


def result_of(bench):
    """Arrays of a right run, writable, and its states."""
    run = sc.simulate(bench, "reference")
    variables = {name: run[name].values.copy() for name in run.data_vars}
    states = None
    if "x" in variables:
        s = bench.device.build().state_from_x(variables["x"].reshape(len(run["time"]), -1))
        states = States(s, np.arange(s.shape[1]))
    return run["time"].values, variables, states


@pytest.fixture(params=[{}, WIRES], ids=["ideal", "wires"])
def result(request, make_bench):
    bench = make_bench(
        crossbar={"state": [[0.1, 0.9], [0.9, 0.1], [0.5, 0.5]], **request.param}, analysis={"probe": "cells"}
    )
    return bench, *result_of(bench)


def test_a_right_result_passes(result):
    check_physics(*result)


def test_a_state_that_leaves_its_range_is_named(result):
    bench, time, variables, states = result
    states.s[7:, 3] = 1.01
    with pytest.raises(PhysicsError, match=r"cell \(1, 1\) at .* outside of its range") as caught:
        check_physics(bench, time, variables, states)
    error = caught.value
    assert isinstance(error, SimulationError)
    assert (error.place, error.instant) == ("cell (1, 1)", time[7])
    assert error.value == pytest.approx(0.01)


def test_a_step_beyond_a_stop_passes_and_a_lost_state_does_not(make_bench):
    bench = make_bench(device={"model": "vteam", "preset": "kvatinsky"}, crossbar={"state": [[0.1, 0.9]] * 3})
    time, variables, _ = result_of(bench)
    lower, upper = bench.device.build().stops()
    s = np.full((len(time), 6), upper + 5e-4 * (upper - lower))
    with pytest.raises(PhysicsError, match="cells' equations"):  # in range, but not the states of these currents
        check_physics(bench, time, variables, States(s, np.arange(6)))
    s[-1, 0] = upper + 0.5 * (upper - lower)
    with pytest.raises(PhysicsError, match="outside of its range"):
        check_physics(bench, time, variables, States(s, np.arange(6)))


def test_charge_that_the_columns_do_not_take(result):
    bench, time, variables, states = result
    variables["i_column"][9, 1] *= 1.001
    with pytest.raises(PhysicsError, match=r"the columns at .* take less than the rows give") as caught:
        check_physics(bench, time, variables, states)
    assert caught.value.instant == time[9]


def test_energy_that_nothing_takes(result):
    bench, time, variables, states = result
    variables["v_cell"][20] *= 1.01
    with pytest.raises(PhysicsError, match=r"the crossbar at .* nothing takes"):
        check_physics(bench, time, variables, states)


def test_a_current_that_no_equation_gives(result):
    bench, time, variables, states = result
    states.s[:, 2] += 1e-3
    with pytest.raises(PhysicsError, match=r"cell \(1, 0\) at .* of the cell's equation"):
        check_physics(bench, time, variables, states)


def test_a_column_current_that_no_equation_gives(make_bench):
    bench, with_cells = (
        make_bench(analysis={"points_per_period": 50, "probe": probe}) for probe in ("columns", "cells")
    )
    time, variables, _ = result_of(bench)
    _, _, states = result_of(with_cells)
    check_physics(bench, time, variables, states)
    states.s[:, 1] += 1e-3
    with pytest.raises(PhysicsError, match=r"column 1 at .* of the cells' equations"):
        check_physics(bench, time, variables, states)


def test_a_cell_that_gives_energy(make_bench):
    bench = make_bench(analysis={"probe": "cells"})
    time, variables, _ = result_of(bench)
    for name in ("i_cell", "i_row", "i_column"):
        variables[name] *= -1
    with pytest.raises(PhysicsError, match="the current flows against the voltage"):
        check_physics(bench, time, variables, None)


@pytest.mark.ngspice
def test_a_result_of_ngspice_that_is_not_physical_keeps_its_netlist(make_bench, monkeypatch):
    monkeypatch.setattr(physics, "ROUNDING", -1.0)
    monkeypatch.setattr(physics, "_LOOSE", 0.0)
    with pytest.raises(PhysicsError, match="the result is not physical") as caught:
        sc.simulate(make_bench(), "ngspice", estimate=False)
    assert (caught.value.folder / "netlist.cir").exists()
    assert (caught.value.folder / "ngspice.log").exists()
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.place, again.instant, again.folder) == (caught.value.place, caught.value.instant, caught.value.folder)


def test_the_reference_engine_checks_its_result(make_bench, monkeypatch):
    monkeypatch.setattr(physics, "ROUNDING", -1.0)
    with pytest.raises(PhysicsError, match="the result is not physical"):
        sc.simulate(make_bench(), "reference")


def test_a_current_of_what_rounding_leaves_of_a_charge_passes_over_a_short_step_alone(make_bench):
    """Steps of ngspice behind a corner may be so short that the rounding of a line's charge is a current."""
    given = {"state": [[0.1, 0.9]] * 3, **WIRES, "wire_capacitance": 1e-9}
    bench = make_bench(crossbar=given, analysis={"probe": "cells"})
    time, variables, states = result_of(bench)
    time = np.concatenate([time[:8], [time[7] + 1e-14 * time[-1]], time[9:]])
    charge = 3 * 1e-9 * np.abs(variables["v_row"]).max()
    left = 30 * np.finfo(float).eps * charge / (time[8] - time[7])
    assert left > 1e-5 * np.abs(variables["i_cell"]).max()
    variables["i_cell"][8, 0, 1] += left
    check_physics(bench, time, variables, states)
    variables["i_cell"][8, 0, 1] += 9 * left
    with pytest.raises(PhysicsError, match="cell's equation"):
        check_physics(bench, time, variables, states)
    variables["i_cell"][8, 0, 1] -= 10 * left
    variables["i_cell"][20, 0, 1] += left
    with pytest.raises(PhysicsError, match="cell's equation"):
        check_physics(bench, time, variables, states)
