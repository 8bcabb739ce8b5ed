"""Ranges of the inputs that layers get from a calibration."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from spicecim.errors import InputError
from spicecim.networks.pytorch import torch
from spicecim.quantities import shown

_KEPT = 4
"""Inputs of the first batch that are kept as they are."""
_POOLS = (torch.nn.MaxPool1d, torch.nn.MaxPool2d, torch.nn.AvgPool1d, torch.nn.AvgPool2d)


class Observed(NamedTuple):
    """What a layer got."""

    lowest: float
    highest: float
    first: Any
    """Some of its inputs."""


def observe(model: Any, modules: Mapping[str, Any], calibration: Any) -> dict[str, Observed]:
    """Run the calibration through a network, and return the range of the inputs of its layers by their names.

    Raises
    ------
    InputError
        If the calibration is empty or does not fit, inputs are not finite or all zero, a layer is not used, or a
        pooling leaves out a part of its map.
    """
    if not isinstance(calibration, Iterable) or hasattr(calibration, "shape"):
        raise InputError(
            "calibration: must be batches of inputs, such as Batches(images, labels) or [images]; it is "
            f"{shown(calibration)}"
        )
    found: dict[str, Observed] = {}

    def look(name: str) -> Any:
        def hook(_: Any, inputs: tuple[Any, ...]) -> None:
            values = inputs[0].detach()
            lowest, highest = float(values.min()), float(values.max())
            if not (math.isfinite(lowest) and math.isfinite(highest)):
                raise InputError(f"{name}: gets inputs from the calibration that are not finite")
            if name in found:
                before = found[name]
                found[name] = Observed(min(before.lowest, lowest), max(before.highest, highest), before.first)
            else:
                found[name] = Observed(lowest, highest, values[:_KEPT].clone())

        return hook

    hooks = [module.register_forward_pre_hook(look(name)) for name, module in modules.items()]
    for name, module in model.named_modules():
        if isinstance(module, _POOLS):
            hooks.append(module.register_forward_pre_hook(_whole_squares(name)))
    count = 0
    try:
        with torch.no_grad():
            for batch in calibration:
                _run(model, batch[0] if isinstance(batch, list | tuple) else batch)
                count += 1
    finally:
        for hook in hooks:
            hook.remove()
    if not count:
        raise InputError("calibration: must have at least one batch of inputs")
    for name in modules:
        if name not in found:
            raise InputError(f"{name}: is not used for the calibration; give schemes for the layers that are")
        if found[name].lowest == found[name].highest == 0.0:
            raise InputError(f"{name}: gets nothing but zeros from the calibration")
    return found


def _run(model: Any, inputs: Any) -> None:
    if not isinstance(inputs, torch.Tensor):
        raise InputError(f"calibration: must be batches of tensors; one is a {type(inputs).__name__}")
    try:
        model(inputs)
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"calibration: the network does not take inputs of shape {tuple(inputs.shape)}: {error}"
        ) from error


def _whole_squares(name: str) -> Any:
    def hook(module: Any, inputs: tuple[Any, ...]) -> None:
        dimensions = 1 if type(module).__name__.endswith("1d") else 2
        edges, strides, padding = (
            values if isinstance(values, tuple) else (values,) * dimensions
            for values in (module.kernel_size, module.stride, module.padding)
        )
        sizes = tuple(inputs[0].shape[-dimensions:])
        plain = edges == strides and not any(padding) and not module.ceil_mode
        if plain and any(size % edge for size, edge in zip(sizes, edges, strict=True)):
            shown = " x ".join(str(edge) for edge in edges)
            raise InputError(
                f"{name}: squares of {shown} do not cover a map of {' x '.join(map(str, sizes))}; pad it, or pool with "
                "ceil_mode=True"
            )

    return hook
