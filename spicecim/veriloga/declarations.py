"""What a Verilog-A source declares, as far as OpenVAF's intermediate form does not tell it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from spicecim.errors import VerilogAError
from spicecim.veriloga.expressions import TOKEN, Expression
from spicecim.veriloga.source import Place, Source

_TYPES = ("real", "integer", "string")
DIRECTIONS = ("inout", "input", "output")
DISCIPLINES = ("electrical", "thermal", "magnetic", "kinematic", "kinematic_v", "rotational", "rotational_omega")
_OPENING = {"(": ")", "[": "]", "{": "}", "'{": "}"}
_BLOCKS = {"begin": "end", "case": "endcase"}
_EVENTS = ("initial_step", "final_step", "cross", "above", "timer")


class Token(NamedTuple):
    """A token of the preprocessed text, with its place there."""

    text: str
    start: int
    end: int
    line: int


@dataclass(frozen=True)
class Range:
    """An interval that a parameter must lie in, or must not; a single value is an interval that is closed."""

    lower: Expression
    upper: Expression
    lower_closed: bool
    upper_closed: bool
    excluded: bool

    def __str__(self) -> str:
        if self.excluded and self.lower is self.upper:
            return f"exclude {self.lower}"
        bounds = f"{'(['[self.lower_closed]}{self.lower}:{self.upper}{')]'[self.upper_closed]}"
        return f"exclude {bounds}" if self.excluded else f"from {bounds}"


@dataclass(frozen=True)
class ParameterDeclaration:
    """A parameter: its type, the expression of its default, its ranges, and the texts that a string may be."""

    name: str
    type: str
    default: Expression
    ranges: tuple[Range, ...]
    choices: tuple[Expression, ...]
    local: bool
    place: Place


@dataclass(frozen=True)
class VariableDeclaration:
    """A variable, with where its declaration and its initial value stand in the preprocessed text."""

    name: str
    type: str
    start: int
    end: int
    has_initial: bool
    place: Place


@dataclass(frozen=True)
class Assignment:
    """An assignment to a variable: where it is, and the names that its right-hand side holds, as often as it does."""

    place: Place
    names: tuple[str, ...]
    copies: bool
    """Whether the right-hand side is one name and nothing else."""


@dataclass(frozen=True)
class ModuleDeclaration:
    """A module.

    Attributes
    ----------
    ports
        The terminals, in order.
    header_end
        Offset after the semicolon that ends the header.
    calls
        Every function and system function named, with its places.
    events
        Every event waited for, such as `initial_step`, with its places.
    bound_steps
        The argument of each `$bound_step`, in the order of its places in `calls`.
    assignments
        All assignments to each variable.
    assigned
        Names of variables that are assigned somewhere but in `@(initial_step)`.
    initialized
        Names of variables that are assigned in `@(initial_step)`.
    initial_steps
        Offsets at which such events start and end; the statement follows.
    reads
        The first place at which each variable is read.
    branches
        Nodes of each named branch.
    grounds
        Nodes that are declared as the ground.
    thermal
        Nodes of the discipline of that name: their potential is a temperature, their flow a power.
    bounds
        Offsets at which the ranges of a parameter start and end in the preprocessed text.
    tokens
        All tokens after the header.
    body
        Those outside declarations of parameters and variables and outside functions.
    initial_statements
        The tokens of each statement that an `@(initial_step)` starts.
    """

    name: str
    place: Place
    ports: tuple[str, ...]
    header_end: int
    parameters: dict[str, ParameterDeclaration] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    variables: list[VariableDeclaration] = field(default_factory=list)
    calls: dict[str, list[Place]] = field(default_factory=dict)
    events: dict[str, list[Place]] = field(default_factory=dict)
    bound_steps: list[Expression] = field(default_factory=list)
    assignments: dict[str, list[Assignment]] = field(default_factory=dict)
    assigned: set[str] = field(default_factory=set)
    initialized: set[str] = field(default_factory=set)
    initial_steps: list[tuple[int, int]] = field(default_factory=list)
    reads: dict[str, Place] = field(default_factory=dict)
    branches: dict[str, tuple[str, ...]] = field(default_factory=dict)
    grounds: set[str] = field(default_factory=set)
    thermal: set[str] = field(default_factory=set)
    bounds: list[tuple[int, int]] = field(default_factory=list)
    tokens: Sequence[Token] = ()
    body: list[Token] = field(default_factory=list)
    initial_statements: list[Sequence[Token]] = field(default_factory=list)


def tokenize(source: Source) -> list[Token]:
    """Split the preprocessed text into tokens."""
    return tokens_of(source.text)


def tokens_of(text: str) -> list[Token]:
    """Split a text into tokens."""
    tokens, line, counted = [], 1, 0
    position = 0
    while position < len(text):
        found = TOKEN.match(text, position)
        if not found or found.lastgroup is None:
            break
        start = found.start(found.lastgroup)
        line += text.count("\n", counted, start)
        counted = start
        word = found.group(found.lastgroup)
        if word.strip():
            tokens.append(Token(word, start, found.end(), line))
        position = found.end()
    return tokens


def read_declarations(source: Source) -> dict[str, ModuleDeclaration]:
    """Return the modules of a source by name, in order.

    Raises
    ------
    VerilogAError
        If a declaration is not understood. OpenVAF has accepted the file before, so this is a limit of this reader.
    """
    tokens = tokenize(source)
    modules: dict[str, ModuleDeclaration] = {}
    position = 0
    while position < len(tokens):
        if tokens[position].text in ("module", "macromodule"):
            end = _find(tokens, position, "endmodule")
            module = _Reader(source, tokens[position:end]).read()
            modules[module.name] = module
            position = end
        position += 1
    return modules


class _Reader:
    """Reads one module from its tokens."""

    def __init__(self, source: Source, tokens: Sequence[Token]) -> None:
        self._source = source
        self._tokens = tokens

    def read(self) -> ModuleDeclaration:
        tokens = self._tokens
        header_end = _find(tokens, 0, ";")
        module = ModuleDeclaration(
            tokens[1].text, self._place(tokens[0]), tuple(ports_of(tokens)), tokens[header_end].end
        )
        module = replace(module, tokens=tokens[header_end + 1 :])
        position = header_end + 1
        body = module.body
        while position < len(tokens):
            word = tokens[position].text
            if word == "(*":
                position = _find(tokens, position, "*)")
            elif word == "analog" and position + 1 < len(tokens) and tokens[position + 1].text == "function":
                end = _find(tokens, position, "endfunction")
                self._calls(module, tokens[position:end])
                position = end
            elif word in ("parameter", "localparam"):
                end = _find(tokens, position, ";")
                self._parameters(module, tokens[position:end])
                position = end
            elif word == "aliasparam":
                module.aliases[tokens[position + 1].text] = tokens[position + 3].text
                position = _find(tokens, position, ";")
            elif word == "branch":
                end = _find(tokens, position, ";")
                self._branches(module, tokens[position + 1 : end])
                position = end
            elif word == "ground":
                end = _find(tokens, position, ";")
                module.grounds.update(token.text for token in tokens[position + 1 : end] if token.text != ",")
                position = end
            elif word in _TYPES and tokens[position + 1].text != "(":
                end = _find(tokens, position, ";")
                self._variables(module, tokens[position:end])
                position = end
            else:
                body.append(tokens[position])
            position += 1
        self._uses(module, body)
        for index, token in enumerate(tokens):
            if token.text == "thermal":
                module.thermal.update(_names(tokens[index + 1 :]))
        return module

    def _place(self, token: Token) -> Place:
        return self._source.place(token.line)

    def _parameters(self, module: ModuleDeclaration, tokens: Sequence[Token]) -> None:
        local, tokens, kind = tokens[0].text == "localparam", tokens[1:], ""
        if tokens and tokens[0].text in _TYPES:
            kind, tokens = tokens[0].text, tokens[1:]
        for part in split_at_commas(tokens):
            self._refuse_array(part, "a parameter")
            if len(part) < 3 or part[1].text != "=":
                raise VerilogAError(f"{self._place(part[0])}: the parameter {part[0].text} is not understood")
            words = [token.text for token in part]
            end = next((i for i, word in enumerate(words) if word in ("from", "exclude")), len(words))
            ranges, choices = self._ranges(part[end:])
            if end < len(part):
                module.bounds.append((part[end].start, part[-1].end))
            default = Expression(tuple(words[2:end]))
            # a parameter without a type takes that of its default
            guessed = "string" if words[2].startswith('"') else "real"
            module.parameters[words[0]] = ParameterDeclaration(
                words[0], kind or guessed, default, ranges, choices, local, self._place(part[0])
            )

    def _refuse_array(self, declared: Sequence[Token], what: str) -> None:
        if len(declared) > 1 and declared[1].text == "[":
            raise VerilogAError(
                f"{self._place(declared[0])}: {declared[0].text} is an array, which OpenVAF does not take; declare "
                f"{what} of its own for each element, such as {declared[0].text}_0"
            )

    @staticmethod
    def _branches(module: ModuleDeclaration, tokens: Sequence[Token]) -> None:
        end = closing(tokens, 0)
        nodes = tuple(token.text for token in tokens[1:end] if token.text != ",")
        module.branches.update({token.text: nodes for token in tokens[end + 1 :] if token.text != ","})

    def _ranges(self, tokens: Sequence[Token]) -> tuple[tuple[Range, ...], tuple[Expression, ...]]:
        ranges: list[Range] = []
        choices: list[Expression] = []
        position = 0
        while position < len(tokens):
            excluded, first = tokens[position].text == "exclude", tokens[position + 1]
            if first.text in _OPENING:
                end = closing(tokens, position + 1)
                inside = tokens[position + 2 : end]
                middle = next((i for i, token in enumerate(inside) if token.text == ":"), None)
                if first.text == "'{":
                    choices += [_expression(part) for part in split_at_commas(inside)]
                elif middle is None:
                    value = _expression(inside)
                    ranges.append(Range(value, value, True, True, excluded))
                else:
                    lower, upper = _expression(inside[:middle]), _expression(inside[middle + 1 :])
                    closed = first.text == "[", tokens[end].text == "]"
                    ranges.append(Range(lower, upper, *closed, excluded))
                position = end + 1
            else:
                end = position + 1
                while end < len(tokens) and tokens[end].text not in ("from", "exclude"):
                    end += 1
                value = _expression(tokens[position + 1 : end])
                ranges.append(Range(value, value, True, True, excluded))
                position = end
        return tuple(ranges), tuple(choices)

    def _variables(self, module: ModuleDeclaration, tokens: Sequence[Token]) -> None:
        for part in split_at_commas(tokens[1:]):
            self._refuse_array(part, "a variable")
            name = part[0]
            module.variables.append(
                VariableDeclaration(
                    name.text, tokens[0].text, name.start, part[-1].end, len(part) > 1, self._place(name)
                )
            )

    def _uses(self, module: ModuleDeclaration, body: Sequence[Token]) -> None:
        self._calls(module, body)
        names = {variable.name for variable in module.variables}
        event_end = -1
        for index, token in enumerate(body):
            following = body[index + 1].text if index + 1 < len(body) else ""
            if token.text == "@" and following == "(" and body[index + 2].text == "initial_step":
                end = closing(body, index + 1)
                module.initial_steps.append((token.start, body[end].end))
                event_end = statement_end(body, end + 1)
                module.initial_statements.append(body[end + 1 : event_end + 1])
            if token.text in names:
                if following == "=":
                    (module.initialized if index <= event_end else module.assigned).add(token.text)
                    module.assignments.setdefault(token.text, []).append(self._assignment(body, index))
                else:
                    module.reads.setdefault(token.text, self._place(token))

    def _calls(self, module: ModuleDeclaration, tokens: Sequence[Token]) -> None:
        for index, token in enumerate(tokens):
            following = tokens[index + 1].text if index + 1 < len(tokens) else ""
            if token.text == "@" and following == "(":
                for event in tokens[index + 2 : closing(tokens, index + 1)]:
                    if event.text in _EVENTS:
                        module.events.setdefault(event.text, []).append(self._place(event))
            elif token.text.startswith("$") or (token.text[0].isalpha() and following == "("):
                module.calls.setdefault(token.text, []).append(self._place(token))
                if token.text == "$bound_step":
                    module.bound_steps.append(_expression(tokens[index + 2 : closing(tokens, index + 1)]))

    def _assignment(self, body: Sequence[Token], index: int) -> Assignment:
        value = _until_closed(body[index + 2 :])
        names = tuple(token.text for token in value if token.text[0].isalpha() or token.text[0] in "_$")
        return Assignment(self._place(body[index]), names, len(value) == len(names) == 1)


def ports_of(module: Sequence[Token]) -> Iterator[str]:
    """Names of a module's terminals, from its header."""
    in_attribute = False
    for token in module[2 : _find(module, 0, ";")]:
        in_attribute = token.text == "(*" or (in_attribute and token.text != "*)")
        if not in_attribute and token.text.isidentifier() and token.text not in (*DIRECTIONS, *DISCIPLINES):
            yield token.text


def _names(tokens: Sequence[Token]) -> Iterator[str]:
    """Names that a list starts with, between commas."""
    for token in tokens:
        if token.text in DIRECTIONS or not (token.text == "," or token.text[0].isalpha()):
            return
        if token.text != ",":
            yield token.text


def _expression(tokens: Sequence[Token]) -> Expression:
    return Expression(tuple(token.text for token in tokens))


def _find(tokens: Sequence[Token], start: int, word: str) -> int:
    for position in range(start, len(tokens)):
        if tokens[position].text == word:
            return position
    return len(tokens) - 1


def closing(tokens: Sequence[Token], start: int) -> int:
    """Position of the bracket that closes the one at `start`; a range may close with the other kind."""
    depth = 0
    for position in range(start, len(tokens)):
        if tokens[position].text in _OPENING:
            depth += 1
        elif tokens[position].text in (")", "]", "}"):
            depth -= 1
            if not depth:
                return position
    return len(tokens) - 1


def _until_closed(tokens: Sequence[Token]) -> list[Token]:
    """Tokens before the semicolon, or before the bracket that was open already: an assignment may end a `for`."""
    depth = 0
    for position, token in enumerate(tokens):
        depth += token.text in _OPENING
        depth -= token.text in (")", "]", "}")
        if token.text == ";" or depth < 0:
            return list(tokens[:position])
    return list(tokens)


def statement_end(tokens: Sequence[Token], start: int) -> int:
    """Position of the last token of a statement: its semicolon, or the `end` of its block."""
    heads: list[str] = []
    while True:
        word = tokens[start].text
        if word in ("if", "for", "while", "repeat", "@"):
            heads.append(word)
            start = min(closing(tokens, start + 1) + 1, len(tokens) - 1)
            continue
        end = _plain_end(tokens, start)
        while heads:
            if heads.pop() == "if" and end + 2 < len(tokens) and tokens[end + 1].text == "else":
                start = end + 2
                break
        else:
            return end


def _plain_end(tokens: Sequence[Token], start: int) -> int:
    """The same of a statement that no condition, loop or event begins: a block, a `case`, or up to a semicolon."""
    first = tokens[start].text
    if first not in _BLOCKS:
        return _find(tokens, start, ";")
    depth = 0
    for position in range(start, len(tokens)):
        depth += tokens[position].text == first
        depth -= tokens[position].text == _BLOCKS[first]
        if not depth:
            return position
    return len(tokens) - 1


def split_at_commas(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    """Split at the commas outside brackets."""
    part: list[Token] = []
    depth = 0
    for token in tokens:
        depth += token.text in _OPENING
        depth -= token.text in (")", "]", "}")
        if token.text == "," and not depth:
            yield part
            part = []
        else:
            part.append(token)
    if part:
        yield part
