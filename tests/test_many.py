"""Many testbenches in one call: as each alone, whatever happens to others."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from conftest import bench_dict
from processes import alive, becomes

import spicecim as sc
from spicecim import forked, many
from spicecim.devices import MODELS, make_device
from spicecim.devices.models.resistor import Resistor
from spicecim.errors import (
    CurrentWarning,
    InputError,
    ManyRunsError,
    SimulationError,
    TimeLimitError,
    UnsupportedError,
    WorkerCrashError,
)
from spicecim.reference.tables.flow_map import flows

EXAMPLES = Path(__file__).parents[1] / "examples"
BOTH = pytest.mark.parametrize("workers", [1, 2])


def bench(**sections):
    return sc.Testbench.from_dict(bench_dict(**sections))


def draws(count, seed, **sections):
    random = np.random.default_rng(seed)
    for _ in range(count):
        parameters = {"a1": 0.17 * random.lognormal(0, 0.1), "Vp": 0.16 * random.lognormal(0, 0.1)}
        yield bench(device={"model": "yakopcic", "preset": "oblea", "parameters": parameters}, **sections)


@pytest.mark.compiler
@BOTH
def test_each_is_as_alone(workers):
    """To the last digit: of draws that share tables, behind wires, of a module, with probes and other drives."""
    benches = [
        *draws(3, seed=1),
        bench(crossbar={"state": [[0.1, 0.9]] * 3, "wire_row": 5.0}, analysis={"probe": "cells"}),
        bench(device={"model": "linear_drift", "preset": "biolek"}),
        bench(drive={"kind": "sine", "amplitude": 0.3, "frequency": 500}),
        bench(device={"verilog_a": str(EXAMPLES / "series_memristor.va")}),
    ]
    found = sc.simulate_many(benches, workers=workers)
    for one, run in zip(benches, found, strict=True):
        xr.testing.assert_identical(run, sc.simulate(one, engine="reference"))


@pytest.mark.parametrize("probe", ["columns", "cells"])
@pytest.mark.parametrize("states", [2, 24])
def test_draws_that_run_together_are_as_alone(monkeypatch, probe, states):
    """To the last digit, in one pass: of other conductances, windows, states, amplitudes, rows and models."""
    random = np.random.default_rng(states)
    start = {"state": random.choice(random.uniform(0.05, 0.95, states), (3, 6))}
    benches = [
        *draws(5, seed=states, crossbar=start, analysis={"probe": probe}),
        *[bench(crossbar=start, drive={"kind": "sine", "amplitude": volts, "frequency": 90}) for volts in (0.3, 0.5)],
        bench(crossbar=start, device={"model": "yakopcic", "preset": "oblea", "parameters": {"alphap": 1.3}}),
        bench(crossbar={"state": [[0.2, 0.9, 0.2]] * 3}, device={"model": "linear_drift", "preset": "biolek"}),
    ]
    monkeypatch.setattr(many, "_LEAST_GROUPS", 1)
    with monkeypatch.context() as context:
        context.setattr(many, "simulate", None)  # what one alone would call
        found = sc.simulate_many(benches, workers=1)
    for one, run in zip(benches, found, strict=True):
        xr.testing.assert_identical(run, sc.simulate(one, engine="reference"))
    assert not np.shares_memory(found[0]["v_row"].values, found[1]["v_row"].values)
    found[0]["time"].attrs["units"] = "ms"
    assert found[1]["time"].attrs["units"] == "s"


WIRES = [
    {"wire_row": 5.0, "wire_column": 5.0}, {"wire_row": 5.0}, {"wire_column": 5.0, "source_resistance": 20.0},
    {"source_resistance": 20.0, "sense_resistance": 50.0}, {"wire_row": [5.0, 6.0, 7.0], "wire_column": 5.0},
]  # fmt: skip


def together_as_alone(monkeypatch, benches):
    """Run testbenches on common steps, and see that each is as alone to the stated errors."""
    monkeypatch.setattr(many, "_LEAST_GROUPS", 1)
    with monkeypatch.context() as context:
        context.setattr(many, "simulate", None)  # what one alone would call
        found = sc.simulate_many(benches, workers=1)
    assert len({run.attrs["steps"] for run in found}) == 1
    for one, run in zip(benches, found, strict=True):
        alone = sc.simulate(one, engine="reference")
        assert abs(run.x - alone.x).max() <= run.attrs["state_error"] + alone.attrs["state_error"]
        peaks = abs(alone.i_column).max("time")
        off = (abs(run.i_column - alone.i_column).max("time") / peaks).max()
        assert off <= run.attrs["current_error"] + alone.attrs["current_error"]


@pytest.mark.parametrize("ohms", WIRES)
def test_draws_behind_wires_share_steps(monkeypatch, ohms):
    random = np.random.default_rng(1)
    per_cell = {"Vn": random.uniform(0.14, 0.16, (3, 2)), "Ap": 3900.0}

    def cells():
        return {"crossbar": {"state": random.uniform(0.05, 0.95, (3, 2)), **ohms}, "analysis": {"probe": "cells"}}

    benches = [
        *[one for seed in (1, 2) for one in draws(1, seed=seed, **cells())],
        bench(device={"model": "yakopcic", "preset": "oblea", "parameters": per_cell}, **cells()),
    ]
    together_as_alone(monkeypatch, benches)


def test_abrupt_devices_behind_wires_share_steps(monkeypatch):
    """The errors of devices with hard stops are found by a second run of all."""
    random = np.random.default_rng(1)
    benches = [
        bench(
            device={"model": "vteam", "preset": "kvatinsky", "parameters": {"von": volts}},
            crossbar={"state": random.uniform(0.2, 0.8, (3, 2)), "wire_row": 5.0},
            drive={"kind": "sine", "amplitude": 1.0, "frequency": 2e6},
            analysis={"probe": "cells"},
        )
        for volts in (-0.2, -0.21)
    ]
    together_as_alone(monkeypatch, benches)


def test_what_moves_otherwise_behind_wires_takes_its_own_steps(monkeypatch):
    wires = {"state": [[0.2, 0.9]] * 3, "wire_row": 5.0}
    benches = [
        bench(crossbar=wires, device={"model": "yakopcic", "preset": "oblea", "parameters": {"alphap": decay}})
        for decay in (1.0, 1.3)
    ]
    monkeypatch.setattr(many, "_LEAST_GROUPS", 1)
    for one, run in zip(benches, sc.simulate_many(benches, workers=1), strict=True):
        xr.testing.assert_identical(run, sc.simulate(one, engine="reference"))


def test_one_that_fails_among_those_that_run_together_costs_itself_alone(monkeypatch):
    monkeypatch.setattr(many, "_LEAST_GROUPS", 1)
    benches = [*draws(2, seed=8), bench(drive={"kind": "sine", "amplitude": 1e5, "frequency": 100})]
    with pytest.raises(ManyRunsError) as caught:
        sc.simulate_many(benches, workers=1)
    assert list(caught.value.errors) == [2]
    with pytest.raises(InputError) as alone:
        sc.simulate(benches[2], engine="reference")
    assert str(caught.value.errors[2]) == str(alone.value)
    xr.testing.assert_identical(caught.value.results[1], sc.simulate(benches[1], engine="reference"))


def test_groups_are_of_few_neighbors_that_go_together():
    wired = bench(crossbar={"state": [[0.5, 0.5]] * 3, "wire_row": 1.0})
    other = bench(crossbar={"state": [[0.5, 0.5]] * 3, "wire_row": 2.0})
    benches = [*draws(40, seed=9), wired, other, other, *draws(2, seed=9)]
    groups = many._groups(benches, None, 1)
    assert [index for group in groups for index in group] == list(range(45))
    assert max(map(len, groups)) == 12
    assert range(40, 41) in groups
    assert range(41, 43) in groups
    assert max(map(len, many._groups(benches, np.linspace(0.0, 1e-3, 3_000_000), 1))) == 1


@BOTH
def test_instants_are_those_of_all(workers):
    instants = [0.0, 1e-3, 2e-3]
    for run in sc.simulate_many(draws(2, seed=2), time=instants, workers=workers):
        np.testing.assert_array_equal(run["time"], instants)


@BOTH
def test_what_one_fails_at_does_not_touch_the_others(workers):
    benches = [*draws(2, seed=3), sc.Testbench.from_yaml(EXAMPLES / "subcircuit.yaml"), *draws(1, seed=4)]
    benches.append(bench(drive={"kind": "sine", "amplitude": 1e5, "frequency": 100}))
    with pytest.raises(ManyRunsError, match="2 of 5 testbenches failed\ntestbench 2: UnsupportedError: ") as caught:
        sc.simulate_many(benches, workers=workers)
    error = caught.value
    assert {index: type(each) for index, each in error.errors.items()} == {2: UnsupportedError, 4: InputError}
    assert error.results[2] is error.errors[2]
    for index in (0, 1, 3):
        xr.testing.assert_identical(error.results[index], sc.simulate(benches[index], engine="reference"))


def test_many_errors_are_cut_short():
    error = ManyRunsError([InputError(str(index)) for index in range(9)])
    assert str(error).splitlines()[-2:] == ["testbench 4: InputError: 4", "and 4 more"]


class Unpicklable(Exception):
    def __init__(self, one, other):
        super().__init__(f"{one} {other}")
        self.held = lambda: None  # where distributed is loaded, exceptions of other arguments can be sent


class Own(Resistor):
    """Raises, sleeps or kills its process, as its resistance says."""

    name = "own"

    def current(self, v, s):
        if isinstance(v, np.ndarray) and v.size > 10:
            if self.Ron == 1001.0:
                raise Unpicklable("one", "other")
            if self.Ron == 1002.0:
                os.kill(os.getpid(), signal.SIGKILL)
            if self.Ron == 1003.0:
                time.sleep(0.3)
            if self.Ron == 1004.0:
                time.sleep(60.0)
        return super().current(v, s)


@pytest.fixture
def own():
    """Testbenches of a device of one's own."""
    sc.register_device(Own)
    yield lambda *values: [bench(device={"model": "own", "parameters": {"Ron": ron, "Roff": 1e4}}) for ron in values]
    del MODELS._members["own"]


@BOTH
def test_errors_that_no_process_can_send_are_told(own, workers):
    with pytest.raises(ManyRunsError) as caught:
        sc.simulate_many(own(1e3, 1001.0, 1e3), workers=workers)
    assert list(caught.value.errors) == [1]
    assert isinstance(caught.value.errors[1], SimulationError)
    assert "Unpicklable: one other" in str(caught.value)


@pytest.mark.skipif(not forked.CAN_FORK, reason="runs in this process")
def test_a_process_that_dies_costs_its_own_run_alone(own):
    benches = own(1002.0, 1e3, 1002.0, 1e3, 1e3, 2e3)
    with pytest.raises(ManyRunsError, match="status -9") as caught:
        sc.simulate_many(benches, workers=2)
    assert {index: type(each) for index, each in caught.value.errors.items()} == dict.fromkeys([0, 2], WorkerCrashError)
    xr.testing.assert_identical(caught.value.results[5], sc.simulate(benches[5], engine="reference"))


@BOTH
def test_a_time_limit_keeps_what_is_done(own, workers):
    benches = own(1e3, 1e3, *[1003.0] * 20)
    with pytest.raises(ManyRunsError, match="time limit of 1 s") as caught:
        sc.simulate_many(benches, workers=workers, time_limit=1.0)
    kinds = [type(each) for each in caught.value.results]
    assert kinds[:2] == [xr.Dataset] * 2
    assert kinds[-1] is TimeLimitError


@pytest.mark.skipif(not forked.CAN_FORK, reason="runs in this process")
def test_of_those_that_run_together_only_the_one_that_dies_is_lost(own, monkeypatch):
    monkeypatch.setattr(many, "_LEAST_GROUPS", 1)
    benches = own(1e3, 1002.0, 2e3, 1e3, 3e3, 4e3)
    assert many._groups(benches, None, 2) == [range(3), range(3, 6)]
    with pytest.raises(ManyRunsError, match="status -9") as caught:
        sc.simulate_many(benches, workers=2)
    assert {index: type(each) for index, each in caught.value.errors.items()} == {1: WorkerCrashError}


@pytest.mark.skipif(not forked.CAN_FORK, reason="runs in this process")
def test_a_time_limit_ends_what_does_not_look_at_the_time(own):
    benches = own(1e3, 1004.0, 1004.0, 1e3)
    # long enough for the first to end on a busy machine
    with pytest.raises(ManyRunsError, match=r"time limit of 2 s") as caught:
        sc.simulate_many(benches, workers=2, time_limit=2)
    kinds = {index: type(each) for index, each in caught.value.errors.items()}
    assert kinds == dict.fromkeys([1, 2, 3], TimeLimitError)
    assert not multiprocessing.active_children()


@pytest.mark.skipif(not forked.CAN_FORK, reason="runs in this process")
def test_processes_end_with_their_parent():
    code = (
        "import os, time\nfrom spicecim.forked import run_forked\n"
        "def job(index):\n    os.write(1, b'%d\\n' % os.getpid())\n    time.sleep(0.5)\n"
        "for _ in run_forked(job, range(100), 2): pass\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    with parent.stdout:
        children = [int(parent.stdout.readline()) for _ in range(2)]
    parent.kill()
    parent.wait()
    assert becomes(lambda: not any(map(alive, children)))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_interrupt_ends_all_processes(workers):
    code = (
        "import sys, signal, multiprocessing, spicecim as sc\n"
        "bench = sc.Testbench(device={'model': 'yakopcic', 'preset': 'oblea'},\n"
        "    crossbar={'state': [[0.3] * 60] * 60, 'wire_row': 1, 'wire_column': 1},\n"
        "    drive={'kind': 'sine', 'amplitude': 0.45, 'frequency': 100}, analysis={'periods': 1000})\n"
        "print('ready', flush=True)\n"
        f"try: sc.simulate_many([bench] * 4, workers={workers})\n"
        "except KeyboardInterrupt: print('interrupted', len(multiprocessing.active_children()))\n"
    )
    reset = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    child = subprocess.Popen([sys.executable, "-c", reset + code], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "ready\n"
    time.sleep(2.0)
    child.send_signal(signal.SIGINT)
    said, _ = child.communicate(timeout=60)
    assert said == "interrupted 0\n"


@BOTH
def test_each_kind_of_warning_is_given_once(workers):
    device = {"model": "resistor", "parameters": {"Ron": 1.0, "Roff": 2.0}}
    drives = [{"kind": "sine", "amplitude": volts, "frequency": 100} for volts in (0.01, 1.0, 2.0)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sc.simulate_many([bench(device=device, drive=drive) for drive in drives], workers=workers)
    (warning,) = caught
    assert warning.category is CurrentWarning
    assert str(warning.message).startswith("testbench 1: a cell carries")
    assert str(warning.message).endswith("(1 other testbenches warn alike)")
    assert warning.filename == __file__


def test_nothing_is_no_input():
    assert sc.simulate_many([]) == []


@pytest.mark.parametrize("benches", [[1], [{"device": 1}], "text"])
def test_what_is_no_testbench_is_refused(benches):
    with pytest.raises(InputError, match="testbenches: number 0 is no Testbench"):
        sc.simulate_many(benches)


@pytest.mark.parametrize("workers", [0, -1, True, 1.5, "2"])
def test_unusable_numbers_of_workers_are_refused(workers):
    with pytest.raises(InputError, match="workers"):
        sc.simulate_many(draws(1, seed=5), workers=workers)


@BOTH
def test_progress_is_told(workers):
    told = []
    sc.simulate_many(draws(4, seed=6), progress=told.append, workers=workers)
    assert told == [0.25, 0.5, 0.75, 1.0]


def test_without_a_fork_all_run_here(monkeypatch):
    monkeypatch.setattr(many, "CAN_FORK", False)
    monkeypatch.setattr(many, "run_forked", None)
    assert len(sc.simulate_many(draws(2, seed=7), workers=2)) == 2


def test_devices_that_move_alike_share_tables():
    def table(**parameters):
        return flows(make_device("yakopcic", "oblea", parameters))

    assert table(Vp=0.17, a1=0.2) is table(Vp=0.18, Ap=3000)
    assert table(alphap=1.5) is not table(alphap=1.6)
    assert table(xp=0.31) is not table(xp=0.32)
