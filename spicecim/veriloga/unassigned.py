"""Whether a module reads a variable before it assigns it, with the values that its parameters have.

The front end compiles a text in which every variable starts from a parameter of its own (see `rewriting.instrument`).
Where a result comes from such a parameter, the variable is read before it is assigned: memory outside a node. What
only other values of the parameters lead to does not count: `if (law == 1) ... else if (law == 2) ...` assigns on every
path that there is, if law is 1 or 2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from spicecim.veriloga.intermediate import read_blocks
from spicecim.veriloga.module import Function, Instruction
from spicecim.veriloga.numpy_program import OPERATIONS, Value, block_order, typed

Raw = Mapping[str, Any]
"""A module as `openvaf.outline` tells it."""


def taken_parameters(raw: Raw, values: Mapping[str, Any]) -> set[str]:
    """Names of the parameters whose value the module takes; those in `values` are known, any others may be anything."""
    known_in_setup = _known(raw["setup_arguments"], values)
    taken, found = _walk(raw["setup"], known_in_setup, [f"v{value}" for value, _ in raw["cache"]])
    names = _named(raw["setup_arguments"], taken)
    known = _known(raw["arguments"], values)
    arguments = dict(enumerate(raw["evaluate"]["params"]))
    known |= {arguments[index]: found[f"v{value}"] for value, index in raw["cache"] if f"v{value}" in found}
    taken, _ = _walk(raw["evaluate"], known, raw["results"])
    return names | _named(raw["arguments"], taken)


def every_parameter(raw: Raw) -> set[str]:
    """Names of the parameters whose value the module takes on any path, whatever the values are."""
    found: set[str] = set()
    for function, arguments in ((raw["setup"], raw["setup_arguments"]), (raw["evaluate"], raw["arguments"])):
        taken = set(raw["results"])
        for item in function["instructions"]:
            taken.update(item.get("operands") or ())
            taken.update(phi["value"] for phi in item.get("phi_operands") or ())
            taken.add(item.get("condition") or "")
        found |= {name for value, kind, name in arguments if kind.startswith("param") and f"v{value}" in taken}
    return found


def _known(arguments: list[tuple[int, str, str]], values: Mapping[str, Any]) -> dict[str, Value]:
    numbers = {name: typed(value) for name, value in values.items() if isinstance(value, int | float)}
    return {f"v{value}": numbers[name] for value, kind, name in arguments if kind == "param" and name in numbers}


def _named(arguments: list[tuple[int, str, str]], taken: set[str]) -> set[str]:
    return {name for value, kind, name in arguments if kind == "param" and f"v{value}" in taken}


def _walk(raw: Raw, known: Mapping[str, Value], results: Iterable[str]) -> tuple[set[str], dict[str, Value]]:
    """The values that the results of a function come from, on the paths that can be taken, and those that are known."""
    blocks = read_blocks(raw, {})
    order, looping = block_order(Function((), blocks, {}, {}))
    numbers = {**raw["constants"], **raw["int_constants"], **raw["bool_constants"]}
    found = {name: typed(number) for name, number in numbers.items()} | dict(known)
    edges: dict[str, set[str]] = {name: set() for name in blocks}
    entry = next(iter(blocks), "")
    sources: dict[str, tuple[str, ...]] = {}
    waiting = list(results)
    for name in sorted(blocks, key=lambda name: order[name]):
        if name not in looping and name != entry and not edges[name]:
            continue
        for item in blocks[name]:
            operands = item.operands
            if item.opcode == "phi":
                pairs = zip(item.operands, item.blocks, strict=True)
                operands = tuple(value for value, block in pairs if name in looping or block in edges[name])
            if item.result:
                sources[item.result] = operands
            elif item.opcode != "br" or name in looping or operands[0] not in found:
                waiting += operands
            for target in _targets(item, found, name in looping):
                edges[target].add(name)
            value = None if name in looping else _value(item, operands, found)
            if value is not None:
                found[item.result] = value
    taken = set(waiting)
    while waiting:
        fresh = set(sources.get(waiting.pop(), ())) - taken
        taken |= fresh
        waiting += fresh
    return taken, found


def _targets(item: Instruction, found: Mapping[str, Value], looping: bool) -> tuple[str, ...]:
    """The blocks that an instruction may lead to."""
    if item.opcode == "br" and not looping and item.operands[0] in found:
        return (item.blocks[0 if found[item.operands[0]] else 1],)
    return item.blocks if item.opcode in ("br", "jmp") else ()


def _value(item: Instruction, operands: tuple[str, ...], found: Mapping[str, Value]) -> Value | None:
    """Value of an instruction's result; None if it is not known."""
    if not item.result or not operands or any(operand not in found for operand in operands):
        return None
    if item.opcode == "phi":
        return found[operands[0]] if len(operands) == 1 else None
    if item.opcode not in OPERATIONS:
        return None
    with np.errstate(all="ignore"):
        return OPERATIONS[item.opcode](*(found[operand] for operand in operands))
