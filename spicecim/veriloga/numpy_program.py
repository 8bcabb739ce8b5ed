"""A function of OpenVAF's intermediate form, evaluated in numpy on arrays.

Every instruction is one numpy operation on all points. Where points take different branches, both are evaluated, and a
phi takes from each what belongs to it; in a loop, points that have left it keep their values.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from spicecim import limits
from spicecim.deadline import check_deadline
from spicecim.errors import VerilogAError
from spicecim.outside import exceeds
from spicecim.veriloga.module import Function, Instruction

_BETWEEN_CHECKS = 1000
"""Blocks that are run between two looks at the time."""

Value = Any
"""A number, a truth value, a text, or an array of one of them."""

Caller = Callable[[Instruction, list[Value], Any], Value]
"""Called for every call with the instruction, its operands and the mask of the points that reach it."""

_INTEGERS = np.iinfo(np.int32)


def _to_integer(values: Value) -> Value:
    """Round halves away from zero; what no integer of 32 bits can hold becomes the nearest that can, NaN zero."""
    whole = np.trunc(values)
    whole = whole + np.where(np.abs(values - whole) >= 0.5, np.copysign(1.0, values), 0.0)
    return np.nan_to_num(np.clip(whole, _INTEGERS.min, _INTEGERS.max), nan=0.0).astype(np.int32)


def _quotient(a: Value, b: Value) -> Value:
    """Quotient towards zero; a divisor of zero counts as 1, because `Program.run` refuses points that have it."""
    return np.trunc(np.true_divide(a, np.where(b == 0, 1, b))).astype(np.int64).astype(np.int32)


def _shift_left(a: Value, b: Value) -> Value:
    return np.where(_shiftable(b), np.left_shift(_bits(a), np.asarray(b).astype(np.uint32) & 31), 0).astype(np.int32)


def _shift_right(a: Value, b: Value) -> Value:
    return np.where(_shiftable(b), np.right_shift(_bits(a), np.asarray(b).astype(np.uint32) & 31), 0).astype(np.int32)


def _bits(a: Value) -> Value:
    return np.asarray(a).astype(np.uint32)


def _shiftable(places: Value) -> Value:
    """Whether a shift leaves anything: by 32 places and more, and by less than none, nothing is left."""
    return np.logical_and(np.greater_equal(places, 0), np.less(places, 32))


OPERATIONS: dict[str, Callable[..., Value]] = {
    "fneg": np.negative,
    "ineg": np.negative,
    "inot": np.invert,
    "bnot": np.logical_not,
    "optbarrier": lambda a: a,
    "ifcast": np.float64,
    "bfcast": np.float64,
    "bicast": np.int32,
    "ibcast": lambda a: np.not_equal(a, 0),
    "fbcast": lambda a: np.not_equal(a, 0.0),
    "ficast": _to_integer,
    "ln": np.log,
    "log": np.log10,
    "frem": np.fmod,
    "irem": lambda a, b: np.fmod(a, np.where(b == 0, 1, b)),
    "idiv": _quotient,
    "ishl": _shift_left,
    "ishr": _shift_right,
    "ixor": np.bitwise_xor,
    "iand": np.bitwise_and,
    "ior": np.bitwise_or,
    "hypot": np.hypot,
    "atan2": np.arctan2,
    "pow": np.power,
    "seq": lambda a, b: a == b,
    "sne": lambda a, b: a != b,
}
for _kind in "fi":
    OPERATIONS |= {f"{_kind}add": np.add, f"{_kind}sub": np.subtract, f"{_kind}mul": np.multiply}
OPERATIONS["fdiv"] = np.true_divide
for _name, _function in {
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
}.items():
    for _kind in "fib":
        OPERATIONS[f"{_kind}{_name}"] = _function
for _name in ("sqrt", "exp", "floor", "ceil", "sin", "cos", "tan", "sinh", "cosh", "tanh"):
    OPERATIONS[_name] = getattr(np, _name)
for _name in ("asin", "acos", "atan", "asinh", "acosh", "atanh"):
    OPERATIONS[_name] = getattr(np, _name.replace("a", "arc", 1))


class Program:
    """A function that is ready to be evaluated.

    Parameters
    ----------
    function
        The function.
    where
        What it belongs to, for messages.

    Raises
    ------
    VerilogAError
        If it holds an instruction that is not supported.
    """

    def __init__(self, function: Function, where: str) -> None:
        self._where = where
        self._blocks = function.blocks
        for instruction in (item for block in function.blocks.values() for item in block):
            if instruction.opcode not in (*OPERATIONS, "phi", "br", "jmp", "exit", "call"):
                raise VerilogAError(f"{where}: the operation {instruction.opcode} is not supported")
        self._entry = next(iter(function.blocks))
        self._order, self._looping = block_order(function)
        self._constants = {name: typed(value) for name, value in function.constants.items()}

    def run(self, arguments: Mapping[str, Value], call: Caller) -> dict[str, Value]:
        """Evaluate the function.

        Parameters
        ----------
        arguments
            Value of each argument, scalars or arrays that broadcast against each other.
        call
            Answers calls.

        Returns
        -------
        dict
            Every value by name. Those of points that do not reach an instruction mean nothing.
        """
        values: dict[str, Value] = {**self._constants, **arguments}
        waiting: list[tuple[int, str]] = [(self._order[self._entry], self._entry)]
        arriving: dict[str, dict[str, Value]] = {self._entry: {"": np.True_}}
        rounds = 0
        with np.errstate(all="ignore"):
            while waiting:
                _, name = heapq.heappop(waiting)
                edges = arriving.pop(name)
                mask = np.logical_or.reduce(list(edges.values())) if len(edges) == 1 else _any(edges.values())
                rounds += 1
                if rounds > limits.VERILOG_A_BLOCKS:
                    raise VerilogAError(
                        f"{self._where}: a loop does not end: an evaluation {exceeds('VERILOG_A_BLOCKS', 'blocks')}"
                    )
                if not rounds % _BETWEEN_CHECKS:
                    check_deadline()
                for target, taken in self._run_block(name, mask, edges, values, call):
                    if not np.any(taken):
                        continue
                    if target not in arriving:
                        arriving[target] = {}
                        heapq.heappush(waiting, (self._order[target], target))
                    known = arriving[target].get(name)
                    arriving[target][name] = taken if known is None else np.logical_or(known, taken)
        return values

    def _run_block(
        self, name: str, mask: Value, edges: Mapping[str, Value], values: dict[str, Value], call: Caller
    ) -> list[tuple[str, Value]]:
        block = self._blocks[name]
        # all phis of a block take their values before any of them changes
        phis = [(item.result, self._phi(item, edges, values)) for item in block if item.opcode == "phi"]
        for result, value in phis:
            self._store(name, result, value, mask, values)
        for instruction in block:
            opcode = instruction.opcode
            if opcode == "phi":
                continue
            if opcode == "jmp":
                return [(instruction.blocks[0], mask)]
            if opcode == "br":
                condition = values[instruction.operands[0]]
                if np.ndim(condition) == 0:
                    return [(instruction.blocks[0 if condition else 1], mask)]
                yes = np.logical_and(mask, condition)
                return [(instruction.blocks[0], yes), (instruction.blocks[1], np.logical_and(mask, ~condition))]
            if opcode == "exit":
                return []
            operands = [values[operand] for operand in instruction.operands]
            if opcode in ("idiv", "irem") and np.any(np.logical_and(mask, np.equal(operands[1], 0))):
                raise VerilogAError(f"{self._where}: an integer is divided by zero")
            answer = call(instruction, operands, mask) if opcode == "call" else OPERATIONS[opcode](*operands)
            if instruction.result:
                self._store(name, instruction.result, answer, mask, values)
        return []

    def _phi(self, instruction: Instruction, edges: Mapping[str, Value], values: Mapping[str, Value]) -> Value:
        taken = [
            (edges[block], values[operand])
            for operand, block in zip(instruction.operands, instruction.blocks, strict=True)
            if block in edges
        ]
        answer = taken[-1][1]
        for mask, value in reversed(taken[:-1]):
            answer = np.where(mask, value, answer)
        return answer

    def _store(self, block: str, name: str, value: Value, mask: Value, values: dict[str, Value]) -> None:
        """Keep a result; in a loop, points outside the mask keep theirs."""
        if block in self._looping and name in values and np.ndim(mask) > 0:
            value = np.where(mask, value, values[name])
        values[name] = value


def _any(masks: Any) -> Value:
    answer: Value = np.False_
    for mask in masks:
        answer = np.logical_or(answer, mask)
    return answer


def block_order(function: Function) -> tuple[dict[str, int], set[str]]:
    """Place of each block in an order in which all that leads to a block comes first, and the blocks in loops.

    The blocks of a loop share its place as a whole, so that what follows a loop waits for its end.
    """
    targets = {
        name: [target for item in block if item.opcode in ("br", "jmp") for target in item.blocks]
        for name, block in function.blocks.items()
    }
    # Tarjan's algorithm: strongly connected components come out in reverse topological order
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    components: list[list[str]] = []
    for root in targets:
        if root in number:
            continue
        work = [(root, iter(targets[root]))]
        number[root] = low[root] = len(number)
        stack.append(root)
        while work:
            name, following = work[-1]
            target = next(following, None)
            if target is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[name])
                if low[name] == number[name]:
                    cut = stack.index(name)
                    components.append(stack[cut:])
                    del stack[cut:]
            elif target not in number:
                number[target] = low[target] = len(number)
                stack.append(target)
                work.append((target, iter(targets[target])))
            elif target in stack:
                low[name] = min(low[name], number[target])
    order = {name: -place for place, component in enumerate(components) for name in component}
    looping = {name for part in components for name in part if len(part) > 1 or name in targets[name]}
    return order, looping


def typed(value: Value) -> Value:
    """Return a number as the type that OpenVAF computes with: 64 bits if it is real, 32 bits if it is an integer."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return np.float64(value) if isinstance(value, float) else np.int32(value)
