"""What of the simulation environment is there, and what to do about what is not."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from spicecim.errors import InputError, SimulationError, TimeLimitError
from spicecim.ngspice.backend import VARIABLE, default_backend, native_obstacle
from spicecim.ngspice.client import shared_worker
from spicecim.ngspice.messages import Capabilities
from spicecim.veriloga.cache import usable_cache
from spicecim.veriloga.compiler import HOW_TO_GET_C, c_compiler, compiler_version
from spicecim.veriloga.openvaf_choice import HOW_TO_INSTALL, openvaf
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
        *_compiled_models(),
        _pytorch(),
    ]


def _pyspice() -> Finding:
    try:
        return Finding("PySpice", "ok", version("PySpice"))
    except PackageNotFoundError:
        return Finding("PySpice", "missing", "not installed", "pip install PySpice")


def _pytorch() -> Finding:
    try:
        return Finding("PyTorch", "ok", version("torch"))
    except PackageNotFoundError:
        advice = "spicecim.networks needs it: pip install 'spicecim[networks]'"
        return Finding("PyTorch", "optional", "not installed", advice)


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


def _compiled_models() -> list[Finding]:
    """What compiled models need besides ngspice, and what evaluates the models of the library."""
    findings = [_openvaf(), _compiler(), _cache()]
    try:
        obstacle = native_obstacle(shared_worker().capabilities())
    except SimulationError:
        return findings
    except InputError as error:
        return [*findings, Finding("models run as", "missing", "not known", str(error))]
    wanted = default_backend()
    native = wanted != "behavioral" and obstacle is None
    why = obstacle or "ngspice has OSDI, and there is a compiler"
    if wanted == "behavioral":
        why = f"{VARIABLE} says so"
    return [
        *findings,
        Finding("models run as", "ok", f"{'compiled code (osdi)' if native else 'behavioral sources'}: {why}"),
    ]


def _cache() -> Finding:
    folder, reason = usable_cache()
    if folder is not None:
        return Finding("cache", "ok", str(folder))
    return Finding("cache", "optional", "not usable", f"every process compiles Verilog-A anew: {reason}")


def _openvaf() -> Finding:
    try:
        found = openvaf()
    except (InputError, TimeLimitError) as error:
        return Finding("OpenVAF", "optional", "not usable", str(error))
    if found is None:
        return Finding("OpenVAF", "optional", "not found", f"reads Verilog-A; {HOW_TO_INSTALL}")
    return Finding("OpenVAF", "ok", " ".join(filter(None, found)))


def _compiler() -> Finding:
    try:
        command = c_compiler()
        version = compiler_version()
    except (InputError, TimeLimitError) as error:
        return Finding("C compiler", "optional", "not usable", str(error))
    if command is None:
        return Finding("C compiler", "optional", "not found", f"compiles Verilog-A; {HOW_TO_GET_C}")
    return Finding("C compiler", "ok", f"{' '.join(command)} ({version})")
