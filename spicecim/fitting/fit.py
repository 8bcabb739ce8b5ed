"""A model fitted to a measurement."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from scipy.stats import norm

from spicecim.devices import get_model
from spicecim.devices.library import get_preset, make_device
from spicecim.devices.parameters import limits_of
from spicecim.errors import InputError, ModelError
from spicecim.fields import FloatArray
from spicecim.fitting import statistics
from spicecim.fitting.integration import Records
from spicecim.fitting.modules import ModuleToFit
from spicecim.fitting.problems import KINDS, Data, Kind, Noise, Problem
from spicecim.fitting.profile import is_parabola, profiled_ends
from spicecim.fitting.result import Fit, FittedParameter
from spicecim.fitting.search import candidates, descend, polish, settled, shaken
from spicecim.fitting.systems import SERIES, System, TracedSystem
from spicecim.fitting.unknowns import Unknown, read_bounds
from spicecim.problems import did_you_mean
from spicecim.quantities import input_quantity

_STARTS = 32
_THINNED = 200
"""Samples of a sweep that the search takes."""
_KEPT, _FIRST_ITERATIONS = 6, 6
"""Starts that are kept after some iterations."""
_LAST, _LAST_ITERATIONS = 3, 10
"""Those of them that go on with all samples."""
_SCALE = 3.0
"""Standard deviations beyond which a residual counts less in the search."""
_REWEIGHTED = 2
_RELATIVE, _SHARE = 0.03, 1e-3
"""Noise where none is stated: of the current, and of the largest current of its sweep."""


def fit(
    measurement: xr.Dataset,
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
    starts: int = _STARTS,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> Fit:
    """Fit a device model to measured current over voltage and time.

    The state is integrated along the measured voltages, and currents are compared at their instants. The search begins
    from many candidates at once, on some of the samples; the best goes on with all. Derivatives are exact for models of
    the library (forward sensitivities).

    Parameters
    ----------
    measurement
        What `load_measurement` gives. Every sweep starts at the same initial state, but see `free`.
    model
        Name of a model of the library, or a Verilog-A file with one module, which ends in ``.va``.
    preset
        Published parameter set, or a preset file, that the search starts from and that gives what is not free; by
        default the first. Of a Verilog-A module a preset file, or its defaults.
    free
        Parameters to be fitted, and ``"series_resistance"`` (ohm), ``"x0"`` (the initial state of all sweeps), or
        ``"x0_1"``, ``"x0_2"`` ... (that of one sweep). By default all numbers of the model that are not zero, and x0,
        but for those in `fixed`.
    fixed
        Values of parameters that are not fitted, where they differ from the preset's; ``"x0"`` may be among them.
    first
        First values of parameters that are fitted, where they differ from the preset's.
    bounds
        Lowest and highest value of free parameters, within which all is searched. Others are searched from a third of
        their first value to three times that, and may leave this range.
    x0
        Initial state, or its first value where it is free; by default the preset's.
    residual
        ``"current"``: differences of the current, all alike; ``"log"``: of its logarithm; ``"mixed"``: of the current,
        relative to noise that grows with it.
    noise
        ``{"relative": 0.02, "absolute": "1uA"}``, the standard deviation of a sample: of the current, and apart from
        it; or, for that, ``"peak"``, by default 0.001 of the largest current of its sweep. Where noise is stated, a
        misfit shows in chi-square. Else the residuals tell how large it is.
    starts
        Candidates that the search begins with, in one vectorized integration.
    seed
        Of the candidates.
    progress
        Called with the fraction that is done.

    Returns
    -------
    Fit
        Parameters with confidence intervals, what the data cannot tell, and the residuals.

    Raises
    ------
    InputError
        If a name, a value or a bound is wrong, or no candidate could be integrated.

    Examples
    --------
    >>> import spicecim as sc
    >>> measured = sc.synthetic_measurement("yakopcic", frequency=[50, 200], points=200, seed=1)
    >>> fitted = sc.fit(measured, "yakopcic", free=["a1", "Ap", "Vp"], starts=4)
    >>> abs(fitted.parameters["Ap"].value / 4000 - 1) < 0.05
    True
    """
    problem, values, labels = build_problem(measurement, model, preset, free, fixed, first, bounds, x0, residual, noise)
    q = searched(problem, starts, seed, progress or (lambda _: None))
    return finished(problem, q, measurement, labels, values, noise is not None, {"starts": starts, "seed": seed})


def build_problem(
    measurement: xr.Dataset,
    model: str | Path,
    preset: str | None,
    free: Sequence[str] | None,
    fixed: Mapping[str, Any] | None,
    first: Mapping[str, Any] | None,
    bounds: Mapping[str, tuple[float, float]] | None,
    x0: float | None,
    residual: Kind,
    noise: Mapping[str, Any] | None,
) -> tuple[Problem, dict[str, Any], dict[str, Any]]:
    """Return the problem, the values of all parameters and initial states, and what the device is called."""
    if residual not in KINDS:
        raise InputError(f"residual: must be one of {', '.join(KINDS)}; it is {residual!r}")
    data = data_of(measurement, noise)
    fixed, first, bounds = dict(fixed or {}), dict(first or {}), dict(bounds or {})
    both = [name for name in fixed if name in first or name in (free or [])]
    if both:
        raise InputError(
            f"fixed: {', '.join(both)} is to be fitted too; leave it out of `fixed`, or of `free` and `first` (`first` "
            "has first values of what is fitted)"
        )
    given = {**fixed, **first}
    if x0 is not None and "x0" in given:
        raise InputError("x0: stands twice; leave it out of `fixed` and `first`")
    sweeps = len(data.current)
    initial = ["x0", *(f"x0_{index + 1}" for index in range(sweeps))]
    states = {name: given.pop(name) for name in initial if name in first or (name == "x0" and name in fixed)}
    resistance = input_quantity(SERIES, given.pop(SERIES, measurement.attrs.get("series_resistance", 0.0)), "ohm")
    if str(model).endswith(".va"):
        largest = float(np.abs(data.records.voltage).max())
        device: Any = ModuleToFit(model, preset, given, largest)
    else:
        device = _ModelToFit(str(model), preset, given)
    states = {"x0": device.x0 if x0 is None else x0, **states}
    states = {name: input_quantity(name, value, "") for name, value in states.items()}
    for name, value in states.items():
        if not 0.0 <= value <= 1.0:
            raise InputError(f"{name}: must be between 0 and 1; it is {value:g}")
    known = [*device.limits, SERIES, *initial]
    if free is None:
        usual = [*(name for name in device.limits if device.values[name] != 0.0), "x0"]
        free = [name for name in usual if name not in fixed]
    for name in [*free, *bounds]:
        if name not in known:
            raise InputError(f"free, bounds: {name} is no number of {model}{did_you_mean(name, known)}; it has {known}")
    if len({*free}) < len(free) or ("x0" in free and any(name in free for name in initial[1:])):
        raise InputError("free: a parameter stands twice, or x0 beside that of one sweep")
    for argument, names in (("bounds", bounds), ("first value", first)):
        for name in names:
            if name not in free:
                raise InputError(f"{argument} of {name}: it is not free")
    values = {**device.values, SERIES: resistance}
    of_device = [name for name in free if name not in initial]
    starts_at = [name for name in free if name in initial]
    ohms = float(np.abs(measurement["voltage"]).max() / np.abs(measurement["current"]).max())
    unknowns = []
    for name in [*of_device, *starts_at]:
        own = (0.0, 1.0) if name in initial else (0.0, math.inf) if name == SERIES else device.limits[name]
        value = min(max(states.get(name, states["x0"]), 0.01), 0.99) if name in initial else values[name]
        if name == SERIES and value <= 0.0:
            value = values[SERIES] = 0.1 * ohms
        unit = "" if name in initial else "ohm" if name == SERIES else device.units[name]
        limits = read_bounds(name, bounds[name], value, own) if name in bounds else own
        unknowns.append(Unknown(name, unit, float(value), limits[0], limits[1], name in bounds))
    places = {unknown.name: index for index, unknown in enumerate(unknowns)}
    begun = [(states["x0"], places.get(f"x0_{index + 1}", places.get("x0", -1))) for index in range(sweeps)]
    limited = bool(np.isfinite(data.records.limit).any())
    system = device.system(values, of_device, limited)
    problem = Problem(system, unknowns, len(of_device), data, begun, residual)
    values["x0"] = states["x0"]
    return problem, values, {"model": str(model), "section": device.section, "heading": device.heading}


class _ModelToFit:
    """A model of the library: its values, and the bounds and units of its numbers."""

    def __init__(self, name: str, preset: str | None, fixed: Mapping[str, Any]) -> None:
        self.model = get_model(name)
        self.x0 = 0.5
        if preset is not None or _has_presets(name):
            published = get_preset(name, preset)
            fixed, self.x0 = {**published.parameters, **fixed}, published.x0
        device = make_device(name, None, fixed)
        self.values = device.model_dump()
        self.limits: dict[str, tuple[float, float]] = {}
        for parameter, info in self.model.model_fields.items():
            if info.annotation is float:
                found = limits_of(self.model, parameter)
                low, high = found.get("gt", found.get("ge", -math.inf)), found.get("lt", found.get("le", math.inf))
                self.limits[parameter] = (low, high)
        self.units = self.model.units()
        self.section = self.heading = {"model": name}

    def system(self, values: Mapping[str, Any], free: Sequence[str], limited: bool) -> System:
        own = {name: value for name, value in values.items() if name in self.model.model_fields or name == SERIES}
        return TracedSystem(self.model, own, free, limited)


def _has_presets(model: str) -> bool:
    """Whether a model has published parameter sets."""
    try:
        get_preset(model)
    except ModelError:
        get_model(model)
        return False
    return True


def data_of(measurement: xr.Dataset, noise: Mapping[str, Any] | None) -> Data:
    """Return the sweeps of a measurement as arrays."""
    sweep = measurement["sweep"].values
    rows = [np.flatnonzero(sweep == value) for value in np.unique(sweep)]
    width = max(map(len, rows))
    index = np.array([np.pad(row, (0, width - len(row)), mode="edge") for row in rows])
    length = np.array([len(row) for row in rows])
    inside = np.arange(width) < length[:, None]
    time, voltage, current = (measurement[name].values[index] for name in ("time", "voltage", "current"))
    limits = [measurement.attrs.get(f"compliance_{side}", math.inf) for side in ("positive", "negative")]
    limit = np.where(voltage >= 0.0, *limits)
    limited = measurement["in_compliance"].values[index]
    # only where the source was seen to limit does the limit act
    limit = np.where(np.isfinite(limit) & bool(limited.any()), limit, np.inf)
    peak = np.where(inside, np.abs(current), 0.0).max(axis=1)
    given = dict(noise or {})
    unknown = [name for name in given if name not in ("relative", "peak", "absolute")]
    if unknown:
        raise InputError(f"noise: has {unknown[0]}; it takes relative, peak and absolute")
    relative = input_quantity("noise.relative", given.get("relative", 0.0 if given else _RELATIVE), "")
    absolute = input_quantity("noise.absolute", given.get("absolute", 0.0), "A")
    share = input_quantity("noise.peak", given.get("peak", 0.0 if absolute else _SHARE), "")
    if relative < 0.0 or absolute < 0.0 or share < 0.0:
        raise InputError("noise: must not be negative")
    floor = np.hypot(absolute, share * peak)
    counts = inside & ~limited & ~measurement["saturated"].values[index]
    return Data(Records(time, voltage, limit, length), current, counts, Noise(floor, relative))


def searched(problem: Problem, count: int, seed: int, progress: Callable[[float], None]) -> FloatArray:
    """Search on thinned sweeps from many starts, then on all samples from the best; return its numbers (unknown,)."""
    if count < 1:
        raise InputError(f"starts: must be 1 at least; it is {count}")
    coarse = problem.on(problem.data.thinned(_THINNED))
    found = descend(coarse, candidates(coarse, count, seed), iterations=_FIRST_ITERATIONS, scale=_SCALE)
    progress(0.2)
    found = descend(coarse, found.q[np.argsort(found.cost)[:_KEPT]], scale=_SCALE)
    progress(0.5)
    if not np.isfinite(found.cost).any():
        raise InputError(
            "no candidate could be integrated along these voltages; are the voltages and the times those of the device?"
        )
    if len(found.q) > 1:
        last = found.q[np.argsort(found.cost)[:_LAST]]
        found = descend(problem, last, iterations=_LAST_ITERATIONS, scale=_SCALE)
    progress(0.7)
    q = found.q[int(np.argmin(found.cost))]
    for repeat in range(1 + reweighted(problem)):
        if repeat:
            problem.base = np.abs(problem.evaluate(q[None], slopes=False).current[0])
        q = polish(problem, q)
        progress(0.75 + 0.05 * repeat)
    return settled(problem, np.asarray(shaken(problem, q[None], None, seed)[0]))


def reweighted(problem: Problem) -> int:
    """How often the noise is taken anew from the currents of the fit: by those measured, small ones count more."""
    return _REWEIGHTED if problem.kind == "mixed" else 0


def finished(
    problem: Problem,
    q: Any,
    measurement: xr.Dataset,
    labels: Mapping[str, Any],
    values: Mapping[str, Any],
    stated: bool,
    settings: Mapping[str, Any],
) -> Fit:
    """Return the result at numbers of the unknowns (unknown,)."""
    at = problem.evaluate(q[None])
    counts = problem.data.counts
    inside = counts.ravel()
    residual, jacobian = at.residual[0][inside], at.jacobian[0][inside]
    cost = float(at.cost[0])
    found = statistics.spread(jacobian) if len(q) else statistics.spread(np.zeros((1, 0)))
    determined_count = len(q) - int(found.blind.sum()) - len(found.joined)
    freedom = max(len(residual) - determined_count, 1)
    reduced = cost / freedom
    probability = statistics.chi_square_probability(cost, freedom) if stated else math.nan
    misfit = stated and statistics.is_surprising(probability)
    # where the noise is stated and met, it is taken; else the residuals tell it
    factor = 1.0 if stated and not misfit else reduced
    covariance = found.covariance * factor
    deviation = np.sqrt(np.diag(covariance))
    quantile = float(norm.ppf(0.5 + 0.5 * statistics.CONFIDENCE))
    limits = q + quantile * np.outer([-1.0, 1.0], deviation)
    level = quantile**2 * factor
    straight = is_parabola(problem, q, covariance, level)
    if not straight:
        limits = profiled_ends(problem, q, np.flatnonzero(np.isfinite(deviation)), level)
        # the linearized correlations, with the widths of the intervals
        finite = np.isfinite(limits).all(axis=0) & np.isfinite(deviation)
        ratio = np.ones(len(q))
        ratio[finite] = np.ptp(limits[:, finite], axis=0) / (2.0 * quantile * deviation[finite])
        covariance, deviation = covariance * np.outer(ratio, ratio), deviation * ratio
    # the likelihood may stay high on one side, where the linearized deviation is finite
    told = np.where(np.isfinite(limits).all(axis=0), deviation, math.inf)
    open_ = statistics.undetermined(told)
    parameters = {}
    for index, unknown in enumerate(problem.unknowns):
        ends = [float(unknown.value(limit)) for limit in limits[:, index]]
        if not np.isfinite(deviation[index]):
            ends = [-math.inf, math.inf]
        parameters[unknown.name] = FittedParameter(
            float(unknown.value(q[index])), min(ends), max(ends), unknown.unit, unknown.transform.kind, not open_[index]
        )
    voltage = measurement["voltage"].values
    texts = statistics.warnings_of(problem.unknowns, q, found, told, (float(voltage.min()), float(voltage.max())))
    runs = min(
        (statistics.runs_test(at.residual[0].reshape(counts.shape)[row][counts[row]]) for row in range(len(counts))),
        default=1.0,
    )
    runs = min(1.0, runs * len(counts))
    if misfit:
        texts.append(
            f"the model does not describe the data: the residuals are {math.sqrt(reduced):.3g} times the stated noise "
            f"(chi-square {cost:.4g} with {freedom} degrees of freedom, probability {probability:.1e})"
        )
    if statistics.is_surprising(runs):
        texts.append(
            f"the residuals keep their sign for longer than noise would (runs test, probability {runs:.1e}): the model "
            "misses something, and the intervals are too narrow"
        )
    return Fit(problem, q, covariance, parameters, measurement, at, dict(labels), dict(values), cost, freedom,
               probability, runs, texts, {
                   **settings, "residual": problem.kind, "noise_stated": stated,
                   "intervals": "linearized" if straight else "likelihood",
               })  # fmt: skip
