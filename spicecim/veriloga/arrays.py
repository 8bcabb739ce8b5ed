"""Arrays of parameters, variables and nodes, which OpenVAF does not take, as one of each for every element."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple, NoReturn

from spicecim import limits
from spicecim.errors import VerilogAError
from spicecim.outside import exceeds
from spicecim.veriloga.declarations import DIRECTIONS, Token, closing, split_at_commas, statement_end
from spicecim.veriloga.expressions import Expression, ExpressionError
from spicecim.veriloga.rewriting import edited
from spicecim.veriloga.source import Source
from spicecim.veriloga.spelling import Edit, modules_of

_PARAMETERS = ("parameter", "localparam")
_TYPES = ("real", "integer")
_NODES = ("electrical", "thermal", *DIRECTIONS)


class _Array(NamedTuple):
    name: str
    places: Sequence[int]
    is_node: bool

    def element(self, place: int) -> str:
        return f"{self.name}_{place}" if place >= 0 else f"{self.name}_m{-place}"


def lower_arrays(source: Source, tokens: Sequence[Token]) -> Source:
    """Return a source in which every element of an array has a name of its own, such as ``r_0`` for ``r[0]``.

    Raises
    ------
    VerilogAError
        If the bounds of an array or the place of a node in one are not constants, or if one is used as a whole.
    """
    if not any(token.text == "[" for token in tokens):
        return source
    edits = [edit for module in modules_of(tokens) for edit in _Module(source, module).edits()]
    return edited(source, edits) if edits else source


class _Module:
    """Rewrites one module."""

    def __init__(self, source: Source, tokens: Sequence[Token]) -> None:
        self._source, self._tokens = source, tokens
        self._arrays: dict[str, _Array] = {}

    def edits(self) -> Iterator[Edit]:
        tokens, position = self._tokens, 0
        declared: list[tuple[int, int]] = []
        while position < len(tokens):
            word = tokens[position].text
            if word in (*_PARAMETERS, *_TYPES, *_NODES) and position + 1 < len(tokens):
                end = self._end(position)
                text = self._declaration(tokens[position:end]) if end > position else None
                if text is not None:
                    declared.append((position, end))
                    yield tokens[position].start, tokens[end - 1].end, text
                    position = end
            position += 1
        loops = [place for place, token in enumerate(tokens) if token.text == "for"]
        skipped = {place for start, end in declared for place in range(start, end)}
        position = 0
        while position < len(tokens):
            unrolled = self._unrolled(position) if position in loops else None
            if unrolled is not None:
                end, text = unrolled
                yield tokens[position].start, tokens[end].end, text
                position = end
            elif position not in skipped and tokens[position].text in self._arrays:
                end, text = self._use(position)
                yield tokens[position].start, tokens[end].end, text
                position = end
            position += 1

    def _end(self, start: int) -> int:
        """Position of the semicolon that ends a declaration; `start` itself where a list of ports ends it."""
        for place in range(start, len(self._tokens)):
            if self._tokens[place].text == ";":
                return place
            if self._tokens[place].text == ")" and place == closing(self._tokens, 0):
                return start
        return start

    def _declaration(self, tokens: Sequence[Token]) -> str | None:
        """The text of a declaration without arrays; None if it has none."""
        head = 0
        while tokens[head].text in (*_PARAMETERS, *_TYPES, *_NODES) and head + 1 < len(tokens):
            head += 1
        common: Sequence[int] | None = None
        start = head
        if tokens[head].text == "[":
            end = closing(tokens, head)
            common, start = self._places(tokens[head + 1 : end]), end + 1
        parts = list(split_at_commas(tokens[start:]))
        if common is None and not any(len(part) > 1 and part[1].text == "[" for part in parts):
            return None
        is_node = tokens[0].text in _NODES
        texts = [text for part in parts for text in self._parts(part, common, is_node)]
        return f"{_text(tokens[:head])} {', '.join(texts)}"

    def _parts(self, part: Sequence[Token], common: Sequence[int] | None, is_node: bool) -> Iterator[str]:
        places, rest = common, part[1:]
        if rest and rest[0].text == "[":
            end = closing(part, 1)
            places, rest = self._places(part[2:end]), part[end + 1 :]
        if places is None:
            yield _text(part)
            return
        array = self._arrays[part[0].text] = _Array(part[0].text, places, is_node)
        values: list[str] | None = None
        if rest and rest[0].text == "=":
            if rest[1].text not in ("'{", "{"):
                self._refuse(part[0], "needs a value for each element, such as '{1.0, 2.0}")
            end = closing(rest, 1)
            values, rest = [_text(value) for value in split_at_commas(rest[2:end])], rest[end + 1 :]
            if len(values) != len(places):
                self._refuse(part[0], f"has {len(places)} elements and {len(values)} values")
        for number, place in enumerate(places):
            yield " ".join(filter(None, (array.element(place), f"= {values[number]}" if values else "", _text(rest))))

    def _places(self, tokens: Sequence[Token]) -> Sequence[int]:
        middle = next((index for index, token in enumerate(tokens) if token.text == ":"), None)
        first = self._constant(tokens[:middle])
        last = self._constant(tokens[middle + 1 :]) if middle is not None else None
        if first is None or last is None:
            self._refuse(tokens[0], "the bounds of an array must be constants, such as [0:3]")
        if abs(last - first) >= limits.VERILOG_A_ELEMENTS:
            self._refuse(tokens[0], f"an array {exceeds('VERILOG_A_ELEMENTS', 'elements')}")
        return range(first, last + 1) if first <= last else range(first, last - 1, -1)

    @staticmethod
    def _constant(tokens: Sequence[Token]) -> int | None:
        try:
            value = Expression(tuple(token.text for token in tokens)).evaluate({})
        except ExpressionError:
            return None
        return value if isinstance(value, int) else None

    def _use(self, position: int) -> tuple[int, str]:
        """Where a use of an array ends, and what stands for it."""
        tokens, array = self._tokens, self._arrays[self._tokens[position].text]
        if position + 1 >= len(tokens) or tokens[position + 1].text != "[":
            self._refuse(tokens[position], "is an array; only its elements can be used, one by one")
        end = closing(tokens, position + 1)
        inside = tokens[position + 2 : end]
        place = self._constant(inside)
        if place is not None:
            if place not in array.places:
                self._refuse(tokens[position], f"has no element {place}")
            return end, array.element(place)
        if array.is_node:
            self._refuse(tokens[position], "is a list of nodes, whose places must be constants")
        index = self._rendered(inside)
        if end + 1 < len(tokens) and tokens[end + 1].text == "=":
            stop = self._end(end)
            value = self._rendered(tokens[end + 2 : stop])
            choices = [f"if (({index}) == {place}) {array.element(place)} = {value};" for place in array.places]
            return stop, f"begin {' else '.join(choices)} end"
        *others, last = array.places
        text = "".join(f"({index}) == {place} ? {array.element(place)} : " for place in others)
        return end, f"({text}{array.element(last)})"

    def _unrolled(self, position: int) -> tuple[int, str] | None:
        """Where a loop ends, and its rounds one after the other.

        Of a loop over places in arrays, by constants: what it sets is then seen to be set. None for any other.
        """
        tokens, head = self._tokens, closing(self._tokens, position + 1)
        end = statement_end(tokens, position)
        body = tokens[head + 1 : end + 1]
        if not any(token.text in self._arrays for token in body):
            return None
        parts: list[list[Token]] = [[]]
        for token in tokens[position + 2 : head]:
            if token.text == ";":
                parts.append([])
            else:
                parts[-1].append(token)
        if len(parts) != 3 or len(parts[0]) < 3 or any(token.text == "=" for token in parts[1]):
            return None
        name = parts[0][0].text
        value = self._constant(parts[0][2:])
        if any(one.text == name and two.text == "=" for one, two in itertools.pairwise(body)):
            return None
        rounds: list[str] = []
        while value is not None and (goes := self._constant_at(parts[1], name, value)):
            if len(rounds) >= limits.VERILOG_A_ELEMENTS:
                return None
            place = value
            rounds.append(self._rendered([_at(token, name, place) for token in body]))
            value = self._constant_at(parts[2][2:], name, value)
        if value is None or goes is None:
            return None
        return end, f"begin {' '.join(rounds)} {name} = {value}; end"

    def _constant_at(self, tokens: Sequence[Token], name: str, value: int) -> int | None:
        return self._constant([_at(token, name, value) for token in tokens])

    def _rendered(self, tokens: Sequence[Token]) -> str:
        """Text of tokens without arrays."""
        inner = _Module(self._source, tokens)
        inner._arrays = self._arrays
        words, position = [], 0
        while position < len(tokens):
            unrolled = inner._unrolled(position) if tokens[position].text == "for" else None
            if unrolled is not None:
                position, text = unrolled
                words.append(text)
            elif tokens[position].text in self._arrays:
                position, text = inner._use(position)
                words.append(text)
            else:
                words.append(tokens[position].text)
            position += 1
        return " ".join(words)

    def _refuse(self, token: Token, problem: str) -> NoReturn:
        name = f"{token.text} " if token.text.isidentifier() else ""
        raise VerilogAError(f"{self._source.place(token.line)}: {name}{problem}")


def _at(token: Token, name: str, value: int) -> Token:
    """A token, or the value of the variable of this name."""
    return token._replace(text=f"({value})" if value < 0 else str(value)) if token.text == name else token


def _text(tokens: Sequence[Token]) -> str:
    return " ".join(token.text for token in tokens)
