"""A model of which every cell of a crossbar has its own parameters: device-to-device variation.

The methods of a model are numpy on arrays, so that parameters may be arrays too: those of many cells are evaluated in
one pass. What is derived from the equations is traced once, with the parameters that vary as symbols.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spicecim.devices.cell import ExplicitCell
from spicecim.devices.device import Device, Slopes
from spicecim.devices.equations import combined_slopes, equations_of, inner_voltages, trace
from spicecim.devices.expressions import FloatArray, Program, derivative, kinks, symbol, symbols_of
from spicecim.devices.library import make_device
from spicecim.devices.memristor import Memristor
from spicecim.devices.parameters import within_bounds
from spicecim.errors import ModelError


class VariedDevice(Device):
    """Cells of one model with parameters of their own.

    Voltages and states broadcast against the shape of the parameters' arrays, which is that of the cells: (row, column)
    of a whole crossbar, or any other of a choice of cells (see `of_cells`).

    Parameters
    ----------
    model
        The model.
    values
        Every parameter by name: one number or text for all cells, or an array over them.
    """

    explicit = True
    varies = True

    def __init__(self, model: type[Memristor], values: Mapping[str, Any]) -> None:
        self.model = model
        self._arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
        self._common = {name: value for name, value in values.items() if name not in self._arrays}
        self._shape = np.broadcast_shapes(*(array.shape for array in self._arrays.values()))
        self._cells: Memristor = model.model_construct(**values)
        self._traced = _traced(model, tuple(self._common.items()), tuple(self._arrays))

    @property
    def title(self) -> str:
        return self.model.title

    def of_cells(self, cells: NDArray[np.int_]) -> VariedDevice:
        arrays = {name: array.ravel()[cells] for name, array in self._arrays.items()}
        return VariedDevice(self.model, {**self._common, **arrays})

    def of_points(self, points: int) -> VariedDevice:
        cells = int(np.prod(self._shape))
        return self if points == cells else self.of_cells(np.repeat(np.arange(cells), points // cells))

    @cached_property
    def _examples(self) -> list[Memristor]:
        places = {int(pick(array)) for array in self._arrays.values() for pick in (np.argmin, np.argmax)}
        return [self.of_cell(place) for place in sorted({0} | places)]

    def examples(self) -> Sequence[Memristor]:
        return self._examples

    def of_cell(self, number: int) -> Memristor:
        """Return the device of one cell, by its number counted row by row."""
        own = {name: array.ravel()[number].item() for name, array in self._arrays.items()}
        return self.model.model_construct(**self._common, **own)

    def tabulated(self) -> bool:
        # cells that move alike may differ in thresholds, speeds and currents
        return self.model.separable and self._moves_alike

    @cached_property
    def _moves_alike(self) -> bool:
        """Whether the factor of the rate that depends on the state, and the state itself, are the same in all cells."""
        if self._traced.motion_varies:
            return False
        x = np.array([0.0, 0.3, 1.0])
        cells = self.of_cells(np.arange(int(np.prod(self._shape)))[:, None])._cells
        pairs = [(self.mover().state_from_x(x), cells.state_from_x(x[None]))]
        if (stops := cells.stops()) is not None:
            pairs += zip(self.mover().stops() or (), stops, strict=True)
        return all(bool(np.all(found == right)) for right, found in pairs)

    def mover(self) -> Memristor:
        return self._examples[0]

    def state_from_x(self, x: ArrayLike) -> FloatArray:
        return np.asarray(self._cells.state_from_x(x))

    def x_from_state(self, s: ArrayLike) -> FloatArray:
        return np.asarray(self._cells.x_from_state(s))

    def current(self, v: Any, s: Any) -> Any:
        return self._cells.current(*self._arguments(v, s))

    def rate(self, v: Any, s: Any) -> Any:
        return self._cells.rate(*self._arguments(v, s))

    def drive(self, v: Any) -> Any:
        return self._cells.drive(np.broadcast_arrays(np.asarray(v, dtype=float), self._spread)[0])

    def stops(self) -> tuple[Any, Any] | None:
        return self._cells.stops()

    def described(self) -> dict[str, Any]:
        """Plain values of the parameters by name: lists (row, column) of what cells have of their own."""
        return {**self._common, **{name: array.tolist() for name, array in self._arrays.items()}}

    def cell(self) -> ExplicitCell:
        return ExplicitCell(self)

    def span(self) -> float:
        return min(device.span() for device in self.examples())

    def slopes(self, v: Any, s: Any) -> Slopes:
        return self._traced.slopes(self._given, *self._arguments(v, s))

    def motion_terms(self, v: Any, s: Any) -> tuple[FloatArray, FloatArray, FloatArray]:
        if self.model.inner:
            return super().motion_terms(v, s)
        current, rate, slope = self._traced.motion(*self._arguments(v, s), *self._given)
        return current, rate, slope

    def voltage_breaks(self) -> FloatArray:
        """Voltages (cell, break), V, at which a cell's current or rate are not smooth; NaN where it has fewer."""
        return self._breaks

    @cached_property
    def _breaks(self) -> FloatArray:
        cells = int(np.prod(self._shape))
        found = self._traced.breaks({name: array.ravel() for name, array in self._arrays.items()}, cells)
        if found is not None:
            return found
        each = [equations_of(self.of_cell(number)).voltage_breaks for number in range(cells)]
        breaks = np.full((cells, max(map(len, each))), np.nan)
        for line, own in zip(breaks, each, strict=True):
            line[: len(own)] = own
        return breaks

    @cached_property
    def _spread(self) -> FloatArray:
        return np.broadcast_to(0.0, self._shape)

    @cached_property
    def _given(self) -> list[FloatArray]:
        return list(self._arrays.values())

    def _arguments(self, v: Any, s: Any) -> list[FloatArray]:
        """Voltages and states in shapes with room for all cells and, of a model that has one, the inner voltage."""
        v, s = (np.broadcast_arrays(np.asarray(part, dtype=float), self._spread)[0] for part in (v, s))
        if not self.model.inner:
            return [v, s]
        v, s = np.broadcast_arrays(v, s)
        return [v, s, self._traced.inner(self._given, v, s)]


def make_cells(
    model: str,
    preset: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    temperature: float | None = None,
) -> Memristor | VariedDevice:
    """Build a device as `make_device`, or cells with parameters of their own where some of these are arrays.

    Raises
    ------
    ModelError
        As `make_device`, with the first cell that is wrong; or if the arrays have different shapes.
    """
    given = dict(parameters or {})
    arrays = {name: value for name, value in given.items() if isinstance(value, np.ndarray)}
    if not arrays:
        return make_device(model, preset, given, temperature)
    first, shape = next((name, array.shape) for name, array in arrays.items())
    for name, array in arrays.items():
        if array.shape != shape:
            raise ModelError(f"{name}: has {_by(array.shape)} values, and {first} has {_by(shape)}")

    def build(number: int) -> Memristor:
        own = {name: array.ravel()[number].item() for name, array in arrays.items()}
        try:
            return make_device(model, preset, {**given, **own}, temperature)
        except ModelError as error:
            place = ", ".join(map(str, np.unravel_index(number, shape)))
            raise ModelError(f"cell ({place}): {error}") from None

    one = build(0)
    kind = type(one)
    values = {name: arrays.get(name, getattr(one, name)) for name in kind.model_fields}
    for number in _suspects(kind, values, shape):
        build(number)
    return VariedDevice(kind, values)


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _suspects(model: type[Memristor], values: Mapping[str, Any], shape: tuple[int, ...]) -> list[int]:
    """Numbers of the cells that may be wrong: what bounds say is looked at for all at once."""
    own = model.__pydantic_decorators__
    if own.field_validators or set(own.model_validators) > set(Memristor.__pydantic_decorators__.model_validators):
        return [*range(int(np.prod(shape)))]
    good = np.ones(shape, dtype=bool)
    for name, value in values.items():
        if not isinstance(value, np.ndarray):
            continue
        good &= within_bounds(model, name, value)
    for name, info in model.model_fields.items():
        extra: Any = info.json_schema_extra or {}
        for relation, sign in (("above", 1.0), ("below", -1.0)):
            if relation in extra:
                good &= sign * (values[name] - values[extra[relation]]) > 0.0
    return [int(number) for number in np.flatnonzero(~good)[:1]]


class _Traced:
    """The equations of a model with parameters that are symbols, and what follows from them."""

    def __init__(self, device: Memristor, names: tuple[str, ...]) -> None:
        self._outputs = trace(device)
        self._names, self._has_inner = names, bool(device.inner)
        motions = [device.motion(symbol("s"), rising) for rising in (False, True)] if device.separable else []
        self.motion_varies = any(symbols_of(motion) & set(names) for motion in motions)

    @cached_property
    def motion(self) -> Program:
        """Current, rate and the rate's derivative by the state."""
        current, rate, _ = self._outputs
        return Program([current, rate, derivative(rate, "s")], ["v", "s", *self._names])

    @cached_property
    def _slopes(self) -> Program:
        return Program([derivative(f, by) for f in self._outputs for by in "vsu"], ["v", "s", "u", *self._names])

    @cached_property
    def _balance(self) -> Program:
        balance = self._outputs[2]
        return Program([balance, derivative(balance, "u")], ["v", "s", "u", *self._names])

    def slopes(self, given: Sequence[FloatArray], v: FloatArray, s: FloatArray, u: Any = 0.0) -> Slopes:
        """Derivatives of current and rate."""
        return combined_slopes(self._slopes(v, s, u, *given), self._has_inner)

    def inner(self, given: Sequence[FloatArray], v: FloatArray, s: FloatArray) -> FloatArray:
        """Inner voltages at voltages and states of one shape."""
        flat_v, flat_s, *own = (np.broadcast_to(part, v.shape).ravel() for part in (v, s, *given))
        found = inner_voltages(lambda at, u: self._balance(flat_v[at], flat_s[at], u, *(p[at] for p in own)), flat_v)
        if np.isnan(found).any():
            at = int(np.isnan(found).argmax())
            raise ModelError(
                f"no inner voltage was found at v = {flat_v[at]:g} V with the state variable at {flat_s[at]:g}"
            )
        return found.reshape(v.shape)

    def breaks(self, arrays: Mapping[str, FloatArray], cells: int) -> FloatArray | None:
        """Voltages (cell, break) at which the equations are not smooth whatever the state; None where these are curved.

        Linear in the voltage, what is compared is zero at one voltage.
        """
        found = []
        for difference in kinks(self._outputs):
            if not symbols_of(difference) <= {"v", *self._names} or "v" not in symbols_of(difference):
                continue
            slope = derivative(difference, "v")
            if "v" in symbols_of(slope):
                return None
            program = Program([difference, slope], ["v", *self._names])
            with np.errstate(all="ignore"):
                at_zero, steep = program(np.zeros(cells), *arrays.values())
                found.append(-at_zero / steep)
        breaks = np.stack(found, axis=1) if found else np.empty((cells, 0))
        breaks = np.sort(np.where(np.isfinite(breaks), breaks + 0.0, np.nan), axis=1)
        breaks[:, 1:][breaks[:, 1:] == breaks[:, :-1]] = np.nan
        return breaks


@lru_cache(maxsize=64)
def _traced(model: type[Memristor], common: tuple[tuple[str, Any], ...], names: tuple[str, ...]) -> _Traced:
    values: dict[str, Any] = {**dict(common), **{name: symbol(name) for name in names}}
    return _Traced(model.model_construct(**values), names)
