"""A Verilog-A module that keeps memory in variables, cured: its states in nodes, what was assumed, how it agrees."""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spicecim.cure.comparison import Comparison, compare_cured, device_section, main_state, state_scale
from spicecim.errors import ModelError, QuantityError
from spicecim.files import write_text
from spicecim.private_files import temporary_folder
from spicecim.quantities import parse_quantity
from spicecim.veriloga.cure.cured import CuredText, cure_text
from spicecim.veriloga.cure.small import small_offers
from spicecim.veriloga.cure.terms import literal, written
from spicecim.veriloga.cure.writing import STOP_WIDTH


@dataclass(frozen=True)
class CuredState:
    """A state that was cured.

    Attributes
    ----------
    variable, place
        The variable that held it, and where it was read or integrated.
    node
        The node that holds it, as its distance from the start in units of `unit`.
    parameter, initial
        The parameter that it starts from, with its default.
    lower, upper
        Its bounds; infinite where it has none.
    unit
        What 1 V in the node stands for.
    rate
        Its rate, in the variables of the module.
    """

    variable: str
    place: str
    node: str
    parameter: str
    initial: float
    lower: float
    upper: float
    unit: float
    rate: str


@dataclass(frozen=True)
class Cure:
    """A cured module.

    Attributes
    ----------
    path, module
        The file and the module that were cured.
    output
        The file that was written; None if none was: none was wanted, or the comparison failed.
    states
        The states, in the order in which the current meets them.
    assumptions
        What was taken for granted.
    applied, offered
        The cures of single mistakes that were asked for, and those that could be, with what they change.
    text
        The cured file.
    difference
        Its lines before and after, as a unified difference.
    device
        The section `device` of a testbench.
    x
        The entry of `crossbar.state` that stands for the start.
    comparison
        How it agrees with the original; None if there was nothing to compare, or none was wanted.
    """

    path: str
    module: str
    output: str | None
    states: tuple[CuredState, ...]
    assumptions: tuple[str, ...]
    applied: tuple[str, ...]
    offered: tuple[str, ...]
    text: str
    difference: str
    device: dict[str, Any]
    x: float | None
    comparison: Comparison | None

    @property
    def ok(self) -> bool:
        """Whether the cured module agrees with the original, as far as that was compared."""
        return self.comparison is None or self.comparison.agrees

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return {"ok": self.ok, **asdict(self)}


def cure_module(
    path: str | Path,
    output: str | Path | None = None,
    *,
    module: str | None = None,
    step: float | str | None = None,
    also: Sequence[str] = (),
    amplitude: float | str | None = None,
    frequency: float | str | None = None,
    compare: bool = True,
) -> Cure:
    """Put the states that a Verilog-A module keeps in variables into nodes.

    Parameters
    ----------
    path
        The Verilog-A file.
    output
        The file to write. It is written only if the cured module agrees with the original.
    module
        Name of the module; may be left out if the file has one.
    step
        What stands for the time step, if it is not plain: the name of a parameter or variable, or a number (s).
    also
        Cures of single mistakes, by their names in `spicecim.veriloga.cure.small.SMALL_CURES`.
    amplitude, frequency
        Of the sinusoidal voltage (V, Hz) that the comparison drives with; looked for if left out.
    compare
        Whether to compare.

    Returns
    -------
    Cure

    Raises
    ------
    VerilogAError
        If the module cannot be cured, with the line and the reason.
    ModelError
        If an argument is wrong, or there is nothing to cure.

    Examples
    --------
    >>> import spicecim as sc
    >>> from spicecim.resources import resource_folder
    >>> cure = sc.cure_module(resource_folder("examples") / "hidden_state.va", compare=False)
    >>> [(state.variable, state.node, state.parameter) for state in cure.states]
    [('w', 'w_node', 'w0')]
    """
    height, rate = _above_zero("amplitude", amplitude, "V"), _above_zero("frequency", frequency, "Hz")
    cured = cure_text(path, module, step=_step(step), also=also)
    offered = small_offers(cured.source, cured.syntax.declaration)
    if not cured.changed:
        hint = f"; --also could change {'; '.join(offered)}" if offered else ""
        raise ModelError(
            f"module: {cured.syntax.declaration.name} keeps no memory in variables: there is nothing to cure{hint}"
        )
    comparison = None
    if compare and cured.written.states:
        folder = temporary_folder()
        try:
            file = write_text(folder / Path(path).name, cured.written.text)
            comparison = compare_cured(cured, file, height, rate)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    wanted = output is not None and (comparison is None or comparison.agrees)
    target = str(write_text(output, cured.written.text)) if output is not None and wanted else None
    main = main_state(cured)
    return Cure(
        str(path),
        cured.syntax.declaration.name,
        target,
        tuple(_states(cured)),
        tuple(_assumptions(cured)),
        cured.applied,
        tuple(offered),
        cured.written.text,
        _difference(cured, str(output or path)),
        device_section(cured, Path(output or path)),
        state_scale(cured, main)[2] if main else None,
        comparison,
    )


def _step(step: float | str | None) -> str | float | None:
    """A step as a name or a number."""
    if step is None or (isinstance(step, str) and step.strip().isidentifier()):
        return step if step is None else str(step).strip()
    return _above_zero("step", step, "s")


def _above_zero(field: str, value: float | str | None, unit: str) -> float | None:
    if value is None:
        return None
    try:
        number = parse_quantity(value, unit)
    except QuantityError as error:
        raise ModelError(f"{field}: {error}") from None
    if number <= 0:
        raise ModelError(f"{field}: must be above 0; it is {number:g}")
    return float(number)


def _states(cured: CuredText) -> list[CuredState]:
    states = []
    names = {item.state.own: item.value for item in cured.written.states}
    for item in cured.written.states:
        low, high = cured.bounds(item.state)
        states.append(
            CuredState(
                item.state.name,
                item.state.place,
                item.node,
                item.parameter,
                cured.numbers(item.state.initial),
                low,
                high,
                cured.numbers(item.unit),
                written(item.state.rate, names),
            )
        )
    return states


def _assumptions(cured: CuredText) -> list[str]:
    """What was taken for granted, in sentences."""
    memories = cured.memories
    told = []
    for name in sorted(memories.step.names):
        if name in cured.syntax.declaration.parameters or name in cured.syntax.types:
            told.append(f"{name} is the time step: the state follows the limit of small steps, whatever {name} was")
    if memories.step.value is not None:
        told.append(f"the number {memories.step.value:g} is the time step: the state follows the limit of small steps")
    for item in cured.written.states:
        low, high = cured.bounds(item.state)
        if item.state.lower is not None or item.state.upper is not None:
            told.append(
                f"{item.state.name} stays between {low:g} and {high:g} by its equation; where the rate leads beyond a "
                f"bound, it falls to 0 over the last {STOP_WIDTH:g} of the range"
            )
        start = item.state.initial
        if literal(start) is not None:
            told.append(
                f"{item.state.name} starts from {cured.numbers(start):g}, which is the parameter {item.parameter}"
            )
    for name in memories.delayed:
        told.append(f"the value of {name} from the last step is its value at the same instant, as the step gets small")
    return [*told, *memories.notes]


def _difference(cured: CuredText, after: str) -> str:
    before = cured.before.splitlines()
    lines = difflib.unified_diff(before, cured.written.text.splitlines(), "before", Path(after).name, n=1, lineterm="")
    return "\n".join(line.rstrip() for line in lines)
