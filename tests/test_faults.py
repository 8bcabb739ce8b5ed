"""What can go wrong in ngspice becomes a typed error that keeps netlist and log, and the next run works."""

import os
import pickle
import signal
import threading
import time
from dataclasses import replace

import pytest
from processes import alive

from spicecim import errors
from spicecim.engines import simulate
from spicecim.ngspice.client import Worker, shared_worker
from spicecim.ngspice.engine import simulate_ngspice
from spicecim.ngspice.run import run_netlist

pytestmark = pytest.mark.ngspice


LONG = """* a transient that would run for hours
V1 1 0 SIN(0 1 1meg)
R1 1 0 1k
.tran 1n 1000 0 1n
.end
"""
NO_SOLUTION = """* no current satisfies both sources
V1 1 0 1
V2 1 0 2
R1 1 0 1
.tran 1u 1m
.end
"""
SYNTAX_ERROR = """* a model with a syntax error
V1 1 0 1
B1 1 0 I = v(1)*(1 +*
.tran 1u 1m
.end
"""
UNKNOWN_SUBCIRCUIT = """* an instance of nothing
V1 1 0 1
X1 1 0 nothing
.tran 1u 1m
.end
"""
QUITS = """* ends the process that it runs in
V1 1 0 1
R1 1 0 1
.control
quit 7
.endc
.tran 1u 1m
.end
"""


@pytest.fixture
def worker():
    """A worker of the test's own."""
    worker = Worker()
    yield worker
    worker.close()


def assert_kept(error, netlist):
    assert (error.folder / "netlist.cir").read_text() == netlist
    assert (error.folder / "ngspice.log").exists()
    assert str(error.folder) in str(error)


@pytest.mark.parametrize(
    ("netlist", "kind"),
    [
        (SYNTAX_ERROR, errors.NetlistError),
        (UNKNOWN_SUBCIRCUIT, errors.NetlistError),
        (NO_SOLUTION, errors.ConvergenceError),
        (QUITS, errors.WorkerCrashError),
    ],
    ids=["syntax error", "unknown subcircuit", "no solution", "quit"],
)
def test_a_bad_netlist_is_a_typed_error_and_the_next_run_works(worker, make_bench, netlist, kind):
    with pytest.raises(kind) as caught:
        run_netlist(netlist, ["time"], time_limit=20, worker=worker)
    assert_kept(caught.value, netlist)
    assert simulate_ngspice(make_bench(), worker=worker)["time"][0] == 0


def test_a_transient_that_dies_on_the_way_is_no_result(make_bench, worker, monkeypatch):
    """The engine's own check: whatever ngspice says, the stop time must have been reached."""
    from spicecim.ngspice import engine

    bench = make_bench()
    netlist = engine.crossbar_netlist(bench, native=False)
    # beyond 2 ms this current has no value
    dies = "Bdies 0 dies I = sqrt(0.002 - time)\nRdies dies 0 1\n"
    broken = netlist.text.replace("* row drivers", dies + "* row drivers")
    monkeypatch.setattr(engine, "crossbar_netlist", lambda *_, **__: replace(netlist, text=broken))
    with pytest.raises(errors.ConvergenceError, match=r"gave up at 0\.002 s of 0\.01 s") as caught:
        simulate_ngspice(bench, time_limit=20, worker=worker)
    assert_kept(caught.value, broken)
    monkeypatch.undo()
    simulate_ngspice(bench, worker=worker)


def test_a_missing_vector_is_no_result(make_bench, worker, monkeypatch):
    from spicecim.ngspice import engine

    bench = make_bench()
    netlist = engine.crossbar_netlist(bench, native=False)
    vectors = {**netlist.vectors, "i_column": ["i(vsense_0)", "i(vsense_9)"]}
    monkeypatch.setattr(engine, "crossbar_netlist", lambda *_, **__: replace(netlist, vectors=vectors))
    with pytest.raises(errors.IncompleteResultError, match="vsense_9"):
        simulate_ngspice(bench, worker=worker)


DIVIDES = """* ngspice takes 1/0 for 1e32
V1 1 0 1
B1 1 0 I = 1/(v(1) - 1)
.tran 1u 1m
.end
"""
TOO_SMALL = """* ngspice takes no resistance below 1e-12 ohm
I1 0 1 1
R1 1 0 {r}
.tran 1u 1m
.end
"""


def test_a_division_by_zero_is_no_result(worker):
    with pytest.raises(errors.IncompleteResultError, match=r"values beyond 1e\+30 in i\(v1\): .* divides by zero"):
        run_netlist(DIVIDES, ["time", "i(v1)"], time_limit=60, worker=worker)


@pytest.mark.parametrize("r", ["0", "1e-13"])
def test_a_resistance_that_ngspice_replaces_is_an_error(worker, r):
    with pytest.raises(errors.NetlistError, match=r"ngspice replaces a value .* resistor r1 is too small"):
        run_netlist(TOO_SMALL.format(r=r), ["time"], time_limit=60, worker=worker)
    assert run_netlist(TOO_SMALL.format(r="1e-12"), ["time"], time_limit=60, worker=worker)


def test_a_run_that_would_take_hours_ends_at_its_time_limit(worker, make_bench):
    worker.capabilities()
    started = time.monotonic()
    with pytest.raises(errors.TimeLimitError, match=r"2 s \(ngspice was at \d+\.\d% of the run\)") as caught:
        run_netlist(LONG, ["time"], time_limit=2, worker=worker)
    assert time.monotonic() - started < 4
    assert_kept(caught.value, LONG)
    assert simulate_ngspice(make_bench(), worker=worker)["time"][0] == 0


def test_a_worker_killed_in_the_middle_of_a_run_is_a_typed_error(worker, make_bench):
    worker.capabilities()
    process = worker._process.pid
    threading.Timer(0.5, os.kill, (process, signal.SIGKILL)).start()
    with pytest.raises(errors.WorkerCrashError, match="SIGKILL") as caught:
        run_netlist(LONG, ["time"], time_limit=30, worker=worker)
    assert_kept(caught.value, LONG)
    assert simulate_ngspice(make_bench(), worker=worker)["time"][0] == 0


def test_a_worker_killed_between_two_runs_is_replaced(worker, make_bench):
    simulate_ngspice(make_bench(), worker=worker)
    os.kill(worker._process.pid, signal.SIGKILL)
    time.sleep(0.2)
    assert simulate_ngspice(make_bench(), worker=worker)["time"][0] == 0


def test_a_missing_library_is_a_typed_error(monkeypatch, tmp_path, make_bench):
    monkeypatch.setenv("NGSPICE_LIBRARY_PATH", str(tmp_path / "libngspice.so"))
    with pytest.raises(errors.NgspiceNotFoundError, match="does not exist"):
        simulate(make_bench(), "ngspice")
    (tmp_path / "libngspice.so").write_bytes(b"no library")
    with pytest.raises(errors.NgspiceNotFoundError, match="cannot be loaded"):
        simulate(make_bench(), "ngspice")
    monkeypatch.undo()
    assert simulate(make_bench(), "ngspice")["time"][0] == 0


@pytest.mark.parametrize("time_limit", [0, -1, float("nan"), float("inf"), 1e10, "soon"])
def test_an_unusable_time_limit_is_bad_input(make_bench, time_limit):
    with pytest.raises(errors.InputError, match="time_limit: "):
        simulate(make_bench(), "ngspice", time_limit=time_limit)


def test_a_library_that_is_not_ngspice_is_a_typed_error(monkeypatch, make_bench):
    import _ctypes

    monkeypatch.setenv("NGSPICE_LIBRARY_PATH", _ctypes.__file__)
    with pytest.raises(errors.NgspiceNotFoundError, match="cannot be loaded"):
        simulate(make_bench(), "ngspice")


def test_a_progress_callback_cannot_simulate(make_bench, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    bench = make_bench(analysis={"points_per_period": 20_000})
    with pytest.raises(errors.InputError, match="progress"):
        simulate(bench, "ngspice", progress=lambda fraction: simulate(make_bench(), "ngspice"))
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    assert simulate(make_bench(), "ngspice")["time"][0] == 0


def test_an_error_of_the_progress_callback_is_its_own(make_bench):
    def refuse(fraction):
        raise BrokenPipeError("the terminal is gone")

    with pytest.raises(BrokenPipeError, match="the terminal is gone"):
        simulate(make_bench(analysis={"points_per_period": 20_000}), "ngspice", progress=refuse)
    assert simulate(make_bench(), "ngspice")["time"][0] == 0


def test_the_log_shown_says_more_than_where_the_run_was(worker):
    with pytest.raises(errors.TimeLimitError) as caught:
        run_netlist(LONG, ["time"], time_limit=1, worker=worker)
    assert "Reference value" not in caught.value.log


def test_ngspice_ends_with_the_process_that_asked(tmp_path):
    """A parent that is killed cannot stop its worker; the worker notices."""
    import subprocess
    import sys

    (tmp_path / "long.cir").write_text(LONG)
    script = (
        "from spicecim.ngspice.client import shared_worker as w; from spicecim.ngspice.run import run_netlist\n"
        "w().capabilities(); print(w()._process.pid, flush=True); run_netlist(open('long.cir').read(), ['time'])"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    worker_process = int(parent.stdout.readline())
    time.sleep(0.5)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for _ in range(100):
        if not alive(worker_process):
            return
        time.sleep(0.1)
    os.kill(worker_process, signal.SIGKILL)
    pytest.fail("the worker outlived its parent by ten seconds")


def test_a_fork_while_a_thread_simulates_can_simulate(tmp_path):
    import subprocess
    import sys

    script = tmp_path / "fork.py"
    script.write_text(
        "import os, threading, time, spicecim as sc\n"
        "bench = lambda n: sc.Testbench(device={'model': 'yakopcic'}, crossbar={'state': [[0.5]]},\n"
        "    drive={'kind': 'sine', 'amplitude': 0.3, 'frequency': 100}, analysis={'points_per_period': n})\n"
        "sc.simulate(bench(50))  # a fork while a thread imports modules would hang in the child, whatever it runs\n"
        "threading.Thread(target=sc.simulate, args=(bench(200_000),), daemon=True).start()\n"
        "time.sleep(0.6)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(0 if sc.simulate(bench(50)).sizes['column'] == 1 else 1)\n"
        "print(os.waitpid(child, 0)[1])\n"
    )
    run = subprocess.run(
        [sys.executable, "-W", "ignore", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.stdout.strip() == "0", run.stderr


def test_an_interrupt_stops_the_run(worker, make_bench, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    worker.capabilities()
    # Python loses an interrupt that comes while it runs a callback of the garbage collector: then the next one counts.
    timers = [threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT)) for delay in (0.5, 8.0, 16.0)]
    for timer in timers:
        timer.start()
    with pytest.raises(KeyboardInterrupt, match="ngspice was at"):
        run_netlist(LONG, ["time"], time_limit=30, worker=worker)
    for timer in timers:
        timer.cancel()
    assert list(tmp_path.iterdir()) == []
    assert simulate_ngspice(make_bench(), worker=worker)["time"][0] == 0


def test_threads_share_the_worker(make_bench):
    results = []
    threads = [threading.Thread(target=lambda: results.append(simulate(make_bench(), "ngspice"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all(result.identical(results[0]) for result in results)


def test_a_script_without_a_main_guard_can_simulate(tmp_path):
    """The worker is no fork or spawn of the caller's main module."""
    import subprocess
    import sys

    script = tmp_path / "script.py"
    script.write_text(
        "import spicecim as sc\n"
        "bench = sc.Testbench(device={'model': 'yakopcic'}, crossbar={'state': [[0.5]]},\n"
        "                     drive={'kind': 'sine', 'amplitude': 0.3, 'frequency': 100})\n"
        "print(sc.simulate(bench).sizes['column'])\n"
    )
    (tmp_path / "numpy.py").write_text("raise RuntimeError('a file beside the script passes for numpy')\n")
    run = subprocess.run(
        [sys.executable, "-P", script] if sys.version_info >= (3, 11) else [sys.executable, "-I", script],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert run.stdout.strip() == "1", run.stderr


@pytest.mark.parametrize(
    "error",
    [
        errors.TestbenchError([errors.Problem("a.b", "3", "is wrong")], "bench.yaml"),
        errors.ConvergenceError("no", None, "log"),
    ],
)
def test_errors_survive_pickling(error):
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert type(again) is type(error)


def test_all_errors_are_in_one_tree():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    kinds = [kind for kind in kinds if not issubclass(kind, Warning)]
    assert all(issubclass(kind, errors.SpiceCimError) for kind in kinds)
    branches = (errors.InputError, errors.SimulationError)
    assert all(issubclass(kind, branches) for kind in kinds if kind is not errors.SpiceCimError)


def test_the_shared_worker_is_one():
    assert shared_worker() is shared_worker()
