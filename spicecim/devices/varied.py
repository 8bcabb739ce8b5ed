"""A model of which every cell of a crossbar has its own parameters: device-to-device variation.

The methods of a model are numpy on arrays, so that parameters may be arrays too: those of many cells are evaluated in
one pass. What is derived from the equations is traced once, with the parameters that vary as symbols.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spicecim.devices.cell import ExplicitCell, WiredCell
from spicecim.devices.device import Device, Slopes
from spicecim.devices.equations import equations_of, stacked
from spicecim.devices.expressions import FloatArray
from spicecim.devices.library import make_device
from spicecim.devices.memristor import Memristor
from spicecim.devices.parameters import within_bounds
from spicecim.devices.states import scales_of, values_at_start
from spicecim.devices.states_cell import StatesCell, StateTerms
from spicecim.devices.varied_equations import traced_cells
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
        self._traced = traced_cells(model, tuple(self._common.items()), tuple(self._arrays))

    @property
    def title(self) -> str:
        return self.model.title

    def of_cells(self, cells: NDArray[np.int_]) -> VariedDevice:
        arrays = {name: array.ravel()[cells] for name, array in self._arrays.items()}
        return type(self)(self.model, {**self._common, **arrays})

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

    def values(self) -> dict[str, Any]:
        """Every parameter by name: one value, or an array over the cells."""
        return self._common | self._arrays

    def described(self) -> dict[str, Any]:
        """Plain values of the parameters by name: lists (row, column) of what cells have of their own."""
        return {**self._common, **{name: array.tolist() for name, array in self._arrays.items()}}

    def cell(self) -> WiredCell:
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

    def switching(self, v: Any, s: Any) -> FloatArray:
        given = self._arguments(v, s)
        return stacked(self._traced.switching(*given, *self._given), given[0].shape)

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
        """Voltages and states in shapes with room for all cells and, of a model that has one, the inner voltage.

        Further states are where they start.
        """
        parts = [v, s, *self._cells.further_values()]
        v, s, *further = (np.broadcast_arrays(np.asarray(part, dtype=float), self._spread)[0] for part in parts)
        if not self.model.inner:
            return [v, s, *further]
        v, s, *further = np.broadcast_arrays(v, s, *further)
        return [v, s, *further, self._traced.inner(self._given, v, s, *further)]


class VariedStates(VariedDevice):
    """Cells of a model with further states, with parameters of their own."""

    explicit = False

    def further_values(self) -> list[Any]:
        return self._cells.further_values()

    def further_units(self) -> dict[str, str]:
        return self._cells.further_units()

    def further_start(self, shape: tuple[int, int], given: Mapping[str, FloatArray]) -> FloatArray:
        starts = dict(zip(self.model.states, self.further_values(), strict=True))
        return values_at_start(starts, shape, given, f"the states of {self.model.name}")

    def state_terms(self, v: FloatArray, y: FloatArray) -> StateTerms:
        return self._traced.state_terms([array.ravel() for array in self._given], v, y)

    def cell(self) -> WiredCell:
        scales = np.min([scales_of(device) for device in self.examples()], axis=0)
        return StatesCell(self, np.array([self.span(), *scales]))


def stacked_cells(devices: Sequence[Device], shape: tuple[int, int]) -> Device | None:
    """Return the device of the cells (crossbar, row, column) of several crossbars, each with a device of one model.

    None where tables of one motion do not serve all.
    """
    each = [_values(device) for device in devices]
    values: dict[str, Any] = {}
    for name, first in each[0].items():
        own = [one[name] for one in each]
        if not any(isinstance(value, np.ndarray) or value != first for value in own):
            values[name] = first
        elif any(isinstance(value, str) for value in own):
            return None
        else:
            values[name] = np.stack([np.broadcast_to(np.asarray(value, dtype=float), shape) for value in own])
    if not any(isinstance(value, np.ndarray) for value in values.values()):
        return devices[0]
    one = devices[0].mover()
    assert isinstance(one, Memristor)
    cells = VariedDevice(type(one), values)
    return cells if cells.tabulated() else None


def _values(device: Device) -> dict[str, Any]:
    if isinstance(device, VariedDevice):
        return device.values()
    assert isinstance(device, Memristor)
    return dict(device)


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
    return (VariedStates if kind.states else VariedDevice)(kind, values)


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
