"""Sweeps in YAML files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from spicecim.errors import InputError, TestbenchError
from spicecim.fields import Section
from spicecim.limits import DEFAULT_TIME_LIMIT
from spicecim.outside import read_text
from spicecim.problems import problems_from
from spicecim.sweeps.plan import Plan, make_plan
from spicecim.testbench import Testbench
from spicecim.yaml_text import parse_yaml


class SweepFile(Section):
    """What the file of a sweep may hold."""

    testbench: str | dict[str, Any] = Field(description="file of the testbench, relative to this one; or its sections")
    engine: str = Field(default="reference", description="engine that simulates")
    axes: dict[str, list[Any] | dict[str, Any]] = Field(
        default_factory=dict, description="values by the names of fields; a dictionary gives labels to them"
    )
    zip: list[list[str]] = Field(default_factory=list, description="groups of axes that go in step")
    corners: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="values of fields by the names of corners"
    )
    samples: int | None = Field(default=None, ge=1, description="samples at every point of the axes")
    vary: dict[str, Any] = Field(default_factory=dict, description="distributions of parameters, drawn for every cell")
    correlation: dict[str, Any] | list[list[Any]] | None = Field(
        default=None, description="correlation of these, by pairs such as 'Vp,Vn', or as a matrix"
    )
    gradients: dict[str, Any] = Field(default_factory=dict, description="change of parameters over rows and columns")
    stuck: dict[str, Any] = Field(default_factory=dict, description="shares of stuck cells: off, on")
    draw: dict[str, Any] = Field(
        default_factory=dict, description="distributions of fields as a whole, relative to the testbench's value"
    )
    design: str = Field(
        default="random", description="random, sobol, latin-hypercube, saltelli or one-at-a-time, of what is in draw"
    )
    level: float = Field(default=1.0, description="standard deviations of the design one-at-a-time")
    seed: int = Field(default=0, ge=0, description="seed of everything that is random")
    measures: list[str] = Field(default_factory=lambda: ["mean_current"], description="names of measures")
    waveforms: bool = Field(default=False, description="whether the waveforms of every run are kept")
    time_limit: float | str | None = Field(default=DEFAULT_TIME_LIMIT, description="seconds that a run may take")


def read_plan(path: str | Path) -> Plan:
    """Return the plan of a sweep in a YAML file; files that it names are looked for in its folder.

    Raises
    ------
    TestbenchError
        If it is not valid, with the names of its fields.
    InputError
        If an axis, a distribution or a measure in it is none.
    """
    path = Path(path)
    try:
        values = parse_yaml(read_text(path, "TESTBENCH_BYTES"))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    try:
        given = SweepFile.model_validate(_whole(values))
    except ValidationError as error:
        raise TestbenchError(problems_from(error, SweepFile), str(path)) from None
    if isinstance(given.testbench, str):
        bench = Testbench.from_yaml(path.parent / given.testbench)
    else:
        bench = Testbench.from_dict(given.testbench, folder=path.parent, source=str(path))
    settings = {
        name: getattr(given, name) for name in SweepFile.model_fields if name not in ("testbench", "axes", "zip")
    }
    folder = path.parent / given.testbench if isinstance(given.testbench, str) else path
    return make_plan(bench, given.axes, zip=given.zip, folder=folder.parent, **settings)


def _whole(values: Any) -> Any:
    """Numbers that are whole as such: YAML has one kind of number here."""
    if not isinstance(values, Mapping):
        return values
    return {
        name: int(value) if name in ("seed", "samples") and isinstance(value, float) and value.is_integer() else value
        for name, value in values.items()
    }
