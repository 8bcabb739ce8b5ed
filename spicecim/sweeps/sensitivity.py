"""Which fields a measure depends on: each alone (a tornado plot's numbers), and all together (Sobol indices)."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from scipy import stats

from spicecim.errors import InputError
from spicecim.sweeps.statistics import runs_of_design
from spicecim.variation.correlation import generator


def tornado(sweep: xr.Dataset, measure: str, **selection: Any) -> xr.Dataset:
    """Return what a measure is where each field that was drawn alone is low and high, the widest first.

    Parameters
    ----------
    sweep
        A sweep of the design ``one-at-a-time``.
    measure, **selection
        As in `spicecim.sweeps.bands`.

    Returns
    -------
    xarray.Dataset
        ``low`` and ``high`` over ``parameter``, and ``nominal``.

    Raises
    ------
    InputError
        If the sweep has another design, or a run has no value.
    """
    fields, data = runs_of_design(sweep, measure, "one-at-a-time", selection)
    low, high = data[1::2], data[2::2]
    order = np.argsort(-np.abs(high - low), kind="stable")
    return xr.Dataset(
        {"low": ("parameter", low[order]), "high": ("parameter", high[order]), "nominal": data[0]},
        coords={"parameter": [fields[number] for number in order]},
        attrs=dict(sweep[measure].attrs),
    )


def sobol_indices(sweep: xr.Dataset, measure: str, *, confidence: float = 0.95, **selection: Any) -> xr.Dataset:
    """Return which shares of a measure's variance fields are responsible for that were drawn, the largest first.

    The first-order index is the share that goes with a field alone, the total one that in which it has a part
    (I. M. Sobol, Math. Comput. Simul. 55, 271 (2001), doi:10.1016/S0378-4754(00)00270-6; estimators of A. Saltelli et
    al., Comput. Phys. Commun. 181, 259 (2010), doi:10.1016/j.cpc.2009.09.018, by SciPy).

    Parameters
    ----------
    sweep
        A sweep of the design ``saltelli``.
    measure, **selection
        As in `spicecim.sweeps.bands`.
    confidence
        Of the intervals, which are those of 999 bootstrap samples.

    Returns
    -------
    xarray.Dataset
        ``first``, ``total``, and their intervals ``first_low`` and so on, over ``parameter``.

    Raises
    ------
    InputError
        If the sweep has another design, a run has no value, or the measure is the same in all.
    """
    fields, data = runs_of_design(sweep, measure, "saltelli", selection)
    if np.ptp(data) == 0.0:
        raise InputError(f"{measure}: is the same in all runs; nothing has a share in its variance")
    n = len(data) // (len(fields) + 2)
    parts = data.reshape(len(fields) + 2, 1, n)
    # the mean is arbitrary for variances, and rounding grows with it
    parts = (parts - data.mean()) / data.std()
    found = stats.sobol_indices(func={"f_A": parts[0], "f_B": parts[1], "f_AB": parts[2:]}, n=n)
    # its bootstrap draws from numpy's global state otherwise
    state = np.random.get_state()  # noqa: NPY002
    try:
        np.random.seed(int(generator(0, measure).integers(2**32)))  # noqa: NPY002
        ends = found.bootstrap(confidence_level=confidence)
    finally:
        np.random.set_state(state)  # noqa: NPY002
    columns = {
        "first": found.first_order, "first_low": ends.first_order.confidence_interval.low,
        "first_high": ends.first_order.confidence_interval.high, "total": found.total_order,
        "total_low": ends.total_order.confidence_interval.low, "total_high": ends.total_order.confidence_interval.high,
    }  # fmt: skip
    order = np.argsort(-np.ravel(found.total_order), kind="stable")
    return xr.Dataset(
        {name: ("parameter", np.ravel(each)[order]) for name, each in columns.items()},
        coords={"parameter": [fields[number] for number in order]},
    )
