"""What is wrong with a Verilog-A module as a memristor, as far as its source tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spicecim.veriloga.declarations import ModuleDeclaration
from spicecim.veriloga.expressions import ExpressionError
from spicecim.veriloga.findings import Finding

_NODE_CURE = "Let a node hold it, I(x) <+ ddt(V(x)) - rate"
_INTEGRALS = ("idt", "idtmod")
_NOISE = ("white_noise", "flicker_noise", "noise_table")
_EXPONENTIALS = ("exp", "limexp")


def source_findings(
    declaration: ModuleDeclaration, unset: Sequence[str], parameters: Mapping[str, Any]
) -> list[Finding]:
    """Return what the source of a module shows.

    Parameters
    ----------
    declaration
        What the source declares.
    unset
        Variables whose value before they are assigned matters.
    parameters
        Values of the parameters, for constant expressions.
    """
    return [
        *_hidden_states(declaration, unset),
        *_explicit_time(declaration, bool(unset)),
        *_integrals(declaration),
        *_logarithms(declaration),
        *_step_bounds(declaration, parameters),
        *_notes(declaration),
    ]


def _hidden_states(declaration: ModuleDeclaration, unset: Sequence[str]) -> Iterator[Finding]:
    declared = {variable.name: variable.place for variable in declaration.variables}
    for name in unset:
        message = f"{name} is read before it is assigned: memory outside a node, which is lost at every evaluation"
        cure = f"{_NODE_CURE}; or, if it is no state, assign it on every path before it is read"
        sources = _sources(declaration, name)
        # what is assigned from an integral is clipped from its own value, not integrated
        step = None if sources & set(_INTEGRALS) else _own_step(declaration, name)
        if step and "$abstime" in sources:
            message += f". It is integrated by differences of $abstime ({step}), unseen by the simulator's step control"
            cure = f"{_NODE_CURE}, and leave time to the simulator"
        elif step:
            message += f". It is integrated by fixed steps (from its own value at {step}), whatever step is simulated"
            cure = f"{_NODE_CURE}, and leave time to the simulator"
        elif sources & set(_INTEGRALS):
            message += ". It is assigned from an integral further down"
            cure = f"Read it after it is assigned; or {_NODE_CURE[0].lower()}{_NODE_CURE[1:]}"
        yield Finding("error", "hidden-state", message, str(declaration.reads.get(name, declared[name])), cure)


def _own_step(declaration: ModuleDeclaration, name: str) -> str | None:
    """Where a variable is assigned from its own value, or from a copy of it, and something else."""
    own = {name}
    for other, assignments in declaration.assignments.items():
        for assignment in assignments:
            if assignment.copies and name in (other, assignment.names[0]):
                own |= {other, assignment.names[0]}
    for variable in own:
        for assignment in declaration.assignments.get(variable, []):
            if not assignment.copies and own & set(assignment.names):
                return str(assignment.place)
    return None


def _sources(declaration: ModuleDeclaration, name: str) -> set[str]:
    """All names that a variable is assigned from, directly or through other variables."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        names = {word for item in declaration.assignments.get(waiting.pop(), []) for word in item.names}
        waiting += names - found
        found |= names
    return found


def _explicit_time(declaration: ModuleDeclaration, hidden: bool) -> Iterator[Finding]:
    for place in declaration.calls.get("$abstime", [])[:1]:
        yield Finding(
            "error" if hidden else "warning",
            "explicit-time",
            "$abstime is used: the equations depend on when they are evaluated, not on the state alone",
            str(place),
            "Integrate by a node, I(x) <+ ddt(V(x)) - rate, and let the netlist's sources say what happens when"
            if hidden
            else "Let the netlist's sources say what happens when; in a message alone $abstime does no harm",
        )


def _integrals(declaration: ModuleDeclaration) -> Iterator[Finding]:
    for name in _INTEGRALS:
        for place in declaration.calls.get(name, []):
            yield Finding(
                "warning",
                "idt-state",
                f"{name} holds a state: its own equation cannot bound it, so it winds up beyond a clip and has to wind "
                "back before the device responds",
                str(place),
                f"{_NODE_CURE}, with a rate that is zero at a bound that the state moves towards",
            )


def _logarithms(declaration: ModuleDeclaration) -> Iterator[Finding]:
    exponential = next((name for name in _EXPONENTIALS if name in declaration.calls), None)
    for place in declaration.calls.get("log", []):
        message = "log is the logarithm to base 10 in Verilog-A"
        if exponential:
            message += f"; the module uses {exponential} too, whose inverse is ln, so ln was very likely meant"
        yield Finding("warning", "log-base-10", message, str(place), "Write ln for the natural logarithm")


def _step_bounds(declaration: ModuleDeclaration, parameters: Mapping[str, Any]) -> Iterator[Finding]:
    places = declaration.calls.get("$bound_step", [])
    for place, step in zip(places, declaration.bound_steps, strict=True):
        message = "$bound_step limits the time step"
        try:
            steps = 1e-3 / float(step.evaluate(parameters))
            message += f" to {step}: a millisecond takes at least {steps:.3g} steps"
        except (ExpressionError, ZeroDivisionError, ValueError):
            message += f" to {step}, which depends on the state or the voltage"
        cure = "Leave it out if the equations are smooth: the simulator's own error control is enough"
        yield Finding("note", "bound-step", message, str(place), cure)


def _notes(declaration: ModuleDeclaration) -> Iterator[Finding]:
    for place in declaration.calls.get("$limit", [])[:1]:
        yield Finding(
            "note",
            "limit",
            "$limit is used: it changes the way to a solution, not the solution",
            str(place),
            "Nothing needs doing; probing evaluates the equations without it",
        )
    noise = [place for name in _NOISE for place in declaration.calls.get(name, [])]
    for place in noise[:1]:
        cure = "Nothing needs doing, unless a transient with noise was wanted: that needs a source in the netlist"
        yield Finding("note", "noise", "noise is contributed, which has no part in a transient", str(place), cure)
    for place in declaration.events.get("initial_step", []):
        yield Finding(
            "note",
            "initial-step",
            "@(initial_step) is obeyed at every evaluation by OpenVAF, not at one step alone",
            str(place),
            "Use it for constants alone; a state starts from the initial condition of its node",
        )
