"""Files and texts from outside, read without trusting them.

A name that someone else wrote may be that of a FIFO, a device, a folder or a file of a terabyte. Everything that
spicecim reads on behalf of a user comes through here: only regular files, and never more of one than a limit allows.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

from spicecim import limits
from spicecim.errors import InputError

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def check_file(path: str | Path, limit: str) -> int:
    """Return the size of a file that may be read.

    Parameters
    ----------
    path
        The file; a link to one will do.
    limit
        Name of the number in `spicecim.limits` that holds the most bytes it may have.

    Raises
    ------
    InputError
        If it is not there, no regular file, or larger than the limit.
    """
    try:
        status = Path(path).stat()
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        raise InputError(f"{_named(path)} cannot be read: {_reason(error)}") from None
    return _checked(path, status, limit)


def real_path(path: str | Path) -> Path:
    """Return the absolute path of a file without links, whether it is there or not.

    Raises
    ------
    OSError
        If links lead in a circle, of which `Path.resolve` says nothing from Python 3.13 on.
    ValueError
        If the name has a zero byte.
    """
    found = Path(os.path.realpath(path))
    if found.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return found


def read_bytes(path: str | Path, limit: str) -> bytes:
    """Return what a regular file holds; parameters and errors are those of `check_file`."""
    check_file(path, limit)  # before opening, which a device may already act upon
    try:
        # a name may come to stand for a FIFO between the check and here; opening must not wait for its writer
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(handle, "rb") as file:
            _checked(path, os.fstat(file.fileno()), limit)
            content = file.read(getattr(limits, limit) + 1)  # it may grow, and those of /proc have no size
    except OSError as error:
        raise InputError(f"{_named(path)} cannot be read: {_reason(error)}") from None
    if len(content) > getattr(limits, limit):
        raise InputError(f"{_named(path)} {exceeds(limit, 'bytes')}")
    return content


def read_text(path: str | Path, limit: str) -> str:
    """Return the text of a regular file in UTF-8; parameters and errors are those of `check_file`."""
    try:
        return read_bytes(path, limit).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{_named(path)} is no text in UTF-8: byte {error.start} is {error.object[error.start]:#x}"
        ) from None


def parse_json(text: str | bytes) -> Any:
    """Return the values of a JSON text; raises `InputError` if it is none, too long, or nested too deep."""
    if len(text) > limits.JSON_BYTES:
        raise InputError(f"the JSON text {exceeds('JSON_BYTES', 'bytes')}")
    try:
        return json.loads(text)
    except RecursionError:
        raise InputError("the JSON text is nested too deep") from None
    except ValueError as error:
        raise InputError(f"the text is no JSON: {error}") from None


def shortened(text: str, longest: int = 300) -> str:
    """Return a text with its end left out where a message could not take it."""
    return text if len(text) <= longest else text[: longest - 3] + "..."


def exceeds(limit: str, what: str) -> str:
    """Say that something has more than a limit allows, and which limit that is."""
    return f"has more than {getattr(limits, limit):,} {what} (spicecim.limits.{limit})"


def _checked(path: str | Path, status: os.stat_result, limit: str) -> int:
    if not stat.S_ISREG(status.st_mode):
        kind = next((name for holds, name in _KINDS if holds(status.st_mode)), "something else")
        raise InputError(f"{_named(path)} is {kind}; it must be a regular file")
    if status.st_size > getattr(limits, limit):
        raise InputError(f"{_named(path)} {exceeds(limit, 'bytes')}")
    return status.st_size


def _named(path: str | Path) -> str:
    """A path as one line of text, whatever its name holds."""
    text = os.fsdecode(path)
    return shortened(text if text.isprintable() else ascii(text))


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
