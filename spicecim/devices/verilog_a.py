"""A model as a Verilog-A module, written from its class."""

from __future__ import annotations

import inspect
import itertools
import keyword
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from types import FrameType
from typing import Any, get_args

from spicecim.devices.expressions import COMPARISONS, Expression, ordered, unified, uses_of
from spicecim.devices.memristor import Memristor, symbolic_variants, texts_of
from spicecim.devices.names import RESERVED, obstacle
from spicecim.devices.parameters import limits_of
from spicecim.devices.printing import Language, number_text, wrapped
from spicecim.devices.states import rate_of
from spicecim.devices.traced import Outputs, printed, trace
from spicecim.errors import ModelError

_FUNCTIONS = {
    "exp": "exp", "log": "ln", "sqrt": "sqrt", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "sin": "sin",
    "cos": "cos", "arctan": "atan", "arcsin": "asin", "arcsinh": "asinh", "absolute": "abs",
    "maximum": "max", "minimum": "min",
}  # fmt: skip


def _power(base: str, exponent: str) -> str:
    """A power whose derivative is finite at a base of zero, as that of pow is not."""
    return f"({base} > 0.0 ? pow({base}, {exponent}) : 0.0)"


def _call_geometric_sum(ratio: str, count: Any) -> str:
    return f"geometric_sum({ratio}, {count.name if isinstance(count, Expression) else int(count)})"


VERILOG_A = Language(_FUNCTIONS, number_text, _power, _call_geometric_sum)

_GEOMETRIC_SUM = """\
  // 1 + ratio + ... + ratio^(count - 1)
  analog function real geometric_sum;
    input ratio, count;
    real ratio, sum;
    integer count, j;
    begin
      sum = 1.0;
      for (j = 1; j < count; j = j + 1)
        sum = 1.0 + ratio*sum;
      geometric_sum = sum;
    end
  endfunction
"""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def verilog_a(model: type[Memristor], defaults: Mapping[str, Any], notes: Sequence[str] = ()) -> str:
    """Write a model as a Verilog-A module whose terminals are row, column and states.

    Parameters
    ----------
    model
        Its class.
    defaults
        Values of parameters for the module's defaults: all those that have none in the class.
    notes
        Further paragraphs of the comment above the module.

    Raises
    ------
    ModelError
        If an equation cannot be translated, or a name means something in Verilog-A.
    """
    if reason := obstacle(model.name):
        raise ModelError(f"class {model.__name__}: {model.name!r} cannot be a name: {reason}")
    p, n = _terminals(model)
    variants = list(symbolic_variants(model))
    bodies = [_Body(variant.device, p, n) for variant in variants]
    used = "".join(line for body in bodies for line in body.lines)
    variables = list(dict.fromkeys(name for body in bodies for name in body.variables))
    ports = ", ".join([p, n, "s", *model.states])
    lines = [*_heading(model, notes), '`include "disciplines.vams"', "", f"module {model.name}({ports});"]
    lines += [f"  inout {ports};", f"  electrical {ports}{', u' if model.inner else ''};", ""]
    names = _ordered_parameters(model)
    lines += [_declaration(model, name, defaults, names[:place]) for place, name in enumerate(names)]
    if "geometric_sum(" in used:
        lines += ["", *_GEOMETRIC_SUM.splitlines()]
    lines += ["", *wrapped(f"real {', '.join(variables)};", "  ", "    "), "", "  analog begin"]
    for index, (variant, body) in enumerate(zip(variants, bodies, strict=True)):
        if variant.choices:
            condition = " && ".join(f"{name} == {place}" for name, (place, _) in variant.choices.items())
            comment = _on_one_line(", ".join(f"{name} {text}" for name, (_, text) in variant.choices.items()))
            start = "if" if index == 0 else "end else if"
            last = index > 0 and index == len(variants) - 1
            lines.append(
                f"    end else begin  // {comment}" if last else f"    {start} ({condition}) begin  // {comment}"
            )
        lines += [("  " if variant.choices else "") + line for line in body.lines]
    lines += ["    end"] if variants[0].choices else []
    lines += ["    I(u) <+ balance;"] if model.inner else []
    lines += [f"    I({p}, {n}) <+ current;"]
    for node, rate in (("s", "rate"), *((name, rate_of(name)) for name in model.states)):
        lines += [f"    I({node}) <+ ddt(V({node}));", f"    I({node}) <+ -{rate};"]
    return "\n".join([*lines, "  end", "endmodule"]) + "\n"


def _terminals(model: type[Memristor]) -> tuple[str, str]:
    """Names of the terminals at row and column, other than those of parameters."""
    pairs = itertools.chain([("p", "n")], ((f"plus{'_' * more}", f"minus{'_' * more}") for more in itertools.count()))
    return next(pair for pair in pairs if not {*pair} & {*model.model_fields, *model.states})


def _heading(model: type[Memristor], notes: Sequence[str]) -> list[str]:
    """Comment with title, description and citation."""
    about = [line.replace("``", "") for line in inspect.cleandoc(model.__doc__ or "").splitlines() if line != "::"]
    lines = [model.title, "", *about, "", *wrapped(f"Source: {model.source}")]
    if notes:
        lines += ["", *(line for note in notes for line in wrapped(note))]
    lines += ["", f"Terminal s carries the state variable. Written from the class {model.__name__} by",
              f"`spicecim model export {model.name}`: change that, not this."]  # fmt: skip
    for name, state in model.states.items():
        start = f"parameter {state.start}" if isinstance(state.start, str) else f"{state.start:g}"
        unit = f" ({state.unit})" if state.unit else ""
        lines += ["", *wrapped(f"Terminal {name} carries the {state.meaning}{unit}, which starts at {start}.")]
    return [f"// {_on_one_line(line)}".rstrip() for line in lines]


def _on_one_line(text: str) -> str:
    """A text without what ends a comment."""
    return "".join(character if character.isprintable() else " " for character in text).rstrip("\\ ")


def _ordered_parameters(model: type[Memristor]) -> list[str]:
    """Names of the parameters, each after those that bound it: Verilog-A knows no others yet."""
    order: dict[str, None] = {}
    visited: set[str] = set()

    def place(name: str) -> None:
        if name not in visited:
            visited.add(name)
            extra: Any = model.model_fields[name].json_schema_extra
            for relation in ("above", "below"):
                if relation in extra:
                    place(extra[relation])
            order[name] = None

    for name in model.model_fields:
        place(name)
    return list(order)


def _declaration(model: type[Memristor], name: str, defaults: Mapping[str, Any], declared: Collection[str]) -> str:
    info = model.model_fields[name]
    extra = info.json_schema_extra
    assert isinstance(extra, dict)
    choices = get_args(info.annotation)
    default = defaults.get(name, info.default)
    meaning = str(info.description)
    kind, number = "real", number_text(default) if not isinstance(default, str) else ""
    if texts_of(model, name):
        meaning += ": " + ", ".join(f"{place} {choice}" for place, choice in enumerate(choices))
        kind, number, bounds = "integer", str(choices.index(default)), f"[0:{len(choices) - 1}]"
    elif choices and all(isinstance(choice, int) for choice in choices):
        low, high = min(choices), max(choices)
        missing = "".join(f" exclude {value}" for value in range(low, high + 1) if value not in choices)
        kind, number, bounds = "integer", str(int(default)), f"[{low}:{high}]{missing}"
    else:
        if info.annotation is int:
            kind, number = "integer", str(int(default))
        relations = {key: extra[key] for key in ("above", "below") if extra.get(key) in declared}
        bounds = _range(limits_of(model, name), relations)
    meaning, unit = (re.sub(r'["\\]|[^ -~]', "'", str(text)) for text in (meaning, extra["unit"]))
    return f'  (* desc="{meaning}", units="{unit}" *) parameter {kind} {name} = {number} from {bounds};'


def _range(limits: Mapping[str, Any], relations: Mapping[str, Any]) -> str:
    low, high = "(-inf", "inf)"
    for key, bracket in (("gt", "("), ("ge", "[")):
        low = f"{bracket}{limits[key]}" if key in limits else low
    for key, bracket in (("lt", ")"), ("le", "]")):
        high = f"{limits[key]}{bracket}" if key in limits else high
    low = f"({relations['above']}" if "above" in relations else low
    high = f"{relations['below']})" if "below" in relations else high
    return f"{low}:{high}"


class _Body:
    """Statements that work out `current` and `rate` in one variant of a model, and the variables that they assign."""

    def __init__(self, device: Memristor, p: str, n: str) -> None:
        current, rate, balance, further = printed(device, _traced(device))
        names = ["current", "rate", "balance", *map(rate_of, device.states)]
        results = dict(zip(names, unified([current, rate, balance, *further]), strict=True))
        if not device.inner:
            del results["balance"]
        parts = ordered(results.values())
        taken = {*type(device).model_fields, *device.states, p, n, "s", "u", *results, "geometric_sum"}
        texts = {"v": f"V({p}, {n})", **{name: f"V({name})" for name in ("s", "u", *device.states)}}
        written = {id(part): texts.get(part.name, part.name) for part in parts if part.operation == "symbol"}
        self.variables = list(results)
        self.lines: list[str] = []
        conditional = _conditional(list(results.values()))
        uses = uses_of(list(results.values()))
        own = {id(part): name for name, part in results.items() if isinstance(part, Expression)}
        for part in parts:
            if part.operation == "symbol" or id(part) in own:
                if id(part) in own:
                    self._assign(own[id(part)], part, written)
                    written[id(part)] = own[id(part)]
                continue
            # what only one branch of a condition needs stays in it, so that it is not worked out in vain
            if uses[id(part)] == 1 and (id(part) in conditional or not part.name):
                continue
            if part.operation in COMPARISONS:
                continue
            name = _free_name(part.name or "shared", taken)
            taken.add(name)
            self.variables.append(name)
            self._assign(name, part, written)
            written[id(part)] = name
        for name, part in results.items():
            if not isinstance(part, Expression):
                self._assign(name, part, written)

    def _assign(self, name: str, part: Any, written: Mapping[int, str]) -> None:
        self.lines += wrapped(f"{name} = {VERILOG_A.text(part, written)};", "    ", "      ")


def _traced(device: Memristor) -> Outputs:
    """The equations as expressions, with the names of the local variables that methods kept parts in."""

    def name_locals(frame: FrameType, event: str, _: Any) -> None:
        if event == "return" and frame.f_locals.get("self") is device:
            for name, value in frame.f_locals.items():
                if name == "result" and frame.f_code.co_name == "equation":
                    name = frame.f_locals["name"]
                # Python takes more names than Verilog-A
                if not _NAME.fullmatch(name):
                    continue
                if isinstance(value, Expression) and value.operation != "symbol" and not value.name:
                    value.name = name

    before = sys.getprofile()
    sys.setprofile(name_locals)
    try:
        return trace(device)
    finally:
        # cProfile: what stands for it in place of a function cannot be called
        resume = getattr(before, "enable", None)
        sys.setprofile(before if resume is None else None)
        if resume is not None:
            resume()


def _free_name(name: str, taken: set[str]) -> str:
    """A name like the one given that is not taken and means nothing in Verilog-A."""
    if name in RESERVED or keyword.iskeyword(name):
        name += "_"
    free = name
    for number in itertools.count(2):
        if free not in taken:
            break
        free = f"{name}_{number}"
    return free


def _conditional(expressions: list[Any]) -> set[int]:
    """Identities of the parts that are needed in branches of conditions alone."""
    always: set[int] = set()
    stack = [expression for expression in expressions if isinstance(expression, Expression)]
    while stack:
        part = stack.pop()
        if id(part) not in always:
            always.add(id(part))
            operands = part.operands[:1] if part.operation == "where" else part.operands
            stack += [operand for operand in operands if isinstance(operand, Expression)]
    return {id(part) for part in ordered(expressions)} - always
