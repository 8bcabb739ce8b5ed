"""What a folder of results holds, sorted for a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from spicecim.devices import MODELS
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
PAIRS = ["what", "value"]
"""Columns of a table of names and their values."""
_UNITS = {"a": "A", "v": "V", "w": "W", "s": "s", "j": "J", "hz": "Hz", "ohm": "ohm", "mm2": "mm²"}
"""Units by the last word of a name."""
_OWN_UNITS = {
    "residual_rms": "A",
    "series_resistance": "ohm",
    "lobe_area": "VA",
    "lobe_area_positive": "VA",
    "lobe_area_negative": "VA",
    "effective_conductance": "S",
    "in_phase_conductance": "S",
}
"""Units of names that do not end with theirs."""
_OWN_WORDS = {"worst_case_power_w": "largest instantaneous power (W)"}
"""Names that words of their own say better."""
_PLACES = {
    "columns": [("column", "column_names")],
    "engines": [("amplitude (V)", "amplitude_v"), ("frequency (Hz)", "frequency_hz")],
}
"""Groups whose lists go over columns, or over amplitudes and frequencies: their headings, and what names the places."""
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
        raise ResultsError(f"{folder / name} has no spicecim_version: it is not spicecim's, or an earlier version's")
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
    kind = "preset" if path.name == "preset.yaml" else TEXTS[path.suffix]
    return Text(kind, path.name, text[:_TEXT_LENGTH], len(text) <= _TEXT_LENGTH)


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


def outcome(summary: Mapping[str, Any]) -> tuple[bool, str] | None:
    """Whether what a summary is of came out as it should, and that in words; None where nothing was asked."""
    if "runs" in summary:
        failed, done, runs = (summary.get(name, 0) for name in ("runs_failed", "runs_done", "runs"))
        return (False, f"{failed} of {runs} runs failed") if failed else (done == runs, f"{done} of {runs} runs done")
    if "passed" not in summary:
        return None
    words = "passed" if summary["passed"] else "not passed"
    if "max_relative_error" in summary:
        of_peak = f"{_text(summary['max_relative_error'])} of a column's peak"
        words += f": the engines differ by at most {of_peak}, tolerance {_text(summary['tolerance'])}"
    if summary.get("failure"):
        words += f": {summary['failure']}"
    elif "converged" in summary:
        words += f": {summary['converged']} of {summary['cells']} cells are within the tolerance"
    return bool(summary["passed"]), words


def tables_of(summary: Mapping[str, Any]) -> list[Table]:
    """Sort what a summary says into tables: plain values first, then a table per group of values."""
    groups = {name: value for name, value in summary.items() if isinstance(value, dict) and value}
    plain = [[_words(name), _text(value)] for name, value in summary.items() if name not in {"artifacts", *groups}]
    tables = [Table("Summary", PAIRS, plain)]
    for name, group in groups.items():
        nested = all(isinstance(value, dict) for value in group.values())
        if name in _PLACES and nested:
            tables += _tables_over_places(name, group, summary)
        elif group.keys() == {"parameters", "matrix"}:
            rows = [[str(of), *map(_text, row)] for of, row in zip(*group.values(), strict=False)]
            tables.append(Table(_words(name), ["name", *group["parameters"]], rows))
        elif nested:
            columns = list(dict.fromkeys(key for value in group.values() for key in value))
            rows = [[str(key), *(_text(value.get(column)) for column in columns)] for key, value in group.items()]
            tables.append(Table(_words(name), ["name", *map(_words, columns)], rows))
        else:
            units = _parameter_units(summary) if name in {"parameters", "fixed"} else {}
            rows = [
                [f"{key} ({units[key]})" if units.get(key) else _words(key), _text(value)]
                for key, value in group.items()
            ]
            tables.append(Table(_words(name), PAIRS, rows))
    return tables


def _tables_over_places(name: str, group: dict[str, dict[str, Any]], summary: Mapping[str, Any]) -> list[Table]:
    """Tables with a row per engine and place, one for lists and one for lists of lists."""
    found = {engine: {key: np.array(value, dtype=object) for key, value in of.items()} for engine, of in group.items()}
    # of one amplitude there is no list, and then no place
    all_places = [place for place in _PLACES[name] if isinstance(summary.get(place[1], []), list)]
    tables = []
    for rank in sorted({value.ndim for of in found.values() for value in of.values()}, reverse=True):
        places = all_places[:rank]
        columns = list(dict.fromkeys(key for of in found.values() for key, value in of.items() if value.ndim == rank))
        rows = []
        for engine, of in found.items():
            for place in np.ndindex(of[columns[0]].shape):
                labels = [
                    _text(summary[named][at] if named in summary else at)
                    for (_, named), at in zip(places, place, strict=True)
                ]
                rows.append(
                    [engine, *labels, *(_text(of[column][place] if column in of else None) for column in columns)]
                )
        headings = [heading for heading, _ in places]
        tables.append(Table(_words(name), ["engine", *headings, *map(_words, columns)], rows))
    return tables


def _parameter_units(summary: Mapping[str, Any]) -> dict[str, str]:
    """Units of the parameters of the library's model that a summary is of; none for other devices."""
    model = summary.get("model", summary.get("device"))
    return MODELS[model].units() if isinstance(model, str) and model in MODELS else {}


def _words(name: object) -> str:
    """A name of a summary for people: words, and the unit in brackets."""
    if name in _OWN_WORDS:
        return _OWN_WORDS[str(name)]
    if name in _OWN_UNITS:
        return f"{str(name).replace('_', ' ')} ({_OWN_UNITS[str(name)]})"
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
