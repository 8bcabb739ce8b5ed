"""Pydantic's validation errors as `Problem`s: the dotted name of a field, what was given, and what is allowed."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterable
from typing import Any

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


def problems_from(error: ValidationError, model: type[BaseModel], prefix: str = "") -> list[Problem]:
    """Translate a pydantic error of `model` into problems, with field names that start with `prefix`."""
    return [_problem(dict(details), model, prefix) for details in error.errors(include_url=False)]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean x?"`` for the known word closest to `word`, or an empty text."""
    close = difflib.get_close_matches(word[:_LONGEST_WORD], list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _problem(details: dict[str, Any], model: type[BaseModel], prefix: str) -> Problem:
    path, parent, own = _walk(details["loc"], model)
    cause = details.get("ctx", {}).get("error")
    if isinstance(cause, FieldError):
        path.append(cause.field)
    field = shortened(".".join(part for part in (prefix, *path) if part))
    if details["type"] == "extra_forbidden":
        known = list(parent.model_fields) if parent else []
        hint = did_you_mean(str(details["loc"][-1]), known)
        return Problem(field, "", f"unknown key; known are {', '.join(known)}{hint}")
    if details["type"] == "missing":
        return Problem(field, "", "is required")
    if details["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return _unknown_tag(field, details["ctx"])
    if details["type"] == "model_type" and own is not None:
        return Problem(field, _given(details["input"]), _no_section(details["input"], own))
    if details["type"] == "dict_type":
        return Problem(field, _given(details["input"]), f"must be names with values; it is {_kind(details['input'])}")
    if details["type"] in ("list_type", "tuple_type"):
        return Problem(field, _shorten(details["input"]), "must be a list")
    if details["type"] == "too_short":
        fewest = details["ctx"]["min_length"]
        return Problem(
            field, _shorten(details["input"]), f"must have {fewest} entr{'y' if fewest == 1 else 'ies'} at least"
        )
    reason = shortened(str(details["msg"]).removeprefix("Value error, "))
    if reason.startswith("Input"):
        reason = "i" + reason[1:]
    return Problem(field, _shorten(details["input"]), reason)


def _no_section(given: Any, model: type[BaseModel]) -> str:
    """What is said of something else in place of a section."""
    fields = model.model_fields
    required = [name for name, info in fields.items() if info.is_required()]
    keys = f"the keys {', '.join(required)}" if required else f"keys such as {', '.join(list(fields)[:3])}"
    return f"must be a section with {keys}; it is {_kind(given)}"


def _given(value: Any) -> str:
    return "" if value is None else _shorten(value)


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "something else")


_KINDS = {
    type(None): "empty", list: "a list", tuple: "a list", str: "a text", bool: "a truth value", int: "a number",
    float: "a number",
}  # fmt: skip


def _unknown_tag(field: str, context: dict[str, Any]) -> Problem:
    """A section of several kinds whose key that tells the kind is missing or unknown."""
    place = f"{field}.{str(context['discriminator']).strip(chr(39))}".lstrip(".")
    if "tag" not in context:
        return Problem(place, "", "is required")
    tag, known = str(context["tag"]), str(context["expected_tags"]).replace("'", "").split(", ")
    return Problem(
        place, shown(tag), f"unknown {place.rpartition('.')[2]}; known are {', '.join(known)}{did_you_mean(tag, known)}"
    )


def _walk(
    location: tuple[int | str, ...], model: type[BaseModel]
) -> tuple[list[str], type[BaseModel] | None, type[BaseModel] | None]:
    """Follow pydantic's location through nested models; drops the tags of unions, which users never wrote.

    Returns
    -------
    tuple
        The names on the way, the model that has the last of them, and the one model that can stand there, if any.
    """
    path: list[str] = []
    here: list[type[BaseModel]] = [model]
    parent: type[BaseModel] | None = model
    named = False
    """Whether the next part is the key of a dictionary of models."""
    for part in location:
        tagged = [m for m in here if len(here) > 1 and (part == m.__name__ or part in _tags(m))]
        if tagged:
            here = tagged
            continue
        path.append(str(part))
        if named:
            named = False
            continue
        parent = here[0] if here else None
        annotation = parent.model_fields[str(part)].annotation if parent and part in parent.model_fields else None
        here, named = _models_in(annotation), typing.get_origin(annotation) in (dict, list, tuple)
    return path, parent, here[0] if len(here) == 1 else None


def _tags(model: type[BaseModel]) -> tuple[Any, ...]:
    return tuple(
        tag for info in model.model_fields.values() for tag in typing.get_args(info.annotation) if isinstance(tag, str)
    )


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        # a base class that stands for all its kinds
        kinds = vars(annotation).get("kinds")
        return [annotation] if kinds is None else list(kinds.__get__(None, annotation)())
    return [model for argument in typing.get_args(annotation) for model in _models_in(argument)]


def _shorten(value: Any) -> str:
    return "" if isinstance(value, dict | BaseModel) else shown(value)
