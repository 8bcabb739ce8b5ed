"""A module's own rule as the text of a Python function.

It is written from the statements, not from what `following` derives of them, so that either is a check of the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spicecim.errors import VerilogAError
from spicecim.veriloga.cure.functions import BOLTZMANN_BY_CHARGE, FUNCTIONS, THERMAL_VOLTAGE, WHOLE
from spicecim.veriloga.cure.syntax import (
    Assign,
    Block,
    Case,
    Contribute,
    Event,
    Function,
    If,
    Loop,
    Statement,
    Syntax,
    Task,
)
from spicecim.veriloga.cure.terms import COMPARISONS, Term, parts, written
from spicecim.veriloga.cure.values import AT_START, DRAWS, StepSource
from spicecim.veriloga.evaluation import SIMULATOR_PARAMETERS, TEMPERATURE
from spicecim.veriloga.expressions import CONSTANTS
from spicecim.veriloga.refusals import UNSUPPORTED
from spicecim.veriloga.source import Source


class RuleWriter:
    """Writes a module's rule as a function of Python, ``step``, and its own functions, ``u_NAME``."""

    def __init__(
        self, source: Source, syntax: Syntax, step: StepSource, means: bool, row: str, column: str,
        limits: Mapping[Term, tuple[float, float]],
    ) -> None:  # fmt: skip
        self._source, self._syntax, self._step, self._means = source, syntax, step, means
        self._row, self._column, self._limits = row, column, limits
        self._lines: list[str] = []
        self._line = 1
        self._local: dict[str, str] | None = None
        self._integrals: dict[Term, int] = {}
        self._derivatives: dict[Term, int] = {}
        self.slots: list[str] = []
        self.unknowns: list[tuple[str, Any]] = []
        self._branches: dict[tuple[str, str], str] = {}
        self._kinds: dict[tuple[str, str], str] = {}

    def module(self) -> str:
        """Return the text of all functions."""
        own = [*self._syntax.types, *self._syntax.functions, *self._syntax.declaration.parameters]
        own += [name for function in self._syntax.functions.values() for name in function.types]
        for name in own:
            if not (name.isidentifier() and name.isascii()):
                raise VerilogAError(f"{self._syntax.declaration.place}: {name} is not followed; use letters and digits")
        for function in self._syntax.functions.values():
            self._function(function)
        self._find_unknowns()
        body: list[str] = []
        self._lines, kept = body, self._lines
        for _, statement in self._syntax.blocks:
            self._statement(statement, 1)
        self._lines = kept
        variables = [f"v_{name}" for name in self._syntax.types]
        self.slots = [
            *variables, *(f"q_{k}" for k in self._integrals.values()), *(f"d_{k}" for k in self._derivatives.values())
        ]  # fmt: skip
        names = ", ".join(self.slots)
        out = [*self._lines, "def step(s, z, n_row, t, h, first):"]
        if names:
            out.append(f"    ({names},) = s")
        out += [f"    c_{k} = d_{k}" for k in self._derivatives.values()]
        out += [f"    r_{k} = q_{k}" for k in self._integrals.values()]
        out += [f"    u_{k} = z[{k}]" for k in range(len(self.unknowns))]
        out += [f"    {flow} = 0.0" for flow in self._branches.values()]
        given = self._syntax.initial
        starts = [f"v_{name} = {self._text(given[name])[0]}" for name in self._syntax.types if name in given]
        out += [f"    if first: {text}" for text in starts]
        out += body
        residuals, current = self._balance()
        fresh = f"[{names}]" if names else "[]"
        out.append(f"    return {fresh}, [{', '.join(residuals)}], {current}")
        return "\n".join(out) + "\n"

    def _problem(self, line: int, text: str) -> VerilogAError:
        return VerilogAError(f"{self._source.place(line)}: {text}")

    # the circuit

    def _ends(self, args: Sequence[str]) -> tuple[str, str]:
        """Nodes of a branch; the ground is empty."""
        declaration = self._syntax.declaration
        nodes = declaration.branches.get(args[0], tuple(args)) if len(args) == 1 else tuple(args)
        ends = ["" if node in declaration.grounds else node for node in (*nodes, "")[:2]]
        return ends[0], ends[1]

    def _find_unknowns(self) -> None:
        """Find what has to be solved for: potentials that are read, and currents."""
        read_nodes: set[str] = set()
        read_flows: set[tuple[str, str]] = set()
        contributions = [item for item in self._syntax.statements() if isinstance(item, Contribute)]
        for statement in self._syntax.statements():
            if isinstance(statement, Event | Task):
                continue  # what these read gives no current
            for term in statement.expressions():
                for part in parts(term):
                    if part.op != "call":
                        continue
                    if part.text in self._syntax.potentials:
                        read_nodes |= set(self._ends([arg.text for arg in part.args]))
                    elif part.text in self._syntax.flows:
                        read_flows.add(self._ends([arg.text for arg in part.args]))
        known = {self._row, self._column, ""}
        for statement in contributions:
            ends = self._ends(statement.nodes)
            if ends[::-1] in self._kinds:
                ends = ends[::-1]
            kind = "potential" if statement.access in self._syntax.potentials else "flow"
            if self._kinds.setdefault(ends, kind) != kind:
                raise self._problem(statement.line, "a branch that is given a potential and a current is not followed")
        kept = known | read_nodes
        for ends in list(self._kinds):
            aside = self._kinds[ends] == "potential" and not (ends in read_flows or ends[::-1] in read_flows)
            if not set(ends) <= kept and (aside or all(end not in kept or not end for end in ends)):
                continue  # a node that nothing reads
            self._branches[ends] = f"b_{len(self._branches)}"
        for node in sorted(read_nodes - known):
            self.unknowns.append(("node", node))
        for ends in self._branches:
            if self._kinds[ends] == "potential" or ends in read_flows or ends[::-1] in read_flows:
                self.unknowns.append(("flow", ends))

    def _unknown(self, kind: str, what: Any) -> str | None:
        return next((f"u_{k}" for k, item in enumerate(self.unknowns) if item == (kind, what)), None)

    def _balance(self) -> tuple[list[str], str]:
        """Residuals of the unknowns, and the current into the row."""
        flows: dict[tuple[str, str], str] = {}
        for ends, total in self._branches.items():
            flows[ends] = total
            if self._kinds[ends] == "potential":
                flows[ends] = str(self._unknown("flow", ends))

        def leaving(node: str) -> str:
            terms = [f"+{flow}" for ends, flow in flows.items() if ends[0] == node]
            terms += [f"-{flow}" for ends, flow in flows.items() if ends[1] == node]
            return "".join(terms) or "0.0"

        residuals = []
        for kind, what in self.unknowns:
            if kind == "node":
                residuals.append(leaving(what))
            elif self._kinds[what] == "potential":
                residuals.append(f"{self._potential(what[0])}-{self._potential(what[1])}-{self._branches[what]}")
            else:
                residuals.append(f"{self._unknown('flow', what)}-{self._branches[what]}")
        return residuals, leaving(self._row)

    def _potential(self, node: str) -> str:
        if node == self._row:
            return "n_row"
        return self._unknown("node", node) or "0.0"

    def _access(self, term: Term) -> str:
        ends = self._ends([arg.text for arg in term.args])
        if term.text in self._syntax.potentials:
            return f"({self._potential(ends[0])}-{self._potential(ends[1])})"
        for turned, sign in ((ends, ""), (ends[::-1], "-")):
            unknown = self._unknown("flow", turned)
            if unknown:
                return f"({sign}{unknown})"
        return "0.0"

    # statements

    def _function(self, function: Function) -> None:
        self._local = function.types
        out = self._lines
        out.append(f"def u_{function.name}({', '.join(f'v_{arg}' for arg in function.args)}):")
        out += [f"    v_{name} = 0" for name in function.types if name not in function.args]
        self._statement(function.body, 1)
        out.append(f"    return v_{function.name}")
        self._local = None

    def _statement(self, statement: Statement | None, depth: int) -> None:
        pad = "    " * depth
        out = self._lines
        if statement is not None:
            self._line = statement.line
        if isinstance(statement, Block):
            for item in statement.body:
                self._statement(item, depth)
            if not statement.body:
                out.append(f"{pad}pass")
        elif isinstance(statement, Assign):
            out.append(pad + self._assignment(statement))
        elif isinstance(statement, Contribute):
            ends = self._ends(statement.nodes)
            total = self._branches.get(ends)
            sign = "+"
            if total is None and ends[::-1] in self._branches:
                total, sign = self._branches[ends[::-1]], "-"
            out.append(f"{pad}{total} {sign}= {self._text(statement.value)[0]}" if total else f"{pad}pass")
        elif isinstance(statement, If):
            out.append(f"{pad}if {self._text(statement.condition)[0]}:")
            self._statement(statement.yes, depth + 1)
            if statement.no is not None:
                out.append(f"{pad}else:")
                self._statement(statement.no, depth + 1)
        elif isinstance(statement, Case):
            value = self._text(statement.value)[0]
            out.append(f"{pad}k_{statement.start} = {value}")
            head = "if"
            for labels, item in sorted(statement.items, key=lambda entry: not entry[0]):
                tests = " or ".join(f"k_{statement.start} == {self._text(label)[0]}" for label in labels) or "True"
                out.append(f"{pad}{head} {tests}:")
                self._statement(item, depth + 1)
                head = "elif"
        elif isinstance(statement, Loop):
            self._loop(statement, depth)
        elif isinstance(statement, Event):
            if statement.is_start:
                out.append(f"{pad}if first:")
                self._statement(statement.body, depth + 1)
            elif statement.events == ("timer",):
                self._statement(statement.body, depth)
            else:
                out.append(f"{pad}pass")
        else:
            out.append(f"{pad}pass")

    def _assignment(self, statement: Assign) -> str:
        text, kind = self._text(statement.value)
        types = self._local if self._local is not None else self._syntax.types
        if types.get(statement.name) == "integer" and kind == "real":
            text = f"_round({text})"
        elif types.get(statement.name) == "real" and kind == "integer":
            text = f"float({text})"
        return f"v_{statement.name} = {text}"

    def _loop(self, statement: Loop, depth: int) -> None:
        pad = "    " * depth
        if statement.first is not None:
            self._lines.append(pad + self._assignment(statement.first))
        condition = self._text(statement.condition)[0]
        if statement.kind == "repeat":
            self._lines.append(f"{pad}for _ in range({condition}):")
        else:
            self._lines.append(f"{pad}for _ in _rounds:")
            self._lines.append(f"{pad}    if not {condition}: break")
        self._statement(statement.body, depth + 1)
        if statement.next is not None:
            self._lines.append(pad + "    " + self._assignment(statement.next))

    # expressions

    def _text(self, term: Term) -> tuple[str, str]:
        """An expression in Python, with its type."""
        op, text = term.op, term.text
        if op == "number":
            value = term.value
            if self._step.value is not None and value == self._step.value:
                return "h", "real"
            return repr(value), "integer" if isinstance(value, int) else "real"
        if op == "text":
            return repr(text.strip('"')), "text"
        if op == "name":
            return self._name(text)
        if op == "call":
            return self._call(term)
        args = [self._text(arg) for arg in term.args]
        kinds = {kind for _, kind in args}
        kind = "real" if "real" in kinds else "integer"
        if op == "?:":
            (condition, _), (yes, one), (no, other) = args
            return f"({yes} if {condition} else {no})", "real" if "real" in (one, other) else one
        if op == "!":
            return f"(0 if {args[0][0]} else 1)", "integer"
        if len(args) == 1:
            return f"({op}{args[0][0]})", args[0][1]
        (left, _), (right, _) = args
        if op in COMPARISONS:
            return f"(1 if {left} {op} {right} else 0)", "integer"
        if op in ("&&", "||"):
            return f"(1 if {left} {'and' if op == '&&' else 'or'} {right} else 0)", "integer"
        if op == "/":
            return f"{'_over' if kind == 'real' else '_whole'}({left}, {right})", kind
        if op == "**":
            return f"_pow({left}, {right})", "real"
        if op == "%":
            return f"_rest({left}, {right})", kind
        if op in ("+", "-", "*", "&", "|", "^", "<<", ">>"):
            return f"({left}{op}{right})", kind
        raise self._problem(self._line, f"{op} is not followed")

    def _name(self, text: str) -> tuple[str, str]:
        types = self._local if self._local is not None else self._syntax.types
        if text in self._step.names:
            return "h", "real"
        if text in types:
            return f"v_{text}", types[text]
        if text in CONSTANTS:
            return repr(CONSTANTS[text]), "real"
        parameter = self._syntax.declaration.parameters.get(self._syntax.declaration.aliases.get(text, text))
        if parameter is not None:
            return f"p_{parameter.name}", parameter.type
        known = {"$abstime": "t", "$realtime": "t", "$temperature": repr(TEMPERATURE), "$mfactor": "1.0"}
        known["$vt"] = repr(THERMAL_VOLTAGE)
        known["inf"] = "float('inf')"
        if text in known:
            return known[text], "real"
        raise self._problem(self._line, f"{text} is not declared")

    def _call(self, term: Term) -> tuple[str, str]:
        text = term.text
        if text in self._syntax.potentials or text in self._syntax.flows:
            return self._access(term), "real"
        if text in DRAWS:
            if not self._means:
                raise self._problem(self._line, f"{text} draws at random")
            place = DRAWS[text]
            if place is None:
                one, other = (self._text(arg)[0] for arg in term.args[1:3])
                return f"(0.5*({one}+{other}))", "real"
            return (self._text(term.args[place])[0] if place else "0.0"), "real"
        if text in ("analysis", "$analysis"):
            asked = {arg.text.strip('"') for arg in term.args}
            at_start = bool(asked & AT_START)
            return ("(1 if first else 0)" if at_start else str(int("tran" in asked))), "integer"
        if text == "$simparam":
            key = term.args[0].text.strip('"')
            if key in SIMULATOR_PARAMETERS:
                return repr(float(SIMULATOR_PARAMETERS[key])), "real"
            return self._text(term.args[1])
        if text in ("$param_given", "$port_connected"):
            return "0", "integer"
        if text in ("white_noise", "flicker_noise", "noise_table"):
            return "0.0", "real"
        args = [self._text(arg) for arg in term.args]
        if text == "$vt":
            return f"({BOLTZMANN_BY_CHARGE!r}*{args[0][0]})", "real"
        if text == "$limit":
            return args[0]
        if text == "idt":
            k = self._integrals.setdefault(term, len(self._integrals))
            start = args[1][0] if len(args) > 1 else "0.0"
            moved = f"r_{k} + h*({args[0][0]})"
            if term in self._limits:
                low, high = self._limits[term]
                moved = f"min(max({moved}, float('{low!r}')), float('{high!r}'))"
            return f"(q_{k} := ({start} if first else {moved}))", "real"
        if text == "ddt":
            k = self._derivatives.setdefault(term, len(self._derivatives))
            return f"(0.0*(d_{k} := {args[0][0]}) if first else ((d_{k} := {args[0][0]}) - c_{k})/h)", "real"
        listed = ", ".join(value for value, _ in args)
        if text in self._syntax.functions:
            return f"u_{text}({listed})", self._syntax.functions[text].types[text]
        plain = text.removeprefix("$")
        if plain in FUNCTIONS:
            whole = plain in WHOLE and all(kind == "integer" for _, kind in args)
            return f"f_{plain}({listed})", "integer" if whole else "real"
        if text in UNSUPPORTED:
            raise self._problem(self._line, f"{text} is not supported: {UNSUPPORTED[text]}")
        raise self._problem(self._line, f"{written(term)[:80]} is not followed")
