"""A compiled model called without a simulator, so that its every number can be seen."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, c_bool, c_char_p, c_double, c_uint32, c_void_p
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spicecim.veriloga.compiler import compile_native, compile_verilog_a
from spicecim.veriloga.descriptor import NONE, Descriptor
from spicecim.veriloga.evaluation import Evaluation, Residuals
from spicecim.veriloga.frontend import Compilation
from spicecim.veriloga.parameters import parameter_values

SET, INSTANCE = 1, 4
TRANSIENT, STATIC = 2 | 8, 0
"""ngspice asks for reactive residuals and derivatives in a transient alone."""
TYPES = (c_double, ctypes.c_int32, c_char_p)


class SimulatorParameters(Structure):
    _fields_ = [
        ("names", POINTER(c_char_p)),
        ("values", POINTER(c_double)),
        ("text_names", POINTER(c_char_p)),
        ("text_values", POINTER(c_char_p)),
    ]


class SimulationInfo(Structure):
    _fields_ = [
        ("parameters", SimulatorParameters),
        ("abstime", c_double),
        ("potential", POINTER(c_double)),
        ("previous_state", POINTER(c_double)),
        ("next_state", POINTER(c_double)),
        ("flags", c_uint32),
    ]


class InitInfo(Structure):
    _fields_ = [("flags", c_uint32), ("num_errors", c_uint32), ("errors", c_void_p)]


LOG = ctypes.CFUNCTYPE(None, c_void_p, c_char_p, c_uint32)


class Device:
    """One device of a compiled library, at 300.15 K and with one simulator parameter, `gmin` 1e-12."""

    def __init__(self, library: Path, given: dict[str, Any] | None = None, instance: dict[str, Any] | None = None):
        self._library = ctypes.CDLL(str(library))
        self.descriptor = (Descriptor * 1).in_dll(self._library, "OSDI_DESCRIPTORS")[0]
        self.messages: list[tuple[int, str]] = []
        self._log = LOG(lambda handle, text, level: self.messages.append((level, text.decode())))
        c_void_p.in_dll(self._library, "osdi_log").value = ctypes.cast(self._log, c_void_p).value
        self._model = ctypes.create_string_buffer(self.descriptor.model_size)
        self._instance = ctypes.create_string_buffer(self.descriptor.instance_size)
        self._keep: list[Any] = []
        names = (c_char_p * 2)(b"gmin", None)
        values = (c_double * 1)(1e-12)
        none = (c_char_p * 1)(None)
        self._keep += [names, values, none]
        self._parameters = SimulatorParameters(names, values, none, none)
        for own, flags in ((given or {}, SET), (instance or {}, SET | INSTANCE)):
            for name, value in own.items():
                self._set(name, value, flags)
        count = self.descriptor.num_nodes
        self.mapping = self._array(c_uint32, count, self.descriptor.node_mapping_offset)
        self.mapping[:] = range(count)
        self._jacobian = np.zeros((2, self.descriptor.num_jacobian_entries))
        entries = self.descriptor.jacobian_entries[: self.descriptor.num_jacobian_entries]
        pointers = self._array(c_void_p, len(entries), self.descriptor.jacobian_ptr_resist_offset)
        for index, entry in enumerate(entries):
            pointers[index] = self._jacobian[0, index:].ctypes.data
            if entry.react_ptr_off != NONE:
                place = self._array(c_void_p, 1, entry.react_ptr_off)
                place[0] = self._jacobian[1, index:].ctypes.data
        self._places = [(entry.row, entry.column) for entry in entries]
        result = InitInfo()
        self._call("setup_model", None, None, self._model, self._parameters, result)
        self._call(
            "setup_instance",
            None,
            None,
            self._instance,
            self._model,
            c_double(300.15),
            c_uint32(self.descriptor.num_terminals),
            self._parameters,
            result,
        )

    @property
    def collapsed(self) -> list[tuple[int, int | None]]:
        """Pairs of nodes that are one; None is the ground."""
        flags = self._array(c_bool, self.descriptor.num_collapsible, self.descriptor.collapsed_offset)
        pairs = self.descriptor.collapsible[: self.descriptor.num_collapsible]
        found = [(one, None if other == NONE else other) for one, other in pairs]
        return [pair for pair, flag in zip(found, flags, strict=True) if flag]

    @property
    def bound_step(self) -> float:
        """Largest time step (s) that the last evaluation allows."""
        return float(self._array(c_double, 1, self.descriptor.bound_step_offset)[0])

    def evaluate(self, potentials: np.ndarray, time: float = 0.0, flags: int = TRANSIENT) -> tuple[Residuals, int]:
        """Residuals and derivatives at n points (n, k), and the flags that the evaluations returned."""
        points, count = potentials.shape
        answer = Residuals(*(np.zeros((points, count, *extra)) for extra in ((), (), (count,), (count,))))
        returned = 0
        for point, values in enumerate(np.ascontiguousarray(potentials, dtype=float)):
            info = SimulationInfo(self._parameters, time, values.ctypes.data_as(POINTER(c_double)), None, None, flags)
            returned |= self._call("eval", c_uint32, None, self._instance, self._model, info)
            for target, name in ((answer.flow, "resist"), (answer.charge, "react")):
                place = target[point].ctypes.data_as(POINTER(c_double))
                self._call(f"load_residual_{name}", None, self._instance, self._model, place)
            self._jacobian[:] = 0.0
            self._call("load_jacobian_resist", None, self._instance, self._model)
            flows = self._jacobian[0].copy()
            self._call("load_jacobian_react", None, self._instance, self._model, c_double(1.0))
            self._jacobian[0] = 0.0
            self._call("load_jacobian_tran", None, self._instance, self._model, c_double(1.0))
            np.testing.assert_array_equal(self._jacobian[0], flows + self._jacobian[1])
            for index, (row, column) in enumerate(self._places):
                answer.flow_jacobian[point, row, column] += flows[index]
                answer.charge_jacobian[point, row, column] += self._jacobian[1, index]
            for name, alpha in (("dc", 0.0), ("tran", 0.7)):
                right = np.zeros(count)
                extra = (c_double(alpha),) if name == "tran" else ()
                places = (array.ctypes.data_as(POINTER(c_double)) for array in (right, values))
                self._call(f"load_spice_rhs_{name}", None, self._instance, self._model, *places, *extra)
                slopes = answer.flow_jacobian[point] + alpha * answer.charge_jacobian[point]
                scale = np.abs(slopes) @ np.abs(values) + np.abs(answer.flow[point])
                error = np.abs(right - (slopes @ values - answer.flow[point]))
                assert not np.any(error > 1e-13 * scale), name
        return answer, returned

    def _call(self, name: str, result: Any, *arguments: Any) -> Any:
        kinds = [c_void_p if argument is None else type(argument) for argument in arguments]
        sent = list(arguments)
        for index, argument in enumerate(arguments):
            if isinstance(argument, Structure):
                kinds[index], sent[index] = POINTER(type(argument)), ctypes.byref(argument)
        return ctypes.CFUNCTYPE(result, *kinds)(getattr(self.descriptor, name))(*sent)

    def _array(self, kind: Any, length: int, offset: int) -> Any:
        return (kind * length).from_buffer(self._instance, offset)

    def _set(self, name: str, value: Any, flags: int) -> None:
        for index, info in enumerate(self.descriptor.param_opvar[: self.descriptor.num_params]):
            if name in [text.decode() for text in info.names[: info.num_alias + 1]]:
                access = ctypes.CFUNCTYPE(c_void_p, c_void_p, c_void_p, c_uint32, c_uint32)(self.descriptor.access)
                place = access(ctypes.addressof(self._instance), ctypes.addressof(self._model), index, flags)
                kind = TYPES[info.flags & 3]
                kind.from_address(place).value = value.encode() if isinstance(value, str) else value
                return
        raise KeyError(name)


class Pair(NamedTuple):
    """A module in both forms, with the same values for its parameters."""

    compilation: Compilation
    evaluation: Evaluation
    device: Device

    @property
    def nodes(self) -> list[str]:
        """Names of the nodes."""
        return [node.name for node in self.evaluation.module.nodes]


def compile_pair(path: Path, given: dict[str, Any] | None = None, module: str | None = None) -> Pair:
    """Compile a module, by default the first of its file, and give it values for parameters."""
    compilation = compile_verilog_a(path)
    found = compilation.modules[module] if module else next(iter(compilation.modules.values()))
    declaration = compilation.declarations[found.name]
    defaults = parameter_values(found, declaration)
    values = parameter_values(found, declaration, given)
    library, _ = compile_native(found, defaults)
    own = {
        found.native_names[name]: value
        for name, value in values.items()
        if name in (given or {}) or value != defaults[name]
    }
    return Pair(compilation, Evaluation(found, values, frozenset(given or {})), Device(library, own))


def module_text(body: str, declarations: str = "", ports: str = "p, n") -> str:
    """Text of a Verilog-A file with one module `m`; the body stands in its analog block from line 5."""
    headers = '`include "disciplines.vams"\n`include "constants.vams"\n'
    start = f"module m({ports}); inout {ports}; electrical {ports}; {declarations}"
    return f"{headers}{start}\nanalog begin\n{body}\nend\nendmodule\n"


def agree(pair: Pair, potentials: np.ndarray, *, integrate: bool = True, relative: float = 1e-12) -> Residuals:
    """Check that both forms of a module give the same at n points (n, k), and return what they give."""
    with np.errstate(all="ignore"):
        answer = pair.evaluation.residuals(potentials, integrate=integrate)
        native, _ = pair.device.evaluate(potentials, flags=TRANSIENT if integrate else STATIC)
    for ours, theirs in zip(answer, native, strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=relative, atol=0.0)
    assert set(pair.device.collapsed) == set(pair.evaluation.collapsed)
    return answer


def check_slopes(pair: Pair, potentials: np.ndarray, *, relative: float = 1e-6, integrate: bool = True) -> None:
    """Check the derivatives at n points (n, k) against difference quotients."""
    answer = pair.evaluation.residuals(potentials, integrate=integrate)
    for column in range(potentials.shape[1]):
        step = np.zeros_like(potentials)
        step[:, column] = 1e-6
        up = pair.evaluation.residuals(potentials + step, integrate=integrate)
        down = pair.evaluation.residuals(potentials - step, integrate=integrate)
        for slopes, high, low in (
            (answer.flow_jacobian, up.flow, down.flow),
            (answer.charge_jacobian, up.charge, down.charge),
        ):
            quotient = (high - low) / 2e-6
            scale = np.abs(high).max(axis=0) + np.abs(quotient).max(axis=0)
            assert np.all(np.abs(slopes[:, :, column] - quotient) <= relative * scale + 1e-15)
