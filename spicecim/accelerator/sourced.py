"""Numbers that say where they come from: published, derived, estimated or assumed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    ValidationInfo,
    model_validator,
)
from pydantic_core import core_schema

from spicecim.fields import Quantities, Quantity, Section
from spicecim.problems import FieldError
from spicecim.quantities import names_unit, shown

PROVENANCES = ("published", "derived", "estimated", "assumed")
"""Where a number may come from, the surest first."""

_LONGEST_TEXT = 1000


def _check_text(text: str) -> str:
    if not text.strip() or not text.isprintable() or len(text) > _LONGEST_TEXT:
        raise ValueError(f"must be a text of one line of {_LONGEST_TEXT} characters at most")
    return text


Text = Annotated[str, AfterValidator(_check_text)]
"""A text that can be printed: no control characters, which a terminal would act upon."""


def _check_no_truth(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


NoTruth = BeforeValidator(_check_no_truth)
"""Keeps true and false, which Python counts as 1 and 0, out of a whole number."""


FROM_FILE = {"from_file": True}
"""Context in which what a file says is checked: there every number with a dimension has its unit."""


@dataclass(frozen=True)
class _Dimensional(Quantity):
    """Annotation of a field that holds one quantity with a dimension, which a file gives with its unit."""

    example: str = ""
    """A value as it stands in a file."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(
            self._parse_stated,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda value: f"{value!r} {self.unit}", when_used="json"
            ),
        )

    def _parse_stated(self, value: Any, info: ValidationInfo) -> float:
        if info.context == FROM_FILE and not names_unit(value, self.unit):
            raise ValueError(f"must be a number with a unit, such as {self.example}")
        return self.parse(value)


class _Stated(Section):
    """What has a source."""

    published: Text | None = Field(default=None, description="where it is published")
    derived: Text | None = Field(default=None, description="how it follows from published numbers")
    estimated: Text | None = Field(default=None, description="by what rule it is estimated")
    assumed: Text | None = Field(default=None, description="why it is assumed")

    @property
    def provenance(self) -> str:
        """Which of the four kinds of source it has."""
        return next(name for name in PROVENANCES if getattr(self, name) is not None)

    @property
    def note(self) -> str:
        """What the source says of itself."""
        return str(getattr(self, self.provenance))


class Sourced(_Stated):
    """A number and where it comes from, of which there is exactly one; subclasses say what the number is."""

    value: Any

    @model_validator(mode="before")
    @classmethod
    def _check_form(cls, given: Any) -> Any:
        if isinstance(given, dict | Sourced):
            return given
        raise ValueError(f"must say where it is from, as in {{value: ..., published: table 1}}: {_SOURCES}")

    @model_validator(mode="after")
    def _check_one(self) -> Sourced:
        if sum(getattr(self, name) is not None for name in PROVENANCES) != 1:
            raise ValueError(f"must have exactly one source: {_SOURCES}")
        return self


_SOURCES = f"{', '.join(PROVENANCES[:-1])} or {PROVENANCES[-1]}"

_LARGEST = 1e9


class Watts(Sourced):
    """A power."""

    value: Annotated[float, _Dimensional("W", 0.0, _LARGEST, example="15.2 mW")]


class Joules(Sourced):
    """An energy."""

    value: Annotated[float, _Dimensional("J", 0.0, _LARGEST, example="1.67 pJ")]


class SquareMillimeters(Sourced):
    """An area in mm2, the unit of all published tables."""

    value: Annotated[float, _Dimensional("mm2", 0.0, _LARGEST, example="0.0096 mm2")]


class Seconds(Sourced):
    """A time."""

    value: Annotated[float, _Dimensional("s", 1e-15, _LARGEST, example="15.24 ns")]


class Hertz(Sourced):
    """A rate, events per second."""

    value: Annotated[float, _Dimensional("Hz", 1e-9, 1e15, example="1.2 GHz")]


class BytesPerSecond(Sourced):
    """A rate of a bus or link."""

    value: Annotated[float, _Dimensional("B/s", 0.0, 1e15, exclusive=True, example="20.48 GB/s")]


class Share(Sourced):
    """A share of a whole."""

    value: Annotated[float, Quantity("", 0.0, 1.0)]


class Number(Sourced):
    """A number above 0."""

    value: Annotated[float, Quantity("", 0.0, 1e15, exclusive=True)]


class PruningRatio(Sourced):
    """Weights over those that pruning leaves."""

    value: Annotated[float, Quantity("", 1.0, 1e6)]


class Whole(Sourced):
    """A count."""

    value: Annotated[int, Field(ge=1, le=1_000_000), NoTruth]


class Bits(Sourced):
    """Bits of a code."""

    value: Annotated[int, Field(ge=1, le=32), NoTruth]


class Shares(Sourced):
    """Shares of each number of cycles, from 0 on."""

    value: Annotated[Any, Quantities("", (1,), 0.0, 1.0)]


class SourcedSection(_Stated):
    """A section whose numbers may share one source.

    A source of the section is that of each of its numbers that is given without one:
    ``{rows: 128, columns: 128, published: section 5}``.
    """

    @model_validator(mode="before")
    @classmethod
    def _hand_down(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        source = {name: given[name] for name in PROVENANCES if given.get(name) is not None}
        if not source:
            return given
        if len(source) > 1:
            raise ValueError(f"must have one source at most: {_SOURCES}")
        for name, text in source.items():  # before it is that of every number, so that what is wrong is said once
            if not isinstance(text, str):
                raise FieldError(name, f"must be a text (given: {shown(text)})")
            try:
                _check_text(text)
            except ValueError as error:
                raise FieldError(name, f"{error} (given: {shown(text)})") from None
        numbers = {name for name, info in cls.model_fields.items() if _is_sourced(info.annotation)}
        return {
            name: {"value": value, **source}
            if name in numbers and value is not None and not isinstance(value, dict | Sourced)
            else value
            for name, value in given.items()
        }

    @property
    def numbers(self) -> dict[str, Sourced]:
        """The numbers that are given, by their names."""
        found = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: value for name, value in found.items() if isinstance(value, Sourced)}


def _is_sourced(annotation: Any) -> bool:
    kinds = get_args(annotation) or (annotation,)
    return any(isinstance(kind, type) and issubclass(kind, Sourced) for kind in kinds)
