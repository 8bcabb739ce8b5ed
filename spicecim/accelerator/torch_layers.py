"""Layers of a network in PyTorch, found by one forward pass."""

from __future__ import annotations

from typing import Any

from spicecim.accelerator.layers import LayerShape, NetworkShape
from spicecim.errors import InputError, UnsupportedError
from spicecim.networks.pytorch import torch
from spicecim.quantities import shown


def layers_of(module: Any, inputs: Any, name: str = "network") -> NetworkShape:
    """Return the layers of a network whose weights go onto crossbars, in the order in which they are used.

    Convolutions and linear layers are found by hooks during one forward pass, which changes nothing in the module. A
    layer that is used several times has the positions of all uses.

    Parameters
    ----------
    module
        A ``torch.nn.Module``.
    inputs
        A batch of inputs, a tensor; what it holds does not matter.
    name
        Name of the network.

    Raises
    ------
    InputError
        If it is no module, or does not take the inputs.
    UnsupportedError
        If there is no such layer, or a parameter of two or more dimensions belongs to none.
    MissingPackageError
        Without PyTorch, the extra ``networks``.

    Examples
    --------
    >>> layers_of(torch.nn.Conv2d(3, 8, 3), torch.zeros(1, 3, 32, 32)).layers[0].positions
    900
    """
    if not isinstance(module, torch.nn.Module):
        raise InputError(f"module: must be a torch.nn.Module; it is {shown(module)}")
    if not isinstance(inputs, torch.Tensor) or not inputs.numel():
        raise InputError(f"inputs: must be a batch of inputs, a tensor that is not empty; it is {shown(inputs)}")
    names = {layer: label for label, layer in module.named_modules()}
    uses: dict[Any, int] = {}
    covered: set[int] = set()

    def count(layer: Any, _: Any, outputs: Any) -> None:
        channels = outputs.shape[1] if _is_convolution(layer) else outputs.shape[-1]
        uses[layer] = uses.get(layer, 0) + outputs.numel() // (channels * len(inputs))
        covered.add(id(layer.weight))

    layers = [layer for layer in module.modules() if _is_convolution(layer) or isinstance(layer, torch.nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    training = [layer for layer in module.modules() if layer.training]
    try:
        module.eval()
        with torch.no_grad():
            module(inputs)
    except (RuntimeError, ValueError, IndexError) as error:
        why = " ".join(str(error).split())
        raise InputError(f"inputs: the network does not take inputs of shape {tuple(inputs.shape)}: {why}") from error
    finally:
        for hook in hooks:
            hook.remove()
        for layer in training:
            layer.training = True
    missed = [label for label, value in module.named_parameters() if value.dim() > 1 and id(value) not in covered]
    if missed or not uses:
        what = f"these weights belong to no such layer that was used: {', '.join(missed[:10])}" if missed else "none"
        raise UnsupportedError(f"module: its weights must be those of convolutions and linear layers; {what}")
    shapes = [_shape(names[layer] or "layer", layer, positions) for layer, positions in uses.items()]
    return NetworkShape(name=name, title=type(module).__name__, layers=tuple(shapes))


def _is_convolution(layer: Any) -> bool:
    return isinstance(layer, torch.nn.Conv1d | torch.nn.Conv2d | torch.nn.Conv3d)


def _shape(name: str, layer: Any, positions: int) -> LayerShape:
    groups = layer.groups if _is_convolution(layer) else 1
    outputs, *kernel = layer.weight.shape
    lines = 1
    for size in kernel:
        lines *= size
    label = name.replace(".", "_")[-60:].lstrip("_")
    return LayerShape(name=label, lines=lines, outputs=outputs // groups, positions=max(positions, 1), groups=groups)
