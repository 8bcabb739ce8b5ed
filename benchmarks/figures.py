"""Measured figures beside what they were asked to be, as Markdown and JSON."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from spicecim.ngspice.client import shared_worker
from spicecim.veriloga.compiler import compiler_version


class Figure(NamedTuple):
    """A measured figure: what, its value, and what it was asked to be."""

    what: str
    value: float | None
    unit: str
    wanted: str = ""
    met: bool = True


def at_least(what: str, value: float, unit: str, wanted: float) -> Figure:
    """Return a figure that should not be below what is wanted."""
    return Figure(what, float(value), unit, f"at least {wanted:g}", bool(value >= wanted))


def at_most(what: str, value: float, unit: str, wanted: float) -> Figure:
    """Return a figure that should not be above what is wanted; what is no number is not met."""
    return Figure(what, float(value), unit, f"at most {wanted:g}", bool(value <= wanted))


def not_measured(what: str, wanted: str) -> Figure:
    """Return a figure that could not be had; `what` says why."""
    return Figure(what, None, "", wanted, False)


def seconds(action: Callable[[], Any], repeats: int = 1) -> float:
    """Shortest time of an action: whatever else the machine does only adds to it."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        taken.append(time.perf_counter() - start)
    return min(taken)


def table(figures: list[Figure]) -> str:
    """The figures in Markdown."""
    lines = ["| | measured | wanted | |", "|---|---|---|---|"]
    for figure in figures:
        if figure.value is None:
            value, verdict = "", "not measured"
        else:
            value, verdict = f"{figure.value:.3g} {figure.unit}", "met" if figure.met else "missed"
        lines.append(f"| {figure.what} | {value} | {figure.wanted} | {verdict if figure.wanted else ''} |")
    return "\n".join(lines)


def machine() -> str:
    """Return what the figures were measured on."""
    can = shared_worker().capabilities()
    return f"{os.cpu_count()} cores, ngspice {can.version}, Python {platform.python_version()}, {compiler_version()}"


def output_folder() -> Path | None:
    """Return the folder that the command line names, made if need be; None if it names none."""
    if len(sys.argv) < 2:
        return None
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def measure(name: str, parts: list[Callable[[], list[Figure]]]) -> None:
    """Measure, print, and write ``name.md`` and ``name.json`` to the folder that is named, if one is."""
    figures: list[Figure] = []
    for part in parts:
        taken = time.perf_counter()
        figures += part()
        print(f"{name}, {part.__name__}: done in {time.perf_counter() - taken:.0f} s", file=sys.stderr)
    text = f"{machine()}\n\n{table(figures)}\n"
    print(text)
    folder = output_folder()
    if folder is not None:
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
        content = {"machine": machine(), "figures": [figure._asdict() for figure in figures]}
        (folder / f"{name}.json").write_text(json.dumps(content, indent=2), encoding="utf-8")
