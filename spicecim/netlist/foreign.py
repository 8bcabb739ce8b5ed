"""A published SPICE subcircuit: found in its file, checked line by line, and made ready for a netlist of spicecim.

Only circuit elements, `.subckt`, `.ends`, `.model`, `.param`, `.func`, `.ic` and `.nodeset` come through, and only
those of the subcircuit and of what it uses. What stands outside of subcircuits in the file, such as the circuit that
its author tried it in, is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from spicecim.errors import InputError, SubcircuitError
from spicecim.netlist.environment import CheckedText, plain_text
from spicecim.netlist.spice_blocks import (
    CURES,
    DEFINITIONS,
    INITIAL,
    Block,
    all_lines,
    assigned,
    called_blocks,
    sort_lines,
)
from spicecim.netlist.spice_dialect import (
    ADAPTS,
    COMPATIBILITY,
    braced,
    check_calls,
    check_expression,
    check_function_name,
    check_names,
    expressions,
)
from spicecim.netlist.spice_functions import Function, Length, check_length, lengths, read_function
from spicecim.netlist.spice_lines import Line, read_lines
from spicecim.netlist.spice_ports import check_holds_state, check_not_shorted
from spicecim.outside import check_file
from spicecim.problems import did_you_mean
from spicecim.veriloga.model_cards import compiled_modules

_ELEMENTS = "bcdefghijklmqrstvwxz"
_MODEL_TYPES = {
    "r", "res", "c", "l", "d", "npn", "pnp", "nmos", "pmos", "njf", "pjf", "nmf", "pmf", "vdmos", "sw", "csw",
    "vswitch",
}  # fmt: skip

NAMES_OF_NGSPICE = {"m", "mfactor", "temp", "dtemp", "dt"}
"""Names of parameters of a module that mean ngspice's own at an element."""
_WORD = re.compile(r"(?<!\w)[a-z_][\w.]*", re.IGNORECASE)
_GROUND_OF_OTHERS = re.compile(r"(?<![\w.])gnd!(?!=)", re.IGNORECASE)
_PARAMETER_FUNCTION = re.compile(r"\.params?\s+\w+\s*\(", re.IGNORECASE)
_READS_FILE = re.compile(r"(?<![\w.])(wave)?file(?!\w)", re.IGNORECASE)
_EXTERNAL = re.compile(r"(?<![\w.])external(?!\w)", re.IGNORECASE)
_LTSPICE_ONLY = re.compile(r"(?<![\w.])(tripdv|tripdt|rpar|cpar|rser)\s*=", re.IGNORECASE)


@dataclass(frozen=True)
class _Scope:
    """What is known where a line stands: names of parameters and functions, and the functions with their lengths."""

    dialect: str
    names: frozenset[str] = frozenset()
    functions: Mapping[str, Function] = field(default_factory=dict)
    lengths: Mapping[str, tuple[list[str], Length]] = field(default_factory=dict)

    def within(self, lines: Iterable[Line], parameters: Iterable[str] = ()) -> _Scope:
        """Return the scope of a block with these lines and parameters."""
        defined = [line for line in lines if line.words[0] in DEFINITIONS - {".model"}]
        own = {
            function.name: function
            for line in defined
            if line.words[0] == ".func"
            for function in [read_function(line)]
        }
        functions = {**self.functions, **own}
        names = {*(name.lower() for name in parameters), *(name for line in defined for name in _defined(line))}
        return replace(
            self,
            names=self.names | names,
            functions=functions,
            lengths=lengths(functions) if own else self.lengths,
        )


class SubcircuitChoice(Protocol):
    """What a testbench says of a subcircuit: its file, its name, what its ports are, and what it was written for.

    `place` is the section of the testbench, which errors name.
    """

    @property
    def place(self) -> str: ...
    @property
    def subcircuit(self) -> str: ...
    @property
    def name(self) -> str | None: ...
    @property
    def ports(self) -> Sequence[str]: ...
    @property
    def parameters(self) -> Mapping[str, Any]: ...
    @property
    def dialect(self) -> str: ...
    @property
    def initial_parameter(self) -> str | None: ...
    @property
    def is_module(self) -> bool: ...


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
    libraries
        Shared libraries of compiled modules that it needs.
    """

    name: str
    text: CheckedText
    compatibility: str
    file: str
    libraries: tuple[Path, ...] = ()


def read_subcircuit(device: SubcircuitChoice) -> ForeignSubcircuit:
    """Read the subcircuit of a device from its file.

    Raises
    ------
    SubcircuitError
        If the file cannot be read, does not have the subcircuit or fit the device's ports and parameters, or has a line
        that is refused or that ngspice cannot take: with the line and what to do.
    """
    path = Path(device.subcircuit)
    if device.is_module:
        return module_as_subcircuit(device, path)
    return checked_subcircuit(device, read_lines(path, f"{device.place}.subcircuit"), path.name)


def module_as_subcircuit(device: SubcircuitChoice, path: Path) -> ForeignSubcircuit:
    """Compile a module of a Verilog-A file, and wrap an element of it into a subcircuit.

    Raises
    ------
    SubcircuitError, VerilogAError, CompilerError
        If it cannot be compiled, or does not fit the device's ports and parameters.
    """
    try:
        check_file(path, "VERILOG_A_FILE_BYTES")
    except InputError as error:
        raise SubcircuitError(f"{device.place}.subcircuit: {error}") from None
    modules = compiled_modules(path)
    names = ", ".join(module.name for module in modules.values())
    if device.name is None and len(modules) != 1:
        raise SubcircuitError(f"{device.place}.name: is required, because {path.name} has several modules: {names}")
    name = next(iter(modules)) if device.name is None else device.name.lower()
    if name not in modules:
        raise SubcircuitError(f"{device.place}.name: {path.name} has no module {device.name!r}; it has {names}")
    module = modules[name]
    ports = " ".join(module.terminals)
    if len(device.ports) != len(module.terminals):
        raise SubcircuitError(
            f"{device.place}.ports names {len(device.ports)} ports, and {module.name} has {len(module.terminals)}: "
            f"{ports}"
        )
    given = [*device.parameters, *([device.initial_parameter] if device.initial_parameter else [])]
    for parameter in given:
        if parameter.lower() not in module.parameters - NAMES_OF_NGSPICE:
            raise SubcircuitError(
                f"{device.place}.parameters: module {module.name} has no parameter {parameter!r} that ngspice can set"
                f"{did_you_mean(parameter.lower(), module.parameters)}"
            )
    own, nodes = plain_text(f"{module.device}_cell"), " ".join(f"n{place}" for place in range(len(module.terminals)))
    header = " ".join(f"{parameter.lower()}=0" for parameter in given)
    card = " ".join(f"{parameter.lower()}={{{parameter.lower()}}}" for parameter in given)
    lines = [
        f".subckt {own} {nodes} {header}", f"N1 {nodes} {own}_model", f".model {own}_model {module.device} {card}",
        ".ends",
    ]  # fmt: skip
    return ForeignSubcircuit(own, CheckedText("\n".join(lines)), "", path.name, (module.library,))


def checked_subcircuit(device: SubcircuitChoice, lines: list[Line], file: str) -> ForeignSubcircuit:
    """Check the lines of a file; parameters, result and errors are those of `read_subcircuit`."""
    definitions, blocks = sort_lines(lines)
    wanted = _wanted(device, blocks, file)
    _check_fit(device, wanted)
    check_not_shorted(wanted, device.ports, device.place)
    used = called_blocks(wanted, blocks)
    carried = needed_definitions(definitions, used)
    scope = _Scope(device.dialect).within(carried)
    text = [_checked_definition(line, scope) for line in carried]
    state = None
    if device.initial_parameter is None and "state" in device.ports:
        state = wanted.ports[device.ports.index("state")].lower()
        check_holds_state(wanted, state)
    for block in used:
        text += _checked_block(block, scope, state if block is wanted else None)
    return ForeignSubcircuit(wanted.name, CheckedText("\n".join(text)), COMPATIBILITY[device.dialect], file)


def _wanted(device: SubcircuitChoice, blocks: dict[str, Block], file: str) -> Block:
    names = ", ".join(block.name for block in blocks.values())
    if not blocks:
        raise SubcircuitError(f"{device.place}.subcircuit: {file} has no .subckt")
    if device.name is None:
        if len(blocks) > 1:
            raise SubcircuitError(f"{device.place}.name: is required, because {file} has several subcircuits: {names}")
        return next(iter(blocks.values()))
    if device.name.lower() not in blocks:
        hint = did_you_mean(device.name.lower(), blocks)
        raise SubcircuitError(f"{device.place}.name: {file} has no subcircuit {device.name!r}; it has {names}{hint}")
    return blocks[device.name.lower()]


def _check_fit(device: SubcircuitChoice, block: Block) -> None:
    """Compare the ports and parameters of a device with those of its subcircuit."""
    if len(device.ports) != len(block.ports):
        block.header.refuse(
            f"{device.place}.ports names {len(device.ports)} ports, and {block.name} has {len(block.ports)}: "
            f"{' '.join(block.ports)}"
        )
    known = {name.lower(): name for name in block.parameters}
    given = {f"{device.place}.parameters": [*device.parameters]}
    if device.initial_parameter:
        given[f"{device.place}.initial_parameter"] = [device.initial_parameter]
    for where, names in given.items():
        for name in names:
            if name.lower() not in known:
                listed = f"it has {', '.join(block.parameters)}" if known else "it has none"
                for line in block.lines:
                    if line.words[0] in (".param", ".params") and name.lower() in map(str.lower, assigned(line.text)):
                        line.refuse(
                            f"{where}: {name} is set within {block.name}, where nothing from outside reaches it; move "
                            f"it to the end of the .subckt line, as {name}=value{ADAPTS}"
                        )
                block.header.refuse(
                    f"{where}: the .subckt line of {block.name} has no parameter {name!r}; {listed}"
                    f"{did_you_mean(name.lower(), known)}"
                )


def _defined(line: Line) -> list[str]:
    """Names in lower case that a .param, .func or .model line defines."""
    command = line.words[0]
    if command in (".param", ".params"):
        return [name.lower() for name in assigned(line.text)] or line.refuse(".param needs name=value")
    if command == ".func":
        return [read_function(line).name]
    return [line.words[1]] if len(line.words) > 2 else line.refuse(".model needs a name and a type")


def needed_definitions(definitions: list[Line], used: list[Block]) -> list[Line]:
    """Definitions outside of subcircuits that the blocks name, directly or through each other, in the file's order."""
    places: dict[str, list[int]] = {}
    for place, line in enumerate(definitions):
        for name in _defined(line):
            places.setdefault(name, []).append(place)
    needed: set[int] = set()
    waiting = [line for block in used for line in all_lines(block)]
    while waiting:
        words = {word.lower() for word in _WORD.findall(waiting.pop().text)}
        more = {place for word in words for place in places.get(word, [])} - needed
        needed |= more
        waiting += [definitions[place] for place in more]
    return [definitions[place] for place in sorted(needed)]


def _checked_definition(line: Line, scope: _Scope) -> str:
    """Return a .param, .func or .model line as text, when it has been checked."""
    command = line.words[0]
    _check_common(line, scope)
    if command == ".func":
        function = read_function(line)
        check_function_name(line, function.name)
        check_names(line, function.arguments, scope.dialect, local=True)
        check_expression(line, function.expression, scope.dialect, scope.names | {*function.arguments})
    elif command == ".model":
        _defined(line)
        kind = re.split(r"[\s(]", line.text.lower().split(None, 2)[2].strip())[0]
        if kind not in _MODEL_TYPES or (kind == "vswitch" and scope.dialect == "ngspice"):
            line.refuse(f"a model of type {kind} is refused; known are {', '.join(sorted(_MODEL_TYPES))}")
        for expression in re.findall(r"'([^']*)'", line.text) + braced(line):
            check_expression(line, expression, scope.dialect, scope.names)
    else:
        if _PARAMETER_FUNCTION.match(line.text):
            line.refuse(f"defines a function by .param; write .func name(arguments) {{expression}}{ADAPTS}")
        check_names(line, _defined(line), scope.dialect)
        for expression in expressions(line):
            check_expression(line, expression, scope.dialect, scope.names)
        return f".param {line.text.split(None, 1)[1]}"  # ngspice knows no .params
    return line.text


def _checked_block(block: Block, outer: _Scope, state: str | None) -> list[str]:
    """Return the lines of a block as text, when each of them has been checked.

    Initial voltages of capacitors come with a .ic of their own, because ngspice heeds those of the elements in runs
    only that do not start from a steady state. `state` is the port whose initial voltage the netlist sets, or None:
    what the file sets there is left out.
    """
    scope = outer.within(block.lines, block.parameters)
    text = [block.header.text]
    _check_common(block.header, scope)
    _check_defined_once(block)
    check_names(block.header, block.parameters, scope.dialect)
    check_names(block.header, block.ports, scope.dialect, local=True)
    for expression in braced(block.header):
        check_expression(block.header, expression, scope.dialect, scope.names)
    for line in block.lines:
        command = line.words[0]
        if command in DEFINITIONS:
            text.append(_checked_definition(line, scope))
        elif command in INITIAL:
            text += _checked_initial(line, scope, state)
        elif command[0] in _ELEMENTS:
            _check_element(line, scope, block)
            text += [line.text, *_initial_voltage(line, state)]
        else:
            cure = CURES.get(command) or CURES.get(command[0]) or "take it out"
            line.refuse(f"{command} is refused in a subcircuit; {cure}")
    for inner in block.blocks.values():
        text += _checked_block(inner, scope, None)
    return [*text, ".ends"]


def _check_defined_once(block: Block) -> None:
    """Raise `SubcircuitError` for a parameter that is set twice: upper and lower case are one in SPICE."""
    seen = {name.lower(): f"the parameter {name} of its .subckt line" for name in block.parameters}
    for line in block.lines:
        if line.words[0] in (".param", ".params"):
            for name in assigned(line.text):
                if name.lower() in seen:
                    line.refuse(
                        f"sets {name}, which is {seen[name.lower()]}: upper and lower case are the same; "
                        "rename one of them, or take this one out"
                    )
                seen[name.lower()] = f"set in line {line.number} already"


def _checked_initial(line: Line, scope: _Scope, state: str | None) -> list[str]:
    """Return a .ic or .nodeset line without what it says of the state port."""
    _check_common(line, scope)
    for expression in braced(line):
        check_expression(line, expression, scope.dialect, scope.names)
    if state is None:
        return [line.text]
    value = r"\s*=\s*(\{[^{}]*\}|'[^']*'|[^\s{}']+)"
    kept = re.sub(rf"\bv\s*\(\s*{re.escape(state)}\s*\){value}", "", line.text, flags=re.IGNORECASE)
    return [kept] if len(kept.split()) > 1 else []


def _check_element(line: Line, scope: _Scope, block: Block) -> None:
    _check_common(line, scope)
    kind = line.words[0][0]
    if kind != "x" and len(line.words) < 3:
        line.refuse("is too short for an element: a name, two nodes and a value")
    check_names(line, line.words[1 : {"b": 3, "x": None}.get(kind, 5)], scope.dialect, local=True)
    ports = {port.lower() for port in block.ports}
    if scope.dialect != "ngspice" and "gnd" in line.words[1:] and "gnd" not in ports:
        line.refuse("gnd is an ordinary node in this compatibility mode of ngspice; write 0")
    if kind in "eg" and re.search(r"\blaplace\b", line.text, re.IGNORECASE):
        line.refuse("ngspice has no LAPLACE sources; build the transfer function of resistors and capacitors")
    extra = _LTSPICE_ONLY.search(line.text) if kind == "b" else None
    if extra:
        line.refuse(f"ngspice has no {extra[1]} of a B source; take it out")
    if kind in "vi" and _EXTERNAL.search(line.text):
        line.refuse("a source whose values come from outside is refused; give the values themselves")
    for expression in expressions(line):
        check_expression(line, expression, scope.dialect, scope.names)


def _check_common(line: Line, scope: _Scope) -> None:
    """Check what holds for every line that is carried over, in and out of expressions."""
    braced(line)
    if _GROUND_OF_OTHERS.search(line.text):
        line.refuse(f"gnd! is an ordinary node in ngspice; write 0{ADAPTS}")
    if _READS_FILE.search(line.text):
        line.refuse("a file that is read while simulating is refused; give the values themselves")
    check_calls(line, scope.dialect, scope.names)
    check_length(line, scope.lengths)


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
