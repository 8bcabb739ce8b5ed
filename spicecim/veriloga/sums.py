"""Sums of values in a module's evaluation, taken apart and put together anew, so that equal terms cancel exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from spicecim.errors import VerilogAError
from spicecim.veriloga.module import ZERO, Function, Instruction, Kind, Module
from spicecim.veriloga.numpy_program import block_order

_MOST_TERMS = 10_000
"""Terms of a sum beyond which it counts as one value."""
_ROUNDING = 1e-12
"""Sum of constants, relative to them, that is none."""
_DEEPEST = 200
"""Sums within sums in which a term is looked for."""


class Term(NamedTuple):
    """A value that adds to a sum or is taken off, as it is or times `$mfactor`."""

    sign: int
    multiplied: bool
    value: str


Key = tuple[str, bool, str]
"""What terms share that differ in their sign alone: where their value is set, if it is multiplied, and its name."""


@dataclass
class Sums:
    """Sums that are evaluated after all that a module evaluates.

    OpenVAF gives the residual of a node, and each of its derivatives, as a sum over the branches that end there. A
    branch's own value is the same in the equations of both its nodes, so that it can be told and taken out again.
    """

    module: Module
    _added: list[Instruction] = field(default_factory=list)
    _constants: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        blocks = self.module.evaluate.blocks.values()
        self._set_by = {item.result: item for block in blocks for item in block if item.result}
        self._evaluate = _straight(self.module.evaluate)
        self._setup = _straight(self.module.setup)
        self._cached = {target: source for source, targets in self.module.cache.items() for target in targets}
        arguments = self.module.evaluate.arguments
        self._factor = {argument.value for argument in arguments if argument.kind == "sysfun"}
        self._setup_factor = {argument.value for argument in self.module.setup.arguments if argument.kind == "sysfun"}
        self._parameters = [
            {argument.value: argument.name for argument in function.arguments if argument.kind == "param"}
            for function in (self.module.evaluate, self.module.setup)
        ]
        self._kept: dict[str, dict[Key, int]] = {}

    def terms(self, value: str) -> dict[Key, int]:
        """How often each value is in a sum, with its sign; empty for an empty name, which stands for zero."""
        if value not in self._kept:
            counts: dict[Key, int] = {}
            waiting = [self._peeled(Term(1, False, value))] if value else []
            seen = 0
            while waiting:
                term = waiting.pop()
                seen += 1
                parts = self._parts(term) if seen < _MOST_TERMS else []
                if parts:
                    waiting += parts
                elif not self._is_zero(term):
                    sign, key = self._key(term)
                    counts[key] = counts.get(key, 0) + sign
            self._kept[value] = {key: count for key, count in counts.items() if count}
        return self._kept[value]

    def add(self, one: str, other: str) -> str:
        """Name of the sum of two values, in which what they have in common with opposite signs is left out."""
        if not one or not other:
            return one or other
        terms = [self._peeled(Term(1, False, one))]
        left: list[Term] = []
        waiting = [self._peeled(Term(1, False, other))]
        while waiting:
            term = waiting.pop(0)
            found = next(
                ((place, rest) for place, own in enumerate(terms) if (rest := self._without(own, term)) is not None),
                None,
            )
            if found:
                place, rest = found
                terms[place : place + 1] = rest
                continue
            parts = self._parts(term)
            waiting[:0] = parts
            if not parts and not self._is_zero(term):
                left.append(term)
        if terms == [self._peeled(Term(1, False, one))] and not left:
            return one
        return self._written(self._with_one_constant([term for term in [*terms, *left] if not self._is_zero(term)]))

    def arguments(self, value: str) -> set[str]:
        """Arguments of the evaluation that a value is worked out from."""
        seen, waiting = {value}, [value]
        while waiting:
            item = self._set_by.get(waiting.pop())
            operands = set(item.operands if item else ()) - seen
            waiting += operands
            seen |= operands
        return seen & {argument.value for argument in self.module.evaluate.arguments}

    def finished(self) -> Module:
        """Return the module with the sums at the end of its evaluation."""
        if not self._added:
            return self.module
        function = self.module.evaluate
        ends = [
            name for name, block in function.blocks.items() if not any(item.opcode in ("br", "jmp") for item in block)
        ]
        if len(ends) != 1:
            raise VerilogAError(f"module {self.module.name}: its evaluation has {len(ends)} ends")
        block = [item for item in function.blocks[ends[0]] if item.opcode != "exit"]
        blocks = {**function.blocks, ends[0]: (*block, *self._added)}
        kinds: dict[str, Kind] = {**function.kinds, **dict.fromkeys((item.result for item in self._added), "real")}
        kinds |= dict.fromkeys(self._constants, "real")
        constants = {**function.constants, **self._constants}
        return replace(self.module, evaluate=replace(function, blocks=blocks, kinds=kinds, constants=constants))

    def _peeled(self, term: Term) -> Term:
        """The term without signs, factors and barriers around its value."""
        sign, multiplied, value = term
        while True:
            item = self._evaluate.get(value)
            if item is None:
                return Term(sign, multiplied, value)
            operands = item.operands
            if item.opcode == "optbarrier":
                value = operands[0]
            elif item.opcode == "fneg":
                sign, value = -sign, operands[0]
            elif item.opcode == "fmul" and not multiplied and self._factor & set(operands):
                multiplied = True
                value = operands[1] if operands[0] in self._factor else operands[0]
            else:
                return Term(sign, multiplied, value)

    def _parts(self, term: Term) -> list[Term]:
        """The two terms that a term is the sum of; none if it is no sum."""
        item = self._evaluate.get(term.value)
        if item is None or item.opcode not in ("fadd", "fsub"):
            return []
        signs = (term.sign, term.sign if item.opcode == "fadd" else -term.sign)
        return [
            self._peeled(Term(sign, term.multiplied, value)) for sign, value in zip(signs, item.operands, strict=True)
        ]

    def _key(self, term: Term) -> tuple[int, Key]:
        """Sign of a term, and its key: constants by their magnitude, what setup works out by what it is there."""
        sign, multiplied, value = term
        function = self.module.evaluate
        if value in self._cached:
            function, value = self.module.setup, self._cached[value]
            while item := self._setup.get(value):
                if item.opcode == "optbarrier":
                    value = item.operands[0]
                elif item.opcode == "fneg":
                    sign, value = -sign, item.operands[0]
                elif item.opcode == "fmul" and not multiplied and self._setup_factor & set(item.operands):
                    multiplied = True
                    value = item.operands[1] if item.operands[0] in self._setup_factor else item.operands[0]
                else:
                    break
        factors = self._setup_factor if function is self.module.setup else self._factor
        number = self._constants.get(value, function.constants.get(value))
        if value in factors and not multiplied:
            number, multiplied = 1.0, True
        if isinstance(number, float):
            return (-sign if number < 0 else sign), ("constant", multiplied, repr(abs(number)))
        if value in self._parameters[function is self.module.setup]:
            return sign, ("parameter", multiplied, self._parameters[function is self.module.setup][value])
        return sign, ("setup" if function is self.module.setup else "evaluate", multiplied, value)

    def _with_one_constant(self, terms: list[Term]) -> list[Term]:
        """Add up the constants among terms: OpenVAF has added some of them up too."""
        kept = []
        numbers: dict[bool, list[float]] = {}
        for term in terms:
            sign, (kind, multiplied, text) = self._key(term)
            if kind == "constant":
                numbers.setdefault(multiplied, []).append(sign * float(text))
            else:
                kept.append(term)
        for multiplied, values in numbers.items():
            total = math.fsum(values)
            if abs(total) > _ROUNDING * math.fsum(map(abs, values)):
                name = f"sum_constant{len(self._constants)}"
                self._constants[name] = total
                kept.append(Term(1, multiplied, name))
        return kept

    def _is_zero(self, term: Term) -> bool:
        return term.value == ZERO

    def _without(self, term: Term, other: Term) -> list[Term] | None:
        """The parts of a term without another one of the opposite sign; None if that is not among them."""
        sign, key = self._key(other)
        return self._rest(term, (-sign, key), set(), 0)

    def _rest(self, term: Term, taken: tuple[int, Key], tried: set[Term], depth: int) -> list[Term] | None:
        if self._key(term) == taken:
            return []
        if term in tried or depth > _DEEPEST:
            return None
        tried.add(term)
        parts = self._parts(term)
        for place, part in enumerate(parts):
            rest = self._rest(part, taken, tried, depth + 1)
            if rest is not None:
                return [*parts[:place], *rest, *parts[place + 1 :]]
        return None

    def _written(self, terms: list[Term]) -> str:
        """Write a sum as instructions, and return the name of its value; empty for none."""
        sums = []
        for multiplied in (False, True):
            value = self._total([term for term in terms if term.multiplied == multiplied])
            if value and multiplied:
                value = self._write("fmul", next(iter(self._factor)), value)
            sums.append(value)
        return self._write("fadd", *sums) if all(sums) else "".join(sums)

    def _total(self, terms: list[Term]) -> str:
        if not terms:
            return ""
        first = next((term for term in terms if term.sign > 0), None)
        total = first.value if first else self._write("fneg", terms[0].value)
        for term in terms:
            if term is not (first or terms[0]):
                total = self._write("fadd" if term.sign > 0 else "fsub", total, term.value)
        return total

    def _write(self, opcode: str, *operands: str) -> str:
        result = f"sum{len(self._added)}"
        self._added.append(Instruction(opcode, result, operands, ()))
        self._evaluate[result] = self._set_by[result] = self._added[-1]
        return result


def _straight(function: Function) -> dict[str, Instruction]:
    """Instructions by their results, but for those in loops, whose operands may have moved on since."""
    _, looping = block_order(function)
    return {
        item.result: item
        for name, block in function.blocks.items()
        if name not in looping
        for item in block
        if item.result
    }
