"""A subcircuit of a library as elements and models whose values are all numbers.

A PDK's transistor is a subcircuit of parameters, conditions and models of hundreds of values, which ngspice would copy
for every cell. Here all of it is computed once: what is left are a few elements, and models that cells share. Nothing
but numbers and plain names gets through.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spicecim import limits
from spicecim.errors import SubcircuitError
from spicecim.netlist.adapting.expressions import Expression, Number, Parser
from spicecim.netlist.adapting.statements import Assignment, Definition, header_parameters, read_statements
from spicecim.netlist.elaborated.values import Values
from spicecim.netlist.environment import CheckedText, spice_text
from spicecim.netlist.spice_blocks import DEFINITIONS, Block, partition, sort_lines
from spicecim.netlist.spice_lines import Line
from spicecim.outside import exceeds
from spicecim.problems import did_you_mean
from spicecim.veriloga.model_cards import CompiledModule

_MODEL_TYPES = {"r", "res", "c", "d", "npn", "pnp", "nmos", "pmos", "njf", "pjf"}
_NODES = {"m": (4, 4), "n": (2, 20), "d": (2, 2), "q": (3, 4), "j": (3, 3), "r": (2, 2), "c": (2, 2), "x": (1, 100)}
"""Kinds of elements that are taken, and how many nodes they have at least and at most."""
_PLAIN = re.compile(r"[A-Za-z0-9_]+")
_VERSION = re.compile(r"\d+\.\d+")
_VERSIONED = re.compile(r"(?<!\S)version\s*=\s*(\d+(?:\.\d+){2,3})(?!\S)", re.IGNORECASE)
_MODEL = re.compile(r"(\.model\s+\S+\s+\w+)\s*(?:\((.*)\)|(.*))", re.IGNORECASE)
_ASSIGNED = re.compile(r"\s*($|[A-Za-z_]\w*\s*=)")
_GROUND = {"0", "gnd"}


@dataclass(frozen=True)
class FlatSubcircuit:
    """A subcircuit without parameters.

    Attributes
    ----------
    models, elements
        Their lines. Elements stand between the nodes that the ports were named by, and nodes of their own.
    libraries
        Shared libraries of the compiled modules that the models are of.
    """

    models: list[CheckedText]
    elements: list[CheckedText]
    libraries: tuple[Path, ...]


@dataclass
class _Scope:
    """What is known within a block: values, models and subcircuits by their names in lower case.

    `path` are the instances that lead to the block, of which the values are.
    """

    values: Values
    models: dict[str, Line]
    blocks: Mapping[str, Block]
    outer: _Scope | None = None
    path: str = ""

    def models_named(self, name: str) -> tuple[_Scope, list[Line]]:
        """The model of a name and the scope that it stands in; or those of its bins, NAME.0, NAME.1 and so on."""
        bins = re.compile(rf"{re.escape(name)}(\.\d+)?")
        found = [line for key, line in self.models.items() if bins.fullmatch(key)]
        if found or self.outer is None:
            return self, found
        return self.outer.models_named(name)

    def block(self, name: str) -> tuple[_Scope, Block] | None:
        """The subcircuit of a name, and the scope that it stands in."""
        if name in self.blocks:
            return self, self.blocks[name]
        return None if self.outer is None else self.outer.block(name)


@dataclass
class Library:
    """Lines of a library, of which subcircuits can be worked out.

    Parameters
    ----------
    lines
        The lines, as `spice_lines.read_section` returns them.
    place
        Field of a testbench that names the subcircuit.
    file
        Name of the file.
    temperature
        Temperature (K).
    modules
        Compiled modules that elements may call, by their names in lower case.
    """

    lines: Sequence[Line]
    place: str
    file: str
    temperature: float
    modules: Mapping[str, CompiledModule] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for line in self.lines:
            if line.words[0] == ".control":
                line.refuse("a control block is refused: it holds commands; take it out of the file")
        definitions, self._blocks = sort_lines(self.lines)
        known = {"temper": self.temperature - 273.15}
        self._scope = _scope(definitions, self._blocks, (), known, None)

    def ports(self, name: str) -> list[str]:
        """Names of the ports of a subcircuit."""
        return self._block(name).ports

    def flat(
        self, name: str, values: Mapping[str, float], nodes: Sequence[str], prefix: str, parameters: str
    ) -> FlatSubcircuit:
        """Work out a subcircuit.

        Parameters
        ----------
        name
            Its name.
        values
            Values of its parameters that differ from the defaults.
        nodes
            What each of its ports is connected to.
        prefix
            What the names of its models begin with.
        parameters
            Field of a testbench that has the values.

        Raises
        ------
        SubcircuitError
            If there is no such subcircuit or parameter, or a line is refused or cannot be worked out.
        """
        block = self._block(name)
        defaults = {one.lower(): one for one in block.parameters}
        for given in values:
            if given.lower() not in defaults:
                listed = f"it has {', '.join(block.parameters)}" if defaults else "it has none"
                raise SubcircuitError(
                    f"{parameters}.{given}: {block.name} has no such parameter; {listed}"
                    f"{did_you_mean(given.lower(), defaults)}"
                )
        work = _Work(self.modules, prefix)
        lowered = {name.lower(): value for name, value in values.items()}
        work.block(self._scope, block, lowered, dict(zip(_lower(block.ports), nodes, strict=True)), "", ())
        return FlatSubcircuit(list(work.models.values()), work.elements, tuple(dict.fromkeys(work.libraries)))

    def _block(self, name: str) -> Block:
        if name.lower() not in self._blocks:
            some = sorted(block.name for block in self._blocks.values())
            listed = (
                f"it has {', '.join(some[:20])}{' and others' if len(some) > 20 else ''}" if some else "it has none"
            )
            hint = did_you_mean(name.lower(), self._blocks)
            raise SubcircuitError(f"{self.place}: {self.file} has no subcircuit {name!r}; {listed}{hint}")
        return self._blocks[name.lower()]


class _Names:
    """Names in the netlist, another for each thing: the one that is wanted, with a number where that is taken."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, ...], str] = {}
        self._taken: dict[str, int] = {}

    def of(self, what: tuple[str, ...], wanted: str) -> str:
        """Return the name of a thing, which `what` tells from all others."""
        if what not in self._names:
            name = wanted
            while name in self._taken:
                self._taken[wanted] += 1
                name = f"{wanted}_{self._taken[wanted]}"
            self._names[what], self._taken[name] = name, 1
        return self._names[what]


@dataclass
class _Work:
    """What comes out of blocks, one after the other."""

    modules: Mapping[str, CompiledModule]
    prefix: str
    models: dict[str, CheckedText] = field(default_factory=dict)
    elements: list[CheckedText] = field(default_factory=list)
    libraries: list[Path] = field(default_factory=list)
    names: _Names = field(default_factory=_Names)
    calls: int = 0

    def block(
        self, outer: _Scope, block: Block, given: Mapping[str, float], nodes: Mapping[str, str], path: str,
        callers: tuple[Block, ...],
    ) -> None:  # fmt: skip
        """Work out a block with the values that are given, between nodes; `path` are the instances that lead to it."""
        if block in callers or len(callers) >= limits.SUBCIRCUIT_DEPTH:
            block.header.refuse("calls itself, or stands in too long a chain of calls")
        self.calls += 1
        if self.calls > limits.SUBCIRCUIT_ELEMENTS:
            block.header.refuse(exceeds("SUBCIRCUIT_ELEMENTS", "calls of subcircuits"))
        header = header_parameters(block.header, "ngspice", None)
        scope = _scope([], block.blocks, header, given, outer, path)
        for line in list(_elements(block.lines, scope)):
            if len(self.elements) >= limits.SUBCIRCUIT_ELEMENTS:
                line.refuse(exceeds("SUBCIRCUIT_ELEMENTS", "elements"))
            self._element(line, scope, nodes, path, (*callers, block))

    def _element(
        self, line: Line, scope: _Scope, ports: Mapping[str, str], path: str, callers: tuple[Block, ...]
    ) -> None:  # fmt: skip
        kind = line.words[0][0]
        if kind not in _NODES:
            line.refuse(f"{line.words[0]} is refused in a transistor; taken are elements {', '.join(sorted(_NODES))}")
        before, _, _ = partition(re.sub(r"\s*=\s*", "=", line.text))
        name, *words = before.split()
        least, most = _NODES[kind]
        if not least <= len(words) - 1 <= most and not (kind in "rc" and len(words) == 2):
            line.refuse(f"{name} needs {least}{f' to {most}' if most > least else ''} nodes, and then what it is")
        plain = _plain(line, name)
        own = words[:2] if kind in "rc" else words[:-1]
        nodes = [self._node(line, node, ports, path) for node in own]
        assigned = header_parameters(line, "ngspice", None)
        if kind == "x":
            found = scope.block(words[-1].lower())
            if found is None:
                line.refuse(f"the subcircuit {words[-1]} is not in the library")
            outer, inner = found
            if len(inner.ports) != len(nodes):
                line.refuse(f"{inner.name} has {len(inner.ports)} ports")
            known = {one.lower() for one in inner.parameters}
            values = {one.name.lower(): scope.values.of(line, one.slot.tree) for one in assigned}
            if more := [one for one in values if one not in known]:
                line.refuse(f"{inner.name} has no parameter {more[0]}")
            within = self.names.of(("path", path, plain), f"{path}{plain}_")
            self.block(outer, inner, values, dict(zip(_lower(inner.ports), nodes, strict=True)), within, callers)
            return
        what: list[str] = []
        if len(words) > len(own):
            model = self._model(line, words[-1].lower(), scope)
            if model is None and kind not in "rc":
                line.refuse(f"the model {words[-1]} is not in the library")
            what = [spice_text(scope.values.of(line, _bare(line, words[-1])))] if model is None else [model]
        pairs = self._pairs(line, assigned, scope, None)
        written = self.names.of(("element", path, plain), f"{kind}{path}{plain}")
        self.elements.append(CheckedText(" ".join([written, *nodes, *what, *pairs])))

    def _model(self, user: Line, name: str, scope: _Scope) -> str | None:
        """Write the model of a name unless it is; return the name that it has there, None if there is no such model."""
        place, lines = scope.models_named(name)
        wanted = f"{self.prefix}_{place.path}{_plain(user, name.replace('.', '_'))}"
        written = self.names.of(("model", place.path, name), wanted)
        for line in lines:
            bin_ = line.words[1].removeprefix(name)
            if f"{written}{bin_}" not in self.models:
                self.models[f"{written}{bin_}"] = self._card(line, f"{written}{bin_}", place)
        return written if lines else None

    def _card(self, line: Line, name: str, scope: _Scope) -> CheckedText:
        found = _MODEL.fullmatch(line.text.strip())
        if found is None:
            line.refuse(".model needs a name, a type and name=value")
        rest = found[2] if found[2] is not None else found[3]
        # a version of three numbers is no value
        versions = [f"version={version[1]}" for version in _VERSIONED.finditer(rest)]
        rest = _VERSIONED.sub("", rest)
        if not _ASSIGNED.match(rest):
            line.refuse(f"{rest.strip()[:40]!r} is not understood; write name=value, all of them in one parenthesis")
        plain = line._replace(text=f"{found[1]} {rest}")
        kind = found[1].split()[2].lower()
        module = self.modules.get(kind)
        if module is not None:
            self.libraries.append(module.library)
        elif kind not in _MODEL_TYPES:
            line.refuse(
                f"a model of type {kind} is refused; known are {', '.join(sorted(_MODEL_TYPES | {*self.modules}))}. A "
                "compact model in Verilog-A has to be named in cell.transistor.verilog_a"
            )
        pairs = self._pairs(line, header_parameters(plain, "ngspice", None), scope, module)
        return CheckedText(
            "\n+ ".join([f".model {name} {kind if module is None else module.device}", *versions, *pairs])
        )

    def _pairs(
        self, line: Line, assigned: Sequence[Assignment], scope: _Scope, module: CompiledModule | None
    ) -> list[str]:  # fmt: skip
        pairs = []
        for one in assigned:
            if module is not None and one.name.lower() not in module.parameters:
                line.refuse(
                    f"module {module.name} has no parameter {one.name}{did_you_mean(one.name, module.parameters)}"
                )
            pairs.append(f"{one.name.lower()}={_written(line, one.slot.tree, scope.values)}")
        return pairs

    def _node(self, line: Line, name: str, ports: Mapping[str, str], path: str) -> str:
        lower = name.lower()
        if lower in ports:
            return ports[lower]
        if lower in _GROUND:
            return "0"
        return self.names.of(("node", path, lower), f"{path}{_plain(line, name)}_inner")


def _scope(
    definitions: Sequence[Line], blocks: Mapping[str, Block], header: Sequence[Assignment], given: Mapping[str, float],
    outer: _Scope | None, path: str = "",
) -> _Scope:  # fmt: skip
    scope = _Scope(Values(given, None if outer is None else outer.values), {}, blocks, outer, path)
    for one in header:
        scope.values.define(one.name.lower(), one.line, one.slot.tree)
    for line in definitions:
        _define(line, scope)
    return scope


def _define(line: Line, scope: _Scope) -> None:
    """Take over a .param, .func or .model line."""
    if line.words[0] == ".model":
        if len(line.words) < 3:
            line.refuse(".model needs a name and a type")
        scope.models[line.words[1]] = line
        return
    for one in read_statements(line, "ngspice", None):
        match one:
            case Assignment():
                scope.values.define(one.name.lower(), line, one.slot.tree)
            case Definition():
                arguments = [name.lower() for name in one.arguments]
                scope.values.define_function(one.name.lower(), arguments, one.slot.tree)


def _elements(lines: Sequence[Line], scope: _Scope) -> Iterator[Line]:
    """Elements of a block in branches that are taken; what is defined there goes into its scope on the way.

    Raises
    ------
    SubcircuitError
        If conditions do not match.
    """
    branches: list[str] = []
    """Of each condition that is open: ``taken``, ``done`` if a branch before was, ``waiting`` if none was yet."""
    for line in lines:
        command = line.words[0]
        if command == ".if":
            if len(branches) >= limits.SUBCIRCUIT_DEPTH:
                line.refuse(exceeds("SUBCIRCUIT_DEPTH", "conditions within each other"))
            branches.append("taken" if _holds(line, scope, branches) else "waiting")
        elif command in (".elseif", ".else"):
            if not branches:
                line.refuse(f"{command} stands without .if")
            if branches[-1] == "waiting" and (command == ".else" or _holds(line, scope, branches[:-1])):
                branches[-1] = "taken"
            elif branches[-1] == "taken":
                branches[-1] = "done"
        elif command == ".endif":
            if not branches:
                line.refuse(".endif stands without .if")
            branches.pop()
        elif all(branch == "taken" for branch in branches):
            if command in DEFINITIONS:
                _define(line, scope)
            else:
                yield line
    if branches:
        lines[-1].refuse(".if has no .endif")


def _holds(line: Line, scope: _Scope, around: Collection[str]) -> bool:
    if any(branch != "taken" for branch in around):
        return False
    return bool(scope.values.of(line, _bare(line, line.text.split(None, 1)[1] if len(line.words) > 1 else "")))


def _bare(line: Line, text: str) -> Expression:
    parser = Parser(line._replace(text=text), "ngspice", None)
    tree = parser.delimited()
    if parser.peek():
        parser.refuse("is not understood")
    return tree


def _written(line: Line, tree: Expression, values: Values) -> str:
    """A value as a number; one that stands there stays as it is, for what is a version and not a number."""
    if isinstance(tree, Number) and _VERSION.fullmatch(tree.text):
        return tree.text
    value = values.of(line, tree)
    return spice_text(int(value) if value == int(value) and abs(value) < 1e9 else value)


def _plain(line: Line, name: str) -> str:
    if not _PLAIN.fullmatch(name):
        line.refuse(f"the name {name!r} is refused; name it by letters, digits and underscores")
    return name.lower()


def _lower(names: Sequence[str]) -> list[str]:
    return [name.lower() for name in names]
