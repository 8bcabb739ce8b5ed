"""Inputs that are wrong, damaged or hostile: each ends in one error of spicecim's own, within ten seconds."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys

import pytest
from conftest import bench_dict
from hostile import cases
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from spicecim import limits
from spicecim.cli import app
from spicecim.errors import SpiceCimError, TestbenchError
from spicecim.ngspice.engine import render_netlist
from spicecim.testbench import Testbench
from spicecim.veriloga.checks import check_model
from spicecim.waveforms import load_waveforms
from spicecim.yaml_text import parse_yaml

SECONDS = 10


pytestmark = pytest.mark.timeout(SECONDS, func_only=True)


@pytest.fixture
def folder(tmp_path):
    """A folder with a FIFO, a folder, a link to itself and one to a device in it."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "random").symlink_to("/dev/urandom")
    return tmp_path


def table(rows):
    """Parameters of a test from rows of `hostile.cases`."""
    return pytest.mark.parametrize(
        ("given", "kind", "message"), [row[1:] for row in rows], ids=[str(row[0])[:40] for row in rows]
    )


def check(kind, message, call):
    """Call something that must raise an error of this class with this in its message."""
    with pytest.raises(kind) as caught:
        call()
    assert message in str(caught.value)
    assert len(str(caught.value)) < 3000


@table(cases.TEXTS)
def test_texts_of_testbenches(folder, given, kind, message):
    path = folder / "bench.yaml"
    if isinstance(given, int):
        path.touch()
        os.truncate(path, given)
    else:
        path.write_bytes(given if isinstance(given, bytes) else given.encode())
    check(kind, message, lambda: Testbench.from_yaml(path))


@table(cases.SECTIONS)
def test_sections_of_testbenches(folder, given, kind, message):
    valid = {"device": {"model": "resistor"}, **cases.crossbar(), **cases.sine(), "analysis": {}}
    check(kind, message, lambda: render_netlist(Testbench.from_dict({**valid, **given}, folder=folder)))


@pytest.mark.parametrize(("name", "content", "kind", "message"), cases.ARRAYS, ids=[row[0] for row in cases.ARRAYS])
def test_files_of_arrays(folder, name, content, kind, message):
    (folder / name).write_bytes(content)
    check(kind, message, lambda: Testbench.from_dict(bench_dict(crossbar={"state": name}), folder=folder))


@table(cases.SPICE)
def test_files_of_subcircuits(folder, given, kind, message):
    text, dialect = given
    (folder / "m.sub").write_text(text)
    device = {"subcircuit": "m.sub", "name": "m", "ports": ["row", "column", "state"], "dialect": dialect}
    bench = Testbench.from_dict(bench_dict(device=device), folder=folder)
    check(kind, message, lambda: render_netlist(bench))
    assert not (folder / "owned").exists()


@pytest.mark.compiler
@table(cases.VERILOG_A)
def test_files_of_modules(folder, given, kind, message):
    (folder / "m.va").write_text(given)
    check(kind, message, lambda: check_model(folder / "m.va"))


@table(cases.DATASETS)
def test_files_of_datasets(folder, given, kind, message):
    (folder / "run.nc").write_bytes(given)
    check(kind, message, lambda: load_waveforms(folder / "run.nc"))


@pytest.mark.ngspice
@pytest.mark.parametrize(
    ("arguments", "status", "message"), [row[1:] for row in cases.COMMANDS], ids=[row[0] for row in cases.COMMANDS]
)
def test_commands(folder, monkeypatch, capsys, arguments, status, message):
    (folder / "bench.yaml").write_text(cases.BENCH)
    (folder / "m.va").write_text(cases.module())
    places = {"BENCH": "bench.yaml", "MODULE": "m.va", "FOLDER": "out"}
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["spicecim", *(places.get(argument, argument) for argument in arguments)])
    with pytest.raises(SystemExit) as ended:
        app.main()
    said = capsys.readouterr().err
    assert ended.value.code == status, said
    assert message in " ".join(said.replace("\u2502", " ").split())
    assert "Traceback" not in said
    assert "\x1b" not in said


@pytest.mark.compiler
@pytest.mark.ngspice
@pytest.mark.parametrize(
    ("variables", "status", "message"),
    [row[1:] for row in cases.ENVIRONMENTS],
    ids=[row[0] for row in cases.ENVIRONMENTS],
)
@pytest.mark.timeout(60)
def test_environments(folder, variables, status, message):
    (folder / "bench.yaml").write_text(cases.BENCH)
    ended = subprocess.run(
        [sys.executable, "-m", "spicecim", "netlist", "bench.yaml", "-o", "out.cir"],
        cwd=folder, env={**os.environ, **variables}, capture_output=True, text=True, timeout=50,
    )  # fmt: skip
    assert ended.returncode == status, ended.stderr
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


def test_what_nobody_thought_of_is_one_line(monkeypatch, capsys):
    """An error that is none of spicecim's own is told as a fault, and shown in full where that was asked for."""

    def fail(*_):
        raise ZeroDivisionError("by\nnothing")

    monkeypatch.setattr("spicecim.devices.load_presets", fail)
    monkeypatch.setattr(sys, "argv", ["spicecim", "models", "resistor"])
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert ended.value.code == app.EXIT_UNEXPECTED
    said = capsys.readouterr().err
    assert said.startswith("error: ZeroDivisionError: by nothing; this is a fault of spicecim")
    assert said.count("\n") == 1
    monkeypatch.setattr(sys, "argv", ["spicecim", "--debug", "models", "resistor"])
    with pytest.raises(ZeroDivisionError):
        app.main()
    app.SETTINGS["debug"] = False


def test_what_is_written_in_full_counts_as_what_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "YAML_NODES", 100)
    (tmp_path / "bench.yaml").write_text(cases.yaml_text(STATE="[[" + "0, " * 100 + "0]]"))
    with pytest.raises(TestbenchError, match=r"line 2: .* more than 100 values .*write large arrays to a .npy"):
        Testbench.from_yaml(tmp_path / "bench.yaml")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=4)
    | st.sampled_from(["sine", "pulse", "samples", "yakopcic", "hp", "1k", "a.npy", "row", "state"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["kind", "model", "preset", "parameters", "state", "amplitude", "frequency", "time"])
        | st.text(max_size=4) | st.none() | st.integers(),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@pytest.mark.timeout(60)
@settings(max_examples=60, deadline=None)
@drawn(st.fixed_dictionaries(dict.fromkeys(("device", "crossbar", "drive", "analysis"), VALUES)) | VALUES)
def test_whatever_values_a_testbench_has(values):
    with contextlib.suppress(SpiceCimError):
        Testbench.from_dict(values)


@pytest.mark.timeout(60)
@settings(max_examples=100, deadline=None)
@drawn(st.text(alphabet="ab:{}[]&*<>-?!|#%@`'\",\n \t01.~", max_size=60) | st.text(max_size=30))
def test_whatever_text_is_read_as_yaml(text):
    with contextlib.suppress(SpiceCimError):
        parse_yaml(text)


@pytest.mark.timeout(60)
@settings(max_examples=60, deadline=None)
@drawn(
    source=st.sampled_from([row[1] for row in cases.ARRAYS if len(row[1]) < 5000]),
    place=st.floats(0, 1),
    new=st.binary(min_size=1, max_size=8),
)
def test_whatever_bytes_an_array_file_has(tmp_path_factory, source, place, new):
    start = int(place * len(source))
    path = tmp_path_factory.getbasetemp() / "drawn.npy"
    path.write_bytes(source[:start] + new + source[start + len(new) :])
    with contextlib.suppress(SpiceCimError):
        Testbench.from_dict(bench_dict(crossbar={"state": str(path)}))


@pytest.mark.timeout(60)
@settings(max_examples=60, deadline=None)
@drawn(st.text(alphabet="RCBXVrcx pnm01.={}()'\"+-*/^;$\n\t.kqsubcktendparmfi,", max_size=120))
def test_whatever_lines_a_subcircuit_has(tmp_path_factory, lines):
    path = tmp_path_factory.getbasetemp() / "drawn.sub"
    path.write_text(f".subckt m p n x a=1\n{lines}\nC1 x 0 1\n.ends\n")
    device = {"subcircuit": str(path), "ports": ["row", "column", "state"]}
    with contextlib.suppress(SpiceCimError):
        render_netlist(Testbench.from_dict(bench_dict(device=device)))
