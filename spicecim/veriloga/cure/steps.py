"""Which name or number of a module is its time step."""

from __future__ import annotations

import re

from spicecim.errors import VerilogAError
from spicecim.veriloga.cure.syntax import Assign, Event, Syntax, Task
from spicecim.veriloga.cure.terms import Term
from spicecim.veriloga.cure.values import StepSource

_STEP_NAME = re.compile(r"(?i)d_?t|delta_?t|t_?step|time_?step|step_?(size|time)?|t_?inc|delta_?time")


def find_step(syntax: Syntax, given: str | float | None) -> StepSource:
    """Return what stands for the time step: as given, or the names and numbers that can be nothing else.

    Raises
    ------
    VerilogAError
        If a name that is given is not known.
    """
    if isinstance(given, float):
        return StepSource(value=given)
    declared = syntax.declaration.parameters
    if given is not None:
        if given not in declared and given not in syntax.types:
            raise VerilogAError(f"step: module {syntax.declaration.name} has no parameter or variable {given!r}")
        return StepSource(frozenset({given}))
    names = {key for key, item in declared.items() if item.type == "real" and _STEP_NAME.fullmatch(key)}
    fixed = {key for key in syntax.types if _STEP_NAME.fullmatch(key) and _is_fixed(syntax, key)}
    for statement in syntax.statements():
        bound = statement.args[0] if isinstance(statement, Task) and statement.name == "$bound_step" else None
        timer = isinstance(statement, Event) and statement.events == ("timer",) and len(statement.args) > 1
        limit = bound if bound is not None else statement.args[1] if timer else None  # type: ignore[attr-defined]
        if limit is not None and limit.op == "name" and (limit.text in declared):
            names.add(limit.text)
        elif limit is not None and not names | fixed and _stands_once(syntax, limit):
            return StepSource(value=float(limit.value or 0.0))
    return StepSource(frozenset(names | fixed))


def _stands_once(syntax: Syntax, limit: Term) -> bool:
    """Whether a number stands in one assignment alone, so that it can be nothing but the step."""
    values = [item.value for item in syntax.statements() if isinstance(item, Assign)]
    return limit.op == "number" and sum(limit in value.leaves for value in values) == 1


def _is_fixed(syntax: Syntax, variable: str) -> bool:
    """Whether all that is assigned to a variable are numbers and parameters."""
    values = [item.value for item in syntax.statements() if isinstance(item, Assign) and item.name == variable]
    given = syntax.initial.get(variable)
    values += [given] if given is not None else []
    declared = syntax.declaration.parameters
    return bool(values) and all(
        leaf.op == "number" or (leaf.op == "name" and leaf.text in declared)
        for value in values
        for leaf in value.leaves
    )
