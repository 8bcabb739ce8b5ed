"""How ngspice evaluates a device: by behavioral sources, or by code compiled from Verilog-A."""

from __future__ import annotations

import os

from spicecim.cell_choice import OneTransistor
from spicecim.errors import InputError, UnsupportedError
from spicecim.ngspice.client import Worker, shared_worker
from spicecim.ngspice.messages import Capabilities
from spicecim.pdk import PdkTransistor
from spicecim.testbench import Testbench
from spicecim.veriloga.compiler import compiler_problem
from spicecim.veriloga.openvaf_choice import openvaf_problem

BACKENDS = ("auto", "osdi", "behavioral")

VARIABLE = "SPICECIM_BACKEND"
"""Environment variable that says what the backend ``auto`` is: ``osdi`` or ``behavioral``."""


def native_obstacle(can: Capabilities) -> str | None:
    """Return what keeps compiled models from running, and what to do; None if nothing does."""
    if not can.osdi:
        return f"ngspice {can.version} has no OSDI; 43 or newer has it"
    return openvaf_problem() or compiler_problem()


def is_native(testbench: Testbench, worker: Worker | None = None, *, wanted: str = "auto") -> bool:
    """Whether the device of a testbench runs as compiled code; `wanted` goes before what the device says.

    Raises
    ------
    UnsupportedError
        If it must, and cannot.
    InputError
        If `wanted` or the environment variable SPICECIM_BACKEND holds something else than a backend.
    """
    if wanted not in BACKENDS:
        raise InputError(f"backend: must be {' or '.join(BACKENDS)}; it is {wanted!r}")
    _check_modules(testbench, worker)
    key = f"backend: {wanted}"
    if wanted == "auto":
        wanted, key = testbench.device.wanted_backend()
    if wanted == "auto":
        wanted = default_backend()
    if wanted == "behavioral":
        return False
    obstacle = native_obstacle((worker or shared_worker()).capabilities())
    if obstacle is not None and wanted == "osdi":
        raise UnsupportedError(f"{key} needs compiled models: {obstacle}")
    return obstacle is None


def _check_modules(testbench: Testbench, worker: Worker | None) -> None:
    """Raise `UnsupportedError` if a testbench names modules to compile, and compiled models cannot run."""
    foreign, cell = testbench.device.foreign(), testbench.cell
    transistor = cell.transistor if isinstance(cell, OneTransistor) else None
    fields = []
    if foreign is not None and foreign.is_module:
        fields.append("device.subcircuit")
    if isinstance(transistor, PdkTransistor) and transistor.verilog_a:
        fields.append("cell.transistor.verilog_a")
    if fields:
        obstacle = native_obstacle((worker or shared_worker()).capabilities())
        if obstacle is not None:
            raise UnsupportedError(f"{fields[0]} needs compiled models: {obstacle}")


def default_backend() -> str:
    """What ``auto`` stands for: that of SPICECIM_BACKEND, or else ``auto``, compiled where that is possible."""
    named = os.environ.get(VARIABLE, "") or "auto"
    if named not in BACKENDS:
        raise InputError(f"{VARIABLE}: must be auto, osdi or behavioral; it is {named!r}")
    return named
