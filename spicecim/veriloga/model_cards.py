"""Modules of a Verilog-A file compiled as they are, for elements of a netlist that has model cards of its own for them.

A PDK's compact model is one: a file of thousands of lines that takes a minute to compile. So what was made of a file is
found again by its text alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from spicecim.deadline import compile_step
from spicecim.errors import CompilerError, VerilogAError
from spicecim.outside import real_path
from spicecim.veriloga.cache import cached_file, is_intact, key_of
from spicecim.veriloga.compiler import (
    FLAGS,
    HOW_TO_GET_C,
    c_compiler,
    compile_native,
    compile_verilog_a,
    compiler_version,
    own_version,
)
from spicecim.veriloga.openvaf_choice import HOW_TO_INSTALL, openvaf
from spicecim.veriloga.parameters import parameter_values
from spicecim.veriloga.source import read_source


@dataclass(frozen=True)
class CompiledModule:
    """A module that elements of a netlist call.

    Attributes
    ----------
    name
        Its name in the file.
    device
        What ngspice knows it by: the type of its model cards.
    library
        The shared library that it is in.
    terminals
        Names of its terminals, in order.
    parameters
        Names of its parameters in lower case, as ngspice takes them.
    """

    name: str
    device: str
    library: Path
    terminals: tuple[str, ...]
    parameters: frozenset[str]


class _Known(NamedTuple):
    """Modules of a file, and what it and all that it includes were then."""

    contents: dict[Path, bytes]
    modules: dict[str, CompiledModule]


_KNOWN: dict[Path, _Known] = {}
"""What was read in this process, by path: to read a PDK's compact model takes half a second."""


def compiled_modules(path: Path, folder: Path | None = None) -> dict[str, CompiledModule]:
    """Compile every module of a file, unless it was before; return them by their names in lower case.

    Parameters
    ----------
    path
        The file.
    folder
        What it may include files of; left out, of everywhere.

    Raises
    ------
    VerilogAError
        If the file cannot be read or compiled, includes one from outside of the folder, or there is no OpenVAF.
    CompilerError
        If there is no C compiler, or it fails.
    """
    known = _KNOWN.get(path)
    if known is None or known.contents != _contents(known.contents):
        known = _KNOWN[path] = _compiled(path, folder)
    _check_inside(path, known.contents, folder)
    return known.modules


def _contents(files: Iterable[Path]) -> dict[Path, bytes]:
    """Digests of files by path, without those that cannot be read."""
    found = {}
    for file in files:
        with contextlib.suppress(OSError):
            found[file] = hashlib.sha256(file.read_bytes()).digest()
    return found


def _check_inside(path: Path, files: Iterable[Path], folder: Path | None) -> None:
    for file in files:
        if folder is not None and not real_path(file).is_relative_to(real_path(folder)):
            raise VerilogAError(f"{path}: includes {file}, which is outside of the folder {folder} and refused")


def _compiled(path: Path, folder: Path | None) -> _Known:
    with compile_step(f"reading {path}"):
        source = read_source(path)
    contents = _contents(source.files)
    _check_inside(path, contents, folder)
    found, compiler = openvaf(), c_compiler()
    if found is None:
        raise VerilogAError(f"{source.path}: reading Verilog-A needs OpenVAF, which is not there; {HOW_TO_INSTALL}")
    if compiler is None:
        raise CompilerError(f"no C compiler found: {HOW_TO_GET_C}")
    tools = *found, *compiler, compiler_version(), *FLAGS, sysconfig.get_platform()
    key = key_of("model cards", own_version(), *tools, str(source.path), source.text)
    record = cached_file(key, ".json", lambda target: _compile(path, target))
    modules = _read(record)
    if not all(is_intact(module.library) for module in modules):
        record.unlink()
        modules = _read(cached_file(key, ".json", lambda target: _compile(path, target)))
    return _Known(contents, {module.name.lower(): module for module in modules})


def _compile(path: Path, target: Path) -> None:
    compilation = compile_verilog_a(path)
    described: list[dict[str, Any]] = []
    for module in compilation.modules.values():
        defaults = parameter_values(module, compilation.declarations[module.name])
        library, device = compile_native(module, defaults, own_names=True)
        names = {name.lower() for parameter in module.parameters for name in (parameter.name, *parameter.aliases)}
        described.append(
            {
                "name": module.name, "device": device, "library": str(library), "terminals": module.terminals,
                "parameters": sorted(names),
            }
        )  # fmt: skip
    target.write_text(json.dumps(described), encoding="utf-8")


def _read(record: Path) -> list[CompiledModule]:
    return [
        CompiledModule(
            each["name"], each["device"], Path(each["library"]), tuple(each["terminals"]),
            frozenset(each["parameters"]),
        )
        for each in json.loads(record.read_text(encoding="utf-8"))
    ]  # fmt: skip
