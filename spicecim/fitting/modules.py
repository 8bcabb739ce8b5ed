"""A Verilog-A module with arrays of parameters, for fits."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spicecim.errors import UnsupportedError
from spicecim.fields import FloatArray
from spicecim.fitting.systems import SERIES, Linear, Slopes, System
from spicecim.veriloga.device import module_device
from spicecim.veriloga.evaluation import Evaluation
from spicecim.veriloga.expressions import ExpressionError
from spicecim.veriloga.presets import read_module_preset

_DIFFERENCE = 1e-6
"""Relative change of a parameter, either way, for derivatives."""
_LONGEST = 0.5
"""Change (V, or the unit of the node) of an inner node in an iteration at the start."""
_MOST_ITERATIONS = 100
_KEPT = 4
"""Evaluations with their parameters that are kept: those of the last steps."""


class ModuleToFit:
    """A module: its values, and the bounds and units of its numbers.

    Parameters
    ----------
    path
        The Verilog-A file, with one module.
    preset
        A preset file of the module, or None.
    fixed
        Parameters that differ from their defaults, or from the preset's.
    voltage
        Largest voltage (V) of the measurement.
    """

    def __init__(self, path: str | Path, preset: str | None, fixed: Mapping[str, Any], voltage: float) -> None:
        self.x0 = 0.5
        if preset is None:
            self.device = module_device(path, parameters=fixed, voltage=voltage)
        else:
            section, published = read_module_preset(preset, path)
            self.x0 = published.x0
            self.device = module_device(
                path, section["module"], state=section["state"], initial=tuple(section["initial"]),
                parameters={**published.parameters, **fixed},
            )  # fmt: skip
        declared = self.device.declaration.parameters
        own = {name: parameter for name, parameter in declared.items() if not parameter.local}
        self.values = {name: self.device.parameters[name] for name in own}
        self.limits: dict[str, tuple[float, float]] = {}
        for name, parameter in own.items():
            if parameter.type == "real" and not parameter.choices:
                ranges = [item for item in parameter.ranges if not item.excluded]
                self.limits[name] = self._range(ranges[0]) if ranges else (-math.inf, math.inf)
        self.units = {parameter.name: parameter.units for parameter in self.device.module.parameters}
        low, high = self.device.initial
        self.section = {
            "verilog_a": str(Path(path).resolve()), "module": self.device.name, "state": self.device.state_node,
            "initial": [low, high],
        }  # fmt: skip
        self.heading = {
            **self.section, "verilog_a": Path(path).name, "sha256": self.device.provenance()["device_source_sha256"]
        }  # fmt: skip
        """Of a preset file: what it is of."""

    def _range(self, item: Any) -> tuple[float, float]:
        """Bounds that are numbers; one that names a parameter moves with it, and is none here but for zero."""
        found = []
        for bound, none in ((item.lower, -math.inf), (item.upper, math.inf)):
            try:
                found.append(float(bound.evaluate({})))
            except (ExpressionError, KeyError):
                found.append(none)
        return found[0], found[1]

    def system(self, values: Mapping[str, Any], free: Sequence[str], limited: bool) -> System:
        """Return the module as a system with free parameters."""
        if limited or SERIES in free or values.get(SERIES, 0.0):
            raise UnsupportedError(
                f"{self.device.name}: a series resistance and a current limit are for models of the library; give the "
                "module a resistance of its own"
            )
        return ModuleSystem(self, values, free)


class ModuleSystem:
    """A module with arrays of parameters; derivatives by them are differences, those by the state are exact.

    Charges but that of the state are left out: they matter at frequencies far above those of a measured loop.
    """

    def __init__(self, module: ModuleToFit, values: Mapping[str, Any], free: Sequence[str]) -> None:
        self._device, self._free = module.device, [*free]
        self._values = {**module.device.parameters, **{name: values[name] for name in module.values}}
        self._given = frozenset(module.values)
        inner = [index for index in range(self._device.unknowns) if index != self._device.state_index]
        if len(inner) > 1:
            raise UnsupportedError(
                f"{self._device.name}: has {len(inner)} inner nodes beside the state; a fit takes one at most"
            )
        self._state, self._inner = self._device.state_index, inner[0] if inner else None
        self.span = self._device.span()
        self._evaluations: dict[bytes, Any] = {}

    def start(self, x: FloatArray, p: FloatArray) -> Slopes:
        low, high = self._device.initial
        return Slopes(self._device.state_from_x(x), np.full_like(x, high - low), np.zeros((len(p), len(x))))

    def inner(self, v: FloatArray, s: FloatArray, p: FloatArray, limit: FloatArray) -> FloatArray:
        u = np.zeros(np.broadcast_shapes(v.shape, s.shape))
        if self._inner is None:
            return u
        for _ in range(_MOST_ITERATIONS):
            change = np.nan_to_num(self.linear(v, s, u, p, limit).missed)
            u = u + np.clip(change, -_LONGEST, _LONGEST)
            if (np.abs(change) <= 1e-13).all():
                break
        return u

    def linear(self, v: FloatArray, s: FloatArray, u: FloatArray, p: FloatArray, limit: FloatArray) -> Linear:
        shape = np.broadcast_shapes(v.shape, s.shape)
        terms = self._with(p, shape).terms(*self._point(v, s, u, shape))
        own, other = self._state, self._inner
        with np.errstate(all="ignore"):
            charge = terms.charge_jacobian[:, own, own]
            rate, by_state = -terms.flow[:, own] / charge, -terms.flow_jacobian[:, own, own] / charge
            if other is None:
                return Linear(rate.reshape(shape), by_state.reshape(shape), 0.0, 0.0)
            by_inner = -terms.flow_jacobian[:, own, other] / charge
            slope = terms.flow_jacobian[:, other, other]
            change, follow = -terms.flow[:, other] / slope, -terms.flow_jacobian[:, other, own] / slope
        found = (rate + by_inner * change, by_state + by_inner * follow, change, follow)
        return Linear(*(part.reshape(shape) for part in found))

    def slopes(
        self, function: str, v: FloatArray, s: FloatArray, u: FloatArray, p: FloatArray, limit: FloatArray
    ) -> Slopes:
        shape = np.broadcast_shapes(v.shape, s.shape)
        p = np.broadcast_to(p.reshape(len(p), *(1,) * (len(shape) - p.ndim + 1), *p.shape[1:]), (len(p), *shape))
        point = self._point(v, s, u, shape)
        device = self._with(p, shape)
        own, other = self._state, self._inner
        with np.errstate(all="ignore"):
            terms = device.terms(*point)
            slopes = device.linear(point[0], np.stack([point[1], np.zeros_like(point[1])], axis=1), point[2])
            charge = terms.charge_jacobian[:, own, own]
            value, by_y = (
                (terms.current, slopes.current_y[:, 0])
                if function == "current"
                else (-terms.flow[:, own] / charge, -terms.flow_jacobian[:, own] / charge[:, None])
            )

            def parts(changed: FloatArray) -> tuple[FloatArray, FloatArray]:
                there = self._with(changed, shape, keep=False).terms(*point)
                if function == "current":
                    found = there.current
                else:
                    found = -there.flow[:, own] / there.charge_jacobian[:, own, own]
                return found, there.flow[:, other] if other is not None else np.zeros_like(found)

            follow = np.zeros_like(value)
            if other is not None:
                follow = -by_y[:, other] / terms.flow_jacobian[:, other, other]
                by_state = by_y[:, own] + follow * terms.flow_jacobian[:, other, own]
            else:
                by_state = by_y[:, own]
            by_parameter = []
            for index in range(len(p)):
                width = _DIFFERENCE * np.maximum(np.abs(p[index]), 1e-30)
                ends = []
                for sign in (1.0, -1.0):
                    changed = p.copy()
                    changed[index] += sign * width
                    ends.append(parts(changed))
                double = 2.0 * width.ravel()
                by_parameter.append((ends[0][0] - ends[1][0] + follow * (ends[0][1] - ends[1][1])) / double)
        return Slopes(value.reshape(shape), by_state.reshape(shape), np.array(by_parameter).reshape(len(p), *shape))

    def device_voltage(self, v: FloatArray, s: FloatArray, u: FloatArray, p: FloatArray) -> FloatArray:
        return v

    def _point(
        self, v: FloatArray, s: FloatArray, u: FloatArray, shape: tuple[int, ...]
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Instants, voltages (n,) and unknowns (n, k) as the device takes them."""
        volts = np.broadcast_to(v, shape).ravel()
        y = np.zeros((len(volts), self._device.unknowns))
        y[:, self._state] = np.broadcast_to(s, shape).ravel()
        if self._inner is not None:
            y[:, self._inner] = np.broadcast_to(u, shape).ravel()
        return np.zeros_like(volts), volts, y

    def _with(self, p: FloatArray, shape: tuple[int, ...], keep: bool = True) -> Any:
        """Return the device with arrays of parameters for points of a shape."""
        key = p.tobytes() + repr(shape).encode()
        if keep and key in self._evaluations:
            return self._evaluations[key]
        arrays = {name: np.broadcast_to(row, shape).ravel() for name, row in zip(self._free, p, strict=True)}
        device = copy.copy(self._device)
        device.evaluation = Evaluation(device.module, {**self._values, **arrays}, self._given)
        if keep:
            while len(self._evaluations) >= _KEPT:
                self._evaluations.pop(next(iter(self._evaluations)))
            self._evaluations[key] = device
        return device
