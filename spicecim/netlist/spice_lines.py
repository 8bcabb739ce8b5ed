"""A SPICE file from outside as logical lines: comments gone, continuations joined, includes of its folder inlined.

Such a file is a program: ngspice would run its control blocks and read whatever file it names. So nothing of it is
passed on that was not read here, and what could run, read or write anything is refused with its line.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn

from spicecim import limits
from spicecim.errors import InputError, SubcircuitError
from spicecim.outside import check_file, exceeds, read_bytes, real_path, shortened

_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_SPACES = re.compile(r"[ \t\v\f\xa0]+")
_COMMENT = re.compile(r"(;|//|(?<!\S)\$(?=\s|$)).*")
INCLUDE = re.compile(r"\.(include|inc|lib)\b\s*", re.IGNORECASE)
_REFUSED_CHARACTER = re.compile(r"[^\t -~]|[`$\"\\]")
_COMMANDS = {".exec", ".system", ".shell"}

_CHARACTER_CURES = {
    "\N{MICRO SIGN}": "write u for micro",
    "\u03bc": "write u for micro",
    '"': "put expressions into braces",
}


class Line(NamedTuple):
    """A logical line and where it starts; a control block is one line, ``.control``.

    `numbers` are those of all lines of the file that it is made of.
    """

    file: str
    number: int
    text: str
    numbers: tuple[int, ...] = ()

    @property
    def words(self) -> list[str]:
        """Its words in lower case, as SPICE sees them."""
        return self.text.lower().split()

    def refuse(self, reason: str) -> NoReturn:
        """Raise `SubcircuitError` with the place of the line."""
        raise SubcircuitError(f"{self.file}, line {self.number}: {shortened(reason)}")

    def check_characters(self) -> None:
        """Raise `SubcircuitError` for a character that is not ASCII, or that ngspice may act upon."""
        found = _REFUSED_CHARACTER.search(self.text)
        if found:
            cure = _CHARACTER_CURES.get(found[0], "take it out")
            self.refuse(f"the character {found[0]!r} is refused; {cure}")


def read_lines(path: Path) -> list[Line]:
    """Read a file and the files of its folder that it includes.

    Raises
    ------
    SubcircuitError
        If the file cannot be read or is too large, or with the line that is refused: a command, an include from outside
        the folder.
    """
    try:
        path = real_path(path)
    except (OSError, ValueError) as error:
        raise SubcircuitError(f"device.subcircuit: {path} cannot be read: {error}") from None
    return _inlined(path, path.parent, (), itertools.count(1))


def _inlined(path: Path, folder: Path, including: tuple[Path, ...], included: Iterator[int]) -> list[Line]:
    lines: list[Line] = []
    for line in _logical_lines(path, path.relative_to(folder).as_posix()):
        command = line.words[0]
        if command in _COMMANDS:
            line.refuse(f"{command}: commands are refused; take it out")
        if command == ".end":
            break
        found = INCLUDE.match(line.text)
        if not found:
            lines.append(line)
            continue
        target = _included(line, line.text[found.end() :], path, folder)
        if target in (*including, path):
            line.refuse(f"{target.name} includes itself")
        if len(including) >= limits.SPICE_INCLUDE_DEPTH:
            line.refuse(f"the file {exceeds('SPICE_INCLUDE_DEPTH', 'levels of includes')}")
        if next(included) > limits.SPICE_INCLUDES:
            line.refuse(f"the file {exceeds('SPICE_INCLUDES', 'includes')}")
        lines += _inlined(target, folder, (*including, path), included)
    return lines


def _included(line: Line, rest: str, path: Path, folder: Path) -> Path:
    rest = rest.strip()
    quoted = re.fullmatch(r"\"([^\"]*)\"|'([^']*)'", rest)
    if not quoted and len(rest.split()) != 1:
        line.refuse("must name one file; copy the section of a library that is meant into a file of its own")
    name = next(filter(None, quoted.groups()), "") if quoted else rest
    try:
        target = real_path(path.parent / name)
        inside = target.is_relative_to(folder)
    except (OSError, ValueError) as error:
        line.refuse(f"{name} cannot be read: {error}")
    if not inside:
        line.refuse(f"{name} is outside the file's folder, which is refused; copy it beside the file")
    try:
        check_file(target, "SPICE_FILE_BYTES")
    except InputError as error:
        line.refuse(str(error))
    return target


def read_file(path: Path) -> str:
    """Return the text of a file; raises `SubcircuitError` if it cannot be read."""
    try:
        content = read_bytes(path, "SPICE_FILE_BYTES")
    except InputError as error:
        raise SubcircuitError(f"device.subcircuit: {error}") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def text_lines(text: str) -> list[str]:
    """Return the lines of a text, whichever system wrote it."""
    return re.split(r"\r\n|\r|\n", text)


def _logical_lines(path: Path, name: str) -> list[Line]:
    text = read_file(path)
    starts: list[tuple[list[int], list[str]]] = []
    """Of a logical line the numbers of the lines that it is made of, and their texts."""
    control: int | None = None
    for number, raw in enumerate(text_lines(text), start=1):
        # runs of spaces mean one, and would make searches take a time that grows with their square
        stripped = _SPACES.sub(" ", raw).strip()
        command = stripped.lower().partition(" ")[0]
        if control is not None:
            control = None if command == ".endc" else control
            starts[-1][0].append(number)
            continue
        if _CONTROL_CHARACTER.search(raw):
            Line(name, number, raw).refuse("has a control character; save the file as plain ASCII text")
        kept = "" if stripped.startswith(("*", "#", "$")) else _COMMENT.sub("", stripped).rstrip()
        if not kept:
            continue
        if kept.startswith("+"):
            if not starts:
                Line(name, number, kept).refuse("continues no line")
            starts[-1][0].append(number)
            starts[-1][1].append(kept[1:].strip())
            continue
        if command == ".control":
            control = number
        starts.append(([number], [kept]))
    if control is not None:
        Line(name, control, "").refuse(".control has no .endc")
    return [Line(name, numbers[0], " ".join(parts), tuple(numbers)) for numbers, parts in starts]
