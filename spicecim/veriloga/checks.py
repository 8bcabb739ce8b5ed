"""Whether a Verilog-A module is fit to be a memristor: what it has, what is wrong with it, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spicecim.errors import ModelError, QuantityError, StateCurrentError, VerilogAError
from spicecim.problems import did_you_mean
from spicecim.quantities import parse_quantity
from spicecim.veriloga.compiler import compile_verilog_a
from spicecim.veriloga.cure.cured import cure_text
from spicecim.veriloga.cure.writing import WrittenState
from spicecim.veriloga.declarations import ModuleDeclaration
from spicecim.veriloga.device import ModuleDevice
from spicecim.veriloga.findings import Finding, worst_first
from spicecim.veriloga.frontend import Compilation
from spicecim.veriloga.module import Module
from spicecim.veriloga.parameters import parameter_values
from spicecim.veriloga.probing import probe_findings, range_findings
from spicecim.veriloga.report import ModelReport, report_nodes, report_parameters
from spicecim.veriloga.selection import charged_nodes, pick_module, pick_state, state_candidates
from spicecim.veriloga.source_checks import source_findings
from spicecim.veriloga.structure_checks import device_findings, parameter_findings

_MISSING = {
    "module": ("no-terminals", "the module lacks terminals, so the equations were not probed"),
    "state": ("no-state", "the state was not found, so the equations were not probed"),
    "initial": ("no-scale", "the scale of the state was not found, so currents were not probed"),
}
"""Code and message for each field that a device misses; what it says of the field is the cure."""

_BY_HAND = "Cure the hidden state by hand, then check again"

MakeDevice = Callable[[tuple[float, float] | None], ModuleDevice]
"""Builds the device for a scale of its state."""

_Probed = tuple[ModuleDevice | None, list[Finding]]


def check_model(
    path: str | Path,
    module: str | None = None,
    *,
    state: str | None = None,
    initial: Sequence[float] | None = None,
    states: Mapping[str, float | str] | None = None,
    parameters: Mapping[str, Any] | None = None,
    voltage: float | str = 2.0,
) -> ModelReport:
    """Check a Verilog-A module as a memristor.

    Parameters
    ----------
    path
        The Verilog-A file.
    module
        Name of the module; may be left out if the file has one.
    state
        Name of the node that holds the state; may be left out if that is plain.
    initial
        The state at x = 0 and at x = 1; found by probing if left out.
    states
        Potentials at which further nodes that hold a state are held, by name; others are in equilibrium.
    parameters
        Parameters that differ from their defaults.
    voltage
        Magnitude (V) up to which the equations are probed, in both directions.

    Returns
    -------
    ModelReport
        What is wrong with the model is in its findings and raises nothing.

    Raises
    ------
    VerilogAError
        If the file cannot be read or compiled.
    ModelError
        If an argument is wrong: the module, a state or a parameter is unknown, or a value out of its bounds.

    Examples
    --------
    >>> import spicecim as sc
    >>> from spicecim.resources import resource_folder
    >>> report = sc.check_model(resource_folder("examples") / "series_memristor.va")
    >>> report.ok
    True
    """
    limit, ends = _voltage(voltage), _initial(initial)
    try:
        compilation = compile_verilog_a(path)
    except VerilogAError as error:
        if not (hint := _how_it_compiles(path, module)):
            raise
        raise VerilogAError(f"{error}\n{hint}") from None
    found = pick_module(compilation, module)
    declaration = compilation.declarations[found.name]
    if state is not None:
        pick_state(compilation, found, state)
    held = _held(found, states or {})
    state = state or _only([name for name in state_candidates(found) if held and name not in held])
    findings: list[Finding] = []
    values: dict[str, Any] = {}
    try:
        values = parameter_values(found, declaration, parameters)
    except ModelError as error:
        if parameters:
            raise
        findings.append(_default_out_of_bounds(declaration, error))
    unset = compilation.unset(found.name, values)
    findings += source_findings(declaration, unset, values)
    if not unset:  # what OpenVAF keeps of hidden state leaves out what only that depends on
        findings += parameter_findings(declaration, compilation.outlines[found.name], values)
    device = None
    if unset:
        message = "the equations were not probed: without the memory that they count on they mean nothing"
        findings.append(Finding("note", "not-probed", message, None, _how_to_cure(path, found.name)))
    elif values or not declaration.parameters:

        def make(scale: tuple[float, float] | None) -> ModuleDevice:
            return ModuleDevice(
                path, found.name, state=state, initial=scale, parameters=parameters, states=held, voltage=limit
            )

        device, shown = _probed(make, ends, limit)
        others = _others(compilation, found, state)
        if device is None and set(others) - held.keys():
            others = [name for name in others if name not in held]
            held.update(dict.fromkeys(others, 0.0))
            again, found_then = _probed(make, ends, limit)
            if again is not None:
                device, shown = again, [_no_joint_equilibrium(again, others), *found_then]
        findings += shown
        if device is not None:
            findings += device_findings(device, others, limit)
    node = device.state_node if device else state or _only(state_candidates(found))
    return ModelReport(
        str(path),
        found.name,
        report_nodes(found, node),
        node,
        (float(device.initial[0]), float(device.initial[1])) if device else ends,
        limit if device else None,
        report_parameters(found, declaration, values),
        worst_first(findings),
    )


def _others(compilation: Compilation, module: Module, state: str | None) -> list[str]:
    """Nodes that hold states beside the first one."""
    try:
        first = pick_state(compilation, module, state)
    except ModelError:
        return []
    return [name for name in charged_nodes(module) if name != first and name not in module.terminals[:2]]


def _no_joint_equilibrium(device: ModuleDevice, others: Sequence[str]) -> Finding:
    names = ", ".join(others)
    return Finding(
        "warning",
        "no-joint-equilibrium",
        f"{names} and {device.state_node} have no joint equilibrium: with {device.state_node} held, nothing says where "
        f"{names} {'starts' if len(others) == 1 else 'start'}. The equations were probed with 0 there",
        None,
        f"Give the values at time 0 in a testbench, such as device: {{states: {{{others[0]}: 0.0}}}}; in this check, "
        f"--hold {others[0]}=VALUE",
    )


def _how_to_cure(path: str | Path, module: str) -> str:
    """Whether `spicecim model cure` puts hidden state into nodes, and if not, why."""
    try:
        states = cure_text(path, module).written.states
    except VerilogAError as error:
        return f"{_BY_HAND}; spicecim model cure cannot: {error}"
    return _by_command(path, states) if states else _BY_HAND


def _how_it_compiles(path: str | Path, module: str | None) -> str:
    """Say that `spicecim model cure` makes a file that compiles of one that does not; empty if it does not."""
    for also in ("", "draws"):
        try:
            states = cure_text(path, module, also=[also] if also else []).written.states
        except (VerilogAError, ModelError):
            continue
        if states:
            return _by_command(path, states, also)
    return ""


def _by_command(path: str | Path, states: Sequence[WrittenState], also: str = "") -> str:
    held = ", ".join(item.state.name for item in states)
    what = f"puts {held} into {'a node' if len(states) == 1 else 'nodes'}"
    if also:
        what += ", with the mean in the place of each random draw"
    return f"spicecim model cure {Path(path).name} -o OUT.va{f' --also {also}' * bool(also)} {what}; check that file"


def _default_out_of_bounds(declaration: ModuleDeclaration, error: ModelError) -> Finding:
    name = str(error).partition(":")[0]
    message = f"default of {error}; the equations were not probed"
    place = declaration.parameters[name].place
    cure = "Change the default or the bounds in the declaration"
    return Finding("error", "default-out-of-bounds", message, str(place), cure)


def _only(names: list[str]) -> str | None:
    return names[0] if len(names) == 1 else None


def _voltage(voltage: float | str) -> float:
    try:
        value = parse_quantity(voltage, "V")
    except QuantityError as error:
        raise ModelError(f"voltage: {error}") from None
    if value <= 0:
        raise ModelError(f"voltage: must be above 0; it is {value:g}")
    return value


def _held(module: Module, states: Mapping[str, float | str]) -> dict[str, float | None]:
    """Potentials of further states as numbers."""
    known = [name for name in charged_nodes(module) if name not in module.terminals[:2]]
    held: dict[str, float | None] = {}
    for name, value in states.items():
        if name not in known:
            listed = f"those of {module.name} are {', '.join(known)}" if known else f"{module.name} has none"
            raise ModelError(f"states: {name} is no node that holds a state; {listed}{did_you_mean(name, known)}")
        try:
            held[name] = parse_quantity(value, "")
        except QuantityError as error:
            raise ModelError(f"states: {name}: {error}") from None
    return held


def _initial(initial: Sequence[float] | None) -> tuple[float, float] | None:
    if initial is None:
        return None
    ends = [float(end) for end in initial]
    if len(ends) != 2 or not np.isfinite(ends).all() or ends[0] == ends[1]:
        raise ModelError(f"initial: must be two different numbers, the state at x = 0 and at x = 1; it is {ends}")
    return ends[0], ends[1]


def _probed(make: MakeDevice, initial: tuple[float, float] | None, voltage: float) -> _Probed:
    """Build a device with its scale, and probe it; the device is None if it cannot be built."""
    try:
        device = make(initial)
    except (ModelError, VerilogAError) as error:
        return None, [_not_built(error), *_out_of_range(make, error, voltage)]
    try:
        return device, probe_findings(device, voltage)
    except VerilogAError as error:
        return device, [_not_built(error)]


def _not_built(error: Exception) -> Finding:
    field, _, reason = str(error).partition(": ")
    if isinstance(error, StateCurrentError):
        message = "a part of the state's equation is a current of a terminal, so the equations were not probed"
        return Finding("error", "state-current-in-terminal", message, None, reason)
    if field in _MISSING:
        code, message = _MISSING[field]
        return Finding("error", code, message, None, reason)
    cure = "Check the equations of the inner nodes: each needs a path for its current at every voltage and state"
    return Finding("error", "not-evaluated", f"the equations could not be evaluated: {error}", None, cure)


def _out_of_range(make: MakeDevice, error: Exception, voltage: float) -> list[Finding]:
    """Where a state whose scale was not found leaves 0 and 1."""
    if not str(error).startswith("initial: "):
        return []
    try:
        return range_findings(make((0.0, 1.0)), voltage)
    except VerilogAError:
        return []
