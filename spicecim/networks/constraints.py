"""Weights that are in a set whenever the network uses them, and trained all the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from spicecim.encodings.layout import Policy
from spicecim.encodings.weight_sets import Constraint
from spicecim.errors import InputError
from spicecim.networks.matrices import matrix_of, named_layers, weights_of
from spicecim.networks.pytorch import torch


class Projected(torch.nn.Module):  # type: ignore[misc]
    """The projection of weights on a set, for ``torch.nn.utils.parametrize``.

    The gradient passes it unchanged (straight-through estimator: Y. Bengio et al., 2013, arXiv:1308.3432).
    """

    def __init__(self, constraint: Constraint, module: Any, policy: Policy, limits: Any) -> None:
        super().__init__()
        self.constraint = constraint
        self.policy: Policy = policy
        self._limits = limits
        self._shape = _Shape(module.weight)

    def forward(self, weight: Any) -> Any:
        """Return the weights of the set that stand for these."""
        with torch.no_grad():
            self._shape.weight = weight
            matrix = matrix_of(self._shape, self.policy, "weights")
            if self._limits is not None:
                matrix = np.clip(matrix, *self._limits)
            held = weights_of(self.constraint.project(matrix), self._shape, self.policy)
        return weight + (held - weight).detach()


class _Shape:
    """What stands for a module where only its weights are asked for."""

    def __init__(self, weight: Any) -> None:
        self.weight = weight.detach()


def constrain(
    model: Any, constraints: Mapping[str, Constraint], *, policy: Policy = "channel", keep: bool = False
) -> Any:
    """Hold layers of a model in sets of weights, from now on and while it is trained.

    What is open in a set, such as its scale, is fitted to the weights that a layer has now. A set takes the place of
    one that held the layer before. The model is changed and returned;
    ``torch.nn.utils.parametrize.remove_parametrizations`` makes the held weights ordinary ones.

    Parameters
    ----------
    model
        A ``torch.nn.Module``.
    constraints
        Sets by the name of the module, such as ``{"conv1": scheme.constraint()}``.
    policy
        Order of a convolution's input lines along the rows.
    keep
        Whether signs and zeros stay as the first projection chooses them; otherwise every step chooses anew.

    Raises
    ------
    InputError
        If a module is not there, cannot be held by crossbars, or has weights that are not finite.

    Examples
    --------
    >>> import torch
    >>> from spicecim.encodings import Polarized
    >>> model = constrain(torch.nn.Sequential(torch.nn.Linear(16, 4)), {"0": Polarized(fragment=8).constraint()})
    >>> (model[0].weight[:, :8] >= 0).all(dim=1).logical_or((model[0].weight[:, :8] <= 0).all(dim=1)).all().item()
    True
    """
    modules = named_layers(model, constraints, "constraints")
    for name, module in modules.items():
        matrix = matrix_of(module, policy, name)
        fitted = constraints[name].fitted(matrix)
        limits = fitted.bounds(fitted.project(matrix)) if keep else None
        if constraint_of(module) is not None:
            _release(module, name)
        torch.nn.utils.parametrize.register_parametrization(
            module, "weight", Projected(fitted, module, policy, limits), unsafe=True
        )
    return model


def _release(module: Any, name: str) -> None:
    """Make held weights ordinary ones."""
    if not all(isinstance(one, Projected) for one in module.parametrizations.weight):
        raise InputError(
            f"constraints: {name} is held in a set already, and its weights are made by another parametrization, too; "
            "remove both by torch.nn.utils.parametrize.remove_parametrizations first"
        )
    torch.nn.utils.parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)


def constraint_of(module: Any) -> Constraint | None:
    """Return the set that a module's weights were last constrained to, if any."""
    if not torch.nn.utils.parametrize.is_parametrized(module, "weight"):
        return None
    projected = [one for one in module.parametrizations.weight if isinstance(one, Projected)]
    return projected[-1].constraint if projected else None
