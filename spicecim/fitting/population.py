"""Many devices, or many cycles of one: a model fitted to each, and the joint distribution of the parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from spicecim.errors import InputError
from spicecim.fields import FloatArray
from spicecim.fitting.distribution import JointDistribution
from spicecim.fitting.fit import build_problem, finished, reweighted, searched
from spicecim.fitting.integration import Records
from spicecim.fitting.problems import Data, Kind, Noise, Problem
from spicecim.fitting.result import Fit
from spicecim.fitting.search import descend, shaken
from spicecim.fitting.unknowns import Unknown

_ENOUGH = 1e-6
_ITERATIONS = 20


@dataclass(frozen=True)
class Population:
    """Fits of many devices, or of many cycles of one.

    Attributes
    ----------
    fits
        The fit of each.
    distribution
        The joint distribution of the parameters, with what the fits are uncertain by taken off as far as that leaves a
        covariance.
    """

    fits: list[Fit] = field(repr=False)
    distribution: JointDistribution


def fit_each(
    measurements: Sequence[xr.Dataset],
    model: str | Path,
    *,
    preset: str | None = None,
    free: Sequence[str] | None = None,
    fixed: Mapping[str, Any] | None = None,
    first: Mapping[str, Any] | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    x0: float | None = None,
    residual: Kind = "mixed",
    noise: Mapping[str, Any] | None = None,
    starts: int = 16,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> Population:
    """Fit a model to each of several measurements of like devices, all in one vectorized integration.

    The first is fitted as `fit` does; the others begin from what was found.

    Parameters
    ----------
    measurements
        A measurement of each device, with as many sweeps each; `split_cycles` makes them of the cycles of one.
    model, preset, free, fixed, first, bounds, x0, residual, noise, starts, seed, progress
        As for `fit`.

    Returns
    -------
    Population
        The fits, and the joint distribution of the parameters.

    Raises
    ------
    InputError
        If there are fewer than two measurements, or one has another number of sweeps.

    Examples
    --------
    >>> import spicecim as sc
    >>> lot = [sc.synthetic_measurement("yakopcic", points=100, seed=k, parameters={"a1": 0.17 * (1 + 0.05 * k)})
    ...        for k in range(3)]
    >>> sc.fit_each(lot, "yakopcic", free=["a1", "Ap"], starts=1).distribution.names
    ('a1', 'Ap')
    """
    if len(measurements) < 2:
        raise InputError(f"measurements: a distribution needs two at least; there are {len(measurements)}")
    report = progress or (lambda _: None)
    built = [build_problem(one, model, preset, free, fixed, first, bounds, x0, residual, noise) for one in measurements]
    each = {len(problem.data.current) for problem, *_ in built}
    if len(each) > 1:
        raise InputError(f"measurements: must have as many sweeps each; they have {sorted(each)}")
    leading = built[0][0]
    q = np.tile(searched(leading, starts, seed, lambda share: report(0.5 * share)), (len(built), 1))
    joined = Problem(
        leading.system, leading.unknowns, leading.parameters, _joined([problem.data for problem, *_ in built]),
        leading.first, residual,
    )  # fmt: skip
    sweeps = np.arange(len(joined.data.current)).reshape(len(built), -1)
    for repeat in range(1 + reweighted(leading)):
        if repeat:
            found = joined.evaluate(q, sweeps, slopes=False)
            joined.base = np.abs(found.current.reshape(joined.data.current.shape))
        q = descend(joined, q, sweeps, iterations=_ITERATIONS, enough=_ENOUGH).q
        report(0.6 + 0.1 * repeat)
    q = shaken(joined, q, sweeps, seed)
    fits = []
    for row, (problem, values, labels), measurement in zip(range(len(q)), built, measurements, strict=True):
        width = problem.data.current.shape[1]
        problem.base = joined.base[sweeps[row], :width]
        problem.unknowns = leading.unknowns
        settings = {"starts": starts, "seed": seed}
        fits.append(finished(problem, q[row], measurement, labels, values, noise is not None, settings))
    return _population(fits, q, leading.unknowns)


def _population(fits: list[Fit], q: FloatArray, unknowns: list[Unknown]) -> Population:
    total = np.atleast_2d(np.cov(q, rowvar=False))
    own = np.mean([np.where(np.isfinite(fit.covariance), fit.covariance, 0.0) for fit in fits], axis=0)
    values, directions = np.linalg.eigh(total - own)
    covariance = (directions * np.maximum(values, 0.0)) @ directions.T
    names, transforms = [unknown.name for unknown in unknowns], [unknown.transform for unknown in unknowns]
    return Population(fits, JointDistribution(names, q.mean(axis=0), covariance, transforms))


def _joined(parts: list[Data]) -> Data:
    width = max(part.current.shape[1] for part in parts)

    def filled(array: Any, mode: Any = "edge") -> Any:
        return np.pad(array, ((0, 0), (0, width - array.shape[1])), mode=mode)

    time, voltage, limit = (
        np.concatenate([filled(getattr(part.records, name)) for part in parts]) for name in ("time", "voltage", "limit")
    )
    return Data(
        Records(time, voltage, limit, np.concatenate([part.records.length for part in parts])),
        np.concatenate([filled(part.current) for part in parts]),
        np.concatenate([filled(part.counts, "constant") for part in parts]),
        Noise(np.concatenate([part.noise.absolute for part in parts]), parts[0].noise.relative),
    )
