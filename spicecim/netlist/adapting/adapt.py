"""A published subcircuit of another simulator, rewritten for ngspice with its differences shown."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, get_args

from spicecim.device_choice import SubcircuitDevice
from spicecim.errors import InputError, SubcircuitError
from spicecim.netlist.adapting.blocks import AdaptedBlock, adapt_block, definition_lines
from spicecim.netlist.adapting.expressions import Caret, Dialect
from spicecim.netlist.adapting.meaning import Scope
from spicecim.netlist.adapting.ports import device_section, roles, state_ports
from spicecim.netlist.foreign import checked_subcircuit, needed_definitions
from spicecim.netlist.spice_blocks import Block, called_blocks, callee, sort_lines
from spicecim.netlist.spice_lines import INCLUDE, Line, read_file, read_lines, text_lines
from spicecim.problems import did_you_mean

DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
CARETS: tuple[Caret, ...] = get_args(Caret)
_WIDTH = 100
_RENAMED_COMMANDS = {".macro": ".subckt", ".eom": ".ends"}
_GROUNDS = {"gnd", "gnd!", "0"}


class Note(NamedTuple):
    """Something that was done or assumed, and where in the author's file."""

    file: str
    line: int
    text: str


@dataclass(frozen=True)
class Adaptation:
    """A subcircuit in ngspice's own dialect.

    Attributes
    ----------
    file
        Name of the file that it comes from.
    name
        Name of the subcircuit.
    dialects
        Dialects in which the file can be read; all of them lead to this text.
    text
        The file for ngspice.
    difference
        Unified difference of the file and `text`; empty if nothing had to be changed.
    notes
        What was done and assumed, in the order of the file.
    device
        A section `device` of a testbench to begin with: the roles of its ports are guessed from what is connected to
        them.
    """

    file: str
    name: str
    dialects: tuple[Dialect, ...]
    text: str
    difference: str
    notes: tuple[Note, ...]
    device: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values, for a script."""
        return {
            **{key: getattr(self, key) for key in ("file", "name", "text", "difference", "device")},
            "dialects": list(self.dialects),
            "notes": [note._asdict() for note in self.notes],
        }


def adapt_subcircuit(
    path: str | Path, name: str | None = None, *, dialect: str | None = None, caret: str | None = None
) -> Adaptation:
    """Rewrite a published SPICE subcircuit for ngspice.

    Everything that another simulator means otherwise than ngspice is read as a tree and written as what it means.
    Lines that mean the same stay as they are.

    Parameters
    ----------
    path
        The file.
    name
        Which subcircuit of it; may be left out if only one is called by no other.
    dialect
        ``"ngspice"``, ``"ltspice"``, ``"pspice"`` or ``"hspice"``: the simulator that it was written for. Left out, it
        is read in each of them, and all that can read it must agree.
    caret
        What ``^`` is in a file for LTspice or PSpice where its operands do not say it: ``"power"`` or ``"xor"``.

    Returns
    -------
    Adaptation
        The text for ngspice, its difference from the file, what was done and assumed, and a section `device`.

    Raises
    ------
    SubcircuitError
        If the file cannot be read, or for what is not understood or not certain: with the file's own line.
    InputError
        If the dialect or `caret` is unknown.

    Examples
    --------
    >>> from pathlib import Path
    >>> import spicecim as sc
    >>> _ = Path("mem.sub").write_text('''.SUBCKT mem p n PARAMS: Ron=1k Roff=10k
    ... Cx x 0 1 IC=0.5
    ... Gx 0 x VALUE={10*V(p,n)*STP(1-V(x))}
    ... Gm p n VALUE={V(p,n)/(Roff-(Roff-Ron)*V(x))}
    ... .ENDS''')
    >>> adapted = sc.adapt_subcircuit("mem.sub")
    >>> adapted.dialects
    ('ltspice', 'pspice')
    >>> adapted.device
    {'subcircuit': 'mem.sub', 'ports': ['row', 'column'], 'initial_parameter': 'x0'}
    """
    for field, value, allowed in (("dialect", dialect, DIALECTS), ("caret", caret, CARETS)):
        if value is not None and value not in allowed:
            hint = did_you_mean(str(value), allowed)
            raise InputError(f"{field}: unknown {field} {value!r}; known are {', '.join(allowed)}{hint}")
    tried: dict[Dialect, Adaptation] = {}
    refused: dict[Dialect, SubcircuitError] = {}
    chosen_caret = next((one for one in CARETS if one == caret), None)
    for one in DIALECTS:
        if dialect in (None, one):
            try:
                tried[one] = _adapted(Path(path), name, one, chosen_caret)
            except SubcircuitError as error:
                refused[one] = error
    if not tried:
        if len({str(error) for error in refused.values()}) == 1:
            raise next(iter(refused.values()))
        raise SubcircuitError("\n".join(f"read as {one}: {error}" for one, error in refused.items()))
    first, *others = tried.items()
    for other, adaptation in others:
        if adaptation.text != first[1].text:
            raise SubcircuitError(_disagreement(first[0], first[1], other, adaptation))
    return Adaptation(**{**vars(first[1]), "dialects": tuple(tried)})


def _disagreement(one: Dialect, first: Adaptation, other: Dialect, second: Adaptation) -> str:
    difference = difflib.ndiff(first.text.splitlines(), second.text.splitlines())
    changed = [line for line in difference if line[:2] in ("- ", "+ ")]
    a = next((line[2:] for line in changed if line[0] == "-"), "")
    b = next((line[2:] for line in changed if line[0] == "+"), "")
    return (
        f"dialect: is required, because {first.file} means different things in {one} and in {other}: {a.strip()!r} and "
        f"{b.strip()!r}"
    )


def _adapted(path: Path, name: str | None, dialect: Dialect, caret: Caret | None) -> Adaptation:
    notes: list[Note] = []

    def note(line: Line, text: str) -> None:
        found = Note(line.file, line.number, text)
        if found not in notes:
            notes.append(found)

    lines = [_as_ngspice_reads(line, dialect) for line in read_lines(path)]
    foreign_nodes = {word for line in lines if line.words[0] == ".global" for word in line.words[1:]} - _GROUNDS
    definitions, blocks = sort_lines([line for line in lines if line.words[0] != ".global"])
    wanted = _wanted(blocks, name, path.name)
    if len(wanted.ports) < 2:
        wanted.header.refuse(f"{wanted.name} has fewer than two ports")
    used = called_blocks(wanted, blocks)
    outside, scope = definition_lines(needed_definitions(definitions, used), Scope(dialect, caret, note))
    adapted = [adapt_block(block, scope, foreign_nodes, wanted=block is wanted) for block in used]
    result = next(one for one in adapted if one.block is wanted)
    written = [*outside, *(line for one in adapted for line in _block_lines(one))]
    ports = roles(wanted.ports, result.statements, _states(result, adapted))
    device = device_section(path.name, wanted.name if len(used) > 1 else None, ports, result.starts)
    checked_subcircuit(SubcircuitDevice(**{**device, "subcircuit": str(path)}), written, path.name)
    text = _laid_out(path, written, dialect)
    original = [line.rstrip() for line in text_lines(read_file(path).rstrip())]
    return Adaptation(
        path.name,
        wanted.name,
        (dialect,),
        text,
        "\n".join(difflib.unified_diff(original, text.splitlines(), path.name, "for ngspice", lineterm="")),
        tuple(sorted(notes, key=lambda one: (one.file != path.name, one.file, one.line))),
        device,
    )


def _as_ngspice_reads(line: Line, dialect: Dialect) -> Line:
    """Replace characters and commands that have another spelling."""
    text = re.sub("[\N{MICRO SIGN}\u03bc]", "u", line.text)
    if dialect == "hspice":
        text = text.replace('"', "'")
    command, space, rest = text.partition(" ")
    text = f"{_RENAMED_COMMANDS.get(command.lower(), command)}{space}{rest}"
    return line._replace(text=text)


def _wanted(blocks: dict[str, Block], name: str | None, file: str) -> Block:
    """Return the subcircuit of that name, or the only one of the file that no other calls."""
    if not blocks:
        raise SubcircuitError(f"{file} has no .subckt")
    names = ", ".join(block.name for block in blocks.values())
    if name is not None:
        if name.lower() not in blocks:
            hint = did_you_mean(name.lower(), blocks)
            raise SubcircuitError(f"name: {file} has no subcircuit {name!r}; it has {names}{hint}")
        return blocks[name.lower()]
    called = {block for one in blocks.values() for block in called_blocks(one, blocks)[1:]}
    free = [block for block in blocks.values() if block not in called]
    own = [block for block in free if block.header.file == file]  # others come from files that it includes
    free = own if len(own) == 1 else free
    if len(free) != 1:
        raise SubcircuitError(f"name: is required, because {file} has several subcircuits: {names}")
    return free[0]


def _states(one: AdaptedBlock, others: list[AdaptedBlock]) -> set[str]:
    """Return the ports in lower case that hold a state, in the subcircuit itself or in one that it calls."""
    known = {other.block.name.lower(): other for other in [*others, *one.blocks]}
    called: dict[str, set[int]] = {}
    for line in one.block.lines:
        name = callee(line) if line.words[0].startswith("x") else ""
        if name in known:
            inner = _states(known[name], others)
            called[name] = {place for place, port in enumerate(known[name].block.ports) if port.lower() in inner}
    return state_ports(one.block.ports, one.statements, called)


def _block_lines(adapted: AdaptedBlock) -> list[Line]:
    """Lines of a subcircuit and those within it, down to its .ends."""
    inner = [line for one in adapted.blocks for line in _block_lines(one)]
    closing = adapted.block.closing
    assert closing is not None
    if closing.words not in ([".ends"], [".ends", adapted.block.name.lower()]):
        closing = closing._replace(text=f".ends {adapted.block.name}")
    return [adapted.header, *adapted.lines, *inner, closing]


def _laid_out(path: Path, written: list[Line], dialect: Dialect) -> str:
    """Lay lines out as the file has them: comments stay where they are, and unchanged lines as they stand."""
    raw = text_lines(read_file(path))
    original = {line.numbers: line.text for line in read_lines(path) if line.file == path.name}
    code = {number for numbers in original for number in numbers}
    comments = [
        number
        for number, text in enumerate(raw, start=1)
        if number not in code and text.strip() and not INCLUDE.match(text.strip()) and number < max(code, default=0)
    ]
    result = [f"* adapted for ngspice from {path.name} by spicecim"]
    for line in written:
        own = line.file == path.name
        while own and comments and comments[0] < line.number:
            result.append(_comment(raw[comments.pop(0) - 1]))
        if own and line.numbers and original.get(line.numbers) == line.text:
            first, last = line.numbers[0], line.numbers[-1]
            result += [raw[number - 1].rstrip() for number in range(first, last + 1)]
            comments = [number for number in comments if not first < number < last]
        else:
            result += _wrapped(line.text)
    return "\n".join([*result, ""])


def _comment(text: str) -> str:
    return re.sub(r"[^\t -~]", "?", text.rstrip())


def _wrapped(text: str) -> list[str]:
    """Break a line at spaces; ngspice joins what begins with a plus."""
    lines: list[str] = []
    for word in text.split(" "):
        if lines and len(lines[-1]) + len(word) < _WIDTH:
            lines[-1] += f" {word}"
        else:
            lines.append(f"+ {word}" if lines else word)
    return lines
