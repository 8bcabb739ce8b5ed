"""The axes of a sweep: fields and the values that they take, crossed with the other axes or in step with some."""

from __future__ import annotations

import itertools
import numbers
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spicecim.device_choice import DeviceSection
from spicecim.errors import InputError
from spicecim.fields import Section
from spicecim.quantities import shown
from spicecim.sweeps.keys import device_digest
from spicecim.sweeps.places import changed, plain_value, unit_of
from spicecim.sweeps.recipes import Scatter, is_scatter
from spicecim.testbench import Testbench

RESERVED = ("row", "column", "time", "sample", "status", "error", "seconds", "warnings")
"""Names in a dataset of a sweep that no axis may have."""


@dataclass(frozen=True)
class Axis:
    """One dimension of a sweep.

    Attributes
    ----------
    name
        Of the dimension.
    labels
        Values along it as a dataset shows them, numbers or texts, by the names of the fields.
    values
        Of each point, plain values by the names of the fields that it sets.
    sources
        Of each point, the digest of the device that it chooses; empty where it chooses none.
    units
        By the names of the fields.
    """

    name: str
    labels: dict[str, list[Any]]
    values: list[dict[str, Any]]
    sources: list[str]
    units: dict[str, str]

    def __len__(self) -> int:
        return len(self.values)


def read_axes(
    axes: Mapping[str, Any], zipped: Iterable[Iterable[str]], corners: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return the groups of fields that go in step, each with its values by field; corners are one of them.

    Raises
    ------
    InputError
        If an axis has no values, or those that go in step are not as many.
    """
    if not isinstance(axes, Mapping) or not isinstance(corners, Mapping):
        raise InputError("axes, corners: must be values by the names of fields")
    left = {str(name): _listed(name, values) for name, values in axes.items()}
    groups: list[dict[str, Any]] = []
    together = [[str(name) for name in ([] if isinstance(group, str) else group)] for group in zipped]
    if isinstance(zipped, str) or not all(map(len, together)):
        raise InputError(
            f"zip: must be groups of axes, such as [('drive.offset', 'drive.amplitude')]; it is {shown(zipped)}"
        )
    firsts = {group[0]: group for group in together}
    in_step = {name for group in together for name in group}
    for name in in_step:
        if name not in left:
            raise InputError(f"zip: {name} is no axis; axes are {', '.join(left)}")
    if sum(map(len, together)) != len(in_step):
        raise InputError("zip: an axis stands in one group only")
    for name in left:
        if name in firsts:
            group = {each: left[each] for each in firsts[name]}
            counts = {each: len(values) for each, values in group.items()}
            if len(set(counts.values())) > 1:
                raise InputError(f"zip: axes in step must have as many values as each other; they have {counts}")
            groups.append(group)
        elif name not in in_step:
            groups.append({name: left[name]})
    if corners:
        fields = list(dict.fromkeys(field for values in corners.values() for field in values))
        if not fields or any(set(values) != set(fields) for values in corners.values()):
            raise InputError(f"corners: each must give all of the fields {', '.join(fields)}")
        groups.append({"corner": corners})
    for group in groups:
        points = list(zip(*group.values(), strict=True))
        plain = [point for point in points if all(isinstance(value, str | numbers.Real) for value in point)]
        if len(set(plain)) < len(plain):
            raise InputError(f"axes.{', '.join(group)}: the same point stands twice")
    return groups


def _listed(name: Any, values: Any) -> Any:
    """Values of an axis: a list, or a dictionary of them by their labels."""
    if isinstance(values, Mapping):
        found: Any = dict(values)
    elif isinstance(values, str | set | frozenset) or not isinstance(values, Iterable):
        raise InputError(f"axes.{name}: must be a list of values; it is {shown(values)}")
    else:
        found = [each.item() if isinstance(each, np.generic) else each for each in values]
    if not len(found):
        raise InputError(f"axes.{name}: has no values")
    if name in RESERVED or name == "corner":
        raise InputError(f"axes.{name}: an axis cannot have that name")
    return found


def field_axes(groups: Sequence[dict[str, Any]], base: Testbench, scatter: Scatter, folder: str | Path) -> list[Axis]:
    """Make axes over fields of a testbench, every value tried with the first ones of the other axes.

    Raises
    ------
    InputError
        If there is no such field, or it does not take a value.
    """
    firsts = [next(iter(_points(group))) for group in groups]
    axes = []
    for number, group in enumerate(groups):
        others = {field: value for other, point in enumerate(firsts) if other != number for field, value in point[1]}
        axes.append(_field_axis(group, base, others, scatter, folder))
    return axes


def _points(group: dict[str, Any]) -> list[tuple[str, list[tuple[str, Any]]]]:
    """Of each point of a group its label, if it has one, and the values by field."""
    if list(group) == ["corner"]:
        return [(str(label), list(values.items())) for label, values in group["corner"].items()]
    columns = [
        [(str(label), (field, value)) for label, value in values.items()]
        if isinstance(values, dict)
        else [("", (field, value)) for value in values]
        for field, values in group.items()
    ]
    return [
        (next((label for label, _ in point if label), ""), [pair for _, pair in point])
        for point in zip(*columns, strict=True)
    ]


def _field_axis(
    group: dict[str, Any], base: Testbench, others: dict[str, Any], scatter: Scatter, folder: str | Path
) -> Axis:
    name = next(iter(group))
    points = _points(group)
    fields = [field for field, _ in points[0][1]]
    values: list[dict[str, Any]] = []
    sources: list[str] = []
    labels: dict[str, list[Any]] = {name: []} if name == "corner" else {field: [] for field in fields}
    units = {field: "" if is_scatter(field) else unit_of(base, field) for field in labels if field != "corner"}
    for place, (label, point) in enumerate(points):
        own = {field: _plain(value) for field, value in point}
        bench = changed(base, _of_bench({**others, **own}), folder)
        if not is_scatter(fields[0]) or len(fields) > 1:
            own = {field: _read_back(bench, field, value) for field, value in own.items()}
        scattered = {field: value for field, value in own.items() if is_scatter(field)}
        if scattered:
            try:
                scatter.changed(scattered).of(bench, 0)
            except InputError as error:
                raise InputError(f"axes.{', '.join(scattered)}: {error}") from None
        values.append(own)
        sources.append(device_digest(bench) if any(field.split(".")[0] == "device" for field in own) else "")
        for field in labels:
            given = dict(point).get(field)
            labels[field].append(label or _label(given, own.get(field), place))
    return Axis(name, {field: _uniform(each) for field, each in labels.items()}, values, sources, units)


def _of_bench(values: dict[str, Any]) -> dict[str, Any]:
    return {field: _plain(value) for field, value in values.items() if not is_scatter(field)}


def _plain(value: Any) -> Any:
    """A value that YAML could hold."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Section | DeviceSection):
        return value.model_dump(mode="json", exclude_none=True)
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _read_back(bench: Testbench, field: str, given: Any) -> Any:
    """What a testbench has made of a value: a number of a text, the values of a file."""
    if is_scatter(field) or (isinstance(given, numbers.Real) and not isinstance(given, bool)):
        return given
    found = plain_value(bench, field)
    if found is None and given is not None:
        raise InputError(
            f"axes.{field}: {shown(given)} is read from a file; give the whole section {field.split('.')[0]}"
        )
    if isinstance(given, str) and isinstance(found, list) and len({repr(each) for each in found}) == 1:
        return found[0]  # one number for all rows, however many another axis makes of them
    return found


def _label(given: Any, value: Any, place: int) -> Any:
    if isinstance(value, bool | numbers.Real | str):
        return value
    if isinstance(given, str):
        return given
    if isinstance(value, dict) and "model" in value:
        return "/".join(str(value[key]) for key in ("model", "preset") if key in value)
    return reprlib.repr(value) if value is None else f"value {place}"


def _uniform(labels: list[Any]) -> list[Any]:
    """Labels that are all numbers or all texts, no two of them the same."""
    if all(isinstance(each, numbers.Real) and not isinstance(each, bool) for each in labels):
        return labels
    texts = [str(each) for each in labels]
    if len(set(texts)) == len(texts):
        return texts
    return [f"{text} ({place})" for place, text in enumerate(texts)]


def argument_axes(groups: Sequence[dict[str, Any]]) -> list[Axis]:
    """Make axes over the arguments of a function of one's own that makes testbenches."""
    axes = []
    for group in groups:
        points = _points(group)
        values = [dict(point) for _, point in points]
        labels = {
            field: _uniform([label or _label(each[field], each[field], place) for place, (label, each) in enumerate(
                zip([label for label, _ in points], values, strict=True))])
            for field in values[0]
        }  # fmt: skip
        axes.append(Axis(next(iter(group)), labels, values, [""] * len(values), dict.fromkeys(labels, "")))
    return axes


def combinations(axes: Sequence[Axis]) -> Iterable[tuple[dict[str, Any], dict[str, str]]]:
    """Values and device digests of every point of the axes, the last axis fastest."""
    for point in itertools.product(*(range(len(axis)) for axis in axes)):
        values: dict[str, Any] = {}
        sources: dict[str, str] = {}
        for axis, place in zip(axes, point, strict=True):
            values |= axis.values[place]
            if axis.sources[place]:
                sources[axis.name] = axis.sources[place]
        yield values, sources
