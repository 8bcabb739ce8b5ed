"""From a Verilog-A file that keeps memory in variables to one that keeps it in nodes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spicecim.errors import ModelError, VerilogAError
from spicecim.problems import did_you_mean
from spicecim.veriloga.cure.memories import Finder, Memories, State
from spicecim.veriloga.cure.numbers import Numbers, default_values
from spicecim.veriloga.cure.parsing import read_syntax
from spicecim.veriloga.cure.rule import Rule
from spicecim.veriloga.cure.small import SMALL_CURES, small_edits
from spicecim.veriloga.cure.steps import find_step
from spicecim.veriloga.cure.syntax import Syntax
from spicecim.veriloga.cure.text import Text
from spicecim.veriloga.cure.values import StepSource
from spicecim.veriloga.cure.writing import Writer, Written
from spicecim.veriloga.declarations import ModuleDeclaration, read_declarations
from spicecim.veriloga.refusals import refuse_deep
from spicecim.veriloga.source import Source, read_source


@dataclass(frozen=True, eq=False)
class CuredText:
    """A module that was cured.

    Attributes
    ----------
    before
        The text as it was, with macros expanded.
    source, syntax
        The module as it was, with the small cures that were asked for.
    memories
        What it remembers.
    written
        The text of the cured file, with its states.
    applied
        The small cures, each with its places.
    parameters
        Values of all parameters by default.
    numbers
        Values of terms with these.
    """

    before: str
    source: Source
    syntax: Syntax
    memories: Memories
    written: Written
    applied: tuple[str, ...]
    parameters: Mapping[str, Any]
    numbers: Numbers
    also: tuple[str, ...]

    @property
    def changed(self) -> bool:
        """Whether the text is another one than before."""
        return bool(self.applied or self.memories.followed.edits or self.written.states)

    def rule(self, *, stopping: bool = True) -> Rule:
        """Return the module's own rule between its first two terminals.

        Parameters
        ----------
        stopping
            Whether an `idt` stops at the bounds of its state, as in the cured module, or winds up beyond them.
        """
        integrals = {item.name: item.expression for item in self.memories.followed.integrals}
        limits = {integrals[item.name]: self.bounds(item) for item in self.memories.states if item.integral}
        return Rule(
            self.source, self.syntax, self.parameters, self.memories.step, "draws" in self.also,
            *_ends(self.syntax), limits=limits if stopping else {},
        )  # fmt: skip

    def bounds(self, state: State) -> tuple[float, float]:
        """Lower and upper bound of a state, infinite where it has none."""
        low = -math.inf if state.lower is None else self.numbers(state.lower)
        return low, math.inf if state.upper is None else self.numbers(state.upper)


def cure_text(
    path: str | Path, module: str | None = None, *, step: str | float | None = None, also: Sequence[str] = ()
) -> CuredText:
    """Return a module with the states that its variables hold in nodes.

    Raises
    ------
    VerilogAError
        If it cannot be cured, with the line and the reason.
    ModelError
        If the module is not known.
    """
    for name in also:
        if name not in SMALL_CURES:
            raise ModelError(f"also: must be one of {', '.join(SMALL_CURES)}; it is {name!r}")
    plain = read_source(path)
    refuse_deep(plain)
    declaration = _picked(plain, read_declarations(plain), module)
    text = Text.of(plain)
    before = text.text
    edits, applied = small_edits(text.source, read_declarations(text.source)[declaration.name], also)
    if edits:
        text = Text(text.path, text.edited(edits), text.source.places)
    declaration = read_declarations(text.source)[declaration.name]
    syntax = read_syntax(text.source, declaration)
    values = default_values(declaration)
    means = "draws" in also
    # its functions alone are called
    trial = Rule(text.source, syntax, values, StepSource(), True, *_ends(syntax))
    numbers = Numbers(values, trial.functions)
    memories, written = _cured(text, syntax, numbers, find_step(syntax, step), means, given=step is not None)
    return CuredText(before, text.source, syntax, memories, written, tuple(applied), values, numbers, tuple(also))


def _cured(
    text: Text, syntax: Syntax, numbers: Numbers, step: StepSource, means: bool, *, given: bool
) -> tuple[Memories, Written]:
    """Find and write the states. A step that was only guessed, by a name such as dt, may be something else."""

    def attempt(step: StepSource) -> tuple[Memories, Written]:
        memories = Finder(text.source, syntax, numbers, step, means).find()
        return memories, Writer(text, syntax, memories, numbers).write()

    try:
        return attempt(step)
    except VerilogAError:
        if given or step == StepSource():
            raise
        try:
            return attempt(StepSource())
        except VerilogAError:
            pass
        raise


def _ends(syntax: Syntax) -> tuple[str, str]:
    """The row and the column of a module: its first two terminals."""
    if len(syntax.declaration.ports) < 2:
        raise VerilogAError(f"{syntax.declaration.place}: module {syntax.declaration.name} needs two terminals")
    return syntax.declaration.ports[0], syntax.declaration.ports[1]


def _picked(source: Source, modules: Mapping[str, ModuleDeclaration], name: str | None) -> ModuleDeclaration:
    if not modules:
        raise VerilogAError(f"{source.path}: no module in the file")
    if name is None and len(modules) == 1:
        return next(iter(modules.values()))
    if name is None or name not in modules:
        hint = did_you_mean(name, modules) if name else ""
        raise ModelError(f"module: {source.path.name} has {', '.join(modules)}; name one{hint}")
    return modules[name]
