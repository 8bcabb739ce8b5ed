"""The store of a sweep: whatever ends or damages it, nothing finished is lost, and nothing is done twice."""

import contextlib
import errno
import json
import multiprocessing
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from command import spicecim
from processes import alive, becomes
from sweeping import QUIET, ohmic, peak, refuse_large, slow_peak

import spicecim as sc
from spicecim.cli import main
from spicecim.errors import FailedRunsWarning, InputError, NotFiniteWarning, ResultsError, StoreError
from spicecim.sweeps import retry_sweep, run, sessions
from spicecim.sweeps import store as stores
from spicecim.sweeps.file import read_plan
from spicecim.sweeps.recipes import make_bench
from spicecim.sweeps.repair import repair_sweep
from spicecim.sweeps.store import TABLE, Counts, Store

pytestmark = pytest.mark.filterwarnings("ignore::spicecim.errors.AccuracyWarning")

AXES = {"drive.amplitude": [0.1, 0.2, 0.3]}
SLOW = {"samples": 16, "vary": {"Ron": {"normal": 0.1}}, "measures": {"peak": slow_peak}}


def same(one, other):
    """The same values to the last bit, and every run done."""
    xr.testing.assert_identical(one[["peak", "key", "status"]].load(), other[["peak", "key", "status"]].load())
    assert (one["status"] == "done").all()


def counts(folder):
    return Store(folder).counts()


def begun(folder):
    """The counts of a store that another process makes; of none yet, those of nothing."""
    try:
        return counts(folder)
    except StoreError as error:
        if "holds no sweep" not in str(error):
            raise
        return Counts(0, 0, 0, 0, 0, 0, 0)


def in_fork(function, *arguments):
    """Start a function in a fork of this process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        process = multiprocessing.get_context("fork").Process(target=function, args=arguments)
        process.start()
    return process


def fill(folder, workers):
    os.setpgrp()
    sc.sweep(
        ohmic(), AXES, store=folder, workers=workers or None, executor=None if workers else "serial", batch=3, **SLOW
    )


def children_of(process):
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process)], capture_output=True, text=True, check=False)
    return [int(pid) for pid in found.stdout.split()]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What the sweeps of this file give if nothing happens to them."""
    return sc.sweep(ohmic(), AXES, store=tmp_path_factory.mktemp("undisturbed"), executor="serial", **SLOW).load()


def kill_at_random(folder, wanted, kills, seed):
    """Kill a sweep, or one of its workers, again and again, until it is done; return how often each was."""
    choice = random.Random(seed)
    done = {"parent": 0, "worker": 0}
    while sum(done.values()) < kills or begun(folder).done < wanted:
        process = in_fork(fill, folder, 2)
        time.sleep(choice.uniform(0.02, 0.4))
        if choice.random() < 0.3 and children_of(process.pid):
            with_pid = choice.choice(children_of(process.pid))
            os.kill(with_pid, signal.SIGKILL)
            done["worker"] += 1
            time.sleep(choice.uniform(0.0, 0.2))
        if process.is_alive():
            done["parent"] += 1
        process.kill()
        process.join()
    return done


def check_after_kills(folder, undisturbed):
    found = sc.sweep(ohmic(), AXES, store=folder, executor="serial", **SLOW)
    same(found, undisturbed)
    assert counts(folder).finished == undisturbed["peak"].isel(column=0).size


def test_kills_of_parents_and_workers_lose_only_what_was_under_way(tmp_path, undisturbed):
    kill_at_random(tmp_path, 0, 5, seed=1)
    check_after_kills(tmp_path, undisturbed)
    assert list((tmp_path / "sessions").iterdir()) == []


@pytest.mark.slow
def test_fifty_kills(tmp_path, undisturbed):
    total = {"parent": 0, "worker": 0}
    for seed in range(100):
        folder = tmp_path / str(seed)
        done = kill_at_random(folder, 0, 5, seed)
        total = {kind: total[kind] + done[kind] for kind in total}
        check_after_kills(folder, undisturbed)
        if sum(total.values()) >= 50 and min(total.values()) >= 10:
            break
    assert sum(total.values()) >= 50


def test_two_processes_on_a_store_share_its_runs(tmp_path, undisturbed):
    processes = [in_fork(fill, tmp_path, 0) for _ in range(2)]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    found = counts(tmp_path)
    assert (found.done, found.started, found.finished) == (48, 48, 48)
    same(sc.open_sweep(tmp_path), undisturbed)


def test_a_store_whose_tables_are_about_to_be_made_holds_no_sweep_yet(tmp_path):
    (tmp_path / TABLE).touch()
    with pytest.raises(StoreError, match="holds no sweep yet"):
        sc.open_sweep(tmp_path)
    sc.sweep(ohmic(), {"drive.amplitude": [0.1]}, store=tmp_path, executor="serial")
    assert (sc.open_sweep(tmp_path).status == "done").all()


def test_what_a_living_process_has_claimed_is_waited_for_and_of_a_killed_one_done(tmp_path, undisturbed):
    first = in_fork(fill, tmp_path, 0)
    deadline = time.monotonic() + 60
    while not begun(tmp_path).claimed:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(first.pid, signal.SIGSTOP)  # its claims stay, however long it stands still
    claimed = counts(tmp_path).claimed
    second = in_fork(fill, tmp_path, 0)
    while counts(tmp_path).done + claimed < 48:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(2 * run._POLL)
    if claimed:
        assert second.is_alive()
        assert counts(tmp_path).claimed == claimed
    first.kill()
    first.join()
    second.join(30)
    assert second.exitcode == 0
    same(sc.open_sweep(tmp_path), undisturbed)


def test_no_clock_decides_who_is_alive(tmp_path, undisturbed, monkeypatch):
    """The clock jumps by years, back and forth, at every look at it."""
    jumps = random.Random(3)
    for name in ("time", "time_ns"):
        monkeypatch.setattr(time, name, lambda: jumps.randrange(10**9))
    session = sessions.Session(_made(tmp_path).folder)
    assert sessions.is_alive(tmp_path, session.name)
    same(sc.sweep(ohmic(), AXES, store=tmp_path, executor="serial", **SLOW), undisturbed)
    assert sessions.is_alive(tmp_path, session.name)
    session.close()
    assert not sessions.is_alive(tmp_path, session.name)


def _made(folder):
    return Store(folder, create=True)


def test_a_fork_does_not_hold_the_lock_of_its_parent(tmp_path):
    session = sessions.Session(_made(tmp_path).folder)
    child = in_fork(time.sleep, 30)
    os.close(next(iter(sessions._held)))  # as the system does when the parent is killed
    sessions._held.clear()
    assert becomes(lambda: not sessions.is_alive(tmp_path, session.name))
    child.kill()
    child.join()


def test_only_what_is_new_is_run(tmp_path):
    vary = {"vary": {"Ron": {"normal": 0.1}}}
    sc.sweep(ohmic(), {"drive.amplitude": [0.1, 0.2]}, samples=2, store=tmp_path, **vary, **QUIET)
    assert counts(tmp_path).started == 4
    sc.sweep(ohmic(), {"drive.amplitude": [0.2, 0.3, 0.1]}, samples=3, store=tmp_path, **vary, **QUIET)
    assert counts(tmp_path).started == 9
    smaller = sc.sweep(ohmic(), {"drive.amplitude": [0.3]}, samples=1, store=tmp_path, **vary, **QUIET)
    assert counts(tmp_path).started == 9
    assert smaller["peak"].shape == (1, 1, 2)


@pytest.mark.slow
def test_a_full_disk_is_an_error_that_loses_nothing(tmp_path):
    """A limit of the size of files stands in for it; where this process may mount one, a small tmpfs too."""
    folder = tmp_path / "store"
    code = (
        "import resource, signal, sys\nsys.path.insert(0, sys.argv[2])\nimport spicecim as sc\n"
        "from sweeping import ohmic, QUIET\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (120_000, 120_000))\n"
        "try:\n    sc.sweep(ohmic(), store=sys.argv[1], samples=2000, vary={'Ron': {'normal': 0.1}}, **QUIET)\n"
        "except sc.InputError as error:\n    print(type(error).__name__, error)\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", code, str(folder), str(Path(__file__).parent)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True).stdout
    assert said.startswith("StoreError")
    assert TABLE in said
    found = sc.sweep(ohmic(), store=folder, samples=20, vary={"Ron": {"normal": 0.1}}, **QUIET)
    assert (found["status"] == "done").all()


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
def test_a_full_tmpfs(tmp_path, undisturbed):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=180k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this system lets nobody mount")
    try:
        with pytest.raises(ResultsError, match=r"disk is full|No space left"):
            sc.sweep(ohmic(), AXES, store=disk / "store", executor="serial", batch=2, waveforms=True, **SLOW)
        before = counts(disk / "store").done
        assert 0 < before < 48
        subprocess.run(["mount", "-o", "remount,size=20m", disk], check=True)
        found = sc.sweep(ohmic(), AXES, store=disk / "store", executor="serial", waveforms=True, **SLOW).load()
        assert counts(disk / "store").finished == 48
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
    np.testing.assert_array_equal(found["peak"], undisturbed["peak"])


def test_no_space_for_waveforms_is_an_error_that_loses_nothing(tmp_path, monkeypatch):
    written = []

    def full(path, data):
        if len(written) >= 2:
            raise ResultsError(f"cannot write {path}: {os.strerror(errno.ENOSPC)}")
        written.append(path)
        return write(path, data)

    write = stores.write_bytes
    monkeypatch.setattr(stores, "write_bytes", full)
    with pytest.raises(ResultsError, match="No space left"):
        sc.sweep(ohmic(), AXES, store=tmp_path, batch=1, waveforms=True, **QUIET)
    assert counts(tmp_path).done == 2
    monkeypatch.setattr(stores, "write_bytes", write)
    sc.sweep(ohmic(), AXES, store=tmp_path, waveforms=True, **QUIET)
    assert counts(tmp_path).finished == 3


def test_a_folder_that_vanishes_is_an_error(tmp_path):
    folder, elsewhere = tmp_path / "store", tmp_path / "elsewhere"

    def progress(state):
        if state.done == 1:
            folder.rename(elsewhere)

    with pytest.raises(StoreError, match="unable to open"):
        sc.sweep(ohmic(), AXES, store=folder, batch=1, progress=progress, **QUIET)
    elsewhere.rename(folder)
    assert (sc.sweep(ohmic(), AXES, store=folder, **QUIET)["status"] == "done").all()
    assert counts(folder).finished == 3


def test_a_damaged_entry_is_told_and_done_again(tmp_path):
    wanted = sc.sweep(ohmic(), AXES, store=tmp_path, **QUIET).load()
    with contextlib.closing(sqlite3.connect(tmp_path / TABLE)) as table, table:
        table.execute("UPDATE results SET data = substr(data, 1, 9) WHERE run = 2")
    with pytest.raises(StoreError, match=r"the entry of run .* is damaged"):
        sc.open_sweep(tmp_path).load()
    same(sc.sweep(ohmic(), AXES, store=tmp_path, **QUIET), wanted)
    assert counts(tmp_path).started == 4


@pytest.mark.slow
def test_a_damaged_table_is_told_and_what_can_be_read_is_saved(tmp_path):
    arguments = {"samples": 200, "vary": {"Ron": {"normal": 0.1}}, "seed": 2, **QUIET}
    wanted = sc.sweep(ohmic(1, 1, crossbar={"state": [[1]]}), store=tmp_path, **arguments).load()
    table = tmp_path / TABLE
    whole = table.read_bytes()
    table.write_bytes(whole[: len(whole) * 3 // 4])
    with pytest.raises(StoreError, match=r"(malformed|not a database).*sweep repair"):
        sc.sweep(ohmic(1, 1, crossbar={"state": [[1]]}), store=tmp_path, **arguments)
    assert table.read_bytes() == whole[: len(whole) * 3 // 4]
    found = repair_sweep(tmp_path)
    assert found.damaged.read_bytes() == whole[: len(whole) * 3 // 4]
    same(sc.sweep(ohmic(1, 1, crossbar={"state": [[1]]}), store=tmp_path, **arguments), wanted)
    for content in (b"", b"no table at all" * 1000):
        table.write_bytes(content)
        with pytest.raises(StoreError):
            sc.open_sweep(tmp_path)


def test_a_folder_without_a_sweep(tmp_path):
    with pytest.raises(StoreError, match="holds no sweep"):
        sc.open_sweep(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot make the folder"):
        sc.sweep(ohmic(), store=tmp_path / "file", **QUIET)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_finishes_what_is_under_way(tmp_path, undisturbed, number):
    def progress(state):
        if state.done >= 8 and not sent:
            sent.append(os.kill(os.getpid(), number))

    sent, before = [], signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt, match=r"of 48 runs are stored in .* the same call goes on") as raised:
        sc.sweep(ohmic(), AXES, store=tmp_path, workers=2, batch=2, progress=progress, **SLOW)
    assert raised.value.signal == number
    assert signal.getsignal(number) == before
    found = counts(tmp_path)
    assert (found.claimed, found.started) == (0, found.finished)
    assert 8 <= found.done < 48
    same(sc.sweep(ohmic(), AXES, store=tmp_path, executor="serial", **SLOW), undisturbed)


def command(folder):
    """The command line in a process group of its own, as a batch system starts it."""
    os.setpgrp()
    os.chdir(folder)
    sys.stderr = Path("errors").open("w")  # noqa: SIM115
    sys.argv = ["spicecim", "sweep", "run", "sweep.yaml", "-o", "out", "--workers", "2"]
    main()


def test_a_signal_to_the_whole_group_loses_nothing_and_ends_with_how_to_go_on(tmp_path):
    """As Slurm sends SIGTERM to every process of a step: the workers finish, and none of their runs failed."""
    ohmic(1, 1, crossbar={"state": [[1]]}).to_yaml(tmp_path / "bench.yaml")
    (tmp_path / "sweep.yaml").write_text("testbench: bench.yaml\nsamples: 2000\nvary: {Ron: {normal: 5 %}}\n")
    process = in_fork(command, tmp_path)
    deadline = time.monotonic() + 60
    while not begun(tmp_path / "out").done:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    workers = children_of(process.pid)
    os.killpg(process.pid, signal.SIGTERM)
    process.join(60)
    assert process.exitcode == 128 + signal.SIGTERM
    found = counts(tmp_path / "out")
    assert (found.failed, found.claimed, found.started) == (0, 0, found.finished)
    assert 0 < found.done < 2000
    assert (tmp_path / "errors").read_text() == (
        f"ended by SIGTERM: {found.done} of 2000 runs are stored in out; the same call goes on with the others\n"
    )
    assert workers
    assert not any(map(alive, workers))


def test_a_second_interruption_does_not_wait(tmp_path):
    def measure(waveforms):
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
        return 1.0

    with pytest.raises(KeyboardInterrupt):
        sc.sweep(ohmic(), store=tmp_path, executor="serial", measures={"one": measure})
    assert counts(tmp_path).claimed == 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_it_is_read_while_it_runs(tmp_path):
    seen = []

    def progress(state):
        if state.done == 2:
            seen.append(sc.open_sweep(tmp_path).load())

    sc.sweep(ohmic(), AXES, store=tmp_path, batch=1, progress=progress, **QUIET)
    assert seen[0]["status"].values.tolist()[:2] == ["done", "done"]
    assert np.isfinite(seen[0]["peak"].values).all(axis=1).tolist() == [True, True, False]


def test_states_are_in_the_order_that_was_asked_for(tmp_path):
    sc.sweep(ohmic(), AXES, store=tmp_path, **QUIET)
    keys = sc.open_sweep(tmp_path)["key"].values.tolist()
    for order in (keys, keys[::-1], sorted(keys)):
        assert list(Store(tmp_path).states(order)) == order


def test_values_are_read_lazily_and_ten_thousand_runs_open_in_less_than_a_second(tmp_path):
    from spicecim.sweeps.plan import make_plan
    from spicecim.sweeps.work import Outcome, Value

    plan = make_plan(ohmic(), samples=10_000, vary={"Ron": {"normal": 0.1}}, measures={"peak": peak})
    keys = [key for key, _ in plan.recipes()]
    store = Store(tmp_path, create=True)
    store.set_plan(plan.described(), keys)
    store.claim("me", keys)
    values = np.arange(20_000.0).reshape(-1, 2)
    store.save(
        "me",
        {
            key: Outcome({"peak": Value(("column",), "A", "", row)}, None, [], 0.1, None)
            for key, row in zip(keys, values, strict=True)
        },
    )
    start = time.process_time()
    found = sc.open_sweep(tmp_path)
    assert time.process_time() - start < 1.0
    np.testing.assert_array_equal(found["peak"][17:4000:3, 1], values[17:4000:3, 1])
    np.testing.assert_array_equal(found["peak"].isel(sample=[5, 3, -1]), values[[5, 3, -1]])
    assert not found["peak"].variable._in_memory


SWEEP = """
testbench: bench.yaml
axes: {crossbar.wire_row: [0, 5], drive.amplitude: [100m, 0.3]}
samples: 2
vary: {Ron: {normal: 5 %}}
seed: 7
measures: [mean_current, average_power]
"""


def test_the_commands(tmp_path):
    ohmic(1, 1, crossbar={"state": [[1]]}, analysis={"points_per_period": 64}).to_yaml(tmp_path / "bench.yaml")
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    ran = spicecim("sweep", "run", "sweep.yaml", "-o", "out", "--workers", 1, "--json", cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    status = spicecim("sweep", "status", "out", "--json", cwd=tmp_path)
    assert ran.stdout == status.stdout
    found = json.loads(status.stdout)
    assert (found["done"], found["failed"], found["started"]) == (8, 0, 8)
    assert found["axes"] == {"crossbar.wire_row": 2, "drive.amplitude": 2}
    again = spicecim("sweep", "run", "sweep.yaml", "-o", "out", "--quiet", cwd=tmp_path)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert spicecim("sweep", "retry", "out", cwd=tmp_path).stdout == "8 of 8 runs done, 0 failed, 0 left\n"
    plotted = spicecim("sweep", "plot", "out", "--at", "column=0", "--json", cwd=tmp_path)
    names = {Path(file).name for file in json.loads(plotted.stdout)["figures"]}
    assert "mean_current_over_crossbar_wire_row.png" in names
    assert all((tmp_path / "out" / "figures" / name).stat().st_size > 1000 for name in names)
    assert "0 failed" in spicecim("sweep", "status", "out", cwd=tmp_path).stdout
    repaired = spicecim("sweep", "repair", "out", "--json", cwd=tmp_path)
    assert json.loads(repaired.stdout)["saved"] == 8
    found = sc.open_sweep(tmp_path / "out")
    assert found["average_power"].attrs["units"] == "W"
    one = found["average_power"].sel({"crossbar.wire_row": 0.0, "drive.amplitude": 0.1}).values
    drawn = [sc.vary(_bench(tmp_path), {"Ron": sc.normal(0.05)}, seed=seed) for seed in _seeds(7, 2)]
    ohms = [float(each.device.arrays()["Ron"][0, 0]) for each in drawn]
    np.testing.assert_allclose(one, (0.1**2 + 0.5 * 0.1**2) / np.array(ohms), rtol=1e-5)


def _bench(folder):
    return sc.Testbench.from_yaml(folder / "bench.yaml")


def _seeds(seed, count):
    from spicecim.sweeps.design import sample_seed

    return [sample_seed(seed, number) for number in range(count)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("axess: {}", "axess: unknown key"),
        ("samples: 0", "samples"),
        ("measures: [mean]", "unknown measure 'mean'"),
        ("axes: {crossbar.wire_rows: [1]}", "crossbar.wire_rows"),
        ("testbench: none.yaml", "none.yaml"),
    ],
)
def test_faults_of_a_file_are_told_by_their_fields(tmp_path, change, message):
    ohmic().to_yaml(tmp_path / "bench.yaml")
    name = change.partition(":")[0]
    kept = [line for line in SWEEP.splitlines() if not line.startswith(f"{name}:")]
    (tmp_path / "sweep.yaml").write_text("\n".join([*kept, change]))
    ran = spicecim("sweep", "run", "sweep.yaml", "-o", "out", cwd=tmp_path)
    assert ran.returncode == 2
    assert message in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("axes: {drive.amplitude: 3}", "axes.drive.amplitude: must be a list or a dictionary (given: 3.0)"),
        ("axes: {1: [3]}", "axes.1.0: the name must be a text (given: 1.0)"),
        ("correlation: true", "correlation: must be a dictionary or a list (given: True)"),
        ("correlation: [[1, 0], 1]", "correlation.1: must be a list (given: 1.0)"),
        ("testbench: 3", "testbench: must be a text or a dictionary (given: 3.0)"),
        ("time_limit: []", "time_limit: must be a number or a text (given: [])"),
        ("vary: [Ron]", "vary: must be a dictionary (given: ['Ron'])"),
        ("vary: {Rom: {normal: 5 %}}", "vary.Rom: the device has no value of 'Rom'; known are Ron, Roff"),
        ("vary: {Ron: {gauss: 5 %}}", "vary.Ron: must have one of the keys lognormal, normal, uniform, and no other"),
        ("vary: {Ron: {normal: x}}", "vary.Ron: normal: 'x' is not a number"),
        ("axes: {vary.Ron.lognormal: [1]}", "axes.vary.Ron.lognormal: vary.Ron: must have one of the keys"),
        ("gradients: {Ron: 3}", "gradients.Ron: must be two numbers"),
        ("gradients: {Ron: [x, 0]}", "gradients.Ron: 'x' is not a number"),
        ("gradients: {Rom: [0, 0]}", "gradients.Rom: the device has no value of 'Rom'"),
        ("stuck: {off: x}", "stuck.off: 'x' is not a number"),
        ("samples: many", "samples: must be a whole number (given: 'many')"),
        ("zip: [a, b]", "zip.0: must be a list (given: 'a')"),
    ],
)
def test_every_fault_of_a_file_names_its_field_as_it_is_written(tmp_path, change, message):
    ohmic().to_yaml(tmp_path / "bench.yaml")
    name = change.partition(":")[0]
    kept = [line for line in SWEEP.splitlines() if not line.startswith(f"{name}:")]
    (tmp_path / "sweep.yaml").write_text("\n".join([*kept, change]))
    with pytest.raises(InputError) as raised:
        read_plan(tmp_path / "sweep.yaml")
    assert str(raised.value).removeprefix(f"{tmp_path / 'sweep.yaml'}: ").startswith(message)
    assert "[any]" not in str(raised.value)


def test_stuck_cells_of_a_file(tmp_path):
    """On and off, which are truth values in YAML 1.1, are names."""
    ohmic(2, 2).to_yaml(tmp_path / "bench.yaml")
    (tmp_path / "sweep.yaml").write_text(
        "testbench: bench.yaml\nsamples: 2\nstuck: {off: 25 %, on: 0.25, by: {Ron: 1k}}\n"
    )
    plan = read_plan(tmp_path / "sweep.yaml")
    assert plan.scatter.stuck == {"off": "25 %", "on": 0.25, "by": {"Ron": "1k"}}
    ((_, first), _) = plan.recipes()
    drawn = make_bench(plan.base, plan.scatter, first)
    assert sorted(drawn.device.arrays()["Ron"].ravel()) == [1e3, 1e3, 1e4, 1e4]


def test_a_retry_takes_measures_by_their_names(tmp_path):
    sc.sweep(ohmic(), store=tmp_path, **QUIET)
    with pytest.raises(InputError, match="peak"):
        retry_sweep(tmp_path)


def test_errors_of_a_failing_run_are_shown_by_status(tmp_path):
    def fail(waveforms):
        raise ValueError("no\nmeasure")

    with pytest.warns(FailedRunsWarning):
        sc.sweep(ohmic(), store=tmp_path, executor="serial", measures={"peak": fail})
    said = spicecim("sweep", "status", tmp_path)
    assert said.stdout == "0 of 1 runs done, 1 failed, 0 left\n  run 0: ValueError: no measure\n"


def test_status_tells_the_axes_and_the_sample_of_a_failed_run(tmp_path):
    axes = {"drive.amplitude": [0.1, 0.5], "crossbar.wire_row": [0, 5], "crossbar.wire_column": [0, 2]}
    with pytest.warns(FailedRunsWarning):
        sc.sweep(
            ohmic(), axes, samples=2, vary={"Ron": {"normal": 0.05}}, draw={"drive.offset": {"normal": 0.01}},
            zip=[("crossbar.wire_row", "crossbar.wire_column")], store=tmp_path, executor="serial",
            measures={"large": refuse_large},
        )  # fmt: skip
    factor = float(sc.open_sweep(tmp_path)["factor of drive.offset"][1])
    said = spicecim("sweep", "status", tmp_path).stdout.splitlines()
    assert said[-1] == (
        "  run 7 (drive.amplitude 0.5 V, crossbar.wire_row 5 ohm, crossbar.wire_column 2 ohm, sample 1, "
        f"factor of drive.offset {factor:.5g}): ValueError: the voltage is above 0.45 V"
    )
    told = json.loads(spicecim("sweep", "status", tmp_path, "--json").stdout)
    assert told["axes"] == {"drive.amplitude": 2, "crossbar.wire_row": 2, "crossbar.wire_column": 2}
    assert told["in_step"] == [["crossbar.wire_row", "crossbar.wire_column"]]
    assert told["vary"] == {"Ron": {"normal": 0.05}}
    assert told["draws"]["drive.offset"]["spread"] == 0.01
    assert [each["place"] for each in told["failures"]] == [4, 5, 6, 7]
    assert told["failures"][3]["at"] == {
        "drive.amplitude": 0.5, "crossbar.wire_row": 5, "crossbar.wire_column": 2, "sample": 1,
        "factor of drive.offset": factor,
    }  # fmt: skip


def test_values_that_are_no_numbers_are_shown_by_status(tmp_path):
    with pytest.warns(NotFiniteWarning):
        sc.sweep(lambda seed: {"delay": np.nan}, samples=2, engine=None, store=tmp_path, executor="serial")
    said = spicecim("sweep", "status", tmp_path)
    assert said.stdout == "2 of 2 runs done, 0 failed, 0 left\n  values that are NaN or infinite: delay: 2 in 2 runs\n"
    told = json.loads(spicecim("sweep", "status", tmp_path, "--json").stdout)
    assert told["not_finite"] == {"delay": {"values": 2, "runs": 2}}


def test_workers_end_with_a_killed_parent(tmp_path):
    process = in_fork(fill, tmp_path, 2)
    deadline = time.monotonic() + 30
    while not (workers := children_of(process.pid)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.join()
    while any(alive(worker) for worker in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)
