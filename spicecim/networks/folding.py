"""Normalizations that follow a layer alone, so that its crossbars can take them over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from spicecim.fields import FloatArray
from spicecim.networks.pytorch import torch

_NORMS = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)


class Norm(NamedTuple):
    """A normalization in a network."""

    name: str
    module: Any


def followed_by_norm(model: Any, names: Iterable[str]) -> dict[str, Norm]:
    """Return the batch normalization that alone gets what a layer gives, by the name of the layer.

    Found by tracing the network. One that cannot be traced keeps its normalizations, which are then computed after the
    crossbars.
    """
    try:
        graph = torch.fx.Tracer().trace(model)
    except Exception:  # any code of the user's may not be traceable, and says so in any way
        return {}
    modules, wanted, found = dict(model.named_modules()), set(names), {}
    calls = [node for node in graph.nodes if node.op == "call_module"]
    uses = [node.target for node in calls]
    for node in calls:
        following = list(node.users)
        if node.target not in wanted or len(following) != 1 or uses.count(node.target) != 1:
            continue
        (after,) = following
        if after.op == "call_module" and uses.count(after.target) == 1:
            module = modules[after.target]
            if isinstance(module, _NORMS) and module.track_running_stats:
                found[str(node.target)] = Norm(str(after.target), module)
    return found


def norm_terms(module: Any) -> tuple[FloatArray, FloatArray]:
    """Return what a normalization multiplies outputs by, and what it adds then (output,)."""
    mean, variance = (values.detach().double().numpy() for values in (module.running_mean, module.running_var))
    weight = np.ones_like(mean) if module.weight is None else module.weight.detach().double().numpy()
    bias = np.zeros_like(mean) if module.bias is None else module.bias.detach().double().numpy()
    gain = weight / np.sqrt(variance + module.eps)
    return gain, bias - gain * mean
