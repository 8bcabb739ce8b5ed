"""Where in a person's own code something stands, for messages about it."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pydantic

_PACKAGE = Path(__file__).parent
_LIBRARIES = (str(_PACKAGE), *(str(Path(str(module.__file__)).parent) for module in (np, pydantic)))
"""Folders of code that is not the person's own."""
_MODELS = str(_PACKAGE / "devices" / "models")
"""Models of the library are as those of a person."""
_STANDARD = str(Path(inspect.__file__).parent)


def named(thing: Any) -> str:
    """Name of a class or function, with the file and line where it stands as far as they are known."""
    if not hasattr(thing, "__qualname__"):
        return repr(thing)
    name = f"class {thing.__qualname__}" if isinstance(thing, type) else thing.__qualname__
    place = _definition(thing)
    return f"{name} ({place})" if place else name


def current_line() -> str:
    """Line of the person's own code that is being run."""
    return _last_own(traceback.extract_stack())


def line_of(error: BaseException) -> str:
    """Line of the person's own code at which an error came up."""
    if isinstance(error, SyntaxError) and error.filename:
        return _line(error.filename, error.lineno)
    return _last_own(traceback.extract_tb(error.__traceback__))


def _definition(thing: Any) -> str:
    if isinstance(thing, type):
        try:
            return _line(inspect.getfile(thing), inspect.getsourcelines(thing)[1])
        except (OSError, TypeError):  # defined at a prompt: its methods know their lines
            functions = [inspect.unwrap(member) for member in vars(thing).values() if inspect.isfunction(member)]
            codes = [function.__code__ for function in functions if function.__module__ == thing.__module__]
    else:
        code = getattr(inspect.unwrap(thing) if callable(thing) else thing, "__code__", None)
        codes = [code] if code is not None else []
    first = min(codes, key=lambda code: code.co_firstlineno, default=None)
    return _line(first.co_filename, first.co_firstlineno) if first else ""


def _last_own(frames: Iterable[traceback.FrameSummary]) -> str:
    for frame in reversed(list(frames)):
        file = frame.filename
        standard = file.startswith(_STANDARD) and "site-packages" not in file
        foreign = file.startswith(("<frozen ", *_LIBRARIES)) and not file.startswith(_MODELS)
        if not standard and not foreign:
            return _line(file, frame.lineno) + (f" ({frame.line})" if frame.line else "")
    return ""


def _line(file: str, number: int | None) -> str:
    return f"line {number} of {Path(file).name}"
