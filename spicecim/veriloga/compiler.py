"""Verilog-A files compiled: to modules by OpenVAF, and from these to shared libraries by the system's C compiler."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spicecim.errors import CompilerError, VerilogAError
from spicecim.veriloga.c_source import c_source
from spicecim.veriloga.cache import cached_file, key_of
from spicecim.veriloga.frontend import Compilation, parse_compilation, run_openvaf
from spicecim.veriloga.module import Module
from spicecim.veriloga.source import read_source
from spicecim.version import __version__

FLAGS = ("-std=gnu11", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-ffp-contract=off", "-fwrapv")
"""Without contraction to fused multiply-add, so that currents do not depend on the machine's instructions; integers
wrap at 32 bits."""

OPENVAF_WHEELS = "it has wheels for Python 3.11 and 3.12 on Linux (x86-64)"
"""Where openvaf-py can be installed."""

_TIME_LIMIT = 300.0

_COMPILED: dict[str, Compilation] = {}
"""Files that this process has compiled, or found in the cache."""


def openvaf_version() -> str | None:
    """Version of openvaf-py, or None where it is not installed."""
    if importlib.util.find_spec("openvaf_py") is None:
        return None
    return importlib.metadata.version("openvaf-py")


@functools.cache
def _own_version() -> str:
    """Version of this package, and the content of the modules that compile: what older ones made is made anew."""
    files = sorted(path for path in Path(__file__).parent.iterdir() if path.suffix in (".py", ".j2"))
    return key_of(__version__, *(path.read_text(encoding="utf-8") for path in files))


@functools.cache
def c_compiler() -> tuple[str, ...] | None:
    """Command of the C compiler: that of the environment variable CC, or cc, gcc or clang; None if there is none."""
    named = shlex.split(os.environ.get("CC", ""))
    for command in [named] if named else [["cc"], ["gcc"], ["clang"]]:
        found = shutil.which(command[0])
        if found:
            return (found, *command[1:])
    return None


@functools.cache
def compiler_problem() -> str | None:
    """What is wrong with the C compiler, if it is missing or cannot build a shared library; None if nothing is.

    The library is kept, so that it is built once.
    """
    command = c_compiler()
    if command is None:
        return "there is no C compiler; install gcc or clang, or set CC to its name"
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
    """First line of what the C compiler says of its version; empty where there is none."""
    command = c_compiler()
    if command is None:
        return ""
    try:
        answer = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.partition("\n")[0]


def compile_verilog_a(path: str | Path) -> Compilation:
    """Compile a Verilog-A file to modules. A file that was compiled before is not compiled again.

    Raises
    ------
    VerilogAError
        If the file cannot be read or compiled, or openvaf-py is not installed.
    """
    source = read_source(path)
    version = openvaf_version()
    if version is None:
        raise VerilogAError(
            f"{source.path}: reading Verilog-A needs openvaf-py, which is not installed; {OPENVAF_WHEELS}"
        )
    # messages name the file, so it is part of the key; a failure is not kept
    key = key_of("modules", _own_version(), version, str(source.path), source.digest, source.text)
    if key not in _COMPILED:
        kept = cached_file(key, ".modules", lambda target: _write(target, run_openvaf(source)))
        _COMPILED[key] = parse_compilation(source, kept.read_text(encoding="utf-8"))
    return _COMPILED[key]


def _write(target: Path, text: str) -> None:
    target.write_text(text, encoding="utf-8")


def compile_native(
    module: Module, defaults: Mapping[str, Any], state: str | None = None, state_factor: float = 1.0
) -> tuple[Path, str]:
    """Compile a module to a shared library for ngspice.

    Parameters
    ----------
    module
        The module.
    defaults
        Default of each parameter.
    state, state_factor
        Node that holds the state, and the factor of its equation (see `c_source`).

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
        raise CompilerError(
            "no C compiler found: install one (Debian and Ubuntu: gcc and libc6-dev) or set CC to its name"
        )
    content = key_of(c_source(module, "", defaults, state, state_factor))
    plain = re.sub(r"\W", "_", module.name.lower())
    name = f"{plain}_{content[:12]}"
    text = c_source(module, name, defaults, state, state_factor)
    # compilers of two machines that share a cache may say the same of their version
    key = key_of("native", _own_version(), sysconfig.get_platform(), *command, compiler_version(), *FLAGS, text)
    return cached_file(key, ".osdi", lambda target: _build(command, text, target)), name


def _build(command: tuple[str, ...], text: str, target: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="spicecim-"))
    source, log = folder / "model.c", folder / "compiler.log"
    source.write_text(text, encoding="utf-8")
    arguments = [*command, *FLAGS, "-o", str(target), str(source), "-lm"]
    try:
        answer = subprocess.run(
            arguments, capture_output=True, text=True, errors="replace", timeout=_TIME_LIMIT, check=False
        )
        said, failed = answer.stdout + answer.stderr, answer.returncode != 0 or not target.exists()
    except subprocess.TimeoutExpired:
        said, failed = f"did not end within {_TIME_LIMIT:g} s", True
    except OSError as error:
        said, failed = str(error), True
    if failed:
        log.write_text(f"{shlex.join(arguments)}\n{said}", encoding="utf-8")
        raise CompilerError(f"the C compiler {command[0]} failed", folder, "\n".join(said.splitlines()[:15]))
    shutil.rmtree(folder, ignore_errors=True)
