"""Results as JSON text."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any


def json_text(values: Any) -> str:
    """Return plain values and dataclasses as readable JSON; a number that JSON has no word for becomes null."""
    return json.dumps(_jsonable(values), indent=2)


def write_json(path: Path, values: Any) -> None:
    """Write plain values and dataclasses to a file as readable JSON."""
    path.write_text(json_text(values) + "\n", encoding="utf-8")


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
