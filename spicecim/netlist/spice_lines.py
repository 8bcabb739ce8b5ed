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
from spicecim.problems import did_you_mean

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


def read_lines(path: Path, field: str = "device.subcircuit") -> list[Line]:
    """Read a file, which a field of a testbench names, and the files of its folder that it includes.

    Raises
    ------
    SubcircuitError
        If the file cannot be read or is too large, or with the line that is refused: a command, an include from outside
        the folder.
    """
    path = _resolved(path, field)
    return _inlined(path, "", (), _Inclusion(path.parent, field, itertools.count(1)))


def read_section(path: Path, section: str, folder: Path, field: str) -> list[Line]:
    """Read a section of a library, ``.lib NAME`` to ``.endl``, and what it includes from a folder.

    Parameters
    ----------
    path
        The library; one that is in the folder.
    section
        Name of the section; empty for the whole file.
    folder
        The folder that nothing is read from outside of.
    field
        Field of a testbench that the file is named in.

    Raises
    ------
    SubcircuitError
        As `read_lines` does, or if the file has no such section.
    """
    path, folder = _resolved(path, field), _resolved(folder, field)
    if not path.is_relative_to(folder):
        raise SubcircuitError(f"{field}: {path.name} is outside of the folder {folder}, which is refused")
    return _inlined(path, section.lower(), (), _Inclusion(folder, field, itertools.count(1), sections=True))


class _Inclusion(NamedTuple):
    """What files may be included: those of a folder, and whether sections of them may be; with a count of them."""

    folder: Path
    field: str
    counted: Iterator[int]
    sections: bool = False


def _resolved(path: Path, field: str) -> Path:
    try:
        return real_path(path)
    except (OSError, ValueError) as error:
        raise SubcircuitError(f"{field}: {path} cannot be read: {error}") from None


def _inlined(path: Path, section: str, including: tuple[tuple[Path, str], ...], allowed: _Inclusion) -> list[Line]:
    lines: list[Line] = []
    every = _logical_lines(path, path.relative_to(allowed.folder).as_posix(), allowed.field)
    for line in _section(every, section, path, allowed) if allowed.sections else every:
        command = line.words[0]
        if command in _COMMANDS:
            line.refuse(f"{command}: commands are refused; take it out")
        if command == ".end":
            break
        found = INCLUDE.match(line.text)
        if not found:
            lines.append(line)
            continue
        target, wanted = _included(line, line.text[found.end() :], path, allowed)
        if (target, wanted) in (*including, (path, section)):
            line.refuse(f"{target.name} includes itself")
        if len(including) >= limits.SPICE_INCLUDE_DEPTH:
            line.refuse(f"the file {exceeds('SPICE_INCLUDE_DEPTH', 'levels of includes')}")
        if next(allowed.counted) > limits.SPICE_INCLUDES:
            line.refuse(f"the file {exceeds('SPICE_INCLUDES', 'includes')}")
        lines += _inlined(target, wanted, (*including, (path, section)), allowed)
    return lines


def _section(lines: list[Line], section: str, path: Path, allowed: _Inclusion) -> list[Line]:
    """Lines of a section of a library, without those that begin and end it; without one, those outside of sections."""
    kept: list[Line] = []
    names: list[str] = []
    within = ""
    for line in lines:
        begins = line.words[0] == ".lib" and len(line.words) == 2 and not _names_file(line.text.split()[1])
        if begins and within:
            line.refuse(f"a section begins within the section {within}; it has no .endl")
        if begins:
            within = line.words[1]
            names.append(within)
        elif line.words[0] in (".endl", ".endlib"):
            within = ""
        elif within == section:
            kept.append(line)
    if section and section not in names:
        listed = f"it has {', '.join(names)}" if names else "it has none"
        raise SubcircuitError(
            f"{allowed.field}: {path.name} has no section {section!r}; {listed}{did_you_mean(section, names)}"
        )
    return kept


def _names_file(word: str) -> bool:
    """Whether what stands behind .lib is a file, and not the name of a section that begins."""
    return bool(re.search(r"[./'\"]", word))


def _included(line: Line, rest: str, path: Path, allowed: _Inclusion) -> tuple[Path, str]:
    """The file that an include names, and which section of it; empty for none."""
    rest, section = rest.strip(), ""
    if allowed.sections and line.words[0] == ".lib":
        found = re.fullmatch(r"(\"[^\"]*\"|'[^']*'|\S+)\s+(\S+)", rest)
        rest, section = (found[1], found[2].lower()) if found else (rest, "")
    quoted = re.fullmatch(r"\"([^\"]*)\"|'([^']*)'", rest)
    if not quoted and len(rest.split()) != 1:
        line.refuse("must name one file; copy the section of a library that is meant into a file of its own")
    name = next(filter(None, quoted.groups()), "") if quoted else rest
    try:
        target = real_path(path.parent / name)
        inside = target.is_relative_to(allowed.folder)
    except (OSError, ValueError) as error:
        line.refuse(f"{name} cannot be read: {error}")
    if not inside:
        where, cure = ("folder of the PDK", "") if allowed.sections else ("file's folder", "; copy it beside the file")
        line.refuse(f"{name} is outside the {where}, which is refused{cure}")
    try:
        check_file(target, "SPICE_FILE_BYTES")
    except InputError as error:
        line.refuse(str(error))
    return target, section


def read_file(path: Path, field: str = "device.subcircuit") -> str:
    """Return the text of a file; raises `SubcircuitError` if it cannot be read."""
    try:
        content = read_bytes(path, "SPICE_FILE_BYTES")
    except InputError as error:
        raise SubcircuitError(f"{field}: {error}") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def text_lines(text: str) -> list[str]:
    """Return the lines of a text, whichever system wrote it."""
    return re.split(r"\r\n|\r|\n", text)


def _logical_lines(path: Path, name: str, field: str) -> list[Line]:
    text = read_file(path, field)
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
