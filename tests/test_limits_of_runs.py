"""Time limits hold for every step, interrupts are obeyed at once, and nothing stays of what was ended."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from processes import alive, becomes

from spicecim import errors
from spicecim.children import child_environment, run_program
from spicecim.deadline import Deadline, check_deadline, compile_step, current_deadline, run_within
from spicecim.engines import simulate
from spicecim.ngspice.client import Worker, shared_worker
from spicecim.ngspice.engine import simulate_ngspice
from spicecim.ngspice.run import run_netlist
from spicecim.veriloga import compiler

pytestmark = pytest.mark.ngspice


LONG = "* hours\nV1 1 0 SIN(0 1 1meg)\nR1 1 0 1k\n.tran 1n 100m 0 1n\n.end\n"
PRELUDE = (
    "import os, signal, sys, threading, time, spicecim as sc\n"
    "from spicecim.ngspice.run import run_netlist\n"
    f"LONG = {LONG!r}\n"
    "bench = sc.Testbench(device={'model': 'yakopcic', 'backend': BACKEND}, crossbar={'state': [[0.5]]},\n"
    "    drive={'kind': 'sine', 'amplitude': 0.3, 'frequency': 100}, analysis={'points_per_period': 20})\n"
)


def start(code, folder, backend="behavioral", **environment):
    """Start Python code with its temporary files in a folder."""
    given = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), "TMPDIR": str(folder), **environment}
    return subprocess.Popen(
        [sys.executable, "-c", PRELUDE.replace("BACKEND", repr(backend)) + code],
        cwd=folder, env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.fixture
def worker():
    """A worker of the test's own."""
    worker = Worker()
    yield worker
    worker.close()


@pytest.fixture
def slow_compiler(tmp_path, monkeypatch):
    """A C compiler that never ends, and leaves its number in a file; nothing is remembered of another."""

    def forget():
        for function in (compiler.c_compiler, compiler.compiler_version, compiler.compiler_problem):
            function.cache_clear()

    script = tmp_path / "slow compiler"
    script.write_text(f"#!/bin/sh\nsleep 1000 &\necho $! > '{tmp_path}/sleeper'\nwait\n")
    script.chmod(0o755)
    forget()
    monkeypatch.setenv("CC", f"'{script}'")
    monkeypatch.setenv("SPICECIM_CACHE", str(tmp_path / "cache"))
    yield lambda: int((tmp_path / "sleeper").read_text())
    monkeypatch.undo()
    forget()


def test_a_deadline_is_the_earlier_of_two():
    assert current_deadline() is None
    with run_within(100):
        outer = current_deadline()
        with run_within("1ms"):
            time.sleep(0.002)
            with pytest.raises(errors.TimeLimitError, match=r"the run was stopped .* limit of 0.001 s; time_limit"):
                check_deadline()
        with run_within(1000), run_within(None):
            assert current_deadline() is outer
        with compile_step("a step") as step:
            assert step is outer
    with compile_step("a step") as step:
        assert step.what == "a step"
    assert current_deadline() is None


@pytest.mark.parametrize("given", ["0", "-1", "soon", "nan", "1e9"])
def test_an_unusable_limit_of_the_compiler_is_bad_input(monkeypatch, given):
    monkeypatch.setenv("SPICECIM_COMPILE_TIME_LIMIT", given)
    with pytest.raises(errors.InputError, match="SPICECIM_COMPILE_TIME_LIMIT: "), compile_step("a step"):
        pass


def test_waiting_for_another_thread_counts(worker):
    worker.capabilities()
    stop = threading.Event()

    def other():
        with contextlib.suppress(errors.SimulationError):
            run_netlist(LONG, ["time"], worker=worker, progress=lambda fraction: stop.set(), time_limit=30)

    thread = threading.Thread(target=other)
    thread.start()
    assert stop.wait(60)
    with pytest.raises(errors.TimeLimitError, match="busy with the run of another thread"):
        run_netlist(LONG, ["time"], worker=worker, time_limit=0.2)
    worker._process.kill()
    thread.join()


@pytest.mark.compiler
def test_a_slow_compiler_is_an_error_and_nothing_else_runs(make_bench, slow_compiler):
    shared_worker().capabilities()
    device = {"model": "yakopcic", "preset": "oblea"}  # its backend is auto
    with pytest.raises(errors.TimeLimitError, match=r"the run was stopped at its time limit of 2 s"):
        simulate(make_bench(device=device), time_limit=2)
    assert becomes(lambda: not alive(slow_compiler()))


@pytest.mark.compiler
def test_the_limit_of_the_compiler_is_said_and_can_be_set(make_bench, slow_compiler, monkeypatch):
    monkeypatch.setenv("SPICECIM_COMPILE_TIME_LIMIT", "300ms")
    with pytest.raises(errors.TimeLimitError, match=r"C compiler .* of 0.3 s; .*SPICECIM_COMPILE_TIME_LIMIT sets"):
        simulate(make_bench(), time_limit=100)


@pytest.mark.compiler
def test_a_slow_front_end_is_an_error(tmp_path, monkeypatch):
    from spicecim.veriloga import frontend

    monkeypatch.setenv("SPICECIM_COMPILE_TIME_LIMIT", "300ms")
    monkeypatch.setenv("SPICECIM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(frontend, "python_command", lambda *_: [sys.executable, "-c", "import time; time.sleep(100)"])
    file = tmp_path / "r.va"
    file.write_text('`include "disciplines.vams"\nmodule r(p, n); inout p, n; electrical p, n;\n'
                    "analog I(p, n) <+ V(p, n); endmodule\n")  # fmt: skip
    with pytest.raises(errors.TimeLimitError, match=r"OpenVAF was stopped at its time limit of 0.3 s"):
        compiler.compile_verilog_a(file)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "r.va"]


@pytest.mark.parametrize("what", ["lock", "compiler"])
def test_an_interrupt_while_waiting_is_obeyed_at_once(tmp_path, what):
    sleeper = tmp_path / "slow.sh"
    sleeper.write_text(f"#!/bin/sh\necho > '{tmp_path}/waits'\nsleep 1000\n")
    sleeper.chmod(0o755)
    lock = (
        "threading.Thread(target=run_netlist, args=(LONG, ['time']), daemon=True, kwargs={'progress':\n"
        "    lambda fraction: open('waits', 'w').close()}).start()\n"
        "end = time.monotonic() + 60\n"
        "while not os.path.exists('waits') and time.monotonic() < end: time.sleep(0.05)\n"
    )
    code = f"{lock if what == 'lock' else ''}try: sc.simulate(bench)\nexcept KeyboardInterrupt: print('interrupted')\n"
    environment = {"CC": str(sleeper), "SPICECIM_CACHE": str(tmp_path / "cache")}
    process = start(code, tmp_path, "osdi", **environment)
    assert becomes(lambda: (tmp_path / "waits").exists())
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert said == "interrupted\n"
    left = [path.name for path in tmp_path.iterdir() if path.name.startswith("spicecim-")]
    assert left == []


def test_a_halted_worker_ends_by_the_limit(worker, make_bench):
    """Also where it is halted before it takes the request, with more vectors than a socket holds."""
    worker.capabilities()
    process = worker._process.pid
    os.kill(process, signal.SIGSTOP)
    names = [f"v(n{i:0100d})" for i in range(20_000)]
    with pytest.raises(errors.TimeLimitError):
        run_netlist(LONG, names, time_limit=0.5, worker=worker)
    assert not Path(f"/proc/{process}").exists()
    assert simulate_ngspice(make_bench(), worker=worker)["time"][0] == 0


def test_the_interpreter_leaves_while_a_daemon_thread_simulates(tmp_path):
    code = (
        "runs = threading.Event()\n"
        "threading.Thread(target=run_netlist, args=(LONG, ['time']), daemon=True,\n"
        "    kwargs={'progress': lambda fraction: runs.set()}).start()\n"
        "runs.wait(60); print('leaves')\n"
    )
    process = start(code, tmp_path)
    said, complaints = process.communicate(timeout=60)
    assert (process.returncode, said, complaints) == (0, "leaves\n", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("signal_", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_process_leaves_nothing(tmp_path, signal_):
    code = (
        "from spicecim.ngspice.client import shared_worker as w; w().capabilities(); print(w()._process.pid)\n"
        "sys.stdout.flush(); run_netlist(LONG, ['time'], progress=lambda fraction: open('runs', 'w').close())\n"
    )
    process = start(code, tmp_path)
    child = int(process.stdout.readline())
    assert becomes((tmp_path / "runs").exists)
    process.send_signal(signal_)
    process.communicate(timeout=60)
    assert process.returncode == -signal_
    assert becomes(lambda: not alive(child))
    assert becomes(lambda: [path.name for path in tmp_path.iterdir()] == ["runs"])


def test_a_process_that_was_killed_in_a_run_is_no_zombie(worker):
    worker.capabilities()
    process = worker._process.pid
    threading.Timer(0.2, os.kill, (process, signal.SIGKILL)).start()
    with pytest.raises(errors.WorkerCrashError, match="SIGKILL"):
        run_netlist(LONG, ["time"], time_limit=30, worker=worker)
    assert not Path(f"/proc/{process}").exists()


@pytest.mark.slow
def test_closed_standard_descriptors(tmp_path):
    command = "0<&- 1>&- 2>&-"
    script = tmp_path / "script.py"
    script.write_text(
        PRELUDE.replace("BACKEND", "'osdi'") + "open('result', 'w').write(str(sc.simulate(bench).sizes['row']))\n"
    )
    (tmp_path / "bench.yaml").write_text(
        "device: {model: yakopcic}\ncrossbar: {state: [[0.5]]}\ndrive: {kind: sine, amplitude: 0.3, frequency: 100}\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    subprocess.run(
        ["sh", "-c", f'"$0" script.py {command}', sys.executable], cwd=tmp_path, env=environment, timeout=60, check=True
    )
    assert (tmp_path / "result").read_text() == "1"
    command_line = f'"$0" -m spicecim netlist bench.yaml -o n.cir {command}'
    subprocess.run(["sh", "-c", command_line, sys.executable], cwd=tmp_path, env=environment, timeout=60, check=True)
    assert ".tran" in (tmp_path / "n.cir").read_text()


def test_what_a_program_started_ends_with_it(tmp_path):
    deadline = Deadline("the program", 0.3, "nothing helps", time.monotonic() + 0.3)
    command = ["sh", "-c", "sleep 1000 & echo $! > sleeper; wait"]
    with pytest.raises(errors.TimeLimitError, match=r"the program was stopped at its time limit of 0\.3 s; nothing"):
        run_program(command, deadline, tmp_path, child_environment(tmp_path) | {"PATH": os.environ["PATH"]})
    assert becomes(lambda: not alive(int((tmp_path / "sleeper").read_text())))


@pytest.mark.compiler
def test_a_compiler_that_is_no_command_line_is_a_typed_error(make_bench, monkeypatch):
    compiler.c_compiler.cache_clear()
    compiler.compiler_problem.cache_clear()
    monkeypatch.setenv("CC", "gcc 'unbalanced")
    with pytest.raises(errors.InputError, match=r"CC: is no command line: No closing quotation \(given: gcc 'unb"):
        simulate(make_bench(), time_limit=60)
    from spicecim.doctor import examine

    (finding,) = (finding for finding in examine() if finding.name == "C compiler")
    assert (finding.status, finding.found) == ("optional", "not usable")
    monkeypatch.undo()
    compiler.c_compiler.cache_clear()


def test_out_of_memory_is_said(tmp_path):
    """With as much address space as ngspice needs to start, and a transient that needs more."""
    code = (
        "import resource; from spicecim.ngspice.client import shared_worker as w; w().capabilities()\n"
        "used = int(open(f'/proc/{w()._process.pid}/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.prlimit(w()._process.pid, resource.RLIMIT_AS, (used + 50_000_000,) * 2)\n"
        "try: run_netlist(LONG, ['time'], time_limit=60)\n"
        "except sc.errors.WorkerCrashError as error: print(error.message)\n"
    )
    said, complaints = start(code, tmp_path).communicate(timeout=90)
    assert said == "ngspice ran out of memory\n", complaints


def test_a_command_that_is_ended_leaves_nothing(tmp_path):
    (tmp_path / "bench.yaml").write_text(
        "device: {model: yakopcic, backend: behavioral}\ncrossbar: {state: [[0.5]]}\n"
        "drive: {kind: sine, amplitude: 0.3, frequency: 100}\nanalysis: {points_per_period: 1000000, periods: 100}\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "spicecim", "run", "--engine", "ngspice", "bench.yaml", "-o", "out", "--json"],
        cwd=tmp_path, env=environment,
    )  # fmt: skip
    assert becomes(lambda: list(tmp_path.glob("spicecim-*/run-*/ngspice.log")))
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 128 + signal.SIGTERM
    assert list(tmp_path.glob("spicecim-*")) == []
