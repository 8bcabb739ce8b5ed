"""The subcircuits of a SPICE file: found among its lines, and which of them one subcircuit calls."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from spicecim import limits
from spicecim.netlist.spice_lines import Line
from spicecim.outside import exceeds

DEFINITIONS = {".model", ".param", ".params", ".func"}
INITIAL = {".ic", ".nodeset"}
LEFT_OUT = {
    ".tran", ".ac", ".dc", ".op", ".noise", ".tf", ".sens", ".pz", ".disto", ".four", ".fft", ".print", ".plot",
    ".probe", ".save", ".meas", ".measure", ".step", ".backanno", ".width", ".title", ".text", ".wave", ".net",
    ".csparam", ".control", ".savebias", ".loadbias", *INITIAL,
}  # fmt: skip
"""Analyses, what is printed of them, and initial values of circuits that stand outside of subcircuits."""

OPTIONS = {".option", ".options", ".opt"}
_OPTIONS_OF_ELEMENTS = {"temp", "tnom", "scale", "scalm", "parhier", "defl", "defw", "defad", "defas", "defm"}
"""Options that say what elements mean; the others set how an analysis is computed and what is printed."""

CURES = {
    "a": "it is an XSPICE code model, which may read files; write it with B sources",
    "n": "it is a compiled model; give the Verilog-A file as the device instead",
    **dict.fromkeys(OPTIONS, "they would change the whole simulation; take them out"),
    ".control": "commands are refused there; take the control block out of the file",
    ".global": "make the node a port of the subcircuit, or use 0",
    ".csparam": "write .param",
    ".temp": "spicecim simulates at 27 degrees; take it out",
    ".lib": "sections of libraries are refused; copy what is needed",
    ".if": "write the case that is meant",
}

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-+]*")
_ASSIGNMENT = re.compile(r"\b([A-Za-z_]\w*)\s*=(?!=)")


@dataclass(eq=False)
class Block:
    """A ``.subckt`` with its lines; blocks within it are among `blocks` and not in `lines`."""

    header: Line
    name: str
    ports: list[str]
    parameters: list[str]
    lines: list[Line] = field(default_factory=list)
    closing: Line | None = None
    blocks: dict[str, Block] = field(default_factory=dict)


def sort_lines(lines: Iterable[Line]) -> tuple[list[Line], dict[str, Block]]:
    """Sort lines into definitions that stand outside of subcircuits, and subcircuits by name in lower case."""
    definitions: list[Line] = []
    blocks: dict[str, Block] = {}
    open_blocks: list[Block] = []
    for line in lines:
        command = line.words[0]
        here = open_blocks[-1] if open_blocks else None
        if command == ".subckt":
            block = _header(line)
            siblings = here.blocks if here else blocks
            if block.name.lower() in siblings:
                first = siblings[block.name.lower()].header
                line.refuse(f"{block.name} stands there twice, first in {first.file}, line {first.number}")
            if len(open_blocks) >= limits.SUBCIRCUIT_DEPTH:
                line.refuse(exceeds("SUBCIRCUIT_DEPTH", "subcircuits within each other"))
            siblings[block.name.lower()] = block
            open_blocks.append(block)
        elif command == ".ends":
            if here is None:
                line.refuse(".ends closes no .subckt")
            outer = [block.name.lower() for block in open_blocks[:-1]]
            if line.words[1:] and line.words[1] in outer and line.words[1] != here.name.lower():
                line.refuse(f".ends does not close {here.name}, which is still open")
            open_blocks.pop().closing = line  # a name that is nobody's closes the innermost, as it does for simulators
        elif here is not None:
            line.check_characters()
            if command in OPTIONS:  # it would be one of the whole circuit
                check_options(line)
            here.lines.append(line)
        elif command in DEFINITIONS:
            line.check_characters()
            definitions.append(line)
        elif command in OPTIONS:
            check_options(line)
        elif command.startswith(".") and command not in LEFT_OUT:
            line.refuse(f"{command} is refused; {CURES.get(command, 'take it out')}")
    if open_blocks:
        open_blocks[-1].header.refuse(f"{open_blocks[-1].name} has no .ends")
    return definitions, blocks


def check_options(line: Line) -> None:
    """Raise `SubcircuitError` for an option that says what elements mean."""
    for name in re.findall(r"[a-z_]\w*", line.text.lower())[1:]:
        if name in _OPTIONS_OF_ELEMENTS:
            line.refuse(
                f"the option {name} changes what elements mean; take it out, and give its value to the elements"
            )


def _header(line: Line) -> Block:
    line.check_characters()
    text = re.sub(r"\s*=\s*", "=", line.text)
    before, marker, after = partition(text)
    name, *ports = before.split()[1:] or [""]
    if not _NAME.fullmatch(name):
        line.refuse(".subckt needs a name of letters, digits and _.+-")
    for port in ports:
        if not re.fullmatch(r"[A-Za-z0-9_.\-+]+", port):
            line.refuse(f"the port {port!r} is refused; name it by letters and digits")
    if len({port.lower() for port in ports}) < len(ports):
        line.refuse("a port stands twice")
    parameters = assigned(after)
    if marker and not parameters:
        line.refuse("parameters need a default: PARAMS: name=value")
    return Block(line, name, ports, parameters)


def partition(text: str) -> tuple[str, str, str]:
    """Split a .subckt line or an instance into what stands before its parameters, their marker, and the parameters."""
    found = re.search(r"\s(params:|(?=[A-Za-z_]\w*=))", text, re.IGNORECASE)
    if not found:
        return text, "", ""
    return text[: found.start()], "params", text[found.end() :]


def assigned(text: str) -> list[str]:
    """Names that are given a value; an = in braces and quotes is a comparison."""
    return [found[1] for found in _ASSIGNMENT.finditer(re.sub(r"\{[^{}]*\}|'[^']*'", "0", text))]


def called_blocks(wanted: Block, blocks: dict[str, Block]) -> list[Block]:
    """Blocks at the top of the file that a subcircuit calls, itself first.

    Raises
    ------
    SubcircuitError
        If one is missing, calls itself, or if they call each other too deep or too often.
    """
    used = [wanted]
    elements: dict[Block, int] = {}

    def visit(block: Block, scope: dict[str, Block], callers: tuple[Block, ...]) -> None:
        inner = {**scope, **block.blocks}
        elements[block] = 0
        for line in block.lines:
            elements[block] += not line.words[0].startswith(".")
            if line.words[0].startswith("x"):
                name = callee(line)
                if name not in inner:
                    line.refuse(f"the subcircuit {name} is not in the file; copy it into it")
                target = inner[name]
                if target in (*callers, block):
                    line.refuse(f"the subcircuit {name} calls itself")
                if len(callers) >= limits.SUBCIRCUIT_DEPTH:
                    line.refuse(exceeds("SUBCIRCUIT_DEPTH", "subcircuits that call each other in a chain"))
                if target is blocks.get(name) and target not in used:
                    used.append(target)
                if target not in elements:
                    visit(target, inner, (*callers, block))
                elements[block] += elements[target]
        if elements[block] > limits.SUBCIRCUIT_ELEMENTS:
            block.header.refuse(exceeds("SUBCIRCUIT_ELEMENTS", "elements, with those of all subcircuits that it calls"))

    visit(wanted, blocks, ())
    return used


def callee(line: Line) -> str:
    """Return the name in lower case of the subcircuit that an instance calls."""
    before, _, _ = partition(re.sub(r"\s*=\s*", "=", line.text.lower()))
    if len(before.split()) < 2:
        line.refuse("calls no subcircuit")
    return before.split()[-1]


def all_lines(block: Block) -> list[Line]:
    """Lines of a block and of all blocks within it."""
    return [block.header, *block.lines, *(line for inner in block.blocks.values() for line in all_lines(inner))]
