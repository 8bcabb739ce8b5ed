"""The cache of compiled models and the compiler: what is kept, what heals, and what a failure says."""

import hashlib
import json
import multiprocessing
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from osdi import Device, module_text

from spicecim.errors import CompilerError, VerilogAError
from spicecim.veriloga import compiler
from spicecim.veriloga.cache import CacheWarning, _temporary_cache, cached_file, key_of
from spicecim.veriloga.compiler import FLAGS, c_compiler, c_source, compile_native, compile_verilog_a
from spicecim.veriloga.parameters import parameter_values

pytestmark = pytest.mark.compiler


# values and labels that nothing needs are written all the same
WARNINGS = ["-Wall", "-Wextra", "-Werror", "-Wno-unused-but-set-variable", "-Wno-unused-label"]

TEXT = module_text("I(p, n) <+ g*V(p, n);", "parameter real g = 2;")


@pytest.fixture(autouse=True)
def fresh(tmp_path, monkeypatch):
    """A cache of the test's own, and a process that remembers nothing."""

    def forget():
        monkeypatch.setattr(compiler, "_COMPILED", {})
        compiler.c_compiler.cache_clear()
        compiler.compiler_version.cache_clear()
        _temporary_cache.cache_clear()

    monkeypatch.setenv("SPICECIM_CACHE", str(tmp_path / "cache"))
    forget()
    yield forget
    forget()


@pytest.fixture
def path(tmp_path):
    """A model."""
    path = tmp_path / "m.va"
    path.write_text(TEXT, encoding="utf-8")
    return path


def compiled(path):
    compilation = compile_verilog_a(path)
    module = compilation.modules["m"]
    return compile_native(module, parameter_values(module, compilation.declarations["m"]))


def conductance(library):
    return Device(library).evaluate(np.array([[1.0, 0.0]]))[0].flow[0, 0]


def kept(tmp_path):
    return sorted(file.name for file in (tmp_path / "cache").iterdir())


def forbid(monkeypatch):
    """Let nothing be compiled from here on."""

    def fail(*_, **__):
        raise AssertionError("compiled again")

    monkeypatch.setattr(compiler, "run_openvaf", fail)
    monkeypatch.setattr(compiler, "_build", fail)


def test_a_second_use_compiles_nothing(path, fresh, monkeypatch, tmp_path):
    first = compiled(path)
    before = kept(tmp_path)
    assert len(before) == 4
    fresh()
    forbid(monkeypatch)
    assert compiled(path) == first
    assert kept(tmp_path) == before
    assert conductance(first[0]) == 2.0


@pytest.mark.parametrize("suffix", [".osdi", ".osdi.json", ".modules", ".modules.json"])
@pytest.mark.parametrize("damage", ["empty", "cut", "gone", "other"])
def test_what_is_damaged_heals(path, fresh, tmp_path, suffix, damage):
    library, _ = compiled(path)
    (file,) = (tmp_path / "cache").glob(f"*{suffix}")
    content = file.read_bytes()
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes({"empty": b"", "cut": content[:-7], "other": b"[1]"}[damage])
    fresh()
    assert compiled(path)[0] == library
    for target in (library, *(tmp_path / "cache").glob("*.modules")):
        record = json.loads((target.parent / f"{target.name}.json").read_text())
        assert record == {"sha256": compiler_digest(target)}
    assert len(kept(tmp_path)) == 4


def compiler_digest(target):
    return hashlib.sha256(target.read_bytes()).hexdigest()


def test_a_cache_that_cannot_be_written_warns_and_works(path, fresh, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("SPICECIM_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.warns(CacheWarning, match=r"the cache .*file.* cannot be written .*; set SPICECIM_CACHE"):
        library, _ = compiled(path)
    assert conductance(library) == 2.0
    compiled(path)  # and warns once


def test_no_compiler(path, fresh, monkeypatch):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CompilerError, match="no C compiler found: install gcc"):
        compiled(path)


def test_the_cache_serves_as_long_as_the_compiler_is_the_same(path, fresh, monkeypatch):
    library, _ = compiled(path)
    fresh()
    monkeypatch.setenv("CC", c_compiler()[0])
    compiler.c_compiler.cache_clear()
    assert compiled(path)[0] == library


def test_a_compiler_that_fails_keeps_the_source(path, fresh, monkeypatch, tmp_path):
    script = tmp_path / "bad cc"
    script.write_text("#!/bin/sh\ncase $1 in --version) echo bad 1;; *) echo it will not >&2; exit 1;; esac\n")
    script.chmod(0o755)
    monkeypatch.setenv("CC", f"'{script}'")
    with pytest.raises(CompilerError, match=r"the C compiler .*bad cc failed") as caught:
        compiled(path)
    assert "it will not" in str(caught.value)
    assert "evaluate" in (caught.value.folder / "model.c").read_text()
    assert "it will not" in (caught.value.folder / "compiler.log").read_text()
    assert not list((tmp_path / "cache").glob("*.osdi*"))
    shutil.rmtree(caught.value.folder)


def test_a_compiler_that_writes_nothing_is_a_failure(path, fresh, monkeypatch):
    monkeypatch.setenv("CC", "true")
    with pytest.raises(CompilerError) as caught:
        compiled(path)
    shutil.rmtree(caught.value.folder)


def test_a_compiler_with_arguments(path, fresh, monkeypatch):
    plain = compiled(path)
    fresh()
    monkeypatch.setenv("CC", "cc -O0 -DSOME='a b'")
    other = compiled(path)
    assert other[0] != plain[0]
    assert conductance(other[0]) == 2.0


def test_a_changed_include_is_compiled_again(path, fresh, tmp_path):
    (tmp_path / "g.va").write_text("parameter real g = 2;", encoding="utf-8")
    path.write_text(module_text("I(p, n) <+ g*V(p, n);", '\n`include "g.va"\n'), encoding="utf-8")
    first = compiled(path)
    (tmp_path / "g.va").write_text("parameter real g = 3;", encoding="utf-8")
    second = compiled(path)
    assert first[1] != second[1]
    assert [conductance(library) for library, _ in (first, second)] == [2.0, 3.0]


def test_what_was_refused_is_asked_for_again(path):
    path.write_text("module m(", encoding="utf-8")
    for _ in range(2):
        with pytest.raises(VerilogAError):
            compile_verilog_a(path)
    path.write_text(TEXT, encoding="utf-8")
    assert compile_verilog_a(path).modules["m"]


def _compile_once(path, barrier, answers):
    barrier.wait()
    library, name = compiled(path)
    answers.put((str(library), name, conductance(library)))


@pytest.mark.slow
def test_processes_that_compile_the_same_file_at_once(path, tmp_path):
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(4), context.Queue()
    processes = [context.Process(target=_compile_once, args=(path, barrier, answers)) for _ in range(4)]
    for process in processes:
        process.start()
    found = {answers.get(timeout=120) for _ in processes}
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert len(found) == 1
    assert found.pop()[2] == 2.0
    assert len(kept(tmp_path)) == 4


def test_keys_do_not_run_into_each_other():
    assert key_of("ab", "c") != key_of("a", "bc")
    assert key_of("a") != key_of("a", "")


def test_a_failure_to_make_leaves_nothing(tmp_path):
    def fail(target):
        target.write_text("half")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cached_file("key", ".x", fail)
    assert kept(tmp_path) == []
    assert cached_file("key", ".x", lambda target: target.write_text("whole") and None).read_text() == "whole"


def test_the_c_source_has_no_warnings(path, tmp_path):
    path.write_text(
        module_text(
            """k = V(p); s = 0; for (j = 0; j < k; j = j + 1) s = s + V(n)*j;
if (t == "a") $strobe("%g %s", s, t); $bound_step(1e-6);
if (r > 0) I(p, x) <+ V(p, x)/r + ddt(s*k/(k*k + 3)); else V(p, x) <+ 0;
I(x, n) <+ idt(V(x, n), 0.5) + $simparam("gmin")*$temperature;""",
            'electrical x; parameter real r = 1; parameter string t = "a"; real s; integer j, k;',
        ),
        encoding="utf-8",
    )
    compilation = compile_verilog_a(path)
    module = compilation.modules["m"]
    text = c_source(module, "m", parameter_values(module, compilation.declarations["m"]))
    (tmp_path / "m.c").write_text(text, encoding="utf-8")
    command = [
        *c_compiler(),
        *FLAGS,
        *WARNINGS,
        "-o",
        str(tmp_path / "m.so"),
        str(tmp_path / "m.c"),
    ]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr


def test_openvaf_is_not_imported_here(path):
    """It may end the process that it runs in."""
    code = f"import sys; from spicecim.veriloga.compiler import compile_verilog_a as c; c({str(path)!r}); " + (
        "sys.exit('openvaf_py' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], env=os.environ, check=False).returncode == 0
