"""Cures of single mistakes, each by its name: they change what the module computes, so each has to be asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from spicecim.veriloga.cure.text import Edits
from spicecim.veriloga.declarations import ModuleDeclaration, closing
from spicecim.veriloga.expressions import ExpressionError
from spicecim.veriloga.source import Source

Change = tuple[int, int, str, int]
"""Where a change starts and ends, the new text, and its line."""


def _logarithms(declaration: ModuleDeclaration) -> Iterator[Change]:
    for token, after in zip(declaration.tokens, declaration.tokens[1:], strict=False):
        if token.text in ("log", "$log") and after.text == "(":
            yield token.start, token.end, "ln", token.line


def _exponentials(declaration: ModuleDeclaration) -> Iterator[Change]:
    for token, after in zip(declaration.tokens, declaration.tokens[1:], strict=False):
        if token.text in ("exp", "$exp") and after.text == "(":
            yield token.start, token.end, "limexp", token.line


def _ranges(declaration: ModuleDeclaration) -> Iterator[Change]:
    """Parameters that something is divided by, or whose logarithm or root is taken, without a range."""
    tokens = declaration.tokens
    divisors = set()
    for index, token in enumerate(tokens[:-1]):
        if token.text == "/" or (token.text in ("ln", "sqrt") and tokens[index + 1].text == "("):
            divisors.add(tokens[index + (1 if token.text == "/" else 2)].text)
    values: dict[str, object] = {}
    for item in declaration.parameters.values():
        try:
            values[item.name] = item.default.evaluate(values)
        except ExpressionError:
            continue
        value = values[item.name]
        if item.ranges or item.choices or item.local or item.name not in divisors or not isinstance(value, int | float):
            continue
        for index, token in enumerate(tokens[:-1]):
            if token.text == item.name and tokens[index + 1].text == "=" and value:
                end = index + 2
                depth = 0
                while tokens[end].text != ";" and not (tokens[end].text == "," and not depth):
                    depth += (tokens[end].text in "([{") - (tokens[end].text in ")]}")
                    end += 1
                place = tokens[end].start
                yield place, place, " from (0:inf)" if value > 0 else " from (-inf:0)", token.line
                break


def _rates(declaration: ModuleDeclaration) -> Iterator[Change]:
    """``x = ddt(rate)`` and ``x = x + ddt(rate)``, where the integral is meant, and contributions of ``ddt(rate)``."""
    tokens = declaration.tokens
    for index, token in enumerate(tokens[:-3]):
        if token.text != "ddt" or tokens[index + 1].text != "(":
            continue
        end = closing(tokens, index + 1)
        if tokens[end + 1].text != ";":
            continue
        names = {item.name for item in declaration.variables}
        own = index - 2
        if (
            tokens[index - 1].text == "+"
            and tokens[index - 3].text == "="
            and tokens[index - 2].text == tokens[index - 4].text
        ):
            own = index - 4
        elif tokens[index - 1].text != "=":
            own = -1
        if own >= 0 and tokens[own].text in names:
            inside = declaration.tokens[index + 1].end, tokens[end].start
            start = tokens[own + 2].start
            yield start, inside[0], "idt(", token.line
            yield inside[1], inside[1], ", 0.0", token.line
            continue
        if tokens[index - 1].text == "<+" and tokens[index + 2].text not in ("V", "q", "Q"):
            node = next((item.text for item in reversed(tokens[: index - 1]) if item.text.isidentifier()), "")
            yield token.start, tokens[index + 1].end, f"ddt(V({node})) - (", token.line


SMALL_CURES: dict[str, tuple[Callable[[ModuleDeclaration], Iterator[Change]], str]] = {
    "log": (_logarithms, "log, the logarithm to base 10, is written as ln"),
    "exp": (_exponentials, "exp is written as limexp, which goes on as a straight line where exp would overflow"),
    "from": (_ranges, "a parameter that divides, or whose logarithm or root is taken, gets a range"),
    "rate-in-ddt": (_rates, "ddt of a rate is written as the integral of it"),
    "draws": (lambda declaration: iter(()), "the mean takes the place of each random draw"),
}
"""What finds the places of each, and what it does."""


def small_edits(source: Source, declaration: ModuleDeclaration, names: Collection[str]) -> tuple[Edits, list[str]]:
    """Return the changes of the cures that are named, and what they did."""
    edits: dict[tuple[int, int], str] = {}
    told: list[str] = []
    for name in names:
        find, meaning = SMALL_CURES[name]
        changes = list(find(declaration))
        edits.update({(start, end): text for start, end, text, _ in changes})
        places = ", ".join(dict.fromkeys(str(source.place(line)) for *_, line in changes))
        told.append(f"{name}: {meaning}" + (f" ({places})" if places else ""))
    return edits, told


def small_offers(source: Source, declaration: ModuleDeclaration) -> list[str]:
    """Return what each small cure would change, for those that would change something."""
    offers = []
    for name, (find, meaning) in SMALL_CURES.items():
        places = dict.fromkeys(str(source.place(line)) for *_, line in find(declaration))
        if places:
            offers.append(f"{name}: {meaning} ({', '.join(places)})")
    return offers
