"""Time that inputs and outputs take on the buses of the tiles and on the links between chips."""

from __future__ import annotations

import math
from collections.abc import Sequence

from spicecim.accelerator.design import Design
from spicecim.accelerator.mapping import MappedLayer

_BYTE = 8


def bus_times(design: Design, layers: Sequence[MappedLayer]) -> list[float]:
    """Time (s) per frame that the vectors of each layer take on the buses of its tiles, 0 where that is not known.

    Each input vector is read from the buffer once, for all crossbars that share it, and each output is written once. A
    layer has the buses of as many tiles as its copies take at least. Pruning is taken to leave out as large a share of
    its lines as of its outputs.
    """
    traffic = design.traffic
    if traffic is None or traffic.tile_bus is None:
        return [0.0] * len(layers)
    parts = design.parts
    tile = parts.crossbars_per_unit.value * parts.units_per_tile.value
    return [
        _bytes(design, layer.shape.positions * layer.shape.groups * (layer.shape.lines + layer.shape.outputs))
        / (math.sqrt(layer.pruning) * traffic.tile_bus.value * -(-layer.copies * layer.crossbars // tile))
        for layer in layers
    ]


def link_times(design: Design, layers: Sequence[MappedLayer]) -> list[float]:
    """Time (s) per frame that the map that each layer gets takes on the links of a chip, 0 where none is crossed.

    Layers lie on the chips one after the other. A map crosses a boundary between chips for each that its layer starts
    behind or spreads over; the boundaries are crossed at the same time, in a chain. Pruned outputs are not left out.
    """
    traffic = design.traffic
    if traffic is None or traffic.chip_links is None:
        return [0.0] * len(layers)
    times, used, chip, moved = [], 0, 0, 0
    for layer in layers:
        used += layer.copies * layer.crossbars
        last = (used - 1) // design.parts.crossbars
        times.append(_bytes(design, moved) / traffic.chip_links.value if last > chip else 0.0)
        chip, moved = last, layer.shape.positions * layer.shape.outputs * layer.shape.groups
    return times


def _bytes(design: Design, values: int) -> float:
    assert design.encoding is not None
    return values * design.encoding.input_bits.value / _BYTE
