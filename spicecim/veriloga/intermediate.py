"""OpenVAF's intermediate form, as the child process writes it, to a `Module`."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from spicecim.errors import VerilogAError
from spicecim.veriloga.declarations import ModuleDeclaration
from spicecim.veriloga.module import (
    ZERO,
    Argument,
    Entry,
    Function,
    Instruction,
    Kind,
    Module,
    Node,
    Parameter,
    result_kind,
)
from spicecim.veriloga.rewriting import MESSAGE_MARK, MESSAGES
from spicecim.veriloga.source import Source

_MARK = re.compile(rf"{MESSAGE_MARK}\d+(\$\w+)")
_PARAMETER_KINDS: dict[str, Kind] = {"real": "real", "integer": "int", "string": "string"}
_KINDS = {"temperature", "voltage", "current", "param", "param_given", "hidden_state", "sysfun", "abstime", "cached"}
_KINDS |= {"implicit_unknown", "enable_integration", "enable_lim", "prev_state", "new_state", "port_connected"}


def parse_module(raw: Mapping[str, Any], source: Source, declaration: ModuleDeclaration) -> Module:
    """Build a module from what `openvaf.describe` returned.

    Raises
    ------
    VerilogAError
        If it has no terminals, or holds something that is not supported.
    """
    where = f"{source.path}: module {raw['name']}"
    if not raw["system"]["terminals"]:
        raise VerilogAError(f"{where} has no terminals; a memristor needs at least two, such as module m(p, n)")
    system, descriptor = raw["system"], raw["descriptor"]
    kinds: dict[str, Kind] = {name: _PARAMETER_KINDS[item.type] for name, item in declaration.parameters.items()}
    texts = {name: _MARK.sub("", text) for name, text in raw["texts"].items()}
    evaluate = _function(raw["evaluate"], raw["arguments"], where, kinds, texts=texts)
    setup = _setup(raw, where, kinds)
    residuals = [
        Entry(item["node_idx"], -1, _value(item["resist_var"]), _value(item["react_var"]))
        for item in system["residuals"]
    ]
    jacobian = [
        Entry(item["row_node_idx"], item["col_node_idx"], _value(item["resist_var"]), _value(item["react_var"]))
        for item in system["jacobian"]
    ]
    module = Module(
        raw["name"],
        tuple(
            Node(
                item["name"],
                item["kind"],
                not item["is_internal"],
                *(("K", "W") if item["name"] in declaration.thermal else (units["units"], units["residual_units"])),
            )
            for item, units in zip(system["nodes"], descriptor["nodes"], strict=True)
        ),
        tuple(
            Parameter(
                item["name"],
                ("real", "integer", "string")[item["flags"] & 3],
                item["units"],
                item["description"],
                item["is_instance"],
                tuple(item["aliases"]),
            )
            for item in descriptor["params"]
        ),
        evaluate,
        setup,
        _cache(raw, where),
        tuple(residuals),
        tuple(jacobian),
        _collapses(raw, setup, declaration, where),
        frozenset(_value(name) for name in system["small_signal_params"]),
    )
    _refuse_missing_branches(module, where)
    if any(item.opcode == "frem" for block in evaluate.blocks.values() for item in block):
        place = next((source.place(token.line) for token in declaration.tokens if token.text == "%"), where)
        raise VerilogAError(
            f"{place}: % of real numbers is not supported: its derivative is taken for zero; write x - y*floor(x/y)"
        )
    return _without_idle_nodes(module, declaration.grounds)


def _collapses(
    raw: Mapping[str, Any], setup: Function, declaration: ModuleDeclaration, where: str
) -> dict[str, tuple[int, int | None]]:
    """Pairs of nodes that may become one, by the callback that says so.

    Where the current of a branch between two nodes is an unknown, its own equation already makes their potentials the
    same. OpenVAF would collapse these nodes and the current, which other equations may take, into zero.
    """
    nodes = raw["system"]["nodes"]
    called = dict.fromkeys(item.callback for block in setup.blocks.values() for item in block)
    declared = raw["evaluate"]["function_decls"]
    every = [declared[key]["name"] for key in sorted(declared, key=_number)]
    hints = [name for name in every if name.startswith("CollapseHint")]
    # a node that collapses into the ground has the number of no node
    pairs = [
        (pair["node1_idx"], pair["node2_idx"] if pair["node2_idx"] < len(nodes) else None)
        for pair in raw["system"]["collapsible_pairs"]
    ]
    own = [pair for pair in pairs if nodes[pair[0]]["kind"] != "BranchCurrent"]
    if len(hints) != len(own):
        raise VerilogAError(f"{where}: when its nodes collapse could not be found out; contribute a current instead")
    carried = []
    for index, _ in (pair for pair in pairs if pair not in own):
        name = nodes[index]["name"].removeprefix("flow(").removesuffix(")")
        carried.append(set(declaration.branches.get(name, name.split(","))))
    return {
        hint: (one, other)
        for hint, (one, other) in zip(hints, own, strict=True)
        if hint in called and {nodes[i]["name"] for i in (one, other) if i is not None} not in carried
    }


def _cache(raw: Mapping[str, Any], where: str) -> dict[str, tuple[str, ...]]:
    """Names in `evaluate` of each value of setup that it takes, by the name there.

    Where a module works out the same in several places, these are one argument of `evaluate` with as many names. Its
    names follow those of the other arguments, in the order of the arguments.
    """
    sources: dict[int, list[str]] = {}
    for value, index in raw["cache"]:
        sources.setdefault(index, []).append(f"v{value}")
    targets = raw["evaluate"]["params"][len(raw["arguments"]) :]
    if len(targets) != len(raw["cache"]):
        raise VerilogAError(f"{where}: the values that depend on parameters alone could not be told apart")
    found: dict[str, tuple[str, ...]] = {}
    for index in sorted(sources):
        names, targets = tuple(targets[: len(sources[index])]), targets[len(sources[index]) :]
        found |= dict.fromkeys(sources[index], names)
    return found


def _refuse_missing_branches(module: Module, where: str) -> None:
    """Raise `VerilogAError` if an equation takes a current that no unknown stands for."""
    taken = {operand for block in module.evaluate.blocks.values() for item in block for operand in item.operands}
    taken |= {value for entry in (*module.residuals, *module.jacobian) for value in (entry.resistive, entry.reactive)}
    for argument in module.evaluate.arguments:
        if argument.value in taken:
            try:
                module.unknown(argument)
            except KeyError:
                raise VerilogAError(f"{where}: {argument.name} is taken, but no branch carries it") from None


def _without_idle_nodes(module: Module, grounds: Collection[str]) -> Module:
    """Leave out declared grounds, which OpenVAF keeps for named branches, and internal nodes that no equation has."""
    equations = {entry.row for entry in module.jacobian} | {node for pair in module.collapses.values() for node in pair}
    kept = [
        index
        for index, node in enumerate(module.nodes)
        if node.terminal or (index in equations and node.name not in grounds)
    ]
    return module.arranged(kept)


def _value(name: str) -> str:
    """Name of a value; empty for zero."""
    value = "v" + name.removeprefix("mir_")
    return "" if value == ZERO else value


def _function(
    raw: Mapping[str, Any],
    arguments: Sequence[Sequence[Any]],
    where: str,
    parameter_kinds: Mapping[str, Kind],
    callbacks: Mapping[str, str] | None = None,
    texts: Mapping[str, str] | None = None,
) -> Function:
    named = [Argument(f"v{value}", kind, name) for value, kind, name in arguments]
    # what is worked out in setup follows the arguments that have a name
    named += [Argument(value, "cached", "") for value in raw["params"][len(named) :]]
    for argument in named:
        if argument.kind not in _KINDS:
            raise VerilogAError(f"{where}: {argument.kind} {argument.name} is not supported")
        if argument.kind == "sysfun" and argument.name != "mfactor":
            raise VerilogAError(f"{where}: {argument.name} is not supported")
    declared = callbacks or {key: item["name"] for key, item in raw.get("function_decls", {}).items()}
    blocks = read_blocks(raw, declared)
    constants = {**raw["constants"], **raw["int_constants"], **raw["bool_constants"], **(texts or {})}
    kinds: dict[str, Kind] = {}
    for names, kind in (("constants", "real"), ("int_constants", "int"), ("bool_constants", "bool")):
        kinds |= dict.fromkeys(raw[names], kind)
    kinds |= dict.fromkeys(texts or {}, "string")
    kinds |= {item.value: parameter_kinds[item.name] for item in named if item.kind == "param"}
    defined = {*constants, *(item.value for item in named)}
    defined |= {item.result for items in blocks.values() for item in items}
    if any(operand not in defined for items in blocks.values() for item in items for operand in item.operands):
        raise VerilogAError(
            f"{where}: OpenVAF's code takes a value that it does not set, as it does for ddt of ddt; give the inner "
            "derivative a node of its own"
        )
    return Function(tuple(named), blocks, constants, _infer(blocks, named, kinds))


def read_blocks(raw: Mapping[str, Any], callbacks: Mapping[str, str]) -> dict[str, tuple[Instruction, ...]]:
    """Return the instructions of each block of a function, the entry first; `callbacks` names what is called."""
    blocks: dict[str, list[Instruction]] = {}
    for item in raw["instructions"]:
        blocks.setdefault(item["block"], []).append(_instruction(item, callbacks))
    for block in raw["blocks"]:
        blocks.setdefault(block, [])
    return {name: tuple(items) for name, items in blocks.items()}


def _instruction(item: Mapping[str, Any], callbacks: Mapping[str, str]) -> Instruction:
    opcode, result = item["opcode"], item.get("result") or ""
    if opcode == "phi":
        sources = item["phi_operands"]
        return Instruction("phi", result, tuple(s["value"] for s in sources), tuple(s["block"] for s in sources))
    if opcode == "br":
        return Instruction("br", "", (item["condition"],), (item["true_block"], item["false_block"]))
    if opcode == "jmp":
        return Instruction("jmp", "", (), (item["destination"],))
    callback = callbacks.get(item["func_ref"], item["func_ref"]) if opcode == "call" else ""
    return Instruction(opcode, result, tuple(item.get("operands") or ()), (), callback)


def _infer(
    blocks: Mapping[str, Sequence[Instruction]], arguments: Sequence[Argument], kinds: dict[str, Kind]
) -> dict[str, Kind]:
    """Kinds of all values. An argument is what the instructions that take it ask for; real if none does."""
    flags = {"param_given", "enable_integration", "enable_lim", "port_connected"}
    kinds |= {argument.value: "bool" for argument in arguments if argument.kind in flags}
    asked: dict[str, Kind] = {}
    for instruction in (item for items in blocks.values() for item in items):
        opcode = instruction.opcode
        wanted: Kind | None = None
        if opcode == "br" or opcode in ("bfcast", "bicast", "beq", "bne", "bnot"):
            wanted = "bool"
        elif opcode in ("seq", "sne"):
            wanted = "string"
        elif opcode[0] == "i" and opcode not in ("in",):
            wanted = "int"
        elif opcode[0] == "f":
            wanted = "real"
        if wanted and not (opcode == "phi" or opcode == "optbarrier"):
            asked |= dict.fromkeys(instruction.operands, wanted)
        if instruction.callback.startswith("Print"):
            types = re.findall(r"ty: (\w+)", instruction.callback)
            names: dict[str, Kind] = {"Real": "real", "Integer": "int", "String": "string"}
            asked |= {
                value: names[kind]
                for value, kind in zip(instruction.operands[1:], types, strict=False)
                if kind in names
            }
            asked[instruction.operands[0]] = "string"
    for argument in arguments:
        if argument.value not in kinds and argument.value in asked:
            kinds[argument.value] = asked[argument.value]
        elif argument.value not in kinds and argument.kind not in ("cached", "param"):
            kinds[argument.value] = "real"
    # results follow from operands, and phis go round in loops: repeat until nothing is new
    pending = [item for items in blocks.values() for item in items if item.result]
    while pending:
        left = []
        for instruction in pending:
            kind = result_kind(instruction, kinds)
            if kind is None:
                left.append(instruction)
            else:
                kinds[instruction.result] = kind
        if len(left) == len(pending):
            for argument in arguments:
                kinds.setdefault(argument.value, "real")
            if not any(operand in kinds for instruction in left for operand in instruction.operands):
                break
        pending = left
    # what is left stands in blocks that are never reached
    for value in [argument.value for argument in arguments] + [item.result for item in pending]:
        kinds.setdefault(value, "real")
    return kinds


def _number(name: str) -> int:
    return int(re.sub(r"\D", "", name))


def _setup(raw: Mapping[str, Any], where: str, kinds: Mapping[str, Kind]) -> Function:
    """Build the setup function, whose callbacks and texts OpenVAF numbers anew without naming them.

    Both keep the order that they have in `evaluate`, which declares all of them; the kind of a message stands in its
    text. openvaf-r names them.
    """
    if "function_decls" in raw["setup"]:
        named = {name: _MARK.sub("", text) for name, text in raw["setup"]["texts"].items()}
        return _function(raw["setup"], raw["setup_arguments"], where, kinds, texts=named)
    calls = {item["func_ref"]: item for item in raw["setup"]["instructions"] if item["opcode"] == "call"}
    messages = {name for name, item in calls.items() if item.get("operands") and not item.get("result")}
    others = sorted(calls.keys() - messages, key=_number)
    declared = raw["evaluate"]["function_decls"]
    in_evaluate = {item["func_ref"] for item in raw["evaluate"]["instructions"] if item["opcode"] == "call"}
    candidates = [
        ((item["num_args"], bool(item["num_returns"])), key not in in_evaluate, item["name"])
        for key, item in sorted(declared.items(), key=lambda pair: _number(pair[0]))
        if not item["name"].startswith("Print")
    ]
    shapes = [(len(calls[name].get("operands") or ()), bool(calls[name].get("result"))) for name in others]
    found = _matches(shapes, candidates)
    if found is None:
        raise VerilogAError(
            f"{where}: what it calls for its parameters alone could not be found out; let $finish and $stop depend on "
            "parameters only, or on potentials"
        )
    texts = _setup_texts(raw, messages, where)
    raw_setup = {
        **raw["setup"],
        "instructions": [_named(item, messages, texts) for item in raw["setup"]["instructions"]],
    }
    plain = {name: _MARK.sub("", text) for name, text in texts.items()}
    return _function(raw_setup, raw["setup_arguments"], where, kinds, dict(zip(others, found, strict=True)), plain)


def _named(item: Mapping[str, Any], messages: set[str], texts: Mapping[str, str]) -> Mapping[str, Any]:
    """Return a call of a message with the name of its kind as what it calls."""
    if item["opcode"] != "call" or item["func_ref"] not in messages:
        return item
    mark = _MARK.search(texts.get(item["operands"][0], ""))
    kind = MESSAGES.get(mark.group(1), "Display") if mark else "Display"
    return {**item, "func_ref": f"Print {{ kind: {kind} }}"}


def _matches(
    shapes: Sequence[tuple[int, bool]], candidates: Sequence[tuple[tuple[int, bool], bool, str]]
) -> list[str] | None:
    """Assign declarations to calls of the same shape, in order, so that most that nothing else calls are called.

    None if there is no such assignment, or more than one.
    """
    # best[i][j]: (declarations left uncalled, number of ways, names) for calls from i on and declarations from j on
    best: dict[tuple[int, int], tuple[float, int, list[str]]] = {}
    for i in range(len(shapes), -1, -1):
        for j in range(len(candidates), -1, -1):
            if j == len(candidates):
                best[i, j] = (0, 1, []) if i == len(shapes) else (float("inf"), 0, [])
                continue
            shape, wanted, name = candidates[j]
            uncalled, ways, names = best[i, j + 1]
            options = [(uncalled + wanted, ways, names)]
            if i < len(shapes) and shapes[i] == shape:
                uncalled, ways, names = best[i + 1, j + 1]
                options.append((uncalled, ways, [name, *names]))
            least = min(option[0] for option in options)
            equal = [option for option in options if option[0] == least]
            best[i, j] = (least, sum(option[1] for option in equal), equal[-1][2])
    _, ways, names = best[0, 0]
    return names if ways == 1 else None


def _setup_texts(raw: Mapping[str, Any], messages: set[str], where: str) -> dict[str, str]:
    """Texts that setup takes, by the names that they have there.

    A format stands in one message, and so in setup if `evaluate` does not take it; what a text is compared with is in
    both.
    """
    instructions = raw["setup"]["instructions"]
    known = {f"v{value}" for value, _, _ in raw["setup_arguments"]} | {item.get("result") for item in instructions}
    known |= {name for kind in ("constants", "int_constants", "bool_constants") for name in raw["setup"][kind]}
    unknown: set[str] = set()
    for item in instructions:
        operands = item.get("operands") or ()
        if item["opcode"] in ("seq", "sne") or (item["opcode"] == "call" and item["func_ref"] in messages):
            unknown.update(operands)
    numbered = sorted(unknown - known, key=_number)
    used = {value for item in raw["evaluate"]["instructions"] for value in item.get("operands") or ()}
    compared = {
        value
        for item in raw["evaluate"]["instructions"]
        if item["opcode"] in ("seq", "sne")
        for value in item["operands"]
    }
    texts = raw["texts"]
    spare = [texts[name] for name in sorted(texts, key=_number) if name not in used]
    wider = [texts[name] for name in sorted(texts, key=_number) if name not in used or name in compared]
    for choice in (wider, spare, []):
        if len(choice) == len(numbered):
            return dict(zip(numbered, choice, strict=True))
    raise VerilogAError(f"{where}: the texts that depend on parameters alone could not be told apart")
