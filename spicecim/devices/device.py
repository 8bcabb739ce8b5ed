"""What the engines and the measurements ask of a memristor, whichever kind it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spicecim.devices.expressions import FloatArray
from spicecim.errors import ModelError

if TYPE_CHECKING:
    from spicecim.devices.cell import WiredCell
    from spicecim.devices.states_cell import StateTerms


class Slopes(NamedTuple):
    """Derivatives of the current (A) and the rate (1/s) by the voltage (V) and by the state."""

    current_v: FloatArray
    current_s: FloatArray
    rate_v: FloatArray
    rate_s: FloatArray


class Device(ABC):
    """A two-terminal device with a state `s` that a crossbar sets, and its normalized state `x` from 0 to 1.

    All methods are vectorized: `v` (volt, from the row to the column terminal) and `s` broadcast against each other.
    """

    separable: ClassVar[bool] = False
    """Whether the rate is ``drive(v) motion(s, rising)``, as `Memristor` has them."""
    explicit: ClassVar[bool] = False
    """Whether current and rate are functions of the voltage and the state alone, without charges or inner nodes."""

    varies: ClassVar[bool] = False
    """Whether cells have parameters of their own."""

    @property
    @abstractmethod
    def title(self) -> str:
        """What the device is, in a few words."""

    @abstractmethod
    def state_from_x(self, x: ArrayLike) -> FloatArray:
        """State variable `s` of the normalized state `x`."""

    @abstractmethod
    def x_from_state(self, s: ArrayLike) -> FloatArray:
        """Normalized state `x` of the state variable `s`."""

    @abstractmethod
    def current(self, v: Any, s: Any) -> Any:
        """Current (ampere) into the row terminal, at rest but for the state."""

    @abstractmethod
    def rate(self, v: Any, s: Any) -> Any:
        """ds/dt (1/s)."""

    @abstractmethod
    def cell(self) -> WiredCell:
        """Return its equations as an integrator takes them."""

    def of_cells(self, cells: NDArray[np.int_]) -> Device:
        """Return the device of cells by their numbers, counted row by row, in an array of any shape.

        Its voltages and states broadcast against that. It is the device itself where all cells have the same
        parameters; otherwise those here are of a crossbar's cells (row, column).
        """
        return self

    def of_points(self, points: int) -> Device:
        """Return the device of so many points, which belong to its cells in turn, equally many to each."""
        return self

    def examples(self) -> Sequence[Device]:
        """Return the device itself or, where cells have parameters of their own, those at the ends of their ranges."""
        return [self]

    def tabulated(self) -> bool:
        """Whether the states of all cells behind ideal wires are found by the tables of `mover`."""
        return self.separable

    def mover(self) -> Device:
        """Return a device that has the `motion` of every cell, where `tabulated` says that there is one."""
        return self

    def further_units(self) -> dict[str, str]:
        """Units of the states beside `s` that waveforms show, by name."""
        return {}

    def further_start(self, shape: tuple[int, int], given: Mapping[str, FloatArray]) -> FloatArray | None:
        """Values (row, column, m) at time 0 of what a cell starts with beside `s`; None where it has nothing else.

        NaN stands for the value in equilibrium. `given` has values of states by name, which differ from the device's.
        """
        if given:
            raise ModelError(f"crossbar.states: {self.title} has one state, that of crossbar.state")
        return None

    def further_values(self) -> list[Any]:
        """Return where the states start that the equations have beside `s`: numbers, or arrays over the cells."""
        return []

    def state_terms(self, v: FloatArray, y: FloatArray) -> StateTerms:
        """Evaluate the equations of all these states at voltages (n,) and states (n, k), with their derivatives."""
        raise NotImplementedError

    def drive(self, v: Any) -> Any:
        """Factor of a separable rate that depends on the voltage; its sign is the direction in which `s` moves."""
        raise NotImplementedError

    def motion(self, s: Any, rising: bool) -> Any:
        """Factor of a separable rate that depends on the state, of a rising or a falling `s`, without stops.

        It is positive, and zero at a bound that the state moves towards. The units of `drive` and `motion` make 1/s.
        """
        raise NotImplementedError

    def state_nodes(self, density: int) -> FloatArray:
        """Increasing states over the whole range of `s`, close enough to describe `motion` between them.

        Its kinks are among them. `density` tells how close: half of it, half as many nodes.
        """
        raise NotImplementedError

    def slopes(self, v: Any, s: Any) -> Slopes:
        """Derivatives of an explicit device's current and rate by `v` and `s`; at a kink those of one side."""
        raise NotImplementedError

    def slope(self, function: str, by: str, v: Any, s: Any) -> FloatArray:
        """One of these derivatives alone, of ``"current"`` or ``"rate"`` by ``"v"`` or ``"s"``."""
        return np.asarray(getattr(self.slopes(v, s), f"{function}_{by}"))

    def motion_terms(self, v: Any, s: Any) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Current (A), rate (1/s) and derivative of the rate by `s` of an explicit device, in one pass if it can be."""
        return self.current(v, s), self.rate(v, s), self.slope("rate", "s", v, s)

    def stops(self) -> tuple[Any, Any] | None:
        """Lower and upper hard stop between which `s` runs freely; None if its rate bounds it."""
        return None

    def voltage_breaks(self) -> tuple[float, ...] | FloatArray:
        """Voltages (volt), increasing, at which current or rate are known not to be smooth.

        Of cells with parameters of their own, those of each (cell, break), NaN where one has fewer.
        """
        return (0.0,)

    def switching(self, v: Any, s: Any) -> FloatArray:
        """What changes its sign where current or rate are not smooth, at a voltage that depends on the state.

        For voltages and states of one shape (...); the result is (..., kink), without kinks where none are known.
        """
        return np.empty((*np.shape(v), 0))

    def keeps_range(self) -> bool:
        """Whether the equations are known to keep x between 0 and 1."""
        return True

    def is_balanced(self) -> bool:
        """Whether the column takes what the row gives: none goes to ground."""
        return True

    def span(self) -> float:
        """Magnitude of the state variable for its errors to count relative to."""
        # an error of s is worth most in x where s changes least over x
        states = self.state_from_x(np.linspace(0.0, 1.0, 1001))
        return float(np.abs(np.diff(states)).min() * 1000.0)
