"""Verilog-A files compiled: to modules by OpenVAF, and from these to shared libraries by the system's C compiler."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shlex
import shutil
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from spicecim.children import run_program
from spicecim.deadline import compile_step
from spicecim.errors import CompilerError, InputError, VerilogAError
from spicecim.private_files import temporary_folder
from spicecim.veriloga.c_source import HeldNode, c_source
from spicecim.veriloga.cache import cached_file, key_of, usable_cache
from spicecim.veriloga.frontend import Compilation, parse_compilation, run_openvaf
from spicecim.veriloga.lowering import lowered
from spicecim.veriloga.module import Module
from spicecim.veriloga.openvaf_choice import HOW_TO_INSTALL, openvaf
from spicecim.veriloga.refusals import refuse_deep
from spicecim.veriloga.source import read_source
from spicecim.version import __version__

FLAGS = (
    "-std=gnu11", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-ffp-contract=off", "-fwrapv", "-fno-math-errno",
)  # fmt: skip
"""Without contraction to fused multiply-add, so that currents do not depend on the machine's instructions; integers
wrap at 32 bits. Nothing reads errno: a compact model of thousands of roots and exponentials takes a fifth less time."""

HOW_TO_GET_C = (
    "install gcc or clang (Debian and Ubuntu: gcc and libc6-dev), or without root pip install 'spicecim[compiler]', "
    "or set CC to its name"
)

_SOURCE = "model.c"

_COMPILED: dict[str, Compilation] = {}
"""Files that this process has compiled, or found in the cache."""


@functools.cache
def own_version() -> str:
    """Version of this package, and the content of the modules that compile: what older ones made is made anew."""
    files = sorted(path for path in Path(__file__).parent.iterdir() if path.suffix in (".py", ".j2"))
    return key_of(__version__, *(path.read_text(encoding="utf-8") for path in files))


@functools.cache
def c_compiler() -> tuple[str, ...] | None:
    """Command of the C compiler: that of CC, or cc, gcc or clang, or that of the Python package ziglang.

    None if there is none of them.

    Raises
    ------
    InputError
        If CC is no command line.
    """
    try:
        named = shlex.split(os.environ.get("CC", ""))
    except ValueError as error:
        raise InputError(f"CC: is no command line: {error} (given: {os.environ['CC']})") from None
    for command in [named] if named else [["cc"], ["gcc"], ["clang"]]:
        found = shutil.which(command[0])
        if found:
            return (str(Path(found).absolute()), *command[1:])  # it runs in another folder
    zig = None if named else importlib.util.find_spec("ziglang")
    if zig is None or zig.origin is None:
        return None
    # what it builds runs on every processor of this kind, as with the others: a cache may be shared
    return (str(Path(zig.origin).with_name("zig").absolute()), "cc", "-mcpu=baseline")


@functools.cache
def compiler_problem() -> str | None:
    """What is wrong with the C compiler, if it is missing or cannot build a shared library; None if nothing is.

    The library is kept, so that it is built once.

    Raises
    ------
    TimeLimitError
        If it does not end in time: that is no reason to take another way without a word.
    """
    command = c_compiler()
    if command is None:
        return f"there is no C compiler; {HOW_TO_GET_C}"
    trial = "#include <math.h>\ndouble f(double x) { return exp(x); }\n"
    key = key_of("trial", *command, compiler_version(), *FLAGS, sysconfig.get_platform(), trial)
    try:
        cached_file(key, ".osdi", lambda target: _build(command, trial, target))
    except CompilerError as error:
        said = error.log.partition("\n")[0]
        return f"{error.message}: {said}" if said else error.message
    return None


@functools.cache
def compiler_version() -> str:
    """First line of what the C compiler says of its version; empty where there is none or it does not run.

    Raises
    ------
    TimeLimitError
        If it does not answer in time.
    """
    command = c_compiler()
    if command is None:
        return ""
    try:
        with compile_step(f"the C compiler {command[0]}") as deadline:
            answer = run_program([*command, "--version"], deadline, Path("/"), _environment(Path("/")))
    except OSError:
        return ""
    return answer.output.partition("\n")[0]


def compile_verilog_a(path: str | Path) -> Compilation:
    """Compile a Verilog-A file to modules. A file that was compiled before is not compiled again.

    Raises
    ------
    VerilogAError
        If the file cannot be read or compiled, or there is no OpenVAF.
    """
    with compile_step(f"reading {path}"):
        source = read_source(path)
        refuse_deep(source)
        source = lowered(source)
    found = openvaf()
    if found is None:
        raise VerilogAError(f"{source.path}: reading Verilog-A needs OpenVAF, which is not there; {HOW_TO_INSTALL}")
    # messages name the file, so it is part of the key; a failure is not kept
    key = key_of("modules", own_version(), *found, str(source.path), source.digest, source.text)
    if key not in _COMPILED:
        kept = cached_file(key, ".modules", lambda target: _write(target, run_openvaf(source, found.program)))
        _COMPILED[key] = parse_compilation(source, kept.read_text(encoding="utf-8"))
    return _COMPILED[key]


def _write(target: Path, text: str) -> None:
    target.write_text(text, encoding="utf-8")


def compile_native(
    module: Module,
    defaults: Mapping[str, Any],
    states: Sequence[HeldNode] = (),
    drawn: Mapping[str, tuple[str, float]] = MappingProxyType({}),
    *,
    own_names: bool = False,
) -> tuple[Path, str]:
    """Compile a module to a shared library for ngspice.

    Parameters
    ----------
    module
        The module.
    defaults
        Default of each parameter.
    states
        Nodes that hold states, and the factors of their equations (see `c_source`).
    drawn
        Nodes that hold random numbers (see `c_source`).
    own_names
        Whether parameters are known by the names of the module too.

    Returns
    -------
    library : pathlib.Path
        The shared library, in the cache.
    name : str
        Name of the device in it. It differs between modules that differ, because ngspice cannot forget one.

    Raises
    ------
    VerilogAError
        If the module holds something that is not supported.
    CompilerError
        If there is no C compiler or it fails.
    """
    command = c_compiler()
    if command is None:
        raise CompilerError(f"no C compiler found: {HOW_TO_GET_C}")
    content = key_of(c_source(module, "", defaults, states, drawn, own_names=own_names))
    plain = re.sub(r"\W", "_", module.name.lower())
    name = f"{plain}_{content[:12]}"
    text = c_source(module, name, defaults, states, drawn, own_names=own_names)
    # compilers of two machines that share a cache may say the same of their version
    key = key_of("native", own_version(), sysconfig.get_platform(), *command, compiler_version(), *FLAGS, text)
    return cached_file(key, ".osdi", lambda target: _build(command, text, target)), name


def _environment(folder: Path) -> dict[str, str]:
    """Environment of the C compiler that works in a folder. Zig compiles parts of libc once, and keeps them."""
    kept, _ = usable_cache()
    own = {
        "TMPDIR": str(folder),
        "ZIG_LOCAL_CACHE_DIR": str(folder),
        "ZIG_GLOBAL_CACHE_DIR": str((kept or folder) / "zig"),
    }
    return {**os.environ, **own}


def _build(command: tuple[str, ...], text: str, target: Path) -> None:
    """Compile C to a shared library in a folder that holds nothing else; if that fails, keep what there is to see.

    The compiler is given plain names and works in that folder, with its temporary files: nothing stays of a killed one.
    """
    folder = target.parent
    (folder / _SOURCE).write_text(text, encoding="utf-8")
    arguments = [*command, *FLAGS, "-o", target.name, _SOURCE, "-lm"]
    try:
        with compile_step(f"the C compiler {command[0]}") as deadline:
            answer = run_program(arguments, deadline, folder, _environment(folder))
        said, failed = answer.output + answer.errors, answer.status != 0 or not target.exists()
    except OSError as error:
        said, failed = str(error), True
    if failed:
        kept = temporary_folder()
        shutil.copyfile(folder / _SOURCE, kept / _SOURCE)
        (kept / "compiler.log").write_text(f"{shlex.join(arguments)}\n{said}", encoding="utf-8")
        raise CompilerError(f"the C compiler {command[0]} failed", kept, "\n".join(said.splitlines()[:15]))
