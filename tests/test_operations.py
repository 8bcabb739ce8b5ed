"""Operations on arrays, sequences of them, and write-verify."""

import itertools
import json
import os
import signal
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.integrate
import xarray as xr
from command import spicecim
from matplotlib.colors import LogNorm, Normalize, SymLogNorm
from typer.testing import CliRunner

import spicecim as sc
from spicecim.cli.app import app
from spicecim.errors import (
    ConvergenceError,
    CurrentWarning,
    InputError,
    ProgrammingError,
    ProgrammingWarning,
    SimulationError,
    TestbenchError,
)
from spicecim.netcdf import read_netcdf
from spicecim.operations import Pulses, chosen_pulses, conductance, polarity
from spicecim.operations.window import check_target
from spicecim.plotting import plot_endurance, plot_levels, plot_potentiation, plot_program
from spicecim.programming_runs import run_endurance, run_program


def bench(state, *, amplitude=0.3, device=None, **further):
    return sc.Testbench(
        device=device or {"model": "yakopcic", "preset": "oblea"},
        crossbar={"state": state, **further},
        drive={"kind": "sine", "amplitude": amplitude, "frequency": 100},
        analysis={"points_per_period": 16},
    )


HALF = np.full((3, 4), 0.5)
ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("scheme", "row", "column", "others"),
    [("v/2", 0.15, 0.15, 0.0), ("v/3", 0.1, 0.1, -0.1), ("grounded", 0.3, 0.0, 0.0)],
)
def test_the_cells_have_the_voltages_of_the_scheme(scheme, row, column, others):
    for kind, sign in (("set", 1.0), ("reset", -1.0), ("form", 1.0)):
        write = sc.Operation(kind=kind, cells=(1, 2), voltage=0.3, width="10us", scheme=scheme)
        lines = write.testbench(bench(HALF)).lines().drive.voltage([write.plateau])[0]
        across = lines[:3, None] - lines[None, 3:]
        wanted = np.full((3, 4), others)
        wanted[1, :], wanted[:, 2], wanted[1, 2] = row, column, 0.3
        np.testing.assert_allclose(across, sign * wanted, atol=1e-15)


def test_unselected_lines_float():
    write = sc.Operation(kind="set", cells=(1, 2), voltage=0.3, width="10us", scheme="floating")
    made = write.testbench(bench(HALF))
    assert (made.rows.floating, made.columns.floating) == ((0, 2), (0, 1, 3))
    run = sc.simulate(made, "reference")
    at = run.sel(time=write.plateau, method="nearest")
    assert float(at.v_cell[1, 2]) == pytest.approx(0.3)
    assert abs(at.i_cell.isel(row=0).sum()) < 1e-9 * abs(at.i_cell[1, 2])


def test_columns_have_pulses_of_their_own():
    write = sc.Operation(kind="set", rows=[0], columns=[0, 2], voltage=[0.3, 0.2], width=[1e-5, 3e-5], rise=1e-6)
    drive = write.testbench(bench(HALF)).lines().drive
    early, late = drive.voltage([5e-6, 25e-6])
    assert early[0] - early[[3, 5, 4]] == pytest.approx([0.3, 0.2, 0.15])
    assert late[0] - late[[3, 5, 4]] == pytest.approx([0.15, 0.2, 0.15])


def test_a_sequence_hands_states_on_and_gives_what_an_integration_gives():
    writes = [
        sc.Operation(kind="set", cells=(0, 1), voltage=0.4, width="100us"),
        sc.Operation(kind="reset", cells=(1, 1), voltage=0.36, width="60us", scheme="v/3"),
        sc.Operation(kind="read", cells=1, voltage=0.1, width="10us"),
    ]
    array = bench([[0.5, 0.4], [0.3, 0.6]])
    done = sc.run_sequence(array, writes)
    device = array.device.build()
    x, kept, moved = array.crossbar.state.ravel(), np.zeros(4), [np.zeros(4)]
    for write in writes:
        drive = write.testbench(array).lines().drive
        knots = np.concatenate([[0.0], drive.corners(drive.duration), [drive.duration]])
        before = x
        for start, stop in itertools.pairwise(knots):

            def rate(t, s, drive=drive):
                lines = drive.voltage([t])[0]
                return device.rate((lines[:2, None] - lines[None, 2:]).ravel(), s)

            found = scipy.integrate.solve_ivp(
                rate, (start, stop), x, rtol=1e-8, atol=1e-10, max_step=(stop - start) / 20
            )
            x = found.y[:, -1]
        selected = write.selected((2, 2)).ravel()
        moved.append(kept + np.where(selected, 0.0, x - before))
        kept = np.where(selected & (write.kind != "read"), 0.0, moved[-1])
    np.testing.assert_allclose(done.x[-1].values.ravel(), x, atol=1e-6)
    largest = np.choose(np.abs(moved).argmax(axis=0), moved)
    np.testing.assert_allclose(done.disturb.values.ravel(), largest, atol=1e-6)
    np.testing.assert_allclose(done.disturb_at_end.values.ravel(), kept, atol=1e-6)
    assert largest[3] > 1e-3 > kept[3] == 0.0  # the SET moved it, then it was written itself
    read = conductance(array, done.x[-1].values, 0.1)[1] * 0.1
    np.testing.assert_allclose(done.i_column[-1], read, rtol=1e-6)
    assert (done.energy > 0).all()


def test_disturb_of_both_directions_does_not_cancel():
    up = sc.Operation(kind="set", cells=(0, 0), voltage=0.4, width="60us")
    down = sc.Operation(kind="reset", cells=(0, 0), voltage=0.36, width="50us")
    read = sc.Operation(kind="read", cells=0, voltage=0.05, width="10us")
    array = bench([[0.5, 0.5], [0.5, 0.5]])
    alone = [float(sc.run_sequence(array, [each]).disturb[0, 1]) for each in (up, down)]
    assert alone[0] > 5e-3
    assert alone[1] < -5e-3
    for order, largest in (([up, down], alone[0]), ([down, up], alone[1])):
        done = sc.run_sequence(array, [*order, read])
        assert float(done.disturb[0, 1]) == pytest.approx(largest, rel=1e-6)
        # a read that selects the cell does not write it
        assert float(done.disturb_at_end[0, 1]) == pytest.approx(sum(alone), abs=2e-4)
        assert abs(done.disturb_at_end[0, 1]) < 0.1 * abs(largest)
        np.testing.assert_array_equal(np.diag(done.disturb), 0.0)
    write = sc.Operation(kind="set", cells=(0, 1), voltage=0.3, width="10us", scheme="v/3")
    again = sc.run_sequence(array, [up, write, up])
    assert float(again.disturb_at_end[0, 1]) == pytest.approx(alone[0], rel=0.1)
    assert float(again.disturb[0, 1]) < 1.1 * alone[0]


def test_energy_is_what_the_cells_take():
    write = sc.Operation(kind="set", rows=[0, 1], columns=[1], voltage=0.36, width="50us", scheme="v/3")
    run = sc.simulate(write.testbench(bench(HALF)).with_analysis(accuracy=0.01), "reference")
    taken = float(sc.measure.energy_balance(run).cells)
    assert float(sc.measure.total_energy(run)) == pytest.approx(taken, rel=1e-9)
    assert float(sc.run_sequence(bench(HALF), [write]).energy[0]) == pytest.approx(taken, rel=1e-9)


def random_operations(shape, count, seed):
    random = np.random.default_rng(seed)
    operations = []
    for _ in range(count):
        kind = str(random.choice(["set", "reset", "read"]))
        columns = np.flatnonzero(random.random(shape[1]) < 0.4).tolist() or [0]
        operations.append(
            sc.Operation(
                kind=kind,
                rows=[int(random.integers(shape[0]))],
                columns=None if kind == "read" else columns,
                voltage=0.1 if kind == "read" else random.uniform(0.25, 0.4),
                width=random.uniform(2e-5, 2e-4),
                scheme="grounded" if kind == "read" else str(random.choice(["v/2", "v/3"])),
            )
        )
    return operations


@pytest.mark.ngspice
@pytest.mark.parametrize(
    ("shape", "count", "scheme"),
    [((2, 3), 2, "both"), pytest.param((16, 16), 20, "both", marks=pytest.mark.slow)],
)
def test_ngspice_agrees_on_a_sequence(shape, count, scheme):
    state = np.random.default_rng(3).uniform(0.1, 0.9, shape)
    operations = random_operations(shape, count, 5)
    runs = [sc.run_sequence(bench(state), operations, engine=engine) for engine in ("reference", "ngspice")]
    assert abs(runs[0].x - runs[1].x).max() < 1e-3
    assert abs(runs[0].x[-1] - state).max() > 0.02
    np.testing.assert_allclose(runs[1].energy, runs[0].energy, rtol=2e-3)


@pytest.mark.parametrize("by", ["row", "cell"])
def test_cells_reach_their_targets(by):
    target = np.array([[0.45, 0.6], [0.5, 0.55]])
    done = sc.program(bench(np.full((2, 2), 0.55)), target, quantity="x", by=by, tolerance=0.01)
    assert done.converged.all()
    np.testing.assert_allclose(done.x, target, atol=0.01)
    assert int(done.pulses.sum()) == int(done.step_cells[done.step_kind != "read"].sum())
    assert float(done.energy) == pytest.approx(float(done.step_energy.sum()))
    assert abs(done.disturb).max() < 1e-3  # half of 0.3 V is at the threshold
    np.testing.assert_allclose(done.target, conductance(bench(HALF[:2, :2]), target, 0.06), rtol=1e-12)
    titles = [axes.get_title() for axes in plot_program(done).axes]
    assert titles[:4] == ["target x", "x reached", "pulses", "largest disturb of x"]


def test_amplitudes_grow_from_level_to_level():
    pulses = Pulses(voltage=0.2, voltage_step=0.02, width="50us", levels=6)
    done = sc.program(
        bench([[0.2, 0.3]]), [[0.6, 0.35]], quantity="x", set_pulses=pulses, reset_pulses=pulses, scheme="v/3",
        tolerance=0.03,
    )  # fmt: skip
    assert done.converged.all()


def test_cells_of_a_varied_device_have_ranges_of_their_own():
    device = {"model": "yakopcic", "preset": "oblea", "parameters": {"a1": [[0.17, 0.1]]}}
    done = sc.program(bench([[0.1, 0.1]], device=device), [[0.4, 0.4]], quantity="x", tolerance=0.02)
    assert float(done.target[0, 0] / done.target[0, 1]) == pytest.approx(1.7)
    with pytest.raises(InputError, match=r"cell \(0, 1\) is 0.008 S; its device takes 0 to 0.005"):
        sc.program(bench([[0.1, 0.1]], device=device), [[0.008, 0.008]])


def test_what_cannot_be_programmed_says_how_far_it_came():
    weak = Pulses(voltage=0.1, width="1us")
    with pytest.raises(ProgrammingError, match=r"no cell came nearer.*cell \(0, 0\) came to .* by 3 pulses") as caught:
        sc.program(
            bench([[0.2, 0.5]]), [[0.6, 0.5]], quantity="x", set_pulses=weak, reset_pulses=weak, passes=1, most_pulses=3
        )
    assert caught.value.result.converged.values.tolist() == [[False, True]]
    short = Pulses(voltage=0.3, width="20us")
    with pytest.warns(ProgrammingWarning, match="1 of 2 cells"):
        done = sc.program(
            bench([[0.2, 0.5]]), [[0.6, 0.5]], quantity="x", set_pulses=short, reset_pulses=short, passes=1,
            most_pulses=3,
        )  # fmt: skip
    assert 0.2 < float(done.x[0, 0]) < 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": np.ones((3, 3))}, "target: has 3 x 3 values for 3 x 4 cells"),
        ({"target": HALF * 3}, r"cell \(0, 0\) is 1.5; its device takes 0 to 1"),
        ({"target": HALF * np.nan}, "finite"),
        ({"target": [[0.4], [0.3, 0.2]]}, r"target: must be numbers \(row, column\)"),
        ({"target": [["a"]]}, r"target: must be numbers \(row, column\)"),
        ({"target": 0.4}, "target: must be 3 x 4 numbers"),
        ({"set_pulses": {"voltage": 0.3, "width": 1e-5}}, "set_pulses: must be spicecim.operations.Pulses"),
        ({"most_pulses": 0}, "most_pulses: must be a whole number between 1"),
        ({"most_pulses": 2.5}, "most_pulses: must be a whole number between 1"),
        ({"passes": True}, "passes: must be a whole number between 1"),
        ({"tolerance": "1 %"}, "tolerance: '1 %' is not a number"),
        ({"scheme": "word_lines"}, "the cells have no transistors"),
        ({"quantity": "ohm"}, "quantity: must be"),
        ({"by": "column"}, "by: must be"),
        ({"scheme": "v/4"}, "scheme: must be one of v/2"),
        ({"tolerance": 0.0}, "tolerance: must be between"),
        ({"passes": 0}, "passes: must be a whole number between"),
        ({"read_voltage": -0.1}, "read_voltage: must be above 0 V"),
    ],
)
def test_bad_arguments_of_a_program(change, message):
    with pytest.raises(InputError, match=message):
        sc.program(bench(HALF), **{"target": HALF, "quantity": "x", **change})


def test_no_testbench_is_programmed():
    with pytest.raises(InputError, match="bench: must be a Testbench"):
        sc.program({"device": {}}, HALF)


def test_a_state_that_a_read_does_not_tell_from_the_target_is_told():
    """Low conductances of `linear_drift` differ by less than 1 % of its range."""
    array = bench([[0.3, 0.9]], device={"model": "linear_drift"}, amplitude=1.0)
    with pytest.warns(ProgrammingWarning, match=r"x of cell \(0, 0\) is 0.302 instead of 0.5"):
        done = sc.program(array, [[0.5, 0.9]], quantity="x", tolerance=0.01)
    assert done.converged.all()
    assert int(done.pulses.sum()) == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (3, 1)])
@pytest.mark.parametrize("scheme", ["v/2", "v/3", "floating"])
def test_arrays_of_one_line_are_programmed(shape, scheme):
    done = sc.program(bench(np.full(shape, 0.35)), np.full(shape, 0.4), quantity="x", scheme=scheme)
    assert done.converged.all()
    assert (done.pulses > 0).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cells": np.eye(3, dtype=bool)}, "every crossing"),
        ({"cells": "0"}, "must be a row"),
        ({"cells": 0, "rows": [0]}, "not both"),
        ({"cells": (0, 0), "voltage": [0.1, 0.2]}, "2 values for 1 selected"),
        ({"rows": [0], "columns": [2, 0], "voltage": [0.1, 0.2]}, r"columns: must increase where voltage .* \[2, 0\]"),
        ({"cells": 0, "voltage": 0}, "above 0"),
        ({"cells": 0, "kind": "erase"}, "kind"),
        ({"cells": 0, "scheme": "v/4"}, "scheme"),
        ({"rows": []}, "select one at least"),
    ],
)
def test_bad_operations(change, message):
    with pytest.raises(TestbenchError, match=message):
        sc.Operation(**{"kind": "set", "voltage": 0.3, "width": 1e-5, **change})


def test_lines_that_are_not_there():
    for cells, message in (((3, 0), "rows: names row 3; there are rows 0 to 2"), ((0, 4), "columns: names column 4")):
        with pytest.raises(InputError, match=message):
            sc.Operation(kind="set", cells=cells, voltage=0.3, width=1e-5).testbench(bench(HALF))


@pytest.mark.parametrize(
    ("model", "amplitude", "sign"), [("yakopcic", 0.45, 1.0), ("team", 0.5, -1.0), ("linear_drift", 1.0, 1.0)]
)
def test_a_device_is_set_with_its_own_polarity(model, amplitude, sign):
    array = bench([[0.5]], device={"model": model}, amplitude=amplitude)
    assert polarity(array, amplitude) == sign
    for pulses, kind, direction in zip(chosen_pulses(array), ("set", "reset"), (1.0, -1.0), strict=True):
        write = sc.Operation(kind=kind, cells=0, voltage=pulses.voltage, width=pulses.width)
        assert 0.004 < direction * (float(sc.run_sequence(array, [write]).x[0, 0, 0]) - 0.5) < 0.008


def test_pulses_are_chosen_by_the_speed_of_the_device():
    pulses = chosen_pulses(bench([[0.5]]))[0]
    write = sc.Operation(kind="set", cells=0, voltage=pulses.voltage, width=pulses.width, rise=1e-9)
    moved = float(sc.run_sequence(bench([[0.5]]), [write]).x[0, 0, 0]) - 0.5
    assert moved == pytest.approx(0.005, rel=0.02)
    assert pulses.widths([0, 7])[1] == 128 * pulses.width
    with pytest.raises(InputError, match=r"at 0\.1 V, the largest of the drive, a SET pulse moves x at 0 per second"):
        chosen_pulses(bench([[0.5]], amplitude=0.1))


def test_potentiation_and_endurance_of_one_device():
    pulse = Pulses(voltage=0.3, width="20us")
    given = {"device": {"model": "yakopcic"}, "read_voltage": 0.1}
    curve = sc.potentiation(set_pulses=pulse, reset_pulses=pulse, pulses=5, x0=0.2, **given)
    one = sc.run_sequence(bench([[0.2]]), [sc.Operation(kind="set", cells=0, voltage=0.3, width="20us")] * 5)
    np.testing.assert_allclose(curve.x[1:6], one.x[:, 0, 0], atol=1e-6)
    assert (np.diff(curve.conductance[:6]) > 0).all()
    assert (np.diff(curve.conductance[5:]) < 0).all()
    cycles = sc.endurance(set_pulse=pulse, reset_pulse=pulse, cycles=3, x0=0.2, **given)
    assert cycles.low.sizes == {"cycle": 3}
    assert (cycles.low < cycles.high).all()
    assert float(cycles.x_low[0]) == pytest.approx(float(curve.x[1]), abs=1e-6)
    with pytest.raises(InputError, match="pulses: must be a whole number"):
        sc.potentiation(set_pulses=pulse, reset_pulses=pulse, pulses=0, **given)
    with pytest.raises(InputError, match="cycles: must be a whole number"):
        sc.endurance(set_pulse=pulse, reset_pulse=pulse, cycles=0, **given)


def test_bad_arguments_of_curves_sequences_and_conductances():
    pulse, device = Pulses(voltage=0.3, width="20us"), {"model": "yakopcic"}
    for change, message in (
        ({"read_voltage": 0}, "read_voltage: must be other than 0 V"),
        ({"read_voltage": np.nan}, "read_voltage: nan is not finite"),
        ({"pulses": True}, "pulses: must be a whole number"),
        ({"set_pulses": {"voltage": 0.3}}, "set_pulses: must be spicecim.operations.Pulses"),
    ):
        given = {"set_pulses": pulse, "reset_pulses": pulse, "pulses": 2, "read_voltage": 0.1, **change}
        with pytest.raises(InputError, match=message):
            sc.potentiation(device, **given)
    with pytest.raises(InputError, match="read_voltage: must be other than 0 V"):
        sc.endurance(device, set_pulse=pulse, reset_pulse=pulse, cycles=2, read_voltage="0 V")
    write = sc.Operation(kind="set", cells=(0, 1), voltage=0.3, width="10us")
    for array, operations, message in (
        (bench(HALF), write, "operations: must be a list of Operation"),
        (bench(HALF), [{"kind": "set"}], "operations: must be a list of Operation"),
        (bench(HALF), [], "operations: there must be one at least"),
        (None, [write], "bench: must be a Testbench"),
    ):
        with pytest.raises(InputError, match=message):
            sc.run_sequence(array, operations)
    with pytest.raises(InputError, match="voltage: must be a number other than 0"):
        conductance(bench(HALF), 0.5, 0.0)


def test_the_command_programs(tmp_path):
    bench(np.full((2, 2), 0.3)).to_yaml(tmp_path / "bench.yaml")
    np.save(tmp_path / "targets.npy", [[0.3, 0.4], [0.25, 0.3]])
    command = ("program", "bench.yaml", "--target", "targets.npy", "--quantity", "x", "-o", "out", "--json")
    run = spicecim(*command, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    summary = json.loads(run.stdout)
    assert summary["converged"] == summary["cells"] == 4
    figures = ["levels.pdf", "levels.png", "maps.pdf", "maps.png"]
    assert summary["artifacts"] == [*figures, "program.nc", "summary.log", "used_testbench.yaml", "summary.json"]
    saved = read_netcdf(tmp_path / "out" / "program.nc", (), "")
    assert float(abs(saved["error"]).max()) == summary["largest_error"]
    for name in ("disturb", "disturb_at_end"):
        assert float(abs(saved[name]).max()) == summary[f"largest_{name}"]
    run = spicecim(*command[:-1], "--set", "voltage=0.3", "--set", "volt=1", cwd=tmp_path)
    assert run.returncode == 2
    assert "volt" in run.stderr


def test_a_map_is_logarithmic_where_a_corner_outshines_the_rest():
    done = sc.program(bench([[0.3] * 3]), [[0.3] * 3], quantity="x")
    for disturb, scale in (
        ([[1e-3, 1e-3, 0.1]], SymLogNorm),
        ([[-1e-3, 1e-3, 0.1]], SymLogNorm),
        ([[0.01, 0.02, 0.03]], Normalize),
    ):
        norms = [axes.images[0].norm for axes in plot_program(done.assign(disturb=done.x.copy(data=disturb))).axes[:4]]
        assert type(norms[3]) is scale
        assert norms[3].vmin == -norms[3].vmax
    steep = xr.full_like(done.target, 1e-5)
    steep[0, 0] = 1e-2
    figure = plot_program(done.drop_vars("target_x").assign(target=steep, result=steep))
    assert type(figure.axes[0].images[0].norm) is LogNorm


def test_the_maps_of_target_and_result_share_a_scale_and_rounding_is_no_disturb():
    done = sc.program(bench([[0.3, 0.3]]), [[0.3, 0.3]], quantity="x")
    rounding = done.assign(disturb=done.x.copy(data=[[1e-15, -3e-15]]))
    figure = plot_program(rounding.assign_attrs(scheme="word_lines"))
    target, reached, _, disturb = (axes.images[0] for axes in figure.axes[:4])
    assert target.norm is reached.norm
    assert not disturb.get_array().any()
    assert (disturb.norm.vmin, disturb.norm.vmax) == (-0.01, 0.01)
    assert "change of x (below 0.0001: white)" in [axes.get_ylabel() for axes in figure.axes]
    assert figure.get_suptitle().startswith("rows selected by word lines: largest error")
    conductances = plot_program(rounding.drop_vars("target_x"))
    assert [axes.get_title() for axes in conductances.axes[:2]] == ["target conductance", "conductance reached"]


def test_levels_are_told_apart_by_color_and_have_ticks_at_their_targets():
    def levels_of(x):
        cells = np.tile(x, (4, 1))
        found = {"target_x": cells, "x": cells + 0.002, "error": np.full(cells.shape, 0.002)}
        values = {name: (("row", "column"), each) for name, each in found.items()}
        return plot_levels(xr.Dataset(values, attrs={"tolerance": 0.01}))

    levels = np.linspace(0.1, 0.9, 16)
    left, right, bar = levels_of(levels).axes
    *curves, ticks = left.get_lines()
    assert len({tuple(line.get_color()) for line in curves}) == 16
    np.testing.assert_allclose(ticks.get_xdata(), levels)
    assert (left.get_xlabel(), bar.get_ylabel()) == ("x reached", "target x")
    assert right.get_xlabel() == "error (% of the range)"
    (alone,) = levels_of(np.linspace(0.1, 0.9, 17)).axes
    assert alone.get_xlabel() == "error (% of the range)"
    assert len(levels_of([0.5]).axes) == 2


def test_a_target_that_looks_like_x_is_said_to():
    with pytest.raises(InputError, match=r"is 0.3 S; its device takes 0 to .* S at .* V; .*--quantity x"):
        sc.program(bench([[0.3]]), [[0.3]])
    with pytest.raises(InputError) as caught:
        sc.program(bench([[0.3]]), [[3.0]])
    assert "--quantity" not in str(caught.value)
    gated = sc.Testbench.from_yaml(ROOT / "examples/one_transistor.yaml")
    for volts in (0.06, 0.1):  # at which the solver leaves 5e-17 S and -0 S
        with pytest.raises(InputError, match="its device takes 0 to"):
            check_target(gated, np.ones(gated.shape), "conductance", volts)


def test_a_command_that_does_not_program_keeps_and_says_what_it_found(tmp_path):
    bench([[0.2, 0.5]]).to_yaml(tmp_path / "bench.yaml")
    np.save(tmp_path / "targets.npy", [[0.6, 0.5]])
    weak = ("--set", "voltage=0.1", "--set", "width=1us", "--passes", "1")
    run = spicecim(
        "program", "bench.yaml", "--target", "targets.npy", "--quantity", "x", *weak, "--report", "-o", "out",
        cwd=tmp_path,
    )  # fmt: skip
    assert run.returncode == 3
    assert "error: the pulses do not program the device: no cell came nearer" in run.stderr
    assert "of their range: 1 of 2" in run.stdout
    assert "results in out: " in run.stdout
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["failure"].startswith("the pulses do not program the device")
    assert all((tmp_path / "out" / name).is_file() for name in summary["artifacts"])
    assert read_netcdf(tmp_path / "out" / "program.nc", (), "")["converged"].values.tolist() == [[False, True]]
    assert "not passed: the pulses do not program" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


class Ending:
    """In place of the engines: raises an error, or whatever it is, at one of the operations."""

    def __init__(self, at, error):
        self.at, self.error, self.runs = at, error, 0

    def __call__(self, *arguments, **options):
        self.runs += 1
        if self.runs == self.at:
            if callable(self.error):
                self.error()
            raise self.error
        return sc.simulate(*arguments, **options)


CELLS = [[0.3, 0.3], [0.3, 0.3]]
TARGETS = [[0.5, 0.35], [0.4, 0.6]]


@pytest.fixture
def ends(monkeypatch):
    def end(at, error):
        for module in ("sequence", "curves"):
            monkeypatch.setattr(f"spicecim.operations.{module}.simulate", Ending(at, error))

    return end


@pytest.mark.parametrize("error", [ConvergenceError("no solution"), InputError("drive: beyond a float")])
def test_an_operation_that_fails_leaves_what_was_reached(ends, error):
    whole = sc.program(bench(CELLS), TARGETS, quantity="x", scheme="v/3")
    ends(9, error)
    with pytest.raises(ProgrammingError) as caught:
        sc.program(bench(CELLS), TARGETS, quantity="x", scheme="v/3")
    assert caught.value.__cause__ is error
    reached = caught.value.result
    text = f"writing row 0 in pass 1 of 3 at most, after 8 operations: {type(error).__name__}: {error}"
    assert str(caught.value) == text
    assert reached.attrs["unfinished"] == text.split(":")[0]
    for name in ("step_kind", "step_energy", "step_cells"):
        np.testing.assert_array_equal(reached[name], whole[name][:8])
    assert float(reached.energy) == pytest.approx(float(whole.step_energy[:8].sum()))
    assert int(reached.pulses.sum()) == int(whole.step_cells[:8][whole.step_kind[:8] != "read"].sum())
    assert np.isfinite(reached.result[0]).all()
    assert np.isnan(reached.result[1]).all()  # no read found it yet
    assert not reached.converged[1].any()
    assert (reached.x[0] > 0.3).all()
    np.testing.assert_array_equal(reached.x[1], 0.3)
    np.testing.assert_array_equal(reached.target_x, TARGETS)
    plot_levels(reached)
    assert "not finished: writing row 0" in plot_program(reached.drop_vars("target_x")).get_suptitle()


def test_an_error_before_anything_was_reached_is_that_error(ends):
    ends(1, ConvergenceError("no solution"))
    with pytest.raises(ConvergenceError, match=r"^no solution$") as caught:
        sc.program(bench(CELLS), TARGETS, quantity="x")
    assert not hasattr(caught.value, "result")


WRITE = sc.Operation(kind="set", cells=(0, 1), voltage=0.3, width="20us")
PULSE = Pulses(voltage=0.3, width="20us")
DRAWN = {"cycle_to_cycle": {"Vp": sc.lognormal(0.05)}, "seed": 1}


def sequence(writes=5):
    return sc.run_sequence(bench(CELLS), [WRITE] * writes, **DRAWN)


def curve(pulses=4, **drawn):
    device = bench(CELLS).device
    return sc.potentiation(
        device, set_pulses=PULSE, reset_pulses=PULSE, pulses=pulses, read_voltage=0.1, **(drawn or DRAWN)
    )


def cycled(cycles=4):
    device = bench(CELLS).device
    return sc.endurance(device, set_pulse=PULSE, reset_pulse=PULSE, cycles=cycles, read_voltage=0.1, **DRAWN)


@pytest.mark.parametrize(
    ("what", "along", "at", "left", "told"),
    [
        (sequence, "operation", 4, 3, "after 3 of 5 operations"),
        (curve, "pulse", 7, 7, "after 6 of 8 pulses"),
        (cycled, "cycle", 6, 2, "after 5 of 8 pulses"),
    ],
)
def test_sequences_and_curves_leave_what_was_reached(ends, what, along, at, left, told):
    whole = what()
    failed = ConvergenceError("no solution")
    ends(at, failed)
    with pytest.raises(ProgrammingError) as caught:
        what()
    assert str(caught.value) == f"{told}: ConvergenceError: no solution"
    assert caught.value.__cause__ is failed
    results = [caught.value.result]
    for error in (KeyboardInterrupt(), ZeroDivisionError("of a device of one's own"), SystemExit(143)):
        ends(at, error)
        with pytest.raises(type(error)) as ended:
            what()
        assert ended.value is error
        results.append(error.result)
        if isinstance(error, KeyboardInterrupt):
            assert str(error) == told
    for reached in results:
        assert reached.attrs == {**whole.attrs, "unfinished": told}
        early = whole.isel({along: slice(0, left)}).drop_vars(["disturb", "disturb_at_end"], errors="ignore")
        xr.testing.assert_identical(reached[list(early)].drop_attrs(deep=False), early.drop_attrs(deep=False))
    if what is sequence:
        shorter = sequence(left)
        xr.testing.assert_identical(results[0].drop_attrs(), shorter.drop_attrs())
    else:
        plot = plot_potentiation if what is curve else plot_endurance
        assert plot(results[0]).get_suptitle() == f"not finished: {told}"
        assert plot(whole).get_suptitle() == ""


@pytest.mark.parametrize(("what", "at"), [(sequence, 1), (curve, 1), (cycled, 2)])
def test_where_nothing_was_reached_the_error_is_what_it_was(ends, what, at):
    for error in (ConvergenceError("no solution"), KeyboardInterrupt("of the engine")):
        ends(at, error)
        with pytest.raises(type(error)) as caught:
            what()
        assert caught.value is error
        assert not hasattr(error, "result")


def test_pulses_without_draws_are_run_in_pieces(ends, monkeypatch):
    whole = curve(5, cycle_to_cycle=None)
    monkeypatch.setattr("spicecim.operations.curves._TOGETHER", 4)
    np.testing.assert_allclose(curve(5, cycle_to_cycle=None).x, whole.x, atol=1e-9)
    ends(3, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt, match="after 8 of 10 pulses") as caught:
        curve(5, cycle_to_cycle=None)
    np.testing.assert_allclose(caught.value.result.x, whole.x[:9], atol=1e-9)


def test_an_operation_that_does_not_fit_is_said_before_any_is_run(ends):
    ends(1, AssertionError("it was run"))
    beyond = sc.Operation(kind="read", cells=2, voltage=0.1, width="1us")
    with pytest.raises(InputError, match=r"^operations\[1\]: rows: names row 2; there are rows 0 to 1$"):
        sc.run_sequence(bench(CELLS), [WRITE, beyond])


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ZeroDivisionError("of a device of one's own"), SystemExit(143)])
def test_whatever_else_ends_it_has_what_was_reached(ends, error):
    ends(5, error)
    with pytest.raises(type(error)) as caught:
        sc.program(bench(CELLS), TARGETS, quantity="x")
    assert caught.value is error
    assert error.result.sizes["step"] == 4
    if isinstance(error, KeyboardInterrupt):
        assert str(error) == "writing row 0 in pass 1 of 3 at most, after 4 operations"


def test_what_warned_before_an_error_is_told(monkeypatch):
    ending = Ending(5, ConvergenceError("no solution"))

    def warning(*arguments, **options):
        warnings.warn(CurrentWarning(f"run {ending.runs}", float(ending.runs)), stacklevel=2)
        return ending(*arguments, **options)

    monkeypatch.setattr("spicecim.operations.sequence.simulate", warning)
    with pytest.raises(ProgrammingError), pytest.warns(CurrentWarning, match="run 3"):
        sc.program(bench(CELLS), TARGETS, quantity="x")
    ending.runs = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ProgrammingError):
            sc.program(bench(CELLS), TARGETS, quantity="x")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_keeps_what_it_reached_beside_earlier_results(tmp_path, ends, number):
    bench(CELLS).to_yaml(tmp_path / "bench.yaml")
    np.save(tmp_path / "targets.npy", TARGETS)
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "summary.json").write_text("earlier")
    ends(7, lambda: os.kill(os.getpid(), number) or time.sleep(10))
    command = ["program", str(tmp_path / "bench.yaml"), "--target", str(tmp_path / "targets.npy"), "--quantity", "x"]
    before = signal.getsignal(signal.SIGTERM)
    done = CliRunner().invoke(app, [*command, "-o", str(folder)])
    assert signal.getsignal(signal.SIGTERM) is before
    what = {signal.SIGINT: "interrupted", signal.SIGTERM: "ended by SIGTERM"}[number]
    how_far = "writing row 0 in pass 1 of 3 at most, after 6 operations"
    assert (done.exit_code, done.stdout) == (128 + number, "")
    assert done.stderr == f"{what}: {how_far}; what was reached is in {folder}/unfinished\n"
    assert {path.name for path in folder.iterdir()} == {"summary.json", "unfinished"}
    assert (folder / "summary.json").read_text() == "earlier"
    summary = json.loads((folder / "unfinished" / "summary.json").read_text())
    assert summary["failure"] == f"ended: {how_far}"
    assert (summary["operations"], summary["passed"]) == (6, False)
    assert summary["artifacts"] == ["program.nc", "summary.log", "used_testbench.yaml", "summary.json"]
    saved = read_netcdf(folder / "unfinished" / "program.nc", (), "")
    assert saved.attrs["unfinished"] == how_far
    assert saved.sizes["step"] == 6


def test_a_command_that_fails_midway_keeps_what_it_reached(tmp_path, ends, monkeypatch):
    bench(CELLS).to_yaml(tmp_path / "bench.yaml")
    np.save(tmp_path / "targets.npy", TARGETS)
    arguments = sc.Testbench.from_yaml(tmp_path / "bench.yaml"), TARGETS, tmp_path / "out"
    ends(7, ConvergenceError("no solution"))
    summary = run_program(*arguments, quantity="x")
    assert summary["failure"].endswith("after 6 operations: ConvergenceError: no solution")
    assert {"program.nc", "maps.png", "levels.png"} < set(summary["artifacts"])
    monkeypatch.setattr("spicecim.programming_runs.save_figure", lambda figure, path: None)
    ends(7, ZeroDivisionError("of a device of one's own"))
    with pytest.raises(ZeroDivisionError, match=r"^of a device of one's own$"):
        run_program(*arguments, quantity="x")
    assert (tmp_path / "out" / "unfinished" / "program.nc").is_file()


def test_an_interrupt_while_results_are_written_keeps_them_all(tmp_path, monkeypatch):
    written = []

    def interrupted(figure, path):
        written.append(path)
        if len(written) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr("spicecim.programming_runs.save_figure", interrupted)
    with pytest.raises(KeyboardInterrupt, match=r"writing the results; what was reached is in .*unfinished"):
        run_program(bench(CELLS), TARGETS, tmp_path / "out", quantity="x")
    saved = read_netcdf(tmp_path / "out" / "unfinished" / "program.nc", (), "")
    assert bool(saved.converged.all())
    assert "unfinished" not in saved.attrs


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_cycles_that_a_signal_ends_are_kept_until_a_run_comes_to_its_end(tmp_path, ends, number):
    bench(CELLS).to_yaml(tmp_path / "bench.yaml")
    folder = tmp_path / "out"
    command = ["endurance", str(tmp_path / "bench.yaml"), "-o", str(folder), "--cycles", "4", "--set", "width=20us"]
    command += ["--cycle-to-cycle", "Vp=5%", "--seed", "1"]
    ends(6, lambda: os.kill(os.getpid(), number) or time.sleep(10))
    done = CliRunner().invoke(app, command)
    what = {signal.SIGINT: "interrupted", signal.SIGTERM: "ended by SIGTERM"}[number]
    assert (done.exit_code, done.stdout) == (128 + number, "")
    assert done.stderr == f"{what}: after 5 of 8 pulses; what was reached is in {folder}/unfinished\n"
    assert {path.name for path in folder.iterdir()} == {"unfinished"}
    summary = json.loads((folder / "unfinished" / "summary.json").read_text())
    assert (summary["failure"], summary["cycles"]) == ("ended: after 5 of 8 pulses", 2)
    assert summary["artifacts"] == ["endurance.nc", "summary.log", "summary.json"]
    kept = read_netcdf(folder / "unfinished" / "endurance.nc", (), "")
    assert kept.sizes["cycle"] == 2

    ends(6, ConvergenceError("no solution"))
    failed = CliRunner().invoke(app, command)
    assert isinstance(failed.exception, SimulationError)
    told = "after 5 of 8 pulses: ConvergenceError: no solution"
    assert str(failed.exception) == told
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["failure"], summary["cycles"]) == (told, 2)
    assert "endurance.png" in summary["artifacts"]
    assert (folder / "unfinished" / "endurance.nc").is_file()  # no run has come to its end since

    ends(0, None)
    assert CliRunner().invoke(app, command).exit_code == 0
    assert not (folder / "unfinished").exists()
    assert json.loads((folder / "summary.json").read_text())["failure"] is None


def test_a_complete_run_removes_what_an_ended_one_left_and_nothing_else(tmp_path, ends):
    device, folder = bench(CELLS), tmp_path / "out"
    ends(9, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        run_program(device, TARGETS, folder, quantity="x")
    (folder / "unfinished" / "notes.txt").write_text("mine")
    ends(0, None)
    run_program(device, TARGETS, folder, quantity="x")
    assert [path.name for path in (folder / "unfinished").iterdir()] == ["notes.txt"]
    (folder / "unfinished" / "summary.json").write_text('{"artifacts": ["notes.txt"]}')  # of another program
    run_endurance(device, folder, cycles=2)
    assert {path.name for path in (folder / "unfinished").iterdir()} == {"notes.txt", "summary.json"}


def test_a_mask_of_another_shape_is_not_taken_as_a_corner():
    bench = sc.Testbench(
        device={"model": "yakopcic"},
        crossbar={"state": np.full((3, 3), 0.5)},
        drive={"kind": "sine", "amplitude": 0.3, "frequency": 100},
    )
    smaller = sc.Operation(kind="set", cells=np.ones((2, 2), dtype=bool), voltage=0.3, width="50us")
    with pytest.raises(sc.InputError, match=r"cells: is a mask of shape \(2, 2\); the array's is \(3, 3\)"):
        smaller.testbench(bench)
    with pytest.raises(sc.InputError, match=r"operations\[0\]: cells: is a mask"):
        sc.run_sequence(bench, [smaller])
