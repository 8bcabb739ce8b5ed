"""Further states of a model, beside the one that x stands for, such as the temperature of a filament."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from spicecim.devices.names import obstacle
from spicecim.errors import ModelError
from spicecim.quantities import shown

if TYPE_CHECKING:
    from spicecim.devices.expressions import FloatArray
    from spicecim.devices.memristor import Memristor

_LEAST, _MOST = 1e-3, 1e9
"""Magnitudes that a simulator's tolerances suit: a state is the potential of a node."""


class State(NamedTuple):
    """A further state of a model: its rate is the method ``rate_NAME``, and the equations take it after ``s``.

    Examples
    --------
    >>> from spicecim.devices import State
    >>> State("K", "temperature of the filament", start="ambient").scale is None
    True
    """

    unit: str
    """Its unit."""
    meaning: str
    """What it is, in a few words."""
    start: float | str
    """Its value at time 0, or the name of the parameter that it starts at."""
    scale: float | None = None
    """Magnitude that its errors count relative to, between 1e-3 and 1e9; left out, that of its start."""


def rate_of(name: str) -> str:
    """Name of the method that gives the rate of a further state."""
    return f"rate_{name}"


def check_states(model: type[Memristor]) -> None:
    """Raise `ModelError` if what a class says of its further states cannot be used."""
    if not isinstance(model.states, Mapping):
        raise ModelError(f"states: must be a dictionary with a State by its name; it is {shown(model.states)}")
    for name, state in model.states.items():
        if not isinstance(name, str) or not isinstance(state, State):
            raise ModelError(f"states: must have a State by its name; found {shown(name)}: {shown(state)}")
        reason = obstacle(name)
        if hasattr(model, name) or name in model.model_fields:
            reason = "the class has something else of that name"
        if reason:
            raise ModelError(f"states: a state cannot be named {shown(name)}: {reason}")
        for kind, text in (("unit", state.unit), ("meaning", state.meaning)):
            if not isinstance(text, str) or not text.isprintable():
                raise ModelError(f"states.{name}: {kind} must be a text of one line; it is {shown(text)}")
        if isinstance(state.start, str):
            field = model.model_fields.get(state.start)
            if field is None or field.annotation is not float:
                raise ModelError(f"states.{name}: start must be a number or name one; it is {shown(state.start)}")
        elif not _is_number(state.start):
            raise ModelError(f"states.{name}: start must be a finite number; it is {shown(state.start)}")
        if state.scale is not None and not (_is_number(state.scale) and _LEAST <= state.scale <= _MOST):
            raise ModelError(
                f"states.{name}: scale must be between {_LEAST:g} and {_MOST:g}, or the unit another; it is "
                f"{shown(state.scale)}"
            )


def scales_of(device: Memristor) -> list[float]:
    """Magnitudes that the errors of a device's further states count relative to.

    Raises
    ------
    ModelError
        If a state without a scale starts at a value that is none.
    """
    found = []
    for (name, state), start in zip(device.states.items(), device.further_values(), strict=True):
        scale = abs(float(start)) if state.scale is None else float(state.scale)
        if not _LEAST <= scale <= _MOST:
            raise ModelError(
                f"states.{name}: starts at {float(start):g} {state.unit}".rstrip()
                + f"; give a scale between {_LEAST:g} and {_MOST:g}, or take another unit"
            )
        found.append(scale)
    return found


def values_at_start(
    starts: Mapping[str, Any], shape: tuple[int, int], given: Mapping[str, FloatArray], among: str
) -> FloatArray:
    """Values (*shape, m) of m further states at time 0: those given by name, or else their own starts.

    Parameters
    ----------
    starts
        Where each state starts: one number for all cells, or one per cell (row, column).
    shape
        Rows and columns.
    given
        Values that differ from these, of the same kind.
    among
        What a name that is no state is not among, for the message.

    Raises
    ------
    ModelError
        If a state is not among them, or its values do not fit the shape.
    """
    for name, values in given.items():
        if name not in starts:
            raise ModelError(f"crossbar.states: {name!r} is not among {among}, which has {', '.join(starts) or 'none'}")
        if np.ndim(values) and np.shape(values) != shape:
            raise ModelError(
                f"crossbar.states.{name}: must be one number, or one for each of {shape[0]} x {shape[1]} cells; "
                f"its shape is {np.shape(values)}"
            )
    found = np.empty((*shape, len(starts)))
    for place, (name, start) in enumerate(starts.items()):
        found[..., place] = given.get(name, start)
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool) and bool(np.isfinite(value))
