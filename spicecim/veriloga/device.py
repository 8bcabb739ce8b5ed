"""A Verilog-A module as the memristor of a crossbar: its terminals, its state, and its equations on arrays."""

from __future__ import annotations

import functools
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spicecim.devices.cell import CellSlopes, CellTerms
from spicecim.devices.device import Device
from spicecim.devices.expressions import FloatArray
from spicecim.errors import ModelError, VerilogAError
from spicecim.veriloga.c_source import DRAWN, FURTHER_STATE, HeldNode
from spicecim.veriloga.cache import is_intact
from spicecim.veriloga.compiler import compile_native, compile_verilog_a
from spicecim.veriloga.equilibrium import in_equilibrium
from spicecim.veriloga.evaluation import TEMPERATURE, Evaluation, Residuals
from spicecim.veriloga.frontend import Compilation
from spicecim.veriloga.further import FurtherState, check_names, held, initial_values
from spicecim.veriloga.ground import is_balanced
from spicecim.veriloga.module import Module
from spicecim.veriloga.parameters import parameter_values
from spicecim.veriloga.selection import hidden_state_problems, pick_module, pick_state
from spicecim.veriloga.separation import separated
from spicecim.veriloga.state_range import state_range

_LEAST_AGAINST = 1e-9
"""Current of the other sign that counts, relative to the largest at the same voltage."""
LARGEST_VOLTAGE = 10.0
"""Of those (V) that the bounds of the state are probed with where no drive is known, or where that does not find them.
"""


class ModuleDevice(Device):
    """A module with its parameters, as a two-terminal device with one state that a crossbar sets.

    The device is a `spicecim.devices.cell.Cell`: its unknowns are the potentials of all nodes but the row's and the
    column's, each from its own reference (see `separation`). The state `s` is one of them, and `x` its place between
    the two values of `initial`.

    Parameters
    ----------
    path
        The Verilog-A file.
    module
        Name of the module; may be left out if the file has one.
    state
        Name of the node that holds the state; may be left out if that is plain.
    initial
        The state's value in the node at x = 0 and at x = 1. Where it is left out, the bounds are looked for that the
        rates keep the state between; x = 1 is the one with the lower resistance.
    parameters
        Parameters that differ from their defaults.
    states
        Further nodes that hold a state, with their potentials at time 0, each from its own reference; None for that
        in equilibrium.
    voltage
        Largest voltage (V) of the drive, with which the bounds are looked for: a soft stop holds a state the further
        on, the larger the voltage is.
    temperature
        Ambient temperature (K), of a module that has one; None for ngspice's default, 300.15 K.

    Raises
    ------
    VerilogAError
        If the file cannot be compiled, or the module keeps memory outside its nodes.
    ModelError
        If the module, the state, the scale or a parameter is missing or wrong.
    """

    def __init__(
        self,
        path: str | Path,
        module: str | None = None,
        *,
        state: str | None = None,
        initial: tuple[float, float] | None = None,
        parameters: Mapping[str, Any] | None = None,
        states: Mapping[str, float | None] | None = None,
        voltage: float = LARGEST_VOLTAGE,
        temperature: float | None = None,
    ) -> None:
        self.path = Path(path)
        self.compilation = compile_verilog_a(path)
        found = pick_module(self.compilation, module)
        self.declaration = self.compilation.declarations[found.name]
        self.parameters = parameter_values(found, self.declaration, parameters)
        problems = hidden_state_problems(self.compilation, found, self.parameters)
        if problems:
            raise VerilogAError("\n".join(problems))
        self.state_node = pick_state(self.compilation, found, state)
        states = dict(states or {})
        check_names(found, self.state_node, list(states))
        self.module = found
        for name in (self.state_node, *states):
            self.module = self.module.exposed(name)
        terminals = [name for name in self.module.terminals if name not in (self.state_node, *states)]
        if len(terminals) < 2:
            field = "state" if self.state_node in found.terminals else "module"
            raise ModelError(
                f"{field}: {found.name} has only the terminals {', '.join(found.terminals)}; beside the state, it "
                "needs a row and a column"
            )
        self.roles = {terminals[0]: "row", terminals[1]: "column", self.state_node: "state"}
        self.roles |= {name: f"state_{name}" for name in states}
        self.module, taken = separated(self.module, self.state_node, terminals[:2])
        held_apart = {self.state_node, *states}
        self.returns = tuple((node, end) for node, end in taken if node in held_apart and end in terminals)
        self._defaults = parameter_values(found, self.declaration, self._texts(parameters or {}))
        self.given = own = frozenset(self.declaration.aliases.get(name, name) for name in parameters or {})
        self._native: tuple[Path, str] | None = None
        if temperature is not None and not _has_temperature(self.module):
            raise ModelError(
                f"analysis.temperature: module {found.name} has none: it reads neither $temperature nor $vt"
            )
        self.temperature = TEMPERATURE if temperature is None else temperature
        self.evaluation = Evaluation(self.module, self.parameters, own, self.temperature)
        self._groups, self._names = self._group_nodes()
        self.unknowns = len(self._names) - 2
        self.state_index = self._names.index(self.state_node) - 2
        units = {node.name: node.units for node in self.module.nodes}
        self.further_states = tuple(
            FurtherState(name, self._names.index(name) - 2, np.nan if value is None else value, units[name])
            for name, value in states.items()
        )
        self.further_states += tuple(
            FurtherState(draw.node, self._names.index(draw.node) - 2, draw.middle(self.parameters), "", draw)
            for draw in self.compilation.source.draws.get(found.name, ())
        )
        self.initial = (0.0, 1.0) if initial is None else initial
        self._range_found = initial is None
        self.scale: FloatArray = np.ones(self.unknowns)
        self.scale[self.state_index] = abs(self.initial[1] - self.initial[0])
        if initial is None:
            self.initial = self._find_scale(voltage)
        self.scale = self._find_magnitudes()

    @property
    def name(self) -> str:
        """Name of the module."""
        return self.module.name

    @property
    def title(self) -> str:
        return f"module {self.name} of {self.path.name}"

    @property
    def state_potential(self) -> str:
        """The state as Verilog-A writes it: its node, or V(x, n) if it is not counted from the ground."""
        reference = self.module.nodes[self.module.node(self.state_node)].reference
        return f"V({self.state_node}, {reference})" if reference else self.state_node

    def provenance(self) -> dict[str, str]:
        """What was run, as attributes of waveforms: the module, its state with the scale, and the file's content."""
        low, high = self.initial
        return {
            "device_module": self.name,
            "device_state": f"{self.state_potential}: {low:g} at x = 0, {high:g} at x = 1",
            "device_source_sha256": self.compilation.source.digest,
        }

    def ports(self) -> list[str]:
        """What each terminal of the compiled module is connected to: row, column, state, or open for any other."""
        return [self.roles.get(name, "open") for name in self.module.terminals]

    def native(self) -> tuple[Path, str]:
        """Return the compiled library and the device's name in it (see `compiler.compile_native`)."""
        if self._native is None or not is_intact(self._native[0]):
            self._native = compile_native(self.module, self._defaults, self._held_nodes(), self._drawn())
        return self._native

    def native_parameters(self) -> dict[str, Any]:
        """Parameters that the device has to be given in ngspice, by their names there."""
        return {
            self.module.native_names[name]: value
            for name, value in self.parameters.items()
            if not isinstance(value, str) and (name in self.given or value != self._defaults[name])
        }

    def native_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values of parameters by their names in ngspice."""
        return {self.module.native_names[name]: value for name, value in values.items()}

    def own_values(self) -> dict[str, NDArray[Any]]:
        """Parameters (row, column) that cells have of their own, by name."""
        return {}

    def state_from_x(self, x: ArrayLike) -> FloatArray:
        """State of the normalized state `x`."""
        low, high = self.initial
        return np.asarray(low + (high - low) * np.asarray(x, dtype=float))

    def x_from_state(self, s: ArrayLike) -> FloatArray:
        """Normalized state of the state `s`."""
        low, high = self.initial
        return np.asarray((np.asarray(s, dtype=float) - low) / (high - low))

    def current(self, v: ArrayLike, s: ArrayLike) -> FloatArray:
        """Current (A) into the row terminal in equilibrium, with the state held."""
        voltages, states = _flat(v, s)
        terms = self.terms(np.zeros_like(voltages), voltages, self.start(voltages, states))
        return terms.current.reshape(np.broadcast(v, s).shape)

    def rate(self, v: ArrayLike, s: ArrayLike) -> FloatArray:
        """ds/dt (1/s) in equilibrium of all but the state; NaN where there is none."""
        voltages, states = _flat(v, s)
        terms = self.terms(np.zeros_like(voltages), voltages, self._equilibrium(voltages, states))
        own = self.state_index
        with np.errstate(divide="ignore", invalid="ignore"):
            return (-terms.flow[:, own] / terms.charge_jacobian[:, own, own]).reshape(np.broadcast(v, s).shape)

    def of_cells(self, cells: NDArray[np.int_]) -> ModuleDevice:
        return self

    def of_points(self, points: int) -> ModuleDevice:
        return self

    def cell(self) -> ModuleDevice:
        return self

    @property
    def further(self) -> tuple[int, ...]:
        return tuple(state.place for state in self.further_states)

    def further_units(self) -> dict[str, str]:
        return {state.name: state.unit for state in self.further_states if state.draw is None}

    def further_start(self, shape: tuple[int, int], given: Mapping[str, FloatArray]) -> FloatArray | None:
        """Values (row, column, m) of the further states at time 0 (see `spicecim.devices.device.Device`)."""
        values = initial_values(self.further_states, shape, given, self.parameters)
        return values if values.size else None

    def further_parameters(self) -> dict[str, float | None]:
        """Parameters of an instance in ngspice that take what `further_start` returns.

        Each with the number that it counts in, for it to be a whole one, if there is one.
        """
        return {
            (FURTHER_STATE if state.draw is None else DRAWN).format(number): None
            if state.draw is None
            else state.draw.quantum
            for number, state in enumerate(self.further_states)
        }

    def start(self, v: FloatArray, s: FloatArray, further: FloatArray | None = None) -> FloatArray:
        """Unknowns (n, k) in equilibrium with the states held.

        The voltages v (n,) are those of the row with the column at 0 V; (n, 2) are the potentials of both. Further
        states (n, m) are held too where they are not NaN; by default at the values that the device starts them from.

        Raises
        ------
        VerilogAError
            If no equilibrium is found.
        """
        y = self._equilibrium(v, s, further)
        if not np.isfinite(y).all():
            worst = int(np.flatnonzero(~np.isfinite(y).all(axis=1))[0])
            given = {state.place for state in self.further_states if further is None and not np.isnan(state.start)}
            inner = ", ".join(self._names[2 + index] for index in self._free(given))
            raise VerilogAError(
                f"module {self.name}: no equilibrium of {inner} was found at {_ends(v)[worst, 0]:g} V with "
                f"{self.state_node} held at {s[worst]:g}; where one of these holds a state, say in device.states where "
                "it starts"
            )
        return y

    def _free(self, held: Collection[int]) -> list[int]:
        """Places of the unknowns that are neither the state nor held."""
        return [index for index in range(self.unknowns) if index != self.state_index and index not in held]

    def _equilibrium(self, v: FloatArray, s: FloatArray, further: FloatArray | None = None) -> FloatArray:
        """Unknowns (n, k) in equilibrium with the states held, NaN where none is found."""
        y = np.zeros((len(v), self.unknowns))
        y[:, self.state_index] = s
        if further is None:
            further = np.tile([state.start for state in self.further_states], (len(v), 1))
        places = np.array(self.further, dtype=int)[held(further)]
        y[:, places] = further[:, held(further)]
        free = np.array(self._free(set(places.tolist())), dtype=int)

        points = self.of_points(len(v))

        def terms(moving: NDArray[np.int_], y: FloatArray) -> CellTerms:
            return points.of_cells(moving).terms(np.zeros(len(moving)), v[moving], y, integrate=False)

        return in_equilibrium(terms, y, free)

    def terms(self, time: FloatArray, v: FloatArray, y: FloatArray, integrate: bool = True) -> CellTerms:
        """Evaluate the equations of n devices at v (n,) with unknowns y (n, k).

        At potentials v (n, 2) of row and column, the currents and their charges are those into both (n, 2).
        """
        merged = self._equations(time, v, y, integrate)
        inner = slice(2, 2 + self.unknowns)
        ends = 0 if v.ndim == 1 else slice(2)
        return CellTerms(
            flow=merged.flow[:, inner],
            charge=merged.charge[:, inner],
            flow_jacobian=merged.flow_jacobian[:, inner, inner],
            charge_jacobian=merged.charge_jacobian[:, inner, inner],
            current=merged.flow[:, ends],
            current_charge=merged.charge[:, ends],
        )

    def linear(self, time: FloatArray, v: FloatArray, y: FloatArray) -> CellSlopes:
        """Differentiate the equations at potentials v (n, 2) of row and column and unknowns y (n, k)."""
        merged = self._equations(time, v, y, True)
        ends, inner = slice(2), slice(2, 2 + self.unknowns)
        flow, charge = merged.flow_jacobian, merged.charge_jacobian
        return CellSlopes(
            flow_y=flow[:, inner, inner],
            charge_y=charge[:, inner, inner],
            flow_v=flow[:, inner, ends],
            charge_v=charge[:, inner, ends],
            current_y=flow[:, ends, inner],
            current_charge_y=charge[:, ends, inner],
            current_v=flow[:, ends, ends],
            current_charge_v=charge[:, ends, ends],
        )

    def further_capacitances(self) -> dict[str, float]:
        """Capacitance (F) in which each unknown but the state is stored, by its node, at 0 V and x = 0.5."""
        none = np.zeros(1)
        with np.errstate(all="ignore"):
            charges = self.terms(none, none, self._equilibrium(none, self.state_from_x([0.5]))).charge_jacobian[0]
        return {self._names[2 + index]: abs(float(charges[index, index])) for index in self._free(())}

    def keeps_range(self) -> bool:
        """Whether the bounds of the state were found in its rates; of those given it is not known."""
        return self._range_found

    def is_balanced(self) -> bool:
        """Whether the column takes what the row gives, over voltages up to 1 V and all states: none goes to ground."""
        v, s = self._grid()
        with np.errstate(all="ignore"):
            y = self.start(v, s)
            merged = self._equations(np.zeros_like(v), v, y, True)
        # a current may overflow before 1 V
        finite = np.isfinite(np.concatenate([part.reshape(len(v), -1) for part in merged], axis=1)).all(axis=1)
        merged, v, y = Residuals(*(part[finite] for part in merged)), v[finite], y[finite]
        return is_balanced(merged, np.concatenate([v[:, None], np.zeros((len(v), 1)), y], axis=1))

    def imbalance(self) -> tuple[float, float, float]:
        """Current that the column does not take of what the row gives, where it is largest of a grid of points.

        Returns
        -------
        share, current, voltage : float
            Relative to the larger of both, in ampere, and where (V).
        """
        v, s = self._grid()
        with np.errstate(all="ignore"):
            ends = self._equations(np.zeros_like(v), v, self.start(v, s), True).flow[:, :2]
        missing = np.nan_to_num(ends.sum(axis=1), posinf=0.0, neginf=0.0)
        worst = int(np.argmax(np.abs(missing)))
        largest = float(np.abs(ends[worst]).max())
        return abs(float(missing[worst])) / largest if largest else 0.0, float(missing[worst]), float(v[worst])

    def _held_nodes(self) -> tuple[HeldNode, ...]:
        """Nodes of the states, the first one first, with the factors of their equations.

        These are powers of two that take the charge of a state, between x = 0 and x = 1 or over its magnitude,
        to about 1 C. That is what the models of the library have. A far smaller charge would pass below ngspice's
        absolute tolerances, whatever the relative one is.
        """
        still = np.zeros(2)
        places = [(self.state_node, self.state_index)]
        places += [(state.name, state.place) for state in self.further_states if state.draw is None]
        nodes = []
        for name, index in places:
            y = self.start(still, np.array(self.initial))
            if index != self.state_index:
                y[1] = y[0]
                y[1, index] += self.scale[index]
            charges = self.terms(still, still, y).charge[:, index]
            span = abs(float(charges[1] - charges[0]))
            factor = 2.0 ** -round(math.log2(span)) if 1e-300 < span < 1e300 else 1.0
            nodes.append(HeldNode(name, factor))
        return tuple(nodes)

    def _drawn(self) -> dict[str, tuple[str, float]]:
        """For the node of each draw, the parameter of an instance that holds the number, and what that counts in."""
        parameters = list(self.further_parameters())
        return {
            state.name: (parameters[number], state.draw.quantum)
            for number, state in enumerate(self.further_states)
            if state.draw is not None
        }

    def _texts(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters of the kind text, which ngspice cannot set: they are compiled in."""
        kinds = {parameter.name: parameter.type for parameter in self.module.parameters}
        return {name: value for name, value in given.items() if kinds.get(name) == "string"}

    def _group_nodes(self) -> tuple[NDArray[np.int_], list[str]]:
        """Group of each node, nodes that are collapsed into one sharing one, and the groups' names.

        The row is the first and the column the second; the ground, whose potential is zero, comes last and has no name.
        """
        nodes = [node.name for node in self.module.nodes]
        row, column, *states = self.roles
        rank = {row: 0, column: 1, "": -1, **dict.fromkeys(states, 2)}
        leader = {name: name for name in [*nodes, ""]}

        def head(name: str) -> str:
            while leader[name] != name:
                name = leader[name]
            return name

        for one, other in self.evaluation.collapsed:
            ends = sorted(
                {head(nodes[one]), head("" if other is None else nodes[other])}, key=lambda name: rank.get(name, 3)
            )
            leader[ends[-1]] = ends[0]
        apart = {head(name) for name in (*self.roles, "")}
        if len(apart) < len(self.roles) + 1:
            raise ModelError(
                f"parameters: with these, {self.module.name} makes two of {', '.join(self.roles)} and the ground one "
                "node (V(a, b) <+ 0): the row, the column and the states must stay apart"
            )
        groups = [row, column, *(name for name in nodes if head(name) == name and name not in (row, column))]
        place = {name: index for index, name in enumerate(groups)} | {"": len(groups)}
        return np.array([place[head(name)] for name in nodes]), groups

    def _equations(self, time: FloatArray, v: FloatArray, y: FloatArray, integrate: bool) -> Residuals:
        """Equations of row, column and unknowns of n devices at v (n,) or potentials (n, 2)."""
        grouped = np.concatenate([_ends(v), y, np.zeros((len(v), 1))], axis=1)
        return self._merge(self.evaluation.residuals(grouped[:, self._groups], time=time, integrate=integrate))

    def _grid(self) -> tuple[FloatArray, FloatArray]:
        """Voltages up to 1 V and states from x = 0 to x = 1, every pair."""
        v, s = np.meshgrid(np.linspace(-1.0, 1.0, 5), self.state_from_x(np.linspace(0.0, 1.0, 5)))
        return v.ravel(), s.ravel()

    def _merge(self, residuals: Residuals) -> Residuals:
        """Add up the equations, and the derivatives, of nodes that are one."""
        sums = self._sums
        if sums is None:
            return residuals
        return Residuals(
            residuals.flow @ sums,
            residuals.charge @ sums,
            sums.T @ residuals.flow_jacobian @ sums,
            sums.T @ residuals.charge_jacobian @ sums,
        )

    @functools.cached_property
    def _sums(self) -> FloatArray | None:
        """Which nodes (node, group) each group adds up; None if each is one of its own."""
        if len(self._groups) == len(self._names) and np.array_equal(self._groups, np.arange(len(self._groups))):
            return None
        sums = np.zeros((len(self._groups), len(self._names)))
        kept = self._groups < len(self._names)
        sums[np.flatnonzero(kept), self._groups[kept]] = 1.0
        return sums

    def _find_scale(self, voltage: float) -> tuple[float, float]:
        """Return the bounds that the state's own equation keeps it between, in the order of falling resistance.

        Raises
        ------
        ModelError
            If there are none to be found.
        """
        found = state_range(self.rate, voltage, LARGEST_VOLTAGE)
        if found is None:
            raise ModelError(
                f"initial: the values of {self.state_node} at x = 0 (high resistance) and x = 1 (low) cannot be found, "
                "because the equations do not keep the state between two bounds; give both, such as [1.7, 0.2]"
            )
        low, high = found
        small = np.abs(self.current(np.full(2, 1e-2), np.array([low, high])))
        return (low, high) if small[1] >= small[0] else (high, low)

    def refuse_changing_sign(self, voltage: float) -> None:
        """Raise `ModelError` if, up to a voltage (V), the current changes its sign between x = 0 and x = 1."""
        voltages = np.array([-1.0, -0.1, -0.01, 0.01, 0.1, 1.0]) * voltage
        v, s = np.meshgrid(voltages, np.linspace(*self.initial, 101), indexing="ij")
        with np.errstate(all="ignore"):
            current = self.current(v, s)
        current = np.where(np.isfinite(current), current, 0.0)
        least, most = current.min(axis=1), current.max(axis=1)
        against = np.minimum(np.abs(least), np.abs(most))
        changes = (least < 0.0) & (most > 0.0) & (against > _LEAST_AGAINST * np.abs(current).max(axis=1))
        if changes.any():
            low, high = self.initial
            raise ModelError(
                f"initial: the rates keep {self.state_node} between {low:.6g} and {high:.6g} up to {voltage:g} V, and "
                f"between these the current changes its sign, at {voltages[changes][0]:.3g} V; give the values at "
                "x = 0 (high resistance) and x = 1 (low), such as [1.7, 0.2]"
            )

    def _find_magnitudes(self) -> FloatArray:
        """Magnitude of each unknown, over voltages up to 1 V and all states."""
        magnitudes = np.zeros(self.unknowns)
        if self.unknowns > 1:
            magnitudes = np.abs(self.start(*self._grid())).max(axis=0)
        magnitudes = np.where(magnitudes > 0, magnitudes, 1.0)
        magnitudes[self.state_index] = abs(self.initial[1] - self.initial[0])
        return magnitudes


def _ends(v: FloatArray) -> FloatArray:
    """Potentials (n, 2) of row and column: of voltages (n,), the column at 0 V."""
    return v if v.ndim == 2 else np.stack([v, np.zeros_like(v)], axis=1)


def _flat(v: ArrayLike, s: ArrayLike) -> tuple[FloatArray, FloatArray]:
    voltages, states = np.broadcast_arrays(np.asarray(v, dtype=float), np.asarray(s, dtype=float))
    return voltages.ravel().astype(float), states.ravel().astype(float)


def _has_temperature(module: Module) -> bool:
    """Whether a module reads the ambient temperature."""
    return any(
        argument.kind == "temperature" for part in (module.setup, module.evaluate) for argument in part.arguments
    )


def module_device(
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
    """Return a `ModuleDevice`: the same one for the same arguments, while its file and what that includes are.

    One whose current changes its sign between bounds that were found is refused: they are not its own.
    """
    given = tuple(sorted((parameters or {}).items()))
    further = tuple((states or {}).items())
    # with its bounds given, a device does not depend on the voltage
    voltage = voltage if initial is None else LARGEST_VOLTAGE
    return _module_device(
        compile_verilog_a(path), str(path), module, state, initial, given, further, voltage, temperature
    )


@functools.lru_cache(maxsize=64)
def _module_device(
    compilation: Compilation,
    path: str,
    module: str | None,
    state: str | None,
    initial: tuple[float, float] | None,
    parameters: tuple[tuple[str, Any], ...],
    states: tuple[tuple[str, float | None], ...],
    voltage: float,
    temperature: float | None,
) -> ModuleDevice:
    device = ModuleDevice(
        path, module, state=state, initial=initial, parameters=dict(parameters), states=dict(states), voltage=voltage,
        temperature=temperature,
    )  # fmt: skip
    if initial is None:
        device.refuse_changing_sign(voltage)
    return device
