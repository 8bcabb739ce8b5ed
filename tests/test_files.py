"""Files are whole or not there, folders of results are replaced as a set: with real processes, kills and full disks."""

import contextlib
import itertools
import json
import os
import random
import signal
import stat
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from spicecim import runs
from spicecim.errors import ResultsError
from spicecim.files import LOCK, READY, SCRATCH, result_folder, write_bytes, write_text
from spicecim.json_text import write_summary
from spicecim.run_log import logged_to

NAMES = ["a.txt", "b.txt", "c.txt", "summary.json", "summary.log"]
WRITTEN = NAMES[:3]
EXPECTED = dict.fromkeys(NAMES[:-1], 0)

WRITER = """
import sys, json
from pathlib import Path
from spicecim.files import result_folder, write_text
from spicecim.json_text import write_summary

def write_set(folder, number, names=("a.txt", "b.txt", "c.txt")):
    with result_folder(folder, {**dict.fromkeys(names, 0), "summary.json": 0}) as scratch:
        for name in names:
            write_text(scratch / name, str(number) * 1000)
        write_summary(scratch / "summary.json", {"spicecim_version": "0", "number": number})
"""


def write_set(folder, number, names=WRITTEN):
    with result_folder(folder, {**dict.fromkeys(names, 0), "summary.json": 0}) as scratch:
        for name in names:
            write_text(scratch / name, str(number) * 1000)
        write_summary(scratch / "summary.json", {"spicecim_version": "0", "number": number})


def read_set(folder):
    """The number of the set in a folder, None without a summary; fails where files of two sets are mixed."""
    try:
        summary = json.loads((folder / "summary.json").read_text())
    except FileNotFoundError:
        return None
    for name in set(summary["artifacts"]) - {"summary.json", "summary.log"}:
        assert (folder / name).read_text() == str(summary["number"]) * 1000, name
    return summary["number"]


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def fail_a_run(folder):
    with contextlib.suppress(ZeroDivisionError), result_folder(folder, EXPECTED) as scratch:
        write_text(scratch / "a.txt", "half")
        raise ZeroDivisionError


def python(code, *arguments, cwd, **options):
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], cwd=cwd, text=True, **options)


class TestFile:
    """One file."""

    def test_content_mode_and_links_are_kept(self, tmp_path):
        path = write_text(tmp_path / "file", "one")
        path.chmod(0o640)
        (tmp_path / "link").symlink_to("file")
        assert write_bytes(tmp_path / "link", b"two").is_symlink()
        assert path.read_text() == "two"
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        assert names_in(tmp_path) == ["file", "link"]

    def test_a_device_or_a_pipe_is_written_to(self, tmp_path):
        write_text("/dev/null", "nothing")
        os.mkfifo(tmp_path / "pipe")
        reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
        write_text(tmp_path / "pipe", "through")
        assert os.read(reader, 100) == b"through"
        os.close(reader)

    @pytest.mark.parametrize("name", ["folder", "gone/file", "n" * 300, "loop"])
    def test_what_cannot_be_written_is_one_message(self, tmp_path, name):
        (tmp_path / "folder").mkdir()
        (tmp_path / "loop").symlink_to("loop")
        with pytest.raises(ResultsError, match="cannot write"):
            write_text(tmp_path / name, "text")

    def test_what_a_killed_writer_left_is_removed_and_what_another_is_at_stays(self, tmp_path):
        code = (
            "import os, sys\n"
            "from pathlib import Path\n"
            "from spicecim import files\n"
            "def wait(*_):\n"
            "    print('here', flush=True)\n"
            "    sys.stdin.read()\n"
            "os.fsync = wait\n"
            "files.write_text('file', 'never')\n"
        )
        writers = [python(code, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)]
        for writer in writers:
            assert writer.stdout.readline() == "here\n"
        assert len(names_in(tmp_path)) == 2
        writers[0].kill()
        writers[0].wait()
        write_text(tmp_path / "file", "mine")
        assert len(names_in(tmp_path)) == 2
        writers[1].kill()
        writers[1].wait()
        write_text(tmp_path / "file", "again")
        assert names_in(tmp_path) == ["file"]
        for writer in writers:
            writer.stdin.close()
            writer.stdout.close()

    def test_a_limit_of_the_file_size_leaves_the_older_file_and_the_caller(self, tmp_path):
        """HDF5 ends the process some time after its error where it writes to the disk itself."""
        code = (
            "import gc, resource, spicecim as sc\n"
            "bench = sc.Testbench(device={'model': 'yakopcic'}, crossbar={'state': [[.3, .6]]},\n"
            "    drive={'kind': 'sine', 'amplitude': .4, 'frequency': 100}, analysis={'probe': 'cells'})\n"
            "run = sc.simulate(bench, 'reference')\n"
            "sc.save_waveforms(run, 'keep.nc')\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000))\n"
            "try: sc.save_waveforms(run, 'keep.nc')\n"
            "except sc.InputError as error: print(error)\n"
            "del run; gc.collect()\n"
            "print(len(sc.load_waveforms('keep.nc').time) > 100)\n"
        )
        process = python(code, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        said, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        assert said.splitlines() == ["cannot write keep.nc: File too large", "True"]
        assert names_in(tmp_path) == ["keep.nc"]


class TestFolder:
    """Sets of results."""

    def test_a_set_replaces_another_and_leaves_what_is_not_of_it(self, tmp_path):
        write_set(tmp_path / "new" / "folder", 1)
        folder = tmp_path / "new" / "folder"
        (folder / "mine.txt").write_text("mine")
        write_set(folder, 2, ["b.txt", "d.txt"])
        assert read_set(folder) == 2
        assert names_in(folder) == ["b.txt", "d.txt", "mine.txt", "summary.json", "summary.log"]

    def test_a_run_that_fails_leaves_the_earlier_set(self, tmp_path):
        write_set(tmp_path, 1)
        fail_a_run(tmp_path)
        assert read_set(tmp_path) == 1
        assert names_in(tmp_path) == NAMES

    def test_a_process_that_ends_at_any_moment_leaves_one_set_or_none_and_the_next_run_all_of_one(self, tmp_path):
        """The process ends, as by kill -9, before each single operation on files."""
        code = WRITER + (
            "import os\n"
            "folder = Path('out')\n"
            "write_set(folder, 1, ('a.txt', 'b.txt', 'old.txt'))\n"
            "for count in range(1, 1000):\n"
            "    child = os.fork()\n"
            "    if child == 0:\n"
            "        left = [count]\n"
            "        def hook(event, arguments):\n"
            "            if event in ('os.rename', 'os.remove', 'os.rmdir', 'os.mkdir', 'open', 'fcntl.flock'):\n"
            "                left[0] -= 1\n"
            "                if left[0] == 0: os._exit(9)\n"
            "        sys.addaudithook(hook)\n"
            "        write_set(folder, 2)\n"
            "        os._exit(0)\n"
            "    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])\n"
            "    def state():\n"
            "        try: summary = json.loads((folder / 'summary.json').read_text())\n"
            "        except FileNotFoundError: return None\n"
            "        others = [name for name in summary['artifacts'] if not name.startswith('summary')]\n"
            "        whole = all((folder / n).read_text() == str(summary['number']) * 1000 for n in others)\n"
            "        return summary['number'] if whole else 'mixed'\n"
            "    before = state()\n"
            "    try:\n"
            "        with result_folder(folder, {'summary.json': 0}): 1 / 0\n"
            "    except ZeroDivisionError: pass\n"
            "    print(ended, before, state(), sorted(p.name for p in folder.iterdir()), sep='|')\n"
            "    if ended == 0: break\n"
            "    write_set(folder, 1, ('a.txt', 'b.txt', 'old.txt'))\n"
        )
        process = python(code, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        said, errors = process.communicate(timeout=200)
        assert process.returncode == 0, errors
        lines = [line.split("|") for line in said.splitlines()]
        assert len(lines) > 30
        assert lines[-1][0] == "0"
        befores = [before for _, before, _, _ in lines]
        assert set(befores) == {"1", "None", "2"}
        assert befores == sorted(befores, key=["1", "None", "2"].index)  # never back
        for _, before, after, names in lines:
            assert after == ("1" if before == "1" and "old.txt" in names else "2")
            first = ["a.txt", "b.txt", "old.txt", "summary.json", "summary.log"]
            assert names == str(first if after == "1" else NAMES)

    @pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
    def test_a_process_killed_at_a_random_moment_leaves_one_set(self, tmp_path, way):
        code = WRITER + (
            "import itertools\n"
            "for number in itertools.count(int(sys.argv[1])):\n"
            "    write_set(Path('out'), number % 10)\n"
            "    print(number, flush=True)\n"
        )
        moments = random.Random(20261126 + way)
        for _ in range(4):
            process = python(code, 1, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            process.stdout.readline()
            time.sleep(moments.uniform(0.0, 0.1))
            process.send_signal(way)
            process.wait(timeout=60)
            process.stdout.close()
            read_set(tmp_path / "out")  # one set or none
            fail_a_run(tmp_path / "out")
            assert read_set(tmp_path / "out") is not None
            assert names_in(tmp_path / "out") == NAMES

    def test_one_run_at_a_time_and_a_dead_one_holds_nobody_up(self, tmp_path):
        write_set(tmp_path / "out", 1)
        code = WRITER + (
            "with result_folder(Path('out'), {'summary.json': 0}):\n    print('in', flush=True)\n    sys.stdin.read()\n"
        )
        process = python(code, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdout.readline() == "in\n"
        with pytest.raises(ResultsError, match=f"out is in use by process {process.pid} on .*; wait for it, or give"):
            write_set(tmp_path / "out", 2)
        assert read_set(tmp_path / "out") == 1
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()
        assert (tmp_path / "out" / LOCK).exists()
        write_set(tmp_path / "out", 3)
        assert read_set(tmp_path / "out") == 3
        assert names_in(tmp_path / "out") == NAMES

    def test_one_run_at_a_time_in_threads_too(self, tmp_path):
        with result_folder(tmp_path, EXPECTED) as scratch:
            with pytest.raises(ResultsError, match=f"in use by process {os.getpid()}"):
                write_set(tmp_path, 2)
            write_summary(scratch / "summary.json", {})

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
    def test_what_is_in_the_way_is_found_before_anything_is_done(self, tmp_path, name, make):
        write_set(tmp_path, 1, [other for other in WRITTEN if other != name])
        (tmp_path / name).unlink(missing_ok=True)
        make(tmp_path / name)
        with pytest.raises(ResultsError, match=f"{name} is in the way"), result_folder(tmp_path, EXPECTED):
            pytest.fail("it was begun")
        assert not (tmp_path / SCRATCH).exists()

    def test_a_folder_that_cannot_be_used_is_found_before_anything_is_done(self, tmp_path):
        (tmp_path / "file").write_text("")
        for folder in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / ("n" * 300)):
            with pytest.raises(ResultsError, match="cannot make the folder"), result_folder(folder, EXPECTED):
                pytest.fail("it was begun")
        with pytest.raises(ResultsError, match=r"1e\+12 MB at least"), result_folder(tmp_path, {"a.nc": 10**18}):
            pytest.fail("it was begun")

    def test_a_small_limit_of_the_file_size_is_found_before_anything_is_done(self, tmp_path):
        code = WRITER + (
            "import resource\n"
            "for limit in (20_000, 2_000_000):\n"
            "    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))\n"
            "    try:\n"
            "        with result_folder('out', {'big.nc': 3_000_000, 'summary.json': 0}): print('begun')\n"
            "    except OSError as error: print(error)\n"
        )
        process = python(code, cwd=tmp_path, stdout=subprocess.PIPE)
        first, second = process.communicate(timeout=60)[0].splitlines()
        assert first == "cannot write out: File too large"
        assert second.startswith("big.nc needs 3 MB at least; this process may write files of 2 MB only")

    def test_a_full_disk_leaves_the_earlier_set(self, tmp_path):
        """A small file system where one can be mounted; where not, a limit of the file size stands for it."""
        disk = tmp_path / "disk"
        disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=700k", "none", disk], capture_output=True)
        code = WRITER + (
            "import resource\n"
            "write_set('disk', 1)\n"
            "if sys.argv[1] == 'limit': resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
            "try:\n"
            "    with result_folder('disk', {'big': 0, 'summary.json': 0}) as scratch:\n"
            "        write_text(scratch / 'big', 'x' * 1_000_000)\n"
            "except OSError as error: print(error)\n"
        )
        try:
            mode = "disk" if mounted.returncode == 0 else "limit"
            process = python(code, mode, cwd=tmp_path, stdout=subprocess.PIPE)
            said = process.communicate(timeout=60)[0].strip()
            reason = "No space left on device" if mode == "disk" else "File too large"
            assert said == f"cannot write disk/{SCRATCH}/big: {reason}"
            assert read_set(disk) == 1
            assert names_in(disk) == NAMES
        finally:
            if mounted.returncode == 0:
                subprocess.run(["umount", disk], check=True)

    @pytest.mark.parametrize(
        "earlier",
        [
            "", "[]", "null", "{", '{"spicecim_version": "0"}', '{"spicecim_version": "0", "artifacts": 3}',
            '{"spicecim_version": "0", "artifacts": "mine.txt"}', '{"artifacts": ["mine.txt"]}',
            '{"spicecim_version": "0", "artifacts": ["../mine.txt", "", ".", "..", "sub", "sub/mine.txt", 1, null]}',
            '{"spicecim_version": "0", "artifacts": ["a\\u0000b", ".hidden", "/etc/passwd"]}',
            "[" * 100_000,
        ],
    )  # fmt: skip
    def test_an_earlier_summary_of_any_content_does_no_harm(self, tmp_path, earlier):
        folder = tmp_path / "out"
        (folder / "sub").mkdir(parents=True)
        mine = [tmp_path / "mine.txt", folder / "mine.txt", folder / "sub" / "mine.txt", folder / ".hidden"]
        for path in mine:
            path.write_text("mine")
        (folder / "summary.json").write_text(earlier)
        write_set(folder, 1)
        assert read_set(folder) == 1
        assert all(path.read_text() == "mine" for path in mine)

    def test_folders_of_our_names_with_other_content_do_no_harm(self, tmp_path):
        for name, content in itertools.product((READY, SCRATCH), ({"x": "y"}, {".spicecim-order.json": "[]"})):
            (tmp_path / name).mkdir()
            for file, text in content.items():
                (tmp_path / name / file).write_text(text)
            write_set(tmp_path, 1)
            assert names_in(tmp_path) == NAMES


class TestRuns:
    """Commands that write."""

    @pytest.fixture
    def no_simulation(self, monkeypatch):
        for name in ("simulate", "hysteresis"):
            monkeypatch.setattr(runs, name, lambda *_, **__: pytest.fail("it was simulated"))

    @pytest.mark.usefixtures("no_simulation")
    def test_a_folder_is_tried_before_simulating(self, make_bench, tmp_path):
        (tmp_path / "power.png").mkdir()
        (tmp_path / "hysteresis.json").mkdir()
        with pytest.raises(ResultsError, match=r"power.png is in the way"):
            runs.run_testbench(make_bench(analysis={"probe": "cells"}), tmp_path)
        with pytest.raises(ResultsError, match=r"hysteresis.json is in the way"):
            runs.run_hysteresis(tmp_path, "yakopcic", frequency=["100"])

    @pytest.mark.usefixtures("no_simulation")
    def test_space_is_tried_before_simulating(self, make_bench, tmp_path):
        bench = make_bench(analysis={"points_per_period": 1_000_000, "duration": "0.3", "probe": "cells"})
        sizes = runs.least_sizes(bench, ["ngspice", "reference"])
        # 3 rows x 2 columns: two values for each row, one for each column, three for each cell
        assert sizes["ngspice.nc"] == sizes["reference.nc"] == 8 * (6 + 2 + 18) * 90_000_000
        assert sizes["summary.json"] == 0
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10**9))
            with pytest.raises(ResultsError, match=r"need 3.74e\+04 MB at least; .* has 1e\+03 MB free"):
                runs.run_testbench(bench, tmp_path)

    def test_two_runs_at_once_never_mix(self, make_bench, tmp_path):
        """One writes its results, the other is told of the first."""
        with result_folder(tmp_path, EXPECTED) as scratch:
            with pytest.raises(ResultsError, match="in use by process"):
                runs.run_testbench(make_bench(), tmp_path, engine="reference")
            write_summary(scratch / "summary.json", {})


def test_the_log_shows_what_a_terminal_would_act_upon(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["spicecim", "run", "a\x1b[31m\nb\udc80 %s"])
    with logged_to(tmp_path / "run.log"):
        pass
    first, last = (tmp_path / "run.log").read_text().splitlines()
    assert first.endswith("spicecim run a\\x1b[31m b\\udc80 %s")
    assert "done in" in last
