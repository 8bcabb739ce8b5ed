"""From a trained network to one whose linear layers and convolutions run on crossbars."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from spicecim.encodings.base import Encoding
from spicecim.encodings.layout import Policy
from spicecim.encodings.weight_scales import best_scale
from spicecim.encodings.weight_sets import Compacted, WeightSet
from spicecim.errors import InputError
from spicecim.fields import FloatArray
from spicecim.networks.constraints import constraint_of
from spicecim.networks.folding import Norm, followed_by_norm, norm_terms
from spicecim.networks.layers import CrossbarLayer, Group, InputRange
from spicecim.networks.matrices import is_held, matrix_of, named_layers
from spicecim.networks.observers import Observed, observe
from spicecim.networks.pytorch import torch
from spicecim.quantities import shown

_OTHERS = "*"
_SAMPLE = 200
"""Input vectors of the calibration that a layer keeps."""


def crossbars(
    model: Any, scheme: Encoding | Mapping[str, Encoding], calibration: Any, *, policy: Policy = "channel"
) -> Any:
    """Return a copy of a network whose linear layers and convolutions (in one or two dimensions) are on crossbars.

    Everything else stays as it is: activations, pooling, skips, attention. A normalization right after a convolution or
    linear layer is folded into the scale and bias of its outputs. The weights of a layer become integers times one
    scale: that of the set it is constrained to, or the best; its inputs become integers by the range that they have
    in the calibration, shifted if they have both signs (see `InputRange`). Rows and columns of zeros are left out.

    Parameters
    ----------
    model
        A ``torch.nn.Module``.
    scheme
        A scheme for all layers, or schemes by the name of the layer, ``"*"`` for all others; without it those others
        stay as they are. Variation, stuck cells, converters and wires are settings of a scheme.
    calibration
        Batches of inputs, or of inputs and labels.
    policy
        Order of a convolution's input lines along the rows; that which the weights were constrained with.

    Raises
    ------
    InputError
        That names the layer, if a scheme cannot hold its weights, weights or inputs are not finite or all zero, the
        calibration does not fit the network, or a pooling leaves out a part of its map.

    Examples
    --------
    >>> import torch
    >>> from spicecim.encodings import DualCrossbar
    >>> nn = torch.nn
    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    >>> images = torch.rand(8, 1, 8, 8)
    >>> on_crossbars = crossbars(model, DualCrossbar(), [images])
    >>> bool((on_crossbars(images) - model(images)).abs().max() < 0.05)
    True
    """
    copied = _calling_all(copy.deepcopy(model).eval())
    modules = {name: module for name, module in copied.named_modules() if is_held(module)}
    schemes = _schemes(copied, modules, scheme)
    for name in schemes:
        matrix_of(modules[name], policy, name)  # weights that are not finite are told before what comes of them
    norms = followed_by_norm(copied, schemes)
    ranges = observe(copied, {name: modules[name] for name in schemes}, calibration)
    for number, (name, of_layer) in enumerate(schemes.items()):
        place = (number, len(schemes))
        layer = _layer(name, modules[name], of_layer, place, ranges[name], norms.get(name), policy)
        with layer.in_integers(), layer.recording() as seen:
            layer(ranges[name].first)
        vectors = np.concatenate(seen)
        layer.sample = vectors[:: max(1, len(vectors) // _SAMPLE)][:_SAMPLE]
        copied = _replaced(copied, name, layer)
    for norm in norms.values():
        copied = _replaced(copied, norm.name, torch.nn.Identity())
    return copied


def _calling_all(model: Any) -> Any:
    """Have PyTorch's encoders call their layers: on a faster way of theirs they take only the weights."""
    for module in model.modules():
        if isinstance(module, torch.nn.TransformerEncoder):
            module.use_nested_tensor = False
        elif isinstance(module, torch.nn.TransformerEncoderLayer):
            module.activation_relu_or_gelu = 0
    return model


class _Integers(NamedTuple):
    values: np.ndarray
    scale: float
    rows: np.ndarray
    """Which rows the set of the weights leaves, of which its fragments are (row,)."""


def _schemes(model: Any, modules: Mapping[str, Any], scheme: Encoding | Mapping[str, Encoding]) -> dict[str, Encoding]:
    given = {_OTHERS: scheme} if isinstance(scheme, Encoding) else scheme
    if not isinstance(given, Mapping) or not all(isinstance(one, Encoding) for one in given.values()):
        raise InputError(
            "scheme: must be a scheme, such as Polarized(fragment=8), or schemes by the names of layers; it is "
            f"{shown(scheme)}"
        )
    named_layers(model, {name: one for name, one in given.items() if name != _OTHERS}, "scheme")
    found = {name: given.get(name, given.get(_OTHERS)) for name in modules}
    chosen = {name: one for name, one in found.items() if one is not None}
    if not chosen:
        raise InputError("model: it has no layer that crossbars can hold; Linear, Conv1d and Conv2d can be")
    return chosen


def _layer(
    name: str,
    module: Any,
    scheme: Encoding,
    place: tuple[int, int],
    inputs: Observed,
    norm: Norm | None,
    policy: Policy,
) -> CrossbarLayer:
    """Put a layer on crossbars; its place is its number, and how many there are."""
    number, layers = place
    matrix = matrix_of(module, policy, name)
    integers = _integers(name, module, matrix, scheme)
    parts = np.split(integers.values, getattr(module, "groups", 1), axis=1)
    groups = [
        _group(name, part, integers.rows, scheme.for_layer(number + group * layers)) for group, part in enumerate(parts)
    ]
    largest = groups[0].programmed.input_range[1]
    integers_of_inputs = InputRange.of(inputs.lowest, inputs.highest, largest)
    bias = np.zeros(matrix.shape[1]) if module.bias is None else module.bias.detach().double().numpy()
    gain, shift = (np.ones(len(bias)), np.zeros(len(bias))) if norm is None else norm_terms(norm.module)
    scale = integers.scale * integers_of_inputs.scale * gain
    return CrossbarLayer(name, module, scheme, groups, integers_of_inputs, scale, bias * gain + shift, policy)


def _integers(name: str, module: Any, matrix: FloatArray, scheme: Encoding) -> _Integers:
    held = scheme.constraint()
    levels = getattr(held, "levels", None) or 255
    own, rows = constraint_of(module), np.ones(len(matrix), dtype=bool)
    while isinstance(own, Compacted):
        rows[rows] = own.rows
        own = own.inner
    fits = isinstance(own, WeightSet) and own.scale is not None and own.levels is not None and own.levels <= levels
    try:
        scale = own.scale if fits and isinstance(own, WeightSet) else best_scale(matrix, levels)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    assert scale is not None
    return _Integers(np.clip(np.round(matrix / scale), -levels, levels).astype(int), scale, rows)


def _group(name: str, integers: Any, rows: Any, scheme: Encoding) -> Group:
    """Program the weights without rows and columns of zeros; with all rows of their set where fragments need them."""
    columns = integers.any(axis=0)
    if not columns.any():
        raise InputError(f"{name}: its weights are all zero as integers, so that no crossbar is needed")
    for left in (integers.any(axis=1), rows | integers.any(axis=1)):
        try:
            return Group(scheme.program(integers[np.ix_(left, columns)]), left, columns)
        except InputError as error:
            failure = error
    raise InputError(
        f"{name}: {scheme.name} cannot hold its weights ({failure}); networks.constrain(model, {{{name!r}: "
        "scheme.constraint()}) makes them fit"
    ) from failure


def _replaced(model: Any, name: str, module: Any) -> Any:
    """Put a module in the place of that name; the model itself has the name ''."""
    if not name:
        return module
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, module)
    return model
