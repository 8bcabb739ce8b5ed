"""Verilog-A source text: includes inlined and macros expanded, with the place that every line comes from.

OpenVAF preprocesses for itself. This second preprocessor exists because some of what a model says never reaches
OpenVAF's intermediate form (bounds of parameters, `$bound_step`, whether a variable is read before it is assigned), and
because a compiled model is cached by the content of all files that it is made of.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from spicecim import limits
from spicecim.deadline import check_deadline
from spicecim.errors import InputError, VerilogAError
from spicecim.outside import exceeds, read_bytes
from spicecim.veriloga.expressions import CONSTANTS

if TYPE_CHECKING:
    from spicecim.veriloga.draws import Draw

STANDARD_HEADERS = {"disciplines.vams", "constants.vams", "discipline.h", "constants.h"}
"""Headers that OpenVAF carries: they stay includes where no such file lies beside the model."""

_COMMENT_OR_STRING = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_MACRO = re.compile(r'"(?:\\.|[^"\\\n])*"|`([A-Za-z_]\w*)')
_NAME = re.compile(r'"(?:\\.|[^"\\\n])*"|[A-Za-z_]\w*')
_DIRECTIVE = re.compile(r'"(?:\\.|[^"\\\n])*"|`(include|define|undef|ifdef|ifndef|elsif|else|endif)\b')
_PIECE = re.compile(r'"(?:\\.|[^"\\\n])*"|[^"]')
_HEADER_LIKE = re.compile(r"(discipline|constant)s?\b", re.IGNORECASE)
"""Names under which the standard headers are included."""
_WORD = re.compile(r"\s*([A-Za-z_]\w*)")
_FILE = re.compile(r'\s*"([^"\n]+)"')
_DEFINITION = re.compile(r"\s*([A-Za-z_]\w*)(\(([^)]*)\))?(.*)", re.DOTALL)
_ARGUMENTS_COST = 10
"""How much longer it takes to look at a character for arguments."""
_LEAST_COST = 50
"""Characters that an expansion takes as long as, whatever there is to expand."""

_PREDEFINED = {"__OPENVAF__", "__VAMS__", "__VAMS_COMPACT_MODELING__"}
"""Macros that OpenVAF defines."""

_DEFINED_BY = {
    "disciplines": {"DISCIPLINES_VAMS"},
    "constants": {"CONSTANTS_VAMS", *(name.removeprefix("`") for name in CONSTANTS)},
}
"""Macros that the standard headers define, by the name of the header without its suffix."""


@dataclass(frozen=True)
class Place:
    """A line of a file."""

    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.file.name}:{self.line}"


@dataclass(frozen=True)
class Source:
    """A Verilog-A file with all that it includes.

    Attributes
    ----------
    path
        The file.
    files
        Content of the file and of every file included, by path.
    lines
        The preprocessed text, line by line, without comments.
    places
        Where each line of it comes from.
    rewritten
        Whether something in it was written anew, so that OpenVAF cannot compile the file itself.
    parts
        Modules that others hold instances of.
    draws
        Calls that draw random numbers, by module, as far as they became nodes (see `draws`).
    """

    path: Path
    files: dict[Path, str]
    lines: list[str]
    places: list[Place]
    rewritten: bool = False
    parts: frozenset[str] = frozenset()
    draws: Mapping[str, tuple[Draw, ...]] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The preprocessed text."""
        return "\n".join(self.lines) + "\n"

    @property
    def digest(self) -> str:
        """SHA-256 of the content of all files, as hexadecimal text; their names do not count."""
        digest = hashlib.sha256()
        for content in self.files.values():
            digest.update(hashlib.sha256(content.encode()).digest())
        return digest.hexdigest()

    def place(self, line: int) -> Place:
        """Where a line of the preprocessed text, counted from 1, comes from."""
        return self.places[min(max(line, 1), len(self.places)) - 1] if self.places else Place(self.path, 1)


def read_source(path: str | Path) -> Source:
    """Read and preprocess a Verilog-A file.

    Raises
    ------
    VerilogAError
        If the file or one that it includes cannot be read, or if a conditional directive has no partner.
    """
    reader = _Reader(Path(path).absolute())
    reader.read(reader.source.path, None)
    if reader.conditions:
        raise VerilogAError(f"{reader.conditions[-1].place}: `ifdef without `endif")
    # a path before the name of a standard header means nothing to OpenVAF
    return replace(reader.source, rewritten=reader.renamed)


@dataclass
class _Macro:
    arguments: list[str] | None
    body: str


@dataclass
class _Condition:
    place: Place
    around: bool
    """Whether the lines around it count."""
    active: bool
    """Whether those of the present branch count, if they do."""
    taken: bool
    """Whether some branch so far counted."""


@dataclass
class _Reader:
    path: Path
    macros: dict[str, _Macro] = field(default_factory=dict)
    conditions: list[_Condition] = field(default_factory=list)
    defined: set[str] = field(default_factory=lambda: set(_PREDEFINED))
    """Names of macros that OpenVAF expands."""
    depth: int = 0
    renamed: bool = False
    """Whether a standard header is included under another path."""
    expanded: int = 0
    """Characters that were looked at for macros."""

    def __post_init__(self) -> None:
        self.source = Source(self.path, {}, [], [])

    def read(self, path: Path, included_at: Place | None) -> None:
        """Append a file's lines to the preprocessed text."""
        where = f"{included_at}: " if included_at else ""
        if self.depth > limits.VERILOG_A_DEPTH:
            raise VerilogAError(
                f"{where}a chain of includes {exceeds('VERILOG_A_DEPTH', 'files')}; does a file include itself?"
            )
        try:
            written = read_bytes(path, "VERILOG_A_FILE_BYTES")
            content = written.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
        except UnicodeDecodeError as error:
            place = Place(path, written[: error.start].count(b"\n") + 1)
            raise VerilogAError(
                f"{where}{place} is not in UTF-8, which OpenVAF reads; convert the file, such as by "
                "iconv -f latin1 -t utf-8"
            ) from None
        except InputError as error:
            raise VerilogAError(f"{where}{error}") from None
        if "\0" in content:
            place = Place(path, content[: content.index("\0")].count("\n") + 1)
            raise VerilogAError(f"{where}{place} holds a zero byte: the file is no text")
        self.source.files[path] = content
        self.depth += 1
        lines = _without_comments(content).split("\n")
        number = 0
        while number < len(lines):
            place, first = Place(path, number + 1), number
            while lines[number].endswith("\\") and number + 1 < len(lines):
                lines[number] = lines[number][:-1]
                number += 1
            number += 1
            line = "\n".join(lines[first:number])
            # the arguments of a macro may go on over several lines
            while self._active and not _directive(line) and self._expand(line, place) is None:
                if number == len(lines) or _directive(lines[number]):
                    raise VerilogAError(f"{place}: the arguments of a macro do not end")
                if number - first > limits.VERILOG_A_CALL_LINES:
                    long = exceeds("VERILOG_A_CALL_LINES", "lines")
                    raise VerilogAError(f"{place}: the arguments of a macro do not end: its call {long}")
                line += "\n" + lines[number]
                number += 1
            self._read_line(line, place)
        self.depth -= 1

    @property
    def _active(self) -> bool:
        """Whether the lines that are read count."""
        return not self.conditions or (self.conditions[-1].around and self.conditions[-1].active)

    def _read_line(self, line: str, place: Place) -> None:
        """Append a line, and obey the directives in it."""
        start, found = 0, _directive(line)
        while True:
            text = line[start : found.start()] if found else line[start:]
            if self._active and (text.strip() or (not found and not start)):
                expanded = self._expand(text, place)
                if expanded is None:
                    raise VerilogAError(f"{place}: the arguments of a macro do not end")
                self._emit(expanded, place)
            if not found:
                return
            start = self._obey(found.group(1), line, found.end(), place)
            found = _directive(line, start)

    def _spend(self, characters: int, place: Place) -> None:
        """Count characters that are looked at."""
        self.expanded += characters
        if self.expanded > limits.VERILOG_A_EXPANSION:
            raise VerilogAError(f"{place}: the expansion of macros {exceeds('VERILOG_A_EXPANSION', 'characters')}")
        check_deadline()

    def _emit(self, text: str, place: Place) -> None:
        for line in text.split("\n"):
            self.source.lines.append(line)
            self.source.places.append(place)

    def _obey(self, directive: str, line: str, start: int, place: Place) -> int:
        """Obey a directive, and return where on its line what stands behind it begins."""
        if directive == "define":
            if self._active:
                self._define(line[start:], place)
            return len(line)
        if directive == "include":
            quoted = _FILE.match(line, start)
            if not self._active:
                return quoted.end() if quoted else start
            if not quoted:
                raise VerilogAError(
                    f'{place}: `include needs a file name in quotes, such as `include "disciplines.vams"'
                )
            self._include(quoted.group(1), place)
            return quoted.end()
        name = ""
        if directive in ("ifdef", "ifndef", "elsif", "undef"):
            word = _WORD.match(line, start)
            if not word:
                raise VerilogAError(f"{place}: `{directive} needs the name of a macro")
            name, start = word.group(1), word.end()
        known = name in self.macros or name in self.defined
        if directive in ("ifdef", "ifndef"):
            active = known == (directive == "ifdef")
            self.conditions.append(_Condition(place, self._active, active, active))
        elif directive == "undef":
            if self._active:
                self.macros.pop(name, None)
                self.defined.discard(name)
        elif not self.conditions:
            raise VerilogAError(f"{place}: `{directive} without `ifdef")
        elif directive == "endif":
            self.conditions.pop()
        else:
            condition = self.conditions[-1]
            condition.active = not condition.taken and (directive == "else" or known)
            condition.taken = condition.taken or condition.active
        return start

    def _include(self, name: str, place: Place) -> None:
        path = place.file.parent / name
        header = Path(name).name
        if not path.exists() and header not in STANDARD_HEADERS:
            other_name = _HEADER_LIKE.match(header)
            if other_name:
                wanted = f"{other_name.group(1).lower().removesuffix('s')}s.vams"
                raise VerilogAError(f'{place}: there is no {name}; the standard header is `include "{wanted}"')
        if not path.exists() and header in STANDARD_HEADERS:
            other = sorted(name for name in self.macros if name.startswith("PHYSICAL_CONSTANTS_"))
            if other:
                raise VerilogAError(f"{place}: {other[0]} is not supported; the constants are those of NIST 1998")
            self._emit(f'`include "{header}"', place)
            self.renamed = self.renamed or name != header
            self.defined |= _DEFINED_BY[header.partition(".")[0].removesuffix("s") + "s"]
            return
        self.read(path, place)

    def _define(self, rest: str, place: Place) -> None:
        found = _DEFINITION.fullmatch(rest)
        if not found:
            raise VerilogAError(f"{place}: `define needs a name")
        name, has_arguments, arguments, body = found.groups()
        names = [item.strip() for item in arguments.split(",")] if has_arguments and arguments.strip() else []
        self.macros[name] = _Macro(names if has_arguments else None, body.strip().replace("\n", " "))

    def _expand(self, text: str, place: Place, depth: int = 0) -> str | None:
        """Expand the macros in a text; None if the arguments of one do not end in it."""
        if depth > limits.VERILOG_A_DEPTH:
            raise VerilogAError(
                f"{place}: a chain of macros {exceeds('VERILOG_A_DEPTH', 'macros')}; does one expand to itself?"
            )
        self._spend(_LEAST_COST + len(text), place)
        parts, position = [], 0
        for found in _MACRO.finditer(text):
            if found.start() < position or found.group(1) not in self.macros:
                continue  # a string, a macro of a standard header, or one inside arguments that were taken already
            macro, end = self.macros[found.group(1)], found.end()
            body = macro.body
            if macro.arguments is not None:
                taken = _arguments(text, end)
                self._spend(_ARGUMENTS_COST * ((taken[1] if taken else len(text)) - end), place)
                if taken is None:
                    if text[end:].strip() and not text[end:].lstrip().startswith("("):
                        raise VerilogAError(f"{place}: the macro {found.group()} needs arguments in parentheses")
                    return None
                values, end = taken
                if len(values) != len(macro.arguments):
                    wanted = len(macro.arguments)
                    raise VerilogAError(f"{place}: {found.group()} takes {wanted} arguments; it gets {len(values)}")
                table = dict(zip(macro.arguments, values, strict=True))
                body = _NAME.sub(lambda word, table=table: table.get(word.group(), word.group()), body)  # type: ignore[misc]
            expanded = self._expand(body, place, depth + 1)
            if expanded is None:
                raise VerilogAError(f"{place}: the macro {found.group()} ends inside the arguments of another")
            parts += [text[position : found.start()], expanded]
            position = end
        return "".join([*parts, text[position:]])


def _without_comments(text: str) -> str:
    """Blank comments, keeping every line end."""

    def blank(found: re.Match[str]) -> str:
        return found.group() if found.group().startswith('"') else " " + "\n" * found.group().count("\n")

    return _COMMENT_OR_STRING.sub(blank, text.replace("\r\n", "\n"))


def _directive(text: str, start: int = 0) -> re.Match[str] | None:
    """The first directive in a text from a place on."""
    return next((found for found in _DIRECTIVE.finditer(text, start) if found.group(1)), None)


def _arguments(text: str, start: int) -> tuple[list[str], int] | None:
    """Read the arguments in parentheses at `start`, and where they end; None if they do not."""
    opening = re.compile(r"\s*\(").match(text, start)
    if not opening:
        return None
    values, depth, begin = [], 0, opening.end()
    for found in _PIECE.finditer(text, opening.end()):
        character, position = found.group(), found.start()
        if character in "([{":
            depth += 1
        elif character in ")]}" and depth:
            depth -= 1
        elif character == ")" or (character == "," and not depth):
            values.append(text[begin:position].strip())
            begin = position + 1
            if character == ")":
                return ([] if values == [""] else values), position + 1
    return None
