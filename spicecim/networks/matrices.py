"""Weights of PyTorch's layers as matrices (row, column), as they stand on crossbars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from spicecim.encodings.layout import Policy, roll, unroll
from spicecim.errors import InputError
from spicecim.fields import FloatArray
from spicecim.networks.pytorch import torch


def is_held(module: Any) -> bool:
    """Whether the weights of a module can go on crossbars: linear layers, convolutions in one or two dimensions.

    The last layer of `torch.nn.MultiheadAttention` cannot: attention takes its weights without calling it.
    """
    return isinstance(module, torch.nn.Linear | torch.nn.Conv1d | torch.nn.Conv2d) and not _of_attention(module)


def _of_attention(module: Any) -> bool:
    return isinstance(module, torch.nn.modules.linear.NonDynamicallyQuantizableLinear)


def kernel_shape(module: Any) -> tuple[int, ...]:
    """Shape of a module's weights as `layout` takes it: a convolution in one dimension has the height 1."""
    shape = tuple(module.weight.shape)
    return (*shape[:2], 1, *shape[2:]) if len(shape) == 3 else shape


def matrix_of(module: Any, policy: Policy, name: str) -> FloatArray:
    """Return the weights of a module (row, column), those that a constraint makes of them if it has one.

    Raises
    ------
    InputError
        If they are not finite.
    """
    weights = module.weight.detach().to("cpu", torch.float64).numpy().reshape(kernel_shape(module))
    if not np.isfinite(weights).all():
        raise InputError(f"{name}: its weights must be finite; found {weights[~np.isfinite(weights)].flat[0]:g}")
    return unroll(weights, policy)


def weights_of(matrix: FloatArray, module: Any, policy: Policy) -> Any:
    """Return a matrix (row, column) as a tensor of the shape and type of a module's weights."""
    values = roll(matrix, kernel_shape(module), policy).reshape(tuple(module.weight.shape))
    return torch.as_tensor(values, dtype=module.weight.dtype, device=module.weight.device)


def named_layers(model: Any, names: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Return the modules of these names.

    Raises
    ------
    InputError
        If one is not there, or no crossbar can hold it.
    """
    modules = dict(model.named_modules())
    found = {}
    for name in names:
        if name not in modules:
            held = [known for known, module in modules.items() if is_held(module)]
            raise InputError(
                f"{what}: no module {name!r} is there; those that crossbars can hold are {', '.join(held)}"
            )
        if _of_attention(modules[name]):
            raise InputError(
                f"{what}: {name} belongs to an attention, which takes its weights without calling it; no crossbar can "
                "hold it"
            )
        if not is_held(modules[name]):
            raise InputError(
                f"{what}: {name} is a {type(modules[name]).__name__}, which no crossbar can hold; Linear, Conv1d and "
                "Conv2d can be"
            )
        found[name] = modules[name]
    return found
