"""Drawing weights to sets by the alternating direction method of multipliers, in the user's own training.

S. Boyd et al., "Distributed Optimization and Statistical Learning via the Alternating Direction Method of Multipliers",
Foundations and Trends in Machine Learning 3, 2011, doi:10.1561/2200000016: scaled form (section 3.1.1), residuals
(section 3.3), sets that are not convex (section 9.1, where convergence is not warranted). With W the weights, Z their
copies in the set and U the scaled dual variables, each iteration

    trains   loss(W) + penalty / 2 |W - Z + U|^2,
    projects Z on the set from W + U, and
    adds     W - Z to U.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import xarray as xr

from spicecim.encodings.layout import Policy
from spicecim.encodings.weight_sets import Constraint, WeightSet
from spicecim.errors import InputError
from spicecim.fields import FloatArray
from spicecim.networks.matrices import matrix_of, named_layers, weights_of
from spicecim.networks.pytorch import torch


class Admm:
    """Copies of a model's weights in their sets, and the pull towards them.

    Parameters
    ----------
    model
        A ``torch.nn.Module``.
    constraints
        Sets by the name of the module; what is open in them is fitted to the weights that it has now.
    penalty
        Weight of the pull.
    policy
        Order of a convolution's input lines along the rows.
    signs
        ``nearest``: the sign of a fragment that is nearest, at each update; ``sum``: that of the sum of its weights,
        renewed every `renewal` updates, as FORMS does (G. Yuan et al., ISCA 2021,
        doi:10.1109/ISCA52012.2021.00029). Of effect on a `WeightSet` that is polarized.
    renewal
        Updates from one choice of signs to the next.

    Raises
    ------
    InputError
        If a module is not there or cannot be held by crossbars, or a number is out of range.
    """

    def __init__(
        self,
        model: Any,
        constraints: Mapping[str, Constraint],
        penalty: float = 0.01,
        *,
        policy: Policy = "channel",
        signs: Literal["nearest", "sum"] = "nearest",
        renewal: int = 1,
    ) -> None:
        if signs not in ("nearest", "sum"):
            raise InputError(f"signs: must be nearest or sum (given: {signs!r})")
        if renewal < 1:
            raise InputError(f"renewal: must be at least 1 (given: {renewal})")
        self._modules = named_layers(model, constraints, "constraints")
        self._policy: Policy = policy
        self._signs, self._renewal = signs, renewal
        self._weight = _checked_penalty(penalty)
        matrices = self._matrices()
        self.constraints = {name: constraints[name].fitted(matrix) for name, matrix in matrices.items()}
        self._residuals: list[tuple[float, list[float], list[float]]] = []
        self._renew(matrices)
        self._held = {name: self.constraints[name].project(matrix) for name, matrix in matrices.items()}
        self._dual = {name: matrix - self._held[name] for name, matrix in matrices.items()}
        self._set_points()

    def penalty(self) -> Any:
        """Return what the pull adds to the loss, a tensor: add it to the loss of every batch."""
        return 0.5 * self._weight * sum(
            (module.weight - self._points[name]).square().sum() for name, module in self._modules.items()
        )  # fmt: skip

    def update(self, penalty: float | None = None) -> None:
        """Project the copies and add up the distances, once per epoch or so; residuals are logged.

        Parameters
        ----------
        penalty
            Weight of the pull from now on; as before if left out.
        """
        matrices, before = self._matrices(), self._held
        if len(self._residuals) % self._renewal == 0:
            self._renew({name: matrix + self._dual[name] for name, matrix in matrices.items()})
        self._held = {
            name: self.constraints[name].project(matrix + self._dual[name]) for name, matrix in matrices.items()
        }
        self._dual = {name: self._dual[name] + matrix - self._held[name] for name, matrix in matrices.items()}
        primal = [float(np.linalg.norm(matrix - self._held[name])) for name, matrix in matrices.items()]
        dual = [self._weight * float(np.linalg.norm(self._held[name] - before[name])) for name in matrices]
        self._residuals.append((self._weight, primal, dual))
        if penalty is not None:
            # the dual variable itself, penalty times U, is what stays when the penalty changes (section 3.4.1)
            share = self._weight / _checked_penalty(penalty)
            self._dual = {name: share * u for name, u in self._dual.items()}
            self._weight = penalty
        self._set_points()

    def project(self) -> None:
        """Put the weights of the model on their sets."""
        with torch.no_grad():
            for name, matrix in self._matrices().items():
                module = self._modules[name]
                module.weight.copy_(weights_of(self.constraints[name].project(matrix), module, self._policy))

    @property
    def residuals(self) -> xr.Dataset:
        """``primal_residual`` ``|W - Z|``, ``dual_residual`` penalty ``|Z - old Z|`` (update, layer), ``penalty``."""
        shape = (len(self._residuals), len(self._modules))
        penalties, primal, dual = zip(*self._residuals, strict=True) if self._residuals else ((), (), ())
        dims = ("update", "layer")
        return xr.Dataset(
            {
                "primal_residual": (dims, np.reshape(primal, shape), {"long_name": "distance from the set"}),
                "dual_residual": (dims, np.reshape(dual, shape), {"long_name": "penalty times step in the set"}),
                "penalty": ("update", list(penalties)),
            },
            coords={"layer": list(self._modules)},
        )

    def _matrices(self) -> dict[str, FloatArray]:
        return {name: matrix_of(module, self._policy, name) for name, module in self._modules.items()}

    def _renew(self, matrices: Mapping[str, FloatArray]) -> None:
        for name, constraint in self.constraints.items():
            if self._signs == "sum" and isinstance(constraint, WeightSet) and constraint.polarized:
                self.constraints[name] = constraint.with_signs_of_sums(matrices[name])

    def _set_points(self) -> None:
        self._points = {
            name: weights_of(self._held[name] - self._dual[name], module, self._policy)
            for name, module in self._modules.items()
        }


def _checked_penalty(penalty: float) -> float:
    if not (np.isfinite(penalty) and penalty > 0):
        raise InputError(f"penalty: must be a finite number above 0 (given: {penalty})")
    return penalty
