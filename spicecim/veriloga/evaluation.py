"""The numpy face of a module: residuals, charges and their derivatives on arrays of potentials."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spicecim.devices.expressions import FloatArray
from spicecim.errors import ModelError, VerilogAError
from spicecim.veriloga.module import Argument, Function, Instruction, Module
from spicecim.veriloga.numpy_program import Program, Value, typed

TEMPERATURE = 300.15
"""ngspice's default temperature (K), 27 degrees Celsius."""

SIMULATOR_PARAMETERS = {"gmin": 1e-12, "tnom": 27.0, "scale": 1.0, "shrink": 0.0, "imax": 1.0, "iteration": 1.0}
"""What `$simparam` finds, as ngspice 46 gives it by default; anything else is its second argument."""


class Residuals(NamedTuple):
    """Residuals of the nodes, n points by k nodes, and their derivatives by the potentials, n by k by k.

    The law of each node is ``flow + d(charge)/dt = 0`` together with what is connected to it: the flow counts into the
    device.
    """

    flow: FloatArray
    charge: FloatArray
    flow_jacobian: FloatArray
    charge_jacobian: FloatArray


class Evaluation:
    """A module with values for its parameters.

    Parameters
    ----------
    module
        The module.
    parameters
        Value of every parameter, or an array of one per cell (cell,): then the points of an evaluation are these cells.
    given
        Names of the parameters that the user gave.
    temperature
        `$temperature` (K).

    Raises
    ------
    ModelError
        If the module refuses these values by `$fatal`, `$finish` or `$stop`.

    Attributes
    ----------
    collapsed
        Pairs of nodes that are one with these parameters; None stands for the ground.
    """

    def __init__(
        self,
        module: Module,
        parameters: Mapping[str, Any],
        given: frozenset[str] = frozenset(),
        temperature: float = TEMPERATURE,
    ) -> None:
        self.module = module
        self._temperature = temperature
        self._parameters = parameters
        self._given = given
        where = f"module {module.name}"
        self._evaluate = Program(module.evaluate, where)
        self._hints: list[str] = []
        self._aborted: Value = np.False_
        fixed = self._fixed(module.setup)
        values = Program(module.setup, where).run(fixed, self._call)
        if np.any(self._aborted):
            raise ModelError(f"parameters: {where} ends with $fatal, $finish or $stop for these values")
        self.collapsed = [module.collapses[hint] for hint in dict.fromkeys(self._hints) if hint in module.collapses]
        self._arguments = self._fixed(module.evaluate)
        # a value that these parameters work out nowhere is not used either
        self._arguments |= {target: 0.0 for targets in module.cache.values() for target in targets}
        for source, targets in module.cache.items():
            if source in values:
                self._arguments |= dict.fromkeys(targets, values[source])
        self._potentials = [
            (argument.value, unknowns)
            for argument in module.evaluate.arguments
            if (unknowns := self._unknowns(argument)) is not None
        ]
        self._times, self._integrations = (
            [argument.value for argument in module.evaluate.arguments if argument.kind == kind]
            for kind in ("abstime", "enable_integration")
        )
        self._places = [*_places(module)]

    def of_cells(self, cells: NDArray[np.int_]) -> Evaluation:
        """Return the evaluation of points of which each has the parameters of a cell (point,)."""
        chosen = copy.copy(self)
        chosen._arguments = {
            name: value[cells] if isinstance(value, np.ndarray) and value.ndim else value
            for name, value in self._arguments.items()
        }
        return chosen

    def residuals(self, potentials: ArrayLike, *, time: ArrayLike = 0.0, integrate: bool = True) -> Residuals:
        """Evaluate the module.

        Parameters
        ----------
        potentials
            Of the nodes (n, k), in V or in the node's own unit, each from its reference.
        time
            `$abstime` (s), one for all or one per point.
        integrate
            Whether `idt` integrates, as in a transient, or holds its initial value, as in an operating point.

        Returns
        -------
        Residuals
            NaN at points where the module ends with `$fatal`, `$finish` or `$stop`.
        """
        potentials = np.asarray(potentials, dtype=float)
        points, count = potentials.shape
        answer = Residuals(*(np.zeros((points, count, *extra)) for extra in ((), (), (count,), (count,))))
        if not points:
            # no point takes any branch, so that nothing would have a value
            return answer
        arguments = dict(self._arguments)
        for name, unknowns in self._potentials:
            arguments[name] = sum(sign * potentials[:, node] for node, sign in unknowns)
        arguments |= dict.fromkeys(self._times, np.asarray(time, dtype=float))
        arguments |= dict.fromkeys(self._integrations, integrate)
        self._aborted = np.False_
        values = self._evaluate.run(arguments, self._call)
        for which, place, name in self._places:
            answer[which][place] = values[name]
        if np.any(self._aborted):
            for array in answer:
                array[np.broadcast_to(self._aborted, points)] = np.nan
        return answer

    def _unknowns(self, argument: Argument) -> tuple[tuple[int, int], ...] | None:
        try:
            return self.module.unknown(argument)
        except KeyError:
            return ()

    def _fixed(self, function: Function) -> dict[str, Value]:
        """Values of the arguments that do not depend on the potentials."""
        simple: dict[str, Value] = {
            "temperature": np.float64(self._temperature),
            "sysfun": np.float64(1.0),
            "port_connected": True,
            "enable_lim": False,
            "prev_state": np.float64(0.0),
            "hidden_state": np.float64(0.0),
            "new_state": np.float64(0.0),
        }
        fixed: dict[str, Value] = {}
        for argument in function.arguments:
            if argument.kind == "param":
                fixed[argument.value] = typed(self._parameters[argument.name])
            elif argument.kind == "param_given":
                fixed[argument.value] = argument.name in self._given
            elif argument.kind in simple:
                fixed[argument.value] = simple[argument.kind]
        return fixed

    def _call(self, instruction: Instruction, operands: list[Value], mask: Value) -> Value:
        callback = instruction.callback
        if callback in ("SimParam", "SimParamOpt"):
            default = operands[1] if callback == "SimParamOpt" else np.nan
            return SIMULATOR_PARAMETERS.get(operands[0], default)
        if callback.startswith("CollapseHint"):
            if not np.all(mask):
                raise ModelError("parameters: those that differ between cells make nodes one in some of them alone")
            self._hints.append(callback)
            return None
        if callback.startswith(("BuiltinLimit", "StoreLimit")):
            return operands[0]
        if callback.startswith("SetRetFlag"):
            self._aborted = np.logical_or(self._aborted, mask)
            return None
        if callback.startswith("Print"):
            return None
        if callback.startswith(("WhiteNoise", "FlickerNoise", "NoiseTable", "NodeDerivative", "TimeDerivative")):
            return np.float64(0.0)
        raise VerilogAError(f"module {self.module.name}: the call {callback} is not supported")


def _places(module: Module) -> Iterator[tuple[int, tuple[Any, ...], str]]:
    """Which of the `Residuals` each result of the module belongs to, where in it, and the result's name."""
    for entry in module.residuals:
        yield from (
            (array, (slice(None), entry.row), name)
            for array, name in enumerate((entry.resistive, entry.reactive))
            if name
        )
    for entry in module.jacobian:
        place = (slice(None), entry.row, entry.column)
        yield from ((array, place, name) for array, name in enumerate((entry.resistive, entry.reactive), 2) if name)
