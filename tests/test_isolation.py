"""What surrounds a run has no part in it: start-up files, the environment, users, folders and their names."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spicecim.children import PASSED_ON
from spicecim.ngspice.client import Worker
from spicecim.private_files import temporary_folder

pytestmark = pytest.mark.ngspice


ROOT = Path(__file__).parent.parent
PLANTED = "* planted\nshell touch {mark}\noption temp=100\nset ngbehavior=psa\n"
BENCH = """device: {model: yakopcic, preset: oblea}
crossbar: {state: [[0.3]]}
drive: {kind: sine, amplitude: 0.4, frequency: 100}
analysis: {points_per_period: 20}
"""
RUN = (
    "import numpy as np, spicecim as sc; "
    "print(repr(float(np.abs(sc.simulate(sc.Testbench.from_yaml('bench.yaml')).i_column).max())))"
)
NASTY = ["with space, josé 日本", '-o a;shell touch PWNED;"it\'s" $HOME {x} `id` #(=)[*]&|!%~\\co:lon', "new\nline"]
"""Names that mean something to a shell, to ngspice, to a C compiler, to a list of paths."""


def run(code, folder, **environment):
    """Run Python code in a folder, and return what it wrote; the environment given is all there is, None a removal."""
    given = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    kept = {name: str(value) for name, value in given.items() if value is not None}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", code],
        cwd=folder, env=kept, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def right(tmp_path_factory):
    """The largest column current of the testbench, from a run with nothing special about it."""
    folder = tmp_path_factory.mktemp("plain")
    (folder / "bench.yaml").write_text(BENCH)
    return run(RUN, folder)


@pytest.fixture
def bench(tmp_path):
    """A folder with the testbench in it."""
    folder = tmp_path / "bench"
    folder.mkdir()
    (folder / "bench.yaml").write_text(BENCH)
    return folder


@pytest.fixture
def worker():
    """A worker of the test's own."""
    worker = Worker()
    yield worker
    worker.close()


@pytest.mark.parametrize("place", ["current folder", "HOME", "SPICE_SCRIPTS", "SPICE_LIB_DIR"])
def test_start_up_files_are_not_obeyed(bench, tmp_path, right, place):
    mark, folder = tmp_path / "obeyed", tmp_path / "planted"
    (folder / "scripts").mkdir(parents=True)
    files = {
        "current folder": [bench / ".spiceinit"],
        "HOME": [folder / ".spiceinit"],
        "SPICE_SCRIPTS": [folder / "spinit"],
        "SPICE_LIB_DIR": [folder / "scripts" / "spinit"],
    }
    for file in files[place]:
        file.write_text(PLANTED.format(mark=mark))
    environment = {} if place == "current folder" else {place: folder}
    assert run(RUN, bench, **environment) == right
    assert not mark.exists()
    # the file is one that ngspice itself obeys
    (bench / "n.cir").write_text("*\nV1 1 0 1\nR1 1 0 1\n.op\n.end\n")
    ngspice = [shutil.which("ngspice"), "-b", "n.cir"]
    plain = {**os.environ, "HOME": str(tmp_path), **{name: str(value) for name, value in environment.items()}}
    subprocess.run(ngspice, cwd=bench, env=plain, capture_output=True, timeout=60)
    assert mark.exists()


@pytest.mark.parametrize("command", [["doctor"], ["netlist", "bench.yaml"]], ids=lambda command: command[0])
def test_no_command_obeys_a_start_up_file(bench, tmp_path, command):
    mark = tmp_path / "obeyed"
    (bench / ".spiceinit").write_text(PLANTED.format(mark=mark))
    done = subprocess.run(
        [sys.executable, "-m", "spicecim", *command], cwd=bench, capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT), "SPICECIM_BACKEND": "auto"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not mark.exists()


def test_the_process_sees_nothing_of_the_environment_but_a_list(worker, monkeypatch):
    monkeypatch.setenv("NGSPICE_MEAS_PRECISION", "2")
    monkeypatch.setenv("SPICE_PATH", "/somewhere")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/nowhere")
    worker.capabilities()
    seen = Path(f"/proc/{worker._process.pid}/environ").read_bytes().decode().split("\0")
    names = {entry.partition("=")[0] for entry in seen if entry}
    assert names <= {*PASSED_ON, "HOME", "TMPDIR", "LC_ALL", "SPICE_SCRIPTS"}
    assert "LD_LIBRARY_PATH=/nowhere" in seen
    home = Path(f"/proc/{worker._process.pid}/cwd").resolve()
    assert f"HOME={home}" in seen
    assert home.stat().st_mode & 0o777 == 0o700
    worker.close()
    assert not home.exists()


def test_code_models_of_the_installation_are_there(worker):
    """A polynomial source of a published subcircuit is one."""
    from spicecim.ngspice.run import run_netlist

    netlist = "* a polynomial source\nV1 1 0 3\nE1 2 0 POLY(1) 1 0 1 0 2\nR1 2 0 1\n.op\n.end\n"
    assert run_netlist(netlist, ["v(2)"], worker=worker).vectors["v(2)"] == pytest.approx([1 + 2 * 9])


PACKAGES = [str(ROOT), *(entry for entry in sys.path if entry.endswith("site-packages"))]


def as_unknown_user(tmp_folder):
    """Command that runs Python as a user whom the system does not know, where that can be, or else as ourselves."""
    become = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"]
    trial = (
        f"import subprocess, sys; sys.path[:0] = {PACKAGES!r}; import spicecim, PySpice, openvaf_py; "
        "subprocess.run([sys.executable, '-c', ''], check=True)"
    )
    for python in (str(Path(sys.executable).resolve()), "/usr/bin/python3"):
        command = [*become, python, "-B"]
        if os.geteuid() == 0 and shutil.which("setpriv"):
            done = subprocess.run([*command, "-c", trial], cwd=tmp_folder, env={}, capture_output=True, timeout=60)
            if done.returncode == 0:
                return command
    return [sys.executable, "-B"]


@pytest.mark.compiler
@pytest.mark.parametrize("home", [True, False], ids=["with HOME", "without HOME"])
def test_a_user_without_a_passwd_entry_and_a_home(right, home):
    # under a folder that such a user reaches, which pytest's own is not
    folder = temporary_folder()
    try:
        folder.chmod(0o755)
        own = folder / "own"
        own.mkdir()
        (own / "bench.yaml").write_text(BENCH)
        command = as_unknown_user(folder)
        if command[0] == "setpriv":
            os.chown(own, 54321, 54321)
        code = f"import sys; sys.path[:0] = {PACKAGES!r}; {RUN}"
        environment = {"PATH": os.environ["PATH"], "TMPDIR": str(own), **({"HOME": str(own)} if home else {})}
        done = subprocess.run(
            [*command, "-c", code], cwd=own, env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == right
        # where there is no home, none with the name "~" is made either
        if command[0] == "setpriv":
            assert sorted(path.name for path in own.iterdir()) == [*([".cache"] if home else []), "bench.yaml"]
            assert home or "there is no home folder" in done.stderr
    finally:
        shutil.rmtree(folder)


def test_a_current_folder_that_cannot_be_written(bench, right):
    bench.chmod(0o555)
    try:
        assert run(RUN, bench) == right
        # root can write it all the same; what must hold for everybody is that nothing appears in it
        assert [path.name for path in bench.iterdir()] == ["bench.yaml"]
    finally:
        bench.chmod(0o755)


@pytest.mark.parametrize("what", ["TMPDIR", "SPICECIM_CACHE", "HOME"])
@pytest.mark.parametrize("name", NASTY)
def test_no_character_of_a_path_has_a_meaning(tmp_path, bench, right, name, what):
    folder = tmp_path / name
    folder.mkdir()
    environment = {what: folder, **({"SPICECIM_CACHE": None, "XDG_CACHE_HOME": None} if what == "HOME" else {})}
    assert run(RUN, bench, **environment) == right
    assert not list(tmp_path.rglob("PWNED"))
    assert [path for path in folder.iterdir() if path.name.startswith("spicecim-")] == []
    if what != "TMPDIR":
        assert list(folder.rglob("*.osdi")), "compiled models were not kept there"


@pytest.mark.slow
@pytest.mark.parametrize("name", NASTY[:2])  # a testbench refuses names that cannot be printed
def test_no_character_in_the_path_of_an_input_has_a_meaning(tmp_path, name):
    """The current folder, a testbench, an array, a Verilog-A model, results."""
    folder = tmp_path / name
    folder.mkdir()
    plain = name.replace(":", "")  # which begins the name of an array in a file of several
    np.savez(folder / f"{plain} states.npz", x=np.array([[0.2, 0.7]]))
    model = (ROOT / "models" / "linear_drift.va").read_text()
    (folder / f"{plain}.va").write_text(model)
    bench = {
        "device": {"verilog_a": f"{plain}.va", "state": "s", "initial": [0, 1]},
        "crossbar": {"state": f"{plain} states.npz:x"},
        "drive": {"kind": "sine", "amplitude": 0.5, "frequency": 10},
        "analysis": {"points_per_period": 20},
    }
    (folder / f"{name}.yaml").write_text(json.dumps(bench))
    done = subprocess.run(
        [sys.executable, "-m", "spicecim", "run", "--engine", "ngspice", "-o", "results", "--", f"{name}.yaml"],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT), "SPICECIM_CACHE": "kept"},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.rglob("PWNED"))
    ngspice = [shutil.which("ngspice"), "-b", "results/netlist.cir"]
    alone = subprocess.run(ngspice, cwd=folder, capture_output=True, text=True, timeout=60)
    assert "mean_column_1" in alone.stdout, alone.stdout + alone.stderr
