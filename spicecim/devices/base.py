"""What a memristor model is: parameters with units and bounds, a current, and the rate of change of one state.

A model has two faces. People see `x`, the normalised state between 0 (high resistance) and 1 (low resistance). The
engines integrate `s`, the state variable of the model's own choice, which is a node voltage in the netlist. The two may
differ, because an equation that is ill conditioned in `x` (``1 - x`` below the resolution of a float) can be harmless
in another variable.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from spicecim.quantities import parse_quantity

FloatArray = NDArray[np.float64]

STOP_WIDTH = 1e-6
"""Distance, relative to a hard stop, over which it acts, so that the rate is continuous (see `Device.rate`)."""


def parameter(unit: str, description: str, default: Any = ..., **bounds: Any) -> Any:
    """Declare a model parameter: a pydantic field with its SI unit, its meaning and its bounds (``gt``, ``ge``...)."""
    return Field(default, description=description, json_schema_extra={"unit": unit}, **bounds)


Number = Annotated[float, BeforeValidator(lambda value: parse_quantity(value))]


class Device(BaseModel):
    """A memristor model with its parameters; subclasses hold the equations.

    All methods are vectorised: `v` (volt, from the row to the column terminal) and `s` broadcast against each other.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    subcircuit: ClassVar[str]
    """Template of the behavioural subcircuit, in ``netlist_templates/``."""

    def stops(self) -> tuple[float, float] | None:
        """Lower and upper hard stop, both above zero, between which `s` runs freely; None if its rate bounds it."""
        return None

    def voltage_breaks(self) -> tuple[float, ...]:
        """Voltages (volt) at which the current or the rate is not smooth in `v`: integrators step onto them."""
        return (0.0,)

    @abstractmethod
    def state_from_x(self, x: ArrayLike) -> FloatArray:
        """State variable `s` of the normalised state `x`."""

    @abstractmethod
    def x_from_state(self, s: ArrayLike) -> FloatArray:
        """Normalised state `x` of the state variable `s`."""

    @abstractmethod
    def current(self, v: ArrayLike, s: ArrayLike) -> FloatArray:
        """Current (ampere) into the row terminal."""

    @abstractmethod
    def free_rate(self, v: ArrayLike, s: ArrayLike) -> FloatArray:
        """ds/dt (1/s) between the stops, as if there were none."""

    def rate(self, v: ArrayLike, s: ArrayLike) -> FloatArray:
        """ds/dt (1/s).

        A model with hard stops slows down linearly over the last `STOP_WIDTH` (relative to the stop) before the one
        that it moves towards, and leaves a stop at full speed: the state is bounded by its own equation and never
        locks.
        """
        free = self.free_rate(v, s)
        stops = self.stops()
        if stops is None:
            return free
        lower, upper = stops
        room = np.where(free > 0, 1.0 - np.asarray(s) / upper, np.asarray(s) / lower - 1.0)
        return free * np.clip(room / STOP_WIDTH, 0.0, 1.0)
