"""Names that SPICE takes: of subcircuits and sections of a library, and of parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator

_SUBCIRCUIT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _check_subcircuit(name: str) -> str:
    if not _SUBCIRCUIT.fullmatch(name):
        raise ValueError("must be a name of letters, digits and _.+-")
    return name


def _check_parameter(name: str) -> str:
    if not _PARAMETER.fullmatch(name):
        raise ValueError("must be a name of letters, digits and underscores")
    return name


SubcircuitName = Annotated[str, AfterValidator(_check_subcircuit)]
ParameterName = Annotated[str, AfterValidator(_check_parameter)]


def check_parameter_names(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return values by the names of parameters; raises ValueError if SPICE cannot tell a name, or two of them apart."""
    for name in values:
        if not _PARAMETER.fullmatch(name):
            raise ValueError(f"{name!r} is not a name of letters, digits and underscores")
    if len({name.lower() for name in values}) < len(values):
        raise ValueError("has a name twice: upper and lower case are the same in SPICE")
    return values
