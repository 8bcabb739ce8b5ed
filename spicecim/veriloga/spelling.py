"""Rewriting of what the standard spells in more ways than OpenVAF reads, and of functions that it differentiates wrong.

Each rule takes the tokens of a source to edits of its text: where they start and end, and what stands there instead.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from spicecim.veriloga.declarations import DIRECTIONS, Token, closing, split_at_commas, statement_end

Edit = tuple[int, int, str]

_ALWAYS, _NEVER = {"tran"}, {"ac", "noise", "dc", "nodeset", "xf", "pz", "sp", "hb", "pss"}
"""Analyses that a transient is, in its initial operating point too, and that it never is."""
_TRANSIENT = {"tran", "static", "dc", "ic"}
"""Analyses whose first step is that of a transient."""

_HYPOT, _ATAN2 = "spicecim_hypot", "spicecim_atan2"
_FUNCTIONS = {
    "hypot": _HYPOT,
    "$hypot": _HYPOT,
    "atan2": _ATAN2,
    "$atan2": _ATAN2,
}
DEFINITIONS = {
    _HYPOT: (
        f"analog function real {_HYPOT}; input x, y; real x, y, larger; begin larger = max(abs(x), abs(y)); "
        f"if (larger == 0) {_HYPOT} = 0; "
        f"else {_HYPOT} = larger*sqrt((x/larger)*(x/larger) + (y/larger)*(y/larger)); end endfunction"
    ),
    _ATAN2: (
        f"analog function real {_ATAN2}; input y, x; real y, x; begin "
        f"if (abs(x) < abs(y)) {_ATAN2} = (y > 0 ? 1.5707963267948966 : -1.5707963267948966) - atan(x/y); "
        f"else if (x > 0) {_ATAN2} = atan(y/x); "
        f"else if (x < 0) {_ATAN2} = atan(y/x) + (y < 0 ? -3.141592653589793 : 3.141592653589793); "
        f"else {_ATAN2} = 0; end endfunction"
    ),
}
"""Functions that stand for those whose derivatives OpenVAF takes wrong, in what it differentiates right."""


def numbers(tokens: Sequence[Token]) -> Iterator[Edit]:
    """Numbers without the underscores that group their digits."""
    for token in tokens:
        if token.text[0].isdigit() and "_" in token.text:
            yield token.start, token.end, token.text.replace("_", "")


def complements(tokens: Sequence[Token]) -> Iterator[Edit]:
    """``~k``, which OpenVAF takes for a minus sign, as the number that it is: ``-1 - k``."""
    for index, token in enumerate(tokens):
        if token.text == "~" and tokens[index + 1].text != "~":
            end = index + 1
            while tokens[end].text in ("+", "-", "!"):
                end += 1
            if end + 1 < len(tokens) and (tokens[end].text == "(" or tokens[end + 1].text in ("(", "[")):
                end = closing(tokens, end if tokens[end].text == "(" else end + 1)
            yield token.start, token.end, "(-1-("
            yield tokens[end].end, tokens[end].end, "))"


def first_steps(tokens: Sequence[Token]) -> Iterator[Edit]:
    """Several first steps joined by ``or`` or a comma as one: in a transient each of them is the same."""
    for index, token in enumerate(tokens[:-1]):
        if token.text == "@" and tokens[index + 1].text == "(":
            end = closing(tokens, index + 1)
            inside = tokens[index + 2 : end]
            events = list(_events(inside))
            phases = [{word.text.strip('"') for word in event if word.text.startswith('"')} for event in events]
            own = all(event and event[0].text == "initial_step" for event in events)
            if len(events) > 1 and own and any(not phase or phase & _TRANSIENT for phase in phases):
                yield inside[0].start, inside[-1].end, "initial_step"


def _events(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    for part in split_at_commas(tokens):
        event: list[Token] = []
        for token in part:
            if token.text == "or":
                yield event
                event = []
            else:
                event.append(token)
        yield event


def analyses(tokens: Sequence[Token]) -> Iterator[Edit]:
    """``analysis("tran")`` and others as the constant that they are in a transient, where they are one throughout."""
    for index, token in enumerate(tokens[:-1]):
        if token.text in ("analysis", "$analysis") and tokens[index + 1].text == "(":
            end = closing(tokens, index + 1)
            named = {word.text.strip('"') for word in tokens[index + 2 : end] if word.text != ","}
            if named & _ALWAYS:
                yield token.start, tokens[end].end, "1"
            elif named <= _NEVER:
                yield token.start, tokens[end].end, "0"


def port_attributes(tokens: Sequence[Token]) -> Iterator[Edit]:
    """Attributes in a module's list of ports left out: nothing is computed from them."""
    for index, token in enumerate(tokens[:-2]):
        if token.text in ("module", "macromodule"):
            start = index + 2
            end = next((place for place in range(start, len(tokens)) if tokens[place].text == ";"), start)
            opened = [place for place in range(start, end) if tokens[place].text == "(*"]
            for place in opened:
                close = next((other for other in range(place, end) if tokens[other].text == "*)"), None)
                if close is not None and place > start:
                    yield tokens[place].start, tokens[close].end, " "
            # in `((*`, the list itself starts with a bracket
            if opened and opened[0] == start and tokens[start].text == "(*":
                yield tokens[start].start, tokens[start].end, "("


def function_headers(tokens: Sequence[Token]) -> Iterator[Edit]:
    """Arguments that a function declares in its head as declarations after it."""
    for index, token in enumerate(tokens[:-4]):
        if token.text != "analog" or tokens[index + 1].text != "function":
            continue
        start = next(place for place in range(index + 2, len(tokens)) if tokens[place].text in ("(", ";"))
        if tokens[start].text == ";":
            continue
        end = closing(tokens, start)
        declared = []
        direction, kind = "input", "real"
        for part in split_at_commas(tokens[start + 1 : end]):
            words = [word.text for word in part]
            direction = next((word for word in words if word in DIRECTIONS), direction)
            kind = next((word for word in words if word in ("real", "integer")), kind)
            declared.append(f" {direction} {words[-1]}; {kind} {words[-1]};")
        yield tokens[start].start, tokens[end + 1].end, ";" + "".join(declared)


def repetitions(tokens: Sequence[Token]) -> Iterator[Edit]:
    """``repeat (n)`` as a ``for`` that counts down from n."""
    for module in modules_of(tokens):
        names: list[str] = []
        for index, token in enumerate(module[:-1]):
            if token.text == "repeat" and module[index + 1].text == "(":
                names.append(f"spicecim_round_{len(names)}")
                end, name = closing(module, index + 1), names[-1]
                yield token.start, module[index + 1].end, f"for ({name} = ("
                yield module[end].start, module[end].end, f"); {name} > 0; {name} = {name} - 1)"
        if names:
            header = _header_end(module)
            yield header, header, f" integer {', '.join(names)};"


def functions(tokens: Sequence[Token]) -> Iterator[Edit]:
    """Calls of functions whose derivatives OpenVAF takes wrong as calls of functions that the module then defines."""
    for module in modules_of(tokens):
        used: dict[str, None] = {}
        for token, following in itertools.pairwise(module):
            if token.text in _FUNCTIONS and following.text == "(":
                used[_FUNCTIONS[token.text]] = None
                yield token.start, token.end, _FUNCTIONS[token.text]
        if used:
            header = _header_end(module)
            yield header, header, " " + " ".join(DEFINITIONS[name] for name in used)


def modules_of(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """The tokens of each module, from its keyword on."""
    start = None
    for index, token in enumerate(tokens):
        if token.text in ("module", "macromodule"):
            start = index
        elif token.text == "endmodule" and start is not None:
            yield tokens[start:index]
            start = None


def _header_end(module: Sequence[Token]) -> int:
    return next(token.end for token in module if token.text == ";")


def initial_blocks(tokens: Sequence[Token]) -> Iterator[Edit]:
    """``analog initial`` as an ``@(initial_step)`` before the other blocks."""
    for module in modules_of(tokens):
        blocks = [
            index
            for index, (token, following) in enumerate(itertools.pairwise(module))
            if token.text == "analog" and following.text != "function"
        ]
        first = next((module[index].start for index in blocks if module[index + 1].text != "initial"), None)
        moved = ""
        for index in (place for place in blocks if module[place + 1].text == "initial"):
            token, end = module[index], statement_end(module, index + 2)
            if first is None or token.start < first:
                yield module[index + 1].start, module[index + 1].end, "@(initial_step)"
            else:
                words = " ".join(word.text for word in module[index + 2 : end + 1])
                yield token.start, module[end].end, ""
                moved += f"analog @(initial_step) {words} "
        if first is not None and moved:
            yield first, first, moved


def cases(tokens: Sequence[Token]) -> Iterator[Edit]:
    """``case`` as conditions: of some with choices inside, OpenVAF dies or forgets a value."""
    for index, token in enumerate(tokens[:-1]):
        if token.text == "case" and tokens[index + 1].text == "(":
            yield from _case(tokens, index)


def _case(tokens: Sequence[Token], start: int) -> Iterator[Edit]:
    """Edits of one ``case``; none where its default comes before others, or stands alone."""
    opened = closing(tokens, start + 1)
    value = " ".join(token.text for token in tokens[start + 1 : opened + 1])
    edits: list[Edit] = [(tokens[start].start, tokens[opened].end, "begin")]
    place, head = opened + 1, ""
    while tokens[place].text != "endcase":
        if tokens[place].text == "default":
            body = place + 1 + (tokens[place + 1].text == ":")
            condition = "else"
        else:
            body = _label_end(tokens, place) + 1
            labels = split_at_commas(tokens[place : body - 1])
            tests = (f"{value} == ({' '.join(word.text for word in label)})" for label in labels)
            condition = f"{head}if ({' || '.join(tests)})"
        if condition == "else" and (not head or tokens[statement_end(tokens, body) + 1].text != "endcase"):
            return
        end = statement_end(tokens, body)
        # an `if` in it would take the `else` that follows
        edits.append((tokens[place].start, tokens[body - 1].end, f"{condition} begin"))
        edits.append((tokens[end].end, tokens[end].end, " end"))
        place, head = end + 1, "else "
    edits.append((tokens[place].start, tokens[place].end, "end"))
    yield from edits


def _label_end(tokens: Sequence[Token], start: int) -> int:
    """Position of the colon that ends the labels of a choice."""
    depth = choices = 0
    for place in range(start, len(tokens)):
        word = tokens[place].text
        depth += word in ("(", "[", "{", "'{")
        depth -= word in (")", "]", "}")
        choices += word == "?" and not depth
        if word == ":" and not depth:
            if not choices:
                return place
            choices -= 1
    return len(tokens) - 1


def loop_variables(tokens: Sequence[Token]) -> Iterator[Edit]:
    """``genvar`` as ``integer``: a loop over one is unrolled, or it is a loop as any other."""
    for token in tokens:
        if token.text == "genvar":
            yield token.start, token.end, "integer"


RULES = (
    loop_variables,
    numbers,
    port_attributes,
    function_headers,
    first_steps,
    initial_blocks,
    analyses,
    cases,
    repetitions,
    functions,
    complements,
)
"""All rules, in the order in which they are applied: each to what those before it have left."""
