"""Pydantic's validation errors as `Problem`s: the dotted name of a field, what was given, and what is allowed."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ValidationError

from spicecim.errors import Problem
from spicecim.outside import shortened
from spicecim.quantities import shown

_LONGEST_WORD = 100
"""Characters of a word that are compared with known ones: the time that takes grows with their number."""


class FieldError(ValueError):
    """Raised by a validator that sees several fields, to say which of them is wrong."""

    def __init__(self, field: str, reason: str) -> None:
        self.field = field
        super().__init__(reason)


_WANTED = {
    "dict_type": "a dictionary",
    "model_type": "a dictionary",
    "model_attributes_type": "a dictionary",
    "list_type": "a list",
    "tuple_type": "a list",
    "string_type": "a text",
    "invalid_key": "a text",
    "float_type": "a number",
    "float_parsing": "a number",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
}
"""What a value must be, by pydantic's types of errors, whose texts name Python's types."""


def problems_from(error: ValidationError, model: type[BaseModel], prefix: str = "") -> list[Problem]:
    """Translate a pydantic error of `model` into problems, with field names that start with `prefix`.

    Where a field may be of several kinds, pydantic tells what is wrong with each: the problem is with the kind that was
    followed furthest into the value, or, where none fits at all, that it is none of them.
    """
    # a list whose entries are wrong is not too short besides
    errors = [
        each
        for each in error.errors(include_url=False)
        if each["type"] != "too_short" or len(each["input"]) < each["ctx"]["min_length"]
    ]
    places = [_walk(details["loc"], model) for details in errors]
    furthest: dict[Any, int] = {}
    for place in places:
        furthest[place.choice] = max(furthest.get(place.choice, 0), len(place.path))
    found: list[Problem] = []
    for details, place in zip(errors, places, strict=True):
        problem = _problem(dict(details), place, prefix)
        if place.choice is None or len(place.path) == furthest[place.choice] > len(place.choice):
            found.append(problem)
        elif len(place.path) == furthest[place.choice]:
            last = found[-1] if found else None
            if last is not None and last.field == problem.field:
                found[-1] = last._replace(reason=f"{last.reason} or {problem.reason.removeprefix('must be ')}")
            else:
                found.append(problem)
    return found


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean x?"`` for the known word closest to `word`, or an empty text."""
    close = difflib.get_close_matches(word[:_LONGEST_WORD], list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _problem(details: dict[str, Any], place: _Place, prefix: str) -> Problem:
    path, kind = list(place.path), details["type"]
    cause = details.get("ctx", {}).get("error")
    if isinstance(cause, FieldError):
        path.append(cause.field)
    field = shortened(".".join(part for part in (prefix, *path) if part))
    if kind == "extra_forbidden":
        known = list(place.parent.model_fields) if place.parent else []
        hint = did_you_mean(str(details["loc"][-1]), known)
        return Problem(field, "", f"unknown key; known are {', '.join(known)}{hint}")
    if kind == "missing":
        return Problem(field, "", "is required")
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _unknown_tag(field, details)
    if kind == "too_short":
        fewest = details["ctx"]["min_length"]
        reason = f"must have {fewest} entr{'y' if fewest == 1 else 'ies'} at least"
        return Problem(field, _shorten(details["input"]), reason)
    reason = shortened(str(details["msg"]).removeprefix("Value error, "))
    if kind in _WANTED:
        wanted = _section(place.section) if place.section and kind == "model_type" else _WANTED[kind]
        reason = f"must be {wanted}"
        if details["input"] is None:
            reason += "; it is empty"
    elif reason.startswith("Input should be"):
        reason = "must be" + reason.removeprefix("Input should be")
    elif reason.startswith("Input"):
        reason = "i" + reason[1:]
    of_key = place.of_key or kind == "invalid_key"
    return Problem(field, _shorten(details["input"]), f"the name {reason}" if of_key else reason)


def _section(model: type[BaseModel]) -> str:
    """Words for a section: with its keys, those that it must have if there are any."""
    fields = model.model_fields
    required = [name for name, info in fields.items() if info.is_required()]
    keys = f"the keys {', '.join(required)}" if required else f"keys such as {', '.join(list(fields)[:3])}"
    return f"a section with {keys}"


def _unknown_tag(field: str, details: Mapping[str, Any]) -> Problem:
    """A section of several kinds whose key that tells the kind is missing or unknown."""
    context = details["ctx"]
    if str(context["discriminator"]).endswith("()"):  # a function tells the kind: of no dictionary, it cannot
        return Problem(field, _shorten(details["input"]), "must be a dictionary")
    place = f"{field}.{str(context['discriminator']).strip(chr(39))}".lstrip(".")
    if "tag" not in context:
        return Problem(place, "", "is required")
    tag, known = str(context["tag"]), str(context["expected_tags"]).replace("'", "").split(", ")
    return Problem(
        place, shown(tag), f"unknown {place.rpartition('.')[2]}; known are {', '.join(known)}{did_you_mean(tag, known)}"
    )


class _Place(NamedTuple):
    """Where in the input an error is.

    Attributes
    ----------
    path
        Names and numbers as the user wrote them.
    parent
        The model whose field it is.
    choice
        The part of the path that leads to the first field that may be of several kinds, None without one.
    of_key
        Whether it is the name itself that is wrong, not what it stands for.
    section
        The one model that can stand there, if any.
    """

    path: tuple[str, ...]
    parent: type[BaseModel] | None
    choice: tuple[str, ...] | None
    of_key: bool
    section: type[BaseModel] | None


def _walk(location: tuple[int | str, ...], model: type[BaseModel]) -> _Place:
    """Follow pydantic's location through annotations; drops the names of the kinds of unions, which no user wrote."""
    path: list[str] = []
    here: list[Any] = [model]
    parent: type[BaseModel] | None = model
    choice: tuple[str, ...] | None = None
    for part in location:
        if part == "[key]":
            break
        if len(here) > 1:
            fitting = [kind for kind in here if _is_named(kind, part)]
            if not all(map(_is_model, here)):
                choice = tuple(path) if choice is None else choice
                here = fitting[:1]
                continue
            if fitting:
                here = fitting
                continue
        path.append(str(part))
        kind = here[0] if here else None
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            parent = kind
            here = _kinds_of(kind.model_fields[str(part)].annotation) if part in kind.model_fields else []
        else:
            here = _kinds_of(_of_entry(kind, part))
    section = here[0] if len(here) == 1 and _is_model(here[0]) else None
    return _Place(tuple(path), parent, choice, location[-1:] == ("[key]",), section)


def _of_entry(kind: Any, part: int | str) -> Any:
    """Annotation of an entry of a dictionary, list or tuple; None without one."""
    inner, origin = typing.get_args(kind), typing.get_origin(kind)
    if origin is tuple and inner[-1:] != (...,):
        return inner[part] if isinstance(part, int) and part < len(inner) else None
    return inner[0 if origin is tuple else -1] if inner and origin in (dict, list, tuple) else None


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _is_named(kind: Any, part: int | str) -> bool:
    """Whether pydantic calls a kind of a union by this name: that of a model or its tag, ``float``, ``list[any]``."""
    if _is_model(kind):
        return part == kind.__name__ or part in _tags(kind)
    origin = typing.get_origin(kind) or kind
    return str(part).startswith(str(getattr(origin, "__name__", origin)).lower())


def _tags(model: type[BaseModel]) -> tuple[Any, ...]:
    return tuple(
        tag for info in model.model_fields.values() for tag in typing.get_args(info.annotation) if isinstance(tag, str)
    )


def _kinds_of(annotation: Any) -> list[Any]:
    """What a value of an annotation may be: itself, the members of a union, all kinds that a base class stands for."""
    if typing.get_origin(annotation) is Annotated:
        return _kinds_of(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        members = (member for member in typing.get_args(annotation) if member is not type(None))
        return [kind for member in members for kind in _kinds_of(member)]
    if annotation is None:
        return []
    kinds = vars(annotation).get("kinds") if _is_model(annotation) else None
    return [annotation] if kinds is None else list(kinds.__get__(None, annotation)())


def _shorten(value: Any) -> str:
    return "" if value is None or isinstance(value, dict | BaseModel) else shown(value)
