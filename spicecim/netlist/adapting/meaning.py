"""What an expression of a dialect means, as an expression of ngspice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from spicecim import limits
from spicecim.netlist.adapting.expressions import (
    Binary,
    Call,
    Caret,
    Choice,
    Dialect,
    Expression,
    Extents,
    Name,
    Number,
    Unary,
    number,
    rebuilt,
    walk,
    written,
)
from spicecim.netlist.adapting.functions import (
    CONSTANTS,
    FUNCTIONS,
    NOT_IN_PARAMETERS,
    OF_DIALECT,
    TEMPERATURE,
    constant,
    even_if_whole,
    is_boolean,
    never_negative,
    real_power,
    signed_power,
    thermal_voltage,
    truth,
)
from spicecim.netlist.spice_dialect import CHANCE
from spicecim.netlist.spice_lines import Line
from spicecim.outside import exceeds
from spicecim.problems import did_you_mean

_CELSIUS = 27.0
"""Temperature of every run (degrees Celsius); ngspice does not know its own one in a parameter."""
_DEEPER = 2
"""Levels of an expression for ngspice per level of one that may be read: a function may become two."""
INTEGRALS = {"sdt", "idt"}
_CARET = (
    "the manuals of LTspice and PSpice have ^ as an exclusive or; choose --caret power if the author meant a power, or "
    "--caret xor"
)


def has_integral(tree: Expression) -> bool:
    """Tell if there is an integral by time in an expression."""
    return any(isinstance(part, Call) and part.function in INTEGRALS for part in walk(tree))


@dataclass(frozen=True)
class Function:
    """A function that the file defines: its arguments in lower case, and what it is."""

    arguments: tuple[str, ...]
    expression: Expression

    def called(self, values: tuple[Expression, ...]) -> Expression:
        """Return what it is of these values."""
        given = dict(zip(self.arguments, values, strict=True))
        return rebuilt(self.expression, lambda part: given.get(part.key, part) if isinstance(part, Name) else part)


@dataclass(frozen=True)
class Scope:
    """Names that are known where an expression stands.

    Attributes
    ----------
    dialect, caret
        The grammar, and what ``^`` is in it where that was said.
    parameters
        Names in lower case that stand for a number.
    functions
        Functions of the file by their names in lower case.
    renamed
        Names in lower case that get another one, because ngspice takes them for something else.
    note
        Called with what the author cannot have known of ngspice.
    """

    dialect: Dialect
    caret: Caret | None
    note: Callable[[Line, str], None]
    parameters: frozenset[str] = frozenset()
    functions: Mapping[str, Function] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)

    def name(self, text: str) -> str:
        """Return the name that a parameter, a function or an argument has in ngspice."""
        return self.renamed.get(text.lower(), text)

    def meaning(self, line: Line, tree: Expression, *, parameter: bool = False) -> Expression:
        """Return what an expression is in ngspice.

        Parameters
        ----------
        line
            Where it stands.
        tree
            The expression, as it was read.
        parameter
            Whether it is computed before the run: of a parameter or a plain value.

        Raises
        ------
        SubcircuitError
            If a name or a function is not known in the dialect, or a meaning is not certain.
        """
        extents = Extents()

        def meant(part: Expression) -> Expression:
            found = self._part(line, part, parameter)
            extent = extents.of(found)
            if extent.parts > limits.SUBCIRCUIT_CHARACTERS:
                line.refuse(exceeds("SUBCIRCUIT_CHARACTERS", "characters when it is written for ngspice"))
            deepest = _DEEPER * limits.SPICE_NESTING
            if extent.depth > deepest:
                line.refuse(
                    f"has more than {deepest} levels when it is written for ngspice (spicecim.limits.SPICE_NESTING)"
                )
            return found

        tree = rebuilt(tree, meant)
        for part in walk(tree):
            if parameter and isinstance(part, Call) and part.function in NOT_IN_PARAMETERS:
                line.refuse(f"{part.function}() has no meaning in a parameter")
        return tree

    def _part(self, line: Line, part: Expression, parameter: bool) -> Expression:
        match part:
            case Number(value=value, foreign=True):
                return number(value)
            case Name():
                return self._named(line, part, parameter)
            case Call():
                return self._called(line, part)
            case Binary("**", base, exponent):
                return self._power(line, base, exponent)
            case Binary("^", left, right):
                if not (is_boolean(left) and is_boolean(right)) and self.caret is None:
                    line.refuse(_CARET)
                return Binary("!=", truth(left), truth(right))
            case Binary("%", _, _) if self.dialect != "ngspice":
                line.refuse("% is refused; write x - y*floor(x/y)")
            case Binary("&&" | "||" as operator, left, right) if self.dialect == "ltspice":
                return Binary(operator, truth(left), truth(right))
            case Unary("!", operand) if self.dialect == "ltspice":
                return Unary("!", truth(operand))
            case Choice(condition, then, otherwise) if self.dialect == "ltspice":
                return Choice(truth(condition), then, otherwise)
        return part

    def _named(self, line: Line, name: Name, parameter: bool) -> Expression:
        key, dialect = name.key, self.dialect
        if key in self.parameters:
            return Name(self.name(name.text))
        if key in OF_DIALECT[dialect]:
            if dialect == "ngspice" and not parameter:
                return name
            if key not in ("pi", "e"):
                self.note(line, f"{key} is {CONSTANTS[key]!r}, its value in the SI")
            return number(CONSTANTS[key])
        temperature = number(_CELSIUS) if parameter else TEMPERATURE
        if key == ("temp" if dialect in ("ltspice", "pspice") else "temper"):
            if parameter:
                self.note(line, f"the temperature is {_CELSIUS:g} degrees, that of every run")
            return temperature
        if key == "vt" and dialect == "pspice":
            return thermal_voltage(temperature)
        if key in ("time", "hertz") and not parameter:
            return name
        return line.refuse(
            f"the parameter {name.text} is missing{did_you_mean(key, self.parameters)}; add it with a default to the "
            ".subckt line, or set it by a .param"
        )

    def _called(self, line: Line, call: Call) -> Expression:
        name, arguments = call.function, call.arguments
        function = self.functions.get(name)
        if function is not None:
            if len(arguments) != len(function.arguments):
                line.refuse(f"{name}() takes {len(function.arguments)} arguments, and gets {len(arguments)}")
            if has_integral(function.expression):
                return function.called(arguments)
            return replace(call, function=self.name(name))
        build = FUNCTIONS.get((self.dialect, name, len(arguments))) or FUNCTIONS.get((self.dialect, name, 0))
        if build is not None:
            if self.dialect == "ngspice" and name in ("pow", "pwr"):
                self._told_power(line, name, *arguments)
            if name in ("table", "pwl") and (len(arguments) < 5 or len(arguments) % 2 == 0):
                line.refuse(f"{name}() needs a value and at least two points")
            return build(*arguments)
        if name == "pow" and len(arguments) == 2 and self.dialect in ("ltspice", "hspice"):
            if self.dialect == "hspice" and (constant(arguments[1]) or 0.5) % 1:
                line.refuse("pow(x, y) of HSPICE takes the integer part of y; write it with a whole number, or x**y")
            return self._power(line, *arguments)
        if name in INTEGRALS and self.dialect in ("ltspice", "pspice") and len(arguments) in (1, 2):
            return call
        if name in CHANCE or name == "limit":
            line.refuse(f"{name}: a model must not depend on chance")
        simulators = [dialect for dialect, known, _ in FUNCTIONS if known == name]
        simulators = ["ltspice", "pspice"] if name in INTEGRALS else simulators
        known = f"; it is one of {', '.join(dict.fromkeys(simulators))}" if simulators else ""
        return line.refuse(f"{name}() of {len(arguments)} arguments is no function of {self.dialect}{known}")

    def _told_power(self, line: Line, name: str, base: Expression, exponent: Expression) -> None:
        """Say where ngspice takes `pow` and `pwr` of a negative number for another one than in a parameter."""
        value = constant(exponent)
        even = value % 2 == 0 if value is not None else even_if_whole(exponent)
        if not (never_negative(base) or (even and name == "pow")):
            source, parameter = ("|x|**y", "x**y") if name == "pow" else ("sgn(x)*|x|**y", "|x|**y")
            told = f"{name}(x, y) of a negative x is {source} in a source of ngspice and {parameter} in a parameter"
            self.note(line, told)

    def _power(self, line: Line, base: Expression, exponent: Expression) -> Expression:
        """Return a power; simulators differ in those of negative numbers."""
        plain, value = Binary("**", base, exponent), constant(exponent)
        if self.dialect == "ngspice" or never_negative(base) or (value is not None and value % 2 == 0):
            return plain
        if value is None and even_if_whole(exponent):
            self.note(line, f"the exponent {written(exponent)} is taken to be an even number")
            return plain
        if self.dialect == "pspice":
            if value is not None:
                line.refuse(
                    "PSpice's manual has x**y as a power of |x|; write abs(x)**y, or x*x*x if the sign is wanted"
                )
            self.note(line, "x**y is |x|**y, by PSpice's manual")
            return plain
        if value is not None and value % 1 == 0:
            return base if value == 1 else signed_power(base, exponent)
        if self.dialect == "hspice":
            self.note(line, "of a negative base, x**y is taken to have a whole exponent")
        return real_power(base, exponent)
