"""What a fit found, its curves, and the preset that it becomes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
import yaml

from spicecim.fields import FloatArray
from spicecim.files import write_text
from spicecim.fitting.problems import Evaluated, Problem
from spicecim.fitting.statistics import correlation, is_surprising
from spicecim.fitting.systems import SERIES
from spicecim.version import __version__


class FittedParameter(NamedTuple):
    """A parameter with its 95 % confidence interval.

    Attributes
    ----------
    value, low, high
        In the parameter's unit; the ends are infinite where the data tell nothing.
    unit
        Of the parameter.
    transform
        In which a linearized interval is symmetric: ``log``, ``logit`` or ``linear``.
    determined
        Whether the data determine it, to within a factor of 2.
    """

    value: float
    low: float
    high: float
    unit: str
    transform: str
    determined: bool


@dataclass(frozen=True)
class Fit:
    """A model fitted to a measurement.

    Attributes
    ----------
    parameters
        The fitted parameters by name, `FittedParameter`.
    warnings
        What the data cannot tell, and whether the model fails to describe them.
    chi_square, degrees_of_freedom
        Sum of the squared residuals over the noise, and samples less determined parameters.
    chi_square_probability
        That noise alone would give as much; NaN where the noise is not stated.
    runs_probability
        That noise alone would keep the sign of the residuals for as long.
    """

    problem: Problem = field(repr=False)
    numbers: FloatArray = field(repr=False)
    covariance: FloatArray = field(repr=False)
    """Of the transformed parameters."""
    parameters: dict[str, FittedParameter]
    measurement: xr.Dataset = field(repr=False)
    at: Evaluated = field(repr=False)
    labels: dict[str, Any]
    values: dict[str, Any] = field(repr=False)
    chi_square: float
    degrees_of_freedom: int
    chi_square_probability: float
    runs_probability: float
    warnings: list[str]
    settings: dict[str, Any]

    @property
    def model(self) -> str:
        """Name of the model, or the Verilog-A file."""
        return str(self.labels["model"])

    @property
    def correlation(self) -> xr.DataArray:
        """Correlation matrix of the transformed parameters."""
        names = [*self.parameters]
        return xr.DataArray(
            correlation(self.covariance), dims=("parameter", "other"), coords={"parameter": names, "other": names}
        )

    @property
    def residual_rms(self) -> float:
        """Root of the mean squared difference of the currents (A)."""
        counts = self.problem.data.counts
        return float(np.sqrt(np.mean((self.at.current[0] - self.problem.data.current)[counts] ** 2)))

    @property
    def relative_rms(self) -> float:
        """`residual_rms` relative to the root of the mean squared current."""
        counts = self.problem.data.counts
        return self.residual_rms / float(np.sqrt(np.mean(self.problem.data.current[counts] ** 2)))

    @property
    def aic(self) -> float:
        """Akaike's information criterion; the model with the lowest is preferred."""
        return self._deviance + 2.0 * len(self.parameters)

    @property
    def bic(self) -> float:
        """Bayesian information criterion; it punishes parameters harder than `aic`."""
        return self._deviance + math.log(self._count) * len(self.parameters)

    @property
    def _count(self) -> int:
        return int(self.problem.data.counts.sum())

    @property
    def _deviance(self) -> float:
        """Minus twice the logarithm of the likelihood, but for what all models have in common."""
        deviation = self.problem.deviation()[self.problem.data.counts]
        if self.settings["noise_stated"]:
            return self.chi_square + 2.0 * float(np.log(deviation).sum())
        return self._count * math.log(self.chi_square / self._count) + 2.0 * float(np.log(deviation).sum())

    @property
    def curves(self) -> xr.Dataset:
        """Measured and fitted current (A) and the residual over ``point``, in the order of the measurement."""
        measured = self.measurement
        order = [np.flatnonzero(measured["sweep"].values == value) for value in np.unique(measured["sweep"].values)]
        fitted, residual, state = (np.full(measured.sizes["point"], np.nan) for _ in range(3))
        over = np.full(measured.sizes["point"], np.nan)
        kept = self.at.residual[0].reshape(self.problem.data.current.shape)
        voltage = self._device_voltage()
        for row, points in enumerate(order):
            length = len(points)
            fitted[points] = self.at.current[0, row, :length]
            state[points] = self.at.state[0, row, :length]
            over[points] = voltage[row, :length]
            counted = self.problem.data.counts[row, :length]
            residual[points] = np.where(counted, kept[row, :length], np.nan)
        found = measured[["time", "voltage", "current", "sweep", "in_compliance"]].copy()
        found["fitted"] = ("point", fitted, {"units": "A", "long_name": "fitted current"})
        found["residual"] = ("point", residual, {"units": "1", "long_name": "residual over its standard deviation"})
        found["state"] = ("point", state, {"units": "1", "long_name": "state variable"})
        found["device_voltage"] = ("point", over, {"units": "V", "long_name": "fitted voltage over the device"})
        found.attrs = {"model": self.model}
        return found

    def _device_voltage(self) -> FloatArray:
        p = np.array([self.parameters[u.name].value for u in self.problem.unknowns[: self.problem.parameters]])
        shape = self.at.state[0].shape
        p = np.broadcast_to(p.reshape(-1, 1, 1), (len(p), *shape))
        with np.errstate(all="ignore"):
            records = self.problem.data.records
            return self.problem.system.device_voltage(records.voltage, self.at.state[0], self.at.inner[0], p)

    @property
    def stated_noise_holds(self) -> bool:
        """Whether the noise was stated, and the residuals are as large as that: else they tell it."""
        return bool(self.settings["noise_stated"]) and not is_surprising(self.chi_square_probability)

    def value(self, name: str) -> Any:
        """Value of a parameter, fitted or fixed; ``series_resistance`` and ``x0`` as well."""
        return self.parameters[name].value if name in self.parameters else self.values[name]

    def x0(self, sweep: int = 0) -> float:
        """Return the initial state of a sweep, counted from 0."""
        fixed, place = self.problem.first[sweep]
        return self.parameters[self.problem.unknowns[place].name].value if place >= 0 else fixed

    def device_parameters(self) -> dict[str, Any]:
        """Values of all parameters of the device itself."""
        return {name: self.value(name) for name in self.values if name not in (SERIES, "x0")}

    def device_section(self) -> dict[str, Any]:
        """Return the section `device` of a testbench with the fitted parameters."""
        return {**self.labels["section"], "parameters": self.device_parameters()}

    def to_dict(self) -> dict[str, Any]:
        """Plain values: parameters, quality of the fit, warnings, data and settings."""
        fixed = {name: value for name, value in self.values.items() if name not in self.parameters}
        return {
            "model": self.model,
            "parameters": {
                name: {"value": each.value, "low": each.low, "high": each.high, "unit": each.unit,
                       "determined": bool(each.determined)}
                for name, each in self.parameters.items()
            },
            "fixed": fixed,
            "residual_rms": self.residual_rms,
            "relative_rms": self.relative_rms,
            "chi_square": self.chi_square,
            "degrees_of_freedom": self.degrees_of_freedom,
            "chi_square_probability": self.chi_square_probability,
            "runs_probability": self.runs_probability,
            "aic": self.aic,
            "bic": self.bic,
            "warnings": self.warnings,
            "data": {name: self.measurement.attrs.get(name, "") for name in ("source", "sha256")},
            "settings": self.settings,
        }  # fmt: skip

    def save(self, path: str | Path) -> Path:
        """Write the fitted parameters as a preset file, which a testbench takes by its path; return the path.

        That of a Verilog-A module names it, its state and the digest of its file.

        Raises
        ------
        ResultsError
            If the file cannot be written.
        """
        found = self.to_dict()
        sweeps = np.unique(self.measurement["sweep"].values)
        first = self.measurement.isel(point=self.measurement["sweep"].values == sweeps[0])
        time = first["time"].values
        cycles = max(len(np.unique(first["cycle"].values)), 1)
        data = found["data"]["source"] or "a measurement"
        preset = {
            "description": f"Fitted to {data}",
            "source": f"Fit by spicecim {__version__} to {data} (SHA-256 {found['data']['sha256'] or 'not known'})",
            "x0": self.x0(),
            "amplitude": float(np.abs(first["voltage"]).max()),
            "frequency": float(cycles / (time[-1] - time[0])),
            "parameters": self.device_parameters(),
        }
        record = {
            name: found[name]
            for name in ("data", "settings", "residual_rms", "chi_square", "degrees_of_freedom", "warnings")
        }
        record["series_resistance"] = self.value(SERIES)
        record["intervals"] = {name: [each.low, each.high] for name, each in self.parameters.items()}
        file = {**self.labels["heading"], "default": "fitted", "presets": {"fitted": preset}, "fit": record}
        return write_text(path, yaml.safe_dump(_plain(file), sort_keys=False, width=120))


def _plain(value: Any) -> Any:
    """Return values that YAML writes as numbers and texts; an infinite end of an interval becomes null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    return None if isinstance(value, float) and not math.isfinite(value) else value
