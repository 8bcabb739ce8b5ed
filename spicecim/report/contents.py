"""What a folder of results holds, sorted for a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import xarray as xr

from spicecim.errors import InputError, ResultsError
from spicecim.json_text import json_text
from spicecim.netcdf import read_netcdf
from spicecim.outside import parse_json, read_text
from spicecim.waveforms import load_waveforms

SUMMARIES = ("summary.json", "hysteresis.json", "fit.json", "measurement.json")
"""Names of the file that lists the others, of which a folder of results has one."""
TEXTS = {".cir": "netlist", ".yaml": "testbench", ".log": "log"}
"""Suffixes of files that are shown, and what they are."""
NAME = "report.html"
_UNITS = {"a": "A", "v": "V", "w": "W", "s": "s", "j": "J", "hz": "Hz", "ohm": "ohm", "mm2": "mm²"}
_TEXT_LENGTH = 200_000
"""Most characters of a netlist on the page; the file beside it is whole."""
_LISTED = 24
"""Longest list of numbers that stands in a table; of a longer one, its ends."""


@dataclass
class Table:
    """Numbers to read: a heading, the names of the columns, and rows of texts."""

    title: str
    columns: list[str]
    rows: list[list[str]]


class Text(NamedTuple):
    """A text to read: what it is, its name, as much of it as stands on the page, and whether that is all."""

    kind: str
    name: str
    head: str
    whole: bool


@dataclass
class Contents:
    """What is on the page; `tables` are those beside the ones of the summary."""

    folder: Path
    summary_name: str
    summary: dict[str, Any]
    claims: list[dict[str, Any]] = field(default_factory=list)
    waveforms: dict[str, xr.Dataset] = field(default_factory=dict)
    pictures: list[Path] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    sweep: xr.Dataset | None = None


def read_contents(folder: Path) -> Contents:
    """Read a folder that a command of spicecim has written.

    Raises
    ------
    ResultsError
        If it holds no summary of spicecim's, or a file that the summary names is missing.
    InputError
        If a file cannot be read.
    """
    found = [name for name in SUMMARIES if (folder / name).is_file()]
    if not found:
        raise ResultsError(f"{folder} holds no results: none of {', '.join(SUMMARIES)} is there")
    name = found[0]
    summary = parse_json(read_text(folder / name, "JSON_BYTES"))
    if not isinstance(summary, dict) or "spicecim_version" not in summary:
        raise ResultsError(f"{folder / name} was not written by spicecim: it has no spicecim_version")
    listed = [folder / each for each in summary.get("artifacts", []) if each not in (NAME, name)]
    missing = [path.name for path in listed if not path.is_file()]
    if missing:
        raise ResultsError(f"{folder}: {', '.join(missing)} is missing, which {name} lists")
    contents = Contents(folder, name, summary)
    contents.pictures = [path for path in listed if path.suffix == ".png"]
    contents.texts = [_text_of(path) for path in listed if path.suffix in TEXTS]
    contents.files = [*listed, folder / name]
    for path in listed:
        if path.name == "claims.json":
            contents.claims = _claims(path)
        elif path.suffix == ".nc":
            run = _run(path)
            if run is not None:
                contents.waveforms[path.stem] = run
    return contents


def _text_of(path: Path) -> Text:
    text = read_text(path, "DATASET_BYTES")
    return Text(TEXTS[path.suffix], path.name, text[:_TEXT_LENGTH], len(text) <= _TEXT_LENGTH)


def _claims(path: Path) -> list[dict[str, Any]]:
    claims = parse_json(read_text(path, "JSON_BYTES"))
    if not isinstance(claims, list) or not all(isinstance(claim, dict) and "verdict" in claim for claim in claims):
        raise InputError(f"{path} is no list of claims")
    return claims


def _run(path: Path) -> xr.Dataset | None:
    """Waveforms in a file; None where it holds other data. One that is damaged is an error."""
    try:
        names = set(read_netcdf(path).variables)
    except InputError as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    return load_waveforms(path) if {"testbench", "v_row"} <= names else None


def tables_of(summary: Mapping[str, Any]) -> list[Table]:
    """Sort what a summary says into tables: plain values first, then a table per group of values."""
    groups = {name: value for name, value in summary.items() if isinstance(value, dict) and value}
    plain = [[_words(name), _text(value)] for name, value in summary.items() if name not in {"artifacts", *groups}]
    tables = [Table("Summary", ["what", "value"], plain)]
    for name, group in groups.items():
        if all(isinstance(value, dict) for value in group.values()):
            columns = list(dict.fromkeys(key for value in group.values() for key in value))
            rows = [[str(key), *(_text(value.get(column)) for column in columns)] for key, value in group.items()]
            tables.append(Table(_words(name), ["", *map(_words, columns)], rows))
        else:
            tables.append(Table(_words(name), ["what", "value"], [[_words(key), _text(group[key])] for key in group]))
    return tables


def _words(name: object) -> str:
    """A name of a summary for people: words, and the unit in brackets."""
    *words, last = str(name).split("_")
    return " ".join([*words, f"({_UNITS[last]})"] if words and last in _UNITS else [*words, last])


def _text(value: Any) -> str:
    if value is None or value in ({}, []):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, list):
        return _list(value)
    if isinstance(value, dict):
        return json_text(value)
    return str(value)


def _list(values: list[Any]) -> str:
    if len(values) > _LISTED and all(isinstance(value, int | float) for value in values):
        return f"{len(values)} values, {_text(min(values))} to {_text(max(values))}"
    return ", ".join(_text(value) for value in values)
