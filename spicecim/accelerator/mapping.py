"""Layers on crossbars: how many crossbars and copies each takes, and how many chips that needs."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from spicecim.accelerator.design import Design
from spicecim.accelerator.layers import LayerShape, NetworkShape
from spicecim.errors import InputError
from spicecim.quantities import shown

_MOST_HALVINGS = 64
_MOST_CHIPS = 1_000_000


@dataclass(frozen=True)
class MappedLayer:
    """A layer on crossbars.

    Attributes
    ----------
    shape
        The layer.
    pruning
        Weights over those that pruning has left.
    crossbars
        Crossbars of one copy.
    blocks
        Crossbars that get different parts of an input vector.
    fragments
        Fragments of a crossbar that are read one after the other.
    cells
        Cells of one copy that hold weights that are left.
    copies
        Copies that work on different vectors of a frame.
    """

    shape: LayerShape
    pruning: float
    crossbars: int
    blocks: int
    fragments: int
    cells: float
    copies: int

    @property
    def vectors(self) -> int:
        """Input vectors per frame for each copy."""
        return -(-self.shape.positions // self.copies)


def map_network(design: Design, network: NetworkShape, chips: int | None = None) -> tuple[list[MappedLayer], int]:
    """Put a network on as many chips of a design as it needs at least, or on a given number.

    Pruning takes whole rows and columns in multiples of a crossbar (as in FORMS), so that a layer's crossbars are those
    of the whole matrix over its ratio. Copies are those that ISAAC makes from the last layer to the first: a layer has
    as many more than the next as it has more positions, so that all take the same time; then all but the last are
    halved until they fit.

    Returns
    -------
    list of MappedLayer, int
        The layers, and how many chips they are on.

    Raises
    ------
    InputError
        If the design has no crossbars, or the chips are too few.
    """
    single = [_mapped(design, network, layer) for layer in network.layers]
    available = design.parts.crossbars
    needed = -(-sum(layer.crossbars for layer in single) // available)
    if chips is None:
        chips = needed
    if not isinstance(chips, int) or isinstance(chips, bool) or not needed <= chips <= max(needed, _MOST_CHIPS):
        raise InputError(
            f"chips: {network.name} needs {needed} of {design.name} at least, and {_MOST_CHIPS} are the most "
            f"(given: {shown(chips)})"
        )
    if design.times.replication == "none":
        return single, chips
    last = single[-1].shape.positions
    for halvings in range(_MOST_HALVINGS):
        copies = [max(1, math.ceil(layer.shape.positions / last / 2**halvings)) for layer in single]
        if sum(count * layer.crossbars for count, layer in zip(copies, single, strict=True)) <= chips * available:
            break
    return [replace(layer, copies=count) for layer, count in zip(single, copies, strict=True)], chips


def _mapped(design: Design, network: NetworkShape, layer: LayerShape) -> MappedLayer:
    scheme = design.crossbars
    pruning = 1.0
    if design.pruned:
        ratio = None if network.pruning is None else network.pruning.value
        pruning = layer.pruning or ratio or 1.0
    needed = scheme.resources(layer.lines, layer.outputs)
    return MappedLayer(
        shape=layer,
        pruning=pruning,
        crossbars=max(1, math.ceil(needed.crossbars * layer.groups / pruning)),
        blocks=-(-layer.lines // scheme.rows),
        fragments=needed.cycles // design.bits_in_turn,
        cells=needed.cells * layer.groups / pruning,
        copies=1,
    )
