"""The posterior of a fit's parameters by emcee, where the extra ``posterior`` has been installed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from spicecim.errors import InputError, MissingPackageError
from spicecim.fields import FloatArray

if TYPE_CHECKING:
    from spicecim.fitting.result import Fit

_WIDTH = math.log(1000.0)
"""Of the prior in a transformed parameter, on either side of the fit."""
_LOOSEST = 0.1
"""Standard deviation of a transformed parameter around which the walkers begin, at most."""


def posterior(fit: Fit, *, steps: int = 400, walkers: int = 32, seed: int = 0) -> xr.Dataset:
    """Draw parameters from the posterior of a fit, by an ensemble of walkers.

    The intervals of a fit are of one parameter at a time. These draws show what bends: a parameter with a bound on
    one side, or two that act as one along a curve. The noise is that of the fit: as stated, or as the residuals tell
    it. The prior is flat in the transformed parameters (logarithms mostly), within a factor of 1000 of the fit. All
    walkers are integrated together. Sampler: D. Foreman-Mackey et al., Publ. Astron. Soc. Pac. 125, 306-312 (2013),
    doi:10.1086/670067.

    Parameters
    ----------
    fit
        The fit, with one free parameter at least.
    steps
        Steps of each walker; the first quarter is left out.
    walkers
        How many there are: an even number, twice the free parameters at least.
    seed
        Of the walkers.

    Returns
    -------
    xarray.Dataset
        The parameters over ``walker`` and ``step``. Attributes: ``acceptance``, the share of the steps that were taken,
        and ``autocorrelation``, the longest autocorrelation time in steps; ``steps`` should be 50 times that.

    Raises
    ------
    MissingPackageError
        If emcee is not installed.
    InputError
        If nothing is free, or the numbers of steps or walkers do not suffice.

    Examples
    --------
    >>> import spicecim as sc
    >>> measured = sc.synthetic_measurement("yakopcic", points=100, seed=1)
    >>> fitted = sc.fit(measured, "yakopcic", free=["a1"], starts=1)
    >>> draws = sc.posterior(fitted, steps=40, walkers=4)
    >>> fitted.parameters["a1"].low < float(draws["a1"].median()) < fitted.parameters["a1"].high
    True
    """
    try:
        import emcee
    except ImportError as error:
        raise MissingPackageError.of("posterior", f"the posterior needs emcee ({error})") from None
    unknowns = fit.problem.unknowns
    count = len(unknowns)
    if not count:
        raise InputError("posterior: the fit has no free parameter")
    if walkers < 2 * count or walkers % 2:
        raise InputError(f"walkers: must be even, and {2 * count} at least for {count} parameters; it is {walkers}")
    if steps < 8:
        raise InputError(f"steps: must be 8 at least; it is {steps}")
    # the noise that the intervals go by
    variance = 1.0 if fit.stated_noise_holds else fit.chi_square / fit.degrees_of_freedom

    def logarithm(q: FloatArray) -> FloatArray:
        cost = fit.problem.evaluate(q, slopes=False).cost
        inside = (np.abs(q - fit.numbers) <= _WIDTH).all(axis=1)
        return np.where(inside, -0.5 * cost / variance, -np.inf)

    random = np.random.default_rng(seed)
    deviation = np.sqrt(np.diag(fit.covariance))
    deviation = np.minimum(np.where(np.isfinite(deviation), deviation, _LOOSEST), _LOOSEST)
    begun = fit.numbers + deviation * random.standard_normal((walkers, count))
    sampler = emcee.EnsembleSampler(walkers, count, logarithm, vectorize=True)
    sampler.random_state = np.random.RandomState(seed).get_state()
    sampler.run_mcmc(begun, steps, skip_initial_state_check=True)
    chain = sampler.get_chain(discard=steps // 4)
    found = xr.Dataset(
        {
            unknown.name: (("walker", "step"), unknown.value(chain[:, :, k]).T, {"units": unknown.unit})
            for k, unknown in enumerate(unknowns)
        }
    )
    found.attrs = {
        "acceptance": float(np.mean(sampler.acceptance_fraction)),
        "autocorrelation": float(np.max(emcee.autocorr.integrated_time(chain, tol=0))),
    }
    return found
