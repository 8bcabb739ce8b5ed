"""The text of a file that is cured: macros expanded, comments kept, and what is changed in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from spicecim.veriloga.expressions import TOKEN
from spicecim.veriloga.source import Place, Source

_COMMENT_OR_STRING = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_EMPTY_LINES = re.compile(r"\n[ \t]*(\n[ \t]*){2,}\n")

Edits = Mapping[tuple[int, int], str]
"""New texts by the place of what they stand for."""


class Text:
    """A text with its comments, and the same as a `Source` in which these are blanks."""

    def __init__(self, path: Path, text: str, places: list[Place] | None = None) -> None:
        self.path, self.text = path, text
        lines = _blanked(text).split("\n")
        given = places or [Place(path, number) for number in range(1, len(lines) + 1)]
        self.source = Source(path, {path: text}, lines, given)

    @classmethod
    def of(cls, source: Source) -> Text:
        """Return the text of a file with what it includes and expands, and comments where lines are as in the file."""
        raw = {path: content.split("\n") for path, content in source.files.items()}
        lines = []
        for line, place in zip(source.lines, source.places, strict=True):
            own = raw[place.file][place.line - 1] if place.line <= len(raw[place.file]) else ""
            lines.append(own if _words(_blanked(own)) == _words(line) else line)
        return cls(source.path, "\n".join(lines), list(source.places))

    def edited(self, edits: Edits) -> str:
        """Return the text with changes; those inside of others count if these keep what they stand for.

        A line of which nothing is left goes.
        """
        text, end = self.text, len(self.text) + 1
        # what is changed as a whole needs no changes inside
        kept: list[tuple[int, int, str]] = []
        for (start, stop), new in sorted(edits.items(), key=lambda item: (item[0][0], -item[0][1])):
            if kept and start < kept[-1][1]:
                continue
            kept.append((start, stop, new))
        for start, stop, new in reversed(kept):
            head, tail = text[:start], text[stop:]
            if not new and stop < end:
                line_start = head.rfind("\n") + 1
                line_stop = tail.find("\n")
                if not head[line_start:].strip() and not _blanked(tail[:line_stop]).strip() and line_stop >= 0:
                    head, tail = head[:line_start], tail[line_stop + 1 :]
            text = head + new + tail
        return text


def tidy(text: str) -> str:
    """Return a text without runs of empty lines, and with no blanks at the ends of lines."""
    lines = "\n".join(line.rstrip() for line in text.split("\n"))
    return _EMPTY_LINES.sub("\n\n", lines).strip("\n") + "\n"


def _blanked(text: str) -> str:
    """The text with blanks for comments, each character one."""

    def blank(found: re.Match[str]) -> str:
        word = found.group()
        return word if word.startswith('"') else re.sub(r"[^\n]", " ", word)

    return _COMMENT_OR_STRING.sub(blank, text)


def _words(line: str) -> list[str]:
    return [found.group().strip() for found in TOKEN.finditer(line) if found.group().strip()]
