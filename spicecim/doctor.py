"""What of the simulation environment is there, and what to do about what is not."""

from __future__ import annotations

import platform
import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from spicecim.errors import SimulationError
from spicecim.ngspice.client import shared_worker
from spicecim.ngspice.messages import Capabilities
from spicecim.version import __version__

Status = Literal["ok", "optional", "missing"]


@dataclass(frozen=True)
class Finding:
    """One part of the environment: what was found, and what to do where it is missing."""

    name: str
    status: Status
    found: str
    advice: str = ""


def examine() -> list[Finding]:
    """Look for everything that spicecim uses. A finding with the status ``missing`` means that ngspice cannot run."""
    return [
        Finding("spicecim", "ok", __version__),
        Finding("Python", "ok", platform.python_version()),
        _pyspice(),
        *_ngspice(),
        _compiler(),
        _openvaf(),
    ]


def _pyspice() -> Finding:
    try:
        return Finding("PySpice", "ok", version("PySpice"))
    except PackageNotFoundError:
        return Finding("PySpice", "missing", "not installed", "pip install PySpice")


def _ngspice() -> list[Finding]:
    try:
        can: Capabilities = shared_worker().capabilities()
    except SimulationError as error:
        return [Finding("libngspice", "missing", "not usable", str(error))]
    return [
        Finding("libngspice", "ok", can.library),
        Finding("ngspice version", "ok", can.version),
        _feature(
            "KLU", can.klu, "resistive wires are solved up to ten times slower without; ngspice 43 or newer has it"
        ),
        _feature("OSDI", can.osdi, "compiled Verilog-A models need it; ngspice 43 or newer has it"),
        _feature("XSPICE", can.xspice, "no model of spicecim needs it"),
    ]


def _feature(name: str, there: bool, advice: str) -> Finding:
    return Finding(name, "ok", "compiled in") if there else Finding(name, "optional", "not compiled in", advice)


def _compiler() -> Finding:
    path = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if path:
        return Finding("C compiler", "ok", path)
    return Finding("C compiler", "optional", "not on PATH", "to compile Verilog-A models install gcc or clang")


def _openvaf() -> Finding:
    path = next(filter(None, map(shutil.which, ("openvaf-r", "openvaf"))), None)
    if path:
        return Finding("OpenVAF", "ok", path)
    return Finding("OpenVAF", "optional", "not on PATH", "an alternative compiler of Verilog-A; nothing needs it")
