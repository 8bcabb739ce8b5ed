"""Sweeps on a Dask cluster: a local one, and separate processes that stand in for machines."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from sweeping import kill_worker, ohmic, slow_peak

import spicecim as sc
from spicecim.errors import FailedRunsWarning, InputError, UnsupportedError, WorkerCrashError
from spicecim.sweeps import cluster
from spicecim.sweeps.store import Store

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::spicecim.errors.AccuracyWarning"),
    # of Dask's own sockets and event loops, where processes of it were killed
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SLOW = {"samples": 24, "vary": {"Ron": {"normal": 0.1}}, "measures": {"peak": slow_peak}, "batch": 3}
COMMAND = "import sys; from distributed.cli.dask_{0} import main; main(sys.argv[1:], standalone_mode=False)"


def start(kind, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "DASK_LOGGING__DISTRIBUTED": "critical"}
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", COMMAND.format(kind), *arguments], env=environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextlib.contextmanager
def processes():
    started = []
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait()


def scheduler_and_workers(started, workers=2):
    address = f"tcp://127.0.0.1:{free_port()}"
    started.append(start("scheduler", "--host", address, "--no-dashboard", "--no-show"))
    started += [worker(address) for _ in range(workers)]
    wait_for_workers(address, workers)
    return address


def worker(address):
    return start("worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny", "--death-timeout", "60")


def wait_for_workers(address, count):
    import distributed

    with distributed.Client(address, timeout=60, set_as_default=False) as client:
        client.wait_for_workers(count, timeout=60)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    return sc.sweep(ohmic(), store=folder, executor="serial", **SLOW).load()


def check(folder, undisturbed):
    found = sc.open_sweep(folder)
    np.testing.assert_array_equal(found["peak"], undisturbed["peak"])
    assert Store(folder).counts().finished == 24


def test_a_local_cluster_by_its_client(tmp_path, undisturbed):
    import distributed

    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as local,
        distributed.Client(local, set_as_default=False) as client,
    ):
        sc.sweep(ohmic(), store=tmp_path, executor=client, **SLOW)
    check(tmp_path, undisturbed)


def test_lost_workers_and_a_lost_scheduler(tmp_path, undisturbed, monkeypatch):
    """A worker is killed, and another comes; then the scheduler is killed, and the sweep goes on with a new one."""
    with processes() as started:
        address = scheduler_and_workers(started)
        done = []

        def progress(state):
            done.append(state.done)
            if state.done >= 3 and len(started) == 3:
                started[1].send_signal(signal.SIGKILL)
                started.append(worker(address))
            if state.done >= 15 and started[0].poll() is None:
                started[0].send_signal(signal.SIGKILL)

        with pytest.raises(WorkerCrashError, match="the Dask scheduler is gone"):
            sc.sweep(ohmic(), store=tmp_path, executor=address, progress=progress, **SLOW)
        found = Store(tmp_path).counts()
        assert 15 <= found.done < 24
        assert found.claimed == 0
        monkeypatch.setattr(cluster, "_CONNECT", 1.0)
        with pytest.raises(InputError, match="no Dask scheduler answers"):
            sc.sweep(ohmic(), store=tmp_path, executor=address, **SLOW)
    monkeypatch.setattr(cluster, "_CONNECT", 20.0)
    with processes() as started:
        sc.sweep(ohmic(), store=tmp_path, executor=scheduler_and_workers(started, 1), **SLOW)
    check(tmp_path, undisturbed)


def test_a_run_that_kills_every_worker_is_a_row(tmp_path):
    with processes() as started:
        address = scheduler_and_workers(started, 1)
        over = threading.Event()

        def replace():
            while not over.is_set():
                started[:] = [started[0], *(each for each in started[1:] if each.poll() is None)]
                while len(started) < 2:
                    started.append(worker(address))
                time.sleep(0.05)

        thread = threading.Thread(target=replace, daemon=True)
        thread.start()
        try:
            with pytest.warns(FailedRunsWarning, match="1 of 2 runs failed; number 1: WorkerCrashError"):
                sc.sweep(
                    ohmic(), {"drive.amplitude": [0.1, 0.5]}, store=tmp_path, executor=address,
                    measures={"volts": kill_worker},
                )  # fmt: skip
        finally:
            over.set()
            thread.join()


def test_versions_are_compared():
    wanted = {**cluster.versions(), "spicecim": "0.0.1"}
    with pytest.raises(UnsupportedError, match=r"spicecim .*, not 0\.0\.1"):
        cluster.remote_batch(None, [], wanted)
