"""The Jinja environment of the netlist templates.

A netlist is a program: a control block can run shell commands and an include reads any file. So nothing but numbers,
plain names and the checked lines of a published subcircuit passes from Python into a template's output. In a line that
is a comment, the filter ``comment`` lets any text of one line stand, which a name may not hold.
"""

from __future__ import annotations

import math
import numbers
import re
from functools import cache
from typing import Any

import jinja2

from spicecim.resources import resource_folder


class CheckedText(str):
    """What passes as it is: lines that `spicecim.netlist.foreign` has checked, and texts of comments."""

    __slots__ = ()


_PLAIN = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.,#/()^+ -]*)?")


def plain_text(text: str) -> str:
    """Return a text from outside with every character that may not stand in a netlist as an underscore."""
    return re.sub(r"[^A-Za-z0-9_.,#/()^+ -]", "_", text)


def comment_text(text: str) -> CheckedText:
    r"""Return a text from outside for a line that is a comment, and stays one line.

    What is not printable ASCII becomes an underscore. So does what ngspice may act upon: ``$``, the backquote, and a
    backslash, which at the end of a line joins it with the next.
    """
    return CheckedText(re.sub(r"[^ -~]|[`$\\]", "_", " ".join(text.split())))


def spice_text(value: Any) -> str:
    """Write a value as netlist text: a float to its last digit and without a scale suffix, an int, or a plain name.

    Checked lines of a subcircuit are returned as they are.

    Raises
    ------
    ValueError
        If the value is no finite number and no name of plain characters in one line.
    """
    if isinstance(value, str):
        if isinstance(value, CheckedText) or _PLAIN.fullmatch(value):
            return value
        raise ValueError(f"{value!r} is not a plain name and may not stand in a netlist")
    if isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a finite number and may not stand in a netlist")
    whole = not isinstance(value, float) and isinstance(value, numbers.Integral)
    return str(int(value)) if whole else repr(float(value))


@cache
def netlist_environment() -> jinja2.Environment:
    """Return the environment that renders `netlist_templates/`; an undefined name in a template is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(resource_folder("netlist_templates")),
        undefined=jinja2.StrictUndefined,
        finalize=spice_text,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters["comment"] = comment_text
    return environment
