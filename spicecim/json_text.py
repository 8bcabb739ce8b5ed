"""Results as JSON text."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spicecim.files import write_text
from spicecim.version import __version__


def json_text(values: Any) -> str:
    """Return plain values and dataclasses as readable JSON; a number that JSON has no word for becomes null."""
    return json.dumps(_jsonable(values), indent=2)


def write_summary(path: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """Write the summary of a set of results, and return its values with all files' names and spicecim's version.

    Who reads a folder of results knows it by ``artifacts`` and ``spicecim_version``.

    Parameters
    ----------
    path
        The file, in the folder that holds the other results.
    values
        Plain values and dataclasses by name.
    """
    artifacts = sorted({file.name for file in path.parent.iterdir()} - {path.name})
    summary = {"spicecim_version": __version__, **values, "artifacts": [*artifacts, path.name]}
    write_text(path, json_text(summary) + "\n")
    return summary


def _jsonable(values: Any) -> Any:
    if dataclasses.is_dataclass(values) and not isinstance(values, type):
        return _jsonable(dataclasses.asdict(values))
    if isinstance(values, dict):
        return {str(key): _jsonable(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [_jsonable(value) for value in values]
    if isinstance(values, float) and not math.isfinite(values):
        return None
    return values
