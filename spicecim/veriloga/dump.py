"""What the program openvaf-r prints of its intermediate form, in the form in which openvaf-py hands it over.

Both are built from one source, so that values have the same numbers. The text is meant for people: whatever is not
understood to the last line raises `DumpError`, so that another version of the program cannot be misread.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from spicecim.veriloga.descriptor import read_descriptors

_KNOWN: dict[str, float | int | bool] = {
    "v1": False, "v2": True, "v3": 0.0, "v4": 0, "v5": 1, "v6": 1.0, "v7": -1.0, "v8": -0.6931471805599453,
    "v9": 0.6931471805599453, "v10": 0.4342944819032518, "v11": 2.0, "v12": -1, "v13": 10.0, "v14": 3.0,
    "v15": float("inf"),
}  # fmt: skip
"""Constants that every function has; those that it does not take are not printed."""

_HEADER = re.compile(r"function %\w*\(([v\d, ]*)\) \{")
_DECLARED = re.compile(r"(inst\d+) = (?:const )?fn %(.+)\((\d+)\) -> (\d+)")
_CONSTANT = re.compile(r"(?:// )?(v\d+) = ([fibs])const (.+)")
_BLOCK = re.compile(r"(block\d+):")
_LINE = re.compile(r"(?:@[0-9a-f]+)?\s*(?:(v\d+) = )?(\w+)(?: (.*))?")
_CALL = re.compile(r"(inst\d+)\(([v\d, ]*)\)")
_BRANCH = re.compile(r"(v\d+), (block\d+)(?:\[loop\])?, (block\d+)(?:\[loop\])?")
_PHI = re.compile(r"\[(v\d+), (block\d+)\]")
_VALUES = re.compile(r"(?:v\d+(?:, v\d+)*)?")
_ARGUMENT = re.compile(r"    (\w+)(.*?)(?:\s+\.\. (.*?)|\s*) -> v(\d+)")
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-f]+)\}|(.))")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "0": "\0"}
_CONVERSION = re.compile(r"%(?:%|[-+ #0]*[\d*]*(?:\.[\d*]+)?([a-zA-Z]))")

_CALLBACKS = (
    (r"ddt", "TimeDerivative"),
    (r"simparam", "SimParam"),
    (r"simparam_opt", "SimParamOpt"),
    (r"simparam_str", "SimParamStr"),
    (r"analysis", "Analysis"),
    (r"ddx_node_(node\d+)", r"NodeDerivative(\1)"),
    (r"collapse_(node\d+)_(None|Some\(node\d+\))", r"CollapseHint(\1, \2)"),
    (r"\$limit\[(.*)\]", r"BuiltinLimit { name: \1 }"),
    (r"\$store\[(\w+)\]", r"StoreLimit(\1)"),
    (r"white_noise\((.*)\)", r"WhiteNoise { name: \1 }"),
    (r"flickr_noise\((.*)\)", r"FlickerNoise { name: \1 }"),
    (r"table_noise.*", "NoiseTable"),
    (r"SetRetFlag\[abort\]", "SetRetFlag(Abort)"),
    (r"SetRetFlag\[finish\]", "SetRetFlag(Finish)"),
    (r"SetRetFlag\[stop\]", "SetRetFlag(Stop)"),
)
"""Names of what the code calls, as the program prints them and as openvaf-py does."""
_MESSAGE = re.compile(r"(Debug|Display|Info|Warn|Error|Fatal)\)")

_ARGUMENTS = {
    "Voltage": "voltage", "Current": "current", "Param": "param", "ParamGiven": "param_given",
    "HiddenState": "hidden_state", "ParamSysFun": "sysfun", "PortConnected": "port_connected",
    "ImplicitUnknown": "implicit_unknown", "PrevState": "prev_state", "NewState": "new_state",
    "Temperature": "temperature", "Abstime": "abstime", "EnableIntegration": "enable_integration",
    "EnableLim": "enable_lim",
}  # fmt: skip


class DumpError(ValueError):
    """The text is not what is known of openvaf-r."""


def read_dump(text: str, library: Path) -> list[dict[str, Any]]:
    """Return of each module what `openvaf.describe` returns of openvaf-py's.

    Parameters
    ----------
    text
        What ``openvaf-r --dump-mir`` printed.
    library
        The shared library that it wrote, which tells names, units and parameters.

    Raises
    ------
    DumpError
        If the text or the library is not understood.
    """
    code, mark, rest = text.partition("\nLiterals:\n")
    titles = list(re.finditer(r"^Optimized (model setup|instance setup|evaluation) MIR of (\S+)\n", code, re.M))
    names = [title[2] for title in titles if title[1] == "evaluation"]
    descriptors = read_descriptors(library) if names else []
    if not mark or [item["name"] for item in descriptors] != names:
        raise DumpError("the modules of the text and of the library are not the same")
    ends = [*(title.start() for title in titles[1:]), len(code)][: len(titles)]
    bodies = {(title[1], title[2]): code[title.end() : end] for title, end in zip(titles, ends, strict=True)}
    modules = []
    # what a message of the module says stands among the literals as it is, so the last place counts
    for name, descriptor in zip(reversed(names), reversed(descriptors), strict=True):
        rest, mark, part = rest.rpartition(f'  Module: "{name}"\n')
        if not mark:
            raise DumpError(f"nothing is said of the module {name}")
        setup, evaluate = (bodies.get((kind, name), "") for kind in ("instance setup", "evaluation"))
        modules.append(_module(name, _function(setup), _function(evaluate), part, descriptor))
    return modules[::-1]


def _module(
    name: str, setup: dict[str, Any], evaluate: dict[str, Any], part: str, descriptor: Mapping[str, Any]
) -> dict[str, Any]:
    arguments = _arguments(_between(part, f"Evaluation HIR interner of {name}\n  Parameters:\n", "\n  Outputs:"))
    setup_arguments = _arguments(
        _between(part, f"Instance setup HIR interner of {name}\n  Parameters:\n", "\n  Outputs:")
    )
    for function, named in ((evaluate, arguments), (setup, setup_arguments)):
        if function["params"][: len(named)] != [f"v{value}" for value, _, _ in named]:
            raise DumpError(f"the arguments of module {name} are not those that are named")
    cached = _between(part, "Cached values during instance setup\n", "\n\n")
    slots = re.findall(r"^  v(\d+) -> cslot(\d+)$", cached, re.M)
    declared = re.findall(r'ParamId\(\d+\).*? \.\. "(.*?)"', _between(part, "Model setup HIR interner", "\n  Outputs:"))
    # the library has those of instances first
    parameters = sorted(descriptor["params"], key=lambda item: declared.index(item["name"]))
    return {
        "name": name,
        "evaluate": evaluate,
        "arguments": arguments,
        "setup": setup,
        "setup_arguments": setup_arguments,
        "cache": [(int(value), len(arguments) + int(slot)) for value, slot in slots],
        "texts": evaluate["texts"],
        "system": _system(part, descriptor, evaluate),
        "descriptor": {**descriptor, "params": parameters},
    }


def _between(text: str, start: str, end: str) -> str:
    _, mark, rest = text.partition(start)
    if not mark:
        raise DumpError(f"there is no part {start.splitlines()[0]!r}")
    return rest.partition(end)[0]


def _braces(text: str, name: str) -> str:
    """What stands between the braces after a name."""
    inside = _between(text, f"    {name}: {{", "\n    }")
    return "" if inside.startswith("}") else inside


def _system(part: str, descriptor: Mapping[str, Any], evaluate: dict[str, Any]) -> dict[str, Any]:
    """The equations: which values they are, and the nodes that they are of."""
    place, value = r"sim_node(\d+)", r"v(\d+)"
    unknowns = re.findall(rf"^        {place}: (node|br|inode)[\[\d].*,$", _braces(part, "unknowns"), re.M)
    nodes = descriptor["nodes"]
    kinds = {"node": "KirchoffLaw", "br": "BranchCurrent", "inode": "Implicit"}
    residuals = re.findall(
        rf"^        {place}: Residual \{{\s*resist: {value},\s*react: {value},",
        _braces(part, "residual"),
        re.M,
    )
    jacobian = re.findall(
        rf"MatrixEntry \{{\s*row: {place},\s*col: {place},\s*resist: {value},\s*react: {value},\s*\}}",
        _braces(part, "jacobian"),
    )
    counted = [str(index) for index in range(len(nodes))]
    if [index for index, _ in unknowns] != counted or [item[0] for item in residuals] != counted:
        raise DumpError("the equations are not those of the library's nodes")
    if len(jacobian) != len(descriptor["constant_slopes"]):
        raise DumpError("the derivatives are not as many as the library has")
    _add_constants(jacobian, residuals, descriptor, evaluate)
    return {
        "nodes": [
            {"name": node["name"], "kind": kinds[kind], "is_internal": node["is_internal"]}
            for node, (_, kind) in zip(nodes, unknowns, strict=True)
        ],
        "terminals": [node["name"] for node in nodes if not node["is_internal"]],
        "residuals": [
            {
                "node_idx": int(index),
                "node_name": nodes[int(index)]["name"],
                "resist_var": f"mir_{resist}",
                "react_var": f"mir_{react}",
            }
            for index, resist, react in residuals
        ],
        "jacobian": [
            {
                "row_node_idx": int(row),
                "col_node_idx": int(column),
                "resist_var": f"mir_{resist}",
                "react_var": f"mir_{react}",
            }
            for row, column, resist, react in jacobian
        ],
        "small_signal_params": re.findall(r"v(\d+)", _braces(part, "small_signal_parameters")),
        "collapsible_pairs": [{"node1_idx": one, "node2_idx": other} for one, other in descriptor["collapsible"]],
    }


def _add_constants(
    jacobian: list[tuple[str, ...]],
    residuals: list[tuple[str, ...]],
    descriptor: Mapping[str, Any],
    evaluate: dict[str, Any],
) -> None:
    """Add to a function the constants that only derivatives are, which are not printed."""
    known = {*evaluate["params"], *evaluate["constants"], *(item.get("result") for item in evaluate["instructions"])}
    found: dict[str, float] = {}
    for (_, _, *values), slopes in zip(jacobian, descriptor["constant_slopes"], strict=True):
        for value, slope in zip(values, slopes, strict=True):
            if f"v{value}" not in known and found.setdefault(f"v{value}", slope) != slope:
                raise DumpError(f"the constant v{value} has two values")
    if any(f"v{value}" not in known for _, *values in residuals for value in values):
        raise DumpError("an equation is a value that no instruction sets")
    evaluate["constants"] |= found


def _arguments(text: str) -> list[tuple[int, str, str]]:
    """Number of the value, kind and name of each argument."""
    found = []
    for line in text.splitlines():
        match = _ARGUMENT.fullmatch(line)
        if match is None or match[1] not in _ARGUMENTS:
            raise DumpError(f"an argument is not understood: {line.strip()}")
        head, inside, named, value = match.groups()
        kind = _ARGUMENTS[head]
        inner = inside.strip("()")
        if head == "Current" and not named.startswith("I("):
            name = f"I({_unquoted(named)})"
        elif head in ("PrevState", "NewState"):
            name = f"{kind}_{inner.removeprefix('lim_state')}"
        elif named:
            name = _unquoted(named)
        else:
            name = inner or {"temperature": "$temperature", "abstime": "$abstime"}.get(kind, kind)
        found.append((int(value), kind, name))
    return found


def _unquoted(name: str) -> str:
    return name.replace('"', "")


def _function(text: str) -> dict[str, Any]:
    """One function: arguments, constants, what it calls, and instructions by block."""
    lines = iter(text.splitlines())
    header = _HEADER.fullmatch(next(lines, ""))
    if header is None:
        raise DumpError("a function does not begin as expected")
    declared: dict[str, dict[str, Any]] = {}
    constants: dict[str, float | int | bool] = dict(_KNOWN)
    texts: dict[str, str] = {}
    blocks: dict[str, list[dict[str, Any]]] = {}
    instructions: list[dict[str, Any]] = []
    block = ""
    for line in lines:
        content = line.strip()
        if not content:
            continue
        if content == "}":
            break
        if not block and (match := _DECLARED.fullmatch(content)):
            declared[match[1]] = {"name": match[2], "num_args": int(match[3]), "num_returns": int(match[4])}
        elif not block and (match := _CONSTANT.fullmatch(content)):
            _keep_constant(match, constants, texts)
        elif match := _BLOCK.fullmatch(content):
            block = match[1]
            blocks[block] = []
        elif block and (match := _LINE.fullmatch(content)):
            instructions.append({"block": block, **_instruction(match)})
        else:
            raise DumpError(f"a line is not understood: {content}")
    else:
        raise DumpError("a function does not end")
    _name_callbacks(declared, instructions, texts)
    bools = {name: value for name, value in constants.items() if isinstance(value, bool)}
    return {
        "params": re.findall(r"v\d+", header[1]),
        "function_decls": declared,
        "bool_constants": bools,
        "int_constants": {n: v for n, v in constants.items() if isinstance(v, int) and n not in bools},
        "constants": {name: value for name, value in constants.items() if isinstance(value, float)},
        "texts": texts,
        "blocks": blocks,
        "instructions": instructions,
    }


def _keep_constant(match: re.Match[str], constants: dict[str, float | int | bool], texts: dict[str, str]) -> None:
    name, kind, text = match.groups()
    value: float | int | bool
    if kind == "s":
        texts[name] = _ESCAPE.sub(
            lambda found: chr(int(found[1], 16)) if found[1] else _ESCAPED.get(found[2], found[2]), text[1:-1]
        )
        return
    try:
        if kind == "b":
            value = {"true": True, "false": False}[text]
        elif kind == "i":
            value = int(text)
        else:
            value = float("nan") if "NaN" in text else float.fromhex(text)
    except (KeyError, ValueError):
        raise DumpError(f"a constant is not understood: {match[0]}") from None
    if name in _KNOWN and value != _KNOWN[name]:
        raise DumpError(f"{name} is {text}, which is another constant elsewhere")
    constants[name] = value


def _instruction(match: re.Match[str]) -> dict[str, Any]:
    result, opcode, rest = match[1], match[2], match[3] or ""
    item: dict[str, Any] = {"opcode": opcode} | ({"result": result} if result else {})
    if opcode == "phi":
        pairs = _PHI.findall(rest)
        if ", ".join(f"[{value}, {block}]" for value, block in pairs) == rest:
            return {**item, "phi_operands": [{"value": value, "block": block} for value, block in pairs]}
    elif opcode == "br" and (found := _BRANCH.fullmatch(rest)):
        return {**item, "condition": found[1], "true_block": found[2], "false_block": found[3]}
    elif opcode == "jmp" and (found := _BLOCK.fullmatch(f"{rest}:")):
        return {**item, "destination": found[1]}
    elif opcode == "call" and (found := _CALL.fullmatch(rest)):
        return {**item, "func_ref": found[1], "operands": re.findall(r"v\d+", found[2])}
    elif opcode == "exit" and not rest:
        return item
    elif opcode not in ("phi", "br", "jmp", "call", "exit") and result and _VALUES.fullmatch(rest):
        return {**item, "operands": re.findall(r"v\d+", rest)}
    raise DumpError(f"an instruction is not understood: {match[0].strip()}")


def _name_callbacks(
    declared: dict[str, dict[str, Any]], instructions: list[dict[str, Any]], texts: Mapping[str, str]
) -> None:
    """Give what is called the names that openvaf-py has; those of messages tell the types of their values."""
    called = {item["func_ref"]: item["operands"] for item in instructions if item["opcode"] == "call"}
    for reference, item in declared.items():
        if message := _MESSAGE.fullmatch(item["name"]):
            operands = called.get(reference, [])
            types = ", ".join(f"ty: {kind}" for kind in _types(texts.get(operands[0], "") if operands else ""))
            item["name"] = f"Print {{ kind: {message[1]}, arg_tys: [{types}] }}"
            continue
        for pattern, name in _CALLBACKS:
            if re.fullmatch(pattern, item["name"]):
                item["name"] = re.sub(pattern, name, item["name"], count=1)
                break


def _types(text: str) -> Iterator[str]:
    """Type of each value that the text of a message has a place for."""
    for match in _CONVERSION.finditer(text):
        if match[1]:
            yield "String" if match[1] == "s" else "Integer" if match[1] in "bcdioux" else "Real"
