"""Statistics of a sweep over its samples: quantiles, yield with its confidence interval, and what goes with what."""

from __future__ import annotations

import functools
import itertools
import json
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import stats

from spicecim.errors import InputError
from spicecim.fields import FloatArray
from spicecim.sweeps.dataset import FACTOR
from spicecim.sweeps.design import DEPENDENT, sample_seed
from spicecim.testbench import Testbench
from spicecim.variation.correlation import correlation_matrix, standard_normal
from spicecim.variation.distributions import distribution

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Quantiles of the bands."""


def measures_of(sweep: xr.Dataset) -> list[str]:
    """Return the names of the measures of a sweep."""
    return [str(name) for name in sweep.data_vars if name not in ("status", "key", "warnings", "error", "seconds")]


def selected(sweep: xr.Dataset, measure: str, selection: Mapping[str, Any]) -> xr.DataArray:
    """Return a measure at places along some dimensions; raises `InputError` for a name that there is not."""
    names = measures_of(sweep)
    if measure not in names:
        raise InputError(f"measure: must be one of {', '.join(names)}; it is {measure!r}")
    values = sweep[measure]
    for name, place in selection.items():
        if name not in values.dims:
            raise InputError(f"{measure} has no dimension {name!r}; it has {', '.join(map(str, values.dims))}")
        if not isinstance(place, int | np.integer) or not -values.sizes[name] <= place < values.sizes[name]:
            raise InputError(f"{name}: must be a whole number below {values.sizes[name]}; it is {place!r:.60}")
    return values.isel(selection).load()


def bands(sweep: xr.Dataset, measure: str, levels: Sequence[float] = LEVELS, **selection: Any) -> xr.Dataset:
    """Return mean, standard deviation and quantiles of a measure over the samples.

    Parameters
    ----------
    sweep
        What `spicecim.open_sweep` returns.
    measure
        Name of the measure.
    levels
        Quantiles, from 0 to 1.
    **selection
        Places along dimensions, such as ``column=0``.

    Returns
    -------
    xarray.Dataset
        ``mean``, ``deviation``, ``quantile`` (level, ...) and ``count``, the number of samples that have a value.
    """
    values = selected(sweep, measure, selection)
    _check_samples(values)
    found = xr.Dataset({"count": values.count("sample")})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of points at which no or one sample has a value: NaN says it
        found["mean"] = values.mean("sample")
        found["deviation"] = values.std("sample", ddof=1)
        found["quantile"] = values.quantile(list(levels), "sample").rename(quantile="level")
    for name in ("mean", "deviation", "quantile"):
        found[name].attrs = dict(values.attrs)
    return found


def yield_within(
    sweep: xr.Dataset,
    measure: str,
    *,
    lower: float | None = None,
    upper: float | None = None,
    confidence: float = 0.95,
    method: str = "wilson",
    **selection: Any,
) -> xr.Dataset:
    """Return the share of samples whose measure is within limits, and its confidence interval.

    Samples that failed have no value: they are left out, and ``count`` says how many have one.

    Parameters
    ----------
    sweep, measure, **selection
        As in `bands`.
    lower, upper
        Limits in the unit of the measure, each of which belongs to what passes; None for no limit.
    confidence
        Of the interval: 0.95 holds the true yield in 95 of 100 experiments.
    method
        ``"wilson"`` (E. B. Wilson, J. Am. Stat. Assoc. 22, 209 (1927), doi:10.1080/01621459.1927.10502953), or
        ``"exact"`` (Clopper and Pearson, Biometrika 26, 404 (1934), doi:10.1093/biomet/26.4.404), which never holds it
        in fewer experiments than that, and is wider.

    Returns
    -------
    xarray.Dataset
        ``share``, ``low``, ``high`` and ``count``.

    Raises
    ------
    InputError
        If there are no samples or no limits, or a value is out of range.
    """
    values = selected(sweep, measure, selection)
    check_draws(sweep, values)
    if lower is None and upper is None:
        raise InputError("lower, upper: give one limit at least")
    if not 0.0 < confidence < 1.0:
        raise InputError(f"confidence: must be between 0 and 1; it is {confidence}")
    if method not in ("wilson", "exact"):
        raise InputError(f"method: must be wilson or exact; it is {method!r}")
    passed = values.notnull()
    if lower is not None:
        passed &= values >= lower
    if upper is not None:
        passed &= values <= upper
    good, count = passed.sum("sample"), values.count("sample")
    low, high = (
        good.copy(data=ends) for ends in shares_within(good.values, count.values, confidence, method)
    )  # fmt: skip
    return xr.Dataset({"share": good / count.where(count > 0), "low": low, "high": high, "count": count})


def shares_within(
    good: NDArray[np.int_], count: NDArray[np.int_], confidence: float = 0.95, method: str = "wilson"
) -> tuple[FloatArray, FloatArray]:
    """Ends of the confidence intervals of the share of which `good` of `count` are a sample; NaN for a sample of 0."""

    @functools.cache
    def interval(k: int, n: int) -> tuple[float, float]:
        if not n:
            return np.nan, np.nan
        found = stats.binomtest(k, n).proportion_ci(confidence, method)
        return float(found.low), float(found.high)

    ends = np.array([interval(int(k), int(n)) for k, n in zip(good.flat, count.flat, strict=True)]).reshape(-1, 2)
    return ends[:, 0].reshape(good.shape), ends[:, 1].reshape(good.shape)


def correlations(sweep: xr.Dataset, measure: str, **selection: Any) -> xr.Dataset:
    """Return how a measure goes with every parameter that differs between the runs, the strongest first.

    Parameters are the axes that are numbers, the factors of the fields that were drawn (``factor of NAME`` where the
    field is an axis too), and of what was drawn for each cell the mean over the cells, of the column that is selected
    or of all.

    An axis is correlated over all runs. What was drawn is ranked within each point of the axes, and so is the measure
    with it, and these ranks are correlated over all points: what an axis changes does not hide what was drawn.

    Parameters
    ----------
    sweep, measure, **selection
        As in `bands`; every dimension of the measure's own must have a place.

    Returns
    -------
    xarray.Dataset
        Over ``parameter``: ``spearman``, the correlation of the ranks (1 for whatever rises with it), ``pearson``, that
        of the values (of what was drawn: less their mean at the point), ``p``, how probable ranks correlated like these
        are if nothing goes with it, ``n``, what ``p`` counts: runs for an axis, samples for what was drawn, since a
        sample has the same draws at every point (NaN for ``p`` if there are fewer than 3), and ``in_step``, of an axis
        in step with another whose ranks are the same, or the opposite, the name of that; empty for the others.

    Raises
    ------
    InputError
        If a dimension has no place, or fewer than 3 runs have a value.
    """
    values = _of_runs(sweep, measure, selection)
    if "sample" in values.dims:
        values = values.transpose(..., "sample")  # runs of a point one after the other
    parameters = {**_numeric(sweep, values), **_of_cells(sweep, values, selection.get("column"))}
    there = np.isfinite(values.values)
    if there.sum() < 3:
        raise InputError(f"{measure}: {there.sum()} runs have a value; a correlation takes 3 at least")
    per_point = there.reshape(-1, values.sizes.get("sample", 1))
    ends, samples = np.cumsum(per_point.sum(axis=1))[:-1], int(per_point.any(axis=0).sum())
    data = values.values[there]
    found = {}
    for name, parameter in parameters.items():
        own = np.asarray(parameter.broadcast_like(values).transpose(*values.dims))[there]
        is_drawn = parameter.dims == ("sample",)
        if correlated := _correlated(own, data, ends if is_drawn else [], samples if is_drawn else len(data)):
            found[name] = correlated
    if not found:
        raise InputError(f"{measure}: no parameter, or not the measure, differs between the runs")
    order = sorted(found, key=lambda name: -abs(found[name][0]))
    columns = zip(*(found[name] for name in order), strict=True)
    in_step = _in_step({name: parameters[name] for name in order})
    return xr.Dataset(
        {name: ("parameter", list(each)) for name, each in zip(("spearman", "pearson", "p", "n"), columns, strict=True)}
        | {"in_step": ("parameter", [in_step.get(name, "") for name in order])},
        coords={"parameter": order},
    )


def _correlated(own: FloatArray, data: FloatArray, ends: Any, n: int) -> tuple[float, float, float, int] | None:
    """Rank and value correlation within parts, p of the ranks, and n; None if one does not differ within a part."""
    ranks, others = (_around_means(each, ends, ranked=True) for each in (own, data))
    if not ranks.any() or not others.any():
        return None
    spearman = float(np.corrcoef(ranks, others)[0, 1])
    pearson = float(np.corrcoef(_around_means(own, ends), _around_means(data, ends))[0, 1])
    free = n - 2
    if free < 1:
        return spearman, pearson, np.nan, n
    rest = max(1.0 - spearman**2, np.finfo(float).eps)  # rounding could make it negative
    return spearman, pearson, float(2.0 * stats.t.sf(abs(spearman) * np.sqrt(free / rest), free)), n


def _around_means(values: FloatArray, ends: Any, ranked: bool = False) -> FloatArray:
    """Values, or their ranks as shares, less their mean within each of the parts that end at places."""
    parts = [part for part in np.split(values, ends) if len(part)]
    if ranked:
        # shares, for parts with fewer values to count as much as others; the mean of the ranks is (n + 1) / 2
        return np.concatenate([stats.rankdata(part) / (len(part) + 1) - 0.5 for part in parts])
    return np.concatenate([part - part.mean() for part in parts])


def _in_step(parameters: Mapping[str, xr.DataArray]) -> dict[str, str]:
    """Of axes of one dimension whose ranks are those of another, or the opposite, the name of the first of these."""
    found: dict[str, str] = {}
    for (one, first), (other, second) in itertools.combinations(parameters.items(), 2):
        if one not in found and first.dims == second.dims != ("sample",) and first.ndim == 1:
            ranks, others = stats.rankdata(first), stats.rankdata(second)
            if np.array_equal(ranks, others) or np.array_equal(ranks, len(others) + 1 - others):
                found.setdefault(other, one)
    return found


def _of_runs(sweep: xr.Dataset, measure: str, selection: Mapping[str, Any]) -> xr.DataArray:
    """A measure as one number of each run."""
    values = selected(sweep, measure, selection)
    inner = [str(name) for name in values.dims if name not in sweep["status"].dims]
    if inner:
        raise InputError(f"{measure}: say where along {', '.join(inner)}, such as {inner[0]}=0")
    return values


def _numeric(sweep: xr.Dataset, values: xr.DataArray) -> dict[str, xr.DataArray]:
    found = {}
    for name, coordinate in values.coords.items():
        field = str(name).removeprefix(FACTOR)
        if field != name or (name != "sample" and coordinate.dtype.kind in "iuf" and coordinate.dims):
            found[str(name) if field in values.coords else field] = coordinate.reset_coords(drop=True)
    return found


def _of_cells(sweep: xr.Dataset, values: xr.DataArray, column: int | None) -> dict[str, xr.DataArray]:
    """Mean factor (sample,) of the cells by the names of parameters that were drawn per cell."""
    plan = json.loads(sweep.attrs["sweep"])
    chosen = plan["scatter"]["vary"]
    if not chosen or "testbench" not in sweep.attrs or "sample" not in values.dims:
        return {}
    shape = Testbench.from_dict(json.loads(sweep.attrs["testbench"])).shape
    given = plan["scatter"]["correlation"]
    matrix = None if given is None else correlation_matrix(given, list(chosen))
    means: dict[str, list[float]] = {name: [] for name in chosen}
    for sample in values["sample"].values:
        numbers = standard_normal(chosen, shape, sample_seed(plan["seed"], int(sample)), matrix)
        for name, spread in chosen.items():
            factors = distribution(spread).factor(numbers[name])
            means[name].append(float((factors if column is None else factors[:, column]).mean()))
    return {f"mean of {name}": xr.DataArray(each, dims="sample") for name, each in means.items()}


def _check_samples(values: xr.DataArray) -> None:
    if "sample" not in values.dims:
        raise InputError("the sweep has no samples")


def check_draws(sweep: xr.Dataset, values: xr.DataArray) -> None:
    """Raise `InputError` unless a measure has samples that are independent draws."""
    _check_samples(values)
    if (design := json.loads(sweep.attrs["sweep"])["design"]) in DEPENDENT:
        raise InputError(f"design: the samples of {design} are no independent draws; a yield takes another design")


def runs_of_design(
    sweep: xr.Dataset, measure: str, design: str, selection: Mapping[str, Any]
) -> tuple[Any, FloatArray]:
    """Names of the fields that were drawn, and a measure (sample,) of a sweep of one design.

    Raises
    ------
    InputError
        If its design is another, an axis has no place, or a run has no value.
    """
    plan = json.loads(sweep.attrs["sweep"])
    if plan["design"] != design:
        raise InputError(f"design: this takes a sweep of the design {design}; this one has {plan['design']}")
    values = _of_runs(sweep, measure, selection)
    if values.dims != ("sample",):
        axes = [str(name) for name in values.dims if name != "sample"]
        raise InputError(f"{measure}: say where along {', '.join(axes)}, such as **{{{axes[0]!r}: 0}}")
    data = np.asarray(values.values, dtype=float)
    if not np.isfinite(data).all():
        raise InputError(f"{measure}: {int((~np.isfinite(data)).sum())} runs have no value; all are needed")
    return list(plan["draws"]), data
