"""The equations of a model with parameters that are symbols, for cells that have their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from spicecim.devices.device import Slopes
from spicecim.devices.equations import combined_slopes, solved_balance
from spicecim.devices.expressions import FloatArray, Program, derivative, kinks, symbol, symbols_of
from spicecim.devices.memristor import Memristor
from spicecim.devices.states_cell import StateProgram, StateTerms
from spicecim.devices.traced import trace


class TracedCells:
    """The equations of a model with parameters that are symbols, and what follows from them."""

    def __init__(self, device: Memristor, names: tuple[str, ...]) -> None:
        self._outputs = trace(device)
        self._names, self._has_inner, self._states = names, bool(device.inner), tuple(device.states)
        motions = [device.motion(symbol("s"), rising) for rising in (False, True)] if device.separable else []
        self.motion_varies = any(symbols_of(motion) & set(names) for motion in motions)

    @cached_property
    def motion(self) -> Program:
        """Current, rate and the rate's derivative by the state."""
        current, rate = self._outputs[:2]
        return Program([current, rate, derivative(rate, "s")], ["v", "s", *self._names])

    @cached_property
    def switching(self) -> Program:
        """What changes its sign where they are not smooth, at a voltage that depends on the state."""
        differences = [part for part in kinks(self._outputs[:3]) if symbols_of(part) & {"s", "u"}]
        return Program(differences, ["v", "s", *("u" * self._has_inner), *self._names])

    @cached_property
    def _slopes(self) -> Program:
        return Program([derivative(f, by) for f in self._outputs[:3] for by in "vsu"], ["v", "s", "u", *self._names])

    @cached_property
    def _balance(self) -> Program:
        balance = self._outputs.balance
        return Program([balance, derivative(balance, "u")], ["v", "s", *self._states, "u", *self._names])

    @cached_property
    def _all_states(self) -> StateProgram:
        return StateProgram(self._outputs, self._states, self._names, self._has_inner)

    def state_terms(self, given: Sequence[FloatArray], v: FloatArray, y: FloatArray) -> StateTerms:
        """Evaluate the equations of all states at voltages (n,) and states (n, k), with their derivatives."""
        return self._all_states(v, y, self.inner(given, v, *y.T) if self._has_inner else 0.0, given)

    def slopes(self, given: Sequence[FloatArray], v: FloatArray, s: FloatArray, u: Any = 0.0) -> Slopes:
        """Derivatives of current and rate."""
        return combined_slopes(self._slopes(v, s, u, *given), self._has_inner)

    def inner(self, given: Sequence[FloatArray], v: FloatArray, *states: FloatArray) -> FloatArray:
        """Inner voltages at voltages and states of one shape."""
        return solved_balance(self._balance, (v, *states), given)

    def breaks(self, arrays: Mapping[str, FloatArray], cells: int) -> FloatArray | None:
        """Voltages (cell, break) at which the equations are not smooth whatever the state; None where these are curved.

        Linear in the voltage, what is compared is zero at one voltage.
        """
        found = []
        current, rate, balance, further = self._outputs
        for difference in kinks([current, rate, balance, *further]):
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
def traced_cells(model: type[Memristor], common: tuple[tuple[str, Any], ...], names: tuple[str, ...]) -> TracedCells:
    """Return the equations of a model with some values, and symbols for the parameters of these names."""
    values: dict[str, Any] = {**dict(common), **{name: symbol(name) for name in names}}
    return TracedCells(model.model_construct(**values), names)
