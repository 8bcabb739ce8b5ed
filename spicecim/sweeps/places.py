"""Fields of a testbench by their dotted names, such as ``crossbar.wire_row``: read, set, and their units."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from spicecim.errors import InputError
from spicecim.problems import did_you_mean
from spicecim.testbench import Testbench

_SECTIONS = tuple(Testbench.model_fields)


def check_place(place: str) -> list[str]:
    """Return the parts of the name of a field; raises `InputError` where it begins with no section."""
    parts = str(place).split(".")
    if parts[0] not in _SECTIONS:
        hint = did_you_mean(parts[0], _SECTIONS)
        raise InputError(f"{place}: must be a field of a testbench, in one of {', '.join(_SECTIONS)}{hint}")
    return parts


def changed(bench: Testbench, values: Mapping[str, Any], folder: str | Path | None = None) -> Testbench:
    """Return a testbench with other values of some fields.

    Parameters
    ----------
    bench
        The testbench.
    values
        Plain values by the dotted names of fields, or of whole sections.
    folder
        Where files that are named in the values are looked for; None if there are none.

    Raises
    ------
    TestbenchError
        If the values are not valid.
    InputError
        If there is no such field.
    """
    sections: dict[str, Any] = {}
    for place, value in values.items():
        section, *parts = check_place(place)
        if not parts:
            sections[section] = value
            continue
        if section not in sections:
            own = getattr(bench, section)
            sections[section] = {} if own is None else own.model_dump(mode="json", exclude_none=True)
        if parts[0] == "parameters" and section == "device":
            _fill_parameters(bench, sections[section])
        _set(sections[section], parts, value, place)
    if not sections:
        return bench
    if folder is None:
        return bench.with_sections(**sections)
    return Testbench.from_dict({**bench.to_dict(), **sections}, folder=folder)


def _fill_parameters(bench: Testbench, device: dict[str, Any]) -> None:
    """Write out the parameters of the first preset, which a single parameter would leave out."""
    if not device.get("parameters") and "preset" not in device:
        device["parameters"] = dict(bench.device.values())


def _set(section: Any, parts: list[str], value: Any, place: str) -> None:
    *path, last = parts
    for part in path:
        section = _entered(section, part, place) if isinstance(section, list) else section.setdefault(part, {})
        if not isinstance(section, dict | list):
            raise InputError(f"{place}: {part} is a value, not a section")
    if isinstance(section, list):
        _entered(section, last, place)
        section[int(last)] = value
    else:
        section[last] = value


def _entered(values: list[Any], part: str, place: str) -> Any:
    if not part.isdecimal() or int(part) >= len(values):
        raise InputError(f"{place}: {part} must be a whole number from 0 to {len(values) - 1}")
    return values[int(part)]


def plain_value(bench: Testbench, place: str) -> Any:
    """Plain value of a field: a number, text, list or dictionary; None where it has none."""
    section, *parts = check_place(place)
    if section == "device" and parts[:1] == ["parameters"] and len(parts) > 1:
        return bench.device.values().get(parts[1])
    own = getattr(bench, section)
    value = None if own is None else own.model_dump(mode="json", exclude_none=True)
    for part in parts:
        if isinstance(value, list):
            value = _entered(value, part, place)
        elif isinstance(value, dict):
            value = value.get(part)
        else:
            return None
    return value


def numeric_value(bench: Testbench, place: str) -> Any:
    """Value of a field that is a number, or an array of them; raises `InputError` for any other."""
    value = plain_value(bench, place)
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        array = np.asarray(math.nan)
    if value is None or isinstance(value, bool) or not np.isfinite(array).all():
        raise InputError(f"draw.{place}: the testbench must have a number there; it is {value!r:.60}")
    return array


def unit_of(bench: Testbench, place: str) -> str:
    """Unit of a field; empty if it has none."""
    section, *parts = check_place(place)
    if section == "device" and parts[:1] == ["parameters"] and len(parts) > 1:
        return bench.device.unit_of(parts[1])
    if place == "analysis.temperature":
        return "K"
    own = getattr(bench, section)
    field = type(own).model_fields.get(parts[0]) if own is not None and parts else None
    # a field that may be one number or an array holds the quantity of both
    kinds = (getattr(each, "quantity", each) for each in (field.metadata if field else ()))
    return next((str(kind.unit) for kind in kinds if hasattr(kind, "unit")), "")
