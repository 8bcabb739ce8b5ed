"""States of a module beside the one that a crossbar's x stands for, such as the temperature of a filament."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spicecim.devices.expressions import FloatArray
from spicecim.devices.states import values_at_start
from spicecim.errors import ModelError
from spicecim.problems import did_you_mean
from spicecim.veriloga.draws import Draw
from spicecim.veriloga.module import Module
from spicecim.veriloga.selection import charged_nodes


class FurtherState(NamedTuple):
    """A state with a name of its own."""

    name: str
    """The node that holds it."""
    place: int
    """Its place among the unknowns."""
    start: float
    """Its value at time 0, in its own unit; NaN for that in equilibrium."""
    unit: str
    """The unit of the node's potential."""
    draw: Draw | None = None
    """The draw that it is one of, if it is no state but a random number."""


def check_names(module: Module, state: str, names: Sequence[str]) -> None:
    """Raise `ModelError` unless these nodes hold states beside the first one."""
    able = [name for name in charged_nodes(module) if name != state]
    for name in names:
        if name == state:
            raise ModelError(f"states: {name} is the state that x stands for; name the others")
        if name not in able:
            known = ", ".join(able) or "none"
            raise ModelError(
                f"states: {name!r} holds no state of module {module.name} beside {state}; others that do: "
                f"{known}{did_you_mean(name, able)}"
            )


def initial_values(
    states: Sequence[FurtherState],
    shape: tuple[int, int],
    given: Mapping[str, FloatArray],
    parameters: Mapping[str, Any],
) -> FloatArray:
    """Values (*shape, m) of the m further states at time 0, NaN for those in equilibrium.

    Parameters
    ----------
    states
        The states.
    shape
        Rows and columns.
    given
        Values that differ from the states' own start, one for all cells or one per cell.
    parameters
        Values of the module's parameters.

    Raises
    ------
    ModelError
        If a state is not among them, or its values do not fit the shape.
    """
    found = np.empty((*shape, len(states)))
    own = np.array([state.draw is None for state in states], dtype=bool)
    starts = {state.name: state.start for state in states if state.draw is None}
    found[..., own] = values_at_start(starts, shape, given, "device.states")
    for place, state in enumerate(states):
        if state.draw is not None:
            found[..., place] = state.draw.values(shape[0] * shape[1], parameters).reshape(shape)
    return found


def held(values: FloatArray) -> NDArray[np.bool_]:
    """Which of the further states (m,) with values (n, m) are held at them: those that have any."""
    return np.asarray(~np.isnan(values).any(axis=0))
