"""What a run did, as lines in its folder of results."""

from __future__ import annotations

import contextlib
import logging
import platform
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from spicecim.version import __version__

_LINE = "%(asctime)s %(name)s: %(message)s"
_CLOCK = "%Y-%m-%dT%H:%M:%SZ"


@contextlib.contextmanager
def logged_to(path: Path) -> Iterator[None]:
    """Write what the logger ``spicecim`` takes into a file while this context is open.

    The first line says which program ran by which command, the last one how long it took. What stands between depends
    on the level of the logger: the command line sets it to INFO or below, Python leaves it at WARNING.
    """
    logger = logging.getLogger("spicecim")
    handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(_formatter())
    logger.addHandler(handler)
    begun = time.monotonic()
    try:
        command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
        _write(handler, f"spicecim {__version__}, Python {platform.python_version()}, {platform.platform()}: {command}")
        yield
        _write(handler, f"done in {time.monotonic() - begun:.3g} s")
    finally:
        logger.removeHandler(handler)
        handler.close()


def _formatter() -> logging.Formatter:
    formatter = logging.Formatter(_LINE, _CLOCK)
    formatter.converter = time.gmtime
    return formatter


def _write(handler: logging.Handler, line: str) -> None:
    """Write a line whatever the level of the logger is; what a terminal would act upon is written by its number."""
    text = "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in " ".join(line.split())
    )
    handler.handle(logging.makeLogRecord({"name": __name__, "levelno": logging.INFO, "msg": text}))
