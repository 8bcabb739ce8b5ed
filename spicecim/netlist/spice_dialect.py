"""What ngspice makes of the dialects of SPICE: its compatibility modes, and what it cannot take or takes otherwise.

Every entry was measured with ngspice 46: a function is listed for the dialects in whose mode ngspice either does not
know it or computes something else than the dialect's own simulator is documented to.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from spicecim.netlist.spice_lines import Line

ADAPTS = " (spicecim model adapt does so)"
"""Stands behind a cure that the command carries out."""

COMPATIBILITY = {"ngspice": "", "ltspice": "ltpsa", "pspice": "psa"}
"""Value of ngspice's variable `ngbehavior` by dialect: in mode lta alone, IF is not known; the a stands for the whole
netlist."""

_ALL = ("ngspice", "ltspice", "pspice")
_INTEGRATE = (
    "make it the voltage of a capacitor's node: 'C1 y 0 1' and 'B1 0 y I=...' with the integrand, .ic for its start"
)

_FUNCTIONS: dict[str, tuple[tuple[str, ...], str]] = {
    "sdt": (_ALL, _INTEGRATE),
    "idt": (_ALL, _INTEGRATE),
    "idtmod": (_ALL, _INTEGRATE),
    "if": (("ngspice",), "write a ? b : c, or set device.dialect to the file's simulator"),
    "limit": (("ngspice",), "there it draws a random number; write min(max(x, a), b), or set device.dialect"),
    "stp": (("ngspice",), "write u(x)"),
    "int": (("ngspice",), "write x < 0 ? ceil(x) : floor(x)"),
    "pwrs": (("ngspice", "ltspice"), "write sgn(x)*abs(x)**y"),
    "pwr": (("ltspice",), "ngspice gives it the sign of x and LTspice does not; write abs(x)**y"),
    "uplim": (("ngspice", "pspice"), "write min(x, y)"),
    "dnlim": (("ngspice", "pspice"), "write max(x, y)"),
    "table": (_ALL, "write pwl(min(max(x, x1), xn), x1, y1, x2, y2, ...): ngspice goes on beyond the ends"),
    "hypot": (_ALL, "write sqrt(x*x + y*y)"),
    "atan2": (_ALL, "write it with atan and the signs"),
    "fabs": (_ALL, "write abs(x)"),
    "sign": (_ALL, "write sgn(x)"),
    "square": (_ALL, "write x*x"),
    "cube": (_ALL, "write x*x*x"),
    "round": (_ALL, "write nint(x)"),
    "trunc": (_ALL, "write x < 0 ? ceil(x) : floor(x)"),
    "mod": (_ALL, "write x - y*floor(x/y)"),
    "fmod": (_ALL, "write x - y*floor(x/y)"),
    "arccos": (_ALL, "write acos(x)"),
    "arcsin": (_ALL, "write asin(x)"),
    "buf": (_ALL, "write x > 0.5 ? 1 : 0"),
    "inv": (_ALL, "write x > 0.5 ? 0 : 1"),
    "delay": (_ALL, "use a transmission line, T"),
    "absdelay": (_ALL, "use a transmission line, T"),
}

_NOT_ADAPTED = {"idtmod", "uplim", "dnlim", "cube", "mod", "fmod", "delay", "absdelay"}

CHANCE = {
    *("agauss", "aunif", "gauss", "unif", "rnd", "rand", "random", "white", "mc", "flat", "trnoise", "trrandom"),
    *("sgauss", "sunif", "poisson", "exponential"),
}
"""Functions and sources that draw random numbers in some simulator. ngspice heeds its own ones far outside of
expressions too, such as in an element's value without braces."""

TAKEN_FUNCTIONS = {"sin", "pulse", "pwl", "v", "i"}
"""What stands before a parenthesis in spicecim's own lines: ngspice would put a function of that name in its place."""

CONSTANTS = {
    "boltz": "1.380649e-23",
    "echarge": "1.602176634e-19",
    "kelvin": "-273.15",
    "planck": "6.62607015e-34",
    "pi": "3.141592653589793",
}

RANDOM_OF_NGSPICE = {"agauss", "aunif", "gauss", "limit", "unif"}

RESERVED = {
    "e", "time", "hertz", "temper",
    "abs", "acos", "asin", "atan", "ceil", "cos", "cosh", "exp", "floor", "int", "ln", "log", "log10", "max", "min",
    "nint", "pow", "pwl", "pwr", "sgn", "sin", "sinh", "sqrt", "tan", "tanh", "ternary_fcn",
    *RANDOM_OF_NGSPICE,
}  # fmt: skip
"""Names by which ngspice takes its own constant or function instead of a parameter; so it does with pi, harmlessly."""

_RESERVED_BY_MODES = {"temp", "vt"}
"""The same in the modes of LTspice and PSpice, even for nodes and the arguments of functions: vt is 25.86 mV there."""

_ELEMENT_NAMES = {"time", "temper", "hertz", "pi", "e"}
_PARAMETER_NAMES = {"temper"}
_PSPICE_NAMES = {"temp", "vt", "gmin"}

_PROBE = re.compile(r"(?<![\w.])[vi]\s*\([^()]*\)", re.IGNORECASE)
_CALL = re.compile(r"(?<![\w.])(trnoise|trrandom|[a-z_]\w*(?=\s*\())")
_TOKEN = re.compile(r"(?P<number>(\d+\.?\d*|\.\d+)(e[+-]?\d+)?[a-z]*)|(?P<name>[a-z_][\w.]*)\s*(?P<after>\(|=(?!=))?")


def check_calls(line: Line, dialect: str, defined: Collection[str]) -> None:
    """Raise `SubcircuitError` for a function or operator that is refused wherever in a line it stands.

    Parameters are those of `check_expression`; `defined` are the functions that the file itself defines.
    """
    text = line.text.lower()
    for name in _CALL.findall(text):
        if name in CHANCE and name not in defined:
            line.refuse(f"{name}: a model must not depend on chance")
        dialects, cure = _FUNCTIONS.get(name, ((), ""))
        if dialect in dialects and name not in defined:
            adapts = "" if name in _NOT_ADAPTED else ADAPTS
            line.refuse(f"{name}() does not work in ngspice; {cure}{adapts}")
    if dialect != "ngspice" and "^" in text:
        line.refuse(
            "^ is an exclusive or in the manuals of LTspice and PSpice and a power in ngspice; write ** for a power"
            f"{ADAPTS}"
        )


def check_function_name(line: Line, name: str) -> None:
    """Raise `SubcircuitError` for a function by a name that ngspice takes for its own, or that would change ours."""
    if name in TAKEN_FUNCTIONS:
        line.refuse(f"the function name {name} is refused: it would change the drives and vectors; rename it")
    if name in RANDOM_OF_NGSPICE:
        line.refuse(f"the function name {name} is refused: ngspice draws a random number by it; rename it")


def check_expression(line: Line, expression: str, dialect: str, parameters: Collection[str]) -> None:
    """Raise `SubcircuitError` if ngspice has no meaning, or another one, for something in an expression.

    Parameters
    ----------
    line
        Where the expression stands.
    expression
        Its text without braces.
    dialect
        ``"ngspice"``, ``"ltspice"`` or ``"pspice"``.
    parameters
        Names of parameters and functions that are known there, in lower case.
    """
    text = _PROBE.sub("0", expression.lower())
    is_parameter = line.words[0].startswith(".")
    if line.words[0][0] not in "beg":
        _check_choices(line, text)
    known = {*parameters, *(_PARAMETER_NAMES if is_parameter else _ELEMENT_NAMES)}
    if dialect != "ngspice":
        known |= _PSPICE_NAMES
    elif re.search(r"(?<!&)&(?!&)|(?<!\|)\|(?!\|)|~", text):
        line.refuse("ngspice has no operators &, | and ~; write &&, || and !")
    for found in _TOKEN.finditer(text):
        name, after = found["name"], found["after"]
        if name is None or name in parameters or after == "=":
            continue
        if after != "(" and name not in known:
            line.refuse(f"the parameter {name} is missing; {_parameter_cure(name)}")


def _check_choices(line: Line, text: str) -> None:
    """Refuse ``a ? b ? c : d : e``, of which ngspice takes c in a parameter where it should be d."""
    waiting = [False]
    for character in re.findall(r"[?:()]", text):
        if character == "(":
            waiting.append(False)
        elif character == ")" and len(waiting) > 1:
            waiting.pop()
        elif character == "?" and waiting[-1]:
            line.refuse("ngspice misreads a choice within a choice; put the inner one into parentheses")
        elif character in "?:":
            waiting[-1] = character == "?"


def check_names(line: Line, names: Collection[str], dialect: str, local: bool = False) -> None:
    """Raise `SubcircuitError` if ngspice would take something else for a parameter of such a name.

    Nodes and arguments of functions are `local`: fewer names are refused for them.
    """
    reserved = (set() if local else RESERVED) | (set() if dialect == "ngspice" else _RESERVED_BY_MODES)
    for name in names:
        if name.lower() in reserved:
            line.refuse(f"the name {name} is refused: ngspice would take what it has by that name itself; rename it")


def _parameter_cure(name: str) -> str:
    if name == "temp":
        return "in ngspice's own dialect the temperature is temper: write temper"
    if name == "e":
        return "write exp(1)"
    if name in CONSTANTS:
        return f"ngspice has no such constant there: add '.param {name}={CONSTANTS[name]}'{ADAPTS}"
    return "add it with a default to the .subckt line, or set it by a .param"


def expressions(line: Line) -> list[str]:
    """Return what is computed in an element or .param line: in braces, in quotes, or after the = of a source."""
    text, kind = line.text, line.words[0][0]
    if kind == ".":
        return [text.split(None, 1)[1]] if len(line.words) > 1 else []
    if kind == "b":
        return [text.partition("=")[2]]
    if kind in "eg":
        found = re.search(r"\b(value|vol|cur)\s*=?\s*(?=[^=\s])", text, re.IGNORECASE)
        if found:
            return [text[found.end() :]]
    return re.findall(r"'([^']*)'", text) + braced(line)


def braced(line: Line) -> list[str]:
    """Return the contents of the outermost braces; raises `SubcircuitError` if they do not match."""
    found, depth, start = [], 0, 0
    for place, character in enumerate(line.text):
        if character == "{":
            depth += 1
            start = place + 1 if depth == 1 else start
        elif character == "}":
            depth -= 1
            if depth == 0:
                found.append(line.text[start:place])
        if depth < 0:
            break
    if depth:
        line.refuse("has braces that do not match")
    return found
