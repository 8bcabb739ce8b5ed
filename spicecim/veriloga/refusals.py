"""What OpenVAF accepts and then leaves out, gets wrong or dies of: found in the source and refused by name and line."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from spicecim import limits
from spicecim.errors import VerilogAError
from spicecim.outside import exceeds
from spicecim.veriloga.declarations import ModuleDeclaration, Token, closing, statement_end, tokenize
from spicecim.veriloga.draws import DRAW
from spicecim.veriloga.source import Source

UNSUPPORTED = {
    "absdelay": "OpenVAF drops the delay without a word; model it with a state of its own",
    "ac_stim": "it stimulates small-signal analyses only; put a source beside the device",
    "analysis": "the equations have to be the same in every analysis; give the start of a state as its initial value",
    "$analysis": "the equations have to be the same in every analysis; give the start of a state as its initial value",
    "transition": "its ramps start at events, which the equations do not know; let a node follow its input, "
    "I(y) <+ ddt(V(y)) - (input - V(y))/tau",
    "slew": "it remembers its last value; let a node follow its input, I(y) <+ ddt(V(y)) - (input - V(y))/tau",
    "last_crossing": "it remembers an event; let a node hold what has happened since, I(x) <+ ddt(V(x)) - rate",
    **dict.fromkeys(
        ("laplace_nd", "laplace_np", "laplace_zd", "laplace_zp"),
        "OpenVAF does not take it; write the filter as nodes, I(y) <+ ddt(V(y)) - (input - V(y))/tau",
    ),
    **dict.fromkeys(
        ("zi_nd", "zi_np", "zi_zd", "zi_zp"), "it samples at instants; write the filter in continuous time, as nodes"
    ),
    "$clog2": "OpenVAF asks for a second argument; use ceil(ln(n)/ln(2))",
    "$simparam$str": "the simulator has no parameters that are texts",
}
"""What is not supported of the language's functions, and what to write in its place."""
_TIMES = {"$realtime": "the unit of its time is that of a `timescale", "$time": "it is in whole units of a `timescale"}
_CURES = {
    "cross": "let a node hold what happens from then on, with a rate that sets in at the crossing",
    "above": "let a node hold what happens from then on, with a rate that sets in above the threshold",
    "timer": "let the drive of the testbench say what happens when",
}
"""What to write in place of an event."""
_TRANSIENT = {"tran", "static", "dc", "ic"}
"""Analyses that a transient has a part of."""
_KEYWORDS = {
    "analog",
    "begin",
    "case",
    "default",
    "else",
    "end",
    "endcase",
    "endfunction",
    "for",
    "if",
    "initial",
    "while",
}


def refuse_unsupported(
    source: Source, modules: Mapping[str, ModuleDeclaration], simulator_parameters: Collection[str]
) -> None:
    """Raise `VerilogAError` for the first thing in a source that the compiled model would not do.

    Parameters
    ----------
    source, modules
        The source and its modules.
    simulator_parameters
        Names that `$simparam` knows.
    """
    refuse_deep(source)
    escape = next((token for token in tokenize(source) if token.text == "\\"), None)
    if escape:
        raise VerilogAError(
            f"{source.place(escape.line)}: an escaped identifier is not supported; use letters, digits and underscores"
        )
    for module in modules.values():
        for variable in module.variables:
            if variable.type == "string":
                raise VerilogAError(
                    f"{variable.place}: variable {variable.name}: variables that hold a text are not supported; "
                    "use an integer, or a parameter"
                )
        for token, problem in _problems(module, simulator_parameters):
            raise VerilogAError(f"{source.place(token.line)}: {problem}")


def refuse_deep(source: Source) -> None:
    """Raise `VerilogAError` for what is nested deeper, or goes on longer, than expressions of a model do."""
    depth = signs = choices = 0
    for token in tokenize(source):
        word = token.text
        depth = max(depth + (word in "([{'{") - (word in ")]}"), 0)
        signs = signs + 1 if word in "+-!~" else 0
        choices = 0 if word == ";" else choices + (word in ("?", "**"))
        if word == "`":
            raise VerilogAError(f"{source.place(token.line)}: ` stands alone; the name of a macro has to follow it")
        for count, what in ((depth, "brackets"), (signs, "signs"), (choices, "choices and powers")):
            if count > limits.VERILOG_A_NESTING:
                raise VerilogAError(f"{source.place(token.line)}: an expression {exceeds('VERILOG_A_NESTING', what)}")


def _problems(module: ModuleDeclaration, simulator_parameters: Collection[str]) -> Iterator[tuple[Token, str]]:
    tokens = module.tokens
    for index, token in enumerate(tokens):
        word = token.text
        following = [item.text for item in tokens[index + 1 : index + 4]] + ["", "", ""]
        if word in UNSUPPORTED and following[0] == "(":
            yield token, f"{word} is not supported: {UNSUPPORTED[word]}"
        elif word == "$simparam" and following[0] == "(" and following[2] != ",":
            name = following[1].strip('"')
            if name not in simulator_parameters:
                known = ", ".join(sorted(simulator_parameters))
                yield token, f'$simparam("{name}") is not known to the simulator, which has {known}; give a default'
        elif word == "ddt" and any(inner.text == "ddt" for inner in tokens[index + 2 : closing(tokens, index + 1)]):
            yield token, "ddt of ddt is not supported: OpenVAF dies of it; give the inner derivative a node of its own"
        elif word in _TIMES:
            yield token, f"{word} is not supported: {_TIMES[word]}; write $abstime, which is in seconds"
        elif word == "@":
            problem = _event_problem([item.text for item in tokens[index + 1 : closing(tokens, index + 1)]])
            if problem:
                yield token, problem
        elif word == "(" and following[0] == "<" and following[2] == ">":
            yield (
                token,
                f"the current of a port, (<{following[1]}>), is not supported; take that of a named branch",
            )
    yield from _instances(module.body)
    yield from _conditional_events(module)
    yield from _unsteady(module)


def _event_problem(event: Sequence[str]) -> str:
    """What is wrong with the event of an @(...); empty if nothing is."""
    if "final_step" in event:
        return "@(final_step) is not supported: OpenVAF obeys it at every evaluation"
    if "or" in event or "," in event[: event.index("(", 1) if "(" in event[1:] else len(event)]:
        return "events joined by or are not supported: OpenVAF takes initial_step alone; write @(initial_step)"
    if event[1:2] != ["initial_step"]:
        cure = f"; {_CURES[event[1]]}" if event[1] in _CURES else ""
        return f"@({' '.join(event[1:2])}) is not supported: OpenVAF takes initial_step alone{cure}"
    phases = [word.strip('"') for word in event if word.startswith('"')]
    if phases and not _TRANSIENT & set(phases):
        return f"@(initial_step) of {', '.join(phases)} alone is not supported: OpenVAF obeys it in every analysis"
    return ""


def _instances(body: list[Token]) -> Iterator[tuple[Token, str]]:
    for before, token, second, third in zip(body[:1] + body, body, body[1:], body[2:], strict=False):
        if before.text == ":":  # the name of a block
            continue
        if _is_name(token.text) and (
            (second.text == "#" and third.text == "(") or (_is_name(second.text) and third.text == "(")
        ):
            yield token, f"an instance of module {token.text}: no such module is in the file; write its equations here"


def _conditional_events(module: ModuleDeclaration) -> Iterator[tuple[Token, str]]:
    """Events in a condition that moves, which the standard (clause 5.10) forbids and OpenVAF obeys while it holds."""
    body = module.body
    moving = {"V", "I", "Temp", "Pwr", "potential", "flow", "$abstime", *module.assigned}
    for index, token in enumerate(body[:-1]):
        if token.text in ("if", "while") and body[index + 1].text == "(":
            end = closing(body, index + 1)
            asked = next((word.text for word in body[index + 1 : end] if word.text in moving), None)
            for inner in body[end : statement_end(body, index) + 1] if asked else ():
                if inner.text == "@":
                    yield (
                        inner,
                        f"@(...) in a condition that asks for {asked} is not supported: OpenVAF obeys it wherever the "
                        "condition holds; move it out, and start from parameters",
                    )


def _is_name(word: str) -> bool:
    return word.isidentifier() and word not in _KEYWORDS


def _unsteady(module: ModuleDeclaration) -> Iterator[tuple[Token, str]]:
    """What an `@(initial_step)` reads that is not the same at every evaluation: OpenVAF obeys it at each."""
    variables = {variable.name for variable in module.variables}
    for statement in module.initial_statements:
        for index, (token, following) in enumerate(zip(statement, [*statement[1:], None], strict=True)):
            after = following.text if following else ""
            if after == "(" and statement[index + 2].text.startswith(DRAW):
                continue  # a random number, which stays
            accessed = token.text in ("V", "I", "Temp", "Pwr", "potential", "flow") and after == "("
            moving = token.text in ("$abstime", "idt", "ddt", "idtmod")
            assigned = token.text in variables and token.text in module.assigned and after != "="
            if accessed or moving or (assigned and token.text not in module.initialized):
                yield (
                    token,
                    f"@(initial_step) takes {token.text}, which changes: OpenVAF obeys it at every evaluation, not at "
                    "the first alone; start from parameters, or make what is remembered a node",
                )
