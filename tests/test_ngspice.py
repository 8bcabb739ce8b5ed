"""ngspice as an engine: physics that it must reproduce, and what it says of itself."""

import numpy as np
import pytest
from conftest import bench_dict

from spicecim.engines import simulate
from spicecim.errors import ConvergenceError, InputError
from spicecim.measure import charge, compare
from spicecim.netlist import crossbar_netlist
from spicecim.ngspice import engine
from spicecim.ngspice.backend import is_native
from spicecim.ngspice.client import RUNS_A_WORKER, Worker, shared_worker
from spicecim.ngspice.engine import simulate_ngspice
from spicecim.testbench import Testbench

pytestmark = pytest.mark.ngspice


STILL = {"model": "yakopcic", "preset": "oblea", "parameters": {"Ap": 0, "An": 0}}
"""A device whose state does not move: a nonlinear resistor."""


def test_it_says_what_it_can_do():
    capabilities = shared_worker().capabilities()
    assert int(capabilities.version.split(".")[0]) >= 30
    assert capabilities.pyspice == "1.5"
    assert isinstance(capabilities.klu, bool)


def test_waveforms_are_labeled_and_reach_the_stop_time(make_bench):
    bench = make_bench(analysis={"points_per_period": 50, "probe": "cells"})
    waveforms = simulate(bench, "ngspice")
    assert waveforms.attrs["engine"] == "ngspice"
    assert waveforms.attrs["device_backend"] == ("osdi" if is_native(bench) else "behavioral")
    assert waveforms["time"][0] == 0.0
    assert float(waveforms["time"][-1]) == pytest.approx(bench.duration, rel=1e-9)
    assert np.diff(waveforms["time"]).max() <= bench.largest_step * (1 + 1e-9)
    np.testing.assert_allclose(waveforms["v_row"], bench.drive.voltage(waveforms["time"]), atol=1e-12)
    np.testing.assert_allclose(waveforms["x"][0], bench.crossbar.state, atol=1e-9)


def test_a_drive_that_does_not_start_at_zero_is_right_from_the_start(make_bench):
    drive = {"kind": "sine", "amplitude": 0.3, "frequency": 100, "phase": 1.0, "offset": 0.1}
    bench = make_bench(drive=drive, analysis={"probe": "cells"})
    waveforms = simulate(bench, "ngspice")
    device = bench.device.build()
    expected = device.current(bench.drive.voltage([0.0])[0][:, None], bench.crossbar.state)
    np.testing.assert_allclose(waveforms["i_cell"][0], expected, rtol=1e-9)


def test_an_ohmic_divider_of_all_resistances():
    """A 1 x 1 crossbar is a series circuit: driver, source, row segment, cell, column segment, sense."""
    resistances = {"wire_row": 11.0, "wire_column": 13.0, "source_resistance": 17.0, "sense_resistance": 19.0}
    drift = {"model": "linear_drift", "preset": "hp", "parameters": {"mobility": 1e-30}}
    bench = Testbench.from_dict(
        bench_dict(
            device=drift,
            crossbar={"state": [[0.5]], **resistances},
            drive={"kind": "sine", "amplitude": 1, "frequency": 10},
            analysis={"probe": "cells"},
        )
    )
    waveforms = simulate(bench, "ngspice")
    total = 0.5 * (100 + 16e3) + sum(resistances.values())
    np.testing.assert_allclose(waveforms["i_column"][:, 0], waveforms["v_row"][:, 0] / total, rtol=1e-6, atol=1e-15)


@pytest.mark.parametrize("shape", [(2, 5), (5, 2)])
@pytest.mark.parametrize(
    "wires",
    [{"wire_row": 100.0}, {"wire_column": 100.0}, {"source_resistance": 100.0}, {"sense_resistance": 100.0}],
    ids=lambda wires: next(iter(wires)),
)
def test_each_resistance_stands_where_it_should(shape, wires):
    """Against a nodal analysis of the same network with ohmic cells, solved densely."""
    state = np.random.default_rng(3).uniform(0.2, 0.9, shape)
    drift = {"model": "linear_drift", "preset": "hp", "parameters": {"mobility": 1e-30}}
    amplitude = np.linspace(0.2, 1.0, shape[0])
    bench = Testbench.from_dict(
        bench_dict(
            device=drift,
            crossbar={"state": state, **wires},
            drive={"kind": "sine", "amplitude": amplitude, "frequency": 10, "phase": np.pi / 2},
        )
    )
    waveforms = simulate(bench, "ngspice")
    expected = _solve_crossbar(1 / (16e3 - 15.9e3 * state), amplitude, **wires)
    np.testing.assert_allclose(waveforms["i_column"][0], expected, rtol=1e-6)


def _solve_crossbar(g, v, wire_row=0.0, wire_column=0.0, source_resistance=0.0, sense_resistance=0.0):
    """Column currents of a linear crossbar by dense nodal analysis; an absent resistance is 10 microohm."""
    rows, columns = g.shape
    tiny = 1e-5
    n = rows * columns
    matrix, right = np.zeros((2 * n, 2 * n)), np.zeros(2 * n)

    def connect(a, b, conductance):
        matrix[a, a] += conductance
        if b is not None:
            matrix[b, b] += conductance
            matrix[a, b] -= conductance
            matrix[b, a] -= conductance

    for r in range(rows):
        for c in range(columns):
            top, bottom = r * columns + c, n + r * columns + c
            connect(top, bottom, g[r, c])
            if c == 0:
                feed = 1 / (source_resistance + wire_row + tiny)
                connect(top, None, feed)
                right[top] += feed * v[r]
            else:
                connect(top, top - 1, 1 / (wire_row + tiny))
            if r == rows - 1:
                connect(bottom, None, 1 / (sense_resistance + wire_column + tiny))
            else:
                connect(bottom, bottom + columns, 1 / (wire_column + tiny))
    voltages = np.linalg.solve(matrix, right)
    drop = (voltages[:n] - voltages[n:]).reshape(rows, columns)
    return (g * drop).sum(axis=0)


def test_a_wire_capacitance_charges_through_the_source():
    """A step through a resistance into a capacitance: the row's node follows 1 - exp(-t/RC)."""
    resistance, capacitance = 1e3, 1e-9
    bench = Testbench.from_dict(
        {
            "device": {**STILL, "parameters": {"Ap": 0, "An": 0, "a1": 1e-12, "a2": 1e-12}},
            "crossbar": {
                "state": [[0.5, 0.5]], "source_resistance": resistance, "wire_capacitance": capacitance,
            },
            "drive": {"kind": "samples", "time": [0, 1e-9, 2e-5], "voltages": [[0, 1, 1]]},
            "analysis": {"points_per_period": 2000, "probe": "cells"},
        }
    )  # fmt: skip
    waveforms = simulate(bench, "ngspice")
    tau = resistance * 2 * capacitance
    time = waveforms["time"].values
    late = time > 1e-8
    expected = 1 - np.exp(-(time[late] - 0.5e-9) / tau)
    np.testing.assert_allclose(waveforms["v_row_node"][late, 0, 0], expected, atol=1e-5)


def test_more_points_bring_ngspice_closer_to_the_exact_answer(make_bench):
    """The trapezoidal rule is of second order: twice the points, a quarter of the error."""
    drift = {"model": "linear_drift", "preset": "hp"}
    drive = {"kind": "sine", "amplitude": 1, "frequency": [20, 40, 80]}
    errors = []
    for points in (400, 800, 1600):
        analysis = {"points_per_period": points, "accuracy": 0.1}  # so that the points decide
        bench = make_bench(device=drift, drive=drive, analysis=analysis)
        spice = simulate(bench, "ngspice")
        errors.append(compare(spice, simulate(bench, "reference", time=spice["time"].values)).worst)
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    np.testing.assert_allclose(orders, 2.0, atol=0.2)


def test_charge_is_conserved_between_rows_and_columns(make_bench):
    wires = {"wire_row": 5.0, "wire_column": 5.0, "source_resistance": 10.0}
    bench = make_bench(crossbar={"state": np.full((3, 4), 0.4), **wires})
    waveforms = simulate(bench, "ngspice")
    delivered = float(waveforms["i_row"].sum("row").integrate("time"))
    assert float(charge(waveforms).sum()) == pytest.approx(delivered, rel=1e-9)


def test_progress_is_reported(make_bench):
    seen = []
    simulate(make_bench(analysis={"points_per_period": 20_000}), "ngspice", progress=seen.append)
    assert seen
    assert all(0 <= fraction <= 1 for fraction in seen)
    assert seen == sorted(seen)


def test_a_worker_is_replaced_after_many_runs(make_bench):
    worker = Worker()
    bench = make_bench(analysis={"points_per_period": 10})
    simulate_ngspice(bench, worker=worker)
    first = worker._process.pid
    simulate_ngspice(bench, worker=worker)
    assert worker._process.pid == first
    worker._runs = RUNS_A_WORKER
    simulate_ngspice(bench, worker=worker)
    assert worker._process.pid != first
    worker.close()
    worker.close()


def test_runs_leave_no_folders_behind(make_bench, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    worker = Worker()
    simulate_ngspice(make_bench(), worker=worker)
    (home,) = tmp_path.iterdir()
    assert [path for path in home.iterdir() if path.is_dir()] == []
    worker.close()
    assert list(tmp_path.iterdir()) == []


def test_cells_beside_lines_that_float_behind_capacitances():
    """KLU does it with pivots that are useless later: its steps get too small, or a current is not that of its cell."""
    bench = Testbench.from_dict(
        {
            "device": {"model": "umich"},
            "crossbar": {
                "state": np.random.default_rng(5).uniform(0.1, 0.7, (4, 4)),
                "wire_row": 20.0, "wire_column": 5e3, "wire_capacitance": 1e-10,
            },
            "drive": {
                "kind": "pulse", "high": 0.5, "delay": 0.1, "rise": 1e-3, "fall": 1e-3, "width": 0.4, "period": 1.0,
            },
            "rows": {"floating": [0, 1, 2]},
            "columns": {"floating": [0, 1, 2]},
            "analysis": {"probe": "cells"},
        }
    )  # fmt: skip
    run = simulate(bench, "ngspice", estimate=False).isel(time=slice(None, None, 20))
    exact = simulate(bench, "reference", time=run["time"].values)
    for name in ("x", "i_cell"):
        np.testing.assert_allclose(run[name], exact[name], rtol=0, atol=1e-4 * float(abs(exact[name]).max()))


class TestMadeAgain:
    """What fails with KLU is run by ngspice's older solver."""

    @pytest.fixture
    def failing(self, monkeypatch, tmp_path):
        """Let runs fail as long as a function says so of their netlist, with a folder each; also these netlists."""
        seen, run = [], engine._checked_run

        def checked_run(netlist, progress, worker):
            seen.append(netlist)
            if self.fails(netlist):
                folder = tmp_path / str(len(seen))
                folder.mkdir()
                raise ConvergenceError(f"run {len(seen)}", folder)
            return run(netlist, progress, worker)

        monkeypatch.setattr(engine, "_checked_run", checked_run)
        return seen

    def test_the_failed_run_leaves_nothing(self, failing, make_bench, tmp_path):
        self.fails = lambda netlist: netlist.klu
        run = simulate_ngspice(make_bench())
        assert [" klu " in netlist.text for netlist in failing] == [True, False]
        assert run.attrs["netlist_sha256"] == failing[1].sha256
        assert not list(tmp_path.iterdir())

    def test_the_last_error_is_raised(self, failing, make_bench, tmp_path):
        self.fails = lambda netlist: True
        with pytest.raises(ConvergenceError, match="run 2") as caught:
            simulate_ngspice(make_bench())
        assert list(tmp_path.iterdir()) == [caught.value.folder]

    def test_a_netlist_without_klu_is_run_once(self, failing, make_bench, monkeypatch):
        self.fails = lambda netlist: True
        monkeypatch.setattr(
            engine, "crossbar_netlist", lambda bench, **choice: crossbar_netlist(bench, **{**choice, "klu": False})
        )
        with pytest.raises(ConvergenceError, match="run 1"):
            simulate_ngspice(make_bench())


def test_instants_are_not_ngspice_s_to_take(make_bench):
    with pytest.raises(InputError, match="time"):
        simulate(make_bench(), "ngspice", time=[0, 1])
    with pytest.raises(InputError, match="unknown engine"):
        simulate(make_bench(), "hspice")
