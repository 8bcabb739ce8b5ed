"""Distributions of a parameter about its value, as functions of a standard normal number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from spicecim.errors import InputError, QuantityError
from spicecim.fields import FloatArray
from spicecim.problems import did_you_mean
from spicecim.quantities import parse_quantity, shown

KINDS = ("lognormal", "normal", "uniform")
_LARGEST_SPREAD = 10.0


@dataclass(frozen=True)
class Distribution:
    """How the values of cells are spread about a parameter's value.

    Attributes
    ----------
    kind
        ``lognormal``: the value times ``exp(spread z)``, whose median is the value. ``normal``: times
        ``1 + spread z``. ``uniform``: times a number from ``1 - spread`` to ``1 + spread``.
    spread
        Standard deviation of the logarithm, or relative to the value, or half the width relative to the value.
    within
        Number of standard deviations beyond which ``z`` is cut off (a truncated normal distribution), or None.
    """

    kind: str
    spread: float
    within: float | None = None

    def factor(self, z: FloatArray) -> FloatArray:
        """Factors of a parameter by standard normal numbers z, which they rise with."""
        if self.within is not None:
            low = ndtr(-self.within)
            z = ndtri(low + (1.0 - 2.0 * low) * ndtr(z))
        if self.kind == "lognormal":
            return np.asarray(np.exp(self.spread * z))
        if self.kind == "normal":
            return np.asarray(1.0 + self.spread * z)
        return np.asarray(1.0 + self.spread * (2.0 * ndtr(z) - 1.0))


def lognormal(spread: float | str, *, within: float | None = None) -> Distribution:
    """Return a lognormal distribution about a parameter's value, which is its median.

    Parameters
    ----------
    spread
        Standard deviation of the natural logarithm: a number, or a text such as ``"5 %"``.
    within
        Standard deviations beyond which it is cut off; None for no cut.

    Examples
    --------
    >>> import spicecim as sc
    >>> sc.lognormal("5 %").spread
    0.05
    """
    return _made("lognormal", spread, within)


def normal(spread: float | str, *, within: float | None = None) -> Distribution:
    """Return a normal distribution about a parameter's value, its mean, with a standard deviation relative to it.

    Parameters are those of `lognormal`.

    Examples
    --------
    >>> import spicecim as sc
    >>> sc.normal("5 %", within=3).kind
    'normal'
    """
    return _made("normal", spread, within)


def uniform(spread: float | str) -> Distribution:
    """Return a uniform distribution from ``1 - spread`` to ``1 + spread`` times a parameter's value.

    Examples
    --------
    >>> import spicecim as sc
    >>> sc.uniform(0.2).kind
    'uniform'
    """
    return _made("uniform", spread, None)


def distribution(value: Any) -> Distribution:
    """Return a distribution from itself or from plain values, such as ``{"lognormal": "10 %", "within": 3}``.

    Raises
    ------
    InputError
        If it is of no known kind, or a number is none or out of range.
    """
    if isinstance(value, Distribution):
        return value
    if not isinstance(value, Mapping):
        raise InputError(
            f"must be one of {', '.join(KINDS)} with a spread, such as {{normal: 5 %}}; it is {shown(value)}"
        )
    kinds = [key for key in value if key != "within"]
    if len(kinds) != 1 or kinds[0] not in KINDS:
        hint = next((did_you_mean(str(key), KINDS) for key in kinds if key not in KINDS), "")
        raise InputError(f"must have one of the keys {', '.join(KINDS)}, and no other{hint}; it is {shown(value)}")
    return _made(kinds[0], value[kinds[0]], value.get("within"))


def share(value: Any) -> float:
    """Return a number, of one or of a text such as ``"5 %"``."""
    text = value.strip() if isinstance(value, str) else ""
    if text.endswith("%"):
        return parse_quantity(text.removesuffix("%").strip()) / 100.0
    return parse_quantity(value)


def _made(kind: str, spread: Any, within: Any) -> Distribution:
    try:
        found, cut = share(spread), None if within is None else parse_quantity(within)
    except QuantityError as error:
        raise InputError(f"{kind}: {error}") from None
    if isinstance(spread, bool) or not 0.0 <= found <= _LARGEST_SPREAD:
        raise InputError(f"{kind}: the spread must be between 0 and {_LARGEST_SPREAD:g}; it is {shown(spread)}")
    if cut is not None and (
        kind == "uniform" or isinstance(within, bool) or not isinstance(cut, Real) or not cut > 0.0
    ):
        raise InputError(
            f"within: must be a number above 0, of a normal or lognormal distribution; it is {shown(within)}"
        )
    return Distribution(kind, found, cut)
