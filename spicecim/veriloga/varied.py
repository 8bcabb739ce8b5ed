"""A Verilog-A module of which every cell of a crossbar has its own parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spicecim.devices.cell import CellSlopes, CellTerms
from spicecim.devices.expressions import FloatArray
from spicecim.errors import ModelError
from spicecim.veriloga.device import LARGEST_VOLTAGE, ModuleDevice, module_device
from spicecim.veriloga.evaluation import Evaluation
from spicecim.veriloga.parameters import parameter_values

_SAME = 1e-6
"""Relative difference of bounds of the state that are the same in all cells."""


class VariedModule(ModuleDevice):
    """A module with parameters of its own in every cell.

    All but the parameters is that of the first cell: nodes, states and the two values of the state that x lies between.

    Parameters
    ----------
    devices
        The module with the parameters of the first cell and, after it, of those at the ends of ranges.
    arrays
        Parameters (cell,) that differ between the cells.
    shape
        Shape of the cells: (row, column) of a crossbar.
    """

    varies = True

    def __init__(
        self, devices: Sequence[ModuleDevice], arrays: Mapping[str, NDArray[Any]], shape: tuple[int, ...]
    ) -> None:  # fmt: skip
        one = devices[0]
        vars(self).update(vars(one))
        self._devices, self._shape, self._arrays = devices, shape, arrays
        self.evaluation = Evaluation(one.module, {**one.parameters, **arrays}, one.given, one.temperature)
        if self.evaluation.collapsed != one.evaluation.collapsed:
            raise ModelError(f"parameters: of {', '.join(arrays)} depends which nodes of module {one.name} are one")

    def of_cells(self, cells: NDArray[np.int_]) -> VariedModule:
        chosen = object.__new__(VariedModule)
        vars(chosen).update(vars(self))
        chosen.evaluation, chosen._shape = self.evaluation.of_cells(cells.ravel()), cells.shape
        return chosen

    def of_points(self, points: int) -> VariedModule:
        cells = int(np.prod(self._shape))
        return self if points == cells else self.of_cells(np.repeat(np.arange(cells), points // cells))

    def native(self) -> tuple[Path, str]:
        # the compiled code is the same for all parameters
        return self._devices[0].native()

    def own_values(self) -> dict[str, NDArray[Any]]:
        return {name: array.reshape(self._shape) for name, array in self._arrays.items()}

    def examples(self) -> Sequence[ModuleDevice]:
        return self._devices

    def current(self, v: ArrayLike, s: ArrayLike) -> FloatArray:
        voltages, states, each = self._spread(v, s)
        return ModuleDevice.current(each, voltages, states).reshape(self._points(v, s))

    def rate(self, v: ArrayLike, s: ArrayLike) -> FloatArray:
        voltages, states, each = self._spread(v, s)
        return ModuleDevice.rate(each, voltages, states).reshape(self._points(v, s))

    def terms(self, time: FloatArray, v: FloatArray, y: FloatArray, integrate: bool = True) -> CellTerms:
        return ModuleDevice.terms(self.of_points(len(y)), time, v, y, integrate)

    def linear(self, time: FloatArray, v: FloatArray, y: FloatArray) -> CellSlopes:
        return ModuleDevice.linear(self.of_points(len(y)), time, v, y)

    def cell(self) -> VariedModule:
        return self

    def is_balanced(self) -> bool:
        return all(device.is_balanced() for device in self._devices)

    def further_capacitances(self) -> dict[str, float]:
        return self._devices[0].further_capacitances()

    def _points(self, v: ArrayLike, s: ArrayLike) -> tuple[int, ...]:
        return np.broadcast_shapes(np.shape(v), np.shape(s), self._shape)

    def _spread(self, v: ArrayLike, s: ArrayLike) -> tuple[FloatArray, FloatArray, VariedModule]:
        """Voltages and states (point,), and the module at these points."""
        shape = self._points(v, s)
        numbers = np.arange(int(np.prod(self._shape))).reshape(self._shape)
        flat = (np.broadcast_to(np.asarray(part), shape).ravel() for part in (v, s, numbers))
        voltages, states, cells = flat
        return voltages.astype(float), states.astype(float), self.of_cells(cells)


def module_cells(
    path: str | Path,
    module: str | None = None,
    *,
    state: str | None = None,
    initial: tuple[float, float] | None = None,
    parameters: Mapping[str, Any] | None = None,
    states: Mapping[str, float | None] | None = None,
    voltage: float = LARGEST_VOLTAGE,
    temperature: float | None = None,
) -> ModuleDevice:
    """Return a module as `module_device`, or one with parameters of its own in every cell where some are arrays.

    Raises
    ------
    ModelError
        As `ModuleDevice`, with the first cell that is wrong; if the arrays have different shapes; if the bounds of the
        state that are looked for differ between the cells; or if the module draws random numbers.
    """
    given = dict(parameters or {})
    arrays = {name: value for name, value in given.items() if isinstance(value, np.ndarray)}

    def build(own: Mapping[str, Any]) -> ModuleDevice:
        return module_device(
            path, module, state=state, initial=initial, parameters={**given, **own}, states=states, voltage=voltage,
            temperature=temperature,
        )  # fmt: skip

    if not arrays:
        return build({})
    first, shape = next((name, array.shape) for name, array in arrays.items())
    for name, array in arrays.items():
        if array.shape != shape:
            raise ModelError(f"{name}: has another shape, {array.shape}, than {first}, {shape}")
    each = [
        dict(zip(arrays, own, strict=True))
        for own in zip(*(array.ravel().tolist() for array in arrays.values()), strict=True)
    ]
    one = build(each[0])
    if one.compilation.source.draws.get(one.name):
        raise ModelError(f"{first}: module {one.name} draws random numbers; it takes one value for all cells")
    found = []
    for number, own in enumerate(each):
        try:
            found.append(parameter_values(one.module, one.declaration, {**given, **own}))
        except ModelError as error:
            raise ModelError(f"cell ({', '.join(map(str, np.unravel_index(number, shape)))}): {error}") from None
    values = {name: np.array([own[name] for own in found]) for name in found[0] if not isinstance(found[0][name], str)}
    differing = {name: value for name, value in values.items() if (value != value[0]).any()}
    ends = {int(pick(array)) for array in arrays.values() for pick in (np.argmin, np.argmax)}
    devices = [one, *(build(each[place]) for place in sorted(ends - {0}))]
    low, high = one.initial
    for device in devices:
        if np.abs(np.subtract(device.initial, one.initial)).max() > _SAME * abs(high - low):
            bounds = " and ".join(f"[{a:.6g}, {b:.6g}]" for a, b in (one.initial, device.initial))
            raise ModelError(
                f"initial: the rates keep {one.state_node} between other values in other cells, such as {bounds}; give "
                "those at x = 0 (high resistance) and x = 1 (low)"
            )
    return VariedModule(devices, differing, shape) if differing else one
