"""A published SPICE subcircuit: found in its file, checked line by line, and made ready for a netlist of spicecim.

Only circuit elements, `.subckt`, `.ends`, `.model`, `.param`, `.func`, `.ic` and `.nodeset` come through, and only
those of the subcircuit and of what it uses. What stands outside of subcircuits in the file, such as the circuit that
its author tried it in, is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from spicecim.device_choice import SubcircuitDevice
from spicecim.errors import SubcircuitError
from spicecim.netlist.environment import CheckedText
from spicecim.netlist.spice_dialect import COMPATIBILITY, braced, check_expression, check_names, expressions
from spicecim.netlist.spice_lines import Line, read_lines
from spicecim.problems import did_you_mean

_ELEMENTS = "bcdefghijklmqrstvwxz"
_MODEL_TYPES = {
    "r", "res", "c", "l", "d", "npn", "pnp", "nmos", "pmos", "njf", "pjf", "nmf", "pmf", "vdmos", "sw", "csw",
    "vswitch",
}  # fmt: skip
_DEFINITIONS = {".model", ".param", ".params", ".func"}
_INITIAL = {".ic", ".nodeset"}
_LEFT_OUT = {
    ".tran", ".ac", ".dc", ".op", ".noise", ".tf", ".sens", ".pz", ".disto", ".four", ".fft", ".print", ".plot",
    ".probe", ".save", ".meas", ".measure", ".step", ".backanno", ".width", ".title", ".text", *_INITIAL,
}  # fmt: skip
"""Analyses, what is printed of them, and initial values of circuits that stand outside of subcircuits."""

_CURES = {
    "a": "it is an XSPICE code model, which may read files; write it with B sources",
    "n": "it is a compiled model; give the Verilog-A file as the device instead",
    ".options": "they would change the whole simulation; take them out",
    ".option": "they would change the whole simulation; take them out",
    ".global": "make the node a port of the subcircuit, or use 0",
    ".csparam": "write .param",
    ".temp": "spicecim simulates at 27 degrees; take it out",
    ".lib": "sections of libraries are refused; copy what is needed",
    ".if": "write the case that is meant",
}

_DEEPEST_NESTING = 16

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-+]*")
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)\s*=(?!=)")
_WORD = re.compile(r"[a-z_][\w.]*", re.IGNORECASE)
_FUNCTION = re.compile(r"\.func\s+(\w+)\s*\(([^()]*)\)\s*=?\s*(.+)", re.IGNORECASE)
_GROUND_OF_OTHERS = re.compile(r"(?<![\w.])gnd!(?!=)", re.IGNORECASE)
_PARAMETER_FUNCTION = re.compile(r"\.params?\s+\w+\s*\(", re.IGNORECASE)
_TAKEN_FUNCTIONS = {"sin", "pulse", "pwl", "v", "i"}
"""What stands before a parenthesis in spicecim's own lines: ngspice would put a function of that name in its place."""
_BY_CHANCE = re.compile(r"(?<![\w.])(trnoise|trrandom)(?!\w)", re.IGNORECASE)
_READS_FILE = re.compile(r"(?<![\w.])(wave)?file(?!\w)", re.IGNORECASE)
_EXTERNAL = re.compile(r"(?<![\w.])external(?!\w)", re.IGNORECASE)
_LTSPICE_ONLY = re.compile(r"(?<![\w.])(tripdv|tripdt|rpar|cpar|rser)\s*=", re.IGNORECASE)


@dataclass(eq=False)
class _Block:
    """A ``.subckt`` with its lines; blocks within it are among `blocks` and not in `lines`."""

    header: Line
    name: str
    ports: list[str]
    parameters: list[str]
    lines: list[Line] = field(default_factory=list)
    blocks: dict[str, _Block] = field(default_factory=dict)


@dataclass(frozen=True)
class ForeignSubcircuit:
    """What a netlist needs of a published subcircuit.

    Attributes
    ----------
    name
        Its name, as instances call it.
    text
        Definitions and subcircuits, checked.
    compatibility
        ngspice's compatibility mode in which they mean what their author meant; empty for ngspice's own dialect.
    file
        Name of the file without folders.
    """

    name: str
    text: CheckedText
    compatibility: str
    file: str


def read_subcircuit(device: SubcircuitDevice) -> ForeignSubcircuit:
    """Read the subcircuit of a device from its file.

    Raises
    ------
    SubcircuitError
        If the file cannot be read, does not have the subcircuit or fit the device's ports and parameters, or has a line
        that is refused or that ngspice cannot take: with the line and what to do.
    """
    path = Path(device.subcircuit)
    definitions, blocks = _blocks(read_lines(path))
    wanted = _wanted(device, blocks, path.name)
    _check_fit(device, wanted)
    used = _used(wanted, blocks)
    carried = _needed(definitions, used)
    names = _names(carried)
    for line in carried:
        _check_definition(line, device.dialect, names)
    lines = [line.text for line in carried]
    state = None
    if device.initial_parameter is None and "state" in device.ports:
        state = wanted.ports[device.ports.index("state")].lower()
        _check_holds_state(wanted, state)
    for block in used:
        lines += _checked_block(block, device.dialect, names, state if block is wanted else None)
    return ForeignSubcircuit(wanted.name, CheckedText("\n".join(lines)), COMPATIBILITY[device.dialect], path.name)


def _blocks(lines: Iterable[Line]) -> tuple[list[Line], dict[str, _Block]]:
    """Sort lines into definitions that stand outside of subcircuits, and subcircuits by name in lower case."""
    definitions: list[Line] = []
    blocks: dict[str, _Block] = {}
    open_blocks: list[_Block] = []
    for line in lines:
        command = line.words[0]
        here = open_blocks[-1] if open_blocks else None
        if command == ".subckt":
            block = _header(line)
            siblings = here.blocks if here else blocks
            if block.name.lower() in siblings:
                first = siblings[block.name.lower()].header
                line.refuse(f"{block.name} stands there twice, first in {first.file}, line {first.number}")
            if len(open_blocks) >= _DEEPEST_NESTING:
                line.refuse("subcircuits are nested too deep")
            siblings[block.name.lower()] = block
            open_blocks.append(block)
        elif command == ".ends":
            if here is None or line.words[1:2] not in ([], [here.name.lower()]):
                line.refuse(".ends closes no .subckt" if here is None else f".ends does not close {here.name}")
            open_blocks.pop()
        elif here is not None:
            here.lines.append(line)
        elif command in _DEFINITIONS:
            definitions.append(line)
        elif command.startswith(".") and command not in _LEFT_OUT:
            line.refuse(f"{command} is refused; {_CURES.get(command, 'take it out')}")
    if open_blocks:
        open_blocks[-1].header.refuse(f"{open_blocks[-1].name} has no .ends")
    return definitions, blocks


def _header(line: Line) -> _Block:
    text = re.sub(r"\s*=\s*", "=", line.text)
    before, marker, after = _partition(text)
    name, *ports = before.split()[1:] or [""]
    if not _NAME.fullmatch(name):
        line.refuse(".subckt needs a name of letters, digits and _.+-")
    for port in ports:
        if not re.fullmatch(r"[A-Za-z0-9_.\-+]+", port):
            line.refuse(f"the port {port!r} is refused; name it by letters and digits")
    if len({port.lower() for port in ports}) < len(ports):
        line.refuse("a port stands twice")
    parameters = [found[1] for found in _ASSIGNMENT.finditer(_without_groups(after))]
    if marker and not parameters:
        line.refuse("parameters need a default: PARAMS: name=value")
    return _Block(line, name, ports, parameters)


def _partition(text: str) -> tuple[str, str, str]:
    """Split a .subckt line or an instance into what stands before its parameters, their marker, and the parameters."""
    found = re.search(r"\s(params:|(?=[A-Za-z_]\w*=))", text, re.IGNORECASE)
    if not found:
        return text, "", ""
    return text[: found.start()], "params", text[found.end() :]


def _without_groups(text: str) -> str:
    """Text without what stands in braces and quotes, where an = is a comparison."""
    return re.sub(r"\{[^{}]*\}|'[^']*'", "0", text)


def _wanted(device: SubcircuitDevice, blocks: dict[str, _Block], file: str) -> _Block:
    names = ", ".join(block.name for block in blocks.values())
    if not blocks:
        raise SubcircuitError(f"device.subcircuit: {file} has no .subckt")
    if device.name is None:
        if len(blocks) > 1:
            raise SubcircuitError(f"device.name: is required, because {file} has several subcircuits: {names}")
        return next(iter(blocks.values()))
    if device.name.lower() not in blocks:
        hint = did_you_mean(device.name.lower(), blocks)
        raise SubcircuitError(f"device.name: {file} has no subcircuit {device.name!r}; it has {names}{hint}")
    return blocks[device.name.lower()]


def _check_fit(device: SubcircuitDevice, block: _Block) -> None:
    """Compare the ports and parameters of a device with those of its subcircuit."""
    if len(device.ports) != len(block.ports):
        block.header.refuse(
            f"device.ports names {len(device.ports)} ports, and {block.name} has {len(block.ports)}: "
            f"{' '.join(block.ports)}"
        )
    known = {name.lower(): name for name in block.parameters}
    given = {"device.parameters": [*device.parameters]}
    if device.initial_parameter:
        given["device.initial_parameter"] = [device.initial_parameter]
    for where, names in given.items():
        for name in names:
            if name.lower() not in known:
                listed = f"it has {', '.join(block.parameters)}" if known else "it has none"
                block.header.refuse(
                    f"{where}: the .subckt line of {block.name} has no parameter {name!r}; {listed}"
                    f"{did_you_mean(name.lower(), known)}"
                )


def _check_holds_state(block: _Block, port: str) -> None:
    """Raise `SubcircuitError` if a port can be no state: nothing at it has a memory."""
    if not any(line.words[0][0] in "cx" and port in line.words[1:] for line in block.lines):
        block.header.refuse(
            f"no capacitor is at the port {port}: it only shows the state, and setting its voltage would set nothing; "
            "name device.initial_parameter"
        )


def _used(wanted: _Block, blocks: dict[str, _Block]) -> list[_Block]:
    """Blocks at the top of the file that a subcircuit calls, itself first; it must not call itself."""
    used = [wanted]
    done: set[_Block] = set()

    def visit(block: _Block, scope: dict[str, _Block], callers: tuple[_Block, ...]) -> None:
        inner = {**scope, **block.blocks}
        for line in block.lines:
            if line.words[0].startswith("x"):
                name = _callee(line)
                if name not in inner:
                    line.refuse(f"the subcircuit {name} is not in the file; copy it into it")
                if inner[name] in (*callers, block):
                    line.refuse(f"the subcircuit {name} calls itself")
                if inner[name] is blocks.get(name) and inner[name] not in used:
                    used.append(inner[name])
                if inner[name] not in done:
                    visit(inner[name], inner, (*callers, block))
        done.add(block)

    visit(wanted, blocks, ())
    return used


def _callee(line: Line) -> str:
    before, _, _ = _partition(re.sub(r"\s*=\s*", "=", line.text.lower()))
    if len(before.split()) < 2:
        line.refuse("calls no subcircuit")
    return before.split()[-1]


def _all_lines(block: _Block) -> list[Line]:
    return [block.header, *block.lines, *(line for inner in block.blocks.values() for line in _all_lines(inner))]


def _defined(line: Line) -> list[str]:
    """Names in lower case that a .param, .func or .model line defines."""
    command = line.words[0]
    if command in (".param", ".params"):
        names = [found[1].lower() for found in _ASSIGNMENT.finditer(_without_groups(line.text))]
        return names or line.refuse(".param needs name=value")
    if command == ".func":
        found = _FUNCTION.match(line.text)
        return [found[1].lower()] if found else line.refuse(".func needs name(arguments) {expression}")
    return [line.words[1]] if len(line.words) > 2 else line.refuse(".model needs a name and a type")


def _needed(definitions: list[Line], used: list[_Block]) -> list[Line]:
    """Definitions outside of subcircuits that the blocks name, directly or through each other, in the file's order."""
    words = {word.lower() for block in used for line in _all_lines(block) for word in _WORD.findall(line.text)}
    needed: list[Line] = []
    while more := [line for line in definitions if line not in needed and words & {*_defined(line)}]:
        needed += more
        words |= {word.lower() for line in more for word in _WORD.findall(line.text)}
    return [line for line in definitions if line in needed]


def _names(lines: Iterable[Line]) -> set[str]:
    """Names of parameters and functions that lines define."""
    return {name for line in lines if line.words[0] in _DEFINITIONS - {".model"} for name in _defined(line)}


def _check_definition(line: Line, dialect: str, names: set[str]) -> None:
    """Check a .param, .func or .model line where the parameters `names` are known."""
    command = line.words[0]
    _check_common(line)
    if command == ".func":
        found = _FUNCTION.match(line.text)
        assert found is not None  # _defined has read it
        if found[1].lower() in _TAKEN_FUNCTIONS:
            line.refuse(f"the function name {found[1]} is refused: it would change the drives and vectors; rename it")
        arguments = {word.strip().lower() for word in found[2].split(",")}
        check_names(line, arguments, dialect, local=True)
        check_expression(line, found[3], dialect, names | arguments)
    elif command == ".model":
        _defined(line)
        kind = re.split(r"[\s(]", line.text.lower().split(None, 2)[2].strip())[0]
        if kind not in _MODEL_TYPES or (kind == "vswitch" and dialect == "ngspice"):
            line.refuse(f"a model of type {kind} is refused; known are {', '.join(sorted(_MODEL_TYPES))}")
    else:
        if _PARAMETER_FUNCTION.match(line.text):
            line.refuse("defines a function by .param; write .func name(arguments) {expression}")
        check_names(line, _defined(line), dialect)
        for expression in expressions(line):
            check_expression(line, expression, dialect, names)


def _checked_block(block: _Block, dialect: str, outer: set[str], state: str | None) -> list[str]:
    """Return the lines of a block as text, when each of them has been checked.

    Initial voltages of capacitors come with a .ic of their own, because ngspice heeds those of the elements in runs
    only that do not start from a steady state. `state` is the port whose initial voltage the netlist sets, or None.
    """
    names = outer | {name.lower() for name in block.parameters} | _names(block.lines)
    text = [block.header.text]
    check_names(block.header, block.parameters, dialect)
    check_names(block.header, block.ports, dialect, local=True)
    for expression in braced(block.header):
        check_expression(block.header, expression, dialect, names)
    for line in block.lines:
        command = line.words[0]
        if command in _DEFINITIONS:
            _check_definition(line, dialect, names)
        elif command in _INITIAL:
            _check_common(line)
            for expression in braced(line):
                check_expression(line, expression, dialect, names)
            if state is not None and re.search(rf"v\s*\(\s*{re.escape(state)}\s*\)", line.text, re.IGNORECASE):
                line.refuse("sets the state port, as crossbar.state does; name device.initial_parameter or take it out")
        elif command[0] in _ELEMENTS:
            _check_element(line, dialect, names, block)
        else:
            cure = _CURES.get(command) or _CURES.get(command[0]) or "take it out"
            line.refuse(f"{command} is refused in a subcircuit; {cure}")
        text.append(line.text)
        text += _initial_voltage(line, state)
    for inner in block.blocks.values():
        text += _checked_block(inner, dialect, names, None)
    return [*text, ".ends"]


def _check_element(line: Line, dialect: str, names: set[str], block: _Block) -> None:
    _check_common(line)
    kind = line.words[0][0]
    if kind != "x" and len(line.words) < 3:
        line.refuse("is too short for an element: a name, two nodes and a value")
    check_names(line, line.words[1 : {"b": 3, "x": None}.get(kind, 5)], dialect, local=True)
    ports = {port.lower() for port in block.ports}
    if dialect != "ngspice" and "gnd" in line.words[1:] and "gnd" not in ports:
        line.refuse("gnd is an ordinary node in this compatibility mode of ngspice; write 0")
    if kind in "eg" and re.search(r"\blaplace\b", line.text, re.IGNORECASE):
        line.refuse("ngspice has no LAPLACE sources; build the transfer function of resistors and capacitors")
    extra = _LTSPICE_ONLY.search(line.text) if kind == "b" else None
    if extra:
        line.refuse(f"ngspice has no {extra[1]} of a B source; take it out")
    if kind in "vi" and _EXTERNAL.search(line.text):
        line.refuse("a source whose values come from outside is refused; give the values themselves")
    if kind in "vi" and _BY_CHANCE.search(line.text):
        line.refuse("a model must not depend on chance")
    for expression in expressions(line):
        check_expression(line, expression, dialect, names)


def _check_common(line: Line) -> None:
    braced(line)
    if _GROUND_OF_OTHERS.search(line.text):
        line.refuse("gnd! is an ordinary node in ngspice; write 0")
    if _READS_FILE.search(line.text):
        line.refuse("a file that is read while simulating is refused; give the values themselves")


def _initial_voltage(line: Line, state: str | None) -> list[str]:
    """Return the .ic that an element's own IC= stands for, if it has one."""
    found = re.search(r"(?<!\w)ic\s*=\s*(\{[^{}]*\}|'[^']*'|[^\s{}']+)", line.text, re.IGNORECASE)
    kind = line.words[0][0]
    if not found or kind not in "cl":
        return []
    node, other = line.text.split()[1:3]
    if kind == "l" or other != "0":
        line.refuse("ngspice would not heed this IC=; it can be that of a capacitor from a node to 0 only")
    return [] if node.lower() == state else [f".ic v({node})={found[1]}"]
