"""C source of a module for the Open Source Device Interface (OSDI), version 0.3, that ngspice loads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import jinja2

from spicecim.errors import VerilogAError
from spicecim.veriloga.module import ZERO, Argument, Entry, Function, Instruction, Kind, Module, Parameter
from spicecim.veriloga.rewriting import BOUND_STEP

_TYPES: dict[Kind, str] = {"real": "double", "int": "int32_t", "bool": "bool", "string": "const char *"}
_OPERATORS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "xor": "^", "and": "&", "or": "|"}
_RELATIONS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}
_CALLS = {"ln": "log", "log": "log10", "frem": "fmod"}
_CALLS |= {name: name for name in ("sqrt", "exp", "floor", "ceil", "sin", "cos", "tan", "asin", "acos", "atan")}
_CALLS |= {name: name for name in ("sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "hypot", "atan2", "pow")}
_INTEGER_CALLS = {"ishl": "shift_left", "ishr": "shift_right"}
_CASTS = {"ifcast": "(double)", "bfcast": "(double)", "bicast": "(int32_t)", "ibcast": "0 != ", "fbcast": "0.0 != "}
_CASTS |= {"ficast": "to_integer", "optbarrier": "", "fneg": "-", "ineg": "-", "inot": "~", "bnot": "!"}
_CONVERSION = re.compile(r"%(?:%|[-+ #0]*\d*(?:\.\d+)?([a-zA-Z]))")
_LEVELS = {"Debug": 0, "Display": 1, "Info": 2, "Warn": 3, "Error": 4, "Fatal": 5}
_FLAGS = {"SetRetFlag(Abort)": 2, "SetRetFlag(Finish)": 4, "SetRetFlag(Stop)": 8}

_TAKEN_NAMES = {"m", "mfactor", "temp", "dtemp", "dt"}
"""Names of instance parameters that ngspice has for every device."""

INITIAL_STATE = "initial_state"
"""Instance parameter in ngspice that holds the state in the operating point, from which a transient starts."""

STATE_ERROR = "state_error"
"""Parameter of the model in ngspice that holds the largest error of the state in one step, in the state's own unit."""

_PARAMETER_TYPES = {"real": ("double", 0), "integer": ("int32_t", 1), "string": ("char *", 2)}


FURTHER_STATE = "further_state_{}"
"""The same of a further state, by its number from 0; without one, the operating point finds it in equilibrium."""


DRAWN = "drawn_{}"
"""Instance parameter in ngspice that holds a random number, by its number among what a device starts with."""


class HeldNode(NamedTuple):
    """A node with a state, and the factor of its equation: ngspice has one tolerance for all charges."""

    name: str
    factor: float


def c_source(
    module: Module,
    name: str,
    defaults: Mapping[str, Any],
    states: Sequence[HeldNode] = (),
    drawn: Mapping[str, tuple[str, float]] = MappingProxyType({}),
    *,
    own_names: bool = False,
) -> str:
    """Write a module in C.

    Parameters
    ----------
    module
        The module; its terminals come first among its nodes.
    name
        Name of the device in ngspice.
    defaults
        Default of each parameter.
    states
        Nodes whose potentials the instance parameters `INITIAL_STATE`, for the first one, and `FURTHER_STATE` set in
        the operating point. ngspice's own way, .ic, takes a time that grows with the square of the number of nodes.
    drawn
        For each node that holds a random number, the instance parameter that has it in its place, as a whole number,
        and what that counts in.
    own_names
        Whether parameters are known by the names of the module too, as model cards from elsewhere call them.

    Raises
    ------
    VerilogAError
        If the module holds an instruction or a call that is not supported.
    """
    parameters = [
        {
            "name": parameter.name,
            "names": [module.native_names[parameter.name], *(_own_names(module, parameter) if own_names else ())],
            "description": parameter.description,
            "units": parameter.units,
            "type": _PARAMETER_TYPES[parameter.type][0],
            "flag": _PARAMETER_TYPES[parameter.type][1],
            "instance": parameter.instance,
            "default": _constant(defaults[parameter.name]),
        }
        for parameter in sorted(module.parameters, key=lambda parameter: not parameter.instance)
    ]
    template = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
    ).get_template("osdi.c.j2")
    module = module.arranged([place for place, node in enumerate(module.nodes) if node.name not in drawn])
    places = [module.node(state.name) for state in states]
    for place in places:
        module = _with_resistive_diagonal(module, place)
    names = [INITIAL_STATE, *(FURTHER_STATE.format(number) for number in range(len(states) - 1))][: len(states)]
    held = [
        {"node": place, "parameter": _text(parameter), "factor": _constant(state.factor) if state.factor != 1 else None}
        for place, parameter, state in zip(places, names, states, strict=True)
    ]
    constants = module.evaluate.constants
    numbers = {
        node: f"inst->drawn_{number} * {_constant(quantum)}"
        for number, (node, (_, quantum)) in enumerate(drawn.items())
    }
    function = _Writer(module, {parameter.name for parameter in module.parameters if parameter.instance}, numbers)
    return template.render(
        name=_text(name),
        nodes=[
            {"name": _text(node.name), "units": _text(node.units), "residual_units": _text(node.residual_units)}
            | {"flow": node.kind == "BranchCurrent"}
            for node in module.nodes
        ],
        terminals=len(module.terminals),
        residuals={entry.row: entry for entry in module.residuals},
        jacobian=module.jacobian,
        collapses=list(module.collapses.values()),
        parameters=parameters,
        drawn=[_text(parameter) for parameter, _ in drawn.values()],
        instance_parameters=1 + len(held) + len(drawn) + sum(parameter.instance for parameter in module.parameters),
        cached=list(dict.fromkeys(target for targets in module.cache.values() for target in targets)),
        held=held,
        capacitance=next(
            (
                i
                for i, entry in enumerate(module.jacobian)
                if places and entry.row == entry.column == places[0] and entry.reactive
            ),
            None,
        ),
        state_error=_text(STATE_ERROR),
        kinds=module.evaluate.kinds,
        text=_text,
        value=lambda name: _constant(constants[name]) if name in constants else name,
        setup=list(function.lines(module.setup, module.cache)),
        evaluate=list(function.lines(module.evaluate, {})),
        types=_TYPES,
        bounds_step=any(BOUND_STEP in str(text) for text in _constants(module)),
    )


def _own_names(module: Module, parameter: Parameter) -> list[str]:
    """Names of a parameter in its module, in lower case as ngspice has them, that no other has and ngspice leaves."""
    every = [name.lower() for one in module.parameters for name in (one.name, *one.aliases)]
    names = [name.lower() for name in (parameter.name, *parameter.aliases)]
    return [name for name in names if every.count(name) == 1 and name not in _TAKEN_NAMES]


def _with_resistive_diagonal(module: Module, node: int) -> Module:
    """Return the module with room for a resistive equation of a node that depends on its own potential."""
    entries = {(entry.row, entry.column): entry for entry in (*module.residuals, *module.jacobian)}
    for place in ((node, -1), (node, node)):
        entry = entries.get(place, Entry(*place, "", ""))
        entries[place] = replace(entry, resistive=entry.resistive or ZERO)
    return replace(
        module,
        residuals=tuple(entry for entry in entries.values() if entry.column < 0),
        jacobian=tuple(entry for entry in entries.values() if entry.column >= 0),
    )


def _constants(module: Module) -> Iterator[Any]:
    yield from module.evaluate.constants.values()
    yield from module.setup.constants.values()


class _Writer:
    """Writes the functions of a module as statements."""

    def __init__(self, module: Module, instance: set[str], drawn: Mapping[str, str]) -> None:
        self._module = module
        self._drawn = drawn
        self._instance = instance
        self._function = module.evaluate

    def lines(self, function: Function, stores: Mapping[str, Sequence[str]]) -> Iterator[str]:
        """Statements of a function; `stores` says under which names of the instance to keep values."""
        self._function = function
        results = [item.result for block in function.blocks.values() for item in block if item.result]
        for value in dict.fromkeys([argument.value for argument in function.arguments] + results):
            kind = function.kinds[value]
            yield f"{_TYPES[kind]} {value} = {'0' if kind != 'string' else 'NULL'};"
        for argument in function.arguments:
            yield f"{argument.value} = {self._argument(argument)};"
        for name, block in function.blocks.items():
            yield f"{name}: ;"
            ended = False
            for instruction in block:
                if instruction.opcode != "phi":
                    yield from self._statement(name, instruction)
                for target in stores.get(instruction.result, ()):
                    yield f"inst->{target} = {instruction.result};"
                ended = instruction.opcode in ("br", "jmp", "exit")
            if not ended:
                yield "goto finish;"
        yield "finish: ;"
        for value, targets in stores.items():
            if value not in results:
                yield from (f"inst->{target} = {self._operand(value)};" for target in targets)

    def _argument(self, argument: Argument) -> str:
        """Where an argument's value comes from."""
        if argument.kind in ("param", "param_given"):
            where = "inst" if argument.name in self._instance else "mod"
            return f"{where}->{'given_' if argument.kind == 'param_given' else ''}parameter_{argument.name}"
        if argument.kind == "cached":
            return f"inst->{argument.value}"
        simple = {
            "temperature": "inst->temperature",
            "sysfun": "inst->mfactor",
            "abstime": "info->abstime",
            "port_connected": "true",
            "enable_integration": "!is_static",
            # Limiting helps iterations along and does not change the solution: every evaluation is made at the
            # potentials themselves.
            "enable_lim": "false",
        }
        if argument.kind in simple:
            return simple[argument.kind]
        node = argument.name[2:-1]
        if argument.kind == "voltage" and node in self._drawn:
            return self._drawn[node]
        try:
            unknowns = self._module.unknown(argument) or ()
        except KeyError:  # nothing takes it: `intermediate` sees to that
            unknowns = ()
        parts = [f"{'-' if sign < 0 else '+'} potential[inst->node_mapping[{node}]]" for node, sign in unknowns]
        return " ".join(parts).removeprefix("+ ") or "0"

    def _statement(self, block: str, instruction: Instruction) -> Iterator[str]:
        opcode = instruction.opcode
        if opcode == "jmp":
            yield from self._edge(block, instruction.blocks[0])
        elif opcode == "br":
            yield f"if ({self._operand(instruction.operands[0])}) {{"
            yield from self._edge(block, instruction.blocks[0])
            yield "} else {"
            yield from self._edge(block, instruction.blocks[1])
            yield "}"
        elif opcode == "exit":
            yield "goto finish;"
        elif opcode == "call" and not instruction.result:
            yield self._call(instruction)
        elif instruction.result:
            yield f"{instruction.result} = {self._expression(instruction)};"

    def _edge(self, block: str, target: str) -> Iterator[str]:
        """Set the phis of the block that is jumped to, all at once, and jump."""
        phis = [item for item in self._function.blocks[target] if item.opcode == "phi"]
        moves = [(phi.result, phi.operands[phi.blocks.index(block)]) for phi in phis]
        for result, operand in moves:
            yield f"const {_TYPES[self._function.kinds[result]]} next_{result}_{block} = {self._operand(operand)};"
        for result, _ in moves:
            yield f"{result} = next_{result}_{block};"
        yield f"goto {target};"

    def _operand(self, value: str) -> str:
        constants = self._function.constants
        return _constant(constants[value]) if value in constants else value

    def _expression(self, instruction: Instruction) -> str:
        opcode = instruction.opcode
        operands = [self._operand(value) for value in instruction.operands]
        if opcode == "call":
            return self._call(instruction)
        if opcode in _CASTS:
            return f"{_CASTS[opcode]}({operands[0]})"
        if opcode in _CALLS:
            return f"{_CALLS[opcode]}({', '.join(operands)})"
        kind, rest = opcode[:1], opcode[1:]
        if opcode in ("seq", "sne"):
            return f"strcmp({operands[0]}, {operands[1]}) {_RELATIONS[rest]} 0"
        if opcode in _INTEGER_CALLS:
            return f"{_INTEGER_CALLS[opcode]}({operands[0]}, {operands[1]})"
        if opcode in ("idiv", "irem"):
            name = "quotient" if opcode == "idiv" else "remainder_of"
            return f"{name}({operands[0]}, {operands[1]}, handle, &returned)"
        if kind in "fib" and rest in _RELATIONS:
            return f"{operands[0]} {_RELATIONS[rest]} {operands[1]}"
        if kind in "fi" and rest in _OPERATORS:
            return f"{operands[0]} {_OPERATORS[rest]} {operands[1]}"
        raise VerilogAError(f"module {self._module.name}: the operation {opcode} is not supported")

    def _call(self, instruction: Instruction) -> str:
        callback, operands = instruction.callback, [self._operand(value) for value in instruction.operands]
        if callback in ("SimParam", "SimParamOpt"):
            default = operands[1] if callback == "SimParamOpt" else "NAN"
            return f"simulator_parameter(parameters, {operands[0]}, {default})"
        if callback.startswith("BuiltinLimit"):
            return operands[0]
        if callback.startswith(("StoreLimit", "WhiteNoise", "FlickerNoise", "NoiseTable")):
            # noise has no part in a transient, and limited values are not kept
            return operands[0] if callback.startswith("StoreLimit") else "0.0"
        if callback.startswith("NodeDerivative") or callback == "TimeDerivative":
            return "0.0"  # resolved by OpenVAF: the derivative stands in the reactive residuals
        if callback in _FLAGS:
            if callback == "SetRetFlag(Abort)":
                return f"returned |= {_FLAGS[callback]};"
            # ngspice goes on after $finish alone
            what = "$finish" if callback == "SetRetFlag(Finish)" else "$stop"
            said = f'message(handle, LEVEL_FATAL, "the model calls {what}");'
            return f"returned |= RETURN_FATAL | {_FLAGS[callback]}; {said}"
        if callback.startswith("CollapseHint"):
            if callback not in self._module.collapses:
                return ";"
            return f"inst->collapsed[{list(self._module.collapses).index(callback)}] = true;"
        if callback.startswith("Print"):
            return self._print(instruction)
        raise VerilogAError(f"module {self._module.name}: the call {callback} is not supported")

    def _print(self, instruction: Instruction) -> str:
        text = str(self._function.constants.get(instruction.operands[0], ""))
        values = instruction.operands[1:]
        if text.startswith(BOUND_STEP):
            return f"inst->bound_step = fmin(inst->bound_step, {self._operand(values[0])});"
        letters = [found.group(1) for found in _CONVERSION.finditer(text) if found.group(1)]
        wanted = {"real": "aAeEfFgG", "int": "dicxXou", "bool": "di", "string": "s"}
        fits = len(letters) == len(values) and all(
            letter in wanted[self._function.kinds[value]] for letter, value in zip(letters, values, strict=True)
        )
        level = next(level for name, level in _LEVELS.items() if f"kind: {name}" in instruction.callback)
        if not fits:
            raise VerilogAError(
                f"module {self._module.name}: the message {text!r} does not fit its values; %b and %r are not supported"
            )
        operands = "".join(f", {self._operand(value)}" for value in values)
        return f"message(handle, {level}, {_text(text)}{operands});"


def _constant(value: Any) -> str:
    """Write a constant in C, to its last digit."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"({value})"
    if value != value:
        return "NAN"
    if value in (float("inf"), float("-inf")):
        return "INFINITY" if value > 0 else "(-INFINITY)"
    return f"({value!r})"


def _text(value: str) -> str:
    """Write a text as a C string, anything but plain characters as octal escapes."""
    return '"' + "".join(chr(b) if 32 <= b < 127 and b not in b'"\\?' else f"\\{b:03o}" for b in value.encode()) + '"'
