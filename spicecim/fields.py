"""The kinds of field that a testbench is made of: sections, quantities and arrays of quantities."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError, ValidationInfo
from pydantic_core import core_schema

from spicecim.array_files import load_array
from spicecim.errors import InputError, QuantityError, TestbenchError
from spicecim.outside import real_path
from spicecim.problems import problems_from
from spicecim.quantities import is_denormal, parse_quantity

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)

FloatArray = NDArray[np.float64]

_ITEM_SCHEMAS: list[dict[str, Any]] = [{"type": "number"}, {"type": "string"}]


class _SectionMeta(ModelMetaclass):
    """Turns pydantic's error into `TestbenchError` where a user builds a section by calling its class."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().__call__(*args, **kwargs)
        except ValidationError as error:
            raise TestbenchError(problems_from(error, cls), cls.__name__) from None  # type: ignore[arg-type]


class Section(BaseModel, metaclass=_SectionMeta):
    """A frozen part of a testbench that knows no other keys than its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other) or not isinstance(other, Section):
            return NotImplemented
        return all(_are_equal(getattr(self, name), getattr(other, name)) for name in type(self).model_fields)

    __hash__ = None  # type: ignore[assignment]


def _are_equal(one: Any, other: Any) -> bool:
    """Whether two values of a field are equal; a dictionary may hold arrays."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(np.array_equal(one[key], other[key]) for key in one)
    return np.array_equal(one, other)


@dataclass(frozen=True)
class Quantity:
    """Annotation of a field that holds one quantity in `unit`, from `minimum` (above it if `exclusive`) to `maximum`.

    Below `smallest`, 0 alone is allowed.
    """

    unit: str
    minimum: float = -math.inf
    maximum: float = math.inf
    exclusive: bool = False
    smallest: float = 0.0

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.parse)

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": _ITEM_SCHEMAS}

    def parse(self, value: Any) -> float:
        """Return the number of what a field is given, in the unit."""
        number = parse_quantity(value, self.unit)
        _check_bounds(np.asarray(number), self.minimum, self.maximum, self.exclusive)
        if 0 < abs(number) < self.smallest:
            raise ValueError(f"must be 0 or at least {self.smallest:g} {self.unit}; it is {number:g}")
        return number


ABSOLUTE_ZERO = -273.15
"""Temperature (degrees Celsius) of 0 K."""


@dataclass(frozen=True)
class Temperature:
    """Annotation of a field that holds a temperature (K); a text may be in degrees Celsius, such as ``"85 °C"``."""

    minimum: float
    maximum: float

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self._parse)

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": _ITEM_SCHEMAS}

    def _parse(self, value: Any) -> float:
        text = value.strip() if isinstance(value, str) else ""
        for unit, zero in (("°C", ABSOLUTE_ZERO), ("degC", ABSOLUTE_ZERO), ("K", 0.0)):
            if text.endswith(unit):
                number = parse_quantity(text.removesuffix(unit).strip()) - zero
                break
        else:
            number = parse_quantity(value)
        _check_bounds(np.asarray(number), self.minimum, self.maximum, exclusive=False)
        return number


@dataclass(frozen=True)
class Quantities:
    """Annotation of a field that holds an array of quantities; a text that ends in .npy or .npz is read as a file.

    The array may have one of the numbers of `dimensions`, and values from `minimum` (above it if `exclusive`) to
    `maximum`. Values that are at most `slack` beyond these become them.
    """

    unit: str
    dimensions: tuple[int, ...]
    minimum: float = -math.inf
    maximum: float = math.inf
    exclusive: bool = False
    slack: float = 0.0

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(
            self.parse,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda values: values.tolist()),
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        choices: list[dict[str, Any]] = [{"type": "string"}]
        for dimension in self.dimensions:
            nested: dict[str, Any] = {"anyOf": _ITEM_SCHEMAS}
            for _ in range(dimension):
                nested = {"type": "array", "items": nested}
            choices.append(nested)
        return {"anyOf": choices}

    def parse(self, value: Any, info: core_schema.ValidationInfo) -> FloatArray:
        """Return an array of what a field is given; its context may name the folder of files."""
        if is_array_file(value):
            value = _load_array(value.strip(), Path((info.context or {}).get("folder", ".")))
        if np.ma.is_masked(value):
            raise QuantityError("is an array with masked entries; fill them, such as by its method filled")
        if self.slack and isinstance(value, np.ndarray) and value.dtype.kind == "f":
            value = np.where(is_denormal(value), 0.0, value)  # what a state decayed to
        array = _to_floats(value, self.unit)
        if array.ndim not in self.dimensions or array.size == 0:
            wanted = {0: "one number", 1: "a list of numbers", 2: "a list of rows with as many numbers each"}
            choices = " or ".join(wanted[dimension] for dimension in self.dimensions)
            raise ValueError(f"must be {choices}; its shape is {array.shape}")
        if self.slack:
            inside = np.clip(array, self.minimum, self.maximum)
            array = np.where(np.abs(array - inside) <= self.slack, inside, array)
        _check_bounds(array, self.minimum, self.maximum, self.exclusive)
        array.flags.writeable = False
        return array


@dataclass(frozen=True)
class QuantityOrArray:
    """Annotation of a field that holds one quantity, or an array of these with one of the numbers of `dimensions`.

    One quantity stays a plain number.
    """

    quantity: Quantity
    dimensions: tuple[int, ...]

    @property
    def unit(self) -> str:
        """Unit of the quantity."""
        return self.quantity.unit

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(
            self._parse,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda values: values.tolist() if isinstance(values, np.ndarray) else values
            ),
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        of_one = self.quantity.__get_pydantic_json_schema__(schema, handler)
        return {"anyOf": [of_one, self._array.__get_pydantic_json_schema__(schema, handler)]}

    @property
    def _array(self) -> Quantities:
        one = self.quantity
        return Quantities(one.unit, self.dimensions, one.minimum, one.maximum, one.exclusive)

    def _parse(self, value: Any, info: core_schema.ValidationInfo) -> float | FloatArray:
        several = isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim > 0)
        if not several and not is_array_file(value):
            return self.quantity.parse(value.item() if isinstance(value, np.ndarray) else value)
        array = self._array.parse(value, info)
        too_small = (array != 0.0) & (np.abs(array) < self.quantity.smallest)
        if too_small.any():
            least = f"{self.quantity.smallest:g} {self.quantity.unit}"
            raise ValueError(f"must be 0 or at least {least}; {_place(array, too_small)}")
        return array


def is_array_file(value: Any) -> bool:
    """Whether a value is a text that names a file with an array."""
    return isinstance(value, str) and value.strip().lower().partition(":")[0].endswith((".npy", ".npz"))


def _to_floats(value: Any, unit: str) -> FloatArray:
    """Copy numbers, texts and nested lists of them into an array, naming the place of one that is no quantity."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "iuf":
        array = np.array(value, dtype=float)
        for bad, wanted in ((~np.isfinite(array), "finite"), (is_denormal(array), "0 or a normal number")):
            if bad.any():
                raise QuantityError(f"must be {wanted}; {_place(array, bad)}")
        return array
    if isinstance(value, str | numbers.Real):
        return np.asarray(parse_quantity(value, unit))
    try:
        objects = np.array(value, dtype=object)
    except (ValueError, RuntimeError, RecursionError):
        raise QuantityError("the rows do not have the same length") from None
    if objects.ndim == 0:
        return np.asarray(parse_quantity(value, unit))
    if objects.ndim > 2:
        raise QuantityError(f"is nested {objects.ndim} deep")
    array = np.empty(objects.shape)
    for index, item in np.ndenumerate(objects):
        if isinstance(item, list | tuple):
            raise QuantityError("the rows do not have the same length")
        try:
            array[index] = parse_quantity(item, unit)
        except QuantityError as error:
            raise QuantityError(f"element {list(index)}: {error}") from None
    return array


def _load_array(text: str, folder: Path) -> FloatArray:
    name, _, key = text.partition(":")
    try:
        return load_array(folder / name, key)
    except InputError as error:
        raise ValueError(str(error)) from None


def _check_bounds(array: FloatArray, minimum: float, maximum: float, exclusive: bool) -> None:
    bad = (array <= minimum if exclusive else array < minimum) | (array > maximum)
    if bad.any():
        allowed = f"above {minimum:g}" if exclusive else f"at least {minimum:g}"
        if math.isfinite(maximum):
            allowed = f"{allowed} and at most {maximum:g}" if exclusive else f"between {minimum:g} and {maximum:g}"
        raise ValueError(f"must be {allowed}; {_place(array, bad)}")


def _place(array: FloatArray, bad: NDArray[np.bool_]) -> str:
    index = tuple(int(i) for i in np.argwhere(bad)[0])
    return f"element {list(index)} is {array[index]:g}" if index else f"it is {array[()]:g}"


def resolved_path(value: str, info: ValidationInfo) -> str:
    """Absolute path of a file named relative to the testbench's folder."""
    if not value.strip() or not value.isprintable():
        raise ValueError("must be the name of a file")
    try:
        return str(real_path(Path((info.context or {}).get("folder", "."), value)))
    except OSError as error:
        raise ValueError(f"cannot be found: {error}") from None
