"""Values for the parameters of a Verilog-A module: defaults, units, bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spicecim.errors import ModelError, QuantityError, VerilogAError
from spicecim.problems import did_you_mean
from spicecim.quantities import UNITS, parse_quantity
from spicecim.veriloga.declarations import ModuleDeclaration, ParameterDeclaration, Range
from spicecim.veriloga.expressions import ExpressionError
from spicecim.veriloga.module import Module


def parameter_values(
    module: Module, declaration: ModuleDeclaration, given: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the value of every parameter of a module.

    Parameters
    ----------
    module
        The module.
    declaration
        What its source declares.
    given
        Values that differ from the defaults, by name or alias: numbers, or texts with a scale factor and unit.

    Raises
    ------
    ModelError
        If a name is unknown, or a value is no number, of the wrong kind or outside its bounds.
    VerilogAError
        If a default or bound is not a constant expression.
    """
    own = _by_name(module, declaration, given or {})
    units = {parameter.name: parameter.units for parameter in module.parameters}
    values: dict[str, Any] = {}
    for parameter in declaration.parameters.values():
        name = parameter.name
        if name in own:
            values[name] = _read(parameter, own[name], units.get(name, ""))
        else:
            values[name] = _default(parameter, values)
    for parameter in declaration.parameters.values():
        if not parameter.local:
            _check(parameter, values)
    return values


def _by_name(module: Module, declaration: ModuleDeclaration, given: Mapping[str, Any]) -> dict[str, Any]:
    known = {name: parameter for name, parameter in declaration.parameters.items() if not parameter.local}
    own: dict[str, Any] = {}
    for alias, value in given.items():
        name = declaration.aliases.get(alias, alias)
        if name not in known:
            hint = did_you_mean(alias, known)
            listed = f"; it has {', '.join(known)}" if known else "; it has none"
            raise ModelError(f"{alias}: module {module.name} has no such parameter{listed}{hint}")
        if name in own:
            raise ModelError(f"{alias}: {name} is given twice, by its name and an alias")
        own[name] = value
    return own


def _default(parameter: ParameterDeclaration, values: Mapping[str, Any]) -> Any:
    try:
        value = parameter.default.evaluate(values)
    except ExpressionError as error:
        raise VerilogAError(f"{parameter.place}: default of {parameter.name}: {error}") from None
    if parameter.type == "string":
        return value
    return int(_nearest(value)) if parameter.type == "integer" else float(value)


def _nearest(value: float) -> float:
    """Round as Verilog-A does where an integer is wanted: halves away from zero."""
    return float(int(value + (0.5 if value >= 0 else -0.5)))


def _read(parameter: ParameterDeclaration, value: Any, unit: str) -> Any:
    if parameter.type == "string":
        if not isinstance(value, str):
            raise ModelError(f"{parameter.name}: must be a text; it is {value!r}")
        return value
    try:
        number = parse_quantity(value, unit if unit in UNITS else "")
    except QuantityError as error:
        raise ModelError(f"{parameter.name}: {error}") from None
    if parameter.type == "real":
        return number
    if number != int(number):
        raise ModelError(f"{parameter.name}: must be an integer; it is {number:g}")
    return int(number)


def _check(parameter: ParameterDeclaration, values: Mapping[str, Any]) -> None:
    """Raise `ModelError` unless a value is in one of its ranges, if it has any, and in none that is excluded."""
    value = values[parameter.name]
    try:
        if parameter.choices:
            allowed = [choice.evaluate(values) for choice in parameter.choices]
            if value not in allowed:
                raise ModelError(f"{parameter.name}: must be one of {', '.join(map(repr, allowed))}; it is {value!r}")
            return
        if parameter.type == "string":
            return
        inside = [_within(value, item, values) for item in parameter.ranges if not item.excluded]
        outside = [not _within(value, item, values) for item in parameter.ranges if item.excluded]
    except ExpressionError as error:
        raise VerilogAError(f"{parameter.place}: bounds of {parameter.name}: {error}") from None
    if (inside and not any(inside)) or not all(outside):
        bounds = " ".join(_described(item, values) for item in parameter.ranges)
        raise ModelError(f"{parameter.name}: must be {bounds}; it is {value:g}")


def _within(value: float, item: Range, values: Mapping[str, Any]) -> bool:
    lower, upper = item.lower.evaluate(values), item.upper.evaluate(values)
    above = value >= lower if item.lower_closed else value > lower
    below = value <= upper if item.upper_closed else value < upper
    return bool(above and below)


def _described(item: Range, values: Mapping[str, Any]) -> str:
    """The range as it stands in the source, with the values of bounds that are not plain numbers."""
    text = str(item)
    for bound in (item.lower, item.upper):
        value = f"{bound.evaluate(values):g}"
        if any(token.isidentifier() and token != "inf" for token in bound.tokens):
            text += f" ({bound} = {value})"
    return text
