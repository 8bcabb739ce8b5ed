"""The joint distribution of the parameters of many devices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from spicecim.errors import InputError
from spicecim.fields import FloatArray
from spicecim.fitting.transforms import Transform


@dataclass(frozen=True)
class JointDistribution:
    """Parameters whose transforms have a joint normal distribution.

    Attributes
    ----------
    names
        Of the parameters.
    mean
        Of the transformed parameters (parameter,).
    covariance
        Of the transformed parameters (parameter, other).
    transforms
        How each parameter is transformed: by the logarithm mostly.

    Raises
    ------
    InputError
        If the sizes do not agree, or the covariance is not symmetric and positive semidefinite.

    Examples
    --------
    >>> import spicecim as sc
    >>> from spicecim.fitting.transforms import Transform
    >>> spread = sc.JointDistribution(["Ron"], [4.0], [[0.01]], [Transform("log")])
    >>> spread.draw(3, seed=1)["Ron"].round(1)
    array([56.5, 59.3, 56.4])
    """

    names: Sequence[str]
    mean: FloatArray
    covariance: FloatArray
    transforms: Sequence[Transform]

    def __post_init__(self) -> None:
        try:
            mean, covariance = (np.array(part, dtype=float) for part in (self.mean, self.covariance))
        except (TypeError, ValueError):
            raise InputError("mean, covariance: must be arrays of numbers") from None
        count = len(self.names)
        if mean.shape != (count,) or covariance.shape != (count, count) or len(self.transforms) != count:
            raise InputError(
                f"mean, covariance, transforms: must be of {count} parameters; they have the shapes {mean.shape} and "
                f"{covariance.shape}, and {len(self.transforms)} transforms"
            )
        if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
            raise InputError("mean, covariance: must be finite")
        size = np.abs(covariance).max(initial=0.0)
        if np.abs(covariance - covariance.T).max(initial=0.0) > 1e-9 * size:
            raise InputError("covariance: must be symmetric")
        if count and np.linalg.eigvalsh(covariance)[0] < -1e-9 * size:
            raise InputError("covariance: must be positive semidefinite")
        for name, value in (("names", tuple(self.names)), ("mean", mean), ("covariance", covariance),
                            ("transforms", tuple(self.transforms))):  # fmt: skip
            object.__setattr__(self, name, value)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> JointDistribution:
        """Return the distribution of `to_dict`; raises `InputError` if it is none."""
        try:
            names, mean, covariance = values["names"], values["mean"], values["covariance"]
            transforms = [Transform.from_dict(each) for each in values["transforms"]]
        except (KeyError, TypeError):
            raise InputError("a distribution must have names, mean, covariance and transforms") from None
        return cls(names, mean, covariance, transforms)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a file."""
        return {
            "names": list(self.names), "mean": self.mean.tolist(), "covariance": self.covariance.tolist(),
            "transforms": [each.to_dict() for each in self.transforms],
        }  # fmt: skip

    def of(self, names: Sequence[str]) -> JointDistribution:
        """Return that of some of the parameters, whatever the others are."""
        missing = [name for name in names if name not in self.names]
        if missing:
            raise InputError(f"names: has {missing[0]}; the parameters are {', '.join(self.names)}")
        at = [tuple(self.names).index(name) for name in names]
        return JointDistribution(
            names, self.mean[at], self.covariance[np.ix_(at, at)], [self.transforms[k] for k in at]
        )

    def values(self, numbers: ArrayLike) -> dict[str, FloatArray]:
        """Return parameters by name (...) of transformed ones (..., parameter)."""
        given = np.asarray(numbers, dtype=float)
        return {name: np.asarray(each.value(given[..., k])) for k, (name, each) in enumerate(self._pairs())}

    def draw(self, size: int | tuple[int, ...], seed: int = 0) -> dict[str, FloatArray]:
        """Draw devices: arrays of a size by the parameters' names."""
        random = np.random.default_rng(seed)
        return self.values(random.multivariate_normal(self.mean, self.covariance, size=size, method="eigh"))

    def median(self) -> dict[str, float]:
        """Return the median of each parameter."""
        return {name: float(value) for name, value in self.values(self.mean).items()}

    def _pairs(self) -> list[tuple[str, Transform]]:
        return [*zip(self.names, self.transforms, strict=True)]
