"""Which factors the samples of a sweep multiply the fields by that are drawn: random, or laid out by a design."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

from spicecim.errors import InputError
from spicecim.fields import FloatArray
from spicecim.problems import did_you_mean
from spicecim.quantities import shown
from spicecim.variation.correlation import generator
from spicecim.variation.distributions import Distribution

DESIGNS = ("random", "sobol", "latin-hypercube", "saltelli", "one-at-a-time")
"""Random numbers; a scrambled Sobol sequence; a Latin hypercube; what Sobol indices take; each factor alone."""

DEPENDENT = ("saltelli", "one-at-a-time")
"""Designs whose samples are no independent draws, so that their shares are no probabilities."""

_SMALLEST = 2.0**-54
"""Below it a normal number is none: a point of a sequence may be 0."""


def check_design(design: str, draws: Mapping[str, Distribution], samples: int | None) -> None:
    """Raise `InputError` where a design is unknown or does not go with what is drawn and the number of samples."""
    if design not in DESIGNS:
        raise InputError(
            f"design: unknown design {design!r}; known are {', '.join(DESIGNS)}{did_you_mean(str(design), DESIGNS)}"
        )
    if design != "random" and not draws:
        raise InputError(f"design: {design} lays out what is drawn; name fields in draw")
    if design == "saltelli" and (samples is None or samples & (samples - 1)):
        raise InputError(f"samples: must be a power of 2 for the design saltelli; it is {samples}")
    if design == "one-at-a-time" and samples is not None:
        raise InputError("samples: the design one-at-a-time has its own number; leave it out")


def count_samples(design: str, draws: Mapping[str, Distribution], samples: int | None) -> int | None:
    """Number of samples that a sweep has; None if it has no such dimension."""
    if design == "one-at-a-time":
        return 1 + 2 * len(draws)
    return samples * (len(draws) + 2) if design == "saltelli" and samples is not None else samples


def drawn_factors(
    draws: Mapping[str, Distribution], design: str, samples: int | None, seed: int, level: float = 1.0
) -> FloatArray:
    """Factors (sample, field) of the fields that are drawn.

    With ``random`` and ``sobol`` the first of more samples are those of fewer.

    Parameters
    ----------
    draws
        Distributions by the names of the fields.
    design
        One of `DESIGNS`.
    samples
        Number of samples; of the design ``saltelli`` that of its base, which runs ``samples * (fields + 2)``.
    seed
        Of the random numbers.
    level
        Standard deviations of the design ``one-at-a-time``.
    """
    fields = len(draws)
    if not fields:
        return np.empty((samples or 0, 0))
    if design == "random":
        columns = [generator(seed, "draw", name).standard_normal(samples or 0) for name in draws]
        z = np.stack(columns, axis=1)
    elif design == "one-at-a-time":
        z = np.zeros((1 + 2 * fields, fields))
        for number in range(fields):
            z[1 + 2 * number : 3 + 2 * number, number] = -level, level
    else:
        z = ndtri(np.clip(_laid_out(fields, design, samples or 0, seed), _SMALLEST, 1.0 - _SMALLEST))
    return np.stack([each.factor(z[:, number]) for number, each in enumerate(draws.values())], axis=1)


def _laid_out(fields: int, design: str, samples: int, seed: int) -> FloatArray:
    random = generator(seed, "design")
    if design == "latin-hypercube":
        return np.asarray(qmc.LatinHypercube(fields, seed=random).random(samples))
    dimensions = fields if design == "sobol" else 2 * fields
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of numbers that are no power of 2: the last ones come later
        points = np.asarray(qmc.Sobol(dimensions, seed=random).random(samples))
    if design == "sobol":
        return points
    first, second = points[:, :fields], points[:, fields:]
    mixed = [np.where(np.arange(fields) == number, second, first) for number in range(fields)]
    return np.concatenate([first, second, *mixed])


def sample_seed(seed: int, sample: int) -> int:
    """Seed of the scatter of a sample, whatever the number of samples."""
    return int(np.random.SeedSequence(seed, spawn_key=(sample,)).generate_state(1, np.uint64)[0])


def check_level(level: float) -> None:
    """Raise `InputError` unless a number of standard deviations is above 0 and at most 6."""
    if isinstance(level, bool) or not isinstance(level, int | float) or not 0.0 < level <= 6.0 or math.isnan(level):
        raise InputError(f"level: must be above 0 and at most 6 standard deviations; it is {level!r:.60}")


def whole_number(name: str, value: Any) -> int:
    """Return a setting that is a whole number of at least 1; raises `InputError` for any other."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise InputError(f"{name}: must be a whole number of at least 1; it is {shown(value)}")
    return int(value)
