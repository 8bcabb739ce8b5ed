"""From the tokens of a module to its statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from spicecim.errors import VerilogAError
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
from spicecim.veriloga.cure.terms import Term, make
from spicecim.veriloga.declarations import ModuleDeclaration, Token, closing, tokenize
from spicecim.veriloga.expressions import OPERATORS, SIGNS
from spicecim.veriloga.source import Source

_TYPES = ("real", "integer")
_POTENTIALS = {"V", "potential", "Temp", "Pos", "Omega", "Theta", "MMF"}
_FLOWS = {"I", "flow", "Pwr", "F", "Tau", "Phi"}
_SKIPPED = ("parameter", "localparam", "aliasparam", "branch", "ground", "real", "integer", "string", "genvar")


def read_syntax(source: Source, declaration: ModuleDeclaration) -> Syntax:
    """Read the statements of a module.

    Raises
    ------
    VerilogAError
        For a statement that is not understood, with its line.
    """
    return _Reader(source, declaration).read()


class _Reader:
    def __init__(self, source: Source, declaration: ModuleDeclaration) -> None:
        self._source = source
        self._declaration = declaration
        self._tokens: Sequence[Token] = declaration.tokens
        self._at = 0
        self._potentials, self._flows = _accesses(tokenize(source))
        self._types = {variable.name: variable.type for variable in declaration.variables}
        self._initial: dict[str, Term] = {}
        names = [variable.name for variable in declaration.variables]
        for variable in declaration.variables:
            if names.count(variable.name) > 1:
                raise VerilogAError(f"{variable.place}: {variable.name} is declared twice; give one another name")

    # tokens

    @property
    def _token(self) -> Token:
        if self._at >= len(self._tokens):
            raise VerilogAError(f"{self._declaration.place}: module {self._declaration.name} ends inside a statement")
        return self._tokens[self._at]

    @property
    def _word(self) -> str:
        return self._tokens[self._at].text if self._at < len(self._tokens) else ""

    def _take(self, word: str | None = None) -> Token:
        token = self._token
        if word is not None and token.text != word:
            raise self._problem(f"{word!r} is missing before {token.text!r}", token)
        self._at += 1
        return token

    def _problem(self, text: str, token: Token | None = None) -> VerilogAError:
        return VerilogAError(f"{self._source.place((token or self._token).line)}: {text}")

    def _skip_to(self, word: str) -> None:
        while self._take().text != word:
            pass

    # module

    def read(self) -> Syntax:
        blocks: list[tuple[int, Statement]] = []
        initial: list[tuple[int, Statement]] = []
        functions: dict[str, Function] = {}
        while self._at < len(self._tokens):
            word = self._word
            if word == "(*":
                self._skip_to("*)")
            elif word == "analog":
                start = self._take().start
                if self._word == "function":
                    function = self._function()
                    functions[function.name] = function
                else:
                    if self._word == "initial":
                        self._take()
                        body = self._statement()
                        event = Event(start, body.end, body.line, ("initial_step",), (), body)
                        initial.append((start, event))  # obeyed first, wherever it stands
                        continue
                    statement = self._statement()
                    if isinstance(statement, Event) and statement.is_start:
                        statement = replace(statement, start=start)  # where it goes, its `analog` goes
                    blocks.append((start, statement))
            else:
                if word in _TYPES:
                    self._variables(self._types)
                else:
                    self._skip_to(";")
        return Syntax(
            self._declaration,
            (*initial, *blocks),
            functions,
            self._types,
            self._initial,
            self._potentials,
            self._flows,
        )

    def _variables(self, types: dict[str, str]) -> None:
        """Read a declaration of variables."""
        kind = self._take().text
        while True:
            token = self._take()
            if self._word == "[":
                raise self._problem(f"{token.text} is an array, which is not followed; a variable for each element is")
            types[token.text] = kind
            if self._word == "=":
                self._take()
                self._initial[token.text] = self._expression()
            if self._take().text == ";":
                return

    def _function(self) -> Function:
        line = self._take("function").line
        kind = self._take().text if self._word in _TYPES else "real"
        name = self._take().text
        self._take(";")
        args: list[str] = []
        types = {name: kind}
        while True:
            if self._word == "input":
                self._take()
                while True:
                    args.append(self._take().text)
                    if self._take().text == ";":
                        break
            elif self._word in ("output", "inout"):
                raise self._problem(f"function {name} changes its arguments, which is not followed; return one value")
            elif self._word in _TYPES:
                self._variables(types)
            elif self._word == "(*":
                self._skip_to("*)")
            else:
                break
        body = self._statement()
        self._take("endfunction")
        return Function(name, tuple(args), types, body, line)

    # statements

    def _statement(self) -> Statement:
        if self._word == "(*":
            self._skip_to("*)")
        token = self._token
        word, line = token.text, token.line
        following = self._tokens[self._at + 1].text if self._at + 1 < len(self._tokens) else ""
        if word == "begin":
            return self._block()
        if word == ";":
            self._take()
            return Block(token.start, token.end, line, token.start, ())
        if word == "if":
            return self._if()
        if word == "case":
            return self._case()
        if word in ("for", "while", "repeat"):
            return self._loop()
        if word == "@":
            return self._event()
        if word.startswith("$"):
            self._take()
            args = self._arguments() if self._word == "(" else ()
            return Task(token.start, self._take(";").end, line, word, args)
        if following == "=":
            assigned = self._assignment()
            end = self._take(";").end
            return Assign(token.start, end, line, assigned.name, assigned.value)
        if following == "[":
            raise self._problem(f"{word} is an array, which is not followed; a variable for each element is")
        if following == "(" and (word in self._potentials or word in self._flows):
            self._take()
            nodes = tuple(argument.text for argument in self._arguments())
            if self._word == ":":
                raise self._problem(f"{word}(...): == is not followed; contribute by <+")
            self._take("<+")
            value = self._expression()
            return Contribute(token.start, self._take(";").end, line, word, nodes, value)
        raise self._problem(f"{word!r} begins no statement that is understood")

    def _block(self) -> Block:
        first = self._take("begin")
        head = first.end
        if self._word == ":":
            self._take()
            head = self._take().end
        declares: list[str] = []
        while self._word in _SKIPPED:
            if self._word not in _TYPES:
                raise self._problem(f"{self._word} in a block is not followed; declare it in the module")
            start = self._token.start
            self._variables(self._types)
            head = self._tokens[self._at - 1].end
            declares.append(" ".join(self._source.text[start:head].split()))
        body: list[Statement] = []
        while self._word != "end":
            body.append(self._statement())
        return Block(first.start, self._take("end").end, first.line, head, tuple(body), tuple(declares))

    def _if(self) -> If:
        first = self._take("if")
        self._take("(")
        condition = self._expression()
        self._take(")")
        yes = self._statement()
        no = None
        if self._word == "else":
            self._take()
            no = self._statement()
        return If(first.start, (no or yes).end, first.line, condition, yes, no)

    def _case(self) -> Case:
        first = self._take("case")
        self._take("(")
        value = self._expression()
        self._take(")")
        items: list[tuple[tuple[Term, ...], Statement]] = []
        starts: list[int] = []
        while self._word != "endcase":
            starts.append(self._token.start)
            labels: list[Term] = []
            if self._word == "default":
                self._take()
                if self._word == ":":
                    self._take()
            else:
                labels.append(self._expression())
                while self._word == ",":
                    self._take()
                    labels.append(self._expression())
                self._take(":")
            items.append((tuple(labels), self._statement()))
        return Case(first.start, self._take("endcase").end, first.line, value, tuple(items), tuple(starts))

    def _loop(self) -> Loop:
        first = self._take()
        self._take("(")
        start = following = None
        if first.text == "for":
            start = self._assignment()
            self._take(";")
        condition = self._expression()
        if first.text == "for":
            self._take(";")
            following = self._assignment()
        self._take(")")
        body = self._statement()
        return Loop(first.start, body.end, first.line, first.text, start, condition, following, body)

    def _assignment(self) -> Assign:
        token = self._take()
        self._take("=")
        value = self._expression()
        return Assign(token.start, self._tokens[self._at - 1].end, token.line, token.text, value)

    def _event(self) -> Event:
        first = self._take("@")
        if self._word != "(":
            raise self._problem("an event stands in parentheses: @(initial_step)")
        inside = self._tokens[self._at + 1 : closing(self._tokens, self._at)]
        events: list[str] = []
        args: tuple[Term, ...] = ()
        depth = 0
        for index, token in enumerate(inside):
            if not depth and token.text not in ("or", ",", "("):
                events.append(token.text)
                if not args and index + 1 < len(inside) and inside[index + 1].text == "(":
                    args = self._at_place(self._at + 2 + index)
            depth += token.text in ("(", "[", "{", "'{")
            depth -= token.text in (")", "]", "}")
        self._at += len(inside) + 2
        body = self._statement()
        return Event(first.start, body.end, first.line, tuple(events), args, body)

    def _at_place(self, position: int) -> tuple[Term, ...]:
        """The arguments in parentheses at a position."""
        here, self._at = self._at, position
        found = self._arguments()
        self._at = here
        return found

    # expressions

    def _expression(self, level: int = 0) -> Term:
        left = self._operand()
        while self._word in OPERATORS and OPERATORS[self._word][0] > level:
            operator = self._take().text
            left = make(operator, left, self._expression(OPERATORS[operator][0]))
        if level == 0 and self._word == "?":
            self._take()
            yes = self._expression()
            self._take(":")
            left = make("?:", left, yes, self._expression())
        return left

    def _operand(self) -> Term:
        token = self._take()
        word = token.text
        if word in SIGNS:
            return make(word, self._operand())
        if word == "(":
            inner = self._expression()
            self._take(")")
            return inner
        if word.startswith('"'):
            return make("text", text=word)
        if word[0].isdigit() or word[0] == ".":
            return make("number", text=word)
        if not (word[0].isalpha() or word[0] in "_$`"):
            raise self._problem(f"{word!r} begins no expression that is understood", token)
        if self._word == "[":
            raise self._problem(f"{word} is an array, which is not followed; a variable for each element is", token)
        if self._word == "(":
            return make("call", *self._arguments(), text=word)
        return make("name", text=word)

    def _arguments(self) -> tuple[Term, ...]:
        self._take("(")
        args: list[Term] = []
        if self._word == "<":
            raise self._problem("the current of a port, (<...>), is not followed; take that of a named branch")
        while self._word != ")":
            args.append(make("text", text="") if self._word == "," else self._expression())
            if self._word == ",":
                self._take()
        self._take(")")
        return tuple(args)


def _accesses(tokens: Sequence[Token]) -> tuple[frozenset[str], frozenset[str]]:
    """Names of the access functions of potentials and of flows, with those of the file's own natures."""
    access: dict[str, str] = {}
    potentials, flows = set(_POTENTIALS), set(_FLOWS)
    nature = ""
    for index, token in enumerate(tokens[:-2]):
        if token.text == "nature":
            nature = tokens[index + 1].text
        elif token.text == "access" and nature and tokens[index + 1].text == "=":
            access[nature] = tokens[index + 2].text
        elif token.text == "potential" and tokens[index + 1].text in access:
            potentials.add(access[tokens[index + 1].text])
        elif token.text == "flow" and tokens[index + 1].text in access:
            flows.add(access[tokens[index + 1].text])
    return frozenset(potentials), frozenset(flows - potentials)
