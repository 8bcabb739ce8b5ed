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

from spicecim.errors import SubcircuitError

_LARGEST_FILE = 4_000_000
_DEEPEST_INCLUDE = 16
_MOST_INCLUDES = 1000

_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_COMMENT = re.compile(r"\s*(;|//|(?<!\S)\$(?=\s|$)).*")
_INCLUDE = re.compile(r"\.(include|inc|lib)\b\s*", re.IGNORECASE)
_REFUSED_CHARACTER = re.compile(r"[^\t -~]|[`$\"\\]")
_COMMANDS = {".control", ".endc", ".exec", ".system", ".shell"}

_CHARACTER_CURES = {
    "\N{MICRO SIGN}": "write u for micro",
    "\u03bc": "write u for micro",
    '"': "put expressions into braces",
}


class Line(NamedTuple):
    """A logical line and where it starts."""

    file: str
    number: int
    text: str

    @property
    def words(self) -> list[str]:
        """Its words in lower case, as SPICE sees them."""
        return self.text.lower().split()

    def refuse(self, reason: str) -> NoReturn:
        """Raise `SubcircuitError` with the place of the line."""
        raise SubcircuitError(f"{self.file}, line {self.number}: {reason}")


def read_lines(path: Path) -> list[Line]:
    """Read a file and the files of its folder that it includes.

    Raises
    ------
    SubcircuitError
        With the line that is refused: a control block, an include from outside the folder, text that is not ASCII.
    """
    path = path.resolve()
    return _inlined(path, path.parent, (), itertools.count(1))


def _inlined(path: Path, folder: Path, including: tuple[Path, ...], included: Iterator[int]) -> list[Line]:
    lines: list[Line] = []
    for line in _logical_lines(path, path.relative_to(folder).as_posix()):
        command = line.words[0]
        if command in _COMMANDS:
            line.refuse(f"{command}: commands are refused; take the control block out of the file")
        if command == ".end":
            break
        found = _INCLUDE.match(line.text)
        if not found:
            _check_characters(line)
            lines.append(line)
            continue
        target = _included(line, line.text[found.end() :], path, folder)
        if target in (*including, path) or len(including) >= _DEEPEST_INCLUDE:
            line.refuse(f"{target.name} includes itself, or includes are nested too deep")
        if next(included) > _MOST_INCLUDES:
            line.refuse(f"more than {_MOST_INCLUDES} files are included")
        lines += _inlined(target, folder, (*including, path), included)
    return lines


def _included(line: Line, rest: str, path: Path, folder: Path) -> Path:
    rest = rest.strip()
    quoted = re.fullmatch(r"\"([^\"]*)\"|'([^']*)'", rest)
    if not quoted and len(rest.split()) != 1:
        line.refuse("must name one file; copy the section of a library that is meant into a file of its own")
    name = next(filter(None, quoted.groups()), "") if quoted else rest
    target = (path.parent / name).resolve()
    if not target.is_relative_to(folder):
        line.refuse(f"{name} is outside the file's folder, which is refused; copy it beside the file")
    if not target.is_file():
        line.refuse(f"{name} does not exist in the file's folder")
    return target


def _logical_lines(path: Path, name: str) -> list[Line]:
    if path.exists() and not path.is_file():
        raise SubcircuitError(f"device.subcircuit: {path} is no plain file")
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= _LARGEST_FILE else b""
    except OSError as error:
        raise SubcircuitError(f"device.subcircuit: cannot be read: {error}") from None
    if size > _LARGEST_FILE:
        raise SubcircuitError(f"device.subcircuit: {path} has {size} bytes; at most {_LARGEST_FILE} are read")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    lines: list[Line] = []
    for number, raw in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        if _CONTROL_CHARACTER.search(raw):
            Line(name, number, raw).refuse("has a control character; save the file as plain ASCII text")
        stripped = raw.strip()
        kept = "" if stripped.startswith(("*", "#", "$")) else _COMMENT.sub("", stripped)
        if not kept:
            continue
        if not kept.startswith("+"):
            lines.append(Line(name, number, kept))
        elif lines:
            lines[-1] = lines[-1]._replace(text=f"{lines[-1].text} {kept[1:].strip()}")
        else:
            Line(name, number, kept).refuse("continues no line")
    return lines


def _check_characters(line: Line) -> None:
    found = _REFUSED_CHARACTER.search(line.text)
    if found:
        cure = _CHARACTER_CURES.get(found[0], "take it out")
        line.refuse(f"the character {found[0]!r} is refused; {cure}")
