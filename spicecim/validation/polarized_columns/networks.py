"""Networks for the digits, trained for each encoding: what is put on the crossbars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from spicecim.encodings.weight_sets import WeightSet
from spicecim.training.digits import Digits, split_digits
from spicecim.training.quantize import IntegerNetwork, integer_network
from spicecim.validation.polarized_columns.extent import FRAGMENT, Extent

if TYPE_CHECKING:
    from spicecim.training.stages import Stage

NETWORKS = ("float", "dual_crossbar", "offset", "polarized", "pruned")
"""The network that is not restricted, in 8 bits for either baseline, in 8 bits polarized, and with half its fragments.

The one for two crossbars has weights from -255 to 255, that for the offset from -127 to 127: what 8 bits of cells hold.
"""

_LEVELS = {"dual_crossbar": 255, "offset": 127}


@dataclass(frozen=True)
class Trained:
    """What was trained.

    Attributes
    ----------
    digits
        The split of the first seed.
    stages
        Stages of training of the first seed by the size of the fragments.
    networks
        Networks in integers of the first seed by encoding and size of the fragments.
    accuracy
        ``accuracy`` (kind, seed, network) on the test images; see `NETWORKS`.
    """

    digits: Digits
    stages: dict[int, tuple[Stage, ...]]
    networks: dict[tuple[str, int], IntegerNetwork]
    accuracy: xr.Dataset


def train_networks(extent: Extent, progress: Callable[[float], None]) -> Trained:
    """Train the networks of all seeds for fragments of 8, and those of the first seed for all sizes."""
    # here, because it needs PyTorch, without which the package is to load all the same
    from spicecim.training.stages import Restrictions, run_stages

    accuracy = np.empty((len(extent.accuracy_kinds), extent.seeds, len(NETWORKS)))
    sizes = [size for size in extent.fragments if size != FRAGMENT]
    count, done = len(extent.accuracy_kinds) * extent.seeds + len(sizes), 0
    first_digits = split_digits(0)
    stages: dict[int, tuple[Stage, ...]] = {}
    for place in np.ndindex(accuracy.shape[:2]):
        kind, seed = extent.accuracy_kinds[place[0]], place[1]
        digits = split_digits(seed)
        trained = run_stages(kind, digits, seed, Restrictions(fragment_size=FRAGMENT))
        accuracy[place] = _accuracies(trained, digits)
        if (kind, seed) == (extent.kind, 0):
            stages[FRAGMENT] = trained
        done += 1
        progress(done / count)
    for size in sizes:
        stages[size] = run_stages(extent.kind, first_digits, 0, Restrictions(fragment_size=size))
        done += 1
        progress(done / count)
    networks: dict[tuple[str, int], IntegerNetwork] = {}
    for size in extent.fragments:
        of_size = integer_networks(stages[size], first_digits)
        networks |= {(encoding, size): network for encoding, network in of_size.items()}
    dataset = xr.Dataset(
        {"accuracy": (("kind", "seed", "network"), accuracy)},
        coords={"kind": list(extent.accuracy_kinds), "seed": np.arange(extent.seeds), "network": list(NETWORKS)},
    )
    return Trained(first_digits, stages, networks, dataset)


def integer_networks(stages: tuple[Stage, ...], digits: Digits) -> dict[str, IntegerNetwork]:
    """Return the networks in integers that the three encodings hold, with inputs of 8 bits."""
    unrestricted, _, quantized, _ = stages
    found = {
        encoding: integer_network(unrestricted.network, digits.train_images, levels)
        for encoding, levels in _LEVELS.items()
    }
    return {"polarized": _on_scales(quantized, digits), **found}


def sign_violations(stages: tuple[Stage, ...], fragment: int) -> dict[str, int]:
    """Count fragments with weights of both signs, over all layers, by the stage of training.

    Of each stage, what ADMM and the projection left and what was trained on are both looked at; the worse counts.
    """
    target = WeightSet(fragment_size=fragment, polarized=True)
    return {
        stage.name: max(
            sum(target.violations(matrix).signs for matrix in network.matrices)
            for network in (stage.projected, stage.network)
        )
        for stage in stages
    }


def _accuracies(stages: tuple[Stage, ...], digits: Digits) -> list[float]:
    test = (digits.test_images, digits.test_labels)
    networks = integer_networks(stages, digits)
    integers = [networks["dual_crossbar"], networks["offset"], networks["polarized"], _on_scales(stages[-1], digits)]
    return [stages[0].network.accuracy(*test), *(network.accuracy(*test) for network in integers)]


def _on_scales(stage: Stage, digits: Digits) -> IntegerNetwork:
    scales = [target.scale for target in stage.targets if target.scale is not None]
    return integer_network(stage.network, digits.train_images, stage.targets[0].levels or 0, scales)
